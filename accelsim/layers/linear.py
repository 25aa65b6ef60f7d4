"""Fully connected layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from accelsim.errors import InputError
from accelsim.layers.base import Layer, Shape, one, positive
from accelsim.layers.work import WorkItem
from accelsim.problem import gemm_problem


@dataclass(frozen=True)
class Linear(Layer):
    """`y = x W^T + b` over the last dim of (..., C) with W (M, C). MACs: rows x M x C."""

    op = "linear"
    out_features: int
    bias: bool = True

    def __post_init__(self) -> None:
        positive(self, out_features=self.out_features)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(..., M)."""
        shape = one(self, inputs)
        if len(shape) < 2:
            raise InputError(f"linear takes a tensor of rank 2 or more, given shape {shape}")
        return (*shape[:-1], self.out_features)

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """`weight` (M, C) and, if any, `bias` (M,)."""
        shapes: dict[str, Shape] = {"weight": (self.out_features, one(self, inputs)[-1])}
        if self.bias:
            shapes["bias"] = (self.out_features,)
        return shapes

    def macs(self, inputs: Sequence[Shape]) -> int:
        """rows x M x C."""
        return prod(one(self, inputs)) * self.out_features

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Problem`: a matrix product whose rows are N."""
        shape = one(self, inputs)
        return (gemm_problem(rows=prod(shape[:-1]), cols=self.out_features, reduction=shape[-1]),)
