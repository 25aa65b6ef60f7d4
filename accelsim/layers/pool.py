"""Pooling windows: work of the vector unit, lowered to a `Problem` with op `max` or `avg`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accelsim.errors import InputError
from accelsim.layers.base import Layer, Shape, one, positive
from accelsim.layers.conv import window_output
from accelsim.layers.work import WorkItem
from accelsim.problem import Op, pool_problem


@dataclass(frozen=True)
class _Pool2d(Layer):
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        positive(self, kernel=self.kernel, stride=self.stride)
        if any(p < 0 for p in self.pads) or any(2 * p > k for p, k in zip(self.pads, self.kernel * 2, strict=True)):
            raise InputError(
                f"{self.op}: pads {self.pads}, expected at least 0 and at most half the kernel {self.kernel}"
            )

    def _size(self, size: int, axis: int) -> int:
        before, after = self.pads[axis], self.pads[axis + 2]
        kernel, stride = self.kernel[axis], self.stride[axis]
        out = window_output(size, kernel, stride, 1, before, after)
        if self.ceil_mode:
            out = -(-(size + before + after - kernel) // stride) + 1
            if (out - 1) * stride >= size + before:
                out -= 1
        return out

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(N, C, P, Q); ceil mode drops a last window that would begin beyond the input."""
        n, c, h, w = one(self, inputs, 4)
        p, q = self._size(h, 0), self._size(w, 1)
        if p < 1 or q < 1:
            raise InputError(f"{self.op}: a {self.kernel} window does not fit an input of {h} x {w}")
        return n, c, p, q

    def _lower(self, inputs: Sequence[Shape], op: Op) -> tuple[WorkItem, ...]:
        n, c, h, w = inputs[0]
        _, _, p, q = self.output_shape(inputs)
        return (
            pool_problem(
                op, batch=n, channels=c, out_size=(p, q), kernel=self.kernel, in_size=(h, w), stride=self.stride,
                pad=(self.pads[0], self.pads[1]),
            ),
        )  # fmt: skip


@dataclass(frozen=True)
class MaxPool2d(_Pool2d):
    """`y[p,q] = max over the window`; padding never wins. One comparison per window position."""

    op = "max_pool2d"

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Problem` with op `max`."""
        return self._lower(inputs, "max")


@dataclass(frozen=True)
class AvgPool2d(_Pool2d):
    """Mean of the window. With `count_include_pad` the divisor is the window clipped to the padded input, else the
    number of its elements inside the input (the two conventions of PyTorch and ONNX)."""

    op = "avg_pool2d"
    count_include_pad: bool = True

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Problem` with op `avg`."""
        return self._lower(inputs, "avg")


@dataclass(frozen=True)
class GlobalAvgPool(Layer):
    """Mean over H and W: (N, C, H, W) to (N, C, 1, 1) (Lin et al., arXiv 1312.4400)."""

    op = "global_avg_pool"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(N, C, 1, 1)."""
        n, c, _, _ = one(self, inputs, 4)
        return n, c, 1, 1

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Problem` with op `avg` whose window is the whole map."""
        n, c, h, w = one(self, inputs, 4)
        return (
            pool_problem("avg", batch=n, channels=c, out_size=(1, 1), kernel=(h, w), in_size=(h, w), stride=(1, 1)),
        )
