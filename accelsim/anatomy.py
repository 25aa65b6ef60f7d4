"""The inside of a machine and of a layer as a report keeps it: blocks and ports, nests with their tiles, links, work
by PE. Frozen data with one JSON form each; `accelsim.formats.report_json` reads it back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.arch import OPERANDS, Accelerator
from accelsim.energy import LevelTraffic
from accelsim.mapping import Digit, Loop, Mapping, points
from accelsim.mapping.legality import active_pes, uses
from accelsim.problem import Axis, Problem

Ints = NDArray[np.int64]
UNFINISHED = "other layers"
"""In a memory's holdings: words of other layers that stay on chip while this one runs."""


@dataclass(frozen=True)
class Tile:
    """`depth` tiles of `words` words of `word_bits` that a memory keeps of an operand."""

    operand: str
    words: int
    word_bits: int
    depth: int
    resident: bool = False

    @property
    def bits(self) -> int:
        """Capacity taken."""
        return self.words * self.word_bits * self.depth

    def as_dict(self) -> dict[str, Any]:
        """The tile as JSON."""
        return {
            "operand": self.operand, "words": self.words, "word_bits": self.word_bits, "depth": self.depth,
            "resident": self.resident,
        }  # fmt: skip


@dataclass(frozen=True)
class Nest:
    """The mapping of one work item, and per memory of `mapping.levels` the tiles it keeps (DRAM: none, it has all)."""

    mapping: Mapping
    tiles: tuple[tuple[Tile, ...], ...]
    active_pes: int

    def as_dict(self) -> dict[str, Any]:
        """The nest as JSON; a loop is `DIM TRIPS`, a spatial one `DIM TRIPS KIND`, an axis `2P+R-1 of 224`."""
        mapping, problem = self.mapping, self.mapping.problem
        return {
            "op": problem.op,
            "dataflow": mapping.dataflow,
            "active_pes": self.active_pes,
            "bounds": {dim: bound for dim, bound in problem.bounds if bound > 1},
            "operands": {o.name: {"role": o.role, "axes": ", ".join(map(axis_text, o.axes))} for o in problem.operands},
            "resident": sorted(mapping.resident),
            "partly": [f"{share.operand} {share}" for share in mapping.partly],
            "bypass": [f"{memory}: {operand}" for memory, operand in sorted(mapping.bypass)],
            "levels": [
                {"memory": level.memory, "loops": _loops(level.loops), "tiles": [tile.as_dict() for tile in tiles]}
                for level, tiles in zip(mapping.levels, self.tiles, strict=True)
            ],
            "stream": _loops(mapping.stream),
            "spatial": [f"{loop.dim} {loop.trips} {loop.kind}" for loop in mapping.spatial if loop.trips > 1],
            "pe": _loops(mapping.pe),
        }


def _loops(loops: Iterable[Loop]) -> list[str]:
    return [f"{loop.dim} {loop.trips}" for loop in loops if loop.trips > 1]


def axis_text(axis: Axis) -> str:
    """An axis as a formula and its size.

    >>> axis_text(Axis((("P", 2), ("R", 1)), 224, -1))
    '2P+R-1 of 224'
    """
    terms = "+".join(f"{'' if coef == 1 else coef}{dim}" for dim, coef in axis.terms) or "0"
    return f"{terms}{f'{axis.offset:+d}' if axis.offset else ''} of {axis.size}"


def nest_of(mapping: Mapping, arch: Accelerator) -> Nest:
    """The nest of a mapping on a machine."""
    tiles = []
    for level in mapping.levels:
        found = []
        for use in () if level.memory == "DRAM" else uses(mapping, arch, arch.memory(level.memory)):
            outermost = points(mapping, arch, mapping.problem.operand(use.operand))[0].memory == level.memory
            resident = outermost and use.operand in mapping.resident
            found.append(Tile(use.operand, use.tile_words, use.word_bits, use.depth, resident))
        tiles.append(tuple(found))
    return Nest(mapping, tuple(tiles), active_pes(mapping) if mapping.problem.op == "mac" else 0)


@dataclass(frozen=True)
class Anatomy:
    """What a report keeps of a layer's inside.

    Attributes:
        inputs: layers whose outputs it reads. nests: one per mapped work item.
        held_bits: the most that each memory holds, by operand, `UNFINISHED` for words of other layers.
        links: bits over every link (`DRAM > GLB`), down as read, up as written, by operand.
        busy_cycles: cycles for which each resource is busy (`DRAM channel`, `GLB read port`, `array`, `vector unit`).
            The channel is busy with the layer's own transfers, also while other layers run where layers overlap.
        formula: its sizes, MACs and storage as formulas with numbers.
    """

    inputs: tuple[str, ...] = ()
    nests: tuple[Nest, ...] = ()
    held_bits: dict[str, dict[str, int]] = field(default_factory=dict)
    links: LevelTraffic = field(default_factory=dict)
    busy_cycles: dict[str, int] = field(default_factory=dict)
    formula: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The fields as they stand in a layer of `report.json`."""
        return {
            "inputs": list(self.inputs),
            "held_bits": {memory: dict(sorted(row.items())) for memory, row in self.held_bits.items()},
            "links": {
                name: {op: {"down_bits": f.read_bits, "up_bits": f.write_bits} for op, f in sorted(row.items())}
                for name, row in self.links.items()
            },
            "busy_cycles": self.busy_cycles,
            "formula": list(self.formula),
            "nests": [nest.as_dict() for nest in self.nests],
        }


@dataclass(frozen=True)
class MemoryBlock:
    """A memory of the machine: capacity, port widths, energies, and `operand -> depth` of what it keeps."""

    name: str
    capacity_bits: int
    read_bits_per_cycle: int
    write_bits_per_cycle: int
    read_fj_per_bit: int
    write_fj_per_bit: int
    holds: dict[str, int]


@dataclass(frozen=True)
class Blocks:
    """The machine as blocks: DRAM, memories from the DRAM side inwards, array, spads of a PE (words), vector unit."""

    dram: str
    dram_bits_per_s: int
    memories: tuple[MemoryBlock, ...]
    array_kind: str
    rows: int
    cols: int
    spad_words: dict[str, int]
    vector_lanes: int
    early_exit: bool = False
    whole_weight_tiles: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The blocks as JSON."""
        return {
            "dram": self.dram,
            "dram_bits_per_s": self.dram_bits_per_s,
            "memories": [dict(vars(memory)) for memory in self.memories],
            "array_kind": self.array_kind,
            "rows": self.rows,
            "cols": self.cols,
            "spad_words": self.spad_words,
            "vector_lanes": self.vector_lanes,
            "early_exit": self.early_exit,
            "whole_weight_tiles": self.whole_weight_tiles,
        }


def blocks_of(arch: Accelerator) -> Blocks:
    """The blocks of a machine."""
    memories = tuple(
        MemoryBlock(
            m.name, m.capacity_bits, m.read_bits_per_cycle, m.write_bits_per_cycle, m.read_fj_per_bit,
            m.write_fj_per_bit, {hold.operand: hold.depth for hold in m.holds},
        )
        for m in arch.memories
    )  # fmt: skip
    array = arch.array
    spads = {operand: array.spad(operand).words for operand in OPERANDS}
    return Blocks(
        arch.dram.kind, arch.dram.bandwidth_bits_per_s, memories, array.kind, array.rows, array.cols, spads,
        arch.vector.lanes, array.early_exit, array.whole_weight_tiles,
    )  # fmt: skip


def pass_lengths(mapping: Mapping, dim: str) -> Counter[int]:
    """How often the array works on a range of `dim` of each length, over all temporal loops of that dim."""
    lengths = Counter({mapping.problem.bound[dim]: 1})
    for step in mapping.temporal:
        if step.dim != dim:
            continue
        cut: Counter[int] = Counter()
        for length, times in lengths.items():
            whole, rest = divmod(length, step.step)
            if whole:
                cut[step.step] += times * whole
            if rest:
                cut[rest] += times
        lengths = cut
    return lengths


def pe_work(mapping: Mapping, rows: int, cols: int) -> Ints:
    """MACs done by every PE over the whole problem, (rows, cols); their sum is `problem.macs`.

    Spatial loops count along their axis from the outermost inwards, so that PE (0, 0) has the lowest indices; a
    diagonal loop has the same index along both axes, and PEs off its diagonal idle, as do those beside a band.
    """
    lines: tuple[list[Digit], list[Digit]] = ([], [])
    for digit in mapping.digits:
        for line, axis in zip(lines, ("row", "col"), strict=True):
            if axis in digit.axes:
                line.append(digit)
    used = np.ones([prod(_span(mapping, digit, axis) for digit in lines[axis]) for axis in (0, 1)], np.int64)
    at = {digit: [_index(mapping, digit, lines[axis], axis) for axis in _axes(digit)] for digit in mapping.digits}
    indices: dict[Digit, Ints] = {}
    for digit, (index, *other) in at.items():
        used *= 1 if not other else index == other[0]
        indices[digit] = np.broadcast_to(index, used.shape)
    for digit in (d for d in mapping.digits if _banded(d) and d.axes == ("row",)):
        indices[digit], good = _taps(mapping, digit, indices)
        used *= good
    for dim in mapping.problem.bound:
        offsets = sum((indices[d] * d.step for d in mapping.digits if d.dim == dim), np.zeros_like(used))
        distinct, which = np.unique(offsets, return_inverse=True)
        used *= _shares(mapping, dim, distinct)[which.reshape(offsets.shape)]
    found = np.zeros((rows, cols), np.int64)
    found[: used.shape[0], : used.shape[1]] = used
    return found


def _axes(digit: Digit) -> list[int]:
    return [("row", "col").index(axis) for axis in digit.axes]


def _span(mapping: Mapping, digit: Digit, axis: int) -> int:
    """PEs along an axis that a digit tells apart: the rows of a band are its words, not its taps."""
    if axis == 0 and _banded(digit):
        return next(band.rows for band in mapping.bands if band.tap == digit.dim)
    return digit.trips


def _banded(digit: Digit) -> bool:
    return digit.kind == "band" and digit.trips > 1


def _index(mapping: Mapping, digit: Digit, line: list[Digit], axis: int) -> Ints:
    """The index of a digit at each place along one of its axes: (places, 1) along rows, (1, places) along columns."""
    spans = [_span(mapping, d, axis) for d in line]
    inside = prod(spans[line.index(digit) + 1 :])
    found: Ints = np.arange(prod(spans)) // inside % _span(mapping, digit, axis)
    return found[:, None] if axis == 0 else found[None, :]


def _taps(mapping: Mapping, tap: Digit, indices: dict[Digit, Ints]) -> tuple[Ints, NDArray[np.bool_]]:
    """The tap of every PE of a band, and which PEs have one; `indices[tap]` are the rows of the band."""
    band = next(band for band in mapping.bands if band.tap == tap.dim)
    out = next(d for d in mapping.digits if _banded(d) and d.dim == band.out)
    ahead = indices[tap] - indices[out] * band.stride
    found = np.clip(ahead // band.dilation, 0, band.taps - 1)
    return found, found * band.dilation == ahead


def _shares(mapping: Mapping, dim: str, offsets: Ints) -> Ints:
    """Indices of `dim` that a PE at each offset works on, over all temporal loops of the dim."""
    inside = mapping.pe_extent[dim]
    found = np.zeros_like(offsets)
    for length, times in pass_lengths(mapping, dim).items():
        found += np.clip(length - offsets, 0, inside) * times
    return found


def rectangles(work: Ints) -> list[tuple[int, int, int, int, int]]:
    """A table of PEs as `(first row, first column, rows, columns, value)`: equal neighbours together, no zeros."""
    found: list[tuple[int, int, int, int, int]] = []
    tops = [0, *(np.flatnonzero((work[1:] != work[:-1]).any(axis=1)) + 1).tolist(), len(work)]
    above: dict[tuple[int, int, int], int] = {}
    for top, bottom in pairwise(tops):
        values = work[top]
        edges = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
        here: dict[tuple[int, int, int], int] = {}
        for run in ((a, b - a, int(values[a])) for a, b in pairwise(edges) if values[a]):
            if run in above:
                row, col, tall, wide, value = found[above[run]]
                found[above[run]] = (row, col, tall + bottom - top, wide, value)
                here[run] = above[run]
            else:
                found.append((top, run[0], bottom - top, run[1], run[2]))
                here[run] = len(found) - 1
        above = here
    return found


def problem_text(problem: Problem) -> str:
    """The operands of a problem by their indices, as one line.

    >>> from accelsim.problem import gemm_problem
    >>> problem_text(gemm_problem(rows=2, cols=3, reduction=4))
    'Inputs[N, C]  Weights[M, C]  Outputs[N, M]'
    """
    return "  ".join(
        f"{o.name}[{', '.join(axis_text(a).split(' of ')[0] for a in o.axes if a.size > 1)}]" for o in problem.operands
    )
