"""The array passes of a mapping in program order, all of them or some picked ones. Arrays are indexed by pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from accelsim.mapping import Mapping

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Picked:
    """What picked passes know of the others.

    Attributes:
        prior, after: tiles of the passes before and after each, per dim.
        tiles: per dim, the numbers of the tiles that these passes and their neighbours work on, rising; first and last
            are among them. Numbers of passes are places in it.
        digits, digits_after: index of every loop outside a pass, and in the pass after: (passes, loops).
        trips: of the loops.
        loops: the loops, outer to inner, as places among those of the mapping.
    """

    prior: dict[str, Ints]
    after: dict[str, Ints]
    tiles: dict[str, Ints]
    digits: Ints
    digits_after: Ints
    trips: Ints
    loops: tuple[int, ...]

    @property
    def initial(self) -> NDArray[np.bool_]:
        """The very first pass of all."""
        found: NDArray[np.bool_] = (self.digits == 0).all(axis=1)
        return found

    @property
    def last(self) -> NDArray[np.bool_]:
        """The very last pass of all."""
        found: NDArray[np.bool_] = (self.digits == self.trips - 1).all(axis=1)
        return found

    def ends(self, named: Sequence[int]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Passes at which all loops but the `named` ones (places) are at their first, and at their last index."""
        free = np.array([place not in named for place in self.loops], np.bool_)
        first = (self.digits[:, free] == 0).all(axis=1)
        return first, (self.digits[:, free] == self.trips[free] - 1).all(axis=1)


@dataclass(frozen=True)
class Passes:
    """Passes of a mapping: where each dim stands, as a running number of its pass tiles.

    Attributes:
        number: per dim with more than one pass tile, which of them each pass works on: (passes,).
        position: loops outside a pass.
        picked: these are not all passes in program order, but some, with what is known of their neighbours.

    Whatever a pass does with one dim is a small table over the dim's tiles (`grid`), looked up by `of`.
    """

    mapping: Mapping
    count: int
    number: dict[str, Ints]
    position: int
    picked: Picked | None = None

    def prior(self, dim: str, where: NDArray[np.intp], table: Ints) -> Ints:
        """A table over the dim's tiles at the passes before those at `where`; the very first is its own predecessor."""
        if self.picked is not None:
            found: Ints = table[self.picked.prior[dim][where]]
            return found
        found = table[self.number[dim][np.maximum(0, where - 1)]]
        return found

    @property
    def initial(self) -> NDArray[np.bool_]:
        """The very first pass of all."""
        return np.arange(self.count) == 0 if self.picked is None else self.picked.initial

    @property
    def following(self) -> Passes:
        """Of picked passes, those after each (the very last one stands for itself)."""
        assert self.picked is not None
        moved = replace(self.picked, prior=self.number, digits=self.picked.digits_after)
        return replace(self, number=self.picked.after, picked=moved)

    def grid(self, dim: str) -> Ints:
        """Starts of the dim's pass tiles (of picked passes: of those that occur): (tiles,)."""
        bound = self.mapping.problem.bound[dim]
        step = min(bound, self.mapping.tile_step(dim, self.position))
        if self.picked is not None and dim in self.picked.tiles:
            return self.picked.tiles[dim] * step
        return np.arange(0, bound, step, dtype=np.int64)

    def extents(self, dim: str) -> Ints:
        """Extents of the dim's pass tiles, the edge exact: (tiles,)."""
        grid = self.grid(dim)
        return np.minimum(self.mapping.tile_step(dim, self.position), self.mapping.problem.bound[dim] - grid)

    def of(self, dim: str, table: Ints) -> Ints:
        """A table over the dim's tiles, per pass."""
        if dim not in self.number:
            return np.full(self.count, table[0], table.dtype)
        found: Ints = table[self.number[dim]]
        return found

    def extent(self, dim: str) -> Ints:
        """Extent of `dim` in each pass."""
        return self.of(dim, self.extents(dim))

    def tiles(self, dim: str, position: int) -> Ints:
        """Starts of the dim's tiles inside the first `position` loops, by pass tile: (tiles,)."""
        step = self.mapping.tile_step(dim, position)
        found: Ints = self.grid(dim) // step * step
        return found


def enumerate_passes(mapping: Mapping) -> Passes:
    """All passes in program order: every state of the loops outside the stream whose tiles are not empty."""
    position = mapping.position("stream")
    bound = mapping.problem.bound
    inner = {dim: min(bound[dim], mapping.tile_step(dim, position)) for dim in bound}
    tiles = {dim: -(-bound[dim] // inner[dim]) for dim in bound}
    number: dict[str, Ints] = {dim: np.zeros(1, np.int64) for dim in bound if tiles[dim] > 1}
    size = 1
    for loop in mapping.temporal[:position]:
        if loop.dim not in number:
            continue
        index = np.arange(loop.trips, dtype=np.int64) * (loop.step // inner[loop.dim])
        number = {dim: np.repeat(values, loop.trips) for dim, values in number.items()}
        number[loop.dim] = number[loop.dim] + np.tile(index, size)
        keep = number[loop.dim] < tiles[loop.dim]
        if not keep.all():
            number = {dim: values[keep] for dim, values in number.items()}
        size = number[loop.dim].size
    return Passes(mapping, size, number, position)
