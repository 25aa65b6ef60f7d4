"""Detection operators: pooling of regions and suppression of overlapping boxes. Reads depend on the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, floor, prod

from accelsim.errors import InputError
from accelsim.layers.base import Layer, Shape, positive
from accelsim.layers.work import Gather, VectorWork, WorkItem


@dataclass(frozen=True)
class _Region(Layer):
    out_size: tuple[int, int]
    scale: float = 1.0

    def __post_init__(self) -> None:
        positive(self, out_size=self.out_size)

    def _channels(self, channels: int) -> int:
        return channels

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(R, C, out rows, out columns) for a map (N, C, H, W) and regions (R, 5)."""
        if len(inputs) != 2 or len(inputs[0]) != 4 or len(inputs[1]) != 2 or inputs[1][1] != 5:
            raise InputError(
                f"{self.op} takes a map (N, C, H, W) and regions (R, 5) of (image, x1, y1, x2, y2), "
                f"given {', '.join(str(s) for s in inputs)}"
            )
        return inputs[1][0], self._channels(inputs[0][1]), *self.out_size

    def _gather(self, inputs: Sequence[Shape], least: int, most: int, ops: int) -> tuple[WorkItem, ...]:
        out = prod(self.output_shape(inputs))
        return (
            Gather(
                self.op, prod(inputs[0]), prod(inputs[1]), out, least, most, ops, rows=self.output_shape(inputs)[1]
            ),
        )  # fmt: skip


@dataclass(frozen=True)
class RoIPool(_Region):
    """Largest element of each of `out_size` bins of a region, corners rounded to whole positions (Fast R-CNN, Girshick,
    ICCV 2015, section 2.1). Bounds: every bin reads one word at least and the whole map at most, all bins of a region
    together at most the map and a shared row and column per bin."""

    op = "roi_pool"

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Gather`."""
        _n, c, h, w = inputs[0]
        rows, cols = self.out_size
        most = inputs[1][0] * c * (h + rows) * (w + cols)
        return self._gather(inputs, 0, most, most)


@dataclass(frozen=True)
class PSRoIPool(_Region):
    """Position-sensitive pooling (R-FCN, Dai et al., arXiv 1605.06409, equation 1): bin (i, j) of output channel c is
    the mean of map channel `c k k + i k + j` over the bin."""

    op = "ps_roi_pool"

    def _channels(self, channels: int) -> int:
        bins = prod(self.out_size)
        if channels % bins:
            raise InputError(f"{self.op}: {channels} channels do not divide into {bins} bins")
        return channels // bins

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Gather`."""
        h, w = inputs[0][2:]
        rows, cols = self.out_size
        most = inputs[1][0] * self.output_shape(inputs)[1] * (h + rows) * (w + cols)
        return self._gather(inputs, 0, most, most + prod(self.output_shape(inputs)))


@dataclass(frozen=True)
class RoIAlign(_Region):
    """Mean (or with `largest`, maximum) of `ratio x ratio` bilinear samples per bin (Mask R-CNN, He et al., arXiv
    1703.06870, section 3); `ratio` 0 takes one sample per position of the map. With `half_pixel` positions are half a
    pixel lower."""

    ratio: int = 2
    largest: bool = False
    half_pixel: bool = True
    op = "roi_align"

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Gather`: four reads per sample."""
        h, w = inputs[0][2:]
        rows, cols = self.out_size
        each = self.ratio**2 if self.ratio else -(-h // rows) * -(-w // cols)
        samples = prod(self.output_shape(inputs)) * each
        return self._gather(inputs, 0, 4 * samples, 8 * samples)


@dataclass(frozen=True)
class NMS(Layer):
    """Greedy suppression per image and class: of boxes (N, B, 4) and scores (N, K, B), the best first, a box is kept if
    it overlaps no kept one by more than `threshold` (intersection over union) and scores above `least`.

    Output (`most` N K, 3): (image, class, box) of the kept ones in order, filled up with -1 (ONNX NonMaxSuppression).
    Operations: at most `most` comparisons of every box, 16 each (assumed).
    """

    most: int
    threshold: float = 0.5
    least: float = float("-inf")
    centre: bool = False
    op = "nms"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(`most` N K, 3), no more than there are boxes."""
        positive(self, most=self.most)
        if len(inputs) != 2 or len(inputs[0]) != 3 or len(inputs[1]) != 3 or inputs[0][2] != 4:
            raise InputError(f"nms takes boxes (N, B, 4) and scores (N, K, B), given {', '.join(map(str, inputs))}")
        (n, boxes, _), (images, classes, scores) = inputs
        if n != images or boxes != scores:
            raise InputError(f"nms: boxes {inputs[0]} and scores {inputs[1]} do not match")
        return n * classes * min(self.most, boxes), 3

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork`; all boxes of the network must fit on chip."""
        (n, boxes, _), (_, classes, _) = inputs
        kept = min(self.most, boxes)
        ops = 16 * n * classes * kept * boxes
        out = prod(self.output_shape(inputs))
        return (VectorWork(self.op, tuple(prod(s) for s in inputs), out, ops),)


def _rounded(value: float) -> int:
    """Half away from zero, as C's `round`."""
    return floor(value + 0.5) if value >= 0 else ceil(value - 0.5)


def pool_bins(
    layer: RoIPool, region: Sequence[float], height: int, width: int
) -> Iterator[tuple[int, int, slice, slice]]:
    """(i, j, rows, columns) of every bin of a rounded region."""
    x1, y1, x2, y2 = (_rounded(float(v) * layer.scale) for v in region[1:])
    tall, wide = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)
    rows, cols = layer.out_size
    for i, j in product(range(rows), range(cols)):
        top, bottom = (min(max(k + y1, 0), height) for k in (floor(i * tall / rows), ceil((i + 1) * tall / rows)))
        left, right = (min(max(k + x1, 0), width) for k in (floor(j * wide / cols), ceil((j + 1) * wide / cols)))
        yield i, j, slice(top, bottom), slice(left, right)


def ps_bins(
    layer: PSRoIPool, region: Sequence[float], height: int, width: int
) -> Iterator[tuple[int, int, slice, slice]]:
    """(i, j, rows, columns) of every bin of a region whose edges are rounded and whose end is exclusive by one."""
    x1, y1 = (_rounded(float(v)) * layer.scale for v in region[1:3])
    x2, y2 = ((_rounded(float(v)) + 1) * layer.scale for v in region[3:])
    tall, wide = max(y2 - y1, 0.1), max(x2 - x1, 0.1)
    rows, cols = layer.out_size
    for i, j in product(range(rows), range(cols)):
        top, bottom = (floor(i * tall / rows + y1), ceil((i + 1) * tall / rows + y1))
        left, right = (floor(j * wide / cols + x1), ceil((j + 1) * wide / cols + x1))
        top, bottom = (min(max(k, 0), height) for k in (top, bottom))
        left, right = (min(max(k, 0), width) for k in (left, right))
        yield i, j, slice(top, bottom), slice(left, right)


def sample_points(layer: RoIAlign, region: Sequence[float]) -> Iterator[tuple[int, int, list[tuple[float, float]]]]:
    """(i, j, positions) of the samples of every bin."""
    shift = 0.5 if layer.half_pixel else 0.0
    x1, y1, x2, y2 = (float(v) * layer.scale - shift for v in region[1:])
    tall, wide = y2 - y1, x2 - x1
    if not layer.half_pixel:
        tall, wide = max(tall, 1.0), max(wide, 1.0)
    rows, cols = layer.out_size
    high, broad = tall / rows, wide / cols
    down, across = layer.ratio or ceil(high), layer.ratio or ceil(broad)
    for i, j in product(range(rows), range(cols)):
        yield (
            i,
            j,
            [
                (y1 + i * high + (a + 0.5) * high / down, x1 + j * broad + (b + 0.5) * broad / across)
                for a, b in product(range(down), range(across))
            ],
        )
