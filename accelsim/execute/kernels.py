"""Reference operators on whole arrays, as they are defined; the tiled executor never calls them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def conv2d(
    x: Array,
    w: Array,
    stride: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> Array:
    """Cross-correlation of x (N, C, H, W) with w (M, C/G, R, S), pads (top, left, bottom, right): (N, M, P, Q).

    One matrix product per filter tap, summed in order (exact for integers below 2**53).
    """
    top, left, bottom, right = pads
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    n, c, h, width = padded.shape
    m, _, r, s = w.shape
    p = (h - dilation[0] * (r - 1) - 1) // stride[0] + 1
    q = (width - dilation[1] * (s - 1) - 1) // stride[1] + 1
    split = padded.reshape(n, groups, c // groups, h, width)
    filters = w.reshape(groups, m // groups, c // groups, r, s)
    out = np.zeros((n, groups, m // groups, p * q))
    for i in range(r):
        for j in range(s):
            rows = slice(i * dilation[0], i * dilation[0] + (p - 1) * stride[0] + 1, stride[0])
            cols = slice(j * dilation[1], j * dilation[1] + (q - 1) * stride[1] + 1, stride[1])
            seen = split[:, :, :, rows, cols].reshape(n, groups, c // groups, p * q)
            if c == groups and m == groups:
                out += filters[None, :, :, :, i, j] * seen
            else:
                out += np.matmul(filters[None, :, :, :, i, j], seen)
    return out.reshape(n, m, p, q)


def linear(x: Array, w: Array) -> Array:
    """`x W^T`: x (..., C), w (M, C), result (..., M)."""
    return x @ w.T


def _windows(x: Array, kernel: tuple[int, int], stride: tuple[int, int], pads: tuple[int, int, int, int],
             out: tuple[int, int], fill: float) -> Array:  # fmt: skip
    """All window positions (R*S, N, C, P, Q), `fill` outside the input."""
    top, left = pads[0], pads[1]
    below = max(0, (out[0] - 1) * stride[0] + kernel[0] - x.shape[2] - top)
    beyond = max(0, (out[1] - 1) * stride[1] + kernel[1] - x.shape[3] - left)
    padded = np.pad(x, ((0, 0), (0, 0), (top, below), (left, beyond)), constant_values=fill)
    parts = []
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows = slice(i, i + (out[0] - 1) * stride[0] + 1, stride[0])
            cols = slice(j, j + (out[1] - 1) * stride[1] + 1, stride[1])
            parts.append(padded[:, :, rows, cols])
    return np.stack(parts)


def max_pool2d(
    x: Array, kernel: tuple[int, int], stride: tuple[int, int], pads: tuple[int, int, int, int], out: tuple[int, int]
) -> Array:
    """Maximum of each window of x (N, C, H, W); padding is minus infinity."""
    result: Array = _windows(x, kernel, stride, pads, out, -np.inf).max(axis=0)
    return result


def avg_pool2d(
    x: Array,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pads: tuple[int, int, int, int],
    out: tuple[int, int],
    count_include_pad: bool = True,
) -> Array:
    """Mean of each window; the divisor counts padding only with `count_include_pad`, never what lies beyond it."""
    sums = _windows(x, kernel, stride, pads, out, 0.0).sum(axis=0)
    inside = np.ones((1, 1, *x.shape[2:]))
    if count_include_pad:
        inside = np.pad(inside, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])), constant_values=1.0)
        pads = (0, 0, 0, 0)
    counts = _windows(inside, kernel, stride, pads, out, 0.0).sum(axis=0)
    result: Array = sums / counts
    return result


def softmax(x: Array) -> Array:
    """Softmax over the last dim, shifted by the maximum."""
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    result: Array = powers / powers.sum(axis=-1, keepdims=True)
    return result


def batch_norm2d(x: Array, scale: Array, shift: Array) -> Array:
    """`scale x + shift` per channel of x (N, C, H, W)."""
    return x * scale[None, :, None, None] + shift[None, :, None, None]
