"""A network as one stream: do the engines agree on it, and does what overlaps really fit and keep its order?"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim import pipeline
from accelsim.arch import Accelerator, Arbitration, Dram, DramTiming
from accelsim.dram import PRESETS, DramUse
from accelsim.graph import LayerGraph, Network, optimise
from accelsim.lookup import load_arch
from accelsim.mapper.objective import Objective
from accelsim.pieces import pieces_of
from accelsim.plan import Options, Plan
from accelsim.planning import plan_network
from accelsim.schedule import timetable
from accelsim.sim import oracle, recurrence
from accelsim.sim.network import Beside, Piece, Room, joined, part_times
from accelsim.sim.network import Network as Whole
from accelsim.sim.stream import (
    ADDRESS,
    BITS,
    KIND,
    NEEDED,
    OPERAND,
    OPERANDS,
    OTHER_UNIT,
    READY,
    Outcome,
    Segment,
    Stream,
    Transfer,
    channel_order,
    stream_of,
)
from accelsim.sim.timetable import Timetable
from accelsim.sim.uses import layer_uses
from tests.agreement.dram_rules import timings
from tests.agreement.test_engines import streams

DRAM = Dram("test", 8, 3, 1, 1)
MACHINES = ("edge_os_32x32", "edge_os_32x32_lpddr4", "tpu_like", "eyeriss", "tpu_v1", "gemmini_16x16")


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
    count, moves = len(stream.work), stream.moves.copy()
    moves[moves[:, NEEDED] == count, KIND] = 0  # what nobody needs is stored
    stream = replace(stream, moves=channel_order(moves))
    ends = st.lists(st.integers(0, count - 1), max_size=4).map(lambda found: np.array(sorted(found), np.int64))
    rooms = tuple(
        Room("GLB", operand, draw(st.integers(1, 40)), draw(st.integers(1, 2)), draw(ends)) for operand in OPERANDS
    )
    used = sum(room.bits * room.depth for room in rooms)
    return Piece(stream, rooms, {"GLB": used + draw(st.integers(0, 80))}, {}, draw(st.booleans()), draw(st.booleans()))


@st.composite
def networks(draw: st.DrawFn) -> list[Piece]:
    """Work items, some of them side by side with the one before."""
    found: list[Piece] = []
    for piece in draw(st.lists(pieces(), min_size=1, max_size=5)):
        count, room = len(piece.stream.work), {"GLB": draw(st.integers(80, 400))}
        piece = replace(piece, unit=draw(st.integers(0, 1)))
        if found and found[-1].beside is None and draw(st.booleans()):
            most = len(found[-1].stream.work)
            after = np.array(draw(st.lists(st.integers(0, most), min_size=count, max_size=count)), np.int64)
            after[0] = max(1, after[0])
            places = np.maximum.accumulate(np.maximum(1, np.minimum(most, after + draw(st.integers(0, 2)))))
            piece = replace(piece, unit=1 - found[-1].unit, beside=Beside(after, places, room))
        found.append(piece)
    return found


@settings(deadline=None, max_examples=300)
@given(parts=networks(), bandwidth=st.integers(1, 40))
def test_engines_agree_on_networks(parts: list[Piece], bandwidth: int) -> None:
    whole = joined(parts)
    dram = replace(DRAM, bandwidth_bits_per_s=bandwidth)
    slow = oracle.run(whole.stream, dram, 1)
    assert recurrence.run(whole.stream, dram, 1, "compiled") == slow
    assert recurrence.run(whole.stream, dram, 1, "python") == slow
    times = part_times(whole, slow)
    assert max(time.end for time in times) == slow.makespan
    stalls: dict[str, int] = {}
    for time, rows in zip(times, whole.places, strict=True):
        for cause, cycles in time.stalls.items():
            stalls[cause] = stalls.get(cause, 0) + cycles
        first = int(slow.waits[rows[0], 2])
        stalls[OTHER_UNIT] = stalls.get(OTHER_UNIT, 0) + first
    assert {cause: cycles for cause, cycles in stalls.items() if cycles} == dict(slow.stalls)
    moved = [sum(int(piece.stream.moves[:, 2].sum()) for piece in parts), int(whole.stream.moves[:, 2].sum())]
    assert moved[0] == moved[1]


@pytest.mark.parametrize("rule", ["first_come", "round_robin"])
@settings(deadline=None, max_examples=200)
@given(parts=networks(), bandwidth=st.integers(1, 40))
def test_engines_agree_on_networks_in_queues(rule: Arbitration, parts: list[Piece], bandwidth: int) -> None:
    """Work items in turn behind a channel that arbitrates; no first load starts before the stores of those before."""
    parts = [replace(piece, beside=None, stream=storing_results(piece.stream)) for piece in parts]
    dram = replace(DRAM, bandwidth_bits_per_s=bandwidth, arbitration=rule)
    whole = joined(parts, dram)
    fast = recurrence.run(whole.stream, dram, 1)
    assert fast == oracle.run(whole.stream, dram, 1)
    assert max(time.end for time in part_times(whole, fast)) == fast.makespan
    check_stores_before_loads(parts, whole, fast)
    queued = recurrence.run(whole.stream, replace(dram, arbitration="program_order"), 1)
    assert queued == recurrence.run(joined(parts).stream, replace(dram, arbitration="program_order"), 1)


def storing_results(stream: Stream) -> Stream:
    """The stream with stores of results only."""
    moves = stream.moves.copy()
    moves[moves[:, KIND] == 0, OPERAND] = OPERANDS.index("Outputs")
    return replace(stream, moves=channel_order(moves))


def check_stores_before_loads(parts: list[Piece], whole: Whole, outcome: Outcome) -> int:
    """Every load of a work item, but for results and trained weights, starts after all stores of those before have.
    Returns how many loads were behind some store."""
    moves, starts, found = whole.stream.moves, outcome.spans[:, 0], 0
    for number, piece in enumerate(parts):
        stores = (moves[:, KIND] == 0) & (whole.owner < number)
        loads = (moves[:, KIND] == 1) & (whole.owner == number) & (moves[:, OPERAND] != OPERANDS.index("Outputs"))
        if piece.trained:
            loads &= moves[:, OPERAND] != OPERANDS.index("Weights")
        first = whole.places[number][0] - 1
        loads &= moves[:, READY] >= first
        if stores.any() and loads.any() and (moves[loads, READY] == first).any():
            for operand in set(moves[loads, OPERAND].tolist()):
                mine = loads & (moves[:, OPERAND] == operand)
                if (moves[mine, READY] == first).any() and moves[mine, READY][0] == first:
                    assert starts[mine].min() > starts[stores].max()
                    found += 1
    return found


@pytest.mark.parametrize("rule", ["first_come", "round_robin"])
@pytest.mark.parametrize("name", ["edge_os_32x32", "tpu_like", "eyeriss"])
def test_real_networks_in_queues(name: str, rule: Arbitration) -> None:
    """SimPy and the event loop on a branching network through DRAM; layers overlap, and inputs are there."""
    arch = load_arch(name)[0]
    arch = replace(arch, dram=replace(arch.dram, arbitration=rule))
    plans = plan_network(network(), arch, Options(schedule="layerwise"))
    times = timetable(plans, arch, "network")
    assert times.network is not None and times.outcome is not None
    assert oracle.run(times.network.stream, arch.dram, arch.clock_hz) == times.outcome
    assert times.end < timetable(plans, arch, "layerwise").end
    assert not any(slot.beside for slot in times.slots)
    assert check_stores_before_loads(list(times.network.pieces), times.network, times.outcome) > 4


@settings(deadline=None, max_examples=100)
@given(parts=networks(), timing=timings(), data=st.data())
def test_engines_agree_on_networks_behind_commands(parts: list[Piece], timing: DramTiming, data: st.DataObject) -> None:
    """To the cycle and the row; work items lie apart on fresh rows, and what is done for each adds up to all."""
    dram = replace(DRAM, bandwidth_bits_per_s=timing.peak_bits_per_s, timing=timing)
    whole = joined(parts, dram)
    slow = oracle.run(whole.stream, dram, 333 * 10**6)
    assert recurrence.run(whole.stream, dram, 333 * 10**6, "compiled") == slow
    assert recurrence.run(whole.stream, dram, 333 * 10**6, "python") == slow
    moves, beyond = whole.stream.moves, 0
    for number, piece in enumerate(parts):
        mine, alone = moves[whole.owner == number], piece.stream.moves
        if len(mine):
            home = int(mine[:, ADDRESS].min() - alone[:, ADDRESS].min())
            assert home % timing.row_span_bits == 0 and mine[:, ADDRESS].min() >= beyond
            assert sorted((mine[:, ADDRESS] - home).tolist()) == sorted(alone[:, ADDRESS].tolist())
            assert mine[:, BITS].sum() == alone[:, BITS].sum()
            beyond = int((mine[:, ADDRESS] + mine[:, BITS]).max())
    fresh = data.draw(st.lists(st.integers(0, 40), min_size=len(parts), max_size=len(parts)))
    fresh[-1] += 1
    uses = [use for use in layer_uses(whole, slow, [1] * len(parts), fresh) if use is not None]
    assert len(uses) == len(parts) and sum(uses, DramUse()) == slow.dram
    assert all(use.hits + use.misses + use.conflicts == use.reads + use.writes for use in uses)
    assert all(0 <= use.active_clocks <= use.clocks and use.bits <= use.burst_bits for use in uses)


def test_addresses_begin_anew_where_the_dram_ends() -> None:
    """Three work items of one row of all banks each, in a DRAM of two."""
    device = replace(PRESETS["LPDDR4-3200"], rows=2, banks_per_group=1)
    dram = replace(DRAM, timing=DramTiming(device))
    loads = [Transfer("load", "Inputs", device.row_bits, -1, 0)]
    one = Piece(stream_of([Segment(0, 0, 1, 0)], loads), (), {}, {}, False, False)
    assert joined([one, one, one], dram).stream.moves[:, ADDRESS].tolist() == [0, device.row_bits, 0]


def test_rows_stay_open_from_one_work_item_to_the_next() -> None:
    """The second work item finds the banks as the first one left them, and refreshes go on in between."""
    arch, plans = planned("edge_os_32x32_lpddr4", "layerwise")
    times, alone = timetable(plans, arch, "network"), timetable(plans, arch, "layerwise")
    whole = times.outcome.dram if times.outcome is not None else None
    assert whole is not None and times.network is not None
    assert sum((slot.dram for slot in times.slots if slot.dram is not None), DramUse()) == whole
    parts = [slot.dram for slot in alone.slots if slot.dram is not None]
    apart = sum(parts, DramUse())
    assert (whole.reads, whole.writes, whole.bits) == (apart.reads, apart.writes, apart.bits)
    timing = arch.dram.timing
    assert timing is not None
    assert whole.refreshes // 4 == whole.clocks // 4 // timing.device.trefi > 0
    still = timetable(plans, replace(arch, dram=replace(arch.dram, timing=replace(timing, refresh=False))), "network")
    rows = still.outcome.dram if still.outcome is not None else None
    assert rows is not None and rows.misses <= timing.device.banks * timing.channels < rows.misses + rows.conflicts
    ran = pipeline.timed(network(), plans, arch, "network")
    assert ran.schedule == "network" and ran.totals.cycles == times.end
    assert all("row_hits" in r.dram and "bus_share" not in r.dram for r in ran.results if r.dram is not None)
    assert sum(r.dram["refreshes"] for r in ran.results if r.dram is not None) == whole.refreshes


@settings(deadline=None, max_examples=200)
@given(parts=networks())
def test_work_items_run_in_order_and_no_faster_than_they_can(parts: list[Piece]) -> None:
    """Groups one after another; side by side, a segment waits for those of the other work item that it names."""
    whole = joined(parts)
    outcome = recurrence.run(whole.stream, DRAM, 1)
    begins, ends = outcome.times[:, 1], outcome.times[:, 2]
    assert sorted(np.concatenate(whole.places).tolist()) == list(range(len(whole.stream.work)))
    for group in whole.groups:
        mine = np.concatenate(group.places)
        assert begins[mine].min() >= ends[: group.begin].max(initial=0)
        beside = group.pieces[-1].beside
        if beside is not None:
            one, other = group.places
            for begin, needs in zip(begins[other].tolist(), beside.after.tolist(), strict=True):
                assert begin >= ends[one][:needs].max(initial=0)
    times = part_times(whole, replace(outcome, final_drain=0))
    for piece, time in zip(parts, times, strict=True):
        still = recurrence.run(replace(piece.stream, moves=piece.stream.moves[:0]), DRAM, 1)
        assert time.cycles >= still.makespan - int(piece.stream.work[0, 0])


@settings(deadline=None, max_examples=200)
@given(parts=networks())
def test_side_by_side_first_tiles_wait_until_the_room_is_theirs(parts: list[Piece]) -> None:
    """First loads of the second of two start once the other one's first segment has ended; a group's, once all before
    have, but for weights."""
    whole = joined(parts)
    outcome, moves = recurrence.run(whole.stream, DRAM, 1), whole.stream.moves
    ends = np.append(0, np.maximum.accumulate(outcome.times[:, 2]))
    item = np.zeros(len(whole.stream.work) + 1, np.int64) - 1
    for number, rows in enumerate(whole.places):
        item[rows] = number
    loads = moves[:, KIND] == 1
    for number, (piece, rows) in enumerate(zip(whole.pieces, whole.places, strict=True)):
        group = next(g for g in whole.groups if rows[0] in np.concatenate(g.places))
        mine = loads & (item[moves[:, NEEDED]] == number)
        starts = outcome.spans[mine, 0]
        if piece.beside is not None:
            assert (starts >= outcome.times[group.places[0][0], 2]).all()
        else:
            others = mine & ((moves[:, OPERAND] != OPERANDS.index("Weights")) | (not piece.trained))
            assert (outcome.spans[others, 0] >= ends[group.begin]).all()


def refreshing(arch: Accelerator, times: Timetable) -> int:
    """Cycles that refreshes take at most, rows closed and opened again; short layers alone meet none."""
    use, timing = times.outcome.dram if times.outcome is not None else None, arch.dram.timing
    if use is None or timing is None:
        return 0
    d = timing.device
    clocks = use.refreshes // timing.channels * (d.trfc + d.twr + d.trp_all + d.trcd)
    return -(-clocks * d.tck_ps * arch.clock_hz // 10**12)


@pytest.mark.parametrize("schedule", ["network", "layerwise"])
@pytest.mark.parametrize("name", MACHINES)
def test_real_networks(name: str, schedule: str) -> None:
    """SimPy and the compiled sweep on a branching network, with and without activations on chip."""
    arch, plans = planned(name, schedule)
    times = timetable(plans, arch, "network")
    assert times.network is not None and times.outcome is not None
    assert oracle.run(times.network.stream, arch.dram, arch.clock_hz) == times.outcome
    apart = timetable(plans, arch, "layerwise")
    assert times.end <= apart.end + refreshing(arch, times)
    for before, slot in pairwise(times.slots):
        assert slot.beside or slot.start >= before.end
    assert sum(slot.fresh for slot in times.slots) == times.end == times.outcome.makespan


@pytest.mark.parametrize("shrink", [1, 2, 4])
@pytest.mark.parametrize("name", MACHINES)
def test_early_weights_find_room(name: str, shrink: int) -> None:
    """When the first weights of a work item start on the channel, what the one before still needs leaves them room."""
    arch, plans = planned(name, "network", shrink)
    whole = joined(pieces_of(plans, arch))
    outcome = recurrence.run(whole.stream, arch.dram, arch.clock_hz)
    early = 0
    for before, group in pairwise(whole.groups):
        begin, first, piece = group.begin, before.begin, group.pieces[0]
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
    whole = joined(pieces_of(plans, arch))
    moves, place = whole.stream.moves, np.arange(len(whole.stream.moves))
    compared = 0
    bounds = [*(group.begin for group in whole.groups), len(whole.stream.work)]
    for begin, stop, after in zip(bounds, bounds[1:], bounds[2:], strict=False):
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
