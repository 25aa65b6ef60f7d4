"""A network as one stream: do the engines agree on it, and does what overlaps really fit and keep its order?"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim import pipeline
from accelsim.arch import Accelerator, Dram
from accelsim.graph import LayerGraph, Network, optimise
from accelsim.lookup import load_arch
from accelsim.mapper.objective import Objective
from accelsim.plan import Options, Plan, plan_network
from accelsim.schedule import pieces_of, timetable
from accelsim.sim import oracle, recurrence
from accelsim.sim.network import Piece, Room, joined, part_times
from accelsim.sim.stream import KIND, NEEDED, OPERAND, OPERANDS, READY, Segment, Stream, Transfer, stream_of
from tests.agreement.test_engines import streams

DRAM = Dram("test", 8, 3, 1, 1)
MACHINES = ("edge_os_32x32", "tpu_like", "eyeriss", "tpu_v1", "gemmini_16x16")


def network() -> LayerGraph:
    net = Network("branches")
    x = net.relu(net.conv(net.input(8, 14, 14), 24, kernel=3, pad=1))
    left = net.conv(net.relu(net.conv(x, 16, kernel=1)), 24, kernel=3, pad=1)
    right = net.max_pool(x, 3, stride=1, pad=1)
    y = net.relu(net.add(left, right))
    return optimise(net.build(net.linear(net.flatten(net.global_avg_pool(y)), 10)))


def planned(name: str, schedule: str, shrink: int = 1) -> tuple[Accelerator, tuple[Plan, ...]]:
    arch = load_arch(name)[0]
    memories = (replace(arch.memories[0], capacity_bits=arch.memories[0].capacity_bits // shrink), *arch.memories[1:])
    arch = replace(arch, memories=memories)
    return arch, plan_network(network(), arch, Options(schedule=schedule))


@st.composite
def pieces(draw: st.DrawFn) -> Piece:
    """Any stream with room for weights and results that its capacity may or may not leave to others."""
    stream = draw(streams(most=5))
    count = len(stream.work)
    ends = st.lists(st.integers(0, count - 1), max_size=4).map(lambda found: np.array(sorted(found), np.int64))
    rooms = tuple(
        Room("GLB", operand, draw(st.integers(1, 40)), draw(st.integers(1, 2)), draw(ends)) for operand in OPERANDS
    )
    used = sum(room.bits * room.depth for room in rooms)
    return Piece(stream, rooms, {"GLB": used + draw(st.integers(0, 80))}, {}, draw(st.booleans()), draw(st.booleans()))


@settings(deadline=None, max_examples=150)
@given(parts=st.lists(pieces(), min_size=1, max_size=4), bandwidth=st.integers(1, 40))
def test_engines_agree_on_networks(parts: list[Piece], bandwidth: int) -> None:
    whole = joined(parts)
    dram = replace(DRAM, bandwidth_bits_per_s=bandwidth)
    slow = oracle.run(whole.stream, dram, 1)
    assert recurrence.run(whole.stream, dram, 1, "compiled") == slow
    assert recurrence.run(whole.stream, dram, 1, "python") == slow
    times = part_times(whole, slow)
    assert sum(time.cycles for time in times) == slow.makespan
    stalls: dict[str, int] = {}
    for time in times:
        for cause, cycles in time.stalls.items():
            stalls[cause] = stalls.get(cause, 0) + cycles
    assert stalls == dict(slow.stalls)
    moved = [sum(int(piece.stream.moves[:, 2].sum()) for piece in parts), int(whole.stream.moves[:, 2].sum())]
    assert moved[0] == moved[1]


@settings(deadline=None, max_examples=100)
@given(parts=st.lists(pieces(), min_size=1, max_size=4))
def test_work_items_run_in_order_and_no_faster_than_they_can(parts: list[Piece]) -> None:
    whole = joined(parts)
    outcome = recurrence.run(whole.stream, DRAM, 1)
    for piece, begin, stop in zip(parts, whole.bounds, whole.bounds[1:], strict=False):
        before = outcome.times[begin - 1, 2] if begin else 0
        assert outcome.times[begin, 1] >= before
        still = recurrence.run(replace(piece.stream, moves=piece.stream.moves[:0]), DRAM, 1)
        load = int(piece.stream.work[0, 0])
        assert outcome.times[stop - 1, 2] - before >= still.makespan - load


@pytest.mark.parametrize("schedule", ["network", "layerwise"])
@pytest.mark.parametrize("name", MACHINES)
def test_real_networks(name: str, schedule: str) -> None:
    """SimPy and the compiled sweep on a branching network, with and without activations on chip."""
    arch, plans = planned(name, schedule)
    times = timetable(plans, arch, "network")
    assert times.network is not None and times.outcome is not None
    assert oracle.run(times.network.stream, arch.dram, arch.clock_hz) == times.outcome
    apart = timetable(plans, arch, "layerwise")
    assert times.slots[-1].end <= apart.slots[-1].end
    assert [slot.start for slot in times.slots[1:]] == [slot.end for slot in times.slots[:-1]]


@pytest.mark.parametrize("shrink", [1, 2, 4])
@pytest.mark.parametrize("name", MACHINES)
def test_early_weights_find_room(name: str, shrink: int) -> None:
    """When the first weights of a work item start on the channel, what the one before still needs leaves them room."""
    arch, plans = planned(name, "network", shrink)
    parts = pieces_of(plans, arch)
    whole = joined(parts)
    outcome = recurrence.run(whole.stream, arch.dram, arch.clock_hz)
    early = 0
    for number, (before, piece) in enumerate(pairwise(parts), 1):
        begin, first = whole.bounds[number], whole.bounds[number - 1]
        moves = whole.stream.moves
        mine = (
            (moves[:, NEEDED] >= begin) & (moves[:, READY] < begin) & (moves[:, OPERAND] == OPERANDS.index("Weights"))
        )
        for ready in moves[mine & (moves[:, KIND] == 1), READY].tolist():
            assert ready >= first - 1
            done = ready - first + 1
            for room in piece.rooms:
                if room.operand == "Weights" and room.finish.size:
                    assert (
                        before.usage(room.memory)[done] + room.first <= before.capacity[room.memory]
                        or ready == begin - 1
                    )
            early += ready < begin - 1
    assert early or name in ("eyeriss", "gemmini_16x16")
    assert outcome.makespan > 0


@pytest.mark.parametrize("name", MACHINES)
def test_loads_never_pass_the_stores_before_them(name: str) -> None:
    """Channel order: all stores of a work item come before every load of the next one's inputs."""
    arch, plans = planned(name, "layerwise")
    parts = pieces_of(plans, arch)
    whole, moves = joined(parts), joined(parts).stream.moves
    place = np.arange(len(moves))
    compared = 0
    for begin, stop, after in zip(whole.bounds, whole.bounds[1:], whole.bounds[2:], strict=False):
        made = (moves[:, KIND] == 0) & (moves[:, READY] >= begin) & (moves[:, READY] < stop)
        reads = (moves[:, KIND] == 1) & (moves[:, OPERAND] == OPERANDS.index("Inputs"))
        reads &= (moves[:, NEEDED] >= stop) & (moves[:, NEEDED] < after)
        if made.any() and reads.any():
            assert place[made].max() < place[reads].min()
            compared += 1
    assert compared >= 5


def test_by_hand() -> None:
    """Two work items of one segment: 10 cycles each behind a load of 16 cycles; weights come early if there is room."""

    def piece(room: int) -> Piece:
        loads = [Transfer("load", "Weights", 128, -1, 0)]
        rooms = (Room("GLB", "Weights", 128, 1, np.array([0])),)
        return Piece(stream_of([Segment(0, 0, 10, 0)], loads), rooms, {"GLB": room}, {}, False, True)

    def makespan(room: int) -> int:
        return recurrence.run(joined([piece(room), piece(room)]).stream, DRAM, 1).makespan

    assert makespan(128) == 2 * (16 + 3 + 10)
    assert makespan(256) == 16 + 16 + 3 + 10


def test_stores_drain_beside_the_next_work_item() -> None:
    """A store of 16 cycles: the next work item waits for it only if its own results need the room."""

    def made(capacity: int) -> Stream:
        store = [Transfer("store", "Outputs", 128, 0, 1)]
        rooms = (Room("GLB", "Outputs", 128, 1, np.array([0])),)
        one = Piece(stream_of([Segment(0, 0, 10, 0)], store), rooms, {"GLB": capacity}, {}, False, True)
        return joined([one, one, one]).stream

    tight, wide = (recurrence.run(made(bits), DRAM, 1).makespan for bits in (128, 256))
    assert (tight, wide) == (3 * 10 + 3 * 16 + 3, 10 + 3 * 16 + 3)


@pytest.mark.parametrize("objective", ["latency", "energy", "edp"])
@pytest.mark.parametrize("name", MACHINES)
def test_overlap_is_left_untried_only_where_it_cannot_win(name: str, objective: Objective) -> None:
    arch, plans = planned(name, "layerwise")
    graph = network()
    apart, overlapped = (pipeline.timed(graph, plans, arch, schedule) for schedule in ("layerwise", "network"))
    assert overlapped.schedule == "network"
    assert pipeline.least_cost(apart, arch, objective) <= overlapped.cost(objective)
