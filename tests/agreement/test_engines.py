"""Do the fast engine and SimPy agree on every time, stall and moved bit? Exactly, on random streams."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import Dram, DramTiming
from accelsim.dram import PRESETS
from accelsim.errors import InputError
from accelsim.sim import oracle, recurrence
from accelsim.sim.build import build_stream
from accelsim.sim.stream import (
    AFTER,
    BODY,
    OTHER_UNIT,
    READY,
    SETTLED,
    SOON,
    STREAM,
    UNIT,
    Segment,
    Stream,
    Transfer,
    stream_of,
)
from tests.agreement.dram_rules import timings
from tests.agreement.machines import machine, nests


@st.composite
def streams(draw: st.DrawFn, most: int = 12, units: int = 1) -> Stream:
    """Any stream; with two units segments wait for those of the other one, and transfers for all of both."""
    cycles = st.integers(0, 30)
    count = draw(st.integers(1, most))
    flags = [draw(st.booleans())] * 2 if draw(st.booleans()) else None
    segments = []
    for number in range(count):
        ahead, apart = flags or (draw(st.booleans()), draw(st.booleans()))
        unit, after = draw(st.integers(0, units - 1)), draw(st.integers(-1, number - 1)) if units > 1 else -1
        segments.append(Segment(draw(cycles), draw(cycles), draw(cycles), draw(cycles), ahead, apart, unit, after))
    transfers = []
    for _ in range(draw(st.integers(0, 3 * most))):
        ready = draw(st.integers(-1, count - 1))
        turn = draw(st.sampled_from([ready, min(count - 1, ready + draw(st.integers(0, 4)))]))
        needed = draw(st.integers(turn + 1, count))
        kind = "load" if draw(st.booleans()) else "store"
        operand = draw(st.sampled_from(["Inputs", "Weights", "Outputs"]))
        bits, address = draw(st.integers(1, 400)), draw(st.integers(0, 1 << 20))
        transfers.append(
            Transfer(
                kind, operand, bits, ready, needed, draw(st.booleans()), address, turn, draw(st.booleans()),
                units > 1 and draw(st.booleans()),
            )
        )  # fmt: skip
    return stream_of(segments, transfers)


@settings(deadline=None, max_examples=600)
@given(stream=streams(), latency=st.integers(0, 40), bandwidth=st.integers(1, 64), clock=st.integers(1, 5))
def test_recurrence_equals_simpy(stream: Stream, latency: int, bandwidth: int, clock: int) -> None:
    dram = Dram("random", bandwidth, latency, 1, 1)
    slow = oracle.run(stream, dram, clock)
    assert recurrence.run(stream, dram, clock, "python") == slow
    assert recurrence.run(stream, dram, clock, "compiled") == slow


@settings(deadline=None, max_examples=400)
@given(stream=streams(units=2), latency=st.integers(0, 40), bandwidth=st.integers(1, 64))
def test_two_units_side_by_side(stream: Stream, latency: int, bandwidth: int) -> None:
    """All engines of program order; no unit does two things at once, and nothing runs before its time."""
    dram = Dram("random", bandwidth, latency, 1, 1)
    slow = oracle.run(stream, dram, 1)
    assert recurrence.run(stream, dram, 1, "python") == slow == recurrence.run(stream, dram, 1, "compiled")
    turns = np.flatnonzero(np.diff(stream.work[:, UNIT])) + 1
    if (stream.work[turns, AFTER] != turns - 1).any():
        with pytest.raises(InputError, match="expected units that take turns"):
            recurrence.run(stream, replace(dram, arbitration="round_robin"), 1)
    settled = np.append(0, np.maximum.accumulate(slow.times[:, 2]))
    assert (slow.times[:, 1] >= settled[stream.work[:, AFTER] + 1]).all()
    streamed = slow.times[:, 1] + stream.work[:, BODY] + stream.work[:, STREAM]
    for unit in range(2):
        mine = stream.work[:, UNIT] == unit
        assert (slow.times[mine, 1][1:] >= streamed[mine][:-1]).all()
    both = settled[stream.moves[:, READY] + 1]
    assert (slow.spans[:, 0] >= both)[stream.moves[:, SOON] == SETTLED].all()


@settings(deadline=None, max_examples=100)
@given(stream=streams(units=2))
def test_waits_for_the_other_unit_are_charged_apart(stream: Stream) -> None:
    """Without transfers and overlap, each unit's work and its waits for the other one fill the time to its last end."""
    serial = [replace(s, ahead=False, apart=True) for s in stream.segments]
    outcome = recurrence.run(stream_of(serial, ()), Dram("none", 1, 0, 1, 1), 1)
    for unit in range(2):
        mine = np.flatnonzero(stream.work[:, UNIT] == unit)
        if mine.size:
            work = sum(serial[i].total for i in mine)
            assert outcome.times[mine[-1], 2] == work + dict(outcome.stalls_of(mine)).get(OTHER_UNIT, 0)


@settings(deadline=None, max_examples=200)
@given(stream=streams(), timing=timings(), latency=st.integers(0, 40), clock=st.sampled_from([50, 333, 1000]))
def test_engines_agree_on_a_dram_by_commands(stream: Stream, timing: DramTiming, latency: int, clock: int) -> None:
    """Times, stalls and counts of commands, transfer by transfer; the peak bounds the makespan."""
    dram = Dram("random", timing.peak_bits_per_s, latency, 1, 1, timing=timing)
    fast, slow = recurrence.run(stream, dram, clock * 10**6, "compiled"), oracle.run(stream, dram, clock * 10**6)
    assert fast == slow == recurrence.run(stream, dram, clock * 10**6, "python")
    assert fast.dram is not None
    assert fast.opened.sum(axis=0).tolist() == [fast.dram.hits, fast.dram.misses, fast.dram.conflicts]
    moved = sum(bits for _, bits in (*fast.read_bits, *fast.write_bits))
    assert fast.dram.bits == moved
    assert fast.makespan * timing.peak_bits_per_s >= moved * clock * 10**6
    assert fast.channel_busy <= fast.makespan


@settings(deadline=None, max_examples=100)
@given(stream=streams(), latency=st.integers(0, 40))
def test_stalls_and_work_fill_the_makespan(stream: Stream, latency: int) -> None:
    """Without overlap every cycle is array work or a charged wait."""
    serial = stream_of([replace(s, ahead=False, apart=True) for s in stream.segments], stream.transfers)
    outcome = recurrence.run(serial, Dram("random", 16, latency, 1, 1), 1)
    assert outcome.makespan == sum(s.total for s in serial.segments) + sum(n for _, n in outcome.stalls)


@pytest.mark.parametrize("dataflow", ["ws", "os", "is", "rs", "tree", "cast"])
@settings(deadline=None, max_examples=150)
@given(data=st.data(), overlap=st.booleans(), bandwidth=st.integers(1, 40), detailed=st.booleans())
def test_grouped_passes_keep_every_cycle(
    dataflow: str, overlap: bool, bandwidth: int, detailed: bool, data: st.DataObject
) -> None:
    """The fast engine on grouped passes is SimPy on single passes: makespan, stalls, channel, moved bits."""
    mapping = data.draw(nests(dataflow))
    arch = machine(dataflow)
    dram = replace(arch.dram, bandwidth_bits_per_s=bandwidth * arch.clock_hz)
    if detailed:
        dram = replace(dram, timing=DramTiming(PRESETS["DDR4-2400"], page="closed" if bandwidth % 2 else "open"))
    arch = replace(arch, dram=dram, array=replace(arch.array, weight_double_buffer=overlap))
    grouped = recurrence.run(build_stream(mapping, arch, post_ops=2).stream, dram, arch.clock_hz)
    single = oracle.run(build_stream(mapping, arch, post_ops=2, group=False).stream, dram, arch.clock_hz)
    assert np.array_equal(grouped.spans, single.spans)
    for field in ("makespan", "stalls", "channel_busy", "read_bits", "write_bits", "dram"):
        assert getattr(grouped, field) == getattr(single, field), field
