"""Importers of operators that rearrange, and of resampling."""

from __future__ import annotations

from math import floor

import numpy as np

from accelsim.formats.onnx_in.context import Context
from accelsim.formats.onnx_in.rules import Importer
from accelsim.graph import Handle
from accelsim.layers import (
    Concat,
    DepthToSpace,
    Dropout,
    Expand,
    Flatten,
    Pad,
    Reshape,
    Resize,
    Slice,
    SpaceToDepth,
    Take,
    TakeAt,
    Tile,
    Transpose,
)


def _axis(ctx: Context, axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise ctx.fail(f"axis {axis}, expected {-rank} to {rank - 1}")
    return axis % rank


def _reshape_to(ctx: Context, shape: tuple[int, ...]) -> None:
    if shape == ctx.value(0).shape:
        ctx.alias(0)
        return
    ctx.give(ctx.add(Reshape(shape), ctx.handle(0)))


def _reshape(ctx: Context) -> None:
    old = ctx.value(0).shape
    wanted = ctx.ints(1, "the shape") if ctx.has(1) else ctx.attr("shape")
    if not ctx.attr("allowzero", 0):
        wanted = tuple(old[i] if size == 0 else size for i, size in enumerate(wanted))
    words, known = int(np.prod(old)), int(np.prod([s for s in wanted if s != -1]))
    if wanted.count(-1) == 1 and known and words % known == 0:
        wanted = tuple(words // known if s == -1 else s for s in wanted)
    _reshape_to(ctx, wanted)


def _squeeze(ctx: Context) -> None:
    old = ctx.value(0).shape
    axes = ctx.ints(1, "axes") if ctx.has(1) else ctx.attr("axes")
    if axes is None:
        drop = {i for i, size in enumerate(old) if size == 1}
    else:
        drop = {_axis(ctx, axis, len(old)) for axis in axes}
    _reshape_to(ctx, tuple(size for i, size in enumerate(old) if i not in drop))


def _unsqueeze(ctx: Context) -> None:
    old = ctx.value(0).shape
    axes = ctx.ints(1, "axes") if ctx.has(1) else ctx.attr("axes")
    rank = len(old) + len(axes)
    new = {_axis(ctx, axis, rank) for axis in axes}
    rest = iter(old)
    _reshape_to(ctx, tuple(1 if i in new else next(rest) for i in range(rank)))


def _flatten(ctx: Context) -> None:
    axis = ctx.attr("axis", 1)
    ctx.give(ctx.add(Flatten(axis + len(ctx.value(0).shape) if axis < 0 else axis), ctx.handle(0)))


def _transpose(ctx: Context) -> None:
    rank = len(ctx.value(0).shape)
    perm = ctx.attr("perm", tuple(reversed(range(rank))))
    if perm == tuple(range(rank)):
        ctx.alias(0)
        return
    ctx.give(ctx.add(Transpose(perm), ctx.handle(0)))


def _concat(ctx: Context) -> None:
    filled = [i for i in range(len(ctx.node.input)) if 0 not in ctx.value(i).shape]
    handles = [ctx.handle(i) for i in filled]
    if len(handles) == 1:
        ctx.alias(filled[0])
        return
    ctx.give(ctx.add(Concat(_axis(ctx, ctx.attr("axis", 1), len(handles[0].shape))), *handles))


def _split(ctx: Context) -> None:
    shape = ctx.value(0).shape
    axis = _axis(ctx, ctx.attr("axis", 0), len(shape))
    outputs = len(ctx.node.output)
    sizes = ctx.ints(1, "split") if ctx.has(1) else ctx.attr("split")
    if sizes is None:
        each = -(-shape[axis] // outputs)
        sizes = tuple(min(each, shape[axis] - each * i) for i in range(outputs))
    if sum(sizes) != shape[axis] or len(sizes) != outputs:
        raise ctx.fail(f"split {sizes} of an axis of {shape[axis]} into {outputs} outputs")
    start = 0
    for index, size in enumerate(sizes):
        if ctx.node.output[index]:
            if size < 1:
                ctx.empty(index, (*shape[:axis], 0, *shape[axis + 1 :]))
                continue
            ctx.give(ctx.add(Slice(axis, start, start + size), ctx.handle(0), suffix=f".{index}"), index)
        start += size


def _slice(ctx: Context) -> None:
    shape = ctx.value(0).shape
    if ctx.opset < 10:
        starts, ends = ctx.attr("starts"), ctx.attr("ends")
        axes, steps = ctx.attr("axes"), None
    else:
        starts, ends = ctx.ints(1, "starts"), ctx.ints(2, "ends")
        axes = ctx.ints(3, "axes") if ctx.has(3) else None
        steps = ctx.ints(4, "steps") if ctx.has(4) else None
    axes = tuple(range(len(starts))) if axes is None else axes
    steps = steps or (1,) * len(starts)
    found = ctx.handle(0)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        at = _axis(ctx, axis, len(shape))
        if step == 0:
            raise ctx.fail("a step of 0")
        first, stop, by = slice(start, end, step).indices(shape[at])
        if not range(first, stop, by):
            raise ctx.fail(f"{start}:{end}:{step} of axis {axis} is empty; empty tensors are not simulated")
        if (first, stop, by) != (0, shape[at], 1):
            found = ctx.add(Slice(at, first, stop, step=by), found, suffix="" if len(axes) == 1 else f".{at}")
    _give_or_alias(ctx, found)


def _give_or_alias(ctx: Context, found: Handle) -> None:
    if found == ctx.value(0).handle:
        ctx.alias(0)
    else:
        ctx.give(found)


def _pad(ctx: Context) -> None:
    rank = len(ctx.value(0).shape)
    pads = ctx.ints(1, "pads") if ctx.has(1) else ctx.attr("pads", ctx.attr("paddings"))
    value = float(np.ravel(ctx.const(2, "the value"))[0]) if ctx.has(2) else ctx.attr("value", 0.0)
    if ctx.has(3):
        axes = [_axis(ctx, a, rank) for a in ctx.ints(3, "axes")]
        full = [0] * 2 * rank
        for i, axis in enumerate(axes):
            full[axis], full[axis + rank] = pads[i], pads[i + len(axes)]
        pads = tuple(full)
    if not any(pads):
        ctx.alias(0)
        return
    ctx.give(ctx.add(Pad(pads, ctx.attr("mode", "constant"), value), ctx.handle(0)))


def _expand(ctx: Context) -> None:
    layer = Expand(ctx.ints(1, "the shape"))
    if layer.output_shape([ctx.value(0).shape]) == ctx.value(0).shape:
        ctx.alias(0)
        return
    ctx.give(ctx.add(layer, ctx.handle(0)))


def _tile(ctx: Context) -> None:
    ctx.give(ctx.add(Tile(ctx.ints(1, "repeats")), ctx.handle(0)))


def _gather(ctx: Context) -> None:
    axis, index = ctx.attr("axis", 0), ctx.value(1)
    if index.array is None:
        ctx.give(ctx.add(TakeAt(axis), ctx.handle(0), ctx.handle(1)), kind=ctx.value(0).kind)
        return
    numbers = tuple(int(i) for i in index.array.ravel())
    ctx.give(ctx.add(Take(axis, numbers, index.shape), ctx.handle(0)))


def _identity(ctx: Context) -> None:
    ctx.alias(0)


def _dropout(ctx: Context) -> None:
    if ctx.has(2) and bool(np.ravel(ctx.const(2, "training_mode"))[0]):
        ratio = float(np.ravel(ctx.const(1, "ratio"))[0]) if ctx.has(1) else 0.5
        if ratio > 0:
            raise ctx.fail("training_mode is true; only inference is simulated")
    if len(ctx.node.output) > 1 and ctx.node.output[1]:
        ctx.constant(1, np.ones(ctx.value(0).shape, bool))
    ctx.give(ctx.add(Dropout(float(ctx.attr("ratio", 0.5))), ctx.handle(0)))


def _depth_to_space(ctx: Context) -> None:
    ctx.give(ctx.add(DepthToSpace(ctx.attr("blocksize"), ctx.attr("mode", "DCR")), ctx.handle(0)))


def _space_to_depth(ctx: Context) -> None:
    ctx.give(ctx.add(SpaceToDepth(ctx.attr("blocksize"), ctx.attr("mode", "DCR")), ctx.handle(0)))


def _sizes(ctx: Context) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """(output shape, scale per dim) of a Resize, axes and aspect policy applied."""
    shape = ctx.value(0).shape
    axes = [_axis(ctx, a, len(shape)) for a in ctx.attr("axes", tuple(range(len(shape))))]
    out, scales = list(shape), [1.0] * len(shape)
    if ctx.has(3) and ctx.value(3).shape != (0,):
        wanted = ctx.ints(3, "sizes")
        policy = ctx.attr("keep_aspect_ratio_policy", "stretch")
        ratios = [size / shape[axis] for size, axis in zip(wanted, axes, strict=True)]
        if policy != "stretch":
            common = min(ratios) if policy == "not_larger" else max(ratios)
            wanted = tuple(floor(common * shape[axis] + 0.5) for axis in axes)
            ratios = [common] * len(axes)
        for axis, size, ratio in zip(axes, wanted, ratios, strict=True):
            out[axis], scales[axis] = size, ratio
    else:
        given = [float(v) for v in np.ravel(ctx.const(2 if ctx.opset > 10 else 1, "scales"))]
        for axis, scale in zip(axes, given, strict=True):
            out[axis], scales[axis] = floor(shape[axis] * scale), scale
    return tuple(out), tuple(scales)


def _resize(ctx: Context) -> None:
    rank = len(ctx.value(0).shape)
    out, scales = _sizes(ctx)
    rule = ctx.attr("coordinate_transformation_mode", "half_pixel" if ctx.opset > 10 else "asymmetric")
    region: tuple[float, ...] = ()
    if rule == "tf_crop_and_resize":
        axes = [_axis(ctx, a, rank) for a in ctx.attr("axes", tuple(range(rank)))]
        given = [float(v) for v in np.ravel(ctx.const(1, "roi"))]
        starts, ends = [0.0] * rank, [1.0] * rank
        for i, axis in enumerate(axes):
            starts[axis], ends[axis] = given[i], given[i + len(axes)]
        region = (*starts, *ends)
    layer = Resize(
        out, scales, ctx.attr("mode", "nearest"), rule,
        ctx.attr("nearest_mode", "round_prefer_floor" if ctx.opset > 10 else "floor"), ctx.attr("cubic_coeff_a", -0.75),
        bool(ctx.attr("exclude_outside", 0)), bool(ctx.attr("antialias", 0)), region,
        ctx.attr("extrapolation_value", 0.0),
    )  # fmt: skip
    ctx.give(ctx.add(layer, ctx.handle(0)))


def _upsample(ctx: Context) -> None:
    scales = ctx.attr("scales")
    if scales is None:
        scales = tuple(float(v) for v in np.ravel(ctx.const(1, "scales")))
    out = tuple(floor(size * scale) for size, scale in zip(ctx.value(0).shape, scales, strict=True))
    layer = Resize(out, scales, ctx.attr("mode", "nearest"), "asymmetric", "floor")
    ctx.give(ctx.add(layer, ctx.handle(0)))


SHAPES: dict[str, Importer] = {
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Flatten": _flatten,
    "Transpose": _transpose,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Pad": _pad,
    "Expand": _expand,
    "Tile": _tile,
    "Gather": _gather,
    "Identity": _identity,
    "Dropout": _dropout,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Resize": _resize,
    "Upsample": _upsample,
}
