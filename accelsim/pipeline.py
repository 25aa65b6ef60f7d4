"""The main path: a machine, a network and options to a report, layer by layer; between layers tensors live in DRAM."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import accelsim
from accelsim.arch import Accelerator
from accelsim.arch.dataflows import with_dataflow
from accelsim.checks import (
    check_compulsory,
    check_counts,
    check_dram,
    check_ports,
    check_scalesim,
    check_time,
    check_totals,
)
from accelsim.compat import NOTE, Rows, noted, scale_runs, with_scalesim
from accelsim.dram import DramUse
from accelsim.dram.energy import command_energy_fj
from accelsim.energy import LevelTraffic, array_traffic, energy_fj, leakage_fj, live_macs, merge, vector_traffic
from accelsim.energy.area import area, area_dict
from accelsim.energy.figures import Range, model_dict, ranges
from accelsim.graph import LayerGraph, optimise, own_params
from accelsim.layers import Gather
from accelsim.mapping.legality import active_pes
from accelsim.mapping.points import vector_memory
from accelsim.mapping.text import nest_text
from accelsim.plan import Cache, Options, Part, Plan, Progress, plan_network
from accelsim.problem import Problem
from accelsim.report import LayerResult, Machine, RunReport, add_up, totals_of
from accelsim.sim.system import Job, schedule


def _traffic(part: Part, arch: Accelerator) -> tuple[LevelTraffic, int, int]:
    """(traffic, issued MACs, vector operations) of one work item."""
    memory = vector_memory(arch).name
    if part.job is not None:
        job = part.job
        table = vector_traffic(arch, memory, job.in_words, job.param_words, job.out_words, job.reads)
        return table, 0, job.ops
    assert part.mapped is not None and isinstance(part.item, Problem)
    if part.on_array:
        ops = part.post_ops * part.item.output.words
        return array_traffic(part.mapped.counts, arch, part.item.macs, part.zeros), part.item.macs, ops
    counts = {(c.operand, c.child): c for c in part.mapped.counts}
    reads = counts["Inputs", memory].reads
    out = counts["Outputs", memory].final_writes
    return vector_traffic(arch, memory, reads, 0, out, counts["Inputs", "PE"].reads), 0, part.item.macs


def _stalls(part: Part) -> tuple[int, dict[str, int]]:
    """(compute cycles, other cycles by cause): together the makespan of a work item."""
    waits = dict(part.outcome.stalls)
    own = part.outcome.makespan - sum(waits.values())
    parts = part.stream.breakdown
    edges = own - parts.compute - parts.port
    causes = {"onchip_port": parts.port, "array_fill_drain": edges, **waits}
    return parts.compute, {cause: cycles for cause, cycles in causes.items() if cycles}


def _why_array(part: Part, arch: Accelerator) -> list[str]:
    """What is spread over the array, and why not more."""
    assert part.mapped is not None
    mapping = part.mapped.mapping
    rows, cols = mapping.occupied()
    spread = ", ".join(f"{s.dim} {s.trips} {s.kind}" for s in mapping.spatial if s.trips > 1) or "nothing"
    found = [f"{spread} spread over {rows} x {cols}: {active_pes(mapping)} of {arch.array.pes} PEs active"]
    if arch.array.kind != "row_stationary" and mapping.problem.bound["G"] > 1:
        diagonal = any(s.kind == "diagonal" for s in mapping.spatial)
        place = "groups lie on the diagonal" if diagonal else "one group at a time fills its rows and columns"
        found.append(f"{place}, since operands forwarded along a wire cannot differ between groups")
    return found


def _gathered(item: Gather) -> str:
    """How many words a gather reads on chip, and how that is known."""
    if item.least_reads == item.most_reads:
        return f"samples read {item.most_reads:,} words on chip"
    return f"data-dependent reads: {item.least_reads:,} to {item.most_reads:,} words on chip, the most is charged"


def dram_use(plan: Plan) -> DramUse | None:
    """What a command-level DRAM did for a layer; None under the simple model and for views."""
    found = [part.outcome.dram for part in plan.parts if part.outcome.dram is not None]
    return sum(found, DramUse()) if found else None


def _note(plan: Plan, arch: Accelerator, stalls: dict[str, int], compute: int, issued: int) -> str:
    """Why the layer costs what it costs, in one line."""
    if not plan.parts:
        return "a view: the same words in the same order, nothing moves"
    parts = []
    if plan.kept:
        parts.append(
            "weights are loaded here and stay on chip" if plan.kept == "loaded" else "weights are still on chip"
        )
    if len(plan.parts) > 1:
        parts.append(f"{len(plan.parts)} work items one after another")
    largest = max((p for p in plan.parts if p.on_array), key=lambda p: p.outcome.makespan, default=None)
    if largest is not None:
        parts += _why_array(largest, arch)
    if largest is not None and issued != plan.node.macs:
        parts.append(f"{issued:,} MACs issued for {plan.node.macs:,}: borders or inserted zeros differ")
    for part in plan.parts:
        if isinstance(part.item, Gather):
            parts.append(_gathered(part.item))
    total = plan.makespan
    if total:
        worst, cycles = max([("compute", compute), *stalls.items()], key=lambda pair: pair[1])
        parts.append(f"{100 * cycles / total:.0f} % of the cycles: {worst.replace('_', ' ')}")
    return "; ".join(parts)


def _result(plan: Plan, arch: Accelerator, start: int, end: int, params: int, bounds: dict[str, Range]) -> LayerResult:
    node = plan.node
    cycles = end - start
    found = [_traffic(part, arch) for part in plan.parts]
    waits = [_stalls(part) for part in plan.parts]
    table = merge(t for t, _, _ in found)
    macs, ops = sum(m for _, m, _ in found), sum(o for _, _, o in found)
    compute, stalls = sum(c for c, _ in waits), add_up(s for _, s in waits)
    use = dram_use(plan)
    live = sum(live_macs(arch, m, p.zeros) for (_, m, _), p in zip(found, plan.parts, strict=True))
    energy = {**energy_fj(table, arch, live, ops), **leakage_fj(arch, cycles)} if plan.parts else {}
    if use is not None and arch.dram.timing is not None and arch.dram.timing.command_energy:
        energy.update(command_energy_fj(arch.dram.timing, use))
    mapped = [part.mapped for part in plan.parts if part.mapped is not None]
    array = [part.mapped for part in plan.parts if part.on_array and part.mapped is not None]
    return LayerResult(
        name=node.name,
        op=node.op,
        unit="array" if array else "vector" if plan.parts else "view",
        macs=node.macs,
        issued_macs=macs,
        params=params,
        cycles=cycles,
        start_cycle=start,
        end_cycle=end,
        compute_cycles=compute,
        active_pes=max((active_pes(m.mapping) for m in array), default=0),
        utilization=macs / (arch.array.pes * cycles) if cycles else 0.0,
        vector_ops=ops,
        traffic=table,
        energy_fj=energy,
        stall_cycles=stalls,
        mapping="\n\n".join(nest_text(m.mapping, plan.arch) for m in mapped) or None,
        output_shape=node.shape,
        folded=node.folded,
        note=_note(plan, arch, stalls, compute, macs),
        dram=None if use is None else use.as_dict(),
        energy_ranges={name: bounds[name] for name in energy if name in bounds},
    )


def _check(plans: Iterable[Plan], results: Iterable[LayerResult], arch: Accelerator) -> None:
    for plan, layer in zip(plans, results, strict=True):
        for part in plan.parts:
            if part.outcome.dram is not None:
                check_dram(layer.name, part.outcome.dram, arch)
            if part.mapped is not None:
                check_counts(layer.name, part.mapped, arch)
                check_compulsory(layer.name, part.mapped)
                check_ports(layer.name, part.mapped, arch, part.outcome.makespan)
        if plan.parts:
            check_time(layer.name, layer, [part.outcome for part in plan.parts], arch)


def _compatible(
    results: tuple[LayerResult, ...], plans: tuple[Plan, ...], arch: Accelerator, params: int, rows: Rows | None
) -> tuple[LayerResult, ...]:
    """The layers with SCALE-Sim's cycles; the causal run behind them keeps all laws first."""
    pes = arch.array.pes
    check_totals(results, totals_of(results, params, arch.clock_hz, pes), arch.clock_hz, pes)
    runs = scale_runs(plans, arch, rows)
    for layer, run in zip(results, runs, strict=True):
        if run is not None:
            check_scalesim(layer.name, run, pes)
    return with_scalesim(results, plans, runs, pes)


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
    rows: Rows | None = None,
) -> RunReport:
    """Simulate a network on a machine.

    Args:
        rows: what SCALE-Sim runs for each layer of a topology, by its name.
        model: name for the report, default the graph's. sources: file names and hashes for the report.
        cache: mappings found so far, shared between runs if the caller wants.

    Raises:
        MappingError: a layer does not fit. CheckFailed: a law is broken (a bug).
    """
    chosen = Options() if options is None else options
    arch = with_dataflow(arch, chosen.dataflow)
    work = optimise(graph) if chosen.fold else graph
    plans = plan_network(work, arch, chosen, cache, progress)
    place = {plan.node.name: i for i, plan in enumerate(plans)}
    jobs = [Job(p.node.name, p.makespan, tuple(place[s] for s in p.node.inputs if s in place)) for p in plans]
    spans = schedule(jobs)
    owned = own_params(work.layers)
    bounds = ranges(arch)
    results = tuple(
        _result(plan, arch, start, end, owned[plan.node.name], bounds)
        for plan, (start, end) in zip(plans, spans, strict=True)
    )
    _check(plans, results, arch)
    if rows is not None:
        results = noted(results, rows)
    if arch.timing == "scalesim":
        results = _compatible(results, plans, arch, work.params, rows)
    totals = totals_of(results, work.params, arch.clock_hz, arch.array.pes)
    check_totals(results, totals, arch.clock_hz, arch.array.pes)
    name = graph.name if model is None else model
    rules = {"psum_first_visit": arch.psum_first_visit, "halo_reuse": arch.halo_reuse}
    report = RunReport(
        version=accelsim.__version__,
        model=name,
        machine=machine_of(arch),
        batch=graph.batch,
        options={
            "objective": chosen.objective,
            "fold": chosen.fold,
            "resident_weights": chosen.resident_weights,
            "schedule": "layerwise",
            **({"dataflow": chosen.dataflow} if chosen.dataflow else {}),
            **({"zeros_ppm": {n: [z.inputs_ppm, z.outputs_ppm] for n, z in chosen.zeros}} if chosen.zeros else {}),
            "timing": arch.timing,
            **({"timing_note": NOTE} if arch.timing == "scalesim" else {}),
            "counting": rules,
            **({} if arch.dram.timing is None else {"dram": arch.dram.timing.as_dict()}),
        },
        sources=sources or {},
        totals=totals,
        results=results,
        energy_model=model_dict(arch),
        area_mm2=None if arch.node_nm is None else area_dict(area(arch)),
    )
    flow = f" --dataflow {chosen.dataflow}" if chosen.dataflow else ""
    command = f"accelsim verify --arch {arch.name} --model {name} --batch {graph.batch}{flow}"
    verify = {"checked": False, "command": command}
    return replace(report, verification=verify)
