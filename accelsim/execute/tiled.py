"""The tiled executor: a mapping run on arrays, out of buffers of the stated size, every array pass, words counted.

It never calls a reference kernel. Values reach the arithmetic only through buffers that were filled from their parent
memory; inside a pass NumPy does the multiplications. Accumulators are exact integers in float64 (below 2**53).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from accelsim.arch import Accelerator
from accelsim.execute.buffers import (
    Array,
    Box,
    Buffer,
    Dram,
    Index,
    Moves,
    PartlyHere,
    PsumBuffer,
    PsumStore,
    Ranges,
    source_of,
    staying_of,
    stored_indices,
)
from accelsim.execute.links import (
    ColumnWeights,
    RowStationaryLink,
    StationaryInputs,
    StreamedPsums,
    StreamedWeights,
    streamed_inputs,
    window_tables,
)
from accelsim.mapping import LinkCount, Mapping, Point, Rules, points
from accelsim.mapping.legality import tile_words
from accelsim.problem import Operand
from accelsim.walk import steps

EXACT = 2**53


@dataclass(frozen=True)
class TiledRun:
    """Accumulators in the order of the problem's output axes, words moved per link, passes run."""

    accumulators: Array
    moves: Moves
    passes: int

    def agrees_with(self, counts: tuple[LinkCount, ...]) -> list[str]:
        """Links whose counted words differ from what the executor moved; empty if all are equal."""
        wrong = []
        for count in counts:
            link = (count.operand, count.parent, count.child)
            moved = (
                self.moves.reads.get(link, 0),
                self.moves.psum_writes.get(link, 0),
                self.moves.final_writes.get(link, 0),
            )
            counted = (count.reads, count.psum_writes, count.final_writes)
            if moved != counted:
                wrong.append(f"{count.operand} {count.parent}->{count.child}: moved {moved}, counted {counted}")
        return wrong


class _Layer:
    """The memories and PEs of one mapped problem while it runs."""

    def __init__(
        self, mapping: Mapping, arch: Accelerator, rules: Rules, tensors: dict[str, Array], missing: int
    ) -> None:
        self.mapping, self.arch, self.rules = mapping, arch, rules
        self.problem = mapping.problem
        self.moves = Moves()
        self.chains = {o.name: points(mapping, arch, o) for o in self.problem.operands}
        self.indices: dict[tuple[str, tuple[tuple[int, int], ...]], list[Index]] = {}
        self.inputs = self._buffers("Inputs", tensors)
        self.weights = self._buffers("Weights", tensors)
        shape = [axis.size for axis in self.problem.output.axes]
        self.result = PsumStore(shape, missing)
        self.psums = self._psum_buffers()
        self.stream_position = mapping.position("stream")
        self._connect()

    def _words(self, operand: Operand, point: Point) -> int:
        return point.whole_words or tile_words(operand, self.mapping.tile_extents(point.position))

    def _buffers(self, name: str, tensors: dict[str, Array]) -> list[tuple[Point, Buffer]]:
        operand = self.problem.operand(name)
        parent: Dram | PartlyHere | Buffer = source_of(tensors[name], operand, self.mapping.share(name))
        found = []
        for point in self.chains[name][:-1]:
            link = (name, point.parent, point.memory)
            parent = Buffer(
                parent, link, self.moves, self._words(operand, point), self.rules.halo_reuse, point.whole_words
            )
            if point.parent == "DRAM" and name in self.mapping.resident:
                parent.preload(stored_indices(operand, {d: (0, bound) for d, bound in self.problem.bounds}))
            found.append((point, parent))
        return found

    def _psum_buffers(self) -> list[tuple[Point, PsumBuffer]]:
        operand = self.problem.output
        parent: PsumStore | PsumBuffer = self.result
        found = []
        for point in self.chains["Outputs"][:-1]:
            link = ("Outputs", point.parent, point.memory)
            staying = staying_of(self.mapping, operand, point.parent)
            parent = PsumBuffer(parent, link, self.moves, self._words(operand, point), staying=staying)
            found.append((point, parent))
        return found

    def _connect(self) -> None:
        dataflow = self.arch.array.dataflow
        links = {name: (name, chain[-1].parent, "PE") for name, chain in self.chains.items()}
        read_first = self.rules.psum_first_visit == "read"
        inner = self.psums[-1][1]
        weights = self.problem.operand("Weights")
        self.pe_weights: Buffer | None = None
        self.pe_psums: PsumBuffer | None = None
        if dataflow in ("os", "rs"):
            words = tile_words(self.problem.output, self.mapping.array_extent)
            self.pe_psums = PsumBuffer(inner, links["Outputs"], self.moves, words, read_first)
        else:
            self.streamed_psums = StreamedPsums(inner, links["Outputs"], self.moves, read_first)
        self.columns: ColumnWeights | None = None
        if self.mapping.bands:
            self.columns = ColumnWeights(self.mapping, weights, links["Weights"], self.moves)
        elif dataflow == "ws":
            point = self.chains["Weights"][-1]
            words = point.whole_words or tile_words(weights, self.mapping.array_extent)
            source = self.weights[-1][1]
            self.pe_weights = Buffer(source, links["Weights"], self.moves, words, True, point.whole_words)
        self.rs = RowStationaryLink(self.mapping, self.arch, links, self.moves) if dataflow == "rs" else None
        self.held_inputs = StationaryInputs(self.mapping, self.problem.operand("Inputs"), links["Inputs"], self.moves)
        self.in_inputs = streamed_inputs(self.mapping, links["Inputs"], self.moves)
        self.in_weights = StreamedWeights(links["Weights"], self.moves)

    def ranges(self, start: dict[str, int], position: int) -> Ranges:
        """(start, length) of every dim of the tile inside `position` loops that `start` lies in."""
        found = {}
        for dim, bound in self.problem.bounds:
            step = self.mapping.tile_step(dim, position)
            low = start[dim] // step * step
            found[dim] = (low, min(step, bound - low))
        return found

    def stored(self, operand: Operand, ranges: Ranges) -> list[Index]:
        """Stored indices of a tile per axis, remembered."""
        key = (operand.name, tuple(ranges[d] for d in sorted(operand.dims)))
        if key not in self.indices:
            if len(self.indices) > 4096:
                self.indices.clear()
            self.indices[key] = stored_indices(operand, ranges)
        return self.indices[key]

    def box(self, ranges: Ranges) -> Box:
        """Output box of some ranges."""
        return tuple(ranges[axis.dims[0]] for axis in self.problem.output.axes)

    def fill(self, start: dict[str, int]) -> None:
        """Bring the tiles that a pass needs into every memory, outer to inner."""
        for name, buffers in (("Inputs", self.inputs), ("Weights", self.weights)):
            operand = self.problem.operand(name)
            for point, held in buffers:
                held.fill(self.stored(operand, self.ranges(start, point.position)))
        boxes = [self.box(self.ranges(start, point.position)) for point, _ in self.psums]
        moving = [box != buffer.box for box, (_, buffer) in zip(boxes, self.psums, strict=True)]
        if any(moving) and self.pe_psums is not None:
            self.pe_psums.flush()
        for move, (_, buffer) in reversed(list(zip(moving, self.psums, strict=True))):
            if move:
                buffer.flush()
        for box, (_, buffer) in zip(boxes, self.psums, strict=True):
            buffer.hold(box)

    def compute(self, ranges: Ranges) -> Array:
        """Results (n, g, m, o, p, q) of a pass, from what the innermost memories hold; delivers operands to the
        array."""
        inputs, weights = self.problem.operand("Inputs"), self.problem.operand("Weights")
        indices = self.stored(inputs, ranges)
        block = self.inputs[-1][1].take(indices)
        taps = self.stored(weights, ranges)
        if self.pe_weights is not None:
            self.pe_weights.fill(taps)
            filters = self.pe_weights.take(taps)
        else:
            filters = self.weights[-1][1].take(taps)
        tables = window_tables(inputs, ranges, indices)
        self._deliver(ranges, block, filters, tables)
        return multiply(block, filters, tables)

    def _deliver(self, ranges: Ranges, block: Array, filters: Array, tables: list[Index]) -> None:
        dataflow = self.arch.array.dataflow
        if self.rs is not None:
            windows = [self._window(part) for part in self.stream(ranges)]
            self.rs.load(ranges, self.problem.operand("Inputs"), windows)
            return
        if dataflow == "is":
            self.held_inputs.deliver(ranges)
        else:
            self.in_inputs.deliver(block, tables)
        if self.columns is not None:
            self.columns.deliver(self.stream(ranges))
        elif dataflow != "ws":
            self.in_weights.deliver(filters)

    def _window(self, ranges: Ranges) -> frozenset[int]:
        axis = self.problem.operand("Inputs").axes[-1]
        return frozenset(int(i) for i in stored_indices(Operand("w", "input", (axis,)), ranges)[0])

    def stream(self, ranges: Ranges) -> Iterator[Ranges]:
        """Ranges of every stream step of a pass (row stationary: one output column and image each)."""
        loops = self.mapping.temporal[self.stream_position :]
        spans = []
        for loop in loops:
            begin, length = ranges[loop.dim]
            spans.append([(loop.dim, begin + k, min(loop.step, length - k)) for k in range(0, length, loop.step)])
        for combo in product(*spans):
            yield {**ranges, **{dim: (begin, length) for dim, begin, length in combo}}

    def accumulate(self, ranges: Ranges, result: Array) -> None:
        """Add a pass' results to its psums."""
        taps = int(np.prod([ranges[d][1] for d in self.problem.bound if d not in self.problem.output.dims]))
        box = self.box(ranges)
        if self.pe_psums is None:
            self.streamed_psums.accumulate(box, result, taps)
            return
        parts = self.stream(ranges) if self.rs is not None else iter([ranges])
        for part in parts:
            mine = self.box(part)
            self.pe_psums.hold(mine)
            at = tuple(slice(s - low, s - low + n) for (s, n), (low, _) in zip(mine, box, strict=True))
            self.pe_psums.values += result[at]
            self.pe_psums.missing -= taps

    def finish(self) -> None:
        """Final drain: write everything back."""
        if self.pe_psums is not None:
            self.pe_psums.flush()
        for _, buffer in reversed(self.psums):
            buffer.flush()


def multiply(block: Array, filters: Array, tables: list[Index]) -> Array:
    """Results (n, g, m, o, p, q) of inputs (n, g, c, d, h, w) and filters (g, m, c, t, r, s).

    `tables` (t, o), (r, p) and (s, q) say which input plane, row and column each tap reads, -1 for padding.
    """
    n, g, c = block.shape[:3]
    padded = np.pad(block, ((0, 0), (0, 0), (0, 0), (0, 1), (0, 1), (0, 1)))
    for axis, table in enumerate(tables, start=3):
        padded = padded.take(table.reshape(-1), axis=axis)
    (t, o), (r, p), (s, q) = (table.shape for table in tables)
    apart = padded.reshape(n, g, c, t, o, r, p, s, q).transpose(1, 2, 3, 5, 7, 0, 4, 6, 8)
    lines = apart.reshape(g, c * t * r * s, n * o * p * q)
    product_ = filters.reshape(g, filters.shape[1], c * t * r * s) @ lines
    return product_.reshape(g, filters.shape[1], n, o, p, q).transpose(2, 0, 1, 3, 4, 5)


def run_tiled(
    mapping: Mapping,
    arch: Accelerator,
    rules: Rules,
    inputs: Array,
    weights: Array,
    on_pass: Callable[[], None] | None = None,
) -> TiledRun:
    """Run every pass of a mapping.

    Args:
        inputs, weights: integer-valued tensors in the axis order of the problem's operands.
        on_pass: called after every pass (progress).
    """
    problem = mapping.problem
    missing = int(np.prod([b for d, b in problem.bounds if d not in problem.output.dims]))
    layer = _Layer(mapping, arch, rules, {"Inputs": inputs, "Weights": weights}, missing)
    passes = 0
    for start in steps(mapping, layer.stream_position):
        layer.fill(start)
        ranges = layer.ranges(start, layer.stream_position)
        layer.accumulate(ranges, layer.compute(ranges))
        passes += 1
        if on_pass is not None:
            on_pass()
    layer.finish()
    return TiledRun(layer.result.values, layer.moves, passes)
