"""Reductions over whole dims, and the position of the largest or smallest element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from accelsim.errors import InputError, nearest
from accelsim.layers.base import Layer, Shape, axes_of, one
from accelsim.layers.elementwise import SERIES
from accelsim.layers.work import VectorWork, WorkItem

# lane operations per element
REDUCTIONS = {
    "sum": 1, "mean": 1, "max": 1, "min": 1, "prod": 1, "l1": 2, "l2": 2, "sum_square": 2, "log_sum": 1,
    "log_sum_exp": 2 + SERIES,
}  # fmt: skip


@dataclass(frozen=True)
class Reduce(Layer):
    """One of `REDUCTIONS` over `axes` (all of them if None): `l2 = sqrt(sum x^2)`, `log_sum_exp = log sum exp x`."""

    kind: str
    axes: tuple[int, ...] | None = None
    keepdims: bool = True

    def __post_init__(self) -> None:
        if self.kind not in REDUCTIONS:
            raise InputError(f"reduction {self.kind!r}; {nearest(self.kind, REDUCTIONS)}")

    @property
    def op(self) -> str:
        """`reduce_` and the kind."""
        return f"reduce_{self.kind}"

    def over(self, rank: int) -> tuple[int, ...]:
        """The reduced dims."""
        return tuple(range(rank)) if self.axes is None else axes_of(self, self.axes, rank)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the input, reduced dims of size 1 or dropped."""
        shape = one(self, inputs)
        over = self.over(len(shape))
        if self.keepdims:
            return tuple(1 if i in over else size for i, size in enumerate(shape))
        return tuple(size for i, size in enumerate(shape) if i not in over)

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork` with a row per result."""
        words, out = prod(one(self, inputs)), prod(self.output_shape(inputs))
        ops = REDUCTIONS[self.kind] * words + SERIES * out
        return (VectorWork(self.op, (words,), out, ops, rows=out),)


@dataclass(frozen=True)
class ArgReduce(Layer):
    """Index of the largest (or, with `least`, smallest) element along a dim; the first one, or the last one if
    `last`."""

    axis: int = 0
    keepdims: bool = True
    least: bool = False
    last: bool = False
    op = "arg_reduce"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the input with the dim of size 1 or dropped."""
        return Reduce("max", (self.axis,), self.keepdims).output_shape(inputs)

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork` with a row per result: a comparison and a selection per element."""
        words, out = prod(one(self, inputs)), prod(self.output_shape(inputs))
        return (VectorWork(self.op, (words,), out, 2 * words, rows=out),)
