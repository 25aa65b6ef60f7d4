"""Normalisation, reductions and recurrent cells on whole arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from accelsim.execute.functions import sigmoid
from accelsim.layers import ArgReduce, BatchNorm2d, GroupNorm, LayerNorm, LocalResponseNorm, LpNorm, Reduce, Softmax

Array = NDArray[np.float64]
Tensors = dict[str, Array]


def per_channel(values: Array, rank: int) -> Array:
    """(C,) shaped to broadcast over (N, C, ...)."""
    return values.reshape(1, -1, *(1,) * (rank - 2))


def batch_norm(layer: BatchNorm2d, x: Array, w: Tensors) -> Array:
    """`gamma (x - mean) / sqrt(var + eps) + beta` per channel."""
    scale = w["gamma"] / np.sqrt(w["var"] + layer.eps)
    return (x - per_channel(w["mean"], x.ndim)) * per_channel(scale, x.ndim) + per_channel(w["beta"], x.ndim)


def layer_norm(layer: LayerNorm, x: Array, w: Tensors) -> Array:
    """Normalised over the dims from the axis on."""
    axes = tuple(range(layer.axis % x.ndim, x.ndim))
    centred = x - x.mean(axes, keepdims=True) if layer.centre else x
    result: Array = centred / np.sqrt((centred**2).mean(axes, keepdims=True) + layer.eps)
    if "gamma" in w:
        result = result * w["gamma"]
    return result + w["beta"] if "beta" in w else result


def group_norm(layer: GroupNorm, x: Array, w: Tensors) -> Array:
    """Normalised over the channels of a group and all positions."""
    groups = x.reshape(x.shape[0], layer.groups, -1)
    centred = groups - groups.mean(2, keepdims=True)
    normal: Array = centred / np.sqrt((centred**2).mean(2, keepdims=True) + layer.eps)
    return normal.reshape(x.shape) * per_channel(w["gamma"], x.ndim) + per_channel(w["beta"], x.ndim)


def local_response_norm(layer: LocalResponseNorm, x: Array) -> Array:
    """Divided by a power of the sum of squares over neighbouring channels."""
    before = (layer.size - 1) // 2
    squares = np.pad(x**2, ((0, 0), (before, layer.size - 1 - before), *((0, 0),) * (x.ndim - 2)))
    total = sum(squares[:, k : k + x.shape[1]] for k in range(layer.size))
    result: Array = x / (layer.bias + layer.alpha / layer.size * total) ** layer.beta
    return result


def softmax(layer: Softmax, x: Array) -> Array:
    """Softmax or its logarithm, shifted by the maximum."""
    axes = layer.axes(x.ndim)
    shifted = x - x.max(axes, keepdims=True)
    total = np.exp(shifted).sum(axes, keepdims=True)
    result: Array = shifted - np.log(total) if layer.log else np.exp(shifted) / total
    return result


def lp_norm(layer: LpNorm, x: Array) -> Array:
    """Divided by the norm of its set."""
    norm = (np.abs(x) ** layer.p).sum(axis=layer.axis, keepdims=True) ** (1.0 / layer.p)
    return x / np.where(norm == 0, 1.0, norm)


REDUCE: dict[str, Callable[[Array, tuple[int, ...]], Array]] = {
    "sum": lambda x, a: x.sum(a, keepdims=True),
    "mean": lambda x, a: x.mean(a, keepdims=True),
    "max": lambda x, a: x.max(a, keepdims=True),
    "min": lambda x, a: x.min(a, keepdims=True),
    "prod": lambda x, a: x.prod(a, keepdims=True),
    "l1": lambda x, a: np.abs(x).sum(a, keepdims=True),
    "l2": lambda x, a: np.sqrt((x**2).sum(a, keepdims=True)),
    "sum_square": lambda x, a: (x**2).sum(a, keepdims=True),
    "log_sum": lambda x, a: np.log(x.sum(a, keepdims=True)),
    "log_sum_exp": lambda x, a: np.logaddexp.reduce(x, a, keepdims=True) if a else x,
}


def reduce(layer: Reduce, x: Array) -> Array:
    """A reduction."""
    found = REDUCE[layer.kind](x, layer.over(x.ndim))
    return found.reshape(layer.output_shape([x.shape]))


def arg_reduce(layer: ArgReduce, x: Array) -> Array:
    """Index of the largest or smallest element."""
    values = -x if layer.least else x
    axis = layer.axis % x.ndim
    found = x.shape[axis] - 1 - np.flip(values, axis).argmax(axis) if layer.last else values.argmax(axis)
    places: Array = np.asarray(found, float)
    return places.reshape(layer.output_shape([x.shape]))


def lstm_state(inputs: list[Array], w: Tensors) -> Array:
    """c_t."""
    seen, own, held = inputs
    i, f, g, _ = np.split(seen + own, 4, axis=-1)
    if "peephole" in w:
        i, f = i + w["peephole"][0] * held, f + w["peephole"][1] * held
    return sigmoid(f) * held + sigmoid(i) * np.tanh(g)


def lstm_output(inputs: list[Array], w: Tensors) -> Array:
    """h_t."""
    seen, own, state = inputs
    o = np.split(seen + own, 4, axis=-1)[3]
    if "peephole" in w:
        o = o + w["peephole"][0] * state
    return sigmoid(o) * np.tanh(state)


def gru_reset(seen: Array, own: Array, held: Array) -> Array:
    """`sigmoid(r) h`."""
    width = held.shape[-1]
    return sigmoid(seen[..., :width] + own[..., :width]) * held


def gru_state(inputs: list[Array], reset_first: bool) -> Array:
    """h_t."""
    seen, own, *fresh, held = inputs
    width = held.shape[-1]
    r, z = np.split(sigmoid(seen[..., : 2 * width] + own[..., : 2 * width]), 2, axis=-1)
    n = np.tanh(seen[..., 2 * width :] + (fresh[0] if reset_first else r * own[..., 2 * width :]))
    return (1.0 - z) * n + z * held
