"""Runs beside each other: ratios in total and per layer to the first, with the energy range that survives.

Uncertainty that two runs share cancels in their ratio (`accelsim.energy.ratio`); what is left is the surviving range.
Times are in seconds, since machines have different clocks. The largest movers come first: layers by the sum of what
they add to or take from the baseline's time and energy, each as a share of its total, in whichever run most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING, Any

from accelsim.energy.figures import Range
from accelsim.energy.ratio import Ratio, ratio
from accelsim.errors import InputError
from accelsim.plot.style import COLOURS, INK, STYLE, blank, colours, save
from accelsim.plot.table import Cell, Table, line
from accelsim.report import LayerResult, RunReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LAYERS = 25
NONE: Cell = ""


@dataclass(frozen=True)
class Comparison:
    """Reports with their labels; the first is the baseline."""

    labels: tuple[str, ...]
    reports: tuple[RunReport, ...]

    def __post_init__(self) -> None:
        if len(self.reports) < 2:
            raise InputError(f"compare needs at least two reports, {len(self.reports)} given")

    @property
    def title(self) -> str:
        """What is compared with what."""
        return f"{', '.join(self.labels[1:])} against {self.labels[0]}"


def labelled(files: Sequence[str], reports: Sequence[RunReport]) -> Comparison:
    """Reports with the shortest labels that tell them apart: machine, network, both, or with the file too."""
    one_network = len({r.model for r in reports}) == 1
    one_machine = len({r.machine.name for r in reports}) == 1
    choices = (
        [r.machine.name if one_network else "" for r in reports],
        [r.model if one_machine else "" for r in reports],
        [f"{r.model} on {r.machine.name}" for r in reports],
        [f"{r.model} on {r.machine.name}, batch {r.batch}" for r in reports],
        [f"{r.model} on {r.machine.name} ({file})" for r, file in zip(reports, files, strict=True)],
        [f"{number}: {file}" for number, file in enumerate(files)],
    )
    return Comparison(tuple(next(c for c in choices if len(set(c)) == len(c))), tuple(reports))


def surviving(
    a: dict[str, int], a_ranges: dict[str, Range], b: dict[str, int], b_ranges: dict[str, Range]
) -> Ratio | None:
    """Energy of a over b with the range that survives; None where one uses none or its range reaches down to zero."""
    for table, bounds in ((a, a_ranges), (b, b_ranges)):
        if sum(value * bounds[name].low_permille for name, value in table.items() if name in bounds) <= 0:
            return None
    return ratio(a, a_ranges, b, b_ranges)


def _seconds(layer: LayerResult, report: RunReport) -> float:
    return layer.cycles / report.machine.clock_hz


def totals_table(found: Comparison) -> Table:
    """One row per report: time, energy, and their ratios to the first."""
    base = found.reports[0].totals
    rows = []
    for label, report in zip(found.labels, found.reports, strict=True):
        t = report.totals
        energy = surviving(t.energy_fj, t.energy_ranges, base.energy_fj, base.energy_ranges)
        dram = sum(f.read_bits + f.write_bits for f in t.traffic.get("DRAM", {}).values())
        row = line(
            label, report.model, report.machine.name, report.batch, report.version, t.cycles, t.seconds,
            t.seconds / base.seconds, t.total_energy_fj, *_ratio_cells(energy), dram, t.utilization,
        )  # fmt: skip
        rows.append(row)
    columns = (
        "report", "model", "arch", "batch", "accelsim", "cycles", "seconds", "time_ratio", "energy_fj", "energy_ratio",
        "energy_ratio_low", "energy_ratio_high", "dram_bits", "utilisation",
    )  # fmt: skip
    return Table(f"Totals: {found.title}", columns, tuple(rows))


def _ratio_cells(found: Ratio | None) -> tuple[Cell, ...]:
    return (NONE, NONE, NONE) if found is None else (float(found.value), float(found.low), float(found.high))


def layers_table(found: Comparison) -> Table:
    """A row per layer and report but the first: both times and energies, ratios, the surviving range, `in` where the
    layer is in only one of the two; largest movers first."""
    base = found.reports[0]
    tables = [{layer.name: layer for layer in report.results} for report in found.reports]
    names = list(dict.fromkeys(layer.name for report in found.reports for layer in report.results))
    rows = []
    for name in sorted(names, key=lambda n: (-_moves(n, tables, found), names.index(n))):
        first = tables[0].get(name)
        for label, report, table in zip(found.labels[1:], found.reports[1:], tables[1:], strict=True):
            rows.append((name, label, *_pair(first, base, table.get(name), report)))
    columns = (
        "layer", "report", "in", "baseline_seconds", "seconds", "time_ratio", "baseline_energy_fj", "energy_fj",
        "energy_ratio", "energy_ratio_low", "energy_ratio_high",
    )  # fmt: skip
    return Table(f"Layers: {found.title}", columns, tuple(rows), (("baseline", found.labels[0]),))


def _pair(a: LayerResult | None, base: RunReport, b: LayerResult | None, report: RunReport) -> tuple[Cell, ...]:
    """The cells of a layer of the baseline and of another report; blank where it is in only one of them."""
    where = "both" if a and b else "baseline only" if a else "this only" if b else "neither"
    t0, t1 = (_seconds(a, base) if a else NONE), (_seconds(b, report) if b else NONE)
    e0, e1 = (a.total_energy_fj if a else NONE), (b.total_energy_fj if b else NONE)
    if a is None or b is None:
        return (where, t0, t1, NONE, e0, e1, NONE, NONE, NONE)
    time = _seconds(b, report) / _seconds(a, base) if a.cycles and b.cycles else NONE
    energy = surviving(b.energy_fj, b.energy_ranges, a.energy_fj, a.energy_ranges)
    return (where, t0, t1, time, e0, e1, *_ratio_cells(energy))


def _moves(name: str, tables: Sequence[dict[str, LayerResult]], found: Comparison) -> float:
    base = found.reports[0]
    first = tables[0].get(name)
    seconds = _seconds(first, base) if first else 0.0
    energy = first.total_energy_fj if first else 0
    worst = 0.0
    for table, report in zip(tables[1:], found.reports[1:], strict=True):
        other = table.get(name)
        dt = abs((_seconds(other, report) if other else 0.0) - seconds) / base.totals.seconds
        de = abs((other.total_energy_fj if other else 0) - energy) / max(1, base.totals.total_energy_fj)
        worst = max(worst, dt + de)
    return worst


def layers_figure(table: Table) -> Figure:
    """Ratios of time and energy of the largest movers, on a logarithmic axis; lines are surviving ranges."""
    from matplotlib.ticker import MaxNLocator

    both = [row for row in table.rows if row[2] == "both" and row[5] != NONE and row[8] != NONE]
    names = list(dict.fromkeys(str(row[0]) for row in both))[:MOST_LAYERS]
    labels = list(dict.fromkeys(table.texts("report")))
    figure = blank(5.0 + 3.0, max(3.0, 1.4 + 0.28 * len(names) * max(1, len(labels) * 0.7)))
    panels = figure.subplots(1, 2, sharey=True)
    height = 0.8 / max(1, len(labels))
    for axes, at, what in ((panels[0], 5, "time"), (panels[1], 8, "energy")):
        for number, label in enumerate(labels):
            mine = {str(row[0]): row for row in both if row[1] == label and row[0] in names}
            spots = [i + (number - (len(labels) - 1) / 2) * height for i, name in enumerate(names) if name in mine]
            values = [log2(float(mine[name][at])) for name in names if name in mine]
            axes.barh(spots, values, height=height, color=COLOURS[number % len(COLOURS)], label=label)
            if what == "energy":
                ends = [(log2(float(mine[n][9])), log2(float(mine[n][10]))) for n in names if n in mine]
                axes.hlines(spots, [a for a, _ in ends], [b for _, b in ends], color=INK, linewidth=1)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.xaxis.set_major_formatter(_power)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_xlabel(f"{what} over baseline [x]")
        axes.grid(axis="x", color="#dddddd")
        axes.set_axisbelow(True)
    panels[0].set_yticks(range(len(names)), names, fontsize=7)
    panels[0].invert_yaxis()
    if names:
        handles, texts = panels[0].get_legend_handles_labels()
        figure.legend(handles, texts, fontsize=8, frameon=False, loc="outside lower center", ncols=2)
    only = sum(row[2] != "both" for row in table.rows)
    more = f"; {only} rows of layers in only one report are in the CSV" if only else ""
    figure.suptitle(f"Largest movers against {table.fact('baseline')}\n(line: range that survives{more})", fontsize=10)
    return figure


def _power(value: float, _: object) -> str:
    return f"{2**value:.3g}"


def totals_figure(table: Table, parts: Table) -> Figure:
    """Time and energy of every report, energy by component; the ratio to the first stands at the end of each bar."""
    figure = blank(11.0, 1.9 + 0.5 * len(table.rows))
    left, right = figure.subplots(1, 2, sharey=True)
    labels, spots = table.texts("report"), range(len(table.rows))
    left.barh(spots, [1e3 * s for s in table.numbers("seconds")], color=COLOURS[0], height=0.6)
    left.set_yticks(spots, labels)
    left.invert_yaxis()
    left.set_xlabel("time [ms]")
    right.set_xlabel("energy [mJ]; ratio to the first (range that survives)")
    names = [column.removesuffix("_fj") for column in parts.columns[1:]]
    used = [name for name in names if sum(parts.numbers(f"{name}_fj"))]
    tints, base = colours(used), [0.0] * len(labels)
    for name in used:
        values = [1e-12 * value for value in parts.numbers(f"{name}_fj")]
        right.barh(spots, values, left=base, color=tints[name], height=0.6, label=name)
        base = [b + v for b, v in zip(base, values, strict=True)]
    for spot, row in enumerate(table.rows):
        left.text(1e3 * float(row[6]), spot, f" {float(row[7]):.3g} x", va="center", fontsize=8)
        text = "" if row[9] == NONE else f" {float(row[9]):.3g} x ({float(row[10]):.3g} to {float(row[11]):.3g})"
        right.text(base[spot], spot, text, va="center", fontsize=8)
    left.set_xlim(0, 1.25 * max(1e3 * s for s in table.numbers("seconds")))
    right.set_xlim(0, 1.5 * max([*base, 1e-12]))
    figure.legend(fontsize=7, frameon=False, loc="outside right upper")
    figure.suptitle(table.title, fontsize=10)
    return figure


def parts_table(found: Comparison) -> Table:
    """Energy of every report by component, in femtojoules; the sums are the totals."""
    names = list(dict.fromkeys(name for report in found.reports for name in sorted(report.totals.energy_fj)))
    rows = tuple(
        line(label, *(report.totals.energy_fj.get(name, 0) for name in names))
        for label, report in zip(found.labels, found.reports, strict=True)
    )
    return Table(f"Energy by component: {found.title}", ("report", *(f"{name}_fj" for name in names)), rows)


def compare_files(found: Comparison, kinds: Sequence[str] = ("png", "svg")) -> dict[str, bytes]:
    """Tables and figures as files."""
    import matplotlib

    totals, layers, parts = totals_table(found), layers_table(found), parts_table(found)
    files = {"totals.csv": totals.csv(), "layers.csv": layers.csv(), "energy.csv": parts.csv()}
    with matplotlib.rc_context(STYLE):
        drawn = {"totals": totals_figure(totals, parts), "layers": layers_figure(layers)}
        files |= {f"{name}.{kind}": save(figure, kind) for name, figure in drawn.items() for kind in kinds}
    return files


def compare_dict(found: Comparison) -> dict[str, Any]:
    """The comparison as JSON; blank cells are null."""

    def rows(table: Table) -> list[dict[str, Cell | None]]:
        return [
            {name: None if cell == NONE else cell for name, cell in zip(table.columns, row, strict=True)}
            for row in table.rows
        ]

    return {"baseline": found.labels[0], "reports": rows(totals_table(found)), "layers": rows(layers_table(found))}
