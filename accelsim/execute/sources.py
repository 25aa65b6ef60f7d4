"""Where every word of a rearrangement comes from: positions in the output to (input number, position there).

Formulas on indices, independent of the array operations that the reference uses. -1 stands for a constant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import InputError
from accelsim.graph import Node
from accelsim.layers import (
    ChannelShuffle,
    Concat,
    DepthToSpace,
    Expand,
    Layer,
    Pad,
    Resize,
    Shape,
    Shift,
    Slice,
    SpaceToDepth,
    Take,
    TemporalShift,
    Tile,
    Transpose,
)
from accelsim.layers.resize import nearest_index, position

Index = NDArray[np.int64]
Coords = list[Index]


def flat(coords: Coords, shape: Shape, inside: NDArray[np.bool_] | None = None) -> Index:
    """Positions of coordinates in a tensor, -1 where not `inside`."""
    place = np.zeros(coords[0].shape if coords else (1,), np.int64)
    for coord, size in zip(coords, shape, strict=True):
        place = place * size + coord
    return place if inside is None else np.where(inside, place, -1)


def spread(place: Index, out: Shape, shape: Shape) -> Index:
    """Positions in a tensor that is broadcast to `out`."""
    coords = list(np.unravel_index(place, out)) if out else []
    own = coords[len(out) - len(shape) :]
    return flat([c if size > 1 else np.zeros_like(c) for c, size in zip(own, shape, strict=True)], shape) + 0 * place


def _transpose(layer: Transpose, at: Coords, shape: Shape) -> Index:
    back: Coords = [at[0]] * len(shape)
    for out_axis, in_axis in enumerate(layer.perm):
        back[in_axis] = at[out_axis]
    return flat(back, shape)


def _slice(layer: Slice, at: Coords, shape: Shape) -> Index:
    if len(at) < len(shape):
        at = [*at[: layer.axis], np.zeros_like(at[0]) if at else np.zeros(1, np.int64), *at[layer.axis :]]
    return flat([c * layer.step + layer.start if i == layer.axis else c for i, c in enumerate(at)], shape)


def _take(layer: Take, at: Coords, shape: Shape) -> Index:
    axis = layer.axis % len(shape)
    wide = len(layer.index_shape)
    number = flat(at[axis : axis + wide], layer.index_shape)
    picked = np.array(layer.indices, np.int64)[number] % shape[axis]
    return flat([*at[:axis], picked, *at[axis + wide :]], shape)


def _pad(layer: Pad, at: Coords, shape: Shape) -> Index:
    rank = len(shape)
    inside = np.ones(at[0].shape, bool)
    found = []
    for c, size, before, after in zip(at, shape, layer.pads[:rank], layer.pads[rank:], strict=True):
        low, high = max(0, -before), size - max(0, -after)
        where, length = c - before - low, high - low
        if layer.mode == "constant":
            inside &= (where >= 0) & (where < length)
        elif layer.mode == "edge":
            where = np.clip(where, 0, length - 1)
        elif layer.mode == "wrap":
            where = where % length
        elif length > 1:
            where = np.abs((where + (length - 1)) % (2 * (length - 1)) - (length - 1))
        else:
            where = where * 0
        found.append(where + low)
    return flat(found, shape, inside)


def _depth_to_space(layer: DepthToSpace, at: Coords, shape: Shape) -> Index:
    n, c, y, x = at
    b = layer.block
    part = y % b * b + x % b
    channel = part * (shape[1] // b**2) + c if layer.mode == "DCR" else c * b**2 + part
    return flat([n, channel, y // b, x // b], shape)


def _space_to_depth(layer: SpaceToDepth, at: Coords, shape: Shape) -> Index:
    n, c, y, x = at
    blocks = layer.block**2
    part, channel = (c // shape[1], c % shape[1]) if layer.mode == "DCR" else (c % blocks, c // blocks)
    return flat([n, channel, y * layer.block + part // layer.block, x * layer.block + part % layer.block], shape)


def _channel_shuffle(layer: ChannelShuffle, at: Coords, shape: Shape) -> Index:
    n, c, *rest = at
    return flat([n, c % layer.groups * (shape[1] // layer.groups) + c // layer.groups, *rest], shape)


def _shift(layer: Shift, at: Coords, shape: Shape) -> Index:
    n, c, y, x = at
    offsets = np.array([layer.offset(channel, shape[1]) for channel in range(shape[1])], np.int64)
    row, col = y + offsets[c, 0], x + offsets[c, 1]
    return flat([n, c, row, col], shape, (row >= 0) & (row < shape[2]) & (col >= 0) & (col < shape[3]))


def _temporal_shift(layer: TemporalShift, at: Coords, shape: Shape) -> Index:
    n, c, *rest = at
    fold = shape[1] // layer.fold
    step = np.where(c < fold, 1, np.where(c < 2 * fold, -1, 0))
    frame = n % layer.frames + step
    return flat([n + step, c, *rest], shape, (frame >= 0) & (frame < layer.frames))


def _resize(layer: Resize, at: Coords, shape: Shape) -> Index:
    inside = np.ones(at[0].shape, bool)
    found = list(at)
    for axis in layer.resized([shape]):
        places = [position(layer, [shape], axis, out) for out in range(layer.shape[axis])]
        table = np.array([nearest_index(layer, place, shape[axis]) for place in places], np.int64)
        if layer.coordinates == "tf_crop_and_resize":
            inside &= np.array([0 <= place <= shape[axis] - 1 for place in places])[at[axis]]
        found[axis] = table[at[axis]]
    return flat(found, shape, inside)


ONE: dict[type[Layer], Callable[[Any, Coords, Shape], Index]] = {
    Transpose: _transpose,
    Slice: _slice,
    Take: _take,
    Pad: _pad,
    DepthToSpace: _depth_to_space,
    SpaceToDepth: _space_to_depth,
    ChannelShuffle: _channel_shuffle,
    Shift: _shift,
    TemporalShift: _temporal_shift,
    Resize: _resize,
    Tile: lambda layer, at, shape: flat([c % size for c, size in zip(at, shape, strict=True)], shape),
}


def sources(node: Node, place: Index) -> list[tuple[NDArray[np.bool_], int, Index]]:
    """For output positions: masks of those that come from each input, its number and the positions there."""
    layer = node.layer
    everywhere = np.ones(place.shape, bool)
    if isinstance(layer, Expand):
        return [(everywhere, 0, spread(place, node.shape, node.input_shapes[0]))]
    at: Coords = list(np.unravel_index(place, node.shape)) if node.shape else []
    if isinstance(layer, Concat):
        found, offset = [], 0
        for number, shape in enumerate(node.input_shapes):
            along = at[layer.axis]
            mine = (along >= offset) & (along < offset + shape[layer.axis])
            inner = [c[mine] - offset if i == layer.axis else c[mine] for i, c in enumerate(at)]
            found.append((mine, number, flat(inner, shape)))
            offset += shape[layer.axis]
        return found
    for kind, rule in ONE.items():
        if isinstance(layer, kind):
            where = rule(layer, at, node.input_shapes[0])
            return [(where >= 0, 0, where[where >= 0])]
    raise InputError(f"{node.name}: operator {node.op!r} is no rearrangement that the vector unit knows")
