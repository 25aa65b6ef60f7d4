"""The command line: thin, and the only place that prints and exits."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from accelsim import __version__
from accelsim.errors import AccelsimError, InputError

if TYPE_CHECKING:
    from accelsim.proof import LayerProof, Proof
    from accelsim.report import RunReport

app = typer.Typer(
    name="accelsim", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Simulate DNN accelerators and map networks onto them. Counted, timed and computed readings agree exactly.",
)  # fmt: skip
show = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Print a model, a machine or a mapping.")
app.add_typer(show, name="show")

BUG = 70
INTERRUPTED = 130


class Goal(StrEnum):
    """What the mapper minimises."""

    edp = "edp"
    energy = "energy"
    latency = "latency"


Arch = Annotated[str, typer.Option("--arch", "-a", help="Machine: a name of `accelsim archs` or a YAML file.")]
Model = Annotated[
    str, typer.Option("--model", "-m", help="Network: a name of `accelsim models`, name:param=value, or a .py.")
]
Batch = Annotated[str, typer.Option("--batch", "-b", metavar="N", help="Images at once.")]
Json = Annotated[str, typer.Option("--json", help="`-` prints one JSON object to stdout instead of text.")]
Objective = Annotated[Goal, typer.Option("--objective", help="What the mapper minimises.")]


def _say(text: str) -> None:
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def _wants_json(option: str) -> bool:
    if option not in ("", "-"):
        raise InputError(f"--json {option!r}, expected '-' (standard output)")
    return option == "-"


def _whole(text: str, name: str, least: int) -> int:
    """A whole number from the command line."""
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise InputError(f"{name} {text!r}, expected a whole number of at least {least}")
    return value


def _json(data: dict[str, Any]) -> None:
    from accelsim.formats.outputs import to_json

    sys.stdout.write(to_json(data))


class _Bar:
    """A progress bar on stderr when that is a terminal."""

    def __init__(self, label: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._task = self._progress.add_task(label, total=total)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step(self, label: str) -> None:
        """One layer done."""
        self._progress.update(self._task, advance=1, description=label)


def _table(title: str, columns: list[tuple[str, bool]], rows: list[list[str]]) -> None:
    """A rich table on stdout; columns are (name, right-aligned)."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name, right in columns:
        table.add_column(
            name, justify="right" if right else "left", no_wrap=not right and name != "why", overflow="fold"
        )
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.print(table, markup=False) if console.is_terminal else Console(width=160).print(table, markup=False)


def _version(value: bool) -> None:
    if value:
        _say(f"accelsim {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    arch: Arch,
    model: Model,
    batch: Batch = "1",
    out: Annotated[str, typer.Option("--out", "-o", help="Folder to write (default accelsim-out/MODEL-ARCH).")] = "",
    objective: Objective = Goal.edp,
    json: Json = "",
) -> None:
    """Simulate a network on a machine; write report.json, layers.csv, summary.md and figures."""
    from pathlib import Path

    from accelsim import api
    from accelsim.formats.outputs import layers_csv, summary_md, to_json
    from accelsim.lookup import load_arch, load_model
    from accelsim.plot.figures import draw
    from accelsim.store import prepare, write_all

    as_json, images = _wants_json(json), _whole(batch, "batch", 1)
    machine, _ = load_arch(arch)
    graph, _ = load_model(model, images)
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in api._name(model))
    folder = Path(out) if out else Path("accelsim-out") / f"{safe}-{machine.name}"
    prepare(folder)
    with _Bar("mapping", len(graph.layers)) as bar:
        report = api.run(arch, model, batch=images, objective=objective.value, progress=bar.step)
    files = {
        "report.json": to_json(report.as_dict()).encode(),
        "layers.csv": layers_csv(report).encode(),
        "summary.md": summary_md(report).encode(),
        **draw(report),
    }
    write_all(folder, files)
    if as_json:
        _json(report.as_dict())
    else:
        _print_report(report, str(folder))


def _print_report(report: RunReport, folder: str) -> None:
    from accelsim.units import fmt_bytes, fmt_energy, fmt_si

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
    _table(f"{report.model} on {report.machine.name}, batch {report.batch}", columns, rows)
    dram = sum(f.read_bits + f.write_bits for f in totals.traffic.get("DRAM", {}).values())
    _say(
        f"{totals.macs:,} MACs, {totals.params:,} parameters\n"
        f"{totals.cycles:,} cycles = {fmt_si(totals.seconds, 's')}, {100 * totals.utilization:.1f} % utilisation, "
        f"{fmt_energy(totals.total_energy_fj)}, {fmt_bytes(dram)} DRAM traffic\n"
        f"written to {folder}: report.json, layers.csv, summary.md, figures (PNG, SVG)"
    )


@app.command()
def verify(
    arch: Arch,
    model: Model,
    batch: Batch = "1",
    seed: Annotated[str, typer.Option("--seed", metavar="N", help="Seed of the random weights and inputs.")] = "0",
    objective: Objective = Goal.edp,
    json: Json = "",
) -> None:
    """Prove a run: every array pass on integers against the reference, words moved against words counted."""
    from accelsim import api
    from accelsim.lookup import load_model

    as_json, images, number = _wants_json(json), _whole(batch, "batch", 1), _whole(seed, "seed", 0)
    graph, _ = load_model(model, images)
    with _Bar("verifying", len(graph.layers)) as bar:

        def report(proof: LayerProof) -> None:
            bar.step(proof.name)
            if not as_json:
                _say(_proof_line(proof))

        proof = api.verify(arch, model, batch=images, seed=number, objective=objective.value, on_layer=report)
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
        _json(proof.as_dict())
    else:
        total = len(proof.layers)
        _say(f"{proof.model} on {proof.arch}: {total - wrong} of {total} layers exact")
    if wrong:
        raise typer.Exit(1)


@app.command()
def models(json: Json = "") -> None:
    """List the networks that can be named."""
    from accelsim.lookup import list_models

    entries = list_models()
    if _wants_json(json):
        rows = [
            {"name": e.name, "file": e.path.name, "params": e.params, "summary": e.summary} for e in entries.values()
        ]
        _json({"models": rows})
        return
    table = [[e.name, e.path.name, e.summary] for e in entries.values()]
    _table("Networks", [("name", False), ("file", False), ("what and where from", False)], table)


@app.command()
def archs(json: Json = "") -> None:
    """List the machines that can be named."""
    from accelsim.lookup import list_archs, load_arch

    machines = [(load_arch(str(path))[0], path.name) for path in list_archs().values()]
    if _wants_json(json):
        rows = [
            {"name": m.name, "file": file, "rows": m.array.rows, "cols": m.array.cols, "dataflow": m.array.dataflow,
             "clock_hz": m.clock_hz, "description": m.description}
            for m, file in machines
        ]  # fmt: skip
        _json({"archs": rows})
        return
    table = [[m.name, f"{m.array.rows} x {m.array.cols}", m.array.dataflow, m.description] for m, _ in machines]
    _table("Machines", [("name", False), ("PEs", True), ("dataflow", False), ("what it is", True)], table)


@app.command()
def schema(json: Json = "") -> None:
    """Print the JSON Schema of machine files, for editors."""
    from accelsim.formats.arch_yaml import arch_json_schema

    _wants_json(json)
    _json(arch_json_schema())


@show.command("model")
def show_model(name: Annotated[str, typer.Argument(help="Network.")], batch: Batch = "1", json: Json = "") -> None:
    """Layers of a network with shapes, parameters and MACs, and what the graph passes fold."""
    from accelsim.graph import optimise, own_params
    from accelsim.lookup import load_model

    as_json, images = _wants_json(json), _whole(batch, "batch", 1)
    graph, found = load_model(name, images)
    folded = optimise(graph).aliases
    params = own_params(graph.layers)
    if as_json:
        rows = [
            {"name": n.name, "op": n.op, "inputs": list(n.inputs), "output_shape": list(n.shape),
             "params": params[n.name], "macs": n.macs, "folded_into": folded.get(n.name)}
            for n in graph.layers
        ]  # fmt: skip
        _json({"model": graph.name, "batch": graph.batch, "file": found.shown, "params": graph.params,
               "macs": graph.macs, "layers": rows})  # fmt: skip
        return
    table = [
        [n.name, n.op, "x".join(map(str, n.shape)), f"{params[n.name]:,}", f"{n.macs:,}", folded.get(n.name, "")]
        for n in graph.layers
    ]
    columns = [
        ("layer", False),
        ("operator", False),
        ("output", True),
        ("params", True),
        ("MACs", True),
        ("folded into", False),
    ]
    _table(f"{graph.name}, batch {graph.batch}", columns, table)
    _say(f"{graph.params:,} parameters, {graph.macs:,} MACs")


@show.command("arch")
def show_arch(name: Annotated[str, typer.Argument(help="Machine.")], json: Json = "") -> None:
    """A machine with its figures in internal units."""
    from dataclasses import asdict

    from accelsim.lookup import load_arch

    as_json = _wants_json(json)
    machine, found = load_arch(name)
    if as_json:
        _json({"file": found.shown, **asdict(machine)})
    else:
        _say(found.text)


@show.command("mapping")
def show_mapping(
    arch: Arch,
    model: Model,
    layer: Annotated[str, typer.Option("--layer", "-l", help="One layer (default: all).")] = "",
    batch: Batch = "1",
    objective: Objective = Goal.edp,
    json: Json = "",
) -> None:
    """Loop nests with the level that holds each operand, tile bytes against capacity."""
    from accelsim.graph import optimise
    from accelsim.lookup import load_arch, load_model
    from accelsim.mapping.text import nest_text
    from accelsim.plan import Options, plan_layer

    as_json, images = _wants_json(json), _whole(batch, "batch", 1)
    machine, _ = load_arch(arch)
    work = optimise(load_model(model, images)[0])
    nodes = [work.node(layer)] if layer else list(work.layers)
    found = {}
    cache: dict[tuple[Any, ...], Any] = {}
    for node in nodes:
        plan = plan_layer(node, machine, Options(objective.value), cache)
        found[node.name] = "\n\n".join(nest_text(p.mapped.mapping, machine) for p in plan.parts if p.mapped) or None
    if as_json:
        _json({"arch": machine.name, "model": work.name, "mappings": found})
        return
    for name, text in found.items():
        _say(f"{name}\n{text or 'runs on the vector unit in chunks, or moves nothing'}\n")


def _fail(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"error: {message}\n")
    raise SystemExit(code)


def main() -> None:
    """Entry point: exit 0 fine, 1 a check failed, 2 wrong input, 70 a bug of ours, 130 interrupted."""
    try:
        code = typer.main.get_command(app).main(standalone_mode=False)
    except AccelsimError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        raise SystemExit(0) from None
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            sys.stderr.write(f"{error}\n")
            raise SystemExit(2) from None
        if hasattr(error, "format_message"):
            _fail(error.format_message(), 2)
        if type(error).__name__ == "Abort":
            _fail("interrupted", INTERRUPTED)
        import traceback

        traceback.print_exc()
        _fail(f"this is a bug in accelsim: {type(error).__name__}: {error}; please report it with the lines above", BUG)
    if code == INTERRUPTED:
        _fail("interrupted", INTERRUPTED)
    raise SystemExit(code if isinstance(code, int) else 0)
