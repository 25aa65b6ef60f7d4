"""Seeded random parameters, real and as the machine would hold them, folded and quantised."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from math import prod, sqrt

import numpy as np

from accelsim.arch import Precision
from accelsim.execute.quantise import Array, QTensor, choose_exponent, to_grid
from accelsim.graph import LayerGraph, Node
from accelsim.layers import BatchNorm2d, Conv, ConvTranspose, DeformConv2d, Layer, Linear

Tensors = dict[str, Array]
WEIGHTED = (Conv, ConvTranspose, DeformConv2d, Linear)


@dataclass(frozen=True)
class Parameters:
    """Parameters of one layer.

    Attributes:
        weight: quantised weights of an array layer, else None.
        bias: real bias (M,), folded normalisation included; quantised on the grid of the sums when it is added.
        real: real tensors by name of a layer of the vector unit (or constants).
    """

    weight: QTensor | None
    bias: Array | None
    real: Tensors = field(default_factory=dict)


def _generator(seed: int, key: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "big")))


def _fan_in(layer: Layer, shape: tuple[int, ...]) -> float:
    """Products per output of a filter."""
    if isinstance(layer, ConvTranspose):
        return max(1.0, shape[0] / layer.groups * prod(shape[2:]) / prod(layer.stride))
    return prod(shape[1:])


def _draw(layer: Layer, name: str, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    """One plausible tensor: He-scaled weights, scales around 1, small shifts (upwards, so that few channels die)."""
    if name == "weight":
        return random.normal(0.0, sqrt(2.0 / _fan_in(layer, shape)), shape)
    ranges = {"gamma": (0.7, 1.3), "var": (0.5, 1.5), "slope": (0.1, 0.4)}
    if name in ranges:
        return random.uniform(*ranges[name], shape)
    centre, width = {"beta": (0.3, 0.2), "value": (0.0, 0.5)}.get(name, (0.0, 0.1))
    return random.normal(centre, width, shape)


def real_tensors(node: Node, graph: LayerGraph, seed: int = 0) -> Tensors:
    """All tensors of a node by name: the graph's own values, others random from the seed and the weight key."""
    assert node.layer is not None
    known = graph.values.get(node.weight_key, {})
    random = _generator(seed, node.weight_key)
    shapes = {**node.layer.weight_shapes(node.input_shapes), **node.layer.buffer_shapes(node.input_shapes)}
    drawn = {name: _draw(node.layer, name, shape, random) for name, shape in shapes.items()}
    return {name: np.asarray(known.get(name, value), float).reshape(value.shape) for name, value in drawn.items()}


def _per_output(layer: Layer | None, values: Array, weight: Array) -> Array:
    """A factor per output channel, shaped for the weights of a layer."""
    if isinstance(layer, ConvTranspose):
        apart = values.reshape(layer.groups, 1, -1)
        wide = np.broadcast_to(apart, (layer.groups, weight.shape[0] // layer.groups, weight.shape[1]))
        return wide.reshape(*weight.shape[:2], *(1,) * (weight.ndim - 2))
    return values.reshape(-1, *(1,) * (weight.ndim - 1))


def fold_norm(node: Node, tensors: Tensors, norm: Tensors) -> Tensors:
    """Weight and bias of a node with the batch normalisation after it folded in."""
    assert node.norm is not None and isinstance(node.norm.layer, BatchNorm2d)
    scale = norm["gamma"] / np.sqrt(norm["var"] + node.norm.layer.eps)
    shift = norm["beta"] - norm["mean"] * scale
    bias = tensors["bias"] * scale + shift if "bias" in tensors else shift
    return {"weight": tensors["weight"] * _per_output(node.layer, scale, tensors["weight"]), "bias": bias}


def all_tensors(graph: LayerGraph, seed: int = 0) -> dict[str, Tensors]:
    """Parameters and constants of every layer by weight key: known ones, others random."""
    found: dict[str, Tensors] = {}
    for node in graph.layers:
        for part in (node, node.norm):
            if part is not None and part.weight_key not in found:
                tensors = real_tensors(part, graph, seed)
                if tensors:
                    found[part.weight_key] = tensors
    return found


def random_weights(
    graph: LayerGraph, precision: Precision, seed: int = 0, tensors: dict[str, Tensors] | None = None
) -> dict[str, Parameters]:
    """Parameters by weight key as the machine holds them, normalisations folded; equal seeds, equal values.

    `tensors`: real ones by weight key, `all_tensors` of the seed by default.
    """
    real = all_tensors(graph, seed) if tensors is None else tensors
    found: dict[str, Parameters] = {}
    for node in graph.layers:
        if node.weight_key in found or node.layer is None:
            continue
        own = real.get(node.weight_key, {})
        if node.norm is not None:
            own = fold_norm(node, own, real[node.norm.weight_key])
        if isinstance(node.layer, WEIGHTED):
            weight = own["weight"]
            exponent = choose_exponent(weight, precision.weight_bits)
            quantised = QTensor(to_grid(weight, exponent, precision.weight_bits), exponent)
            found[node.weight_key] = Parameters(quantised, own.get("bias"))
        elif own:
            found[node.weight_key] = Parameters(None, None, own)
    return found


def random_input(node: Node, graph: LayerGraph, seed: int = 0) -> Array:
    """Standard normal values of an input, or the graph's own."""
    known = graph.values.get(node.name, {}).get("value")
    if known is not None:
        return np.asarray(known, float).reshape(node.shape)
    return _generator(seed, f"input:{node.name}").normal(0.0, 1.0, node.shape)


def random_inputs(graph: LayerGraph, precision: Precision, seed: int = 0) -> dict[str, QTensor]:
    """Inputs on the machine's input grid, by input name."""
    found = {}
    for node in graph.inputs:
        real = random_input(node, graph, seed)
        exponent = choose_exponent(real, precision.input_bits)
        found[node.name] = QTensor(to_grid(real, exponent, precision.input_bits), exponent)
    return found
