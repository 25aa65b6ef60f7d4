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
NUMBER, FREE, SERVED, LATEST, BUSY = range(5)  # of `now`: next segment, cycles, last served queue
ENDED, STREAMED, SETTLED, STORED = range(4)  # as in `stream`


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
    now: Array, units: Array, over: Array, work: Array, item: int, after: Array, moves: Array, done: Array,
    times: Array, spans: Array, waits: Array, causes: Array,
) -> None:  # fmt: skip
    """Load, stream and drain of the next segment, whose list of transfers begins with `item`.

    `units`: (units, 3) last stream start, its end, and the end of all, of each unit. `over`: of no segment, then of
    each, by `SOON`.
    """
    number = now[NUMBER]
    load, settled = work[number, 0], over[work[number, 7] + 1, SETTLED]
    last, streamed, end = units[work[number, 6]]
    loader = last if work[number, 4] else end
    slot = end if work[number, 5] else streamed
    unbound = max(loader + load, slot)
    loader, slot = loader if work[number, 4] else max(loader, settled), max(slot, settled)
    start, first = _latest(item, after, 1, moves, spans, done, loader)
    loaded = max(start + load, slot)
    begin, second = _latest(item, after, 0, moves, spans, done, loaded)
    planned = max(loader + load, slot)
    waits[number, 0], waits[number, 1], waits[number, 2] = loaded - planned, begin - loaded, planned - unbound
    causes[number, 0], causes[number, 1] = first, second
    last = begin + work[number, 1]
    streamed = last + work[number, 2]
    end = max(end, streamed + work[number, 3])
    units[work[number, 6], 0], units[work[number, 6], 1], units[work[number, 6], 2] = last, streamed, end
    times[number, 0], times[number, 1], times[number, 2] = start, begin, end
    over[number + 1, ENDED], over[number + 1, STREAMED] = end, streamed
    over[number + 1, SETTLED] = max(end, over[number, SETTLED])
    now[NUMBER] += 1


@compiled
def _ready(
    item: int, number: int, since: int, moves: Array, over: Array, stores: Array, begun: Array, taken: int
) -> int:
    """Since when the head of a queue may go; -1 if that is not known yet, or there is none.

    `stores`: how many of them have their turn before each segment; `begun`: when those that were taken started.
    """
    if item < 0 or moves[item, 3] >= number:
        return -1
    segment = moves[item, 3] + 1
    found: int = max(since, over[segment, min(moves[item, 8], SETTLED)])
    if moves[item, 8] == STORED and stores[segment] > 0:
        return max(found, begun[stores[segment] - 1]) if stores[segment] <= taken else -1
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
    """Fill times (segments, 3), spans (transfers, 2), waits (segments, 3), and causes (segments, 2). Units take turns.

    A transfer of b bits holds the channel for ceil(b num / den) cycles. `robin`: round robin, else first come.

    Returns:
        When the last data have arrived, and the cycles for which the channel was busy.
    """
    count, size = work.shape[0], moves.shape[0]
    needs, next_need = chained(moves[:, 4], count + 1)
    heads, next_head = chained(moves[:, 1], QUEUES)
    missing, done, stores = np.zeros(count + 1, np.int64), np.zeros(size, np.int64), np.zeros(count + 1, np.int64)
    for item in range(size):
        missing[moves[item, 4]] += 1
        stores[moves[item, 7] + 1] += 1 - moves[item, 0] if moves[item, 7] < count else 0
    stores[:] = np.cumsum(stores)
    now, since, ready = np.zeros(5, np.int64), np.zeros(QUEUES, np.int64), np.zeros(QUEUES, np.int64)
    units, over, begun = np.zeros((2, 3), np.int64), np.zeros((count + 1, 3), np.int64), np.zeros(size, np.int64)
    now[SERVED], taken = QUEUES - 1, 0
    while True:
        while now[NUMBER] < count and missing[now[NUMBER]] == 0:
            item = needs[now[NUMBER]]
            _run_segment(now, units, over, work, item, next_need, moves, done, times, spans, waits, causes)
        for queue in range(QUEUES):
            ready[queue] = _ready(heads[queue], now[NUMBER], since[queue], moves, over, stores, begun, taken)
        queue, start = choice(ready, now[FREE], now[SERVED], robin)
        if queue < 0:
            return now[LATEST], now[BUSY]
        item = heads[queue]
        _take(now, item, start, moves, num, den, latency, spans, done)
        if moves[item, 0] == 0:
            begun[taken] = start
            taken += 1
        missing[moves[item, 4]] -= 1
        heads[queue], since[queue], now[SERVED] = next_head[item], start, queue
