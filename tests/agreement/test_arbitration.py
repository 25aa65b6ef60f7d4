"""Where the DRAM channel arbitrates between queues: do event loop and SimPy agree on everything? Exactly."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from random import Random
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import Arbitration, Dram
from accelsim.mapping import rules_of
from accelsim.mapping.legality import problems_with
from accelsim.sim import oracle, recurrence
from accelsim.sim.build import build_stream
from accelsim.sim.stream import OPERAND, Stream, stream_of
from accelsim.timing.sums import latency_bound
from accelsim.traffic import count
from tests.agreement.exact_cases import every_mapping, random_problem
from tests.agreement.machines import machine, nests
from tests.agreement.test_engines import streams
from tests.agreement.test_nests import DEPTHS, PIECES, varied

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


@pytest.mark.parametrize("dataflow", ["ws", "os", "is", "rs", "tree"])
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


@pytest.mark.parametrize("dataflow", ["ws", "os", "is", "rs", "tree"])
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
