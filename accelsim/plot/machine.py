"""Block diagram of the machine with the network's traffic on every link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from accelsim.energy import merge
from accelsim.plot.ask import Ask, chosen, costly, run_title
from accelsim.plot.style import FIXED, INK, blank
from accelsim.plot.table import Cell, Table
from accelsim.report import RunReport
from accelsim.units import fmt_bytes, fmt_si

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE, TALL, GAP = 1.6, 1.0, 3.2


def _places(links: list[tuple[str, str]], names: list[str]) -> dict[str, tuple[int, int]]:
    """(column, line) of every block: a column further than what feeds it."""
    column = dict.fromkeys(names, 0)
    for _ in names:
        for parent, child in links:
            column[child] = max(column[child], column[parent] + 1)
    lines: dict[int, int] = {}
    found = {}
    for name in names:
        line = lines[column[name]] = lines.get(column[name], -1) + 1
        found[name] = (column[name], line)
    return found


def machine_table(report: RunReport, ask: Ask) -> Table:
    """Blocks with their figures and places, then links with bits down and up by operand, of the run or one layer."""
    blocks, clock = report.machine.blocks, report.machine.clock_hz
    layers = costly(report)
    if ask.layer:
        layers = [chosen(report, ask.layer, layers, "no traffic")]
    traffic = merge(layer.anatomy.links for layer in layers)
    links = [(str(name).split(" > ")[0], str(name).split(" > ")[1]) for name in traffic]
    texts = {"DRAM": f"{blocks.dram}\n{fmt_si(blocks.dram_bits_per_s / 8, 'B/s')}"}
    for m in blocks.memories:
        ports = f"read {fmt_si(m.read_bits_per_cycle * clock / 8, 'B/s')}"
        texts[m.name] = (
            f"{fmt_bytes(m.capacity_bits)}\n{ports}\nwrite {fmt_si(m.write_bits_per_cycle * clock / 8, 'B/s')}"
        )
    spads = " ".join(f"{operand[0]} {words}" for operand, words in blocks.spad_words.items())
    texts["array"] = (
        f"{blocks.rows} x {blocks.cols} PEs\n{blocks.array_kind}, {report.machine.dataflow}\nspads: {spads}"
    )
    texts["vector"] = f"{blocks.vector_lanes} lanes"
    used = {end for link in links for end in link} | {"DRAM", "array"} | {m.name for m in blocks.memories}
    names = [name for name in texts if name in used]
    place = _places(links, names)
    rows: list[tuple[Cell, ...]] = [("block", name, "", "", texts[name], *place[name], 0, 0) for name in names]
    for (parent, child), row in zip(links, traffic.values(), strict=True):
        for operand, flow in sorted(row.items()):
            down, up = flow.read_bits, flow.write_bits
            rows.append(("link", parent, child, operand, "", *place[parent], down, up))
    columns = ("kind", "name", "child", "operand", "text", "column", "line", "down_bits", "up_bits")
    what = f"Machine and traffic of {ask.layer}" if ask.layer else "Machine and traffic"
    return Table(run_title(what, report), columns, tuple(rows))


def machine_figure(table: Table) -> Figure:
    """Boxes from DRAM to the PEs; an arrow per link, its width the share of the busiest, its figures beside it."""
    from matplotlib.patches import FancyBboxPatch

    blocks, links = table.where("kind", "block"), table.where("kind", "link")
    spots = {str(row[1]): (float(row[5]) * GAP, -float(row[6]) * 1.9) for row in blocks.rows}
    wide, tall = max(x for x, _ in spots.values()), -min(y for _, y in spots.values())
    figure = blank(3.1 * (1 + wide / GAP), 2.8 + 1.1 * tall)
    axes = figure.add_subplot()
    for name, text in zip(blocks.texts("name"), blocks.texts("text"), strict=True):
        x, y = spots[name]
        box = FancyBboxPatch((x, y), WIDE, TALL, "round,pad=0.03", facecolor="#eef2f7", edgecolor=INK)
        axes.add_patch(box)
        axes.text(x + WIDE / 2, y + TALL - 0.2, name, ha="center", va="center", fontsize=10, weight="bold")
        axes.text(x + WIDE / 2, y + 0.38, text, ha="center", va="center", fontsize=7)
    _arrows(axes, blocks, links, spots)
    axes.set_xlim(-0.2, wide + WIDE + 0.2)
    axes.set_ylim(-tall - 0.35, TALL + 0.6)
    axes.set_axis_off()
    axes.set_title(f"{table.title}\n(bytes over each link: → towards the PEs, ← back)", fontsize=10)
    return figure


def _arrows(axes: Any, blocks: Table, links: Table, spots: dict[str, tuple[float, float]]) -> None:
    most = max([*links.numbers("down_bits"), *links.numbers("up_bits"), 1.0])
    pairs = list(dict.fromkeys(zip(links.texts("name"), links.texts("child"), strict=True)))
    for parent, child in pairs:
        mine = [row for row in links.rows if (row[1], row[2]) == (parent, child)]
        flows = [(str(row[3]), way, float(row[at])) for row in mine for way, at in (("→", 7), ("←", 8)) if row[at]]
        x0, y0 = spots[parent][0] + WIDE + 0.05, spots[parent][1] + TALL / 2
        x1, y1 = spots[child][0] - 0.05, spots[child][1] + TALL / 2
        column = {str(row[1]): float(row[5]) for row in blocks.rows}
        hops = column[child] - column[parent]
        bow = 0.55 if hops > 1 and y0 == y1 else 0.0
        for number, (operand, way, bits) in enumerate(flows):
            lift = 0.27 * ((len(flows) - 1) / 2 - number)
            near, far = (x0, y0 + lift), (x1, y1 + lift)
            start, end = (near, far) if way == "→" else (far, near)
            rad = 2 * bow / (x1 - x0)
            style = {
                "arrowstyle": "-|>", "color": FIXED[operand], "lw": 0.8 + 4 * bits / most, "shrinkA": 0,
                "connectionstyle": f"arc3,rad={-rad if way == '→' else rad}",
            }  # fmt: skip
            axes.annotate("", end, start, arrowprops=style)
            at = 0.5 if bow or (hops == 1 and y0 == y1) else 0.75 if hops == 1 else 0.25
            spot = (x0 + at * (x1 - x0), y0 + at * (y1 - y0) + lift + bow)
            backing = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
            text = f"{operand} {fmt_bytes(bits)}"
            axes.text(*spot, text, ha="center", va="center", fontsize=7, color=INK, bbox=backing)
