"""The views of a run: each a table of numbers (its CSV) and a drawing of that table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from accelsim.errors import InputError, nearest
from accelsim.plot import (
    energy,
    film,
    graph,
    latency,
    layers,
    machine,
    nest,
    occupancy,
    pe_map,
    resources,
    roofline,
    utilisation,
)
from accelsim.plot.ask import NOTHING, Ask
from accelsim.plot.points import POINT_VIEWS
from accelsim.plot.style import KINDS, STYLE, save
from accelsim.plot.table import Table
from accelsim.report import RunReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Variants = list[tuple[str, Ask]]


def _one(report: RunReport, ask: Ask) -> Variants:
    return [("", ask)]


def _per_level(report: RunReport, ask: Ask) -> Variants:
    """DRAM under the view's own name, every other level with its name added; one if a level was asked for."""
    if ask.level:
        return [("" if ask.level == "DRAM" else f"_{ask.level}", ask)]
    return [
        ("" if level == "DRAM" else f"_{level}", replace(ask, level=level)) for level in roofline.levels(report)
    ]  # fmt: skip


@dataclass(frozen=True)
class View:
    """A view: `table` takes a report and what was asked, `figure` draws the table and knows nothing else.

    `variants` are the files it makes when nothing is asked (a roofline per level). `needs`: what a report must have
    for the view to be drawn without being asked for by name (`HAS`). `animate` makes a GIF of the table.
    """

    name: str
    what: str
    table: Callable[[RunReport, Ask], Table]
    figure: Callable[[Table], Figure]
    variants: Callable[[RunReport, Ask], Variants] = _one
    needs: str = ""
    animate: Callable[[Table], bytes] | None = None


VIEWS = (
    View("layers", "the per-layer table", layers.layers_table, layers.layers_figure),
    View("energy", "energy per layer by component", energy.energy_table, energy.energy_figure),
    View("energy_operand", "energy per layer by component and operand", energy.operand_table, energy.operand_figure),
    View("energy_network", "energy of the network, with ranges", energy.network_table, energy.network_figure),
    View("latency", "time per layer by cause", latency.latency_table, latency.latency_figure),
    View("latency_network", "time of the network by cause", latency.network_table, latency.network_figure),
    View("roofline", "rate against intensity at each memory level", roofline.roofline_table, roofline.roofline_figure,
         _per_level, needs="array"),
    View("utilisation", "array utilisation per layer", utilisation.utilisation_table, utilisation.utilisation_figure,
         needs="array"),
    View("pe_map", "which PEs work, per layer", pe_map.pe_table, pe_map.pe_figure, needs="array"),
    View("resources", "busy share of each resource per layer", resources.resources_table, resources.resources_figure),
    View("occupancy", "what on-chip memories hold over time", occupancy.occupancy_table, occupancy.occupancy_figure),
    View("nest", "the loop nest of a layer", nest.nest_table, nest.nest_figure, needs="nest"),
    View("graph", "the layer graph by what bounds each layer", graph.graph_table, graph.graph_figure),
    View("machine", "block diagram with the traffic on every link", machine.machine_table, machine.machine_figure),
    View("film", "what moves where in the first cycles of a layer", film.film_table, film.film_figure, needs="film",
         animate=film.film_gif),
)  # fmt: skip
ALWAYS = ("energy", "latency", "roofline", "utilisation")
"""What `accelsim run` draws; the rest is for `accelsim plot`."""


HAS: dict[str, Callable[[RunReport], bool]] = {
    "": lambda report: True,
    "array": lambda report: any(layer.unit == "array" for layer in report.results),
    "nest": lambda report: any(layer.anatomy.nests for layer in report.results),
    "film": lambda report: (
        report.machine.blocks.array_kind == "systolic" and any(layer.unit == "array" for layer in report.results)
    ),
}


def view(name: str) -> View:
    """The view of that name.

    Raises:
        InputError: there is none.
    """
    for found in VIEWS:
        if found.name == name:
            return found
    many = [v.name for v in POINT_VIEWS]
    if name in many:
        raise InputError(f"view {name!r} is of many runs: give the JSON of `accelsim sweep results` or a CSV of points")
    raise InputError(f"no view {name!r}; {nearest(name, [v.name for v in VIEWS] + many)}")


def figure(report: RunReport, name: str, ask: Ask = NOTHING) -> Figure:
    """One view as a matplotlib figure."""
    import matplotlib

    found = view(name)
    with matplotlib.rc_context(STYLE):
        return found.figure(found.table(report, ask))


def selected(report: RunReport, only: Iterable[str]) -> list[View]:
    """The views asked for by name, or all that a report has something for."""
    names = list(only)
    if names:
        return [view(name) for name in names]
    return [found for found in VIEWS if HAS[found.needs](report)]


def render(
    report: RunReport, only: Iterable[str] = (), kinds: Iterable[str] = ("png", "svg"), ask: Ask = NOTHING,
    with_csv: bool = True,
) -> dict[str, bytes]:  # fmt: skip
    """Views as files: `<name>.<kind>` and `<name>.csv`.

    Raises:
        InputError: an unknown view or kind, or something a view was asked for that the report does not have.
    """
    import matplotlib

    chosen = list(kinds)
    views = selected(report, only)
    for kind in chosen:
        still = [found.name for found in views if found.animate is None]
        if kind == "gif" and still:
            raise InputError(f"format 'gif' is for animations; {', '.join(still[:3])} stand still, give --only film")
        if kind not in KINDS and kind != "gif":
            raise InputError(f"format {kind!r}; {nearest(kind, [*KINDS, 'gif'])}")
    files: dict[str, bytes] = {}
    with matplotlib.rc_context(STYLE):
        for found in views:
            for suffix, mine in found.variants(report, ask):
                table = found.table(report, mine)
                files |= {f"{found.name}{suffix}.{kind}": data for kind, data in _kinds(found, table, chosen)}
                if with_csv:
                    files[f"{found.name}{suffix}.csv"] = table.csv()
    return files


def _kinds(found: View, table: Table, kinds: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """(kind, file) of one table."""
    drawn = None
    for kind in kinds:
        if kind == "gif":
            assert found.animate is not None
            yield kind, found.animate(table)
            continue
        drawn = found.figure(table) if drawn is None else drawn
        yield kind, save(drawn, kind)


def draw(report: RunReport) -> dict[str, bytes]:
    """The figures of every run as files: `<name>.png` and `<name>.svg`."""
    return render(report, ALWAYS, ask=Ask(level="DRAM"), with_csv=False)
