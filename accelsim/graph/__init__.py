"""Networks as graphs of layers, the builder that writes them and the passes that fold them."""

from accelsim.graph.blocks import GATES, Network
from accelsim.graph.builder import Handle
from accelsim.graph.chains import recognise_chains
from accelsim.graph.graph import LayerGraph, Node, own_params
from accelsim.graph.passes import fold_batch_norm, fuse_activations, optimise

__all__ = [
    "GATES",
    "Handle",
    "LayerGraph",
    "Network",
    "Node",
    "fold_batch_norm",
    "fuse_activations",
    "optimise",
    "own_params",
    "recognise_chains",
]
