"""The sums behind the latency bound B, read from a mapping and its counts (`timing.bound` makes B of them)."""

from __future__ import annotations

from math import prod

import numpy as np

from accelsim.arch import Accelerator
from accelsim.mapping import LinkCount, Mapping, points
from accelsim.mapping.legality import tile_words
from accelsim.mapping.points import Point
from accelsim.problem import Operand
from accelsim.timing import bound as b
from accelsim.traffic import Factors
from accelsim.traffic.bits import link_bits
from accelsim.traffic.counts import arrivals_at, stored_words


def _ceil(words: int, width: int) -> int:
    return -(-words // width)


def _link(counts: tuple[LinkCount, ...], operand: str, child: str) -> LinkCount:
    return next(c for c in counts if c.operand == operand and c.child == child)


def numbers_of(arch: Accelerator, post_ops: int, final_words: int) -> list[int]:
    """The machine's part of B: NUM to KEPT_PORT of `timing.bound`."""
    num, den = b.machine_ratio(arch.clock_hz, arch.dram.bandwidth_bits_per_s)

    def port(operand: str, write: bool) -> int:
        memory = arch.chain(operand)[-1]
        return memory.write_bits_per_cycle if write else memory.read_bits_per_cycle

    kept = arch.array.preloaded
    return [
        num, den, arch.dram.latency_cycles, int(arch.array.loads_ahead), arch.vector.lanes, post_ops, final_words,
        port("Outputs", True), port(kept, False) if kept else 1,
    ]  # fmt: skip


def port_bits(arch: Accelerator, counts: tuple[LinkCount, ...]) -> list[int]:
    """Bits read from and written to every memory by the array side, but for loads that go before a pass."""
    found = []
    for memory in arch.memories:
        reads = writes = 0
        for count in counts:
            if count.parent == memory.name:
                down, up = link_bits(arch, count)
                loaded = count.operand == arch.array.preloaded and count.child == "PE"
                reads += 0 if loaded and not (arch.array.loads_ahead and len(memory.holds) > 1) else down
                writes += up
        found += [reads, writes]
    return found


def _spans(mapping: Mapping) -> dict[str, tuple[int, int, int]]:
    """Per dim: folds of the array's extent, folds in a pass, passes."""
    position = mapping.position("stream")
    found = {}
    for dim, bound in mapping.problem.bounds:
        folds = _ceil(bound, mapping.array_extent[dim])
        tile = min(_ceil(mapping.tile_step(dim, position), mapping.array_extent[dim]), folds)
        found[dim] = folds, tile, _ceil(folds, tile)
    return found


def _along(mapping: Mapping, axis: str) -> int:
    """Sum over all passes of the rows (or columns) they span."""
    total, bound = 1, mapping.problem.bound
    for dim, (folds, tile, passes) in _spans(mapping).items():
        mine = [d for d in mapping.digits if d.dim == dim and axis in d.axes]
        span = passes
        if tile == 1 and mine:
            left = bound[dim] - (folds - 1) * mapping.array_extent[dim]
            span = (passes - 1) * prod(d.trips for d in mine) + min(
                prod(d.trips for d in mine), _ceil(left, mine[-1].step)
            )
        total *= span
    return total


def _spanned(mapping: Mapping, axis: str, last: bool) -> int:
    """Rows (or columns) that the first or the last pass spans."""
    total, bound = 1, mapping.problem.bound
    for dim, (folds, tile, passes) in _spans(mapping).items():
        mine = [d for d in mapping.digits if d.dim == dim and axis in d.axes]
        if not mine:
            continue
        span = prod(d.trips for d in mine)
        if folds == 1 or (last and folds - (passes - 1) * tile == 1):
            left = bound[dim] - (folds - 1) * mapping.array_extent[dim]
            span = min(span, _ceil(left, mine[-1].step))
        total *= span
    return total


def _edge(mapping: Mapping, arch: Accelerator, counts: tuple[LinkCount, ...]) -> int:
    """Cycles of the first stationary load, if its weights come from DRAM, and of the last pass' drain."""
    array, load = arch.array, 0
    if array.dataflow == "ws" and any(c.reads for c in counts if c.operand == "Weights" and c.parent == "DRAM"):
        load = array.rows if array.whole_weight_tiles else _spanned(mapping, "row", False)
    leave = _spanned(mapping, "row", True) if array.early_exit else array.rows
    return load + leave + _spanned(mapping, "col", True) - 2


def _steps(mapping: Mapping) -> tuple[int, int]:
    """Stream cycles of all passes, and of those that finish outputs."""
    every = final = 1
    outputs = mapping.problem.output.dims
    for dim, (folds, tile, passes) in _spans(mapping).items():
        pe = mapping.pe_extent[dim]
        left = min(pe, mapping.problem.bound[dim] - (folds - 1) * mapping.array_extent[dim])
        steps = folds if pe == 1 else (folds - 1) * pe + left
        every *= steps
        last = left if pe > 1 else folds - (passes - 1) * tile
        final *= steps if dim in outputs else last
    return every, final


def _systolic(mapping: Mapping, arch: Accelerator, counts: tuple[LinkCount, ...], s: list[int]) -> None:
    array, visits = arch.array, _link(counts, "Outputs", "PE")
    passes = prod(n for _, _, n in _spans(mapping).values())
    rows, cols = _along(mapping, "row"), _along(mapping, "col")
    wide = prod(d.trips for d in mapping.digits if d.kind == "col")
    if array.dataflow == "os":
        s[b.LOADS] = _ceil(visits.psum_writes, wide)
        s[b.DRAINS] = _ceil(visits.psum_writes + visits.final_writes, wide)
        if array.kind == "mesh":
            s[b.DRAINS] = rows + cols + 2 * passes
        elif array.kind == "systolic":
            s[b.DRAINS] += rows + cols - 2 * passes
        return
    if array.kind != "systolic":
        return
    s[b.DRAINS] = (rows if array.early_exit else passes * array.rows) + cols - 2 * passes
    if array.dataflow == "ws":
        words = _link(counts, "Weights", "PE").reads
        s[b.LOADS] = words // array.pes * array.rows if array.whole_weight_tiles else _ceil(words, wide)
        s[b.FIRST_LOAD] = array.rows
    if array.loads_ahead:
        s[b.EDGE] = _edge(mapping, arch, counts)


def _row_stationary(mapping: Mapping, arch: Accelerator, counts: tuple[LinkCount, ...], s: list[int]) -> None:
    array, spans = arch.array, _spans(mapping)
    weights, inputs, outputs = (array.bus(o) for o in ("Weights", "Inputs", "Outputs"))
    operand = mapping.problem.operand("Inputs")
    point = points(mapping, arch, operand)[-1]
    entered = arrivals_at(mapping, operand, point, mapping.position("stream"), Factors())
    edge = 1
    for dim, bound in mapping.problem.bounds:
        _, tile, passes = spans[dim]
        edge *= bound if tile == 1 and dim in mapping.problem.output.dims else passes
    visits = _link(counts, "Outputs", "PE")
    written = visits.psum_writes + visits.final_writes
    steps = prod(loop.trips for loop in mapping.stream)
    slides = spans["Q"][0]
    s[b.LOADS] = _ceil(_link(counts, "Weights", "PE").reads, weights) + _ceil(entered, inputs) + _ceil(edge, outputs)
    s[b.DRAINS] = written and _ceil(written, steps * outputs)
    rest = (_link(counts, "Inputs", "PE").reads - entered) // inputs
    s[b.BUS] = max(written * (slides - 1) // slides // outputs, rest)


def _first_words(mapping: Mapping, operand: Operand, point: Point) -> int:
    ranges = {d: (0, e) for d, e in mapping.tile_extents(point.position).items()}
    return point.whole_words or prod(axis.mask(ranges).bit_count() for axis in operand.axes)


def _edges(mapping: Mapping, arch: Accelerator, counts: tuple[LinkCount, ...], s: list[int]) -> None:
    """First tiles, last store, what single buffers expose, and the chains of loads."""
    for operand in mapping.problem.operands:
        point = points(mapping, arch, operand)[0]
        hold = arch.memory(point.memory).hold(operand.name)
        depth = hold.depth if hold else 1
        count = _link(counts, operand.name, point.memory)
        bits = arch.precision.read_bits(operand.name)
        if operand.role == "output":
            words = 1
            for dim in operand.dims:
                bound, tile = mapping.problem.bound[dim], mapping.tile_extents(point.position)[dim]
                words *= bound - (bound - 1) // tile * tile
            last = 0 if operand.name in mapping.resident else words * bits
            s[b.LAST] += last
            moved = 2 * count.psum_writes * arch.precision.psum_bits + count.final_writes * bits
            s[b.EXPOSED] += moved - last if depth == 1 else 0
            if operand.name not in mapping.resident:
                tile = max(1, tile_words(operand, mapping.tile_extents(point.position)))
                tiles = _ceil(count.psum_writes + count.final_writes, tile)
                stored = count.psum_writes * arch.precision.psum_bits + count.final_writes * bits
                num, den = b.machine_ratio(arch.clock_hz, arch.dram.bandwidth_bits_per_s)
                s[b.CHAIN + 4] = tiles * b.least_drain(arch.array) + b.dram_cycles(stored, num, den)
                s[b.CHAIN + 5] = depth
            continue
        if count.reads == 0:
            continue
        first = _first_words(mapping, operand, point) * bits
        s[b.FILL] += first
        s[b.EXPOSED] += count.reads * bits - first if depth == 1 else 0
        tile = point.whole_words or max(1, tile_words(operand, mapping.tile_extents(point.position)))
        at = b.CHAIN + 2 * ("Inputs", "Weights").index(operand.name)
        num, den = b.machine_ratio(arch.clock_hz, arch.dram.bandwidth_bits_per_s)
        s[at] = _ceil(count.reads, tile) * arch.dram.latency_cycles + b.dram_cycles(count.reads * bits, num, den)
        s[at + 1] = depth


def latency_bound(mapping: Mapping, arch: Accelerator, counts: tuple[LinkCount, ...], post_ops: int = 0) -> int:
    """B in cycles of a mapping with these counts (`traffic.count`); never above its simulated makespan."""
    final = stored_words(mapping.problem.output, mapping)
    numbers = numbers_of(arch, post_ops, final)
    ports = port_bits(arch, counts)
    s = [0] * (b.PORTS + len(ports))
    for i, bits in enumerate(ports):
        memory = arch.memories[i // 2]
        s[b.PORTS + i] = _ceil(bits, memory.write_bits_per_cycle if i % 2 else memory.read_bits_per_cycle)
    s[b.DRAM] = sum(sum(link_bits(arch, c)) for c in counts if c.parent == "DRAM")
    s[b.STREAM], s[b.STREAM_FINAL] = _steps(mapping)
    visits = _link(counts, "Outputs", "PE")
    s[b.PSUM_BITS] = visits.psum_writes * arch.precision.psum_bits
    s[b.FINAL_BITS] = final * arch.final_bits(visits.parent)
    kept = arch.array.preloaded
    if kept:
        s[b.KEPT_BITS] = _link(counts, kept, "PE").reads * arch.precision.read_bits(kept)
    if arch.array.kind == "row_stationary":
        _row_stationary(mapping, arch, counts, s)
    else:
        _systolic(mapping, arch, counts, s)
    _edges(mapping, arch, counts, s)
    return int(b.time_bound(np.array(numbers, np.int64), np.array(s, np.int64)))
