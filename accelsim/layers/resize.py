"""Resampling to another size: nearest, linear, cubic, with every coordinate rule of ONNX's Resize."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, prod

from accelsim.errors import InputError, nearest
from accelsim.layers.base import Layer, Shape, one
from accelsim.layers.work import Gather, Move, WorkItem

MODES = ("nearest", "linear", "cubic")
COORDINATES = (
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize",
)  # fmt: skip
NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


@dataclass(frozen=True)
class Resize(Layer):
    """Every dim resampled from its size to `shape[i]`, dim by dim (ONNX Resize-19; PyTorch's `interpolate`).

    Attributes:
        scales: factor per dim that sets the coordinates; by default the ratio of the sizes.
        mode: `nearest`, `linear` or `cubic` (Keys, 1981, with `cubic_a`).
        coordinates: how an output index becomes an input position (`COORDINATES`).
        nearest: how a position becomes an index (`NEAREST`).
        outside: cubic taps outside the input are left out and the others scaled up.
        antialias: kernels widen when the size shrinks.
        region: (starts..., ends...) per dim in units of the input, for `tf_crop_and_resize`; `fill` lies outside.
    """

    shape: tuple[int, ...]
    scales: tuple[float, ...] = ()
    mode: str = "nearest"
    coordinates: str = "half_pixel"
    nearest: str = "round_prefer_floor"
    cubic_a: float = -0.75
    outside: bool = False
    antialias: bool = False
    region: tuple[float, ...] = ()
    fill: float = 0.0
    op = "resize"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("mode", self.mode, MODES), ("coordinates", self.coordinates, COORDINATES),
            ("nearest", self.nearest, NEAREST),
        ):  # fmt: skip
            if value not in known:
                raise InputError(f"resize: {name} {value!r}; {nearest(value, known)}")

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """`shape`."""
        shape = one(self, inputs)
        if len(shape) != len(self.shape) or (self.scales and len(self.scales) != len(shape)):
            raise InputError(f"resize: {shape} to {self.shape}, expected as many sizes (and scales) as dims")
        return self.shape

    def scale(self, inputs: Sequence[Shape], axis: int) -> float:
        """Output positions per input position along a dim."""
        return self.scales[axis] if self.scales else self.shape[axis] / inputs[0][axis]

    def resized(self, inputs: Sequence[Shape]) -> tuple[int, ...]:
        """Dims that change."""
        same = [size == out for size, out in zip(inputs[0], self.shape, strict=True)]
        return tuple(
            i for i, equal in enumerate(same)
            if not equal or self.scale(inputs, i) != 1.0 or self.coordinates == "tf_crop_and_resize"
        )  # fmt: skip

    def picked(self, inputs: Sequence[Shape]) -> int:
        """Input words that `nearest` reads."""
        count = prod(inputs[0])
        for axis in self.resized(inputs):
            size = inputs[0][axis]
            seen = {
                nearest_index(self, at, size)
                for at in (position(self, inputs, axis, out) for out in range(self.shape[axis]))
                if self.coordinates != "tf_crop_and_resize" or 0 <= at <= size - 1
            }
            count = count // size * len(seen)
        return max(1, count)

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """A `Move` for nearest; else a `Gather` whose reads per output are the taps of all resized dims (exactly).

        Lines of the output may be made apart; an input line that two of them need is kept between them.
        """
        words, out = prod(one(self, inputs)), prod(self.output_shape(inputs))
        if self.mode == "nearest":
            return (Move(self.op, (self.picked(inputs),), out),)
        reads = out
        for axis in self.resized(inputs):
            places = (position(self, inputs, axis, k) for k in range(self.shape[axis]))
            per_axis = [len(taps(self, at, self.scale(inputs, axis), inputs[0][axis])) for at in places]
            reads = reads // self.shape[axis] * sum(per_axis)
        lines = prod(self.shape[:-1]) if inputs[0][:2] == self.shape[:2] else 1
        return (Gather(self.op, words, 0, out, reads, reads, 2 * reads, rows=lines),)


def position(layer: Resize, inputs: Sequence[Shape], axis: int, out: int) -> float:
    """Where output index `out` lies on the input's axis, in words."""
    size, length, scale = inputs[0][axis], layer.shape[axis], layer.scale(inputs, axis)
    rule = layer.coordinates
    if rule == "align_corners":
        return out * (size - 1) / (scale * size - 1) if length > 1 and scale * size != 1 else 0.0
    if rule == "asymmetric":
        return out / scale
    if rule == "tf_crop_and_resize":
        start, end = layer.region[axis], layer.region[axis + len(layer.shape)]
        if length > 1:
            return start * (size - 1) + out * (end - start) * (size - 1) / (length - 1)
        return 0.5 * (start + end) * (size - 1)
    if rule == "pytorch_half_pixel" and length == 1:
        return 0.0
    middle = (out + 0.5) / scale - 0.5
    if rule == "half_pixel_symmetric":
        middle += size / 2 * (1 - length / (scale * size))
    return middle


def nearest_index(layer: Resize, at: float, size: int) -> int:
    """The input index that a position stands for."""
    low = floor(at)
    if layer.nearest == "floor":
        index = low
    elif layer.nearest == "ceil":
        index = -floor(-at)
    elif layer.nearest == "round_prefer_floor":
        index = low if at - low <= 0.5 else low + 1
    else:
        index = low if at - low < 0.5 else low + 1
    return min(max(index, 0), size - 1)


def _cubic(distance: float, a: float) -> float:
    """Keys' kernel (IEEE Trans. ASSP 29, 1981, equation 15) with free parameter `a`."""
    x = abs(distance)
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a if x < 2 else 0.0


def taps(layer: Resize, at: float, scale: float, size: int) -> dict[int, float]:
    """Input indices and their shares for a position, edges repeated (or left out with `outside`)."""
    if layer.mode == "nearest":
        return {nearest_index(layer, at, size): 1.0}
    reach = 1 if layer.mode == "linear" else 2
    shrink = min(scale, 1.0) if layer.antialias else 1.0
    base = -floor(-at) - 1
    ratio = at - base
    first = floor(-reach / shrink) + 1
    found: dict[int, float] = {}
    for step in range(first, 2 - first if layer.mode == "cubic" or layer.antialias else reach + 1):
        far = (step - ratio) * shrink
        share = max(0.0, 1 - abs(far)) if layer.mode == "linear" else _cubic(far, layer.cubic_a)
        index = base + step
        if not layer.outside or 0 <= index < size:
            index = min(max(index, 0), size - 1)
            found[index] = found.get(index, 0.0) + share
    total = sum(found.values())
    return {index: share / total for index, share in found.items() if share != 0.0}


def axis_matrix(layer: Resize, inputs: Sequence[Shape], axis: int) -> tuple[list[list[float]], list[bool]]:
    """Shares of every input word in every output word along a dim, and which outputs take `fill` instead."""
    size = inputs[0][axis]
    rows, beyond = [], []
    for out in range(layer.shape[axis]):
        at = position(layer, inputs, axis, out)
        row = [0.0] * size
        for index, share in taps(layer, at, layer.scale(inputs, axis), size).items():
            row[index] = share
        rows.append(row)
        beyond.append(layer.coordinates == "tf_crop_and_resize" and not 0 <= at <= size - 1)
    return rows, beyond
