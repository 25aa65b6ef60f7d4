"""The space that the exact mapper searches, and its size.

In the space, for a problem on a machine of a dataflow:

* *Spatial loops.* Along each array axis any mix of the dims that the dataflow and the wires allow there (`AXES`), with
  any factors whose product fits the axis; `ws`, `is` and `os` may lay groups on the diagonal. A factor is the least one
  that gives its number of folds: a larger factor with the same folds only makes them uneven.
* *Bands* (`mapping.bands`), where the array allows them and C is smaller than its rows or M than its columns (else
  these fill it): one over each of Q with S, P with R, O with T, or some of them, or none, beside any such loops along
  rows, columns and the diagonal that leave them room. Factors are as above, but the outputs of one band at most may be
  uneven: PEs that idle in their last pass lose their weights, and the order of loops between two such dims would
  matter. Where two axes are alike in everything, a choice with both swapped is the same by another name; without a
  constraint only one of them is in the space, that whose earlier axis (of Q, P, O) has the larger band.
* *PE loops*, `rs` only: S whole; divisors of C, M and G as far as the spads hold them. R is spread over the rows.
* *Temporal loops*: one loop per dim and place. Places are DRAM, then every memory that keeps tiles (each with its own
  tile, so operands in different memories have different sizes), then the stream of a pass. Trips are divisors of what
  the places outside have left; `imperfect` lets the tile of the first memory be any number of folds, the last tile of a
  dim is then whatever is left, counted exactly. Accumulators sweep reduction dims only. The stream takes the dims of
  the dataflow (`STREAMS`); in `rs` it always takes Q whole.
* *Loop orders*: in DRAM's place, and wherever a PE slides over inputs, all permutations; elsewhere one per operand that
  the innermost loops leave in place, since no other order moves fewer words. Of those that leave weights in place,
  and of the stream's, a dim whose band is uneven has the outermost: its PEs then idle most seldom.
* *Bypass and depths* are the machine's: which memories keep an operand, and how many tiles of it (2: double buffered).

Out of the space: two loops over one dim in one place, reduction dims in a stream of `ws` or stationary dims in any
stream, spreading a dim diagonally other than groups, padding a dim beyond its bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from math import prod

import numpy as np
from numpy.typing import NDArray

from accelsim.arch import Accelerator
from accelsim.errors import MappingError
from accelsim.mapping.bands import TAPS, Band, window
from accelsim.mapping.constraint import ANYTHING, Constraint
from accelsim.mapping.legality import tile_words
from accelsim.problem import DIMS, Problem

Ints = NDArray[np.int64]
Tables = tuple[Ints, Ints, Ints, Ints, Ints]
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
    """Insides of a pass, one row each: factor by dim along rows, columns, the diagonal, in a PE and in a band:
    (cores, 10)."""

    row: Ints
    col: Ints
    diagonal: Ints
    pe: Ints
    band: Ints

    @property
    def size(self) -> int:
        """Number of cores."""
        return int(self.row.shape[0])

    @property
    def extent(self) -> Ints:
        """Extent of each dim over the whole array: (cores, 10)."""
        found: Ints = self.row * self.col * self.diagonal * self.pe * self.band
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


def _asked(limit: Constraint, place: str, dim: str) -> set[int]:
    """Factors that a constraint names outright."""
    named = limit.factor(place, dim)
    return {named.low} if named.low == named.high else set(named.among or ())


def _axis(
    problem: Problem, arch: Accelerator, axis: str, room: int, limit: Constraint, banded: frozenset[str] = frozenset()
) -> list[dict[str, int]]:
    """Factor choices along one axis, none over dims that lie in a band."""
    dims = [d for d in AXES[arch.array.dataflow][axis] if problem.bound[d] > 1 and _fits(problem, arch, axis, d)]
    found: list[dict[str, int]] = [{}]
    for dim in (d for d in dims if d not in banded):
        longer = []
        fixed = _asked(limit, axis, dim)
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


def _form(problem: Problem, out: str) -> object:
    """Everything that a problem says of an output dim and its taps, without their names."""
    names = {out: "out", TAPS[out]: "tap"}
    axes = [(o.name, a) for o in problem.operands for a in o.axes if not set(names).isdisjoint(a.dims)]
    said = [(name, [(names.get(d, d), coef) for d, coef in a.terms], a.size, a.offset) for name, a in axes]
    return problem.bound[out], problem.bound[TAPS[out]], said


def alike(problem: Problem) -> bool:
    """Are rows and columns of the outputs, with those of the filter, the same but for their names?"""
    return _form(problem, "P") == _form(problem, "Q")


def _windows(problem: Problem) -> Iterator[tuple[str, tuple[int, int]]]:
    """Output dims that slide a window over the inputs, with its stride and dilation."""
    for out in reversed(TAPS):
        steps = window(problem, out)
        if steps is not None and problem.bound[out] > 1 and problem.bound[TAPS[out]] > 1:
            yield out, steps


def _single(problem: Problem, limit: Constraint, out: str, steps: tuple[int, int]) -> list[Band | None]:
    """Bands over one output dim, and none."""
    sizes = []
    for dim in (out, TAPS[out]):
        bound = problem.bound[dim]
        options = {*least_factors(bound, bound), *_asked(limit, "band", dim)}
        sizes.append(sorted(f for f in options if 1 < f <= bound and limit.factor_ok("band", dim, f)))
    return [None, *(Band(out, a, TAPS[out], b, *steps) for a, b in product(*sizes))]


def _swapped(forms: list[object], choice: tuple[Band | None, ...]) -> bool:
    """Is another choice the same by another name, and before this one?"""
    sizes = [(band.outs, band.taps) if band else (1, 1) for band in choice]
    pairs = combinations(range(len(forms)), 2)
    return any(forms[i] == forms[j] and sizes[i] < sizes[j] for i, j in pairs)


def bands_of(problem: Problem, arch: Accelerator, limit: Constraint = ANYTHING) -> list[tuple[Band, ...]]:
    """The choices of bands of the space, none first."""
    array, bound = arch.array, problem.bound
    if not array.bands or (bound["C"] >= array.rows and bound["M"] >= array.cols):
        return [()]
    windows, found = list(_windows(problem)), []
    forms = [_form(problem, out) for out, _ in windows]
    for choice in product(*(_single(problem, limit, out, steps) for out, steps in windows)):
        bands = tuple(band for band in choice if band is not None)
        rows, cols = prod(band.rows for band in bands), prod(band.outs for band in bands)
        uneven = sum(bound[band.out] % band.outs > 0 for band in bands)
        fits = rows <= array.rows and cols <= array.cols and uneven <= 1
        if fits and not (limit == ANYTHING and _swapped(forms, choice)):
            found.append(bands)
    return found


def _factors(bands: tuple[Band, ...]) -> dict[str, int]:
    return {dim: n for band in bands for dim, n in ((band.out, band.outs), (band.tap, band.taps))}


def _allowed(limit: Constraint, bands: tuple[Band, ...]) -> bool:
    """Does a constraint allow these bands, and no others?"""
    factors = _factors(bands)
    elsewhere = all(limit.factor_ok("row", band.tap, 1) for band in bands)
    return elsewhere and all(limit.factor_ok("band", d, factors.get(d, 1)) for d in DIMS)


def _systolic(problem: Problem, arch: Accelerator, limit: Constraint) -> Cores:
    every = [bands for bands in bands_of(problem, arch, limit) if _allowed(limit, bands)]
    return _joined([part for bands in every for part in _beside(problem, arch, limit, bands)])


def _beside(problem: Problem, arch: Accelerator, limit: Constraint, bands: tuple[Band, ...]) -> list[Tables]:
    """What lies along rows, columns and diagonal beside some bands or none."""
    array, groups = arch.array, problem.bound["G"]
    tall, wide = array.rows // prod(b.rows for b in bands), array.cols // prod(b.outs for b in bands)
    rows = _table(_axis(problem, arch, "row", tall, limit, frozenset(band.tap for band in bands)))
    cols, inside = _table(_axis(problem, arch, "col", wide, limit)), _table([_factors(bands)])
    room = np.minimum.outer(tall // rows.prod(axis=1), wide // cols.prod(axis=1))
    most = int(room.max(initial=1))
    chosen = [g for g in least_factors(groups, most) if limit.factor_ok("diagonal", "G", g)]
    least = {n: set(least_factors(groups, n)) for n in np.unique(room).tolist()}
    parts = []
    for factor in chosen:
        fits = np.vectorize(lambda n, f=factor: f in least[n], otypes=[bool])(room)
        at_row, at_col = np.nonzero(fits)
        diagonal = np.ones((at_row.size, len(DIMS)), np.int64)
        diagonal[:, DIMS.index("G")] = factor
        parts.append((rows[at_row], cols[at_col], diagonal, np.ones_like(diagonal), np.repeat(inside, at_row.size, 0)))
    return parts


def _joined(parts: list[Tables]) -> Cores:
    if not parts:
        none = np.ones((0, len(DIMS)), np.int64)
        return Cores(none, none, none, none, none)
    row, col, diagonal, pe, band = (np.concatenate([part[k] for part in parts]) for k in range(5))
    return Cores(row, col, diagonal, pe, band)


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
        ones = np.ones((good.size, len(DIMS)), np.int64)
        parts.append((rows[good], cols[good], ones, np.tile(pe, (good.size, 1)), ones))
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
