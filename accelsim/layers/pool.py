"""Pooling windows: work of the vector unit, lowered to a `Problem` with op `max`, `avg` or `lp`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accelsim.errors import InputError
from accelsim.layers.base import Layer, Shape, one, positive
from accelsim.layers.conv import window_output
from accelsim.layers.work import WorkItem
from accelsim.problem import Op, pool_problem


@dataclass(frozen=True)
class Pool(Layer):
    """A window over one to three spatial dims.

    Attributes:
        pads: (befores..., afters...), none by default; they never reach over a whole window.
        ceil_mode: a last, partial window is kept, unless it would begin beyond the input and its leading padding.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pads: tuple[int, ...] = ()
    ceil_mode: bool = False
    dilation: tuple[int, ...] = ()
    reduction: Op = "max"

    def __post_init__(self) -> None:
        rank = len(self.kernel)
        if not 1 <= rank <= 3:
            raise InputError(f"{self.op}: kernel {self.kernel}, expected one to three numbers")
        object.__setattr__(self, "dilation", self.dilation or (1,) * rank)
        object.__setattr__(self, "pads", self.pads or (0,) * 2 * rank)
        positive(self, kernel=self.kernel, stride=self.stride, dilation=self.dilation)
        if len(self.stride) != rank or len(self.dilation) != rank or len(self.pads) != 2 * rank:
            raise InputError(f"{self.op}: stride, dilation and pads do not have the rank of kernel {self.kernel}")
        reach = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True)]
        if any(p < 0 for p in self.pads) or any(p >= e for p, e in zip(self.pads, reach * 2, strict=True)):
            raise InputError(f"{self.op}: pads {self.pads}, expected at least 0 and less than the kernel {self.kernel}")

    @property
    def rank(self) -> int:
        """Spatial dims."""
        return len(self.kernel)

    @property
    def pads_after(self) -> Shape:
        """Padding at the end of every dim."""
        return self.pads[self.rank :]

    def _size(self, size: int, axis: int) -> int:
        before, after = self.pads[axis], self.pads[axis + self.rank]
        kernel, stride, gap = self.kernel[axis], self.stride[axis], self.dilation[axis]
        out = window_output(size, kernel, stride, gap, before, after)
        if self.ceil_mode:
            out = -(-(size + before + after - gap * (kernel - 1) - 1) // stride) + 1
            if (out - 1) * stride >= size + before:
                out -= 1
        return out

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(N, C, spatial...); ceil mode drops a last window that would begin beyond the input."""
        n, c, *sizes = one(self, inputs, self.rank + 2)
        outs = tuple(self._size(size, axis) for axis, size in enumerate(sizes))
        if min(outs) < 1:
            shown = " x ".join(map(str, sizes))
            raise InputError(f"{self.op}: a {self.kernel} window does not fit an input of {shown}")
        return n, c, *outs

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Problem`."""
        n, c, *sizes = inputs[0]
        _, _, *outs = self.output_shape(inputs)
        return (
            pool_problem(
                self.reduction, batch=n, channels=c, out_size=tuple(outs), kernel=self.kernel, in_size=tuple(sizes),
                stride=self.stride, dilation=self.dilation, pad=self.pads[: self.rank],
            ),
        )  # fmt: skip


@dataclass(frozen=True)
class MaxPool2d(Pool):
    """`y[p,q] = max over the window`; padding never wins. One comparison per window position. Any rank."""

    op = "max_pool2d"


@dataclass(frozen=True)
class AvgPool(Pool):
    """Mean of the window. With `count_include_pad` the divisor is the window clipped to the padded input, else the
    number of its elements inside the input (the two conventions of PyTorch and ONNX). Any rank."""

    op = "avg_pool2d"
    reduction: Op = "avg"
    count_include_pad: bool = True


AvgPool2d = AvgPool


@dataclass(frozen=True)
class LpPool(Pool):
    """`(sum |x|^p)^(1/p)` over the window (Gulcehre et al., arXiv 1311.1780); padding adds nothing. Any rank."""

    op = "lp_pool"
    reduction: Op = "lp"
    p: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, p=self.p)


@dataclass(frozen=True)
class GlobalPool(Layer):
    """One window over all spatial dims: (N, C, ...) to (N, C, 1...), its `mean`, `max` or `lp` norm of order `p`."""

    kind: Op = "avg"
    p: int = 2

    @property
    def op(self) -> str:
        """`global_avg_pool`, `global_max_pool` or `global_lp_pool`."""
        return f"global_{self.kind}_pool"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(N, C, 1...)."""
        shape = one(self, inputs)
        if not 3 <= len(shape) <= 5:
            raise InputError(f"{self.op} takes a tensor of rank 4 (or 3, 5), given shape {shape}")
        return *shape[:2], *(1,) * (len(shape) - 2)

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Problem` whose window is the whole map."""
        n, c, *sizes = one(self, inputs)
        window = tuple(sizes)
        ones = (1,) * len(sizes)
        return (pool_problem(self.kind, batch=n, channels=c, out_size=ones, kernel=window, in_size=window),)


def GlobalAvgPool() -> GlobalPool:
    """Mean over all positions (Lin et al., arXiv 1312.4400)."""
    return GlobalPool("avg")
