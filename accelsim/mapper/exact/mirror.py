"""Compiled: mappings that are the same by another name, where rows and columns of a layer are alike.

Rows and columns of the outputs, and those of the filter, may change names then: every figure of a mapping stays. Of two
such mappings a wider search asks the one that comes first. Bands are left alone: of theirs the space has one (`space`).
"""

from __future__ import annotations

from accelsim.jit import compiled
from accelsim.mapper.exact.record import NDIM, Record


@compiled
def _core_place(r: Record) -> int:
    """Does the core at hand come before its mirror image (-1), after it (1), or is it the same (0)?"""
    for d in range(NDIM):
        e = r.mirror[d]
        if e <= d:
            continue
        for one, two in ((r.row[d], r.row[e]), (r.col[d], r.col[e]), (r.diagonal[d], r.diagonal[e])):
            if one != two:
                return -1 if one < two else 1
    return 0


@compiled
def _plain(r: Record) -> bool:
    """Has the core at hand no bands, and are rows and columns alike?"""
    for d in range(NDIM):
        if r.band[d] > 1:
            return False
    alike: bool = r.mirrored == 1
    return alike


@compiled
def core_again(r: Record) -> bool:
    """Is the core at hand another one's mirror image, which comes first?"""
    return _plain(r) and _core_place(r) > 0


@compiled
def mapping_again(r: Record) -> bool:
    """Is the mapping at hand another one's mirror image, which comes first?"""
    if not _plain(r):
        return False
    if _core_place(r) != 0:
        return _core_place(r) > 0
    for k in range(1, r.slots):
        for d in range(NDIM):
            e = r.mirror[d]
            if e > d and r.left[k, d] != r.left[k, e]:
                after: bool = r.left[k, d] > r.left[k, e]
                return after
    for slot in range(r.slots - 1):
        for i in range(r.length[slot]):
            d = r.order[slot, i]
            if r.mirror[d] != d:
                later: bool = d > r.mirror[d]
                return later
    return False
