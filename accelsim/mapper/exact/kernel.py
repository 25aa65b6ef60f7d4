"""Compiled: what arrives at every storage point, whether tiles fit, and the resources that both use.

A node of the search fixes the trips and the order of the loops of the outermost slots. What arrives at points inside
those slots is then exact; a point further in receives at least what a point at the border would, since a smaller tile
holds nothing that the tile around it does not. Costs grow with arrivals, so these give lower bounds.
"""

from __future__ import annotations

from accelsim.jit import compiled
from accelsim.mapper.exact.record import NDIM, Array, Record
from accelsim.mapper.exact.windows import needed, renewed, unit_pair


@compiled
def first_tile(r: Record, p: int, child: Array) -> int:
    """Words of a point's first tile."""
    words = 1
    for d in range(NDIM):
        kind = r.kinds[p, d]
        if kind == 2 or r.bounds[d] == 1:
            continue
        if kind == 1:
            words *= min(child[d], r.bounds[d])
        elif kind == 0 and r.inside[p, 0] == 1:
            words *= unit_pair(r, p, d, child, r.bounds, -1, 0)[0]
    if r.operand[p] == 0:
        for w in range(r.sliding):
            words *= unit_pair(r, p, NDIM + w, child, r.bounds, -2, 0)[0]
    return words


@compiled
def arrivals(r: Record, p: int, bound: int) -> int:
    """Words (or whole tiles) that enter a point whose tile lies inside the first `bound` slots."""
    child, cur = r.ext[bound], r.cur
    words = first_tile(r, p, child)
    for d in range(NDIM):
        cur[d] = r.bounds[d]
    units = NDIM + (r.sliding if r.operand[p] == 0 else 0)
    for unit in range(units):
        _stand_still(r, p, unit, child)
    r.entered[p] = words
    for slot in range(bound):
        for i in range(r.length[slot]):
            dim = r.order[slot, i]
            advext = cur[dim]
            cur[dim] = min(r.ext[slot + 1, dim], r.bounds[dim])
            total = kept = 1
            for unit in range(units):
                if _moved(r, p, unit, dim):
                    one, two = unit_pair(r, p, unit, child, cur, dim, advext)
                    total *= one
                    kept *= two
                    _stand_still(r, p, unit, child)
                else:
                    total *= r.totals[unit]
                    kept *= r.kept_words[unit]
            words += total - kept
            if slot < r.slots - 1:
                r.entered[p] += total - kept
    return words


@compiled
def _moved(r: Record, p: int, unit: int, dim: int) -> bool:
    """Does the loop over `dim` move this dim or window of a point?"""
    if unit < NDIM:
        moved: bool = unit == dim and r.kinds[p, unit] != 2
        return moved
    inside: bool = r.windows[unit - NDIM, 0] == dim or r.windows[unit - NDIM, 1] == dim
    return inside


@compiled
def _stand_still(r: Record, p: int, unit: int, child: Array) -> None:
    """The pair of a unit at steps where loops over other dims advance, into `r.totals` and `r.kept_words`."""
    if unit < NDIM and (r.bounds[unit] == 1 or r.kinds[p, unit] == 2):
        r.totals[unit], r.kept_words[unit] = 1, 1
        return
    r.totals[unit], r.kept_words[unit] = unit_pair(r, p, unit, child, r.cur, -1, 0)


@compiled
def order_free(r: Record, p: int) -> int:
    """Arrivals at PEs that keep nothing: the words of all steps, in whatever order."""
    words, cur = 1, r.cur
    for d in range(NDIM):
        cur[d] = min(r.extent[d], r.bounds[d])
    for d in range(NDIM):
        if r.bounds[d] > 1 and r.kinds[p, d] != 2:
            words *= unit_pair(r, p, d, r.extent, cur, -1, 0)[0]
    if r.operand[p] == 0:
        for w in range(r.sliding):
            words *= unit_pair(r, p, NDIM + w, r.extent, cur, -1, 0)[0]
    return words


@compiled
def set_core(r: Record, number: int, cores: Array, tables: Array, keys: Array) -> None:
    """Take up a core: its factors (cores, 5, 10), arrivals known of it (cores, 3, points), keys of its windows."""
    r.core = number
    for d in range(NDIM):
        r.row[d], r.col[d], r.diagonal[d] = cores[number, 0, d], cores[number, 1, d], cores[number, 2, d]
        r.pe[d], r.extent[d] = cores[number, 3, d], cores[number, 4, d]
        r.left[0, d] = -(-r.bounds[d] // r.extent[d])
        r.ext[0, d] = r.bounds[d]
    for p in range(r.points):
        r.fixed[p], r.least[p], r.words[p] = tables[number, 0, p], tables[number, 1, p], tables[number, 2, p]
    for w in range(r.sliding):
        r.window_key[w] = keys[number, w]


@compiled
def fill_tables(r: Record, cores: Array, tables: Array, keys: Array, retained: Array) -> None:
    """Per core and point: arrivals that no loop changes (-1 if loops do), the least there can be, its words once."""
    for number in range(cores.shape[0]):
        set_core(r, number, cores, tables, keys)
        for p in range(r.points):
            least = 1
            for d in range(NDIM):
                if r.kinds[p, d] == 1:
                    least *= r.bounds[d]
                elif r.kinds[p, d] == 3:
                    least *= -(-r.bounds[d] // r.extent[d])
            if r.operand[p] == 0:
                for w in range(r.sliding):
                    least *= needed(r, w)
            tables[number, 0, p] = -1 if retained[p] else order_free(r, p)
            tables[number, 2, p] = least
            tables[number, 1, p] = max(least, _behind_stream(r, p, least))


@compiled
def _behind_stream(r: Record, p: int, words: int) -> int:
    """Least arrivals at the PEs when a stream that must be there (`rs`: over Q) moves the operand in every pass.

    Loops that the operand does not depend on all lie outside that stream, so each of their trips brings it in again.
    """
    op = r.operand[p]
    if r.inside[p, 0] == 0 or op == 1 or r.forced < 0 or r.bounds[r.forced] <= r.extent[r.forced]:
        return words
    return swept(r, p, words)


@compiled
def _streamed_again(r: Record, words: int) -> int:
    """Least words of the inputs that one more sweep of the stream that must be there brings, of `words` in all."""
    for w in range(r.sliding):
        d1, d2 = r.windows[w, 0], r.windows[w, 1]
        if d1 != r.forced and d2 != r.forced:
            continue
        t1, t2 = min(r.extent[d1], r.bounds[d1]), min(r.extent[d2], r.bounds[d2])
        other = d2 if d1 == r.forced else d1
        least = every = max(1, needed(r, w))
        for k in range(1, -(-r.bounds[other] // r.extent[other]) + 1):
            span = min(k * r.extent[other], r.bounds[other])
            o1, o2 = (r.bounds[d1], span) if d1 == r.forced else (span, r.bounds[d2])
            least = min(least, renewed(r, w, t1, t2, o1, o2))
        again: int = words // every * least
        return again
    return words


@compiled
def swept(r: Record, p: int, words: int) -> int:
    """Least arrivals at the PEs if a loop that moves the operand lies inside all loops that do not."""
    op, times = r.operand[p], 1
    for d in range(NDIM):
        if r.group[d] == op:
            times *= -(-r.bounds[d] // r.extent[d])
    if op == 0 and r.forced >= 0 and r.bounds[r.forced] > r.extent[r.forced]:
        return words + (times - 1) * _streamed_again(r, words)
    if op == 0:
        for w in range(r.sliding):
            d1, d2 = r.windows[w, 0], r.windows[w, 1]
            if r.bounds[d1] > r.extent[d1] or r.bounds[d2] > r.extent[d2]:
                times = 1
    return times * words


@compiled
def _again(r: Record, p: int, bound: int) -> int:
    """Least words of the inputs that one more sweep through the loops of the first `bound` slots brings.

    A loop that does not move the inputs goes round outside loops that do. From its second trip on each block of those
    brings all its words but the ones that its first tile shares with its last. If the block moves window axis a, these
    are at least (words of a in the block - what both tiles share of a) x words of the other axes, and the blocks
    together need every word: the sum is least for some axis and some span of it that loops can sweep.
    """
    least: int = r.words[p]
    child = r.ext[bound]
    for w in range(r.sliding):
        d1, d2 = r.windows[w, 0], r.windows[w, 1]
        t1, t2 = min(child[d1], r.bounds[d1]), min(child[d2], r.bounds[d2])
        rest = r.words[p] // max(1, needed(r, w))
        for i in range(bound + 1):
            o1 = min(r.ext[i, d1], r.bounds[d1])
            for j in range(bound + 1):
                o2 = min(r.ext[j, d2], r.bounds[d2])
                if o1 != t1 or o2 != t2:
                    least = min(least, rest * renewed(r, w, t1, t2, o1, o2))
    return least


@compiled
def reloads(r: Record, op: int, bound: int) -> int:
    """How often the loops of the first `bound` slots bring a whole operand in again (perfect trips)."""
    pending, product = 1, 1
    for slot in range(bound):
        for i in range(r.length[slot]):
            d = r.order[slot, i]
            if r.group[d] == op:
                pending *= -(-min(r.ext[slot, d], r.bounds[d]) // r.ext[slot + 1, d])
            else:
                product *= pending
                pending = 1
    return product


@compiled
def _span(r: Record, w: int, e1: int, e2: int) -> int:
    """Distinct indices `i * stride + j * dilation`: pairs (i, j) and (i + t, j - s) are the same index."""
    a, b = r.windows[w, 2], r.windows[w, 3]
    while b:
        a, b = b, a % b
    s, t = r.windows[w, 2] // a, r.windows[w, 3] // a
    distinct: int = min(e1 * e2 - max(0, e1 - t) * max(0, e2 - s), r.windows[w, 4])
    return distinct


@compiled
def tile_size(r: Record, op: int, ext: Array) -> int:
    """Most words of a tile of an operand, away from borders."""
    words = 1
    for d in range(NDIM):
        if r.group[d] != op:
            words *= min(ext[d], r.bounds[d])
    if op == 0:
        for w in range(r.sliding):
            d1, d2 = r.windows[w, 0], r.windows[w, 1]
            e1, e2 = min(ext[d1], r.bounds[d1]), min(ext[d2], r.bounds[d2])
            words = words // (e1 * e2) * _span(r, w, e1, e2)
    return words


@compiled
def _partial(r: Record, h: int) -> bool:
    """Can an unfinished word be stored: does a reduction loop lie outside the inner tile, other than innermost?"""
    trailing = r.holds[h, 8] == 1
    for slot in range(r.holds[h, 7] - 1, -1, -1):
        for i in range(r.length[slot] - 1, -1, -1):
            reduces = r.group[r.order[slot, i]] == 2
            if reduces and not trailing:
                return True
            if not reduces:
                trailing = False
    return False


@compiled
def fits(r: Record, upto: int, leaf: bool) -> bool:
    """Do the tiles whose boundary is at most `upto` fit? Widths of outputs are exact at a leaf, else the least."""
    for m in range(r.memories):
        used = 0
        for h in range(r.held):
            if r.holds[h, 0] != m or r.holds[h, 2] > upto:
                continue
            words = r.holds[h, 5]
            if words == 0:
                words = tile_size(r, r.holds[h, 1], r.ext[r.holds[h, 2]])
            bits = r.holds[h, 4]
            if r.holds[h, 1] == 2 and (r.holds[h, 8] == 2 or (leaf and _partial(r, h))):
                bits = max(bits, r.holds[h, 6])
            used += r.holds[h, 3] * words * bits
        if used > r.capacity[m]:
            return False
    return True


@compiled
def spend(r: Record, arrived: Array) -> None:
    """Energy, DRAM bits and port bits of so many arrivals, into `r.use`."""
    for k in range(r.resources):
        total = r.base[k]
        for p in range(r.points):
            total += r.coefficients[k, p] * arrived[p]
        r.use[k] = total


@compiled
def exact_points(r: Record, bound: int) -> None:
    """Arrivals of all points at a boundary."""
    for p in range(r.points):
        if r.boundary[p] == bound:
            r.arrived[p] = r.fixed[p] if r.fixed[p] >= 0 else arrivals(r, p, bound)


@compiled
def lower(r: Record, bound: int) -> None:
    """Least arrivals given the loops of the first `bound` slots, whose points are exact, into `r.low`."""
    top0 = top1 = top2 = 0
    for p in range(r.points):
        if r.fixed[p] >= 0:
            r.low[p] = r.fixed[p]
        elif r.boundary[p] <= bound:
            value = r.low[p] = r.arrived[p]
            if r.inside[p, 1] == 0 and r.in_words[p]:
                if r.operand[p] == 0 and r.halo == 1:
                    top0 = max(top0, value)
                elif r.operand[p] == 1:
                    top1 = max(top1, value)
                elif r.operand[p] == 2:
                    top2 = max(top2, value)
        else:
            r.low[p] = r.least[p]
            if r.operand[p] != 0 and (bound == 1 or r.imperfect == 0):
                r.low[p] = max(r.low[p], r.words[p] * reloads(r, r.operand[p], bound))
    for p in range(r.points):
        if r.boundary[p] > bound and r.fixed[p] < 0 and r.in_words[p]:
            top = top0 if r.operand[p] == 0 else top1 if r.operand[p] == 1 else top2
            r.low[p] = max(r.low[p], top)


@compiled
def guess(r: Record, k: int) -> None:
    """Least arrivals when slot k's trips and some order are set but its points are not counted yet, into `r.low`.

    `r.again` holds what one more sweep brings with these trips, where that is known (else -1).
    """
    counts = k == 0 or r.imperfect == 0
    if counts:
        for op in range(3):
            r.times[op] = reloads(r, op, k + 1)
    for p in range(r.points):
        if r.fixed[p] >= 0:
            r.low[p] = r.fixed[p]
        elif r.boundary[p] <= k:
            r.low[p] = r.arrived[p]
        else:
            r.low[p] = r.least[p]
            if counts:
                times, words = r.times[r.operand[p]], r.words[p]
                if times > 1:
                    if r.operand[p] != 0:
                        r.again[p] = words
                    elif r.again[p] < 0:
                        r.again[p] = _again(r, p, k + 1)
                    words += (times - 1) * r.again[p]
                r.low[p] = max(r.low[p], words)
