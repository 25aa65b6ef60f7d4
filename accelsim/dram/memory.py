"""All channels of a machine's DRAM behind one port in machine cycles."""

from __future__ import annotations

from math import gcd

from accelsim.arch.dram import DramTiming
from accelsim.dram.address import AddressMap
from accelsim.dram.channel import Channel
from accelsim.dram.use import DramUse
from accelsim.errors import MappingError

PICOSECONDS = 10**12
MOST = 1 << 24  # clocks and cycles of a ratio whose products with times stay in 64 bits


def clock_ratio(timing: DramTiming, clock_hz: int) -> tuple[int, int]:
    """DRAM clocks and machine cycles that take the same time, as a reduced fraction."""
    scale = clock_hz * timing.device.tck_ps
    common = gcd(PICOSECONDS, scale)
    return PICOSECONDS // common, scale // common


def short(timing: DramTiming, clock_hz: int) -> bool:
    """Do times in clocks and cycles stay in 64 bits while they are converted? Those of round frequencies do."""
    return max(clock_ratio(timing, clock_hz)) <= MOST


class DetailedMemory:
    """State of a DRAM during one stream: banks closed and all refresh intervals begun at cycle 0.

    Machine cycle c begins at DRAM clock ceil(c * 10^12 / (clock_hz * tck_ps)); a clock d is over for the machine at
    cycle ceil(d * clock_hz * tck_ps / 10^12). Both are exact rationals, rounded up here and in `dram.kernel` only.

    Attributes:
        opened: bursts of every transfer so far, by what their bank held: hits, misses, conflicts.
    """

    def __init__(self, timing: DramTiming, clock_hz: int) -> None:
        self._map = AddressMap(timing)
        self._device = timing.device
        self._channels = tuple(Channel(timing) for _ in range(timing.channels))
        self._clocks, self._cycles = clock_ratio(timing, clock_hz)
        self._bursts, self._bits = self._map.bursts, 0
        self.opened: list[tuple[int, int, int]] = []

    def serve(self, cycle: int, address: int, bits: int, write: bool) -> tuple[int, int]:
        """A transfer of `bits` from bit `address` on, handed over at `cycle`.

        Every burst that holds one of its bits is moved whole (a write masks the rest). Channels serve their shares
        side by side.

        Raises:
            MappingError: the range ends beyond the DRAM.

        Returns:
            The cycle at which all of it has entered the channels' queues, and that at which its last data are over.
        """
        width = self._device.burst_bits
        first, last = address // width, -(-(address + bits) // width)
        if last > self._bursts:
            raise MappingError(f"tensors of {last * width} bits do not fit the DRAM of {self._bursts * width} bits")
        self._bits += bits
        before = self._rows()
        arrival = -(-cycle * self._clocks // self._cycles)
        entered, done = arrival, arrival
        for channel, (a, b) in zip(self._channels, self._map.spans(first, last), strict=True):
            if a < b:
                enter, end = channel.serve(a, b, write, arrival)
                entered, done = max(entered, enter), max(done, end)
        hits, misses, conflicts = (now - then for now, then in zip(self._rows(), before, strict=True))
        self.opened.append((hits, misses, conflicts))
        free = cycle if entered == arrival else -(-entered * self._cycles // self._clocks)
        return free, -(-done * self._cycles // self._clocks)

    def _rows(self) -> tuple[int, int, int]:
        """Bursts by what their bank held, over all channels."""
        found = self._channels
        return sum(c.hits for c in found), sum(c.misses for c in found), sum(c.conflicts for c in found)

    def finish(self, makespan: int) -> DramUse:
        """What was done up to cycle `makespan`, the end of the stream."""
        clock = makespan * self._clocks // self._cycles
        for channel in self._channels:
            channel.finish(clock)
        reads, writes = (sum(c.bursts[k] for c in self._channels) for k in (0, 1))
        hits, misses, conflicts = self._rows()
        return DramUse(
            clocks=clock * len(self._channels), reads=reads, writes=writes,
            hits=hits, misses=misses, conflicts=conflicts, refreshes=sum(c.refreshes for c in self._channels),
            active_clocks=sum(c.active for c in self._channels),
            data_clocks=(reads + writes) * self._device.burst_clocks, bits=self._bits,
            burst_bits=(reads + writes) * self._device.burst_bits,
        )  # fmt: skip
