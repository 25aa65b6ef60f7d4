"""Compiled: the words of tiles, and whether the memories have room for them."""

from __future__ import annotations

from accelsim.jit import compiled
from accelsim.mapper.exact.record import PLACE, Array, Record


@compiled
def _span(r: Record, w: int, e1: int, e2: int) -> int:
    """Distinct indices `i * stride + j * dilation`: pairs (i, j) and (i + t, j - s) are the same index."""
    s, t = r.windows[w, 6], r.windows[w, 7]
    distinct: int = min(e1 * e2 - max(0, e1 - t) * max(0, e2 - s), r.windows[w, 4])
    return distinct


@compiled
def tile_size(r: Record, op: int, ext: Array) -> int:
    """Most words of a tile of an operand, away from borders."""
    words = 1
    for i in range(r.tile_count[op]):
        d = r.tile_dims[op, i] & PLACE
        words *= min(ext[d], r.bounds[d])
    if op == 0:
        for w in range(r.sliding):
            d1, d2 = r.windows[w, 0] & PLACE, r.windows[w, 1] & PLACE
            words *= _span(r, w, min(ext[d1], r.bounds[d1]), min(ext[d2], r.bounds[d2]))
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
        r.used[m] = 0
    for h in range(r.held):
        if r.holds[h, 2] > upto:
            continue
        words = r.holds[h, 5]
        if words == 0:
            words = tile_size(r, r.holds[h, 1], r.ext[r.holds[h, 2]])
        bits, m = r.holds[h, 4], r.holds[h, 0]
        if r.holds[h, 1] == 2 and (r.holds[h, 8] == 2 or (leaf and _partial(r, h))):
            bits = max(bits, r.holds[h, 6])
        r.used[m] += r.holds[h, 3] * words * bits
        if r.used[m] > r.capacity[m]:
            return False
    return True
