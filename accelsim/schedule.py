"""When every layer runs: one after another, or as one stream of the whole network."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from accelsim.arch import Accelerator
from accelsim.mapping.chunks import chunk_room
from accelsim.mapping.legality import uses
from accelsim.mapping.points import vector_memory
from accelsim.plan import Part, Plan
from accelsim.sim import recurrence
from accelsim.sim.limits import Limits
from accelsim.sim.network import Piece, Room, alone, joined, part_times
from accelsim.sim.system import Job, schedule
from accelsim.sim.timetable import Owner, Sealed, Slot, Streams, Strip, Timetable

STAYS = np.zeros(0, np.int64)
LISTED = 2_000_000  # segments listed at most: each takes about 400 B, its transfers and times included


def _rooms(part: Part, arch: Accelerator) -> tuple[Room, ...]:
    if part.job is not None:
        name = vector_memory(arch).name
        return tuple(Room(name, operand, bits, depth, STAYS) for operand, bits, depth in chunk_room(part.job, arch))
    assert part.mapped is not None
    finish = {(v.operand, v.memory): v.finish for v in part.mapped.simulated.visits}
    return tuple(
        Room(memory.name, use.operand, use.tile_words * use.word_bits, use.depth,
             finish.get((use.operand, memory.name), STAYS))
        for memory in part.mapped.arch.memories for use in uses(part.mapped.mapping, part.mapped.arch, memory)
    )  # fmt: skip


def _piece(plan: Plan, part: Part, arch: Accelerator) -> Piece:
    return Piece(
        part.stream, _rooms(part, plan.arch), {m.name: m.capacity_bits for m in plan.arch.memories},
        {m.name: m.capacity_bits for m in arch.memories}, part.on_array and plan.arch.array.loads_ahead,
        bool(plan.node.params),
    )  # fmt: skip


def pieces_of(plans: tuple[Plan, ...], arch: Accelerator) -> list[Piece]:
    """The work items of all layers, in order, as the network's stream takes them."""
    return [_piece(plan, part, arch) for plan in plans for part in plan.parts]


def _owners(plans: tuple[Plan, ...]) -> list[Owner]:
    """Work items of all layers, as segments of one stream."""
    found: list[Owner] = []
    for plan in plans:
        for number, part in enumerate(plan.parts):
            first = found[-1].stop if found else 0
            name = plan.node.name if len(plan.parts) == 1 else f"{plan.node.name}[{number}]"
            found.append(Owner(name, first, first + part.ran.segments, part.on_array))
    return found


def _apart(plans: tuple[Plan, ...], starts: tuple[int, ...], arch: Accelerator) -> Streams:
    """Streams of layers that run alone, each from its start on."""
    strips: list[Strip] = []
    pieces, sealed, owners, moves = [], [], iter(_owners(plans)), 0
    for plan, now in zip(plans, starts, strict=True):
        for part in plan.parts:
            owner = replace(next(owners), first=0, stop=part.ran.segments)
            if part.ran.segments > LISTED:
                busy = part.ran.breakdown.compute + part.ran.breakdown.port
                sealed.append(Sealed(owner.name, now, part.on_array, part.ran.segments, busy, part.outcome))
            else:
                strips.append(Strip(now, part.stream, part.ran.replay, (owner,), moves))
                pieces.append(_piece(plan, part, arch))
                moves += len(part.stream.moves)
            now += part.outcome.makespan
    return Streams(tuple(strips), tuple(pieces), tuple(sealed))


def _layerwise(plans: tuple[Plan, ...], arch: Accelerator) -> Timetable:
    place = {plan.node.name: i for i, plan in enumerate(plans)}
    jobs = [Job(p.node.name, p.makespan, tuple(place[s] for s in p.node.inputs if s in place)) for p in plans]
    spans = schedule(jobs)
    slots = tuple(
        Slot(start, end, tuple(alone(part.outcome) for part in plan.parts))
        for plan, (start, end) in zip(plans, spans, strict=True)
    )
    return Timetable(slots, partial(_apart, plans, tuple(start for start, _ in spans), arch))


def timetable(plans: tuple[Plan, ...], arch: Accelerator, schedule: str, limits: Limits | None = None) -> Timetable:
    """When every layer runs under a schedule of `plan.SCHEDULES`.

    Layers do not overlap `layerwise`, nor behind a DRAM by commands, whose state belongs to one layer, nor where the
    channel arbitrates between queues, since a load may pass the store of its words by another operand, nor in a network
    of more than `LISTED` segments. In one stream a layer's slot reaches from the end of the layer before to its own
    end; loads of its first tiles lie in slots before it, and stores of its last results after it.

    Raises:
        BudgetExceeded: the stream has more segments than the limits allow.
    """
    segments = sum(part.ran.segments for plan in plans for part in plan.parts)
    apart = arch.dram.timing is not None or arch.dram.arbitration != "program_order"
    if not segments or schedule == "layerwise" or apart or segments > LISTED:
        return _layerwise(plans, arch)
    (Limits() if limits is None else limits).check(
        "segments of the network as one stream", segments, "--schedule layerwise runs each layer alone"
    )
    pieces = pieces_of(plans, arch)
    network = joined(pieces)
    outcome = recurrence.run(network.stream, arch.dram, arch.clock_hz)
    times, slots, now = iter(part_times(network, outcome)), [], 0
    for plan in plans:
        mine = tuple(next(times) for _ in plan.parts)
        end = now + sum(time.cycles for time in mine)
        slots.append(Slot(now, end, mine))
        now = end
    strip = Strip(0, network.stream, outcome, tuple(_owners(plans)), 0)
    return Timetable(tuple(slots), partial(Streams, (strip,), tuple(pieces)), network, outcome)
