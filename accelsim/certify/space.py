"""The stated space of mappings, enumerated for the checker.

This is the text of the space ("Space" in `reports/decisions/0012-exact-mapper.md`) once more, independent of the
search: cores (what lies over the array and in a PE), then for every dim an ordered split of its folds over the places
that may have loops.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from accelsim.arch import Accelerator
from accelsim.errors import InputError
from accelsim.mapping.constraint import ANYTHING, Constraint
from accelsim.mapping.legality import tile_words
from accelsim.problem import DIMS, Problem

Ints = NDArray[np.signedinteger[Any]]
Bools = NDArray[np.bool_]
Objective = Literal["edp", "energy", "latency"]
NDIM = len(DIMS)
AT = {dim: i for i, dim in enumerate(DIMS)}
SPREAD = {
    "ws": ("CTRS", "M"),
    "is": ("CTRS", "NOPQ"),
    "os": ("NOPQCTRS", "M"),
    "rs": ("GMPC", "PMGN"),
}
"""Dims that each dataflow spreads over (rows, columns); R lies on the rows of `rs` as well."""
STREAMED = {"ws": "NOPQ", "is": "M", "os": "CTRS", "rs": "NQ"}
FREE = 3


@dataclass(frozen=True)
class Question:
    """What a certificate is about: the least objective of this problem on this machine.

    Attributes:
        post_ops: vector operations on every finished word. imperfect: any tile of the first memory.
    """

    problem: Problem
    arch: Accelerator
    objective: Objective = "edp"
    post_ops: int = 0
    limit: Constraint = field(default_factory=lambda: ANYTHING)
    imperfect: bool = False

    @cached_property
    def bounds(self) -> Ints:
        """Extent of every dim: (10,)."""
        return np.array([self.problem.bound[d] for d in DIMS], np.int64)

    @cached_property
    def groups(self) -> list[int]:
        """Per dim the operand (0 Inputs, 1 Weights, 2 Outputs) that does not depend on it, 3 if all do.

        Raises:
            InputError: a dim moves only one operand; the space is not stated for such problems.
        """
        found = []
        for dim in DIMS:
            names = [o.name for o in self.problem.operands if dim not in o.dims]
            if len(names) > 1 and self.problem.bound[dim] > 1:
                raise InputError(f"dim {dim} moves only one operand; such problems have no certificate")
            found.append(("Inputs", "Weights", "Outputs").index(names[0]) if names else FREE)
        return found


@dataclass(frozen=True)
class Place:
    """Where temporal loops can stand, and which dims may have one there: (10,)."""

    name: str
    allowed: Bools


def places_of(q: Question) -> tuple[Place, ...]:
    """DRAM, every memory that keeps tiles, the stream of a pass; outer to inner."""
    row_stationary = q.arch.array.dataflow == "rs"

    def dims(names: str, stream: bool = False) -> Bools:
        return np.array([d in names and (stream or not row_stationary or d != "Q") for d in DIMS])

    found = [Place("DRAM", dims("".join(DIMS)))]
    for memory in q.arch.memories:
        if any(hold.at == "tile" for hold in memory.holds):
            names = "".join(q.problem.reduction_dims) if memory.psum_only else "".join(DIMS)
            found.append(Place(memory.name, dims(names)))
    return (*found, Place("stream", dims(STREAMED[q.arch.array.dataflow], stream=True)))


def _evenest(bound: int) -> list[int]:
    """Factors that are the least with their number of folds."""
    return [f for f in range(1, bound + 1) if -(-bound // -(-bound // f)) == f]


def divisors(number: int) -> list[int]:
    """Divisors, ascending."""
    return [d for d in range(1, number + 1) if number % d == 0]


def _factors(q: Question, place: str, dim: str, among: list[int]) -> list[int]:
    """Those of the factors that a constraint allows, and the ones that it names outright."""
    named = q.limit.factor(place, dim)
    asked = {named.low} if named.low == named.high else set(named.among or ())
    return [f for f in sorted({*among, *asked}) if f <= q.problem.bound[dim] and named.ok(f)]


def _wired(q: Question, axis: str, dim: str) -> bool:
    """May a dim be spread along an axis: psums are summed there, or nothing forwarded there differs over it."""
    array = q.arch.array
    if dim in q.problem.reduction_dims and axis not in array.reduce:
        return False
    if array.dataflow == "rs":
        return True
    for operand in q.problem.operands:
        summed = operand.role == "output" and axis in array.reduce
        moves = operand.name not in array.stationary and axis in array.shared(operand.name)
        if dim in operand.dims and (summed or moves):
            return False
    return True


def _spreads(q: Question, axis: str, names: str, room: int, even: dict[str, list[int]]) -> Iterator[list[int]]:
    """Factors by dim along an axis, together at most `room`."""
    dims = [d for d in names if q.problem.bound[d] > 1 and _wired(q, axis, d)]

    def grow(i: int, left: int) -> Iterator[tuple[int, ...]]:
        if i == len(dims):
            yield ()
            return
        for factor in _factors(q, axis, dims[i], [f for f in even[dims[i]] if f <= left]):
            if factor <= left:
                for rest in grow(i + 1, left // factor):
                    yield (factor, *rest)

    for choice in grow(0, room):
        line = [1] * NDIM
        for dim, factor in zip(dims, choice, strict=True):
            line[AT[dim]] = factor
        yield line


@dataclass(frozen=True)
class Cores:
    """Factors of every dim along rows, columns, the diagonal, in a PE and in a band, one core a line: (cores, 10)
    each."""

    row: Ints
    col: Ints
    diagonal: Ints
    pe: Ints
    band: Ints

    @cached_property
    def extent(self) -> Ints:
        """Extent of each dim over the array: (cores, 10)."""
        found: Ints = self.row * self.col * self.diagonal * self.pe * self.band
        return found


def cores_of(q: Question) -> Cores:
    """Every core of the space, in one order; none if the constraint leaves none."""
    row_stationary = q.arch.array.dataflow == "rs"
    lines = list(_row_stationary(q) if row_stationary else _systolic(q))
    table = np.array(lines, np.int64).reshape(-1, 5, NDIM)
    return Cores(*(table[:, i] for i in range(5)))


Core = tuple[list[int], list[int], list[int], list[int], list[int]]


def _systolic(q: Question) -> Iterator[Core]:
    array, even = q.arch.array, {d: _evenest(b) for d, b in q.problem.bounds}
    rows_of, cols_of = SPREAD[array.dataflow]
    for band, tall, wide in _bands(q, even):
        taken = [d for d in DIMS if band[AT[d]] > 1]
        if any(not q.limit.factor_ok("row", d, 1) for d in taken if d in rows_of):
            continue
        columns = list(_spreads(q, "col", cols_of, array.cols // wide, even))
        for row in _spreads(q, "row", "".join(d for d in rows_of if d not in taken), array.rows // tall, even):
            for col in columns:
                room = min(array.rows // (tall * prod(row)), array.cols // (wide * prod(col)))
                for groups in even["G"]:
                    if groups <= room and q.limit.factor_ok("diagonal", "G", groups):
                        diagonal = [groups if d == "G" else 1 for d in DIMS]
                        yield row, col, diagonal, [1] * NDIM, band


def _unnamed(q: Question, out: str, tap: str) -> object:
    """What a problem is to an output dim and its taps, whatever they are called."""
    found: list[object] = [q.problem.bound[out], q.problem.bound[tap]]
    for operand in q.problem.operands:
        for axis in operand.axes:
            coefs = dict(axis.terms)
            if out in coefs or tap in coefs:
                others = sorted((d, c) for d, c in axis.terms if d not in (out, tap))
                found.append((operand.name, coefs.get(out), coefs.get(tap), others, axis.size, axis.offset))
    return found


def _bands(q: Question, even: dict[str, list[int]]) -> Iterator[tuple[list[int], int, int]]:
    """All ways to lay windows over the array as bands, or not: factors by dim, rows and columns that they span.

    Output q and tap s of a window lie in the row of the input word at which they meet, q in a column of its own. One
    of the output dims at most is cut unevenly; of windows that are alike the first has the larger band.
    """
    array, bound = q.arch.array, q.problem.bound
    lines: list[tuple[list[int], int, int, bool]] = [([1] * NDIM, 1, 1, False)]
    before: list[tuple[object, str, str]] = []
    wanted = array.bands and (bound["C"] < array.rows or bound["M"] < array.cols)
    for out, tap in (("Q", "S"), ("P", "R"), ("O", "T")) if wanted else ():
        axes = [dict(a.terms) for a in q.problem.operand("Inputs").axes if set(a.dims) == {out, tap}]
        longer, form = [], _unnamed(q, out, tap)
        sizes = product(_factors(q, "band", out, even[out]), _factors(q, "band", tap, even[tap])) if axes else ()
        for (outs, taps), (line, rows, cols, uneven) in product([s for s in sizes if min(s) > 1], lines):
            tall = rows * (1 + (outs - 1) * axes[0][out] + (taps - 1) * axes[0][tap])
            both = uneven and bound[out] % outs > 0
            first = all((line[AT[o]], line[AT[t]]) >= (outs, taps) for f, o, t in before if f == form)
            if tall <= array.rows and cols * outs <= array.cols and not both and (first or q.limit != ANYTHING):
                more = [outs if d == out else taps if d == tap else n for d, n in zip(DIMS, line, strict=True)]
                longer.append((more, tall, cols * outs, uneven or bound[out] % outs > 0))
        lines += longer
        before.append((form, out, tap))
    for line, tall, wide, _ in lines:
        if all(q.limit.factor_ok("band", d, f) for d, f in zip(DIMS, line, strict=True)):
            yield line, tall, wide


def _row_stationary(q: Question) -> Iterator[Core]:
    array, bound = q.arch.array, q.problem.bound
    even = {d: _evenest(b) for d, b in q.problem.bounds}
    tall, width = min(bound["R"], array.rows), min(bound["S"], array.spad("Inputs").words)
    rows_of, cols_of = SPREAD["rs"]
    rows = [r for r in _spreads(q, "row", rows_of, array.rows // tall, even) if sum(f > 1 for f in r) <= 2]
    cols = [c for c in _spreads(q, "col", cols_of, array.cols, even) if sum(c[AT[d]] > 1 for d in "MGN") <= 1]
    spads = [(o, array.spad(o.name).words) for o in q.problem.operands]
    for row in rows:
        row[AT["R"]] = tall
    grid = np.array([(row, col) for row in rows for col in cols], np.int64).reshape(-1, 2, NDIM)
    ones = [1] * NDIM
    for c, m, g in product(*(even[d] if q.imperfect else divisors(bound[d]) for d in "CMG")):
        inside = {**dict.fromkeys(DIMS, 1), "C": c, "M": m, "G": g, "S": width}
        if any(tile_words(operand, inside) > words for operand, words in spads):
            continue
        if all(q.limit.factor_ok("pe", d, inside[d]) for d in "CMGS"):
            pe = [inside[d] for d in DIMS]
            for row, col in grid[_busy(q, grid, np.array(pe, np.int64))].tolist():
                yield row, col, ones, pe, ones


def _busy(q: Question, grid: Ints, pe: Ints) -> Bools:
    """Cores without idle loops: none that the others do without, and work for every index of the outermost."""
    row, col = grid[:, 0], grid[:, 1]
    total, good = row * col * pe, np.ones(len(grid), np.bool_)
    for part in (row, col, np.broadcast_to(pe, row.shape)):
        good &= ((part == 1) | (total <= q.bounds) | (total // part < q.bounds)).all(axis=1)
    first = np.where(row > 1, row, np.where(col > 1, col, pe))
    good &= ((first - 1) * (total // first) < q.bounds).all(axis=1)
    return good
