"""Which kernel computes which layer: `KERNELS[type](layer, inputs, tensors)` on real numbers, whole arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce as fold
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import InputError
from accelsim.execute.functions import BINARY, activate
from accelsim.execute.kernels import convolution, functions, pooling, rearrange, region
from accelsim.layers import (
    NMS,
    Activation,
    Add,
    ArgReduce,
    AvgPool,
    BatchNorm2d,
    Binary,
    ChannelShuffle,
    Concat,
    Conv,
    ConvTranspose,
    DeformConv2d,
    DepthToSpace,
    Einsum,
    Expand,
    GlobalPool,
    GroupNorm,
    GRUReset,
    GRUState,
    Layer,
    LayerNorm,
    Linear,
    LocalResponseNorm,
    LpNorm,
    LpPool,
    LSTMOutput,
    LSTMState,
    MatMul,
    MaxPool2d,
    Pad,
    Parameter,
    PReLU,
    PSRoIPool,
    Reduce,
    Resize,
    RoIAlign,
    RoIPool,
    Shift,
    Slice,
    Softmax,
    SpaceToDepth,
    Take,
    TakeAt,
    TemporalShift,
    Tile,
    Transpose,
    View,
    Where,
)

Array = NDArray[np.float64]
Tensors = dict[str, Array]
Kernel = Callable[[Any, list[Array], Tensors], Array]


def _conv(layer: Conv, x: list[Array], w: Tensors) -> Array:
    return convolution.conv(x[0], w["weight"], layer.stride, layer.pads, layer.dilation, layer.groups)


def _transposed(layer: ConvTranspose, x: list[Array], w: Tensors) -> Array:
    outs = layer.output_shape([x[0].shape])[2:]
    return convolution.conv_transpose(x[0], w["weight"], layer.stride, layer.pads, layer.dilation, outs, layer.groups)


def samples(layer: DeformConv2d, x: list[Array]) -> Array:
    """Samples of a deformable convolution (N, C, taps, P, Q)."""
    conv = layer.conv
    mask = x[2] if layer.masked else None
    return convolution.deform_samples(
        x[0], x[1], mask, conv.kernel, conv.stride, conv.pads, conv.dilation, layer.offset_groups
    )


def _deformable(layer: DeformConv2d, x: list[Array], w: Tensors) -> Array:
    return convolution.sampled_product(samples(layer, x), w["weight"], layer.conv.groups)


def _pool(layer: Any, x: list[Array], _: Tensors) -> Array:
    outs = layer.output_shape([x[0].shape])[2:]
    args = (x[0], layer.kernel, layer.stride, layer.pads, layer.dilation, outs)
    if isinstance(layer, AvgPool):
        return pooling.avg_pool(*args, layer.count_include_pad)
    if isinstance(layer, LpPool):
        return pooling.lp_pool(*args, layer.p)
    return pooling.max_pool(*args)


def _global(layer: GlobalPool, x: list[Array], _: Tensors) -> Array:
    axes = tuple(range(2, x[0].ndim))
    if layer.kind == "lp":
        result: Array = (np.abs(x[0]) ** layer.p).sum(axes, keepdims=True) ** (1.0 / layer.p)
        return result
    best: Array = (x[0].max if layer.kind == "max" else x[0].mean)(axes, keepdims=True)
    return best


def _take_at(layer: TakeAt, x: list[Array], _: Tensors) -> Array:
    return np.take(x[0], x[1].astype(np.int64), axis=layer.axis)


def _parameter(layer: Parameter, _: list[Array], w: Tensors) -> Array:
    return w["value"]


KERNELS: dict[Any, Kernel] = {
    Conv: _conv,
    ConvTranspose: _transposed,
    DeformConv2d: _deformable,
    Linear: lambda layer, x, w: x[0] @ w["weight"].T,
    MatMul: lambda layer, x, w: np.matmul(x[0], x[1]),
    Einsum: lambda layer, x, w: np.asarray(np.einsum(layer.equation.replace(" ", ""), *x)),
    MaxPool2d: _pool,
    AvgPool: _pool,
    LpPool: _pool,
    GlobalPool: _global,
    Activation: lambda layer, x, w: activate(x[0], layer),
    PReLU: lambda layer, x, w: np.where(x[0] > 0, x[0], x[0] * w["slope"]),
    Add: lambda layer, x, w: fold(np.add, x),
    Binary: lambda layer, x, w: fold(BINARY[layer.op], x),
    Where: lambda layer, x, w: np.where(x[0] != 0, x[1], x[2]),
    BatchNorm2d: lambda layer, x, w: functions.batch_norm(layer, x[0], w),
    LayerNorm: lambda layer, x, w: functions.layer_norm(layer, x[0], w),
    GroupNorm: lambda layer, x, w: functions.group_norm(layer, x[0], w),
    LocalResponseNorm: lambda layer, x, w: functions.local_response_norm(layer, x[0]),
    Softmax: lambda layer, x, w: functions.softmax(layer, x[0]),
    LpNorm: lambda layer, x, w: functions.lp_norm(layer, x[0]),
    Reduce: lambda layer, x, w: functions.reduce(layer, x[0]),
    ArgReduce: lambda layer, x, w: functions.arg_reduce(layer, x[0]),
    LSTMState: lambda layer, x, w: functions.lstm_state(x, w),
    LSTMOutput: lambda layer, x, w: functions.lstm_output(x, w),
    GRUReset: lambda layer, x, w: functions.gru_reset(*x),
    GRUState: lambda layer, x, w: functions.gru_state(x, layer.reset_first),
    View: lambda layer, x, w: x[0].reshape(layer.output_shape([x[0].shape])),
    Parameter: _parameter,
    Transpose: lambda layer, x, w: x[0].transpose(layer.perm),
    Concat: lambda layer, x, w: np.concatenate(x, axis=layer.axis),
    Slice: lambda layer, x, w: rearrange.cut(layer, x[0]),
    Take: lambda layer, x, w: rearrange.take(layer, x[0]),
    TakeAt: _take_at,
    Pad: lambda layer, x, w: rearrange.pad(layer, x[0]),
    Expand: lambda layer, x, w: rearrange.broadcast_to(x[0], layer.output_shape([x[0].shape])),
    Tile: lambda layer, x, w: np.tile(x[0], layer.repeats),
    DepthToSpace: lambda layer, x, w: rearrange.depth_to_space(layer, x[0]),
    SpaceToDepth: lambda layer, x, w: rearrange.space_to_depth(layer, x[0]),
    ChannelShuffle: lambda layer, x, w: rearrange.channel_shuffle(layer, x[0]),
    Shift: lambda layer, x, w: rearrange.shift(layer, x[0]),
    TemporalShift: lambda layer, x, w: rearrange.temporal_shift(layer, x[0]),
    Resize: lambda layer, x, w: rearrange.resize(layer, x[0]),
    RoIPool: lambda layer, x, w: region.roi_pool(layer, *x),
    PSRoIPool: lambda layer, x, w: region.ps_roi_pool(layer, *x),
    RoIAlign: lambda layer, x, w: region.roi_align(layer, *x),
    NMS: lambda layer, x, w: region.nms(layer, *x),
}


def compute(layer: Layer, inputs: list[Array], tensors: Tensors) -> Array:
    """The layer on real numbers, biases not added.

    Raises:
        InputError: a layer without a kernel.
    """
    for kind in type(layer).__mro__:
        if kind in KERNELS:
            return KERNELS[kind](layer, inputs, tensors)
    raise InputError(f"operator {layer.op!r} has no reference")
