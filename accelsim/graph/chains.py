"""Chains of simple operators that are one layer: what exporters write for SiLU, GELU, LayerNorm, shuffles and shifts.

A chain is recognised only if nothing else reads what lies inside it; the layer takes the name of its last operator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import isclose, pi, sqrt
from typing import Any

import numpy as np

from accelsim.graph.graph import LayerGraph, Node
from accelsim.layers import (
    GELU,
    Activation,
    Add,
    Affine,
    ChannelShuffle,
    Clip,
    Concat,
    Conv,
    Flatten,
    GlobalPool,
    HardSigmoid,
    HardSwish,
    Layer,
    LayerNorm,
    Linear,
    Pad,
    Parameter,
    Reduce,
    ReLU6,
    Reshape,
    Shift,
    Sigmoid,
    SiLU,
    Slice,
    Softplus,
    Tanh,
    Transpose,
    Unary,
)

Found = tuple[Layer, tuple[str, ...], set[str], dict[str, Any]]


class _Graph:
    """Lookups while matching."""

    def __init__(self, graph: LayerGraph) -> None:
        self.graph = graph

    def source(self, node: Node, index: int = 0) -> Node:
        """The node that makes an input."""
        return self.graph.node(node.inputs[index])

    def number(self, name: str) -> float | None:
        """The number of a constant of one element."""
        node = self.graph.node(name)
        value = self.graph.values.get(node.weight_key, {}).get("value")
        if not isinstance(node.layer, Parameter) or value is None or np.size(value) != 1:
            return None
        return float(np.ravel(value)[0])

    def tensor(self, name: str) -> Any:
        """(node, values) of a parameter, else None."""
        node = self.graph.node(name)
        return node if isinstance(node.layer, Parameter) else None

    def inside(self, nodes: set[str], last: Node) -> bool:
        """True if only the chain reads the nodes inside it."""
        members = nodes | {last.name}
        return all(
            {reader.name for reader in self.graph.consumers(name)} <= members and name not in self.graph.outputs
            for name in nodes
        )


def _affine(node: Node, alpha: float, beta: float) -> bool:
    layer = node.layer
    return (
        isinstance(layer, Affine)
        and isclose(layer.alpha, alpha, rel_tol=1e-3)
        and isclose(layer.beta, beta, rel_tol=1e-3, abs_tol=1e-6)
    )


def _is(node: Node, op: str) -> bool:
    return node.layer is not None and node.op == op


def _clipped(node: Node) -> bool:
    layer = node.layer
    return isinstance(layer, ReLU6) or (isinstance(layer, Clip) and (layer.low, layer.high) == (0.0, 6.0))


def _gated(g: _Graph, node: Node) -> Found | None:
    """`x * gate(x)`: SiLU, hard-swish, mish."""
    if not _is(node, "mul") or len(node.inputs) != 2:
        return None
    for x, gate in (node.inputs, node.inputs[::-1]):
        inner = g.graph.node(gate)
        if isinstance(inner.layer, Sigmoid) and inner.inputs == (x,):
            return SiLU(), (x,), {gate}, {}
        hard = isinstance(inner.layer, HardSigmoid) and isclose(inner.layer.alpha, 1 / 6, rel_tol=1e-4)
        if hard and inner.inputs == (x,) and getattr(inner.layer, "beta", 0.0) == 0.5:
            return HardSwish(), (x,), {gate}, {}
        soft = isinstance(inner.layer, Tanh) and isinstance(g.source(inner).layer, Softplus)
        if soft and g.source(inner).inputs == (x,):
            return Unary("mish"), (x,), {gate, inner.inputs[0]}, {}
    return None


def _hard_swish(g: _Graph, node: Node) -> Found | None:
    """`x * clip(x + 3, 0, 6) / 6`, the division before or after the product."""
    if _affine(node, 1 / 6, 0.0) and _is(g.source(node), "mul"):
        product = g.source(node)
        for x, gate in (product.inputs, product.inputs[::-1]):
            clip = g.graph.node(gate)
            if _clipped(clip) and _affine(g.source(clip), 1.0, 3.0) and g.source(clip).inputs == (x,):
                return HardSwish(), (x,), {product.name, gate, clip.inputs[0]}, {}
    if _is(node, "mul") and len(node.inputs) == 2:
        for x, gate in (node.inputs, node.inputs[::-1]):
            scale = g.graph.node(gate)
            if _affine(scale, 1 / 6, 0.0) and _clipped(g.source(scale)):
                clip = g.source(scale)
                if _affine(g.source(clip), 1.0, 3.0) and g.source(clip).inputs == (x,):
                    return HardSwish(), (x,), {gate, clip.name, clip.inputs[0]}, {}
    return None


def _hard_sigmoid(g: _Graph, node: Node) -> Found | None:
    """`clip(x + 3, 0, 6) / 6`."""
    if _affine(node, 1 / 6, 0.0) and _clipped(g.source(node)) and _affine(g.source(g.source(node)), 1.0, 3.0):
        clip = g.source(node)
        return HardSigmoid(1 / 6, 0.5), g.source(clip).inputs, {clip.name, clip.inputs[0]}, {}
    return None


def _gelu(g: _Graph, node: Node) -> Found | None:
    """`x/2 (1 + erf(x / sqrt 2))` with the half anywhere, or the tanh form."""
    halves: list[tuple[Node, set[str]]] = []
    if _affine(node, 0.5, 0.0) and _is(g.source(node), "mul"):
        halves.append((g.source(node), {node.inputs[0]}))
    if _is(node, "mul") and len(node.inputs) == 2:
        halves.append((node, set()))
    for product, inside in halves:
        for a, b in (product.inputs[:2], product.inputs[1::-1]):
            shift = g.graph.node(b)
            if not (_affine(shift, 1.0, 1.0) or _affine(shift, 0.5, 0.5)):
                continue
            outer = 1.0 if _affine(shift, 1.0, 1.0) else 0.5
            x, names, half = a, {b}, 0.5 if inside else outer
            if not inside and outer == 1.0:
                first = g.graph.node(a)
                if not _affine(first, 0.5, 0.0):
                    continue
                x, names, half = first.inputs[0], {b, a}, 0.5
            form = _gelu_inside(g, g.source(shift), x) if half == 0.5 else None
            if form is not None:
                return GELU(form[0]), (x,), inside | names | form[1], {}
    return None


def _gelu_inside(g: _Graph, node: Node, x: str) -> tuple[bool, set[str]] | None:
    """(tanh form, nodes) of `erf(x / sqrt 2)` or `tanh(sqrt(2 / pi) (x + 0.044715 x^3))`."""
    if _is(node, "erf") and _affine(g.source(node), 1 / sqrt(2), 0.0) and g.source(node).inputs == (x,):
        return False, {node.name, node.inputs[0]}
    if not isinstance(node.layer, Tanh) or not _affine(g.source(node), sqrt(2 / pi), 0.0):
        return None
    scale = g.source(node)
    total = g.source(scale)
    if not isinstance(total.layer, Add) or x not in total.inputs:
        return None
    cubic = g.graph.node(next((n for n in total.inputs if n != x), x))
    if not _affine(cubic, 0.044715, 0.0) or not _is(g.source(cubic), "pow"):
        return None
    power = g.source(cubic)
    if power.inputs[0] != x or g.number(power.inputs[1]) != 3.0:
        return None
    return True, {node.name, scale.name, total.name, cubic.name, power.name, power.inputs[1]}


def _layer_norm(g: _Graph, node: Node) -> Found | None:
    """`(x - mean) / sqrt(mean((x - mean)^2) + eps)`, then scale and shift if they are parameters of one row."""
    names: set[str] = set()
    beta = gamma = None
    top = node
    if isinstance(top.layer, Add) and len(top.inputs) == 2 and (beta := g.tensor(top.inputs[1])) is not None:
        names |= {top.inputs[0], top.inputs[1]}
        top = g.source(top)
    if _is(top, "mul") and len(top.inputs) == 2 and (gamma := g.tensor(top.inputs[1])) is not None:
        names |= {top.inputs[0], top.inputs[1]}
        top = g.source(top)
    if not _is(top, "div") or gamma is None:
        return None
    centred, root = g.source(top), g.graph.node(top.inputs[1])
    shifted, mean, power = _variance(g, root, centred)
    if shifted is None or mean is None or power is None:
        return None
    source = centred.inputs[0]
    rank = len(node.shape)
    over = mean.layer.over(rank) if isinstance(mean.layer, Reduce) else ()
    row = node.shape[over[0] :] if over else ()
    plain = over == tuple(range(rank - len(over), rank)) and bool(over)
    if not plain or any(t is not None and t.shape != row for t in (gamma, beta)):
        return None
    assert isinstance(shifted.layer, Affine)
    names |= {centred.name, centred.inputs[1], root.name, shifted.name, mean.name, power.name, *power.inputs[1:]}
    names -= {node.name}
    names.discard(centred.name) if centred.name == source else None
    layer = LayerNorm(-len(over), shifted.layer.beta, bias=beta is not None)
    values = {
        key: g.graph.values.get(t.weight_key, {}).get("value")
        for key, t in (("gamma", gamma), ("beta", beta)) if t is not None
    }  # fmt: skip
    return layer, (source,), names, {k: v for k, v in values.items() if v is not None}


def _variance(g: _Graph, root: Node, centred: Node) -> tuple[Node | None, Node | None, Node | None]:
    """(eps added, mean, square) of `sqrt(mean(c^2) + eps)` if `centred` is `x - mean(x)`."""
    if not _is(root, "sqrt") or not _is(centred, "sub") or not _is(g.graph.node(centred.inputs[1]), "reduce_mean"):
        return None, None, None
    shifted = g.source(root)
    if not isinstance(shifted.layer, Affine) or shifted.layer.alpha != 1.0 or not _is(g.source(shifted), "reduce_mean"):
        return None, None, None
    mean = g.source(shifted)
    power = g.source(mean)
    square = (_is(power, "pow") and g.number(power.inputs[1]) == 2.0) or (
        _is(power, "mul") and power.inputs[0] == power.inputs[1]
    )
    first = g.graph.node(centred.inputs[1])
    same = isinstance(first.layer, Reduce) and isinstance(mean.layer, Reduce) and first.inputs == centred.inputs[:1]
    if not square or power.inputs[0] != centred.name or not same:
        return None, None, None
    return shifted, mean, power


def _shuffle(g: _Graph, node: Node) -> Found | None:
    """Reshape (N, G, C/G, ...), swap dims 1 and 2, reshape back."""
    if not isinstance(node.layer, Reshape) or not isinstance(g.source(node).layer, Transpose):
        return None
    turn = g.source(node)
    split = g.source(turn)
    if not isinstance(split.layer, Reshape) or not isinstance(turn.layer, Transpose) or len(split.shape) < 4:
        return None
    shape = split.input_shapes[0]
    fits = (
        split.shape == (shape[0], split.shape[1], shape[1] // split.shape[1], *shape[2:]) if len(shape) > 2 else False
    )
    if node.shape != shape or not fits or turn.layer.perm != (0, 2, 1, *range(3, len(split.shape))):
        return None
    return ChannelShuffle(split.shape[1]), split.inputs, {turn.name, split.name}, {}


def _shift(g: _Graph, node: Node) -> Found | None:
    """Channel groups sliced, padded on one side and cropped on the other, and joined."""
    if not isinstance(node.layer, Concat) or node.layer.axis != 1 or len(node.shape) != 4:
        return None
    names: set[str] = set()
    moves: list[tuple[int, int]] = []
    source = ""
    for part in map(g.graph.node, node.inputs):
        dy = dx = 0
        names.add(part.name)
        here = part
        while not (isinstance(here.layer, Slice) and here.layer.axis == 1):
            if not isinstance(here.layer, Pad | Slice) or (isinstance(here.layer, Slice) and here.layer.step != 1):
                return None
            if isinstance(here.layer, Pad):
                dy, dx = dy - here.layer.pads[2], dx - here.layer.pads[3]
            elif here.layer.axis == 2:
                dy += here.layer.start
            else:
                dx += here.layer.start
            names.add(here.inputs[0])
            here = g.source(here)
        if here.layer.start != len(moves) or here.layer.step != 1 or (source and here.inputs[0] != source):
            return None
        source = here.inputs[0]
        moves += [(dy, dx)] * (here.layer.stop - here.layer.start)
        if part.shape[2:] != node.shape[2:]:
            return None
    channels = node.shape[1]
    for kernel in (3, 5, 7):
        layer = Shift(kernel)
        if channels == len(moves) and moves == [layer.offset(c, channels) for c in range(channels)] and channels >= 9:
            return layer, (source,), names, {}
    return None


def _global_pool(g: _Graph, node: Node) -> Found | None:
    """The mean over all positions, as squeeze-and-excite and classifiers write it."""
    layer = node.layer
    if isinstance(layer, Reduce) and layer.kind == "mean" and layer.keepdims and 3 <= len(node.shape) <= 5:
        rank = len(node.shape)
        if layer.over(rank) == tuple(range(2, rank)):
            return GlobalPool("avg"), node.inputs, set(), {}
    return None


def _bias(g: _Graph, node: Node) -> Found | None:
    """A product with a weight, then a parameter of one word per output: a fully connected layer with a bias."""
    if not isinstance(node.layer, Add) or len(node.inputs) != 2:
        return None
    product, bias = g.source(node), g.tensor(node.inputs[1])
    if not isinstance(product.layer, Linear) or product.layer.bias or bias is None or bias.shape != node.shape[-1:]:
        return None
    if sum(n.weight_key == product.weight_key for n in g.graph.layers) > 1:
        return None
    weight = g.graph.values.get(product.weight_key, {}).get("weight")
    value = g.graph.values.get(bias.weight_key, {}).get("value")
    tensors = {name: v for name, v in (("weight", weight), ("bias", value)) if v is not None}
    return Linear(node.shape[-1], True), product.inputs, {product.name, bias.name}, tensors


RULES: tuple[Callable[[_Graph, Node], Found | None], ...] = (
    _gelu, _hard_swish, _gated, _hard_sigmoid, _layer_norm, _bias, _shuffle, _shift, _global_pool,
)  # fmt: skip


def _merged(graph: LayerGraph, node: Node, found: Found) -> Node:
    """The node that stands for a chain."""
    layer, inputs, inside, _ = found
    shapes = tuple(graph.node(name).shape for name in inputs)
    note = f"{len(inside) + 1} operators of a chain"
    return replace(
        node, layer=layer, inputs=inputs, input_shapes=shapes, params=layer.params(shapes), macs=layer.macs(shapes),
        folded=(*node.folded, note), weight_key=node.name,
    )  # fmt: skip


def _apply(graph: LayerGraph, matches: dict[str, Found]) -> LayerGraph:
    """Replace chains that do not overlap."""
    gone = {name for found in matches.values() for name in found[2]}
    kept = tuple(
        _merged(graph, node, matches[node.name]) if node.name in matches else node
        for node in graph.sequence if node.name not in gone
    )  # fmt: skip
    values = {**graph.values, **{name: found[3] for name, found in matches.items() if found[3]}}
    aliases = {**graph.aliases, **{inner: name for name, found in matches.items() for inner in found[2]}}
    return LayerGraph(graph.name, graph.batch, kept, graph.outputs, aliases, values)


def _squeeze_excite(g: _Graph, node: Node) -> set[str]:
    """Nodes of `x gate(W act(W mean(x)))` that ends in `node`; empty if it does not."""
    if not _is(node, "mul") or len(node.inputs) != 2:
        return set()
    for x, gate in (node.inputs, node.inputs[::-1]):
        names, here, products = {node.name}, g.graph.node(gate), 0
        if not isinstance(here.layer, Sigmoid | HardSigmoid):
            continue
        while isinstance(here.layer, Activation | Conv | Linear | Reshape | Flatten) and len(names) < 10:
            names.add(here.name)
            products += isinstance(here.layer, Conv | Linear)
            here = g.source(here)
        if isinstance(here.layer, GlobalPool) and here.inputs == (x,) and products == 2:
            return names | {here.name}
    return set()


def _mark_blocks(graph: LayerGraph) -> LayerGraph:
    """Note squeeze-and-excite blocks at their parts, which run on different units and so stay apart."""
    lookup, notes = _Graph(graph), dict[str, str]()
    for node in graph.layers:
        notes.update(dict.fromkeys(_squeeze_excite(lookup, node), f"squeeze-and-excite {node.name}"))
    if not notes:
        return graph
    marked = tuple(
        replace(node, folded=(*node.folded, notes[node.name])) if node.name in notes else node
        for node in graph.sequence
    )
    return LayerGraph(graph.name, graph.batch, marked, graph.outputs, graph.aliases, graph.values)


def recognise_chains(graph: LayerGraph) -> LayerGraph:
    """Replace every chain by its layer, until none is left, and note squeeze-and-excite blocks."""
    for rule in RULES:
        while True:
            lookup, matches, used = _Graph(graph), dict[str, Found](), set[str]()
            for node in reversed(graph.layers):
                found = None if node.name in used else rule(lookup, node)
                if found is None or type(found[0]) is type(node.layer) or not lookup.inside(found[2], node):
                    continue
                members = found[2] | {node.name}
                if not members & used:
                    used |= members
                    matches[node.name] = found
            if not matches:
                break
            graph = _apply(graph, matches)
    return _mark_blocks(graph)
