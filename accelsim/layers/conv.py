"""Convolution of one, two or three spatial dims: plain, grouped, depthwise, strided, dilated, and transposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, prod

from accelsim.errors import InputError
from accelsim.layers.base import Layer, Shape, one, positive
from accelsim.layers.work import Move, VectorWork, WorkItem
from accelsim.problem import Problem, conv_problem


def window_output(size: int, kernel: int, stride: int, dilation: int, before: int, after: int) -> int:
    """`floor((size + pads - (dilation (kernel - 1) + 1)) / stride) + 1`, at most 0 if the window does not fit."""
    return (size + before + after - dilation * (kernel - 1) - 1) // stride + 1


def same_pads(size: int, kernel: int, stride: int, dilation: int = 1, lower: bool = False) -> tuple[int, int]:
    """(before, after) of SAME padding: output `ceil(size / stride)`, the odd zero at the end, or first if `lower`.

    >>> same_pads(224, 3, 2), same_pads(224, 3, 2, lower=True)
    ((0, 1), (1, 0))
    """
    total = max((-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    small = total // 2
    return (total - small, small) if lower else (small, total - small)


def _check_windows(layer: Layer, rank: int, pads: Shape, **windows: Shape) -> None:
    positive(layer, **windows)
    for name, value in windows.items():
        if len(value) != rank:
            raise InputError(f"{layer.op}: {name} {value}, expected {rank} numbers")
    if len(pads) != 2 * rank or any(p < 0 for p in pads):
        names = {1: "(before, after)", 2: "(top, left, bottom, right)"}.get(rank, "(befores..., afters...)")
        raise InputError(f"{layer.op}: pads {pads}, expected {2 * rank} numbers {names} of at least 0")


@dataclass(frozen=True)
class Conv(Layer):
    """What `Conv1d`, `Conv2d` and `Conv3d` share; see `Conv2d`."""

    out_channels: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...] = ()
    pads: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    bias: bool = True
    rank = 2

    def __post_init__(self) -> None:
        ones = (1,) * self.rank
        object.__setattr__(self, "stride", self.stride or ones)
        object.__setattr__(self, "dilation", self.dilation or ones)
        object.__setattr__(self, "pads", self.pads or (0,) * 2 * self.rank)
        positive(self, out_channels=self.out_channels, groups=self.groups)
        _check_windows(
            self, self.rank, self.pads, kernel=self.kernel, stride=self.stride, dilation=self.dilation
        )  # fmt: skip
        if self.out_channels % self.groups:
            raise InputError(f"{self.op}: {self.out_channels} output channels do not divide into {self.groups} groups")

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(N, M, spatial...)."""
        n, c, *sizes = one(self, inputs, self.rank + 2)
        if c % self.groups:
            raise InputError(f"{self.op}: {c} input channels do not divide into {self.groups} groups")
        before, after = self.pads[: self.rank], self.pads[self.rank :]
        windows = zip(sizes, self.kernel, self.stride, self.dilation, before, after, strict=True)
        outs = tuple(window_output(*window) for window in windows)
        if min(outs) < 1:
            shown = " x ".join(map(str, sizes))
            raise InputError(
                f"{self.op}: a {self.kernel} window does not fit an input of {shown} with pads {self.pads}"
            )
        return n, self.out_channels, *outs

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """`weight` (M, C/G, kernel...) and, if any, `bias` (M,)."""
        channels = one(self, inputs, self.rank + 2)[1]
        shapes: dict[str, Shape] = {"weight": (self.out_channels, channels // self.groups, *self.kernel)}
        if self.bias:
            shapes["bias"] = (self.out_channels,)
        return shapes

    def macs(self, inputs: Sequence[Shape]) -> int:
        """Output words x kernel x C / G."""
        return prod(self.output_shape(inputs)) * prod(self.weight_shapes(inputs)["weight"][1:])

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Problem`."""
        n, c, *sizes = inputs[0]
        _, m, *outs = self.output_shape(inputs)
        return (
            conv_problem(
                batch=n, groups=self.groups, out_channels=m // self.groups, in_channels=c // self.groups,
                out_size=tuple(outs), kernel=self.kernel, in_size=tuple(sizes), stride=self.stride,
                dilation=self.dilation, pad=self.pads[: self.rank],
            ),
        )  # fmt: skip


@dataclass(frozen=True)
class Conv2d(Conv):
    """Cross-correlation of (N, C, H, W) with (M, C/G, R, S) filters.

    `y[n,m,p,q] = b[m] + sum_{c,r,s} w[m,c,r,s] x[n, g C/G + c, p s_h + r d_h - pad_top, q s_w + s d_w - pad_left]`
    with `g = m // (M/G)` (Dumoulin and Visin, arXiv 1603.07285). MACs: `N M P Q R S C / G`, padding included.

    Attributes:
        pads: zeros at (top, left, bottom, right); none by default, as strides and dilations of 1.
    """

    op = "conv2d"


@dataclass(frozen=True)
class Conv1d(Conv):
    """`Conv2d` of (N, C, L) with (M, C/G, K) filters; pads (before, after)."""

    op = "conv1d"
    rank = 1


@dataclass(frozen=True)
class Conv3d(Conv):
    """`Conv2d` with depth: (N, C, D, H, W), filters (M, C/G, T, R, S); pads (front, top, left, back, bottom, right)."""

    op = "conv3d"
    rank = 3


CONVS: dict[int, type[Conv]] = {1: Conv1d, 2: Conv2d, 3: Conv3d}


@dataclass(frozen=True)
class Phase:
    """The outputs of a transposed convolution at positions `start + step k` of one dim: an ordinary convolution.

    Attributes:
        outputs: how many there are. taps: indices of the filter taps that meet them, in input order (may be empty).
        dilation: distance of the input words of neighbouring taps. pad: zeros before the input; negative: words
            skipped.
    """

    start: int
    step: int
    outputs: int
    taps: tuple[int, ...]
    dilation: int
    pad: int


def phases(out: int, kernel: int, stride: int, dilation: int, before: int) -> tuple[Phase, ...]:
    """The stride phases of one dim of a transposed convolution.

    Output `o` meets tap `k` at input `i = (o + before - k d) / s` if that is whole: taps of one phase are `s / gcd(d,
    s)` apart, their inputs `d / gcd(d, s)`, falling as the tap rises, so taps are taken from the last to the first.
    """
    found = []
    for start in range(min(stride, out)):
        taps = [k for k in reversed(range(kernel)) if (start + before - k * dilation) % stride == 0]
        first = (start + before - taps[0] * dilation) // stride if taps else 0
        outputs = -(-(out - start) // stride)
        found.append(Phase(start, stride, outputs, tuple(taps), dilation // gcd(dilation, stride), -first))
    return tuple(found)


@dataclass(frozen=True)
class ConvTranspose(Layer):
    """The transpose of a convolution, one to three spatial dims, in gather form.

    `y[n,m,o] = b[m] + sum_{c,k: o + pad - k d = i s} w[c,m,k] x[n,c,i]` with outputs `(H - 1) s - pads + d (K - 1) +
    output_padding + 1` (Dumoulin and Visin, arXiv 1603.07285, section 4). MACs: input words x kernel x M / G. It lowers
    to one `Problem` per stride phase, which issues just the products that meet an input or padding; with zero
    insertion, which some machines do, about `stride` times as many per dim (`lower_zero_insertion`).

    Attributes:
        pads: outputs cut away at (befores..., afters...).
    """

    op = "conv_transpose"
    out_channels: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...] = ()
    pads: tuple[int, ...] = ()
    output_padding: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    bias: bool = True

    def __post_init__(self) -> None:
        rank = len(self.kernel)
        if not 1 <= rank <= 3:
            raise InputError(f"{self.op}: kernel {self.kernel}, expected one to three numbers")
        object.__setattr__(self, "stride", self.stride or (1,) * rank)
        object.__setattr__(self, "dilation", self.dilation or (1,) * rank)
        object.__setattr__(self, "pads", self.pads or (0,) * 2 * rank)
        object.__setattr__(self, "output_padding", self.output_padding or (0,) * rank)
        positive(self, out_channels=self.out_channels, groups=self.groups)
        _check_windows(self, rank, self.pads, kernel=self.kernel, stride=self.stride, dilation=self.dilation)
        if len(self.output_padding) != rank or any(
            not 0 <= extra < max(s, d)
            for extra, s, d in zip(self.output_padding, self.stride, self.dilation, strict=True)
        ):
            raise InputError(
                f"{self.op}: output_padding {self.output_padding}, expected {rank} numbers from 0 to below the stride"
            )
        if self.out_channels % self.groups:
            raise InputError(f"{self.op}: {self.out_channels} output channels do not divide into {self.groups} groups")

    @property
    def rank(self) -> int:
        """Spatial dims."""
        return len(self.kernel)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(N, M, spatial...)."""
        n, c, *sizes = one(self, inputs, self.rank + 2)
        if c % self.groups:
            raise InputError(f"{self.op}: {c} input channels do not divide into {self.groups} groups")
        outs = tuple(
            (size - 1) * self.stride[i] - self.pads[i] - self.pads[i + self.rank]
            + self.dilation[i] * (self.kernel[i] - 1) + self.output_padding[i] + 1
            for i, size in enumerate(sizes)
        )  # fmt: skip
        if min(outs) < 1:
            raise InputError(f"{self.op}: pads {self.pads} leave nothing of an output of {outs}")
        return n, self.out_channels, *outs

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """`weight` (C, M/G, kernel...) and, if any, `bias` (M,)."""
        channels = one(self, inputs, self.rank + 2)[1]
        shapes: dict[str, Shape] = {"weight": (channels, self.out_channels // self.groups, *self.kernel)}
        if self.bias:
            shapes["bias"] = (self.out_channels,)
        return shapes

    def macs(self, inputs: Sequence[Shape]) -> int:
        """Input words x kernel x M / G."""
        return prod(one(self, inputs)) * prod(self.weight_shapes(inputs)["weight"][1:])

    def phases(self, inputs: Sequence[Shape]) -> tuple[tuple[Phase, ...], ...]:
        """Every combination of the dims' phases, in the order in which `lower` makes its items."""
        outs = self.output_shape(inputs)[2:]
        per_dim = [
            phases(out, self.kernel[i], self.stride[i], self.dilation[i], self.pads[i]) for i, out in enumerate(outs)
        ]
        combos: list[tuple[Phase, ...]] = [()]
        for choices in per_dim:
            combos = [(*head, choice) for head in combos for choice in choices]
        return tuple(combos)

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Problem` per stride phase; a phase that no tap meets holds only the bias and is written by the vector
        unit."""
        n, c, *_ = inputs[0]
        return tuple(self._phase(combo, n, c, inputs[0][2:]) for combo in self.phases(inputs))

    def _phase(self, combo: tuple[Phase, ...], n: int, c: int, sizes: Shape) -> WorkItem:
        outs = tuple(phase.outputs for phase in combo)
        if not all(phase.taps for phase in combo):
            words = n * self.out_channels * prod(outs)
            return VectorWork("bias_fill", (), words, words, param_words=self.out_channels, rows=words)
        return conv_problem(
            batch=n, groups=self.groups, out_channels=self.out_channels // self.groups, in_channels=c // self.groups,
            out_size=outs, kernel=tuple(len(phase.taps) for phase in combo), in_size=sizes,
            dilation=tuple(phase.dilation for phase in combo),
            pad=tuple(phase.pad for phase in combo),
        )  # fmt: skip

    def lower_zero_insertion(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """A `Move` that writes the input with its inserted zeros, and one dense `Problem` over it."""
        n, c, *sizes = inputs[0]
        outs = self.output_shape(inputs)[2:]
        spread = tuple((size - 1) * s + 1 for size, s in zip(sizes, self.stride, strict=True))
        dense: Problem = conv_problem(
            batch=n, groups=self.groups, out_channels=self.out_channels // self.groups, in_channels=c // self.groups,
            out_size=outs, kernel=self.kernel, in_size=spread, dilation=self.dilation,
            pad=tuple(self.dilation[i] * (self.kernel[i] - 1) - self.pads[i] for i in range(self.rank)),
        )  # fmt: skip
        if spread == tuple(sizes):
            return (dense,)
        return Move("zero_insertion", (prod(inputs[0]),), n * c * prod(spread)), dense
