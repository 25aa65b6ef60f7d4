"""Time stacks: per layer by cause, and the network's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelsim.plot.ask import Ask, costly, run_title
from accelsim.plot.style import blank, colours, ranking, stack
from accelsim.plot.table import Table, line
from accelsim.report import RunReport
from accelsim.verdict import own_cycles, times

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNIT = "_cycles"


def latency_table(report: RunReport, ask: Ask) -> Table:
    """Cycles by layer and cause; `total_cycles` is their sum: the layer's own cycles (causal, under scalesim)."""
    causes = ["compute", *sorted(report.totals.stall_cycles)]
    rows = []
    for layer in costly(report):
        mine = times(layer.compute_cycles, layer.stall_cycles)
        rows.append(line(layer.name, *(mine.get(cause, 0) for cause in causes), own_cycles(layer)))
    columns = ("layer", *(cause + UNIT for cause in causes), f"total{UNIT}")
    facts = (("clock_hz", report.machine.clock_hz),)
    return Table(run_title("Time per layer by cause", report), columns, tuple(rows), facts)


def latency_figure(table: Table) -> Figure:
    """Stacked bars in microseconds."""
    tints = colours([column.removesuffix(UNIT) for column in table.columns[1:-1]])
    return stack(table, UNIT, 1e6 / table.figure("clock_hz"), "time [µs]", tints)


def network_table(report: RunReport, ask: Ask) -> Table:
    """Cycles of all layers by cause; where layers overlap they are more than the makespan."""
    found = times(report.totals.compute_cycles, report.totals.stall_cycles)
    rows = tuple(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))
    facts = (("clock_hz", report.machine.clock_hz), ("makespan_cycles", report.totals.cycles))
    return Table(run_title("Time of the network by cause", report), ("cause", "cycles"), rows, facts)


def network_figure(table: Table) -> Figure:
    """A bar per cause, largest first."""
    figure = blank(9.0, 4.2)
    scale = 1e3 / table.figure("clock_hz")
    names = table.texts("cause")
    tints = colours(names)
    values = [cycles * scale for cycles in table.numbers("cycles")]
    axes = ranking(figure, [n.replace("_", " ") for n in names], values, [tints[n] for n in names], "ms")
    axes.set_xlabel(f"time [ms], summed over the layers; makespan {table.figure('makespan_cycles') * scale:.4g} ms")
    axes.set_title(table.title)
    return figure
