"""Compiled branch and bound: floors of pairs of spatial splits, floors of choices, and the orders of what is left.

A choice is (columns, rows, tile of a PE) by number. Arrays m, g, w as in `kernels`; besides, all int64,

    cols, rows  (n, D) trips of each candidate for columns and rows
    tiles       (n, D + 6) trips of the loops of a PE; words of each operand's tile (or fetched per use of the PE tile,
                where it does not fit its store); whether it stays
    allowed     (2, D, most + 1) trips allowed at levels 1 and 0
    perms       (n, D + 1) permutations of 0 to D - 1 things, one after the other; in the last column, row i has where
                those of i things begin
"""

from __future__ import annotations

from typing import Any

from accelsim.jit import compiled
from accelsim.mapper.timeloop.kernels import (
    BASE,
    BEST,
    BOUND,
    BOX,
    COUPLED,
    DIM,
    DIMS,
    EXTENT,
    FLOOR,
    HELD,
    INNER,
    INS,
    INTO,
    KEEP,
    KNOWN,
    LEFT,
    MOST,
    ONE,
    ORDER,
    OUTER,
    OUTS,
    PARTNER,
    ROOM,
    SHARED,
    SIZE,
    SPLIT,
    STAY,
    TRIPS,
    WHOLE,
    WORK,
    F,
    below,
    content,
    floor_of,
    input_box,
    over,
    price,
    projections,
)

Array = Any


@compiled
def situation(m: Array, g: Array, w: Array, cols: Array, rows: Array, col: int, row: int) -> None:
    """Fill F and make BASE, the extent of a PE's tile, that of the array."""
    for i in range(COUPLED + 1):
        if i != WHOLE:
            w[F, i] = i != COUPLED
    w[F, 3] = m[KNOWN + 2]
    for axis in range(2):
        for d in range(m[DIMS]):
            trips = cols[col, d] if axis else rows[row, d]
            w[SPLIT, d] = trips
            w[F, 0] *= w[SPLIT, d]
            w[F, 1] *= cols[col, d] if axis else 1
        results = over(m, g, w, 2, SPLIT)
        w[F, 3] //= results
        w[F, 4] *= projections(m, g, w)
        w[F, 5] *= over(m, g, w, 1, SPLIT)
        w[F, 6] *= results
        for d in range(m[DIMS]):
            other = g[PARTNER, d]
            w[F, COUPLED] += other > d and w[SPLIT, d] > 1 and w[SPLIT, other] > 1
            w[BASE, d] *= w[SPLIT, d]
    w[F, 2] = m[KNOWN + 3] // w[F, 0]


@compiled
def pair_floors(m: Array, g: Array, w: Array, cols: Array, rows: Array, found: Array) -> int:
    """Write (columns, rows, energy, rest, cycles), a floor over all tiles, of pairs that divide; their number.

    Every word is sent at least once, to at least one PE.
    """
    n = 0
    for i in range(cols.shape[0]):
        for j in range(rows.shape[0]):
            divides = True
            for d in range(m[DIMS]):
                divides = divides and g[BOUND, d] % (cols[i, d] * rows[j, d]) == 0
                w[BASE, d] = 1
            if not divides:
                continue
            situation(m, g, w, cols, rows, i, j)
            for o in range(3):
                w[SHARED, o] = m[KNOWN + o]
                w[INTO, o] = m[KNOWN + o] // over(m, g, w, o, BASE)
            w[INTO, 0] = (m[KNOWN] + w[F, 0] - 1) // w[F, 0]
            w[F, 4] = 1
            price(m, w)
            found[n, 0] = i
            found[n, 1] = j
            for k in range(3):
                found[n, 2 + k] = w[ONE, k]
            n += 1
    return n


@compiled
def choose(
    m: Array, g: Array, w: Array, cols: Array, rows: Array, tiles: Array, col: int, row: int, tile: int, again: int
) -> bool:
    """Fill everything that depends on the choice only; whether it divides the bounds.

    `again`: the same columns and rows as before, so that most of F stands.
    """
    dims = m[DIMS]
    for d in range(dims):
        span = cols[col, d] * rows[row, d] * tiles[tile, d]
        w[LEFT, d] = g[BOUND, d] // span
        if w[LEFT, d] * span != g[BOUND, d]:
            return False
    for d in range(dims):
        w[BASE, d] = tiles[tile, d]
    input_box(m, g, w, BASE, BOX)
    if again == 0 or w[F, COUPLED]:
        situation(m, g, w, cols, rows, col, row)
    else:
        for d in range(dims):
            w[BASE, d] *= cols[col, d] * rows[row, d]
    for o in range(3):
        w[SIZE, o] = tiles[tile, dims + o]
        w[STAY, o] = tiles[tile, dims + 3 + o]
    return True


@compiled
def reached(m: Array, w: Array, rows: Array, n: int, at: int, mode: int) -> bool:
    """Whether the floor in a row of a table is no better than the best cost."""
    return not below(m, w, rows[n, at], rows[n, at + 1], rows[n, at + 2], mode)


@compiled
def choices(
    m: Array, g: Array, w: Array, cols: Array, rows: Array, tiles: Array, pairs: Array, mode: int, found: Array
) -> int:
    """Write (columns, rows, tile, floor) of all choices of these pairs whose floor is below the best cost.

    Their number, which may exceed the rows of `found`: then the rest is not written.
    """
    n = 0
    w[F, WHOLE] = 1
    for p in range(pairs.shape[0]):
        if reached(m, w, pairs, p, 2, mode):
            continue
        again = 0
        for tile in range(tiles.shape[0]):
            if not choose(m, g, w, cols, rows, tiles, pairs[p, 0], pairs[p, 1], tile, again):
                continue
            again = 1
            for d in range(m[DIMS]):
                w[INNER, d] = w[LEFT, d]
                w[OUTER, d] = 1
            for o in range(3):
                w[SHARED, o] = m[KNOWN + o]
            floor_of(m, g, w, mode)
            if below(m, w, w[FLOOR, 0], w[FLOOR, 1], w[FLOOR, 2], mode):
                if n < found.shape[0]:
                    found[n, 0] = pairs[p, 0]
                    found[n, 1] = pairs[p, 1]
                    found[n, 2] = tile
                    for k in range(3):
                        found[n, 3 + k] = w[FLOOR, k]
                n += 1
    return n


@compiled
def ordered(g: Array, w: Array, dims: int, n: int, perms: Array, which: int, level: int, at: int) -> bool:
    """Write the dims of a row in the order of a permutation, outer to inner; whether the constraint allows it."""
    for i in range(n):
        w[DIM, at + i] = w[dims, perms[which, i]]
        if i and g[ORDER + level, w[DIM, at + i - 1]] < g[ORDER + level, w[DIM, at + i]]:
            return False
    return True


@compiled
def split_fits(m: Array, g: Array, w: Array, allowed: Array, counts: Array) -> bool:
    """Fill what depends on the split in INNER; whether constraints and level 1 have room for it. counts (2,): loops."""
    outs = ins = 0
    fine = True
    for d in range(m[DIMS]):
        inner, outer = w[INNER, d], w[LEFT, d] // w[INNER, d]
        w[OUTER, d] = outer
        w[EXTENT, d] = w[BASE, d] * inner
        fine = fine and allowed[0, d, inner] != 0 and allowed[1, d, outer] != 0
        if outer > 1:
            w[OUTS, outs] = d
            outs += 1
        if inner > 1:
            w[INS, ins] = d
            ins += 1
    counts[0] = outs
    counts[1] = ins
    held = 0
    for o in range(3):
        size = input_box(m, g, w, EXTENT, HELD) if o == 0 else over(m, g, w, o, EXTENT)
        held += size if m[KEEP + o] else 0
        w[SHARED, o] = max(m[KNOWN + o], size)
    return fine and (m[ROOM] == 0 or held <= m[ROOM])


@compiled
def leaf(m: Array, g: Array, w: Array, n: int) -> None:
    """A complete evaluation: content of the PEs below the n loops in DIM and TRIPS, then the cost, into ONE."""
    steps = 1
    for i in range(n):
        steps *= w[TRIPS, i]
    for o in range(3):
        w[INTO, o] = content(g, w, o, n, w[SIZE, o], BASE, BOX) if w[STAY, o] else w[SIZE, o] * steps
    price(m, w)


@compiled
def shared_content(m: Array, g: Array, w: Array, n: int) -> None:
    """Content of level 1 below the n loops in DIM and TRIPS, which are those of level 0."""
    for o in range(3):
        tile = input_box(m, g, w, EXTENT, HELD) if o == 0 else over(m, g, w, o, EXTENT)
        w[SHARED, o] = content(g, w, o, n, tile, EXTENT, HELD)


@compiled
def orders(
    m: Array, g: Array, w: Array, perms: Array, counts: Array, mode: int, found: Array, todo: Array, q: int
) -> None:
    """All orders of both levels for the split at hand, those of level 0 first; `found` as in `solve`."""
    outs, ins, dims = counts[0], counts[1], m[DIMS]
    last = perms.shape[1] - 1
    for a in range(perms[outs, last], perms[outs + 1, last]):
        if not ordered(g, w, OUTS, outs, perms, a, 1, 0):
            continue
        for i in range(outs):
            w[TRIPS, i] = w[OUTER, w[DIM, i]]
        shared_content(m, g, w, outs)
        w[WORK, 2] += 1
        floor_of(m, g, w, mode)
        if not below(m, w, w[FLOOR, 0], w[FLOOR, 1], w[FLOOR, 2], mode):
            continue
        for b in range(perms[ins, last], perms[ins + 1, last]):
            if not ordered(g, w, INS, ins, perms, b, 0, outs):
                continue
            for i in range(outs, outs + ins):
                w[TRIPS, i] = w[INNER, w[DIM, i]]
            leaf(m, g, w, outs + ins)
            w[WORK, 0] += 1
            if below(m, w, w[ONE, 0], w[ONE, 1], w[ONE, 2], mode):
                for i in range(3):
                    w[BEST, i] = w[ONE, i]
                    found[i] = todo[q, i]
                for i in range(dims):
                    found[3 + i] = w[INNER, i]
                for i in range(2 * dims):
                    found[3 + dims + i] = w[DIM, i] if i < outs + ins else -1


@compiled
def solve(
    m: Array, g: Array, w: Array, cols: Array, rows: Array, tiles: Array, allowed: Array, perms: Array, todo: Array,
    mode: int, found: Array, counts: Array,
) -> int:  # fmt: skip
    """Go through choices until the evaluations are used up; how many are done.

    `found` (3 + 3 D,): the mapping behind BEST: choice, trips of level 1 by dim, dims of the loops outer to inner
    (level 0, then 1) and -1 behind them. `counts` (2,) is scratch.
    """
    for q in range(todo.shape[0]):
        if m[MOST] and w[WORK, 0] >= m[MOST]:
            return q
        if reached(m, w, todo, q, 3, mode):
            continue
        choose(m, g, w, cols, rows, tiles, todo[q, 0], todo[q, 1], todo[q, 2], 0)
        w[F, WHOLE] = 0
        for d in range(m[DIMS]):
            w[INNER, d] = 1
        more = True
        while more:
            if split_fits(m, g, w, allowed, counts):
                w[WORK, 1] += 1
                floor_of(m, g, w, mode)
                if below(m, w, w[FLOOR, 0], w[FLOOR, 1], w[FLOOR, 2], mode):
                    orders(m, g, w, perms, counts, mode, found, todo, q)
            more = False
            for d in range(m[DIMS]):
                w[INNER, d] += 1
                while w[INNER, d] <= w[LEFT, d] and w[LEFT, d] % w[INNER, d]:
                    w[INNER, d] += 1
                if w[INNER, d] <= w[LEFT, d]:
                    more = True
                    break
                w[INNER, d] = 1
    done: int = todo.shape[0]
    return done


@compiled
def costs(
    m: Array, g: Array, w: Array, cols: Array, rows: Array, tiles: Array, mappings: Array, loops: Array, out: Array
) -> None:
    """Evaluate mappings, each a row as `found` of `solve`; `loops` (n,) says how many of its loops are of level 0.

    `out` (n, 9): energy, its rest, cycles, content of a PE and of level 1 by operand.
    """
    dims = m[DIMS]
    for q in range(mappings.shape[0]):
        choose(m, g, w, cols, rows, tiles, mappings[q, 0], mappings[q, 1], mappings[q, 2], 0)
        n = 0
        for d in range(dims):
            w[EXTENT, d] = w[BASE, d] * mappings[q, 3 + d]
        for i in range(2 * dims):
            d = mappings[q, 3 + dims + i]
            if d >= 0:
                inner = mappings[q, 3 + d]
                w[DIM, n] = d
                w[TRIPS, n] = inner if n >= loops[q] else w[LEFT, d] // inner
                n += 1
        shared_content(m, g, w, loops[q])
        leaf(m, g, w, n)
        for i in range(3):
            out[q, i] = w[ONE, i]
            out[q, 3 + i] = w[INTO, i]
            out[q, 6 + i] = w[SHARED, i]
