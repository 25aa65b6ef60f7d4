"""A layer as a stream: array segments, and the DRAM transfers that feed and empty them in program order.

A *segment* is a run of consecutive passes during which no tile filled from DRAM changes. A *transfer* moves one tile
(its new part) between DRAM and the first memory that holds the operand. `sim.semantics` is the page that says what
waits for what; both engines read this structure and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from accelsim.arch import Dram
from accelsim.dram import DramUse
from accelsim.errors import InputError


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
    """

    kind: Literal["load", "store"]
    operand: str
    bits: int
    ready: int
    needed_by: int
    gates_load: bool = True
    address: int = 0

    @property
    def cause(self) -> str:
        """Name under which a wait for this transfer is charged."""
        return f"dram_{'read' if self.kind == 'load' else 'write'}_{self.operand.lower()}"


@dataclass(frozen=True)
class Segment:
    """Passes run back to back: `load` before the first, `body` from the first stream start to the last one's, then
    `stream` of the last and `drain` until all have ended. With the stream's `overlap` the next segment's load begins
    at the last stream start."""

    load: int
    body: int
    stream: int
    drain: int

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


@dataclass(frozen=True)
class Stream:
    """Segments in order and transfers in channel order.

    Raises:
        InputError: a transfer that could wait for itself (its segment needs it before it may start).
    """

    segments: tuple[Segment, ...]
    transfers: tuple[Transfer, ...]
    overlap: bool
    breakdown: Breakdown

    def __post_init__(self) -> None:
        latest = -1
        for transfer in self.transfers:
            if transfer.ready < latest:
                raise InputError("transfers are not in program order")
            latest = transfer.ready
            if transfer.needed_by <= transfer.ready:
                raise InputError(
                    f"{transfer.cause}: needed by segment {transfer.needed_by}, ready after {transfer.ready}"
                )


def channel_order(transfers: list[Transfer]) -> tuple[Transfer, ...]:
    """Program order of the DMA queue: by readiness, then urgency, stores before loads, then operand name."""
    return tuple(sorted(transfers, key=lambda t: (t.ready, t.needed_by, t.kind == "load", t.operand)))


def occupancy_cycles(dram: Dram, clock_hz: int, bits: int) -> int:
    """Machine cycles for which a transfer occupies the DRAM channel: `ceil(bits * clock / bandwidth)`."""
    return -(-bits * clock_hz // dram.bandwidth_bits_per_s)


@dataclass(frozen=True)
class Outcome:
    """What happened, in cycles from the start of the stream.

    Attributes:
        makespan: end of the last segment or transfer.
        starts, ends: (load start, end) of every segment.
        transfer_spans: (start, next may start) of every transfer on the channel.
        stalls: idle cycles of the array by cause, `final_drain` for stores after the last segment included.
        channel_busy: cycles for which the DRAM channel could start no other transfer.
        read_bits, write_bits: data that the transfers carried, by operand.
        dram: what a command-level DRAM did.
    """

    makespan: int
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    transfer_spans: tuple[tuple[int, int], ...]
    stalls: tuple[tuple[str, int], ...]
    channel_busy: int
    read_bits: tuple[tuple[str, int], ...]
    write_bits: tuple[tuple[str, int], ...]
    dram: DramUse | None = None
