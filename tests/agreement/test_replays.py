"""Replays of the exact mapper against the simulator, and what a wider search leaves out against all mappings."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from random import Random

import pytest

from accelsim.arch import Accelerator
from accelsim.errors import MappingError
from accelsim.lookup import load_arch
from accelsim.mapper.evaluate import evaluate
from accelsim.mapper.exact.run import Search
from accelsim.mapper.exact.search import Candidate, Request
from accelsim.mapper.objective import objective_cost
from accelsim.mapper.search import map_problem
from accelsim.mapping.legality import problems_with
from accelsim.problem import Problem, conv_problem, gemm_problem
from accelsim.sim.drafts import Drafts
from tests.agreement.exact_cases import CAPACITIES, MACHINES, every_mapping, random_problem, random_sides

CONV = conv_problem(
    batch=1, groups=1, out_channels=40, in_channels=24, out_size=(14, 14), kernel=(3, 3), in_size=(14, 14), pad=(1, 1)
)
STRIDED = conv_problem(
    batch=1, groups=1, out_channels=64, in_channels=48, out_size=(7, 7), kernel=(3, 3), in_size=(15, 15),
    stride=(2, 2),
)  # fmt: skip
DEPTHWISE = conv_problem(
    batch=1, groups=32, out_channels=1, in_channels=1, out_size=(14, 14), kernel=(3, 3), in_size=(14, 14), pad=(1, 1)
)
MATMUL = gemm_problem(rows=96, cols=200, reduction=320)
WELL_KNOWN = (
    "edge_tpu", "eyeriss", "eyeriss_v2", "nvdla_full", "scalesim_default", "scalesim_google", "tpu_like", "tpu_v1",
)  # fmt: skip


def listed(problem: Problem, arch: Accelerator) -> tuple[Candidate, ...]:
    """Mappings that a search keeps, and those of a wider search within a tenth of the bound."""
    search = Search(Request(problem, arch, "edp", 2))
    found = search.run()
    return found.best + search.wider(found.energy_fj, found.cycles + found.cycles // 10 + 1, 30_000, False).listed


@pytest.mark.parametrize("problem", [CONV, STRIDED, DEPTHWISE, MATMUL], ids=["conv", "strided", "depthwise", "matmul"])
@pytest.mark.parametrize("name", WELL_KNOWN)
def test_replays_are_makespans(name: str, problem: Problem) -> None:
    """On arrays whose passes are known well a replay takes what the simulation takes, to the cycle; a little less where
    weights are copied to the PEs of a band."""
    arch, drafts, equal = load_arch(name)[0], Drafts(), 0
    for candidate in listed(problem, arch)[::4]:
        makespan = evaluate(candidate.mapping, arch, 2, drafts).outcome.makespan
        if any(loop.kind == "band" for loop in candidate.mapping.spatial):
            assert candidate.least <= makespan <= 1.02 * candidate.least, candidate.mapping
        else:
            assert candidate.least == makespan, candidate.mapping
            equal += 1
    assert equal or problem is not MATMUL


def varied(arch: Accelerator, rng: Random) -> Accelerator:
    """The machine with another channel and other depths."""
    dram = replace(
        arch.dram, bandwidth_bits_per_s=rng.randint(1, 200) * arch.clock_hz, latency_cycles=rng.randint(0, 40),
        piece_bits=rng.choice((0, 8, 64)),
    )  # fmt: skip
    memories = tuple(
        replace(m, holds=tuple(replace(hold, depth=rng.randint(1, 3)) for hold in m.holds)) for m in arch.memories
    )
    first, halo = rng.choice(("read", "write")), rng.random() < 0.7
    return replace(arch, dram=dram, memories=memories, psum_first_visit=first, halo_reuse=halo)


def compare(seed: int) -> int:
    """Replays of one random problem on all small machines are never above the makespan; how many of those were compared
    that are above the bound."""
    rng, done = Random(seed), 0
    problem = random_problem(rng)
    for name in MACHINES:
        arch, drafts = varied(MACHINES[name](rng.choice(CAPACITIES)), rng), Drafts()
        try:
            found = listed(problem, arch)
        except MappingError:
            continue
        for candidate in found[:: max(1, len(found) // 6)]:
            makespan = evaluate(candidate.mapping, arch, 2, drafts).outcome.makespan
            if candidate.least > candidate.cycles:
                assert candidate.least <= makespan, (seed, name, candidate.mapping)
                done += 1
    return done


def test_replays_are_never_above_the_makespan() -> None:
    assert sum(compare(seed) for seed in range(40)) >= 150


@pytest.mark.slow
def test_replays_of_many_problems_are_never_above_the_makespan() -> None:
    assert sum(compare(seed) for seed in range(100, 500)) >= 1500


def square(rng: Random) -> Problem:
    """A convolution whose rows and columns are alike."""
    sides = random_sides(rng)
    for name in ("out_size", "kernel", "stride", "dilation", "pad", "in_size"):
        sides[name] = (sides[name][0], sides[name][0])
    return conv_problem(**sides)


def nothing_left_out(seed: int, most: int) -> int:
    """What a wider search says of mappings that it does not list holds for all orders of all mappings, and what is
    known of a mapped problem holds too; how many machines had few enough mappings."""
    rng, done = Random(seed), 0
    problem = square(rng) if rng.random() < 0.5 else random_problem(rng)
    for name in MACHINES:
        arch, drafts = varied(MACHINES[name](rng.choice(CAPACITIES)), rng), Drafts()
        mappings = list(islice(every_mapping(problem, arch), most + 1))
        fit = [mapping for mapping in mappings if not problems_with(mapping, arch)]
        if len(mappings) > most or not fit:
            continue
        done += 1
        every = [evaluate(mapping, arch, 1, drafts) for mapping in fit]
        least = min(objective_cost("edp", mapped.counted_fj, mapped.outcome.makespan) for mapped in every)
        search = Search(Request(problem, arch, "edp", 1))
        found = search.run()
        for share, follow in ((0.05, False), (0.5, False), (0.5, True)):
            near = search.wider(found.energy_fj, int(found.cycles * (1 + share)) + 2, 1 << 40, follow)
            bounds = [objective_cost("edp", c.energy_fj, c.least) for c in near.listed]
            assert 0 < min([near.rest, *bounds]) <= least, (seed, name)
        known = map_problem(problem, arch, post_ops=1).search
        assert known is not None and known.least <= least, (seed, name)
    return done


def test_a_wider_search_leaves_nothing_out() -> None:
    assert sum(nothing_left_out(seed, 150) for seed in range(24)) >= 24


@pytest.mark.slow
def test_a_wider_search_leaves_nothing_out_of_many_problems() -> None:
    assert sum(nothing_left_out(seed, 700) for seed in range(200, 600)) >= 400
