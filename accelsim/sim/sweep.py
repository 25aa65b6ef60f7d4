"""The sweep of `sim.recurrence`, compiled, for a channel of fixed bandwidth (`timing.bound.dram_cycles` a transfer) and
for a DRAM by commands (`dram.kernel`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from accelsim.dram.kernel import Memory, found_rows, serve
from accelsim.jit import compiled
from accelsim.timing.bound import dram_cycles

Array = Any


@compiled
def sweep(
    work: Array, moves: Array, num: int, den: int, latency: int, memory: Memory | None, times: Array, spans: Array,
    waits: Array, causes: Array, opened: Array,
) -> tuple[int, int]:  # fmt: skip
    """Fill times (segments, 3), spans (transfers, 2), waits (segments, 3), causes (segments, 2), and, where there is a
    `memory` by commands, opened (transfers, 3).

    Without one a transfer of b bits holds the channel for ceil(b num / den) cycles. Transfers that a segment needs are
    chained in channel order: `head` is the first of a segment's, `after` the next of the same segment.

    Returns:
        When the last data have arrived, and the cycles for which the channel was busy.
    """
    count, size = work.shape[0], moves.shape[0]
    head, tail = np.full(count + 1, -1, np.int64), np.full(count + 1, -1, np.int64)
    after, done = np.full(size, -1, np.int64), np.zeros(size, np.int64)
    over = np.zeros((count + 1, 3), np.int64)  # of no segment, then of each, by `stream.SOON`
    state = np.zeros((2, 3), np.int64)  # last stream start, its end, and the end of all, by unit
    index = free = busy = latest = 0
    rows = np.zeros(3, np.int64)
    for number in range(-1, count):
        if number >= 0:
            unit, settled = work[number, 6], over[work[number, 7] + 1, 2]
            last, streamed, end = state[unit, 0], state[unit, 1], state[unit, 2]
            loader = last if work[number, 4] else end
            slot = end if work[number, 5] else streamed
            unbound = max(loader + work[number, 0], slot)
            loader = loader if work[number, 4] else max(loader, settled)
            slot = max(slot, settled)
            planned = max(loader + work[number, 0], slot)
            waits[number, 2] = planned - unbound
            load_start, cause = loader, 0
            item = head[number]
            while item >= 0:
                if moves[item, 5] and done[item] > load_start:
                    load_start, cause = done[item], 3 * moves[item, 0] + moves[item, 1]
                item = after[item]
            ready = max(load_start + work[number, 0], slot)
            waits[number, 0], causes[number, 0] = ready - planned, cause
            begin, cause = ready, 0
            item = head[number]
            while item >= 0:
                if not moves[item, 5] and done[item] > begin:
                    begin, cause = done[item], 3 * moves[item, 0] + moves[item, 1]
                item = after[item]
            waits[number, 1], causes[number, 1] = begin - ready, cause
            last = begin + work[number, 1]
            streamed = last + work[number, 2]
            end = max(end, streamed + work[number, 3])
            times[number, 0], times[number, 1], times[number, 2] = load_start, begin, end
            state[unit, 0], state[unit, 1], state[unit, 2] = last, streamed, end
            over[number + 1, 0], over[number + 1, 1] = end, streamed
            over[number + 1, 2] = max(end, over[number, 2])
        while index < size and moves[index, 3] <= number:
            start = max(free, over[moves[index, 3] + 1, min(moves[index, 8], 2)])
            if memory is None:  # compiled apart, without the DRAM's rules
                free = left = start + dram_cycles(moves[index, 2], num, den)
            else:
                free, left = serve(memory, start, moves[index, 6], moves[index, 2], 1 - moves[index, 0])
                opened[index] -= rows
                found_rows(memory, rows)
                opened[index] += rows
            busy += free - start
            spans[index, 0], spans[index, 1] = start, free
            latest = max(latest, left + latency)
            done[index] = left + latency if moves[index, 0] else left
            needed = moves[index, 4]
            if tail[needed] < 0:
                head[needed] = index
            else:
                after[tail[needed]] = index
            tail[needed] = index
            index += 1
    return latest, busy
