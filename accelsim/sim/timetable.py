"""What ran when: layers, their work items, and the streams behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from accelsim.sim.network import Network, PartTime, Piece
from accelsim.sim.stream import TURN, Ints, Outcome, Stream, Summary

SCHEDULES = ("network", "layerwise")
"""How layers follow each other: as one stream with activations on chip, or one after another through DRAM."""


@dataclass(frozen=True)
class Slot:
    """When a layer runs, in cycles, and the times of its work items."""

    start: int
    end: int
    times: tuple[PartTime, ...]


@dataclass(frozen=True)
class Owner:
    """A work item of a strip: its layer, its segments, and the unit that runs them."""

    name: str
    first: int
    stop: int
    on_array: bool


@dataclass(frozen=True, eq=False)
class Strip:
    """A stream that ran from cycle `offset` on.

    Attributes:
        first_id: a number for its first transfer that no other strip uses.
    """

    offset: int
    stream: Stream
    outcome: Outcome
    owners: tuple[Owner, ...]
    first_id: int

    @cached_property
    def layer_of_move(self) -> Ints:
        """For each transfer in channel order, the work item during whose segments the channel comes to it: a number
        that never falls."""
        stops = np.array([owner.stop for owner in self.owners], np.int64)
        found: Ints = np.searchsorted(stops, self.stream.moves[:, TURN] + 1, side="right").clip(0, len(stops) - 1)
        return found

    def on_array(self, segment: int) -> bool:
        """Does the array run a segment?"""
        return next(owner.on_array for owner in self.owners if owner.first <= segment < owner.stop)


@dataclass(frozen=True)
class Sealed:
    """A work item of so many segments that they are not listed: what they came to, from cycle `offset` on."""

    name: str
    offset: int
    on_array: bool
    segments: int
    busy: int
    outcome: Summary


@dataclass(frozen=True, eq=False)
class Streams:
    """The streams behind a timetable.

    Attributes:
        strips: those whose segments are listed; pieces: their work items in order. sealed: the other work items.
    """

    strips: tuple[Strip, ...]
    pieces: tuple[Piece, ...]
    sealed: tuple[Sealed, ...] = ()


@dataclass(frozen=True, eq=False)
class Timetable:
    """Slots of all layers in order, and the streams that make them; `network` and `outcome` are those of the one stream
    of a network, if there is one. `make` lists the streams."""

    slots: tuple[Slot, ...]
    make: Callable[[], Streams]
    network: Network | None = None
    outcome: Outcome | None = None

    @cached_property
    def streams(self) -> Streams:
        """Made when they are asked for: times of layers that run alone do not need them."""
        return self.make()

    @property
    def strips(self) -> tuple[Strip, ...]:
        """Streams in order of time."""
        return self.streams.strips

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The work items of all strips, in order."""
        return self.streams.pieces

    def occupancy(self) -> list[tuple[str, Ints, Ints]]:
        """(memory, cycles, bits in use from then on) of every memory: tiles, and regions of tensors that stay."""
        pieces = iter(self.pieces)
        found: dict[str, list[tuple[Ints, Ints]]] = {}
        for strip in self.strips:
            for owner in strip.owners:
                piece = next(pieces)
                times = strip.outcome.times[owner.first : owner.stop] + strip.offset
                when = np.append(times[:1, 0], times[:, 2])
                for memory, size in piece.size.items():
                    bits = size - piece.capacity[memory] + piece.usage(memory)
                    found.setdefault(memory, []).append((when, bits))
        return [
            (memory, np.concatenate([when for when, _ in rows]), np.concatenate([bits for _, bits in rows]))
            for memory, rows in found.items()
        ]
