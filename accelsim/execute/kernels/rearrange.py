"""Rearrangements and resampling on whole arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from accelsim.layers import (
    ChannelShuffle,
    DepthToSpace,
    Pad,
    Resize,
    Shift,
    Slice,
    SpaceToDepth,
    Take,
    TemporalShift,
)
from accelsim.layers.resize import axis_matrix

Array = NDArray[np.float64]


def cut(layer: Slice, x: Array) -> Array:
    """A slice along one axis."""
    picked = np.take(x, np.arange(layer.start, layer.stop, layer.step), axis=layer.axis)
    return picked.reshape(layer.output_shape([x.shape]))


def take(layer: Take, x: Array) -> Array:
    """Constant indices along one axis."""
    return np.take(x, np.array(layer.indices, int).reshape(layer.index_shape), axis=layer.axis)


def pad(layer: Pad, x: Array) -> Array:
    """Borders, negative ones cropped first."""
    rank = x.ndim
    befores, afters = layer.pads[:rank], layer.pads[rank:]
    crop = tuple(slice(max(0, -b), size - max(0, -a)) for size, b, a in zip(x.shape, befores, afters, strict=True))
    widths = [(max(0, b), max(0, a)) for b, a in zip(befores, afters, strict=True)]
    if layer.mode == "constant":
        return np.pad(x[crop], widths, constant_values=layer.value)
    found: Array = np.pad(x[crop], widths, mode=layer.mode)
    return found


def depth_to_space(layer: DepthToSpace, x: Array) -> Array:
    """Channels to blocks."""
    n, c, h, w = x.shape
    b = layer.block
    if layer.mode == "DCR":
        split = x.reshape(n, b, b, c // b**2, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        split = x.reshape(n, c // b**2, b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
    return split.reshape(n, c // b**2, h * b, w * b)


def space_to_depth(layer: SpaceToDepth, x: Array) -> Array:
    """Blocks to channels."""
    n, c, h, w = x.shape
    b = layer.block
    order = (0, 3, 5, 1, 2, 4) if layer.mode == "DCR" else (0, 1, 3, 5, 2, 4)
    return x.reshape(n, c, h // b, b, w // b, b).transpose(order).reshape(n, c * b**2, h // b, w // b)


def channel_shuffle(layer: ChannelShuffle, x: Array) -> Array:
    """Reshape, transpose, flatten."""
    n, c, *rest = x.shape
    return x.reshape(n, layer.groups, c // layer.groups, *rest).swapaxes(1, 2).reshape(x.shape)


def shift(layer: Shift, x: Array) -> Array:
    """Channel groups moved, zeros entering."""
    k, (h, w) = layer.kernel, x.shape[2:]
    out = x.copy()
    group = x.shape[1] // k**2
    for index in range(k * k if group else 0):
        dy, dx = index // k - k // 2, index % k - k // 2
        channels = slice(index * group, (index + 1) * group)
        moved = np.zeros_like(x[:, channels])
        rows, cols = slice(max(0, -dy), h - max(0, dy)), slice(max(0, -dx), w - max(0, dx))
        from_rows, from_cols = slice(max(0, dy), h - max(0, -dy)), slice(max(0, dx), w - max(0, -dx))
        if abs(dy) < h and abs(dx) < w:
            moved[:, :, rows, cols] = x[:, channels, from_rows, from_cols]
        out[:, channels] = moved
    return out


def temporal_shift(layer: TemporalShift, x: Array) -> Array:
    """Channels moved between frames."""
    clips = x.reshape(-1, layer.frames, *x.shape[1:])
    fold = x.shape[1] // layer.fold
    out = clips.copy()
    out[:, :-1, :fold], out[:, -1:, :fold] = clips[:, 1:, :fold], 0.0
    out[:, 1:, fold : 2 * fold], out[:, :1, fold : 2 * fold] = clips[:, :-1, fold : 2 * fold], 0.0
    return out.reshape(x.shape)


def resize(layer: Resize, x: Array) -> Array:
    """Dim by dim, a matrix of shares (outputs by inputs) times the tensor."""
    outside = np.zeros((1,) * x.ndim, bool)
    for axis in layer.resized([x.shape]):
        matrix, beyond = axis_matrix(layer, [x.shape], axis)
        x = np.moveaxis(np.tensordot(np.array(matrix), x, (1, axis)), 0, axis)
        outside = outside | np.array(beyond).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    result: Array = np.where(outside, layer.fill, x)
    return result


def broadcast_to(x: Array, shape: Sequence[int]) -> Array:
    """Dims of size 1 repeated."""
    return np.broadcast_to(x, tuple(shape)).copy()
