"""The layer graph, coloured by what bounds each layer; a dot's area is its share of time."""

from __future__ import annotations

from math import ceil, sqrt
from typing import TYPE_CHECKING

from accelsim.plot.ask import Ask, run_title
from accelsim.plot.style import INK, blank, colours
from accelsim.plot.table import Table
from accelsim.report import LayerResult, RunReport
from accelsim.verdict import CLASSES, bound_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_NAMES = 90
LANE = 0.34


def ranks(layers: tuple[LayerResult, ...]) -> dict[str, int]:
    """How many layers lie on the longest way from an input to each layer."""
    found: dict[str, int] = {}
    for layer in layers:
        found[layer.name] = max((found[name] + 1 for name in layer.anatomy.inputs if name in found), default=0)
    return found


def graph_table(report: RunReport, ask: Ask) -> Table:
    """Per layer: operator, bound, cycles, the layers it reads, and a place: ranks run down and up through columns."""
    rank = ranks(report.results)
    tall = max(8, ceil(sqrt(1.6 * (max(rank.values()) + 1))))
    lanes: dict[int, int] = {}
    rows = []
    for layer in report.results:
        at = rank[layer.name]
        column, line = divmod(at, tall)
        lane = lanes[at] = lanes.get(at, -1) + 1
        y = line if column % 2 == 0 else tall - 1 - line
        reads = " ".join(name for name in layer.anatomy.inputs if name in rank)
        rows.append((layer.name, layer.op, bound_of(layer), layer.cycles, round(column + LANE * lane, 2), y, reads))
    columns = ("layer", "operator", "bound", "cycles", "x", "y", "reads")
    return Table(run_title("Layers by what bounds them", report), columns, tuple(rows))


def graph_figure(table: Table) -> Figure:
    """Dots and curves; names where they fit."""
    from matplotlib.collections import LineCollection, PathCollection

    x, y = table.numbers("x"), table.numbers("y")
    place = {name: (x[i], y[i]) for i, name in enumerate(table.texts("layer"))}
    wide, tall = max(x) + 1, max(y) + 1
    few = len(place) <= MOST_NAMES
    figure = blank(
        min(16.0, max(7.5, 2.6 + (1.7 if few else 0.8) * wide)), min(9.0, max(3.0, 1.6 + (0.6 if few else 0.34) * tall))
    )
    axes = figure.add_subplot()
    curves = []
    for name, reads in zip(table.texts("layer"), table.texts("reads"), strict=True):
        for source in reads.split():
            curves.append(_curve(place[source], place[name]))
    axes.add_collection(LineCollection(curves, colors="#999999", linewidths=0.7, zorder=1))
    cycles, bounds = table.numbers("cycles"), table.texts("bound")
    whole = sum(cycles) or 1.0
    tints = colours(list(CLASSES))
    for bound in (name for name in CLASSES if name in bounds):
        mine = [i for i, word in enumerate(bounds) if word == bound]
        sizes = [16 + 2500 * cycles[i] / whole for i in mine]
        spots = [x[i] for i in mine], [y[i] for i in mine]
        axes.scatter(*spots, s=sizes, color=tints[bound], edgecolors=INK, linewidths=0.4, zorder=2, label=bound)
    if few:
        for name, (left, top) in place.items():
            axes.annotate(name, (left, top), fontsize=6, xytext=(5, -8), textcoords="offset points")
    axes.set_xlim(-0.4, wide + 0.2)
    axes.set_ylim(tall - 0.3, -0.7)
    axes.set_axis_off()
    legend = figure.legend(fontsize=8, frameon=False, loc="outside right upper", title="bound by")
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([40.0])
    axes.set_title(f"{table.title}; dot area: share of time; order runs down, then up", fontsize=10)
    return figure


def _curve(start: tuple[float, float], end: tuple[float, float], points: int = 12) -> list[tuple[float, float]]:
    """A line to a neighbour, a bow to anything further away."""
    (x0, y0), (x1, y1) = start, end
    far = abs(x1 - x0) + abs(y1 - y0)
    bow = 0.0 if far <= 1.01 else min(0.3, 0.08 * far)
    middle = ((x0 + x1) / 2 + bow, (y0 + y1) / 2)
    found = []
    for k in range(points + 1):
        t = k / points
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t * t
        found.append((a * x0 + b * middle[0] + c * x1, a * y0 + b * middle[1] + c * y1))
    return found
