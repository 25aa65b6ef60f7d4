"""Layer x resource heat map: the share of each layer's cycles for which a resource is busy with it.

The DRAM channel may be busy for a layer while others run, and then for more than the layer's own cycles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelsim.plot.ask import Ask, costly, run_title
from accelsim.plot.style import MOST_BARS, layer_axis, new_figure
from accelsim.plot.table import Table, line
from accelsim.report import RunReport
from accelsim.verdict import own_cycles

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def resources_table(report: RunReport, ask: Ask) -> Table:
    """Busy cycles by layer and resource, and the layer's cycles."""
    names = list(dict.fromkeys(name for layer in report.results for name in layer.anatomy.busy_cycles))
    rows = tuple(
        line(layer.name, *(layer.anatomy.busy_cycles.get(name, 0) for name in names), own_cycles(layer))
        for layer in costly(report)
    )
    columns = ("layer", *(f"{name}_busy_cycles" for name in names), "cycles")
    return Table(run_title("Busy resources per layer", report), columns, rows)


def resources_figure(table: Table) -> Figure:
    """Layers along x, resources along y, brightness is the busy share."""
    figure, axes = new_figure(len(table.rows))
    names = [column.removesuffix("_busy_cycles") for column in table.columns[1:-1]]
    cycles = table.numbers("cycles")
    shares = [
        [100 * busy / whole for busy, whole in zip(table.numbers(f"{name}_busy_cycles"), cycles, strict=True)]
        for name in names
    ]
    if not table.rows:
        names, shares = ["nothing is busy"], [[0.0]]
    image = axes.imshow(shares, aspect="auto", cmap="cividis", vmin=0, vmax=100, interpolation="nearest")
    axes.set_yticks(range(len(names)), names)
    layer_axis(axes, table.texts("layer") or ["none"])
    if len(cycles) <= MOST_BARS // 2:
        for row, values in enumerate(shares):
            for column, value in enumerate(values):
                ink = "white" if value < 55 else "black"
                axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=6, color=ink)
    figure.colorbar(image, ax=axes, label="busy share of the layer's cycles [%]", pad=0.01)
    axes.set_ylabel("resource")
    axes.set_title(table.title)
    return figure
