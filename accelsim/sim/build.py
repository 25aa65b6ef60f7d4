"""From a mapping to its stream: pass times, segments and transfers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.arch import Accelerator
from accelsim.arch.encoding import DENSE, Zeros, stored_bits
from accelsim.mapping import Mapping, Rules, rules_of
from accelsim.sim.flows import LinkFlow, link_flows, tiles_visited, unique_rows
from accelsim.sim.layout import Regions, tile_places
from accelsim.sim.passes import Ints, Passes
from accelsim.sim.stream import (
    ADDRESS,
    BITS,
    KINDS,
    OPERANDS,
    TURN,
    Breakdown,
    Stream,
    channel_order,
    work_table,
)
from accelsim.timing import PassShape, pass_time
from accelsim.traffic import Factors


@dataclass(frozen=True, eq=False)
class Visits:
    """The tiles of an operand that one memory keeps for DRAM, `depth` at a time: the last segment of each visit."""

    operand: str
    memory: str
    depth: int
    finish: Ints


@dataclass(frozen=True)
class Simulated:
    """A stream and the words its passes move over the on-chip links, for comparison with `traffic`.

    `carried[(operand, parent, child)]` is (words down, unfinished words up, finished words up). `visits` tells how long
    tiles stay in the memories that DRAM fills, `finished` how many words of the results are in the outermost of them,
    finished, once each segment has ended: (segments,).
    """

    stream: Stream
    carried: dict[tuple[str, str, str], tuple[int, int, int]]
    passes: int
    visits: tuple[Visits, ...]
    finished: Ints

    @property
    def nbytes(self) -> int:
        """Memory of its tables."""
        tables = [self.stream.work, self.stream.moves, self.finished, *(visits.finish for visits in self.visits)]
        return sum(table.nbytes for table in tables)


def _flow(flows: list[LinkFlow], operand: str, child: str) -> LinkFlow:
    return next(f for f in flows if f.operand.name == operand and f.point.memory == child)


def home_flow(flows: list[LinkFlow]) -> LinkFlow:
    """Results on their way into the memory that gives them to DRAM (or there, if PEs do)."""
    outputs = [flow for flow in flows if flow.operand.role == "output"]
    outermost = next(flow for flow in outputs if flow.point.parent == "DRAM")
    return next((flow for flow in outputs if flow.point.parent == outermost.point.memory), outermost)


def link_bits(arch: Accelerator, flow: LinkFlow) -> tuple[Ints, Ints]:
    """Bits read from and written to the parent of a link in each pass."""
    precision = arch.precision
    if flow.operand.role != "output":
        return flow.down * precision.read_bits(flow.operand.name), flow.up_final * 0
    psum, final = precision.psum_bits, arch.final_bits(flow.point.parent)
    return flow.down * psum, flow.up_psum * psum + flow.up_final * final


def _clip(passes: Passes, dim: str, extent: int) -> Ints:
    found: Ints = np.minimum(passes.extent(dim), extent)
    return found


def _pass_columns(passes: Passes, flows: list[LinkFlow], arch: Accelerator) -> list[Ints]:
    """The fields of `PassShape`, one array per field."""
    mapping = passes.mapping
    one = np.ones(passes.count, np.int64)
    rows, cols, steps, macs, psum_step = one, one, one, one, one
    for digit in mapping.digits:
        spanned = np.minimum(digit.trips, -(-_clip(passes, digit.dim, mapping.array_extent[digit.dim]) // digit.step))
        rows = rows * spanned if "row" in digit.axes else rows
        cols = cols * spanned if "col" in digit.axes else cols
    for dim in mapping.problem.bound:
        steps = steps * -(-passes.extent(dim) // mapping.array_extent[dim])
        macs = macs * _clip(passes, dim, mapping.pe_extent[dim])
        if dim in mapping.problem.output.dims:
            psum_step = psum_step * _clip(passes, dim, mapping.array_extent[dim])
    outputs = _flow(flows, "Outputs", "PE")
    written = outputs.up_psum + outputs.up_final
    stationary, first, inputs, windows = one * 0, one * 0, one * 0, one
    if arch.array.dataflow != "os":
        kept = "Inputs" if arch.array.dataflow == "is" else "Weights"
        stationary = _flow(flows, kept, "PE").down
    if arch.array.kind == "row_stationary":
        ifmap = _flow(flows, "Inputs", "PE")
        first, inputs = ifmap.first, ifmap.down
        if mapping.stream:
            slide = mapping.stream[-1].dim
            windows = steps // -(-passes.extent(slide) // mapping.array_extent[slide])
    psums = np.maximum(written, outputs.down)
    flags = [(outputs.down > 0).astype(np.int64), (written > 0).astype(np.int64)]
    return [rows, cols, steps, macs, stationary, first, inputs, psums, psum_step, *flags, windows]


def _shape(values: tuple[int, ...]) -> PassShape:
    """One row of `_pass_columns` as a `PassShape`."""
    rows, cols, steps, macs, stationary, first, inputs, psums, psum_step, again, leaves, windows = values
    return PassShape(
        rows, cols, steps, macs, stationary, first, inputs, psums, psum_step, again > 0, leaves > 0, windows
    )


def _array_times(passes: Passes, flows: list[LinkFlow], arch: Accelerator) -> tuple[Ints, Ints, Ints, Ints]:
    """(load, stream, drain, ideal) cycles of every pass, before on-chip memory ports."""
    table, which = unique_rows(_pass_columns(passes, flows, arch))
    times = []
    for row in table:
        time = pass_time(arch.array, _shape(row))
        times.append((time.load, time.stream, time.drain, time.ideal))
    found = np.array(times, dtype=np.int64)[which]
    return found[:, 0], found[:, 1], found[:, 2], found[:, 3]


def _vector_times(passes: Passes, arch: Accelerator) -> tuple[Ints, Ints, Ints, Ints]:
    """Pooling: every window position is one lane operation."""
    work = np.ones(passes.count, np.int64)
    for dim in passes.mapping.problem.bound:
        work = work * passes.extent(dim)
    cycles = -(-work // arch.vector.lanes)
    return work * 0, cycles, work * 0, cycles


def _ceil(bits: Ints, width: int) -> Ints:
    found: Ints = -(-bits // width)
    return found


def _port_cycles(flows: list[LinkFlow], arch: Accelerator, load: Ints, overlap: bool) -> tuple[Ints, Ints]:
    """(load, stream) cycles that the on-chip ports need in every pass."""
    first: Ints = load.copy()
    stream: Ints = load * 0
    for memory in arch.memories:
        reads, writes = load * 0, load * 0
        for flow in flows:
            if flow.point.parent != memory.name:
                continue
            down, up = link_bits(arch, flow)
            writes = writes + up
            if flow.operand.name == arch.array.preloaded and flow.point.memory == "PE":
                first = np.maximum(first, _ceil(down, memory.read_bits_per_cycle))
                down = down if overlap and len(memory.holds) > 1 else down * 0
            reads = reads + down
        stream = np.maximum(stream, _ceil(reads, memory.read_bits_per_cycle))
        stream = np.maximum(stream, _ceil(writes, memory.write_bits_per_cycle))
    return first, stream


def _segments(heads: Ints, load: Ints, stream: Ints, drain: Ints, overlap: bool) -> Ints:
    """The table of segments: passes between `heads` (the first of each) merge; a drain ends when all have drained."""
    gap = np.maximum(stream[:-1], load[1:]) if overlap else stream[:-1] + drain[:-1] + load[1:]
    elapsed = np.concatenate([np.zeros(1, np.int64), np.cumsum(gap)])
    tails = np.append(heads[1:] - 1, load.size - 1)
    last = elapsed[tails] + stream[tails]
    drains = np.maximum.reduceat(elapsed + stream + drain, heads) - last
    return work_table(load[heads], elapsed[tails] - elapsed[heads], stream[tails], drains, overlap)


def _coded(words: Ints, arch: Accelerator, width: int, zeros_ppm: int) -> Ints:
    """Bits of consecutive runs of a coded map: what each adds to the bits of all words before it."""
    ends = np.array([stored_bits(arch.dram.coding, int(w), width, zeros_ppm) for w in np.cumsum(words)], np.int64)
    found: Ints = ends - np.append(np.zeros(1, np.int64), ends[:-1])
    return found


def _dram_bits(flow: LinkFlow, arch: Accelerator, firsts: NDArray[np.intp], zeros: Zeros) -> tuple[Ints, Ints]:
    """Bits loaded for each tile and stored after it; feature maps are coded if the machine codes them."""
    down, up = link_bits(arch, flow)
    loads, stores = np.add.reduceat(down, firsts), np.add.reduceat(up, firsts)
    if arch.dram.coding is None:
        return loads, stores
    precision = arch.precision
    if flow.operand.role == "input":
        loads = _coded(np.add.reduceat(flow.down, firsts), arch, precision.input_bits, zeros.inputs_ppm)
    if flow.operand.role == "output":
        final = _coded(np.add.reduceat(flow.up_final, firsts), arch, precision.output_bits, zeros.outputs_ppm)
        stores = np.add.reduceat(flow.up_psum, firsts) * precision.psum_bits + final
    return loads, stores


def _addresses(passes: Passes, flow: LinkFlow, arch: Accelerator, regions: Regions, most: Ints) -> Ints:
    """DRAM address of every tile visited, if the machine's DRAM asks; `most` is each visit's largest transfer."""
    if arch.dram.timing is None:
        return np.zeros(most.size, np.int64)
    tiles = tiles_visited(passes, flow.operand, flow.point.position, np.flatnonzero(flow.changed))
    places, size = tile_places(tiles, most)
    found: Ints = regions.take(size) + places
    return found


def _later(values: Ints, steps: int, beyond: int) -> Ints:
    """Per visit, the value `steps` visits later (earlier if negative), `beyond` past the ends."""
    found = np.full(values.size, beyond, np.int64)
    if abs(steps) < values.size:
        found[max(0, -steps) : values.size - max(0, steps)] = values[max(0, steps) : values.size + min(0, steps)]
    return found


def cut(rows: Ints, room: Ints, piece: int) -> Ints:
    """Rows of `Stream.moves` cut into pieces of at least `piece` bits, spread over the next `room` segments (1: whole).

    Piece j of n has its turn `room * j // n` segments later; it may start earlier where nothing before it waits.
    """
    count = np.clip(rows[:, BITS] // max(1, piece), 1, room) if piece else np.ones(len(rows), np.int64)
    which = np.repeat(np.arange(len(rows)), count)
    number = np.arange(which.size) - np.repeat(np.cumsum(count) - count, count)
    found: Ints = rows[which]
    bits, parts = found[:, BITS].copy(), count[which]
    begin = bits * number // parts
    found[:, BITS] = bits * (number + 1) // parts - begin
    found[:, ADDRESS] += begin
    found[:, TURN] += room[which] * number // parts
    return found


def _rooms(begin: Ints, finish: Ints, depth: int, loads: Ints, output: bool) -> tuple[Ints, Ints]:
    """Per visit, the segments over which its load and its store may be spread.

    A load has the visit during which its buffer is free first, a store the visit after its own: so the last piece has
    a whole segment to arrive in. Psums go whole, both ways: the load of one must not pass its store.
    """
    span = finish - begin + 1
    one = np.ones(begin.size, np.int64)
    if depth == 1:
        return one, one
    if output:
        return one, one if loads.any() else np.append(span[1:], 1)
    while_free = span[np.maximum(0, np.arange(begin.size) - depth + 1)]
    while_free[0] = 1
    return while_free, one


def _transfers(
    passes: Passes, flow: LinkFlow, arch: Accelerator, segment: Ints, overlap: bool, regions: Regions,
    zeros: Zeros,
) -> tuple[Ints, Visits]:  # fmt: skip
    """Loads and stores of one operand's tiles, as rows of `Stream.moves`, and the room they take."""
    hold = arch.memory(flow.point.memory).hold(flow.operand.name)
    depth = 1 if hold is None else hold.depth
    firsts = np.flatnonzero(flow.changed)
    lasts = np.append(firsts[1:] - 1, flow.tile.size - 1)
    begin, finish = segment[firsts], segment[lasts]
    loads, stores = _dram_bits(flow, arch, firsts, zeros)
    number = int(segment[-1]) + 1
    freed, wanted = _later(finish, -depth, -1), _later(begin, depth, number)
    if flow.operand.role == "output" and flow.identity.size:
        following, before = _next_visit(flow.identity[firsts])
        freed = np.maximum(freed, np.append(finish, -1)[before])
        wanted = np.minimum(wanted, np.append(begin, number)[following])
    home = _addresses(passes, flow, arch, regions, np.maximum(loads, stores))
    gates = int(not overlap or flow.operand.name == arch.array.preloaded)
    operand = OPERANDS.index(flow.operand.name)
    piece = arch.dram.piece_bits if arch.dram.timing is None else 0
    soon = np.full(begin.size, int(overlap and flow.operand.role != "output"), np.int64)
    wide = _rooms(begin, finish, depth, loads, flow.operand.role == "output")
    rows = []
    for kind, bits, ready, needed, room in (
        ("load", loads, freed, begin, wide[0]), ("store", stores, finish, wanted, wide[1]),
    ):  # fmt: skip
        named = [np.full(bits.size, n, np.int64) for n in (KINDS.index(kind), operand, gates)]
        table = np.stack([*named[:2], bits, ready, needed, named[2], home, ready, soon], axis=1)
        rows.append(cut(table[bits > 0], room[bits > 0], piece))
    return np.concatenate(rows), Visits(flow.operand.name, flow.point.memory, depth, finish)


def _next_visit(names: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Per visit: the next and the previous visit to the same output words (count and -1 if there is none)."""
    order = np.argsort(names, kind="stable")
    same = names[order[1:]] == names[order[:-1]]
    following, before = np.full(names.size, names.size, np.intp), np.full(names.size, -1, np.intp)
    following[order[:-1][same]] = order[1:][same]
    before[order[1:][same]] = order[:-1][same]
    return following, before


@dataclass(frozen=True, eq=False)
class PassTimes:
    """Cycles of every pass: stationary load, stream held up by ports and vector unit, drain, and the stream's useful
    part; with `overlap` a load may begin during the stream before."""

    load: Ints
    stream: Ints
    drain: Ints
    ideal: Ints
    overlap: bool


def pass_times(passes: Passes, flows: list[LinkFlow], arch: Accelerator, post_ops: int) -> PassTimes:
    """Times of passes; the vector unit does `post_ops` operations on every finished word."""
    on_array = passes.mapping.problem.op == "mac"
    overlap = on_array and arch.array.loads_ahead
    load, stream, drain, ideal = _array_times(passes, flows, arch) if on_array else _vector_times(passes, arch)
    load, ports = _port_cycles(flows, arch, load, overlap)
    if post_ops and on_array:
        ports = np.maximum(ports, _ceil(_flow(flows, "Outputs", "PE").up_final * post_ops, arch.vector.lanes))
    return PassTimes(load, np.maximum(stream, ports), drain, ideal, overlap)


def new_segments(passes: Passes, flows: list[LinkFlow], group: bool) -> NDArray[np.bool_]:
    """The passes at which a segment begins: those at which a tile fed from DRAM changes, or, if none `group`, all."""
    fed = [flow.changed for flow in flows if flow.point.parent == "DRAM"]
    found: NDArray[np.bool_] = np.logical_or.reduce(fed) if group else np.ones(passes.count, np.bool_)
    return found


def build_stream(
    mapping: Mapping, arch: Accelerator, rules: Rules | None = None, post_ops: int = 0, group: bool = True,
    zeros: Zeros = DENSE, factors: Factors | None = None,
) -> Simulated:  # fmt: skip
    """The stream of a mapping on a machine; the vector unit does `post_ops` operations on every finished word.

    With `group` the passes between two changes of a tile fed from DRAM become one segment, which changes no time
    (nothing can wait in between); without it every pass is a segment of its own.
    """
    rules = rules_of(arch) if rules is None else rules
    passes, flows = link_flows(mapping, arch, rules, Factors() if factors is None else factors)
    times = pass_times(passes, flows, arch, post_ops)
    load, stretched, drain, ideal, overlap = times.load, times.stream, times.drain, times.ideal, times.overlap
    fed = [flow for flow in flows if flow.point.parent == "DRAM"]
    edges = new_segments(passes, flows, group)
    heads = np.flatnonzero(edges)
    segment = np.cumsum(edges) - 1
    regions = Regions(arch.dram)
    moved = [_transfers(passes, flow, arch, segment, overlap, regions, zeros) for flow in fed]
    moves = channel_order(np.concatenate([rows for rows, _ in moved]))
    breakdown = Breakdown(int(ideal.sum()), int((stretched - ideal).sum()))
    built = Stream(_segments(heads, load, stretched, drain, overlap), moves, breakdown)
    carried = {
        (f.operand.name, f.point.parent, f.point.memory): (
            int(f.down.sum()), int(f.up_psum.sum()), int(f.up_final.sum()),
        )
        for f in flows
    }  # fmt: skip
    done = np.cumsum(np.add.reduceat(home_flow(flows).up_final, heads))
    return Simulated(built, carried, passes.count, tuple(visits for _, visits in moved), done)
