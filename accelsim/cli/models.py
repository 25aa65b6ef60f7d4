"""`export`, `explain`, `tables`, `coverage` and `new`: networks in and out, and why a layer costs what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from accelsim.cli.shared import (
    NONE,
    Bar,
    Batch,
    InputShape,
    Json,
    app,
    print_json,
    print_table,
    say,
    shapes_of,
    wants_json,
    whole,
)
from accelsim.errors import InputError

new = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Write a commented starter file that runs as it is."
)
app.add_typer(new, name="new")

Out = Annotated[str, typer.Option("--out", "-o", help="File to write (default: standard output).")]


@app.command()
def export(
    target: Annotated[
        str, typer.Argument(help="File to write: .onnx, or SCALE-Sim's .csv (topology), .cfg (machine).")
    ],
    model: Annotated[str, typer.Option("--model", "-m", help="Network to write as .onnx or .csv.")] = "",
    arch: Annotated[str, typer.Option("--arch", "-a", help="Machine to write as .cfg.")] = "",
    batch: Batch = "1",
    seed: Annotated[str, typer.Option("--seed", metavar="N", help="Seed of the random weights.")] = "0",
    input_shape: InputShape = NONE,
    gemm: Annotated[bool, typer.Option("--gemm", help="Write products (name, M, N, K) into the .csv.")] = False,
    json: Json = "",
) -> None:
    """Write a network as ONNX (its own weights or seeded random ones) or SCALE-Sim topology, a machine as .cfg."""
    from accelsim import api

    as_json = wants_json(json)
    images, number = whole(batch, "batch", 1), whole(seed, "seed", 0)
    suffix = Path(target).suffix
    if suffix == ".cfg":
        _needs(target, "--arch", arch, "--model", model)
        found = api.export_machine(arch, target)
        text = f"{found['arch']} as a SCALE-Sim machine"
    elif suffix == ".csv":
        _needs(target, "--model", model, "--arch", arch)
        found = api.export_topology(model, target, gemm=gemm)
        text = f"{found['rows']} rows of {found['layers']} layers, {found['macs']:,} MACs"
    else:
        _needs(target, "--model", model, "--arch", arch)
        found = api.export(model, target, batch=images, seed=number, input_shapes=shapes_of(input_shape))
        text = f"{found['nodes']} nodes, {found['params']:,} parameters, opset {found['opset']}"
    if as_json:
        print_json(found)
    else:
        say(f"{target}: {text}")


def _needs(target: str, wanted: str, given: str, other: str, too_much: str) -> None:
    if not given or too_much:
        raise InputError(f"export to {target!r} takes {wanted}{f' and not {other}' if too_much else ''}")


@app.command()
def explain(
    model: Annotated[str, typer.Argument(help="Network.")],
    layer: Annotated[str, typer.Argument(help="Layer (default: all with products).")] = "",
    batch: Batch = "1",
    input_shape: InputShape = NONE,
    json: Json = "",
) -> None:
    """A layer's formulas with its own numbers, in the lecture's letters, and what other forms of it would cost."""
    from accelsim.explain import explain_network

    as_json, images = wants_json(json), whole(batch, "batch", 1)
    found = explain_network(model, layer, images, shapes_of(input_shape))
    if as_json:
        print_json({"model": model, "batch": images, "layers": [entry.as_dict() for entry in found]})
        return
    for entry in found:
        say(entry.text() + "\n")


@app.command()
def tables(out: Out = "", json: Json = "") -> None:
    """The course's tables: complexity and sizes of networks, beside what machines make of them."""
    from accelsim.explain.course import course_tables, tables_md
    from accelsim.store import write_all

    as_json = wants_json(json)
    with Bar("tables", 1) as bar:
        found = course_tables(bar.step)
    text = tables_md(found)
    if out:
        write_all(Path(out).parent, {Path(out).name: text.encode()})
    if as_json:
        print_json({"tables": [table.as_dict() for table in found]})
    elif not out:
        say(text)


@app.command()
def coverage(out: Out = "", json: Json = "") -> None:
    """Operators against the tests of the onnx package: passed, reference, lowering, simulated."""
    from accelsim.store import write_all
    from accelsim.validate.coverage import coverage_md, measure

    as_json = wants_json(json)
    with Bar("onnx tests", 1) as bar:
        found = measure(bar.step)
    if out:
        write_all(Path(out).parent, {Path(out).name: coverage_md(found).encode()})
    if as_json:
        print_json(found.as_dict())
    elif out:
        say(f"{found.passed} of {found.covered} covered tests pass; written to {out}")
    else:
        rows = [[r.operator, r.layer, f"{r.passed}/{r.tests}", str(r.simulated), r.lowers] for r in found.rows]
        columns = [
            ("ONNX operator", False), ("layer", False), ("tests", True), ("simulated", True), ("lowers to", False)
        ]  # fmt: skip
        print_table(f"{found.passed} of {found.covered} covered tests pass", columns, rows)


@new.command("model")
def new_model(name: Annotated[str, typer.Argument(help="Name of the network; NAME.py is written.")]) -> None:
    """A network of a few layers as a Python file."""
    from accelsim.formats.starters import model_file
    from accelsim.store import write_all

    path, text = model_file(name)
    write_all(path.parent, {path.name: text})
    say(f"{path}: try  accelsim run --arch eyeriss --model {path}")


@new.command("arch")
def new_arch(name: Annotated[str, typer.Argument(help="Name of the machine; NAME.yaml is written.")]) -> None:
    """A small machine as a YAML file."""
    from accelsim.formats.starters import arch_file
    from accelsim.lookup import find_arch
    from accelsim.store import write_all

    path, text = arch_file(name, find_arch("edge_os_32x32").text, "edge_os_32x32")
    write_all(path.parent, {path.name: text})
    say(f"{path}: try  accelsim run --arch {path} --model mlp")
