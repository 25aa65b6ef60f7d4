"""Layers that only rearrange: views that move nothing, and moves with real traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from accelsim.errors import InputError
from accelsim.layers.base import Layer, Shape, one
from accelsim.layers.work import Move, WorkItem


@dataclass(frozen=True)
class Flatten(Layer):
    """(N, ...) to (N, rest): a view of the same words in the same order; nothing moves."""

    op = "flatten"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(N, product of the rest)."""
        shape = one(self, inputs)
        return shape[0], prod(shape[1:])

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """Nothing."""
        return ()


@dataclass(frozen=True)
class Concat(Layer):
    """Tensors side by side along `axis`: every word is read and written."""

    op = "concat"
    axis: int = 1

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The common shape with the sizes along `axis` added."""
        if len(inputs) < 2:
            raise InputError(f"concat takes at least two inputs, given {len(inputs)}")
        first = inputs[0]
        if not 0 <= self.axis < len(first):
            raise InputError(f"concat: axis {self.axis}, expected 0 to {len(first) - 1}")
        for shape in inputs:
            if [*shape[: self.axis], *shape[self.axis + 1 :]] != [*first[: self.axis], *first[self.axis + 1 :]]:
                raise InputError(f"concat along {self.axis}: shapes {first} and {shape} do not match")
        total = sum(shape[self.axis] for shape in inputs)
        return (*first[: self.axis], total, *first[self.axis + 1 :])

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Move`."""
        return (Move("concat", tuple(prod(s) for s in inputs), prod(self.output_shape(inputs))),)


@dataclass(frozen=True)
class Slice(Layer):
    """Indices `start` to `stop` along `axis`: the selected words are read and written."""

    op = "slice"
    axis: int
    start: int
    stop: int
    squeeze: bool = False

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The input's shape with `stop - start` along `axis` (dropped if `squeeze` and 1)."""
        shape = one(self, inputs)
        if not 0 <= self.axis < len(shape) or not 0 <= self.start < self.stop <= shape[self.axis]:
            raise InputError(f"slice {self.start}:{self.stop} along {self.axis} is outside shape {shape}")
        size = self.stop - self.start
        if self.squeeze and size == 1:
            return (*shape[: self.axis], *shape[self.axis + 1 :])
        return (*shape[: self.axis], size, *shape[self.axis + 1 :])

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Move`."""
        words = prod(self.output_shape(inputs))
        return (Move("slice", (words,), words),)
