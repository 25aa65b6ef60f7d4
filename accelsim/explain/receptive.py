"""Receptive fields: how many input rows and columns one output word sees."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from accelsim.graph import LayerGraph, Node
from accelsim.layers import (
    Conv,
    ConvTranspose,
    DeformConv2d,
    Flatten,
    GlobalPool,
    Linear,
    MatMul,
    Pool,
    Reduce,
    Resize,
)


@dataclass(frozen=True)
class Field:
    """Rows and columns seen, and input positions between neighbouring outputs; None: everything."""

    size: tuple[int, int] | None
    jump: tuple[Fraction, Fraction]


def _grow(field: Field, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> Field:
    """`r' = r + (d (K - 1)) j`, `j' = j s` (Araujo et al., Distill 2019, equations 1 and 2)."""
    if field.size is None or len(kernel) < 2:
        return field
    last = zip(field.size, field.jump, kernel[-2:], dilation[-2:], strict=True)
    size = tuple(int(r + d * (k - 1) * j) for r, j, k, d in last)
    jump = tuple(j * s for j, s in zip(field.jump, stride[-2:], strict=True))
    return Field((size[0], size[1]), (jump[0], jump[1]))


def _step(node: Node, field: Field) -> Field:
    layer = node.layer
    if isinstance(layer, Conv):
        return _grow(field, layer.kernel, layer.stride, layer.dilation)
    if isinstance(layer, DeformConv2d):
        return _grow(field, layer.conv.kernel, layer.conv.stride, layer.conv.dilation)
    if isinstance(layer, Pool):
        return _grow(field, layer.kernel, layer.stride, layer.dilation)
    if isinstance(layer, ConvTranspose) and layer.rank == 2 and field.size is not None:
        taps = [-(-d * (k - 1) // s) for d, k, s in zip(layer.dilation, layer.kernel, layer.stride, strict=True)]
        size = tuple(int(r + t * j) for r, t, j in zip(field.size, taps, field.jump, strict=True))
        jump = tuple(j / s for j, s in zip(field.jump, layer.stride, strict=True))
        return Field((size[0], size[1]), (jump[0], jump[1]))
    if isinstance(layer, Resize) and len(node.shape) == 4 and field.size is not None:
        ratio = [Fraction(a, b) for a, b in zip(node.input_shapes[0][2:], node.shape[2:], strict=True)]
        return Field(field.size, (field.jump[0] * ratio[0], field.jump[1] * ratio[1]))
    if isinstance(layer, GlobalPool | Linear | MatMul | Flatten | Reduce):
        return Field(None, field.jump)
    return field


def receptive_fields(graph: LayerGraph) -> dict[str, Field]:
    """By node; of several inputs the widest counts."""
    start = Field((1, 1), (Fraction(1), Fraction(1)))
    found: dict[str, Field] = {}
    for node in graph.nodes():
        fields = [found[name] for name in node.inputs] or [start]
        widest = max(fields, key=lambda f: (f.size is None, f.size or (0, 0), f.jump))
        found[node.name] = _step(node, widest) if node.layer is not None else start
    return found
