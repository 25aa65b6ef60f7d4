"""The latency bound B is below the makespan of every legal nest, not only of those that a search makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import Accelerator, Arbitration, Hold
from accelsim.mapping import Mapping, rules_of
from accelsim.mapping.legality import problems_with
from accelsim.sim import recurrence
from accelsim.sim.build import build_stream
from accelsim.timing.sums import latency_bound
from accelsim.traffic import count
from tests.unit.random_nests import MACHINES, legal_nests, shipped


@st.composite
def machines(draw: st.DrawFn, names: Sequence[str] = tuple(MACHINES)) -> Accelerator:
    """A shipped machine with another channel, other depths and pieces, or the loads of its array turned over."""
    arch = shipped(draw(st.sampled_from(list(names))))
    bandwidth, latency = draw(st.integers(1, 400)) * arch.clock_hz, draw(st.integers(0, 60))
    dram = arch.dram
    if dram.timing is None:
        piece = draw(st.sampled_from((0, 8, 64)))
        dram = replace(dram, bandwidth_bits_per_s=bandwidth, latency_cycles=latency, piece_bits=piece)
    ahead = draw(st.booleans()) if arch.array.dataflow in ("ws", "is") else arch.array.weight_double_buffer

    def other(hold: Hold) -> Hold:
        return replace(hold, depth=draw(st.integers(1, 4)))

    memories = tuple(replace(m, holds=tuple(other(hold) for hold in m.holds)) for m in arch.memories)
    return replace(arch, dram=dram, memories=memories, array=replace(arch.array, weight_double_buffer=ahead))


def check(mapping: Mapping, arch: Accelerator, ops: int) -> None:
    """B against the makespan under every rule of the channel; without arbitration B may count more."""
    counts = count(mapping, arch, rules_of(arch))
    stream = build_stream(mapping, arch, post_ops=ops).stream
    for rule in get_args(Arbitration) if arch.dram.timing is None else (arch.dram.arbitration,):
        one = replace(arch, dram=replace(arch.dram, arbitration=rule))
        bound = latency_bound(mapping, one, counts, ops)
        assert bound <= recurrence.run(stream, one.dram, one.clock_hz).makespan, rule


@settings(deadline=None, max_examples=400)
@given(data=st.data(), ops=st.integers(0, 3))
def test_bound_is_below_the_makespan_of_any_nest(data: st.DataObject, ops: int) -> None:
    arch = data.draw(machines())
    mapping = data.draw(legal_nests(arch))
    if mapping.problem.op == "mac" and not problems_with(mapping, arch):
        check(mapping, arch, ops)


@pytest.mark.slow
@pytest.mark.parametrize("name", MACHINES)
@settings(deadline=None, max_examples=2000)
@given(data=st.data(), ops=st.integers(0, 3))
def test_bound_is_below_the_makespans_of_many_nests(name: str, data: st.DataObject, ops: int) -> None:
    arch = data.draw(machines((name,)))
    mapping = data.draw(legal_nests(arch))
    if mapping.problem.op == "mac" and not problems_with(mapping, arch):
        check(mapping, arch, ops)
