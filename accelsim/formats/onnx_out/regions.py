"""Region operators in ONNX; position-sensitive pooling as a masked sum, which ONNX has no operator for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from accelsim.formats.onnx_out.context import Context
from accelsim.graph import Node
from accelsim.layers import NMS, PSRoIPool, RoIAlign, RoIPool

Tensors = dict[str, NDArray[np.float64]]


def roi_pool(ctx: Context, node: Node, _: Tensors) -> None:
    """MaxRoiPool."""
    layer = node.layer
    assert isinstance(layer, RoIPool)
    ctx.op("MaxRoiPool", *node.inputs, out=node.name, pooled_shape=list(layer.out_size), spatial_scale=layer.scale)


def roi_align(ctx: Context, node: Node, _: Tensors) -> None:
    """RoiAlign with the image numbers apart."""
    layer = node.layer
    assert isinstance(layer, RoIAlign)
    image = ctx.cast(ctx.slice(node.inputs[1], 1, 0, 1), TensorProto.INT64)
    images = ctx.reshape(image, (node.shape[0],))
    boxes = ctx.slice(node.inputs[1], 1, 1, 5)
    ctx.op(
        "RoiAlign", node.inputs[0], boxes, images, out=node.name, output_height=layer.out_size[0],
        output_width=layer.out_size[1], spatial_scale=layer.scale, sampling_ratio=layer.ratio,
        mode="max" if layer.largest else "avg",
        coordinate_transformation_mode="half_pixel" if layer.half_pixel else "output_half_pixel",
    )  # fmt: skip


def _rounded(ctx: Context, value: str) -> str:
    """Half away from zero, for coordinates of at least 0: `floor(x + 1/2)`."""
    return ctx.op("Floor", ctx.op("Add", value, ctx.scalar(0.5)))


def _edges(ctx: Context, regions: str, low: int, high: int, bins: int, size: int, scale: float) -> str:
    """Mask (regions, bins, size) of the positions of every bin along one dim, as floats."""
    start = ctx.op("Mul", _rounded(ctx, ctx.slice(regions, 1, low, low + 1)), ctx.scalar(scale))
    end = ctx.op("Add", _rounded(ctx, ctx.slice(regions, 1, high, high + 1)), ctx.scalar(1.0))
    length = ctx.op("Max", ctx.op("Sub", ctx.op("Mul", end, ctx.scalar(scale)), start), ctx.scalar(0.1))
    step = ctx.op("Div", length, ctx.scalar(bins))
    number = ctx.tensor(np.arange(bins, dtype=float)[None, :])
    first = ctx.op("Floor", ctx.op("Add", ctx.op("Mul", step, number), start))
    after = ctx.tensor(np.arange(1, bins + 1, dtype=float)[None, :])
    last = ctx.op("Ceil", ctx.op("Add", ctx.op("Mul", step, after), start))
    place = ctx.tensor(np.arange(size, dtype=float)[None, None, :])
    axis = ctx.ints(2)
    above = ctx.op("GreaterOrEqual", place, ctx.op("Unsqueeze", first, axis))
    below = ctx.op("Less", place, ctx.op("Unsqueeze", last, axis))
    return ctx.cast(ctx.op("And", above, below))


def ps_roi_pool(ctx: Context, node: Node, _: Tensors) -> None:
    """Masks of rows and columns per bin, a masked sum of each bin's own map, divided by the bin's area."""
    layer = node.layer
    assert isinstance(layer, PSRoIPool)
    channels, h, w = node.input_shapes[0][1:]
    high, wide = layer.out_size
    image = ctx.cast(ctx.slice(node.inputs[1], 1, 0, 1), TensorProto.INT64)
    picked = ctx.op("Gather", node.inputs[0], ctx.reshape(image, (node.shape[0],)), axis=0)
    maps = ctx.reshape(picked, (node.shape[0], channels // (high * wide), high, wide, h, w))
    rows = _edges(ctx, node.inputs[1], 2, 4, high, h, layer.scale)
    cols = _edges(ctx, node.inputs[1], 1, 3, wide, w, layer.scale)
    down = ctx.op(
        "ReduceSum", ctx.op("Mul", maps, ctx.reshape(rows, (node.shape[0], 1, high, 1, h, 1))), ctx.ints(4), keepdims=0
    )
    total = ctx.op(
        "ReduceSum", ctx.op("Mul", down, ctx.reshape(cols, (node.shape[0], 1, 1, wide, w))), ctx.ints(4), keepdims=0
    )
    tall = ctx.op("ReduceSum", rows, ctx.ints(2), keepdims=0)
    broad = ctx.op("ReduceSum", cols, ctx.ints(2), keepdims=0)
    area = ctx.op(
        "Mul", ctx.reshape(tall, (node.shape[0], 1, high, 1)), ctx.reshape(broad, (node.shape[0], 1, 1, wide))
    )
    ctx.op("Div", total, ctx.op("Max", area, ctx.scalar(1.0)), out=node.name)


def nms(ctx: Context, node: Node, _: Tensors) -> None:
    """NonMaxSuppression, filled up with -1 to its full size."""
    layer = node.layer
    assert isinstance(layer, NMS)
    ends = (
        [ctx.tensor([layer.threshold]), ctx.tensor([layer.least])]
        if np.isfinite(layer.least)
        else [ctx.tensor([layer.threshold])]
    )
    kept = ctx.op(
        "NonMaxSuppression", *node.inputs, ctx.ints(layer.most), *ends, center_point_box=int(layer.centre)
    )  # fmt: skip
    filled = ctx.op("Concat", ctx.cast(kept), ctx.tensor(np.full(node.shape, -1.0)), axis=0)
    ctx.slice(filled, 0, 0, node.shape[0], out=node.name)
