"""Importers of convolutions, pooling, normalisation and region operators."""

from __future__ import annotations

import numpy as np

from accelsim.formats.onnx_in.context import Context, Numbers
from accelsim.formats.onnx_in.rules import Importer
from accelsim.layers import (
    CONVS,
    NMS,
    Affine,
    AvgPool,
    BatchNorm2d,
    Binary,
    Conv2d,
    ConvTranspose,
    DeformConv2d,
    GlobalPool,
    GroupNorm,
    LayerNorm,
    LocalResponseNorm,
    LpNorm,
    LpPool,
    MaxPool2d,
    Pool,
    PReLU,
    Reduce,
    RoIAlign,
    RoIPool,
    Softmax,
    Unary,
    same_pads,
)
from accelsim.problem import Op


def _window(
    ctx: Context, rank: int, kernel: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """(strides, dilations, pads) with auto_pad worked out."""
    strides = ctx.attr("strides", (1,) * rank)
    gaps = ctx.attr("dilations", (1,) * rank)
    auto = ctx.attr("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        sizes = ctx.value(0).shape[2:]
        both = [
            same_pads(n, k, s, d, auto == "SAME_LOWER") for n, k, s, d in zip(sizes, kernel, strides, gaps, strict=True)
        ]
        return strides, gaps, (*(a for a, _ in both), *(b for _, b in both))
    if auto not in ("NOTSET", "VALID", ""):
        raise ctx.fail(f"auto_pad {auto!r}, expected NOTSET, SAME_UPPER, SAME_LOWER or VALID")
    pads = (0,) * 2 * rank if auto == "VALID" else ctx.attr("pads", (0,) * 2 * rank)
    return strides, gaps, pads


def _rank(ctx: Context) -> int:
    rank = len(ctx.value(0).shape) - 2
    if not 1 <= rank <= 3:
        raise ctx.fail(f"input of shape {ctx.value(0).shape}, expected one to three spatial dims")
    return rank


def _bias(ctx: Context, index: int) -> tuple[bool, Numbers | None]:
    """(present, values)."""
    return (True, ctx.weight(index, "the bias").array) if ctx.has(index) else (False, None)


def _conv(ctx: Context) -> None:
    rank, weight = _rank(ctx), ctx.weight(1, "the weight")
    kernel = ctx.attr("kernel_shape", weight.shape[2:])
    strides, gaps, pads = _window(ctx, rank, kernel)
    has_bias, bias = _bias(ctx, 2)
    layer = CONVS[rank](weight.shape[0], kernel, strides, pads, gaps, ctx.attr("group", 1), has_bias)
    ctx.give(ctx.add(layer, ctx.handle(0), share=_shared(ctx, 1), weight=weight.array, bias=bias))


def _shared(ctx: Context, index: int) -> str:
    """Weight key of a weight that several layers of one kind may read."""
    return f"{ctx.node.input[index]}|{ctx.node.input[2] if ctx.has(2) else ''}"


def _conv_transpose(ctx: Context) -> None:
    rank, weight = _rank(ctx), ctx.weight(1, "the weight")
    kernel = ctx.attr("kernel_shape", weight.shape[2:])
    strides, gaps = ctx.attr("strides", (1,) * rank), ctx.attr("dilations", (1,) * rank)
    extra, groups = ctx.attr("output_padding", (0,) * rank), ctx.attr("group", 1)
    pads, auto = ctx.attr("pads", (0,) * 2 * rank), ctx.attr("auto_pad", "NOTSET")
    sizes = ctx.value(0).shape[2:]
    wanted = ctx.attr("output_shape")
    if wanted is None and auto.startswith("SAME"):
        wanted = tuple(n * s for n, s in zip(sizes, strides, strict=True))
    if wanted is not None:
        wanted = wanted[-rank:]
        cuts = [
            (n - 1) * s + e + d * (k - 1) + 1 - w
            for n, s, e, d, k, w in zip(sizes, strides, extra, gaps, kernel, wanted, strict=True)
        ]
        extra = tuple(e + max(0, -cut) for e, cut in zip(extra, cuts, strict=True))
        cuts = [max(0, cut) for cut in cuts]
        halves = [cut // 2 if auto != "SAME_LOWER" else cut - cut // 2 for cut in cuts]
        pads = (*halves, *(cut - half for cut, half in zip(cuts, halves, strict=True)))
    has_bias, bias = _bias(ctx, 2)
    layer = ConvTranspose(weight.shape[1] * groups, kernel, strides, pads, extra, gaps, groups, has_bias)
    ctx.give(ctx.add(layer, ctx.handle(0), share=_shared(ctx, 1), weight=weight.array, bias=bias))


def _deform(ctx: Context) -> None:
    weight = ctx.weight(1, "the weight")
    kernel = ctx.attr("kernel_shape", weight.shape[2:])
    strides, gaps, pads = _window(ctx, 2, kernel)
    has_bias, bias = _bias(ctx, 3)
    conv = Conv2d(weight.shape[0], kernel, strides, pads, gaps, ctx.attr("group", 1), has_bias)
    layer = DeformConv2d(conv, ctx.attr("offset_group", 1), ctx.has(4))
    inputs = [ctx.handle(0), ctx.handle(2), *([ctx.handle(4)] if ctx.has(4) else [])]
    ctx.give(ctx.add(layer, *inputs, weight=weight.array, bias=bias))


def _one_output(ctx: Context) -> None:
    if any(ctx.node.output[1:]):
        raise ctx.fail(f"output {ctx.node.output[1]!r}: only the first output can be simulated")


def _pool(ctx: Context) -> None:
    _one_output(ctx)
    rank, kernel = _rank(ctx), ctx.attr("kernel_shape")
    strides, gaps, pads = _window(ctx, rank, kernel)
    ceil = bool(ctx.attr("ceil_mode", 0))
    kind = ctx.node.op_type
    layer: Pool
    if kind == "AveragePool":
        layer = AvgPool(kernel, strides, pads, ceil, gaps, count_include_pad=bool(ctx.attr("count_include_pad", 0)))
    elif kind == "LpPool":
        layer = LpPool(kernel, strides, pads, ceil, gaps, p=ctx.attr("p", 2))
    else:
        layer = MaxPool2d(kernel, strides, pads, ceil, gaps)
    ctx.give(ctx.add(layer, ctx.handle(0)))


def _global(ctx: Context) -> None:
    kinds: dict[str, Op] = {"GlobalAveragePool": "avg", "GlobalMaxPool": "max", "GlobalLpPool": "lp"}
    ctx.give(ctx.add(GlobalPool(kinds[ctx.node.op_type], ctx.attr("p", 2)), ctx.handle(0)))


def _batch_norm(ctx: Context) -> None:
    if ctx.attr("training_mode", 0):
        raise ctx.fail("training_mode 1; only inference is simulated")
    names = ("gamma", "beta", "mean", "var")
    tensors = {name: ctx.weight(i, name).array for i, name in enumerate(names, start=1)}
    ctx.give(ctx.add(BatchNorm2d(ctx.attr("epsilon", 1e-5)), ctx.handle(0), tensors=tensors))


def _row_tensor(ctx: Context, index: int, row: tuple[int, ...]) -> Numbers | None:
    """A scale or shift broadcast to the normalised set."""
    found = ctx.weight(index, "the scale or shift")
    try:
        return None if found.array is None else np.broadcast_to(found.array, row)
    except ValueError:
        raise ctx.fail(f"a scale or shift of shape {found.shape}, expected {row}") from None


def _statistics(ctx: Context, axis: int, eps: float) -> None:
    """The mean and the inverse deviation of a layer normalisation as outputs of their own."""
    x, outputs = ctx.handle(0), [*ctx.node.output, "", ""]
    axes = tuple(range(axis % len(x.shape), len(x.shape)))
    if not (outputs[1] or outputs[2]):
        return
    mean = ctx.add(Reduce("mean", axes), x, suffix=".mean")
    if outputs[1]:
        ctx.give(mean, 1)
    if outputs[2]:
        apart = ctx.add(Binary("sub"), x, mean, suffix=".apart")
        spread = ctx.add(Reduce("mean", axes), ctx.add(Unary("square"), apart, suffix=".square"), suffix=".variance")
        root = ctx.add(Unary("sqrt"), ctx.add(Affine(1.0, eps), spread, suffix=".eps"), suffix=".root")
        ctx.give(ctx.add(Unary("reciprocal"), root, suffix=".inverse"), 2)


def _layer_norm(ctx: Context) -> None:
    shape = ctx.value(0).shape
    axis, rms = ctx.attr("axis", -1), ctx.node.op_type == "RMSNormalization"
    row = shape[axis:]
    layer = LayerNorm(axis, ctx.attr("epsilon", 1e-5), bias=ctx.has(2), centre=not rms)
    beta = _row_tensor(ctx, 2, row) if ctx.has(2) else None
    ctx.give(ctx.add(layer, ctx.handle(0), gamma=_row_tensor(ctx, 1, row), beta=beta))
    _statistics(ctx, axis, layer.eps)


def _group_norm(ctx: Context) -> None:
    shape = ctx.value(0).shape
    groups = ctx.attr("num_groups") if ctx.node.op_type == "GroupNormalization" else shape[1]
    tensors = {}
    for index, name in ((1, "gamma"), (2, "beta")):
        found = ctx.weight(index, name).array
        if found is not None and found.size == groups != shape[1]:
            found = np.repeat(found, shape[1] // groups)
        tensors[name] = found
    ctx.give(ctx.add(GroupNorm(groups, ctx.attr("epsilon", 1e-5)), ctx.handle(0), tensors=tensors))


def _local_response(ctx: Context) -> None:
    layer = LocalResponseNorm(
        ctx.attr("size"), ctx.attr("alpha", 1e-4), ctx.attr("beta", 0.75), ctx.attr("bias", 1.0)
    )  # fmt: skip
    ctx.give(ctx.add(layer, ctx.handle(0)))


def _softmax(ctx: Context) -> None:
    log = ctx.node.op_type == "LogSoftmax"
    old = ctx.opset < 13
    ctx.give(ctx.add(Softmax(ctx.attr("axis", 1 if old else -1), log, old), ctx.handle(0)))


def _lp_norm(ctx: Context) -> None:
    ctx.give(ctx.add(LpNorm(ctx.attr("axis", -1), ctx.attr("p", 2)), ctx.handle(0)))


def _prelu(ctx: Context) -> None:
    slope, x = ctx.weight(1, "the slope"), ctx.value(0).shape
    shape = slope.shape
    if ctx.opset < 7 and len(shape) == 1 and len(x) > 2:
        shape = (*shape, *(1,) * (len(x) - 2))
    array = None if slope.array is None else slope.array.reshape(shape)
    ctx.give(ctx.add(PReLU(shape), ctx.handle(0), slope=array))


def _roi_align(ctx: Context) -> None:
    boxes, images = ctx.handle(1), ctx.handle(2)
    column = ctx.net.reshape(images, boxes.shape[0], 1, name=ctx.layer_name(".images"))
    regions = ctx.net.concat(column, boxes, axis=1, name=ctx.layer_name(".regions"))
    default = "half_pixel" if ctx.opset >= 16 else "output_half_pixel"
    layer = RoIAlign(
        (ctx.attr("output_height", 1), ctx.attr("output_width", 1)), ctx.attr("spatial_scale", 1.0),
        ctx.attr("sampling_ratio", 0), ctx.attr("mode", "avg") == "max",
        ctx.attr("coordinate_transformation_mode", default) == "half_pixel",
    )  # fmt: skip
    ctx.give(ctx.add(layer, ctx.handle(0), regions))


def _roi_pool(ctx: Context) -> None:
    ctx.give(ctx.add(RoIPool(ctx.attr("pooled_shape"), ctx.attr("spatial_scale", 1.0)), ctx.handle(0), ctx.handle(1)))


def _nms(ctx: Context) -> None:
    most = ctx.ints(2, "max_output_boxes_per_class")[0] if ctx.has(2) else 0
    if most < 1:
        raise ctx.fail("max_output_boxes_per_class is 0: nothing would be kept")
    threshold = float(np.ravel(ctx.const(3, "iou_threshold"))[0]) if ctx.has(3) else 0.0
    least = float(np.ravel(ctx.const(4, "score_threshold"))[0]) if ctx.has(4) else float("-inf")
    layer = NMS(most, threshold, least, bool(ctx.attr("center_point_box", 0)))
    ctx.give(ctx.add(layer, ctx.handle(0), ctx.handle(1)), kind="i")


WINDOWS: dict[str, Importer] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DeformConv": _deform,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "LpPool": _pool,
    "GlobalAveragePool": _global,
    "GlobalMaxPool": _global,
    "GlobalLpPool": _global,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _layer_norm,
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _group_norm,
    "LRN": _local_response,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "LpNormalization": _lp_norm,
    "PRelu": _prelu,
    "RoiAlign": _roi_align,
    "MaxRoiPool": _roi_pool,
    "NonMaxSuppression": _nms,
}
