"""Laws of the optimum: what a better machine, another name of a dim, a smaller or a larger space may do to it."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from accelsim.arch import Accelerator
from accelsim.lookup import load_arch
from accelsim.mapper.exact.run import Search
from accelsim.mapper.exact.search import Request
from accelsim.mapper.search import map_problem
from accelsim.mapping.constraint import Constraint, Factor, Rule
from accelsim.problem import DIMS, Problem, conv_problem, gemm_problem
from tests.agreement.exact_cases import CAPACITIES, GOALS, MACHINES, enumerated, least, random_problem, random_sides

FEW, MANY = range(5), range(100, 250)
CONV = conv_problem(
    batch=1, groups=1, out_channels=16, in_channels=8, out_size=(8, 8), kernel=(3, 3), in_size=(8, 8), pad=(1, 1)
)


def bigger(arch: Accelerator, what: str) -> Accelerator:
    """More of one thing; energies per bit stay."""
    glb, array, dram = arch.memories[0], arch.array, arch.dram
    if what in ("rows", "cols"):
        return replace(arch, array=replace(array, **{what: getattr(array, what) + 2}))
    if what == "DRAM":
        return replace(arch, dram=replace(dram, bandwidth_bits_per_s=3 * dram.bandwidth_bits_per_s))
    changes = {
        "capacity": {"capacity_bits": 2 * glb.capacity_bits},
        "read port": {"read_bits_per_cycle": 2 * glb.read_bits_per_cycle},
        "write port": {"write_bits_per_cycle": 2 * glb.write_bits_per_cycle},
    }
    return replace(arch, memories=(replace(glb, **changes[what]), *arch.memories[1:]))


def never_worse(name: str, what: str, seeds: range) -> int:
    """Compare the optima of machines with more and less of one thing; how many were compared."""
    compared = 0
    for seed in seeds:
        rng = Random(seed)
        problem, arch = random_problem(rng), MACHINES[name](rng.choice(CAPACITIES))
        if what == "rows":  # else psums leave below the last row, further away in a taller array
            arch = replace(arch, array=replace(arch.array, early_exit=True))
        for goal in ("latency",) if what in ("rows", "cols") else GOALS:
            before, after = least(problem, arch, goal), least(problem, bigger(arch, what), goal)
            assert before is None or (after is not None and after <= before), (seed, goal, before, after)
            compared += before is not None
    return compared


BETTER = ("capacity", "read port", "write port", "DRAM", "rows", "cols")


@pytest.mark.parametrize("what", BETTER)
@pytest.mark.parametrize("name", list(MACHINES))
def test_a_better_machine_never_has_a_worse_optimum(name: str, what: str) -> None:
    assert never_worse(name, what, FEW) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("what", BETTER)
@pytest.mark.parametrize("name", list(MACHINES))
def test_a_better_machine_never_has_a_worse_optimum_on_many_problems(name: str, what: str) -> None:
    assert never_worse(name, what, MANY) >= 140


def turned(sides: dict[str, Any]) -> dict[str, Any]:
    """The same convolution with rows and columns of the image exchanged."""
    return {key: value[::-1] if isinstance(value, tuple) else value for key, value in sides.items()}


def same_when_turned(name: str, seeds: range) -> None:
    for seed in seeds:
        rng = Random(seed)
        sides, arch = random_sides(rng), MACHINES[name](rng.choice(CAPACITIES))
        for goal in GOALS:
            tall, wide = (least(conv_problem(**form), arch, goal) for form in (sides, turned(sides)))
            assert tall == wide, (seed, goal)


@pytest.mark.parametrize("name", ["ws", "os", "acc", "cast"])
def test_rows_and_columns_of_the_image_are_interchangeable(name: str) -> None:
    same_when_turned(name, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ws", "os", "acc", "cast"])
def test_rows_and_columns_of_many_images_are_interchangeable(name: str) -> None:
    same_when_turned(name, MANY)


@pytest.mark.parametrize("name", ["ws", "os", "acc"])
def test_images_and_their_pixels_are_interchangeable_for_1x1_kernels(name: str) -> None:
    arch = MACHINES[name](1600)
    for images, rows in ((2, 3), (5, 2), (1, 4)):
        forms = [(images, (rows, 1)), (rows, (images, 1)), (images, (1, rows)), (1, (images, rows))]
        made = [
            conv_problem(batch=n, groups=1, out_channels=4, in_channels=5, out_size=out, kernel=(1, 1), in_size=out)
            for n, out in forms
        ]
        for goal in GOALS:
            assert len({least(problem, arch, goal) for problem in made}) == 1, (images, rows, goal)


LIMITS = (
    Constraint((Rule("row", (("C", Factor(high=2)),)),)),
    Constraint((Rule("DRAM", (("P", Factor(high=2)),)), Rule("stream", (("Q", Factor(low=2)),)))),
    Constraint((Rule("DRAM", order=("P", "M")),)),
    Constraint((Rule("DRAM", innermost="M"),)),
    Constraint((Rule("col", (("M", Factor(3, 3)),)), Rule("row", only=True))),
)


@pytest.mark.parametrize("limit", LIMITS)
def test_restricting_the_space_keeps_to_it_and_never_improves(limit: Constraint) -> None:
    arch = load_arch("edge_tpu")[0]
    small = replace(arch, array=replace(arch.array, rows=6, cols=6))
    for goal in GOALS:
        free = Search(Request(CONV, small, goal, 1)).run()
        found = Search(Request(CONV, small, goal, 1, limit)).run()
        assert found.cost >= free.cost
        assert all(limit.allows(candidate.mapping) for candidate in found.best)


def random_limit(rng: Random, problem: Problem, arch: Accelerator) -> Constraint:
    """One or two places where a factor has a bound, or loops an order or an innermost one."""
    rules, names = [], ["row", "col", "stream", "pe", "DRAM", *(memory.name for memory in arch.memories)]
    dims = [dim for dim, bound in problem.bounds if bound > 1] or ["M"]
    for place in rng.sample(names, rng.choice([1, 2])):
        bounds = (Factor(high=1), Factor(high=2), Factor(low=2), Factor(2, 3))
        few = rng.sample(dims, min(len(dims), rng.choice([1, 1, 2])))
        rule = Rule(place, tuple((dim, rng.choice(bounds)) for dim in few))
        if place in ("DRAM", "GLB") and rng.random() < 0.5:
            order = tuple(rng.sample(DIMS, len(DIMS)))
            rule = Rule(place, order=order) if rng.random() < 0.7 else Rule(place, innermost=rng.choice(dims))
        rules.append(rule)
    return Constraint(tuple(rules))


def restricted(name: str, seeds: range, most: int) -> tuple[int, int]:
    """Compare restricted searches with what is allowed of an enumeration; how many were, and how many had a mapping."""
    compared = possible = 0
    for seed in seeds:
        rng = Random(seed)
        problem, arch = random_problem(rng), MACHINES[name](rng.choice(CAPACITIES))
        limit = random_limit(rng, problem, arch)
        best = enumerated(problem, arch, most, limit=limit)
        if best is None:
            continue
        found = {goal: least(problem, arch, goal, limit=limit) for goal in GOALS}
        assert found == {goal: best.get(goal) for goal in GOALS}, (seed, limit)
        for goal, cost in found.items():
            free = least(problem, arch, goal)
            assert cost is None or (free is not None and free <= cost), (seed, goal, limit)
        compared, possible = compared + 1, possible + bool(best)
    return compared, possible


@pytest.mark.parametrize("name", list(MACHINES))
def test_a_restricted_search_equals_enumeration_of_what_is_allowed(name: str) -> None:
    compared, possible = restricted(name, range(30), 150)
    assert compared >= 4 and possible >= 2


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MACHINES))
def test_many_restricted_searches_equal_enumeration_of_what_is_allowed(name: str) -> None:
    compared, possible = restricted(name, range(100, 400), 600)
    assert compared >= 100 and possible >= 50


def imperfect_never_worse(name: str, seeds: range) -> int:
    """Compare the optima of perfect and of any factors; how many were compared."""
    compared = 0
    for seed in seeds:
        rng = Random(seed)
        problem, arch = random_problem(rng), MACHINES[name](rng.choice(CAPACITIES))
        for goal in GOALS:
            perfect, any_factor = least(problem, arch, goal), least(problem, arch, goal, imperfect=True)
            assert perfect is None or (any_factor is not None and any_factor <= perfect), (seed, goal)
            compared += perfect is not None
    return compared


@pytest.mark.parametrize("name", list(MACHINES))
def test_imperfect_factors_never_cost_more(name: str) -> None:
    assert imperfect_never_worse(name, FEW) >= 9


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MACHINES))
def test_imperfect_factors_never_cost_more_on_many_problems(name: str) -> None:
    assert imperfect_never_worse(name, MANY) >= 400


@pytest.mark.parametrize("name", ["tpu_like", "eyeriss", "edge_os_32x32"])
def test_what_is_simulated_with_imperfect_factors_is_never_worse(name: str) -> None:
    arch = load_arch(name)[0]
    layers = [CONV, gemm_problem(rows=20, cols=36, reduction=14)]
    for problem in layers:
        for goal in GOALS:
            any_factor, perfect = (map_problem(problem, arch, goal, 1, imperfect=free) for free in (True, False))
            assert any_factor.cost(goal) <= perfect.cost(goal)
            assert any_factor.search is not None and perfect.search is not None
            assert any_factor.search.bound <= perfect.search.bound
