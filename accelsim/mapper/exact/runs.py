"""Compiled: runs of passes in which no tile fed by DRAM changes, put together loop by loop (as `sim.nest` does).

A loop's first trip, its last one, and one for all between make its run. Runs that know the same of the loops outside
are the same, so a run is put together once for each such context.
"""

from __future__ import annotations

from accelsim.jit import compiled
from accelsim.mapper.exact.passes import (
    BODY,
    DRAIN,
    ENDS,
    FREE,
    LOAD,
    MOVES,
    OUTSIDE,
    POINT,
    STREAM,
    TRIPS,
    comes,
    pass_of,
    uneven,
)
from accelsim.mapper.exact.record import RUNS, Record
from accelsim.timing.bound import OVERLAP

FEW = 6  # passes that are gone through sooner than remembered


@compiled
def _gap(r: Record, one: int, two: int) -> int:
    """Cycles from the last stream start of one part to the first of the next."""
    gap: int = max(r.parts[one, STREAM], r.parts[two, LOAD])
    if r.numbers[OVERLAP] == 0:
        gap = r.parts[one, STREAM] + r.parts[one, DRAIN] + r.parts[two, LOAD]
    return gap


@compiled
def _repeat(r: Record, at: int, times: int) -> None:
    """A run of so many parts as the one at hand there."""
    gap = _gap(r, at, at)
    r.parts[at, ENDS] += (times - 1) * (r.parts[at, BODY] + gap)
    r.parts[at, BODY] = times * r.parts[at, BODY] + (times - 1) * gap


@compiled
def _chain(r: Record, one: int, two: int) -> None:
    """One part after another, into the first."""
    begin = r.parts[one, BODY] + _gap(r, one, two)
    r.parts[one, ENDS] = max(r.parts[one, ENDS], begin + r.parts[two, ENDS])
    r.parts[one, BODY] = begin + r.parts[two, BODY]
    r.parts[one, STREAM], r.parts[one, DRAIN] = r.parts[two, STREAM], r.parts[two, DRAIN]


@compiled
def _context(r: Record, begun: int, late: int) -> int:
    """A number for all that the passes of a run know of where the loops outside stand; -1: too much for one.

    Per row of the plan, whether the first pass brings its tile and the last one takes it away, and whether results may
    begin and end there; of dims with uneven tiles, which loops are not at their last trips; of windows, whether they
    are at a border.
    """
    key, room = 0, 1 << 58
    for i in range(r.planned):
        outside, free = r.plan[i, OUTSIDE], r.plan[i, FREE]
        key = key << 2 | int(comes(outside, begun)) << 1 | int(comes(outside, late))
        room >>= 2
        if r.operand[r.plan[i, POINT]] == 2:
            key = key << 2 | int(free & begun == 0) << 1 | int(free & late == 0)
            room >>= 2
    for i in range(r.actives):
        d = r.active[i]
        if uneven(r, d):
            first, mine = 0, late & r.masks[MOVES, d]
            while mine & ((2 << first) - 1) == 0 and first < 15:
                first += 1
            key, room = key << 4 | first, room >> 4
    for w in range(r.sliding):
        for i in range(2):
            d = r.windows[w, i]
            if r.spans[r.slots - 1, d] > 1:
                mine = r.masks[MOVES, d]
                key = key << 2 | int(begun & mine == 0) << 1 | int(late & mine == 0)
                room >>= 2
    return key if room > 0 else -1


@compiled
def _known(r: Record, level: int) -> bool:
    """Is the run from this loop on known under its key? It is the part at hand then."""
    if r.run_key[level] < 0:
        return False
    for i in range(r.run_count[level]):
        if r.runs[level, i, 5] == r.run_key[level]:
            for j in range(5):
                r.parts[level, j] = r.runs[level, i, j]
            return True
    return False


@compiled
def _remember(r: Record, level: int) -> None:
    """The run from this loop on is known from now on."""
    at = r.run_count[level]
    if r.run_key[level] >= 0 and at < RUNS:
        for j in range(5):
            r.runs[level, at, j] = r.parts[level, j]
        r.runs[level, at, 5] = r.run_key[level]
        r.run_count[level] = at + 1


@compiled
def forget_runs(r: Record) -> None:
    """No runs are known yet; those of few passes will not be (-1)."""
    passes = 1
    for i in range(r.nested - 1, -1, -1):
        passes *= min(3, r.nest[i, TRIPS])
        r.run_count[i] = 0 if passes > FEW else -1


@compiled
def run_of(r: Record, outer: int, begun: int, late: int) -> None:
    """All passes that the loops from `outer` on go through while those outside stand `begun` and `late`, as one part at
    `outer`."""
    level = outer
    while True:
        if level < r.nested:
            r.run_key[level] = _context(r, begun, late) if r.run_count[level] >= 0 else -1
            if not _known(r, level):
                r.trip[level], late = 0, late | 1 << level
                level += 1
                continue
        else:
            pass_of(r, begun, late)
        while level > outer:
            i = level - 1
            trips, trip = r.nest[i, TRIPS], r.trip[i]
            times = trips - 2 if trip == 1 and trips > 3 else 1
            if times > 1:
                _repeat(r, level, times)
            if trip > 0:
                _chain(r, i, level)
            else:
                for j in range(5):
                    r.parts[i, j] = r.parts[level, j]
            if trip < trips - 1:
                r.trip[i] = trips - 1 if times > 1 else trip + 1
                begun |= 1 << i
                if r.trip[i] == trips - 1:
                    late &= ~(1 << i)
                break
            level, begun = i, begun & ~(1 << i)
            _remember(r, i)
        if level == outer:
            return
