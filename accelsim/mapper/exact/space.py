"""The space that the exact mapper searches, and its size.

In the space, for a problem on a machine of a dataflow:

* *Spatial loops.* Along each array axis any mix of the dims that the dataflow and the wires allow there (`AXES`), with
  any factors whose product fits the axis; `ws`, `is` and `os` may lay groups on the diagonal. A factor is the least one
  that gives its number of folds: a larger factor with the same folds only makes them uneven.
* *PE loops*, `rs` only: S whole; divisors of C, M and G as far as the spads hold them. R is spread over the rows.
* *Temporal loops*: one loop per dim and place. Places are DRAM, then every memory that keeps tiles (each with its own
  tile, so operands in different memories have different sizes), then the stream of a pass. Trips are divisors of what
  the places outside have left; `imperfect` lets the tile of the first memory be any number of folds, the last tile of a
  dim is then whatever is left, counted exactly. Accumulators sweep reduction dims only. The stream takes the dims of
  the dataflow (`STREAMS`); in `rs` it always takes Q whole.
* *Loop orders*: in DRAM's place, and wherever a PE slides over inputs, all permutations; elsewhere one per operand that
  the innermost loops leave in place, since no other order moves fewer words.
* *Bypass*: which memories keep an operand is the machine's; where a hold says `bypass: allowed`, both machines.
* *Depths* are the machine's (1 single, 2 double buffered).

Out of the space: two loops over one dim in one place, reduction dims in a stream of `ws` or stationary dims in any
stream, spreading a dim diagonally other than groups, padding a dim beyond its bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from accelsim.arch import Accelerator
from accelsim.errors import MappingError
from accelsim.mapping.constraint import ANYTHING, Constraint
from accelsim.mapping.legality import tile_words
from accelsim.problem import DIMS, Problem

Ints = NDArray[np.int64]
AXES = {
    "ws": {"row": "CTRS", "col": "M"},
    "is": {"row": "CTRS", "col": "NOPQ"},
    "os": {"row": "NOPQ", "col": "M"},
    "rs": {"row": "GMPC", "col": "PMGN"},
}
STREAMS = {"ws": "NOPQ", "is": "M", "os": "CTRS", "rs": "NQ"}
COLUMN_PARTNERS = "MGN"  # rs: one of these shares the columns with output rows
ROW_DIMS = 2  # rs: as many dims beside R on the rows


@dataclass(frozen=True)
class Slot:
    """A place for temporal loops: DRAM, a memory, or the stream; and the dims that may have loops there."""

    memory: str
    dims: str


@dataclass(frozen=True)
class Cores:
    """Insides of a pass, one row each: factor by dim along rows, columns, the diagonal and in a PE: (cores, 10)."""

    row: Ints
    col: Ints
    diagonal: Ints
    pe: Ints

    @property
    def size(self) -> int:
        """Number of cores."""
        return int(self.row.shape[0])

    @property
    def extent(self) -> Ints:
        """Extent of each dim over the whole array: (cores, 10)."""
        found: Ints = self.row * self.col * self.diagonal * self.pe
        return found


def slots_of(arch: Accelerator, problem: Problem) -> tuple[Slot, ...]:
    """Places for temporal loops, outer to inner."""
    found = [Slot("DRAM", "".join(DIMS))]
    reductions = "".join(d for d in DIMS if d in problem.reduction_dims)
    for memory in arch.memories:
        if any(hold.at == "tile" for hold in memory.holds):
            found.append(Slot(memory.name, reductions if memory.psum_only else "".join(DIMS)))
    return (*found, Slot("stream", STREAMS[arch.array.dataflow]))


def least_factors(bound: int, most: int) -> list[int]:
    """The least factor for every number of folds of a bound into tiles of at most `most`, ascending.

    >>> least_factors(10, 6)
    [1, 2, 3, 4, 5]
    """
    most = max(1, min(bound, most))
    found, factor = {1}, most
    while factor > 1:
        folds = -(-bound // factor)
        found.add(-(-bound // folds))
        factor = -(-bound // folds) - 1
    return sorted(found)


def divisors(number: int) -> list[int]:
    """Divisors, ascending."""
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return sorted({*small, *(number // d for d in small)})


def _fits(problem: Problem, arch: Accelerator, axis: str, dim: str) -> bool:
    """May this dim be spread along this axis? Only along wires that sum psums or do not forward what differs."""
    shared_with = arch.array.shared
    if dim in problem.reduction_dims and axis not in arch.array.reduce:
        return False
    if arch.array.kind == "row_stationary":
        return True
    return all(
        operand.name in arch.array.stationary or axis not in shared_with(operand.name) or dim not in operand.dims
        for operand in problem.operands
    )


def _axis(problem: Problem, arch: Accelerator, axis: str, room: int, limit: Constraint) -> list[dict[str, int]]:
    """Factor choices along one axis."""
    dims = [d for d in AXES[arch.array.dataflow][axis] if problem.bound[d] > 1 and _fits(problem, arch, axis, d)]
    found: list[dict[str, int]] = [{}]
    for dim in dims:
        longer = []
        for choice in found:
            left = room // prod(choice.values())
            options = set(least_factors(problem.bound[dim], left)) | limit.fixed(axis, dim)
            longer += [
                {**choice, dim: f} for f in sorted(options)
                if f <= min(left, problem.bound[dim]) and limit.factor_ok(axis, dim, f)
            ]  # fmt: skip
        found = longer
    if arch.array.dataflow == "rs" and axis == "row":
        found = [c for c in found if sum(f > 1 for f in c.values()) <= ROW_DIMS]
    if arch.array.dataflow == "rs" and axis == "col":
        found = [c for c in found if sum(c.get(d, 1) > 1 for d in COLUMN_PARTNERS) <= 1]
    return found


def _systolic(problem: Problem, arch: Accelerator, limit: Constraint) -> Iterator[tuple[dict[str, int], ...]]:
    array = arch.array
    for row in _axis(problem, arch, "row", array.rows, limit):
        for col in _axis(problem, arch, "col", array.cols, limit):
            room = min(array.rows // prod(row.values()), array.cols // prod(col.values()))
            for groups in least_factors(problem.bound["G"], room):
                if limit.factor_ok("diagonal", "G", groups):
                    yield row, col, {"G": groups}, {}


def _row_stationary(
    problem: Problem, arch: Accelerator, limit: Constraint, imperfect: bool
) -> Iterator[tuple[dict[str, int], ...]]:
    array, bound = arch.array, problem.bound
    width, tall = min(bound["S"], array.spad("Inputs").words), min(bound["R"], array.rows)
    choices = {d: least_factors(bound[d], bound[d]) if imperfect else divisors(bound[d]) for d in "CMG"}
    spads = [(operand, array.spad(operand.name).words) for operand in problem.operands]
    rows = [{**c, "R": tall} for c in _axis(problem, arch, "row", array.rows // tall, limit)]
    cols = _axis(problem, arch, "col", array.cols, limit)
    for c, m, g in product(choices["C"], choices["M"], choices["G"]):
        pe = {"C": c, "M": m, "G": g, "S": width}
        extents = {d: pe.get(d, 1) for d in DIMS}
        if any(tile_words(operand, extents) > words for operand, words in spads):
            continue
        if not all(limit.factor_ok("pe", d, f) for d, f in pe.items()):
            continue
        for row, col in product(rows, cols):
            if all(row.get(d, 1) * col.get(d, 1) * f <= bound[d] or _covers(bound[d], row, col, d, f)
                   for d, f in (*pe.items(), ("P", 1), ("N", 1))):  # fmt: skip
                yield row, col, {}, pe


def _covers(bound: int, row: dict[str, int], col: dict[str, int], dim: str, pe: int) -> bool:
    """Does every loop over the dim have work: no factor may be dropped without losing part of the bound."""
    parts = [row.get(dim, 1), col.get(dim, 1), pe]
    total = prod(parts)
    return all(part == 1 or total // part < bound for part in parts) and _outermost_works(bound, parts)


def _outermost_works(bound: int, parts: list[int]) -> bool:
    total = prod(parts)
    first = next((part for part in parts if part > 1), 1)
    return (first - 1) * (total // first) < bound


def cores_of(problem: Problem, arch: Accelerator, limit: Constraint = ANYTHING, imperfect: bool = False) -> Cores:
    """Every core of the space.

    Raises:
        MappingError: the constraint leaves none.
    """
    if arch.array.dataflow == "rs":
        every = list(_row_stationary(problem, arch, limit, imperfect))
    else:
        every = list(_systolic(problem, arch, limit))
    if not every:
        raise MappingError(f"no spatial and PE loops on {arch.name} satisfy the constraint")
    table = np.ones((4, len(every), len(DIMS)), np.int64)
    where = {dim: i for i, dim in enumerate(DIMS)}
    for number, parts in enumerate(every):
        for kind, part in enumerate(parts):
            for dim, factor in part.items():
                table[kind, number, where[dim]] = factor
    return Cores(table[0], table[1], table[2], table[3])


def ways(trips: int, places: int) -> int:
    """Ordered factorisations of a number of trips over so many places: per prime power e, C(e + places - 1, e).

    >>> ways(12, 2)
    6
    """
    if places == 0:
        return 1 if trips == 1 else 0
    if places == 1:
        return 1
    return sum(ways(trips // d, places - 1) for d in divisors(trips))
