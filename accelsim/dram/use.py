"""What a DRAM did during a stream: counts that energies and reports are made of."""

from __future__ import annotations

from dataclasses import dataclass


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

    @property
    def activations(self) -> int:
        """Rows opened (and closed)."""
        return self.misses + self.conflicts

    @property
    def bus_share(self) -> float:
        """Share of the peak that the data bus reached, part bursts included."""
        return self.data_clocks / self.clocks if self.clocks else 0.0

    def __add__(self, other: DramUse) -> DramUse:
        return DramUse(
            self.clocks + other.clocks, self.reads + other.reads, self.writes + other.writes, self.hits + other.hits,
            self.misses + other.misses, self.conflicts + other.conflicts, self.refreshes + other.refreshes,
            self.active_clocks + other.active_clocks, self.data_clocks + other.data_clocks,
        )  # fmt: skip

    def as_dict(self) -> dict[str, int | float]:
        """The counts as in `report.json`."""
        return {
            "row_hits": self.hits,
            "row_misses": self.misses,
            "row_conflicts": self.conflicts,
            "activations": self.activations,
            "read_bursts": self.reads,
            "write_bursts": self.writes,
            "refreshes": self.refreshes,
            "share_of_peak": self.bus_share,
        }
