"""`certify`: check a certificate of `accelsim map --certify` without the search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from accelsim.cli.shared import Bar, Json, app, print_json, print_table, say, wants_json

if TYPE_CHECKING:
    from accelsim.arch import Accelerator
    from accelsim.atlas import Task
    from accelsim.certify.proof import Claim
    from accelsim.formats.certificate import CertificateModel, LayerModel


@app.command()
def certify(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `accelsim map --certify FILE` wrote.")],
    json: Json = "",
) -> None:
    """Check a certificate: its boxes cover the space, every bound holds, the incumbents cost what is claimed."""
    from accelsim.errors import CheckFailed
    from accelsim.formats.certificate import read_certificate

    as_json = wants_json(json)
    found = read_certificate(file)
    machine, tasks = _asked(found)
    rows: list[dict[str, Any]] = []
    with Bar("checking", len(found.layers)) as bar:
        for layer in found.layers:
            try:
                rows.append(_row(layer, _checked(found, layer, machine, tasks), ""))
            except CheckFailed as error:
                rows.append(_row(layer, None, str(error)))
            bar.step(layer.name)
    failures = [f"layer {row['name']}: {row['failure']}" for row in rows if row["failure"]]
    for name in dict.fromkeys(row["name"] for row in rows if row["name"] in tasks):
        failures += _left_out(tasks[name], found, machine)
    if as_json:
        print_json({"holds": not failures, "arch": found.arch, "model": found.model, "objective": found.objective,
                    "layers": rows})  # fmt: skip
    else:
        _print(found, rows)
    for text in failures:
        typer.echo(f"error: {text}", err=True)
    if failures:
        raise typer.Exit(1)


def _asked(found: CertificateModel) -> tuple[Accelerator, dict[str, Task]]:
    """The machine that the certificate names, which must be the one it states, and the tasks of its network."""
    from accelsim import atlas
    from accelsim.arch.dataflows import with_dataflow
    from accelsim.formats.certificate import same_machine
    from accelsim.formats.mapping_yaml import parse_constraints
    from accelsim.lookup import load_arch, load_model

    machine = with_dataflow(load_arch(found.arch)[0], found.dataflow)
    same_machine(found, machine)
    shapes = {name: tuple(sizes) for name, sizes in found.input_shapes.items()}
    graph, _ = load_model(found.model, found.batch, shapes)
    names = atlas.layer_names(graph)
    limits = parse_constraints(found.constraints, "constraints", machine, names) if found.constraints else {}
    return machine, {task.name: task for task in atlas.tasks_of(graph, machine, "", limits)}


def _left_out(task: Task, found: CertificateModel, machine: Accelerator) -> list[str]:
    """Forms of the machine of which a certificate says nothing about a layer: something better may be there."""
    claimed = [layer.pairs for layer in found.layers if layer.name == task.name]
    return [
        f"layer {task.name}: nothing is said of the form in which "
        + (", ".join(f"{operand} pass by {memory}" for memory, operand in sorted(form.bypassed)) or "nothing passes by")
        for form in task.forms(machine)
        if form.bypassed not in claimed
    ]


def _checked(found: CertificateModel, layer: LayerModel, machine: Accelerator, tasks: dict[str, Task]) -> Claim:
    from accelsim.certify.proof import check
    from accelsim.errors import CheckFailed, InputError, nearest
    from accelsim.formats.certificate import claim_of, form_of

    task = tasks.get(layer.name)
    if task is None:
        raise CheckFailed(f"no such array layer in {found.model}; {nearest(layer.name, tasks)}")
    if task.times != layer.times:
        raise CheckFailed(f"it occurs {task.times} times, not {layer.times}")
    try:
        form = form_of(layer, machine)
        claim = claim_of(found, layer, task.problem, task.post_ops, form, task.limit)
        check(claim)
    except InputError as error:
        raise InputError(f"layer {layer.name}: {error}") from None
    return claim


def _row(layer: LayerModel, claim: Claim | None, failure: str) -> dict[str, Any]:
    return {
        "name": layer.name, "times": layer.times, "cost": layer.cost, "bound": layer.bound,
        "energy_pj": layer.energy_fj / 1000, "bound_cycles": layer.cycles, "gap": gap(layer.cost, layer.bound),
        "proven": claim is not None and layer.cost == layer.bound, "boxes": sum(f.boxes for f in layer.families),
        "failure": failure,
    }  # fmt: skip


def gap(cost: int, bound: int) -> float:
    """How far a cost lies above a bound, as a share."""
    return cost / bound - 1 if bound else 0.0


def _print(found: CertificateModel, rows: list[dict[str, Any]]) -> None:
    from accelsim.units import fmt_energy

    columns = [("layer", False), ("times", True), ("bound B", True), ("energy", True), ("gap", True), ("boxes", True),
               ("check", False)]  # fmt: skip
    table = [
        [r["name"], str(r["times"]), f"{r['bound_cycles']:,}", fmt_energy(round(1000 * r["energy_pj"])),
         f"{100 * r['gap']:.2f} %", f"{r['boxes']:,}",
         "FAILS" if r["failure"] else "optimal" if r["proven"] else "bound holds"]
        for r in rows
    ]  # fmt: skip
    print_table(f"{found.model} on {found.arch}, {found.objective}", columns, table)
    proven, boxes = sum(r["proven"] for r in rows), sum(r["boxes"] for r in rows)
    say(f"{proven} of {len(rows)} layers proven optimal, {boxes:,} boxes checked")


def write(path: str, heading: dict[str, Any], machine: Accelerator, claims: list[tuple[str, int, Claim]]) -> str:
    """Write a certificate; what it says, in words."""
    from pathlib import Path

    from accelsim.formats.certificate import write_certificate
    from accelsim.store import write_all

    text = write_certificate(heading, machine, claims)
    write_all(Path(path).parent, {Path(path).name: text.encode()})
    proven, boxes = sum(c.cost == c.bound for _, _, c in claims), sum(c.boxes for _, _, c in claims)
    return f"{path}: {proven} of {len(claims)} layers certified optimal, {boxes:,} boxes, {len(text):,} bytes"
