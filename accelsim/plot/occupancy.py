"""Occupancy of every on-chip memory over the network's time, by operand: what each layer reserves while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelsim.plot.ask import Ask, costly, run_title
from accelsim.plot.style import INK, blank, colours
from accelsim.plot.table import Table
from accelsim.report import RunReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def occupancy_table(report: RunReport, ask: Ask) -> Table:
    """Per layer, memory and operand: from when to when how many bits are reserved (peak of the layer)."""
    order = [m.name for m in report.machine.blocks.memories]
    rows = tuple(
        (layer.name, memory, operand, layer.start_cycle, layer.end_cycle, bits)
        for memory in order
        for layer in costly(report)
        for operand, bits in sorted(layer.anatomy.held_bits.get(memory, {}).items())
    )
    facts = (
        ("clock_hz", report.machine.clock_hz),
        *((f"{m.name}_capacity_bits", m.capacity_bits) for m in report.machine.blocks.memories),
    )
    columns = ("layer", "memory", "operand", "start_cycle", "end_cycle", "bits")
    return Table(run_title("Occupancy of on-chip memories", report), columns, rows, facts)


def steps(table: Table) -> tuple[list[float], dict[str, list[float]]]:
    """(edges in cycles, bits by operand between them) of one memory; layers that overlap add up."""
    begin, end, bits = table.numbers("start_cycle"), table.numbers("end_cycle"), table.numbers("bits")
    edges = sorted({*begin, *end})
    place = {edge: i for i, edge in enumerate(edges)}
    found = {name: [0.0] * max(0, len(edges) - 1) for name in sorted(set(table.texts("operand")))}
    for operand, start, stop, amount in zip(table.texts("operand"), begin, end, bits, strict=True):
        for i in range(place[start], place[stop]):
            found[operand][i] += amount
    return edges, found


def occupancy_figure(table: Table) -> Figure:
    """One panel per memory; the line is its capacity."""
    memories = [name.removesuffix("_capacity_bits") for name, _ in table.facts[1:]]
    figure = blank(11.0, 1.2 + 2.4 * len(memories))
    scale = 1e3 / table.figure("clock_hz")
    tints = colours(sorted(set(table.texts("operand"))))
    for number, memory in enumerate(memories):
        axes = figure.add_subplot(len(memories), 1, number + 1)
        edges, rows = steps(table.where("memory", memory))
        capacity = table.figure(f"{memory}_capacity_bits") / 8192
        base = [0.0] * max(0, len(edges) - 1)
        for operand, values in rows.items():
            tops = [b + v / 8192 for b, v in zip(base, values, strict=True)]
            times = [edge * scale for edge in edges]
            axes.stairs(tops, times, baseline=base, fill=True, color=tints[operand], label=operand)
            base = tops
        axes.axhline(capacity, color=INK, linewidth=1, linestyle="--", label="capacity")
        axes.set_ylim(0, 1.08 * max([capacity, *base]))
        axes.set_ylabel(f"{memory} [KiB]")
        axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        if number == 0:
            axes.set_title(table.title)
    axes.set_xlabel("time [ms]; while a layer runs, the most that it reserves (tiles at full depth)")
    return figure
