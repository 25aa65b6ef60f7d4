"""The main path: a machine, a network and options to a report, layer by layer; between layers tensors live in DRAM."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import accelsim
from accelsim.anatomy import blocks_of
from accelsim.arch import Accelerator
from accelsim.arch.dataflows import with_dataflow
from accelsim.checks import (
    check_channel,
    check_compulsory,
    check_counts,
    check_dram,
    check_ports,
    check_scalesim,
    check_side_by_side,
    check_time,
    check_totals,
    check_uses,
)
from accelsim.compat import NOTE, Rows, noted, scale_runs, with_scalesim
from accelsim.dram.energy import command_energy_fj
from accelsim.energy import (
    NO_OPERAND,
    LevelTraffic,
    array_traffic,
    by_component,
    energy_parts_fj,
    leakage_fj,
    live_macs,
    merge,
    vector_traffic,
)
from accelsim.energy.area import area, area_dict
from accelsim.energy.figures import Range, model_dict, ranges
from accelsim.graph import LayerGraph, optimise, own_params
from accelsim.mapper.objective import Objective, objective_cost
from accelsim.mapping.legality import active_pes
from accelsim.mapping.points import vector_memory
from accelsim.mapping.text import nest_text
from accelsim.notes import note_of
from accelsim.plan import Cache, KeptCache, Options, Part, Plan, Progress
from accelsim.planning import plan_network
from accelsim.problem import Problem
from accelsim.record import anatomy_of
from accelsim.report import LayerResult, Machine, RunReport, Totals, add_up, totals_of
from accelsim.schedule import timetable
from accelsim.sim import recurrence
from accelsim.sim.limits import Limits
from accelsim.sim.network import PartTime
from accelsim.sim.timetable import SCHEDULES, Slot, Timetable


def _traffic(part: Part, arch: Accelerator) -> tuple[LevelTraffic, int, int]:
    """(traffic, issued MACs, vector operations) of one work item."""
    memory = vector_memory(arch).name
    if part.job is not None:
        job = part.job
        brought, reads = job.loaded_words + job.kept_loaded, job.in_words if job.reads is None else job.reads
        table = vector_traffic(arch, memory, brought, job.param_words, job.out_words, reads, job.stored_words)
        return table, 0, job.ops
    assert part.mapped is not None and isinstance(part.item, Problem)
    if part.on_array:
        ops = part.post_ops * part.item.output.words
        return array_traffic(part.mapped.counts, part.machine(arch), part.item.macs, part.zeros), part.item.macs, ops
    counts = {(c.operand, c.child): c for c in part.mapped.counts}
    seen, out = counts["Inputs", "PE"].reads, counts["Outputs", "PE"].final_writes
    stored = counts["Outputs", memory].final_writes
    table = vector_traffic(arch, memory, counts["Inputs", memory].reads, 0, out, seen, stored)
    return table, 0, part.item.macs


def _stalls(time: PartTime) -> tuple[int, dict[str, int]]:
    """(compute cycles, other cycles by cause): together the cycles of a work item."""
    waits, parts = dict(time.stalls), time.breakdown
    own = time.cycles - sum(waits.values())
    edges = own - parts.compute - parts.port
    causes = {"onchip_port": parts.port, "array_fill_drain": edges, **waits}
    return parts.compute, {cause: cycles for cause, cycles in causes.items() if cycles}


def _result(
    plan: Plan, arch: Accelerator, slot: Slot, params: int, bounds: dict[str, Range], alone: bool
) -> LayerResult:
    node = plan.node
    start, end, cycles = slot.start, slot.end, slot.end - slot.start
    found = [_traffic(part, arch) for part in plan.parts]
    waits = [_stalls(time) for time in slot.times]
    table = merge(t for t, _, _ in found)
    macs, ops = sum(m for _, m, _ in found), sum(o for _, _, o in found)
    compute, stalls = sum(c for c, _ in waits), add_up(s for _, s in waits)
    use = slot.dram
    live = sum(live_macs(arch, m, p.zeros) for (_, m, _), p in zip(found, plan.parts, strict=True))
    spent = energy_parts_fj(table, arch, live, ops) if plan.parts else {}
    whole = leakage_fj(arch, slot.fresh) if plan.parts else {}
    if use is not None and arch.dram.timing is not None and arch.dram.timing.command_energy:
        whole.update(command_energy_fj(arch.dram.timing, use))
    spent.update({component: {NO_OPERAND: value} for component, value in whole.items()})
    energy = by_component(spent)
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
        mapping="\n\n".join(nest_text(m.mapping, m.arch) for m in mapped) or None,
        output_shape=node.shape,
        folded=node.folded,
        note=note_of(plan, arch, stalls, compute, macs, slot.beside),
        dram=None if use is None else use.as_dict(shares=alone),
        energy_ranges={name: bounds[name] for name in energy if name in bounds},
        energy_parts_fj=spent,
        anatomy=anatomy_of(plan, arch, [t for t, _, _ in found], ops),
    )


def _check(plans: tuple[Plan, ...], results: tuple[LayerResult, ...], arch: Accelerator, times: Timetable) -> None:
    for plan, layer in zip(plans, results, strict=True):
        for part in plan.parts:
            if part.outcome.dram is not None:
                check_dram(layer.name, part.outcome.dram, arch)
            if part.mapped is not None:
                check_counts(layer.name, part.mapped, arch)
                check_compulsory(layer.name, part.mapped)
                check_ports(layer.name, part.mapped, arch, part.outcome.makespan)
        if plan.parts:
            check_time(layer.name, layer, [part.outcome for part in plan.parts], arch, times.outcome is None)
    check_side_by_side(results)
    if times.outcome is not None:
        check_channel(results, times.outcome.summary, arch)
        if times.outcome.dram is not None:
            check_dram("network", times.outcome.dram, arch)
            check_uses([slot.dram for slot in times.slots if slot.dram is not None], times.outcome.dram)


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


def _causal(arch: Accelerator, options: Options) -> Options:
    """SCALE-Sim knows layers only, so its timing goes with their schedule."""
    return replace(options, schedule="layerwise") if arch.timing == "scalesim" else options


@dataclass(frozen=True)
class Run:
    """A network on a machine under one schedule: how its layers are mapped, when they run, and what they cost."""

    plans: tuple[Plan, ...]
    times: Timetable
    results: tuple[LayerResult, ...]
    totals: Totals

    @property
    def schedule(self) -> str:
        """`network` if layers overlap, else `layerwise`."""
        return SCHEDULES[self.times.network is None]

    def cost(self, objective: Objective) -> int:
        """The objective of the whole run."""
        return objective_cost(objective, self.totals.total_energy_fj, self.totals.cycles)


def timed(
    work: LayerGraph, plans: tuple[Plan, ...], arch: Accelerator, schedule: str, limits: Limits | None = None
) -> Run:
    """Plans of a network's layers under a schedule, with every law checked.

    Raises:
        CheckFailed: a law is broken (a bug).
        BudgetExceeded: more segments than the limits allow.
    """
    times = timetable(plans, arch, schedule, limits)
    owned, bounds = own_params(work.layers), ranges(arch)
    results = tuple(
        _result(plan, arch, slot, owned[plan.node.name], bounds, times.network is None)
        for plan, slot in zip(plans, times.slots, strict=True)
    )  # fmt: skip
    _check(plans, results, arch, times)
    return Run(plans, times, results, totals_of(results, work.params, arch.clock_hz, arch.array.pes))


def _best(
    work: LayerGraph, arch: Accelerator, options: Options, cache: Cache, progress: Progress | None
) -> tuple[Run, Run]:
    """The run under the schedule asked for, and the layerwise one.

    A network keeps activations on chip, whole or in part, and overlaps, only if that is better by the objective.
    """
    apart = plan_network(work, arch, replace(options, schedule="layerwise"), cache, progress)
    layerwise = timed(work, apart, arch, "layerwise")
    if options.schedule == "layerwise":
        return layerwise, layerwise
    goal = options.objective
    limits = cache.drafts.limits if isinstance(cache, KeptCache) else None
    whole = plan_network(work, arch, options, cache, progress, parts=False)
    runs = [timed(work, whole, arch, options.schedule, limits), layerwise]
    parts = plan_network(work, arch, options, cache, progress)
    if any(plan.in_part for plan in parts):
        runs.insert(1, timed(work, parts, arch, options.schedule, limits))
    if least_cost(layerwise, arch, goal) < min(run.cost(goal) for run in runs):
        runs.insert(-1, timed(work, apart, arch, options.schedule, limits))
    return min(runs, key=lambda run: run.cost(goal)), layerwise


def least_cost(layerwise: Run, arch: Accelerator, objective: Objective) -> int:
    """What the plans of a layerwise run cost at least if their layers overlap.

    On either unit work follows on work, all but stationary loads where these may come ahead, and all of it shares the
    DRAM channel; none of these takes less in sum. Besides leakage, energy is the same. Behind a DRAM by commands rows
    that are still open may save time and energy, so nothing is known before.
    """
    if arch.dram.timing is not None:
        return 0
    parts = [part for plan in layerwise.plans for part in plan.parts]
    own = [0, 0]
    for part in parts:
        spent = part.ran.breakdown.compute + part.ran.breakdown.port
        if part.on_array and not arch.array.loads_ahead:
            spent = part.outcome.makespan - sum(waits for _, waits in part.outcome.stalls)
        own[part.on_array] += spent
    cycles = max(*own, sum(part.outcome.channel_busy for part in parts))
    leaked = sum(sum(leakage_fj(arch, layer.cycles).values()) for layer in layerwise.results)
    return objective_cost(objective, layerwise.totals.total_energy_fj - leaked, cycles)


def chosen_plans(work: LayerGraph, arch: Accelerator, options: Options, cache: Cache) -> tuple[Plan, ...]:
    """The plans that `run` takes for a network (after its graph passes)."""
    return _best(work, arch, _causal(arch, options), cache, None)[0].plans


def _schedule(run: Run, layerwise: Run, arch: Accelerator, options: Options) -> dict[str, Any]:
    """What stays on chip, what overlaps, and what layer by layer would cost, for the report."""
    engines = {"engines": dict(sorted(Counter(part.ran.engine for plan in run.plans for part in plan.parts).items()))}
    if options.schedule == "layerwise":
        return {"name": options.schedule, **engines}
    network = run.times.network
    engine = {} if network is None else {"engine": recurrence.engine_for(network.stream, arch.dram, arch.clock_hz)}
    before = layerwise.totals.as_dict()
    return {
        "name": options.schedule,
        "tensors_on_chip": [plan.node.name for plan in run.plans if plan.stays and plan.parts],
        "tensors_partly_on_chip": [plan.node.name for plan in run.plans if plan.in_part and plan.parts],
        "overlap": network is not None,
        "side_by_side": [p.node.name for p, slot in zip(run.plans, run.times.slots, strict=True) if slot.beside],
        **engine,
        **engines,
        "layerwise": {key: before[key] for key in ("cycles", "energy_pj", "dram_read_bits", "dram_write_bits")},
    }


def machine_of(arch: Accelerator) -> Machine:
    """The machine's figures for a report."""
    p = arch.precision
    bits = {"weights": p.weight_bits, "inputs": p.input_bits, "psums": p.psum_bits, "outputs": p.output_bits}
    return Machine(
        arch.name, arch.array.pes, arch.clock_hz, arch.dram.bandwidth_bits_per_s, bits, arch.array.dataflow,
        blocks_of(arch),
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
    on_run: Callable[[Run], None] | None = None,
) -> RunReport:
    """Simulate a network on a machine.

    Args:
        rows: what SCALE-Sim runs for each layer of a topology, by its name.
        model: name for the report, default the graph's. sources: file names and hashes for the report.
        cache: mappings found so far, shared between runs if the caller wants. on_run: called with plans and times.

    Raises:
        MappingError: a layer does not fit. CheckFailed: a law is broken (a bug).
    """
    chosen = _causal(arch, Options() if options is None else options)
    arch = with_dataflow(arch, chosen.dataflow)
    work = optimise(graph) if chosen.fold else graph
    best, layerwise = _best(work, arch, chosen, {} if cache is None else cache, progress)
    plans, results = best.plans, best.results
    if on_run is not None:
        on_run(best)
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
            "schedule": chosen.schedule,
            **({"dataflow": chosen.dataflow} if chosen.dataflow else {}),
            **({"zeros_ppm": {n: [z.inputs_ppm, z.outputs_ppm] for n, z in chosen.zeros}} if chosen.zeros else {}),
            "timing": arch.timing,
            **({"timing_note": NOTE} if arch.timing == "scalesim" else {}),
            "counting": rules,
            **({} if arch.dram.timing is None else {"dram": arch.dram.timing.as_dict()}),
            **({} if arch.dram.arbitration == "program_order" else {"arbitration": arch.dram.arbitration}),
        },
        sources=sources or {},
        totals=totals,
        results=results,
        schedule=_schedule(best, layerwise, arch, chosen),
        energy_model=model_dict(arch),
        area_mm2=None if arch.node_nm is None else area_dict(area(arch)),
    )
    command = f"accelsim verify --arch {arch.name} --model {name} --batch {graph.batch}"
    apart = " --schedule layerwise" if chosen.schedule == "layerwise" and arch.timing != "scalesim" else ""
    flow = f" --dataflow {chosen.dataflow}" if chosen.dataflow else ""
    verify = {"checked": False, "command": command + apart + flow}
    return replace(report, verification=verify)
