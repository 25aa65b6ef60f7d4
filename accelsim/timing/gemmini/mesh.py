"""Cycles of the mesh on a tile: a weight block stays, blocks of at most 16 input rows stream past it."""

from __future__ import annotations

from accelsim.timing.gemmini.machine import Machine
from accelsim.timing.gemmini.tiles import Extents


def operations(size: Extents, dim: int) -> tuple[int, ...]:
    """Rows of each operation on one weight block: every output row is cut into pieces of at most `dim` pixels."""
    full, rest = divmod(size.P, dim)
    row = (dim,) * full + ((rest,) if rest else ())
    return row * (size.Q * size.N)


def weight_blocks(size: Extents, dim: int) -> int:
    """Blocks of `dim` x `dim` weights of a tile."""
    return -(-size.K // dim) * -(-size.C // dim) * size.R * size.S


def block_cycles(rows: tuple[int, ...], machine: Machine) -> int:
    """Cycles of one weight block: its rows, one a cycle, and not less than the next block needs to be preloaded.

    `max(sum of rows + max(0, dim - rows of the last operation), op_cycles x operations, dim)`.
    """
    tail = max(0, machine.dim - rows[-1])
    return max(sum(rows) + tail, machine.op_cycles * len(rows), machine.dim)


def tile_cycles(size: Extents, machine: Machine) -> int:
    """Cycles of the mesh on one tile."""
    return weight_blocks(size, machine.dim) * block_cycles(operations(size, machine.dim), machine)


def streamed_rows(size: Extents, machine: Machine) -> int:
    """Rows that must enter the mesh for a tile, one a cycle at best."""
    return weight_blocks(size, machine.dim) * size.P * size.Q * size.N
