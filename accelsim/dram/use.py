"""What a DRAM did during a stream: counts that energies and reports are made of."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class DramUse:
    """Commands and times over all channels.

    Attributes:
        clocks: DRAM clocks of the stream, times channels.
        reads, writes: bursts.
        hits: bursts whose row was open. misses: whose bank was closed. conflicts: whose bank had another row open.
        refreshes: all-bank refreshes.
        active_clocks: of `clocks`, those with a row open or a refresh under way.
        data_clocks: of `clocks`, those in which data were on the bus.
        bits: what was asked for. burst_bits: what the bursts carried, the rest of part bursts included.
    """

    clocks: int = 0
    reads: int = 0
    writes: int = 0
    hits: int = 0
    misses: int = 0
    conflicts: int = 0
    refreshes: int = 0
    active_clocks: int = 0
    data_clocks: int = 0
    bits: int = 0
    burst_bits: int = 0

    @property
    def activations(self) -> int:
        """Rows opened (and closed)."""
        return self.misses + self.conflicts

    @property
    def bus_share(self) -> float:
        """Share of the time in which the data bus was in use."""
        return self.data_clocks / self.clocks if self.clocks else 0.0

    @property
    def share_of_peak(self) -> float:
        """Bits asked for, over what the bus could have carried."""
        return self.bus_share * self.bits / self.burst_bits if self.burst_bits else 0.0

    def __add__(self, other: DramUse) -> DramUse:
        return DramUse(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def as_dict(self, shares: bool = True) -> dict[str, int | float]:
        """The counts as in `report.json`; without `shares` of the time where that is not this layer's alone."""
        of_time = {"bus_share": self.bus_share, "share_of_peak": self.share_of_peak}
        return {
            "row_hits": self.hits,
            "row_misses": self.misses,
            "row_conflicts": self.conflicts,
            "activations": self.activations,
            "read_bursts": self.reads,
            "write_bursts": self.writes,
            "refreshes": self.refreshes,
            **(of_time if shares else {}),
        }
