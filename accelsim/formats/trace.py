"""A run as a trace for Perfetto or chrome://tracing (Trace Event Format, JSON object form).

One track per actor: layers (those that run side by side with the one before on a track of their own), stationary
loads, array, vector unit, drains, waits of either unit by cause, and the DRAM channel; slices on a track never overlap.
A flow arrow leads from a transfer to the segment that waits for it. Counters show the bits in use in every memory and
the bits per cycle on the DRAM channel. One microsecond of the viewer is one cycle.

Every layer shows its first and last segments and transfers one by one; where they are more than its share of `most`,
those between are merged into one slice per track that says how many they are and how many cycles they are busy. A layer
of more segments than are listed (`accelsim.schedule.LISTED`) is one such slice; counters leave it out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from accelsim.sim.stream import BITS, CAUSES, KIND, KINDS, NEEDED, OPERAND, OPERANDS, OTHER_UNIT, Ints
from accelsim.sim.timetable import Sealed, Strip, Timetable

TRACKS = (
    "layers", "layers side by side", "stationary loads", "array", "vector unit", "drains", "waits",
    "waits of the vector unit", "DRAM channel",
)  # fmt: skip
MOST = 200_000  # slices in a file: assumed, what a browser's viewer opens at once
BINS = 500  # values of the bandwidth counter
Event = dict[str, Any]


class _Track:
    """Slices of one track, merged in the middle if they are too many."""

    def __init__(self, name: str) -> None:
        self.number = TRACKS.index(name) + 1
        self.events: list[Event] = []

    def add(self, name: str, begin: int, end: int, args: Event | None = None) -> None:
        """A slice; nothing if it is empty."""
        if end > begin:
            event = {"ph": "X", "pid": 1, "tid": self.number, "ts": begin, "dur": end - begin, "name": name}
            self.events.append({**event, **({"args": args} if args else {})})

    def slices(self, names: list[str], begins: Ints, ends: Ints, most: int, args: list[Event] | None = None) -> None:
        """Slices in order; if they are more than `most`, all but the first and last become one."""
        keep = np.flatnonzero(ends > begins)
        half = max(1, most // 2)
        middle = keep[half:-half] if keep.size > 2 * half else keep[:0]
        shown = np.setdiff1d(keep, middle)
        for i in shown.tolist():
            if middle.size and i == middle[-1] + 1:
                self._merged(begins[middle], ends[middle])
            self.add(names[i], int(begins[i]), int(ends[i]), args[i] if args else None)
        if middle.size and not (shown == middle[-1] + 1).any():
            self._merged(begins[middle], ends[middle])

    def _merged(self, begins: Ints, ends: Ints) -> None:
        busy = int((ends - begins).sum())
        self.add(f"{begins.size:,} more", int(begins[0]), int(ends[-1]), {"merged": begins.size, "busy_cycles": busy})


def _transfer_names(moves: Ints) -> list[str]:
    return [f"{KINDS[k]} {OPERANDS[o]}" for k, o in moves[:, [KIND, OPERAND]].tolist()]


def _segments(strip: Strip, tracks: dict[str, _Track], most: int) -> None:
    """Loads, streams, drains and waits of every work item of a strip."""
    times, work, before = strip.outcome.times + strip.offset, strip.stream.work, strip.stream.before
    streamed = times[:, 1] + work[:, 1] + work[:, 2]
    drained = np.maximum(streamed, np.where(before < 0, strip.offset, times[before, 2]))
    for owner in strip.owners:
        part = owner.rows
        names = [f"{owner.name} {i}" for i in range(part.size)]
        load, begin = times[part, 0], times[part, 1]
        unit = "array" if owner.on_array else "vector unit"
        tracks["stationary loads"].slices(names, load, load + work[part, 0], most)
        tracks[unit].slices(names, begin, streamed[part], most)
        tracks["drains"].slices(names, drained[part], times[part, 2], most)
        _waits(strip, part, tracks["waits" if owner.on_array else "waits of the vector unit"], most)


def _waits(strip: Strip, part: Ints, track: _Track, most: int) -> None:
    """Waits of a work item: for the other unit (the first segment begins when that is over), then for transfers."""
    begin, late = strip.outcome.times[part, 1] + strip.offset, strip.outcome.waits[part].copy()
    late[0, 2] = 0
    why = [[OTHER_UNIT, CAUSES[a], CAUSES[b]] for a, b in strip.outcome.causes[part].tolist()]
    spans = late[:, [2, 0, 1]]
    ends = begin[:, None] - np.append(
        np.cumsum(spans[:, ::-1], axis=1)[:, 1::-1], np.zeros((part.size, 1), int), axis=1
    )
    flat = [name for row in why for name in row]
    track.slices(flat, (ends - spans).reshape(-1), ends.reshape(-1), most)


def _transfers(strip: Strip, tracks: dict[str, _Track], most: int) -> list[Event]:
    """Transfers on the channel, and arrows from them to the segments that need them."""
    moves, spans = strip.stream.moves, strip.outcome.spans + strip.offset
    channel = tracks["DRAM channel"]
    arrows: list[Event] = []
    order = np.argsort(spans[:, 0], kind="stable")  # program order, unless the channel arbitrates
    layer = np.maximum.accumulate(strip.layer_of_move[order])
    bounds = np.searchsorted(layer, np.arange(len(strip.owners) + 1))
    for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        part = order[a:b]
        args = [{"bits": bits} for bits in moves[part, BITS].tolist()]
        before = len(channel.events)
        channel.slices(_transfer_names(moves[part]), spans[part, 0], spans[part, 1], most, args)
        shown = {event["ts"] for event in channel.events[before:] if "merged" not in event.get("args", {})}
        for i in part.tolist():
            needed, end = int(moves[i, NEEDED]), int(spans[i, 1])
            if int(spans[i, 0]) in shown and needed < len(strip.stream.work) and end > spans[i, 0]:
                arrows += _arrow(strip, i, needed, end)
    return arrows


def _arrow(strip: Strip, transfer: int, segment: int, end: int) -> Iterator[Event]:
    where = "array" if strip.on_array[segment] else "vector unit"
    begin = int(strip.outcome.times[segment, 1]) + strip.offset
    name = {"cat": "needs", "name": "needed by", "id": strip.first_id + transfer, "pid": 1}
    yield {**name, "ph": "s", "tid": TRACKS.index("DRAM channel") + 1, "ts": end - 1}
    yield {**name, "ph": "f", "bp": "e", "tid": TRACKS.index(where) + 1, "ts": max(begin, end - 1)}


def _sealed(work: Sealed, tracks: dict[str, _Track]) -> None:
    """A work item whose segments are not listed: one slice per track with its busy cycles."""
    begin, end = work.offset, work.offset + work.outcome.makespan
    args: Event = {"merged": work.segments, "busy_cycles": work.busy}
    tracks["array" if work.on_array else "vector unit"].add(
        f"{work.name}: {work.segments:,} segments", begin, end, args
    )
    channel: Event = {"merged": work.segments, "busy_cycles": work.outcome.channel_busy}
    tracks["DRAM channel"].add(f"{work.name}: all transfers", begin, end, channel)


def _bandwidth(table: Timetable, makespan: int) -> Iterator[Event]:
    """Bits per cycle on the channel, in equal bins, exact in sum."""
    if makespan == 0:
        return
    edges = np.unique(np.linspace(0, makespan, BINS + 1).astype(np.int64))
    sums = np.zeros(edges.size - 1)
    for strip in table.strips:
        begin, end = (strip.outcome.spans + strip.offset).T
        bits = strip.stream.moves[:, BITS].astype(float)
        busy = np.maximum(end - begin, 1)
        for at, (low, high) in enumerate(pairwise(edges.tolist())):
            inside = np.clip(np.minimum(end, high) - np.maximum(begin, low), 0, None)
            sums[at] += float((bits * inside / busy).sum())
    for at, bits_in in enumerate(sums):
        rate = round(float(bits_in) / int(edges[at + 1] - edges[at]), 3)
        yield {"ph": "C", "pid": 1, "ts": int(edges[at]), "name": "DRAM bits per cycle", "args": {"bits": rate}}


def _occupancy(table: Timetable, most: int) -> Iterator[Event]:
    """Bits in use in every memory, whenever they change."""
    for memory, when, bits in table.occupancy():
        keep = np.flatnonzero(np.append(True, bits[1:] != bits[:-1]))
        step = max(1, -(-keep.size // most))
        for i in keep[::step].tolist():
            args = {"bits": int(bits[i])}
            yield {"ph": "C", "pid": 1, "ts": int(when[i]), "name": f"{memory} in use", "args": args}


def trace_json(table: Timetable, names: list[str], title: str, most: int = MOST) -> str:
    """The trace of a run as text.

    Args:
        names: of the layers, one per slot. title: shown as the process. most: slices at most, about.
    """
    tracks = {name: _Track(name) for name in TRACKS}
    for name, slot in zip(names, table.slots, strict=True):
        tracks["layers side by side" if slot.beside else "layers"].add(name, slot.start, slot.end)
    share = max(2, most // (len(TRACKS) * max(1, sum(len(s.owners) for s in table.strips))))
    arrows: list[Event] = []
    for strip in table.strips:
        _segments(strip, tracks, share)
        arrows += _transfers(strip, tracks, share)
    for work in table.streams.sealed:
        _sealed(work, tracks)
    makespan = table.end
    about: list[Event] = [{"ph": "M", "pid": 1, "tid": 0, "name": "process_name", "args": {"name": title}}]
    for name, track in tracks.items():
        about.append({"ph": "M", "pid": 1, "tid": track.number, "name": "thread_name", "args": {"name": name}})
    counters = [*_bandwidth(table, makespan), *_occupancy(table, share * 4)]
    events = [*about, *(event for track in tracks.values() for event in track.events), *arrows, *counters]
    note = f"1 us = 1 cycle; at most about {most} slices, {share} per work item and track; the rest are merged"
    return json.dumps({"displayTimeUnit": "ns", "otherData": {"note": note}, "traceEvents": events}, indent=None) + "\n"
