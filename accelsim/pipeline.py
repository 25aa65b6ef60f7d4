"""The main path: a machine, a network and options to a report, layer by layer; between layers tensors live in DRAM."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import accelsim
from accelsim.arch import Accelerator
from accelsim.checks import check_compulsory, check_counts, check_ports, check_time, check_totals
from accelsim.energy import LevelTraffic, array_traffic, energy_fj, leakage_fj, vector_traffic
from accelsim.errors import InputError, MappingError, nearest
from accelsim.graph import LayerGraph, Node, optimise, own_params
from accelsim.layers import Move, VectorWork, WorkItem
from accelsim.mapper.search import OBJECTIVES, Mapped, Objective, map_problem
from accelsim.mapping.chunks import VectorJob
from accelsim.mapping.legality import active_pes
from accelsim.mapping.points import vector_memory
from accelsim.mapping.text import nest_text
from accelsim.problem import Problem
from accelsim.report import LayerResult, Machine, RunReport, totals_of
from accelsim.sim import recurrence
from accelsim.sim.stream import Outcome, Stream
from accelsim.sim.system import Job, schedule
from accelsim.sim.vector import vector_stream

Cache = dict[tuple[Any, ...], Mapped]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What a run may vary besides machine, network and batch.

    Attributes:
        objective: what the mapper minimises: `edp`, `energy` or `latency`.
        fold: run the graph passes (batch norm folding, activation fusion).
    """

    objective: Objective = "edp"
    fold: bool = True

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise InputError(f"objective {self.objective!r}; {nearest(str(self.objective), OBJECTIVES)}")


@dataclass(frozen=True)
class Plan:
    """How one layer runs: the mapping of its array or pooling work, or the stream of its vector work."""

    node: Node
    item: WorkItem | None
    mapped: Mapped | None
    stream: Stream | None
    outcome: Outcome | None
    post_ops: int = 0
    job: VectorJob | None = field(default=None)


def post_ops(node: Node) -> int:
    """Vector operations on every finished word of an array layer: requantise, bias, activation."""
    lane = getattr(node.activation, "lane_ops", 1) if node.activation is not None else 0
    return 1 + int(node.has_bias) + lane


def vector_job(node: Node, item: VectorWork | Move) -> VectorJob:
    """What the vector unit does for elementwise work or a move, a fused activation included."""
    if isinstance(item, Move):
        return VectorJob(item.op, sum(item.in_words), 0, item.out_words, 0, item.out_words)
    lane = getattr(node.activation, "lane_ops", 1) if node.activation is not None else 0
    ops = item.ops + lane * item.out_words
    return VectorJob(item.op, sum(item.in_words), item.param_words, item.out_words, ops, item.rows)


def plan_layer(node: Node, arch: Accelerator, options: Options, cache: Cache) -> Plan:
    """Lower and map one layer; equal work is mapped once per cache."""
    assert node.layer is not None
    items = node.layer.lower(node.input_shapes)
    if not items:
        return Plan(node, None, None, None, None)
    if len(items) != 1:
        raise InputError(f"layer {node.name}: lowers to {len(items)} work items, one is supported")
    item = items[0]
    try:
        if isinstance(item, Problem):
            extra = post_ops(node) if item.op == "mac" else 0
            key = (item, arch, options.objective, extra)
            if key not in cache:
                cache[key] = map_problem(item, arch, options.objective, extra)
            mapped = cache[key]
            return Plan(node, item, mapped, mapped.simulated.stream, mapped.outcome, extra)
        job = vector_job(node, item)
        stream = vector_stream(job, arch)
    except MappingError as error:
        raise MappingError(
            f"layer {node.name} ({node.op}, output {node.shape}) does not fit {arch.name}: {error}"
        ) from None
    return Plan(node, item, None, stream, recurrence.run(stream, arch.dram, arch.clock_hz), 0, job)


def plan_network(
    graph: LayerGraph, arch: Accelerator, options: Options, cache: Cache | None = None, progress: Progress | None = None
) -> tuple[Plan, ...]:
    """Plans of all layers, in order; `progress` is called with each layer's name when it is done."""
    shared: Cache = {} if cache is None else cache
    plans = []
    for node in graph.layers:
        plans.append(plan_layer(node, arch, options, shared))
        if progress is not None:
            progress(node.name)
    return tuple(plans)


def _traffic(plan: Plan, arch: Accelerator) -> tuple[LevelTraffic, int, int]:
    """(traffic, issued MACs, vector operations) of a layer."""
    if plan.job is not None:
        job = plan.job
        table = vector_traffic(arch, vector_memory(arch).name, job.in_words, job.param_words, job.out_words)
        return table, 0, job.ops
    assert plan.mapped is not None and isinstance(plan.item, Problem)
    if plan.item.op == "mac":
        ops = plan.post_ops * plan.item.output.words
        return array_traffic(plan.mapped.counts, arch, plan.item.macs), plan.item.macs, ops
    counts = {(c.operand, c.child): c for c in plan.mapped.counts}
    memory = vector_memory(arch).name
    reads = counts["Inputs", memory].reads
    out = counts["Outputs", memory].final_writes
    return vector_traffic(arch, memory, reads, 0, out, counts["Inputs", "PE"].reads), 0, plan.item.macs


def _stalls(plan: Plan) -> tuple[int, dict[str, int]]:
    """(compute cycles, other cycles by cause): together the layer's makespan."""
    assert plan.stream is not None and plan.outcome is not None
    waits = dict(plan.outcome.stalls)
    own = plan.outcome.makespan - sum(waits.values())
    parts = plan.stream.breakdown
    edges = own - parts.compute - parts.port
    causes = {"onchip_port": parts.port, "array_fill_drain": edges, **waits}
    return parts.compute, {cause: cycles for cause, cycles in causes.items() if cycles}


def _note(plan: Plan, arch: Accelerator, stalls: dict[str, int], compute: int) -> str:
    """Why the layer costs what it costs, in one line."""
    if plan.outcome is None:
        return "a view: the same words in the same order, nothing moves"
    parts = []
    if plan.mapped is not None and plan.mapped.mapping.problem.op == "mac":
        mapping = plan.mapped.mapping
        rows, cols = mapping.occupied()
        spread = ", ".join(f"{s.dim} {s.trips} {s.kind}" for s in mapping.spatial if s.trips > 1) or "nothing"
        parts.append(f"{spread} spread over {rows} x {cols}: {active_pes(mapping)} of {arch.array.pes} PEs active")
        if arch.array.kind == "systolic" and mapping.problem.bound["G"] > 1:
            diagonal = any(s.kind == "diagonal" for s in mapping.spatial)
            place = "groups lie on the diagonal" if diagonal else "one group at a time fills its rows and columns"
            parts.append(f"{place}, since operands forwarded along a wire cannot differ between groups")
    total = plan.outcome.makespan
    if total:
        worst, cycles = max([("compute", compute), *stalls.items()], key=lambda pair: pair[1])
        parts.append(f"{100 * cycles / total:.0f} % of the cycles: {worst.replace('_', ' ')}")
    return "; ".join(parts)


def _result(plan: Plan, arch: Accelerator, start: int, end: int, params: int) -> LayerResult:
    node = plan.node
    mapped = plan.mapped
    on_array = mapped is not None and mapped.mapping.problem.op == "mac"
    table: LevelTraffic = {}
    macs = ops = compute = 0
    stalls: dict[str, int] = {}
    energy: dict[str, int] = {}
    cycles = end - start
    if plan.outcome is not None:
        table, macs, ops = _traffic(plan, arch)
        compute, stalls = _stalls(plan)
        energy = {**energy_fj(table, arch, macs, ops), **leakage_fj(arch, cycles)}
    return LayerResult(
        name=node.name,
        op=node.op,
        unit="view" if plan.outcome is None else "array" if on_array else "vector",
        macs=node.macs,
        issued_macs=macs,
        params=params,
        cycles=cycles,
        start_cycle=start,
        end_cycle=end,
        compute_cycles=compute,
        active_pes=active_pes(mapped.mapping) if mapped is not None and on_array else 0,
        utilization=macs / (arch.array.pes * cycles) if cycles else 0.0,
        vector_ops=ops,
        traffic=table,
        energy_fj=energy,
        stall_cycles=stalls,
        mapping=nest_text(mapped.mapping, arch) if mapped is not None else None,
        output_shape=node.shape,
        folded=node.folded,
        note=_note(plan, arch, stalls, compute),
    )


def _check(plans: Iterable[Plan], results: Iterable[LayerResult], arch: Accelerator) -> None:
    for plan, layer in zip(plans, results, strict=True):
        if plan.outcome is None:
            continue
        if plan.mapped is not None:
            check_counts(layer.name, plan.mapped, arch)
            check_compulsory(layer.name, plan.mapped)
            check_ports(layer.name, plan.mapped, arch, layer.cycles)
        check_time(layer.name, layer, plan.outcome, arch)


def machine_of(arch: Accelerator) -> Machine:
    """The machine's figures for a report."""
    p = arch.precision
    bits = {"weights": p.weight_bits, "inputs": p.input_bits, "psums": p.psum_bits, "outputs": p.output_bits}
    return Machine(
        arch.name, arch.array.pes, arch.clock_hz, arch.dram.bandwidth_bits_per_s, bits, arch.array.dataflow
    )  # fmt: skip


def run(
    arch: Accelerator,
    graph: LayerGraph,
    options: Options | None = None,
    *,
    model: str | None = None,
    sources: dict[str, str] | None = None,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> RunReport:
    """Simulate a network on a machine.

    Args:
        model: name for the report, default the graph's. sources: file names and hashes for the report.
        cache: mappings found so far, shared between runs if the caller wants.

    Raises:
        MappingError: a layer does not fit. CheckFailed: a law is broken (a bug).
    """
    chosen = Options() if options is None else options
    work = optimise(graph) if chosen.fold else graph
    plans = plan_network(work, arch, chosen, cache, progress)
    place = {plan.node.name: i for i, plan in enumerate(plans)}
    jobs = [
        Job(p.node.name, p.outcome.makespan if p.outcome else 0, tuple(place[s] for s in p.node.inputs if s in place))
        for p in plans
    ]
    spans = schedule(jobs)
    owned = own_params(work.layers)
    results = tuple(
        _result(plan, arch, start, end, owned[plan.node.name]) for plan, (start, end) in zip(plans, spans, strict=True)
    )
    _check(plans, results, arch)
    totals = totals_of(results, work.params, arch.clock_hz, arch.array.pes)
    check_totals(results, totals, arch.clock_hz, arch.array.pes)
    name = graph.name if model is None else model
    rules = {"psum_first_visit": arch.psum_first_visit, "halo_reuse": arch.halo_reuse}
    report = RunReport(
        version=accelsim.__version__,
        model=name,
        machine=machine_of(arch),
        batch=graph.batch,
        options={"objective": chosen.objective, "fold": chosen.fold, "schedule": "layerwise", "counting": rules},
        sources=sources or {},
        totals=totals,
        results=results,
    )
    verify = {"checked": False, "command": f"accelsim verify --arch {arch.name} --model {name} --batch {graph.batch}"}
    return replace(report, verification=verify)
