"""Work as a stream: segments of the array, and the DRAM transfers that feed and empty them in program order.

A *segment* is a run of consecutive passes during which no tile filled from DRAM changes. A *transfer* moves one tile
(its new part) between DRAM and the first memory that holds the operand. `sim.semantics` is the page that says what
waits for what; all engines read this structure and nothing else. A stream is one layer's work item, or a whole network
(`sim.network`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from accelsim.arch import Dram
from accelsim.dram import DramUse
from accelsim.errors import InputError

Ints = NDArray[np.int64]
Kind = Literal["load", "store"]
KINDS: tuple[Kind, Kind] = ("store", "load")
OPERANDS = ("Inputs", "Outputs", "Weights")
CAUSES = tuple(f"dram_{verb}_{operand.lower()}" for verb in ("write", "read") for operand in OPERANDS)
FINAL_DRAIN = "final_drain"
OTHER_UNIT = "other_unit"  # a segment waits for what the other unit makes
LOAD, BODY, STREAM, DRAIN, AHEAD, APART, UNIT, AFTER = range(8)  # columns of `Stream.work`
KIND, OPERAND, BITS, READY, NEEDED, GATES, ADDRESS, TURN, SOON = range(9)  # columns of `Stream.moves`
ENDED, STREAMED, SETTLED, STORED = range(4)  # values of `SOON`: what of the `READY` segment a transfer waits for
UNITS = 2  # the array and the vector unit


@dataclass(frozen=True)
class Transfer:
    """One DMA transfer.

    Attributes:
        kind: `load` from DRAM or `store` to it.
        bits: data moved.
        ready: segment after whose end the transfer may start (a buffer slot is freed, or its data are finished);
            -1 for the start of the stream.
        needed_by: first segment that waits for it (a load's first use; a store's slot is wanted again), or the
            number of segments if none does.
        gates_load: True if the segment's stationary load waits for it, False if only its stream does.
        address: bit of the DRAM at which its data begin; the simple DRAM does not ask.
        turn: its place in the queue: among those that become ready with the end of this segment (None: `ready`). It
            may start earlier, once it is ready and all before it are over.
        soon: it may start once the last stream of that segment is over, though results still drain: what is streamed in
            is no longer needed.
        settled: it may start once that segment and all before it, of both units, have ended.
        stored: it is settled, and may start once all stores in turn by then have started; in program order they have.
    """

    kind: Kind
    operand: str
    bits: int
    ready: int
    needed_by: int
    gates_load: bool = True
    address: int = 0
    turn: int | None = None
    soon: bool = False
    settled: bool = False
    stored: bool = False

    @property
    def cause(self) -> str:
        """Name under which a wait for this transfer is charged."""
        return CAUSES[len(OPERANDS) * KINDS.index(self.kind) + OPERANDS.index(self.operand)]

    def row(self) -> tuple[int, ...]:
        """Its row of `Stream.moves`."""
        place = KINDS.index(self.kind), OPERANDS.index(self.operand)
        turn = self.ready if self.turn is None else self.turn
        over = STORED if self.stored else SETTLED if self.settled else STREAMED if self.soon else ENDED
        return *place, self.bits, self.ready, self.needed_by, int(self.gates_load), self.address, turn, over


@dataclass(frozen=True)
class Segment:
    """Passes run back to back: `load` before the first, `body` from the first stream start to the last one's, then
    `stream` of the last and `drain` until all have ended. "The segment before" is the one before on the same unit.

    Attributes:
        ahead: the load may begin at the last stream start of the segment before, not only at its end.
        apart: the first stream waits for the end of the segment before, not only for the end of its last stream.
        unit: which of the `UNITS` runs it.
        after: it waits until this segment and all before it, of both units, have ended: the load too unless it may go
            `ahead`; -1 for none.
    """

    load: int
    body: int
    stream: int
    drain: int
    ahead: bool = False
    apart: bool = True
    unit: int = 0
    after: int = -1

    @property
    def total(self) -> int:
        """Cycles from load to last result when nothing waits."""
        return self.load + self.body + self.stream + self.drain


@dataclass(frozen=True)
class Breakdown:
    """Where the array's own cycles go when nothing waits for DRAM (sums over all segments).

    `compute` counts cycles in which PEs do useful work, `port` those in which an on-chip port or bus holds them up.
    What is left of the segments is filling and draining the array.
    """

    compute: int
    port: int


def _same(one: object, two: object) -> bool:
    """Equality, of arrays by their contents."""
    return np.array_equal(one, two) if isinstance(one, np.ndarray) and isinstance(two, np.ndarray) else one == two


@dataclass(frozen=True, eq=False)
class Stream:
    """Segments in order and transfers in channel order, as tables.

    Attributes:
        work: (segments, 8) a row per `Segment`, its fields in order.
        moves: (transfers, 9) a row per `Transfer`; kind and operand as numbers of `KINDS` and `OPERANDS`.

    Raises:
        InputError: a transfer that could wait for itself (its segment needs it before it may start), or a segment that
            waits for a later one.
    """

    work: Ints
    moves: Ints
    breakdown: Breakdown

    def __post_init__(self) -> None:
        late = np.flatnonzero(self.work[:, AFTER] >= np.arange(len(self.work)))
        if late.size:
            raise InputError(f"deadlock: segment {late[0]} waits for segment {self.work[late[0], AFTER]}, a later one")
        turn, needed = self.moves[:, TURN], self.moves[:, NEEDED]
        if np.any(turn[1:] < turn[:-1]) or np.any(turn < self.moves[:, READY]):
            raise InputError("transfers are not in program order")
        if np.any(needed <= turn):
            row = self.transfers[int(np.argmax(needed <= turn))]
            raise InputError(
                f"deadlock: segment {row.needed_by} waits for {row.cause} (needed by segment {row.needed_by}, in turn "
                f"after {row.turn}), which waits for the end of segment {row.turn}, which runs no earlier"
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and all(
            _same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)
        )

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The segments as objects."""
        return tuple(
            Segment(load, body, stream, drain, bool(ahead), bool(apart), unit, after)
            for load, body, stream, drain, ahead, apart, unit, after in self.work.tolist()
        )

    @cached_property
    def before(self) -> Ints:
        """For each segment the one before it on the same unit, -1 if there is none: (segments,)."""
        found = np.full(len(self.work), -1, np.int64)
        for unit in range(UNITS):
            mine = np.flatnonzero(self.work[:, UNIT] == unit)
            found[mine[1:]] = mine[:-1]
        return found

    @cached_property
    def transfers(self) -> tuple[Transfer, ...]:
        """The transfers as objects."""
        return tuple(
            Transfer(
                KINDS[kind],
                OPERANDS[operand],
                bits,
                ready,
                needed,
                bool(gates),
                address,
                turn,
                over == STREAMED,
                over >= SETTLED,
                over == STORED,
            )
            for kind, operand, bits, ready, needed, gates, address, turn, over in self.moves.tolist()
        )


def work_table(load: Ints, body: Ints, stream: Ints, drain: Ints, overlap: bool) -> Ints:
    """Segments of one layer; with `overlap` stationary words load ahead and drains run under the next stream."""
    flags, none = np.full(load.size, int(overlap), np.int64), np.zeros(load.size, np.int64)
    found: Ints = np.stack([load, body, stream, drain, flags, 1 - flags, none, none - 1], axis=1)
    return found


def stream_of(
    segments: Iterable[Segment], transfers: Iterable[Transfer], breakdown: Breakdown = Breakdown(0, 0)
) -> Stream:
    """A stream of these objects, the transfers put in channel order."""
    work = [(s.load, s.body, s.stream, s.drain, int(s.ahead), int(s.apart), s.unit, s.after) for s in segments]
    moves = [t.row() for t in transfers]
    table = np.array(moves, np.int64).reshape(-1, 9)
    return Stream(np.array(work, np.int64).reshape(-1, 8), channel_order(table), breakdown)


def channel_order(moves: Ints) -> Ints:
    """Program order of the DMA queue: by turn, urgency, what may go soon, stores before loads, then operand name."""
    later = moves[:, SOON] != STREAMED
    found: Ints = moves[np.lexsort((moves[:, OPERAND], moves[:, KIND], later, moves[:, NEEDED], moves[:, TURN]))]
    return found


def occupancy_cycles(dram: Dram, clock_hz: int, bits: int) -> int:
    """Machine cycles for which a transfer occupies the DRAM channel: `ceil(bits * clock / bandwidth)`."""
    return -(-bits * clock_hz // dram.bandwidth_bits_per_s)


def moved_bits(moves: Ints, kind: Kind) -> tuple[tuple[str, int], ...]:
    """Bits that the transfers of a kind carry, by operand."""
    mine = moves[moves[:, KIND] == KINDS.index(kind)]
    sums = [(name, mine[mine[:, OPERAND] == number]) for number, name in enumerate(OPERANDS)]
    return tuple((name, int(rows[:, BITS].sum())) for name, rows in sums if rows.size)


@dataclass(frozen=True)
class Summary:
    """Sums of an `Outcome`: all that an engine finds which does not visit every segment."""

    makespan: int
    stalls: tuple[tuple[str, int], ...]
    final_drain: int
    channel_busy: int
    read_bits: tuple[tuple[str, int], ...]
    write_bits: tuple[tuple[str, int], ...]
    dram: DramUse | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What happened, in cycles from the start of the stream.

    Attributes:
        makespan: end of the last segment or transfer.
        times: (segments, 3) load start, first stream start and end of every segment.
        spans: (transfers, 2) start of every transfer on the channel, and when the next may start.
        waits: (segments, 3) stall cycles of the load phase and of the stream, and those spent waiting for the other
            unit before both. causes: (segments, 2) numbers of the causes of the first two in `CAUSES`.
        final_drain: cycles from the end of the last segment to the makespan.
        channel_busy: cycles for which the DRAM channel could start no other transfer.
        read_bits, write_bits: data that the transfers carried, by operand.
        dram: what a command-level DRAM did.
        opened: (transfers, 3) its bursts by what their bank held: that row, none, another one; (0, 3) without commands.
    """

    makespan: int
    times: Ints
    spans: Ints
    waits: Ints
    causes: Ints
    final_drain: int
    channel_busy: int
    read_bits: tuple[tuple[str, int], ...]
    write_bits: tuple[tuple[str, int], ...]
    dram: DramUse | None = None
    opened: Ints = field(default_factory=lambda: np.zeros((0, 3), np.int64))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outcome) and all(
            _same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)
        )

    @property
    def starts(self) -> tuple[int, ...]:
        """Load start of every segment."""
        return tuple(self.times[:, 0].tolist())

    @property
    def ends(self) -> tuple[int, ...]:
        """End of every segment."""
        return tuple(self.times[:, 2].tolist())

    @cached_property
    def stalls(self) -> tuple[tuple[str, int], ...]:
        """Idle cycles of the array by cause, `final_drain` for stores after the last segment included."""
        found = dict(self.stalls_of(np.arange(len(self.times))))
        if self.final_drain:
            found[FINAL_DRAIN] = self.final_drain
        return tuple(sorted(found.items()))

    @property
    def summary(self) -> Summary:
        """Its sums."""
        return Summary(
            self.makespan, self.stalls, self.final_drain, self.channel_busy, self.read_bits, self.write_bits, self.dram
        )

    def stalls_of(self, rows: Ints) -> tuple[tuple[str, int], ...]:
        """Idle cycles by cause of these segments."""
        sums = np.zeros(len(CAUSES) + 1, np.int64)
        np.add.at(sums, self.causes[rows].reshape(-1), self.waits[rows, :2].reshape(-1))
        sums[-1] = self.waits[rows, 2].sum()
        return tuple(sorted((name, int(n)) for name, n in zip((*CAUSES, OTHER_UNIT), sums, strict=True) if n))
