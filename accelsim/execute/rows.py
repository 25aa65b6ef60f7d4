"""Row by row work of the vector unit: softmax, normalisation, reductions, suppression; plain and independent."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import InputError
from accelsim.graph import Node
from accelsim.layers import (
    NMS,
    ArgReduce,
    Einsum,
    GroupNorm,
    Layer,
    LayerNorm,
    LocalResponseNorm,
    LpNorm,
    Reduce,
    Shape,
    Softmax,
)

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Tensors = dict[str, Array]
Take = Callable[[int, Index], Array]


def row_places(shape: Shape, axes: tuple[int, ...]) -> Index:
    """Flat positions (rows, width) of the sets over `axes`, other dims in order."""
    order = [i for i in range(len(shape)) if i not in axes] + list(axes)
    every = np.arange(prod(shape), dtype=np.int64).reshape(shape).transpose(order)
    return every.reshape(-1, prod(shape[i] for i in axes))


def _softmax(layer: Softmax, rows: Array, *_: Any) -> Array:
    powers = np.exp(rows - np.max(rows, axis=1)[:, None])
    shares: Array = powers / np.sum(powers, axis=1)[:, None]
    if not layer.log:
        return shares
    logs: Array = rows - (np.max(rows, axis=1) + np.log(np.sum(powers, axis=1)))[:, None]
    return logs


def _normal(rows: Array, eps: float, centre: bool = True) -> Array:
    """Rows with mean 0 and variance 1, by sums and sums of squares."""
    width = rows.shape[1]
    mean = np.sum(rows, axis=1) / width if centre else np.zeros(rows.shape[0])
    apart = rows - mean[:, None]
    found: Array = apart * (1.0 / np.sqrt(np.sum(apart * apart, axis=1) / width + eps))[:, None]
    return found


def _layer_norm(layer: LayerNorm, rows: Array, places: Index, shape: Shape, w: Tensors) -> Array:
    found = _normal(rows, layer.eps, layer.centre)
    if "gamma" in w:
        found = found * w["gamma"].reshape(1, -1)
    return found + w["beta"].reshape(1, -1) if "beta" in w else found


def _group_norm(layer: GroupNorm, rows: Array, places: Index, shape: Shape, w: Tensors) -> Array:
    channel = places // prod(shape[2:]) % shape[1]
    return _normal(rows, layer.eps) * w["gamma"][channel] + w["beta"][channel]


def _local_response(layer: LocalResponseNorm, rows: Array, places: Index, shape: Shape, _: Tensors) -> Array:
    channels = rows.reshape(rows.shape[0], shape[1], -1)
    found = np.zeros_like(channels)
    for c in range(shape[1]):
        low, high = max(0, c - (layer.size - 1) // 2), min(shape[1], c + layer.size // 2 + 1)
        energy = np.einsum("rck,rck->rk", channels[:, low:high], channels[:, low:high])
        found[:, c] = channels[:, c] * (layer.bias + layer.alpha * energy / layer.size) ** -layer.beta
    return found.reshape(rows.shape)


def _lp(layer: LpNorm, rows: Array, *_: Any) -> Array:
    size = np.sum(np.abs(rows), axis=1) if layer.p == 1 else np.sqrt(np.sum(rows * rows, axis=1))
    return rows / np.where(size > 0, size, 1.0)[:, None]


TOTALS: dict[str, Callable[[Array], Array]] = {
    "sum": lambda r: np.sum(r, axis=1),
    "mean": lambda r: np.sum(r, axis=1) / r.shape[1],
    "max": lambda r: np.sort(r, axis=1)[:, -1],
    "min": lambda r: np.sort(r, axis=1)[:, 0],
    "prod": lambda r: np.multiply.accumulate(r, axis=1)[:, -1],
    "l1": lambda r: np.sum(np.abs(r), axis=1),
    "l2": lambda r: np.sqrt(np.sum(r * r, axis=1)),
    "sum_square": lambda r: np.sum(r * r, axis=1),
    "log_sum": lambda r: np.log(np.sum(r, axis=1)),
    "log_sum_exp": lambda r: np.max(r, axis=1) + np.log(np.sum(np.exp(r - np.max(r, axis=1)[:, None]), axis=1)),
}


def _arg(layer: ArgReduce, rows: Array) -> Array:
    best = (np.min if layer.least else np.max)(rows, axis=1)
    hits = rows == best[:, None]
    width = rows.shape[1]
    order = np.arange(width)
    at: Array = np.where(hits, order, -1).max(axis=1) if layer.last else np.where(hits, order, width).min(axis=1)
    return at


NORMS: dict[type[Layer], Callable[..., Array]] = {
    Softmax: _softmax,
    LayerNorm: _layer_norm,
    GroupNorm: _group_norm,
    LocalResponseNorm: _local_response,
    LpNorm: _lp,
}


def _axes(layer: Layer, rank: int) -> tuple[int, ...]:
    """Dims of one row."""
    if isinstance(layer, Softmax):
        return layer.axes(rank)
    if isinstance(layer, LayerNorm):
        return tuple(range(layer.axis % rank, rank))
    if isinstance(layer, LocalResponseNorm):
        return tuple(range(1, rank))
    if isinstance(layer, Reduce):
        return layer.over(rank)
    assert isinstance(layer, LpNorm | ArgReduce)
    return (layer.axis % rank,)


def run(node: Node, take: Take, begin: int, end: int, w: Tensors) -> tuple[Array, Index]:
    """Rows `begin` to `end` of a layer: real results and their positions in the output."""
    layer, shape = node.layer, node.input_shapes[0]
    assert layer is not None
    if isinstance(layer, NMS):
        return suppress(layer, *(take(i, np.arange(prod(s))).reshape(s) for i, s in enumerate(node.input_shapes)))
    if isinstance(layer, GroupNorm):
        places = np.arange(prod(shape), dtype=np.int64).reshape(shape[0] * layer.groups, -1)[begin:end]
    else:
        places = row_places(shape, _axes(layer, len(shape)))[begin:end]
    rows = take(0, places)
    if isinstance(layer, Reduce):
        return TOTALS[layer.kind](rows), np.arange(begin, end)
    if isinstance(layer, ArgReduce):
        return _arg(layer, rows).astype(float), np.arange(begin, end)
    for kind, rule in NORMS.items():
        if isinstance(layer, kind):
            return rule(layer, rows, places, shape, w).reshape(-1), places.reshape(-1)
    raise InputError(f"{node.name}: operator {node.op!r} does not run on the vector unit")


def suppress(layer: NMS, boxes: Array, scores: Array) -> tuple[Array, Index]:
    """Greedy suppression, one box at a time."""
    kept: list[tuple[int, int, int]] = []
    for image in range(scores.shape[0]):
        for kind in range(scores.shape[1]):
            left = [b for b in range(boxes.shape[1]) if scores[image, kind, b] > layer.least]
            left.sort(key=lambda b: (-scores[image, kind, b], b))
            taken = 0
            while left and taken < layer.most:
                best = left.pop(0)
                kept.append((image, kind, best))
                taken += 1
                left = [b for b in left if _iou(boxes[image, best], boxes[image, b], layer.centre) <= layer.threshold]
    total = prod(layer.output_shape([boxes.shape, scores.shape]))
    found = np.full(total, -1.0)
    found[: 3 * len(kept)] = np.array(kept, float).reshape(-1)
    return found, np.arange(total)


def _iou(one: Array, two: Array, centre: bool) -> float:
    """Intersection over union of two boxes."""
    sides = []
    for a, b, c, d in (one, two):
        if centre:
            sides.append((b - d / 2, b + d / 2, a - c / 2, a + c / 2))
        else:
            sides.append((min(a, c), max(a, c), min(b, d), max(b, d)))
    (t1, b1, l1, r1), (t2, b2, l2, r2) = sides
    inside = max(0.0, min(b1, b2) - max(t1, t2)) * max(0.0, min(r1, r2) - max(l1, l2))
    union = (b1 - t1) * (r1 - l1) + (b2 - t2) * (r2 - l2) - inside
    return float(inside / union) if union > 0 else 0.0


def einsum(layer: Einsum, shape: Shape, values: Array, place: Index) -> Array:
    """Output words of a one-tensor summation: every input word whose repeated letters agree is added where it
    belongs."""
    (letters,), out = layer.terms([shape])
    coords = dict[str, Index]()
    valid = np.ones(values.size, bool)
    for letter, coord in zip(letters, np.unravel_index(np.arange(values.size), shape), strict=True):
        if letter in coords:
            valid &= coords[letter] == coord
        coords[letter] = coord
    sizes = layer.sizes([shape])
    target = np.zeros(values.size, np.int64)
    for letter in out:
        target = target * sizes[letter] + coords[letter]
    total = np.zeros(max(1, prod(sizes[letter] for letter in out)))
    np.add.at(total, target[valid], values[valid])
    found: Array = total[place]
    return found
