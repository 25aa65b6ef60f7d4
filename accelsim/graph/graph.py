"""LayerGraph: named nodes in topological order over a networkx graph, valid once constructed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import networkx as nx

from accelsim.errors import InputError, nearest
from accelsim.layers import Layer, Shape


@dataclass(frozen=True)
class Node:
    """One layer of a network, or one of its inputs (`layer` None).

    Attributes:
        shape: output shape, batch first. input_shapes: shapes of `inputs`, in order.
        weight_key: nodes with equal keys share their weights.
        params, macs: of the layer and of what was folded into it (MACs: conventional).
        folded: what passes folded into this node, as text.
        activation: fused activation, applied to the node's output.
        norm: the batch normalisation folded into the weights, as it stood in the network.
    """

    name: str
    layer: Layer | None
    inputs: tuple[str, ...]
    shape: Shape
    input_shapes: tuple[Shape, ...] = ()
    weight_key: str = ""
    params: int = 0
    macs: int = 0
    folded: tuple[str, ...] = ()
    activation: Layer | None = None
    norm: Node | None = None

    @property
    def op(self) -> str:
        """Operator name, `input` for an input."""
        return "input" if self.layer is None else self.layer.op

    @property
    def has_bias(self) -> bool:
        """True if a bias is added to the layer's sums, its own or a folded normalisation's."""
        if self.layer is None:
            return False
        return self.norm is not None or "bias" in self.layer.weight_shapes(self.input_shapes)


@dataclass(frozen=True)
class LayerGraph:
    """A network.

    Attributes:
        outputs: names of the nodes whose values leave the network.
        aliases: names of folded-away nodes and the nodes that now stand for them.
        values: known values of parameters and constants (arrays), by weight key and tensor name; others are random.

    Raises:
        InputError: a duplicate name, an unknown input, a cycle (named) or a shape that does not follow from the inputs.
    """

    name: str
    batch: int
    sequence: tuple[Node, ...]
    outputs: tuple[str, ...]
    aliases: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        names = [node.name for node in self.sequence]
        if not any(node.layer for node in self.sequence):
            raise InputError(f"{self.name}: the network has no layers")
        for name, times in Counter(names).items():
            if times > 1:
                raise InputError(f"{self.name}: two nodes are called {name!r}")
        known = set(names)
        for node in self.sequence:
            for source in node.inputs:
                if source not in known:
                    raise InputError(
                        f"{self.name}: {node.name} reads {source!r}, which is not a node; {nearest(source, known)}"
                    )
        for output in self.outputs:
            if output not in known:
                raise InputError(f"{self.name}: output {output!r} is not a node; {nearest(output, known)}")
        digraph = self._digraph()
        if not nx.is_directed_acyclic_graph(digraph):
            cycle = [a for a, _ in nx.find_cycle(digraph)]
            raise InputError(f"{self.name}: the graph has a cycle: {' -> '.join([*cycle, cycle[0]])}")
        self._check_order(names)
        self._check_shapes()

    def _digraph(self) -> nx.DiGraph[str]:
        digraph: nx.DiGraph[str] = nx.DiGraph()
        digraph.add_nodes_from(node.name for node in self.sequence)
        digraph.add_edges_from((source, node.name) for node in self.sequence for source in node.inputs)
        return digraph

    def _check_order(self, names: list[str]) -> None:
        place = {name: i for i, name in enumerate(names)}
        for node in self.sequence:
            for source in node.inputs:
                if place[source] > place[node.name]:
                    raise InputError(f"{self.name}: {node.name} comes before its input {source}")

    def _check_shapes(self) -> None:
        shapes = {node.name: node.shape for node in self.sequence}
        for node in self.sequence:
            if any(size < 1 for size in node.shape):
                raise InputError(f"{self.name}: {node.name} has shape {node.shape}, expected sizes of at least 1")
            if node.layer is None:
                continue
            given = tuple(shapes[source] for source in node.inputs)
            try:
                expected = node.layer.output_shape(given)
            except InputError as error:
                raise InputError(f"{self.name}: layer {node.name}: {error}") from None
            if expected != node.shape or given != node.input_shapes:
                raise InputError(f"{self.name}: {node.name} has shape {node.shape}, expected {expected} from {given}")

    def nodes(self) -> tuple[Node, ...]:
        """All nodes, inputs first in the order of construction; each after its inputs."""
        return self.sequence

    @property
    def layers(self) -> tuple[Node, ...]:
        """The nodes that are not inputs."""
        return tuple(node for node in self.sequence if node.layer is not None)

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The input nodes."""
        return tuple(node for node in self.sequence if node.layer is None)

    def node(self, name: str) -> Node:
        """The node called `name`, or the one it was folded into."""
        wanted = self.aliases.get(name, name)
        if wanted not in self._by_name:
            raise InputError(f"{self.name} has no layer {name!r}; {nearest(name, list(self._by_name))}")
        return self._by_name[wanted]

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.sequence}

    @cached_property
    def _readers(self) -> dict[str, tuple[Node, ...]]:
        found: dict[str, list[Node]] = {}
        for node in self.sequence:
            for source in dict.fromkeys(node.inputs):
                found.setdefault(source, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    def consumers(self, name: str) -> tuple[Node, ...]:
        """The nodes that read a node's output."""
        return self._readers.get(name, ())

    @property
    def params(self) -> int:
        """Trained parameters, shared weights once."""
        return sum(own_params(self.sequence).values())

    @property
    def macs(self) -> int:
        """Conventional MACs."""
        return sum(node.macs for node in self.sequence)


def own_params(nodes: Iterable[Node]) -> dict[str, int]:
    """Parameters by node; weights that several nodes share are counted at the first one."""
    seen: set[str] = set()
    found = {}
    for node in nodes:
        found[node.name] = 0 if node.weight_key in seen else node.params
        if node.params:
            seen.add(node.weight_key)
    return found
