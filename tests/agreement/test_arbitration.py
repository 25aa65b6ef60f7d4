"""Where the DRAM channel arbitrates between queues: do event loop and SimPy agree on everything? Exactly."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from random import Random
from typing import get_args

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelsim.arch import Accelerator, Arbitration, Dram
from accelsim.errors import BudgetExceeded, InputError
from accelsim.mapping import Loop, Mapping, TileLevel, rules_of
from accelsim.mapping.legality import problems_with
from accelsim.problem import conv_problem
from accelsim.sim import oracle, recurrence
from accelsim.sim.build import build_stream
from accelsim.sim.drafts import Drafts
from accelsim.sim.limits import Limits
from accelsim.sim.nest import segment_nest
from accelsim.sim.simulate import simulate
from accelsim.sim.stream import OPERAND, Stream, stream_of
from accelsim.timing.sums import latency_bound
from accelsim.traffic import count
from tests.agreement.exact_cases import every_mapping, random_problem
from tests.agreement.machines import flow_of, machine, nests, staying
from tests.agreement.test_engines import streams
from tests.agreement.test_nests import DEPTHS, FLOWS, PIECES, STAYS, gemm, varied

RULES: list[Arbitration] = [rule for rule in get_args(Arbitration) if rule != "program_order"]


@pytest.mark.parametrize("rule", RULES)
@settings(deadline=None, max_examples=600)
@given(stream=streams(), latency=st.integers(0, 40), bandwidth=st.integers(1, 64), clock=st.integers(1, 5))
def test_event_loop_equals_simpy(rule: Arbitration, stream: Stream, latency: int, bandwidth: int, clock: int) -> None:
    dram = Dram("random", bandwidth, latency, 1, 1, arbitration=rule)
    found = recurrence.run(stream, dram, clock)
    assert found == oracle.run(stream, dram, clock)
    assert found.makespan * bandwidth >= int(stream.moves[:, 2].sum()) * clock
    order = np.argsort(found.spans[:, 0])
    assert np.all(found.spans[order[1:], 0] >= found.spans[order[:-1], 1]), "one transfer at a time"
    for operand in range(3):
        mine = found.spans[stream.moves[:, OPERAND] == operand]
        assert np.all(mine[1:, 0] >= mine[:-1, 1]), "a queue keeps its order"


@pytest.mark.parametrize("rule", RULES)
@settings(deadline=None, max_examples=150)
@given(stream=streams(), latency=st.integers(0, 40), operand=st.sampled_from(["Inputs", "Weights", "Outputs"]))
def test_one_queue_is_program_order(rule: Arbitration, stream: Stream, latency: int, operand: str) -> None:
    """With transfers of one operand only there is nothing to choose."""
    alone = stream_of(stream.segments, [replace(t, operand=operand) for t in stream.transfers])
    dram = Dram("random", 16, latency, 1, 1)
    assert recurrence.run(alone, replace(dram, arbitration=rule), 1) == recurrence.run(alone, dram, 1)


@pytest.mark.parametrize("rule", RULES)
@settings(deadline=None, max_examples=100)
@given(stream=streams(), latency=st.integers(0, 40))
def test_stalls_and_work_fill_the_makespan(rule: Arbitration, stream: Stream, latency: int) -> None:
    serial = stream_of([replace(s, ahead=False, apart=True) for s in stream.segments], stream.transfers)
    outcome = recurrence.run(serial, Dram("random", 16, latency, 1, 1, arbitration=rule), 1)
    assert outcome.makespan == sum(s.total for s in serial.segments) + sum(n for _, n in outcome.stalls)


@pytest.mark.parametrize("dataflow", ["ws", "os", "is", "rs", "tree", "cast"])
@settings(deadline=None, max_examples=60)
@given(data=st.data(), rule=st.sampled_from(RULES), overlap=st.booleans(), bandwidth=st.integers(1, 40))
def test_grouped_passes_keep_every_cycle(
    dataflow: str, rule: Arbitration, overlap: bool, bandwidth: int, data: st.DataObject
) -> None:
    """The event loop on grouped passes is SimPy on single passes."""
    mapping = data.draw(nests(dataflow))
    arch = machine(dataflow)
    dram = replace(arch.dram, bandwidth_bits_per_s=bandwidth * arch.clock_hz, arbitration=rule)
    arch = replace(arch, dram=dram, array=replace(arch.array, weight_double_buffer=overlap))
    grouped = recurrence.run(build_stream(mapping, arch, post_ops=2).stream, dram, arch.clock_hz)
    single = oracle.run(build_stream(mapping, arch, post_ops=2, group=False).stream, dram, arch.clock_hz)
    for field in ("makespan", "stalls", "channel_busy", "read_bits", "write_bits"):
        assert getattr(grouped, field) == getattr(single, field), field


@pytest.mark.parametrize("dataflow", ["ws", "os", "is", "rs", "tree", "cast"])
@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 1 << 30), overlap=st.booleans(), bandwidth=st.integers(1, 60), latency=st.integers(0, 40),
    depths=DEPTHS, piece=PIECES, ops=st.integers(0, 3),
)  # fmt: skip
def test_the_bound_stays_below_every_makespan(
    dataflow: str, seed: int, overlap: bool, bandwidth: int, latency: int, depths: tuple[int, int, int], piece: int,
    ops: int,
) -> None:  # fmt: skip
    """What the mapper proves of a mapping holds whoever is next on the channel."""
    arch, rng = varied(dataflow, depths, overlap, bandwidth, latency, piece), Random(seed)
    mappings = list(islice(every_mapping(random_problem(rng), arch), 500))
    for mapping in rng.sample(mappings, min(5, len(mappings))):
        if problems_with(mapping, arch):
            continue
        stream = build_stream(mapping, arch, post_ops=ops).stream
        bound = latency_bound(mapping, arch, count(mapping, arch, rules_of(arch)), ops)
        for rule in get_args(Arbitration):
            dram = replace(arch.dram, arbitration=rule)
            assert bound <= recurrence.run(stream, dram, arch.clock_hz).makespan


def check_nest(mapping: Mapping, arch: Accelerator, ops: int, simpy: bool = True) -> tuple[int, int]:
    """The engine for nests and the one for streams say the same under every rule. Returns all segments, and those that
    the nest visited."""
    from accelsim.sim import queues

    nest, stream = segment_nest(mapping, arch, ops), build_stream(mapping, arch, post_ops=ops).stream
    if nest is None:
        return 0, 0
    visits = []
    for rule in RULES:
        dram = replace(arch.dram, arbitration=rule)
        found, visited = queues.run(nest, dram, arch.clock_hz)
        slow = oracle.run(stream, dram, arch.clock_hz) if simpy else recurrence.run(stream, dram, arch.clock_hz)
        assert found == slow.summary
        visits.append(visited)
    return nest.segments, max(visits)


@settings(deadline=None, max_examples=80)
@given(
    data=st.data(), dataflow=FLOWS, stays=STAYS, overlap=st.booleans(), bandwidth=st.integers(1, 60),
    latency=st.integers(0, 40), depths=DEPTHS, ops=st.integers(0, 3), piece=PIECES,
)  # fmt: skip
def test_nests_equal_simpy(
    data: st.DataObject, dataflow: str, stays: set[str], overlap: bool, bandwidth: int, latency: int,
    depths: tuple[int, int, int], ops: int, piece: int,
) -> None:  # fmt: skip
    mapping = staying(data, data.draw(nests(dataflow)), stays)
    check_nest(mapping, varied(dataflow, depths, overlap, bandwidth, latency, piece), ops)


@settings(deadline=None, max_examples=80)
@given(
    shape=st.tuples(st.integers(1, 50), st.integers(1, 50), st.integers(1, 6)), depths=DEPTHS, overlap=st.booleans(),
    bandwidth=st.integers(1, 200), latency=st.integers(0, 90), piece=st.sampled_from([0, 1, 8, 16, 30, 64]),
)  # fmt: skip
def test_nests_of_many_tiles_and_pieces(
    shape: tuple[int, int, int], depths: tuple[int, int, int], overlap: bool, bandwidth: int, latency: int, piece: int
) -> None:  # fmt: skip
    check_nest(gemm(*shape), varied("os", depths, overlap, bandwidth, latency, piece), 1, simpy=False)


@st.composite
def long_nests(draw: st.DrawFn, dataflow: str) -> Mapping:
    """Few tiles of some dims and many of others, in any order: psums that come back, windows that overlap."""
    trips = {d: draw(st.sampled_from([1, 2, 3, 12, 25])) for d in ("N", "M", "C", "P")}
    kernel, height = draw(st.integers(1, 3)), 2 * trips["P"]
    problem = conv_problem(
        batch=trips["N"], groups=1, out_channels=2 * trips["M"], in_channels=2 * trips["C"], out_size=(height, 1),
        kernel=(kernel, 1), in_size=(height + kernel - 1, 1),
    )  # fmt: skip
    loops = draw(st.permutations([Loop(d, n) for d, n in trips.items() if n > 1]))
    inside = draw(st.integers(0, min(1, len(loops))))
    tiles = [Loop(d, 2) for d in ("M", "C", "P")] + ([Loop("R", kernel)] if kernel > 1 else [])
    sums = [loop for loop in tiles if loop.dim in ("C", "R")]
    stream = {"os": sums, "ws": [tiles[2]], "is": [tiles[0]]}[dataflow]
    glb = [*loops[len(loops) - inside :], *(loop for loop in tiles if loop not in stream)]
    levels = TileLevel("DRAM", tuple(loops[: len(loops) - inside])), TileLevel("GLB", tuple(glb))
    return Mapping(problem, flow_of(dataflow), levels, tuple(stream), (), ())


@settings(deadline=None, max_examples=150)
@given(
    data=st.data(), dataflow=st.sampled_from(["os", "ws", "is"]), overlap=st.booleans(), latency=st.integers(0, 60),
    bandwidth=st.integers(1, 60), depths=DEPTHS, piece=st.sampled_from([0, 8, 16, 32]), stays=STAYS,
)  # fmt: skip
def test_long_nests_equal_the_event_loop(
    data: st.DataObject, dataflow: str, overlap: bool, latency: int, bandwidth: int, depths: tuple[int, int, int],
    piece: int, stays: set[str],
) -> None:  # fmt: skip
    mapping = staying(data, data.draw(long_nests(dataflow)), stays)
    assume(mapping.passes < 20_000)
    check_nest(mapping, varied(dataflow, depths, overlap, bandwidth, latency, piece), 1, simpy=False)


@pytest.mark.slow
@settings(deadline=None, max_examples=3000)
@given(
    data=st.data(), dataflow=FLOWS, halo=st.booleans(), stays=STAYS, overlap=st.booleans(),
    bandwidth=st.integers(1, 60), latency=st.integers(0, 40), depths=DEPTHS, ops=st.integers(0, 3), piece=PIECES,
)  # fmt: skip
def test_nests_equal_the_event_loop_on_thousands(
    data: st.DataObject, dataflow: str, halo: bool, stays: set[str], overlap: bool, bandwidth: int, latency: int,
    depths: tuple[int, int, int], ops: int, piece: int,
) -> None:  # fmt: skip
    mapping = staying(data, data.draw(nests(dataflow, most=9)), stays)
    arch = replace(varied(dataflow, depths, overlap, bandwidth, latency, piece), halo_reuse=halo)
    check_nest(mapping, arch, ops, simpy=False)


@pytest.mark.parametrize("piece", [0, 8, 64])
@pytest.mark.parametrize("bandwidth", [1, 3, 12, 50, 1000])
@pytest.mark.parametrize("shape", [(40, 30, 1), (20, 9, 7), (200, 1, 3)])
def test_periods_are_jumped_over(shape: tuple[int, int, int], bandwidth: int, piece: int) -> None:
    segments, visited = check_nest(gemm(*shape), varied("os", (2, 2, 2), True, bandwidth, 7, piece), 1, simpy=False)
    assert segments == shape[0] * shape[1] * shape[2]
    assert visited < 3 * segments // 4


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("bandwidth", [3, 50])
def test_a_billion_tile_steps_take_as_many_visits_as_a_million(rule: Arbitration, bandwidth: int) -> None:
    """The same visits whatever the trips, and cycles that grow by the same step per row of tiles."""
    from accelsim.sim import queues

    arch = varied("os", (2, 2, 2), True, bandwidth, 7)
    spans, visits = [], []
    for rows in (1000, 1_000_000, 1_001_000, 1_002_000):
        nest = segment_nest(gemm(rows, 1000), arch)
        assert nest is not None
        found, visited = queues.run(nest, replace(arch.dram, arbitration=rule), arch.clock_hz)
        spans.append(found.makespan)
        visits.append(visited)
    assert len(set(visits)) == 1 and visits[0] < 100
    assert spans[3] - spans[2] == spans[2] - spans[1]
    assert (spans[1] - spans[0]) * 1000 == (spans[2] - spans[1]) * 999_000


@pytest.mark.parametrize("rule", RULES)
def test_the_engine_is_chosen_and_named(rule: Arbitration) -> None:
    arch = machine("os")
    arch = replace(arch, dram=replace(arch.dram, arbitration=rule))
    assert [simulate(gemm(side, side), arch).engine for side in (4, 40)] == ["events", "periods"]
    found = [simulate(gemm(40, 40), arch, engine=name) for name in ("events", "periods")]
    assert found[0].outcome == found[1].outcome == found[1].replay.summary
    with pytest.raises(InputError, match="engine 'compiled' does not know arbitration"):
        simulate(gemm(40, 40), arch, engine="compiled")
    with pytest.raises(BudgetExceeded, match="5 segments were visited one by one, and no period was found"):
        simulate(gemm(1000, 1000), arch, drafts=Drafts(Limits(events=5)))
