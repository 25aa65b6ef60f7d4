"""Figures of a sweep: lines, scatter and matrices over parameters, as PNG and SVG; same points, same bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from accelsim.plot.style import COLOURS, STYLE
from accelsim.space.quantity import Scalar, number
from accelsim.space.spec import Plot

MARKERS = "os^vD<>PX*"


@dataclass(frozen=True)
class Cell:
    """A finished point as a figure needs it: its places on the axes, its line, its value."""

    x: Scalar
    y: Scalar
    by: Scalar = ""
    value: float = 0.0


def _place(values: Sequence[Scalar]) -> tuple[list[float], list[str] | None]:
    """Places along an axis, and names for them unless they are plain numbers."""
    found = [number(value) for value in values]
    exact = [one for one in found if one is not None]
    if len(exact) < len(found) or len({one.base for one in exact}) > 1:
        order = list(dict.fromkeys(values))
        return [float(order.index(value)) for value in values], [str(value) for value in values]
    return [float(one.value) for one in exact], [str(v) for v in values] if exact and exact[0].base else None


def _named_axis(axis: Any, places: Sequence[float], names: Sequence[str] | None) -> None:
    if names is not None:
        ticks = dict(sorted(zip(places, names, strict=True)))
        axis.set_ticks(list(ticks), list(ticks.values()))
        axis.set_minor_locator(_no_ticks())


def _no_ticks() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _points(axes: Any, plot: Plot, cells: Sequence[Cell]) -> None:
    """A line or a cloud per value of `by`."""
    places, names = _place([cell.x for cell in cells])
    for k, label in enumerate(dict.fromkeys(cell.by for cell in cells)):
        mine = sorted((place, float(cell.y)) for place, cell in zip(places, cells, strict=True) if cell.by == label)
        least = min(y for _, y in mine) if plot.relative else 1.0
        style: dict[str, Any] = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)]}
        if plot.kind == "scatter":
            style["linestyle"] = "none"
        axes.plot([x for x, _ in mine], [y / least for _, y in mine], label=str(label), markersize=4, **style)
    if "x" in plot.log:
        axes.set_xscale("log", base=2 if names is not None else 10)
    if "y" in plot.log:
        axes.set_yscale("log")
    _named_axis(axes.xaxis, places, names)
    if names is not None:
        axes.tick_params(axis="x", labelrotation=45)
    if plot.by:
        axes.legend(fontsize=8, frameon=False, title=plot.by)
    axes.set_ylabel(f"{plot.y}, over the least of its line" if plot.relative else plot.y)


def _matrix(axes: Any, plot: Plot, cells: Sequence[Cell]) -> None:
    """A row per y, a column per x, the value written in each cell; missing points stay white."""
    rows, columns = list(dict.fromkeys(c.y for c in cells)), list(dict.fromkeys(c.x for c in cells))
    table: list[list[float]] = [[float("nan")] * len(columns) for _ in rows]
    for cell in cells:
        table[rows.index(cell.y)][columns.index(cell.x)] = cell.value
    if plot.relative:
        least = [min(value for value in row if value == value) for row in table]
        table = [[value / low for value in row] for row, low in zip(table, least, strict=True)]
    image = axes.imshow(table, cmap="YlOrRd", aspect="auto", vmax=_upper(table) if plot.relative else None)
    axes.figure.colorbar(image, ax=axes, label="over the least of its row" if plot.relative else plot.value)
    for i, row in enumerate(table):
        for k, value in enumerate(row):
            if value == value:
                dark = image.norm(value) > 0.6
                axes.text(
                    k, i, f"{value:.3g}", ha="center", va="center", fontsize=7, color="white" if dark else "black"
                )
    axes.set_xticks(range(len(columns)), [str(c) for c in columns])
    axes.set_yticks(range(len(rows)), [str(r) for r in rows], fontsize=7)
    axes.set_ylabel(plot.y)


def _upper(table: list[list[float]]) -> float:
    """Where colours end: outliers keep their number and share the last colour."""
    return min(4.0, max(value for row in table for value in row if value == value))


def draw(plot: Plot, cells: Sequence[Cell]) -> dict[str, bytes]:
    """The figure as `NAME.png` and `NAME.svg`."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = 4.8 if plot.kind != "matrix" else 1.4 + 0.24 * len({cell.y for cell in cells})
    files = {}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.5, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        (_matrix if plot.kind == "matrix" else _points)(axes, plot, cells)
        axes.set_xlabel(plot.x)
        axes.set_title(plot.title or plot.name, fontsize=9)
        for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
            out = io.BytesIO()
            figure.savefig(out, format=kind, metadata=metadata, dpi=120)
            files[f"{plot.name}.{kind}"] = out.getvalue()
    return files
