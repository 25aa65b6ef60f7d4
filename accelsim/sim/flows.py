"""The words that every array pass moves over every link.

Each pass carries its own words, found from the tiles it and the pass before it touch; nothing is divided down from
totals. Arrays are indexed by pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.arch import Accelerator
from accelsim.mapping import Mapping, Point, Rules, points
from accelsim.mapping.shares import Share
from accelsim.problem import Operand
from accelsim.sim.passes import Ints, Passes, enumerate_passes
from accelsim.traffic.factors import Advance, AxisNest, Factors, axis_nests, last_child

DENSE_KEYS = 4  # a table of keys may be this much longer than the list of passes


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


@dataclass(frozen=True)
class _Column:
    """A figure of one dim per pass: a table over its tiles; of the pass before if `before`."""

    dim: str
    table: Ints
    before: bool = False


def _classes(table: Ints) -> tuple[int, NDArray[np.intp]]:
    """How many different values a table has, and which of them each entry is. Rising tables need no sort."""
    steps = np.diff(table)
    if (steps >= 0).all():
        classes = np.zeros(table.size, np.intp)
        np.cumsum(steps > 0, out=classes[1:])
        return int(classes[-1]) + 1, classes
    values, found = np.unique(table, return_inverse=True)
    return values.size, found.reshape(-1)


def _combined(passes: Passes, columns: list[_Column]) -> tuple[list[tuple[int, ...]], NDArray[np.intp]]:
    """Distinct rows of the columns and, per pass, which one it is. The first pass counts as its own predecessor."""
    moving = [c for c in columns if c.dim in passes.number and (c.table != c.table[0]).any()]
    if not moving:
        return [tuple(int(c.table[0]) for c in columns)], np.zeros(passes.count, np.intp)
    keys, span = np.zeros(passes.count, np.int64), 1
    for column in moving:
        values, classes = _classes(column.table)
        if column.before:
            codes = passes.prior(column.dim, np.arange(passes.count), classes)
        else:
            codes = classes[passes.number[column.dim]]
        if span * values >= 1 << 62:
            _, keys = np.unique(keys, return_inverse=True)
            keys, span = keys.reshape(-1), passes.count
        keys, span = keys * values + codes, span * values
    if span <= DENSE_KEYS * passes.count:
        where, inverse = unique_dense(keys, span)
    else:
        _, where, inverse = np.unique(keys, return_index=True, return_inverse=True)
    found = []
    for column in columns:
        if column.dim not in passes.number:
            found.append([int(column.table[0])] * where.size)
        elif column.before:
            found.append(passes.prior(column.dim, where, column.table).tolist())
        else:
            found.append(column.table[passes.number[column.dim][where]].tolist())
    return list(zip(*found, strict=True)) if found else [()] * where.size, inverse.reshape(-1)


def _transition(passes: Passes, nest: AxisNest, position: int, factors: Factors) -> tuple[Ints, Ints]:
    """Per pass: |U| and |U minus D| of an axis for its first tile, after the last tile of the pass before."""
    new, old = [], []
    for dim, child in zip(nest.dims, nest.child, strict=True):
        begin = passes.grid(dim)
        fresh = begin // child * child
        tail = last_child(begin, passes.extents(dim), child) if position > passes.position else fresh
        new.append(_Column(dim, fresh))
        old.append(_Column(dim, tail, before=True))
    rows, which = _combined(passes, [*new, *old])
    table = np.array(factors.cells(nest, rows), dtype=np.int64)
    entering, kept = table[which, 0], table[which, 1]
    most, none = nest.cell(tuple(int(column.table[0]) for column in new), None)
    entering[passes.initial], kept[passes.initial] = most, none
    return entering, kept


def _starts(passes: Passes, nest: AxisNest) -> tuple[list[tuple[int, ...]], NDArray[np.intp]]:
    """Distinct starts of a nest's dims and, per pass, which it is."""
    return _combined(passes, [_Column(dim, passes.grid(dim)) for dim in nest.dims])


def _inside(passes: Passes, nest: AxisNest, depth: int, dim: str, factors: Factors) -> tuple[Ints, Ints]:
    """Per pass: the axis' sums over all stream steps of the pass at which stream loop `depth` (over `dim`) advances."""
    mapping = passes.mapping
    outer = tuple(min(mapping.tile_step(d, depth + 1), b) for d, b in zip(nest.dims, nest.bounds, strict=True))
    advance: Advance = None
    if dim in nest.dims:
        advance = (dim, min(mapping.tile_step(dim, depth), mapping.problem.bound[dim]))
    spans = [min(mapping.tile_step(d, passes.position), b) for d, b in zip(nest.dims, nest.bounds, strict=True)]
    rows, which = _starts(passes, nest)
    cells = [factors.total(nest, outer, advance, tuple(zip(row, spans, strict=True))) for row in rows]
    table = np.array(cells, dtype=np.int64)
    return table[which, 0], table[which, 1]


def _all_steps(passes: Passes, nest: AxisNest, factors: Factors) -> Ints:
    """Per pass: |U| of the axis summed over all its stream steps (an operand that is not retained)."""
    mapping = passes.mapping
    spans = [min(mapping.tile_step(d, passes.position), b) for d, b in zip(nest.dims, nest.bounds, strict=True)]
    rows, which = _starts(passes, nest)
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
    pairs = [_transition(passes, nest, point.position, factors) for nest in nests]
    entering = _product([one for one, _ in pairs], passes.count)
    if not point.retained:
        words = _product([_all_steps(passes, nest, factors) for nest in nests], passes.count)
        return words, entering, np.zeros_like(words)
    kept = _product([two for _, two in pairs], passes.count)
    kept[passes.initial] = 0
    first = entering - kept
    words = first.copy()
    for depth in range(passes.position, point.position):
        dim = mapping.temporal[depth].dim
        sums = [_inside(passes, nest, depth, dim, factors) for nest in nests]
        words += _product([one for one, _ in sums], passes.count) - _product([two for _, two in sums], passes.count)
    scale = max(1, point.whole_words)
    return words * scale, first * scale, kept * scale


def _visited(passes: Passes, operand: Operand, position: int) -> list[_Column]:
    """Starts of the operand's tile inside `position` loops, dim by dim."""
    outside = min(position, passes.position)
    return [_Column(dim, passes.tiles(dim, outside)) for dim in sorted(operand.dims)]


def _changes(passes: Passes, columns: list[_Column]) -> NDArray[np.bool_]:
    """Passes at which some column differs from the pass before, and the first one."""
    changed = passes.initial.copy()
    every = np.arange(passes.count)
    for column in columns:
        if column.table[0] != column.table[-1]:
            changed |= passes.of(column.dim, column.table) != passes.prior(column.dim, every, column.table)
    return changed


def tiles_visited(passes: Passes, operand: Operand, position: int, where: NDArray[np.intp]) -> NDArray[np.intp]:
    """At the passes `where`: which tile of the operand inside `position` loops is worked on (equal: same words)."""
    return _combined(passes, _visited(passes, operand, position))[1][where]


def link_flow(passes: Passes, operand: Operand, point: Point, rules: Rules, factors: Factors) -> LinkFlow:
    """Words of one operand over one link in every pass."""
    output = operand.role == "output"
    seen = operand if output else passes.mapping.crossing(operand, point.parent)
    words, first, kept = _arrivals(passes, seen, point, rules, factors)
    resident = point.parent == "DRAM" and operand.name in passes.mapping.resident
    if resident and not output:
        words, first = words * 0, first * 0
    columns = _visited(passes, operand, point.position)
    changed = _changes(passes, columns)
    tile = np.cumsum(changed) - 1
    zero = np.zeros(passes.count, np.int64)
    if not output:
        return LinkFlow(operand, point, words, zero, zero, changed, tile, first, np.zeros(0, np.intp))
    mapping = passes.mapping
    share = mapping.share(operand.name) if point.parent == "DRAM" else None
    distinct, stored = (_distinct(passes, operand, point.position, part) for part in (None, share))
    which, begins, ends = _visits(passes, columns, operand, point.position)
    leaving = words + kept - _kept_after(passes, operand, point, rules, factors, kept)
    final = np.where(ends, distinct, 0)
    if point.memory == "PE" and rules.psum_first_visit == "read" and mapping.problem.op == "mac":
        down = words
    else:
        down = words - np.where(begins, distinct, 0)
    going = np.where(ends, stored * (not resident), 0)
    return LinkFlow(operand, point, down, leaving - final, going, changed, tile, first, which)


def _kept_after(passes: Passes, operand: Operand, point: Point, rules: Rules, factors: Factors, kept: Ints) -> Ints:
    """Per pass: words that are still there in the next one."""
    if passes.picked is None:
        return np.append(kept[1:], 0)
    found = _arrivals(passes.following, operand, point, rules, factors)[2]
    found[passes.picked.last] = 0
    return found


def _visits(
    passes: Passes, columns: list[_Column], operand: Operand, position: int
) -> tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.bool_]]:
    """Per pass: which words the tile is (of all passes), and whether it is the first and the last pass to them."""
    if passes.picked is None:
        _, which = _combined(passes, columns)
        return which, _seen_first(which), _seen_last(which)
    outside = min(position, passes.position)
    dims = operand.dims
    named = [place for place, loop in enumerate(passes.mapping.temporal[:outside]) if loop.dim in dims]
    return np.zeros(passes.count, np.intp), *passes.picked.ends(named)


def _distinct(passes: Passes, operand: Operand, position: int, share: Share | None) -> Ints:
    """Per pass: distinct output words of the tile it works on, without those of a share that stays on chip."""
    mapping = passes.mapping
    outside = min(position, passes.position)
    distinct = np.ones(passes.count, np.int64)
    for dim in operand.dims:
        begin = passes.tiles(dim, outside)
        table = np.minimum(mapping.tile_step(dim, outside), mapping.problem.bound[dim] - begin)
        if share is not None and dim == share.dim:
            table = np.clip(begin + table - share.count, 0, table)
        distinct = distinct * passes.of(dim, table) if dim in passes.number else distinct * table[0]
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
    """All passes of a mapping and the flow over every link of every operand, operands in problem order."""
    passes = enumerate_passes(mapping)
    return passes, flows_of(passes, arch, rules, factors)


def flows_of(passes: Passes, arch: Accelerator, rules: Rules, factors: Factors) -> list[LinkFlow]:
    """The flow over every link of every operand in these passes, operands in problem order."""
    return [
        link_flow(passes, operand, point, rules, factors)
        for operand in passes.mapping.problem.operands
        for point in points(passes.mapping, arch, operand)
    ]
