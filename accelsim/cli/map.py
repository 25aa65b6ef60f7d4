"""`map`: the best mapping of every layer, with what is proven about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accelsim.cli.shared import (
    NONE,
    Arch,
    Bar,
    Batch,
    Dataflow,
    Goal,
    InputShape,
    Json,
    Model,
    Objective,
    app,
    print_json,
    print_table,
    say,
    shapes_of,
    wants_json,
    whole,
)
from accelsim.errors import InputError

if TYPE_CHECKING:
    from accelsim.atlas import Entry


@app.command("map")
def map_layers(
    arch: Arch,
    model: Model,
    layer: Annotated[str, typer.Option("--layer", "-l", help="Only this layer; its loop nest is printed.")] = "",
    objective: Objective = Goal.edp,
    batch: Batch = "1",
    constraints: Annotated[str, typer.Option("--constraints", metavar="FILE.yaml", help="Restrict the space.")] = "",
    imperfect: Annotated[bool, typer.Option("--imperfect", help="Tiles of the first memory of any size.")] = False,
    max_evaluations: Annotated[
        str, typer.Option("--max-evaluations", metavar="N", help="Boxes and mappings evaluated at most, per layer.")
    ] = "",
    space: Annotated[bool, typer.Option("--space", help="Print the size of the space and stop.")] = False,
    pareto: Annotated[bool, typer.Option("--pareto", help="All trade-offs of energy and latency, per layer.")] = False,
    certify: Annotated[
        str, typer.Option("--certify", metavar="FILE", help="Write the proofs for `accelsim certify`.")
    ] = "",
    dataflow: Dataflow = "",
    input_shape: InputShape = NONE,
    json: Json = "",
) -> None:
    """Find the best mapping of every array layer, proven optimal for the bound objective or with the gap stated."""
    from accelsim import atlas
    from accelsim.arch.dataflows import with_dataflow
    from accelsim.cli.certify import write
    from accelsim.formats.mapping_cache import MappingCache
    from accelsim.formats.mapping_yaml import load_constraints
    from accelsim.lookup import load_arch, load_model
    from accelsim.mapper.search import EVALUATIONS
    from accelsim.sim.drafts import Drafts
    from accelsim.store import prepare, user_text

    as_json, images = wants_json(json), whole(batch, "batch", 1)
    most = whole(max_evaluations, "max-evaluations", 1) if max_evaluations else EVALUATIONS
    if space + pareto + bool(certify) > 1:
        raise InputError("--space, --pareto and --certify together; a run takes one of them")
    machine = with_dataflow(load_arch(arch)[0], dataflow)
    graph, _ = load_model(model, images, shapes_of(input_shape))
    limits = load_constraints(constraints, machine, atlas.layer_names(graph)) if constraints else {}
    tasks = atlas.tasks_of(graph, machine, layer, limits)
    if space:
        _print_space([(t, atlas.size_of(t, machine, imperfect)) for t in tasks], as_json)
        return
    if pareto:
        from accelsim.cli.pareto import print_fronts

        print_fronts(tasks, machine, f"{graph.name} on {machine.name}", imperfect, most, as_json)
        return
    claims = []
    if certify:
        prepare(Path(certify).parent)
        heading = {
            "arch": arch, "dataflow": machine.array.dataflow, "model": model, "batch": images,
            "input_shapes": shapes_of(input_shape),
            "constraints": user_text(constraints, "constraints") if constraints else "",
        }  # fmt: skip
        with Bar("certifying", len(tasks)) as bar:
            for task in tasks:
                found = atlas.claims_of(task, machine, objective.value, imperfect, most)
                claims += [(task.name, task.times, claim) for claim in found]
                bar.step(f"{task.name}: {sum(claim.boxes for claim in found):,} boxes")
    library, drafts = MappingCache(), Drafts()
    with Bar("mapping", len(tasks)) as bar:
        entries = []
        for task in tasks:
            entries.append(atlas.map_task(task, machine, objective.value, imperfect, most, library, drafts))
            bar.step(f"{task.name}: {entries[-1].state()}")
    told = write(certify, heading, machine, claims) if certify else ""
    if as_json:
        print_json({"arch": machine.name, "dataflow": machine.array.dataflow, "objective": objective.value,
                    **({"certificate": certify} if certify else {}),
                    "layers": [e.as_dict() for e in entries]})  # fmt: skip
        return
    flow = f", {dataflow}" if dataflow else ""
    _print_entries(entries, f"{graph.name} on {machine.name}{flow}, {objective.value}")
    if told:
        say(told)
    if layer:
        say("\n".join(entry.nest for entry in entries))


def _print_space(rows: list[tuple[Any, tuple[int, int]]], as_json: bool) -> None:
    if as_json:
        print_json({"layers": [{"name": t.name, "cores": c, "tilings": n} for t, (c, n) in rows]})
        return
    columns = [("layer", False), ("cores", True), ("tilings, all loop orders apart", True)]
    print_table("Size of the space", columns, [[t.name, f"{c:,}", f"{n:,}"] for t, (c, n) in rows])


def _print_entries(entries: list[Entry], title: str) -> None:
    from accelsim.units import fmt_energy

    columns = [
        ("layer", False), ("times", True), ("cycles", True), ("bound B", True), ("energy", True), ("gap", True),
        ("proof", False), ("boxes", True), ("evaluated", True), ("simulated", True),
    ]  # fmt: skip
    rows = [
        [e.name, str(e.times), f"{e.cycles:,}", f"{e.bound_cycles:,}", fmt_energy(e.energy_fj), f"{100 * e.gap:.2f} %",
         e.proof(), f"{e.boxes:,}", f"{e.evaluated:,}", str(e.simulated)]
        for e in entries
    ]  # fmt: skip
    print_table(title, columns, rows)
    cycles, energy = sum(e.cycles * e.times for e in entries), sum(e.energy_fj * e.times for e in entries)
    proven = sum(e.proven for e in entries)
    say(f"{cycles:,} cycles, {fmt_energy(energy)} in all; bound proven optimal for {proven} of {len(entries)} layers")
