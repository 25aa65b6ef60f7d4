"""A report as files: JSON, CSV and the Markdown summary. Same report, same bytes."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from accelsim.report import LayerResult, RunReport, Totals, add_up, layer_row
from accelsim.units import fmt_bytes, fmt_energy, fmt_si, fmt_span
from accelsim.verdict import cause_text, share, times


def to_json(data: dict[str, Any]) -> str:
    """JSON text, indented, with a final newline."""
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def layers_csv(report: RunReport) -> str:
    """One row per layer; columns carry their units; absent figures are 0."""
    return rows_csv([layer_row(layer) for layer in report.results])


def rows_csv(rows: list[dict[str, Any]]) -> str:
    """Rows as CSV: all columns in order of first use, absent figures 0."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval=0, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, first column left, the others right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *rows])


def energy_text(totals: Totals) -> str:
    """The energy of a run with its range."""
    low, high = totals.energy_span_aj
    return fmt_span(totals.total_energy_fj, low / 1000, high / 1000)


def bought_text(report: RunReport) -> str:
    """What the network schedule saves against layer by layer; nothing to say without it."""
    before = report.schedule.get("layerwise")
    if before is None:
        return ""
    now = report.totals.as_dict()

    def change(*keys: str) -> str:
        was, found = sum(before[k] for k in keys), sum(now[k] for k in keys)
        return f"{100 * (found / was - 1):+.1f} %" if was else "0.0 %"

    stay, parts = (len(report.schedule[f"tensors_{how}on_chip"]) for how in ("", "partly_"))
    more = f", {parts} more in part" if parts else ""
    dram = change("dram_read_bits", "dram_write_bits")
    return (
        f"against layer by layer: cycles {change('cycles')}, energy {change('energy_pj')}, DRAM traffic {dram} "
        f"({stay} tensors stay on chip{more}, layers {'' if report.schedule['overlap'] else 'do not '}overlap)\n"
    )


def _headline(report: RunReport) -> str:
    totals, machine = report.totals, report.machine
    reads = sum(f.read_bits for f in totals.traffic.get("DRAM", {}).values())
    writes = sum(f.write_bits for f in totals.traffic.get("DRAM", {}).values())
    rows = [
        ["time", f"{fmt_si(totals.seconds, 's')} ({totals.cycles:,} cycles at {fmt_si(machine.clock_hz, 'Hz')})"],
        [
            "energy",
            f"{energy_text(totals)}, {fmt_energy(totals.total_energy_fj / report.batch)} per image",
        ],
        ["throughput", f"{report.batch / totals.seconds:.4g} images/s"],
        ["MACs", f"{totals.macs:,} conventional, {totals.issued_macs:,} issued"],
        ["parameters", f"{totals.params:,}"],
        ["array utilisation", f"{share(totals.utilization, 1)} of {machine.pes} PEs"],
        ["DRAM traffic", f"{fmt_bytes(reads)} read, {fmt_bytes(writes)} written"],
    ]
    if "layerwise" in report.schedule:
        rows.append(["schedule", bought_text(report).strip()])
    if any(layer.dram for layer in report.results):
        rows.append(["DRAM rows", _dram_rows(report)])
    if report.area_mm2 is not None:
        a = report.area_mm2
        rows.append(["area", f"{a['total']:.3g} mm2 ({a['low']:.3g} to {a['high']:.3g}) of PEs, spads and memories"])
    return _table(["figure", "value"], rows)


def _dram_rows(report: RunReport) -> str:
    """What a command-level DRAM did, summed over the layers."""
    total = add_up({name: int(n) for name, n in (layer.dram or {}).items()} for layer in report.results)
    bursts = total["read_bursts"] + total["write_bursts"]
    return (
        f"{share(total['row_hits'], bursts)} of {bursts:,} bursts hit, {total['row_misses']:,} miss, "
        f"{total['row_conflicts']:,} conflict; {total['refreshes']:,} refreshes"
    )


def _verdict(report: RunReport) -> str:
    """Two sentences: what takes the time and what takes the energy."""
    totals = report.totals
    if not totals.energy_fj:
        return "**Nothing to do.** Every layer is a view of the same words in the same order; nothing moves."
    time = times(totals.compute_cycles, totals.stall_cycles)
    cause, cycles = max(time.items(), key=lambda pair: pair[1])
    part, energy = max(totals.energy_fj.items(), key=lambda pair: pair[1])
    slow = max(report.results, key=lambda layer: layer.cycles)
    hungry = max(report.results, key=lambda layer: layer.total_energy_fj)
    return (
        f"**Time.** {share(cycles, sum(time.values()))} of the {_whose(report)}cycles are "
        f"{cause_text(cause)}; the slowest "
        f"layer is `{slow.name}` ({share(slow.cycles, totals.cycles)}): {slow.note}.\n\n"
        f"**Energy.** {share(energy, totals.total_energy_fj)} goes to {part}; the hungriest layer is `{hungry.name}` "
        f"({share(hungry.total_energy_fj, totals.total_energy_fj)})."
    )


def _whose(report: RunReport) -> str:
    """With SCALE-Sim's timing, causes are those of the causal run beside it."""
    return "causal " if report.options["timing"] == "scalesim" else ""


def _time_table(report: RunReport) -> str:
    totals = report.totals
    parts = times(totals.compute_cycles, totals.stall_cycles)
    rows = [
        [cause_text(name).removeprefix("spent "), f"{cycles:,}", share(cycles, sum(parts.values()))]
        for name, cycles in sorted(parts.items(), key=lambda pair: -pair[1])
    ]
    return _table(["cause", "cycles", "share"], rows)


def _energy_table(report: RunReport) -> str:
    totals = report.totals
    rows = []
    for name, value in sorted(totals.energy_fj.items(), key=lambda pair: -pair[1]):
        if value:
            bounds = totals.energy_ranges
            factors = (
                ""
                if name not in bounds
                else f"{bounds[name].low_permille / 1000:.2g} to {bounds[name].high_permille / 1000:.2g}"
            )
            rows.append([name, fmt_energy(value), share(value, totals.total_energy_fj), factors])
    return _table(["component", "energy", "share", "range of its figure"], rows)


def _layer_row(layer: LayerResult, report: RunReport) -> list[str]:
    reads, writes = layer.dram_bits()
    return [
        layer.name,
        layer.op,
        f"{layer.issued_macs:,}",
        f"{layer.cycles:,}",
        share(layer.cycles, report.totals.cycles),
        share(layer.utilization, 1),
        fmt_energy(layer.total_energy_fj),
        fmt_bytes(reads + writes),
        layer.note,
    ]


def _timing(report: RunReport) -> str:
    note = report.options.get("timing_note")
    if note is None:
        return ""
    causal = sum(layer.causal_cycles or 0 for layer in report.results)
    return f"Timing scalesim: {note}. The causal run takes {causal:,} cycles. "


def _counted(report: RunReport) -> str:
    """How the figures were counted: widths, rules, what is included."""
    bits, counting = report.machine.precision, report.options["counting"]
    extra = report.totals.issued_macs - report.totals.macs
    return (
        f"Dataflow {report.machine.dataflow}; words of {bits['weights']} bit (weights), {bits['inputs']} (inputs), "
        f"{bits['psums']} (psums), {bits['outputs']} (outputs). Mapper objective: {report.options['objective']}. "
        f"{_timing(report)}Layers run one after another and every tensor returns to DRAM in between. "
        "Halo reuse is "
        f"{'on' if counting['halo_reuse'] else 'off'}; psums on their first visit: {counting['psum_first_visit']}. "
        f"Issued minus conventional MACs: {extra:,}. Batch norm and activations are folded where `report.json` says so "
        "(`folded`), the rest runs on the vector unit. The final drain to DRAM is included. The laws were checked on "
        f"every layer; values are proved by `{report.verification['command']}`." + _dram_model(report)
    )


def _dram_model(report: RunReport) -> str:
    """How a command-level DRAM was set up; nothing for the simple model."""
    dram = report.options.get("dram")
    if dram is None:
        return ""
    energy = "core currents by command" if dram["energy"] == "by command" else "energies per bit"
    return (
        f" DRAM by commands: {dram['channels']} channel(s) of {dram['preset']}, {dram['page']} page, addresses "
        f"{dram['mapping']}, refresh {'on' if dram['refresh'] else 'off'}, {energy}; every layer begins with closed "
        "banks, tensors lie tile by tile."
    )


def summary_md(report: RunReport) -> str:
    """The run on one page: verdict, where time and energy go, every layer with its reason, how it was counted."""
    header = ["layer", "operator", "MACs", "cycles", "time", "utilisation", "energy", "DRAM", "why"]
    parts = [
        f"# {report.model} on {report.machine.name}, batch {report.batch}",
        _headline(report),
        _verdict(report),
        "## Where the time goes",
        _time_table(report),
        "## Where the energy goes",
        _energy_table(report),
        "## Layers",
        _table(header, [_layer_row(layer, report) for layer in report.results]),
        "## How this was counted",
        _counted(report),
        "Sources: " + ", ".join(f"`{name}` {sha[:12]}" for name, sha in sorted(report.sources.items())) + ".",
    ]
    return "\n\n".join(parts) + "\n"
