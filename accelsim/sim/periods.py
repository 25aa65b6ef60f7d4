"""The engine for nests: the semantic of `sim.semantics` segment by segment, with jumps over whole periods.

At every boundary of a loop the state that the future depends on is compared with the one an iteration before: how far
ahead of the last end the loader, the stream slot, the channel and every transfer on its way are. If both iterations,
and the tiles that the channel looks ahead to, are alike, the same state means the same future: all further alike
iterations take the same cycles, and are jumped over. Iterations in which a piece of a transfer has its turn, of a tile
that stays longer than the iteration, are not like the others: jumps end before the next of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from accelsim.arch import Dram
from accelsim.dram import kernel
from accelsim.errors import BudgetExceeded
from accelsim.jit import compiled
from accelsim.sim.homes import HIGH, LOW, TRIPS, Homes, address_of, no_homes, place_of
from accelsim.sim.limits import Limits
from accelsim.sim.nest import SegmentNest
from accelsim.sim.stream import CAUSES, FINAL_DRAIN, Ints, Summary
from accelsim.timing.bound import dram_cycles, machine_ratio

Array = Any
END, LAST, STREAMED, FREE, LATEST, BUSY, SEQ = range(7)  # of `now`: cycles, and transfers served so far
COUNTS = 7  # from here on in `now`: stall cycles by cause
NEVER, NEVER_PIECE = -(1 << 60), 1 << 60
OPERAND, DEPTH, GATES, LOOPS, EACH, VISITS, CUT_LOADS, CUT_STORES, SOON = range(9)
"""Columns of `fed`; EACH is segments of a visit."""


@compiled
def serve(now: Array, kind: int, operand: int, bits: int, since: int, ratio: Array, done: Array) -> None:
    """One transfer on the channel; when it is over for who waits for it, and its number."""
    start = max(now[FREE], since)
    now[FREE] = start + dram_cycles(bits, ratio[0], ratio[1])
    now[BUSY] += now[FREE] - start
    now[LATEST] = max(now[LATEST], now[FREE] + ratio[2])
    done[0] = now[FREE] + ratio[2] if kind else now[FREE]
    done[1] = now[SEQ]
    now[SEQ] += 1


@compiled
def serve_commands(
    now: Array, kind: int, bits: int, address: int, since: int, ratio: Array, memory: kernel.Memory, done: Array
) -> None:
    """One transfer to a DRAM by commands; when it is over for who waits for it, and its number."""
    start = max(now[FREE], since)
    free, left = kernel.serve(memory, start, address, bits, 1 - kind)
    now[FREE] = free
    now[BUSY] += free - start
    now[LATEST] = max(now[LATEST], left + ratio[2])
    done[0] = left + ratio[2] if kind else left
    done[1] = now[SEQ]
    now[SEQ] += 1


@compiled
def _queue(queue: Array, size: int, needed: int, kind: int, row: int, ahead: int, bits: int, visit: int) -> int:
    """Add a transfer, if it moves anything; how many there are then."""
    if bits <= 0:
        return size
    queue[size, 0], queue[size, 1], queue[size, 2], queue[size, 3] = needed, kind, row, ahead
    queue[size, 4], queue[size, 5] = bits, visit
    return size + 1


@compiled
def _piece(bits: int, place: int, each: int, least: int) -> int:
    """Bits of the piece that becomes ready with segment `place` of a visit of `each` (`sim.build.cut`); 0 for none."""
    parts = max(1, min(bits // least, each))
    number = -(-place * parts // each)
    if number >= parts or number * each // parts != place:
        return 0
    return bits * (number + 1) // parts - bits * number // parts


@compiled
def _next_place(bits: int, place: int, each: int, least: int) -> int:
    """The next place of a visit at which a piece has its turn; `each` if there is none."""
    parts = max(1, min(bits // least, each))
    number = -(-(place + 1) * parts // each)
    return number * each // parts if number < parts else each


@compiled
def _quiet(segment: int, k: int, block: int, fed: Array, loops: Array, loads: Array, stores: Array, ratio: Array,
           since: Array) -> int:  # fmt: skip
    """Iterations of loop k, of so many segments each, until a piece of a tile that outlasts them has its turn; 0 if one
    had in the iteration before."""
    found = NEVER_PIECE
    for x in range(fed.shape[0]):
        each, depth, visits = fed[x, EACH], fed[x, DEPTH], fed[x, VISITS]
        if ratio[3] == 0 or fed[x, LOOPS] > k or fed[x, CUT_LOADS] + fed[x, CUT_STORES] == 0:
            continue
        if since[x, 1] > segment - block:
            return 0
        visit, place = segment // each, segment % each
        ahead = each
        if fed[x, CUT_LOADS]:
            for load in range(1 if visit == 0 else visit + depth - 1, min(visit + depth, visits)):
                bits = loads[x, place_of(loops, fed[x, LOOPS], load)]
                ahead = min(ahead, _next_place(bits, place, each, ratio[3]))
        elif visit > 0:
            bits = stores[x, place_of(loops, fed[x, LOOPS], visit - 1)]
            ahead = min(ahead, _next_place(bits, place, each, ratio[3]))
        found = min(found, (ahead - place - 1) // block)
    return found


@compiled
def ready(
    now: Array,
    segment: int,
    segments: int,
    fed: Array,
    loops: Array,
    loads: Array,
    stores: Array,
    ratio: Array,
    done: Array,
    queue: Array,
    since: Array,
    homes: Homes,
) -> None:
    """Serve what has its turn with the end of a segment (-1: the start), in channel order.

    `since[x]`: when operand x's last visit before now was over, since pieces of what that made ready may start then;
    and how many segments had ended when its last piece had its turn.

    `done[x, kind, j]`: end and number of the load of the j-th visit from the current one, or of the store whose slot
    that visit takes.
    """
    size = 0
    for x in range(fed.shape[0]):
        each, depth, visits = fed[x, EACH], fed[x, DEPTH], fed[x, VISITS]
        visit, place = (segment + 1) // each, (segment + 1) % each
        shift = visit if place or segment < 0 else visit - 1  # the visit that the last segment belongs to
        if place == 0:
            since[x, 0] = max(0, now[STREAMED] if fed[x, SOON] else now[END])
        first = 0 if visit == 0 else visit + depth - 1
        for load in range(first, min(visit + depth, visits)):
            bits = loads[x, place_of(loops, fed[x, LOOPS], load)]
            cut = ratio[3] > 0 and fed[x, CUT_LOADS] and load > 0
            bits = _piece(bits, place, each, ratio[3]) if cut else (0 if place else bits)
            since[x, 1] = segment + 1 if place and bits > 0 else since[x, 1]
            size = _queue(queue, size, load * each, 1, x, load - shift, bits, load)
        if visit > 0:
            needed = min((visit - 1 + depth) * each, segments)
            bits = stores[x, place_of(loops, fed[x, LOOPS], visit - 1)]
            cut = ratio[3] > 0 and fed[x, CUT_STORES] and visit < visits
            bits = _piece(bits, place, each, ratio[3]) if cut else (0 if place else bits)
            since[x, 1] = segment + 1 if place and bits > 0 else since[x, 1]
            size = _queue(queue, size, needed, 0, x, visit - 1 + depth - shift, bits, visit - 1)
    for turn in range(size):
        best = turn
        for i in range(turn + 1, size):
            a, b = queue[i], queue[best]
            if (a[0], -fed[a[2], SOON], a[1], fed[a[2], OPERAND]) < (
                b[0], -fed[b[2], SOON], b[1], fed[b[2], OPERAND]
            ):  # fmt: skip
                best = i
        for column in range(6):
            kept = queue[turn, column]
            queue[turn, column] = queue[best, column]
            queue[best, column] = kept
        kind, x, ahead, bits = queue[turn, 1], queue[turn, 2], queue[turn, 3], queue[turn, 4]
        if homes[1].size == 0:
            serve(now, kind, fed[x, OPERAND], bits, since[x, 0], ratio, done[x, kind, ahead])
        else:
            address = address_of(loops, fed[x, LOOPS], fed[x, VISITS], x, queue[turn, 5], homes)
            serve_commands(now, kind, bits, address, since[x, 0], ratio, homes[0], done[x, kind, ahead])


@compiled
def _wait(fed: Array, done: Array, arriving: Array, gates: int, base: int) -> tuple[int, int]:
    """When all transfers of the visits that begin here are over, and the cause of the wait."""
    time, cause, number = base, 0, 0
    for x in range(fed.shape[0]):
        if arriving[x] == 0 or fed[x, GATES] != gates:
            continue
        for kind in range(2):
            end, order = done[x, kind, 0, 0], done[x, kind, 0, 1]
            if end > time or (end == time and end > base and order < number):
                time, cause, number = end, 3 * kind + fed[x, OPERAND], order
    return time, cause


@compiled
def begin_visits(segment: int, fed: Array, done: Array, arriving: Array) -> None:
    """Which operands begin a visit with this segment; their transfers move up by one place."""
    for x in range(fed.shape[0]):
        arriving[x] = int(segment % fed[x, EACH] == 0)
        if arriving[x] and segment > 0:
            for kind in range(2):
                for j in range(fed[x, DEPTH]):
                    done[x, kind, j] = done[x, kind, j + 1]
                done[x, kind, fed[x, DEPTH], 0] = NEVER


@compiled
def run_segment(now: Array, work: Array, fed: Array, done: Array, arriving: Array, overlap: int) -> None:
    """Load, stream and drain of a segment."""
    loader = now[LAST] if overlap else now[END]
    slot = now[STREAMED] if overlap else now[END]
    planned = max(loader + work[0], slot)
    load_start, cause = _wait(fed, done, arriving, 1, loader)
    ready = max(load_start + work[0], slot)
    if ready > planned:
        now[COUNTS + cause] += ready - planned
    begin, cause = _wait(fed, done, arriving, 0, ready)
    if begin > ready:
        now[COUNTS + cause] += begin - ready
    now[LAST] = begin + work[1]
    now[STREAMED] = now[LAST] + work[2]
    now[END] = max(now[END], now[STREAMED] + work[3])


@compiled
def state_of(now: Array, fed: Array, done: Array, since: Array, slack: int, found: Array) -> None:
    """What the future depends on, relative to the last end: times that can no longer hold anything up are equal.

    Pieces whose turn is yet to come may have started up to `slack` cycles ago and still be on their way.
    """
    end, floor = now[END], min(now[END], now[LAST])
    found[0], found[1] = now[LAST] - end, now[STREAMED] - end
    found[2], found[3] = max(now[FREE], now[STREAMED] - slack) - end, max(now[LATEST], end) - end
    at = 4
    for x in range(fed.shape[0]):
        found[at] = max(found[2], since[x, 0] - end)
        at += 1
        for kind in range(2):
            for j in range(fed[x, DEPTH] + 1):
                late = done[x, kind, j, 0] > floor
                found[at] = done[x, kind, j, 0] - end if late else NEVER
                found[at + 1] = done[x, kind, j, 1] - now[SEQ] if late else 0
                at += 2


@compiled
def jump_over(now: Array, mark: Array, state: Array, done: Array, fed: Array, since: Array, k: int, jump: int) -> None:
    """So many more iterations of loop k like the last one, which began at `mark`."""
    cycles, numbers = jump * (now[END] - mark[END]), jump * (now[SEQ] - mark[SEQ])
    for x in range(done.shape[0]):
        since[x, 0] += cycles if fed[x, LOOPS] > k else 0
        for kind in range(2):
            for j in range(done.shape[2]):
                if done[x, kind, j, 0] > NEVER:
                    done[x, kind, j, 0] += cycles
                    done[x, kind, j, 1] += numbers
    for i in range(now.size):
        now[i] += jump * (now[i] - mark[i])
    now[FREE], now[LATEST] = now[END] + state[2], now[END] + state[3]


@compiled
def _slack(fed: Array, loads: Array, stores: Array, ratio: Array) -> int:
    """Cycles in which all pieces at any time on their way or yet to come in a visit are over; 0 if none are cut."""
    found = 0
    for x in range(fed.shape[0]):
        most = max(loads[x].max(), stores[x].max())
        if ratio[3] > 0 and fed[x, CUT_LOADS] + fed[x, CUT_STORES] > 0 and most >= 2 * ratio[3]:
            found += (fed[x, DEPTH] + 1) * (dram_cycles(most, ratio[0], ratio[1]) + most // ratio[3] + 1)
    return found + ratio[2] if found else 0


@compiled
def started(fed: Array) -> tuple[Array, Array, Array, Array, int]:
    """`done` of `ready`, what arrives, `since` and a queue before the first transfer; and the most tiles at once."""
    most = 1
    for x in range(fed.shape[0]):
        most = max(most, fed[x, DEPTH])
    done = np.full((fed.shape[0], 2, most + 2, 2), NEVER, np.int64)
    since, queue = np.zeros((fed.shape[0], 2), np.int64), np.zeros((fed.shape[0] * (most + 2), 6), np.int64)
    return done, np.zeros(fed.shape[0], np.int64), since, queue, most


@compiled
def carry(digits: Array, seen: Array, loops: Array) -> int:
    """One segment on: the loop that steps (-1: none is left); those further in begin anew."""
    k: int = digits.size - 1
    while k >= 0 and digits[k] == loops[k, TRIPS] - 1:
        digits[k], seen[k] = 0, -1
        k -= 1
    if k >= 0:
        digits[k] += 1
    return k


@compiled
def run_nest(
    loops: Array, work: Array, fed: Array, loads: Array, stores: Array, ratio: Array, overlap: int, now: Array,
    budget: int, homes: Homes,
) -> int:  # fmt: skip
    """Run all segments; `now` holds the final times and sums. Returns the segments that were visited one by one, or
    -1 if there would be more than the budget."""
    depth, count = loops.shape[0], 1
    for k in range(depth):
        count *= loops[k, TRIPS]
    done, arriving, since, queue, most = started(fed)
    slack = _slack(fed, loads, stores, ratio)
    size = 4 + (1 + 4 * (most + 2)) * fed.shape[0]
    states, seen = np.zeros((depth, size), np.int64), np.full(depth, -1, np.int64)
    marks, state = np.zeros((depth, now.size), np.int64), np.zeros(size, np.int64)
    digits, blocks = np.zeros(depth, np.int64), np.ones(depth, np.int64)
    for k in range(depth - 2, -1, -1):
        blocks[k] = blocks[k + 1] * loops[k + 1, TRIPS]
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
        if digits[k] - 2 < loops[k, LOW] or digits[k] - 1 + most > loops[k, HIGH]:
            seen[k] = -1
            continue
        state_of(now, fed, done, since, slack, state)
        if seen[k] == digits[k] - 1 and np.array_equal(state, states[k]):
            jump = loops[k, HIGH] - most - digits[k] + 1
            jump = min(jump, _quiet(segment, k, blocks[k], fed, loops, loads, stores, ratio, since))
            if jump > 0:
                jump_over(now, marks[k], state, done, fed, since, k, jump)
                digits[k] += jump
                segment += jump * blocks[k]
                seen[k] = -1
                continue
        states[k, :] = state
        marks[k, :] = now
        seen[k] = digits[k]
    return visited


def run(found: SegmentNest, dram: Dram, clock_hz: int, limits: Limits | None = None) -> tuple[Summary, int]:
    """What running all segments comes to, and how many of them were visited one by one.

    Raises:
        BudgetExceeded: more than the limits allow.
    """
    budget = limits.events if limits is not None and limits.events is not None else found.segments
    loops, fed, loads, stores, ratio = tables(found, dram, clock_hz)
    now = np.zeros(COUNTS + len(CAUSES), np.int64)
    visited = run_nest(loops, found.work, fed, loads, stores, ratio, int(found.overlap), now, budget, no_homes())
    return summed(found, now, int(visited), budget), int(visited)


def tables(found: SegmentNest, dram: Dram, clock_hz: int) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """A nest for compiled code: its loops, operands, bits of loads and of stores, and the figures of the DRAM."""
    ranges = found.nest.ranges[: found.loops]
    loops = np.array([[r.trips, r.low, r.high, len(r.picked)] for r in ranges], np.int64).reshape(-1, 4)
    rows = []
    for f in found.fed:
        visits = int(np.prod([r.trips for r in ranges[: f.loops]], dtype=np.int64)) if f.loops else 1
        rows.append(
            [
                f.operand,
                f.depth,
                int(f.gates),
                f.loops,
                found.segments // visits,
                visits,
                *map(int, f.cuts),
                int(f.soon),
            ]
        )
    widest = max((f.loads.size for f in found.fed), default=1)
    loads, stores = np.zeros((len(rows), widest), np.int64), np.zeros((len(rows), widest), np.int64)
    for x, f in enumerate(found.fed):
        loads[x, : f.loads.size], stores[x, : f.stores.size] = f.loads, f.stores
    piece = dram.piece_bits if dram.timing is None else 0
    figures = *machine_ratio(clock_hz, dram.bandwidth_bits_per_s), dram.latency_cycles, piece
    return loops, np.array(rows, np.int64).reshape(-1, 9), loads, stores, np.array(figures, np.int64)


def summed(found: SegmentNest, now: Ints, visited: int, budget: int) -> Summary:
    """What the times and sums at the end come to (`now`: END to SEQ, stalls by cause).

    Raises:
        BudgetExceeded: fewer than no segments were visited, which stands for more than the budget.
    """
    if visited < 0:
        raise BudgetExceeded(
            f"{budget:,} segments were visited one by one, and no period was found that leads to the end of all "
            f"{found.segments:,}: the event budget (--max-events) is spent"
        )
    stalls = {cause: int(cycles) for cause, cycles in zip(CAUSES, now[COUNTS:], strict=True) if cycles}
    makespan = int(max(now[END], now[LATEST]))
    drain = makespan - int(now[END])
    stalls.update({FINAL_DRAIN: drain} if drain else {})
    reads, writes = found.bits()
    return Summary(makespan, tuple(sorted(stalls.items())), drain, int(now[BUSY]), reads, writes)
