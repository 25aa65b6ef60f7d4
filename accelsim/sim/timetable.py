"""What ran when: layers, their work items, and the streams behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from accelsim.dram import DramUse
from accelsim.sim.network import Group, Network, PartTime
from accelsim.sim.stream import TURN, Ints, Outcome, Stream, Summary

SCHEDULES = ("network", "layerwise")
"""How layers follow each other: as one stream with activations on chip, or one after another through DRAM."""


@dataclass(frozen=True)
class Slot:
    """When a layer runs, in cycles, and the times of its work items.

    Attributes:
        fresh: its cycles after the end of all layers before it; over all layers they add up to the makespan.
        dram: what a DRAM by commands did for it.
    """

    start: int
    end: int
    times: tuple[PartTime, ...]
    fresh: int
    dram: DramUse | None = None

    @property
    def beside(self) -> bool:
        """Does it begin before all layers before it have ended?"""
        return self.end - self.start > self.fresh


@dataclass(frozen=True, eq=False)
class Owner:
    """A work item of a strip: its layer, its segments' numbers in the strip, and the unit that runs them."""

    name: str
    rows: Ints
    on_array: bool


@dataclass(frozen=True, eq=False)
class Strip:
    """A stream that ran from cycle `offset` on.

    Attributes:
        owners: its work items, in order; groups: the same by what runs at the same time.
        first_id: a number for its first transfer that no other strip uses.
    """

    offset: int
    stream: Stream
    outcome: Outcome
    owners: tuple[Owner, ...]
    groups: tuple[Group, ...]
    first_id: int

    @cached_property
    def layer_of_move(self) -> Ints:
        """For each transfer in channel order, the work item during whose segments the channel comes to it: a number
        that never falls. Of two side by side, the one whose last segment comes later in program order may stand for
        both."""
        stops = np.maximum.accumulate([owner.rows[-1] + 1 for owner in self.owners])
        found: Ints = np.searchsorted(stops, self.stream.moves[:, TURN] + 1, side="right").clip(0, len(stops) - 1)
        return found

    @cached_property
    def on_array(self) -> NDArray[np.bool_]:
        """For each segment, whether the array runs it."""
        found = np.zeros(len(self.stream.work), np.bool_)
        for owner in self.owners:
            found[owner.rows] = owner.on_array
        return found

    def occupancy(self) -> Iterator[tuple[str, Ints, Ints]]:
        """(memory, cycles, bits in use from then on) for the memories of each group in turn."""
        for group in self.groups:
            ends = [self.outcome.times[place, 2] + self.offset for place in group.places]
            begins = [self.outcome.times[place[:1], 0] + self.offset for place in group.places]
            when = np.unique(np.concatenate([*begins, *ends]))
            for memory, size in group.pieces[0].size.items():
                bits = np.full(when.size, size - group.capacity[memory], np.int64)
                for piece, end in zip(group.pieces, ends, strict=True):
                    bits += piece.usage(memory)[np.searchsorted(end, when, side="right")]
                yield memory, when, bits


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
        strips: those whose segments are listed. sealed: the other work items.
    """

    strips: tuple[Strip, ...]
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
    def end(self) -> int:
        """The makespan."""
        return max((slot.end for slot in self.slots), default=0)

    def occupancy(self) -> list[tuple[str, Ints, Ints]]:
        """(memory, cycles, bits in use from then on) of every memory: tiles, and regions of tensors that stay."""
        found: dict[str, list[tuple[Ints, Ints]]] = {}
        for strip in self.strips:
            for memory, when, bits in strip.occupancy():
                found.setdefault(memory, []).append((when, bits))
        return [
            (memory, np.concatenate([when for when, _ in rows]), np.concatenate([bits for _, bits in rows]))
            for memory, rows in found.items()
        ]
