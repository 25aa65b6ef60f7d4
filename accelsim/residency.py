"""What stays on chip between layers: weights that several layers share, and activations until their last reader.

Each has a region of its own in one memory, from the layer that brings or makes it to the last layer that reads it; the
layers between are mapped into what is left. Here tensors stay whole; `parts` says which others may stay in part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import prod

from accelsim.arch import Accelerator, MemoryLevel
from accelsim.errors import InputError
from accelsim.graph import LayerGraph, Node
from accelsim.layers import Conv, Einsum, Gather, Linear, MatMul
from accelsim.mapping.points import vector_memory

WEIGHTS_SHARE = Fraction(1, 2)  # of the memory, that weights kept for later take at most: assumed
REGIONS_SHARE = Fraction(7, 8)  # of the memory, that all regions take at most, the rest is for tiles: assumed


@dataclass(frozen=True)
class Span:
    """Words that stay on chip from layer number `first` to `last`, and their bits: all or the first of a tensor."""

    first: int
    last: int
    bits: int
    words: int


@dataclass(frozen=True)
class Residency:
    """What stays.

    Attributes:
        weights: spans by weight key. tensors: spans by the name of the node that makes the tensor.
        roots: for each node, the node that makes its words (itself, unless it is a view).
    """

    weights: dict[str, Span] = field(default_factory=dict)
    tensors: dict[str, Span] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)

    def words(self, name: str) -> int:
        """How many words of what a node gives stay on chip, its first ones."""
        span = self.tensors.get(self.roots.get(name, name))
        return 0 if span is None else span.words

    def keeping(self, name: str, span: Span) -> Residency:
        """One tensor, or part of one, more."""
        return replace(self, tensors={**self.tensors, name: span})

    def without_largest(self, number: int) -> Residency | None:
        """One region less at a layer: the largest there; None if there is none."""
        spans = [(s.bits, kind, key) for kind, table in enumerate((self.weights, self.tensors))
                 for key, s in table.items() if s.first <= number <= s.last]  # fmt: skip
        if not spans:
            return None
        _, kind, key = max(spans)
        table = {k: s for k, s in (self.weights, self.tensors)[kind].items() if k != key}
        return replace(self, tensors=table) if kind else replace(self, weights=table)


def home(arch: Accelerator) -> MemoryLevel | None:
    """The outermost memory for weights if it can keep a whole tensor between layers (a FIFO cannot)."""
    chain = arch.chain("Weights")
    return chain[0] if chain and chain[0].keeps("Weights") else None


def activation_home(arch: Accelerator) -> MemoryLevel | None:
    """The memory that array and vector unit both take inputs from and give outputs to, if it can keep tensors."""
    try:
        memory = vector_memory(arch)
    except InputError:
        return None
    for operand in ("Inputs", "Outputs"):
        chain = arch.chain(operand)
        if not chain or chain[0] != memory or not memory.keeps(operand):
            return None
    return memory


def _weight_words(node: Node) -> int:
    assert node.layer is not None
    return prod(node.layer.weight_shapes(node.input_shapes)["weight"])


def _weight_spans(graph: LayerGraph, arch: Accelerator) -> dict[str, Span]:
    users: dict[str, list[int]] = defaultdict(list)
    for number, node in enumerate(graph.layers):
        if isinstance(node.layer, Conv | Linear):
            users[node.weight_key].append(number)
    spans = {}
    for key, numbers in users.items():
        words = _weight_words(graph.layers[numbers[0]])
        if len(numbers) > 1:
            spans[key] = Span(numbers[0], numbers[-1], words * arch.precision.weight_bits, words)
    return {key: spans[key] for key in sorted(spans, key=lambda k: (-len(users[k]), spans[k].bits, k))}


class Room:
    """Bits of a memory taken at every layer."""

    def __init__(self, layers: int, memory: MemoryLevel | None) -> None:
        self.taken = [0] * layers
        self.memory = memory

    def left(self, span: Span, share: Fraction = REGIONS_SHARE) -> int:
        """Bits that are left of this share of the memory at all layers of a span."""
        if self.memory is None:
            return -1
        return int(self.memory.capacity_bits * share) - max(self.taken[span.first : span.last + 1])

    def put(self, span: Span) -> None:
        """Take the bits of a span."""
        for number in range(span.first, span.last + 1):
            self.taken[number] += span.bits

    def take(self, spans: dict[str, Span], share: Fraction) -> dict[str, Span]:
        """Those of the spans, first come first served, that fit into this share."""
        chosen = {}
        for key, span in spans.items():
            if span.bits <= self.left(span, share):
                chosen[key] = span
                self.put(span)
        return chosen


def weight_residency(graph: LayerGraph, arch: Accelerator) -> dict[str, Span]:
    """Spans by weight key, chosen by DRAM bits saved per bit kept: the most often shared first, then the smallest.

    At every layer the kept weights together take at most half of the memory.
    """
    return Room(len(graph.layers), home(arch)).take(_weight_spans(graph, arch), WEIGHTS_SHARE)


def _movable(node: Node) -> bool:
    """Can the words of a layer stay on chip around it? (Not where reads depend on data.)"""
    assert node.layer is not None
    return not any(isinstance(item, Gather) for item in node.layer.lower(node.input_shapes))


def is_view(node: Node) -> bool:
    """Does a layer move nothing?"""
    return node.layer is not None and bool(node.inputs) and not node.layer.lower(node.input_shapes)


def roots_of(nodes: Iterable[tuple[Node, bool]]) -> dict[str, str]:
    """For each node, in order and with whether it is a view, the one that makes its words."""
    found: dict[str, str] = {}
    for node, view in nodes:
        found[node.name] = found.get(node.inputs[0], node.inputs[0]) if view else node.name
    return found


def tensor_spans(graph: LayerGraph, arch: Accelerator, roots: dict[str, str]) -> dict[str, Span]:
    """Activations that could stay, the most DRAM bits saved per bit and layer first."""
    weights_too = home(arch) is not None and home(arch) == activation_home(arch)
    readers: dict[str, list[int]] = defaultdict(list)
    barred = {roots[name] for name in graph.outputs}
    for number, node in enumerate(graph.layers):
        if is_view(node):
            continue
        movable, product = _movable(node), isinstance(node.layer, MatMul | Einsum)
        for place, source in enumerate(node.inputs):
            readers[roots[source]].append(number)
            if not movable or (product and place == 1 and not weights_too):
                barred.add(roots[source])
        if not movable:
            barred.add(node.name)
    bits = max(arch.precision.input_bits, arch.precision.output_bits)
    spans = {}
    for number, node in enumerate(graph.layers):
        if node.name in readers and node.name not in barred and roots[node.name] == node.name and node.inputs:
            words = prod(node.shape)
            spans[node.name] = Span(number, max(readers[node.name]), words * bits, words)

    def worth(name: str) -> tuple[Fraction, int, int]:
        span = spans[name]
        return -Fraction(1 + len(readers[name]), span.last - span.first), span.bits, span.first

    return {name: spans[name] for name in sorted(spans, key=worth)}


def residency(graph: LayerGraph, arch: Accelerator, weights: bool = True, activations: bool = True) -> Residency:
    """What stays on chip. Regions together take at most `REGIONS_SHARE` of a memory at any layer."""
    roots = roots_of((node, is_view(node)) for node in graph.sequence)
    memory = activation_home(arch)
    room = Room(len(graph.layers), memory)
    kept = weight_residency(graph, arch) if weights else {}
    if memory is not None and memory == home(arch):
        room.take(kept, Fraction(1))
    tensors = room.take(tensor_spans(graph, arch, roots), REGIONS_SHARE) if activations else {}
    return Residency(kept, tensors, roots)


def _alive(spans: Iterable[tuple[str, Span]], since: int, number: int, own: str) -> int:
    return sum(s.bits for key, s in spans if key != own and s.first <= number and since <= s.last)


def narrowed(
    arch: Accelerator, number: int, chosen: Residency, loads: str = "", since: int | None = None
) -> Accelerator:
    """The machine as layer `number` sees it: without the room of the regions, those of the layers from `since` on
    included.

    A layer that `loads` weights (by key) which stay needs one buffer for them, since their tile never changes; that
    buffer becomes their region.
    """
    taken: dict[str, int] = defaultdict(int)
    for memory, spans in ((home(arch), chosen.weights), (activation_home(arch), chosen.tensors)):
        if memory is not None:
            own, first = loads if spans is chosen.weights else "", number if since is None else since
            taken[memory.name] += _alive(spans.items(), first, number, own)
    keeper = home(arch)
    memories = []
    for memory in arch.memories:
        less = replace(memory, capacity_bits=memory.capacity_bits - taken[memory.name])
        if loads and memory == keeper:
            less = replace(less, holds=tuple(replace(h, depth=1) if h.operand == "Weights" else h for h in less.holds))
        memories.append(less)
    return replace(arch, memories=tuple(memories))
