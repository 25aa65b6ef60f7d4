"""Layers that ONNX writes as chains: recurrent cells, shuffles and shifts."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.onnx_out.context import Context
from accelsim.graph import Node
from accelsim.layers import ChannelShuffle, GRUState, Shift, TemporalShift

Tensors = dict[str, NDArray[np.float64]]


def _gate(ctx: Context, node: Node, gate: int, width: int, inputs: tuple[int, ...] = (0, 1)) -> str:
    """The sum of one gate over some inputs."""
    parts = [
        ctx.slice(node.inputs[i], len(node.shape) - 1, gate * width, (gate + 1) * width) for i in inputs
    ]  # fmt: skip
    return parts[0] if len(parts) == 1 else ctx.op("Add", *parts)


def _peep(ctx: Context, tensors: Tensors, index: int, gate: str, state: str) -> str:
    if "peephole" not in tensors:
        return gate
    return ctx.op("Add", gate, ctx.op("Mul", ctx.tensor(tensors["peephole"][index]), state))


def lstm_state(ctx: Context, node: Node, tensors: Tensors) -> None:
    """c_t."""
    width, held = node.shape[-1], node.inputs[2]
    i, f = (
        ctx.op("Sigmoid", _peep(ctx, tensors, k, _gate(ctx, node, k, width), held)) for k in (0, 1)
    )  # fmt: skip
    g = ctx.op("Tanh", _gate(ctx, node, 2, width))
    ctx.op("Add", ctx.op("Mul", f, held), ctx.op("Mul", i, g), out=node.name)


def lstm_output(ctx: Context, node: Node, tensors: Tensors) -> None:
    """h_t."""
    state = node.inputs[2]
    o = ctx.op("Sigmoid", _peep(ctx, tensors, 0, _gate(ctx, node, 3, node.shape[-1]), state))
    ctx.op("Mul", o, ctx.op("Tanh", state), out=node.name)


def gru_reset(ctx: Context, node: Node, _: Tensors) -> None:
    """`sigmoid(r) h`."""
    r = ctx.op("Sigmoid", _gate(ctx, node, 0, node.shape[-1]))
    ctx.op("Mul", r, node.inputs[2], out=node.name)


def gru_state(ctx: Context, node: Node, _: Tensors) -> None:
    """h_t."""
    assert isinstance(node.layer, GRUState)
    width, held = node.shape[-1], node.inputs[-1]
    z = ctx.op("Sigmoid", _gate(ctx, node, 1, width))
    seen = _gate(ctx, node, 2, width, (0,))
    if node.layer.reset_first:
        fresh = node.inputs[2]
    else:
        r = ctx.op("Sigmoid", _gate(ctx, node, 0, width))
        fresh = ctx.op("Mul", r, _gate(ctx, node, 2, width, (1,)))
    n = ctx.op("Tanh", ctx.op("Add", seen, fresh))
    kept = ctx.op("Mul", z, held)
    ctx.op("Add", ctx.op("Mul", ctx.op("Sub", ctx.scalar(1.0), z), n), kept, out=node.name)


def channel_shuffle(ctx: Context, node: Node, _: Tensors) -> None:
    """Reshape, transpose, reshape."""
    assert isinstance(node.layer, ChannelShuffle)
    n, c, *rest = node.shape
    groups = node.layer.groups
    split = ctx.reshape(node.inputs[0], (n, groups, c // groups, *rest))
    turned = ctx.op("Transpose", split, perm=[0, 2, 1, *range(3, len(node.shape) + 1)])
    ctx.reshape(turned, node.shape, out=node.name)


def shift(ctx: Context, node: Node, _: Tensors) -> None:
    """Every channel group padded on one side and cropped on the other, then side by side."""
    layer = node.layer
    assert isinstance(layer, Shift)
    k, channels = layer.kernel, node.shape[1]
    group = channels // k**2
    ends = [group * i for i in range(k**2 + 1)] if group else [0]
    parts = []
    for low, high in itertools.pairwise(ends):
        dy, dx = layer.offset(low, channels)
        part = ctx.slice(node.inputs[0], 1, low, high)
        parts.append(ctx.pad(part, [0, 0, -dy, -dx, 0, 0, dy, dx]) if dy or dx else part)
    if ends[-1] < channels:
        parts.append(ctx.slice(node.inputs[0], 1, ends[-1], channels))
    ctx.op("Concat", *parts, out=node.name, axis=1)


def temporal_shift(ctx: Context, node: Node, _: Tensors) -> None:
    """Clips apart, channel folds moved by one frame, clips joined."""
    layer = node.layer
    assert isinstance(layer, TemporalShift)
    images, channels, *rest = node.shape
    fold = channels // layer.fold
    clips = ctx.reshape(node.inputs[0], (images // layer.frames, layer.frames, channels, *rest))
    rank = len(rest) + 3
    parts = []
    for step, low, high in ((1, 0, fold), (-1, fold, 2 * fold), (0, 2 * fold, channels)):
        part = ctx.slice(clips, 2, low, high)
        pads = [0] * 2 * rank
        pads[1], pads[rank + 1] = -step, step
        parts.append(ctx.pad(part, pads) if step else part)
    ctx.reshape(ctx.op("Concat", *parts, axis=2), node.shape, out=node.name)
