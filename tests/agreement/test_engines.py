"""Do the fast engine and SimPy agree on every time, stall and moved bit? Exactly, on random streams."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import Dram
from accelsim.sim import oracle, recurrence
from accelsim.sim.build import build_stream
from accelsim.sim.stream import Breakdown, Segment, Stream, Transfer, channel_order
from tests.agreement.machines import machine, nests


@st.composite
def streams(draw: st.DrawFn, most: int = 12) -> Stream:
    cycles = st.integers(0, 30)
    count = draw(st.integers(1, most))
    segments = tuple(Segment(draw(cycles), draw(cycles), draw(cycles), draw(cycles)) for _ in range(count))
    transfers = []
    for _ in range(draw(st.integers(0, 3 * most))):
        ready = draw(st.integers(-1, count - 1))
        needed = draw(st.integers(ready + 1, count))
        kind = "load" if draw(st.booleans()) else "store"
        operand = draw(st.sampled_from(["Inputs", "Weights", "Outputs"]))
        transfers.append(Transfer(kind, operand, draw(st.integers(1, 400)), ready, needed, draw(st.booleans())))
    return Stream(segments, channel_order(transfers), draw(st.booleans()), Breakdown(0, 0))


@settings(deadline=None, max_examples=600)
@given(stream=streams(), latency=st.integers(0, 40), bandwidth=st.integers(1, 64), clock=st.integers(1, 5))
def test_recurrence_equals_simpy(stream: Stream, latency: int, bandwidth: int, clock: int) -> None:
    dram = Dram("random", bandwidth, latency, 1, 1)
    assert recurrence.run(stream, dram, clock) == oracle.run(stream, dram, clock)


@settings(deadline=None, max_examples=100)
@given(stream=streams(), latency=st.integers(0, 40))
def test_stalls_and_work_fill_the_makespan(stream: Stream, latency: int) -> None:
    """Without overlap every cycle is array work or a charged wait."""
    serial = Stream(stream.segments, stream.transfers, False, stream.breakdown)
    outcome = recurrence.run(serial, Dram("random", 16, latency, 1, 1), 1)
    assert outcome.makespan == sum(s.total for s in serial.segments) + sum(n for _, n in outcome.stalls)


@pytest.mark.parametrize("dataflow", ["ws", "os", "is", "rs"])
@settings(deadline=None, max_examples=150)
@given(data=st.data(), overlap=st.booleans(), bandwidth=st.integers(1, 40))
def test_grouped_passes_keep_every_cycle(dataflow: str, overlap: bool, bandwidth: int, data: st.DataObject) -> None:
    """The fast engine on grouped passes is SimPy on single passes: makespan, stalls, channel, moved bits."""
    mapping = data.draw(nests(dataflow))
    arch = machine(dataflow)
    dram = replace(arch.dram, bandwidth_bits_per_s=bandwidth * arch.clock_hz)
    arch = replace(arch, dram=dram, array=replace(arch.array, weight_double_buffer=overlap))
    grouped = recurrence.run(build_stream(mapping, arch, post_ops=2).stream, dram, arch.clock_hz)
    single = oracle.run(build_stream(mapping, arch, post_ops=2, group=False).stream, dram, arch.clock_hz)
    for field in ("makespan", "stalls", "transfer_spans", "channel_busy", "read_bits", "write_bits"):
        assert getattr(grouped, field) == getattr(single, field), field
