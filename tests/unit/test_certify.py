"""The checker of certificates: its space, its bounds, and that no corruption passes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from random import Random

import numpy as np
import pytest

from accelsim.certify.bound import Bound, Boxes, below, least_of, least_value, rounded
from accelsim.certify.boxes import Space
from accelsim.certify.proof import Claim, Family, certify, check, costs, objective_of, pack, unpack
from accelsim.certify.space import Cores, Question, cores_of
from accelsim.errors import CheckFailed, InputError
from accelsim.lookup import load_arch
from accelsim.mapper.exact.run import Search
from accelsim.mapper.exact.search import Request
from accelsim.mapper.exact.space import Cores as SearchCores
from accelsim.mapper.exact.space import cores_of as searched_cores
from accelsim.mapper.objective import Objective
from accelsim.mapping.constraint import Constraint, Factor, Rule
from accelsim.problem import Problem, conv_problem, gemm_problem
from tests.agreement.exact_cases import CAPACITIES, MACHINES, random_problem

SMALL = conv_problem(
    batch=1, groups=1, out_channels=4, in_channels=2, out_size=(4, 2), kernel=(3, 1), in_size=(4, 2), pad=(1, 0)
)
NARROW = Constraint((Rule("DRAM", only=True),))
LIMIT = Constraint((Rule("DRAM", (("P", Factor(high=2)),), order=("M", "P")), Rule("row", (("C", Factor(high=2)),))))


def lines(cores: Cores | SearchCores) -> list[list[int]]:
    return sorted(np.concatenate([cores.row, cores.col, cores.diagonal, cores.pe, cores.band], axis=1).tolist())


@pytest.mark.parametrize(
    "name", ["edge_os_32x32", "edge_tpu", "eyeriss", "gemmini_16x16", "nvdla_small", "tpu_like", "tpu_v1"]
)
@pytest.mark.parametrize("limit", [Constraint(), Constraint((Rule("col", (("M", Factor(3, 3)),)),))])
def test_both_enumerations_have_the_same_cores(name: str, limit: Constraint) -> None:
    arch = load_arch(name)[0]
    depthwise = conv_problem(
        batch=2,
        groups=10,
        out_channels=1,
        in_channels=1,
        out_size=(5, 7),
        kernel=(3, 3),
        in_size=(11, 15),
        stride=(2, 2),
    )
    for problem in (SMALL, depthwise, gemm_problem(rows=6, cols=12, reduction=15)):
        for imperfect in (False, True):
            mine = cores_of(Question(problem, arch, limit=limit, imperfect=imperfect))
            assert lines(mine) == lines(searched_cores(problem, arch, limit, imperfect))


@cache
def claim(
    name: str = "acc", goal: Objective = "edp", problem: Problem = SMALL, bits: int = 800, limit: Constraint = LIMIT
) -> Claim:
    arch = MACHINES[name](bits)
    search = Search(Request(problem, arch, goal, 1, limit))
    found = search.run()
    return certify(Question(problem, arch, goal, 1, limit), search.incumbent().mapping, found.bound)


def test_a_certificate_holds() -> None:
    found = claim()
    assert found.bound == found.cost
    assert len(found.families) > 3
    check(found)


def altered(found: Claim, at: int, **fields: object) -> Claim:
    families = list(found.families)
    families[at] = replace(families[at], **fields)
    return replace(found, families=tuple(families))


def flipped(family: Family, at: int) -> str:
    flags = unpack(family.open, family.boxes)
    flags[at] = not flags[at]
    return pack(flags)


def without_a_box(family: Family, at: int) -> dict[str, object]:
    flags = np.delete(unpack(family.open, family.boxes), at)
    return {"boxes": family.boxes - 1, "open": pack(flags)}


def of_another_machine(found: Claim, **changes: object) -> Claim:
    glb = replace(found.question.arch.memories[0], **changes)
    arch = replace(found.question.arch, memories=(glb, *found.question.arch.memories[1:]))
    return replace(found, question=replace(found.question, arch=arch))


OTHER = conv_problem(
    batch=1, groups=1, out_channels=4, in_channels=2, out_size=(4, 2), kernel=(3, 1), in_size=(4, 2), pad=(0, 0)
)
CORRUPTIONS: dict[str, Callable[[Claim], Claim]] = {
    "claim lower": lambda c: replace(c, cost=c.cost - 1, bound=c.bound - 1),
    "claim higher": lambda c: replace(c, cost=c.cost + 1, bound=c.bound + 1),
    "bound higher": lambda c: replace(c, bound=c.bound + 1),
    "energy": lambda c: replace(c, energy_fj=c.energy_fj - 1),
    "cycles": lambda c: replace(c, cycles=c.cycles - 1),
    "a worse incumbent": lambda c: replace(c, mapping=worse(c)),
    "a family removed": lambda c: replace(c, families=c.families[:-1]),
    "the first family removed": lambda c: replace(c, families=c.families[1:]),
    "a family twice": lambda c: replace(c, families=(*c.families, c.families[-1])),
    "families exchanged": lambda c: replace(c, families=(*c.families[:1], *c.families[:0:-1])),
    "no families": lambda c: replace(c, families=()),
    "another problem": lambda c: replace(c, question=replace(c.question, problem=OTHER)),
    "another objective": lambda c: replace(c, question=replace(c.question, objective="energy")),
    "more vector work": lambda c: replace(c, question=replace(c.question, post_ops=40)),
    "no constraint": lambda c: replace(c, question=replace(c.question, limit=Constraint())),
    "another constraint": lambda c: replace(c, question=replace(c.question, limit=NARROW)),
    "uneven tiles": lambda c: replace(c, question=replace(c.question, imperfect=True)),
    "a larger buffer": lambda c: of_another_machine(c, capacity_bits=4000),
    "a smaller buffer": lambda c: of_another_machine(c, capacity_bits=300),
    "a dearer buffer": lambda c: of_another_machine(c, read_fj_per_bit=11),
}  # fmt: skip


def worse(found: Claim) -> object:
    """Some other mapping of the same problem."""
    goal: Objective = "energy" if found.question.objective != "energy" else "latency"
    q = found.question
    search = Search(Request(gemm_problem(rows=2, cols=2, reduction=2), q.arch, goal, q.post_ops))
    search.run()
    return search.incumbent().mapping


@pytest.mark.parametrize("what", list(CORRUPTIONS))
def test_no_corruption_passes(what: str) -> None:
    found = claim()
    with pytest.raises((CheckFailed, InputError)):
        check(CORRUPTIONS[what](found))


def test_no_corruption_of_any_family_passes() -> None:
    found = claim()
    for at in (0, 1, len(found.families) - 1):
        family = found.families[at]
        bad: list[dict[str, object]] = [
            {"stage": family.stage + 1}, {"boxes": family.boxes + 1}, {"bound": (family.bound or 0) + 1},
            {"bound": found.bound}, {"bound": None}, {"open": flipped(family, 0)},
            {"open": flipped(family, family.boxes - 1)}, without_a_box(family, 0), {"open": "x"}, {"open": "eJw="},
        ]  # fmt: skip
        for fields in bad:
            changed = altered(found, at, **fields)
            if changed != found:
                with pytest.raises((CheckFailed, InputError)):
                    check(changed)


def test_messages_name_the_family_and_the_figures() -> None:
    found = claim()
    with pytest.raises(
        CheckFailed, match=r"family 0 \(cores\): the space has \d+ boxes of stage 0 here, the file 7 boxes"
    ):
        check(altered(found, 0, boxes=7))
    with pytest.raises(CheckFailed, match=r"family 1 \(trips of DRAM\): the bound of its closed boxes is \d+, not 5"):
        check(altered(found, 1, bound=5))
    with pytest.raises(CheckFailed, match=r"the incumbent takes \(fJ, cycles\) \(\d+, \d+\), not \(\d+, 3\)"):
        check(replace(found, cycles=3))
    low = replace(found, families=(replace(found.families[0], open=pack(np.zeros(found.families[0].boxes, np.bool_))),))
    with pytest.raises(CheckFailed, match="the bound of its closed boxes is"):
        check(low)
    with pytest.raises(InputError, match="not packed flags"):
        unpack("%%", 3)
    with pytest.raises(InputError, match="1 bytes of flags, expected 2 for 9 boxes"):
        unpack(pack(np.ones(8, np.bool_)), 9)


def test_a_cost_above_the_least_is_not_certified_as_optimal() -> None:
    found = claim()
    fast = Search(Request(SMALL, found.question.arch, "latency", 1, LIMIT)).run()
    other = max((c.mapping for c in fast.best), key=lambda m: objective_of("edp", *costs(found.question, m)))
    cost = objective_of("edp", *costs(found.question, other))
    assert cost > found.cost
    with pytest.raises(CheckFailed, match=rf"the boxes prove a bound of {found.cost} only, {cost} was asked for"):
        certify(found.question, other)


def test_too_few_boxes_prove_a_lower_bound_which_still_checks() -> None:
    found = claim()
    cut = certify(found.question, found.mapping, most=100)
    assert cut.bound < cut.cost == found.cost
    check(cut)
    with pytest.raises(CheckFailed, match="below the claimed bound"):
        check(replace(cut, bound=cut.bound + 1))


def least_inside(space: Space, boxes: Boxes, stage: int) -> float:
    """The least cost of a mapping in boxes, all of them cut to the end."""
    if stage == len(space.stages):
        raise AssertionError("mappings are not cut")
    found = [float("inf")]
    for inner, low in space.cut(boxes, stage):
        if stage == len(space.stages) - 1:
            found.append(rounded("edp", low).min(initial=np.inf))
        elif not low.empty.all():
            found.append(least_inside(space, inner.take(~low.empty), stage + 1))
    return min(found)


def one(bound: Bound, at: int) -> float:
    return float(rounded("edp", bound)[at])


@pytest.mark.parametrize("name", list(MACHINES))
def test_no_box_promises_more_than_its_mappings_cost(name: str) -> None:
    compared = 0
    for seed in range(6):
        rng = Random(seed)
        changes = {"halo_reuse": False, "psum_first_visit": "read"} if seed % 2 else {}
        arch = replace(MACHINES[name](rng.choice(CAPACITIES)), **changes)
        space = Space(Question(random_problem(rng), arch, "edp", 1, imperfect=seed == 3))
        boxes, bound = space.whole()
        for at in rng.sample(range(len(boxes)), min(2, len(boxes))):
            box, low, k = boxes.take(slice(at, at + 1)), bound, at
            for stage in range(1, len(space.stages)):
                assert least_inside(space, box, stage) >= one(low, k) * (1 - 1e-12), (seed, space.stages[stage])
                parts = [(b, v, i) for b, v in space.cut(box, stage) for i in np.nonzero(~v.empty)[0].tolist()]
                if not parts:
                    break
                boxes_there, low, k = rng.choice(parts)
                box, compared = boxes_there.take(slice(k, k + 1)), compared + 1
    assert compared > 10


def test_comparison_is_exact_where_floats_are_not() -> None:
    energy, cycles = np.array([10**15, 10**15 + 1, 5]), np.array([10**15 + 1, 10**15, 5])
    bound = Bound(energy, cycles, np.array([False, False, True]))
    cost = 10**15 * (10**15 + 1)
    assert below("edp", bound, cost + 1).tolist() == [True, True, False]
    assert below("edp", bound, cost).tolist() == [False, False, False]
    assert least_value("edp", bound) == cost
    assert least_value("energy", Bound(energy[2:], cycles[2:], np.array([True]))) is None
    more = Bound(energy + 1, cycles, np.zeros(3, np.bool_))
    assert least_of("edp", [more, bound]).energy.tolist() == [10**15, 10**15 + 1, 6]


def test_the_checker_runs_without_the_search() -> None:
    code = (
        "import sys, accelsim.certify.proof, accelsim.formats.canonical; "
        "print([m for m in sys.modules if m.startswith('accelsim.mapper')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_dim_that_moves_one_operand_only_has_no_certificate() -> None:
    weights = SMALL.operand("Weights")
    fewer = replace(weights, axes=tuple(axis for axis in weights.axes if "C" not in axis.dims))
    odd = replace(SMALL, operands=tuple(fewer if o is weights else o for o in SMALL.operands))
    with pytest.raises(InputError, match="dim C moves only one operand"):
        Space(Question(odd, MACHINES["os"](4000)))
