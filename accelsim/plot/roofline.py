"""Roofline at any memory level: a dot per array layer, its area the layer's share of time."""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING

from accelsim.errors import InputError, nearest
from accelsim.plot.ask import Ask, costly, run_title
from accelsim.plot.style import COLOURS, INK, new_figure
from accelsim.plot.table import Table
from accelsim.report import LayerResult, RunReport
from accelsim.verdict import own_cycles

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def levels(report: RunReport) -> list[str]:
    """Memories with a roofline: DRAM, and on chip those with traffic towards the array or the memories inside."""
    used = {name.split(" > ")[0] for layer in report.results for name in layer.anatomy.links}
    return ["DRAM", *(m.name for m in report.machine.blocks.memories if m.name in used)]


def _bits(layer: LayerResult, level: str) -> int:
    """Bits that the level sends inwards and takes back."""
    rows = [row for name, row in layer.anatomy.links.items() if name.split(" > ")[0] == level]
    return sum(f.read_bits + f.write_bits for row in rows for f in row.values())


def roofline_table(report: RunReport, ask: Ask) -> Table:
    """Per array layer: MACs, bits at the level, intensity, rate (causal cycles), share of the run's time.

    The roof on chip is that of read and write port together. Where layers overlap, data may come from DRAM while other
    layers run, and a dot may lie above that roof.

    Raises:
        InputError: a level that the machine does not have.
    """
    level = ask.level or "DRAM"
    if level not in levels(report):
        raise InputError(
            f"--level {level!r}: {report.machine.name} has no such level; {nearest(level, levels(report))}"
        )
    clock = report.machine.clock_hz
    width = {m.name: m.read_bits_per_cycle + m.write_bits_per_cycle for m in report.machine.blocks.memories}
    bandwidth = report.machine.dram_bits_per_s if level == "DRAM" else width[level] * clock
    layers = [layer for layer in costly(report) if layer.unit == "array" and layer.issued_macs]
    whole = sum(own_cycles(layer) for layer in costly(report))
    rows = tuple(
        (layer.name, layer.op, layer.issued_macs, _bits(layer, level), own_cycles(layer),
         8 * layer.issued_macs / max(1, _bits(layer, level)), layer.issued_macs * clock / own_cycles(layer) / 1e9,
         own_cycles(layer) / whole)
        for layer in layers
    )  # fmt: skip
    columns = (
        "layer", "operator", "issued_macs", "bits", "cycles", "intensity_mac_per_byte", "rate_gmac_per_s",
        "share_of_time",
    )  # fmt: skip
    facts = (
        ("level", level), ("peak_gmac_per_s", report.machine.pes * clock / 1e9),
        ("bandwidth_gbyte_per_s", bandwidth / 8e9), ("layers_overlap", int(bool(report.schedule.get("overlap")))),
    )  # fmt: skip
    return Table(run_title(f"Roofline at {level}", report), columns, rows, facts)


def _labels(names: list[str], x: list[float], y: list[float], share: list[float]) -> list[tuple[int, str]]:
    """The slowest layers to name: where dots lie on each other, the slowest of them, and how many more there are."""
    wide, tall = (log10(max(v) / min(v)) or 1.0 for v in (x, y))
    left = sorted(range(len(names)), key=lambda i: (-share[i], i))
    found: list[tuple[int, str]] = []
    while left and len(found) < 5:
        first = left[0]

        def apart(i: int, j: int) -> tuple[float, float]:
            return abs(log10(x[i] / x[j])) / wide, abs(log10(y[i] / y[j])) / tall

        near = [i for i in left if max(apart(i, first)) < 0.02]
        left = [i for i in left if i not in near]
        if all(dx > 0.3 or dy > 0.04 for dx, dy in (apart(first, other) for other, _ in found)):
            found.append((first, names[first] + (f" and {len(near) - 1} more" if len(near) > 1 else "")))
    return found


def roofline_figure(table: Table) -> Figure:
    """Both axes logarithmic; the five slowest layers are named."""
    from matplotlib.collections import PathCollection
    from matplotlib.ticker import NullFormatter

    figure, axes = new_figure(24)
    peak, bandwidth, level = table.figure("peak_gmac_per_s"), table.figure("bandwidth_gbyte_per_s"), table.fact("level")
    intensity, rate = table.numbers("intensity_mac_per_byte"), table.numbers("rate_gmac_per_s")
    share, ops, names = table.numbers("share_of_time"), table.texts("operator"), table.texts("layer")
    knee = peak / bandwidth
    low, high = min([*intensity, knee]) / 2, max([*intensity, knee]) * 2
    axes.plot([low, knee, high], [low * bandwidth, peak, peak], color=INK, label=f"{level} bandwidth, peak", zorder=1)
    for number, op in enumerate(sorted(set(ops))):
        mine = [i for i, word in enumerate(ops) if word == op]
        sizes = [max(6.0, 2500 * share[i]) for i in mine]
        axes.scatter(
            [intensity[i] for i in mine], [rate[i] for i in mine], s=sizes, color=COLOURS[number % len(COLOURS)],
            alpha=0.65, edgecolors=INK, linewidths=0.5, label=op, zorder=2,
        )  # fmt: skip
    for i, text in _labels(names, intensity, rate, share):
        near = (5, 4) if intensity[i] < high / 8 else (-5, 4)
        side = "left" if near[0] > 0 else "right"
        axes.annotate(text, (intensity[i], rate[i]), fontsize=7, xytext=near, textcoords="offset points", ha=side)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"operational intensity [MAC / byte at {level}]; dot area: share of time")
    axes.set_ylabel("rate [GMAC/s]")
    legend = figure.legend(fontsize=8, frameon=False, loc="outside right upper")
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([40.0])
    early = level == "DRAM" and table.fact("layers_overlap")
    axes.set_title(table.title + ("\n(above the roof: data came while other layers ran)" if early else ""))
    return figure
