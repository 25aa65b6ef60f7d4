"""A network on real numbers, layer by layer as defined: what an exported model must compute elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import InputError
from accelsim.execute.functions import activate
from accelsim.execute.kernels import compute
from accelsim.execute.weights import Tensors, all_tensors, fold_norm, random_input
from accelsim.graph import LayerGraph, Node
from accelsim.layers import BatchNorm2d, Linear

__all__ = ["all_tensors", "lively_tensors", "run_float", "run_node", "values", "with_bias"]

Array = NDArray[np.float64]


def with_bias(node: Node, sums: Array, bias: Array | None) -> Array:
    """The bias added along channels (dim 1; the last one of a linear layer)."""
    if bias is None:
        return sums
    if isinstance(node.layer, Linear):
        return sums + bias
    return sums + bias.reshape(1, -1, *(1,) * (sums.ndim - 2))


def _calibrate(tensors: Tensors, x: Array) -> None:
    """Statistics of a batch normalisation (drawn around mean 0 and variance 1) scaled to the power of its input.

    Not each channel's own: in a deep network of random weights all positions look alike, so that subtracting a
    channel's mean, or dividing by a small deviation, would leave little but rounding errors, layer after layer.
    """
    power = float((x**2).mean())
    if power > 0:
        tensors["mean"] = tensors["mean"] * np.sqrt(power)
        tensors["var"] = tensors["var"] * power


def _standardise(norm: Node, tensors: dict[str, Tensors], x: Array) -> None:
    """Statistics of a batch normalisation set to its input's, channel by channel."""
    axes = (0, *range(2, x.ndim))
    own, spread = tensors[norm.weight_key], x.var(axes)
    typical = float(spread.mean())
    if typical > 0:
        own["mean"], own["var"] = x.mean(axes), np.maximum(spread, 0.1 * typical)


def lively_tensors(graph: LayerGraph, seed: int = 0) -> dict[str, Tensors]:
    """Random tensors whose batch normalisations fit the activations they meet: channels neither die nor saturate.

    For comparisons of integers, which rounding cannot blur; `graph` may be folded. Known values stay.
    """
    tensors = all_tensors(graph, seed)
    last = {source: i for i, node in enumerate(graph.layers) for source in node.inputs}
    held = {node.name: random_input(node, graph, seed) for node in graph.inputs}
    for number, node in enumerate(graph.layers):
        reads = [held[name] for name in node.inputs]
        assert node.layer is not None
        if isinstance(node.layer, BatchNorm2d) and node.weight_key not in graph.values:
            _standardise(node, tensors, reads[0])
        if node.norm is not None and node.norm.weight_key not in graph.values:
            own = tensors[node.weight_key]
            _standardise(node.norm, tensors, with_bias(node, compute(node.layer, reads, own), own.get("bias")))
        held[node.name] = run_node(node, reads, tensors)
        for source in set(node.inputs):
            if last[source] == number:
                del held[source]
    return tensors


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
