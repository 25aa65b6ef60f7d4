"""A loop nest over a chain of storage levels with perfect factors (Timeloop's mapping).

The nest, outer to inner, level by level::

    for ... temporal loops of the level   # each step brings the next tiles of the levels inside
      parallel ... spatial loops          # over the instances of the next level inside
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

from accelsim.arch import StorageMachine
from accelsim.errors import MappingError, nearest
from accelsim.mapping.types import Loop
from accelsim.problem import DIMS, Problem


@dataclass(frozen=True)
class LevelLoops:
    """Loops of one level, outer to inner: temporal ones, then `col` and `row` loops over the instances inside."""

    level: str
    temporal: tuple[Loop, ...] = ()
    spatial: tuple[Loop, ...] = ()

    def __post_init__(self) -> None:
        if any(loop.kind != "temporal" for loop in self.temporal):
            raise MappingError(f"{self.level}: temporal loops must be of kind temporal")
        if any(loop.kind not in ("row", "col") for loop in self.spatial):
            raise MappingError(f"{self.level}: spatial loops must be of kind row or col")


@dataclass(frozen=True)
class Placed:
    """A loop with its place: level position (0 outermost) and `step`, the extent of its dim inside it."""

    dim: str
    trips: int
    step: int
    level: int
    kind: str


@dataclass(frozen=True)
class LevelNest:
    """A nest that covers a problem exactly: the trips of each dim multiply to its bound.

    Attributes:
        levels: as many as the machine has, in its order, outer to inner.
    """

    problem: Problem
    levels: tuple[LevelLoops, ...]

    def __post_init__(self) -> None:
        for dim, bound in self.problem.bounds:
            trips = [loop.trips for at in self.levels for loop in (*at.temporal, *at.spatial) if loop.dim == dim]
            if prod(trips) != bound:
                raise MappingError(f"loops over {dim} cover {prod(trips)} of {bound}; factors must multiply to it")

    @cached_property
    def loops(self) -> tuple[Placed, ...]:
        """All loops with more than one trip, outer to inner."""
        extent = dict.fromkeys(DIMS, 1)
        found: list[Placed] = []
        for number in reversed(range(len(self.levels))):
            at = self.levels[number]
            for loop in reversed((*at.temporal, *at.spatial)):
                if loop.trips > 1:
                    found.append(Placed(loop.dim, loop.trips, extent[loop.dim], number, loop.kind))
                extent[loop.dim] *= loop.trips
        return tuple(reversed(found))

    def extents(self, level: int) -> dict[str, int]:
        """Extent of each dim of the tile at a level: all loops at and inside it (`len(levels)`: the arithmetic, 1)."""
        found = dict.fromkeys(DIMS, 1)
        for loop in self.loops:
            if loop.level >= level:
                found[loop.dim] *= loop.trips
        return found

    def instances(self, level: int) -> int:
        """Instances of a level that the mapping uses."""
        return prod(loop.trips for loop in self.loops if loop.kind != "temporal" and loop.level < level)

    @cached_property
    def iterations(self) -> int:
        """Steps of the whole nest in time."""
        return prod(loop.trips for loop in self.loops if loop.kind == "temporal")


def check_nest(nest: LevelNest, machine: StorageMachine) -> None:
    """Refuse a nest whose levels are not the machine's or whose spatial loops exceed its instances.

    Raises:
        MappingError: the first thing that does not fit.
    """
    names = [level.name for level in machine.levels]
    for at in nest.levels:
        if at.level not in names:
            raise MappingError(f"{machine.name} has no level {at.level!r}; {nearest(at.level, names)}")
    if [at.level for at in nest.levels] != names:
        raise MappingError(f"levels of the mapping: {[at.level for at in nest.levels]}, expected {names}")
    for at, level in zip(nest.levels, machine.levels, strict=True):
        for kind, most in (("col", level.cols), ("row", level.rows)):
            used = prod(loop.trips for loop in at.spatial if loop.kind == kind)
            if used > most:
                raise MappingError(f"{at.level}: {used} {kind}s of instances, the machine has {most}")
