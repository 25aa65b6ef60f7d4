"""Compiled: visits of the tiles that DRAM fills, and the last of them that load nothing (`timing.ends`)."""

from __future__ import annotations

from accelsim.jit import compiled
from accelsim.mapper.exact.record import Record

INPUTS, WEIGHTS, OUTPUTS = 0, 1, 2  # operands


@compiled
def is_even(r: Record) -> bool:
    """Do all loops split their dims without remainders of folds?"""
    if r.imperfect == 0:
        return True
    for i in range(r.actives):
        d = r.active[i]
        if r.spans[1, d] * r.left[1, d] != r.folds[d]:
            return False
    return True


@compiled
def visits_of(r: Record, op: int, k: int) -> tuple[int, int]:
    """Visits of an operand's tiles inside border k; the dim of the innermost loop that moves it (-1: none does)."""
    visits, inner = 1, -1
    for slot in range(k - 1, -1, -1):
        for i in range(r.length[slot] - 1, -1, -1):
            d = r.order[slot, i]
            if inner < 0 and r.group[d] == op:
                continue
            if inner < 0:
                inner = d
            visits *= r.trips[slot, d]
    return visits, inner


@compiled
def set_visits(r: Record) -> None:
    """Visits of every operand's tiles, and how many of the last ones may load nothing (-1: not known)."""
    for op in range(3):
        k = r.boundary[r.fed_point[op]]
        r.fed_visits[op], inner = visits_of(r, op, k)
        r.fed_late[op] = _void(r, k, inner) if op == INPUTS else 0


@compiled
def _void(r: Record, k: int, inner: int) -> int:
    """How many of the last visits of inputs may load nothing (-1: not known); `inner` moves them innermost."""
    late = 0
    for w in range(r.sliding):
        one, two, stride, dilation = r.windows[w, 0], r.windows[w, 1], r.windows[w, 2], r.windows[w, 3]
        size, offset = r.windows[w, 4], r.windows[w, 5]
        begin = (r.bounds[one] - 1) * stride + offset
        if begin < 0 or begin >= size or r.spans[k, two] > 1:
            return -1
        if one != inner:
            continue
        reach = (r.bounds[two] - 1) * dilation + offset
        beyond = -(-max(0, size - reach) // stride)
        if beyond < r.bounds[one]:
            tile = beyond // r.ext[k, one]
            if tile < 2 or (tile * r.ext[k, one] - 1) * stride + reach < 0:
                return -1
            late += r.spans[k, one] - tile
    return late
