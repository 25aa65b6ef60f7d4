"""Does the engine that jumps over periods find what SimPy finds? Exactly, on random nests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import Accelerator, DramTiming
from accelsim.dram import PRESETS
from accelsim.errors import BudgetExceeded, InputError
from accelsim.lookup import load_arch
from accelsim.mapping import Loop, Mapping, Rules, TileLevel
from accelsim.problem import gemm_problem
from accelsim.sim import oracle, recurrence
from accelsim.sim.build import build_stream
from accelsim.sim.drafts import Drafts
from accelsim.sim.flows import flows_of
from accelsim.sim.limits import MOST_BYTES, PASS_BYTES, Limits
from accelsim.sim.nest import segment_nest
from accelsim.sim.passes import Passes, enumerate_passes
from accelsim.sim.picked import Nest, pick
from accelsim.sim.simulate import FEW, simulate
from accelsim.traffic import Factors
from tests.agreement.dram_rules import timings
from tests.agreement.machines import machine, nests, staying

FLOWS = st.sampled_from(["ws", "os", "is", "rs", "tree", "cast"])
STAYS = st.sets(st.sampled_from(["Inputs", "Outputs"]))
PIECES = st.sampled_from([0, 1, 8, 50, 300])
DEPTHS = st.tuples(st.integers(1, 4), st.integers(1, 2), st.integers(1, 4))


def places(nest: Nest, full: Passes) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """For every pass, the picked one that stands for it."""
    rest, flat, weight = np.arange(full.count), np.zeros(full.count, np.int64), 1
    for r in reversed(nest.ranges):
        known = {index: place for place, index in enumerate(r.picked)}
        table = np.array([known.get(i, known.get(r.low, 0)) for i in range(r.trips)])
        flat, rest, weight = flat + weight * table[rest % r.trips], rest // r.trips, weight * len(r.picked)
    return flat


def check_picked(mapping: Mapping, dataflow: str, halo: bool) -> bool:
    nest = pick(mapping, 1 << 30)
    if nest is None:
        return False
    full, arch = enumerate_passes(mapping), machine(dataflow)
    assert nest.count == full.count == nest.times.sum()
    where = places(nest, full)
    found = (flows_of(passes, arch, Rules(halo), Factors()) for passes in (full, nest.passes))
    for every, few in zip(*found, strict=True):
        for name in ("down", "up_psum", "up_final", "changed", "first"):
            assert np.array_equal(getattr(every, name), getattr(few, name)[where]), (name, every.operand.name)
    return True


def check_engines(mapping: Mapping, arch: Accelerator, ops: int) -> tuple[int, int]:
    """Both engines, and SimPy, say the same. Returns segments in all and those that the nest visited."""
    from accelsim.sim import commands, periods

    nest = segment_nest(mapping, arch, ops)
    if nest is None:
        return 0, 0
    built = build_stream(mapping, arch, post_ops=ops)
    assert (nest.carried, nest.breakdown, nest.passes) == (built.carried, built.stream.breakdown, built.passes)
    assert nest.segments == len(built.stream.work)
    engine = periods if arch.dram.timing is None else commands
    found, visited = engine.run(nest, arch.dram, arch.clock_hz)
    assert found == oracle.run(built.stream, arch.dram, arch.clock_hz).summary
    return nest.segments, visited


@settings(deadline=None, max_examples=80)
@given(
    data=st.data(), dataflow=FLOWS, stays=STAYS, overlap=st.booleans(), timing=timings(), latency=st.integers(0, 40),
    depths=DEPTHS, ops=st.integers(0, 3), clock=st.sampled_from([50, 333, 1000]),
)  # fmt: skip
def test_nests_behind_commands_equal_simpy(
    data: st.DataObject, dataflow: str, stays: set[str], overlap: bool, timing: DramTiming, latency: int,
    depths: tuple[int, int, int], ops: int, clock: int,
) -> None:  # fmt: skip
    """Times, stalls, bits and commands, though no tile is listed: each lies where a list would put it."""
    mapping = staying(data, data.draw(nests(dataflow)), stays)
    check_engines(mapping, commanded(varied(dataflow, depths, overlap, 1, latency), timing, clock), ops)


@pytest.mark.slow
@settings(deadline=None, max_examples=2000)
@given(
    data=st.data(), dataflow=FLOWS, halo=st.booleans(), stays=STAYS, overlap=st.booleans(), timing=timings(),
    latency=st.integers(0, 40), depths=DEPTHS, clock=st.sampled_from([50, 333, 1000]),
)  # fmt: skip
def test_nests_behind_commands_equal_simpy_on_thousands(
    data: st.DataObject, dataflow: str, halo: bool, stays: set[str], overlap: bool, timing: DramTiming, latency: int,
    depths: tuple[int, int, int], clock: int,
) -> None:  # fmt: skip
    mapping = staying(data, data.draw(nests(dataflow, most=9)), stays)
    arch = replace(varied(dataflow, depths, overlap, 1, latency), halo_reuse=halo)
    check_engines(mapping, commanded(arch, timing, clock), 1)


def quick(channels: int, page: Literal["open", "closed"], refresh: bool, queue: int, trefi: int) -> DramTiming:
    """Few banks with short rows and frequent, short refreshes: states return soon."""
    device = replace(PRESETS["DDR3-1600"], burst_bits=64, row_bits=256, rows=1 << 20, banks_per_group=2)
    device = replace(device, trfc=20, trefi=trefi)
    return DramTiming(device, channels=channels, page=page, refresh=refresh, queue=queue)


QUICK = st.builds(
    quick, st.sampled_from([1, 2]), st.sampled_from(["open", "closed"]), st.booleans(), st.sampled_from([1, 5, 32]),
    st.sampled_from([96, 100, 128]),
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60), st.integers(1, 6)), depths=DEPTHS, timing=QUICK,
    overlap=st.booleans(), latency=st.integers(0, 90), clock=st.sampled_from([50, 200, 400, 800]),
    order=st.permutations(["N", "M", "C"]),
)  # fmt: skip
def test_periods_behind_commands(
    shape: tuple[int, int, int], depths: tuple[int, int, int], timing: DramTiming, overlap: bool, latency: int,
    clock: int, order: list[str],
) -> None:  # fmt: skip
    """What is jumped over is what visiting every segment finds: times, stalls, and every command of every kind."""
    from accelsim.sim import commands

    arch, mapping = commanded(varied("os", depths, overlap, 1, latency), timing, clock), gemm(*shape, order=order)
    nest = segment_nest(mapping, arch, 1)
    if nest is None:
        return
    found, _ = commands.run(nest, arch.dram, arch.clock_hz)
    assert found == recurrence.run(build_stream(mapping, arch, post_ops=1).stream, arch.dram, arch.clock_hz).summary


@pytest.mark.parametrize("page", ["open", "closed"])
@pytest.mark.parametrize("refresh", [True, False])
def test_a_million_tile_steps_behind_commands(page: Literal["open", "closed"], refresh: bool) -> None:
    """The state of the banks returns, and what comes after is not visited."""
    from accelsim.sim import commands

    arch = commanded(varied("os", (2, 2, 2), True, 1, 7), quick(2, page, refresh, 5, 128), 400)
    short, _ = check_engines(gemm(60, 50), arch, 0)
    nest, small = (segment_nest(gemm(rows, 50), arch) for rows in (20_000, 400))
    assert nest is not None and small is not None and short == 3000
    _, visited = commands.run(nest, arch.dram, arch.clock_hz)
    assert nest.segments == 1_000_000 and visited < 20_000
    assert commands.run(small, arch.dram, arch.clock_hz)[0] == simulate(gemm(400, 50), arch, engine="compiled").outcome


def commanded(arch: Accelerator, timing: DramTiming, clock: int) -> Accelerator:
    """The machine at so many megahertz behind a DRAM by commands."""
    dram = replace(arch.dram, timing=timing, bandwidth_bits_per_s=timing.peak_bits_per_s)
    return replace(arch, clock_hz=clock * 10**6, dram=dram)


def varied(
    dataflow: str, depths: tuple[int, int, int], overlap: bool, bandwidth: int, latency: int, piece: int = 0
) -> Accelerator:
    arch = machine(dataflow)
    glb = arch.memories[0]
    holds = tuple(replace(hold, depth=depth) for hold, depth in zip(glb.holds, depths, strict=True))
    speed = bandwidth * arch.clock_hz // 3
    dram = replace(arch.dram, bandwidth_bits_per_s=speed, latency_cycles=latency, piece_bits=piece)
    array = replace(arch.array, weight_double_buffer=overlap)
    return replace(arch, memories=(replace(glb, holds=holds),), dram=dram, array=array)


@settings(deadline=None, max_examples=40)
@given(data=st.data(), dataflow=FLOWS, halo=st.booleans(), stays=STAYS)
def test_picked_passes_stand_for_all(data: st.DataObject, dataflow: str, halo: bool, stays: set[str]) -> None:
    check_picked(staying(data, data.draw(nests(dataflow)), stays), dataflow, halo)


@settings(deadline=None, max_examples=60)
@given(
    data=st.data(), dataflow=FLOWS, stays=STAYS, overlap=st.booleans(), bandwidth=st.integers(1, 60),
    latency=st.integers(0, 40), depths=DEPTHS, ops=st.integers(0, 3), piece=PIECES,
)  # fmt: skip
def test_periods_equal_simpy(
    data: st.DataObject, dataflow: str, stays: set[str], overlap: bool, bandwidth: int, latency: int,
    depths: tuple[int, int, int], ops: int, piece: int,
) -> None:  # fmt: skip
    mapping = staying(data, data.draw(nests(dataflow)), stays)
    check_engines(mapping, varied(dataflow, depths, overlap, bandwidth, latency, piece), ops)


@pytest.mark.slow
@settings(deadline=None, max_examples=3000)
@given(
    data=st.data(), dataflow=FLOWS, halo=st.booleans(), stays=STAYS, overlap=st.booleans(),
    bandwidth=st.integers(1, 60), latency=st.integers(0, 40), depths=DEPTHS, ops=st.integers(0, 3), piece=PIECES,
)  # fmt: skip
def test_periods_equal_simpy_on_thousands(
    data: st.DataObject, dataflow: str, halo: bool, stays: set[str], overlap: bool, bandwidth: int, latency: int,
    depths: tuple[int, int, int], ops: int, piece: int,
) -> None:  # fmt: skip
    mapping = staying(data, data.draw(nests(dataflow, most=9)), stays)
    check_picked(mapping, dataflow, halo)
    check_engines(mapping, replace(varied(dataflow, depths, overlap, bandwidth, latency, piece), halo_reuse=halo), ops)


def gemm(rows: int, cols: int, reductions: int = 1, order: Sequence[str] = "NMC") -> Mapping:
    """Output tiles of 4 x 4, each over so many tiles of 2 reductions; loops in this order."""
    problem = gemm_problem(rows=4 * rows, cols=4 * cols, reduction=2 * reductions)
    loops = [Loop(dim, {"N": rows, "M": cols, "C": reductions}[dim]) for dim in order]
    levels = (TileLevel("DRAM", tuple(loop for loop in loops if loop.trips > 1)), TileLevel("GLB", ()))
    return Mapping(problem, "os", levels, (Loop("C", 2),), (Loop("N", 4, "row"), Loop("M", 4, "col")))


@pytest.mark.parametrize("piece", [0, 8, 64])
@pytest.mark.parametrize("bandwidth", [1, 3, 50, 1000])
@pytest.mark.parametrize("shape", [(40, 30, 1), (20, 9, 7), (200, 1, 3)])
def test_periods_are_jumped_over(shape: tuple[int, int, int], bandwidth: int, piece: int) -> None:
    """Bound by the channel or by the array, most segments are not visited, and nothing changes."""
    segments, visited = check_engines(gemm(*shape), varied("os", (2, 2, 2), True, bandwidth, 7, piece), 1)
    assert segments == shape[0] * shape[1] * shape[2]
    assert visited < segments // 2


@settings(deadline=None, max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 50), st.integers(1, 50), st.integers(1, 6)), depths=DEPTHS,
    overlap=st.booleans(), bandwidth=st.integers(1, 200), latency=st.integers(0, 90),
    piece=st.sampled_from([1, 8, 16, 30, 64]),
)  # fmt: skip
def test_pieces_of_long_tiles(
    shape: tuple[int, int, int], depths: tuple[int, int, int], overlap: bool, bandwidth: int, latency: int, piece: int
) -> None:  # fmt: skip
    """Many segments in a tile, and pieces at some of them: jumps end before each."""
    from accelsim.sim import periods

    arch = varied("os", depths, overlap, bandwidth, latency, piece)
    nest = segment_nest(gemm(*shape), arch, 1)
    assert nest is not None
    found, _ = periods.run(nest, arch.dram, arch.clock_hz)
    assert (
        found == recurrence.run(build_stream(gemm(*shape), arch, post_ops=1).stream, arch.dram, arch.clock_hz).summary
    )


def test_cutting_tiles_lets_urgent_loads_pass() -> None:
    """Row tiles stay for 40 segments and come in one piece or in many: cut, no segment waits for a whole one."""
    whole, cut = (varied("os", (2, 2, 2), True, 12, 0, piece) for piece in (0, 8))
    slow, fast = (simulate(gemm(6, 40, 8), arch).outcome for arch in (whole, cut))
    assert (fast.read_bits, fast.write_bits) == (slow.read_bits, slow.write_bits)
    assert fast.makespan < slow.makespan


def test_a_billion_tile_steps_take_as_many_visits_as_a_thousand() -> None:
    """The same visits whatever the trips, and cycles that grow by the same step per row of tiles."""
    from accelsim.sim import periods

    arch = varied("os", (2, 2, 2), True, 3, 7)
    spans, visits = [], []
    for rows in (1000, 1_000_000, 1_001_000, 1_002_000):
        nest = segment_nest(gemm(rows, 1000), arch)
        assert nest is not None
        found, visited = periods.run(nest, arch.dram, arch.clock_hz)
        spans.append(found.makespan)
        visits.append(visited)
    assert len(set(visits)) == 1 and visits[0] < 100
    assert spans[3] - spans[2] == spans[2] - spans[1]
    assert (spans[1] - spans[0]) * 1000 == (spans[2] - spans[1]) * 999_000


def test_the_engine_is_chosen_and_named() -> None:
    arch, few, many = machine("os"), gemm(4, 4), gemm(40, 40)
    assert few.passes <= FEW < many.passes
    assert simulate(few, arch).engine == "python"
    assert simulate(many, arch).engine == "periods"
    for name in ("python", "compiled", "periods"):
        found = simulate(many, arch, engine=name)
        assert found.engine == name
        assert found.outcome == simulate(many, arch).outcome == found.replay.summary
        assert found.segments == len(found.stream.work)


def test_nests_refuse_what_has_no_closed_form() -> None:
    arch, mapping = machine("os"), gemm(40, 40)
    coded = replace(arch, dram=load_arch("eyeriss")[0].dram)
    assert coded.dram.coding is not None and segment_nest(mapping, coded) is None
    assert simulate(mapping, coded).engine == "compiled"
    with pytest.raises(InputError, match="engine 'periods' needs loops that split every dim evenly"):
        simulate(mapping, coded, engine="periods")
    assert segment_nest(mapping, arch, most=1) is None
    odd = replace(mapping, problem=gemm_problem(rows=158, cols=160, reduction=2))
    assert segment_nest(odd, arch) is not None  # an edge tile is no obstacle
    uneven = Mapping(
        gemm_problem(rows=4 * 10, cols=4, reduction=2), "os",
        (TileLevel("DRAM", (Loop("N", 4),)), TileLevel("GLB", (Loop("N", 3),))), (Loop("C", 2),),
        (Loop("N", 4, "row"), Loop("M", 4, "col")),
    )  # fmt: skip
    assert segment_nest(uneven, arch) is None  # 10 tiles are not 4 times 3


def test_what_takes_too_long_or_too_much_memory_is_an_error() -> None:
    side = 1 + int((MOST_BYTES // PASS_BYTES) ** 0.5)
    coded = replace(machine("os"), dram=load_arch("eyeriss")[0].dram)
    with pytest.raises(BudgetExceeded, match=r"bytes, above the memory budget of 8,000,000,000 \(--max-memory\)"):
        simulate(gemm(side, side), coded)
    found = simulate(gemm(side, side), machine("os"))
    assert found.engine == "periods" and found.passes == side * side
    with pytest.raises(BudgetExceeded, match="above the memory budget"):
        _ = found.stream
    few = Drafts(Limits(events=1000, memory_bytes=10**6))
    assert simulate(gemm(40, 25), coded, drafts=few).passes == 1000
    with pytest.raises(
        BudgetExceeded,
        match=r"1,025 array passes would be simulated one by one, above the event budget of 1,000 \(--max-",
    ):
        simulate(gemm(41, 25), coded, drafts=few)
    with pytest.raises(InputError, match="event budget 0"):
        Limits(events=0)
    with pytest.raises(InputError, match="memory budget 1 bytes"):
        Limits(memory_bytes=1)


def test_an_engine_that_jumps_stops_at_the_event_budget() -> None:
    arch, nest = varied("os", (2, 2, 2), True, 3, 7), gemm(1000, 1000)
    found = simulate(nest, arch, drafts=Drafts(Limits(events=200)))
    assert found.segments == 10**6 and found.outcome == simulate(nest, arch).outcome
    with pytest.raises(BudgetExceeded, match="5 segments were visited one by one, and no period was found"):
        simulate(nest, arch, drafts=Drafts(Limits(events=5)))
