"""Graph passes: fold batch normalisation into the layer before it, fuse activations into the layer before them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from accelsim.graph.graph import LayerGraph, Node
from accelsim.layers import (
    Activation,
    Add,
    BatchNorm2d,
    Binary,
    Conv,
    ConvTranspose,
    DeformConv2d,
    GroupNorm,
    LayerNorm,
    Linear,
    MatMul,
)

FUSING = (Conv, ConvTranspose, DeformConv2d, Linear, MatMul, Add, Binary, BatchNorm2d, LayerNorm, GroupNorm)
"""Layers that apply an activation to their results before these leave."""


def _absorb(graph: LayerGraph, eligible: dict[str, Node]) -> LayerGraph:
    """Remove the nodes of `eligible`; each is absorbed by the only node it reads, already changed to the value."""
    if not eligible:
        return graph
    gone = set(eligible)
    aliases = dict(graph.aliases)
    for name in eligible:
        aliases[name] = graph.node(name).inputs[0]

    def stands_for(name: str) -> str:
        while name in gone:
            name = aliases[name]
        return name

    changed = {node.name: node for node in eligible.values()}
    kept = []
    for node in graph.sequence:
        if node.name in gone:
            continue
        mine = changed.get(node.name, node)
        kept.append(replace(mine, inputs=tuple(stands_for(source) for source in mine.inputs)))
    resolved = {old: stands_for(new) for old, new in aliases.items()}
    outputs = tuple(stands_for(name) for name in graph.outputs)
    return LayerGraph(graph.name, graph.batch, tuple(kept), outputs, resolved, graph.values)


def _only_reader(graph: LayerGraph, source: str) -> bool:
    return len(graph.consumers(source)) == 1 and source not in graph.outputs


def fold_batch_norm(graph: LayerGraph) -> LayerGraph:
    """Fold every batch normalisation whose input comes straight from a convolution that nothing else reads.

    `W' = W gamma / sqrt(var + eps)`, `b' = (b - mean) gamma / sqrt(var + eps) + beta`. Never through an activation and
    never if the convolution has another consumer or shares its weights: then the normalisation stays and runs on the
    vector unit.
    """
    eligible = {}
    users = Counter(node.weight_key for node in graph.layers)
    for node in graph.layers:
        if not isinstance(node.layer, BatchNorm2d):
            continue
        source = graph.node(node.inputs[0])
        plain = (
            isinstance(source.layer, Conv | ConvTranspose | DeformConv2d)
            and source.activation is None
            and source.norm is None
        )
        if plain and _only_reader(graph, source.name) and users[source.weight_key] == 1:
            eligible[node.name] = replace(
                source,
                norm=node,
                params=source.params + node.params,
                folded=(*source.folded, f"batch norm {node.name}"),
            )
    return _absorb(graph, eligible)


def fuse_activations(graph: LayerGraph) -> LayerGraph:
    """Fuse every activation into the convolution, linear layer, normalisation or elementwise operation before it, if
    nothing else reads that."""
    eligible = {}
    for node in graph.layers:
        if not isinstance(node.layer, Activation):
            continue
        source = graph.node(node.inputs[0])
        fits = isinstance(source.layer, FUSING) and source.activation is None
        if fits and _only_reader(graph, source.name):
            eligible[node.name] = replace(
                source, activation=node.layer, folded=(*source.folded, f"{node.op} {node.name}")
            )
    return _absorb(graph, eligible)


def optimise(graph: LayerGraph) -> LayerGraph:
    """Both passes, normalisation first."""
    return fuse_activations(fold_batch_norm(graph))
