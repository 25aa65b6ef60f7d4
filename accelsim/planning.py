"""How all layers of a network run, and what stays on chip between them.

Tensors that fit stay whole (`residency`). Of those that do not, one after another, a part stays (`parts`) if the layers
that see it cost less then: by the objective, of all layers one by one. It takes room from their tiles, so this is not
always so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from accelsim.arch import Accelerator
from accelsim.errors import BudgetExceeded, InputError, MappingError, nearest
from accelsim.graph import LayerGraph, Node
from accelsim.mapper.objective import Objective
from accelsim.parts import Parts
from accelsim.plan import Cache, Options, Plan, Progress, Seat, measured_reads, plan_seated
from accelsim.residency import Residency, Span, narrowed, residency


def plan_network(
    graph: LayerGraph, arch: Accelerator, options: Options, cache: Cache | None = None,
    progress: Progress | None = None, parts: bool = True,
) -> tuple[Plan, ...]:  # fmt: skip
    """Plans of all layers, in order; `progress` is called with each layer's name when it is done. Tensors stay whole or
    not at all without `parts`.

    Weights that several layers share (steps of a recurrence) stay on chip from the first of them to the last, and
    activations from the layer that makes them to the last that reads them, whole or in part, if they fit beside what
    the layers between need; where a layer finds too little room, the largest region goes.
    """
    _check_zeros(graph, options)
    shared: Cache = {} if cache is None else cache
    network = options.schedule == "network"
    chosen, plans = _whole(graph, arch, options, residency(graph, arch, options.resident_weights, network), shared,
                           progress)  # fmt: skip
    return tuple(_with_parts(graph, arch, options, chosen, plans, shared) if network and parts else plans)


def _whole(
    graph: LayerGraph, arch: Accelerator, options: Options, chosen: Residency, cache: Cache, progress: Progress | None
) -> tuple[Residency, list[Plan]]:
    """What stays of what is chosen, and the plans with that."""
    plans: list[Plan] = []
    done = 0
    while len(plans) < len(graph.layers):
        number = len(plans)
        node = graph.layers[number]
        try:
            seat = _seat(node, number, arch, chosen, plans)
            plans.append(plan_seated(node, seat, options, cache, measured_reads(node, graph)))
        except BudgetExceeded:
            raise
        except MappingError:
            fewer = chosen.without_largest(number)
            if fewer is None:
                raise
            changed = [n for n, plan in enumerate(plans) if _seat(plan.node, n, arch, fewer, plans) != _seat_of(plan)]
            chosen, plans = fewer, plans[: min(changed, default=number)]
            continue
        if progress is not None and number == done:
            progress(node.name)
            done += 1
    return chosen, plans


def _with_parts(
    graph: LayerGraph, arch: Accelerator, options: Options, chosen: Residency, plans: list[Plan], cache: Cache
) -> list[Plan]:
    """The plans with parts of tensors on chip where that costs less."""
    parts, total = Parts(graph, arch, chosen), _cost(plans, arch)
    for name in parts.names:
        for part in parts.of(name, chosen):
            trial = chosen.keeping(name, part)
            found = _again(graph, arch, options, trial, plans, part, cache)
            if found is not None and _better(_cost(found, arch), _cost(plans, arch), total, options.objective):
                chosen, plans = trial, found
                break
    return plans


def _again(
    graph: LayerGraph, arch: Accelerator, options: Options, chosen: Residency, plans: list[Plan], part: Span,
    cache: Cache,
) -> list[Plan] | None:  # fmt: skip
    """The plans anew where a part of a tensor more changes them; None if a layer does not fit beside it, or is over
    budget."""
    found = list(plans)
    for number in range(part.first, len(plans)):
        node = plans[number].node
        seat = _seat(node, number, arch, chosen, found)
        if seat == _seat_of(found[number]):
            if number > part.last:
                break
            continue
        try:
            found[number] = plan_seated(node, seat, options, cache, measured_reads(node, graph))
        except MappingError:
            return None
    return found


def _cost(plans: Iterable[Plan], arch: Accelerator) -> tuple[int, int]:
    """Energy (fJ; of vector work only what its words cost in DRAM, for nothing else changes) and cycles, layer by
    layer."""
    energy = cycles = 0
    for part in (part for plan in plans for part in plan.parts):
        cycles += part.outcome.makespan
        if part.mapped is not None:
            energy += part.mapped.energy_fj
        elif part.job is not None:
            brought = (part.job.loaded_words + part.job.kept_loaded) * arch.precision.input_bits
            stored = part.job.stored_words * arch.precision.output_bits
            energy += brought * arch.dram.read_fj_per_bit + stored * arch.dram.write_fj_per_bit
    return energy, cycles


def _better(new: tuple[int, int], old: tuple[int, int], total: tuple[int, int], objective: Objective) -> bool:
    """Does a part cost less? The product of energy and delay is that of the whole network, to first order."""
    energy, cycles = new[0] - old[0], new[1] - old[1]
    if objective == "edp":
        return energy * total[1] + cycles * total[0] < 0
    return (energy, cycles) < (0, 0) if objective == "energy" else (cycles, energy) < (0, 0)


def _seat(node: Node, number: int, arch: Accelerator, chosen: Residency, plans: Sequence[Plan]) -> Seat:
    """How layer `number` finds the chip, given the plans of those before it."""
    mine = chosen.weights.get(node.weight_key) if node.params else None
    kept = "" if mine is None else "loaded" if mine.first == number else "resident"
    loads = node.weight_key if kept == "loaded" else ""
    before = next((n for n in range(number - 1, -1, -1) if plans[n].parts), number)
    seen, both = narrowed(arch, number, chosen, loads), narrowed(arch, number, chosen, loads, before)
    here = tuple(chosen.words(source) for source in node.inputs)
    return Seat(seen, kept, here, chosen.words(node.name), tuple(m.capacity_bits for m in both.memories))


def _seat_of(plan: Plan) -> Seat:
    return Seat(plan.arch, plan.kept, plan.here, plan.staying, plan.beside)


def _check_zeros(graph: LayerGraph, options: Options) -> None:
    """Zero shares belong to layers of the array."""
    names = {node.name: node for node in graph.layers}
    for name, _ in options.zeros:
        if name not in names:
            raise InputError(f"zero shares: no layer {name!r} in {graph.name}; {nearest(name, names)}")
        if not names[name].macs:
            raise InputError(f"zero shares: layer {name!r} does no MACs; they apply to layers of the array")
