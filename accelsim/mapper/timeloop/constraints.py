"""What a search over storage levels may choose: constraints on the loops of a level."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

from accelsim.errors import MappingError
from accelsim.mapping import LevelNest


@dataclass(frozen=True)
class Constraint:
    """Limits on the temporal or spatial loops of one level.

    Attributes:
        fixed: `(dim, trips)` exactly. most: `(dim, trips)` at most.
        inner: dims whose temporal loops are the innermost of the level, innermost first.
        outer: dims whose temporal loops are the outermost of the level, outermost last.
    """

    level: str
    kind: Literal["temporal", "spatial"]
    fixed: tuple[tuple[str, int], ...] = ()
    most: tuple[tuple[str, int], ...] = ()
    inner: tuple[str, ...] = ()
    outer: tuple[str, ...] = ()

    def broken_by(self, nest: LevelNest) -> str:
        """What a nest does against it, empty if nothing."""
        at = next(level for level in nest.levels if level.level == self.level)
        loops = at.temporal if self.kind == "temporal" else at.spatial
        trips = {dim: prod(loop.trips for loop in loops if loop.dim == dim) for dim, _ in nest.problem.bounds}
        for dim, wanted in self.fixed:
            if trips[dim] != wanted:
                return f"{self.level} {self.kind}: {dim} = {trips[dim]}, the constraint says {wanted}"
        for dim, most in self.most:
            if trips[dim] > most:
                return f"{self.level} {self.kind}: {dim} = {trips[dim]}, the constraint says at most {most}"
        if self.kind == "spatial":
            return ""
        order = [loop.dim for loop in reversed(loops) if loop.trips > 1]
        ranks = [self.rank(dim) for dim in order]
        if ranks != sorted(ranks):
            return f"{self.level} temporal: order {''.join(order)}, the constraint says {self.text()}"
        return ""

    def rank(self, dim: str) -> int:
        """Place of a dim among the loops of the level, innermost lowest; dims that are not named share one place."""
        if dim in self.inner:
            return self.inner.index(dim)
        return len(self.inner) + 1 + self.outer.index(dim) if dim in self.outer else len(self.inner)

    def text(self) -> str:
        """The permutation as files write it."""
        return "".join((*self.inner, "*", *self.outer))


def check_constraints(nest: LevelNest, constraints: tuple[Constraint, ...]) -> None:
    """Refuse a nest that breaks a constraint.

    Raises:
        MappingError: the first one it breaks.
    """
    for constraint in constraints:
        found = constraint.broken_by(nest)
        if found:
            raise MappingError(found)
