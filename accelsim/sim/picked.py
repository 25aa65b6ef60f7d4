"""A few passes that stand for all: of every loop, the first and last indices, those near a border, and one between.

Away from borders a step of a loop shifts every tile by the same distance, so passes between are alike: same words, same
times. Picked passes know their true neighbours, so first visits, halos, edges and wraps are those of the whole nest.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from accelsim.mapping import Mapping
from accelsim.sim.passes import Ints, Passes, Picked


@dataclass(frozen=True)
class LoopRange:
    """A loop outside the passes.

    Attributes:
        dim, trips, step: of the loop; step in tiles of a pass. low, high: the first and last index of those that are
            alike (none if low > high); the loop is picked at every index but these, and at `low`.
    """

    dim: str
    trips: int
    step: int
    low: int
    high: int

    @property
    def picked(self) -> list[int]:
        """Indices that are picked."""
        if self.high <= self.low:
            return list(range(self.trips))
        return [*range(self.low + 1), *range(self.high + 1, self.trips)]

    @property
    def times(self) -> list[int]:
        """How many indices each picked one stands for."""
        alike = self.high - self.low + 1
        return [alike if self.high > self.low and i == self.low else 1 for i in self.picked]


@dataclass(frozen=True)
class Nest:
    """The loops outside the passes, outer to inner, and the passes picked: the product of their indices, in order."""

    ranges: tuple[LoopRange, ...]
    passes: Passes

    @property
    def shape(self) -> tuple[int, ...]:
        """Picked indices of every loop."""
        return tuple(len(r.picked) for r in self.ranges)

    @property
    def count(self) -> int:
        """All passes."""
        return prod(r.trips for r in self.ranges)

    @property
    def times(self) -> Ints:
        """How many passes each picked one stands for."""
        found = np.ones(1, np.int64)
        for r in self.ranges:
            found = np.multiply.outer(found, np.array(r.times, np.int64)).reshape(-1)
        return found


def _borders(mapping: Mapping) -> dict[str, tuple[int, int]]:
    """Per dim: how many of its first and last iterations can touch a border of some axis."""
    bound = mapping.problem.bound
    found = dict.fromkeys(bound, (0, 0))
    for operand in mapping.problem.operands:
        for axis in mapping.crossing(operand, "DRAM").axes:
            most = axis.offset + sum(coef * (bound[dim] - 1) for dim, coef in axis.terms)
            for dim, coef in axis.terms:
                low, high = -(min(0, axis.offset) // coef), -(min(0, axis.size - 1 - most) // coef)
                found[dim] = max(found[dim][0], low), max(found[dim][1], high)
    return found


def loop_ranges(mapping: Mapping) -> tuple[LoopRange, ...] | None:
    """The loops outside the passes; None if they do not split every dim evenly into pass tiles."""
    position, bound = mapping.position("stream"), mapping.problem.bound
    borders = _borders(mapping)
    inner = {dim: min(bound[dim], mapping.tile_step(dim, position)) for dim in bound}
    tiles = {dim: -(-bound[dim] // inner[dim]) for dim in bound}
    found, left = [], dict(tiles)
    for loop in mapping.temporal[:position]:
        if loop.trips == 1:
            continue
        if left[loop.dim] % loop.trips:
            return None
        left[loop.dim] //= loop.trips
        step, slack = left[loop.dim], tiles[loop.dim] * inner[loop.dim] - bound[loop.dim]
        low, high = borders[loop.dim]
        size = step * inner[loop.dim]
        near, far = -(-low // size), -(-(slack + high) // size)
        found.append(LoopRange(loop.dim, loop.trips, step, near + 1, loop.trips - 2 - far))
    return tuple(found) if all(rest == 1 for rest in left.values()) else None


def pick(mapping: Mapping, most: int) -> Nest | None:
    """The nest with its picked passes; None if its loops do not split every dim evenly, or more are picked."""
    ranges = loop_ranges(mapping)
    if ranges is None or prod(len(r.picked) for r in ranges) > most:
        return None
    trips = np.array([r.trips for r in ranges], np.int64)
    grids = np.meshgrid(*(np.array(r.picked, np.int64) for r in ranges), indexing="ij")
    digits = np.stack([g.reshape(-1) for g in grids], axis=1) if ranges else np.zeros((1, 0), np.int64)
    places = tuple(place for place, loop in enumerate(mapping.temporal[: mapping.position("stream")]) if loop.trips > 1)
    after = _step(digits, trips, 1)
    numbers = [_numbers(ranges, at) for at in (digits, _step(digits, trips, -1), after)]
    tiles = {dim: np.unique(np.concatenate([found[dim] for found in numbers])) for dim in numbers[0]}
    numbers = [{dim: np.searchsorted(tiles[dim], found[dim]) for dim in tiles} for found in numbers]
    picked = Picked(numbers[1], numbers[2], tiles, digits, after, trips, places)
    return Nest(ranges, Passes(mapping, len(digits), numbers[0], mapping.position("stream"), picked))


def _numbers(ranges: tuple[LoopRange, ...], digits: Ints) -> dict[str, Ints]:
    """Tile number per dim at these indices of the loops."""
    found: dict[str, Ints] = {}
    for place, r in enumerate(ranges):
        found[r.dim] = found.get(r.dim, np.zeros(len(digits), np.int64)) + digits[:, place] * r.step
    return found


def _step(digits: Ints, trips: Ints, by: int) -> Ints:
    """Indices one pass on (1) or back (-1) in program order; the very last and first stay."""
    found, moving = digits.copy(), np.ones(len(digits), np.bool_)
    for place in range(len(trips) - 1, -1, -1):
        end = trips[place] - 1 if by > 0 else 0
        wraps = moving & (digits[:, place] == end)
        found[moving & ~wraps, place] += by
        found[wraps, place] = trips[place] - 1 - end
        moving = wraps
    found[moving] = digits[moving]
    return found
