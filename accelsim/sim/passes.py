"""The array passes of a mapping in program order, and the words every pass moves over every link.

Each pass carries its own words, found from the tiles it and the pass before it touch; nothing is divided down from
totals. Arrays are indexed by pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.arch import Accelerator
from accelsim.mapping import Mapping, Point, Rules, points
from accelsim.problem import Operand
from accelsim.traffic.factors import Advance, AxisNest, Factors, axis_nests, last_child

Ints = NDArray[np.int64]
DENSE_KEYS = 4  # a table of keys may be this much longer than the list of passes


@dataclass(frozen=True)
class Passes:
    """Start of every dim at every pass (`starts[dim]`: (passes,)) and the extents inside a pass."""

    mapping: Mapping
    count: int
    starts: dict[str, Ints]
    position: int

    def extent(self, dim: str) -> Ints:
        """Extent of `dim` in each pass, edge tiles exact."""
        bound = self.mapping.problem.bound[dim]
        step = self.mapping.tile_step(dim, self.position)
        found: Ints = np.minimum(step, bound - self.starts[dim])
        return found

    def tile_start(self, dim: str, position: int) -> Ints:
        """Start of the tile of `dim` inside the first `position` loops that each pass belongs to."""
        step = self.mapping.tile_step(dim, position)
        found: Ints = self.starts[dim] // step * step
        return found


def enumerate_passes(mapping: Mapping) -> Passes:
    """All passes in program order: every state of the loops outside the stream whose tiles are not empty."""
    position = mapping.position("stream")
    loops = mapping.temporal[:position]
    bound = mapping.problem.bound
    starts: dict[str, Ints] = {dim: np.zeros(1, np.int64) for dim in bound}
    for loop in loops:
        index = np.arange(loop.trips, dtype=np.int64) * loop.step
        size = starts["N"].size
        starts = {dim: np.repeat(values, loop.trips) for dim, values in starts.items()}
        starts[loop.dim] = starts[loop.dim] + np.tile(index, size)
        keep = starts[loop.dim] < bound[loop.dim]
        if not keep.all():
            starts = {dim: values[keep] for dim, values in starts.items()}
    return Passes(mapping, int(starts["N"].size), starts, position)


@dataclass(frozen=True)
class LinkFlow:
    """Words of one operand over one link, by pass.

    Attributes:
        down: words read at the parent for the pass (for Outputs: reloaded psums).
        first: words of `down` (Outputs: of the psums visited) in the pass' first stream step; array link only.
        up_psum, up_final: words written at the parent after the pass, unfinished and finished.
        changed: the child's tile differs from the pass before (or it is the first pass).
        tile: running number of the child's tile.
        identity: for Outputs, which words the tile is (equal numbers are visits to the same words).
    """

    operand: Operand
    point: Point
    down: Ints
    up_psum: Ints
    up_final: Ints
    changed: NDArray[np.bool_]
    tile: Ints
    first: Ints
    identity: NDArray[np.intp]


def unique_rows(columns: list[Ints]) -> tuple[list[tuple[int, ...]], NDArray[np.intp]]:
    """Distinct rows of the given columns and, per pass, which one it is."""
    size, span = columns[0].size, 1
    keys = np.zeros(size, np.int64)
    for column in columns:
        low = int(column.min())
        codes = column - low
        codes //= max(1, int(np.gcd.reduce(codes)))
        width = int(codes.max()) + 1
        if span * width >= 1 << 62:
            _, keys = np.unique(keys, return_inverse=True)
            keys, span = keys.reshape(-1), size
        keys, span = keys * width + codes, span * width
    if span <= DENSE_KEYS * size:
        where, inverse = unique_dense(keys, span)
    else:
        _, where, inverse = np.unique(keys, return_index=True, return_inverse=True)
    rows = [tuple(int(column[i]) for column in columns) for i in where]
    return rows, inverse.reshape(-1)


def unique_dense(keys: Ints, span: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First place of every distinct key below `span`, and each key's number among them: a table instead of a sort."""
    first = np.full(span, -1, np.intp)
    first[keys[::-1]] = np.arange(keys.size - 1, -1, -1)
    present = np.flatnonzero(first >= 0)
    number = np.zeros(span, np.intp)
    number[present] = np.arange(present.size)
    return first[present], number[keys]


def _transition(passes: Passes, nest: AxisNest, position: int) -> tuple[Ints, Ints]:
    """Per pass: |U| and |U minus D| of an axis for its first tile, after the last tile of the pass before."""
    new = [passes.starts[d] // c * c for d, c in zip(nest.dims, nest.child, strict=True)]
    old = []
    for dim, child in zip(nest.dims, nest.child, strict=True):
        begin, length = passes.starts[dim], passes.extent(dim)
        tail = last_child(begin, length, child) if position > passes.position else begin // child * child
        old.append(np.concatenate([np.full(1, -1, np.int64), tail[:-1]]))
    rows, which = unique_rows([*new, *old])
    cells = []
    for row in rows:
        here, before = row[: len(new)], row[len(new) :]
        cells.append(nest.cell(here, None if -1 in before else before))
    table = np.array(cells, dtype=np.int64)
    return table[which, 0], table[which, 1]


def _inside(passes: Passes, nest: AxisNest, depth: int, dim: str, factors: Factors) -> tuple[Ints, Ints]:
    """Per pass: the axis' sums over all stream steps of the pass at which stream loop `depth` (over `dim`) advances."""
    mapping = passes.mapping
    outer = tuple(min(mapping.tile_step(d, depth + 1), b) for d, b in zip(nest.dims, nest.bounds, strict=True))
    advance: Advance = None
    if dim in nest.dims:
        advance = (dim, min(mapping.tile_step(dim, depth), mapping.problem.bound[dim]))
    spans = [min(mapping.tile_step(d, passes.position), b) for d, b in zip(nest.dims, nest.bounds, strict=True)]
    rows, which = unique_rows([passes.starts[d] for d in nest.dims])
    cells = [factors.total(nest, outer, advance, tuple(zip(row, spans, strict=True))) for row in rows]
    table = np.array(cells, dtype=np.int64)
    return table[which, 0], table[which, 1]


def _all_steps(passes: Passes, nest: AxisNest, factors: Factors) -> Ints:
    """Per pass: |U| of the axis summed over all its stream steps (an operand that is not retained)."""
    mapping = passes.mapping
    spans = [min(mapping.tile_step(d, passes.position), b) for d, b in zip(nest.dims, nest.bounds, strict=True)]
    rows, which = unique_rows([passes.starts[d] for d in nest.dims])
    cells = [factors.total(nest, nest.child, None, tuple(zip(row, spans, strict=True)))[0] for row in rows]
    return np.array(cells, dtype=np.int64)[which]


def _product(parts: list[Ints], size: int) -> Ints:
    result = np.ones(size, np.int64)
    for part in parts:
        result = result * part
    return result


def _arrivals(
    passes: Passes, operand: Operand, point: Point, rules: Rules, factors: Factors
) -> tuple[Ints, Ints, Ints]:
    """Words entering a storage point in each pass, those of its first step, and those still there from before."""
    mapping = passes.mapping
    at_array = point.memory == "PE"
    shared = point.shared if at_array else None
    whole = point.whole_words > 0
    nests = axis_nests(mapping, operand, point.position, shared, at_array or rules.halo_reuse, whole)
    pairs = [_transition(passes, nest, point.position) for nest in nests]
    entering = _product([one for one, _ in pairs], passes.count)
    if not point.retained:
        words = _product([_all_steps(passes, nest, factors) for nest in nests], passes.count)
        return words, entering, np.zeros_like(words)
    kept = _product([two for _, two in pairs], passes.count)
    kept[0] = 0
    first = entering - kept
    words = first.copy()
    for depth in range(passes.position, point.position):
        dim = mapping.temporal[depth].dim
        sums = [_inside(passes, nest, depth, dim, factors) for nest in nests]
        words += _product([one for one, _ in sums], passes.count) - _product([two for _, two in sums], passes.count)
    scale = max(1, point.whole_words)
    return words * scale, first * scale, kept * scale


def _tiles(passes: Passes, operand: Operand, position: int) -> tuple[NDArray[np.bool_], Ints, list[Ints]]:
    """Where the operand's tile inside `position` loops changes, its running number, and its starts."""
    outside = min(position, passes.position)
    starts = [passes.tile_start(dim, outside) for dim in sorted(operand.dims)]
    changed = np.zeros(passes.count, np.bool_)
    changed[0] = True
    for column in starts:
        changed[1:] |= column[1:] != column[:-1]
    return changed, np.cumsum(changed) - 1, starts


def tiles_visited(passes: Passes, operand: Operand, position: int, where: NDArray[np.intp]) -> NDArray[np.intp]:
    """At the passes `where`: which tile of the operand inside `position` loops is worked on (equal: same words)."""
    outside = min(position, passes.position)
    return unique_rows([passes.tile_start(dim, outside)[where] for dim in sorted(operand.dims)])[1]


def link_flow(passes: Passes, operand: Operand, point: Point, rules: Rules, factors: Factors) -> LinkFlow:
    """Words of one operand over one link in every pass."""
    words, first, kept = _arrivals(passes, operand, point, rules, factors)
    if point.parent == "DRAM" and operand.name in passes.mapping.resident:
        words, first = words * 0, first * 0
    changed, tile, starts = _tiles(passes, operand, point.position)
    zero = np.zeros(passes.count, np.int64)
    if operand.role != "output":
        return LinkFlow(operand, point, words, zero, zero, changed, tile, first, np.zeros(0, np.intp))
    mapping = passes.mapping
    distinct = _distinct(passes, operand, point.position)
    _, which = unique_rows(starts)
    leaving = words + kept - np.append(kept[1:], 0)
    final = np.where(_seen_last(which), distinct, 0)
    if point.memory == "PE" and rules.psum_first_visit == "read" and mapping.problem.op == "mac":
        down = words
    else:
        down = words - np.where(_seen_first(which), distinct, 0)
    return LinkFlow(operand, point, down, leaving - final, final, changed, tile, first, which)


def _distinct(passes: Passes, operand: Operand, position: int) -> Ints:
    """Per pass: distinct output words of the tile it works on."""
    mapping = passes.mapping
    outside = min(position, passes.position)
    distinct = np.ones(passes.count, np.int64)
    for dim in operand.dims:
        begin = passes.tile_start(dim, outside)
        distinct = distinct * np.minimum(mapping.tile_step(dim, outside), mapping.problem.bound[dim] - begin)
    return distinct


def _seen_first(which: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Passes at which a number of `which` (0 to n - 1, all in use) stands for the first time."""
    first, _ = unique_dense(which, int(which.max()) + 1)
    found = np.zeros(which.size, np.bool_)
    found[first] = True
    return found


def _seen_last(which: NDArray[np.intp]) -> NDArray[np.bool_]:
    return _seen_first(which[::-1])[::-1]


def link_flows(mapping: Mapping, arch: Accelerator, rules: Rules, factors: Factors) -> tuple[Passes, list[LinkFlow]]:
    """The passes of a mapping and the flow over every link of every operand, operands in problem order."""
    passes = enumerate_passes(mapping)
    flows = [
        link_flow(passes, operand, point, rules, factors)
        for operand in mapping.problem.operands
        for point in points(mapping, arch, operand)
    ]
    return passes, flows
