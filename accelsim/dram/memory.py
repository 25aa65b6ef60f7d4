"""All channels of a machine's DRAM behind one port in machine cycles."""

from __future__ import annotations

from math import gcd

from accelsim.arch.dram import DramTiming
from accelsim.dram.address import AddressMap
from accelsim.dram.channel import Channel
from accelsim.dram.use import DramUse
from accelsim.errors import MappingError

PICOSECONDS = 10**12


class DetailedMemory:
    """State of a DRAM during one stream: banks closed and all refresh intervals begun at cycle 0.

    Machine cycle c begins at DRAM clock ceil(c * 10^12 / (clock_hz * tck_ps)); a clock d is over for the machine at
    cycle ceil(d * clock_hz * tck_ps / 10^12). Both are exact rationals, rounded up here and nowhere else.
    """

    def __init__(self, timing: DramTiming, clock_hz: int) -> None:
        self._map = AddressMap(timing)
        self._device = timing.device
        self._channels = tuple(Channel(timing) for _ in range(timing.channels))
        scale = clock_hz * timing.device.tck_ps
        common = gcd(PICOSECONDS, scale)
        self._clocks, self._cycles = PICOSECONDS // common, scale // common
        self._bursts, self._bits = self._map.bursts, 0

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
        arrival = -(-cycle * self._clocks // self._cycles)
        entered, done = arrival, arrival
        for channel, (a, b) in zip(self._channels, self._map.spans(first, last), strict=True):
            if a < b:
                enter, end = channel.serve(a, b, write, arrival)
                entered, done = max(entered, enter), max(done, end)
        free = cycle if entered == arrival else -(-entered * self._cycles // self._clocks)
        return free, -(-done * self._cycles // self._clocks)

    def finish(self, makespan: int) -> DramUse:
        """What was done up to cycle `makespan`, the end of the stream."""
        clock = makespan * self._clocks // self._cycles
        for channel in self._channels:
            channel.finish(clock)
        reads, writes = (sum(c.bursts[k] for c in self._channels) for k in (0, 1))
        return DramUse(
            clocks=clock * len(self._channels), reads=reads, writes=writes,
            hits=sum(c.hits for c in self._channels), misses=sum(c.misses for c in self._channels),
            conflicts=sum(c.conflicts for c in self._channels), refreshes=sum(c.refreshes for c in self._channels),
            active_clocks=sum(c.active for c in self._channels),
            data_clocks=(reads + writes) * self._device.burst_clocks, bits=self._bits,
            burst_bits=(reads + writes) * self._device.burst_bits,
        )  # fmt: skip
