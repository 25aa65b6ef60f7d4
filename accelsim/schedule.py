"""When every layer runs: one after another, or as one stream of the whole network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from accelsim.arch import Accelerator
from accelsim.dram import DramUse
from accelsim.pieces import piece_of, pieces_of
from accelsim.plan import Part, Plan
from accelsim.report import add_up
from accelsim.sim import recurrence
from accelsim.sim.limits import Limits
from accelsim.sim.network import Network, PartTime, alone, grouped, joined, part_times
from accelsim.sim.stream import OTHER_UNIT, Outcome
from accelsim.sim.system import Job, schedule
from accelsim.sim.timetable import Owner, Sealed, Slot, Streams, Strip, Timetable
from accelsim.sim.uses import layer_uses

LISTED = 2_000_000  # segments listed at most: each takes about 400 B, its transfers and times included


def _named(plans: tuple[Plan, ...]) -> Iterator[tuple[Part, str]]:
    """Work items of all layers, with names."""
    for plan in plans:
        for number, part in enumerate(plan.parts):
            yield part, plan.node.name if len(plan.parts) == 1 else f"{plan.node.name}[{number}]"


def _apart(plans: tuple[Plan, ...], starts: tuple[int, ...], arch: Accelerator) -> Streams:
    """Streams of layers that run alone, each from its start on."""
    strips: list[Strip] = []
    sealed, names, moves = [], _named(plans), 0
    for plan, now in zip(plans, starts, strict=True):
        for part, name in (next(names) for _ in plan.parts):
            if part.ran.segments > LISTED:
                busy = part.ran.breakdown.compute + part.ran.breakdown.port
                sealed.append(Sealed(name, now, part.on_array, part.ran.segments, busy, part.outcome))
            else:
                group = grouped([piece_of(plan, part, arch)])[0]
                owner = Owner(name, group.places[0], part.on_array)
                strips.append(Strip(now, part.stream, part.ran.replay, (owner,), (group,), moves))
                moves += len(part.stream.moves)
            now += part.outcome.makespan
    return Streams(tuple(strips), tuple(sealed))


def _one_by_one(plan: Plan, start: int) -> Iterator[PartTime]:
    """Times of the work items of a layer that runs alone from `start` on."""
    for part in plan.parts:
        yield alone(part.outcome, part.ran.breakdown, start)
        start += part.outcome.makespan


def _use_of(plan: Plan) -> DramUse | None:
    """What a DRAM by commands did for a layer that runs alone; None under the simple DRAM and for views."""
    found = [part.outcome.dram for part in plan.parts if part.outcome.dram is not None]
    return sum(found, DramUse()) if found else None


def _layerwise(plans: tuple[Plan, ...], arch: Accelerator) -> Timetable:
    place = {plan.node.name: i for i, plan in enumerate(plans)}
    jobs = [Job(p.node.name, p.makespan, tuple(place[s] for s in p.node.inputs if s in place)) for p in plans]
    spans = schedule(jobs)
    slots = tuple(
        Slot(start, end, tuple(_one_by_one(plan, start)), end - start, _use_of(plan))
        for plan, (start, end) in zip(plans, spans, strict=True)
    )
    return Timetable(slots, partial(_apart, plans, tuple(start for start, _ in spans), arch))


def _closed(times: Sequence[PartTime]) -> tuple[PartTime, ...]:
    """Times of a layer's work items, each from the end of the one before: what lies between is a wait for the other
    unit, on which another layer's work still runs."""
    found: list[PartTime] = []
    for time in times:
        gap = time.start - found[-1].end if found else 0
        if gap:
            stalls = add_up([time.stalls, {OTHER_UNIT: gap}])
            time = replace(time, start=found[-1].end, stalls=stalls)
        found.append(time)
    return tuple(found)


def _slots(plans: tuple[Plan, ...], network: Network, outcome: Outcome) -> tuple[Slot, ...]:
    """The slot of every layer; a view has none of its own."""
    slots, now, times = [], 0, iter(part_times(network, outcome))
    for plan in plans:
        mine = _closed([next(times) for _ in plan.parts])
        start, end = (mine[0].start, mine[-1].end) if mine else (now, now)
        slots.append(Slot(start, end, mine, max(0, end - now)))
        now = max(now, end)
    uses = layer_uses(network, outcome, [len(plan.parts) for plan in plans], [slot.fresh for slot in slots])
    return tuple(replace(slot, dram=use) for slot, use in zip(slots, uses, strict=True))


def _fastest(plans: tuple[Plan, ...], arch: Accelerator, limits: Limits) -> tuple[Network, Outcome]:
    """The network as one stream, with work side by side where this is faster in the end and within the limits (work
    side by side is cut finer), and where transfers go in program order, which is the only order for two units."""
    turns = arch.dram.arbitration != "program_order"
    choices, together = [pieces_of(plans, arch, side_by_side=False)], pieces_of(plans, arch, side_by_side=not turns)
    segments = sum(len(piece.stream.work) for piece in together)
    if any(piece.beside is not None for piece in together) and limits.allow(segments):
        choices.append(together)
    networks = [joined(pieces, arch.dram) for pieces in choices]
    runs = [(network, recurrence.run(network.stream, arch.dram, arch.clock_hz)) for network in networks]
    return min(runs, key=lambda run: run[1].makespan)


def timetable(plans: tuple[Plan, ...], arch: Accelerator, schedule: str, limits: Limits | None = None) -> Timetable:
    """When every layer runs under a schedule of `plan.SCHEDULES`.

    Layers do not overlap `layerwise`, nor in a network of more than `LISTED` segments. In one stream a layer's slot
    reaches from the end of all that its first segment waits for to its own end; loads of its first tiles lie before it,
    and stores of its last results after it.

    Raises:
        BudgetExceeded: the stream has more segments than the limits allow.
    """
    segments = sum(part.ran.segments for plan in plans for part in plan.parts)
    if not segments or schedule == "layerwise" or segments > LISTED:
        return _layerwise(plans, arch)
    limits = Limits() if limits is None else limits
    limits.check("segments of the network as one stream", segments, "--schedule layerwise runs each layer alone")
    network, outcome = _fastest(plans, arch, limits)
    owners = tuple(
        Owner(name, rows, part.on_array) for (part, name), rows in zip(_named(plans), network.places, strict=True)
    )
    slots = _slots(plans, network, outcome)
    strip = Strip(0, network.stream, outcome, owners, network.groups, 0)
    return Timetable(slots, partial(Streams, (strip,)), network, outcome)
