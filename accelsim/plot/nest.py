"""Loop-nest print-out of a layer: levels, loops, and what each memory holds, tile bytes against capacity."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from accelsim.anatomy import Nest, problem_text
from accelsim.mapping import Loop
from accelsim.plot.ask import Ask, chosen, run_title
from accelsim.plot.style import FIXED, INK, blank
from accelsim.plot.table import Cell, Table, line
from accelsim.report import RunReport
from accelsim.units import fmt_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LINES = 60
COLUMNS = ("nest", "depth", "kind", "name", "trips", "operand", "words", "word_bits", "copies", "bits", "capacity_bits")


def nest_table(report: RunReport, ask: Ask) -> Table:
    """One row per memory, tile, loop and pass of the layer's nests, outer to inner."""
    layer = chosen(report, ask.layer, [x for x in report.results if x.anatomy.nests], "no loop nest")
    capacity = {m.name: m.capacity_bits for m in report.machine.blocks.memories}
    rows = [row for number, nest in enumerate(layer.anatomy.nests) for row in _rows(number, nest, capacity)]
    facts = (("layer", layer.name), ("pes", report.machine.pes))
    return Table(run_title(f"Loop nest of {layer.name}", report), COLUMNS, tuple(rows), facts)


def _rows(number: int, nest: Nest, capacity: dict[str, int]) -> Iterable[tuple[Cell, ...]]:
    mapping, depth = nest.mapping, 0
    yield line(number, 0, "problem", problem_text(mapping.problem), 0, "", 0, 0, 0, 0, 0)

    def loops(found: tuple[Loop, ...], kind: str) -> Iterable[tuple[Cell, ...]]:
        nonlocal depth
        for loop in found:
            if loop.trips > 1:
                yield line(number, depth, kind, loop.dim, loop.trips, loop.kind, 0, 0, 0, 0, 0)
                depth += 1

    for level, tiles in zip(mapping.levels, nest.tiles, strict=True):
        name = level.memory
        yield line(number, depth, "memory", name, 0, "", 0, 0, 0, sum(t.bits for t in tiles), capacity.get(name, 0))
        for t in tiles:
            yield line(number, depth, "tile", name, 0, t.operand, t.words, t.word_bits, t.depth, t.bits, capacity[name])
        yield from loops(level.loops, "loop")
    yield line(number, depth, "pass", mapping.dataflow, nest.active_pes, "", 0, 0, 0, 0, 0)
    yield from loops(mapping.stream, "stream")
    yield from loops(mapping.spatial, "spatial")
    yield from loops(mapping.pe, "pe")
    yield line(number, depth, "operation", mapping.problem.op, 1, "", 0, 0, 0, 0, 0)


def _text(row: dict[str, Cell], pes: Cell) -> str:
    """A line of the print-out."""
    name, trips = row["name"], row["trips"]
    words = {
        "problem": f"{name}",
        "loop": f"for {name} in {trips}",
        "stream": f"for {name} in {trips}",
        "spatial": f"parallel {name} in {trips} ({row['operand']})",
        "pe": f"for {name} in {trips} in each PE",
        "pass": f"array pass ({name}, {trips} of {pes} PEs active)" if trips else "vector unit pass",
        "operation": f"{name}",
    }
    if row["kind"] == "memory":
        full = float(row["capacity_bits"])
        held = f"{fmt_bytes(float(row['bits']))} of {fmt_bytes(full)}" if full else "everything"
        return f"{name}: {held}"
    if row["kind"] == "tile":
        size = fmt_bytes(float(row["words"]) * float(row["word_bits"]))
        return f"  {row['operand']} {row['copies']} x {row['words']} words of {row['word_bits']} bit = {size} each"
    return words[str(row["kind"])]


def nest_figure(table: Table) -> Figure:
    """The nest as indented text; a memory's line carries a bar of how full it is, by operand."""
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    shown = rows[:MOST_LINES]
    figure = blank(11.0, 0.21 * len(shown) + 0.9)
    axes = figure.add_subplot()
    axes.set_xlim(0, 100)
    axes.set_ylim(len(shown) + 0.2, -0.8)
    axes.set_axis_off()
    left = 0.0
    for number, row in enumerate(shown):
        indent = 1.8 * float(row["depth"])
        bold = row["kind"] in ("memory", "pass", "problem")
        colour = FIXED.get(str(row["operand"]), INK) if row["kind"] == "tile" else INK
        weight = "bold" if bold else "normal"
        text = _text(row, table.fact("pes"))
        axes.text(indent, number, text, family="monospace", fontsize=8, va="center", color=colour, weight=weight)
        if row["kind"] == "memory" and row["capacity_bits"]:
            axes.barh(number, 22, left=76, height=0.7, color="none", edgecolor=INK, linewidth=0.6)
            left, at = 76.0, number
        if row["kind"] == "tile":
            wide = 22 * float(row["bits"]) / float(row["capacity_bits"])
            axes.barh(at, wide, left=left, height=0.7, color=FIXED.get(str(row["operand"]), INK))
            left += wide
    more = len(rows) - len(shown)
    axes.set_title(table.title + (f" ({more} more lines in the CSV)" if more else ""))
    return figure
