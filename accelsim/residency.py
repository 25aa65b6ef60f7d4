"""Which weights stay on chip between the layers that share them: the steps of a recurrence above all."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from math import prod

from accelsim.arch import Accelerator, MemoryLevel
from accelsim.graph import LayerGraph, Node
from accelsim.layers import Conv, Linear

MOST_SHARE = 2  # weights kept for later take at most 1/2 of the memory, the rest is for tiles: assumed


@dataclass(frozen=True)
class Span:
    """Weights that stay on chip from layer number `first` to `last`, and their bits."""

    first: int
    last: int
    bits: int


def home(arch: Accelerator) -> MemoryLevel | None:
    """The outermost memory for weights if it can keep a whole tensor between layers (a FIFO cannot)."""
    chain = arch.chain("Weights")
    if not chain or chain[0].psum_only:
        return None
    hold = chain[0].hold("Weights")
    return chain[0] if hold is not None and hold.at == "tile" else None


def _weight_bits(node: Node, arch: Accelerator) -> int:
    assert node.layer is not None
    return prod(node.layer.weight_shapes(node.input_shapes)["weight"]) * arch.precision.weight_bits


def residency(graph: LayerGraph, arch: Accelerator) -> dict[str, Span]:
    """Spans by weight key, chosen by DRAM bits saved per bit kept: the most often shared first, then the smallest.

    At every layer the kept weights together take at most half of the memory.
    """
    memory = home(arch)
    if memory is None:
        return {}
    users: dict[str, list[int]] = defaultdict(list)
    for number, node in enumerate(graph.layers):
        if isinstance(node.layer, Conv | Linear):
            users[node.weight_key].append(number)
    spans = {
        key: Span(numbers[0], numbers[-1], _weight_bits(graph.layers[numbers[0]], arch))
        for key, numbers in users.items() if len(numbers) > 1
    }  # fmt: skip
    taken = [0] * len(graph.layers)
    chosen: dict[str, Span] = {}
    for key in sorted(spans, key=lambda k: (-len(users[k]), spans[k].bits, k)):
        span = spans[key]
        if span.bits + max(taken[span.first : span.last + 1]) <= memory.capacity_bits // MOST_SHARE:
            chosen[key] = span
            for number in range(span.first, span.last + 1):
                taken[number] += span.bits
    return chosen


def narrowed(arch: Accelerator, own: str, number: int, chosen: dict[str, Span]) -> Accelerator:
    """The machine as layer `number` sees it: without the room that other layers' weights take.

    A layer whose own weights (`own`) are kept needs one buffer for them, since their tile never changes.
    """
    memory = home(arch)
    others = sum(s.bits for key, s in chosen.items() if key != own and s.first <= number <= s.last)
    if memory is None or not (others or own):
        return arch
    holds = tuple(replace(h, depth=1) if own and h.operand == "Weights" else h for h in memory.holds)
    less = replace(memory, capacity_bits=memory.capacity_bits - others, holds=holds)
    return replace(arch, memories=tuple(less if m.name == memory.name else m for m in arch.memories))
