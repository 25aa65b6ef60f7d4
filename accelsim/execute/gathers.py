"""Data-dependent work of the vector unit, plane by plane, counting the words it really reads on chip."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.layers import DeformConv2d, Layer, PSRoIPool, Resize, RoIAlign, RoIPool, TakeAt
from accelsim.layers.region import pool_bins, ps_bins, sample_points
from accelsim.layers.resize import position, taps

Array = NDArray[np.float64]
Found = tuple[Array, int]


def _deform(layer: DeformConv2d, tensors: list[Array]) -> Found:
    """Samples (N, C, taps, P, Q): per plane and tap the four corners that lie inside."""
    conv = layer.conv
    x, offsets = tensors[:2]
    n, c, h, w = x.shape
    p, q = offsets.shape[-2:]
    count = prod(conv.kernel)
    out = np.zeros((n, c, count, p, q))
    reads = 0
    row, col = np.mgrid[0:p, 0:q]
    for image, plane, tap in product(range(n), range(c), range(count)):
        slot = plane // (c // layer.offset_groups) * count + tap
        y = row * conv.stride[0] - conv.pads[0] + tap // conv.kernel[1] * conv.dilation[0] + offsets[image, 2 * slot]
        z = col * conv.stride[1] - conv.pads[1] + tap % conv.kernel[1] * conv.dilation[1] + offsets[image, 2 * slot + 1]
        top, left = np.floor(y), np.floor(z)
        for dy, dx in product((0.0, 1.0), repeat=2):
            at, along = top + dy, left + dx
            inside = (at >= 0) & (at <= h - 1) & (along >= 0) & (along <= w - 1)
            seen = x[image, plane, at[inside].astype(int), along[inside].astype(int)]
            share = (1 - np.abs(y - at)) * (1 - np.abs(z - along))
            out[image, plane, tap][inside] += seen * share[inside]
            reads += int(inside.sum())
        if layer.masked:
            out[image, plane, tap] *= tensors[2][image, slot]
    return out, reads


def _resize(layer: Resize, tensors: list[Array]) -> Found:
    """Every output word from its taps along all resized dims."""
    x = tensors[0]
    lists = []
    beyond = np.zeros(layer.shape, bool)
    for axis, length in enumerate(layer.shape):
        if axis not in layer.resized([x.shape]):
            lists.append([{i: 1.0} for i in range(length)])
            continue
        places = [position(layer, [x.shape], axis, out) for out in range(length)]
        lists.append([taps(layer, place, layer.scale([x.shape], axis), x.shape[axis]) for place in places])
        if layer.coordinates == "tf_crop_and_resize":
            far = np.array([not 0 <= place <= x.shape[axis] - 1 for place in places])
            beyond |= far.reshape([-1 if i == axis else 1 for i in range(len(layer.shape))])
    widest = [max(len(line) for line in lines) for lines in lists]
    out = np.zeros(layer.shape)
    reads = 0
    for picks in product(*(range(k) for k in widest)):
        share, place = np.ones(()), []
        for lines, pick in zip(lists, picks, strict=True):
            pairs = [list(line.items())[pick] if pick < len(line) else (0, 0.0) for line in lines]
            place.append(np.array([i for i, _ in pairs]))
            share = np.multiply.outer(share, np.array([s for _, s in pairs]))
        out += x[np.ix_(*place)] * share
        reads += int((share != 0).sum())
    return np.where(beyond, layer.fill, out), reads


def _roi_pool(layer: RoIPool, tensors: list[Array]) -> Found:
    """Channel by channel, bin by bin."""
    x, regions = tensors
    out = np.zeros((len(regions), x.shape[1], *layer.out_size))
    reads = 0
    for r, region in enumerate(regions.tolist()):
        for i, j, rows, cols in pool_bins(layer, region, *x.shape[2:]):
            for channel in range(x.shape[1]):
                bin_ = x[int(region[0]), channel, rows, cols].reshape(-1)
                out[r, channel, i, j] = sorted(bin_)[-1] if bin_.size else 0.0
                reads += bin_.size
    return out, reads


def _ps_roi_pool(layer: PSRoIPool, tensors: list[Array]) -> Found:
    """Output channel by output channel, each bin from its own map."""
    x, regions = tensors
    high, wide = layer.out_size
    channels = x.shape[1] // (high * wide)
    out = np.zeros((len(regions), channels, high, wide))
    reads = 0
    for r, region in enumerate(regions.tolist()):
        for i, j, rows, cols in ps_bins(layer, region, *x.shape[2:]):
            for channel in range(channels):
                bin_ = x[int(region[0]), channel * high * wide + i * wide + j, rows, cols].reshape(-1)
                out[r, channel, i, j] = float(np.sum(bin_)) / bin_.size if bin_.size else 0.0
                reads += bin_.size
    return out, reads


def _line(at: float, size: int) -> list[tuple[int, float]]:
    """(index, share) of a linear sample along one dim, clamped to the edges."""
    at = max(at, 0.0)
    low = int(at)
    if low >= size - 1:
        return [(size - 1, 1.0)]
    return [(low, 1.0 - (at - low)), (low + 1, at - low)]


def _roi_align(layer: RoIAlign, tensors: list[Array]) -> Found:
    """Bin by bin, sample by sample, all channels at once."""
    x, regions = tensors
    h, w = x.shape[2:]
    out = np.zeros((len(regions), x.shape[1], *layer.out_size))
    reads = 0
    for r, region in enumerate(regions.tolist()):
        for i, j, points in sample_points(layer, region):
            words = []
            for y, z in points:
                if -1 <= y <= h and -1 <= z <= w:
                    for (row, a), (col, b) in product(_line(y, h), _line(z, w)):
                        words.append(x[int(region[0]), :, row, col] * (a * b))
                else:
                    words.append(np.zeros(x.shape[1]))
            reads += len(words) * x.shape[1]
            if layer.largest:
                out[r, :, i, j] = np.maximum.reduce(words) if words else 0.0
            else:
                out[r, :, i, j] = np.add.reduce(words) / max(1, len(points)) if words else 0.0
    return out, reads


def _take_at(layer: TakeAt, tensors: list[Array]) -> Found:
    """One read per output word."""
    x, index = tensors
    axis = layer.axis % x.ndim
    lead, size, tail = prod(x.shape[:axis]), x.shape[axis], prod(x.shape[axis + 1 :])
    number = index.reshape(-1).astype(np.int64) % size
    out = x.reshape(lead, size, tail)[:, number]
    return out.reshape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]), out.size


GATHERS: dict[type[Layer], Callable[[Any, list[Array]], Found]] = {
    DeformConv2d: _deform,
    Resize: _resize,
    RoIPool: _roi_pool,
    PSRoIPool: _ps_roi_pool,
    RoIAlign: _roi_align,
    TakeAt: _take_at,
}
