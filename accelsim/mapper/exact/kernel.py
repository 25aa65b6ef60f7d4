"""Compiled: what arrives at every storage point, and the resources that this uses.

A node of the search fixes the trips and the order of the loops of the outermost slots. What arrives at points inside
those slots is then exact.
"""

from __future__ import annotations

from accelsim.jit import compiled
from accelsim.mapper.exact.borders import advance, stand
from accelsim.mapper.exact.record import FROM_DRAM, NDIM, PLACE, Array, Record
from accelsim.mapper.exact.windows import place_of, unit_pair, window_pair


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
    """Words (or whole tiles) that enter a point whose tile lies inside the first `bound` slots.

    Units that stand still at every step, or after their last loop, are one factor of the words, `still`, and one of
    those that are kept, `stays`.
    """
    p, bound = p & PLACE, bound & PLACE
    still, units = _at_rest(r, p, bound)
    left, words, stays = 0, int(r.first[p]), still
    for slot in range(bound):
        left += r.length[slot]
    entered = words
    for slot in range(bound):
        for i in range(r.length[slot]):
            dim, left = r.order[slot, i] & PLACE, left - 1
            total, kept, done = still, stays, -1
            for j in range(units):
                unit = r.moving[j] & PLACE
                if unit == dim:
                    one, two = advance(r, p, dim, bound, slot)
                    if left > 0:
                        r.totals[unit], r.kept_words[unit] = stand(r, p, dim, bound, slot + 1)
                        if r.left[slot + 1, dim] == r.left[bound, dim]:
                            done = j
                elif unit >= NDIM and (r.windows[unit - NDIM, 0] == dim or r.windows[unit - NDIM, 1] == dim):
                    one, two = _window(r, p, unit - NDIM, bound, dim, slot)
                    r.level[dim] = slot + 1
                    if left > 0:
                        r.totals[unit], r.kept_words[unit] = _window(r, p, unit - NDIM, bound, -1, slot)
                else:
                    one, two = r.totals[unit], r.kept_words[unit]
                total *= one
                kept *= two
            words += total - kept
            if slot < r.slots - 1:
                entered += total - kept
            if done >= 0:
                unit, units = r.moving[done] & PLACE, units - 1
                still, stays = still * r.totals[unit], stays * r.kept_words[unit]
                r.moving[done] = r.moving[units]
    r.entered[p] = entered
    return words


@compiled
def _at_rest(r: Record, p: int, bound: int) -> tuple[int, int]:
    """Put the units that loops outside `bound` move into `r.moving`, each with its pair before any loop has moved.

    Returns the product of the others, which stand still at every step, and how many there are that move. The words of
    the first tile go into `r.first`.
    """
    still, first, units = 1, 1, 0
    for i in range(r.actives):
        d = r.active[i] & PLACE
        if r.kinds[p, d] == 2:
            continue
        if r.kinds[p, d] == 1 and r.spans[bound, d] == 1:
            first, still = first * r.bounds[d], still * r.bounds[d]
            continue
        one, two = stand(r, p, d, bound, 0)
        first *= one
        if r.spans[bound, d] == 1:
            still *= one
        else:
            r.moving[units], r.totals[d], r.kept_words[d] = d, one, two
            units += 1
    for w in range(r.sliding if r.operand[p] == 0 else 0):
        d1, d2 = r.windows[w, 0] & PLACE, r.windows[w, 1] & PLACE
        r.level[d1] = r.level[d2] = 0
        one, two = _window(r, p, w, bound, -1, 0)
        first *= one
        if r.spans[bound, d1] == 1 and r.spans[bound, d2] == 1:
            still *= one
        else:
            r.moving[units], r.totals[NDIM + w], r.kept_words[NDIM + w] = NDIM + w, one, two
            units += 1
    r.first[p] = first
    return still, units


@compiled
def _window(r: Record, p: int, w: int, bound: int, dim: int, slot: int) -> tuple[int, int]:
    """(T, K) of a window axis when the loop over `dim` in a slot advances, or (-1) at all steps of the other loops."""
    w, bound, slot = w & PLACE, bound & PLACE, slot & PLACE
    d1, d2 = r.windows[w, 0] & PLACE, r.windows[w, 1] & PLACE
    b1, b2 = r.bounds[d1], r.bounds[d2]
    k1, k2, which, outer = r.level[d1] & PLACE, r.level[d2] & PLACE, 0, 0
    if dim == d1:
        k1, which, outer = slot + 1, 1, min(r.ext[slot, d1], b1)
    elif dim == d2:
        k2, which, outer = slot + 1, 2, min(r.ext[slot, d2], b2)
    t1, t2 = min(r.ext[bound, d1], b1), min(r.ext[bound, d2], b2)
    o1, o2 = min(r.ext[k1, d1], b1), min(r.ext[k2, d2], b2)
    return window_pair(r, place_of(r, p), w, t1, t2, o1, o2, which, outer)


@compiled
def first_tiles(r: Record, bound: int) -> None:
    """First tiles of the points at a border that DRAM fills, into `r.first`."""
    for i in range(r.at_count[bound]):
        p = r.at_border[bound, i]
        if r.outer[p, FROM_DRAM] == 1 and r.operand[p] != 2:
            r.first[p] = first_tile(r, p, r.ext[bound])


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
def spend(r: Record, arrived: Array) -> None:
    """Energy, DRAM bits and port bits of so many arrivals, into `r.use`."""
    for k in range(r.resources):
        total = r.base[k]
        for p in range(r.points):
            total += r.coefficients[k, p] * arrived[p]
        r.use[k] = total


@compiled
def spend_energy(r: Record, arrived: Array) -> int:
    """Energy of so many arrivals."""
    total: int = r.base[0]
    for p in range(r.points):
        total += r.coefficients[0, p] * arrived[p]
    return total


@compiled
def exact_points(r: Record, bound: int) -> None:
    """Arrivals of all points at a boundary."""
    for i in range(r.at_count[bound]):
        p = r.at_border[bound, i]
        r.arrived[p] = r.fixed[p] if r.fixed[p] >= 0 else arrivals(r, p, bound)
