"""Compiled: the trips that the loops of a slot may have, vector by vector."""

from __future__ import annotations

from accelsim.jit import compiled
from accelsim.mapper.exact.borders import set_border
from accelsim.mapper.exact.record import NDIM, Array, Record


@compiled
def divisors_of(r: Record, out: Array, count: Array) -> None:
    """Divisors of the folds of every dim, descending, into `out`; how many into `count`."""
    for d in range(NDIM):
        if count[d] > 0 and out[d, 0] == r.folds[d]:
            continue
        count[d] = 0
        for inside in range(r.folds[d], 0, -1):
            if r.folds[d] % inside == 0:
                out[d, count[d]] = inside
                count[d] += 1


@compiled
def options_of(r: Record, k: int, d: int, trips_ok: Array, known: Array, n: int, out: Array) -> int:
    """Folds of a dim that may stay inside slot k (all that its later places can take), into `out`; their number.

    `known`: the n divisors of the dim's folds; with imperfect trips others are tried, too.
    """
    left, later = r.left[k, d], False
    for slot in range(k + 1, r.slots):
        if r.allowed[slot, d]:
            later = True
    if not r.allowed[k, d]:
        out[0] = left
        return 1 if later or left == 1 else 0
    count = 0
    for i in range(left if r.imperfect else n):
        inside = left - i if r.imperfect else known[i]
        if inside > left or (not later and inside > 1):
            continue
        if (k > 0 or r.imperfect == 0) and left % inside:
            continue
        if r.limited and not trips_ok[k, d, -(-left // inside)]:
            continue
        out[count] = inside
        count += 1
    return count


@compiled
def set_trips(r: Record, k: int, options: Array, count: Array, code: int) -> int:
    """Give slot k the trips of vector `code`; its loops go into `r.dims`; their number."""
    for i in range(r.actives):
        d = r.active[i]
        r.pick[k, d] = code % count[d]
        set_border(r, k + 1, d, options[d, r.pick[k, d]])
        code //= count[d]
    return _loops(r, k)


@compiled
def next_trips(r: Record, k: int, options: Array, count: Array) -> int:
    """Give slot k the next vector of trips; its loops go into `r.dims`; their number."""
    for i in range(r.actives):
        d = r.active[i]
        r.pick[k, d] = r.pick[k, d] + 1 if r.pick[k, d] + 1 < count[d] else 0
        set_border(r, k + 1, d, options[d, r.pick[k, d]])
        if r.pick[k, d] > 0:
            break
    return _loops(r, k)


@compiled
def _loops(r: Record, k: int) -> int:
    """The dims that have a loop in slot k go into `r.dims`; their number."""
    n = 0
    for i in range(r.actives):
        d = r.active[i]
        if r.trips[k, d] > 1:
            r.dims[k, n] = d
            n += 1
    return n
