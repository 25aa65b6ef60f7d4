"""Exporters of layers with weights and of windows: convolutions, products, pooling, normalisation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.onnx_out.context import Context
from accelsim.graph import Node
from accelsim.layers import (
    AvgPool,
    BatchNorm2d,
    Conv,
    ConvTranspose,
    DeformConv2d,
    GlobalPool,
    GroupNorm,
    LayerNorm,
    LpPool,
    MaxPool2d,
)

Tensors = dict[str, NDArray[np.float64]]


def weights(ctx: Context, node: Node, tensors: Tensors, *names: str) -> list[str]:
    """Initializers of the tensors that exist, shared between layers of one weight key."""
    return [ctx.tensor(tensors[name], shared=(node.weight_key, name)) for name in names if name in tensors]


def conv(ctx: Context, node: Node, tensors: Tensors) -> None:
    """Conv."""
    layer = node.layer
    assert isinstance(layer, Conv)
    ctx.op(
        "Conv", node.inputs[0], *weights(ctx, node, tensors, "weight", "bias"), out=node.name,
        kernel_shape=layer.kernel, strides=layer.stride, pads=layer.pads, dilations=layer.dilation, group=layer.groups,
    )  # fmt: skip


def conv_transpose(ctx: Context, node: Node, tensors: Tensors) -> None:
    """ConvTranspose."""
    layer = node.layer
    assert isinstance(layer, ConvTranspose)
    ctx.op(
        "ConvTranspose", node.inputs[0], *weights(ctx, node, tensors, "weight", "bias"), out=node.name,
        kernel_shape=layer.kernel, strides=layer.stride, pads=layer.pads, dilations=layer.dilation, group=layer.groups,
        output_padding=layer.output_padding,
    )  # fmt: skip


def deform(ctx: Context, node: Node, tensors: Tensors) -> None:
    """DeformConv."""
    layer = node.layer
    assert isinstance(layer, DeformConv2d)
    weight, *bias = weights(ctx, node, tensors, "weight", "bias")
    mask = [node.inputs[2]] if layer.masked else []
    extra = [bias[0] if bias else "", *mask] if bias or mask else []
    ctx.op(
        "DeformConv", node.inputs[0], weight, node.inputs[1], *extra, out=node.name, kernel_shape=layer.conv.kernel,
        strides=layer.conv.stride, pads=layer.conv.pads, dilations=layer.conv.dilation, group=layer.conv.groups,
        offset_group=layer.offset_groups,
    )  # fmt: skip


def linear(ctx: Context, node: Node, tensors: Tensors) -> None:
    """Gemm, or for more dims MatMul and Add."""
    names = weights(ctx, node, tensors, "weight", "bias")
    if len(node.shape) == 2:
        ctx.op("Gemm", node.inputs[0], *names, out=node.name, transB=1)
        return
    turned = ctx.op("Transpose", names[0], perm=[1, 0])
    product = ctx.op("MatMul", node.inputs[0], turned, out="" if len(names) > 1 else node.name)
    if len(names) > 1:
        ctx.op("Add", product, names[1], out=node.name)


def pool(ctx: Context, node: Node, _: Tensors) -> None:
    """MaxPool, AveragePool or LpPool."""
    layer = node.layer
    assert isinstance(layer, MaxPool2d | AvgPool | LpPool)
    kind = {MaxPool2d: "MaxPool", AvgPool: "AveragePool", LpPool: "LpPool"}[type(layer)]
    ctx.op(
        kind, node.inputs[0], out=node.name, kernel_shape=layer.kernel, strides=layer.stride, pads=layer.pads,
        dilations=layer.dilation, ceil_mode=int(layer.ceil_mode), p=layer.p if isinstance(layer, LpPool) else None,
        count_include_pad=int(layer.count_include_pad) if isinstance(layer, AvgPool) else None,
    )  # fmt: skip


def global_pool(ctx: Context, node: Node, _: Tensors) -> None:
    """GlobalAveragePool, GlobalMaxPool or GlobalLpPool."""
    layer = node.layer
    assert isinstance(layer, GlobalPool)
    kind = {"avg": "GlobalAveragePool", "max": "GlobalMaxPool", "lp": "GlobalLpPool"}[layer.kind]
    ctx.op(kind, node.inputs[0], out=node.name, p=layer.p if layer.kind == "lp" else None)


def prelu(ctx: Context, node: Node, tensors: Tensors) -> None:
    """PRelu."""
    ctx.op("PRelu", node.inputs[0], *weights(ctx, node, tensors, "slope"), out=node.name)


def batch_norm(ctx: Context, node: Node, tensors: Tensors) -> None:
    """BatchNormalization."""
    assert isinstance(node.layer, BatchNorm2d)
    names = weights(ctx, node, tensors, "gamma", "beta", "mean", "var")
    ctx.op("BatchNormalization", node.inputs[0], *names, out=node.name, epsilon=node.layer.eps)


def layer_norm(ctx: Context, node: Node, tensors: Tensors) -> None:
    """LayerNormalization; its root-mean-square form as a chain."""
    layer = node.layer
    assert isinstance(layer, LayerNorm)
    x, axis = node.inputs[0], layer.axis % len(node.shape)
    names = weights(ctx, node, tensors, "gamma", "beta")
    if layer.centre:
        if not layer.affine:
            names = [ctx.tensor(np.ones(layer.row(node.input_shapes))), *names]
        ctx.op("LayerNormalization", x, *names, out=node.name, axis=axis, epsilon=layer.eps)
        return
    mean = ctx.op("ReduceMean", ctx.op("Mul", x, x), ctx.ints(*range(axis, len(node.shape))), keepdims=1)
    root = ctx.op("Sqrt", ctx.op("Add", mean, ctx.scalar(layer.eps)))
    found = ctx.op("Div", x, root, out="" if names else node.name)
    for i, name in enumerate(names, start=1):
        found = ctx.op(
            "Mul" if i == 1 and layer.affine else "Add", found, name, out=node.name if i == len(names) else ""
        )


def group_norm(ctx: Context, node: Node, tensors: Tensors) -> None:
    """GroupNormalization."""
    assert isinstance(node.layer, GroupNorm)
    names = weights(ctx, node, tensors, "gamma", "beta")
    ctx.op(
        "GroupNormalization", node.inputs[0], *names, out=node.name, num_groups=node.layer.groups,
        epsilon=node.layer.eps,
    )  # fmt: skip
