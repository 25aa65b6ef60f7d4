"""Mapping: one problem as a loop nest on one machine, from DRAM to the arithmetic.

The nest, outer to inner::

    for ... loops of DRAM          # each step brings the next tile of every on-chip memory
      for ... loops of GLB         # ... one TileLevel per memory, outer to inner; one step is an array pass
        for ... stream loops       # steps inside a pass: operands stream through the array
          parallel ... spatial     # rows, cols, both at once (diagonal), or two in a band
            for ... PE loops       # over the scratchpads of one PE

A dim may be split at every level. Trips need not divide: the tile at a loop is the product of the trips inside
it, and the last tile of a dim is whatever is left (an exact edge tile).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Literal

from accelsim.arch import ArrayAxis, Dataflow
from accelsim.errors import MappingError
from accelsim.mapping.bands import TAPS, Band, bands_among
from accelsim.mapping.shares import Share, check_shares
from accelsim.problem import DIMS, Operand, Problem

Kind = Literal["temporal", "row", "col", "diagonal", "band"]


@dataclass(frozen=True)
class Loop:
    """`trips` iterations over `dim`, in time or along an array axis (`diagonal`: along both at once; `band`: one of the
    two loops of `mapping.bands`)."""

    dim: str
    trips: int
    kind: Kind = "temporal"

    def __post_init__(self) -> None:
        if self.dim not in DIMS:
            raise MappingError(f"loop over {self.dim!r}: expected a dim of {' '.join(DIMS)}")
        if self.trips < 1:
            raise MappingError(f"loop over {self.dim}: {self.trips} trips, expected at least 1")


@dataclass(frozen=True)
class TileLevel:
    """The temporal loops that step through the tiles supplied by one memory."""

    memory: str
    loops: tuple[Loop, ...]


@dataclass(frozen=True)
class Step:
    """A temporal loop with its place: `step` is the extent of the dim inside it."""

    dim: str
    trips: int
    step: int
    level: str


@dataclass(frozen=True)
class Digit:
    """A spatial loop with its place: index `k` of it starts at `k * step` of the dim."""

    dim: str
    trips: int
    step: int
    kind: Kind

    @property
    def axes(self) -> tuple[ArrayAxis, ...]:
        """Array axes the loop occupies: in a band the outputs lie along columns, the taps down the rows of each."""
        if self.kind == "diagonal":
            return ("row", "col")
        down = self.dim not in TAPS if self.kind == "band" else self.kind == "row"
        return ("row",) if down else ("col",)

    def joined(self, shared: tuple[ArrayAxis, ...]) -> bool:
        """True if the PEs along the loop get one word, or sum into one, when those along the `shared` axes do.

        A band brings its own along each row: the words of all its PEs together, each once.
        """
        return set(self.axes) <= set(shared) or (self.kind == "band" and "col" in shared)


@dataclass(frozen=True)
class Mapping:
    """A legal-by-construction loop nest (coverage and order); fit on a machine is `mapping.legality`.

    Attributes:
        levels: temporal loops by memory, outer to inner, DRAM first.
        stream: temporal loops inside an array pass.
        spatial: loops across the array.
        pe: loops inside one PE.
        resident: operands with a region of their own, beside the tiles, in their outermost memory: Inputs and Weights
            are there before the problem begins, finished Outputs stay there. None of their words cross the DRAM link
            (unfinished psums do).
        bypass: (memory, operand) pairs: operands that pass by a memory which may hold them (`arch.choices`).
        partly: shares of Inputs and Outputs that stay so, while the rest crosses the DRAM link (`mapping.shares`).
    """

    problem: Problem
    dataflow: Dataflow
    levels: tuple[TileLevel, ...]
    stream: tuple[Loop, ...] = ()
    spatial: tuple[Loop, ...] = ()
    pe: tuple[Loop, ...] = ()
    resident: frozenset[str] = frozenset()
    bypass: frozenset[tuple[str, str]] = frozenset()
    partly: tuple[Share, ...] = ()

    def __post_init__(self) -> None:
        if not self.levels or self.levels[0].memory != "DRAM":
            raise MappingError("the first level of a mapping is DRAM")
        temporal = [*self.stream, *self.pe, *(loop for level in self.levels for loop in level.loops)]
        if any(loop.kind != "temporal" for loop in temporal) or any(s.kind == "temporal" for s in self.spatial):
            raise MappingError("temporal loops belong to levels, stream and pe; all other loops to spatial")
        for dim, bound in self.problem.bounds:
            mine = [loop.trips for loop in self._flat() if loop.dim == dim]
            covered = prod(mine)
            if covered < bound:
                raise MappingError(f"loops over {dim} cover {covered} of {bound}")
            useful = [trips for trips in mine if trips > 1]
            if useful and (useful[0] - 1) * (covered // useful[0]) >= bound:
                raise MappingError(f"the outermost loop over {dim} has iterations beyond its bound {bound}")
        check_shares(self.partly, self.problem, self.resident)
        _ = self.bands

    def _flat(self) -> Iterator[Loop]:
        for level in self.levels:
            yield from level.loops
        yield from self.stream
        yield from self.spatial
        yield from self.pe

    def share(self, operand: str) -> Share | None:
        """What of an operand stays on chip, if a part of it does."""
        return next((share for share in self.partly if share.operand == operand), None)

    def stays(self, operand: str) -> bool:
        """Is an operand on chip before, or does it stay after, all of it or a part?"""
        return operand in self.resident or self.share(operand) is not None

    def crossing(self, operand: Operand, parent: str) -> Operand:
        """The operand as the link from `parent` down sees it: that from DRAM does not see words that stay in part."""
        share = self.share(operand.name) if parent == "DRAM" else None
        return operand if share is None else share.crossing(operand)

    @cached_property
    def passes(self) -> int:
        """Array passes, those counted too whose tiles are empty: iterations of the loops outside a pass."""
        return prod(loop.trips for level in self.levels for loop in level.loops)

    @cached_property
    def pe_extent(self) -> dict[str, int]:
        """Extent of each dim inside one PE."""
        return {dim: prod(loop.trips for loop in self.pe if loop.dim == dim) for dim in DIMS}

    @cached_property
    def digits(self) -> tuple[Digit, ...]:
        """Spatial loops with their steps, outer to inner."""
        extent = dict(self.pe_extent)
        found: list[Digit] = []
        for loop in reversed(self.spatial):
            found.append(Digit(loop.dim, loop.trips, extent[loop.dim], loop.kind))
            extent[loop.dim] *= loop.trips
        return tuple(reversed(found))

    @cached_property
    def bands(self) -> tuple[Band, ...]:
        """The bands among the spatial loops."""
        return bands_among(self.problem, self.spatial, self.pe)

    @cached_property
    def array_extent(self) -> dict[str, int]:
        """Extent of each dim over the whole array in one stream step."""
        spatial = {dim: prod(loop.trips for loop in self.spatial if loop.dim == dim) for dim in DIMS}
        return {dim: spatial[dim] * self.pe_extent[dim] for dim in DIMS}

    @cached_property
    def temporal(self) -> tuple[Step, ...]:
        """All temporal loops outside the array with more than one trip, outer to inner, with their steps."""
        extent = dict(self.array_extent)
        found: list[Step] = []
        tagged = [(loop, level.memory) for level in self.levels for loop in level.loops]
        tagged += [(loop, "stream") for loop in self.stream]
        for loop, level in reversed(tagged):
            if loop.trips > 1:
                found.append(Step(loop.dim, loop.trips, extent[loop.dim], level))
            extent[loop.dim] *= loop.trips
        return tuple(reversed(found))

    def position(self, level: str) -> int:
        """How many temporal loops lie outside the tile that `level` holds (`stream`: outside a pass; `PE`: all)."""
        if level == "PE":
            return len(self.temporal)
        names = [lv.memory for lv in self.levels] + ["stream"]
        if level not in names:
            raise MappingError(f"mapping has no level {level!r}; it has {', '.join(names)}")
        outer = set(names[: names.index(level)])
        return sum(1 for loop in self.temporal if loop.level in outer)

    def tile_step(self, dim: str, position: int) -> int:
        """Extent of `dim` in the tile inside the first `position` temporal loops (the bound if none splits it)."""
        for loop in reversed(self.temporal[:position]):
            if loop.dim == dim:
                return loop.step
        return self.problem.bound[dim]

    def tile_extents(self, position: int) -> dict[str, int]:
        """Extents of the largest tile inside the first `position` temporal loops."""
        return {dim: min(self.tile_step(dim, position), bound) for dim, bound in self.problem.bounds}

    def occupied(self) -> tuple[int, int]:
        """Rows and columns that the spatial loops span."""
        rows = prod(loop.trips for loop in self.spatial if loop.kind in ("row", "diagonal"))
        cols = prod(loop.trips for loop in self.spatial if loop.kind in ("col", "diagonal"))
        return rows * prod(band.rows for band in self.bands), cols * prod(band.outs for band in self.bands)

    def wire(self, place: tuple[int, ...], shared: tuple[ArrayAxis, ...]) -> tuple[int, ...]:
        """Where the PE with these indices of the spatial loops lies along the axes that are not `shared` by a wire."""
        row, col = self.wires(place)
        return (*(() if "row" in shared else row), *(() if "col" in shared else col))

    def wires(self, place: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The row and the column in which the PE with these indices of the spatial loops lies, as numbers of several
        digits: one per loop, one for both loops of a band."""
        row, col = [], []
        at: dict[str, int] = {}
        for digit, k in zip(self.digits, place, strict=True):
            if digit.kind in ("row", "diagonal"):
                row.append(k)
            if digit.kind in ("col", "diagonal"):
                col.append(k)
            if digit.kind == "band":
                at[digit.dim] = at.get(digit.dim, 0) + k
        for band in self.bands:
            row.append(band.row(at[band.out], at[band.tap]))
            col.append(at[band.out])
        return tuple(row), tuple(col)

    def split_offsets(self, dim: str, shared: tuple[ArrayAxis, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Start offsets of `dim` along unshared and along shared array axes; a PE's offset is one of each, added."""
        mine = [d for d in self.digits if d.dim == dim]
        apart = [d for d in mine if not d.joined(shared)]
        joint = [d for d in mine if d.joined(shared)]

        def sums(digits: list[Digit]) -> tuple[int, ...]:
            ranges = [range(0, d.trips * d.step, d.step) for d in digits]
            return tuple(sum(combo) for combo in product(*ranges))

        return sums(apart), sums(joint)


@dataclass(frozen=True)
class LinkCount:
    """Words of one operand over one link between neighbouring memories, for a whole problem.

    Attributes:
        parent, child: memory names, `DRAM` outermost, `PE` innermost.
        reads: words read at the parent and sent down (Outputs: partial sums reloaded).
        deliveries: words arriving at the child's instances (reads x fan-out).
        sends: words leaving the child's instances upwards (Outputs only).
        psum_writes: words written at the parent that are still partial sums.
        final_writes: words written at the parent that are finished results.
    """

    operand: str
    parent: str
    child: str
    reads: int
    deliveries: int
    sends: int = 0
    psum_writes: int = 0
    final_writes: int = 0
