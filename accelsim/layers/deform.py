"""Deformable convolution: bilinear samples at learned offsets, then an ordinary product with the filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from accelsim.errors import InputError
from accelsim.layers.base import Layer, Shape
from accelsim.layers.conv import Conv2d
from accelsim.layers.work import Gather, WorkItem
from accelsim.problem import conv_problem

CORNERS = 4


@dataclass(frozen=True)
class DeformConv2d(Layer):
    """Convolution of samples `x(p s + r d - pad + offset)`, bilinear, each corner outside the input being zero.

    Version 1 (Dai et al., arXiv 1703.06211, equations 2 to 5) takes (x, offsets), version 2 (arXiv 1811.11168) also
    masks that scale every sample. Offsets (N, 2 DG K K, P, Q): per deformable group and tap (dy, dx); masks (N, DG K K,
    P, Q). MACs: those of the convolution; a sample is 4 reads, 4 products and 3 sums on the vector unit.
    """

    conv: Conv2d
    offset_groups: int = 1
    masked: bool = False
    op = "deform_conv2d"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(N, M, P, Q)."""
        if len(inputs) != 2 + self.masked:
            raise InputError(
                f"{self.op} takes an input, offsets{' and masks' * self.masked}, given {len(inputs)} tensors"
            )
        out = self.conv.output_shape(inputs[:1])
        taps = self.offset_groups * prod(self.conv.kernel)
        if inputs[0][1] % self.offset_groups:
            raise InputError(
                f"{self.op}: {inputs[0][1]} channels do not divide into {self.offset_groups} offset groups"
            )
        for name, shape, channels in zip(("offsets", "masks"), inputs[1:], (2 * taps, taps), strict=False):
            if shape != (out[0], channels, *out[2:]):
                raise InputError(f"{self.op}: {name} of shape {shape}, expected {(out[0], channels, *out[2:])}")
        return out

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """`weight` (M, C/G, R, S) and, if any, `bias` (M,)."""
        return self.conv.weight_shapes(inputs[:1])

    def macs(self, inputs: Sequence[Shape]) -> int:
        """MACs of the convolution; sampling is not counted."""
        return self.conv.macs(inputs[:1])

    def samples(self, inputs: Sequence[Shape]) -> int:
        """Samples taken: one per tap, channel and output position."""
        n, c = inputs[0][:2]
        return n * c * prod(self.conv.kernel) * prod(self.output_shape(inputs)[2:])

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """A `Gather` that writes the samples, channels by taps, and a 1x1 `Problem` over them."""
        n, c, h, w = inputs[0]
        _, m, p, q = self.output_shape(inputs)
        samples = self.samples(inputs)
        groups, taps = self.conv.groups, prod(self.conv.kernel)
        positions = sum(prod(shape) for shape in inputs[1:])
        gather = Gather(
            "deform_sample", n * c * h * w, positions, samples, 0, CORNERS * samples, (7 + self.masked) * samples,
            rows=n * c,
        )  # fmt: skip
        product = conv_problem(
            batch=n, groups=groups, out_channels=m // groups, in_channels=c // groups * taps,
            out_size=(p, q), kernel=(1, 1), in_size=(p, q),
        )  # fmt: skip
        return gather, product
