"""A network as one stream: the work items of all layers one behind another, and what may overlap between them.

Array and vector unit take the work items in program order; a work item's first stream waits for the end of the one
before, since it may read its results. Between two of them overlap:

* loads: the first tiles of a work item are on their way as soon as the channel is free after the transfers before;
* weights: they may come while the work item before still runs, from the first segment after which its tiles and the
  new ones fit the memory together;
* stores: results drain while the next work item runs, if its tiles fit beside those that are still draining; else its
  first stream waits for them;
* the stationary load of the array, on machines that load ahead.

The channel keeps program order between work items, so a load never passes the store of the words it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from accelsim.sim.stream import (
    AHEAD,
    APART,
    GATES,
    KIND,
    KINDS,
    NEEDED,
    OPERAND,
    OPERANDS,
    READY,
    SOON,
    TURN,
    Breakdown,
    Ints,
    Outcome,
    Stream,
    Summary,
)


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
class Piece:
    """A work item's stream and the room it takes.

    Attributes:
        capacity: what regions leave of every memory while it runs; size: all of it.
        ahead: its stationary load may begin during the last stream of the work item before.
        trained: its weights are there from the start (not another layer's results).
    """

    stream: Stream
    rooms: tuple[Room, ...]
    capacity: dict[str, int]
    size: dict[str, int]
    ahead: bool
    trained: bool

    def usage(self, memory: str) -> Ints:
        """Bits of a memory in use when 0, 1, ... all of its segments have ended: (segments + 1,)."""
        count = len(self.stream.work)
        total = np.zeros(count + 1, np.int64)
        for room in self.rooms:
            if room.memory == memory:
                total += room.over(count)
        return total

    def ended(self, memory: str, bits: int) -> int:
        """How many segments must end before `bits` more fit a memory: 0 to all."""
        fits = self.usage(memory) + bits <= self.capacity[memory]
        return int(np.argmax(fits)) if fits.any() else len(self.stream.work)


@dataclass(frozen=True)
class Network:
    """All work items as one stream; `bounds` are the first segments of each, and the number of segments."""

    stream: Stream
    bounds: tuple[int, ...]


def _weights_ended(before: Piece, piece: Piece) -> int:
    """Segments of the work item before that must end until the first weights may come."""
    found = 0
    for room in piece.rooms:
        if room.operand == "Weights" and room.finish.size:
            found = max(found, before.ended(room.memory, room.first))
    return found


def _drains_beside(before: Piece, piece: Piece) -> bool:
    """Do the last results of a work item fit beside the tiles of the next one?"""
    outs = [r for r in before.rooms if r.operand == "Outputs" and r.finish.size]
    return all(r.first + int(piece.usage(r.memory)[0]) <= piece.capacity[r.memory] for r in outs)


def _moves(pieces: Sequence[Piece], number: int, bounds: list[int]) -> Ints:
    """Transfers of a work item in the numbers of the network."""
    piece, begin = pieces[number], bounds[number]
    count, moves = len(piece.stream.work), piece.stream.moves.copy()
    at_start, at_end = moves[:, READY] == -1, moves[:, NEEDED] == count
    moves[:, READY] += begin
    moves[:, TURN] += begin
    moves[at_start, SOON] = 0
    moves[:, NEEDED] += begin
    if number and piece.trained:
        early = bounds[number - 1] + _weights_ended(pieces[number - 1], piece) - 1
        weights = at_start & (moves[:, OPERAND] == OPERANDS.index("Weights")) & (moves[:, KIND] == KINDS.index("load"))
        moves[weights, READY] = moves[weights, TURN] = early
    if number + 2 < len(bounds):
        beside = _drains_beside(piece, pieces[number + 1])
        moves[at_end, NEEDED] = bounds[number + 2] if beside else bounds[number + 1]
        moves[at_end, GATES] = 0
    found: Ints = np.append(moves, np.full((len(moves), 1), number, np.int64), axis=1)
    return found


def joined(pieces: Sequence[Piece]) -> Network:
    """One stream of all work items, in order."""
    bounds = [0]
    for piece in pieces:
        bounds.append(bounds[-1] + len(piece.stream.work))
    work = np.concatenate([piece.stream.work for piece in pieces])
    for piece, begin in zip(pieces, bounds, strict=False):
        work[begin, AHEAD], work[begin, APART] = int(piece.ahead), 1
    moves = np.concatenate([_moves(pieces, number, bounds) for number in range(len(pieces))])
    order = np.lexsort(
        (moves[:, OPERAND], moves[:, KIND], -moves[:, SOON], moves[:, NEEDED], moves[:, -1], moves[:, TURN])
    )
    parts = [piece.stream.breakdown for piece in pieces]
    breakdown = Breakdown(sum(p.compute for p in parts), sum(p.port for p in parts))
    return Network(Stream(work, moves[order][:, :-1], breakdown), tuple(bounds))


@dataclass(frozen=True)
class PartTime:
    """Cycles of a work item, from the end of the one before to its own end, and its stalls by cause."""

    cycles: int
    stalls: dict[str, int]


def alone(outcome: Summary) -> PartTime:
    """The time of a work item that runs by itself."""
    return PartTime(outcome.makespan, dict(outcome.stalls))


def part_times(network: Network, outcome: Outcome) -> list[PartTime]:
    """The makespan shared out between the work items; the last one has the final drain."""
    found, before = [], 0
    for begin, stop in zip(network.bounds, network.bounds[1:], strict=False):
        end = int(outcome.times[stop - 1, 2])
        found.append(PartTime(end - before, dict(outcome.stalls_of(begin, stop))))
        before = end
    if found and outcome.final_drain:
        last = found[-1]
        found[-1] = PartTime(last.cycles + outcome.final_drain, {**last.stalls, "final_drain": outcome.final_drain})
    return found
