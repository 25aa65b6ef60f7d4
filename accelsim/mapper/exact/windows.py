"""Compiled: sums over the tiles of one dim or one window axis, as `traffic.factors` defines them.

Everything here returns the pair (T, K): words of the tiles at the steps where a loop advances, and those of them that
were there before. A window axis is summed tile by tile once and remembered in a table.
"""

from __future__ import annotations

from accelsim.jit import compiled
from accelsim.mapper.exact.record import TABLE, Array, Record

PROBES = 16


@compiled
def _copies(left: int, far: int, far_step: int) -> int:
    """PEs that do not share, and have work when so much of a dim is left."""
    return max(0, min(far, -(-left // far_step)))


@compiled
def _still_there(left: int, before: int, far: int, far_step: int, near: int, near_step: int) -> int:
    """Of the PEs that do not share, those all of whose sharing PEs had work in the tile before, too."""
    found = 0
    for i in range(_copies(left, far, far_step)):
        now = min(near, -(-(left - i * far_step) // near_step))
        was = min(near, -(-max(0, before - i * far_step) // near_step))
        found += was >= now
    return found


@compiled
def idle_pair(
    b: int, child: int, out: int, adv: bool, advext: int, far: int, far_step: int, near: int, near_step: int
) -> tuple[int, int]:
    """(T, K) of a dim that does not index the operand: one point on each of `far` PEs that do not share.

    `near` PEs share it. A PE that had no work in the tile before, at the edge of the dim, holds nothing any more.
    """
    spans = -(-b // out)
    last = (spans - 1) * out
    count, tail = spans, 1
    if adv:
        count -= -(-b // advext)
        if last % advext == 0:
            tail = 0
    if count <= 0:
        return 0, 0
    left = b - last
    full = (count - tail) * far
    total = full + tail * _copies(left, far, far_step)
    if adv:
        return total, total
    before = left - (left - 1) // child * child
    return total, full + tail * _still_there(left, before, far, far_step, near, near_step)


@compiled
def plain_pair(kind: int, b: int, child: int, out: int, adv: bool, advext: int) -> tuple[int, int]:
    """(T, K) of a dim that indexes the operand, as words (kind 1) or as tiles (3)."""
    spans = -(-b // out)
    last = (spans - 1) * out
    count, tail = spans, 1
    if adv:
        count -= -(-b // advext)
        if last % advext == 0:
            tail = 0
    if count <= 0:
        return 0, 0
    full = count - tail
    left = b - last
    size, edge = child, min(child, left)
    if kind == 3:
        size, edge = 1, 1
    total = full * size + tail * edge
    kept = 0
    if not adv:
        if out <= child:
            kept += full * size
        if left <= child:
            kept += tail * edge
    return total, kept


@compiled
def _mark_old(r: Record, w: int, b1: int, b2: int, s1: int, s2: int) -> int:
    """Mark in `was` what one PE held with its tile at s1, s2; how many words."""
    c1, c2, size, offset = r.windows[w, 2], r.windows[w, 3], r.windows[w, 4], r.windows[w, 5]
    r.stamp += 1
    held, stamp = 0, r.stamp
    for i in range(min(r.digits[2], b1 - s1)):
        for j in range(min(r.digits[5], b2 - s2)):
            at = (s1 + i) * c1 + (s2 + j) * c2 + offset
            if 0 <= at < size and r.was[at] != stamp:
                r.was[at] = stamp
                held += 1
    return held


@compiled
def _same(r: Record, w: int, s1: int, s2: int, n1: int, n2: int, held: int) -> bool:
    """Is the set of this tile the one just marked in `was`? Both have `held` members then, all of them marked."""
    found, stamp = 0, r.stamp
    for i in range(n1):
        for j in range(n2):
            at = (s1 + i) * r.windows[w, 2] + (s2 + j) * r.windows[w, 3] + r.windows[w, 5]
            if 0 <= at < r.windows[w, 4]:
                if r.was[at] != stamp and r.was[at] != -stamp:
                    return False
                if r.was[at] == stamp:
                    r.was[at] = -stamp
                    found += 1
    return found == held


@compiled
def window_cell(
    r: Record, w: int, b1: int, b2: int, s1: int, s2: int, o1: int, o2: int, old: bool, reuse: bool
) -> tuple[int, int]:
    """(|U|, |U minus D|) of tiles beginning at s1, s2 after o1, o2, summed over PEs that do not share.

    `r.digits`: per dim trips along rows, along columns, extent in a PE; `r.share`: rows, columns share words.
    """
    c1, c2, size, offset = r.windows[w, 2], r.windows[w, 3], r.windows[w, 4], r.windows[w, 5]
    k1, e1, r2, k2, e2 = r.digits[1], r.digits[2], r.digits[3], r.digits[4], r.digits[5]
    rows, cols = r.digits[0] * r2, k1 * k2
    far_rows, near_rows = (1, rows) if r.share[0] else (rows, 1)
    far_cols, near_cols = (1, cols) if r.share[1] else (cols, 1)
    total = kept = 0
    for far in range(far_rows * far_cols):
        r.stamp += 1
        here = r.stamp
        union = fresh = 0
        for near in range(near_rows * near_cols):
            row = far // far_cols + near // near_cols
            col = far % far_cols + near % near_cols
            d1 = (row // r2) * e1 * k1 + (col // k2) * e1
            d2 = (row % r2) * e2 * k2 + (col % k2) * e2
            n1, n2 = min(e1, b1 - s1 - d1), min(e2, b2 - s2 - d2)
            if n1 <= 0 or n2 <= 0:
                continue
            same = False
            if old:
                held = _mark_old(r, w, b1, b2, o1 + d1, o2 + d2)
                if not reuse:
                    same = _same(r, w, s1 + d1, s2 + d2, n1, n2, held)
            for i in range(n1):
                for j in range(n2):
                    at = (s1 + d1 + i) * c1 + (s2 + d2 + j) * c2 + offset
                    if at < 0 or at >= size:
                        continue
                    if r.union[at] != here:
                        r.union[at] = here
                        union += 1
                    if old and r.fresh[at] != here and not (r.was[at] == r.stamp if reuse else same):
                        r.fresh[at] = here
                        fresh += 1
        total += union
        kept += union - fresh if old else 0
    return total, kept


@compiled
def _mark_tile(r: Record, w: int, marks: Array, s1: int, s2: int, n1: int, n2: int) -> int:
    """Mark the words of a tile with the stamp; how many were not marked yet."""
    found = 0
    for i in range(n1):
        for j in range(n2):
            at = (s1 + i) * r.windows[w, 2] + (s2 + j) * r.windows[w, 3] + r.windows[w, 5]
            if 0 <= at < r.windows[w, 4] and marks[at] != r.stamp:
                marks[at] = r.stamp
                found += 1
    return found


@compiled
def _renewed_words(r: Record, w: int, b1: int, b2: int, t1: int, t2: int, out1: int, out2: int) -> int:
    """Over all spans out1 x out2: words but for those that the first tile t1 x t2 and the last have in common."""
    total = 0
    for s1 in range(0, b1, out1):
        l1 = s1 + (min(out1, b1 - s1) - 1) // t1 * t1
        for s2 in range(0, b2, out2):
            l2 = s2 + (min(out2, b2 - s2) - 1) // t2 * t2
            r.stamp += 1
            total += _mark_tile(r, w, r.union, s1, s2, min(out1, b1 - s1), min(out2, b2 - s2))
            _mark_tile(r, w, r.was, s1, s2, min(t1, b1 - s1), min(t2, b2 - s2))
            last = _mark_tile(r, w, r.fresh, l1, l2, min(t1, b1 - l1), min(t2, b2 - l2))
            total -= last - _mark_tile(r, w, r.was, l1, l2, min(t1, b1 - l1), min(t2, b2 - l2))
    return total


@compiled
def _sum_cells(
    r: Record, w: int, b1: int, b2: int, t1: int, t2: int, out1: int, out2: int, adv: int, advext: int, reuse: bool
) -> tuple[int, int]:
    """The sums of `window_pair`, tile by tile."""
    total = kept = 0
    if adv == 3 and advext:
        return _renewed_words(r, w, b1, b2, t1, t2, out1, out2), 0
    if adv == 3:
        return window_cell(r, w, b1, b2, 0, 0, 0, 0, False, reuse)
    for s1 in range(0, b1, out1):
        if adv == 1 and s1 % advext == 0:
            continue
        o1 = s1 - t1 if adv == 1 else s1 + (min(out1, b1 - s1) - 1) // t1 * t1
        for s2 in range(0, b2, out2):
            if adv == 2 and s2 % advext == 0:
                continue
            o2 = s2 - t2 if adv == 2 else s2 + (min(out2, b2 - s2) - 1) // t2 * t2
            one, two = window_cell(r, w, b1, b2, s1, s2, o1, o2, True, reuse)
            total += one
            kept += two
    return total, kept


@compiled
def window_pair(
    r: Record, point: int, w: int, t1: int, t2: int, out1: int, out2: int, adv: int, advext: int
) -> tuple[int, int]:
    """(T, K) of a window axis: child tiles t1 x t2, spans out1 x out2, dim `adv` (1, 2 or 0 for neither) advances.

    `point` is one at the PEs, or -1: a memory; -2: one that keeps what overlaps. `adv` 3 asks for the first tile alone,
    or (`advext` 1) for what a span brings when it is swept again.
    """
    array = point >= 0
    key = w | (r.window_key[w] << 2) | ((point + 1) << 15) if array else w
    high = key | (t1 << 20) | (t2 << 40)
    low = out1 | (out2 << 20) | (adv << 36) | (advext << 38)
    slot = ((high * 0x9E3779B97F4A7C1) ^ (low * 0x2545F4914F6CDD1)) >> 13
    at = slot & (TABLE - 1)
    for probe in range(PROBES):
        at = (slot + probe) & (TABLE - 1)
        if r.known[at, 0] == high and r.known[at, 1] == low:
            return r.known[at, 2], r.known[at, 3]
        if r.known[at, 0] == -1:
            break
    b1, b2 = r.bounds[r.windows[w, 0]], r.bounds[r.windows[w, 1]]
    _digits(r, point, w, t1, t2)
    total, kept = _sum_cells(r, w, b1, b2, t1, t2, out1, out2, adv, advext, point != -1)
    if r.known[at, 0] == -1:
        r.known[at, 0], r.known[at, 1], r.known[at, 2], r.known[at, 3] = high, low, total, kept
    return total, kept


@compiled
def _digits(r: Record, point: int, w: int, t1: int, t2: int) -> None:
    """How a tile of a window axis lies over PEs; one memory holds all of it."""
    if point < 0:
        r.digits[:] = 1
        r.share[:] = 0
        r.digits[2], r.digits[5] = t1, t2
        return
    d1, d2 = r.windows[w, 0], r.windows[w, 1]
    r.digits[0], r.digits[1], r.digits[2] = r.row[d1], r.col[d1], r.pe[d1]
    r.digits[3], r.digits[4], r.digits[5] = r.row[d2], r.col[d2], r.pe[d2]
    r.share[0], r.share[1] = r.inside[point, 2], r.inside[point, 3]
    if r.share[1] and r.band[d1] > 1:
        r.share[0] = 1  # a row of a band brings the same word to its PEs of several taps


@compiled
def _joined(n1: int, n2: int, c1: int, c2: int) -> bool:
    """Are `i * c1 + j * c2` of a tile n1 x n2 numbers one behind another?"""
    if n1 == 1 or n2 == 1:
        return (n1 == 1 or c1 == 1) and (n2 == 1 or c2 == 1)
    return (c1 == 1 and c2 <= n1) or (c2 == 1 and c1 <= n2)


@compiled
def cell_at(
    r: Record, point: int, w: int, t1: int, t2: int, s1: int, s2: int, o1: int, o2: int, old: bool
) -> tuple[int, int]:
    """Words of a window axis in a tile t1 x t2 at s1, s2, and those of them that were there with the tile at o1, o2
    (none if not `old`); `point` as in `window_pair`."""
    d1, d2 = r.windows[w, 0], r.windows[w, 1]
    b1, b2, c1, c2 = r.bounds[d1], r.bounds[d2], r.windows[w, 2], r.windows[w, 3]
    n1, n2, m1, m2 = min(t1, b1 - s1), min(t2, b2 - s2), min(t1, b1 - o1), min(t2, b2 - o2)
    if point < 0 and _joined(n1, n2, c1, c2) and (not old or _joined(m1, m2, c1, c2)):
        size, offset = r.windows[w, 4], r.windows[w, 5]
        low, high = max(0, s1 * c1 + s2 * c2 + offset), min(size, (s1 + n1 - 1) * c1 + (s2 + n2 - 1) * c2 + offset + 1)
        union = max(0, high - low)
        if not old:
            return union, 0
        was, end = max(0, o1 * c1 + o2 * c2 + offset), min(size, (o1 + m1 - 1) * c1 + (o2 + m2 - 1) * c2 + offset + 1)
        if point == -1:
            return union, union if was == low and end == high else 0
        return union, max(0, min(high, end) - max(low, was))
    _digits(r, point, w, t1, t2)
    return window_cell(r, w, b1, b2, s1, s2, o1, o2, old, point != -1)


@compiled
def needed(r: Record, w: int) -> int:
    """Words of a window axis that the problem touches at all."""
    b1, b2 = r.bounds[r.windows[w, 0]], r.bounds[r.windows[w, 1]]
    return window_pair(r, -2, w, b1, b2, b1, b2, 3, 0)[0]


@compiled
def renewed(r: Record, w: int, t1: int, t2: int, out1: int, out2: int) -> int:
    """Words of a window axis that all spans out1 x out2 bring again, tile t1 x t2 by tile, when they are swept again.

    The first tile of a span comes after its last one; what both hold is still there.
    """
    return window_pair(r, -2, w, t1, t2, out1, out2, 3, 1)[0]


@compiled
def place_of(r: Record, p: int) -> int:
    """What `window_pair` asks about where a point is."""
    if r.inside[p, 0] == 1:
        return p
    return -2 if r.halo == 1 else -1


@compiled
def unit_pair(r: Record, p: int, unit: int, child: Array, cur: Array, dim: int, advext: int) -> tuple[int, int]:
    """(T, K) of one dim (unit < 10) or window (unit - 10) of a point when the loop over `dim` advances.

    `child`: extents of the point's tile. `cur`: extents inside the loop. `dim` -1: all steps, -2: the first tile.
    """
    if unit < 10:
        d, kind = unit, r.kinds[p, unit]
        b, tile = r.bounds[d], min(child[d], r.bounds[d])
        if kind != 0:
            return plain_pair(kind, b, tile, cur[d], d == dim, advext)
        far = near = far_step = near_step = 1
        if r.inside[p, 0] == 1:
            far, far_step, near, near_step = sharing(r, d, r.inside[p, 2], r.inside[p, 3])
        return idle_pair(b, tile, cur[d], d == dim, advext, far, far_step, near, near_step)
    w = unit - 10
    d1, d2 = r.windows[w, 0], r.windows[w, 1]
    t1, t2 = min(child[d1], r.bounds[d1]), min(child[d2], r.bounds[d2])
    which = 1 if dim == d1 else 2 if dim == d2 else 3 if dim == -2 else 0
    moved = advext if which == 1 or which == 2 else 0
    return window_pair(r, place_of(r, p), w, t1, t2, cur[d1], cur[d2], which, moved)


@compiled
def sharing(r: Record, d: int, by_row: int, by_col: int) -> tuple[int, int, int, int]:
    """PEs that do not share what does not depend on a dim and their distance in it; those that share, and theirs."""
    pe, row, col, diagonal = r.pe[d], r.row[d], r.col[d], r.diagonal[d]
    if by_row and by_col:
        return 1, 1, row * col * diagonal, pe
    if by_row:
        return col * diagonal, pe, row, pe * col
    if by_col:
        return row * diagonal, pe * col, col, pe
    return row * col * diagonal, pe, 1, 1
