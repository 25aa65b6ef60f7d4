"""What all figures share: colours, sizes, stacks, the layer axis, files with the same bytes every time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from accelsim.errors import InputError, nearest
from accelsim.plot.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#222255", "#997700", "#994455",
)  # fmt: skip
"""Paul Tol's bright scheme (https://personal.sron.nl/~pault/), made for colour-blind readers, with darker additions."""
FIXED = {
    "compute": "#228833", "array_fill_drain": "#ccbb44", "onchip_port": "#aa3377", "final_drain": "#222255",
    "other_unit": "#999933",
    "dram_read_inputs": "#4477aa", "dram_read_weights": "#66ccee", "dram_read_outputs": "#bbbbbb",
    "dram_write_outputs": "#ee6677",
    "DRAM": "#4477aa", "GLB": "#ee6677", "spad": "#228833", "array": "#ccbb44", "MAC": "#66ccee", "clock": "#aa3377",
    "leakage": "#bbbbbb", "DRAM background": "#222255", "vector": "#997700",
    "Inputs": "#4477aa", "Weights": "#ee6677", "Outputs": "#228833", "none": "#bbbbbb", "other layers": "#bbbbbb",
    "DRAM bandwidth": "#4477aa", "on-chip ports": "#aa3377", "fill and drain": "#ccbb44", "nothing": "#dddddd",
    "waiting": "#bbbbbb",
}  # fmt: skip
"""The same thing has the same colour in every figure."""
INK, PALE = "#222222", "#dddddd"
MOST_BARS = 120  # more layers become areas, and only some are named: bars would be thinner than pixels
STYLE: Any = {
    "svg.hashsalt": "accelsim", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "pdf.compression": 6,
}  # fmt: skip
KINDS: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def blank(width: float, height: float) -> Figure:
    """A figure without any global state, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def new_figure(count: int) -> tuple[Figure, Any]:
    """A figure wide enough for `count` layers, and its axes."""
    figure = blank(min(16.0, max(7.5, 0.19 * count + 3.5)), 5.0)
    return figure, figure.add_subplot()


def save(figure: Figure, kind: str) -> bytes:
    """The figure as a file; the same figure, the same bytes.

    Raises:
        InputError: a kind that is not `png`, `svg` or `pdf`.
    """
    if kind not in KINDS:
        raise InputError(f"format {kind!r}; {nearest(kind, KINDS)}")
    import matplotlib

    out = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(out, format=kind, metadata=KINDS[kind], dpi=120)
    return out.getvalue()


def colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name: its fixed one, or the next that no other name has."""
    taken = {FIXED[name] for name in names if name in FIXED}
    free = [c for c in COLOURS if c not in taken] or list(COLOURS)
    found: dict[str, str] = {}
    for name in names:
        found[name] = FIXED.get(name) or free[len([n for n in found if n not in FIXED]) % len(free)]
    return found


def shade(colour: str, step: int) -> str:
    """A colour lightened (step > 0) or darkened (step < 0) by quarters."""
    channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    goal, part = (255, step / 4) if step > 0 else (0, -step / 4)
    return "#" + "".join(f"{round(c + (goal - c) * part):02x}" for c in channels)


def ink_on(colour: str) -> str:
    """Black or white, whichever can be read on a colour."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "black" if 299 * red + 587 * green + 114 * blue > 128_000 else "white"


def bars(axes: Any, heights: Sequence[float], base: Sequence[float], colour: str, label: str) -> None:
    """One part of every layer: bars, or a stepped area if there are too many."""
    spots = range(len(heights))
    if len(heights) <= MOST_BARS:
        axes.bar(spots, heights, bottom=base, color=colour, label=label, width=0.8)
        return
    tops = [b + h for b, h in zip(base, heights, strict=True)]
    axes.fill_between(spots, base, tops, step="mid", color=colour, label=label, linewidth=0)


def legend(axes: Any) -> None:
    """Beside the axes, so that it covers no data; the topmost part of a stack stands first."""
    handles, labels = axes.get_legend_handles_labels()
    axes.figure.legend(handles[::-1], labels[::-1], fontsize=8, frameon=False, loc="outside right upper")


def layer_axis(axes: Any, names: Sequence[str]) -> None:
    """Layer names along the x axis, as many as fit."""
    every = max(1, -(-len(names) // MOST_BARS))
    shown = range(0, len(names), every)
    axes.set_xticks(shown, [names[i] for i in shown], rotation=90, fontsize=7 if len(names) <= 60 else 6)
    axes.set_xlabel("layer" if every == 1 else f"layer (one in {every} is named)")
    axes.set_xlim(-0.6, len(names) - 0.4)


def stack(table: Table, unit: str, scale: float, label: str, tints: dict[str, str]) -> Figure:
    """Stacked bars per layer of a table `layer, part_unit ..., total_unit`; the largest part lies at the bottom."""
    figure, axes = new_figure(len(table.rows))
    parts = {name: table.numbers(name) for name in table.columns[1:-1]}
    order = sorted((n for n in parts if sum(parts[n])), key=lambda n: (-sum(parts[n]), n))
    base = [0.0] * len(table.rows)
    for name in order:
        heights = [value * scale for value in parts[name]]
        word = name.removesuffix(unit)
        bars(axes, heights, base, tints[word], word.replace("_", " "))
        base = [b + h for b, h in zip(base, heights, strict=True)]
    if order:
        legend(axes)
        axes.set_ylim(0, 1.03 * max(base) or 1.0)
    layer_axis(axes, table.texts("layer"))
    axes.set_ylabel(label)
    axes.set_title(table.title)
    return figure


def ranking(figure: Figure, labels: Sequence[str], values: Sequence[float], tints: Sequence[str], unit: str) -> Any:
    """Horizontal bars, one per label, each with its value and its share of the sum."""
    axes = figure.add_subplot()
    spots = range(len(labels))
    total = sum(values) or 1.0
    axes.barh(spots, values, color=tints, height=0.7)
    for spot, value in zip(spots, values, strict=True):
        axes.text(value, spot, f"  {value:.3g} {unit}, {100 * value / total:.1f} %", va="center", fontsize=8)
    axes.set_yticks(spots, labels)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.35 * max([*values, 1e-12]))
    return axes


def smaller(png: bytes) -> bytes:
    """A figure with at most 64 colours, for a repository."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()
