"""The tile loop of Gemmini's software: one hardware loop per iteration of the mapping's outermost level.

As DOSA's branch of gemmini-rocc-tests runs a mapping (include/gemmini.h, `tiled_conv` and `tiled_matmul` with a
permutation; gemmini-data-collection/layers/extract_data_csv.py):

* a tile is the product of all levels below the outermost one; the outermost level gives the order only, the loops
  run to the layer's own sizes and the last tile of a dimension is smaller;
* rows with Q = R = S = 1 run as matrix products, in whole blocks of 16;
* a convolution is padded by half its kernel and its input is stride x P wide, so an even kernel gives one output
  row and column more than P;
* inputs and weights are loaded again in every iteration, outputs leave in the last iteration of C, R, S.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from accelsim.errors import InputError

DIMS = "NCKPQRS"
INNERMOST_FIRST = "CRSKPQN"
REDUCED = "CRS"
MOST_TILES = 2_000_000


@dataclass(frozen=True)
class Extents:
    """Sizes (or indices) of batch N, channels C, K, output columns P and rows Q, kernel columns R and rows S."""

    N: int = 1
    C: int = 1
    K: int = 1
    P: int = 1
    Q: int = 1
    R: int = 1
    S: int = 1

    def of(self, dim: str) -> int:
        """The size of one dimension."""
        return int(getattr(self, dim))


@dataclass(frozen=True)
class TiledLayer:
    """A layer and how it is cut.

    Attributes:
        sizes: the layer.
        tile: sizes of one tile.
        order: dimensions of the outermost level, outermost loop first; missing ones are put around them.
        stride: in both directions.

    Raises:
        InputError: a size below 1, a dimension twice in the order, a matrix product with a batch, too many tiles.
    """

    sizes: Extents
    tile: Extents
    order: tuple[str, ...] = ()
    stride: int = 1

    def __post_init__(self) -> None:
        for dim in DIMS:
            if self.sizes.of(dim) < 1 or self.tile.of(dim) < 1:
                raise InputError(f"{dim}: size {self.sizes.of(dim)}, tile {self.tile.of(dim)}; expected at least 1")
        if self.stride < 1:
            raise InputError(f"stride {self.stride}, expected at least 1")
        if len(set(self.order)) != len(self.order) or not set(self.order) <= set(DIMS):
            raise InputError(f"loop order {' '.join(self.order)}: expected each of {DIMS} at most once")
        if self.is_matmul and self.sizes.N > 1:
            raise InputError(f"N = {self.sizes.N}: a matrix product on Gemmini has no batch, expected 1")
        if self.count > MOST_TILES:
            raise InputError(f"{self.count} tiles, expected at most {MOST_TILES}")

    @cached_property
    def is_matmul(self) -> bool:
        """Whether the software runs it as a matrix product."""
        return self.sizes.Q == self.sizes.R == self.sizes.S == 1

    @cached_property
    def padding(self) -> int:
        """Zeros around the input (half the kernel columns)."""
        return 0 if self.is_matmul else self.sizes.R // 2

    @cached_property
    def input_width(self) -> int:
        """Columns of the input in memory."""
        return self.sizes.P * (1 if self.is_matmul else self.stride)

    @cached_property
    def input_height(self) -> int:
        """Rows of the input in memory."""
        return self.sizes.Q * (1 if self.is_matmul else self.stride)

    @cached_property
    def computed(self) -> Extents:
        """The sizes that the loops run to."""
        if self.is_matmul:
            return self.sizes
        s, pad = self.sizes, self.padding
        return replace(
            s,
            P=max(1, (self.input_width + 2 * pad - s.R) // self.stride + 1),
            Q=max(1, (self.input_height + 2 * pad - s.S) // self.stride + 1),
        )

    @cached_property
    def step(self) -> Extents:
        """Sizes of a full tile as run: never beyond the layer, whole blocks of 16 in a matrix product."""
        sizes = self.computed
        cut = {dim: min(self.tile.of(dim), sizes.of(dim)) for dim in DIMS}
        if self.is_matmul:
            cut |= {dim: max(1, self.tile.of(dim) // 16) * 16 for dim in "PKC"}
        return Extents(**cut)

    @cached_property
    def loops(self) -> tuple[str, ...]:
        """All seven dimensions, outermost loop first."""
        missing = [dim for dim in INNERMOST_FIRST if dim not in self.order]
        return (*reversed(missing), *self.order)

    @property
    def count(self) -> int:
        """Number of tiles."""
        total = 1
        for dim in DIMS:
            total *= -(-self.computed.of(dim) // self.step.of(dim))
        return total


@dataclass(frozen=True)
class Tile:
    """One iteration: where it starts, how large it is, whether it is the first or last of its outputs."""

    start: Extents
    size: Extents
    first: bool
    last: bool


def tiles(layer: TiledLayer) -> Iterator[Tile]:
    """The iterations in the order the software sends them."""
    sizes, step = layer.computed, layer.step
    loops = layer.loops
    for starts in itertools.product(*(range(0, sizes.of(dim), step.of(dim)) for dim in loops)):
        start = dict(zip(loops, starts, strict=True))
        size = {dim: min(step.of(dim), sizes.of(dim) - start[dim]) for dim in loops}
        yield Tile(
            Extents(**start),
            Extents(**size),
            all(start[dim] == 0 for dim in REDUCED),
            all(start[dim] + step.of(dim) >= sizes.of(dim) for dim in REDUCED),
        )
