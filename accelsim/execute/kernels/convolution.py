"""Convolutions and matrix products on whole arrays; sums only, biases are added by the caller."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def conv(
    x: Array,
    w: Array,
    stride: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilation: Sequence[int] = (),
    groups: int = 1,
) -> Array:
    """Cross-correlation of x (N, C, ...) with w (M, C/G, taps...), pads (befores..., afters...): (N, M, ...).

    One matrix product per filter tap, summed in order (exact for integers below 2**53).
    """
    rank = x.ndim - 2
    stride, dilation = stride or (1,) * rank, dilation or (1,) * rank
    pads = pads or (0,) * (2 * rank)
    padded = np.pad(x, ((0, 0), (0, 0), *((pads[i], pads[i + rank]) for i in range(rank))))
    n, c, *sizes = padded.shape
    m, _, *taps = w.shape
    outs = [(size - d * (k - 1) - 1) // s + 1 for size, k, s, d in zip(sizes, taps, stride, dilation, strict=True)]
    split = padded.reshape(n, groups, c // groups, *sizes)
    filters = w.reshape(groups, m // groups, c // groups, *taps)
    out = np.zeros((n, groups, m // groups, prod(outs)))
    for tap in product(*(range(k) for k in taps)):
        window = tuple(
            slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, o, s in zip(tap, dilation, outs, stride, strict=True)
        )
        seen = split[(slice(None),) * 3 + window].reshape(n, groups, c // groups, prod(outs))
        factor = filters[(slice(None),) * 3 + tap]
        if c == groups == m:
            out += factor[None] * seen
        else:
            out += np.matmul(factor[None], seen)
    return out.reshape(n, m, *outs)


def conv_transpose(
    x: Array,
    w: Array,
    stride: Sequence[int],
    pads: Sequence[int],
    dilation: Sequence[int],
    outs: Sequence[int],
    groups: int,
) -> Array:
    """Transposed convolution of x (N, C, ...) with w (C, M/G, taps...) by scattering: every input word times the filter
    is added at `stride i + dilation k - pad`; outputs (N, M, outs...)."""
    rank = x.ndim - 2
    n, c, *sizes = x.shape
    _, m, *taps = w.shape
    full = [
        max((size - 1) * s + d * (k - 1) + 1, pads[i] + outs[i])
        for i, (size, s, d, k) in enumerate(zip(sizes, stride, dilation, taps, strict=True))
    ]
    spread = np.zeros((n, groups, m, *full))
    split = x.reshape(n, groups, c // groups, prod(sizes))
    filters = w.reshape(groups, c // groups, m, *taps)
    for tap in product(*(range(k) for k in taps)):
        at = tuple(
            slice(t * d, t * d + (size - 1) * s + 1, s)
            for t, d, size, s in zip(tap, dilation, sizes, stride, strict=True)
        )
        factor = filters[(slice(None),) * 3 + tap].transpose(0, 2, 1)
        spread[(slice(None),) * 3 + at] += np.matmul(factor[None], split).reshape(n, groups, m, *sizes)
    cut = tuple(slice(pads[i], pads[i] + outs[i]) for i in range(rank))
    return spread[(slice(None),) * 3 + cut].reshape(n, groups * m, *outs)


def bilinear(plane: Array, y: Array, x: Array) -> Array:
    """Samples of planes (..., H, W) at positions (y, x), each corner outside counting as zero."""
    h, w = plane.shape[-2:]
    low_y, low_x = np.floor(y), np.floor(x)
    total = np.zeros((*plane.shape[:-2], *y.shape))
    for dy, dx in product((0, 1), repeat=2):
        row, col = low_y + dy, low_x + dx
        share = (1.0 - np.abs(y - row)) * (1.0 - np.abs(x - col))
        inside = (row >= 0) & (row < h) & (col >= 0) & (col < w)
        at_row, at_col = np.clip(row, 0, h - 1).astype(int), np.clip(col, 0, w - 1).astype(int)
        total += plane[..., at_row, at_col] * np.where(inside, share, 0.0)
    return total


def deform_samples(
    x: Array, offsets: Array, mask: Array | None, kernel: Sequence[int], stride: Sequence[int], pads: Sequence[int],
    dilation: Sequence[int], groups: int,
) -> Array:  # fmt: skip
    """Samples (N, C, taps, P, Q) of x (N, C, H, W) at offsets (N, 2 groups taps, P, Q), scaled by the mask."""
    n, c = x.shape[:2]
    p, q = offsets.shape[-2:]
    taps = prod(kernel)
    moved = offsets.reshape(n, groups, taps, 2, p, q)
    scale = np.ones((n, groups, taps, p, q)) if mask is None else mask.reshape(n, groups, taps, p, q)
    rows = np.arange(p)[:, None] * stride[0] - pads[0]
    cols = np.arange(q)[None, :] * stride[1] - pads[1]
    found = np.zeros((n, c, taps, p, q))
    each = c // groups
    for image, group, tap in product(range(n), range(groups), range(taps)):
        y = rows + tap // kernel[1] * dilation[0] + moved[image, group, tap, 0]
        z = cols + tap % kernel[1] * dilation[1] + moved[image, group, tap, 1]
        channels = slice(group * each, (group + 1) * each)
        found[image, channels, tap] = bilinear(x[image, channels], y, z) * scale[image, group, tap]
    return found


def sampled_product(samples: Array, w: Array, groups: int) -> Array:
    """Sums (N, M, P, Q) of samples (N, C, taps, P, Q) and filters (M, C/G, R, S)."""
    n, c, taps, p, q = samples.shape
    m = w.shape[0]
    lines = samples.reshape(n, groups, c // groups * taps, p * q)
    filters = w.reshape(groups, m // groups, c // groups * taps)
    sums: Array = np.matmul(filters[None], lines)
    return sums.reshape(n, m, p, q)
