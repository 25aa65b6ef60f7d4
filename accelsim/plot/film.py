"""Film strip of one layer on a systolic array: which element is in which PE, cycle by cycle.

The register model of `execute.pe_array` runs the beginning of the layer's first pass on the top left corner of the
array, as if the array were no larger; the words it moves are numbers of elements instead of values.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import TYPE_CHECKING, Any

import numpy as np

from accelsim.execute.pe_array import Ints, output_steps, stationary_steps
from accelsim.mapping import Mapping as Nest
from accelsim.plot.ask import Ask, chosen, run_title
from accelsim.plot.style import FIXED, INK, PALE, blank, save, shade
from accelsim.plot.table import Cell, Table
from accelsim.problem import Operand
from accelsim.report import LayerResult, RunReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WINDOW = 4
Offsets = dict[str, int]


def film_table(report: RunReport, ask: Ask) -> Table:
    """Per cycle and PE of the window: the element kept there, those that pass through, and what the PE does.

    Raises:
        InputError: the array is not systolic, or the layer has no work for it.
    """
    what = "no pass on a systolic array"
    systolic = report.machine.blocks.array_kind == "systolic"
    fits = [x for x in report.results if systolic and any(n.mapping.problem.op == "mac" for n in x.anatomy.nests)]
    full = [x for x in fits if min(_first(x).occupied()) >= WINDOW]
    layer = chosen(report, ask.layer, fits if ask.layer or not full else full, what)
    nest = _first(layer)
    rows, cols = _lines(nest, "row")[:WINDOW], _lines(nest, "col")[:WINDOW]
    steps = list(islice(_steps(nest), ask.cycles))
    frames = (
        _output_frames(nest, rows, cols, steps) if nest.dataflow == "os" else _fixed_frames(nest, rows, cols, steps)
    )
    cells = [(cycle, *cell) for cycle, frame in enumerate(islice(frames, ask.cycles)) for cell in frame]
    stays, right, down = _roles(nest)
    columns = ("cycle", "row", "col", f"kept: {stays}", f"moving right: {right}", f"moving down: {down}", "does")
    shape = nest.occupied()
    facts: tuple[tuple[str, Cell], ...] = (
        ("layer", layer.name), ("dataflow", nest.dataflow), ("rows_shown", len(rows)), ("cols_shown", len(cols)),
        ("rows_used", shape[0]), ("cols_used", shape[1]),
        *((f"{o.name}_index", _index_names(nest, o)) for o in nest.problem.operands),
    )  # fmt: skip
    title = run_title(f"First cycles of {layer.name}, {nest.dataflow}", report)
    return Table(title, columns, tuple(cells), facts)


def _first(layer: LayerResult) -> Nest:
    """The first nest of a layer that runs on the array."""
    return next(nest.mapping for nest in layer.anatomy.nests if nest.mapping.problem.op == "mac")


def _roles(nest: Nest) -> tuple[str, str, str]:
    """Operands that stay, move right, and move down."""
    table = {"os": ("Outputs", "Inputs", "Weights"), "ws": ("Weights", "Inputs", "Outputs")}
    return table.get(nest.dataflow, ("Inputs", "Weights", "Outputs"))


def _lines(nest: Nest, axis: str) -> list[Offsets]:
    """Start offsets of the dims at each row or column of the array."""
    digits = [d for d in nest.digits if axis in d.axes]
    found = []
    for index in product(*(range(d.trips) for d in digits)):
        offsets: Offsets = {}
        for digit, k in zip(digits, index, strict=True):
            offsets[digit.dim] = offsets.get(digit.dim, 0) + k * digit.step
        found.append(offsets)
    return found


def _steps(nest: Nest) -> Iterator[Offsets]:
    """Start offsets of the dims at each step of the first pass."""
    loops = [step for step in nest.temporal if step.level == "stream"]
    for index in product(*(range(loop.trips) for loop in loops)):
        offsets: Offsets = {}
        for loop, k in zip(loops, index, strict=True):
            offsets[loop.dim] = offsets.get(loop.dim, 0) + k * loop.step
        if all(offsets[dim] < nest.problem.bound[dim] for dim in offsets):
            yield offsets


def _sum(*parts: Mapping[str, int]) -> Offsets:
    return {dim: sum(part.get(dim, 0) for part in parts) for dim in {d for part in parts for d in part}}


def _index_names(nest: Nest, operand: Operand) -> str:
    return ", ".join("+".join(a.dims) for a in operand.axes if a.size > 1) or "one word"


def _element(nest: Nest, name: str, at: Offsets) -> str:
    """An element by its indices along axes of more than one word, `pad` where it is padding."""
    found = []
    for axis in nest.problem.operand(name).axes:
        index = axis.offset + sum(coef * at.get(dim, 0) for dim, coef in axis.terms)
        if not 0 <= index < axis.size:
            return "pad"
        if axis.size > 1:
            found.append(str(index))
    return ",".join(found) or "0"


Frame = list[tuple[Cell, ...]]


def _output_frames(nest: Nest, rows: list[Offsets], cols: list[Offsets], steps: list[Offsets]) -> Iterator[Frame]:
    """Output stationary: Inputs enter from the left, Weights from above, each PE keeps its psum."""
    numbers = np.arange(1, len(steps) + 1)
    left, top = np.tile(numbers, (len(rows), 1)), np.tile(numbers[:, None], (1, len(cols)))
    for right, down in output_steps(left, top):
        frame: Frame = []
        for (r, row), (c, col) in product(enumerate(rows), enumerate(cols)):
            a, b = int(right[r, c]), int(down[r, c])
            inputs = _element(nest, "Inputs", _sum(row, steps[a - 1])) if a else ""
            weights = _element(nest, "Weights", _sum(col, steps[b - 1])) if b else ""
            frame.append((r, c, _element(nest, "Outputs", _sum(row, col)), inputs, weights, "MAC" if a else "idle"))
        yield frame


def _fixed_frames(nest: Nest, rows: list[Offsets], cols: list[Offsets], steps: list[Offsets]) -> Iterator[Frame]:
    """Weight or input stationary: words shift down into place, the other operand moves right, psums move down."""
    stays, moves, _ = _roles(nest)
    stream = np.tile(np.arange(1, len(steps) + 1)[:, None], (1, len(rows)))
    kept: Ints = np.tile(np.arange(1, len(rows) + 1)[:, None], (1, len(cols)))
    for shadow, active, moving in stationary_steps(stream, kept):
        frame: Frame = []
        for (r, _), (c, col) in product(enumerate(rows), enumerate(cols)):
            a, loading, used = int(moving[r, c]), int(shadow[r, c]), int(active[r, c])
            place = used or loading
            stay = _element(nest, stays, _sum(rows[place - 1], col)) if place else ""
            step = steps[a - 1] if a else {}
            word = _element(nest, moves, _sum(rows[r], step)) if a else ""
            psum = _element(nest, "Outputs", _sum(col, step)) if a else ""
            does = "MAC" if a else "loading" if loading and not used else "idle"
            frame.append((r, c, stay, word, psum, does))
        yield frame


def film_figure(table: Table) -> Figure:
    """A frame per cycle; in each PE the kept element, below it those that move right and down."""
    rows, cols = int(table.figure("rows_shown")), int(table.figure("cols_shown"))
    cycles = sorted({int(c) for c in table.numbers("cycle")})
    wide = min(4, len(cycles))
    lines = -(-len(cycles) // wide)
    figure = blank(max(7.5, 0.68 * cols * wide + 0.8), (0.5 * rows + 0.36) * lines + 1.2)
    for number, cycle in enumerate(cycles):
        axes = figure.add_subplot(lines, wide, number + 1)
        frame(axes, table.where("cycle", cycle))
        axes.set_title(f"cycle {cycle}", fontsize=8)
    kept, right, down = (column.split(": ")[1] for column in table.columns[3:6])
    names = {name: table.fact(f"{name}_index") for name in (kept, right, down)}
    legend = "   ".join(
        f"{how} {name}[{names[name]}]"
        for how, name in (("kept:", kept), ("moving right:", right), ("moving down:", down))
    )
    size = f"{rows} x {cols} corner of {int(table.figure('rows_used'))} x {int(table.figure('cols_used'))} used PEs"
    figure.suptitle(f"{table.title}\n{size}\n{legend}\ngreen: MAC, yellow: loading, grey: idle", fontsize=8)
    return figure


def film_gif(table: Table) -> bytes:
    """The frames one after another, 0.9 s each, without end."""
    from PIL import Image

    rows, cols = int(table.figure("rows_shown")), int(table.figure("cols_shown"))
    frames = []
    for cycle in sorted({int(c) for c in table.numbers("cycle")}):
        figure = blank(max(4.5, 1.0 * cols + 0.4), 0.7 * rows + 0.9)
        frame(figure.add_subplot(), table.where("cycle", cycle), 8.0)
        figure.suptitle(f"{table.fact('layer')} ({table.fact('dataflow')}), cycle {cycle}", fontsize=9)
        frames.append(
            Image.open(io.BytesIO(save(figure, "png"))).convert("P", palette=Image.Palette.ADAPTIVE, colors=32)
        )
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=900, loop=0)
    return out.getvalue()


def frame(axes: Any, table: Table, size: float = 6.0) -> None:
    """The PEs in one cycle."""
    from matplotlib.patches import Rectangle

    names = [column.split(": ")[1] for column in table.columns[3:6]]
    fill = {"MAC": shade(FIXED["compute"], 3), "loading": shade(FIXED["fill and drain"], 2), "idle": shade(PALE, 2)}
    for _, row, col, *texts, does in table.rows:
        x, y = float(col), float(row)
        axes.add_patch(Rectangle((x, y), 1, 1, facecolor=fill[str(does)], edgecolor=INK, linewidth=0.6))
        for line, (name, text) in enumerate(zip(names, texts, strict=True)):
            mark = ("", "→ ", "↓ ")[line] if text else ""
            colour = shade(FIXED[name], -1)
            axes.text(
                x + 0.5, y + 0.2 + 0.3 * line, f"{mark}{text}", ha="center", va="center", fontsize=size, color=colour
            )
    axes.set_xlim(0, max(float(c) for c in table.column("col")) + 1)
    axes.set_ylim(max(float(r) for r in table.column("row")) + 1, 0)
    axes.set_axis_off()
