"""The latency bound B is below the makespan of every legal nest, not only of those that a search makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from random import Random
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import Accelerator, Arbitration, Hold
from accelsim.mapping import Loop, Mapping, TileLevel, rules_of
from accelsim.mapping.legality import problems_with
from accelsim.problem import Problem
from accelsim.sim import recurrence
from accelsim.sim.build import build_stream
from accelsim.sim.flows import link_flows
from accelsim.timing.sums import latency_bound
from accelsim.traffic import Factors, count
from tests.agreement.exact_cases import MACHINES as SMALL
from tests.agreement.exact_cases import uneven_sums
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


def joined_unevenly(problem: Problem, rng: Random) -> Mapping:
    """A nest that sums over rows of PEs of which some are idle in the last step; loops lie anywhere."""
    bound = problem.bound
    dim, rows = rng.choice([(d, n) for d in problem.reduction_dims for n in (2, 3) if n < bound[d] and bound[d] % n])
    spatial = (Loop(dim, rows, "row"), Loop("M", rng.randint(1, min(3, bound["M"])), "col"))
    lines: dict[str, list[Loop]] = {"DRAM": [], "GLB": [], "stream": []}
    for other in bound:
        folds = -(-bound[other] // prod(loop.trips for loop in spatial if loop.dim == other))
        summed = other in problem.reduction_dims
        place = rng.choice(["DRAM", "GLB", *(["stream"] * 6 if summed else [])])
        lines[place] += [Loop(other, folds)] if folds > 1 else []
    for line in lines.values():
        rng.shuffle(line)
    levels = TileLevel("DRAM", tuple(lines["DRAM"])), TileLevel("GLB", tuple(lines["GLB"]))
    return Mapping(problem, "os", levels, tuple(lines["stream"]), spatial)


def lost_at_the_end(mapping: Mapping, arch: Accelerator) -> bool:
    """Do PEs give psums away in a pass that finishes outputs?"""
    _, flows = link_flows(mapping, arch, rules_of(arch), Factors())
    flow = next(f for f in flows if f.operand.role == "output" and f.point.memory == "PE")
    return bool(((flow.up_psum > 0) & (flow.up_final > 0)).any())


@pytest.mark.parametrize("first", ["read", "write"])
def test_bound_is_below_the_makespan_behind_adder_trees(first: str) -> None:
    """Joined PEs that are idle at an edge lose psums inside passes that finish outputs."""
    lost, rng = 0, Random(first)
    for _ in range(300):
        arch = replace(SMALL["tree"](4000), psum_first_visit=first)
        dram = replace(arch.dram, bandwidth_bits_per_s=200 * arch.clock_hz, latency_cycles=rng.randint(0, 9))
        arch, mapping = replace(arch, dram=dram), joined_unevenly(uneven_sums(rng), rng)
        if not problems_with(mapping, arch):
            check(mapping, arch, rng.randint(0, 2))
            lost += lost_at_the_end(mapping, arch)
    assert lost >= 60


@pytest.mark.slow
@pytest.mark.parametrize("name", MACHINES)
@settings(deadline=None, max_examples=2000)
@given(data=st.data(), ops=st.integers(0, 3))
def test_bound_is_below_the_makespans_of_many_nests(name: str, data: st.DataObject, ops: int) -> None:
    arch = data.draw(machines((name,)))
    mapping = data.draw(legal_nests(arch))
    if mapping.problem.op == "mac" and not problems_with(mapping, arch):
        check(mapping, arch, ops)
