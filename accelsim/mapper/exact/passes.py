"""Compiled: what a pass of a mapping takes at least.

A pass is named by the loops outside it that are not at their first trips, and those not at their last. That says which
tiles it brings and sends away, which of them are at an edge, and which psums it begins and finishes. Counted as in
`sim.build`: its steps; the bits that it moves over every port, rounded up on their own; what the vector unit does;
stationary words and results on their way through the array; of a row-stationary pass what its buses carry (`rows`).
Left out, so that a pass never takes more than it does when it is simulated: inputs with windows on their way between
memories, and copies of a word in PEs that do not share it.
"""

from __future__ import annotations

from accelsim.jit import compiled
from accelsim.mapper.exact.ends import MESH, OS, RS, SPATIAL, SYSTOLIC
from accelsim.mapper.exact.record import (
    DEEP,
    EARLY_EXIT,
    FLOW,
    INPUTS,
    JOINED_COLS,
    JOINED_ROWS,
    KEPT,
    KEPT_WIDTH,
    KIND,
    OUTPUTS,
    ROWS,
    WHOLE_TILES,
    WHOLE_WORDS,
    WIDE_BITS,
    Record,
)
from accelsim.mapper.exact.rows import may_stay, psums_move, row_times, slides
from accelsim.mapper.exact.windows import cell_at
from accelsim.timing.bound import FINAL_WORDS, KEPT_PORT, LANES, POST_OPS, at_least

DIM, TRIPS, SLOT = range(3)  # of a loop
LOAD, BODY, STREAM, DRAIN, ENDS = range(5)  # of a run of passes
POINT, MEMORY, WAY, OUTSIDE, FREE, EVEN, WIDTH, ANEW = range(8)  # of what a pass moves
READ, BROUGHT = 0, 1  # in every pass, or when the tile changes
MOVES, BORDERS, SIZES = range(3)  # masks: loops over a dim, outside a border; fixed steps, rows, columns


@compiled
def set_nest(r: Record) -> bool:
    """The loops outside a pass, outer to inner, into `r.nest`; False if there are too many."""
    n = 0
    for slot in range(r.slots - 1):
        for i in range(r.length[slot]):
            d = r.order[slot, i]
            if r.trips[slot, d] > 1:
                if n == DEEP - 1:
                    return False
                r.nest[n, DIM], r.nest[n, TRIPS], r.nest[n, SLOT] = d, r.trips[slot, d], slot
                n += 1
    r.nested = n
    return True


@compiled
def innermost(r: Record, op: int, k: int) -> int:
    """The innermost loop outside border k that moves an operand's tile; -1: none does."""
    for i in range(r.nested - 1, -1, -1):
        if r.nest[i, SLOT] < k and r.group[r.nest[i, DIM]] != op:
            return i
    return -1


@compiled
def moving(r: Record, p: int) -> int:
    """The loops, as bits, down to the innermost that moves a point's tile along a dim of its own, windows apart."""
    found = 0
    for i in range(r.nested):
        if r.kinds[p, r.nest[i, DIM]] == 1:
            found = (1 << i + 1) - 1
    return found


@compiled
def uneven(r: Record, d: int) -> bool:
    """Is the last fold of a dim smaller than the others?"""
    found: bool = r.folds[d] > 1 and r.bounds[d] != r.folds[d] * r.extent[d]
    return found


@compiled
def _row(r: Record, p: int, even: bool, at: int) -> bool:
    """What a pass moves to or from a point, into row `at` of the plan; is there anything that counts?"""
    op, k, way = r.operand[p], min(r.boundary[p], r.slots - 1), BROUGHT
    if r.inside[p, 1] == 1 or r.parent[p] < 0:
        return False
    if r.fixed[p] >= 0:
        way = READ
        if op == 1 or (op == 2 and r.machine[FLOW] == OS):
            return False
    elif r.machine[FLOW] == RS and r.inside[p, 0] == 1:
        way = READ if (op == 0 and not may_stay(r, p)) or (op == 2 and psums_move(r)) else BROUGHT
    elif op == 0 and (r.sliding > 0 or r.inside[p, 0] == 1):
        return False
    if op == 0 and r.coefficients[2 + 2 * r.parent[p], p] == 0:
        return False
    for w in range(r.sliding if op == 0 else 0):
        even = even and r.spans[k, r.windows[w, 0]] == 1 and r.spans[k, r.windows[w, 1]] == 1
    free = 0
    for i in range(r.nested):
        free |= int(r.group[r.nest[i, DIM]] == 2 or r.nest[i, SLOT] >= k) << i
    r.plan[at, POINT], r.plan[at, MEMORY], r.plan[at, WAY] = p, r.parent[p], way
    r.plan[at, FREE], r.plan[at, EVEN], r.plan[at, ANEW] = free, int(even), 0
    r.plan[at, WIDTH] = r.coefficients[2 + 2 * r.parent[p], p]
    if op == 2:
        m = r.parent[p]
        r.plan[at, WIDTH] = r.machine[WIDE_BITS] + r.base[3 + 2 * m] // r.numbers[FINAL_WORDS]
        r.plan[at, ANEW] = int(r.inside[p, 0] == 0 or r.base[2 + 2 * m] != 0)
    r.plan[at, OUTSIDE] = (1 << innermost(r, op, k) + 1) - 1 if way == BROUGHT else -1
    if p == r.roles[INPUTS] and way == BROUGHT:
        r.plan[at, OUTSIDE] = moving(r, p)
    return True


@compiled
def _steps(r: Record, late: int) -> tuple[int, int, int]:
    """Stream steps of a pass, and the rows and columns that it spans."""
    if r.masks[SIZES, 0] > 0:
        return r.masks[SIZES, 0], r.masks[SIZES, 1], r.masks[SIZES, 2]
    k, steps, rows, cols = r.slots - 1, 1, 1, 1
    for i in range(r.actives):
        d = r.active[i]
        steps *= r.left[k, d]
        edge = r.left[k, d] == 1 and late & r.masks[MOVES, d] == 0
        rows *= r.edge_rows[d] if edge else r.high[d]
        cols *= r.edge_cols[d] if edge else r.broad[d]
    return steps, rows, cols


@compiled
def set_plan(r: Record) -> None:
    """What a pass moves between its memories, a row of `r.plan` each; no words of them are known yet (-1).

    POINT, MEMORY, WAY; loops as bits: OUTSIDE, those down to the last that moves the tile, and FREE, all of which stand
    at an end when a tile of results begins or is finished; EVEN, if its words are always the same; WIDTH of a word, for
    results of a finished one; ANEW, if the first psums are not read.
    """
    found, even = 0, True
    r.moved[:], r.masks[:] = -1, 0
    for i in range(r.nested):
        r.masks[MOVES, r.nest[i, DIM]] |= 1 << i
        for k in range(r.nest[i, SLOT] + 1, r.slots + 1):
            r.masks[BORDERS, k] |= 1 << i
    for w in range(r.sliding):
        one, two = r.left[r.slots - 1, r.windows[w, 0]], r.left[r.slots - 1, r.windows[w, 1]]
        if r.area_of[w, 0] != r.window_key[w] or r.area_of[w, 1] != one or r.area_of[w, 2] != two:
            r.area[w] = -1
            r.area_of[w, 0], r.area_of[w, 1], r.area_of[w, 2] = r.window_key[w], one, two
    for i in range(r.actives):
        even = even and not uneven(r, r.active[i])
    if even:
        r.masks[SIZES, 0], r.masks[SIZES, 1], r.masks[SIZES, 2] = _steps(r, 0)
    for p in range(r.points):
        if _row(r, p, even, found):
            found += 1
    r.planned = found


@compiled
def _tile(r: Record, op: int, k: int, late: int) -> int:
    """Words of a tile of weights or results at border k; the loops `late`, as bits, are not at their last trips."""
    words, late = 1, late & r.masks[BORDERS, k]
    for i in range(r.actives):
        d = r.active[i]
        if r.group[d] != op:
            words *= min(r.ext[k, d], r.bounds[d]) if late & r.masks[MOVES, d] else r.rest[k, d]
    return words


@compiled
def _area(r: Record, p: int, w: int, place1: int, place2: int) -> int:
    """Words of a window axis that all steps of a pass read (`rs`: its first one), its tile at these places."""
    k, d1, d2 = r.slots - 1, r.windows[w, 0], r.windows[w, 1]
    if d1 == r.forced or d2 == r.forced:
        s1, s2 = place1 * r.ext[k, d1], place2 * r.ext[k, d2]
        first: int = cell_at(r, p, w, r.extent[d1], r.extent[d2], s1, s2, 0, 0, False)[0]
        return first
    total = 0
    s1 = place1 * r.ext[k, d1]
    end1, end2 = min(r.bounds[d1], s1 + r.ext[k, d1]), 0
    while s1 < end1:
        s2 = place2 * r.ext[k, d2]
        end2 = min(r.bounds[d2], s2 + r.ext[k, d2])
        while s2 < end2:
            total += cell_at(r, p, w, r.extent[d1], r.extent[d2], s1, s2, 0, 0, False)[0]
            s2 += r.extent[d2]
        s1 += r.extent[d1]
    return total


@compiled
def _set_area(r: Record, p: int, w: int, where1: int, where2: int) -> None:
    """`_area` and `slides` for a dim at its first tile (0), at its last (2), or between (1): the least there."""
    k, least, slid = r.slots - 1, 1 << 62, 1 << 62
    n1, n2 = r.spans[k, r.windows[w, 0]], r.spans[k, r.windows[w, 1]]
    for i in range(2 if where1 == 1 else 1):
        place1 = 0 if where1 == 0 else n1 - 1 if where1 == 2 else 1 if i == 0 else n1 - 2
        for j in range(2 if where2 == 1 else 1):
            place2 = 0 if where2 == 0 else n2 - 1 if where2 == 2 else 1 if j == 0 else n2 - 2
            least = min(least, _area(r, p, w, place1, place2))
            slid = min(slid, slides(r, p, w, place1, place2))
    r.area[w, where1, where2], r.slides[w, where1, where2] = least, slid


@compiled
def _size(r: Record, d: int, late: int) -> int:
    """Words of a dim in a pass."""
    size: int = min(r.ext[r.slots - 1, d], r.bounds[d]) if late & r.masks[MOVES, d] else r.rest[r.slots - 1, d]
    return size


@compiled
def _inputs(r: Record, p: int, begun: int, late: int) -> tuple[int, int]:
    """Words of the inputs that a pass reads for PEs that keep none; `rs`: that it works on, of them in its first
    step."""
    words, first = 1, 1
    for i in range(r.actives):
        d = r.active[i]
        size = _size(r, d, late)
        if r.kinds[p, d] == 1:
            words, first = words * size, first * min(size, r.extent[d])
        elif r.kinds[p, d] == 0:
            words *= -(-size // r.extent[d])
    for w in range(r.sliding):
        m1, m2 = r.masks[MOVES, r.windows[w, 0]], r.masks[MOVES, r.windows[w, 1]]
        one = 0 if begun & m1 == 0 else 2 if late & m1 == 0 else 1
        two = 0 if begun & m2 == 0 else 2 if late & m2 == 0 else 1
        if r.area[w, one, two] < 0:
            _set_area(r, p, w, one, two)
        words *= r.area[w, one, two] + r.slides[w, one, two]
        first *= r.area[w, one, two]
    return words, first


@compiled
def _words(r: Record, at: int, begun: int, late: int) -> int:
    """Words (or whole tiles) of row `at` of the plan in a pass in which its tile comes or is read."""
    if r.moved[at] >= 0:
        known: int = r.moved[at]
        return known
    p = r.plan[at, POINT]
    op = r.operand[p]
    if op == 0 and r.plan[at, WAY] == READ:
        found = _inputs(r, p, begun, late)[0]
    elif r.in_words[p] == 0:
        found = 1
    else:
        found = _tile(r, op, min(r.boundary[p], r.slots - 1), late)
    if r.plan[at, EVEN] == 1:
        r.moved[at] = found
    return found


@compiled
def comes(outside: int, begun: int) -> bool:
    """Does a pass bring a tile that loops with these bits have outside? `begun`: those not at their first trips."""
    return begun & ~outside == 0


@compiled
def _results(r: Record, at: int, begun: int, late: int) -> tuple[int, int, int]:
    """Results of row `at` in a pass: psums that come back, psums that leave, finished words that leave."""
    words, stays = _words(r, at, begun, late), r.plan[at, WAY] == BROUGHT
    there = words if not stays or comes(r.plan[at, OUTSIDE], begun) else 0
    gone = words if not stays or comes(r.plan[at, OUTSIDE], late) else 0
    final = words if r.plan[at, FREE] & late == 0 else 0
    return there - (words if r.plan[at, ANEW] and r.plan[at, FREE] & begun == 0 else 0), gone - final, final


@compiled
def _load(r: Record, words: int, rows: int) -> int:
    """Cycles in which stationary words come into the array."""
    load = at_least(0, words * max(1, r.machine[WHOLE_WORDS]) * r.machine[KEPT_WIDTH], r.numbers[KEPT_PORT])
    if r.machine[KIND] == SYSTOLIC and words > 0:
        load = max(load, r.machine[ROWS] if r.machine[WHOLE_TILES] else rows)
    return load


@compiled
def pass_of(r: Record, begun: int, late: int) -> None:
    """The part of a pass, behind the last loop. The loops `begun` are not at their first trips, those that are `late`
    not at their last."""
    r.bits[:], r.bus[:] = 0, 0
    steps, rows, cols = _steps(r, late)
    load, stream, psums, leaves = 0, steps, 0, 0
    for i in range(r.planned):
        p, m = r.plan[i, POINT], r.plan[i, MEMORY]
        if r.operand[p] == 2:
            down, up, final = _results(r, i, begun, late)
            r.bits[0, m] += down * r.machine[WIDE_BITS]
            r.bits[1, m] += up * r.machine[WIDE_BITS] + final * r.plan[i, WIDTH]
            if p == r.roles[OUTPUTS]:
                psums, leaves, r.bus[3] = int(down > 0), int(up + final > 0), max(down, up + final)
                stream = at_least(stream, final * r.numbers[POST_OPS], r.numbers[LANES])
        elif r.machine[FLOW] == RS and p == r.roles[INPUTS]:
            words, first = _inputs(r, p, begun, late)
            r.bus[1], r.bus[2] = first if comes(r.plan[i, OUTSIDE], begun) else 0, words - first
            r.bits[0, m] += (r.bus[1] + r.bus[2]) * r.plan[i, WIDTH]
        elif comes(r.plan[i, OUTSIDE], begun):
            words = _words(r, i, begun, late)
            r.bits[0, m] += words * r.plan[i, WIDTH]
            if p == r.roles[KEPT]:
                load, r.bus[0] = _load(r, words, rows), words
    for m in range(r.memories):
        stream = at_least(at_least(stream, r.bits[0, m], r.ports[m, 0]), r.bits[1, m], r.ports[m, 1])
    n = r.nested
    r.parts[n, LOAD], r.parts[n, BODY], r.parts[n, STREAM] = load, 0, stream
    _leave(r, n, rows, cols, psums, leaves)
    if r.machine[FLOW] == RS:
        _buses(r, n, steps, late)
    r.parts[n, ENDS] = r.parts[n, STREAM] + r.parts[n, DRAIN]


@compiled
def _buses(r: Record, n: int, steps: int, late: int) -> None:
    """What the buses of a row-stationary array make of a pass."""
    macs, edge = 1, 1
    for i in range(r.actives):
        d = r.active[i]
        size = _size(r, d, late)
        macs *= min(size, r.pe[d])
        edge *= min(size, r.extent[d]) if r.group[d] != 2 else 1
    load, stream, r.parts[n, DRAIN] = row_times(r, steps, macs, edge, r.bus[0], r.bus[1], r.bus[2], r.bus[3])
    r.parts[n, LOAD], r.parts[n, STREAM] = max(r.parts[n, LOAD], load), max(r.parts[n, STREAM], stream)


@compiled
def _leave(r: Record, n: int, rows: int, cols: int, psums: int, leaves: int) -> None:
    """Loads of psums and the drain of a pass (`timing.systolic`, `spatial`, `mesh`)."""
    kind, os, drain = r.machine[KIND], r.machine[FLOW] == OS, 0
    if kind == SYSTOLIC and os:
        drain = rows + cols - 2 + leaves * rows
    elif kind == SYSTOLIC:
        drain = (rows if r.machine[EARLY_EXIT] else r.machine[ROWS]) + cols - 2
    elif kind == MESH:
        drain = rows + cols + 2
    elif kind == SPATIAL:
        joined = (rows if r.machine[JOINED_ROWS] else 1) * (cols if r.machine[JOINED_COLS] else 1) - 1
        while joined > 0:
            drain, joined = drain + 1, joined // 2
        rows = 1 if r.machine[JOINED_ROWS] else rows
        drain += leaves * rows if os else 0
    if os:
        r.parts[n, LOAD] = max(r.parts[n, LOAD], psums * rows)
    r.parts[n, DRAIN] = drain
