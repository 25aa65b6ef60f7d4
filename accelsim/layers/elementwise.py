"""Elementwise work of the vector unit: activations, sums, batch normalisation, softmax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from accelsim.errors import InputError
from accelsim.layers.base import Layer, Shape, one
from accelsim.layers.work import VectorWork, WorkItem


class Activation(Layer):
    """A function of one element; `lane_ops` lane operations each (assumed: 1 for a clamp, 4 for an exponential)."""

    lane_ops: int = 1

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the input."""
        return one(self, inputs)

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork`, every word on its own."""
        words = prod(one(self, inputs))
        return (VectorWork(self.op, (words,), words, words * self.lane_ops, rows=words),)


@dataclass(frozen=True)
class ReLU(Activation):
    """`max(x, 0)` (Nair and Hinton, ICML 2010)."""

    op = "relu"


@dataclass(frozen=True)
class ReLU6(Activation):
    """`min(max(x, 0), 6)` (MobileNets, arXiv 1704.04861)."""

    op = "relu6"


@dataclass(frozen=True)
class Tanh(Activation):
    """`tanh(x)`."""

    op = "tanh"
    lane_ops = 4


@dataclass(frozen=True)
class Sigmoid(Activation):
    """`1 / (1 + exp(-x))`."""

    op = "sigmoid"
    lane_ops = 4


@dataclass(frozen=True)
class Add(Layer):
    """Sum of two or more tensors of one shape (residual connections, arXiv 1512.03385)."""

    op = "add"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The common shape."""
        if len(inputs) < 2:
            raise InputError(f"add takes at least two inputs, given {len(inputs)}")
        if any(shape != inputs[0] for shape in inputs):
            raise InputError(f"add: shapes {', '.join(str(s) for s in inputs)} differ, expected one shape")
        return inputs[0]

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork` with an addition per further input."""
        words = prod(self.output_shape(inputs))
        return (VectorWork("add", (words,) * len(inputs), words, words * (len(inputs) - 1), rows=words),)


@dataclass(frozen=True)
class BatchNorm2d(Layer):
    """`gamma (x - mean) / sqrt(var + eps) + beta` per channel, at inference `p x + q` (arXiv 1502.03167)."""

    op = "batch_norm2d"
    eps: float = 1e-5

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the input (N, C, H, W)."""
        return one(self, inputs, 4)

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """`gamma` and `beta` (C,)."""
        channels = one(self, inputs, 4)[1]
        return {"gamma": (channels,), "beta": (channels,)}

    def buffer_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """`mean` and `var` (C,)."""
        channels = one(self, inputs, 4)[1]
        return {"mean": (channels,), "var": (channels,)}

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork`: a multiplication and an addition per element, two parameters per channel."""
        shape = one(self, inputs, 4)
        words = prod(shape)
        return (VectorWork(self.op, (words,), words, 2 * words, param_words=2 * shape[1], rows=words),)


@dataclass(frozen=True)
class Softmax(Layer):
    """`exp(x_i - max x) / sum_j exp(x_j - max x)` over the last dim; a row must fit on chip.

    Per element: a comparison, a subtraction, an exponential (4 operations, assumed), an addition and a division.
    """

    op = "softmax"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the input."""
        return one(self, inputs)

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork` with a row per softmax."""
        shape = one(self, inputs)
        words = prod(shape)
        return (VectorWork("softmax", (words,), words, 8 * words, rows=words // shape[-1]),)
