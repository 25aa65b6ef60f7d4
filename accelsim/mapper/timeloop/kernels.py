"""Compiled inner loops of the search: exact cost, content of tiles, and lower bounds.

The machine is: outer level 0, shared level 1, spatial levels (columns, then rows), and per PE a store of each operand.
Operands are numbered 0 Inputs, 1 Weights, 2 Outputs; D dims of the problem have a bound above 1. Few arrays, all int64,
go from function to function (many, or structures of them, cost far more time to compile and to call):

    m  (60,)     the machine and what never changes: energies per access, block sizes, bandwidths as numerator and
                 denominator, leakage (`space.pack`), then the entries from KEEP on
    g  (10, D)   by dim: rows REL to REL + 2 whether it moves the operand, RANK the axis of the Inputs it belongs to (-1
                 none), COEF its coefficient there, BOUND, ORDER and ORDER + 1 its place among the loops of levels 1, 0,
                 PARTNER the other dim of its axis of the Inputs (-1 none)
    w  (24, 2 D) scratch of one choice of spatial splits and PE tile, by row: see the names below

Content is the number of words that enter a tile. For loops outer to inner with k the innermost one that moves the
tile, all loops inside k cost nothing, an advance of k brings the new part of the tile, and an advance of a loop further
out brings the whole tile: its translation differs from that of k, which is a change of stride. Only where it happens to
be the same, or zero, does it cost the new part, or nothing; that takes loops of one axis only between it and k.
"""

from __future__ import annotations

from typing import Any

from accelsim.jit import compiled

Array = Any
HUGE = 1 << 62
LOW = (1 << 31) - 1

# Entries of m: whether level 1 keeps an operand (3); all Inputs touched, Weights, Outputs, MACs (4); words of level 1
# and most evaluations (0 unbounded); axes of the Inputs; D; units of leakage in one of energy; binary logarithms of the
# blocks of level 0, level 1 and the stores (5), -1 where they are no powers of two.
KEEP, KNOWN, ROOM, MOST, AXES, DIMS, REST, SHIFT = 40, 43, 47, 48, 49, 50, 51, 52
# Rows of g.
REL, RANK, COEF, BOUND, ORDER, PARTNER = 0, 3, 4, 5, 6, 8
# Rows of w. F: PEs in use, columns in use, steps, Outputs per PE, projections of the operands (from 4), and from WHOLE
# whether a floor is for all splits, whether projections depend on the PE tile. BASE: extent of the array. INNER,
# OUTER: trips at levels 1, 0; LEFT their product. EXTENT: of the tile of level 1. BOX, HELD: spans of the Inputs in
# a PE, at level 1. INTO, SHARED: content of a PE, of level 1, by operand; LEAST the fewest visits. SIZE: words of a
# PE's tiles, STAY whether they fit. DIM, TRIPS: loops outer to inner. OUTS, INS: dims with loops at levels 0, 1.
# SPLIT: trips for `projections`. ONE, FLOOR, BEST: energy, its rest, cycles. WORK: evaluations, splits, orders of
# level 0. BEFORE: trips of all loops outside each.
F, BASE, INNER, OUTER, LEFT, EXTENT, BOX, HELD, INTO, SHARED, LEAST = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
SIZE, STAY, DIM, TRIPS, OUTS, INS, SPLIT, ONE, FLOOR, BEST, WORK = 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21
BEFORE, ROWS = 22, 23
WHOLE, COUPLED = 7, 8


@compiled
def blocks(words: int, block: int, shift: int) -> int:
    """Accesses of `block` words; `shift` its binary logarithm, -1 if it is no power of two."""
    return (words + block - 1) >> shift if shift >= 0 else (words + block - 1) // block


@compiled
def stretched(words: int, num: int, den: int, cycles: int) -> int:
    """The larger of cycles and words over num / den words per cycle (num 0: unbounded)."""
    if num == 0 or words * den <= cycles * num:
        return cycles
    return (words * den + num - 1) // num


@compiled
def price(m: Array, w: Array) -> None:
    """Energy, its rest and cycles of the contents in INTO and SHARED, into ONE.

    Energy is in units of the accesses' common divisor, the rest (of leakage) in units of the leakages'; m[REST] of
    those make one of the former.
    """
    pes, steps = w[F, 0], w[F, 2]
    energy = m[KNOWN + 3] * m[31]
    reads = writes = dram_reads = dram_writes = 0
    cycles = steps
    for o in range(3):
        sent = w[INTO, o] * w[F, 4 + o]
        down = sent
        mine = m[KNOWN + 2] if o == 2 else 0
        if m[KEEP + o]:
            down = w[SHARED, o]
            energy += blocks(sent - mine, m[5], m[SHIFT + 1]) * m[3] + blocks(down - mine, m[5], m[SHIFT + 1]) * m[4]
            reads += sent - mine
            writes += down - mine
            if o == 2:
                energy += blocks(sent, m[5], m[SHIFT + 1]) * m[4]
                writes += sent
        energy += blocks(down - mine, m[2], m[SHIFT]) * m[0]
        dram_reads += down - mine
        if o == 2:
            energy += blocks(down, m[2], m[SHIFT]) * m[1]
            dram_writes += down
        at = 10 + 7 * o
        here = w[F, 3] if o == 2 else 0
        wrote = w[INTO, o] - here
        block, by = m[at + 2], m[SHIFT + 2 + o]
        spent = blocks(steps - here, block, by) * m[at] + blocks(wrote, block, by) * m[at + 1]
        if o == 2:
            spent += blocks(steps, block, by) * m[at + 1]
            wrote += steps
        energy += pes * spent
        cycles = stretched(steps - here, m[at + 3], m[at + 4], cycles)
        cycles = stretched(wrote, m[at + 5], m[at + 6], cycles)
    cycles = stretched(reads, m[6], m[7], cycles)
    cycles = stretched(writes, m[8], m[9], cycles)
    cycles = stretched(dram_reads, m[35], m[36], cycles)
    cycles = stretched(dram_writes, m[37], m[38], cycles)
    leak = cycles * (m[32] + w[F, 1] * m[33] + pes * m[34])
    w[ONE, 0] = energy + leak // m[REST]
    w[ONE, 1] = leak % m[REST]
    w[ONE, 2] = cycles


@compiled
def content(g: Array, w: Array, o: int, n: int, tile: int, base: int, box: int) -> int:
    """Words that enter a tile over the first n loops of DIM and TRIPS.

    `base`: row with the extent of each dim inside them; `box`: row with the spans of the Inputs' tile.
    """
    k = n - 1
    while k >= 0 and g[REL + o, w[DIM, k]] == 0:
        k -= 1
    if k < 0:
        return tile
    visits = 1
    for i in range(k + 1):
        w[BEFORE, i] = visits
        visits *= w[TRIPS, i]
    if o != 0:
        return tile * visits
    inmost = w[DIM, k]
    axis = g[RANK, inmost]
    shift, span = g[COEF, inmost] * w[base, inmost], w[box, axis]
    overlap = tile // span * (span - shift) if shift < span else 0
    outside = w[BEFORE, k]
    saved = overlap * (visits - outside)
    moved = shift
    for i in range(k - 1, -1, -1):
        further = w[BEFORE, i]
        d = w[DIM, i]
        if g[REL, d]:
            if g[RANK, d] != axis:
                break
            step = w[base, d]
            for j in range(i + 1, k + 1):
                if w[DIM, j] == d:
                    step *= w[TRIPS, j]
            away = g[COEF, d] * step - moved
            if away == 0:
                saved += tile * (outside - further)
            elif away == shift:
                saved += overlap * (outside - further)
            moved += g[COEF, d] * step
        outside = further
    words: int = tile * visits - saved
    return words


@compiled
def less(e1: int, r1: int, c1: int, e2: int, r2: int, c2: int, mode: int, unit: int) -> bool:
    """Whether cost 1 is below cost 2: energy x cycles (mode 0), energy (1), cycles, then energy (2); exact.

    Products that are close are compared in limbs of 31 bits.
    """
    if mode == 2 and c1 != c2:
        return c1 < c2
    if mode:
        return e1 < e2 or (e1 == e2 and r1 < r2)
    first, second = (float(e1) * unit + r1) * c1, (float(e2) * unit + r2) * c2
    if first < 0.999999 * second or second < 0.999999 * first:
        return first < second
    last1, last2 = (e1 & LOW) * (c1 & LOW), (e2 & LOW) * (c2 & LOW)
    one1, one2 = (e1 >> 31) * (c1 & LOW), (e2 >> 31) * (c2 & LOW)
    two1, two2 = (e1 & LOW) * (c1 >> 31), (e2 & LOW) * (c2 >> 31)
    rest1, rest2 = r1 * c1, r2 * c2
    low = ((last1 & LOW) - (last2 & LOW)) * unit + (rest1 & LOW) - (rest2 & LOW)
    middle = ((one1 & LOW) + (two1 & LOW) + (last1 >> 31) - (one2 & LOW) - (two2 & LOW) - (last2 >> 31)) * unit
    middle += (rest1 >> 31) - (rest2 >> 31) + (low >> 31)
    top = (e1 >> 31) * (c1 >> 31) + (one1 >> 31) + (two1 >> 31)
    top -= (e2 >> 31) * (c2 >> 31) + (one2 >> 31) + (two2 >> 31)
    return top * unit + (middle >> 31) < 0


@compiled
def below(m: Array, w: Array, energy: int, rest: int, cycles: int, mode: int) -> bool:
    """Whether a cost is below the best."""
    return less(energy, rest, cycles, w[BEST, 0], w[BEST, 1], w[BEST, 2], mode, m[REST])


@compiled
def distinct(n1: int, s1: int, n2: int, s2: int) -> int:
    """Different values of a * s1 + b * s2 for a < n1, b < n2."""
    if n1 == 1 or n2 == 1:
        return n1 * n2
    a, b = s1, s2
    while b:
        a, b = b, a % b
    return n1 * n2 - max(0, n1 - s2 // a) * max(0, n2 - s1 // a)


@compiled
def projections(m: Array, g: Array, w: Array) -> int:
    """Different offsets of the Inputs over the loops of one spatial level, in SPLIT; BASE is the extent inside them."""
    found = 1
    for d in range(m[DIMS]):
        trips, other = w[SPLIT, d], g[PARTNER, d]
        if g[REL, d] == 0 or trips == 1:
            continue
        if other < 0 or w[SPLIT, other] == 1:
            found *= trips
        elif other > d:
            found *= distinct(trips, g[COEF, d] * w[BASE, d], w[SPLIT, other], g[COEF, other] * w[BASE, other])
    return found


@compiled
def input_box(m: Array, g: Array, w: Array, extent: int, box: int) -> int:
    """Fill row `box` with the spans of the Inputs over the extents in another row; their product."""
    words = 1
    for r in range(m[AXES]):
        w[box, r] = 1
    for d in range(m[DIMS]):
        if g[RANK, d] >= 0:
            w[box, g[RANK, d]] += g[COEF, d] * (w[extent, d] - 1)
    for r in range(m[AXES]):
        words *= w[box, r]
    return words


@compiled
def over(m: Array, g: Array, w: Array, o: int, row: int) -> int:
    """Product of a row over the dims that move an operand."""
    found = 1
    for d in range(m[DIMS]):
        if g[REL + o, d]:
            found *= w[row, d]
    return found


@compiled
def halo_floor(m: Array, g: Array, w: Array, k: int, n: int, visits: int) -> int:
    """Least content of the Inputs if loop k (n trips, the innermost that moves them) is visited `visits` times in all.

    w[F, WHOLE]: all trips are in INNER, and the floor holds for every split of them.
    """
    axis, tile = g[RANK, k], w[SIZE, 0]
    fresh = tile // w[BOX, axis] * min(g[COEF, k] * w[BASE, k], w[BOX, axis])
    other = g[PARTNER, k]
    others = w[INNER, other] * w[OUTER, other] if other >= 0 else 1
    own = w[OUTER, k] if w[INNER, k] > 1 else 1
    outside = visits // n
    moved, whole = visits - outside, outside
    if others > 1:
        whole = outside // (others * own)
        if w[F, WHOLE]:
            moved = visits // 2
            whole = visits // (others * n)
    elif own > 1 and n == 2:
        whole = outside // own
        moved = visits - whole
    words: int = tile + moved * fresh + max(0, whole - 1) * tile
    return words


@compiled
def same_kind(g: Array, j: int, k: int) -> bool:
    """Whether two dims move the same operands."""
    same = True
    for o in range(3):
        same = same and g[REL + o, j] == g[REL + o, k]
    return same


@compiled
def first_of_kind(g: Array, w: Array, j: int, row: int) -> bool:
    """Whether no dim before j with loops in a row moves the same operands."""
    first = True
    for k in range(j):
        first = first and (w[row, k] == 1 or not same_kind(g, j, k))
    return first


@compiled
def floor_of(m: Array, g: Array, w: Array, mode: int) -> None:
    """Lower bound over all orders of the split in INNER and OUTER, into FLOOR.

    By the innermost loop: an operand that it moves is fetched at every step. SHARED holds lower bounds of the content
    of level 1. w[F, WHOLE]: all trips are in INNER, and the bound holds for every split of them.
    """
    count = m[DIMS]
    steps = every = 1
    some = False
    for d in range(count):
        steps *= w[INNER, d] * w[OUTER, d]
        every *= w[OUTER, d]
        some = some or w[INNER, d] > 1
    deep = False
    for o in range(3):
        mine = over(m, g, w, o, INNER)
        w[LEAST, o] = mine * (every if mine > 1 else over(m, g, w, o, OUTER))
        deep = deep or (o == 0 and mine > 1)
    seen = False
    for j in range(count):
        if (w[INNER, j] if some else w[OUTER, j]) == 1 or not first_of_kind(g, w, j, INNER if some else OUTER):
            continue
        for o in range(1, 3):
            w[INTO, o] = w[SIZE, o] * (steps if g[REL + o, j] or w[STAY, o] == 0 else w[LEAST, o])
        w[INTO, 0] = w[SIZE, 0] if w[LEAST, 0] == 1 else HUGE
        for k in range(count):
            n = w[INNER, k] if deep else w[OUTER, k]
            if g[REL, k] and n > 1 and (g[REL, j] == 0 or same_kind(g, j, k)):
                w[INTO, 0] = min(w[INTO, 0], halo_floor(m, g, w, k, n, steps if g[REL, j] else w[LEAST, 0]))
        price(m, w)
        if not seen or less(w[ONE, 0], w[ONE, 1], w[ONE, 2], w[FLOOR, 0], w[FLOOR, 1], w[FLOOR, 2], mode, m[REST]):
            for i in range(3):
                w[FLOOR, i] = w[ONE, i]
        seen = True
    if not seen:
        for o in range(3):
            w[INTO, o] = w[SIZE, o]
        price(m, w)
        for i in range(3):
            w[FLOOR, i] = w[ONE, i]
