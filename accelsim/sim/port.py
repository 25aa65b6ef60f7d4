"""The DRAM behind the DMA queue: one small protocol, asked by both engines in program order."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from accelsim.arch import Dram
from accelsim.dram import DetailedMemory, DramUse
from accelsim.sim.stream import Ints, Transfer, occupancy_cycles


class Port(Protocol):
    """Serves transfers one after another; created anew for every stream."""

    def serve(self, cycle: int, transfer: Transfer) -> tuple[int, int]:
        """A transfer that starts at `cycle`: when the next one may start, and when its last data leave the channel."""

    def finish(self, makespan: int) -> DramUse | None:
        """What the DRAM did up to the end of the stream, if the model knows."""

    def opened(self) -> Ints:
        """Bursts of every transfer so far by what their bank held, as in `Outcome`; (0, 3) if the model has no rows."""


class SimplePort:
    """Bandwidth: a transfer holds the channel for `occupancy_cycles` and leaves it then."""

    def __init__(self, dram: Dram, clock_hz: int) -> None:
        self._dram, self._clock_hz = dram, clock_hz

    def serve(self, cycle: int, transfer: Transfer) -> tuple[int, int]:
        """Occupy the channel."""
        free = cycle + occupancy_cycles(self._dram, self._clock_hz, transfer.bits)
        return free, free

    def finish(self, makespan: int) -> DramUse | None:
        """Nothing is known."""
        return None

    def opened(self) -> Ints:
        """It has no rows."""
        return np.zeros((0, 3), np.int64)


class DetailedPort:
    """Commands: `accelsim.dram`."""

    def __init__(self, memory: DetailedMemory) -> None:
        self._memory = memory

    def serve(self, cycle: int, transfer: Transfer) -> tuple[int, int]:
        """Move the bursts of the transfer's address range."""
        return self._memory.serve(cycle, transfer.address, transfer.bits, transfer.kind == "store")

    def finish(self, makespan: int) -> DramUse | None:
        """The counts of all channels."""
        return self._memory.finish(makespan)

    def opened(self) -> Ints:
        """Transfer by transfer."""
        return np.array(self._memory.opened, np.int64).reshape(-1, 3)


def open_port(dram: Dram, clock_hz: int) -> Port:
    """The port of a machine's DRAM at the start of a stream."""
    if dram.timing is None:
        return SimplePort(dram, clock_hz)
    return DetailedPort(DetailedMemory(dram.timing, clock_hz))
