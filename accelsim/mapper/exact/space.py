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
* *Bypass and depths* are the machine's: which memories keep an operand, and how many tiles of it (2: double buffered).

Out of the space: two loops over one dim in one place, reduction dims in a stream of `ws` or stationary dims in any
stream, spreading a dim diagonally other than groups, padding a dim beyond its bound.
"""

from __future__ import annotations

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
    "os": {"row": "NOPQCTRS", "col": "M"},
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
    if dim in problem.reduction_dims and axis not in arch.array.reduce:
        return False
    if arch.array.kind == "row_stationary":
        return True
    return not any(axis in arch.array.alike(operand.name) and dim in operand.dims for operand in problem.operands)


def _axis(problem: Problem, arch: Accelerator, axis: str, room: int, limit: Constraint) -> list[dict[str, int]]:
    """Factor choices along one axis."""
    dims = [d for d in AXES[arch.array.dataflow][axis] if problem.bound[d] > 1 and _fits(problem, arch, axis, d)]
    found: list[dict[str, int]] = [{}]
    for dim in dims:
        longer = []
        named = limit.factor(axis, dim)
        fixed = {named.low} if named.low == named.high else set(named.among or ())
        for choice in found:
            left = room // prod(choice.values())
            options = set(least_factors(problem.bound[dim], left)) | fixed
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


def _table(choices: list[dict[str, int]]) -> Ints:
    """Factors by dim, one choice a row: (choices, 10)."""
    found = np.ones((len(choices), len(DIMS)), np.int64)
    for number, choice in enumerate(choices):
        for dim, factor in choice.items():
            found[number, DIMS.index(dim)] = factor
    return found


def _systolic(problem: Problem, arch: Accelerator, limit: Constraint) -> Cores:
    array, groups = arch.array, problem.bound["G"]
    rows, cols = (_table(_axis(problem, arch, a, n, limit)) for a, n in (("row", array.rows), ("col", array.cols)))
    room = np.minimum.outer(array.rows // rows.prod(axis=1), array.cols // cols.prod(axis=1))
    most = int(room.max(initial=1))
    chosen = [g for g in least_factors(groups, most) if limit.factor_ok("diagonal", "G", g)]
    least = {n: set(least_factors(groups, n)) for n in np.unique(room).tolist()}
    parts = []
    for factor in chosen:
        fits = np.vectorize(lambda n, f=factor: f in least[n], otypes=[bool])(room)
        at_row, at_col = np.nonzero(fits)
        diagonal = np.ones((at_row.size, len(DIMS)), np.int64)
        diagonal[:, DIMS.index("G")] = factor
        parts.append((rows[at_row], cols[at_col], diagonal, np.ones_like(diagonal)))
    return _joined(parts)


def _joined(parts: list[tuple[Ints, Ints, Ints, Ints]]) -> Cores:
    if not parts:
        none = np.ones((0, len(DIMS)), np.int64)
        return Cores(none, none, none, none)
    row, col, diagonal, pe = (np.concatenate([part[k] for part in parts]) for k in range(4))
    return Cores(row, col, diagonal, pe)


def _row_stationary(problem: Problem, arch: Accelerator, limit: Constraint, imperfect: bool) -> Cores:
    array, bound = arch.array, problem.bound
    width, tall = min(bound["S"], array.spad("Inputs").words), min(bound["R"], array.rows)
    choices = {d: least_factors(bound[d], bound[d]) if imperfect else divisors(bound[d]) for d in "CMG"}
    spads = [(operand, array.spad(operand.name).words) for operand in problem.operands]
    rows = _table([{**c, "R": tall} for c in _axis(problem, arch, "row", array.rows // tall, limit)])
    cols = _table(_axis(problem, arch, "col", array.cols, limit))
    rows, cols = np.repeat(rows, len(cols), axis=0), np.tile(cols, (len(rows), 1))
    bounds, parts = np.array([bound[d] for d in DIMS], np.int64), []
    spread = _Spread(bounds, rows, cols)
    for c, m, g in product(choices["C"], choices["M"], choices["G"]):
        inside = {"C": c, "M": m, "G": g, "S": width}
        extents = {d: inside.get(d, 1) for d in DIMS}
        if any(tile_words(operand, extents) > words for operand, words in spads):
            continue
        if not all(limit.factor_ok("pe", d, f) for d, f in inside.items()):
            continue
        pe = np.array([extents[d] for d in DIMS], np.int64)
        good = np.flatnonzero(spread.useful(pe))
        parts.append((rows[good], cols[good], np.ones((good.size, len(DIMS)), np.int64), np.tile(pe, (good.size, 1))))
    return _joined(parts)


class _Spread:
    """What lies over rows and columns, (choices, 10) each, and which of it goes with loops in a PE."""

    def __init__(self, bounds: Ints, rows: Ints, cols: Ints) -> None:
        self.bounds, self.rows, self.cols = bounds, rows, cols
        self._known: dict[tuple[int, int], NDArray[np.bool_]] = {}

    def useful(self, pe: Ints) -> NDArray[np.bool_]:
        """Choices all of whose loops, and those in the PE, have work: without one the rest would not cover the dim."""
        good = np.ones(len(self.rows), np.bool_)
        for d in np.flatnonzero(self.bounds > 1).tolist():
            good &= self._useful(d, int(pe[d]))
        return good

    def _useful(self, d: int, inside: int) -> NDArray[np.bool_]:
        if (d, inside) not in self._known:
            bound, row, col = self.bounds[d], self.rows[:, d], self.cols[:, d]
            total = row * col * inside
            first = np.where(row > 1, row, np.where(col > 1, col, inside))
            good = (first - 1) * (total // first) < bound
            for part in (row, col, np.full_like(row, inside)):
                good &= (part == 1) | (total <= bound) | (total // part < bound)
            self._known[d, inside] = good
        return self._known[d, inside]


def cores_of(problem: Problem, arch: Accelerator, limit: Constraint = ANYTHING, imperfect: bool = False) -> Cores:
    """Every core of the space.

    Raises:
        MappingError: the constraint leaves none.
    """
    row_stationary = arch.array.dataflow == "rs"
    found = _row_stationary(problem, arch, limit, imperfect) if row_stationary else _systolic(problem, arch, limit)
    if found.size == 0:
        raise MappingError(f"no spatial and PE loops on {arch.name} satisfy the constraint")
    return found


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


def tilings(problem: Problem, arch: Accelerator, cores: Cores, imperfect: bool = False) -> int:
    """Cores times the ways to give every dim's folds to the places that may have them.

    With `imperfect` the folds inside the first memory are any number up to all of them.
    """
    slots, total = slots_of(arch, problem), np.ones(cores.size, object)
    for d, dim in enumerate(DIMS):
        places = sum(dim in slot.dims for slot in slots)
        if arch.array.dataflow == "rs" and dim == "Q":
            places = 1
        folds, which = np.unique(-(-problem.bound[dim] // cores.extent[:, d]), return_inverse=True)
        if imperfect and places > 1:
            numbers = [sum(ways(inside, places - 1) for inside in range(1, int(n) + 1)) for n in folds]
        else:
            numbers = [ways(int(n), places) for n in folds]
        total = total * np.array(numbers, object)[which.reshape(-1)]
    return int(total.sum())
