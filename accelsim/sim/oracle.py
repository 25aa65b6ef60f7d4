"""The SimPy model of a layer's stream: processes, events and nothing clever. The fast engine must equal it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator
from typing import Any

import numpy as np
import simpy

from accelsim.arch import Dram
from accelsim.sim.arbiter import Arbiter
from accelsim.sim.port import open_port
from accelsim.sim.stream import CAUSES, Outcome, Segment, Stream, Transfer

Process = Generator[simpy.Event, Any, None]


class _Machine:
    """Actors of one stream and what they record."""

    def __init__(self, stream: Stream, dram: Dram, clock_hz: int) -> None:
        self.env = simpy.Environment()
        self.stream, self.latency, self.port = stream, dram.latency_cycles, open_port(dram, clock_hz)
        count = len(stream.segments)
        self.ended = [self.env.event() for _ in range(count)]
        self.last_began = [self.env.event() for _ in range(count)]
        self.streamed = [self.env.event() for _ in range(count)]
        self.settled = [self.env.event() for _ in range(count)]
        self.done = [self.env.event() for _ in stream.transfers]
        self.completion: dict[int, int] = {}
        self.times = np.zeros((count, 3), np.int64)
        self.waits, self.causes = np.zeros((count, 3), np.int64), np.zeros((count, 2), np.int64)
        self.spans = np.zeros((len(stream.transfers), 2), np.int64)
        self.moved: dict[str, dict[str, int]] = {"load": defaultdict(int), "store": defaultdict(int)}
        self.busy = 0
        self.data_in_dram = 0

    def now(self) -> int:
        return int(self.env.now)

    def channel(self) -> Process:
        """The DMA queue: transfers in program order, one at a time."""
        for index, transfer in enumerate(self.stream.transfers):
            if transfer.ready >= 0:
                yield self.over(transfer)
            yield from self.move(index, transfer)

    def over(self, transfer: Transfer) -> simpy.Event:
        """What makes a transfer ready: its segment has ended, or the last stream of it is over, or all have ended."""
        events = self.settled if transfer.settled else self.streamed if transfer.soon else self.ended
        return events[transfer.ready]

    def move(self, index: int, transfer: Transfer) -> Process:
        """One transfer on the channel."""
        start = self.now()
        free, left = self.port.serve(start, transfer)
        self.spans[index] = start, free
        self.env.process(self.arrive(index, transfer, left))
        yield self.env.timeout(free - start)
        self.busy += self.now() - start
        self.moved[transfer.kind][transfer.operand] += transfer.bits

    def arrive(self, index: int, transfer: Transfer, left: int) -> Process:
        """Completion of a transfer whose last data leave the channel at `left`: a store's then, a load's after the
        latency (a store's data reach DRAM by then)."""
        yield self.env.timeout(left - self.now())
        if transfer.kind == "store":
            self.complete(index)
        yield self.env.timeout(self.latency)
        self.data_in_dram = self.now()
        if transfer.kind == "load":
            self.complete(index)

    def complete(self, index: int) -> None:
        self.completion[index] = self.now()
        self.done[index].succeed()

    def wait(self, indices: list[int]) -> Process:
        yield self.env.all_of([self.done[i] for i in indices])

    def charge(self, number: int, column: int, indices: list[int], since: int, wait: int) -> None:
        """Charge `wait` cycles to the transfer that completed last, if any completed after `since`; of several to the
        one that started first."""
        late = [i for i in indices if self.completion[i] > since]
        if wait > 0 and late:
            last = max(self.completion[i] for i in late)
            first = min((i for i in late if self.completion[i] == last), key=lambda i: (self.spans[i, 0], i))
            cause = self.stream.transfers[first].cause
            self.waits[number, column], self.causes[number, column] = wait, CAUSES.index(cause)

    def array(self, number: int, segment: Segment) -> Process:
        """One segment: load phase, stream, drain."""
        env, before = self.env, int(self.stream.before[number])
        needs = [i for i, t in enumerate(self.stream.transfers) if t.needed_by == number]
        early = [i for i in needs if self.stream.transfers[i].gates_load]
        late = [i for i in needs if not self.stream.transfers[i].gates_load]
        if before >= 0:
            yield self.last_began[before] if segment.ahead else self.ended[before]
        free = self.now()
        others = 0
        if segment.after >= 0 and not segment.ahead:
            others = int((yield self.settled[segment.after]))
        loader = self.now()
        yield env.process(self.wait(early))
        self.times[number, 0] = self.now()
        yield env.timeout(segment.load)
        slot = 0
        if before >= 0:
            slot = int((yield self.ended[before] if segment.apart else self.streamed[before]))
        if segment.after >= 0 and segment.ahead:
            others = int((yield self.settled[segment.after]))
        planned = max(loader + segment.load, slot, others)
        self.waits[number, 2] = planned - max(free + segment.load, slot)
        self.charge(number, 0, early, loader, self.now() - planned)
        ready = self.now()
        yield env.process(self.wait(late))
        self.charge(number, 1, late, ready, self.now() - ready)
        self.times[number, 1] = self.now()
        yield env.timeout(segment.body)
        self.last_began[number].succeed()
        yield env.timeout(segment.stream)
        self.streamed[number].succeed(self.now())
        yield env.timeout(segment.drain)
        if before >= 0:
            yield self.ended[before]
        self.times[number, 2] = self.now()
        self.ended[number].succeed(self.now())
        if number:
            yield self.settled[number - 1]
        self.settled[number].succeed(self.now())


def run(stream: Stream, dram: Dram, clock_hz: int) -> Outcome:
    """Times of every segment and transfer of a stream, from SimPy."""
    machine = _Machine(stream, dram, clock_hz)
    if dram.arbitration == "program_order":
        machine.env.process(machine.channel())
    else:
        Arbiter(machine.env, stream, machine.over, dram.arbitration, machine.move).start()
    for number, segment in enumerate(stream.segments):
        machine.env.process(machine.array(number, segment))
    machine.env.run()
    end = int(machine.times[:, 2].max(initial=0))
    makespan = max(end, machine.data_in_dram)
    return Outcome(
        makespan, machine.times, machine.spans, machine.waits, machine.causes,
        makespan - end, machine.busy, tuple(sorted(machine.moved["load"].items())),
        tuple(sorted(machine.moved["store"].items())), machine.port.finish(makespan), machine.port.opened(),
    )  # fmt: skip
