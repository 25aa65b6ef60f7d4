"""Figures of a run: energy, latency, roofline, utilisation. PNG and SVG, units on every axis, same bytes every time."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from accelsim.report import LayerResult, RunReport

COLOURS = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#222255", "#997700", "#994455",
)  # fmt: skip
MOST_BARS = 120  # more layers become areas, and only some are named: bars would be thinner than pixels
STYLE: Any = {"svg.hashsalt": "accelsim", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}


def new_figure(count: int) -> tuple[Any, Any]:
    """A figure wide enough for `count` layers, without any global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(min(24.0, max(7.0, 0.22 * count + 3.0)), 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _costly(report: RunReport) -> list[LayerResult]:
    return [layer for layer in report.results if layer.cycles]


def _bars(axes: Any, heights: list[float], base: list[float], colour: str, label: str) -> None:
    """One part of every layer: bars, or a stepped area if there are too many."""
    spots = range(len(heights))
    if len(heights) <= MOST_BARS:
        axes.bar(spots, heights, bottom=base, color=colour, label=label, width=0.8)
        return
    tops = [b + h for b, h in zip(base, heights, strict=True)]
    axes.fill_between(spots, base, tops, step="mid", color=colour, label=label, linewidth=0)
    axes.set_ylim(bottom=0)


def _legend(axes: Any, count: int, **where: Any) -> None:
    """Inside where there is room; outside if there are too many layers to look for it."""
    if count <= MOST_BARS:
        axes.legend(fontsize=8, frameon=False, **where)
    else:
        axes.figure.legend(fontsize=8, frameon=False, loc="outside right upper")


def _stack(axes: Any, layers: list[LayerResult], parts: Callable[[LayerResult], dict[str, int]], scale: float) -> None:
    """Stacked bars of a figure that splits into named parts; one colour per part, largest part first."""
    totals: dict[str, int] = {}
    for layer in layers:
        for name, value in parts(layer).items():
            totals[name] = totals.get(name, 0) + value
    names = sorted((n for n in totals if totals[n]), key=lambda n: (-totals[n], n))
    base = [0.0] * len(layers)
    for number, name in enumerate(names):
        heights = [parts(layer).get(name, 0) * scale for layer in layers]
        colour = COLOURS[number % len(COLOURS)]
        _bars(axes, heights, base, colour, name.replace("_", " "))
        base = [b + h for b, h in zip(base, heights, strict=True)]
    _legend(axes, len(layers))


def _layer_axis(axes: Any, layers: list[LayerResult]) -> None:
    every = max(1, -(-len(layers) // MOST_BARS))
    shown = range(0, len(layers), every)
    axes.set_xticks(shown, [layers[i].name for i in shown], rotation=90, fontsize=7)
    axes.set_xlabel("layer" if every == 1 else f"layer (every {every}th is named)")
    axes.set_xlim(-0.6, len(layers) - 0.4)


def energy_figure(report: RunReport) -> Any:
    """Energy per layer by component and memory level, in microjoules."""
    layers = _costly(report)
    figure, axes = new_figure(len(layers))
    _stack(axes, layers, lambda layer: layer.energy_fj, 1e-9)
    _layer_axis(axes, layers)
    axes.set_ylabel("energy [µJ]")
    axes.set_title(f"Energy per layer: {report.model} on {report.machine.name}, batch {report.batch}")
    return figure


def latency_figure(report: RunReport) -> Any:
    """Time per layer by cause, in microseconds."""
    layers = _costly(report)
    figure, axes = new_figure(len(layers))
    scale = 1e6 / report.machine.clock_hz
    _stack(axes, layers, lambda layer: {"compute": layer.compute_cycles, **layer.stall_cycles}, scale)
    _layer_axis(axes, layers)
    axes.set_ylabel("time [µs]")
    axes.set_title(f"Time per layer by cause: {report.model} on {report.machine.name}, batch {report.batch}")
    return figure


def utilisation_figure(report: RunReport) -> Any:
    """Issued MACs over PEs x cycles, per array layer, with the share of PEs that are active at all."""
    layers = [layer for layer in _costly(report) if layer.unit == "array"]
    figure, axes = new_figure(len(layers))
    none = [0.0] * len(layers)
    active = [100 * layer.active_pes / report.machine.pes for layer in layers]
    _bars(axes, active, none, "#dddddd", "active PEs")
    _bars(axes, [100 * layer.utilization for layer in layers], none, COLOURS[0], "utilisation")
    _layer_axis(axes, layers)
    axes.set_ylabel("share of PEs x cycles [%]")
    axes.set_ylim(0, 112)
    axes.set_yticks(range(0, 101, 20))
    _legend(axes, len(layers), loc="upper left", ncols=2)
    axes.set_title(f"Array utilisation per layer: {report.model} on {report.machine.name}, batch {report.batch}")
    return figure


def roofline_figure(report: RunReport) -> Any:
    """A dot per array layer: MACs per DRAM byte against GMAC/s, under the peak and the DRAM bandwidth."""
    layers = [layer for layer in _costly(report) if layer.unit == "array"]
    figure, axes = new_figure(24)
    machine = report.machine
    peak = machine.pes * machine.clock_hz / 1e9
    bandwidth = machine.dram_bits_per_s / 8e9
    intensity = [8 * layer.issued_macs / max(1, sum(layer.dram_bits())) for layer in layers]
    rate = [layer.issued_macs * machine.clock_hz / layer.cycles / 1e9 for layer in layers]
    low, high = min([*intensity, peak / bandwidth]) / 2, max([*intensity, peak / bandwidth]) * 2
    knee = peak / bandwidth
    axes.plot([low, knee, high], [low * bandwidth, peak, peak], color="#222222", label="DRAM bandwidth, peak")
    for number, op in enumerate(sorted({layer.op for layer in layers})):
        mine = [i for i, layer in enumerate(layers) if layer.op == op]
        axes.scatter(
            [intensity[i] for i in mine], [rate[i] for i in mine], s=18, color=COLOURS[number % len(COLOURS)], label=op
        )  # fmt: skip
    for i in sorted(range(len(layers)), key=lambda i: -layers[i].cycles)[:5]:
        axes.annotate(layers[i].name, (intensity[i], rate[i]), fontsize=7, xytext=(3, 3), textcoords="offset points")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("operational intensity [MAC / DRAM byte]")
    axes.set_ylabel("rate [GMAC/s]")
    axes.legend(fontsize=8, frameon=False)
    axes.set_title(f"Roofline: {report.model} on {machine.name}, batch {report.batch}")
    return figure


FIGURES: dict[str, Callable[[RunReport], Any]] = {
    "energy": energy_figure,
    "latency": latency_figure,
    "roofline": roofline_figure,
    "utilisation": utilisation_figure,
}


def draw(report: RunReport) -> dict[str, bytes]:
    """All figures as files: `<name>.png` and `<name>.svg`."""
    import matplotlib

    files = {}
    with matplotlib.rc_context(STYLE):
        for name, make in FIGURES.items():
            figure = make(report)
            for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
                out = io.BytesIO()
                figure.savefig(out, format=kind, metadata=metadata, dpi=120)
                files[f"{name}.{kind}"] = out.getvalue()
    return files
