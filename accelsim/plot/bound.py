"""A report as notebooks want it: `r.plot.roofline()` draws, and `r` itself is shown as a summary and a table."""

from __future__ import annotations

from dataclasses import dataclass, fields
from html import escape
from typing import TYPE_CHECKING

from accelsim.plot.ask import Ask
from accelsim.plot.views import figure
from accelsim.report import RunReport
from accelsim.units import fmt_bytes, fmt_energy, fmt_si
from accelsim.verdict import bound_of, paragraph, share

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 20


@dataclass(frozen=True)
class Plots:
    """The views of a report; each method returns a matplotlib figure."""

    report: RunReport

    def layers(self) -> Figure:
        """The per-layer table."""
        return figure(self.report, "layers")

    def energy(self) -> Figure:
        """Energy per layer by component."""
        return figure(self.report, "energy")

    def energy_operand(self) -> Figure:
        """Energy per layer by component and operand."""
        return figure(self.report, "energy_operand")

    def energy_network(self) -> Figure:
        """Energy of the network by component, with ranges."""
        return figure(self.report, "energy_network")

    def latency(self) -> Figure:
        """Time per layer by cause."""
        return figure(self.report, "latency")

    def latency_network(self) -> Figure:
        """Time of the network by cause."""
        return figure(self.report, "latency_network")

    def roofline(self, level: str = "DRAM") -> Figure:
        """Rate against intensity at a memory level (`DRAM` or a memory of the machine)."""
        return figure(self.report, "roofline", Ask(level=level))

    def utilisation(self) -> Figure:
        """Array utilisation per layer."""
        return figure(self.report, "utilisation")

    def pe_map(self, layer: str = "") -> Figure:
        """Which PEs work: the network and its slowest layers, or one layer."""
        return figure(self.report, "pe_map", Ask(layer=layer))

    def resources(self) -> Figure:
        """Busy share of each resource per layer."""
        return figure(self.report, "resources")

    def occupancy(self) -> Figure:
        """What on-chip memories hold over time."""
        return figure(self.report, "occupancy")

    def nest(self, layer: str = "") -> Figure:
        """The loop nest of a layer (default: the slowest), with what each memory holds."""
        return figure(self.report, "nest", Ask(layer=layer))

    def graph(self) -> Figure:
        """The layer graph, coloured by what bounds each layer."""
        return figure(self.report, "graph")

    def machine(self, layer: str = "") -> Figure:
        """The machine as blocks, with the traffic of the run or of one layer on every link."""
        return figure(self.report, "machine", Ask(layer=layer))

    def film(self, layer: str = "", cycles: int = 12) -> Figure:
        """Which element is in which PE in the first cycles of a layer, on a corner of a systolic array."""
        return figure(self.report, "film", Ask(layer=layer, cycles=cycles))


@dataclass(frozen=True)
class Report(RunReport):
    """A report with its views: `layers` is a pandas table, `plot` draws, a notebook shows it as a page."""

    @classmethod
    def of(cls, report: RunReport) -> Report:
        """The report with its views."""
        return cls(**{f.name: getattr(report, f.name) for f in fields(RunReport)})

    @property
    def plot(self) -> Plots:
        """The views, as methods that return matplotlib figures."""
        return Plots(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict and the slowest layers."""
        totals = self.totals
        head = f"{self.model} on {self.machine.name}, batch {self.batch}"
        figures = (
            f"{fmt_si(totals.seconds, 's')} ({totals.cycles:,} cycles), {fmt_energy(totals.total_energy_fj)}, "
            f"{share(totals.utilization, 1)} of {self.machine.pes:,} PEs busy"
        )
        slow = sorted(self.results, key=lambda layer: -layer.cycles)[:MOST_ROWS]
        kept = [layer for layer in self.results if layer in slow]
        cells = [
            (layer.name, layer.op, f"{layer.issued_macs:,}", f"{layer.cycles:,}", share(layer.utilization, 1),
             fmt_energy(layer.total_energy_fj), fmt_bytes(sum(layer.dram_bits())), bound_of(layer))
            for layer in kept
        ]  # fmt: skip
        names = ("layer", "operator", "MACs", "cycles", "utilisation", "energy", "DRAM", "bound by")
        rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in cells)
        left = len(self.results) - len(kept)
        more = f"<p>{left} faster layers are in <code>.layers</code>.</p>" if left else ""
        header = "".join(f"<th>{name}</th>" for name in names)
        return (
            f"<div><p><b>{escape(head)}</b>: {escape(figures)}</p><p>{escape(paragraph(self))}</p>"
            f"<table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table>{more}</div>"
        )
