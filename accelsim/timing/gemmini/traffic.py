"""What one tile moves: bus beats, and the pieces of memory its inputs, weights and outputs lie in.

Data lie as the software keeps them: inputs N H W C, weights R S C K, outputs N P Q K, one byte each, channels
innermost. Inputs are cut along the corners of the tiles, so that the halo of one tile is the piece of another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from accelsim.timing.gemmini.cache import Piece, sets_of
from accelsim.timing.gemmini.dma import block_beats
from accelsim.timing.gemmini.machine import Machine
from accelsim.timing.gemmini.tiles import Extents, Tile, TiledLayer


@dataclass(frozen=True)
class Moves:
    """One operand of one tile: cycles of the bus, and where in memory it lies."""

    beats: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Window:
    """Input rows and columns that a tile reads, padding cut off; half-open."""

    top: int
    bottom: int
    left: int
    right: int


def window(layer: TiledLayer, tile: Tile) -> Window:
    """The rectangle of the input under a tile."""
    if layer.is_matmul:
        return Window(0, 1, tile.start.P, tile.start.P + tile.size.P)
    top, bottom = _span(layer, tile.start.Q, tile.size.Q, tile.start.S, tile.size.S, layer.input_height)
    left, right = _span(layer, tile.start.P, tile.size.P, tile.start.R, tile.size.R, layer.input_width)
    return Window(top, bottom, left, right)


def _span(layer: TiledLayer, out: int, count: int, tap: int, taps: int, limit: int) -> tuple[int, int]:
    # `irows = orows * stride + krows - 1` of sp_tiled_conv: with a stride, the rows it skips are loaded too.
    first = out * layer.stride + tap - layer.padding
    last = first + count * layer.stride + taps - 1
    low = min(max(first, 0), limit)
    return low, max(low, min(last, limit))


def inputs(layer: TiledLayer, tile: Tile, machine: Machine) -> Moves:
    """Inputs of a tile, loaded pixel by pixel."""
    frame, size = window(layer, tile), tile.size
    pixels = (frame.bottom - frame.top) * (frame.right - frame.left) * size.N
    beats = block_beats(tile.start.C, size.C, layer.sizes.C, pixels, machine)
    return Moves(beats, tuple(_input_pieces(layer, tile, frame, machine)))


def _cuts(low: int, high: int, step: int) -> list[tuple[int, int]]:
    edges = [low, *range((low // step + 1) * step, high, step), high] if high > low else [low]
    return list(pairwise(edges))


def _input_pieces(layer: TiledLayer, tile: Tile, frame: Window, machine: Machine) -> Iterator[Piece]:
    channels, line = layer.sizes.C, machine.line_bytes
    stride = 1 if layer.is_matmul else layer.stride
    strided = line <= channels > tile.size.C
    run = -(-tile.size.C // line)
    sets = sets_of(run, channels, machine) if strided else machine.cache_sets
    block = tile.start.C if line <= layer.step.C else tile.start.C // line
    height, width = layer.step.Q * stride, layer.step.P * stride
    for top, bottom in _cuts(frame.top, frame.bottom, height):
        for left, right in _cuts(frame.left, frame.right, width):
            rows, columns = (bottom - top) * tile.size.N, right - left
            lines = rows * columns * run if strided else max(1.0, rows * columns * channels / line)
            whole = columns == layer.input_width
            opened = _activations(rows, columns * channels, layer.input_width * channels, whole, machine)
            yield Piece(("I", tile.start.N, top // height, left // width, block), lines, sets, opened)


def _activations(runs: int, count: int, pitch: int, whole: bool, machine: Machine) -> float:
    """DRAM rows opened by `runs` runs of `count` bytes, `pitch` bytes apart."""
    if whole:
        return runs * count / machine.row_bytes
    return runs * max(min(1.0, pitch / machine.row_bytes), count / machine.row_bytes)


def weights(layer: TiledLayer, tile: Tile, machine: Machine) -> Moves:
    """Weights of a tile: a row of output channels per tap and input channel."""
    size, all_k, line = tile.size, layer.sizes.K, machine.line_bytes
    rows = size.R * size.S * size.C
    beats = block_beats(tile.start.K, size.K, all_k, rows, machine)
    dense = max(1, -(-rows * all_k // line))
    run = -(-(tile.start.K % line + size.K) // line)
    part = all_k > size.K
    lines = min(rows * run, dense) if part else dense
    sets = sets_of(-(-size.K // line), all_k, machine) if part and all_k >= line else machine.cache_sets
    key = ("W", tile.start.K // line, tile.start.C, tile.start.R, tile.start.S)
    return Moves(beats, (Piece(key, lines, sets, rows * all_k / machine.row_bytes),))


def outputs(layer: TiledLayer, tile: Tile, machine: Machine) -> Moves:
    """Outputs of a tile, `dim` channels of one pixel at a time; nothing before the last of its sums."""
    if not tile.last:
        return Moves(0, ())
    size, all_k, line = tile.size, layer.sizes.K, machine.line_bytes
    pixels = size.P * size.Q * size.N
    wide = -(-size.K // line) if all_k >= line else all_k / line
    across = layer.computed.P
    opened = _activations(size.Q * size.N, size.P * all_k, across * all_k, across == size.P, machine)
    key = ("O", tile.start.N, tile.start.P, tile.start.Q, tile.start.K // line)
    piece = Piece(key, max(1.0, pixels * wide), machine.cache_sets, opened, dirty=True)
    return Moves(stored_rows(size, machine), (piece,))


def stored_rows(size: Extents, machine: Machine) -> int:
    """Accumulator rows of a tile: one per pixel and `dim` output channels."""
    return size.P * size.Q * size.N * -(-size.K // machine.dim)


def zeroed_rows(layer: TiledLayer, tile: Tile, machine: Machine) -> int:
    """Accumulator rows that a convolution without bias writes with zeros before its first sums, through the loads."""
    return 0 if layer.is_matmul or not tile.first else stored_rows(tile.size, machine)
