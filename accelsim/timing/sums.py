"""The sums behind the latency bound B, read from a mapping and its counts (`timing.bound` makes B of them)."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from accelsim.arch import Accelerator
from accelsim.mapping import LinkCount, Mapping, points
from accelsim.timing import bound as b
from accelsim.timing.chains import first_words, set_chains
from accelsim.timing.ends import is_even, last_tile, longest_pass, set_ends, spans_of, visits_of
from accelsim.traffic import Factors
from accelsim.traffic.bits import link_bits
from accelsim.traffic.counts import arrivals_at, stored_words


def _ceil(words: int, width: int) -> int:
    return -(-words // width)


def _link(counts: tuple[LinkCount, ...], operand: str, child: str) -> LinkCount:
    return next(c for c in counts if c.operand == operand and c.child == child)


def numbers_of(arch: Accelerator, post_ops: int, final_words: int) -> list[int]:
    """The machine's part of B: NUM to ORDERED of `timing.bound`."""
    num, den = b.machine_ratio(arch.clock_hz, arch.dram.bandwidth_bits_per_s)

    def port(operand: str, write: bool) -> int:
        memory = arch.chain(operand)[-1]
        return memory.write_bits_per_cycle if write else memory.read_bits_per_cycle

    kept = arch.array.preloaded
    ordered = arch.dram.arbitration == "program_order" and arch.dram.timing is None
    return [
        num, den, arch.dram.latency_cycles, int(arch.array.loads_ahead), arch.vector.lanes, post_ops, final_words,
        port("Outputs", True), port(kept, False) if kept else 1, int(ordered),
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


def _along(mapping: Mapping, axis: str) -> int:
    """Sum over all passes of the rows (or columns) they span."""
    total, bound = 1, mapping.problem.bound
    for dim, (folds, tile, passes) in spans_of(mapping).items():
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
    for dim, (folds, tile, passes) in spans_of(mapping).items():
        mine = [d for d in mapping.digits if d.dim == dim and axis in d.axes]
        if not mine:
            continue
        span = prod(d.trips for d in mine)
        if folds == 1 or (last and folds - (passes - 1) * tile == 1):
            left = bound[dim] - (folds - 1) * mapping.array_extent[dim]
            span = min(span, _ceil(left, mine[-1].step))
        total *= span
    return total


def _first_load(mapping: Mapping, arch: Accelerator, counts: tuple[LinkCount, ...]) -> int:
    """Cycles of the first stationary load, if its weights come from DRAM."""
    array = arch.array
    if array.dataflow == "ws" and any(c.reads for c in counts if c.operand == "Weights" and c.parent == "DRAM"):
        return array.rows if array.whole_weight_tiles else _spanned(mapping, "row", False)
    return 0


def _leave(mapping: Mapping, arch: Accelerator) -> int:
    """Cycles of the last pass' drain from a systolic array."""
    rows, cols = _spanned(mapping, "row", True), _spanned(mapping, "col", True)
    if arch.array.dataflow == "os":
        return 2 * rows + cols - 2
    return (rows if arch.array.early_exit else arch.array.rows) + cols - 2


def _steps(mapping: Mapping) -> tuple[int, int]:
    """Stream cycles of all passes, and of those that finish outputs."""
    every = final = 1
    outputs = mapping.problem.output.dims
    for dim, (folds, tile, passes) in spans_of(mapping).items():
        pe = mapping.pe_extent[dim]
        left = min(pe, mapping.problem.bound[dim] - (folds - 1) * mapping.array_extent[dim])
        steps = folds if pe == 1 else (folds - 1) * pe + left
        every *= steps
        last = left if pe > 1 else folds - (passes - 1) * tile
        final *= steps if dim in outputs else last
    return every, final


def _left_psums(mapping: Mapping, arch: Accelerator, counts: tuple[LinkCount, ...]) -> int:
    """Psums that leave the array unfinished when a pass is over, so never a pass that finishes outputs.

    Inside the passes of an output stationary array psums move only if joined PEs were idle at an edge and begin anew.
    """
    written = _link(counts, "Outputs", "PE").psum_writes
    if arch.array.dataflow != "os" or written == 0:
        return written
    operand = mapping.problem.output
    point = points(mapping, arch, operand)[-1]
    entered = arrivals_at(mapping, operand, point, mapping.position("stream"), Factors())
    return max(0, entered - stored_words(operand, mapping))


def _systolic(mapping: Mapping, arch: Accelerator, counts: tuple[LinkCount, ...], left: int, s: list[int]) -> None:
    """Loads and drains; `left` psums leave when a pass is over."""
    array, visits = arch.array, _link(counts, "Outputs", "PE")
    passes = prod(n for _, _, n in spans_of(mapping).values())
    rows, cols = _along(mapping, "row"), _along(mapping, "col")
    wide = prod(d.trips for d in mapping.digits if d.kind == "col")
    if array.dataflow == "os":
        s[b.LOADS] = _ceil(left, wide)
        s[b.DRAINS] = _ceil(left + visits.final_writes, wide)
        if array.kind == "mesh":
            s[b.DRAINS] = rows + cols + 2 * passes
        elif array.kind == "systolic":
            s[b.DRAINS] += rows + cols - 2 * passes
            s[b.LEAVE] = _leave(mapping, arch)
        return
    if array.kind != "systolic":
        return
    s[b.DRAINS] = (rows if array.early_exit else passes * array.rows) + cols - 2 * passes
    if array.dataflow == "ws":
        words = _link(counts, "Weights", "PE").reads
        s[b.LOADS] = words // array.pes * array.rows if array.whole_weight_tiles else _ceil(words, wide)
        s[b.FIRST_LOAD] = array.rows
    s[b.LEAVE] = _leave(mapping, arch)
    if array.loads_ahead:
        s[b.FIRST] = _first_load(mapping, arch, counts)


def _row_stationary(mapping: Mapping, arch: Accelerator, counts: tuple[LinkCount, ...], s: list[int]) -> None:
    array, spans = arch.array, spans_of(mapping)
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


def _edges(mapping: Mapping, arch: Accelerator, counts: tuple[LinkCount, ...], s: list[int]) -> None:
    """First tiles, last store, and what single buffers expose."""
    for operand in mapping.problem.operands:
        point = points(mapping, arch, operand)[0]
        hold = arch.memory(point.memory).hold(operand.name)
        depth = hold.depth if hold else 1
        count = _link(counts, operand.name, point.memory)
        bits = arch.precision.read_bits(operand.name)
        if operand.role == "output":
            last = (
                0
                if mapping.stays(operand.name)
                else prod(
                    words for dim, words in last_tile(mapping, operand, point.position).items() if dim in operand.dims
                )
                * bits
            )
            s[b.LAST] += last
            moved = 2 * count.psum_writes * arch.precision.psum_bits + count.final_writes * bits
            s[b.EXPOSED] += moved - last if depth == 1 else 0
        elif count.reads > 0:
            first = first_words(mapping, operand, point) * bits
            s[b.FILL] += first
            s[b.EXPOSED] += count.reads * bits - first if depth == 1 else 0


def _beside(mapping: Mapping, arch: Accelerator, s: list[int]) -> int:
    """Stream cycles of the passes that no load of a systolic array that loads ahead follows."""
    array = arch.array
    if array.kind != "systolic" or not array.loads_ahead or array.dataflow != "ws":
        return 0
    visits, _ = visits_of(mapping, mapping.problem.operand("Weights"), mapping.position("stream"))
    return max(0, s[b.STREAM] - (visits - 1) * longest_pass(mapping))


def _swaps(mapping: Mapping, arch: Accelerator, counts: tuple[LinkCount, ...], s: list[int]) -> int:
    """Cycles of the passes that finish nothing, as far as they swap tiles of psums between memories on the chip.

    Unfinished tiles leave a memory in the last pass of a visit, and come back in the first one of the next visit, which
    is another pass if what is summed inside the tile takes several; none of these finishes outputs. They take no less
    than the ports of the memory outside need, all others no less than their steps. In a pass that brings psums back
    the same port may have inputs to read: at least those that all other passes cannot have read.
    """
    output, bits, found = mapping.problem.output, arch.precision.psum_bits, 0
    spans = spans_of(mapping)
    passes = prod(count for _, _, count in spans.values())
    steps = longest_pass(mapping)
    left = s[b.STREAM] - s[b.STREAM_FINAL]
    for point in points(mapping, arch, output)[1:-1]:
        count, memory = _link(counts, output.name, point.memory), arch.memory(point.parent)
        if count.psum_writes == 0:
            continue
        tile = mapping.tile_extents(point.position)
        visits, _ = visits_of(mapping, output, point.position)
        swaps = visits - prod(_ceil(mapping.problem.bound[d], tile[d]) for d in output.dims)
        away = _ceil(count.psum_writes * bits, memory.write_bits_per_cycle)
        found = max(found, away + max(0, left - swaps * steps))
        inside = prod(_ceil(tile[d], mapping.array_extent[d] * spans[d][1]) for d in tile if d not in output.dims)
        if inside > 1 and is_even(mapping):
            back = count.reads * bits + _inputs_with(mapping, arch, counts, memory.name, (passes - swaps) * steps)
            both = away + _ceil(back, memory.read_bits_per_cycle)
            found = max(found, both + max(0, left - 2 * swaps * steps))
    return found


def _inputs_with(mapping: Mapping, arch: Accelerator, counts: tuple[LinkCount, ...], memory: str, steps: int) -> int:
    """Bits of inputs that the array reads from a memory beyond what so many steps read at most."""
    point = points(mapping, arch, mapping.problem.operand("Inputs"))[-1]
    if point.retained or point.parent != memory:
        return 0
    words = prod(mapping.array_extent[d] for d in mapping.problem.operand("Inputs").dims)
    reads = _link(counts, "Inputs", "PE").reads
    return max(0, reads - steps * words) * arch.precision.read_bits("Inputs")


def as_if_whole(mapping: Mapping, counts: tuple[LinkCount, ...]) -> tuple[LinkCount, ...]:
    """Counts as if operands that stay in part stayed whole: which of their tiles cross the DRAM link, and when, is for
    the sum over the channel only. Without their transfers nothing ends later."""
    found = []
    for c in counts:
        if c.parent == "DRAM" and mapping.share(c.operand) is not None:
            c = replace(c, reads=c.reads if c.operand == "Outputs" else 0, final_writes=0)
        found.append(c)
    return tuple(found)


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
    left = _left_psums(mapping, arch, counts)
    s[b.PSUM_BITS] = left * arch.precision.psum_bits
    s[b.FINAL_BITS] = final * arch.final_bits(_link(counts, "Outputs", "PE").parent)
    kept = arch.array.preloaded
    if kept:
        s[b.KEPT_BITS] = _link(counts, kept, "PE").reads * arch.precision.read_bits(kept)
    if arch.array.kind == "row_stationary":
        _row_stationary(mapping, arch, counts, s)
    else:
        _systolic(mapping, arch, counts, left, s)
    moved = as_if_whole(mapping, counts)
    _edges(mapping, arch, moved, s)
    s[b.BESIDE] = _beside(mapping, arch, s)
    s[b.SWAP] = _swaps(mapping, arch, counts, s)
    set_ends(mapping, arch, moved, numbers, s)
    set_chains(mapping, arch, moved, numbers, s)
    return int(b.time_bound(np.array(numbers, np.int64), np.array(s, np.int64)))
