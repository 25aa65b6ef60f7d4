"""The event loop, compiled: streams whose transfers wait in a queue per operand (rule 9 of `sim.semantics`).

Two kinds of events alternate: segments run as far as the transfers that they need have been taken, so their ends are
known; then the channel takes its next transfer. A segment that still waits for a transfer which no one has taken ends
no earlier than that transfer, so heads of queues that wait for it are not ready when the channel chooses. Every segment
and every transfer is visited once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from accelsim.jit import compiled
from accelsim.timing.bound import dram_cycles

Array = Any
QUEUES = 3  # one per operand, in the order of `stream.OPERANDS`
NUMBER, LAST, STREAMED, END, FREE, SERVED, LATEST, BUSY = range(8)  # of `now`: next segment, cycles, last served queue


@compiled
def chained(keys: Array, count: int) -> tuple[Array, Array]:
    """Rows of equal keys (0 to count - 1) as lists: the first row of each key, and the row after each row (-1: none).

    Rows keep their order.
    """
    first, after = np.full(count, -1, np.int64), np.full(keys.size, -1, np.int64)
    for row in range(keys.size - 1, -1, -1):
        after[row] = first[keys[row]]
        first[keys[row]] = row
    return first, after


@compiled
def _latest(item: int, after: Array, gates: int, moves: Array, spans: Array, done: Array, base: int) -> tuple[int, int]:
    """When the transfers of a list that gate the load (or the stream) are over, and the cause if later than `base`."""
    time, cause, start = base, 0, 0
    while item >= 0:
        if moves[item, 5] == gates and (
            done[item] > time or (done[item] == time and time > base and spans[item, 0] < start)
        ):
            time, cause, start = done[item], QUEUES * moves[item, 0] + moves[item, 1], spans[item, 0]
        item = after[item]
    return time, cause


@compiled
def _run_segment(
    now: Array, work: Array, item: int, after: Array, moves: Array, done: Array, times: Array, spans: Array,
    waits: Array, causes: Array,
) -> None:  # fmt: skip
    """Load, stream and drain of the next segment, whose list of transfers begins with `item`."""
    number = now[NUMBER]
    load = work[number, 0]
    loader = now[LAST] if work[number, 4] else now[END]
    slot = now[END] if work[number, 5] else now[STREAMED]
    start, first = _latest(item, after, 1, moves, spans, done, loader)
    loaded = max(start + load, slot)
    begin, second = _latest(item, after, 0, moves, spans, done, loaded)
    waits[number, 0], waits[number, 1] = loaded - max(loader + load, slot), begin - loaded
    causes[number, 0], causes[number, 1] = first, second
    now[LAST] = begin + work[number, 1]
    now[STREAMED] = now[LAST] + work[number, 2]
    now[END] = max(now[END], now[STREAMED] + work[number, 3])
    times[number, 0], times[number, 1], times[number, 2] = start, begin, now[END]
    now[NUMBER] += 1


@compiled
def _over(segment: int, soon: int, work: Array, times: Array) -> int:
    """When a segment has ended (-1: none), or, `soon`, when its last stream is over."""
    if segment < 0:
        return 0
    found: int = times[segment, 1] + work[segment, 1] + work[segment, 2] if soon else times[segment, 2]
    return found


@compiled
def choice(ready: Array, free: int, served: int, robin: bool) -> tuple[int, int]:
    """The queue whose head goes next, and when; `ready` is since when each head may go (-1: not yet known, or none).

    First come: the head that has been ready longest. Round robin: the first ready one after the queue served last.
    """
    best = -1
    for queue in range(ready.size):
        if ready[queue] >= 0 and (best < 0 or ready[queue] < ready[best]):
            best = queue
    if best < 0:
        return -1, 0
    start = max(free, ready[best])
    if robin:
        best = (served + 1) % ready.size
        while ready[best] < 0 or ready[best] > start:
            best = (best + 1) % ready.size
    return best, start


@compiled
def _take(
    now: Array, item: int, start: int, moves: Array, num: int, den: int, latency: int, spans: Array, done: Array
) -> None:
    """One transfer on the channel."""
    now[FREE] = start + dram_cycles(moves[item, 2], num, den)
    now[BUSY] += now[FREE] - start
    now[LATEST] = max(now[LATEST], now[FREE] + latency)
    spans[item, 0], spans[item, 1] = start, now[FREE]
    done[item] = now[FREE] + latency if moves[item, 0] else now[FREE]


@compiled
def loop(
    work: Array, moves: Array, num: int, den: int, latency: int, robin: bool, times: Array, spans: Array, waits: Array,
    causes: Array,
) -> tuple[int, int]:  # fmt: skip
    """Fill times (segments, 3), spans (transfers, 2), the first two of waits (segments, 3), and causes (segments, 2).

    A transfer of b bits holds the channel for ceil(b num / den) cycles. `robin`: round robin, else first come.

    Returns:
        When the last data have arrived, and the cycles for which the channel was busy.
    """
    count, size = work.shape[0], moves.shape[0]
    needs, next_need = chained(moves[:, 4], count + 1)
    heads, next_head = chained(moves[:, 1], QUEUES)
    missing, done = np.zeros(count + 1, np.int64), np.zeros(size, np.int64)
    for item in range(size):
        missing[moves[item, 4]] += 1
    now, since, ready = np.zeros(8, np.int64), np.zeros(QUEUES, np.int64), np.zeros(QUEUES, np.int64)
    now[SERVED] = QUEUES - 1
    while True:
        while now[NUMBER] < count and missing[now[NUMBER]] == 0:
            _run_segment(now, work, needs[now[NUMBER]], next_need, moves, done, times, spans, waits, causes)
        for queue in range(QUEUES):
            item = heads[queue]
            ready[queue] = -1
            if item >= 0 and moves[item, 3] < now[NUMBER]:
                ready[queue] = max(since[queue], _over(moves[item, 3], moves[item, 8], work, times))
        queue, start = choice(ready, now[FREE], now[SERVED], robin)
        if queue < 0:
            return now[LATEST], now[BUSY]
        item = heads[queue]
        _take(now, item, start, moves, num, den, latency, spans, done)
        missing[moves[item, 4]] -= 1
        heads[queue], since[queue], now[SERVED] = next_head[item], start, queue
