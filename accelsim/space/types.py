"""A design space: dimensions that vary on their own, values derived from them, constraints on what is left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from accelsim.errors import InputError
from accelsim.space.expression import Expression
from accelsim.space.quantity import Quantity, Scalar, shown

Mode = Literal["grid", "random", "latin_hypercube", "nsga2", "tpe"]
MODES: tuple[Mode, ...] = ("grid", "random", "latin_hypercube", "nsga2", "tpe")
LARGEST_GRID = 10**9


@dataclass(frozen=True)
class Interval:
    """All values between two ends.

    Attributes:
        low, high: the ends, included, of one kind. unit: for showing values. log: equal ratios are equally likely.
        whole: only whole numbers of `grain`. grain: in base units; values are rounded to it if it is not 0.
    """

    low: Quantity
    high: Quantity
    unit: str = ""
    log: bool = False
    grain: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        if self.low.base != self.high.base:
            raise InputError(f"range from {self.low.kind} to {self.high.kind}, expected the same kind")
        if self.low.value > self.high.value:
            raise InputError("range whose end lies below its start")
        if self.log and self.low.value <= 0:
            raise InputError("log scale from a start that is not positive")

    def at(self, share: float) -> Scalar:
        """The value at a share of the way, 0 to 1."""
        low, high = self.low.value, self.high.value
        if self.log:
            value = low * Fraction(math.exp(share * math.log(high / low)))
        else:
            value = low + (high - low) * Fraction(share)
        return self.rounded(value)

    def rounded(self, value: Fraction) -> Scalar:
        """A value on the grain, within the ends."""
        if self.grain:
            value = round(value / self.grain) * self.grain
        elif not self.low.base:
            value = Fraction(repr(float(value)))
        return shown(Quantity(min(max(value, self.low.value), self.high.value), self.low.base), self.unit)


@dataclass(frozen=True)
class Dimension:
    """Parameters that move together, and their values: rows of one value per name, or an interval for one name."""

    names: tuple[str, ...]
    values: tuple[tuple[Scalar, ...], ...] | Interval

    @property
    def size(self) -> int | None:
        """Number of values; None for an interval."""
        return None if isinstance(self.values, Interval) else len(self.values)

    def at(self, share: float) -> dict[str, Scalar]:
        """The values at a share of the way, 0 to below 1."""
        if isinstance(self.values, Interval):
            return {self.names[0]: self.values.at(share)}
        return self.number(min(int(share * len(self.values)), len(self.values) - 1))

    def number(self, index: int) -> dict[str, Scalar]:
        """The values at an index."""
        assert not isinstance(self.values, Interval)
        return dict(zip(self.names, self.values[index], strict=True))


@dataclass(frozen=True)
class Derived:
    """A value computed at every point."""

    name: str
    expression: Expression


@dataclass(frozen=True)
class Goal:
    """A figure to make small, or large."""

    figure: str
    largest: bool = False

    @property
    def text(self) -> str:
        """As in a sweep file."""
        return f"max {self.figure}" if self.largest else self.figure


@dataclass(frozen=True)
class Space:
    """Dimensions, derived values in the order in which they can be computed, constraints."""

    dimensions: tuple[Dimension, ...]
    derived: tuple[Derived, ...] = ()
    constraints: tuple[Expression, ...] = ()

    def __post_init__(self) -> None:
        names = [name for dimension in self.dimensions for name in dimension.names]
        names += [derived.name for derived in self.derived]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"{twice[0]} is set more than once")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all parameters that a point states."""
        return tuple(name for dimension in self.dimensions for name in dimension.names)

    @property
    def size(self) -> int:
        """Points of the full grid.

        Raises:
            InputError: a dimension is an interval without steps.
        """
        sizes = []
        for dimension in self.dimensions:
            if dimension.size is None:
                raise InputError(
                    f"{dimension.names[0]}: a range without step, factor or points has no grid; state one of them, or "
                    "sample it (search: {mode: random, points: 100})"
                )
            sizes.append(dimension.size)
        total = math.prod(sizes)
        if total > LARGEST_GRID:
            raise InputError(f"a grid of {total:,} points, expected at most {LARGEST_GRID:,}")
        return total

    def grid_point(self, number: int) -> dict[str, Scalar]:
        """A point of the full grid; the last dimension runs fastest."""
        found: list[dict[str, Scalar]] = []
        for dimension in reversed(self.dimensions):
            assert dimension.size is not None
            number, index = divmod(number, dimension.size)
            found.append(dimension.number(index))
        return {name: value for part in reversed(found) for name, value in part.items()}

    def sampled_point(self, shares: Sequence[float]) -> dict[str, Scalar]:
        """The point at a place of the unit cube, one share per dimension."""
        parts = [dimension.at(share) for dimension, share in zip(self.dimensions, shares, strict=True)]
        return {name: value for part in parts for name, value in part.items()}
