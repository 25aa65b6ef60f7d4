"""Two-dimensional convolution, plain, grouped, depthwise and dilated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from accelsim.errors import InputError
from accelsim.layers.base import Layer, Shape, one, positive
from accelsim.layers.work import WorkItem
from accelsim.problem import conv_problem


def window_output(size: int, kernel: int, stride: int, dilation: int, before: int, after: int) -> int:
    """`floor((size + pads - (dilation (kernel - 1) + 1)) / stride) + 1`, at most 0 if the window does not fit."""
    return (size + before + after - dilation * (kernel - 1) - 1) // stride + 1


@dataclass(frozen=True)
class Conv2d(Layer):
    """Cross-correlation of (N, C, H, W) with (M, C/G, R, S) filters.

    `y[n,m,p,q] = b[m] + sum_{c,r,s} w[m,c,r,s] x[n, g C/G + c, p s_h + r d_h - pad_top, q s_w + s d_w - pad_left]`
    with `g = m // (M/G)` (Dumoulin and Visin, arXiv 1603.07285). MACs: `N M P Q R S C / G`, padding included.

    Attributes:
        pads: zeros at (top, left, bottom, right).
    """

    op = "conv2d"
    out_channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    bias: bool = True

    def __post_init__(self) -> None:
        positive(
            self, out_channels=self.out_channels, kernel=self.kernel, stride=self.stride, dilation=self.dilation,
            groups=self.groups,
        )  # fmt: skip
        if len(self.pads) != 4 or any(p < 0 for p in self.pads):
            raise InputError(
                f"conv2d: pads {self.pads}, expected four numbers (top, left, bottom, right) of at least 0"
            )
        if self.out_channels % self.groups:
            raise InputError(f"conv2d: {self.out_channels} output channels do not divide into {self.groups} groups")

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(N, M, P, Q)."""
        n, c, h, w = one(self, inputs, 4)
        if c % self.groups:
            raise InputError(f"conv2d: {c} input channels do not divide into {self.groups} groups")
        top, left, bottom, right = self.pads
        p = window_output(h, self.kernel[0], self.stride[0], self.dilation[0], top, bottom)
        q = window_output(w, self.kernel[1], self.stride[1], self.dilation[1], left, right)
        if p < 1 or q < 1:
            raise InputError(f"conv2d: a {self.kernel} window does not fit an input of {h} x {w} with pads {self.pads}")
        return n, self.out_channels, p, q

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """`weight` (M, C/G, R, S) and, if any, `bias` (M,)."""
        channels = one(self, inputs, 4)[1]
        shapes: dict[str, Shape] = {"weight": (self.out_channels, channels // self.groups, *self.kernel)}
        if self.bias:
            shapes["bias"] = (self.out_channels,)
        return shapes

    def macs(self, inputs: Sequence[Shape]) -> int:
        """`N M P Q R S C / G`."""
        return prod(self.output_shape(inputs)) * prod(self.weight_shapes(inputs)["weight"][1:])

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Problem`."""
        n, c, h, w = inputs[0]
        _, m, p, q = self.output_shape(inputs)
        return (
            conv_problem(
                batch=n, groups=self.groups, out_channels=m // self.groups, in_channels=c // self.groups,
                out_size=(p, q), kernel=self.kernel, in_size=(h, w), stride=self.stride, dilation=self.dilation,
                pad=(self.pads[0], self.pads[1]),
            ),
        )  # fmt: skip
