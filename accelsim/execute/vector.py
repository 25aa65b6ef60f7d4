"""Pooling on the vector unit, tile by tile out of buffers, counting the words it moves; no reference kernels."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np

from accelsim.arch import Accelerator
from accelsim.execute.buffers import Array, Buffer, Index, Moves, Ranges, leaving, source_of, staying_of, stored_indices
from accelsim.execute.functions import activate
from accelsim.execute.links import window_tables
from accelsim.execute.quantise import QTensor, to_grid
from accelsim.graph import Node
from accelsim.layers import AvgPool, GlobalPool, LpPool
from accelsim.mapping import Mapping, Rules, points
from accelsim.mapping.legality import tile_words
from accelsim.problem import Operand, spatial3
from accelsim.walk import steps


def _divisor(node: Node, operand: Operand, ranges: Ranges, tables: list[Index]) -> Array:
    """Window sizes (o, p, q) of an average: valid positions, or positions inside the padded input."""
    layer = node.layer
    sizes = [(table >= 0).sum(axis=0).astype(float) for table in tables]
    if isinstance(layer, AvgPool) and layer.count_include_pad:
        for k, after in enumerate(spatial3(layer.pads_after, 0)):
            axis = operand.axes[3 + k]
            (out, stride), (tap, gap) = axis.terms
            begin = (ranges[out][0] + np.arange(ranges[out][1])) * stride + axis.offset
            taps = begin[:, None] + np.arange(ranges[tap][1])[None, :] * gap
            sizes[k] = (taps < axis.size + after).sum(axis=1).astype(float)
    cube: Array = sizes[0][:, None, None] * sizes[1][:, None] * sizes[2]
    return cube


def _pool_tile(node: Node, operand: Operand, op: str, buffer: Buffer, ranges: Ranges) -> tuple[Array, int]:
    """Pooled words (n, c, o, p, q) of one tile, on the input's grid, and the words read from the buffer."""
    held = stored_indices(operand, ranges)
    block = buffer.take(held)[:, :, 0]
    tables = window_tables(operand, ranges, held)
    order = node.layer.p if isinstance(node.layer, LpPool | GlobalPool) else 1
    best = np.full((*block.shape[:2], *(table.shape[1] for table in tables)), -np.inf if op == "max" else 0.0)
    read = 0
    for taps in product(*(range(table.shape[0]) for table in tables)):
        seen, mask = block, np.ones(1, bool)
        for k, tap in enumerate(taps):
            line = tables[k][tap]
            seen = seen.take(np.maximum(line, 0), axis=2 + k)
            mask = mask[..., None] & (line >= 0)
        mask = mask[0]
        read += int(mask.sum()) * prod(block.shape[:2])
        if op == "max":
            best = np.maximum(best, np.where(mask, seen, -np.inf))
        else:
            best = best + np.where(mask, np.abs(seen) ** order if op == "lp" else seen, 0.0)
    if op == "avg":
        best = best / _divisor(node, operand, ranges, tables)
    return best ** (1.0 / order) if op == "lp" else best, read


def run_pool(
    node: Node, mapping: Mapping, arch: Accelerator, rules: Rules, x: QTensor, exponent: int
) -> tuple[Array, Moves]:
    """Run a pooling layer tile by tile; integers on the grid `exponent` and the words moved."""
    problem = mapping.problem
    operand = problem.operand("Inputs")
    point = points(mapping, arch, operand)[0]
    moves = Moves()
    words = tile_words(operand, mapping.tile_extents(point.position))
    source = source_of(x.values.reshape([axis.size for axis in operand.axes]), operand, mapping.share("Inputs"))
    buffer = Buffer(source, ("Inputs", "DRAM", point.memory), moves, words, rules.halo_reuse)
    if "Inputs" in mapping.resident:
        buffer.preload(stored_indices(operand, {d: (0, bound) for d, bound in problem.bounds}))
    staying = staying_of(mapping, problem.output, "DRAM")
    result = np.zeros([axis.size for axis in problem.output.axes if axis.dims != ("M",)])
    for start in steps(mapping, point.position):
        ranges = {
            d: (start[d], min(mapping.tile_step(d, point.position), bound - start[d])) for d, bound in problem.bounds
        }
        indices: list[Index] = stored_indices(operand, ranges)
        buffer.fill(indices)
        pooled, read = _pool_tile(node, operand, problem.op, buffer, ranges)
        moves.add(moves.reads, ("Inputs", point.memory, "PE"), read)
        words_out = to_grid(activate(pooled * 2.0**x.exponent, node.activation), exponent, arch.precision.output_bits)
        box = tuple(slice(ranges[d][0], ranges[d][0] + ranges[d][1]) for d in "NGOPQ")
        result[box] = words_out
        moves.add(moves.final_writes, ("Outputs", point.memory, "PE"), words_out.size)
        all_axes = tuple(ranges[axis.dims[0]] for axis in problem.output.axes)
        stored = words_out.reshape([length for _, length in all_axes])[leaving(all_axes, staying)]
        moves.add(moves.final_writes, ("Outputs", "DRAM", point.memory), stored.size)
    return result.reshape(node.shape), moves
