"""One small network per operator and attribute that matters: what other engines are asked to compute too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from accelsim.graph import Handle, LayerGraph, Network
from accelsim.layers import (
    BINARY,
    CELU,
    GELU,
    REDUCTIONS,
    SELU,
    UNARY,
    Affine,
    ArgReduce,
    AvgPool,
    BatchNorm2d,
    ChannelShuffle,
    Clip,
    Conv2d,
    ConvTranspose,
    DepthToSpace,
    Einsum,
    GlobalPool,
    GroupNorm,
    Layer,
    LayerNorm,
    LocalResponseNorm,
    LpNorm,
    LpPool,
    MaxPool2d,
    Pad,
    PReLU,
    Resize,
    RoIAlign,
    Shift,
    Slice,
    Softmax,
    Softplus,
    SpaceToDepth,
    Take,
    TakeAt,
    TemporalShift,
    ThresholdedReLU,
    Tile,
    Transpose,
    Where,
)

Shape = tuple[int, ...]
Make = Callable[..., Any]
X = (2, 8, 9, 11)
REGIONS = [[0, 3, 4, 60, 50], [1, 0, 0, 127, 100], [0, 30, 30, 31, 31], [1, 16.5, 8.25, 90.75, 77.5]]

LAYERS: list[Layer] = [
    SELU(), CELU(0.7), Softplus(), ThresholdedReLU(0.3), GELU(True), Clip(-0.5, float("inf")), Affine(1.5, -0.25),
    GroupNorm(4), GroupNorm(8), LayerNorm(-1), LayerNorm(2, centre=False, bias=False),
    LayerNorm(1, affine=False, bias=False), LocalResponseNorm(5), LocalResponseNorm(3, 0.5), Softmax(1),
    Softmax(1, flat=True), Softmax(-1, True), LpNorm(1, 1), LpNorm(2, 2), ArgReduce(1), ArgReduce(2, False, True, True),
    Transpose((0, 3, 1, 2)), Slice(2, 7, -1, False, -2), Slice(1, 2, 3, True), Take(1, (3, 0, 3, -1), (2, 2)),
    Pad((0, 1, 2, 0, 0, 0, 1, 3)), Pad((0, 0, 2, 3, 0, 0, 3, 2), "reflect"), Pad((0, 0, 2, 3, 0, 0, 3, 2), "edge"),
    Pad((0, 0, 2, 3, 0, 0, 3, 2), "wrap"), Pad((0, 0, -2, 1, 0, -1, 1, 1), "constant", 0.5), Tile((1, 2, 1, 3)),
    DepthToSpace(2), DepthToSpace(2, "CRD"), ChannelShuffle(4), Shift(1), TemporalShift(2, 4), GlobalPool("lp", 3),
    GlobalPool("max"), LpPool((3, 2), (2, 1), (1, 0, 1, 1)), MaxPool2d((3, 3), (2, 2), (1, 1, 1, 1), True),
    MaxPool2d((3, 3), (2, 3), (1, 1, 0, 1), False, (2, 1)),
    AvgPool((3, 3), (2, 2), (1, 1, 1, 1), True, count_include_pad=True),
    AvgPool((3, 3), (2, 2), (1, 1, 1, 1), True, count_include_pad=False), AvgPool((2, 2), (3, 3), (1, 1, 1, 1), True),
    Einsum("ncij->nji"), Resize((2, 8, 18, 22)), Resize((2, 8, 5, 22), mode="linear"),
    Resize((2, 8, 18, 7), mode="cubic"), Resize((2, 8, 18, 7), mode="cubic", coordinates="align_corners"),
    Resize((2, 8, 4, 7), mode="linear", antialias=True),
    Resize((2, 8, 13, 16), coordinates="asymmetric", nearest="floor"),
    Conv2d(6, (3, 3), (2, 1), (1, 0, 1, 2), (1, 2), 2), Conv2d(8, (3, 3), groups=8),
    ConvTranspose(6, (3, 3), (2, 2), (1, 1, 1, 1), (1, 1)),
    ConvTranspose(6, (2, 4), (3, 2), (0, 1, 0, 1), (2, 0), (1, 2), 2),
    ConvTranspose(6, (3, 2), (2, 3), dilation=(2, 2)), PReLU((1,)), BatchNorm2d(),
]  # fmt: skip


def single(layer: Layer) -> Make:
    return lambda net, *x: net.add_layer(layer, *x, stem="layer")


def positive(net: Network, x: Handle) -> Handle:
    return net.scale(net.unary(x, "abs"), 1.0, 0.5)


def unary(name: str) -> Make:
    return lambda net, x: net.unary(positive(net, x) if name in ("sqrt", "log", "reciprocal") else x, name)


def binary(name: str) -> Make:
    return lambda net, x, y: net.binary(name, positive(net, x), positive(net, y))


def reduced(kind: str) -> Make:
    return lambda net, x: net.reduce(positive(net, x), kind, (1, 3), keepdims=kind != "l2")


def recurrent(cell: str) -> Make:
    return lambda net, x: net.recurrent(x, 6, cell=cell, layers=2, bidirectional=True)


def activation(name: str) -> Make:
    return lambda net, x: getattr(net, name)(x)


def deform1(net: Network, x: Handle) -> Handle:
    return net.deform_conv(x, net.conv(x, 2 * 2 * 9, 3, pad=1), 6, 3, pad=1, offset_groups=2)


def deform2(net: Network, x: Handle) -> Handle:
    window = {"pad": 2, "dilation": 2, "stride": 2}
    mask = net.sigmoid(net.conv(x, 9, 3, **window))
    return net.deform_conv(x, net.conv(x, 18, 3, **window), 6, 3, groups=2, mask=mask, **window)


def boxes() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    corners = random.uniform(0, 1, (2, 30, 2))
    far = corners + random.uniform(0.1, 0.5, (2, 30, 2))
    return np.concatenate([corners, far], 2), random.uniform(0, 1, (2, 3, 30))


MAKERS: dict[str, tuple[Make, list[Shape], list[Any]]] = {
    **{repr(layer): (single(layer), [X], []) for layer in LAYERS},
    **{
        name: (activation(name), [X], [])
        for name in (
            "relu", "relu6", "gelu", "silu", "hard_sigmoid", "hard_swish", "tanh", "sigmoid", "elu", "leaky_relu",
            "prelu",
        )
    },
    **{f"unary {name}": (unary(name), [X], []) for name in UNARY},
    **{f"binary {name}": (binary(name), [X, (8, 1, 11)], []) for name in BINARY},
    **{f"reduce {kind}": (reduced(kind), [X], []) for kind in REDUCTIONS},
    **{f"recurrent {cell}": (recurrent(cell), [(2, 5, 4)], []) for cell in ("rnn", "gru", "lstm")},
    "space to depth": (single(SpaceToDepth(2)), [(2, 3, 6, 8)], []),
    "space to depth CRD": (single(SpaceToDepth(2, "CRD")), [(2, 3, 6, 8)], []),
    "shift 3": (lambda net, x: net.shift(x), [(2, 20, 6, 8)], []),
    "shift 5": (lambda net, x: net.shift(x, 5), [(2, 53, 3, 8)], []),
    "matmul": (lambda net, a, b: net.matmul(a, b), [(2, 1, 4, 5), (3, 5, 6)], []),
    "matmul vector": (lambda net, a, b: net.matmul(a, b), [(2, 4, 5), (5,)], []),
    "einsum": (single(Einsum("bij,bjk->bik")), [(2, 4, 5), (2, 5, 3)], []),
    "einsum outer": (single(Einsum("...i,...j->...ij")), [(2, 4), (2, 3)], []),
    "einsum sum": (single(Einsum("ij,ik->k")), [(4, 5), (4, 3)], []),
    "linear rank 3": (lambda net, x: net.linear(x, 7), [(2, 4, 5)], []),
    "conv1d": (lambda net, x: net.conv(x, 6, 3, stride=2, pad=1, groups=2), [(2, 4, 15)], []),
    "conv3d": (lambda net, x: net.conv(x, 6, 3, stride=(1, 2, 1), pad=1, dilation=(1, 1, 2)), [(2, 4, 5, 7, 8)], []),
    "conv same": (lambda net, x: net.conv(x, 6, 3, stride=2, pad="same"), [(2, 4, 8, 7)], []),
    "conv same lower": (lambda net, x: net.conv(x, 6, 4, stride=3, pad="same_lower"), [(2, 4, 8, 7)], []),
    "deconv1d": (lambda net, x: net.conv_transpose(x, 6, 4, stride=2, pad=1), [(2, 4, 5)], []),
    "deconv3d": (lambda net, x: net.conv_transpose(x, 6, 2, stride=2), [(1, 4, 3, 3, 2)], []),
    "pool1d": (lambda net, x: net.max_pool(x, 3, stride=2, pad=1), [(2, 4, 15)], []),
    "pool3d": (lambda net, x: net.avg_pool(x, 2, stride=1, pad=1), [(2, 3, 4, 5, 6)], []),
    "where": (
        lambda net, a, b, c: net.add_layer(Where(), net.unary(net.unary(a, "sign"), "abs"), b, c, stem="where"),
        [(2, 4, 8, 7), (8, 1), (4, 1, 7)], [],
    ),
    "attention": (lambda net, x: net.attention(x, 4), [(2, 6, 16)], []),
    "squeeze and excite": (lambda net, x: net.squeeze_excite(x, 2), [X], []),
    "deformable 1": (deform1, [(2, 4, 7, 8)], []),
    "deformable 2": (deform2, [(2, 4, 7, 8)], []),
    "roi pool": (lambda net, x, r: net.roi_pool(x, r, 3, 1 / 16), [(2, 3, 7, 8), (4, 5)], [None, REGIONS]),
    "roi align": (lambda net, x, r: net.roi_align(x, r, 3, 1 / 16), [(2, 3, 7, 8), (4, 5)], [None, REGIONS]),
    "roi align adaptive": (
        single(RoIAlign((3, 3), 1 / 16, 0, half_pixel=False)), [(2, 3, 7, 8), (4, 5)], [None, REGIONS],
    ),
    "ps roi pool": (lambda net, x, r: net.ps_roi_pool(x, r, 3, 1 / 16), [(2, 18, 7, 8), (4, 5)], [None, REGIONS]),
    "nms": (lambda net, b, s: net.nms(b, s, 5, least=0.2), [(2, 30, 4), (2, 3, 30)], list(boxes())),
    "gather at": (single(TakeAt(0)), [(6, 5), (3,)], [None, [5, 0, 2]]),
    "expand": (lambda net, x: net.expand(x, 3, 4, 5), [(4, 1)], []),
}  # fmt: skip


def case(name: str) -> LayerGraph:
    """The network of a case, its special inputs given."""
    make, shapes, values = MAKERS[name]
    net = Network("case")
    inputs = [net.input(*shape, batched=False) for shape in shapes]
    for handle, value in zip(inputs, values, strict=False):
        if value is not None:
            net.set_values(handle, value=np.asarray(value, float))
    return net.build(make(net, *inputs))
