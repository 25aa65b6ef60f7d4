"""The points of a sweep that are known before it runs: the grid or a sample, numbered, all of them or a shard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from accelsim.errors import InputError
from accelsim.space.quantity import Scalar
from accelsim.space.sampling import latin_hypercube, random_cube
from accelsim.space.spec import SweepSpec
from accelsim.space.types import Interval

Point = tuple[int, dict[str, Scalar]]


@dataclass(frozen=True)
class Shard:
    """Every `of`-th point from `index` on.

    Raises:
        InputError: not 0 <= index < of.
    """

    index: int = 0
    of: int = 1

    def __post_init__(self) -> None:
        if self.of < 1 or not 0 <= self.index < self.of:
            raise InputError(f"shard {self.index} of {self.of}, expected an index from 0 to {max(self.of - 1, 0)}")

    def size(self, total: int) -> int:
        """Its share of so many points."""
        return len(range(self.index, total, self.of))


WHOLE = Shard()


def known(spec: SweepSpec) -> bool:
    """Whether points are known beforehand (grid and samples), or chosen by what was found so far."""
    return spec.search.mode in ("grid", "random", "latin_hypercube")


def total(spec: SweepSpec) -> int:
    """Points of the sweep."""
    return spec.space.size if spec.search.mode == "grid" else spec.search.points


def draw(spec: SweepSpec, shard: Shard = WHOLE) -> Iterator[Point]:
    """Numbered points of a grid or sample; numbers do not depend on the shard."""
    space, search = spec.space, spec.search
    numbers = range(shard.index, total(spec), shard.of)
    if search.mode == "grid":
        yield from ((number, space.grid_point(number)) for number in numbers)
        return
    make = latin_hypercube if search.mode == "latin_hypercube" else random_cube
    cube = make(search.points, len(space.dimensions), search.seed)
    yield from ((number, space.sampled_point(cube[number].tolist())) for number in numbers)


def probes(spec: SweepSpec) -> Iterator[dict[str, Scalar]]:
    """One point per value of each dimension, the others at their first: enough to see a wrong value early."""
    firsts = {k: v for dimension in spec.space.dimensions for k, v in dimension.at(0.0).items()}
    for dimension in spec.space.dimensions:
        if isinstance(dimension.values, Interval):
            yield {**firsts, **dimension.at(0.0)}
            yield {**firsts, **dimension.at(1.0)}
        else:
            yield from ({**firsts, **dimension.number(k)} for k in range(len(dimension.values)))
