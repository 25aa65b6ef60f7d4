"""The per-layer table, drawn; its CSV has every column of `layers.csv` that all layers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelsim.plot.ask import Ask, run_title
from accelsim.plot.style import COLOURS, blank
from accelsim.plot.table import Table
from accelsim.report import RunReport
from accelsim.units import fmt_bytes, fmt_energy, fmt_si
from accelsim.verdict import bound_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 40


def layers_table(report: RunReport, ask: Ask) -> Table:
    """One row per layer, in order: work, time, energy, DRAM traffic, what bounds it."""
    rows = tuple(
        (layer.name, layer.op, "x".join(map(str, layer.output_shape)), layer.issued_macs, layer.params, layer.cycles,
         layer.utilization, layer.total_energy_fj, *layer.dram_bits(), bound_of(layer))
        for layer in report.results
    )  # fmt: skip
    columns = (
        "layer", "operator", "output", "issued_macs", "params", "cycles", "utilisation", "energy_fj", "dram_read_bits",
        "dram_write_bits", "bound",
    )  # fmt: skip
    return Table(run_title("Layers", report), columns, rows, (("clock_hz", report.machine.clock_hz),))


def layers_figure(table: Table) -> Figure:
    """The table as an image: all layers, or the slowest of them if they do not fit."""
    from matplotlib.transforms import Bbox

    order = sorted(range(len(table.rows)), key=lambda i: (-table.numbers("cycles")[i], i))[:MOST_ROWS]
    order = sorted(order)
    clock = table.figure("clock_hz")
    cells = []
    for i in order:
        row = dict(zip(table.columns, table.rows[i], strict=True))
        moved = float(row["dram_read_bits"]) + float(row["dram_write_bits"])
        cells.append(
            [
                str(row["layer"]), str(row["operator"]), str(row["output"]), fmt_si(float(row["issued_macs"])),
                fmt_si(float(row["cycles"]) / clock, "s"), f"{100 * float(row['utilisation']):.1f} %",
                fmt_energy(float(row["energy_fj"])), fmt_bytes(moved), str(row["bound"]),
            ]
        )  # fmt: skip
    figure = blank(12.0, 0.22 * (len(cells) + 1) + 1.0)
    axes = figure.add_subplot()
    axes.set_axis_off()
    header = ["layer", "operator", "output", "MACs", "time", "utilisation", "energy", "DRAM", "bound by"]
    widths = [0.17, 0.12, 0.13, 0.08, 0.09, 0.09, 0.09, 0.1, 0.13]
    drawn = axes.table(cells, colLabels=header, colWidths=widths, cellLoc="right", bbox=Bbox([[0, 0], [1, 1]]))
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(8)
    for (row_number, column), cell in drawn.get_celld().items():
        cell.set_linewidth(0)
        cell.set_facecolor("#eef2f7" if row_number % 2 == 0 and row_number else "white")
        if column in (0, 1, 8):
            cell.get_text().set_horizontalalignment("left")
            cell.PAD = 0.02
        if row_number == 0:
            cell.set_facecolor(COLOURS[0])
            cell.get_text().set_color("white")
    left = len(table.rows) - len(cells)
    axes.set_title(table.title + (f" (the {len(cells)} slowest; {left} more in the CSV)" if left else ""))
    return figure
