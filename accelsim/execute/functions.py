"""Functions of one and two numbers, by operator name; both executors finish words with them, one word at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import InputError
from accelsim.layers import Layer

Array = NDArray[np.float64]


def erf(x: Array) -> Array:
    """The error function, element by element."""
    flat = np.fromiter(map(math.erf, np.asarray(x, float).ravel()), float, np.size(x))
    return flat.reshape(np.shape(x))


def sigmoid(x: Array) -> Array:
    """`1 / (1 + exp(-x))` without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def softplus(x: Array) -> Array:
    """`log(1 + exp(x))` without overflow."""
    result: Array = np.logaddexp(0.0, x)
    return result


def gelu(x: Array, tanh: bool) -> Array:
    """GELU, exact or in its tanh form."""
    if tanh:
        return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1.0 + erf(x / math.sqrt(2.0)))


def _negative(x: Array, below: Array) -> Array:
    return np.where(x > 0, x, below)


# (x, layer) -> y; the layer carries the attributes
UNARY: dict[str, Callable[[Array, Any], Array]] = {
    "relu": lambda x, _: np.maximum(x, 0.0),
    "relu6": lambda x, _: np.clip(x, 0.0, 6.0),
    "clip": lambda x, a: np.minimum(np.maximum(x, a.low), a.high),
    "affine": lambda x, a: a.alpha * x + a.beta,
    "leaky_relu": lambda x, a: _negative(x, a.alpha * x),
    "elu": lambda x, a: _negative(x, a.alpha * np.expm1(np.minimum(x, 0.0))),
    "selu": lambda x, a: a.gamma * _negative(x, a.alpha * np.expm1(np.minimum(x, 0.0))),
    "celu": lambda x, a: np.maximum(x, 0.0) + np.minimum(0.0, a.alpha * np.expm1(x / a.alpha)),
    "gelu": lambda x, a: gelu(x, a.tanh),
    "silu": lambda x, a: x * sigmoid(a.beta * x),
    "tanh": lambda x, _: np.tanh(x),
    "sigmoid": lambda x, _: sigmoid(x),
    "hard_sigmoid": lambda x, a: np.clip(a.alpha * x + a.beta, 0.0, 1.0),
    "hard_swish": lambda x, _: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0),
    "softplus": lambda x, _: softplus(x),
    "thresholded_relu": lambda x, a: np.where(x > a.alpha, x, 0.0),
    "abs": lambda x, _: np.abs(x),
    "neg": lambda x, _: -x,
    "sign": lambda x, _: np.sign(x),
    "floor": lambda x, _: np.floor(x),
    "ceil": lambda x, _: np.ceil(x),
    "round": lambda x, _: np.rint(x),
    "cast_int": lambda x, _: np.trunc(x),
    "not": lambda x, _: (x == 0).astype(float),
    "identity": lambda x, _: x,
    "reciprocal": lambda x, _: 1.0 / x,
    "sqrt": lambda x, _: np.sqrt(x),
    "square": lambda x, _: x * x,
    "exp": lambda x, _: np.exp(x),
    "log": lambda x, _: np.log(x),
    "erf": lambda x, _: erf(x),
    "sin": lambda x, _: np.sin(x),
    "cos": lambda x, _: np.cos(x),
    "softsign": lambda x, _: x / (1.0 + np.abs(x)),
    "mish": lambda x, _: x * np.tanh(softplus(x)),
}

BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "pow": np.power,
    "max": np.maximum,
    "min": np.minimum,
    "mod": np.mod,
    "div_int": lambda a, b: np.trunc(a / b),
    "less": lambda a, b: (a < b).astype(float),
    "less_equal": lambda a, b: (a <= b).astype(float),
    "greater": lambda a, b: (a > b).astype(float),
    "greater_equal": lambda a, b: (a >= b).astype(float),
    "equal": lambda a, b: (a == b).astype(float),
    "and": lambda a, b: ((a != 0) & (b != 0)).astype(float),
    "or": lambda a, b: ((a != 0) | (b != 0)).astype(float),
    "xor": lambda a, b: ((a != 0) ^ (b != 0)).astype(float),
}


def activate(real: Array, activation: Layer | None) -> Array:
    """The activation of real numbers; the identity for None.

    Raises:
        InputError: an activation without a formula.
    """
    if activation is None:
        return real
    if activation.op not in UNARY:
        raise InputError(f"activation {activation.op!r} has no formula; known: {', '.join(sorted(UNARY))}")
    return UNARY[activation.op](real, activation)
