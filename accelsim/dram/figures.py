"""Latencies, efficiencies and energies of a part by itself, measured on the controller."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.arch.dram import DramDevice, DramTiming
from accelsim.dram.address import AddressMap
from accelsim.dram.channel import Channel
from accelsim.dram.energy import activate_zj, burst_zj, command_energy_fj
from accelsim.dram.memory import DetailedMemory
from accelsim.dram.use import DramUse

STREAM_REFRESHES = 40
ONE_ROW = ("row", "channel", "bank", "bankgroup", "column")  # the column lowest: consecutive bursts in one row


@dataclass(frozen=True)
class Latencies:
    """Clocks from arrival to the end of one burst's data."""

    hit: int
    miss: int
    conflict: int


def one_bank(device: DramDevice, refresh: bool = False) -> Channel:
    """An idle channel whose consecutive bursts lie in one row."""
    return Channel(_timing(device, ONE_ROW, refresh))


def other_row(device: DramDevice) -> int:
    """Distance in bursts to the next row of the same bank, under the mapping of `one_bank`."""
    return AddressMap(_timing(device, ONE_ROW)).block() * device.banks


def _timing(device: DramDevice, mapping: tuple[str, ...], refresh: bool = False) -> DramTiming:
    return DramTiming(device, mapping=mapping, refresh=refresh, command_energy=bool(device.rails))


def latencies(device: DramDevice) -> Latencies:
    """A read that finds its row open, its bank closed, another row open; the channel idle."""
    late = 10 * device.trc
    found = []
    for before, now in (([0], 1), ([], 0), ([0], other_row(device))):
        channel = one_bank(device)
        for burst in before:
            channel.serve(burst, burst + 1, False, 0)
        found.append(channel.serve(now, now + 1, False, late)[1] - late)
    return Latencies(*found)


def stream(timing: DramTiming, write: bool = False) -> tuple[float, DramUse]:
    """One long transfer over some refresh intervals: share of the peak reached, and what was done."""
    device = timing.device
    bursts = STREAM_REFRESHES * device.trefi // device.burst_clocks * timing.channels
    memory = DetailedMemory(timing, 10**12 // device.tck_ps)
    bits = bursts * device.burst_bits
    _, end = memory.serve(0, 0, bits, write)
    use = memory.finish(end)
    return use.share_of_peak, use


def energy_per_bit_pj(device: DramDevice) -> tuple[float, float]:
    """Core energy of a read bit: streamed whole rows, and one burst of every row; the second without background."""
    timing = DramTiming(device)
    _, use = stream(timing)
    random = (burst_zj(device, False) + activate_zj(device)) / device.burst_bits
    return sum(command_energy_fj(timing, use).values()) / use.bits / 1e3, random / 1e9
