"""Bands: count, walk and execution agree; the search of depthwise layers equals enumeration; certificates hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelsim.arch import Accelerator, Hold, MemoryLevel
from accelsim.certify.proof import Claim, certify, check
from accelsim.certify.space import Question
from accelsim.errors import CheckFailed, MappingError
from accelsim.execute.tiled import run_tiled
from accelsim.mapper.exact.run import Search
from accelsim.mapper.exact.search import Request
from accelsim.mapper.search import evaluate, map_problem
from accelsim.mapping import Mapping, Rules
from accelsim.mapping.constraint import Constraint, Factor, Rule
from accelsim.mapping.legality import active_pes, problems_with
from accelsim.problem import Problem, conv_problem
from accelsim.sim.flows import link_flows
from accelsim.timing.sums import latency_bound
from accelsim.traffic import Factors, count
from accelsim.walk import walk
from tests.agreement.exact_cases import GOALS, NAMED, enumerated, least, tight
from tests.agreement.machines import machine, nests
from tests.agreement.test_executors import expected, tensors

NONE = Constraint((Rule("band", only=True),))


@settings(deadline=None, max_examples=40)
@given(data=st.data(), halo=st.booleans(), first=st.sampled_from(["write", "read"]))
def test_tiles_passes_and_bounds_of_random_bands(halo: bool, first: str, data: st.DataObject) -> None:
    """Any loop orders, remainders, strides, dilation and padding: what moves, what is computed, and how long at least.

    Whatever lies on the array beside the band is drawn, too; the rest of a PE's work is one MAC a step.
    """
    mapping = data.draw(nests("cast"))
    assume(mapping.bands)
    assume(not any(step.level == "stream" and step.dim in "MGCTRS" for step in mapping.temporal))
    arch, rules = (
        replace(machine("cast", 1 << 14, 1 << 14), halo_reuse=halo, psum_first_visit=first),
        Rules(halo, first),
    )
    assert problems_with(mapping, arch) == []
    counts = count(mapping, arch, rules)
    assert counts == walk(mapping, arch, rules)
    x, w = tensors(mapping.problem)
    run = run_tiled(mapping, arch, rules, x, w)
    assert np.array_equal(run.accumulators, expected(mapping.problem, x, w))
    assert run.agrees_with(counts) == []
    _, flows = link_flows(mapping, arch, rules, Factors())
    assert {(f.operand.name, f.point.memory): int(f.down.sum()) for f in flows} == {
        (c.operand, c.child): c.reads for c in counts
    }
    mapped = evaluate(mapping, arch, 1)
    assert latency_bound(mapping, arch, counts, 1) <= mapped.outcome.makespan
    assert mapped.outcome.makespan * active_pes(mapping) >= mapping.problem.macs


def split(bits: int, rows: int = 5, cols: int = 3) -> Accelerator:
    """As `tpu_like`: inputs and outputs in one memory, weights in another, accumulators, weights loaded ahead."""
    arch = machine("cast", rows, cols)
    memories = (
        MemoryLevel("SRAM", bits, (Hold("Inputs", 2), Hold("Outputs", 2)), 32, 32, 10, 12),
        MemoryLevel("WRF", bits // 2, (Hold("Weights", 2),), 24, 24, 2, 2),
        MemoryLevel("ACC", bits, (Hold("Outputs", 1),), 64, 64, 5, 6, psum_only=True),
    )
    return replace(arch, memories=memories, array=replace(arch.array, weight_double_buffer=True))


def single(bits: int) -> Accelerator:
    """One buffer around an array of five rows."""
    arch = tight("cast", bits)
    return replace(arch, array=replace(arch.array, rows=5))


MACHINES: dict[str, Callable[[int], Accelerator]] = {"single": single, "split": split}


def windows(rng: Random) -> Problem:
    """A depthwise or grouped convolution with windows that may lie in bands, evenly or not."""
    kernel, out = (rng.choice([1, 1, 2]), rng.choice([2, 2, 3])), (rng.choice([1, 2, 3]), rng.choice([2, 3, 5]))
    stride, dilation = (1, rng.choice([1, 1, 2])), (1, rng.choice([1, 1, 2]))
    pad = (0, rng.choice([0, 1]))
    sides = zip(out, stride, kernel, dilation, pad, strict=True)
    return conv_problem(
        batch=rng.choice([1, 1, 2]), groups=rng.choice([1, 2]), out_channels=rng.choice([1, 1, 2]),
        in_channels=rng.choice([1, 1, 2]), out_size=out, kernel=kernel, stride=stride, dilation=dilation, pad=pad,
        in_size=tuple(max(1, (o - 1) * s + (k - 1) * d + 1 - 2 * p) for o, s, k, d, p in sides),
    )  # fmt: skip


def agree(name: str, seed: int, most: int, imperfect: bool = False) -> tuple[int, int]:
    """Compare search and enumeration on one problem: whether it was small enough, and whether a band was best."""
    rng = Random(seed)
    problem, arch = windows(rng), MACHINES[name](rng.choice((200, 400, 1600)))
    arch = replace(arch, psum_first_visit=rng.choice(["write", "read"]), halo_reuse=rng.choice([True, False]))
    best = enumerated(problem, arch, most)
    if best is None:
        return 0, 0
    found = {goal: least(problem, arch, goal) for goal in GOALS}
    assert found == {goal: best.get(goal) for goal in GOALS}, (name, seed)
    without = {goal: least(problem, arch, goal, limit=NONE) for goal in GOALS}
    named = {goal: least(problem, arch, goal, limit=NAMED) for goal in GOALS}
    assert named == found
    for goal in GOALS:
        cost, bare = found[goal], without[goal]
        assert bare is None or (cost is not None and cost <= bare)
    return 1, int(without != found)


@pytest.mark.parametrize("name", list(MACHINES))
def test_search_equals_enumeration_of_bands(name: str) -> None:
    compared, better = np.sum([agree(name, seed, 600) for seed in range(60)], axis=0)
    assert compared >= 12 and better >= 6, (compared, better)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MACHINES))
def test_search_equals_enumeration_of_many_bands(name: str) -> None:
    compared, better = np.sum([agree(name, 1000 + seed, 4000) for seed in range(600)], axis=0)
    assert compared >= 200 and better >= 100, (compared, better)


@pytest.mark.parametrize("place", ["stream", "WRF"])
def test_the_loop_over_an_uneven_band_goes_outside_those_that_leave_weights_in_place(place: str) -> None:
    """Three columns of 5: the third idles in every second step and loses its weights, so steps should be few."""
    problem = conv_problem(
        batch=1, groups=1, out_channels=1, in_channels=1, out_size=(3, 5), kernel=(1, 2), in_size=(3, 6)
    )
    here = Rule(place, (("P", Factor(3, 3)), ("Q", Factor(2, 2))))
    limit = Constraint((Rule("band", (("Q", Factor(3, 3)),)), here))
    arch = split(1600, 4, 3)
    best = enumerated(problem, arch, 5000, limit=limit)
    assert best
    assert {goal: least(problem, arch, goal, limit=limit) for goal in GOALS} == best
    found = Search(Request(problem, arch, "energy", 1, limit)).run().best[0].mapping
    assert [step.dim for step in found.temporal] == ["Q", "P"]
    claim = claimed(problem, arch, "energy", limit)
    check(claim)
    with pytest.raises(CheckFailed, match="the boxes prove a bound of"):  # it has the best order among its own
        certify(claim.question, claim.mapping, claim.cost + 1)


def test_a_restricted_space_is_never_better() -> None:
    """Factors of a band asked for by number, by bounds, or not at all."""
    compared = 0
    for seed in range(12):
        rng = Random(seed)
        problem, arch = windows(rng), single(400)
        limits = [Constraint((Rule("band", ((dim, Factor(low)),)),)) for dim, low in (("Q", 2), ("S", 2))]
        limits += [NONE, Constraint((Rule("band", (("S", Factor(2, 2)),)),))]
        for goal in GOALS:
            free = least(problem, arch, goal)
            for limit in limits:
                cost = least(problem, arch, goal, limit=limit)
                assert cost is None or (free is not None and free <= cost), (seed, goal, limit)
                compared += cost is not None
    assert compared >= 40


def claimed(problem: Problem, arch: Accelerator, goal: Any, limit: Constraint) -> Claim:
    search = Search(Request(problem, arch, goal, 1, limit))
    found = search.run()
    claim = certify(Question(problem, arch, goal, 1, limit), search.incumbent().mapping)
    assert claim.cost == claim.bound == found.cost
    return claim


def test_certificates_of_banded_optima_hold_and_false_ones_do_not() -> None:
    done = 0
    for seed in range(30):
        rng = Random(seed)
        problem, goal, name = windows(rng), rng.choice(GOALS), rng.choice(list(MACHINES))
        arch = MACHINES[name](400)
        try:
            claim = claimed(problem, arch, goal, Constraint())
        except MappingError:
            continue
        if not claim.mapping.bands:
            continue
        check(claim)
        done += 1
        bare = claimed(problem, arch, goal, NONE)
        check(bare)
        if bare.cost > claim.cost:  # a proof without bands proves nothing about the space that has them
            with pytest.raises(CheckFailed):
                check(replace(bare, question=claim.question))
        with pytest.raises(CheckFailed, match="not legal"):
            check(replace(claim, question=replace(claim.question, limit=NONE)))
        with pytest.raises(CheckFailed):
            check(replace(claim, cost=claim.cost - 1, bound=claim.bound - 1))
        if done == 6:
            break
    assert done == 6


def kept(problem: Problem, arch: Accelerator) -> list[Mapping]:
    return [c.mapping for c in Search(Request(problem, arch, "latency", 1)).run().best]


@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_what_the_mapper_finds_runs(data: st.DataObject) -> None:
    """Depthwise layers of a few dozen words, found, simulated, executed and counted."""
    side, stride = st.integers(2, 9), data.draw(st.integers(1, 2))
    out, taps = (data.draw(side), data.draw(side)), (data.draw(st.integers(1, 3)), data.draw(st.integers(2, 3)))
    pad = tuple(data.draw(st.integers(0, 1)) for _ in out)
    size = tuple((o - 1) * stride + k - p for o, k, p in zip(out, taps, pad, strict=True))
    problem = conv_problem(
        batch=1, groups=data.draw(st.integers(1, 3)), out_channels=1, in_channels=1, out_size=out, kernel=taps,
        in_size=tuple(max(1, n) for n in size), stride=(stride, stride), pad=pad,
    )  # fmt: skip
    arch = split(1 << 13, 16, 8)
    mapped = map_problem(problem, arch, "latency", 1)
    for mapping in kept(problem, arch)[:3]:
        assert problems_with(mapping, arch) == []
    assert mapped.counts == walk(mapped.mapping, arch, Rules())
    x, w = tensors(problem)
    run = run_tiled(mapped.mapping, arch, Rules(), x, w)
    assert np.array_equal(run.accumulators, expected(problem, x, w))
    assert run.agrees_with(mapped.counts) == []
