"""Pooling on whole arrays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def windows(
    x: Array, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], before: Sequence[int],
    outs: Sequence[int], fill: float,
) -> Array:  # fmt: skip
    """All window positions (taps, N, C, outs...), `fill` outside the input."""
    beyond = [
        max(0, (o - 1) * s + d * (k - 1) + 1 - size - b)
        for o, s, d, k, size, b in zip(outs, stride, dilation, kernel, x.shape[2:], before, strict=True)
    ]
    padded = np.pad(x, ((0, 0), (0, 0), *zip(before, beyond, strict=True)), constant_values=fill)
    parts = []
    for tap in product(*(range(k) for k in kernel)):
        at = tuple(
            slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, o, s in zip(tap, dilation, outs, stride, strict=True)
        )
        parts.append(padded[(slice(None), slice(None), *at)])
    return np.stack(parts)


def max_pool(
    x: Array,
    kernel: Sequence[int],
    stride: Sequence[int],
    pads: Sequence[int],
    dilation: Sequence[int],
    outs: Sequence[int],
) -> Array:
    """Maximum of each window of x (N, C, ...); padding is minus infinity."""
    seen = windows(x, kernel, stride, dilation, pads[: len(kernel)], outs, -np.inf)
    result: Array = seen.max(axis=0)
    return result


def avg_pool(
    x: Array, kernel: Sequence[int], stride: Sequence[int], pads: Sequence[int], dilation: Sequence[int],
    outs: Sequence[int], count_include_pad: bool = True,
) -> Array:  # fmt: skip
    """Mean of each window; the divisor counts padding only with `count_include_pad`, never what lies beyond it."""
    rank = len(kernel)
    before, after = pads[:rank], pads[rank:]
    sums = windows(x, kernel, stride, dilation, before, outs, 0.0).sum(axis=0)
    inside = np.ones((1, 1, *x.shape[2:]))
    if count_include_pad:
        inside = np.pad(inside, ((0, 0), (0, 0), *zip(before, after, strict=True)), constant_values=1.0)
        before = (0,) * rank
    counts = windows(inside, kernel, stride, dilation, before, outs, 0.0).sum(axis=0)
    result: Array = sums / counts
    return result


def lp_pool(
    x: Array, kernel: Sequence[int], stride: Sequence[int], pads: Sequence[int], dilation: Sequence[int],
    outs: Sequence[int], p: int,
) -> Array:  # fmt: skip
    """`(sum |x|^p)^(1/p)` of each window."""
    seen = windows(np.abs(x) ** p, kernel, stride, dilation, pads[: len(kernel)], outs, 0.0)
    result: Array = seen.sum(axis=0) ** (1.0 / p)
    return result
