"""The work items of a network as its one stream takes them, and which of them run side by side.

Two work items of neighbouring layers, one on the array and one on the vector unit, run side by side

* if the later one does not read what the earlier one makes (a pooling branch beside a convolution), or
* if the later one takes the results of the array row by row: elementwise work or a move such as a concatenation, whose
  rows are words, or a normalisation or softmax. Every chunk follows the segments that finish its rows, in whatever
  order they are finished: on chip if they stay there, else through DRAM, behind their stores;

and if there is room for the tiles and regions of both. The vector unit then works with the lanes and port words a cycle
that the array's layer leaves: all, less what that layer takes on average over its busy cycles (assumed: its accesses
are spread evenly). So both together never exceed a port or the lanes. As much of the vector unit's work runs beside
the array's as makes the two end first; the rest follows, with all lanes and ports. Where one after the other is as
fast, they take turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from accelsim.arch import Accelerator
from accelsim.graph import Node
from accelsim.layers import Layer, LayerNorm, LpNorm, Move, Softmax, VectorWork
from accelsim.mapping.chunks import PIPELINE_CHUNKS, VectorJob, chunk_bounds, chunk_room
from accelsim.mapping.legality import uses
from accelsim.mapping.points import vector_memory
from accelsim.plan import Part, Plan, part_again
from accelsim.sim import recurrence
from accelsim.sim.finish import finish_segments
from accelsim.sim.network import Beside, Piece, Room, joined
from accelsim.sim.stream import (
    AHEAD,
    APART,
    BITS,
    BODY,
    DRAIN,
    KIND,
    KINDS,
    LOAD,
    NEEDED,
    READY,
    STREAM,
    TURN,
    Breakdown,
    Ints,
    Stream,
)
from accelsim.traffic.bits import link_bits

STAYS = np.zeros(0, np.int64)
CHUNKS = (PIPELINE_CHUNKS, 8 * PIPELINE_CHUNKS, 64 * PIPELINE_CHUNKS)  # tried until there is room: assumed
STEPS = 16  # shares of the vector unit's work that are tried beside the array's


def _rooms(part: Part, arch: Accelerator, least: int = 1) -> tuple[Room, ...]:
    if part.job is not None:
        name = vector_memory(arch).name
        found = chunk_room(part.job, arch, least)
        return tuple(Room(name, operand, bits, depth, STAYS) for operand, bits, depth in found)
    assert part.mapped is not None
    finish = {(v.operand, v.memory): v.finish for v in part.mapped.simulated.visits}
    return tuple(
        Room(memory.name, use.operand, use.tile_words * use.word_bits, use.depth,
             finish.get((use.operand, memory.name), STAYS))
        for memory in part.mapped.arch.memories for use in uses(part.mapped.mapping, part.mapped.arch, memory)
    )  # fmt: skip


def piece_of(plan: Plan, part: Part, arch: Accelerator, least: int = 1) -> Piece:
    """A work item of a layer, its vector work in `least` chunks, as it runs when nothing runs beside it."""
    trained = bool(plan.node.params)
    made_here = not trained and any(plan.here[1:])  # its stationary words are results that are still on chip
    return Piece(
        part.stream, _rooms(part, plan.arch, least), {m.name: m.capacity_bits for m in plan.arch.memories},
        {m.name: m.capacity_bits for m in arch.memories},
        part.on_array and plan.arch.array.loads_ahead and not made_here, trained, int(not part.on_array),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Seen:
    """A work item with its layer, and whether it is the first and last one of it."""

    plan: Plan
    part: Part
    first: bool
    last: bool


def port_bits(part: Part, arch: Accelerator) -> dict[str, tuple[int, int]]:
    """Bits that array work reads from and writes to every memory, on its way to the PEs and back."""
    assert part.mapped is not None
    found = {}
    for memory in arch.memories:
        moved = [link_bits(arch, count) for count in part.mapped.counts if count.parent == memory.name]
        found[memory.name] = sum(down for down, _ in moved), sum(up for _, up in moved)
    return found


def left_over(part: Part, arch: Accelerator) -> Accelerator | None:
    """The machine with the lanes and ports that array work leaves to the vector unit; None if it leaves none.

    Requantisation, bias and activation of the array's results take lanes too.
    """
    busy = part.ran.breakdown.compute + part.ran.breakdown.port
    if busy == 0 or part.mapped is None:
        return None
    moved = port_bits(part, part.mapped.arch)
    memory = vector_memory(arch)
    reads, writes = moved[memory.name]
    lanes = arch.vector.lanes - -(-part.post_ops * part.mapped.mapping.problem.output.words // busy)
    read, write = memory.read_bits_per_cycle - -(-reads // busy), memory.write_bits_per_cycle - -(-writes // busy)
    if min(lanes, read, write) < 1:
        return None
    less = replace(memory, read_bits_per_cycle=read, write_bits_per_cycle=write)
    memories = tuple(less if m == memory else m for m in arch.memories)
    return replace(arch, memories=memories, vector=replace(arch.vector, lanes=lanes))


def _own_ends(piece: Piece, dram_cycles: Ints | int = 0) -> Ints:
    """When each segment would end if nothing waited, and if it took so many cycles of the DRAM channel at least."""
    work = piece.stream.work
    own = work[:, BODY] + work[:, STREAM] + np.where(work[:, AHEAD], 0, work[:, LOAD])
    found: Ints = np.cumsum(np.maximum(own + np.where(work[:, APART], work[:, DRAIN], 0), dram_cycles))
    return found


def _reads(one: _Seen, other: _Seen, roots: dict[str, str]) -> bool:
    """Does a layer read what another one makes?"""
    return any(roots.get(source, source) == one.plan.node.name for source in other.plan.node.inputs)


def _row_axes(layer: Layer | None, rank: int) -> tuple[int, ...] | None:
    """The dims of one row of a normalisation or softmax; None for other layers."""
    if isinstance(layer, Softmax):
        return layer.axes(rank)
    if isinstance(layer, LayerNorm):
        return tuple(range(layer.axis % rank, rank))
    return (layer.axis % rank,) if isinstance(layer, LpNorm) else None


def _rows_finished(part: Part, node: Node, turns: Ints | None) -> Ints | None:
    """How many rows of a normalisation or softmax the array's results fill, once each segment has ended, or its `turns`
    in the queue to DRAM are over. None if its rows are not known."""
    shape = node.input_shapes[0]
    axes = _row_axes(node.layer, len(shape))
    if axes is None or part.mapped is None:
        return None
    simulated, mapping = part.mapped.simulated, part.mapped.mapping
    segments = finish_segments(mapping, simulated.arch, simulated.drafts.factors, turns is not None)
    if segments is None:
        return None
    last = segments if turns is None else turns[segments]
    rows = last.reshape(shape).max(axis=axes)
    found: Ints = np.cumsum(np.bincount(rows.reshape(-1), minlength=simulated.segments))
    return found


def _store_turns(part: Part, arch: Accelerator) -> tuple[Ints, Ints] | None:
    """Of results on their way to DRAM: how many words had their turn once each segment has ended, and, for each
    segment, the turn by which all that leaves with it is in the queue. None where psums or coded words go there too."""
    assert part.mapped is not None
    moves, count = part.stream.moves, part.ran.segments
    stores = moves[moves[:, KIND] == KINDS.index("store")]
    if stores[:, BITS].sum() != part.mapped.mapping.problem.output.words * arch.precision.output_bits:
        return None
    sums = np.bincount(stores[:, TURN], stores[:, BITS], count).astype(np.int64)
    turns = np.zeros(count, np.int64)
    np.maximum.at(turns, stores[:, READY], stores[:, TURN])
    return np.cumsum(sums) // arch.precision.output_bits, turns


def _finished(one: _Seen, other: _Seen, arch: Accelerator) -> Ints | None:
    """For work that can take the results of the array row by row: how many of its rows are there, on chip or in DRAM's
    queue, once each segment of the array has ended. None if it cannot.

    It is elementwise, a normalisation or a softmax on all of them, or moves them and others, all from DRAM or all on
    chip. A row of elementwise work or a move is a word.
    """
    job, mapped, item = other.part.job, one.part.mapped, other.part.item
    if job is None or mapped is None or not one.part.on_array:
        return None
    alone = one.first and one.last and other.first and other.last
    whole = isinstance(item, VectorWork) and job.out_words == mapped.mapping.problem.output.words
    moved = isinstance(item, Move) and job.in_words == job.out_words and job.here_words in (0, job.in_words)
    if not alone or not (whole or moved):
        return None
    stored = None if one.plan.stays else _store_turns(one.part, arch)
    if stored is None and not one.plan.stays:
        return None
    if job.rows == job.out_words:
        return mapped.simulated.finished if stored is None else stored[0]
    return _rows_finished(one.part, other.plan.node, None if stored is None else stored[1]) if whole else None


def _needs(job: VectorJob, chunks: int, finished: Ints) -> Ints:
    """For each chunk of work that follows the array, how many segments must have ended to finish its rows (1 or more).

    Rows that are there from the start come first.
    """
    ends = np.array(chunk_bounds(job, chunks, job.rows)[1:], np.int64) - (job.rows - finished[-1])
    found: Ints = np.searchsorted(finished, ends, side="left") + 1
    return found


def _mixed(full: Piece, shared: Piece, under: NDArray[np.bool_]) -> Piece:
    """Work of the vector unit whose segments `under` the array's have what that leaves, the others all.

    What sharing costs counts as time of ports.
    """
    work = np.where(under[:, None], shared.stream.work, full.stream.work)
    useful = full.stream.breakdown.compute
    breakdown = Breakdown(useful, int(work[:, [BODY, STREAM]].sum()) - useful)
    return replace(full, stream=Stream(work, full.stream.moves, breakdown))


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two work items that could run side by side: that of the array, and that of the vector unit with all of its lanes
    and ports, and with what the array's leaves.

    Attributes:
        channel: cycles of the DRAM channel that each segment of the vector unit takes.
    """

    array: Piece
    full: Piece
    shared: Piece
    capacity: dict[str, int]
    channel: Ints

    @property
    def fits(self) -> bool:
        """Is there room for both?"""
        return all(
            int(self.array.usage(name)[0]) + int(self.full.usage(name)[0]) <= bits
            for name, bits in self.capacity.items()
        )

    def vector_first(self) -> tuple[Piece, Piece]:
        """The array begins once the first segment of the vector unit has ended."""
        under = np.arange(len(self.full.stream.work)) > 0
        first = _mixed(self.full, self.shared, under)
        after = np.zeros(len(self.array.stream.work), np.int64)
        after[0] = 1
        begins = np.append(0, _own_ends(self.array)[:-1])
        places = np.searchsorted(_own_ends(first, self.channel), begins, side="right")
        return first, replace(self.array, beside=Beside(after, np.maximum(1, places), self.capacity))

    def array_first(self, needs: Ints, stored: bool) -> tuple[Piece, Piece]:
        """The best of: only the first 1, 2, 4, ... and all segments of the vector unit run beside the array, as soon as
        so many of its segments have ended as each `needs`, and the rest after it."""
        ends, count = _own_ends(self.array), len(self.full.stream.work)
        found = []
        for beside in sorted({*(count * k // STEPS for k in range(1, STEPS + 1)), 1} - {0}):
            under = np.arange(count) < beside
            after = np.where(under, needs, ends.size)
            mixed = _mixed(self.full, self.shared, under)
            own = np.diff(_own_ends(mixed, self.channel), prepend=0)
            times = _chained(np.append(0, ends)[after], own)
            places = np.maximum(np.maximum(1, after), np.searchsorted(ends, times - own, side="right"))
            second = replace(mixed, beside=Beside(after, np.maximum.accumulate(places), self.capacity, stored))
            found.append((max(int(times[-1]), int(ends[-1])), beside, second))
        return self.array, min(found, key=lambda item: item[:2])[2]


def _chained(begins: Ints, own: Ints) -> Ints:
    """Ends of segments one behind another, none before its time: (segments,)."""
    before = np.cumsum(own) - own
    found: Ints = np.maximum.accumulate(begins - before) + before + own
    return found


def _pair(one: _Seen, other: _Seen, arch: Accelerator) -> _Pair | None:
    """Both work items as they could run side by side; None if there is no room, or nothing left for the vector unit."""
    on_array, vector = (one, other) if one.part.on_array else (other, one)
    machine = left_over(on_array.part, vector.plan.arch)
    if machine is None or on_array.part.mapped is None:
        return None
    capacity = {m.name: bits for m, bits in zip(arch.memories, other.plan.beside, strict=True)}
    array, drafts = piece_of(on_array.plan, on_array.part, arch), on_array.part.mapped.simulated.drafts
    rows = 1 if vector.part.job is None else vector.part.job.rows
    for least in CHUNKS:
        full, shared = (
            piece_of(vector.plan, part_again(vector.part, seen, drafts, min(least, rows)), arch, min(least, rows))
            for seen in (vector.plan.arch, machine)
        )
        moves = full.stream.moves
        bits = np.bincount(
            np.minimum(moves[:, NEEDED], len(full.stream.work) - 1), moves[:, BITS], len(full.stream.work)
        )
        channel = np.ceil(bits * arch.clock_hz / arch.dram.bandwidth_bits_per_s).astype(np.int64)
        found = _Pair(array, full, shared, capacity, channel)
        if found.fits:
            return found
    return None


def _faster(found: tuple[Piece, Piece], turns: tuple[Piece, ...], arch: Accelerator) -> bool:
    """Do two work items end earlier side by side than in turn?"""
    times = [
        recurrence.run(joined(pieces).stream, arch.dram, arch.clock_hz).makespan for pieces in (found, turns)
    ]  # fmt: skip
    return times[0] < times[1]


def _beside(one: _Seen, other: _Seen, arch: Accelerator, roots: dict[str, str]) -> tuple[Piece, ...]:
    """Both work items as they run side by side; none if they do not."""
    neighbours = one.last and other.first and one.plan.node.name != other.plan.node.name
    if one.part.on_array == other.part.on_array or not neighbours:
        return ()
    reads = _reads(one, other, roots)
    finished = _finished(one, other, arch) if reads else None
    pair = _pair(one, other, arch) if finished is not None or not reads else None
    if pair is None:
        return ()
    if not one.part.on_array:
        found = pair.vector_first()
    elif finished is None or other.part.job is None:
        found = pair.array_first(np.append(1, np.zeros(pair.channel.size - 1, np.int64)), False)
    else:
        found = pair.array_first(_needs(other.part.job, pair.channel.size, finished), not one.plan.stays)
    turns = tuple(piece_of(seen.plan, seen.part, arch) for seen in (one, other))
    return found if _faster(found, turns, arch) else ()


def _roots(plans: Sequence[Plan]) -> dict[str, str]:
    """For each layer, the one that makes its words: itself, unless it is a view."""
    found: dict[str, str] = {}
    for plan in plans:
        name, source = plan.node.name, plan.node.inputs[:1]
        found[name] = found.get(source[0], source[0]) if source and not plan.parts else name
    return found


def pieces_of(plans: Sequence[Plan], arch: Accelerator, side_by_side: bool = True) -> list[Piece]:
    """The work items of all layers, in order, as the network's stream takes them."""
    roots = _roots(plans)
    seen = [
        _Seen(plan, part, number == 0, number == len(plan.parts) - 1)
        for plan in plans for number, part in enumerate(plan.parts)
    ]  # fmt: skip
    found: list[Piece] = []
    while len(found) < len(seen):
        one, *others = seen[len(found) : len(found) + 2]
        pair: tuple[Piece, ...] = ()
        if side_by_side and others and others[0].plan.beside:
            pair = _beside(one, others[0], arch, roots)
        found += pair or (piece_of(one.plan, one.part, arch),)
    return found
