"""The semantic of a stream on cases worked by hand, the system schedule, and chunks of vector work."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.arch import Dram
from accelsim.errors import BudgetExceeded, InputError, MappingError
from accelsim.mapping.chunks import VectorJob, chunk_bounds, chunk_count
from accelsim.sim import oracle, recurrence
from accelsim.sim.limits import Limits
from accelsim.sim.stream import Outcome, Segment, Stream, Transfer, occupancy_cycles, stream_of
from accelsim.sim.system import Job, schedule
from accelsim.sim.vector import vector_stream
from tests.agreement.machines import machine

DRAM = Dram("hand", 1, 3, 0, 0)


def both(stream: Stream) -> Outcome:
    fast, slow = recurrence.run(stream, DRAM, 1), oracle.run(stream, DRAM, 1)
    assert fast == slow
    return fast


def test_single_buffer_alternates_and_double_buffer_overlaps() -> None:
    """Three tiles of 10 load cycles and 10 compute cycles, latency 3."""
    segments = (Segment(0, 0, 10, 0),) * 3
    single = tuple(Transfer("load", "Inputs", 10, k - 1, k) for k in range(3))
    double = tuple(Transfer("load", "Inputs", 10, max(-1, k - 2), k) for k in range(3))
    one = both(stream_of(segments, single))
    two = both(stream_of(segments, double))
    assert (one.makespan, one.stalls) == (69, (("dram_read_inputs", 39),))
    assert (two.starts, two.makespan) == ((13, 23, 36), 46)
    assert dict(two.stalls) == {"dram_read_inputs": 16}


def test_a_store_frees_its_slot_when_it_leaves_the_channel() -> None:
    """One output buffer: the second segment waits until the first result has been sent, not until it has arrived."""
    stores = [Transfer("store", "Outputs", 8, 0, 1), Transfer("store", "Outputs", 8, 1, 2)]
    outcome = both(stream_of((Segment(0, 0, 5, 0),) * 2, stores))
    assert (outcome.starts, outcome.ends, outcome.makespan) == ((0, 13), (5, 18), 29)
    assert dict(outcome.stalls) == {"dram_write_outputs": 8, "final_drain": 11}


def test_waits_are_charged_to_the_last_to_arrive() -> None:
    loads = [Transfer("load", "Inputs", 4, -1, 0), Transfer("load", "Weights", 6, -1, 0)]
    outcome = both(stream_of((Segment(0, 0, 1, 0),), loads))
    assert dict(outcome.stalls) == {"dram_read_weights": 13}


def test_stationary_double_buffering_hides_loads() -> None:
    segments = (Segment(4, 0, 10, 6),) * 3
    assert both(stream_of(segments, ())).makespan == 60
    assert both(stream_of([replace(s, ahead=True, apart=False) for s in segments], ())).makespan == 4 + 30 + 6
    short = (Segment(4, 0, 1, 6, ahead=True, apart=False),) * 3
    assert both(stream_of(short, ())).makespan == 4 * 3 + 1 + 6
    apart = (Segment(4, 0, 10, 6, ahead=True),) * 3
    assert both(stream_of(apart, ())).makespan == 4 + 3 * (10 + 6)


def test_streams_that_cannot_run_are_refused() -> None:
    segments = (Segment(0, 0, 1, 0),) * 3
    with pytest.raises(
        InputError, match=r"deadlock: segment 1 waits for .*needed by segment 1, in turn after 1.*end of segment 1"
    ):
        stream_of(segments, [Transfer("load", "Inputs", 1, 1, 1)])
    good = stream_of(segments, [Transfer("load", "Inputs", 1, 0, 1), Transfer("load", "Inputs", 1, 1, 2)])
    with pytest.raises(InputError, match="not in program order"):
        Stream(good.work, good.moves[::-1], good.breakdown)


def test_occupancy_rounds_up() -> None:
    assert occupancy_cycles(Dram("x", 3, 0, 0, 0), 2, 5) == 4
    assert occupancy_cycles(Dram("x", 3, 0, 0, 0), 2, 0) == 0


def test_layers_run_one_after_another() -> None:
    jobs = [Job("a", 5, ()), Job("b", 0, (0,)), Job("c", 7, (0, 1))]
    assert schedule(jobs) == [(0, 5), (5, 5), (5, 12)]


def test_chunks_of_vector_work_count_against_the_event_budget() -> None:
    arch = machine("os")
    job = VectorJob("x", 64_000, 64, 64_000, 1, 64_000)
    chunks = len(vector_stream(job, arch).work)
    assert chunks > 1 and len(vector_stream(job, arch, Limits(events=chunks)).work) == chunks
    with pytest.raises(BudgetExceeded, match=f"^{chunks} chunks of vector work would be simulated one by one"):
        vector_stream(job, arch, Limits(events=chunks - 1))


@given(
    rows=st.integers(1, 300),
    width=st.integers(1, 9),
    ops=st.integers(1, 5),
    tensors=st.integers(1, 3),
    params=st.integers(0, 40),
)
def test_chunks_carry_all_words(rows: int, width: int, ops: int, tensors: int, params: int) -> None:
    arch = machine("ws")
    arch = replace(arch, memories=(replace(arch.memories[0], capacity_bits=8 * 1500),))
    job = VectorJob("x", tensors * rows * width, params, rows * width, ops * rows * width, rows)
    stream = vector_stream(job, arch)
    outcome = recurrence.run(stream, arch.dram, arch.clock_hz)
    assert outcome == oracle.run(stream, arch.dram, arch.clock_hz)
    assert dict(outcome.read_bits).get("Inputs", 0) == 8 * job.in_words
    assert dict(outcome.read_bits).get("Weights", 0) == 8 * params
    assert dict(outcome.write_bits)["Outputs"] == 8 * job.out_words
    chunks = chunk_count(job, arch)
    parts = chunk_bounds(job, chunks, job.out_words)
    largest = max(b - a for a, b in pairwise(parts))
    assert 8 * (largest * tensors * 1 + largest * 2 + params) <= 8 * 1500
    assert stream.breakdown.compute >= -(-job.ops // arch.vector.lanes)


def test_a_row_that_does_not_fit_is_an_error() -> None:
    arch = machine("ws")
    arch = replace(arch, memories=(replace(arch.memories[0], capacity_bits=8 * 100),))
    with pytest.raises(MappingError, match="GLB holds 100 B but one row of softmax needs 300 B"):
        chunk_count(VectorJob("softmax", 1000, 0, 1000, 1, 10), arch)
