"""Normalisation: batch, layer, group, instance, local response, softmax; work of the vector unit.

A normalised set (a row, a group, a plane) must fit on chip: it is read once, its statistics found, and written once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from accelsim.errors import InputError
from accelsim.layers.base import Layer, Shape, axes_of, one, positive
from accelsim.layers.elementwise import SERIES
from accelsim.layers.work import VectorWork, WorkItem


@dataclass(frozen=True)
class BatchNorm2d(Layer):
    """`gamma (x - mean) / sqrt(var + eps) + beta` per channel, at inference `p x + q` (arXiv 1502.03167).

    Any number of spatial dims: (N, C, ...).
    """

    op = "batch_norm2d"
    eps: float = 1e-5

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the input (N, C, ...)."""
        shape = one(self, inputs)
        if len(shape) < 2:
            raise InputError(f"batch_norm2d takes a tensor of rank 2 or more, given shape {shape}")
        return shape

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """`gamma` and `beta` (C,)."""
        channels = one(self, inputs)[1]
        return {"gamma": (channels,), "beta": (channels,)}

    def buffer_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """`mean` and `var` (C,)."""
        channels = one(self, inputs)[1]
        return {"mean": (channels,), "var": (channels,)}

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork`: a multiplication and an addition per element, two parameters per channel."""
        shape = one(self, inputs)
        words = prod(shape)
        return (VectorWork(self.op, (words,), words, 2 * words, param_words=2 * shape[1], rows=words),)


@dataclass(frozen=True)
class LayerNorm(Layer):
    """`gamma (x - mean) / sqrt(var + eps) + beta` over the dims from `axis` on (Ba et al., arXiv 1607.06450).

    Without `centre` the root-mean-square form `gamma x / sqrt(mean(x^2) + eps)` (Zhang and Sennrich, arXiv 1910.07467).

    Attributes:
        bias: has `beta`. affine: has `gamma`.
    """

    axis: int = -1
    eps: float = 1e-5
    bias: bool = True
    affine: bool = True
    centre: bool = True
    op = "layer_norm"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the input."""
        shape = one(self, inputs)
        axes_of(self, (self.axis,), len(shape))
        return shape

    def row(self, inputs: Sequence[Shape]) -> Shape:
        """Shape of one normalised set."""
        shape = self.output_shape(inputs)
        return shape[axes_of(self, (self.axis,), len(shape))[0] :]

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """`gamma` and `beta`, of the shape of a normalised set."""
        row = self.row(inputs)
        return {name: row for name, used in (("gamma", self.affine), ("beta", self.bias)) if used}

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork`: mean, variance, scaling: 7 operations per element and a root per row."""
        words, row = prod(one(self, inputs)), prod(self.row(inputs))
        params = row * (self.affine + self.bias)
        rows = words // row
        return (VectorWork(self.op, (words,), words, 7 * words + SERIES * rows, param_words=params, rows=rows),)


@dataclass(frozen=True)
class GroupNorm(Layer):
    """Normalisation over the channels of a group and all positions of one image (Wu and He, arXiv 1803.08494).

    `groups = C` is instance normalisation (Ulyanov et al., arXiv 1607.08022). `gamma` and `beta` per channel.
    """

    groups: int
    eps: float = 1e-5
    op = "group_norm"

    def __post_init__(self) -> None:
        positive(self, groups=self.groups)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the input (N, C, ...)."""
        shape = one(self, inputs)
        if len(shape) < 3 or shape[1] % self.groups:
            raise InputError(f"group_norm: {self.groups} groups do not divide the channels of shape {shape}")
        return shape

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """`gamma` and `beta` (C,)."""
        channels = self.output_shape(inputs)[1]
        return {"gamma": (channels,), "beta": (channels,)}

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork` with a row per image and group."""
        shape = self.output_shape(inputs)
        words, rows = prod(shape), shape[0] * self.groups
        ops = 7 * words + SERIES * rows
        return (VectorWork(self.op, (words,), words, ops, param_words=2 * shape[1], rows=rows),)


@dataclass(frozen=True)
class LocalResponseNorm(Layer):
    """`x / (bias + alpha / size sum_window x^2)^beta`, the window over `size` neighbouring channels (AlexNet, NIPS
    2012, section 3.3, with ONNX's division of alpha by the size)."""

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    bias: float = 1.0
    op = "local_response_norm"

    def __post_init__(self) -> None:
        positive(self, size=self.size)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the input (N, C, ...)."""
        shape = one(self, inputs)
        if len(shape) < 3:
            raise InputError(f"local_response_norm takes a tensor of rank 3 or more, given shape {shape}")
        return shape

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork` with a row per image: a square, a sliding sum, a power and a division per element."""
        shape = self.output_shape(inputs)
        words = prod(shape)
        return (VectorWork(self.op, (words,), words, (5 + 3 * SERIES) * words, rows=shape[0]),)


@dataclass(frozen=True)
class Softmax(Layer):
    """`exp(x_i - max x) / sum_j exp(x_j - max x)` over `axis` (or over all dims from `axis` on, as ONNX did before
    opset 13); with `log` its logarithm. A row must fit on chip.

    Per element: a comparison, a subtraction, an exponential, an addition and a division (or logarithm and subtraction).
    """

    axis: int = -1
    log: bool = False
    flat: bool = False
    op = "softmax"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the input."""
        shape = one(self, inputs)
        axes_of(self, (self.axis,), len(shape))
        return shape

    def axes(self, rank: int) -> tuple[int, ...]:
        """The dims of one row."""
        first = axes_of(self, (self.axis,), rank)[0]
        return tuple(range(first, rank)) if self.flat else (first,)

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork` with a row per softmax."""
        shape = self.output_shape(inputs)
        words = prod(shape)
        row = prod(shape[i] for i in self.axes(len(shape)))
        return (VectorWork(self.op, (words,), words, (4 + SERIES) * words, rows=words // row),)


@dataclass(frozen=True)
class LpNorm(Layer):
    """`x / (sum |x|^p)^(1/p)` over one dim, p 1 or 2; sets of zeros stay zero."""

    axis: int = -1
    p: int = 2
    op = "lp_norm"

    def __post_init__(self) -> None:
        if self.p not in (1, 2):
            raise InputError(f"lp_norm: p {self.p}, expected 1 or 2")

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the input."""
        shape = one(self, inputs)
        axes_of(self, (self.axis,), len(shape))
        return shape

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork` with a row per set."""
        shape = self.output_shape(inputs)
        words = prod(shape)
        return (VectorWork(self.op, (words,), words, (2 + SERIES) * words, rows=words // shape[self.axis]),)
