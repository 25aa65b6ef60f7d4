"""Tensors too large to stay on chip whole: which first part of them may stay, while the rest is spilled.

A part is some eighths of a tensor's words, the first ones (`mapping.shares`): as many as the regions leave room for, or
half of those. It is there for all layers that make or read the tensor, which must take its words in the order in which
they lie: convolutions, linear layers, pooling, elementwise work, moves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from math import prod

from accelsim.arch import Accelerator
from accelsim.graph import LayerGraph, Node
from accelsim.layers import Conv, Gather, Linear, Move
from accelsim.mapping.shares import share_of
from accelsim.problem import Problem
from accelsim.residency import Residency, Room, Span, activation_home, home, is_view, tensor_spans

EIGHTHS = 8  # of a tensor; words of n x 8 bit then cost a whole number of fJ on average (`mapper.exact.model`)

Users = dict[str, list[tuple[Node, int | None]]]
"""By name of a tensor, the layers that make it (None) and read it (as which input)."""


def _cuts(node: Node, place: int | None, words: int) -> bool:
    """Can a layer take so many of the first words of input `place` (None: of its results) apart from the others?"""
    assert node.layer is not None
    items = node.layer.lower(node.input_shapes)
    item = items[0] if len(items) == 1 else None
    if item is None or isinstance(item, Gather):
        return False
    if isinstance(item, Problem):
        ordered = isinstance(node.layer, Conv | Linear) or item.op != "mac"
        return ordered and share_of(item, "Outputs" if place is None else "Inputs", words) is not None
    if place is None:
        return True
    whole = item.in_words[place] == prod(node.input_shapes[place])
    return whole and (isinstance(item, Move) or not item.kept_words)


def _users(graph: LayerGraph, roots: dict[str, str]) -> Users:
    found: Users = defaultdict(list)
    for node in graph.layers:
        found[node.name].append((node, None))
        if not is_view(node):
            for place, source in enumerate(node.inputs):
                found[roots[source]].append((node, place))
    return found


def _room(graph: LayerGraph, arch: Accelerator, chosen: Residency) -> Room:
    """The memory of the tensors with what stays there."""
    memory = activation_home(arch)
    room = Room(len(graph.layers), memory)
    for span in (*chosen.tensors.values(), *(chosen.weights.values() if memory == home(arch) else ())):
        room.put(span)
    return room


class Parts:
    """The tensors of a network that do not stay whole, and the parts of them that could stay.

    Attributes:
        names: of their layers, those first that save the most DRAM bits per bit and layer.
    """

    def __init__(self, graph: LayerGraph, arch: Accelerator, chosen: Residency) -> None:
        bits = arch.precision.input_bits, arch.precision.output_bits
        possible = activation_home(arch) is not None and all(width % EIGHTHS == 0 for width in bits)
        self._graph, self._arch = graph, arch
        self._spans = tensor_spans(graph, arch, chosen.roots) if possible else {}
        self._users = _users(graph, chosen.roots)
        self.names = tuple(name for name in self._spans if name not in chosen.tensors)

    def of(self, name: str, chosen: Residency) -> Iterator[Span]:
        """Parts of a tensor that there is room for beside what is chosen: the largest, then half of it."""
        span, room = self._spans[name], _room(self._graph, self._arch, chosen)
        most = min(EIGHTHS - 1, EIGHTHS * room.left(span) // span.bits)
        for eighths in range(most, 0, -1):
            words, rest = divmod(span.words * eighths, EIGHTHS)
            if rest == 0 and eighths in (most, most // 2) and self._cut(name, words):
                yield replace(span, words=words, bits=span.bits // span.words * words)

    def _cut(self, name: str, words: int) -> bool:
        return all(_cuts(node, place, words) for node, place in self._users[name])
