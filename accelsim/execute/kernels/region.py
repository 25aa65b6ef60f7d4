"""Region pooling and box suppression on whole arrays."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from accelsim.layers import NMS, PSRoIPool, RoIAlign, RoIPool
from accelsim.layers.region import pool_bins, ps_bins, sample_points

Array = NDArray[np.float64]


def roi_pool(layer: RoIPool, x: Array, regions: Array) -> Array:
    """Largest word of every bin, 0 if it is empty."""
    out = np.zeros(layer.output_shape([x.shape, regions.shape]))
    for r, region in enumerate(regions):
        plane = x[int(region[0])]
        for i, j, rows, cols in pool_bins(layer, region.tolist(), *x.shape[2:]):
            part = plane[:, rows, cols]
            out[r, :, i, j] = part.max(axis=(1, 2)) if part.size else 0.0
    return out


def ps_roi_pool(layer: PSRoIPool, x: Array, regions: Array) -> Array:
    """Mean of every bin of its own map, 0 if it is empty."""
    out = np.zeros(layer.output_shape([x.shape, regions.shape]))
    bins = layer.out_size[0] * layer.out_size[1]
    for r, region in enumerate(regions):
        maps = x[int(region[0])].reshape(-1, bins, *x.shape[2:])
        for i, j, rows, cols in ps_bins(layer, region.tolist(), *x.shape[2:]):
            part = maps[:, i * layer.out_size[1] + j, rows, cols]
            out[r, :, i, j] = part.mean(axis=(1, 2)) if part.size else 0.0
    return out


def _corners(plane: Array, y: float, x: float) -> list[Array]:
    """The four weighted words of a sample, edges repeated; zeros if it lies more than one word outside."""
    h, w = plane.shape[-2:]
    if not (-1 <= y <= h and -1 <= x <= w):
        return [np.zeros(plane.shape[0])] * 4
    y, x = max(y, 0.0), max(x, 0.0)
    top, left = min(int(y), h - 1), min(int(x), w - 1)
    y, x = (float(top), y)[top < h - 1], (float(left), x)[left < w - 1]
    bottom, right = min(top + 1, h - 1), min(left + 1, w - 1)
    ly, lx = y - top, x - left
    return [
        plane[:, top, left] * (1 - ly) * (1 - lx), plane[:, top, right] * (1 - ly) * lx,
        plane[:, bottom, left] * ly * (1 - lx), plane[:, bottom, right] * ly * lx,
    ]  # fmt: skip


def roi_align(layer: RoIAlign, x: Array, regions: Array) -> Array:
    """Mean or maximum of bilinear samples (for the maximum of their weighted corners, as ONNX defines it)."""
    out = np.zeros(layer.output_shape([x.shape, regions.shape]))
    for r, region in enumerate(regions):
        plane = x[int(region[0])]
        for i, j, points in sample_points(layer, region.tolist()):
            parts = [corner for y, z in points for corner in _corners(plane, y, z)]
            if layer.largest:
                out[r, :, i, j] = np.max(parts, axis=0) if parts else 0.0
            else:
                out[r, :, i, j] = np.sum(parts, axis=0) / max(1, len(points))
    return out


def box_edges(boxes: Array, centre: bool) -> Array:
    """(top, left, bottom, right) of boxes given by two corners (y, x, y, x) or by centre and size (x, y, w, h)."""
    a, b, c, d = (boxes[:, k] for k in range(4))
    if centre:
        return np.stack([b - d / 2, a - c / 2, b + d / 2, a + c / 2], axis=1)
    return np.stack([np.minimum(a, c), np.minimum(b, d), np.maximum(a, c), np.maximum(b, d)], axis=1)


def overlap(one: Array, others: Array) -> Array:
    """Intersection over union of a box with others."""
    low, high = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:], others[:, 2:])
    inside = np.prod(np.maximum(high - low, 0.0), axis=1)
    area = np.prod(one[2:] - one[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1)
    union = area - inside
    result: Array = np.where(union > 0, inside / np.where(union > 0, union, 1.0), 0.0)
    return result


def nms(layer: NMS, boxes: Array, scores: Array) -> Array:
    """(image, class, box) of the kept boxes in order, then -1."""
    out = np.full(layer.output_shape([boxes.shape, scores.shape]), -1.0)
    at = 0
    for image, kind in product(range(boxes.shape[0]), range(scores.shape[1])):
        edges, line = box_edges(boxes[image], layer.centre), scores[image, kind]
        kept: list[int] = []
        for box in np.argsort(-line, kind="stable"):
            if len(kept) == layer.most or line[box] <= layer.least:
                break
            if not kept or overlap(edges[box], edges[kept]).max() <= layer.threshold:
                kept.append(int(box))
        for box in kept:
            out[at] = image, kind, box
            at += 1
    return out
