"""Does the compiled search price mappings as the model does, and is what it proves true?"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import permutations, product
from math import prod
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import StorageLevel, StorageMachine
from accelsim.errors import InputError, MappingError
from accelsim.mapper.timeloop import Constraint, Objective, branch, capacity_errors, evaluate, search
from accelsim.mapper.timeloop.exact import nest_of
from accelsim.mapper.timeloop.kernels import distinct, less
from accelsim.mapper.timeloop.space import Ints, Space
from accelsim.mapper.timeloop.types import SEARCHED
from accelsim.mapping import LevelLoops, LevelNest, Loop
from accelsim.problem import Problem
from tests.unit.timeloop_cases import conv, factorings, machine

OBJECTIVES: tuple[Objective, ...] = ("edp", "energy", "latency")
PLACES = (("DRAM", "temporal"), ("GLB", "temporal"), ("X", "col"), ("Y", "row"), ("I", "temporal"), ("W", "temporal"),
          ("O", "temporal"))  # fmt: skip


def all_nests(problem: Problem, small: StorageMachine) -> Iterator[LevelNest]:
    """Every nest of the space: factors over DRAM, GLB, columns, rows and the three stores, in every order."""
    dims = [dim for dim, bound in problem.bounds if bound > 1]
    names = [level.name for level in small.levels]
    for chosen in product(*(factorings(problem.bound[dim], len(PLACES)) for dim in dims)):
        if prod(c[2] for c in chosen) > 2 or prod(c[3] for c in chosen) > 3:
            continue
        loops = [
            [Loop(dim, c[i], kind) for dim, c in zip(dims, chosen, strict=True) if c[i] > 1]
            for i, (_, kind) in enumerate(PLACES)
        ]
        orders = [list(permutations(mine)) if i not in (2, 3, 6) else [tuple(mine)] for i, mine in enumerate(loops)]
        for nested in product(*orders):
            at = {name: mine for (name, _), mine in zip(PLACES, nested, strict=True)}
            yield LevelNest(
                problem,
                tuple(
                    LevelLoops(name, () if name in "XY" else at[name], at[name] if name in "XY" else ())
                    for name in names
                ),
            )


def brute_force(problem: Problem, small: StorageMachine, constraints: tuple[Constraint, ...]) -> dict[Objective, int]:
    best: dict[Objective, int] = {}
    for nest in all_nests(problem, small):
        if any(c.broken_by(nest) for c in constraints):
            continue
        report = evaluate(nest, small, SEARCHED)
        if capacity_errors(report.counts, small):
            continue
        for objective in OBJECTIVES:
            best[objective] = min(best.get(objective, report.cost(objective)), report.cost(objective))
    return best


def agree(problem: Problem, small: StorageMachine, constraints: tuple[Constraint, ...] = ()) -> None:
    best = brute_force(problem, small, constraints)
    for objective in OBJECTIVES:
        found = search(problem, small, constraints, objective)
        assert (found.cost, found.proven, found.gap) == (best[objective], True, 0.0), objective


TIGHT = machine(shared=12, ifmap=2, weights=4, psums=2, rate=Fraction(3, 2))


@pytest.mark.parametrize(
    ("problem", "small"),
    [
        (conv(C=2, M=2, P=2), TIGHT),
        (conv(Q=4, S=3), machine(shared=6, ifmap=3, weights=6, psums=2)),
        (conv(Q=3, S=2, M=2, stride=2), machine(shared=9, ifmap=3, weights=3, psums=1, block=4)),
        (conv(C=4, M=2), machine(shared=4, ifmap=1, weights=2, psums=2, keeps=("Inputs", "Weights"))),
    ],
    ids=["capacities bind", "halo", "stride gaps", "weights kept"],
)
def test_search_equals_brute_force(problem: Problem, small: StorageMachine) -> None:
    agree(problem, small)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "small"),
    [
        (conv(C=2, M=4, P=2), TIGHT),
        (conv(P=4, R=4, C=2), machine(shared=16, ifmap=4, weights=8, psums=2)),
        (conv(P=4, R=2, M=2, dilation=2), machine(shared=14, ifmap=3, weights=6, psums=2)),
        (conv(P=6, R=2, N=2, stride=2), machine(shared=14, ifmap=3, weights=6, psums=2, rate=Fraction(1))),
        (conv(G=2, C=2, P=2, Q=2), machine(shared=10, ifmap=2, weights=2, psums=1)),
        (conv(M=8, C=2, Q=2), machine(shared=8, ifmap=2, weights=4, psums=2)),
    ],
)
def test_search_equals_brute_force_on_larger_problems(problem: Problem, small: StorageMachine) -> None:
    agree(problem, small)


def test_constraints_narrow_the_search() -> None:
    problem, small = conv(C=4, M=4), TIGHT
    limits = (
        Constraint("I", "temporal", fixed=(("C", 1), ("M", 1))),
        Constraint("W", "temporal", fixed=(("M", 1),), inner=("C",)),
        Constraint("O", "temporal", fixed=(("C", 1),)),
        Constraint("X", "spatial", fixed=(("C", 1),), most=(("M", 1),)),
        Constraint("GLB", "temporal", outer=("M",)),
        Constraint("DRAM", "temporal", inner=("M",), most=(("C", 2),)),
    )
    agree(problem, small, limits)
    free = search(problem, small)
    found = search(problem, small, limits)
    assert found.cost > free.cost
    assert not any(limit.broken_by(found.mapping) for limit in limits)
    assert any(limit.broken_by(free.mapping) for limit in limits)


def test_interiors_that_do_not_fit_are_all_tried() -> None:
    """Weights smaller than Inputs x Outputs, and the stores of Weights and Outputs exchanged."""
    problem = conv(C=2, M=2, P=2)
    agree(problem, machine(ifmap=4, weights=2, psums=2))
    small = machine(ifmap=4, weights=2, psums=2)
    *outer, weights, psums = small.levels
    swapped = StorageMachine("swapped", (*outer, psums, weights), "mac", 31)
    best = brute_force_swapped(problem, swapped)
    assert search(problem, swapped).cost == best


def brute_force_swapped(problem: Problem, swapped: StorageMachine) -> int:
    costs = []
    for nest in all_nests(problem, swapped):
        report = evaluate(nest, swapped, SEARCHED)
        if not capacity_errors(report.counts, swapped):
            costs.append(report.cost("edp"))
    return min(costs)


@st.composite
def choices(draw: st.DrawFn) -> tuple[Problem, StorageMachine, int]:
    sizes = st.sampled_from((1, 2, 3, 4, 6))
    bounds = {dim: draw(sizes) for dim in "NCMPQRS"}
    problem = conv(draw(st.integers(1, 3)), draw(st.integers(1, 2)), **bounds)
    keeps = draw(st.sampled_from([("Inputs", "Outputs"), ("Weights",), ("Inputs", "Weights", "Outputs")]))
    rate = draw(st.sampled_from([None, Fraction(1, 2), Fraction(5, 3)]))
    block = draw(st.integers(1, 5))
    return problem, machine(None, 30, 120, 4, 4, 6, rate, keeps, block), draw(st.integers(0, 2**32))


@settings(max_examples=60, deadline=None)
@given(choices())
def test_compiled_cost_equals_the_model(case: tuple[Problem, StorageMachine, int]) -> None:
    """Random choices, splits and orders: contents, energy and cycles, all equal."""
    problem, small, seed = case
    space, rng = Space(problem, small, ()), np.random.default_rng(seed)
    row = random_row(space, rng)
    if row is None:
        return
    found, at_outer = row
    m, g, w = space.arrays(0)
    out = np.empty((1, 9), np.int64)
    branch.costs(m, g, w, space.cols, space.rows, space.table, found[None, :], np.array([at_outer]), out)
    report = evaluate(nest_of(space, found), small, SEARCHED)
    energy, rest, cycles, *contents = (int(n) for n in out[0])
    assert (energy * space.unit + rest * space.rest, cycles) == (report.energy_zj, report.cycles)
    counts = {(c.level, c.operand): c for c in report.counts}
    psums = counts["O", "Outputs"]
    assert contents[:3] == [counts["I", "Inputs"].fills, counts["W", "Weights"].fills, psums.fills + psums.partition]
    outputs = counts["DRAM", "Outputs"]
    if "Inputs" in small.levels[1].keeps:
        assert contents[3] == counts["GLB", "Inputs"].fills
    if "Outputs" in small.levels[1].keeps:
        assert contents[5] == outputs.updates


def random_row(space: Space, rng: np.random.Generator) -> tuple[Ints, int] | None:
    """A mapping as the search writes it, and its loops of level 0; None if the drawn choice does not divide."""
    dims = len(space.dims)
    for _ in range(50):
        pick = [int(rng.integers(len(table))) for table in (space.cols, space.rows, space.tiles)]
        base = space.cols[pick[0]] * space.rows[pick[1]] * space.tiles[pick[2]]
        if (space.bounds % base == 0).all():
            break
    else:
        return None
    left = space.bounds // base
    inner = [int(rng.choice([n for n in range(1, int(b) + 1) if b % n == 0])) for b in left]
    outer = [d for d in rng.permutation(dims) if left[d] > inner[d]]
    inside = [d for d in rng.permutation(dims) if inner[d] > 1]
    order = [*outer, *inside]
    row = [*pick, *inner, *order, *([-1] * (2 * dims - len(order)))]
    return np.array(row, np.int64), len(outer)


@settings(max_examples=200, deadline=None)
@given(
    st.tuples(*[st.integers(0, 2**58), st.integers(0, 99), st.integers(1, 2**40)] * 2),
    st.integers(0, 2),
    st.booleans(),
)
def test_costs_are_compared_exactly(costs: tuple[int, ...], mode: int, near: bool) -> None:
    e1, r1, c1, e2, r2, c2 = costs
    if near:
        e2, c2 = e1 + r2 - 50 if e1 > 50 else e1, c1
    first, second = (e1 * 100 + r1), (e2 * 100 + r2)
    expected = [first * c1 < second * c2, first < second, (c1, first) < (c2, second)][mode]
    assert less(e1, r1, c1, e2, r2, c2, mode, 100) == expected


def test_projections_count_different_offsets() -> None:
    for n1, s1, n2, s2 in product(range(1, 6), range(1, 5), range(1, 6), range(1, 5)):
        assert distinct(n1, s1, n2, s2) == len({a * s1 + b * s2 for a in range(n1) for b in range(n2)})


def test_few_evaluations_leave_a_gap_and_a_true_bound() -> None:
    problem = conv(C=12, M=12, P=6, Q=6, R=3, S=3)
    small = machine(shared=300, ifmap=6, weights=24, psums=4)
    best = search(problem, small)
    for most in (1, 20):
        found = search(problem, small, max_evaluations=most)
        assert found.bound <= best.cost <= found.cost
        assert found.proven == (found.gap == 0)
    assert best.proven
    assert best.evaluated > 20


def test_wrong_questions_are_refused() -> None:
    problem, small = conv(C=2), TIGHT
    with pytest.raises(InputError, match="objective 'epd'; did you mean 'edp'"):
        search(problem, small, (), cast(Objective, "epd"))
    with pytest.raises(InputError, match="max_evaluations 0, expected at least 1"):
        search(problem, small, max_evaluations=0)
    with pytest.raises(InputError, match=r"has no level 'GBL'; did you mean 'GLB'"):
        search(problem, small, (Constraint("GBL", "temporal"),))
    with pytest.raises(InputError, match=r"constraint X temporal: C = 2, but the search puts no loops there"):
        search(problem, small, (Constraint("X", "temporal", fixed=(("C", 2),)),))
    with pytest.raises(InputError, match=r"constraint GLB temporal: M = 2, but its bound is 1"):
        search(problem, small, (Constraint("GLB", "temporal", fixed=(("M", 2),)),))
    with pytest.raises(InputError, match="two constraints on the loops"):
        search(problem, small, (Constraint("GLB", "temporal"), Constraint("GLB", "temporal")))
    with pytest.raises(MappingError, match="no mapping fits under the constraints"):
        search(conv(C=4), machine(shared=1), (Constraint("GLB", "temporal", fixed=(("C", 4),)),))


def test_costs_beyond_integers_are_refused() -> None:
    with pytest.raises(InputError, match=r"MACs at up to .* beyond exact 64-bit integers"):
        search(conv(N=2**20, M=2**20, C=2**20), machine())


def test_other_machines_are_refused() -> None:
    levels = TIGHT.levels
    swapped = (*levels[:4], levels[5], levels[4], levels[6])
    with pytest.raises(InputError, match=r"W keeps Weights; the search takes an outer and a shared level"):
        search(conv(), StorageMachine("m", swapped))
    with pytest.raises(InputError, match=r"m: 3 levels"):
        search(conv(), StorageMachine("m", levels[:3]))
    both = StorageLevel("X", (), cols=2, rows=2)
    with pytest.raises(InputError, match=r"X fans out along both axes"):
        search(conv(), StorageMachine("m", (*levels[:2], both, *levels[3:])))
