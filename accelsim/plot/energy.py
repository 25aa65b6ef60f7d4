"""Energy stacks: per layer by component, per layer by component and operand, and the network's with its range."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelsim.energy import NO_OPERAND
from accelsim.plot.ask import Ask, costly, run_title
from accelsim.plot.style import INK, blank, colours, ink_on, ranking, shade, stack
from accelsim.plot.table import Table, line
from accelsim.report import RunReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNIT = "_fj"
SHADES = {"Inputs": 0, "Weights": 2, "Outputs": -2, NO_OPERAND: 0}


def energy_table(report: RunReport, ask: Ask) -> Table:
    """Femtojoules by layer and component; `total_fj` is their sum and the report's energy."""
    parts = sorted(report.totals.energy_fj)
    rows = tuple(
        line(layer.name, *(layer.energy_fj.get(part, 0) for part in parts), layer.total_energy_fj)
        for layer in report.results
        if layer.cycles
    )
    columns = ("layer", *(part + UNIT for part in parts), f"total{UNIT}")
    return Table(run_title("Energy per layer by component", report), columns, rows)


def energy_figure(table: Table) -> Figure:
    """Stacked bars in microjoules."""
    return stack(table, UNIT, 1e-9, "energy [µJ]", colours([c.removesuffix(UNIT) for c in table.columns[1:-1]]))


def _word(component: str, operand: str) -> str:
    return component if operand == NO_OPERAND else f"{component} {operand}"


def operand_table(report: RunReport, ask: Ask) -> Table:
    """Femtojoules by layer, component and operand; MACs, leakage and the like belong to no operand."""
    keys = sorted({(c, o) for layer in report.results for c, row in layer.energy_parts_fj.items() for o in row})
    rows = tuple(
        line(layer.name, *(layer.energy_parts_fj.get(c, {}).get(o, 0) for c, o in keys), layer.total_energy_fj)
        for layer in costly(report)
    )
    columns = ("layer", *(_word(c, o) + UNIT for c, o in keys), f"total{UNIT}")
    return Table(run_title("Energy per layer by component and operand", report), columns, rows)


def operand_figure(table: Table) -> Figure:
    """Stacked bars in microjoules: a component's colour, lighter for its Weights, darker for its Outputs."""
    words = [column.removesuffix(UNIT) for column in table.columns[1:-1]]
    split = {word: (word.rpartition(" ")[0], word.rpartition(" ")[2]) for word in words}
    split = {word: pair if pair[1] in SHADES and pair[0] else (word, NO_OPERAND) for word, pair in split.items()}
    base = colours(list(dict.fromkeys(component for component, _ in split.values())))
    tints = {word: shade(base[component], SHADES[operand]) for word, (component, operand) in split.items()}
    return stack(table, UNIT, 1e-9, "energy [µJ]", tints)


def network_table(report: RunReport, ask: Ask) -> Table:
    """Femtojoules of the whole run by component and operand, each with the range of its component."""
    rows = []
    found: dict[tuple[str, str], int] = {}
    for layer in report.results:
        for component, row in layer.energy_parts_fj.items():
            for operand, value in row.items():
                found[component, operand] = found.get((component, operand), 0) + value
    for (component, operand), value in sorted(found.items()):
        bounds = report.totals.energy_ranges.get(component)
        low, high = (1000, 1000) if bounds is None else (bounds.low_permille, bounds.high_permille)
        rows.append((component, operand, value, low, high))
    low_aj, high_aj = report.totals.energy_span_aj
    facts = (("total_fj", report.totals.total_energy_fj), ("low_aj", low_aj), ("high_aj", high_aj))
    columns = ("component", "operand", "energy_fj", "low_permille", "high_permille")
    return Table(run_title("Energy of the network", report), columns, tuple(rows), facts)


def network_figure(table: Table) -> Figure:
    """A bar per component, split by operand; the line is the range of the component's figure."""
    figure = blank(9.0, 4.8)
    components = list(dict.fromkeys(table.texts("component")))
    sums = {c: sum(table.where("component", c).numbers("energy_fj")) for c in components}
    order = sorted((c for c in components if sums[c]), key=lambda c: (-sums[c], c))
    tints = colours(order)
    axes = ranking(figure, order, [sums[c] * 1e-12 for c in order], [tints[c] for c in order], "mJ")
    for spot, component in enumerate(order):
        mine, left = table.where("component", component), 0.0
        for operand, value in zip(mine.texts("operand"), mine.numbers("energy_fj"), strict=True):
            tint = shade(tints[component], SHADES.get(operand, 0))
            axes.barh(spot, value * 1e-12, left=left * 1e-12, color=tint, height=0.7)
            if operand != NO_OPERAND and value > 0.08 * max(sums.values()):
                middle = (left + value / 2) * 1e-12
                axes.text(middle, spot, operand, ha="center", va="center", fontsize=7, color=ink_on(tint))
            left += value
        low, high = mine.numbers("low_permille")[0], mine.numbers("high_permille")[0]
        axes.plot([sums[component] * low * 1e-15, sums[component] * high * 1e-15], [spot + 0.42] * 2, color=INK, lw=1.5)
    most = max((sums[c] * table.where("component", c).numbers("high_permille")[0] * 1e-15 for c in order), default=1.0)
    axes.set_xlim(0, max(axes.get_xlim()[1], 1.05 * most))
    low, high = table.figure("low_aj") * 1e-15, table.figure("high_aj") * 1e-15
    total = table.figure("total_fj") * 1e-12
    axes.set_xlabel(f"energy [mJ]; line: range of the figure; total {total:.3g} mJ ({low:.3g} to {high:.3g})")
    axes.set_title(table.title)
    return figure
