"""Compiled: the spans of every dim at every border between slots, and what the core at hand says of them.

A border k lies outside slot k; the innermost one lies inside the stream. A dim is cut there into `spans` of equal size,
but for the last one, which begins at `start` and has `rest` words. As spans nest, the last ones do too: one that begins
where the last one of the border outside begins is no new one at a step of the loop between them. So sums over spans
take a product or two, without going through them (`windows.plain_pair`, `idle_pair` state the same in full).
"""

from __future__ import annotations

from accelsim.jit import compiled
from accelsim.mapper.exact.record import NDIM, PLACE, Array, Record
from accelsim.mapper.exact.windows import sharing


@compiled
def set_border(r: Record, k: int, d: int, inside: int) -> None:
    """So many folds of a dim stay inside border k."""
    k, d = k & PLACE, d & PLACE
    size, folds = r.extent[d] * inside, r.folds[d]
    outside, trips = r.left[k - 1, d] if k > 0 else folds, 1
    if inside == outside:
        spans = r.spans[k - 1, d] if k > 0 else 1
    elif inside == 1:
        spans, trips = folds, outside
    else:
        spans = -(-folds // inside)
        trips = spans if outside == folds else -(-outside // inside)
    start = (spans - 1) * size
    r.left[k, d], r.ext[k, d], r.spans[k, d] = inside, size, spans
    r.start[k, d], r.rest[k, d] = start, r.bounds[d] - start
    if k > 0:
        r.trips[k - 1, d] = trips


@compiled
def set_core(r: Record, number: int, cores: Array, tables: Array, keys: Array) -> None:
    """Take up a core: its factors (cores, 6, 10), arrivals known of it (cores, 3, points), keys of its windows."""
    r.core = number
    for d in range(NDIM):
        r.row[d], r.col[d], r.diagonal[d] = cores[number, 0, d], cores[number, 1, d], cores[number, 2, d]
        r.pe[d], r.extent[d], r.band[d] = cores[number, 3, d], cores[number, 4, d], cores[number, 5, d]
        r.folds[d] = r.left[0, d] = -(-r.bounds[d] // r.extent[d])
        r.ext[0, d] = r.rest[0, d] = r.bounds[d]
        r.spans[0, d], r.start[0, d] = 1, 0
    for p in range(r.points):
        r.fixed[p], r.least[p], r.words[p] = tables[number, 0, p], tables[number, 1, p], tables[number, 2, p]
    r.uneven = NDIM
    for w in range(r.sliding):
        r.window_key[w] = keys[number, w]
        out = r.windows[w, 0]
        if r.band[out] > 1 and r.bounds[out] % r.extent[out]:
            r.uneven = out
    for i in range(r.actives):
        _set_edge(r, r.active[i])


@compiled
def _set_edge(r: Record, d: int) -> None:
    """What the core does with the last fold of a dim."""
    pe, edge = r.pe[d], r.bounds[d] - (r.folds[d] - 1) * r.extent[d]
    r.edge[d] = edge
    r.high[d], r.broad[d] = r.row[d] * r.diagonal[d], r.col[d] * r.diagonal[d]
    r.edge_rows[d] = min(r.high[d], -(-edge // (pe * r.col[d])))
    r.edge_cols[d] = min(r.broad[d], -(-edge // pe))
    r.steps[d] = r.folds[d] if pe == 1 else (r.folds[d] - 1) * pe + min(edge, pe)


@compiled
def set_shares(r: Record, d: int) -> None:
    """PEs that get words of their own of an operand that a dim does not index, for every way to share."""
    edge = r.edge[d]
    for shares in range(4):
        far, far_step, near, near_step = sharing(r, d, shares // 2, shares % 2)
        r.far[shares, d] = far
        r.far_edge[shares, d] = min(far, -(-edge // far_step))
        r.far_still[shares, d] = max(0, min(far, -(-(edge - (near - 1) * near_step) // far_step)))


@compiled
def stand(r: Record, p: int, d: int, bound: int, k: int) -> tuple[int, int]:
    """(T, K) of a dim that has come to border k, for a point at border `bound`, at steps where other loops advance."""
    spans, rest, kind = r.spans[k, d], r.rest[k, d], r.kinds[p, d]
    if kind == 0:
        if r.inside[p, 0] == 0:
            return spans, spans
        shares = 2 * r.inside[p, 2] + r.inside[p, 3]
        full = (spans - 1) * r.far[shares, d]
        if rest == r.edge[d]:
            alone = full + r.far_edge[shares, d]
            return alone, alone
        return full + r.far[shares, d], full + r.far_still[shares, d]
    size = min(r.ext[bound, d], r.bounds[d])
    whole, last = (1, 1) if kind == 3 else (size, min(size, rest))
    full, kept = (spans - 1) * whole, 0
    if min(r.ext[k, d], r.bounds[d]) <= size:
        kept = full
    if rest <= size:
        kept += last
    return full + last, kept


@compiled
def advance(r: Record, p: int, d: int, bound: int, k: int) -> tuple[int, int]:
    """(T, K) of a dim at the steps of its loop in slot k, for a point at border `bound`."""
    p, d, bound, k = p & PLACE, d & PLACE, bound & PLACE, k & PLACE
    count, new = r.spans[k + 1, d] - r.spans[k, d], int(r.start[k + 1, d] != r.start[k, d])
    rest, kind = r.rest[k + 1, d], r.kinds[p, d]
    if kind == 3:
        return count, 0
    if kind == 1:
        size = min(r.ext[bound, d], r.bounds[d])
        return (count - new) * size + new * min(size, rest), 0
    if r.inside[p, 0] == 1:
        shares = 2 * r.inside[p, 2] + r.inside[p, 3]
        last = r.far_edge[shares, d] if rest == r.edge[d] else r.far[shares, d]
        count = (count - new) * r.far[shares, d] + new * last
    return count, count
