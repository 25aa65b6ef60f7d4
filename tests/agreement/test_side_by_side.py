"""Work of the vector unit beside the array's: does every chunk wait for its words, and is there room for both?

The words of a chunk are counted here from the loop nest itself, as `walk` enumerates it, not by the passes that the
simulator lists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import Accelerator
from accelsim.errors import BudgetExceeded
from accelsim.following import _tiled, _window_needs
from accelsim.graph import LayerGraph, Network, optimise
from accelsim.lookup import load_arch
from accelsim.mapping import Loop, Mapping, TileLevel
from accelsim.mapping.chunks import chunk_bounds
from accelsim.pieces import left_over, pieces_of
from accelsim.pipeline import run
from accelsim.plan import Options, Plan
from accelsim.planning import plan_network
from accelsim.problem import Operand, Problem
from accelsim.residency import activation_home, home, residency
from accelsim.schedule import timetable
from accelsim.sim import oracle, recurrence
from accelsim.sim.build import build_stream
from accelsim.sim.finish import finish_segments
from accelsim.sim.limits import Limits
from accelsim.sim.network import Piece, joined
from accelsim.sim.stream import BITS, KIND, NEEDED, OPERAND, OPERANDS
from accelsim.traffic import Factors
from accelsim.walk import Tile, axis_indices, coordinates, steps
from tests.agreement.machines import machine, nests, problems

MACHINES = ("edge_os_32x32", "tpu_like", "eyeriss", "simba", "gemmini_16x16")


def all_of(problem: Problem) -> tuple[Loop, ...]:
    """Every dim as one loop."""
    return tuple(Loop(dim, trips) for dim, trips in problem.bounds if trips > 1)


def dense(operand: Operand, tile: Tile) -> bool:
    """Does a tile touch every index between the first and last it touches?"""
    touched = [axis_indices(axis, tile) for axis in operand.axes]
    return all(found and found[-1] - found[0] + 1 == len(found) for found in touched)


def network() -> LayerGraph:
    """A residual, a concatenation, and a pooling branch beside a convolution."""
    net = Network("side by side")
    x = net.conv(net.input(8, 28, 28), 32, kernel=3, pad=1)
    x = net.relu(net.add(x, net.conv(x, 32, kernel=3, pad=1)))
    pooled = net.max_pool(x, 3, stride=1, pad=1)
    beside = net.conv(x, 32, kernel=3, pad=1)
    x = net.concat(pooled, beside, net.conv(x, 16, kernel=1))
    x = net.mul(net.conv(x, 32, kernel=1), net.conv(x, 32, kernel=3, pad=1))
    return optimise(net.build(net.conv(x, 16, kernel=1)))


@cache
def planned(name: str, schedule: str) -> tuple[Accelerator, tuple[Plan, ...]]:
    arch = load_arch(name)[0]
    return arch, plan_network(network(), arch, Options(schedule=schedule))


def pairs(arch: Accelerator, plans: tuple[Plan, ...]) -> list[tuple[Plan, Plan, Piece, Piece]]:
    """The layers that run side by side, each of one work item, and their pieces."""
    made = pieces_of(plans, arch)
    owners = [plan for plan in plans for _ in plan.parts]
    return [(owners[n - 1], owners[n], made[n - 1], piece) for n, piece in enumerate(made) if piece.beside is not None]


def last_passes(mapping: Mapping) -> np.ndarray:
    """For each output word in storage order, the last pass that touches it, word by word."""
    position, bound = mapping.position("stream"), mapping.problem.bound
    found = np.zeros([axis.size for axis in mapping.problem.output.axes], np.int64)
    for number, start in enumerate(steps(mapping, position)):
        tile: Tile = {d: range(s, min(s + mapping.tile_step(d, position), bound[d])) for d, s in start.items()}
        for word in coordinates(mapping.problem.output, tile):
            found[word] = number
    return found.reshape(-1)


def rows_by_pass(mapping: Mapping, rows: int) -> np.ndarray:
    """How many rows of consecutive words no later pass touches, after each pass."""
    passes = sum(1 for _ in steps(mapping, mapping.position("stream")))
    return np.cumsum(np.bincount(last_passes(mapping).reshape(rows, -1).max(axis=1), minlength=passes))


@pytest.mark.parametrize("dataflow", ["ws", "os", "is", "rs", "tree"])
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_words_finish_with_the_last_pass_that_touches_them(dataflow: str, data: st.DataObject) -> None:
    mapping = data.draw(nests(dataflow, most=3))
    arch, last = machine(dataflow), last_passes(mapping)
    whole = np.cumsum(np.bincount(last))
    apart, merged = (build_stream(mapping, arch, group=group) for group in (False, True))
    assert apart.finished.tolist() == whole.tolist()
    assert merged.finished[-1] == mapping.problem.output.words
    assert set(merged.finished.tolist()) <= set(whole.tolist())
    found = finish_segments(mapping, arch, Factors(), stored=False)
    leaves = finish_segments(mapping, arch, Factors(), stored=True)
    assert found is not None and leaves is not None
    assert np.cumsum(np.bincount(found, minlength=len(merged.stream.work))).tolist() == merged.finished.tolist()
    assert (leaves >= found).all()
    order = np.argsort(last, kind="stable")
    assert (np.diff(found[order]) >= 0).all()


def check_words(one: Plan, other: Plan, first: Piece, second: Piece) -> None:
    """Every chunk that follows finds its words on chip: those of its pass and all before are touched no more."""
    job, mapped = other.parts[0].job, one.parts[0].mapped
    assert job is not None and mapped is not None and second.beside is not None
    ends = chunk_bounds(job, len(second.stream.work), job.rows)[1:]
    words = mapped.mapping.problem.output.words
    rows = job.rows if job.rows < job.out_words else words
    all_words, whole = rows_by_pass(mapped.mapping, words), rows_by_pass(mapped.mapping, rows)
    if one.in_part:
        kept = last_passes(mapped.mapping)[: one.staying].reshape(-1, words // rows).max(axis=1)
        rows, whole = kept.size, np.cumsum(np.bincount(kept, minlength=all_words.size))
    passes = np.searchsorted(all_words, mapped.simulated.finished)  # segment by segment, its last pass or one before
    there = job.rows - rows
    for needs, end in zip(second.beside.after.tolist(), ends, strict=True):
        need = end * rows / job.rows if job.here_words not in (0, job.in_words) else end - there
        assert needs >= 1 and whole[passes[needs - 1]] >= need


def check_stores(second: Piece, other: Plan, arch: Accelerator, parts: list[Piece]) -> None:
    """Before a chunk's inputs come from DRAM, the array's results of that chunk went there."""
    job = other.parts[0].job
    assert job is not None
    whole = joined(parts)
    number = parts.index(second)
    moves, mine, made = whole.stream.moves, whole.places[number], whole.places[number - 1]
    segments = {int(place): k for k, place in enumerate(mine)}
    ends = chunk_bounds(job, mine.size, job.out_words)[1:]
    stored, total, seen = 0, job.out_words, 0
    words = int(sum(m[BITS] for m in parts[number - 1].stream.moves if m[KIND] == 0)) // arch.precision.output_bits
    for row in moves.tolist():
        if row[KIND] == 0 and made[0] <= row[3] <= made[-1] and row[3] not in segments:
            stored += row[BITS]
        if row[KIND] == 1 and row[OPERAND] == OPERANDS.index("Inputs") and row[NEEDED] in segments:
            end = ends[segments[row[NEEDED]]]
            need = end * words / total if job.here_words not in (0, job.in_words) else end - (total - words)
            assert stored // arch.precision.output_bits >= need
            seen += 1
    assert seen


@pytest.mark.parametrize("schedule", ["network", "layerwise"])
@pytest.mark.parametrize("name", MACHINES)
def test_chunks_wait_for_their_words_and_find_room(name: str, schedule: str) -> None:
    arch, plans = planned(name, schedule)
    made = pieces_of(plans, arch)
    owners = [plan for plan in plans for _ in plan.parts]
    for number, second in enumerate(made):
        if second.beside is None:
            continue
        first, one, other = made[number - 1], owners[number - 1], owners[number]
        for memory, bits in second.beside.capacity.items():
            assert first.usage(memory)[0] + second.usage(memory)[0] <= bits <= first.capacity[memory]
        if one.node.name in other.node.inputs:
            if one.staying:
                check_words(one, other, first, second)
            if not one.stays:
                check_stores(second, other, arch, made)


def rows_network() -> LayerGraph:
    """Rows that a normalisation takes one by one."""
    net = Network("rows")
    return optimise(net.build(net.linear(net.layer_norm(net.linear(net.input(512, 256), 64)), 32)))


@pytest.mark.parametrize(
    ("name", "kib", "graph"),
    [("eyeriss", 24, network), ("simba", 24, network), ("tpu_like", 16, network), ("tpu_like", 24, rows_network)],
)  # fmt: skip
def test_chunks_wait_for_both_parts_of_their_words(name: str, kib: int, graph: Callable[[], LayerGraph]) -> None:
    """Of results that stay in part: the words on chip are finished, the others in the queue to DRAM. One segment
    too early is found."""
    arch = load_arch(name)[0]
    keeper = activation_home(arch)
    small = tuple(replace(m, capacity_bits=8192 * kib) if m == keeper else m for m in arch.memories)
    arch = replace(arch, memories=small)
    plans = plan_network(graph(), arch, Options())
    made, followed = pieces_of(plans, arch), 0
    owners = [plan for plan in plans for _ in plan.parts]
    for number, second in enumerate(made):
        one, other, first = owners[number - 1], owners[number], made[number - 1]
        if second.beside is None or not one.in_part or one.node.name not in other.node.inputs:
            continue
        check_words(one, other, first, second)
        check_stores(second, other, arch, made)
        followed += 1
        early = replace(second, beside=replace(second.beside, after=np.maximum(1, second.beside.after - 1)))
        with pytest.raises(AssertionError):
            check_words(one, other, first, early)
            check_stores(early, other, arch, [*made[:number], early, *made[number + 1 :]])
    assert followed
    whole = joined(made)
    assert oracle.run(whole.stream, arch.dram, arch.clock_hz) == recurrence.run(whole.stream, arch.dram, arch.clock_hz)


def test_all_ways_to_run_side_by_side_occur() -> None:
    """On chip and through DRAM, elementwise and moved; and what a network gains by it is no less than nothing."""
    ways = set()
    for name in MACHINES:
        for schedule in ("network", "layerwise"):
            arch, plans = planned(name, schedule)
            for one, other, _, second in pairs(arch, plans):
                assert second.beside is not None
                ways.add((other.node.op, second.beside.stored, one.parts[0].on_array))
            turns = joined(pieces_of(plans, arch, side_by_side=False))
            alone = recurrence.run(turns.stream, arch.dram, arch.clock_hz).makespan
            assert timetable(plans, arch, "network").end <= alone
    stored = {way[1] for way in ways}
    assert stored == {True, False} and {way[0] for way in ways} >= {"add", "concat"}


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("name", ["tpu_like", "gemmini_16x16", "eyeriss"])
def test_rows_of_softmax_and_normalisation_follow_the_array(name: str, norm: bool) -> None:
    """A row is there when all of its words are."""
    net = Network("rows")
    x = net.linear(net.input(512, 64), 96)
    x = net.layer_norm(x) if norm else net.softmax(x)
    arch = load_arch(name)[0]
    plans = plan_network(optimise(net.build(net.linear(x, 32))), arch, Options(), parts=False)
    made = pieces_of(plans, arch)
    (number,) = (n for n, piece in enumerate(made) if piece.beside is not None)
    owners = [plan for plan in plans for _ in plan.parts]
    one, other, first, second = owners[number - 1], owners[number], made[number - 1], made[number]
    assert second.beside is not None and second.beside.stored is not one.stays
    if one.stays:
        check_words(one, other, first, second)
    else:
        check_stores(second, other, arch, made)


@settings(deadline=None, max_examples=100)
@given(problem=problems(4), dim=st.sampled_from("GP"), data=st.data())
def test_windows_wait_for_every_word_they_touch(problem: Problem, dim: str, data: st.DataObject) -> None:
    """Against the coordinates that each tile of a pooling nest touches, one by one."""
    mapping = _tiled(Mapping(problem, "os", (TileLevel("DRAM", ()), TileLevel("GLB", ())), all_of(problem)), dim)
    inputs = next(operand for operand in problem.operands if operand.name == "Inputs")
    sizes = [axis.size for axis in inputs.axes]
    segments = np.array(data.draw(st.lists(st.integers(0, 9), min_size=inputs.words, max_size=inputs.words)))
    if mapping.levels[0].loops[0].trips == 1:
        return
    found, last = _window_needs(mapping, segments), segments.reshape(sizes)
    position, bound = mapping.position("stream"), problem.bound
    tiles = list(steps(mapping, position))
    assert len(tiles) == found.size
    for start, needs in zip(tiles, found.tolist(), strict=True):
        tile: Tile = {d: range(s, min(s + mapping.tile_step(d, position), bound[d])) for d, s in start.items()}
        touched = [last[word] for word in coordinates(inputs, tile)]
        assert needs >= max(touched, default=0) + 1
        if len(inputs.axes) == len({axis.dims for axis in inputs.axes}) and touched and dense(inputs, tile):
            assert needs == max(touched) + 1


@pytest.mark.parametrize("name", ["tpu_like", "nvdla_full", "tpu_v1"])
def test_pooling_follows_results_on_chip(name: str) -> None:
    """Tiled anew: the same work, in tiles."""
    net = Network("pool")
    x = net.max_pool(net.conv(net.input(32, 28, 28), 64, kernel=3, pad=1), 3, stride=2, pad=1)
    arch = load_arch(name)[0]
    plans = plan_network(optimise(net.build(net.conv(x, 32, kernel=3, pad=1))), arch, Options())
    ((_, other, _, second),) = pairs(arch, plans)
    assert other.node.op == "max_pool2d" and second.beside is not None and len(second.stream.work) > 1
    extra = second.stream.breakdown.compute - other.parts[0].ran.breakdown.compute
    assert 0 <= extra < len(second.stream.work)  # every tile rounds up to whole cycles
    assert second.beside.after[0] < second.beside.after[-1] or name == "tpu_v1"  # there the array has two segments


def test_a_chunk_that_comes_too_early_is_found() -> None:
    """The two checks of this file fail for a plan whose chunks wait for one segment less."""
    tried = 0
    for name, schedule in (("eyeriss", "network"), ("tpu_like", "layerwise")):
        arch, plans = planned(name, schedule)
        made = pieces_of(plans, arch)
        owners = [plan for plan in plans for _ in plan.parts]
        for number, second in enumerate(made):
            beside, one = second.beside, owners[number - 1]
            if beside is None or one.node.name not in owners[number].node.inputs or beside.after[-1] < 2:
                continue
            early = replace(second, beside=replace(beside, after=np.maximum(1, beside.after - 1)))
            with pytest.raises(AssertionError):
                if one.stays:
                    check_words(one, owners[number], made[number - 1], early)
                else:
                    check_stores(early, owners[number], arch, [*made[:number], early, *made[number + 1 :]])
            tried += 1
    assert tried >= 2


@pytest.mark.parametrize("name", ["eyeriss", "gemmini_16x16"])
def test_simpy_agrees_on_layers_side_by_side(name: str) -> None:
    """Real mappings, side by side on chip and through DRAM: every time, wait and transfer."""
    arch, plans = planned(name, "network")
    whole = joined(pieces_of(plans, arch))
    assert any(piece.beside is not None for piece in whole.pieces)
    assert oracle.run(whole.stream, arch.dram, arch.clock_hz) == recurrence.run(whole.stream, arch.dram, arch.clock_hz)


def test_an_event_budget_that_only_turns_fit_keeps_turns() -> None:
    """Work side by side is cut finer; it is not tried beyond the budget, and the run goes on."""
    arch, plans = planned("gemmini_16x16", "network")
    turns, beside = (
        sum(len(piece.stream.work) for piece in pieces_of(plans, arch, both)) for both in (False, True)
    )  # fmt: skip
    assert turns < beside
    free, tight = (timetable(plans, arch, "network", Limits(events=most)) for most in (beside, turns))
    assert any(slot.beside for slot in free.slots) and not any(slot.beside for slot in tight.slots)
    assert free.end < tight.end
    with pytest.raises(BudgetExceeded, match="--schedule layerwise"):
        timetable(plans, arch, "network", Limits(events=turns - 1))


def test_room_for_both_is_what_no_region_of_either_takes() -> None:
    """The capacity of two side by side, from the spans of all that stays."""
    graph = network()
    arch, plans = planned("tpu_like", "network")
    chosen = residency(graph, arch)
    checked = 0
    for number in range(1, len(plans)):
        before = max(n for n in range(number) if plans[n].parts)
        taken = {memory.name: 0 for memory in arch.memories}
        for memory, spans in ((home(arch), chosen.weights), (activation_home(arch), chosen.tensors)):
            for span in spans.values():
                if memory is not None and span.first <= number and span.last >= before:
                    taken[memory.name] += span.bits
        for memory, bits in zip(arch.memories, plans[number].beside, strict=True):
            assert bits == memory.capacity_bits - taken[memory.name]
            checked += bits != plans[number].arch.memory(memory.name).capacity_bits
    assert checked


def test_what_the_array_leaves() -> None:
    """By hand: ports and lanes less what the array's layer takes on average, rounded against the vector unit."""
    arch, plans = planned("tpu_like", "network")
    part = next(plan.parts[0] for plan in plans if plan.parts and plan.parts[0].on_array)
    assert part.mapped is not None
    busy = part.ran.breakdown.compute + part.ran.breakdown.port
    memory = arch.memory("SRAM")
    links = {(c.parent, c.operand): c for c in part.mapped.counts}
    read = links["SRAM", "Inputs"].reads * 8 + links["SRAM", "Outputs"].reads * 16
    found = left_over(part, arch)
    assert found is not None
    left = found.memory("SRAM").read_bits_per_cycle
    assert left * busy + read <= memory.read_bits_per_cycle * busy < (left + 1) * busy + read + busy
    ops = part.post_ops * part.mapped.mapping.problem.output.words
    lanes = found.vector.lanes
    assert lanes * busy + ops <= arch.vector.lanes * busy < (lanes + 1) * busy + ops + busy
    assert left_over(part, replace(arch, vector=replace(arch.vector, lanes=ops // busy))) is None


@pytest.mark.parametrize("name", ["eyeriss", "gemmini_16x16"])
def test_a_report_says_what_ran_side_by_side(name: str) -> None:
    """Slots overlap only there, add up to the makespan without what overlaps, and leak once."""
    report = run(load_arch(name)[0], network(), Options(objective="latency"))
    beside = report.schedule["side_by_side"]
    assert beside
    end = fresh = 0
    for layer in report.results:
        assert (layer.start_cycle < end and layer.cycles > 0) == (layer.name in beside)
        assert ("side by side" in layer.note) == (layer.name in beside)
        assert layer.compute_cycles + sum(layer.stall_cycles.values()) == layer.cycles
        fresh += max(0, layer.end_cycle - end)
        end = max(end, layer.end_cycle)
    assert fresh == report.totals.cycles < sum(layer.cycles for layer in report.results)
