"""`report.html`: one file without a network request, from a template, a style sheet and two scripts of the package.

The numbers stand in it once, as JSON: per layer what the table and the drill-down show, and the tables of the views,
which the page draws itself. The policy in its head forbids every request and every script but its own, by hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from importlib import resources
from typing import Any

from accelsim.energy import LevelTraffic
from accelsim.plot import film, roofline
from accelsim.plot.ask import Ask
from accelsim.plot.style import COLOURS, colours, shade
from accelsim.plot.table import Table
from accelsim.plot.views import HAS, view
from accelsim.report import LayerResult, RunReport
from accelsim.units import fmt_bytes, fmt_energy, fmt_si, fmt_span
from accelsim.verdict import CLASSES, bound_of, paragraph, share, times

SHOWN = (
    "energy", "energy_operand", "energy_network", "latency", "latency_network", "utilisation", "pe_map", "resources",
    "occupancy", "machine", "graph",
)  # fmt: skip
"""Views the page draws; layers, nests and rooflines it has in other forms."""


def _file(name: str) -> str:
    return resources.files("accelsim.plot").joinpath("html", name).read_text(encoding="utf-8")


def in_script(data: Any) -> str:
    """JSON that may stand inside a script element: no `<`, and no line ends that scripts of old see.

    >>> in_script({"name": "</script>"})
    '{"name":"\\\\u003c/script>"}'
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _tints(table: Table, name: str) -> dict[str, str]:
    """Colours of what a table names: parts of a stack, causes, components, operands, bounds."""
    if name == "energy_operand":
        words = [column.removesuffix("_fj") for column in table.columns[1:-1]]
        base = colours(list(dict.fromkeys(word.rsplit(" ", 1)[0] if _operand(word) else word for word in words)))
        steps = {"Inputs": 0, "Weights": 2, "Outputs": -2}
        return {
            w: shade(base[w.rsplit(" ", 1)[0]], steps[_operand(w)]) if _operand(w) else base[w] for w in words
        }  # fmt: skip
    if name in ("energy", "latency"):
        return colours([column.removesuffix("_fj").removesuffix("_cycles") for column in table.columns[1:-1]])
    if name == "graph":
        return colours(CLASSES)
    wanted = {"energy_network": "component", "latency_network": "cause", "occupancy": "operand", "machine": "operand"}
    return colours(list(dict.fromkeys(table.texts(wanted[name])))) if name in wanted else {}


def both_ways(colour: str) -> str:
    """A colour for both themes: one that is dark on paper is lightened on a dark page.

    >>> both_ways("#222255"), both_ways("#ccbb44")
    ('light-dark(#222255, #595980)', '#ccbb44')
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    dark = 299 * red + 587 * green + 114 * blue < 90_000
    return f"light-dark({colour}, {shade(colour, 1)})" if dark else colour


def _operand(word: str) -> str:
    """The operand at the end of a part's name, or nothing."""
    last = word.rpartition(" ")[2]
    return last if " " in word and last in ("Inputs", "Weights", "Outputs") else ""


def table_dict(table: Table, name: str) -> dict[str, Any]:
    """A table for the page."""
    return {
        "columns": list(table.columns),
        "rows": [list(row) for row in table.rows],
        "facts": dict(table.facts),
        "tints": {word: both_ways(colour) for word, colour in _tints(table, name).items()},
    }


def layer_dict(layer: LayerResult) -> dict[str, Any]:
    """A layer for the table and the drill-down."""
    inside = layer.anatomy
    return {
        "name": layer.name,
        "op": layer.op,
        "unit": layer.unit,
        "shape": "x".join(map(str, layer.output_shape)),
        "macs": layer.issued_macs,
        "params": layer.params,
        "cycles": layer.cycles,
        "start": layer.start_cycle,
        "util": layer.utilization,
        "energy_fj": layer.total_energy_fj,
        "dram_bits": sum(layer.dram_bits()),
        "bound": bound_of(layer),
        "note": layer.note,
        "folded": list(layer.folded),
        "formula": list(inside.formula),
        "mapping": layer.mapping or "",
        "causes": sorted(times(layer.compute_cycles, layer.stall_cycles).items()),
        "energy": _flat(dict(sorted(layer.energy_parts_fj.items()))),
        "links": _flows(inside.links),
        "traffic": _flows(layer.traffic),
        "held": _flat(inside.held_bits),
    }


def _flat(table: dict[str, dict[str, int]]) -> list[tuple[str, str, int]]:
    return [(name, operand, value) for name, row in table.items() for operand, value in sorted(row.items())]


def _flows(table: LevelTraffic) -> list[tuple[str, str, int, int]]:
    rows = ((name, operand, flow) for name, row in table.items() for operand, flow in sorted(row.items()))
    return [(name, operand, flow.read_bits, flow.write_bits) for name, operand, flow in rows]


def page_data(report: RunReport) -> dict[str, Any]:
    """All that the page's scripts read."""
    names = [name for name in SHOWN if HAS[view(name).needs](report)]
    tables = {name: table_dict(view(name).table(report, Ask()), name) for name in names}
    if HAS["film"](report):
        tables["film"] = table_dict(film.film_table(report, Ask(cycles=16)), "film")
    levels = roofline.levels(report) if HAS["array"](report) else []
    lines = {level: roofline.roofline_table(report, Ask(level=level)) for level in levels}
    return {
        "clock_hz": report.machine.clock_hz,
        "cycles": report.totals.cycles,
        "palette": list(COLOURS),
        "layers": [layer_dict(layer) for layer in report.results],
        "tables": tables,
        "rooflines": {level: table_dict(table, "roofline") for level, table in lines.items() if table.rows},
    }


def _figures(report: RunReport) -> str:
    """The summary as a list of terms."""
    totals, machine = report.totals, report.machine
    low, high = totals.energy_span_aj
    reads = sum(f.read_bits for f in totals.traffic.get("DRAM", {}).values())
    writes = sum(f.write_bits for f in totals.traffic.get("DRAM", {}).values())
    rows = [
        ("time", f"{fmt_si(totals.seconds, 's')} ({totals.cycles:,} cycles at {fmt_si(machine.clock_hz, 'Hz')})"),
        ("throughput", f"{report.batch / totals.seconds:.4g} images/s"),
        ("energy (range)", fmt_span(totals.total_energy_fj, low / 1000, high / 1000)),
        ("energy per image", fmt_energy(totals.total_energy_fj / report.batch)),
        ("MACs", f"{totals.macs:,} ({totals.issued_macs:,} issued)"),
        ("parameters", f"{totals.params:,}"),
        ("array utilisation", f"{share(totals.utilization, 1)} of {machine.pes:,} PEs"),
        ("DRAM traffic", f"{fmt_bytes(reads)} read, {fmt_bytes(writes)} written"),
        ("layers", f"{len(report.results)}"),
    ]
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows)


def _provenance(report: RunReport) -> str:
    """Versions, hashes, options, sources of constants, and where the timeline is."""
    bits = ", ".join(f"{name} {width}" for name, width in report.machine.precision.items())
    facts = [
        ("accelsim", report.version), ("network", report.model), ("machine", report.machine.name),
        ("batch", str(report.batch)), ("dataflow", report.machine.dataflow), ("word widths in bits", bits),
        ("energy model", str(report.energy_model.get("model", ""))),
        ("technology node", f"{report.energy_model.get('node_nm')} nm"),
        ("proof", str(report.verification.get("command", "")) or "none"),
    ]  # fmt: skip
    files = [(name, digest) for name, digest in sorted(report.sources.items())]
    options = [(name, json.dumps(value, ensure_ascii=False)) for name, value in report.options.items()]
    ranges = [
        (r["component"], r["shared"], f"{r['low_permille'] / 1000:g} to {r['high_permille'] / 1000:g}", r["source"])
        for r in report.energy_model.get("ranges", [])
    ]
    return (
        _rows(("what", "value"), facts)
        + "<h3>Files (SHA-256)</h3>" + _rows(("file", "hash"), files)
        + "<h3>Options</h3>" + _rows(("option", "value"), options)
        + "<h3>Sources of energy constants</h3>"
        + _rows(("component", "uncertainty shared as", "factor", "source"), ranges)
        + "<p>Timeline: open trace.json, where a run wrote one, in the Perfetto trace viewer.</p>"
    )  # fmt: skip


def _rows(head: tuple[str, ...], rows: Any) -> str:
    top = "".join(f'<th scope="col" class="l">{escape(name)}</th>' for name in head)
    body = "".join(
        "<tr>" + "".join(f'<td class="l"><code>{escape(str(cell))}</code></td>' for cell in row) + "</tr>"
        for row in rows
    )
    table = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll">{table}</div>'


def report_html(report: RunReport) -> str:
    """The page; the same report, the same bytes."""
    script = _file("charts.js") + _file("page.js").replace('"use strict";\n', "", 1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; base-uri 'none'"
    parts = {
        "TITLE": escape(f"{report.model} on {report.machine.name}, batch {report.batch}"),
        "CSP": f"{policy}; form-action 'none'",
        "CSS": _file("page.css"),
        "FIGURES": _figures(report),
        "VERDICT": escape(paragraph(report)),
        "PROVENANCE": _provenance(report),
        "DATA": in_script(page_data(report)),
        "JS": script,
    }
    first, *rest = _file("page.html").split("@")
    return first + "".join(parts.get(piece, piece) for piece in rest)
