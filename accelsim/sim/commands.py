"""The engine for nests behind a DRAM by commands: segment by segment, nothing listed, with jumps over whole periods.

As in `sim.periods` and `sim.queues` the state that the future depends on is compared at every boundary of a loop with
one before, kept for 1, 2, 4, ... iterations; here the banks' is in it (`dram.phase`). It returns when refreshes and the
addresses of the tiles do, which takes many iterations or more than there are: then every segment is visited. So what is
cheap to know comes first: the time to the next refresh, and where the tiles lie within a row of all banks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from accelsim.arch import Dram
from accelsim.dram import kernel, phase
from accelsim.dram.channel import NEVER
from accelsim.dram.phase import Tiles
from accelsim.jit import compiled
from accelsim.sim.homes import HIGH, LOW, TRIPS, Homes, address_of, homes_of, place_of
from accelsim.sim.limits import Limits
from accelsim.sim.nest import SegmentNest
from accelsim.sim.periods import (
    COUNTS,
    EACH,
    END,
    FREE,
    LAST,
    LOOPS,
    STREAMED,
    VISITS,
    begin_visits,
    carry,
    jump_over,
    ready,
    run_segment,
    started,
    state_of,
    summed,
    tables,
)
from accelsim.sim.stream import CAUSES, Summary

Array = Any
Nest = tuple[Array, Array, Array, Array, Array]
"""What `periods.tables` returns."""
Past = tuple[Array, Array, Array, Array, Array, Array, Array]
"""Of every loop, the state kept: its iteration (-1: none) and for how many iterations it is kept, what is cheap to know
of it, all of it, times and counts, tallies of the DRAM, and addresses of the tiles."""
NEAR = 5  # values that are cheap to know, besides an address of every operand


@compiled
def _look(now: Array, segment: int, nest: Nest, homes: Homes, tiles: Tiles, near: Array) -> None:
    """Where the tiles are, and what is cheap to know of the state."""
    loops, fed = nest[0], nest[1]
    d, due, end = homes[0][0], homes[0][1][0, kernel.DUE], now[END]
    near[0] = end % d[kernel.CYCLES]
    near[1] = due - end // d[kernel.CYCLES] * d[kernel.CLOCKS] if due < NEVER else NEVER
    near[2], near[3], near[4] = now[LAST] - end, now[STREAMED] - end, max(now[FREE], now[STREAMED]) - end
    for x in range(fed.shape[0]):
        tiles[1][x] = address_of(loops, fed[x, LOOPS], fed[x, VISITS], x, segment // fed[x, EACH], homes)
        near[NEAR + x] = tiles[1][x] % tiles[2]


@compiled
def _whole(
    now: Array, fed: Array, done: Array, since: Array, memory: kernel.Memory, tiles: Tiles, size: int, state: Array
) -> None:
    """All of the state: `size` values of the stream's, then the memory's."""
    state_of(now, fed, done, since, 0, state)
    phase.relative(memory, now[END], max(now[FREE], now[STREAMED]), tiles, state[size:])


@compiled
def _repeat(
    k: int, times: int, now: Array, state: Array, fed: Array, done: Array, since: Array, memory: kernel.Memory,
    tiles: Tiles, past: Past,
) -> None:  # fmt: skip
    """What happened in loop k since the state kept happens so many times more."""
    marks, tallies, places = past[4], past[5], past[6]
    last, rows = np.zeros_like(tallies[k]), np.zeros(fed.shape[0], np.int64)
    phase.tally(memory, now[END], last)
    for x in range(rows.size):
        rows[x] = times * ((tiles[1][x] - places[k, x]) // tiles[2])
    cycles = times * (now[END] - marks[k, END])
    phase.shift(memory, tallies[k], last, times, cycles, rows, tiles)
    jump_over(now, marks[k], state, done, fed, since, k, times)


@compiled
def _keep(
    k: int, digit: int, now: Array, near: Array, state: Array, memory: kernel.Memory, tiles: Tiles, past: Past
) -> None:
    """Keep the state of this iteration of loop k."""
    seen, kept, nears, states, marks, tallies, places = past
    kept[k] = 1 if seen[k] < 0 else 2 * kept[k]
    seen[k], nears[k, :], states[k, :], marks[k, :], places[k, :] = digit, near, state, now, tiles[1]
    phase.tally(memory, now[END], tallies[k])


@compiled
def _new_past(depth: int, near: int, state: int, times: int, cores: Array, operands: int) -> Past:
    """No state is kept yet."""
    return (
        np.full(depth, -1, np.int64), np.ones(depth, np.int64), np.zeros((depth, near), np.int64),
        np.zeros((depth, state), np.int64), np.zeros((depth, times), np.int64),
        np.zeros((depth, cores.shape[0], cores.shape[1]), np.int64), np.zeros((depth, operands), np.int64),
    )  # fmt: skip


@compiled
def run_commands(
    nest: Nest, work: Array, overlap: int, now: Array, budget: int, homes: Homes, tiles: Tiles, banks: int
) -> int:
    """Run all segments; `now` holds the final times and sums, `homes[0]` the DRAM's. `banks` is the size of its state.

    Returns the segments that were visited one by one, or -1 if there would be more than the budget.
    """
    loops, fed, loads, stores, ratio = nest
    memory, depth = homes[0], loops.shape[0]
    done, arriving, since, queue, most = started(fed)
    digits, blocks = np.zeros(depth, np.int64), np.ones(depth + 1, np.int64)
    for k in range(depth - 1, -1, -1):
        blocks[k] = blocks[k + 1] * loops[k, TRIPS]
    count = blocks[0]
    size = 4 + (1 + 4 * (most + 2)) * fed.shape[0]
    near, state = np.zeros(NEAR + fed.shape[0], np.int64), np.zeros(size + banks, np.int64)
    past = _new_past(depth, near.size, state.size, now.size, memory[1], fed.shape[0])
    seen, kept, nears, states = past[0], past[1], past[2], past[3]
    ready(now, -1, count, fed, loops, loads, stores, ratio, done, queue, since, homes)
    segment, visited = 0, 0
    while segment < count:
        if visited == budget:
            return -1
        begin_visits(segment, fed, done, arriving)
        run_segment(now, work[place_of(loops, depth, segment)], fed, done, arriving, overlap)
        ready(now, segment, count, fed, loops, loads, stores, ratio, done, queue, since, homes)
        visited += 1
        segment += 1
        k = carry(digits, seen, loops)
        if k < 0:
            break
        left = loops[k, HIGH] - most - digits[k] + 1
        if tiles[2] == 0 or digits[k] - 2 < loops[k, LOW] or left < 0:
            seen[k] = -1
            continue
        _look(now, segment, nest, homes, tiles, near)
        time_to_keep = seen[k] < 0 or digits[k] - seen[k] == kept[k]
        alike = seen[k] >= 0 and np.array_equal(near, nears[k])
        if not time_to_keep and not alike:
            continue
        _whole(now, fed, done, since, memory, tiles, size, state)
        if alike and np.array_equal(state, states[k]):
            length = digits[k] - seen[k]
            if left >= length:
                _repeat(k, left // length, now, state, fed, done, since, memory, tiles, past)
                digits[k] += left // length * length
                segment += left // length * length * blocks[k + 1]
                seen[k] = -1
        elif time_to_keep:
            _keep(k, digits[k], now, near, state, memory, tiles, past)
    return visited


def run(found: SegmentNest, dram: Dram, clock_hz: int, limits: Limits | None = None) -> tuple[Summary, int]:
    """What running all segments comes to, and how many of them were visited one by one.

    Raises:
        BudgetExceeded: more than the limits allow. MappingError: the tiles do not fit the DRAM.
    """
    assert dram.timing is not None
    budget = limits.events if limits is not None and limits.events is not None else found.segments
    nest, homes = tables(found, dram, clock_hz), homes_of(found, dram.timing, clock_hz)
    now = np.zeros(COUNTS + len(CAUSES), np.int64)
    tiles = homes[1], np.zeros_like(homes[1]), *phase.spans(dram.timing)
    size = phase.state_size(homes[0])
    visited = run_commands(nest, found.work, int(found.overlap), now, budget, homes, tiles, size)
    summary = summed(found, now, int(visited), budget)
    bits = sum(moved for _, moved in (*summary.read_bits, *summary.write_bits))
    return replace(summary, dram=kernel.use_of(homes[0], summary.makespan, bits)), int(visited)
