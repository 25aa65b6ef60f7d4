"""The space of mappings of a problem on a machine, as arrays for the compiled search.

The machine has, outer to inner: a level that keeps everything, a shared level, levels that keep nothing and fan out
along columns, then rows (either may be missing), and in each PE one store per operand, the Inputs' outermost. Temporal
loops lie at the two shared levels and in the PE; levels that keep nothing have none.

Inside a PE every operand is read at every step, so that only two things about its loops matter to the rest: which tile
they make together, and how often the words of that tile are fetched each time the PE goes through it. Not at all while
an operand's tile fits its store; else at least once, and at once for both Weights and Outputs by the order `C R S`
innermost, then `N P Q`, then the others, with one Output, and the Weights of `C R S`, held at a time. So there is one
best interior for a tile (`_free_interiors`). Where constraints forbid that, all interiors are tried (`_all_interiors`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product
from math import gcd, prod

import numpy as np
from numpy.typing import NDArray

from accelsim.arch import OPERANDS, StorageLevel, StorageMachine
from accelsim.errors import InputError
from accelsim.mapper.exact.space import divisors
from accelsim.mapper.timeloop import kernels
from accelsim.mapper.timeloop.constraints import Constraint
from accelsim.problem import Axis, Problem

Ints = NDArray[np.int64]
MOST_INTERIORS = 300_000
MOST_UNITS = 9 * 10**18


@dataclass(frozen=True)
class Interior:
    """Loops inside a PE: by store (outer to inner) loops outer to inner as (dim, trips)."""

    loops: tuple[tuple[tuple[str, int], ...], ...]


@dataclass(frozen=True)
class Layout:
    """Which levels of a machine play which part.

    Attributes:
        cols, rows: positions of the levels that fan out, -1 if none. stores: positions of the stores of
        Inputs, Weights, Outputs.
    """

    cols: int
    rows: int
    stores: tuple[int, int, int]

    @property
    def inside(self) -> tuple[int, int, int]:
        """Positions of the PE's levels, outer to inner."""
        a, b, c = sorted(self.stores)
        return a, b, c


def layout_of(machine: StorageMachine) -> Layout:
    """The parts of a machine.

    Raises:
        InputError: it is not of the searched kind, with what is different.
    """

    def refuse(text: str) -> InputError:
        return InputError(
            f"{machine.name}: {text}; the search takes an outer and a shared level, levels that keep nothing and fan "
            "out along one axis each, and per PE one store for each operand, the Inputs' outermost"
        )

    levels = machine.levels
    if len(levels) < 5:
        raise refuse(f"{len(levels)} levels")
    stores = levels[-3:]
    kept = [level.keeps for level in stores]
    if sorted(len(keeps) for keeps in kept) != [1, 1, 1] or {keeps[0] for keeps in kept} != set(OPERANDS):
        raise refuse(f"the innermost levels keep {', '.join('+'.join(k) or 'nothing' for k in kept)}")
    if kept[0] != ("Inputs",):
        raise refuse(f"{stores[0].name} keeps {kept[0][0]}")
    places = {level.keeps[0]: len(levels) - 3 + i for i, level in enumerate(stores)}
    cols = rows = -1
    for number, level in enumerate(levels[:-3]):
        if number > 1 and level.keeps:
            raise refuse(f"{level.name} keeps {'+'.join(level.keeps)}")
        if level.cols > 1 and level.rows > 1:
            raise refuse(f"{level.name} fans out along both axes")
        if level.cols > 1 and (cols >= 0 or rows >= 0):
            raise refuse(f"{level.name} fans out along columns inside another fan-out")
        if level.rows > 1 and rows >= 0:
            raise refuse(f"{level.name} fans out along rows once more")
        cols, rows = (number if level.cols > 1 else cols), (number if level.rows > 1 else rows)
    if levels[0].cols * levels[0].rows > 1 or any(level.cols * level.rows > 1 for level in stores):
        raise refuse("the outermost level or a PE's store fans out")
    return Layout(cols, rows, (places["Inputs"], places["Weights"], places["Outputs"]))


class Space:
    """All candidates of a search as arrays; see `kernels` and `branch` for their shapes."""

    def __init__(self, problem: Problem, machine: StorageMachine, constraints: tuple[Constraint, ...]) -> None:
        self.problem, self.machine, self.layout = problem, machine, layout_of(machine)
        self.constraints: dict[tuple[str, str], Constraint] = {(c.level, c.kind): c for c in constraints}
        if len(self.constraints) < len(constraints):
            raise InputError("two constraints on the loops of one kind of one level; expected one each")
        for level, _ in self.constraints:
            machine.index(level)
        self.dims = tuple(dim for dim, bound in problem.bounds if bound > 1)
        self.bounds = np.array([problem.bound[dim] for dim in self.dims], np.int64)
        self.unit, self.rest = units_of(machine)
        self._check_size()
        self._axes()
        self._check_fixed()
        self.cols = self._splits(self.layout.cols, "cols")
        self.rows = self._splits(self.layout.rows, "rows")
        self._tiles()
        self._outer()
        self.table = np.concatenate([self.tiles, self.words, self.fits], axis=1)

    def _check_size(self) -> None:
        """Refuse what could leave 63 bits: no operand is read or written more than once per MAC at a level."""
        worst = self.machine.compute_zj
        for number, level in enumerate(self.machine.levels):
            writes = (len(level.keeps) if number else 0) + ("Outputs" in level.keeps)
            worst += -(-(len(level.keeps) * level.read_zj + writes * level.write_zj) // level.block_words)
        if self.problem.macs * worst // self.unit > MOST_UNITS:
            raise InputError(
                f"{self.problem.macs} MACs at up to {worst / 1e9:g} pJ each in units of {self.unit / 1e9:g} pJ: beyond "
                "exact 64-bit integers; give energies with fewer digits"
            )

    def _axes(self) -> None:
        """Relevance, ranks and coefficients; `known`."""
        count = len(self.dims)
        self.rel = np.zeros((3, count), np.int64)
        self.rank, self.coef = np.full(count, -1, np.int64), np.zeros(count, np.int64)
        self.partner = np.full(count, -1, np.int64)
        touched = []
        for number, name in enumerate(OPERANDS):
            operand = self.problem.operand(name)
            for d, dim in enumerate(self.dims):
                self.rel[number, d] = dim in operand.dims
            if number == 0:
                axes = [axis for axis in operand.axes if any(dim in self.dims for dim in axis.dims)]
                self._input_ranks(axes)
                touched.append(prod(exact_words(axis, self.problem) for axis in axes))
            else:
                if any(len(axis.terms) != 1 or axis.terms[0][1] != 1 for axis in operand.axes if axis.terms):
                    raise InputError(f"{name}: the search needs one dim per axis, without coefficients")
                touched.append(prod(self.problem.bound[dim] for dim in operand.dims))
        self.known = np.array([*touched, self.problem.macs], np.int64)

    def _input_ranks(self, axes: list[Axis]) -> None:
        self.axes = max(1, len(axes))
        for number, axis in enumerate(axes):
            terms = [(dim, coef) for dim, coef in axis.terms if dim in self.dims]
            if len(terms) > 2:
                raise InputError(f"Inputs: {len(terms)} dims along one axis; the search takes at most two")
            for dim, coef in terms:
                self.rank[self.dims.index(dim)], self.coef[self.dims.index(dim)] = number, coef
            if len(terms) == 2:
                one, two = (self.dims.index(dim) for dim, _ in terms)
                self.partner[one], self.partner[two] = two, one

    def limit(self, level: str, kind: str, dim: str) -> tuple[int, int]:
        """(exact trips or 0, most trips or 0) of a dim at a level."""
        found = self.constraints.get((level, kind))
        if found is None:
            return 0, 0
        return dict(found.fixed).get(dim, 0), dict(found.most).get(dim, 0)

    def fine(self, level: str, kind: str, dim: str, trips: int) -> bool:
        """Whether the constraints allow these trips."""
        exact, most = self.limit(level, kind, dim)
        return (not exact or trips == exact) and (not most or trips <= most)

    def _check_fixed(self) -> None:
        """Dims of bound 1 that a constraint wants more of have no mapping; neither have loops where none may lie."""
        for (level, kind), constraint in self.constraints.items():
            number = self.machine.index(level)
            plain = kind == "temporal" and not (number < 2 or number in self.layout.inside)
            plain = plain or (kind == "spatial" and number not in (self.layout.cols, self.layout.rows))
            for dim, trips in constraint.fixed:
                if trips > 1 and (plain or dim not in self.dims):
                    why = "its bound is 1" if dim not in self.dims else "the search puts no loops there"
                    raise InputError(f"constraint {level} {kind}: {dim} = {trips}, but {why}")

    def _splits(self, number: int, axis: str) -> Ints:
        """All spatial trips of one axis."""
        if number < 0:
            return np.ones((1, len(self.dims)), np.int64)
        level = self.machine.levels[number]
        most = level.cols if axis == "cols" else level.rows
        found: list[tuple[int, ...]] = [()]
        for dim, bound in zip(self.dims, self.bounds, strict=True):
            fitting = [n for n in divisors(int(bound)) if n <= most and self.fine(level.name, "spatial", dim, n)]
            found = [(*head, n) for head in found for n in fitting if prod(head) * n <= most]
        if not found:
            raise InputError(f"constraint {level.name} spatial: no factors fit {most} instances and the bounds")
        return np.array(found, np.int64).reshape(len(found), len(self.dims))

    def _tiles(self) -> None:
        """PE tiles with their interiors."""
        inside = [self.machine.levels[n] for n in self.layout.inside]
        limited = any(self.limit(lv.name, "temporal", dim) != (0, 0) for lv in inside for dim in self.dims)
        ordered = any((c := self.constraints.get((lv.name, "temporal"))) and (c.inner or c.outer) for lv in inside)
        self.free = not limited and not ordered and self._one_interior(inside)
        if self.free:
            self._free_interiors(inside)
        else:
            self._all_interiors(inside)
        if not len(self.tiles):
            raise InputError(f"{self.machine.name}: no tile fits a PE under the constraints")

    def _one_interior(self, inside: list[StorageLevel]) -> bool:
        """Whether the best interior is the same for all purposes: Weights outside Outputs, and large enough."""
        inputs, weights, outputs = inside
        if weights.keeps != ("Weights",) or weights.words is None or inputs.words is None or outputs.words is None:
            return False
        plain = all(self.rel[0, d] or not self.rel[1, d] or self.rel[2, d] for d in range(len(self.dims)))
        return plain and weights.words >= inputs.words * outputs.words

    def _free_interiors(self, inside: list[StorageLevel]) -> None:
        """Every tile whose Inputs fit, with its best interior."""
        grids = np.meshgrid(*(np.array(divisors(int(b)), np.int64) for b in self.bounds), indexing="ij")
        tiles = np.stack([grid.ravel() for grid in grids], axis=1) if grids else np.ones((1, 0), np.int64)
        words = np.stack([self._box(tiles), self._words(1, tiles), self._words(2, tiles)], axis=1)
        rooms = np.array([level.words for level in inside], np.int64)
        fit = words[:, 0] <= rooms[0]
        self.tiles, self.words = tiles[fit], words[fit]
        self.fits = (self.words <= rooms).astype(np.int64)

    def _box(self, tiles: Ints) -> Ints:
        words = np.ones(len(tiles), np.int64)
        for axis in range(self.axes):
            mine = self.rank == axis
            words *= 1 + ((tiles[:, mine] - 1) * self.coef[mine]).sum(axis=1)
        return words

    def _words(self, operand: int, tiles: Ints) -> Ints:
        found: Ints = np.prod(tiles[:, self.rel[operand] == 1], axis=1, dtype=np.int64)
        return found

    def _all_interiors(self, inside: list[StorageLevel]) -> None:
        """Every way to spread loops over the stores of a PE that the constraints allow, best ones by tile."""
        options = [self._chains(inside, dim, int(bound)) for dim, bound in zip(self.dims, self.bounds, strict=True)]
        if prod(len(option) for option in options) > MOST_INTERIORS:
            raise InputError(
                f"{self.machine.name}: more than {MOST_INTERIORS} ways to fill a PE; constrain its stores, or free all "
                "with room for Inputs x Outputs among the Weights"
            )
        best: dict[tuple[int, ...], list[tuple[Ints, Ints, Interior]]] = {}
        for chain in product(*options):
            for words, fits, interior in self._interiors(inside, chain):
                tile = tuple(prod(trips) for trips in chain)
                mine = best.setdefault(tile, [])
                if any((w <= words).all() and (f >= fits).all() for w, f, _ in mine):
                    continue
                mine[:] = [e for e in mine if not ((words <= e[0]).all() and (fits >= e[1]).all())]
                mine.append((words, fits, interior))
        found = [(tile, *entry) for tile, entries in best.items() for entry in entries]
        count = len(found)
        self.tiles = np.array([tile for tile, *_ in found], np.int64).reshape(count, len(self.dims))
        self.words = np.array([words for _, words, _, _ in found], np.int64).reshape(count, 3)
        self.fits = np.array([fits for _, _, fits, _ in found], np.int64).reshape(count, 3)
        self.interiors = [interior for _, _, _, interior in found]

    def _chains(self, inside: list[StorageLevel], dim: str, bound: int) -> list[tuple[int, ...]]:
        """Trips of a dim at the three stores."""
        found: list[tuple[int, ...]] = [()]
        for level in inside:
            found = [
                (*head, n)
                for head in found
                for n in divisors(bound // prod(head))
                if self.fine(level.name, "temporal", dim, n)
            ]
        return found

    def _interiors(
        self, inside: list[StorageLevel], chain: tuple[tuple[int, ...], ...]
    ) -> Iterator[tuple[Ints, Ints, Interior]]:
        """(words, fits, loops) of a chain in every order that matters; nothing if a tile does not fit its store."""
        trips = np.array(chain, np.int64).reshape(len(self.dims), 3)
        stored = [OPERANDS.index(level.keeps[0]) for level in inside]
        sizes = np.empty(3, np.int64)
        for place, (operand, level) in enumerate(zip(stored, inside, strict=True)):
            tile = trips[:, place:].prod(axis=1)[None, :]
            sizes[operand] = (self._box(tile) if operand == 0 else self._words(operand, tile))[0]
            if level.words is not None and sizes[operand] > level.words:
                return
        per_level = [self._orders(inside[place], trips[:, place], place < 2) for place in range(3)]
        for loops in product(*per_level):
            words, fits = sizes.copy(), np.ones(3, np.int64)
            for place in (1, 2):
                operand = stored[place]
                outside = [(self.dims.index(d), n) for level in loops[:place] for d, n in level]
                moving = [i for i, (d, _) in enumerate(outside) if self.rel[operand, d]]
                if moving:
                    fits[operand] = 0
                    words[operand] *= prod(n for _, n in outside[: moving[-1] + 1])
            yield words, fits, Interior(loops)

    def _orders(self, level: StorageLevel, trips: Ints, every: bool) -> list[tuple[tuple[str, int], ...]]:
        """Loops of one level outer to inner, in every order that its constraint allows; `every` False: in one."""
        loops = [(dim, int(n)) for dim, n in zip(self.dims, trips, strict=True) if n > 1]
        constraint = self.constraints.get((level.name, "temporal"))
        ranked = sorted(loops, key=lambda loop: -constraint.rank(loop[0])) if constraint else loops
        if not every:
            return [tuple(ranked)]
        places = [-constraint.rank(dim) if constraint else 0 for dim, _ in ranked]
        return [
            order
            for order in permutations(ranked)
            if [-constraint.rank(dim) if constraint else 0 for dim, _ in order] == places
        ]

    def interior(self, number: int) -> Interior:
        """The loops of a tile."""
        if not self.free:
            return self.interiors[number]
        trips = [(dim, int(n)) for dim, n in zip(self.dims, self.tiles[number], strict=True) if n > 1]
        if self.fits[number, 2]:
            return Interior(((), (), tuple(trips)))
        moved = {dim: (self.rel[1, d], self.rel[2, d]) for d, dim in enumerate(self.dims)}
        inner = tuple(loop for loop in trips if not moved[loop[0]][1])
        middle = tuple(loop for loop in trips if moved[loop[0]] == (0, 1))
        outer = tuple(loop for loop in trips if moved[loop[0]] == (1, 1))
        return Interior(((), outer + middle, inner) if self.fits[number, 1] else (outer, middle, inner))

    def _outer(self) -> None:
        """Allowed trips and order of the two shared levels, and the permutations of their loops."""
        count, most = len(self.dims), int(self.bounds.max(initial=1))
        self.allowed = np.ones((2, count, most + 1), np.int64)
        self.order = np.zeros((2, count), np.int64)
        for number in range(2):
            name = self.machine.levels[1 - number].name
            constraint = self.constraints.get((name, "temporal"))
            for d, dim in enumerate(self.dims):
                if self.limit(name, "temporal", dim) != (0, 0):
                    self.allowed[number, d] = [self.fine(name, "temporal", dim, n) for n in range(most + 1)]
                self.order[number, d] = constraint.rank(dim) if constraint else 0
        rows: list[tuple[int, ...]] = []
        start = [0]
        for n in range(count + 1):
            rows += [(*order, *range(n, count), 0) for order in permutations(range(n))]
            start.append(len(rows))
        rows += [(0,) * (count + 1)] * (len(start) - len(rows))
        self.perms = np.array(rows, np.int64).reshape(len(rows), count + 1)
        self.perms[: len(start), count] = start

    def arrays(self, most_evaluations: int) -> tuple[Ints, Ints, Ints]:
        """m, g and w of `kernels`."""
        dims = len(self.dims)
        m, g, w = pack(self), np.zeros((10, max(1, dims)), np.int64), np.zeros((kernels.ROWS, 2 * dims + 8), np.int64)
        m[kernels.KEEP : kernels.KEEP + 3] = [name in self.machine.levels[1].keeps for name in OPERANDS]
        m[kernels.KNOWN : kernels.KNOWN + 4] = self.known
        m[kernels.ROOM], m[kernels.MOST] = self.machine.levels[1].words or 0, most_evaluations
        m[kernels.AXES], m[kernels.DIMS] = self.axes, dims
        g[:3, :dims], g[kernels.RANK, :dims], g[kernels.COEF, :dims] = self.rel, self.rank, self.coef
        g[kernels.PARTNER, :dims] = self.partner
        g[kernels.BOUND, :dims], g[kernels.ORDER : kernels.ORDER + 2, :dims] = self.bounds, self.order
        return m, g, w


def exact_words(axis: Axis, problem: Problem) -> int:
    """Different indices along an axis that the problem touches, stride gaps left out, padding counted."""
    size = axis.span({dim: problem.bound[dim] for dim in axis.dims})
    whole = Axis(axis.terms, size)
    return whole.mask({dim: (0, problem.bound[dim]) for dim in axis.dims}).bit_count()


def units_of(machine: StorageMachine) -> tuple[int, int]:
    """(unit of access energies, unit of what is left of leakage) in zJ; the second divides the first."""
    accesses = [machine.compute_zj, *(e for level in machine.levels for e in (level.read_zj, level.write_zj))]
    unit = gcd(*accesses) or 1
    return unit, gcd(unit, *(level.leak_zj for level in machine.levels))


def pack(space: Space) -> Ints:
    """The machine in the order that `kernels.price` reads."""
    machine, unit, layout = space.machine, space.unit, space.layout
    m = np.zeros(60, np.int64)

    def store(level: StorageLevel) -> list[int]:
        read, write = level.read_words_per_cycle, level.write_words_per_cycle
        return [
            level.read_zj // unit, level.write_zj // unit, level.block_words,
            *((read.numerator, read.denominator) if read else (0, 1)),
            *((write.numerator, write.denominator) if write else (0, 1)),
        ]  # fmt: skip

    outer, shared = machine.levels[:2]
    m[0:3] = store(outer)[:3]
    m[35:39] = store(outer)[3:]
    m[3:10] = store(shared)
    for number, position in enumerate(layout.stores):
        m[10 + 7 * number : 17 + 7 * number] = store(machine.levels[position])
    blocks = [machine.levels[n].block_words for n in (0, 1, *layout.stores)]
    m[kernels.SHIFT : kernels.SHIFT + 5] = [b.bit_length() - 1 if b & (b - 1) == 0 else -1 for b in blocks]
    m[31] = machine.compute_zj // unit
    for position, level in enumerate(machine.levels):
        after_cols = layout.cols >= 0 and position > layout.cols
        after_rows = layout.rows >= 0 and position > layout.rows
        m[34 if after_rows else 33 if after_cols else 32] += level.leak_zj // space.rest
    m[kernels.REST] = unit // space.rest
    return m
