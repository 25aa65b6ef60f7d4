"""The DRAM channel between queues of operands, as SimPy processes: rule 9 of `sim.semantics`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import simpy
from simpy.events import EventPriority

from accelsim.arch import Arbitration
from accelsim.sim.stream import OPERANDS, TURN, Stream, Transfer

Process = Generator[simpy.Event, Any, None]
AFTER_ALL = EventPriority(2)  # SimPy's own are 0 (urgent) and 1 (normal)


class EndOfCycle(simpy.Event):
    """Happens when everything else that happens in the current cycle is over."""

    def __init__(self, env: simpy.Environment) -> None:
        super().__init__(env)
        self._ok, self._value = True, None
        env.schedule(self, AFTER_ALL)


@dataclass(frozen=True)
class Head:
    """The transfer in front of a queue, ready since a cycle; `taken` happens when it starts."""

    transfer: int
    since: int
    taken: simpy.Event


class Arbiter:
    """Three queues of transfers and the channel that serves them.

    Args:
        over: what makes a transfer ready happens. rule: `first_come` or `round_robin`.
        move: serves the transfer of a number on the channel.
    """

    def __init__(
        self, env: simpy.Environment, stream: Stream, over: Callable[[Transfer], simpy.Event], rule: Arbitration,
        move: Callable[[int, Transfer], Process],
    ) -> None:  # fmt: skip
        self.env, self.stream, self.over, self.rule, self.move = env, stream, over, rule, move
        self.heads: dict[int, Head] = {}
        self.asked = env.event()
        self.started = [env.event() for _ in stream.transfers]
        self.last = len(OPERANDS) - 1

    def start(self) -> None:
        """Begin all processes."""
        for number in range(len(OPERANDS)):
            self.env.process(self.queue(number))
        self.env.process(self.channel())

    def queue(self, number: int) -> Process:
        """Transfers of one operand, in program order: each asks for the channel once it is ready."""
        for index, transfer in enumerate(self.stream.transfers):
            if transfer.operand != OPERANDS[number]:
                continue
            if transfer.ready >= 0:
                yield self.over(transfer)
            if transfer.stored:
                yield self.env.all_of(self.stores(transfer.ready))
            head = self.heads[number] = Head(index, int(self.env.now), self.env.event())
            if not self.asked.triggered:
                self.asked.succeed()
            yield head.taken

    def stores(self, segment: int) -> list[simpy.Event]:
        """The starts of all stores whose turn comes by the end of a segment."""
        transfers = zip(self.stream.transfers, self.started, strict=True)
        return [started for t, started in transfers if t.kind == "store" and t.row()[TURN] <= segment]

    def channel(self) -> Process:
        """One transfer after another, chosen when the cycle has nothing more to tell."""
        for _ in self.stream.transfers:
            if not self.heads:
                self.asked = self.env.event()
                yield self.asked
            yield EndOfCycle(self.env)
            self.last = self.choice()
            head = self.heads.pop(self.last)
            head.taken.succeed()
            self.started[head.transfer].succeed()
            yield from self.move(head.transfer, self.stream.transfers[head.transfer])

    def choice(self) -> int:
        """The queue whose head goes next."""
        if self.rule == "first_come":
            return min(self.heads, key=lambda number: (self.heads[number].since, number))
        return min(self.heads, key=lambda number: (number - self.last - 1) % len(OPERANDS))
