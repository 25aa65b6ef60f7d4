"""`models`, `archs`, `schema` and `show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from accelsim.cli.shared import (
    NONE,
    Arch,
    Batch,
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
    show,
    wants_json,
    whole,
)
from accelsim.errors import InputError

if TYPE_CHECKING:
    from accelsim.arch import Accelerator
    from accelsim.graph import LayerGraph
    from accelsim.mapping import Mapping
    from accelsim.plan import Plan


@app.command()
def models(json: Json = "") -> None:
    """List the networks that can be named."""
    from accelsim.lookup import list_models

    entries = list_models()
    if wants_json(json):
        rows = [
            {"name": e.name, "file": e.path.name, "params": e.params, "summary": e.summary} for e in entries.values()
        ]
        print_json({"models": rows})
        return
    table = [[e.name, e.path.name, e.summary] for e in entries.values()]
    print_table("Networks", [("name", False), ("file", False), ("what and where from", False)], table)


@app.command()
def archs(json: Json = "") -> None:
    """List the machines that can be named."""
    from accelsim.lookup import list_archs, load_arch

    machines = [(load_arch(str(path))[0], path.name) for path in list_archs().values()]
    if wants_json(json):
        rows = [
            {"name": m.name, "file": file, "rows": m.array.rows, "cols": m.array.cols, "dataflow": m.array.dataflow,
             "clock_hz": m.clock_hz, "description": m.description}
            for m, file in machines
        ]  # fmt: skip
        print_json({"archs": rows})
        return
    table = [[m.name, f"{m.array.rows} x {m.array.cols}", m.array.dataflow, m.description] for m, _ in machines]
    print_table("Machines", [("name", False), ("PEs", True), ("dataflow", False), ("what it is", True)], table)


@app.command()
def schema(json: Json = "") -> None:
    """Print the JSON Schema of machine files, for editors."""
    from accelsim.formats.arch_yaml import arch_json_schema

    wants_json(json)
    print_json(arch_json_schema())


@show.command("model")
def show_model(
    name: Annotated[str, typer.Argument(help="Network.")],
    batch: Batch = "1",
    input_shape: InputShape = NONE,
    json: Json = "",
) -> None:
    """Layers of a network with shapes, parameters and MACs, and what the graph passes fold."""
    from accelsim.graph import optimise, own_params
    from accelsim.lookup import load_model

    as_json, images = wants_json(json), whole(batch, "batch", 1)
    graph, found = load_model(name, images, shapes_of(input_shape))
    folded = optimise(graph).aliases
    params = own_params(graph.layers)
    if as_json:
        rows = [
            {"name": n.name, "op": n.op, "inputs": list(n.inputs), "output_shape": list(n.shape),
             "params": params[n.name], "macs": n.macs, "folded_into": folded.get(n.name)}
            for n in graph.layers
        ]  # fmt: skip
        print_json({"model": graph.name, "batch": graph.batch, "file": found.shown, "params": graph.params,
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
    print_table(f"{graph.name}, batch {graph.batch}", columns, table)
    say(f"{graph.params:,} parameters, {graph.macs:,} MACs")


@show.command("arch")
def show_arch(name: Annotated[str, typer.Argument(help="Machine.")], json: Json = "") -> None:
    """A machine with its figures in internal units."""
    from dataclasses import asdict

    from accelsim.lookup import load_arch

    as_json = wants_json(json)
    machine, found = load_arch(name)
    if as_json:
        print_json({"file": found.shown, **asdict(machine), "bypassed": sorted(machine.bypassed)})
    else:
        say(found.text)


@show.command("mapping")
def show_mapping(
    arch: Arch,
    model: Model,
    layer: Annotated[str, typer.Option("--layer", "-l", help="One layer (default: all).")] = "",
    batch: Batch = "1",
    objective: Objective = Goal.edp,
    input_shape: InputShape = NONE,
    yaml: Annotated[bool, typer.Option("--yaml", help="As a mapping file: the loops of every place.")] = False,
    json: Json = "",
) -> None:
    """Loop nests with the level that holds each operand, tile bytes against capacity."""
    from accelsim.graph import optimise
    from accelsim.lookup import load_arch, load_model
    from accelsim.mapping.text import NO_NEST, nest_text

    as_json, images = wants_json(json), whole(batch, "batch", 1)
    if as_json and yaml:
        raise InputError("--yaml and --json: expected one of them")
    machine, _ = load_arch(arch)
    work = optimise(load_model(model, images, shapes_of(input_shape))[0])
    plans = _plans(work, machine, layer, objective.value)
    if yaml:
        say(f"# {work.name} on {machine.name}, batch {images}, {objective.value}\n{_as_yaml(plans, layer)}")
        return
    found = {
        plan.node.name: "\n\n".join(nest_text(p.mapped.mapping, p.mapped.arch) for p in plan.parts if p.mapped) or None
        for plan in plans
    }
    if as_json:
        print_json({"arch": machine.name, "model": work.name, "mappings": found})
        return
    for name, text in found.items():
        say(f"{name}\n{text or NO_NEST}\n")


def _plans(work: LayerGraph, machine: Accelerator, layer: str, objective: Literal["edp", "energy", "latency"]) -> (
    list[Plan]
):  # fmt: skip
    """Plans of one layer, or of all; the rest of the network is planned only if it decides what stays on chip."""
    from accelsim.plan import Options, plan_layer
    from accelsim.planning import plan_network
    from accelsim.residency import weight_residency

    nodes = [work.node(layer)] if layer else list(work.layers)
    options = Options(objective, schedule="layerwise")
    if weight_residency(work, machine):
        plans = {plan.node.name: plan for plan in plan_network(work, machine, options)}
        return [plans[node.name] for node in nodes]
    cache: dict[tuple[Any, ...], Any] = {}
    return [plan_layer(node, machine, options, cache) for node in nodes]


def _as_yaml(plans: list[Plan], layer: str) -> str:
    """The mapping file of one layer, or of all that have mappings."""
    from accelsim.formats.mapping_yaml import part_name, write_mapping, write_mappings
    from accelsim.mapping.text import NO_NEST

    found: dict[str, Mapping] = {}
    for plan in plans:
        mappings = [part.mapped.mapping for part in plan.parts if part.mapped]
        found |= {part_name(plan.node.name, i, len(mappings)): mapping for i, mapping in enumerate(mappings)}
    if layer and not found:
        raise InputError(f"layer {layer!r} {NO_NEST}: it has no mapping; expected a layer of the array or a pooling")
    return write_mapping(*found.values()) if layer and len(found) == 1 else write_mappings(found)
