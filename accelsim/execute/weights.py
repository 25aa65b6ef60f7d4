"""Seeded random parameters, folded and quantised as the machine would hold them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import prod, sqrt

import numpy as np

from accelsim.arch import Precision
from accelsim.execute.quantise import Array, QTensor, choose_exponent, to_grid
from accelsim.graph import LayerGraph, Node
from accelsim.layers import BatchNorm2d


@dataclass(frozen=True)
class Parameters:
    """Parameters of one array layer or normalisation.

    Attributes:
        weight: quantised weights, None for a normalisation on its own.
        bias: real bias (M,), folded normalisation included; quantised on the grid of the sums when it is added.
        scale: real per-channel factor of a normalisation on its own.
    """

    weight: QTensor | None
    bias: Array | None
    scale: Array | None = None


def _generator(seed: int, key: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "big")))


def _norm(node: Node, seed: int) -> tuple[Array, Array]:
    """(p, q) of `p x + q` for a batch normalisation with plausible statistics."""
    layer = node.layer
    assert isinstance(layer, BatchNorm2d)
    channels = node.input_shapes[0][1]
    random = _generator(seed, node.weight_key)
    gamma = random.uniform(0.7, 1.3, channels)
    beta = random.normal(0.0, 0.2, channels)
    mean = random.normal(0.0, 0.1, channels)
    var = random.uniform(0.5, 1.5, channels)
    scale = gamma / np.sqrt(var + layer.eps)
    return scale, beta - mean * scale


def _array_parameters(node: Node, precision: Precision, seed: int) -> Parameters:
    assert node.layer is not None
    shapes = node.layer.weight_shapes(node.input_shapes)
    random = _generator(seed, node.weight_key)
    shape = shapes["weight"]
    weight = random.normal(0.0, sqrt(2.0 / prod(shape[1:])), shape)
    bias = random.normal(0.0, 0.1, shapes["bias"]) if "bias" in shapes else None
    if node.norm is not None:
        scale, shift = _norm(node.norm, seed)
        weight = weight * scale.reshape(-1, *(1,) * (weight.ndim - 1))
        bias = shift if bias is None else bias * scale + shift
    exponent = choose_exponent(weight, precision.weight_bits)
    return Parameters(QTensor(to_grid(weight, exponent, precision.weight_bits), exponent), bias)


def random_weights(graph: LayerGraph, precision: Precision, seed: int = 0) -> dict[str, Parameters]:
    """Parameters by weight key: He-scaled weights, small biases, normalisations folded; equal seeds, equal values."""
    found: dict[str, Parameters] = {}
    for node in graph.layers:
        if node.weight_key in found or node.layer is None:
            continue
        shapes = node.layer.weight_shapes(node.input_shapes)
        if "weight" in shapes:
            found[node.weight_key] = _array_parameters(node, precision, seed)
        elif isinstance(node.layer, BatchNorm2d):
            scale, shift = _norm(node, seed)
            found[node.weight_key] = Parameters(None, shift, scale)
    return found


def random_inputs(graph: LayerGraph, precision: Precision, seed: int = 0) -> dict[str, QTensor]:
    """Standard normal inputs on the machine's input grid, by input name."""
    found = {}
    for node in graph.inputs:
        real = _generator(seed, f"input:{node.name}").normal(0.0, 1.0, node.shape)
        exponent = choose_exponent(real, precision.input_bits)
        found[node.name] = QTensor(to_grid(real, exponent, precision.input_bits), exponent)
    return found
