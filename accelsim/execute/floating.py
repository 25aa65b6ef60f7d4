"""A network on real numbers, layer by layer as defined: what an exported model must compute elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import InputError
from accelsim.execute.functions import activate
from accelsim.execute.kernels import compute
from accelsim.execute.weights import Tensors, fold_norm, random_input, real_tensors
from accelsim.graph import LayerGraph, Node
from accelsim.layers import BatchNorm2d, Linear

Array = NDArray[np.float64]


def with_bias(node: Node, sums: Array, bias: Array | None) -> Array:
    """The bias added along channels (dim 1; the last one of a linear layer)."""
    if bias is None:
        return sums
    if isinstance(node.layer, Linear):
        return sums + bias
    return sums + bias.reshape(1, -1, *(1,) * (sums.ndim - 2))


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


def _calibrate(tensors: Tensors, x: Array) -> None:
    """Statistics of a batch normalisation (drawn around mean 0 and variance 1) scaled to the power of its input.

    Not each channel's own: in a deep network of random weights all positions look alike, so that subtracting a
    channel's mean, or dividing by a small deviation, would leave little but rounding errors, layer after layer.
    """
    power = float((x**2).mean())
    if power > 0:
        tensors["mean"] = tensors["mean"] * np.sqrt(power)
        tensors["var"] = tensors["var"] * power


def run_node(node: Node, inputs: list[Array], tensors: dict[str, Tensors]) -> Array:
    """One node on real numbers, its folded normalisation and fused activation included."""
    assert node.layer is not None
    own = tensors.get(node.weight_key, {})
    if node.norm is not None:
        own = fold_norm(node, own, tensors[node.norm.weight_key])
    with np.errstate(all="ignore"):  # infinities and NaN are results like others here
        sums = compute(node.layer, inputs, own)
        return activate(with_bias(node, sums, own.get("bias")), node.activation)


def values(
    graph: LayerGraph, tensors: dict[str, Tensors], inputs: dict[str, Array] | None = None, *, calibrate: bool = False
) -> Iterator[tuple[Node, Array]]:
    """Every layer's output, in order; a value is forgotten after its last reader.

    Args:
        tensors: by weight key (`all_tensors`). inputs: by input name; missing ones are standard normal.
        calibrate: set the statistics of batch normalisations in `tensors` as they are met.
    """
    last = {source: i for i, node in enumerate(graph.layers) for source in node.inputs}
    held: dict[str, Array] = {}
    for node in graph.inputs:
        given = None if inputs is None else inputs.get(node.name)
        value = random_input(node, graph) if given is None else np.asarray(given, float)
        if value.shape != node.shape:
            raise InputError(f"{graph.name}: input {node.name} has shape {value.shape}, expected {node.shape}")
        held[node.name] = value
    for number, node in enumerate(graph.layers):
        reads = [held[name] for name in node.inputs]
        if calibrate and isinstance(node.layer, BatchNorm2d):
            _calibrate(tensors[node.weight_key], reads[0])
        held[node.name] = run_node(node, reads, tensors)
        yield node, held[node.name]
        for source in set(node.inputs):
            if last[source] == number:
                del held[source]


def run_float(
    graph: LayerGraph, tensors: dict[str, Tensors], inputs: dict[str, Array] | None = None, *, calibrate: bool = False
) -> list[Array]:
    """The outputs of a network on real numbers, in order (inputs that are outputs included)."""
    found: dict[str, Array] = {}
    for node in graph.inputs:
        if node.name in graph.outputs:
            given = None if inputs is None else inputs.get(node.name)
            found[node.name] = random_input(node, graph) if given is None else np.asarray(given, float)
    for node, value in values(graph, tensors, inputs, calibrate=calibrate):
        if node.name in graph.outputs:
            found[node.name] = value
    return [found[name] for name in graph.outputs]
