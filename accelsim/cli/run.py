"""`run` and `verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from accelsim.cli.shared import (
    NONE,
    Arch,
    Bar,
    Batch,
    Dataflow,
    EnergyModel,
    Gemm,
    Goal,
    InputShape,
    Json,
    Model,
    Objective,
    Schedule,
    Scheduled,
    app,
    print_json,
    print_table,
    say,
    shapes_of,
    wants_json,
    whole,
)

if TYPE_CHECKING:
    from accelsim.pipeline import Run
    from accelsim.proof import LayerProof, Proof
    from accelsim.report import RunReport
    from accelsim.whatif import WhatIf


@app.command()
def run(
    arch: Arch,
    model: Model,
    batch: Batch = "1",
    out: Annotated[str, typer.Option("--out", "-o", help="Folder to write (default accelsim-out/MODEL-ARCH).")] = "",
    objective: Objective = Goal.edp,
    schedule: Scheduled = Schedule.network,
    input_shape: InputShape = NONE,
    zeros: Annotated[
        str, typer.Option("--zeros", metavar="FILE.csv", help="Shares of zero words: layer,inputs,outputs.")
    ] = "",
    energy: EnergyModel = "",
    gemm: Gemm = False,
    twice: Annotated[
        bool, typer.Option("--what-if", help="Simulate again with twice of each resource: what bounds each layer.")
    ] = False,
    trace: Annotated[
        str, typer.Option("--trace", metavar="FILE.json", help="Also write what ran when, for Perfetto.")
    ] = "",
    dataflow: Dataflow = "",
    max_events: Annotated[
        str, typer.Option("--max-events", metavar="N", help="Segments of a stream that are simulated one by one.")
    ] = "",
    max_memory: Annotated[
        str, typer.Option("--max-memory", metavar="SIZE", help="For listing a stream, as 500 MB (default 8 GB).")
    ] = "",
    json: Json = "",
) -> None:
    """Simulate a network on a machine; write report.json, report.html, layers.csv, summary.md, figures."""
    from pathlib import Path

    from accelsim import api
    from accelsim.arch.dataflows import with_dataflow
    from accelsim.formats.outputs import rows_csv, to_json
    from accelsim.lookup import load_arch, load_model
    from accelsim.store import prepare, write_all
    from accelsim.whatif import what_if

    as_json, images = wants_json(json), whole(batch, "batch", 1)
    machine = with_dataflow(load_arch(arch, energy)[0], dataflow)
    shapes = shapes_of(input_shape)
    graph, _ = load_model(model, images, shapes, gemm)
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in api._name(model))
    folder = Path(out) if out else Path("accelsim-out") / f"{safe}-{machine.name}"
    prepare(folder)
    runs: list[Run] = []
    if trace:
        prepare(Path(trace).parent)
    rounds = 2 if schedule == Schedule.network else 1  # layer by layer, and with activations on chip
    with Bar("mapping", rounds * len(graph.layers)) as bar:
        report = api.run(
            arch,
            model,
            batch=images,
            objective=objective.value,
            schedule=schedule.value,
            input_shapes=shapes,
            zeros=zeros,
            energy=energy,
            gemm=gemm,
            dataflow=dataflow,
            max_events=whole(max_events, "max-events", 1) if max_events else None,
            max_memory=max_memory,
            progress=bar.step,
            on_run=runs.append,
        )
    if trace:
        _write_trace(report, runs[0], trace)
    found = what_if(runs[0], machine) if twice else None
    data = report.as_dict() | ({} if found is None else {"what_if": found.as_dict()})
    more = {} if found is None else {"what_if.csv": rows_csv(found.rows()).encode()}
    write_all(folder, {"report.json": to_json(data).encode(), **more, **_files(report)})
    if as_json:
        print_json(data)
    else:
        _print_report(report, str(folder))
        if found is not None:
            _print_what_if(found, report.totals.cycles)


def _files(report: RunReport) -> dict[str, bytes]:
    """Tables, summary, page and figures of a report."""
    from accelsim.formats.outputs import layers_csv, summary_md
    from accelsim.plot.page import report_html
    from accelsim.plot.views import draw

    return {
        "layers.csv": layers_csv(report).encode(),
        "summary.md": summary_md(report).encode(),
        "report.html": report_html(report).encode(),
        **draw(report),
        **_scalesim_files(report),
    }


def _write_trace(report: RunReport, run: Run, target: str) -> None:
    """What ran when, as a file for a trace viewer."""
    from pathlib import Path

    from accelsim.formats.trace import trace_json
    from accelsim.store import write_all

    title = f"{report.model} on {report.machine.name}, batch {report.batch}"
    text = trace_json(run.times, [layer.name for layer in report.results], title)
    write_all(Path(target).parent, {Path(target).name: text.encode()})


def _print_what_if(found: WhatIf, cycles: int) -> None:
    """What twice of each resource buys, how many layers each bounds, and their share of the cycles of all layers."""
    bounds, whole = [found.bound(i) for i in range(len(found.layers))], max(1, sum(found.before))
    rows = []
    for gain in sorted(found.gains, key=lambda g: g.cycles):
        mine = [i for i, bound in enumerate(bounds) if bound == gain.resource]
        share = sum(found.before[i] for i in mine) / whole
        saved = f"{100 * (gain.cycles / cycles - 1):+.2f} %"
        rows.append([gain.resource, f"{gain.cycles:,}", saved, str(len(mine)), f"{100 * share:.1f} %"])
    mine = [i for i, bound in enumerate(bounds) if bound == "compute"]
    share = sum(found.before[i] for i in mine) / whole
    rows.append(["(none: the array itself)", f"{cycles:,}", "", str(len(mine)), f"{100 * share:.1f} %"])
    columns = [
        ("twice the", False),
        ("cycles", True),
        ("change", True),
        ("layers it bounds", True),
        ("their share", True),
    ]
    print_table("What twice of a resource buys, mappings unchanged (what_if.csv has every layer)", columns, rows)


def _scalesim_files(report: RunReport) -> dict[str, bytes]:
    """SCALE-Sim's own three reports of a run with its timing."""
    from accelsim.formats.scalesim import report_files

    rows = [row for layer in report.results if layer.scalesim is not None for row in layer.scalesim.rows()]
    return {name: text.encode() for name, text in report_files(rows).items()} if rows else {}


def _print_scalesim(report: RunReport) -> None:
    """SCALE-Sim's columns, our causal cycles beside them."""
    from accelsim.timing.scalesim import COMPUTE_COLUMNS, run_columns

    words = ("IFMAP Reads", "Filter Reads", "OFMAP Writes")
    rows = []
    for layer in report.results:
        run = layer.scalesim
        if run is None:
            continue
        found = run_columns(run)
        counts = [f"{found[f'{memory} {what}']:,}" for memory in ("SRAM", "DRAM") for what in words]
        utils = [f"{found[name]:.2f}" for name in COMPUTE_COLUMNS[3:]]
        runs = f"{layer.name} x{run.count}" if run.count > 1 else layer.name
        rows.append([runs, f"{found['Total Cycles']:,}", *utils, *counts, f"{layer.causal_cycles:,}"])
    columns = [("layer", False), ("Total Cycles", True), ("Overall Util %", True), ("Mapping Efficiency %", True)]
    columns += [("Compute Util %", True), *((f"{m} {w}", True) for m in ("SRAM", "DRAM") for w in words)]
    columns.append(("causal cycles", True))
    print_table(f"SCALE-Sim 3.0.0: {report.model} on {report.machine.name}", columns, rows)
    causal = sum(layer.causal_cycles or 0 for layer in report.results)
    say(f"{sum(r.scalesim.cycles for r in report.results if r.scalesim):,} SCALE-Sim cycles; causal run {causal:,}")
    say(f"{report.options['timing_note']}")
    say("also written: COMPUTE_REPORT.csv, BANDWIDTH_REPORT.csv, DETAILED_ACCESS_REPORT.csv")


def _print_report(report: RunReport, folder: str) -> None:
    from accelsim.formats.outputs import bought_text, energy_text
    from accelsim.units import fmt_bytes, fmt_energy, fmt_si

    if any(layer.scalesim for layer in report.results):
        _print_scalesim(report)
    totals = report.totals
    rows = [
        [
            layer.name, layer.op, f"{layer.issued_macs:,}", f"{layer.cycles:,}", f"{100 * layer.utilization:.1f} %",
            fmt_energy(layer.total_energy_fj), fmt_bytes(sum(layer.dram_bits())), layer.note,
        ]
        for layer in report.results
    ]  # fmt: skip
    columns = [
        ("layer", False), ("operator", False), ("MACs", True), ("cycles", True), ("util", True), ("energy", True),
        ("DRAM", True), ("why", False),
    ]  # fmt: skip
    print_table(f"{report.model} on {report.machine.name}, batch {report.batch}", columns, rows)
    dram = sum(f.read_bits + f.write_bits for f in totals.traffic.get("DRAM", {}).values())
    say(
        f"{totals.macs:,} MACs, {totals.params:,} parameters\n"
        f"{totals.cycles:,} cycles = {fmt_si(totals.seconds, 's')}, {100 * totals.utilization:.1f} % utilisation, "
        f"{energy_text(totals)}, {fmt_bytes(dram)} DRAM traffic\n"
        f"{bought_text(report)}"
        f"written to {folder}: report.html, report.json, layers.csv, summary.md, figures (PNG, SVG)\n"
        f"all views: accelsim plot {folder}"
    )


@app.command()
def verify(
    arch: Arch,
    model: Model,
    batch: Batch = "1",
    seed: Annotated[str, typer.Option("--seed", metavar="N", help="Seed of the random weights and inputs.")] = "0",
    objective: Objective = Goal.edp,
    schedule: Scheduled = Schedule.network,
    input_shape: InputShape = NONE,
    gemm: Gemm = False,
    dataflow: Dataflow = "",
    json: Json = "",
) -> None:
    """Prove a run: every array pass on integers against the reference, words moved against words counted."""
    from accelsim import api
    from accelsim.lookup import load_model

    as_json, images, number = wants_json(json), whole(batch, "batch", 1), whole(seed, "seed", 0)
    shapes = shapes_of(input_shape)
    graph, _ = load_model(model, images, shapes, gemm)
    with Bar("verifying", len(graph.layers)) as bar:

        def report(proof: LayerProof) -> None:
            bar.step(proof.name)
            if not as_json:
                say(_proof_line(proof))

        proof = api.verify(
            arch, model, batch=images, seed=number, objective=objective.value, schedule=schedule.value,
            input_shapes=shapes, gemm=gemm, dataflow=dataflow, on_layer=report,
        )  # fmt: skip
    _finish_verify(proof, as_json)


def _proof_line(proof: LayerProof) -> str:
    verdict = "exact" if proof.exact else "NOT EXACT"
    wide = f", sums need {proof.acc_bits} of {proof.psum_bits} psum bits" if proof.acc_bits > 1 else ""
    text = f"{proof.name:<24} {verdict}: {proof.values:,} values, {proof.words:,} words, {proof.passes:,} passes{wide}"
    if proof.wrong_values:
        text += f"\n  {proof.wrong_values} values differ from the reference"
    return text + "".join(f"\n  {line}" for line in proof.wrong_words)


def _finish_verify(proof: Proof, as_json: bool) -> None:
    wrong = sum(not layer.exact for layer in proof.layers)
    if as_json:
        print_json(proof.as_dict())
    else:
        total = len(proof.layers)
        say(f"{proof.model} on {proof.arch}: {total - wrong} of {total} layers exact")
    if wrong:
        raise typer.Exit(1)
