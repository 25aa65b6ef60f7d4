"""Tensors of a layer as the operands of its array problems, and sums back as the layer's output."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import InputError
from accelsim.graph import Node
from accelsim.layers import Conv, ConvTranspose, DeformConv2d, Einsum, Linear, MatMul, Phase, Product
from accelsim.problem import Problem

Array = NDArray[np.float64]


def _as_operand(problem: Problem, name: str, values: Array) -> Array:
    return values.reshape([axis.size for axis in problem.operand(name).axes])


def _letters(node: Node) -> tuple[list[str], Product]:
    """Letters of both inputs of a product of activations, and their roles."""
    layer, shapes = node.layer, node.input_shapes
    assert isinstance(layer, MatMul | Einsum)
    roles = layer.product(shapes)
    assert roles is not None
    if isinstance(layer, Einsum):
        return layer.terms(shapes)[0], roles
    heads = roles.out[: len(roles.out) - 2]
    a, b = shapes
    left = heads[len(heads) - max(0, len(a) - 2) :] + ("rk" if len(a) > 1 else "k")
    right = heads[len(heads) - max(0, len(b) - 2) :] + ("kn" if len(b) > 1 else "k")
    return [left, right], roles


def _arranged(values: Array, letters: str, wanted: str, roles: Product) -> Array:
    """A tensor with its dims in the order of `wanted`: diagonals taken, missing ones repeated, others (of size 1)
    dropped."""
    present = "".join(dict.fromkeys(letters))
    diagonal = np.einsum(f"{letters}->{present}", values)
    for at in reversed(range(len(present))):
        if present[at] not in wanted:
            diagonal = diagonal.sum(axis=at)
    kept = [c for c in present if c in wanted]
    ordered = diagonal.transpose([kept.index(c) for c in wanted if c in kept])
    full = ordered.reshape(
        [ordered.shape[[c for c in wanted if c in kept].index(c)] if c in kept else 1 for c in wanted]
    )
    return np.broadcast_to(full, [roles.sizes[c] for c in wanted])


def _phase_weights(node: Node, combo: tuple[Phase, ...] | None, weight: Array) -> Array:
    """(G, M/G, C/G, taps...) of a transposed convolution: the taps of a phase, or all of them backwards."""
    layer = node.layer
    assert isinstance(layer, ConvTranspose)
    c, m, *taps = weight.shape
    split = weight.reshape(layer.groups, c // layer.groups, m, *taps).swapaxes(1, 2)
    for dim in range(layer.rank):
        order = list(combo[dim].taps) if combo is not None else list(reversed(range(taps[dim])))
        split = split.take(order, axis=3 + dim)
    return split


def array_operands(
    node: Node, number: int, problem: Problem, tensors: list[Array], weight: Array | None, samples: Array | None
) -> tuple[Array, Array]:
    """Inputs and Weights of work item `number` of a layer, in the axis order of the problem.

    Args:
        tensors: the layer's inputs. weight: its weights, if it has any. samples: what a deformable layer sampled.
    """
    layer = node.layer
    if isinstance(layer, MatMul | Einsum):
        (left, right), roles = _letters(node)
        a = _arranged(tensors[0], left, roles.rows + roles.batch + roles.reduction, roles)
        b = _arranged(tensors[1], right, roles.batch + roles.cols + roles.reduction, roles)
        return _as_operand(problem, "Inputs", a), _as_operand(problem, "Weights", b)
    assert weight is not None
    x = tensors[0]
    if isinstance(layer, ConvTranspose):
        gathered = len(layer.phases(node.input_shapes)) > number and problem == layer.lower(node.input_shapes)[number]
        combo = layer.phases(node.input_shapes)[number] if gathered else None
        if combo is None:
            sizes = x.shape[2:]
            spread = np.zeros((*x.shape[:2], *((n - 1) * s + 1 for n, s in zip(sizes, layer.stride, strict=True))))
            spread[(slice(None), slice(None), *(slice(None, None, s) for s in layer.stride))] = x
            x = spread
        weight = _phase_weights(node, combo, weight)
    elif isinstance(layer, DeformConv2d):
        assert samples is not None
        x = samples
    elif not isinstance(layer, Conv | Linear):
        raise InputError(f"{node.name}: operator {node.op!r} does not run on the array")
    return _as_operand(problem, "Inputs", x), _as_operand(problem, "Weights", weight)


def place_sums(node: Node, number: int, problem: Problem, accumulators: Array, sums: Array) -> None:
    """Write the accumulators of work item `number`, in the problem's order, where they belong in the layer's sums."""
    layer = node.layer
    if isinstance(layer, MatMul | Einsum):
        roles = _letters(node)[1]
        order = roles.rows + roles.batch + roles.cols
        shaped = accumulators.reshape([roles.sizes[c] for c in order])
        shown = [c for c in roles.out if c in order]
        sums[...] = shaped.transpose([order.index(c) for c in shown]).reshape(sums.shape)
        return
    if isinstance(layer, ConvTranspose):
        items = layer.lower(node.input_shapes)
        if number < len(items) and items[number] == problem:
            combo = layer.phases(node.input_shapes)[number]
            at = (slice(None), slice(None), *(slice(p.start, None, p.step) for p in combo))
            sums[at] = accumulators.reshape(sums[at].shape)
            return
    sums[...] = accumulators.reshape(sums.shape)
