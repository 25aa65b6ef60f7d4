"""The vector unit on arrays, chunk by chunk and tile by tile, counting the words it moves; no reference kernels."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import prod

import numpy as np

from accelsim.arch import Accelerator
from accelsim.errors import InputError
from accelsim.execute.buffers import Array, Buffer, Dram, Index, Moves, Ranges, stored_indices
from accelsim.execute.links import gather_table
from accelsim.execute.quantise import QTensor, activate, to_grid
from accelsim.execute.weights import Parameters
from accelsim.graph import Node
from accelsim.layers import Activation, Add, AvgPool2d, BatchNorm2d, Concat, Slice, Softmax
from accelsim.mapping import Mapping, Rules, points
from accelsim.mapping.chunks import VectorJob, chunk_bounds, chunk_count
from accelsim.mapping.legality import tile_words
from accelsim.problem import Operand
from accelsim.walk import steps

Chunk = Callable[[int, int], tuple[list[Array], Index]]


def _divisor(node: Node, operand: Operand, ranges: Ranges, valid: tuple[Array, Array]) -> Array:
    """Window sizes (p, q) of an average: valid positions, or positions inside the padded input."""
    layer = node.layer
    if not isinstance(layer, AvgPool2d) or not layer.count_include_pad:
        counts: Array = np.outer(valid[0].sum(axis=0), valid[1].sum(axis=0))
        return counts
    sizes = []
    for axis, after in ((operand.axes[3], layer.pads[2]), (operand.axes[4], layer.pads[3])):
        (out, stride), (tap, _) = axis.terms
        begin = (ranges[out][0] + np.arange(ranges[out][1])) * stride + axis.offset
        end = np.minimum(begin + ranges[tap][1], axis.size + after)
        sizes.append((end - begin).astype(float))
    both: Array = np.outer(sizes[0], sizes[1])
    return both


def _pool_tile(node: Node, operand: Operand, op: str, buffer: Buffer, ranges: Ranges) -> tuple[Array, int]:
    """Pooled words (n, c, p, q) of one tile and the words read from the buffer."""
    held = stored_indices(operand, ranges)
    block = buffer.take(held)[:, :, 0]
    rows = gather_table(operand.axes[3], ranges, held[3])
    cols = gather_table(operand.axes[4], ranges, held[4])
    inside = (rows >= 0), (cols >= 0)
    best = np.full((*block.shape[:2], rows.shape[1], cols.shape[1]), -np.inf if op == "max" else 0.0)
    read = 0
    for r in range(rows.shape[0]):
        for s in range(cols.shape[0]):
            seen = block[:, :, np.where(inside[0][r], rows[r], 0)][..., np.where(inside[1][s], cols[s], 0)]
            mask = np.outer(inside[0][r], inside[1][s])
            read += int(mask.sum()) * prod(block.shape[:2])
            best = np.maximum(best, np.where(mask, seen, -np.inf)) if op == "max" else best + np.where(mask, seen, 0.0)
    if op == "avg":
        best = best / _divisor(node, operand, ranges, (inside[0].astype(float), inside[1].astype(float)))
    return best, read


def run_pool(
    node: Node, mapping: Mapping, arch: Accelerator, rules: Rules, x: QTensor, exponent: int
) -> tuple[Array, Moves]:
    """Run a pooling layer tile by tile; integers on the grid `exponent` and the words moved."""
    problem = mapping.problem
    operand = problem.operand("Inputs")
    point = points(mapping, arch, operand)[0]
    moves = Moves()
    words = tile_words(operand, mapping.tile_extents(point.position))
    source = Dram(x.values.reshape([axis.size for axis in operand.axes]))
    buffer = Buffer(source, ("Inputs", "DRAM", point.memory), moves, words, rules.halo_reuse)
    result = np.zeros(node.shape)
    for start in steps(mapping, point.position):
        ranges = {
            d: (start[d], min(mapping.tile_step(d, point.position), bound - start[d])) for d, bound in problem.bounds
        }
        indices: list[Index] = stored_indices(operand, ranges)
        buffer.fill(indices)
        pooled, read = _pool_tile(node, operand, problem.op, buffer, ranges)
        moves.add(moves.reads, ("Inputs", point.memory, "PE"), read)
        words_out = to_grid(activate(pooled * 2.0**x.exponent, node.activation), exponent, arch.precision.output_bits)
        box = tuple(slice(ranges[d][0], ranges[d][0] + ranges[d][1]) for d in "NGPQ")
        result[box] = words_out
        moves.add(moves.final_writes, ("Outputs", point.memory, "PE"), words_out.size)
        moves.add(moves.final_writes, ("Outputs", "DRAM", point.memory), words_out.size)
    return result, moves


def _flat_reader(tensors: list[QTensor], rows: int) -> Chunk:
    """Chunks of equal rows of every tensor."""

    def read(begin: int, end: int) -> tuple[list[Array], Index]:
        parts = []
        for tensor in tensors:
            flat = tensor.values.reshape(-1)
            low, high = flat.size * begin // rows, flat.size * end // rows
            parts.append(flat[low:high] * 2.0**tensor.exponent)
        width = tensors[0].values.size // rows
        return parts, np.arange(begin * width, end * width, dtype=np.int64)

    return read


def _gather_reader(node: Node, tensors: list[QTensor]) -> Chunk:
    """Chunks of output words of a concatenation or slice, each read from where it stands."""
    layer = node.layer

    def read(begin: int, end: int) -> tuple[list[Array], Index]:
        place = np.arange(begin, end, dtype=np.int64)
        if isinstance(layer, Slice):
            shape = list(node.input_shapes[0])
            shape[layer.axis] = layer.stop - layer.start
            at = list(np.unravel_index(place, shape))
            at[layer.axis] = at[layer.axis] + layer.start
            return [tensors[0].values[tuple(at)] * 2.0 ** tensors[0].exponent], place
        assert isinstance(layer, Concat)
        at = list(np.unravel_index(place, node.shape))
        real = np.zeros(place.size)
        offset = 0
        for tensor in tensors:
            size = tensor.values.shape[layer.axis]
            mine = (at[layer.axis] >= offset) & (at[layer.axis] < offset + size)
            spot = [a[mine] for a in at]
            spot[layer.axis] = spot[layer.axis] - offset
            real[mine] = tensor.values[tuple(spot)] * 2.0**tensor.exponent
            offset += size
        return [real], place

    return read


def _apply(node: Node, parts: list[Array], place: Index, parameters: Parameters | None) -> Array:
    """Real results of one chunk."""
    layer = node.layer
    if isinstance(layer, Add):
        total = parts[0].copy()
        for part in parts[1:]:
            total += part
        return total
    if isinstance(layer, Activation):
        return activate(parts[0], layer)
    if isinstance(layer, Concat | Slice):
        return parts[0]
    if isinstance(layer, Softmax):
        rows = parts[0].reshape(-1, node.shape[-1])
        powers = np.exp(rows - np.max(rows, axis=1)[:, None])
        shares: Array = (powers / np.sum(powers, axis=1)[:, None]).reshape(-1)
        return shares
    if isinstance(layer, BatchNorm2d) and parameters is not None:
        assert parameters.scale is not None and parameters.bias is not None
        channel = np.unravel_index(place, node.shape)[1]
        return parts[0] * parameters.scale[channel] + parameters.bias[channel]
    raise InputError(f"{node.name}: operator {node.op!r} does not run on the vector unit")


def run_chunks(
    node: Node, job: VectorJob, arch: Accelerator, tensors: list[QTensor], exponent: int, parameters: Parameters | None
) -> tuple[Array, int, int]:
    """Run elementwise work or a move; integers on the grid `exponent`, words read, words written."""
    gather = isinstance(node.layer, Concat | Slice)
    reader = _gather_reader(node, tensors) if gather else _flat_reader(tensors, job.rows)
    chunks = chunk_count(job, arch)
    ends = chunk_bounds(job, chunks, job.rows)
    out, read = [], 0
    for begin, end in pairwise(ends):
        parts, place = reader(begin, end)
        read += sum(part.size for part in parts)
        real = activate(_apply(node, parts, place, parameters), node.activation)
        out.append(to_grid(real, exponent, arch.precision.output_bits))
    flat = np.concatenate(out)
    return flat.reshape(node.shape), read, flat.size
