"""A network as one stream: the work items of all layers one behind another, and what may overlap between them.

Work items form groups that run one after another: the first stream of a group waits for the end of all before, since it
may read its results. A group is one work item, or two *side by side*, one on the array and one on the vector unit
(`Beside`). Between two groups overlap:

* loads: the first tiles of a work item are on their way as soon as the channel is free after the transfers before;
* weights: they may come while the group before still runs, from the first segment after which its tiles and the
  new ones fit the memory together;
* stores: results drain while the next group runs, if its tiles fit beside those that are still draining; else its
  first stream waits for them;
* the stationary load of the array, on machines that load ahead.

The channel keeps program order between work items, so a load never passes the store of the words it reads. Where it
arbitrates between queues, first loads wait for all stores before (`Transfer.stored`), but for weights.

Behind a DRAM by commands open rows and refreshes run on from one work item to the next, and each has addresses of its
own: a tensor lies once in the order of the tiles that make it, and once in that of those that read it. (Assumed: what
puts the words into the other order is not modelled, nor is it layer by layer.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from accelsim.arch import Dram
from accelsim.sim.stream import (
    ADDRESS,
    AFTER,
    AHEAD,
    APART,
    BITS,
    ENDED,
    FINAL_DRAIN,
    GATES,
    KIND,
    KINDS,
    NEEDED,
    OPERAND,
    OPERANDS,
    OTHER_UNIT,
    READY,
    SETTLED,
    SOON,
    STORED,
    STREAMED,
    TURN,
    UNIT,
    Breakdown,
    Ints,
    Outcome,
    Stream,
    Summary,
)

RESULTS = OPERANDS.index("Outputs")


@dataclass(frozen=True, eq=False)
class Room:
    """Room that an operand's tiles take in a memory.

    Attributes:
        bits: of one tile. depth: tiles at once. finish: last segment of each tile's visit; empty if the tiles stay to
            the end.
    """

    memory: str
    operand: str
    bits: int
    depth: int
    finish: Ints

    def over(self, segments: int) -> Ints:
        """Bits still in use when 0, 1, ... all of so many segments have ended: (segments + 1,)."""
        ended = np.arange(segments + 1)
        if self.finish.size == 0:
            found: Ints = self.bits * self.depth * (ended < segments)
            return found
        left = self.finish.size - np.searchsorted(self.finish, ended, side="left")
        return self.bits * np.minimum(self.depth, left)

    @property
    def first(self) -> int:
        """Bits of the tiles that are loaded at once."""
        return self.bits * min(self.depth, self.finish.size or self.depth)


@dataclass(frozen=True, eq=False)
class Beside:
    """How a work item runs side by side with the one before it, which is on the other unit.

    Attributes:
        after: for each of its segments, how many segments of the work item before (and, by order, of its own) must have
            ended; the first one needs one at least, for by then the room of both is theirs alone.
        places: how many segments of the work item before come first in program order; 1 at least, `after` at least.
        capacity: what the regions of both leave of every memory.
        stored: its inputs are results that the work item before stores: loads of inputs have their turn when that of
            the segments `after` is over, so they find the words.
    """

    after: Ints
    places: Ints
    capacity: dict[str, int]
    stored: bool = False


@dataclass(frozen=True, eq=False)
class Piece:
    """A work item's stream and the room it takes.

    Attributes:
        capacity: what regions leave of every memory while it runs; size: all of it.
        ahead: its stationary load may begin before the work item before has ended.
        trained: its weights are there from the start (not another layer's results).
        unit: that runs it. beside: None if it waits for all before.
    """

    stream: Stream
    rooms: tuple[Room, ...]
    capacity: dict[str, int]
    size: dict[str, int]
    ahead: bool
    trained: bool
    unit: int = 0
    beside: Beside | None = None

    def usage(self, memory: str) -> Ints:
        """Bits of a memory in use when 0, 1, ... all of its segments have ended: (segments + 1,)."""
        count = len(self.stream.work)
        total = np.zeros(count + 1, np.int64)
        for room in self.rooms:
            if room.memory == memory:
                total += room.over(count)
        return total


@dataclass(frozen=True, eq=False)
class Group:
    """Work items that run at the same time: one, or two side by side.

    Attributes:
        begin: number of its first segment in the network. places: of each work item's segments, in the network.
    """

    pieces: tuple[Piece, ...]
    begin: int
    places: tuple[Ints, ...]

    @property
    def stop(self) -> int:
        """The segment after its last one."""
        return self.begin + sum(place.size for place in self.places)

    @property
    def capacity(self) -> dict[str, int]:
        """What regions leave of every memory while it runs."""
        last = self.pieces[-1]
        return last.capacity if last.beside is None else last.beside.capacity

    def usage(self, memory: str) -> Ints:
        """Bits of a memory in use when its first 0, 1, ... all segments in program order have ended."""
        ended = np.arange(self.begin, self.stop + 1)
        found: Ints = sum(
            (piece.usage(memory)[np.searchsorted(place, ended, side="left")]
             for piece, place in zip(self.pieces, self.places, strict=True)),
            np.zeros(ended.size, np.int64),
        )  # fmt: skip
        return found

    def ended(self, memory: str, bits: int) -> int:
        """How many segments must end before `bits` more fit a memory: 0 to all."""
        fits = self.usage(memory) + bits <= self.capacity[memory]
        return int(np.argmax(fits)) if fits.any() else self.stop - self.begin


def _places(pieces: Sequence[Piece], begin: int) -> tuple[Ints, ...]:
    """Where the segments of a group's work items stand in program order."""
    count = len(pieces[0].stream.work)
    if len(pieces) == 1:
        return (np.arange(begin, begin + count),)
    beside = pieces[1].beside
    assert beside is not None
    mine = begin + beside.places + np.arange(beside.places.size)
    others = begin + np.arange(count) + np.searchsorted(beside.places, np.arange(count), side="right")
    return others, mine


def grouped(pieces: Sequence[Piece]) -> tuple[Group, ...]:
    """The groups of all work items, in order: one that runs beside the one before joins its group."""
    together: list[list[Piece]] = []
    for piece in pieces:
        if piece.beside is None:
            together.append([piece])
        else:
            together[-1].append(piece)
    found: list[Group] = []
    for members in together:
        begin = found[-1].stop if found else 0
        found.append(Group(tuple(members), begin, _places(members, begin)))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Network:
    """All work items as one stream; `owner`: (transfers,) the number of the work item that each transfer is of."""

    stream: Stream
    groups: tuple[Group, ...]
    owner: Ints

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The work items, in order."""
        return tuple(piece for group in self.groups for piece in group.pieces)

    @cached_property
    def places(self) -> tuple[Ints, ...]:
        """The segments of each work item, by their numbers in the stream."""
        return tuple(place for group in self.groups for place in group.places)


def _weights_ended(before: Group, piece: Piece) -> int:
    """Segments of the group before that must end until the first weights may come."""
    found = 0
    for room in piece.rooms:
        if room.operand == "Weights" and room.finish.size:
            found = max(found, before.ended(room.memory, room.first))
    return found


def _drains_beside(before: Sequence[Piece], pieces: Sequence[Piece], capacity: dict[str, int]) -> bool:
    """Do the last results of work items fit beside the tiles of those that follow?"""
    for memory in {room.memory for piece in before for room in piece.rooms}:
        rooms = [r for piece in before for r in piece.rooms if r.memory == memory and r.operand == "Outputs"]
        draining = sum(room.first for room in rooms if room.finish.size)
        if draining and draining + sum(int(piece.usage(memory)[0]) for piece in pieces) > capacity[memory]:
            return False
    return True


def _shifted(values: Ints, place: Ints, start: int, end: int) -> Ints:
    """Segments of a work item in the numbers of the network: -1 becomes `start`, their number `end`."""
    table = np.concatenate([place, [end, start]])
    found: Ints = table[values]
    return found


def _moves(groups: Sequence[Group], number: int, which: int, queues: bool) -> Ints:
    """Transfers of a work item in the numbers of the network; with `queues` of operands first loads wait for stores."""
    group = groups[number]
    piece, place = group.pieces[which], group.places[which]
    moves = piece.stream.moves.copy()
    at_start, at_end = moves[:, READY] == -1, moves[:, NEEDED] == place.size
    begin, end = group.places[0][0] if which else group.begin - 1, group.stop
    if number + 1 < len(groups):
        beside = _drains_beside(group.pieces, groups[number + 1].pieces, groups[number + 1].capacity)
        end = groups[number + 1].stop if beside else end
        moves[at_end, GATES] = 0
    needed = moves[:, NEEDED].copy()
    for column in (READY, TURN, NEEDED):
        moves[:, column] = _shifted(moves[:, column], place, begin, end)
    if piece.beside is not None and piece.beside.stored:
        inputs = (moves[:, KIND] == KINDS.index("load")) & (moves[:, OPERAND] == OPERANDS.index("Inputs"))
        stored = group.places[0][np.maximum(1, piece.beside.after[needed[inputs]]) - 1]
        moves[inputs, TURN] = np.maximum(moves[inputs, TURN], stored)
    moves[at_start, SOON] = ENDED if which else SETTLED
    if queues and number:
        moves[at_start & (moves[:, KIND] == KINDS.index("load")) & (moves[:, OPERAND] != RESULTS), SOON] = STORED
    if number and not which and piece.trained:
        early = groups[number - 1].begin + _weights_ended(groups[number - 1], piece) - 1
        weights = at_start & (moves[:, OPERAND] == OPERANDS.index("Weights")) & (moves[:, KIND] == KINDS.index("load"))
        moves[weights, READY] = moves[weights, TURN] = early
        moves[weights, SOON] = SETTLED
    return moves


def _work(group: Group) -> Ints:
    """The segments of a group, in program order."""
    found = np.zeros((group.stop - group.begin, group.pieces[0].stream.work.shape[1]), np.int64)
    for piece, place in zip(group.pieces, group.places, strict=True):
        rows = place - group.begin
        found[rows] = piece.stream.work
        found[rows, UNIT], found[rows[0], AHEAD], found[rows[0], APART] = piece.unit, int(piece.ahead), 1
        found[rows[0], AFTER] = group.begin - 1
        if piece.beside is not None:
            needs = piece.beside.after
            found[rows, AFTER] = np.where(needs > 0, group.places[0][needs - 1], -1)
    return found


def _homes(pieces: Sequence[Piece], dram: Dram | None) -> list[int]:
    """Where the addresses of every work item begin: one behind another, each on fresh rows, and from the first address
    on again where the next one would end beyond the DRAM."""
    timing = None if dram is None else dram.timing
    if timing is None:
        return [0] * len(pieces)
    found, at = [], 0
    for piece in pieces:
        moves = piece.stream.moves
        size = -(-int((moves[:, ADDRESS] + moves[:, BITS]).max(initial=0)) // timing.row_span_bits)
        at = 0 if at + size > timing.capacity_bits // timing.row_span_bits else at
        found.append(at * timing.row_span_bits)
        at += size
    return found


def joined(pieces: Sequence[Piece], dram: Dram | None = None) -> Network:
    """One stream of all work items, in order; a `dram` by commands asks where they lie, one that arbitrates what loads
    wait for."""
    groups = grouped(pieces)
    work = np.concatenate([_work(group) for group in groups])
    queues = dram is not None and dram.arbitration != "program_order"
    tables = [_moves(groups, g, which, queues) for g, group in enumerate(groups) for which in range(len(group.pieces))]
    for table, home in zip(tables, _homes(pieces, dram), strict=True):
        table[:, ADDRESS] += home
    item = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    moves = np.concatenate(tables)
    later = moves[:, SOON] != STREAMED
    order = np.lexsort((moves[:, OPERAND], moves[:, KIND], later, moves[:, NEEDED], item, moves[:, TURN]))
    parts = [piece.stream.breakdown for piece in pieces]
    breakdown = Breakdown(sum(p.compute for p in parts), sum(p.port for p in parts))
    return Network(Stream(work, moves[order], breakdown), groups, item[order])


@dataclass(frozen=True)
class PartTime:
    """When a work item runs, in cycles: from the end of all that its first segment waits for to its own end.

    Attributes:
        stalls: waits by cause, inside. breakdown: of its own cycles.
    """

    start: int
    end: int
    stalls: dict[str, int]
    breakdown: Breakdown

    @property
    def cycles(self) -> int:
        """How long it takes."""
        return self.end - self.start


def alone(outcome: Summary, breakdown: Breakdown, start: int) -> PartTime:
    """The time of a work item that runs by itself from cycle `start` on."""
    return PartTime(start, start + outcome.makespan, dict(outcome.stalls), breakdown)


def part_times(network: Network, outcome: Outcome) -> list[PartTime]:
    """The times of all work items; the one that ends last has the final drain."""
    settled = np.append(0, np.maximum.accumulate(outcome.times[:, 2]))
    work, found = network.stream.work, []
    for piece, rows in zip(network.pieces, network.places, strict=True):
        stalls = dict(outcome.stalls_of(rows))
        rest = stalls.pop(OTHER_UNIT, 0) - int(outcome.waits[rows[0], 2])
        stalls.update({OTHER_UNIT: rest} if rest else {})
        start, end = int(settled[work[rows[0], AFTER] + 1]), int(outcome.times[rows[-1], 2])
        found.append(PartTime(start, end, stalls, piece.stream.breakdown))
    if found and outcome.final_drain:
        last = max(range(len(found)), key=lambda n: (found[n].end, n))
        time, drain = found[last], outcome.final_drain
        stalls = {**time.stalls, FINAL_DRAIN: drain}
        found[last] = PartTime(time.start, time.end + drain, stalls, time.breakdown)
    return found
