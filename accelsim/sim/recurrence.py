"""The fast engine: one pass over segments and transfers in order, with times as running maxima.

Because the channel serves transfers in program order and a transfer waits only for segments before the ones that need
it, every time is the maximum of times already known: the stream's event times follow in one sweep without a queue.
Streams of more than a few items are swept in machine code (`sim.sweep`), a DRAM by commands included. Where the channel
arbitrates between queues, an event loop (`sim.events`) takes the place of the sweep.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from accelsim.arch import Dram
from accelsim.dram import DramUse, short
from accelsim.errors import InputError
from accelsim.sim.port import Port, open_port
from accelsim.sim.stream import (
    ADDRESS,
    AFTER,
    BITS,
    GATES,
    KIND,
    KINDS,
    NEEDED,
    OPERANDS,
    READY,
    SETTLED,
    SOON,
    UNIT,
    UNITS,
    Ints,
    Outcome,
    Stream,
    moved_bits,
)

Engine = Literal["compiled", "python", "events"]
FEW = 64  # a sweep over so few items takes less time than loading compiled code
LOADS = KINDS.index("load")


class _Channel:
    """Serves transfers in order as the ends of segments become known."""

    def __init__(self, stream: Stream, dram: Dram, port: Port) -> None:
        self.transfers, self.rows = stream.transfers, stream.moves.tolist()
        self.spans: list[tuple[int, int]] = []
        self.free = self.busy = self.latest_data = 0
        self._latency, self._port = dram.latency_cycles, port
        self.waits: list[list[tuple[int, int]]] = [[] for _ in range(len(stream.work) + 1)]
        self.over: list[tuple[int, int, int]] = [(0, 0, 0)]  # of no segment, then of each, by `SOON`

    def advance(self, segment: int, end: int, streamed: int) -> None:
        """Serve every transfer that becomes ready with `segment`, which has ended."""
        index = len(self.spans)
        if segment >= 0:
            self.over.append((end, streamed, max(end, self.over[-1][SETTLED])))
        while index < len(self.rows) and self.rows[index][READY] <= segment:
            row = self.rows[index]
            start = max(self.free, self.over[row[READY] + 1][min(row[SOON], SETTLED)])
            self.free, left = self._port.serve(start, self.transfers[index])
            self.busy += self.free - start
            self.spans.append((start, self.free))
            arrival = left + self._latency
            self.latest_data = max(self.latest_data, arrival)
            done = arrival if row[KIND] == LOADS else left
            self.waits[row[NEEDED]].append((done, index))
            index += 1

    def latest(self, segment: int, gates: bool, base: int) -> tuple[int, int]:
        """When all transfers that gate the segment's load (or stream) are over, and the cause if after `base`."""
        time, cause = base, 0
        for done, index in self.waits[segment]:
            row = self.rows[index]
            if bool(row[GATES]) == gates and done > time:
                time, cause = done, len(OPERANDS) * row[KIND] + row[1]
        return time, cause


@dataclass(frozen=True, eq=False)
class _Ran:
    """What an engine found: tables as in `Outcome`, when the last data arrived, how long the channel was busy, and what
    a DRAM by commands has done by a makespan."""

    times: Ints
    spans: Ints
    waits: Ints
    causes: Ints
    opened: Ints
    latest: int
    busy: int
    use: Callable[[int], DramUse | None]


def _python_sweep(stream: Stream, dram: Dram, port: Port) -> _Ran:
    """The sweep that asks the port for every transfer."""
    channel = _Channel(stream, dram, port)
    channel.advance(-1, 0, 0)
    times, waits, causes = [], [], []
    state = [(0, 0, 0)] * UNITS  # last stream start, its end, and the end of all, by unit
    for number, (load, body, length, drain, ahead, apart, unit, after) in enumerate(stream.work.tolist()):
        last, streamed, end = state[unit]
        settled = channel.over[after + 1][SETTLED]
        loader = last if ahead else max(end, settled)
        slot = max(end if apart else streamed, settled)
        load_start, first = channel.latest(number, True, loader)
        after_load = max(load_start + load, slot)
        begin, second = channel.latest(number, False, after_load)
        planned = max(loader + load, slot)
        free = max((last if ahead else end) + load, end if apart else streamed)
        waits.append((after_load - planned, begin - after_load, planned - free))
        causes.append((first, second))
        last = begin + body
        streamed = last + length
        end = max(end, streamed + drain)
        state[unit] = last, streamed, end
        times.append((load_start, begin, end))
        channel.advance(number, end, streamed)
    shapes = ((times, 3), (channel.spans, 2), (waits, 3), (causes, 2))
    tables = [np.array(rows, np.int64).reshape(-1, width) for rows, width in shapes]
    return _Ran(
        tables[0], tables[1], tables[2], tables[3], port.opened(), channel.latest_data, channel.busy, port.finish
    )


def _compiled(stream: Stream, dram: Dram, clock_hz: int) -> _Ran:
    """The sweep or the event loop, whichever the DRAM's arbitration needs.

    Raises:
        MappingError: tensors end beyond a DRAM by commands.
    """
    from accelsim.dram import kernel
    from accelsim.timing.bound import machine_ratio

    count, timing, ratio = len(stream.work), dram.timing, machine_ratio(clock_hz, dram.bandwidth_bits_per_s)
    times, waits = np.zeros((count, 3), np.int64), np.zeros((count, 3), np.int64)
    causes, spans = np.zeros((count, 2), np.int64), np.zeros((len(stream.moves), 2), np.int64)
    memory = None if timing is None else kernel.new_memory(timing, clock_hz)
    opened, bits = np.zeros((0 if timing is None else len(stream.moves), 3), np.int64), stream.moves[:, BITS]
    tables = np.ascontiguousarray(stream.work), np.ascontiguousarray(stream.moves)
    if dram.arbitration == "program_order":
        from accelsim.sim.sweep import sweep

        if timing is not None:
            kernel.check_room(timing, stream.moves[:, ADDRESS], bits)
        latest, busy = sweep(*tables, *ratio, dram.latency_cycles, memory, times, spans, waits, causes, opened)
    else:
        from accelsim.sim.events import loop

        robin = dram.arbitration == "round_robin"
        latest, busy = loop(*tables, *ratio, dram.latency_cycles, robin, times, spans, waits, causes)

    def use(makespan: int) -> DramUse | None:
        return None if memory is None else kernel.use_of(memory, makespan, int(bits.sum()))

    return _Ran(times, spans, waits, causes, opened, int(latest), int(busy), use)


def engine_for(stream: Stream, dram: Dram, clock_hz: int) -> Engine:
    """The engine that `run` takes: `compiled`, or `python` for few items and for clocks in an odd ratio; `events` where
    the channel arbitrates."""
    if dram.arbitration != "program_order":
        return "events"
    many = len(stream.work) + len(stream.moves) > FEW
    return "compiled" if many and (dram.timing is None or short(dram.timing, clock_hz)) else "python"


def run(stream: Stream, dram: Dram, clock_hz: int, engine: Engine | None = None) -> Outcome:
    """Times of every segment and transfer of a stream, by the semantic of `sim.semantics`.

    Raises:
        InputError: the engine named does not know the DRAM's arbitration, or two units run side by side where a
            channel arbitrates.
    """
    chosen = engine or engine_for(stream, dram, clock_hz)
    if (chosen == "events") != (dram.arbitration != "program_order"):
        expected = engine_for(stream, dram, clock_hz)
        raise InputError(f"engine {chosen!r} does not know arbitration {dram.arbitration!r}; expected {expected!r}")
    turns = np.flatnonzero(np.diff(stream.work[:, UNIT])) + 1
    if chosen == "events" and np.any(stream.work[turns, AFTER] != turns - 1):
        raise InputError("a channel that arbitrates serves one unit at a time; expected units that take turns")
    if chosen == "python":
        ran = _python_sweep(stream, dram, open_port(dram, clock_hz))
    else:
        ran = _compiled(stream, dram, clock_hz)
    end = int(ran.times[:, 2].max(initial=0))
    makespan = max(end, ran.latest)
    return Outcome(
        makespan, ran.times, ran.spans, ran.waits, ran.causes * (ran.waits[:, :2] > 0), makespan - end, ran.busy,
        moved_bits(stream.moves, "load"), moved_bits(stream.moves, "store"), ran.use(makespan), ran.opened,
    )  # fmt: skip
