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
from accelsim.following import Item, alongside, ways_to_follow
from accelsim.mapping.chunks import PIPELINE_CHUNKS, chunk_room
from accelsim.mapping.legality import uses
from accelsim.mapping.points import vector_memory
from accelsim.plan import Part, Plan, part_again
from accelsim.residency import roots_of
from accelsim.sim import recurrence
from accelsim.sim.network import Beside, Piece, Room, joined
from accelsim.sim.stream import (
    AHEAD,
    APART,
    BITS,
    BODY,
    DRAIN,
    LOAD,
    NEEDED,
    STREAM,
    Breakdown,
    Ints,
    Stream,
    occupancy_cycles,
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

    def vector_first(self) -> tuple[int, tuple[Piece, Piece]]:
        """The array begins once the first segment of the vector unit has ended; and about how long both take."""
        under = np.arange(len(self.full.stream.work)) > 0
        first = _mixed(self.full, self.shared, under)
        after = np.zeros(len(self.array.stream.work), np.int64)
        after[0] = 1
        begins = np.append(0, _own_ends(self.array)[:-1])
        places = np.searchsorted(_own_ends(first, self.channel), begins, side="right")
        second = replace(self.array, beside=Beside(after, np.maximum(1, places), self.capacity))
        return int(max(_own_ends(first, self.channel)[-1], _own_ends(self.array)[-1])), (first, second)

    def array_first(self, needs: Ints, stored: bool) -> tuple[int, tuple[Piece, Piece]]:
        """The best of: only the first 1, or first few sixteenths, of the vector unit's segments run beside the array,
        as soon as so many of its segments have ended as each `needs`, and the rest after it; and how long both take."""
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
        time, _, second = min(found, key=lambda item: item[:2])
        return time, (self.array, second)


def _chained(begins: Ints, own: Ints) -> Ints:
    """Ends of segments one behind another, none before its time: (segments,)."""
    before = np.cumsum(own) - own
    found: Ints = np.maximum.accumulate(begins - before) + before + own
    return found


def _channel_cycles(stream: Stream, arch: Accelerator) -> Ints:
    """Cycles of the DRAM channel that each segment takes for what it needs, the last one for all that nobody needs."""
    found = np.zeros(len(stream.work) + 1, np.int64)
    for needed, bits in stream.moves[:, [NEEDED, BITS]].tolist():
        found[needed] += occupancy_cycles(arch.dram, arch.clock_hz, bits)
    found[-2] += found[-1]
    return found[:-1]


def _pair(one: Item, other: Item, arch: Accelerator) -> _Pair | None:
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
        found = _Pair(array, full, shared, capacity, _channel_cycles(full.stream, arch))
        if found.fits:
            return found
    return None


def _faster(found: tuple[Piece, ...], turns: tuple[Piece, ...], then: tuple[Piece, ...], arch: Accelerator) -> bool:
    """Do two work items, and what follows them, end earlier if they run side by side than in turn?"""
    streams = [joined((*pieces, *then), arch.dram).stream for pieces in (found, turns)]
    beside, apart = (recurrence.run(stream, arch.dram, arch.clock_hz).makespan for stream in streams)
    return beside < apart


def _beside(
    one: Item, other: Item, then: Sequence[Item], arch: Accelerator, roots: dict[str, str]
) -> tuple[Piece, ...]:
    """Both work items as they run side by side; none if they do not."""
    neighbours = one.last and other.first and one.plan.node.name != other.plan.node.name
    if one.part.on_array == other.part.on_array or not neighbours:
        return ()
    reads = other.reads(one, roots)
    best: tuple[int, tuple[Piece, Piece]] | None = None
    for item, needs in ways_to_follow(one, other, arch) if reads else [(other, alongside)]:
        pair = _pair(one, item, arch)
        if pair is None:
            continue
        count, stored = len(pair.full.stream.work), reads and not one.plan.stays
        found = pair.array_first(needs(count), stored) if one.part.on_array else pair.vector_first()
        if best is None or found[0] < best[0]:
            best = found
    if best is None:
        return ()
    one_by_one = tuple(piece_of(seen.plan, seen.part, arch) for seen in (one, other, *then))
    return best[1] if _faster(best[1], one_by_one[:2], one_by_one[2:], arch) else ()


def pieces_of(plans: Sequence[Plan], arch: Accelerator, side_by_side: bool = True) -> list[Piece]:
    """The work items of all layers, in order, as the network's stream takes them."""
    roots = roots_of((plan.node, bool(plan.node.inputs) and not plan.parts) for plan in plans)
    seen = [
        Item(plan, part, number == 0, number == len(plan.parts) - 1)
        for plan in plans for number, part in enumerate(plan.parts)
    ]  # fmt: skip
    found: list[Piece] = []
    while len(found) < len(seen):
        one, *others = seen[len(found) : len(found) + 3]
        pair: tuple[Piece, ...] = ()
        if side_by_side and others and others[0].plan.beside:
            pair = _beside(one, others[0], others[1:], arch, roots)
        found += pair or (piece_of(one.plan, one.part, arch),)
    return found
