"""Array utilisation per layer: issued MACs over PEs x cycles, with the share of PEs that are active at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelsim.plot.ask import Ask, costly, run_title
from accelsim.plot.style import COLOURS, PALE, bars, layer_axis, legend, new_figure
from accelsim.plot.table import Table
from accelsim.report import RunReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def utilisation_table(report: RunReport, ask: Ask) -> Table:
    """Per array layer: PEs with work in a full pass, MACs, cycles, and both shares."""
    rows = tuple(
        (layer.name, layer.active_pes, layer.issued_macs, layer.cycles, layer.active_pes / report.machine.pes,
         layer.utilization)
        for layer in costly(report)
        if layer.unit == "array"
    )  # fmt: skip
    columns = ("layer", "active_pes", "issued_macs", "cycles", "active_share", "utilisation")
    return Table(run_title("Array utilisation per layer", report), columns, rows, (("pes", report.machine.pes),))


def utilisation_figure(table: Table) -> Figure:
    """Bars of both shares, in percent."""
    figure, axes = new_figure(len(table.rows))
    none = [0.0] * len(table.rows)
    bars(axes, [100 * share for share in table.numbers("active_share")], none, PALE, "active PEs")
    bars(axes, [100 * share for share in table.numbers("utilisation")], none, COLOURS[0], "utilisation")
    layer_axis(axes, table.texts("layer"))
    axes.set_ylabel("share of PEs x cycles [%]")
    axes.set_ylim(0, 102)
    legend(axes)
    axes.set_title(table.title)
    return figure
