"""The engine for nests behind a channel that arbitrates: `sim.events` visit by visit, with jumps over whole periods.

Queues of operands are never listed: the next transfer of one follows from the last. After the loads that fill its
buffer at the start come, for every visit, its store and the load that takes its place; each may be cut into pieces. As
in `sim.periods`, the state that the future depends on is compared at every boundary of a loop with one before. Here it
also holds where each queue is and since when its head waits. Transfers lag behind by as many visits as a buffer holds,
so as many iterations before must be alike, too. Queues that take turns may need several iterations to come back to a
state: each is compared with one that is kept for twice as many iterations each time (R. P. Brent, "An improved Monte
Carlo factorization algorithm", BIT 20, 1980).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from accelsim.arch import Dram
from accelsim.jit import compiled
from accelsim.sim.events import QUEUES, choice
from accelsim.sim.homes import HIGH, LOW, TRIPS, place_of
from accelsim.sim.limits import Limits
from accelsim.sim.nest import SegmentNest
from accelsim.sim.periods import (
    COUNTS,
    CUT_LOADS,
    CUT_STORES,
    DEPTH,
    EACH,
    END,
    FREE,
    LAST,
    LATEST,
    LOOPS,
    NEVER,
    OPERAND,
    SEQ,
    SOON,
    STREAMED,
    VISITS,
    begin_visits,
    carry,
    run_segment,
    serve,
    summed,
    tables,
)
from accelsim.sim.stream import CAUSES, Summary

Array = Any
Tables = Any
"""What `periods.tables` returns."""
LOAD, VISIT, PIECE, PARTS, BITS, SINCE = range(6)  # of a queue's head; SINCE: when it became the head
DONE = -1  # in place of a visit: nothing is left


@compiled
def _look(head: Array, x: int, nest: Tables) -> None:
    """Bits of the head's tile, and how many pieces they go in (`sim.build.cut`)."""
    loops, fed, loads, stores, ratio = nest
    visit, least = head[VISIT], ratio[3]
    place = place_of(loops, fed[x, LOOPS], visit)
    if head[LOAD]:
        head[BITS], cut = loads[x, place], fed[x, CUT_LOADS] and visit > 0
    else:
        head[BITS], cut = stores[x, place], fed[x, CUT_STORES] and visit + 1 < fed[x, VISITS]
    head[PARTS] = max(1, min(head[BITS] // least, fed[x, EACH])) if cut and least > 0 else 1


@compiled
def _next_first(head: Array, x: int, nest: Tables) -> int:
    """Move on among the loads that fill the buffer at the start: pieces of all but the first go by turn, then visit.

    Returns:
        The first visit that still waits for one, `DONE` if none does.
    """
    fed = nest[1]
    each, visit = fed[x, EACH], head[VISIT]
    turn = each * head[PIECE] // head[PARTS] if visit > 0 else -1
    soonest, found, piece, waiting = each, DONE, 0, DONE
    for other in range(min(fed[x, DEPTH], fed[x, VISITS]) - 1, 0, -1):
        head[VISIT] = other
        _look(head, x, nest)
        number = -(-(turn + int(other <= visit)) * head[PARTS] // each) if turn >= 0 else 0
        if number < head[PARTS]:
            waiting = other
            if each * number // head[PARTS] <= soonest:
                soonest, found, piece = each * number // head[PARTS], other, number
    head[VISIT], head[PIECE] = found, piece
    return waiting


@compiled
def _advance(head: Array, x: int, nest: Tables) -> None:
    """The transfer behind the head becomes the head, empty or not."""
    depth, visits = nest[1][x, DEPTH], nest[1][x, VISITS]
    if head[LOAD] and head[VISIT] < depth:
        _next_first(head, x, nest)
        if head[VISIT] == DONE:
            head[LOAD], head[VISIT] = 0, 0
    elif head[PIECE] + 1 < head[PARTS]:
        head[PIECE] += 1
    elif head[LOAD]:
        head[LOAD], head[VISIT], head[PIECE] = 0, head[VISIT] - depth + 1, 0
    elif head[VISIT] + depth < visits:
        head[LOAD], head[VISIT], head[PIECE] = 1, head[VISIT] + depth, 0
    else:
        head[VISIT], head[PIECE] = (head[VISIT] + 1 if head[VISIT] + 1 < visits else DONE), 0
    if head[VISIT] != DONE:
        _look(head, x, nest)


@compiled
def _waits(heads: Array, segment: int, nest: Tables) -> bool:
    """Does a segment wait for a transfer that has not been taken?"""
    fed, waits = nest[1], False
    for x in range(fed.shape[0]):
        visit = heads[x, VISIT] if heads[x, LOAD] else heads[x, VISIT] + fed[x, DEPTH]
        if heads[x, LOAD] and 1 < visit < fed[x, DEPTH]:
            behind = _next_first(heads[x].copy(), x, nest)
            visit = min(visit, behind) if behind != DONE else visit
        waits = waits or (heads[x, VISIT] != DONE and visit < fed[x, VISITS] and visit * fed[x, EACH] <= segment)
    return waits


@compiled
def _ready(head: Array, x: int, segment: int, fed: Array, ended: Array) -> int:
    """Since when the head may go; -1 if that is not known yet, for the visit before it has not ended."""
    after = head[VISIT] - fed[x, DEPTH] if head[LOAD] else head[VISIT]
    since: int = head[SINCE]
    if head[VISIT] == DONE or after >= segment // fed[x, EACH]:
        return -1
    return max(since, ended[x, (segment - 1) // fed[x, EACH] - after]) if after >= 0 else since


@compiled
def _drop_empty(heads: Array, segment: int, ended: Array, nest: Tables) -> None:
    """Pass over tiles that move nothing, as far as visits have ended."""
    for x in range(heads.shape[0]):
        while heads[x, BITS] <= 0 and _ready(heads[x], x, segment, nest[1], ended) >= 0:
            _advance(heads[x], x, nest)


@compiled
def _take(
    now: Array, heads: Array, segment: int, ended: Array, done: Array, served: Array, robin: bool, nest: Tables
) -> bool:
    """The channel takes its next transfer; False if there is none."""
    fed = nest[1]
    ready, row = np.full(QUEUES, -1, np.int64), np.zeros(QUEUES, np.int64)
    for x in range(fed.shape[0]):
        row[fed[x, OPERAND]] = x
        ready[fed[x, OPERAND]] = _ready(heads[x], x, segment, fed, ended)
    queue, start = choice(ready, now[FREE], served[0], robin)
    if queue < 0:
        return False
    x = row[queue]
    head = heads[x]
    piece, parts = head[PIECE], head[PARTS]
    bits = head[BITS] * (piece + 1) // parts - head[BITS] * piece // parts
    visit = head[VISIT] if head[LOAD] else head[VISIT] + fed[x, DEPTH]
    ahead = visit - max(0, segment - 1) // fed[x, EACH]
    serve(now, head[LOAD], queue, bits, start, nest[4], done[x, head[LOAD], ahead])
    _advance(head, x, nest)
    head[SINCE], served[0] = start, queue
    return True


@compiled
def _state(
    now: Array, heads: Array, segment: int, fed: Array, ended: Array, done: Array, served: int, robin: bool,
    found: Array,
) -> None:  # fmt: skip
    """What the future depends on, relative to the last end: times that can no longer hold anything up are equal."""
    end, floor = now[END], min(now[END], now[LAST])
    least = now[STREAMED]  # what becomes ready from now on does so no earlier
    for x in range(fed.shape[0]):
        ready = _ready(heads[x], x, segment, fed, ended)
        least = min(least, ready) if ready >= 0 else least
    free = max(now[FREE], least)
    found[0], found[1] = now[LAST] - end, now[STREAMED] - end
    found[2], found[3], found[4] = free - end, max(now[LATEST], end) - end, served
    at = 5
    for x in range(fed.shape[0]):
        ready = _ready(heads[x], x, segment, fed, ended)
        left = heads[x, VISIT] != DONE
        found[at] = heads[x, LOAD] if left else DONE
        found[at + 1] = heads[x, VISIT] - segment // fed[x, EACH] if left else 0
        found[at + 2] = heads[x, PIECE] if left else 0
        if ready >= 0:
            found[at + 3] = (max(ready, free) if robin else ready) - end
        else:
            found[at + 3] = max(heads[x, SINCE], now[STREAMED]) - end if left else 0
        at += 4
        for j in range(fed[x, DEPTH] + 1):
            found[at] = max(ended[x, j], free) - end
            at += 1
        for kind in range(2):
            for j in range(fed[x, DEPTH] + 1):
                late = done[x, kind, j, 0] > floor
                found[at] = done[x, kind, j, 0] - end if late else NEVER
                found[at + 1] = done[x, kind, j, 1] - now[SEQ] if late else 0
                at += 2


@compiled
def _jump(
    now: Array, mark: Array, state: Array, heads: Array, ended: Array, done: Array, fed: Array, k: int, segments: int,
    times: int,
) -> None:  # fmt: skip
    """What happened since `mark` in loop k happens so many times more, in so many segments."""
    cycles, numbers = times * (now[END] - mark[END]), times * (now[SEQ] - mark[SEQ])
    for x in range(fed.shape[0]):
        heads[x, SINCE] += cycles
        if fed[x, LOOPS] > k:
            heads[x, VISIT] += segments // fed[x, EACH] if heads[x, VISIT] != DONE else 0
            for j in range(ended.shape[1]):
                ended[x, j] += cycles if ended[x, j] > NEVER else 0
        for kind in range(2):
            for j in range(done.shape[2]):
                if done[x, kind, j, 0] > NEVER:
                    done[x, kind, j, 0] += cycles
                    done[x, kind, j, 1] += numbers
    for i in range(now.size):
        now[i] += times * (now[i] - mark[i])
    now[FREE], now[LATEST] = now[END] + state[2], now[END] + state[3]


@compiled
def _visit(
    now: Array, work: Array, segment: int, fed: Array, ended: Array, done: Array, arriving: Array, overlap: int
) -> None:
    """Run a segment; visits that begin or end with it."""
    begin_visits(segment, fed, done, arriving)
    for x in range(fed.shape[0]):
        if arriving[x] and segment > 0:
            for j in range(ended.shape[1] - 1, 0, -1):
                ended[x, j] = ended[x, j - 1]
            ended[x, 0] = NEVER
    run_segment(now, work, fed, done, arriving, overlap)
    for x in range(fed.shape[0]):
        if (segment + 1) % fed[x, EACH] == 0:
            ended[x, 0] = now[STREAMED] if fed[x, SOON] else now[END]


@compiled
def _repeated(k: int, state: Array, now: Array, digit: int, last: int, past: Tables) -> int:
    """How often what happened since the state kept of loop k happens again up to iteration `last`; 0 if the state is
    another one now. Keeps the state where it is time to."""
    states, marks, seen, kept = past
    if seen[k] >= 0 and np.array_equal(state, states[k]):
        times: int = (last - digit) // (digit - seen[k])
        return times
    if seen[k] < 0 or digit - seen[k] == kept[k]:
        kept[k] = 1 if seen[k] < 0 else 2 * kept[k]
        states[k, :], marks[k, :], seen[k] = state, now, digit
    return 0


@compiled
def run_queues(nest: Tables, work: Array, overlap: int, robin: bool, now: Array, budget: int) -> int:
    """Run all segments; `now` holds the final times and sums. Returns the segments that were visited one by one, or
    -1 if there would be more than the budget."""
    loops, fed, depth, rows = nest[0], nest[1], nest[0].shape[0], nest[1].shape[0]
    most, blocks = 1, np.ones(depth + 1, np.int64)
    for x in range(rows):
        most = max(most, fed[x, DEPTH])
    for k in range(depth - 1, -1, -1):
        blocks[k] = blocks[k + 1] * loops[k, TRIPS]
    done, ended = np.full((rows, 2, most + 2, 2), NEVER, np.int64), np.full((rows, most + 2), NEVER, np.int64)
    heads, arriving = np.zeros((rows, 6), np.int64), np.zeros(rows, np.int64)
    served, digits, seen = np.full(1, QUEUES - 1, np.int64), np.zeros(depth, np.int64), np.full(depth, -1, np.int64)
    state = np.zeros(5 + (4 + 5 * (most + 1)) * rows, np.int64)
    marks = np.zeros((depth, now.size), np.int64)
    past = np.zeros((depth, state.size), np.int64), marks, seen, np.ones(depth, np.int64)
    for x in range(rows):
        heads[x, LOAD] = 1
        _look(heads[x], x, nest)
    segment, visited = 0, 0
    while True:
        _drop_empty(heads, segment, ended, nest)
        if segment == blocks[0] or _waits(heads, segment, nest):
            if not _take(now, heads, segment, ended, done, served, robin, nest):
                return visited
            continue
        if visited == budget:
            return -1
        _visit(now, work[place_of(loops, depth, segment)], segment, fed, ended, done, arriving, overlap)
        visited += 1
        segment += 1
        k = carry(digits, seen, loops)
        if k >= 0 and loops[k, LOW] + most < digits[k] <= loops[k, HIGH] - most + 1:
            _drop_empty(heads, segment, ended, nest)
            _state(now, heads, segment, fed, ended, done, served[0], robin, state)
            times = _repeated(k, state, now, digits[k], loops[k, HIGH] - most + 1, past)
            if times > 0:
                jump = times * (digits[k] - seen[k])
                _jump(now, marks[k], state, heads, ended, done, fed, k, jump * blocks[k + 1], times)
                digits[k] += jump
                segment += jump * blocks[k + 1]
                seen[k] = -1
        elif k >= 0:
            seen[k] = -1


def run(found: SegmentNest, dram: Dram, clock_hz: int, limits: Limits | None = None) -> tuple[Summary, int]:
    """What running all segments comes to, and how many of them were visited one by one.

    Raises:
        BudgetExceeded: more than the limits allow.
    """
    budget = limits.events if limits is not None and limits.events is not None else found.segments
    now = np.zeros(COUNTS + len(CAUSES), np.int64)
    robin, overlap = dram.arbitration == "round_robin", int(found.overlap)
    visited = run_queues(tables(found, dram, clock_hz), found.work, overlap, robin, now, budget)
    return summed(found, now, int(visited), budget), int(visited)
