"""PE utilisation heat map: which PEs work, over the whole network and in the slowest layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from accelsim.anatomy import pe_work, rectangles
from accelsim.errors import InputError
from accelsim.mapping import Mapping
from accelsim.plot.ask import Ask, chosen, costly, run_title
from accelsim.plot.style import PALE, blank
from accelsim.plot.table import Table
from accelsim.report import RunReport
from accelsim.verdict import own_cycles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PANELS = 12


def pe_table(report: RunReport, ask: Ask) -> Table:
    """Rectangles of PEs with equal work: MACs of each PE in a layer; the sum over PEs is the layer's issued MACs."""
    blocks = report.machine.blocks
    layers = [layer for layer in costly(report) if layer.unit == "array"]
    if ask.layer:
        layers = [chosen(report, ask.layer, layers, "no work for the array")]
    if not layers:
        raise InputError(f"{report.model}: no layer has work for the array")
    known: dict[tuple[Mapping, ...], list[tuple[int, int, int, int, int]]] = {}
    rows = []
    for layer in layers:
        nests = tuple(n.mapping for n in layer.anatomy.nests if n.mapping.problem.op == "mac")
        if nests not in known:
            work = sum((pe_work(m, blocks.rows, blocks.cols) for m in nests), np.zeros((1, 1), np.int64))
            known[nests] = rectangles(work)
        rows += [(layer.name, own_cycles(layer), *box) for box in known[nests]]
    columns = ("layer", "cycles", "first_row", "first_col", "rows", "cols", "macs_per_pe")
    facts = (("array_rows", blocks.rows), ("array_cols", blocks.cols))
    return Table(run_title("Utilisation of each PE", report), columns, tuple(rows), facts)


def _macs(table: Table) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    found = np.zeros((int(table.figure("array_rows")), int(table.figure("array_cols"))))
    for row in table.rows:
        first_row, first_col, tall, wide, macs = (int(cell) for cell in row[2:])
        found[first_row : first_row + tall, first_col : first_col + wide] += macs
    return found


def pe_figure(table: Table) -> Figure:
    """A panel for all layers together and one for each of the slowest; brightness is MACs per cycle."""
    cycles = {name: float(count) for name, count in zip(table.texts("layer"), table.column("cycles"), strict=True)}
    slowest = sorted(cycles, key=lambda name: (-cycles[name], list(cycles).index(name)))
    panels = [(name, 100 * _macs(table.where("layer", name)) / cycles[name]) for name in slowest[: MOST_PANELS - 1]]
    if len(cycles) > 1:
        panels = [(f"all {len(cycles)} array layers", 100 * _macs(table) / sum(cycles.values())), *panels]
    columns = min(4, len(panels))
    lines = -(-len(panels) // columns)
    shape = table.figure("array_rows") / table.figure("array_cols")
    figure = blank(3.0 * columns + 1.0, (2.6 * min(1.6, max(0.45, shape)) + 0.8) * lines + 0.6)
    image = None
    most = max(share.max() for _, share in panels)
    for number, (name, share) in enumerate(panels):
        axes = figure.add_subplot(lines, columns, number + 1)
        working = np.ma.masked_equal(share, 0.0)
        axes.set_facecolor(PALE)
        image = axes.imshow(working, cmap="cividis", vmin=0, vmax=most, interpolation="nearest", aspect="auto")
        axes.set_title(f"{name}: {share.mean():.1f} %", fontsize=8)
        axes.set_xlabel("column of PEs", fontsize=7)
        axes.set_ylabel("row of PEs", fontsize=7)
        axes.tick_params(labelsize=7)
    if image is not None:
        figure.colorbar(image, ax=figure.axes, label="MACs per cycle and PE [%]; grey: idle", pad=0.01)
    figure.suptitle(table.title, fontsize=10)
    return figure
