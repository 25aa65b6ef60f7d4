"""The library's front door: names and files in, reports out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelsim.arch import Accelerator
from accelsim.arch.dataflows import with_dataflow
from accelsim.errors import InputError
from accelsim.explain import explain_layers
from accelsim.formats.mapping_cache import MappingCache
from accelsim.formats.report_json import read_report
from accelsim.formats.zeros import load_zeros
from accelsim.graph import LayerGraph
from accelsim.lookup import Shapes, load_arch, load_model, load_rows, sources_of
from accelsim.mapper.search import EVALUATIONS, Mapped, Objective, map_problem
from accelsim.mapping.constraint import ANYTHING, Constraint
from accelsim.pipeline import Run
from accelsim.pipeline import run as run_pipeline
from accelsim.plan import KeptCache, Options
from accelsim.plot.bound import Report
from accelsim.problem import Problem
from accelsim.proof import LayerProof, Proof
from accelsim.proof import verify as verify_network
from accelsim.report import RunReport
from accelsim.sim.drafts import Drafts
from accelsim.sim.limits import MOST_BYTES, Limits
from accelsim.store import write_all
from accelsim.units import bits

if TYPE_CHECKING:
    from accelsim.sweeps.door import SweepResult


def run(
    arch: str,
    model: str,
    *,
    batch: int = 1,
    objective: Objective = "edp",
    schedule: str = "network",
    input_shapes: Shapes | None = None,
    zeros: str = "",
    energy: str = "",
    gemm: bool = False,
    dataflow: str = "",
    max_events: int | None = None,
    max_memory: str = "",
    progress: Callable[[str], None] | None = None,
    on_run: Callable[[Run], None] | None = None,
) -> Report:
    """Simulate a network on a machine, both by name or file.

    Args:
        arch: `eyeriss`, `eyeriss.yaml` or a path. model: `mobilenet_v2`, `mobilenet_v2:width=0.5` or `my_net.py`.
        objective: what the mapper minimises: `edp`, `energy` or `latency`.
        schedule: `network` (activations stay on chip while they fit, layers overlap) or `layerwise`.
        input_shapes: of an ONNX file's inputs with symbolic dims, by name.
        zeros: CSV file with the shares of zero words of array layers (`layer,inputs,outputs`), for machines that skip
            or code them.
        energy: a preset (`65nm`, `eyeriss_normalised`, ...), a table or an Accelergy ERT in place of the machine's.
        gemm: rows of a SCALE-Sim topology are matrix products.
        on_run: called with plans and times of the run, for `formats.trace` and `whatif`.
        dataflow: `ws`, `os`, `is` or `rs` in place of the machine's, where its array allows it.
        max_events: passes or segments of one stream that are simulated one by one at most. max_memory: for listing
            them (`500 MB`), default 8 GB.

    Raises:
        InputError: an unknown name, wrong file, or a dataflow that the array cannot have.
        MappingError: a layer does not fit the machine.
        BudgetExceeded: simulating takes more events or memory than that.
    """
    machine, arch_file = load_arch(arch, energy)
    graph, model_file = load_model(model, batch, input_shapes, gemm)
    sources = sources_of(arch_file, model_file)
    options = Options(objective, zeros=load_zeros(zeros) if zeros else (), schedule=schedule, dataflow=dataflow)
    limits = Limits(max_events, bits(max_memory) // 8 if max_memory else MOST_BYTES)
    report = run_pipeline(
        machine, graph, options, model=_name(model), sources=sources, progress=progress, rows=load_rows(model, gemm),
        cache=KeptCache(MappingCache(), Drafts(limits)), on_run=on_run,
    )  # fmt: skip
    return Report.of(_with_formulas(report, graph))


def load(name: str) -> Report:
    """The report that a run left behind: a folder, or its report.json.

    Raises:
        InputError: no report of this version; the message names file and key.
    """
    return Report.of(read_report(name))


def _with_formulas(report: RunReport, graph: LayerGraph) -> RunReport:
    """The report with each layer's formulas (`accelsim explain`)."""
    lines = {entry.name: entry.formula for entry in explain_layers(graph)}
    return replace(
        report,
        results=tuple(
            replace(layer, anatomy=replace(layer.anatomy, formula=lines[layer.name])) if layer.name in lines else layer
            for layer in report.results
        ),
    )


def verify(
    arch: str,
    model: str,
    *,
    batch: int = 1,
    seed: int = 0,
    objective: Objective = "edp",
    schedule: str = "network",
    input_shapes: Shapes | None = None,
    gemm: bool = False,
    dataflow: str = "",
    on_layer: Callable[[LayerProof], None] | None = None,
) -> Proof:
    """Prove a run: every array pass on integers, against the reference, values and words."""
    machine, _ = load_arch(arch)
    graph, _ = load_model(model, batch, input_shapes, gemm)
    return verify_network(
        machine, graph, Options(objective, schedule=schedule, dataflow=dataflow), model=_name(model), seed=seed,
        on_layer=on_layer,
        cache=KeptCache(MappingCache()),
    )  # fmt: skip


def sweep(
    file: str | Path,
    out: str | Path | None = None,
    *,
    workers: int | None = None,
    timeout: float | None = None,
    retry: bool = False,
    dask: str = "",
) -> SweepResult:
    """Run a design-space sweep from its YAML file, or what is left of it, and return its points.

    Args:
        out: folder of the store, default `accelsim-out/sweep-NAME`. workers: processes, default one per core.
        timeout: seconds that a point may take. retry: run failed points again. dask: address of a scheduler.

    Raises:
        InputError: a wrong file or value at any point.
    """
    from accelsim.sweeps.door import sweep as run_file

    return run_file(str(file), out, workers, timeout, retry, dask)


def map_layer(
    problem: Problem, arch: Accelerator, objective: Objective = "edp", *, post_ops: int = 0,
    limit: Constraint = ANYTHING, imperfect: bool = False, max_evaluations: int = EVALUATIONS, dataflow: str = "",
) -> Mapped:  # fmt: skip
    """The best mapping of one problem on a machine: searched exactly, then simulated.

    Args:
        post_ops: vector operations on every finished word (requantisation, bias, activation). limit: restricts the
            space. imperfect: tiles of the first memory of any size. max_evaluations: boxes and mappings evaluated.
        dataflow: in place of the machine's, where its array allows it.

    `search` of the result says what is proven, `gap(objective)` how far the simulated cost lies above it.

    Raises:
        MappingError: no tile fits; the message says which memory needs how much for which operand.
    """
    return map_problem(
        problem, with_dataflow(arch, dataflow), objective, post_ops, limit=limit, imperfect=imperfect,
        max_evaluations=max_evaluations, library=MappingCache(),
    )  # fmt: skip


def _name(spec: str) -> str:
    """A model spec without folders."""
    head, colon, tail = spec.partition(":")
    return (
        head.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".py").removesuffix(".onnx").removesuffix(".csv")
        + colon
        + tail
    )


def export(
    model: str, target: str, *, batch: int = 1, seed: int = 0, input_shapes: Shapes | None = None
) -> dict[str, Any]:
    """Write a network as an ONNX file (opset 21), with its own weights or seeded random ones.

    Returns:
        file, nodes, params, opset.

    Raises:
        InputError: an operator without an ONNX form, a name that does not end in .onnx, more than 2 GiB of weights.
    """
    from accelsim.execute.floating import all_tensors
    from accelsim.formats.onnx_out import OPSET, to_bytes, to_onnx

    path = Path(target)
    if path.suffix != ".onnx":
        raise InputError(f"export to {target!r}, expected a file that ends in .onnx")
    graph, _ = load_model(model, batch, input_shapes)
    exported = to_onnx(graph, all_tensors(graph, seed), f"{_name(model)}, random weights of seed {seed} where unknown")
    write_all(path.parent, {path.name: to_bytes(exported, target)})
    return {"file": path.name, "nodes": len(exported.graph.node), "params": graph.params, "opset": OPSET}


def export_topology(model: str, target: str, *, gemm: bool = False) -> dict[str, Any]:
    """Write the convolutions and fully connected layers of a network as a SCALE-Sim topology.

    Returns:
        file, rows, layers (of the network), macs of the rows.

    Raises:
        InputError: a layer that a topology cannot say, or a name that does not end in .csv.
    """
    from accelsim.formats.scalesim import topology_of, write_topology

    path = _csv_or_cfg(target, ".csv")
    graph, _ = load_model(model, gemm=gemm and model.partition(":")[0].endswith(".csv"))
    rows = topology_of(graph, gemm)
    write_all(path.parent, {path.name: write_topology(rows, gemm).encode()})
    macs = sum(row.layer.macs * row.copies for row in rows)
    return {"file": path.name, "rows": len(rows), "layers": len(graph.layers), "macs": macs}


def export_machine(arch: str, target: str) -> dict[str, Any]:
    """Write a machine as a SCALE-Sim .cfg (version 3, CALC mode).

    Raises:
        InputError: SCALE-Sim has no such machine, or a name that does not end in .cfg.
    """
    from accelsim.formats.scalesim import write_cfg

    path = _csv_or_cfg(target, ".cfg")
    machine, _ = load_arch(arch)
    write_all(path.parent, {path.name: write_cfg(machine).encode()})
    return {"file": path.name, "arch": machine.name}


def _csv_or_cfg(target: str, suffix: str) -> Path:
    path = Path(target)
    if path.suffix != suffix:
        raise InputError(f"export to {target!r}, expected a file that ends in {suffix}")
    return path
