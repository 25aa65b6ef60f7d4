"""Exporters by layer: each writes the nodes whose last output has the layer's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from accelsim.formats.onnx_out import regions, sequences, windows
from accelsim.formats.onnx_out.context import Context
from accelsim.graph import Node
from accelsim.layers import (
    CELU,
    ELU,
    GELU,
    NMS,
    SELU,
    Add,
    Affine,
    ArgReduce,
    AvgPool,
    BatchNorm2d,
    Binary,
    ChannelShuffle,
    Clip,
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
    HardSigmoid,
    HardSwish,
    LayerNorm,
    LeakyReLU,
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
    ReLU,
    ReLU6,
    Resize,
    RoIAlign,
    RoIPool,
    Shift,
    Sigmoid,
    SiLU,
    Slice,
    Softmax,
    Softplus,
    SpaceToDepth,
    Take,
    TakeAt,
    Tanh,
    TemporalShift,
    ThresholdedReLU,
    Tile,
    Transpose,
    Unary,
    View,
    Where,
)

Tensors = dict[str, NDArray[np.float64]]
Exporter = Callable[[Context, Node, Tensors], None]


def _plain(kind: str, **names: str) -> Exporter:
    """An operator of the same inputs; `names` are ONNX attributes and the layer's fields they come from."""

    def export(ctx: Context, node: Node, _: Tensors) -> None:
        attributes = {onnx: getattr(node.layer, ours) for onnx, ours in names.items()}
        plain = {key: list(v) if isinstance(v, tuple) else v for key, v in attributes.items()}
        ctx.op(kind, *node.inputs, out=node.name, **plain)

    return export


def _clip(ctx: Context, node: Node, _: Tensors) -> None:
    layer = node.layer
    low, high = (layer.low, layer.high) if isinstance(layer, Clip) else (0.0, 6.0)
    ends = [ctx.scalar(v) if np.isfinite(v) else "" for v in (low, high)]
    ctx.op("Clip", node.inputs[0], *ends, out=node.name)


def _affine(ctx: Context, node: Node, _: Tensors) -> None:
    layer = node.layer
    assert isinstance(layer, Affine)
    scaled = ctx.op("Mul", node.inputs[0], ctx.scalar(layer.alpha))
    ctx.op("Add", scaled, ctx.scalar(layer.beta), out=node.name)


def _gelu(ctx: Context, node: Node, _: Tensors) -> None:
    assert isinstance(node.layer, GELU)
    ctx.op("Gelu", node.inputs[0], out=node.name, approximate="tanh" if node.layer.tanh else "none")


def _silu(ctx: Context, node: Node, _: Tensors) -> None:
    assert isinstance(node.layer, SiLU)
    x = node.inputs[0]
    inside = x if node.layer.beta == 1.0 else ctx.op("Mul", x, ctx.scalar(node.layer.beta))
    ctx.op("Mul", x, ctx.op("Sigmoid", inside), out=node.name)


SIMPLE = {
    "abs": "Abs", "neg": "Neg", "sign": "Sign", "floor": "Floor", "ceil": "Ceil", "round": "Round",
    "identity": "Identity", "reciprocal": "Reciprocal", "sqrt": "Sqrt", "exp": "Exp", "log": "Log", "erf": "Erf",
    "sin": "Sin", "cos": "Cos", "softsign": "Softsign", "mish": "Mish",
}  # fmt: skip


def _unary(ctx: Context, node: Node, _: Tensors) -> None:
    x, op = node.inputs[0], node.op
    if op == "square":
        ctx.op("Mul", x, x, out=node.name)
    elif op == "not":
        ctx.cast(ctx.op("Equal", x, ctx.scalar(0.0)), out=node.name)
    elif op == "cast_int":
        ctx.cast(ctx.cast(x, TensorProto.INT64), out=node.name)
    else:
        ctx.op(SIMPLE[op], x, out=node.name)


COMPARE = {
    "less": "Less", "less_equal": "LessOrEqual", "greater": "Greater", "greater_equal": "GreaterOrEqual",
    "equal": "Equal",
}  # fmt: skip
LOGIC = {"and": "And", "or": "Or", "xor": "Xor"}
ARITHMETIC = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow", "max": "Max", "min": "Min"}


def _binary(ctx: Context, node: Node, _: Tensors) -> None:
    op, inputs = node.op, list(node.inputs)
    if op in COMPARE:
        ctx.cast(ctx.op(COMPARE[op], *inputs), out=node.name)
    elif op in LOGIC:
        ctx.cast(ctx.op(LOGIC[op], *(ctx.cast(x, TensorProto.BOOL) for x in inputs)), out=node.name)
    elif op == "mod":
        whole = ctx.op("Floor", ctx.op("Div", *inputs))
        ctx.op("Sub", inputs[0], ctx.op("Mul", whole, inputs[1]), out=node.name)
    elif op == "div_int":
        ctx.cast(ctx.cast(ctx.op("Div", *inputs), TensorProto.INT64), out=node.name)
    elif op in ("max", "min"):
        ctx.op(ARITHMETIC[op], *inputs, out=node.name)
    else:
        total = inputs[0]
        for i, other in enumerate(inputs[1:], start=2):
            total = ctx.op(ARITHMETIC[op], total, other, out=node.name if i == len(inputs) else "")


def _where(ctx: Context, node: Node, _: Tensors) -> None:
    condition, *others = node.inputs
    ctx.op("Where", ctx.cast(condition, TensorProto.BOOL), *others, out=node.name)


def _softmax(ctx: Context, node: Node, _: Tensors) -> None:
    layer = node.layer
    assert isinstance(layer, Softmax)
    kind, axes = "LogSoftmax" if layer.log else "Softmax", layer.axes(len(node.shape))
    if not layer.flat:
        ctx.op(kind, node.inputs[0], out=node.name, axis=axes[0])
        return
    rows = int(np.prod(node.shape[: axes[0]], dtype=int))
    found = ctx.op(kind, ctx.reshape(node.inputs[0], (rows, -1)), axis=1)
    ctx.reshape(found, node.shape, out=node.name)


REDUCE = {
    "sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin", "prod": "ReduceProd",
    "l1": "ReduceL1", "l2": "ReduceL2", "sum_square": "ReduceSumSquare", "log_sum": "ReduceLogSum",
    "log_sum_exp": "ReduceLogSumExp",
}  # fmt: skip


def _reduce(ctx: Context, node: Node, _: Tensors) -> None:
    layer = node.layer
    assert isinstance(layer, Reduce)
    axes = ctx.ints(*layer.over(len(node.input_shapes[0])))
    ctx.op(REDUCE[layer.kind], node.inputs[0], axes, out=node.name, keepdims=int(layer.keepdims))


def _arg_reduce(ctx: Context, node: Node, _: Tensors) -> None:
    layer = node.layer
    assert isinstance(layer, ArgReduce)
    found = ctx.op(
        "ArgMin" if layer.least else "ArgMax", node.inputs[0], axis=layer.axis, keepdims=int(layer.keepdims),
        select_last_index=int(layer.last),
    )  # fmt: skip
    ctx.cast(found, out=node.name)


def _view(ctx: Context, node: Node, _: Tensors) -> None:
    ctx.reshape(node.inputs[0], node.shape, out=node.name)


def _parameter(ctx: Context, node: Node, tensors: Tensors) -> None:
    ctx.op("Identity", *windows.weights(ctx, node, tensors, "value"), out=node.name)


def _slice(ctx: Context, node: Node, _: Tensors) -> None:
    layer = node.layer
    assert isinstance(layer, Slice)
    dropped = len(node.shape) < len(node.input_shapes[0])
    found = ctx.slice(
        node.inputs[0], layer.axis, layer.start, layer.stop, layer.step, out="" if dropped else node.name
    )  # fmt: skip
    if dropped:
        ctx.reshape(found, node.shape, out=node.name)


def _take(ctx: Context, node: Node, _: Tensors) -> None:
    layer = node.layer
    assert isinstance(layer, Take)
    indices = ctx.reshape(ctx.ints(*layer.indices), layer.index_shape)
    ctx.op("Gather", node.inputs[0], indices, out=node.name, axis=layer.axis)


def _take_at(ctx: Context, node: Node, _: Tensors) -> None:
    assert isinstance(node.layer, TakeAt)
    ctx.op("Gather", node.inputs[0], ctx.cast(node.inputs[1], TensorProto.INT64), out=node.name, axis=node.layer.axis)


def _pad(ctx: Context, node: Node, _: Tensors) -> None:
    layer = node.layer
    assert isinstance(layer, Pad)
    value = [ctx.scalar(layer.value)] if layer.mode == "constant" else []
    ctx.op("Pad", node.inputs[0], ctx.ints(*layer.pads), *value, out=node.name, mode=layer.mode)


def _expand(ctx: Context, node: Node, _: Tensors) -> None:
    ctx.op("Expand", node.inputs[0], ctx.ints(*node.shape), out=node.name)


def _tile(ctx: Context, node: Node, _: Tensors) -> None:
    assert isinstance(node.layer, Tile)
    ctx.op("Tile", node.inputs[0], ctx.ints(*node.layer.repeats), out=node.name)


def _space_to_depth(ctx: Context, node: Node, _: Tensors) -> None:
    """In opset 21 only `DCR` exists; `CRD` is a reshape, a transpose and a reshape."""
    layer = node.layer
    assert isinstance(layer, SpaceToDepth)
    if layer.mode == "DCR":
        ctx.op("SpaceToDepth", node.inputs[0], out=node.name, blocksize=layer.block)
        return
    n, c, h, w = node.input_shapes[0]
    b = layer.block
    split = ctx.reshape(node.inputs[0], (n, c, h // b, b, w // b, b))
    ctx.reshape(ctx.op("Transpose", split, perm=[0, 1, 3, 5, 2, 4]), node.shape, out=node.name)


def _resize(ctx: Context, node: Node, _: Tensors) -> None:
    layer = node.layer
    assert isinstance(layer, Resize)
    roi = ctx.tensor(layer.region, "roi") if layer.region else ""
    extra = [roi, ctx.tensor(layer.scales, "scales")] if layer.scales else [roi, "", ctx.ints(*layer.shape)]
    ctx.op(
        "Resize", node.inputs[0], *extra, out=node.name, mode=layer.mode, antialias=int(layer.antialias),
        coordinate_transformation_mode=layer.coordinates, nearest_mode=layer.nearest, cubic_coeff_a=layer.cubic_a,
        exclude_outside=int(layer.outside), extrapolation_value=layer.fill,
    )  # fmt: skip


EXPORTERS: dict[Any, Exporter] = {
    Conv: windows.conv,
    ConvTranspose: windows.conv_transpose,
    DeformConv2d: windows.deform,
    Linear: windows.linear,
    MatMul: _plain("MatMul"),
    Einsum: _plain("Einsum", equation="equation"),
    MaxPool2d: windows.pool,
    AvgPool: windows.pool,
    LpPool: windows.pool,
    GlobalPool: windows.global_pool,
    ReLU: _plain("Relu"),
    ReLU6: _clip,
    Clip: _clip,
    Affine: _affine,
    LeakyReLU: _plain("LeakyRelu", alpha="alpha"),
    ELU: _plain("Elu", alpha="alpha"),
    SELU: _plain("Selu", alpha="alpha", gamma="gamma"),
    CELU: _plain("Celu", alpha="alpha"),
    GELU: _gelu,
    SiLU: _silu,
    Tanh: _plain("Tanh"),
    Sigmoid: _plain("Sigmoid"),
    HardSigmoid: _plain("HardSigmoid", alpha="alpha", beta="beta"),
    HardSwish: _plain("HardSwish"),
    Softplus: _plain("Softplus"),
    ThresholdedReLU: _plain("ThresholdedRelu", alpha="alpha"),
    Unary: _unary,
    PReLU: windows.prelu,
    Add: _binary,
    Binary: _binary,
    Where: _where,
    BatchNorm2d: windows.batch_norm,
    LayerNorm: windows.layer_norm,
    GroupNorm: windows.group_norm,
    LocalResponseNorm: _plain("LRN", size="size", alpha="alpha", beta="beta", bias="bias"),
    Softmax: _softmax,
    LpNorm: _plain("LpNormalization", axis="axis", p="p"),
    Reduce: _reduce,
    ArgReduce: _arg_reduce,
    LSTMState: sequences.lstm_state,
    LSTMOutput: sequences.lstm_output,
    GRUReset: sequences.gru_reset,
    GRUState: sequences.gru_state,
    View: _view,
    Parameter: _parameter,
    Transpose: _plain("Transpose", perm="perm"),
    Concat: _plain("Concat", axis="axis"),
    Slice: _slice,
    Take: _take,
    TakeAt: _take_at,
    Pad: _pad,
    Expand: _expand,
    Tile: _tile,
    DepthToSpace: _plain("DepthToSpace", blocksize="block", mode="mode"),
    SpaceToDepth: _space_to_depth,
    ChannelShuffle: sequences.channel_shuffle,
    Shift: sequences.shift,
    TemporalShift: sequences.temporal_shift,
    Resize: _resize,
    RoIPool: regions.roi_pool,
    PSRoIPool: regions.ps_roi_pool,
    RoIAlign: regions.roi_align,
    NMS: regions.nms,
}
