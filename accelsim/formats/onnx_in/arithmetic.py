"""Importers of elementwise functions, reductions and matrix products."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from accelsim.formats.onnx_in.context import Context, Value
from accelsim.formats.onnx_in.rules import REDUCES, Importer
from accelsim.graph import Handle
from accelsim.layers import (
    CELU,
    ELU,
    GELU,
    SELU,
    Add,
    Affine,
    ArgReduce,
    Binary,
    Clip,
    Einsum,
    HardSigmoid,
    HardSwish,
    Layer,
    LeakyReLU,
    Linear,
    MatMul,
    Reduce,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
    ThresholdedReLU,
    Unary,
    Where,
)


def _simple(layer: Layer, kind: str = "") -> Importer:
    def run(ctx: Context) -> None:
        ctx.give(ctx.add(layer, ctx.handle(0)), kind=kind)

    return run


def _with(make: Any, **defaults: Any) -> Importer:
    """A layer whose fields are attributes of the same names."""

    def run(ctx: Context) -> None:
        ctx.give(ctx.add(make(**{name: ctx.attr(name, value) for name, value in defaults.items()}), ctx.handle(0)))

    return run


def _scalar(value: Value) -> float | None:
    """The number of a constant of one element."""
    if value.array is None or value.array.size != 1 or value.array.dtype.kind not in "fiu":
        return None
    return float(np.ravel(value.array)[0])


def _affine(ctx: Context, op: str) -> Affine | None:
    """Addition, subtraction, product or quotient with one constant number as one layer."""
    a, b = ctx.value(0), ctx.value(1)
    if a.handle is not None and len(b.shape) <= len(a.shape) and (number := _scalar(b)) is not None:
        if op == "div" and (number == 0 or a.kind == "i"):
            return None
        return {
            "add": Affine(1.0, number), "sub": Affine(1.0, -number), "mul": Affine(number),
            "div": Affine(1 / (number or 1)),
        }.get(op)  # fmt: skip
    if b.handle is not None and len(a.shape) <= len(b.shape) and (number := _scalar(a)) is not None:
        return {"add": Affine(1.0, number), "sub": Affine(-1.0, number), "mul": Affine(number)}.get(op)
    return None


def _binary(op: str, truth: bool = False) -> Importer:
    def run(ctx: Context) -> None:
        inputs = [i for i in range(len(ctx.node.input)) if ctx.has(i)]
        kinds = {ctx.value(i).kind for i in inputs}
        if len(inputs) == 1:
            ctx.alias(0)
            return
        layer: Layer | None = _affine(ctx, op) if len(inputs) == 2 else None
        if layer is not None:
            source = 0 if ctx.value(0).handle is not None else 1
            ctx.give(ctx.add(layer, ctx.handle(source)))
            return
        if ctx.attr("broadcast") and ctx.opset < 7:
            ctx.give(ctx.add(Add() if op == "add" else Binary(op), ctx.handle(0), _old_broadcast(ctx)))
            return
        layer = Add() if op == "add" else Binary("div_int" if op == "div" and kinds == {"i"} else op)
        handles = [ctx.handle(i) for i in inputs]
        if len(handles) == 1:
            ctx.alias(0)
        else:
            ctx.give(ctx.add(layer, *handles), kind="b" if truth else "")

    return run


def _old_broadcast(ctx: Context) -> Handle:
    """The second operand of opsets before 7, aligned at `axis`."""
    wide, other = ctx.value(0).shape, ctx.handle(1)
    axis = ctx.attr("axis", len(wide) - len(other.shape))
    shape = (*other.shape, *(1,) * (len(wide) - axis - len(other.shape)))
    return other if shape == other.shape else ctx.net.reshape(other, *shape, name=ctx.layer_name(".shape"))


def _mean(ctx: Context) -> None:
    handles = [ctx.handle(i) for i in range(len(ctx.node.input))]
    total = handles[0] if len(handles) == 1 else ctx.add(Add(), *handles, suffix=".sum")
    ctx.give(ctx.add(Affine(1 / len(handles)), total))


def _mod(ctx: Context) -> None:
    if not ctx.attr("fmod", 0):
        ctx.give(ctx.add(Binary("mod"), ctx.handle(0), ctx.handle(1)))
        return
    quotient = ctx.add(Binary("div_int"), ctx.handle(0), ctx.handle(1), suffix=".whole")
    product = ctx.add(Binary("mul"), quotient, ctx.handle(1), suffix=".product")
    ctx.give(ctx.add(Binary("sub"), ctx.handle(0), product))


def _clip(ctx: Context) -> None:
    ends = []
    for index, name, default in ((1, "min", -np.inf), (2, "max", np.inf)):
        value = ctx.attr(name, default)
        if ctx.has(index):
            value = float(np.ravel(ctx.const(index, name))[0])
        ends.append(float(value))
    ctx.give(ctx.add(ReLU() if ends == [0.0, np.inf] else Clip(*ends), ctx.handle(0)))


def _cast(ctx: Context) -> None:
    from onnx import TensorProto

    from accelsim.formats.onnx_in.model import kind_of

    found = ctx.value(0)
    target = ctx.value(1).kind if ctx.node.op_type == "CastLike" else kind_of(ctx.attr("to"))
    if ctx.node.op_type == "Cast" and ctx.attr("to") == TensorProto.STRING:
        raise ctx.fail("a cast to text cannot be simulated")
    if target == found.kind or (target == "f" and found.kind in "ib") or (target == "i" and found.kind == "b"):
        ctx.alias(0, kind=target)
    elif target == "i":
        ctx.give(ctx.add(Unary("cast_int"), ctx.handle(0)), kind="i")
    else:
        zero = ctx.add(Unary("not"), ctx.handle(0), suffix=".zero")
        ctx.give(ctx.add(Unary("not"), zero), kind="b")


def _reduce(kind: str) -> Importer:
    def run(ctx: Context) -> None:
        rank = len(ctx.value(0).shape)
        axes = ctx.attr("axes")
        if ctx.has(1):
            axes = ctx.ints(1, "axes")
        if not axes:
            axes = () if ctx.attr("noop_with_empty_axes", 0) else tuple(range(rank))
        layer = Reduce(kind, axes, bool(ctx.attr("keepdims", 1)))
        ctx.give(ctx.add(layer, ctx.handle(0)))

    return run


def _arg(ctx: Context) -> None:
    layer = ArgReduce(
        ctx.attr("axis", 0), bool(ctx.attr("keepdims", 1)), ctx.node.op_type == "ArgMin",
        bool(ctx.attr("select_last_index", 0)),
    )  # fmt: skip
    ctx.give(ctx.add(layer, ctx.handle(0)), kind="i")


def _turned(ctx: Context, handle: Handle, wanted: bool, suffix: str) -> Handle:
    return ctx.net.transpose(handle, 1, 0, name=ctx.layer_name(suffix)) if wanted else handle


def _gemm(ctx: Context) -> None:
    """`alpha op(A) op(B) + beta C`; a constant B is a weight, and C then its bias if it has one value per column."""
    alpha, beta = ctx.attr("alpha", 1.0), ctx.attr("beta", 1.0)
    a = _turned(ctx, ctx.handle(0), bool(ctx.attr("transA", 0)), ".a")
    b, c = ctx.value(1), ctx.value(2) if ctx.has(2) else None
    turned = bool(ctx.attr("transB", 0))
    cols = b.shape[0] if turned else b.shape[1]
    flat = c is not None and c.handle is None and prod(c.shape) == cols and c.shape[-1:] == (cols,)
    if b.handle is None:
        weight = None if b.array is None else alpha * (b.array if turned else b.array.T)
        bias = beta * np.ravel(c.array) if flat and c is not None and c.array is not None else None
        share = f"{ctx.node.input[1]}|{ctx.node.input[2] if flat else ''}"
        found = ctx.add(Linear(cols, flat), a, share=share, suffix="" if flat or c is None else ".product",
                        weight=weight, bias=bias)  # fmt: skip
    else:
        flat = False
        found = ctx.add(MatMul(), a, _turned(ctx, ctx.handle(1), turned, ".b"), suffix=".product")
        if alpha != 1.0:
            found = ctx.add(Affine(alpha), found, suffix=".alpha")
    if c is not None and not flat:
        third = ctx.handle(2)
        if beta != 1.0:
            third = ctx.add(Affine(beta), third, suffix=".beta")
        found = ctx.add(Add(), found, third)
    ctx.give(found)


def _matmul(ctx: Context) -> None:
    b = ctx.value(1)
    if b.handle is None and len(b.shape) == 2 and ctx.value(0).handle is not None:
        weight = None if b.array is None else b.array.T
        share = ctx.node.input[1]
        ctx.give(ctx.add(Linear(b.shape[1], False), ctx.handle(0), share=share, weight=weight))
        return
    ctx.give(ctx.add(MatMul(), ctx.handle(0), ctx.handle(1)))


def _einsum(ctx: Context) -> None:
    inputs = [ctx.handle(i) for i in range(len(ctx.node.input))]
    ctx.give(ctx.add(Einsum(ctx.attr("equation")), *inputs))


def _where(ctx: Context) -> None:
    ctx.give(ctx.add(Where(), *(ctx.handle(i) for i in range(3))), kind=ctx.value(1).kind)


def _gelu(ctx: Context) -> None:
    ctx.give(ctx.add(GELU(ctx.attr("approximate", "none") == "tanh"), ctx.handle(0)))


def _swish(ctx: Context) -> None:
    ctx.give(ctx.add(SiLU(ctx.attr("alpha", 1.0)), ctx.handle(0)))


def _shrink(ctx: Context) -> None:
    """`x + bias` below -lambd, `x - bias` above lambd, else 0."""
    bias, lambd = ctx.attr("bias", 0.0), ctx.attr("lambd", 0.5)
    x = ctx.handle(0)
    size = ctx.add(Unary("abs"), x, suffix=".abs")
    kept = ctx.add(Clip(0.0), ctx.add(Affine(1.0, -bias), size, suffix=".less"), suffix=".kept")
    signed = ctx.add(Binary("mul"), kept, ctx.add(Unary("sign"), x, suffix=".sign"), suffix=".signed")
    far = ctx.add(Unary("not"), ctx.add(Clip(0.0), ctx.add(Affine(1.0, -lambd), size, suffix=".over"), suffix=".far"),
                  suffix=".near")  # fmt: skip
    ctx.give(ctx.add(Binary("mul"), signed, ctx.add(Unary("not"), far, suffix=".mask")))


UNARY = {
    "Abs": "abs", "Neg": "neg", "Sign": "sign", "Floor": "floor", "Ceil": "ceil", "Round": "round",
    "Reciprocal": "reciprocal", "Sqrt": "sqrt", "Exp": "exp", "Log": "log", "Erf": "erf", "Sin": "sin", "Cos": "cos",
    "Softsign": "softsign", "Mish": "mish",
}  # fmt: skip
PAIRS = {"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Pow": "pow", "Max": "max", "Min": "min", "Sum": "add"}
TRUTH = {
    "Less": "less", "LessOrEqual": "less_equal", "Greater": "greater", "GreaterOrEqual": "greater_equal",
    "Equal": "equal", "And": "and", "Or": "or", "Xor": "xor",
}  # fmt: skip
KINDS = {
    "ReduceSum": "sum", "ReduceMean": "mean", "ReduceMax": "max", "ReduceMin": "min", "ReduceProd": "prod",
    "ReduceL1": "l1", "ReduceL2": "l2", "ReduceSumSquare": "sum_square", "ReduceLogSum": "log_sum",
    "ReduceLogSumExp": "log_sum_exp",
}  # fmt: skip

ARITHMETIC: dict[str, Importer] = {
    **{onnx: _simple(Unary(ours)) for onnx, ours in UNARY.items()},
    **{onnx: _binary(ours) for onnx, ours in PAIRS.items()},
    **{onnx: _binary(ours, True) for onnx, ours in TRUTH.items()},
    **{onnx: _reduce(KINDS[onnx]) for onnx in REDUCES},
    "Not": _simple(Unary("not"), "b"),
    "Relu": _simple(ReLU()),
    "Sigmoid": _simple(Sigmoid()),
    "Tanh": _simple(Tanh()),
    "HardSwish": _simple(HardSwish()),
    "Softplus": _simple(Softplus()),
    "LeakyRelu": _with(LeakyReLU, alpha=0.01),
    "Elu": _with(ELU, alpha=1.0),
    "Selu": _with(SELU, alpha=1.67326319217681884765625, gamma=1.05070102214813232421875),
    "Celu": _with(CELU, alpha=1.0),
    "HardSigmoid": _with(HardSigmoid, alpha=0.2, beta=0.5),
    "ThresholdedRelu": _with(ThresholdedReLU, alpha=1.0),
    "Gelu": _gelu,
    "Swish": _swish,
    "Shrink": _shrink,
    "Clip": _clip,
    "Mean": _mean,
    "Mod": _mod,
    "Cast": _cast,
    "CastLike": _cast,
    "ArgMax": _arg,
    "ArgMin": _arg,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Einsum": _einsum,
    "Where": _where,
}
