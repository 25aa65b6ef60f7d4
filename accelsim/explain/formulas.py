"""A layer's formulas with its numbers: output size, receptive field, MACs, storage, and what other forms would cost.

Letters of the lecture: B batch, M filters, C channels, K kernel, H x W input, E x F output, G groups; 32-bit words,
bias left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

from accelsim.explain.receptive import Field, receptive_fields
from accelsim.graph import LayerGraph, Node
from accelsim.layers import Conv, ConvTranspose, DeformConv2d, Gather, Linear, MatMul, Move, VectorWork
from accelsim.lookup import Shapes, load_model
from accelsim.problem import Problem

WORD = 32


@dataclass(frozen=True)
class Explained:
    """One layer.

    Attributes:
        letters: its sizes by letter. lines: formulas with numbers. macs, storage_bits: as the lecture counts them.
        forms: (name, MACs, storage bits) of other layers with the same input and output.
    """

    name: str
    op: str
    output: tuple[int, ...]
    letters: dict[str, int]
    lines: tuple[str, ...]
    macs: int
    storage_bits: int
    forms: tuple[tuple[str, int, int], ...] = field(default=())

    @property
    def formula(self) -> tuple[str, ...]:
        """Its sizes by letter, then the formulas."""
        sizes = "  ".join(f"{key}={value}" for key, value in self.letters.items())
        return ((sizes,) if sizes else ()) + self.lines

    def text(self) -> str:
        """The layer for reading."""
        head = f"{self.name} ({self.op}), output {'x'.join(map(str, self.output))}"
        body = [f"  {line}" for line in self.formula]
        for name, macs, bits in self.forms:
            ratio = macs / self.macs if self.macs else 0.0
            body.append(f"  {name}: {macs:,} MACs ({ratio:.3f}x), {bits:,} bits of storage")
        return "\n".join([head, *body])

    def as_dict(self) -> dict[str, Any]:
        """The layer as JSON."""
        return {
            "name": self.name, "op": self.op, "output_shape": list(self.output), "letters": self.letters,
            "lines": list(self.lines), "macs": self.macs, "storage_bits": self.storage_bits,
            "forms": [{"name": n, "macs": m, "storage_bits": b} for n, m, b in self.forms],
        }  # fmt: skip


def standard_cost(b: int, m: int, c: int, k: int, hw: int, ef: int, g: int = 1) -> tuple[int, int]:
    """(MACs, storage bits) `B M K K C E F / G` and `32 (M C K K / G + B C H W + B M E F)`; `k` is K x K."""
    return b * m * k * c // g * ef, WORD * (m * c // g * k + b * c * hw + b * m * ef)


def separable_cost(b: int, m: int, c: int, k: int, hw: int, ef: int) -> tuple[int, int]:
    """`B K K C E F + B M C E F` and `32 (B C H W + C K K + B C E F + M C + B M E F)` (MobileNets, section 3.1)."""
    return b * k * c * ef + b * m * c * ef, WORD * (b * c * hw + c * k + b * c * ef + m * c + b * m * ef)


def shift_cost(b: int, m: int, c: int, hw: int, ef: int) -> tuple[int, int]:
    """A shift, then 1x1: `B M C E F` and `32 (B C H W + B C E F + M C + B M E F)` (arXiv 1711.08141)."""
    return b * m * c * ef, WORD * (b * c * hw + b * c * ef + m * c + b * m * ef)


def _seen(found: Field) -> str:
    if found.size is None:
        return "receptive field: the whole input"
    return f"receptive field: {found.size[0]} x {found.size[1]} of the input, outputs {found.jump[0]} apart"


def _conv(node: Node, conv: Conv, seen: Field) -> Explained:
    b, c, *sizes = node.input_shapes[0]
    _, m, *outs = node.shape
    k, hw, ef, g = prod(conv.kernel), prod(sizes), prod(outs), conv.groups
    macs, bits = standard_cost(b, m, c, k, hw, ef, g)
    rank = len(sizes)
    names = ("E", "F") if rank == 2 else ("E",) if rank == 1 else ("D", "E", "F")
    ins = ("H", "W") if rank == 2 else ("H",) if rank == 1 else ("depth", "H", "W")
    lines = []
    for i, name in enumerate(names):
        reach = conv.dilation[i] * (conv.kernel[i] - 1) + 1
        lines.append(
            f"{name} = floor(({ins[i]} + pads - (d (K - 1) + 1)) / s) + 1 = "
            f"floor(({sizes[i]} + {conv.pads[i] + conv.pads[i + rank]} - {reach}) / {conv.stride[i]}) + 1 = {outs[i]}"
        )
    kernel = " ".join(map(str, conv.kernel))
    spatial = " ".join(map(str, outs))
    group = f" / {g}" if g > 1 else ""
    lines += [
        _seen(seen),
        f"MACs = B M K K C E F{' / G' if g > 1 else ''} = {b} * {m} * {kernel.replace(' ', ' * ')} * {c} * "
        f"{spatial.replace(' ', ' * ')}{group} = {macs:,}",
        f"storage = 32 (M C K K{' / G' if g > 1 else ''} + B C H W + B M E F) = 32 * ({m * c // g * k:,} + "
        f"{b * c * hw:,} + "
        f"{b * m * ef:,}) = {bits:,} bits",
    ]
    forms = []
    if g == 1 and k > 1 and c > 1:
        forms.append(("depthwise separable", *separable_cost(b, m, c, k, hw, ef)))
        forms += [
            (f"grouped, G={n}", *standard_cost(b, m, c, k, hw, ef, n)) for n in (2, 4, 8) if c % n == 0 and m % n == 0
        ]
        forms.append(("shift and 1x1", *shift_cost(b, m, c, hw, ef)))
    elif g > 1 and k > 1:
        forms.append(("standard, G=1", *standard_cost(b, m, c, k, hw, ef)))
    letters = {"B": b, "M": m, "C": c, "K": conv.kernel[-1], **dict(zip(ins, sizes, strict=True)),
               **dict(zip(names, outs, strict=True)), "G": g}  # fmt: skip
    return Explained(node.name, node.op, node.shape, letters, tuple(lines), macs, bits, tuple(forms))


def _product(node: Node, seen: Field) -> Explained:
    """A fully connected layer or a product of two activations."""
    rows = prod(node.shape[:-1]) if isinstance(node.layer, Linear) else node.macs // max(1, node.input_shapes[0][-1])
    c, m = node.input_shapes[0][-1], node.shape[-1]
    if isinstance(node.layer, MatMul):
        words = sum(prod(shape) for shape in node.input_shapes) + prod(node.shape)
        lines = (_seen(seen), f"MACs = output words * C = {prod(node.shape):,} * {c} = {node.macs:,}",
                 f"storage = 32 * {words:,} words = {WORD * words:,} bits")  # fmt: skip
        return Explained(node.name, node.op, node.shape, {"C": c, "M": m}, lines, node.macs, WORD * words)
    bits = WORD * (m * c + rows * c + rows * m)
    lines = (
        _seen(seen),
        f"MACs = B M C = {rows} * {m} * {c} = {node.macs:,}",
        f"storage = 32 (M C + B C + B M) = 32 * ({m * c:,} + {rows * c:,} + {rows * m:,}) = {bits:,} bits",
    )
    return Explained(node.name, node.op, node.shape, {"B": rows, "M": m, "C": c}, lines, node.macs, bits)


def _transposed(node: Node, layer: ConvTranspose, seen: Field) -> Explained:
    words = prod(node.input_shapes[0]) + prod(node.shape) + node.params
    issued = [sum(i.macs for i in items if isinstance(i, Problem)) for items in
              (layer.lower(node.input_shapes), layer.lower_zero_insertion(node.input_shapes))]  # fmt: skip
    lines = (
        f"E = (H - 1) s - pads + d (K - 1) + output_padding + 1 = {node.shape[2]}",
        _seen(seen),
        f"MACs = B C H W K K M / G = {node.macs:,} (input positions)",
        f"issued by stride phases {issued[0]:,}, with zero insertion {issued[1]:,}",
    )
    return Explained(node.name, node.op, node.shape, {}, lines, node.macs, WORD * words)


def _other(node: Node, seen: Field) -> Explained:
    assert node.layer is not None
    lines = [_seen(seen)]
    words = sum(prod(shape) for shape in node.input_shapes) + prod(node.shape)
    for item in node.layer.lower(node.input_shapes):
        if isinstance(item, VectorWork):
            lines.append(f"vector unit: {item.ops:,} lane operations on {sum(item.in_words):,} words in")
        elif isinstance(item, Move):
            lines.append(f"moves {sum(item.in_words):,} words in and {item.out_words:,} out, no MACs")
        elif isinstance(item, Gather):
            lines.append(f"data-dependent reads: {item.least_reads:,} to {item.most_reads:,} words on chip")
        elif item.op != "mac":
            lines.append(f"vector unit: {item.macs:,} window positions")
    if not node.layer.lower(node.input_shapes):
        lines.append("a view: nothing moves")
    return Explained(node.name, node.op, node.shape, {}, tuple(lines), node.macs, WORD * words)


def explain_node(node: Node, seen: Field) -> Explained:
    """One layer."""
    layer = node.layer
    if isinstance(layer, Conv):
        return _conv(node, layer, seen)
    if isinstance(layer, DeformConv2d):
        return _conv(node, layer.conv, seen)
    if isinstance(layer, ConvTranspose):
        return _transposed(node, layer, seen)
    if isinstance(layer, Linear | MatMul):
        return _product(node, seen)
    return _other(node, seen)


def explain_graph(graph: LayerGraph, layer: str = "") -> list[Explained]:
    """One layer, or all layers with products."""
    fields = receptive_fields(graph)
    nodes = [graph.node(layer)] if layer else [node for node in graph.layers if node.macs]
    return [explain_node(node, fields[node.name]) for node in nodes if node.layer is not None]


def explain_layers(graph: LayerGraph) -> list[Explained]:
    """Every layer, those without products too."""
    fields = receptive_fields(graph)
    return [explain_node(node, fields[node.name]) for node in graph.layers if node.layer is not None]


def explain_network(model: str, layer: str = "", batch: int = 1, shapes: Shapes | None = None) -> list[Explained]:
    """Layers of a network by name.

    Raises:
        InputError: an unknown network or layer.
    """
    return explain_graph(load_model(model, batch, shapes)[0], layer)
