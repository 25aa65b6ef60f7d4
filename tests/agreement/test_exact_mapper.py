"""The exact mapper against enumeration, against the readings it does not use, and against the simulator."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import Accelerator
from accelsim.arch.encoding import Zeros
from accelsim.certify.proof import certify, check
from accelsim.certify.space import Question
from accelsim.errors import MappingError
from accelsim.lookup import load_arch
from accelsim.mapper.evaluate import evaluate
from accelsim.mapper.exact.run import Search
from accelsim.mapper.exact.search import Found, Request
from accelsim.mapper.objective import Objective
from accelsim.mapper.search import map_problem
from accelsim.mapping import Loop, Mapping, TileLevel, rules_of
from accelsim.mapping.constraint import Constraint, Factor, Rule
from accelsim.mapping.legality import problems_with
from accelsim.mapping.shares import Share
from accelsim.problem import Problem, conv_problem, gemm_problem
from accelsim.timing.bound import at_least, cost_below, dram_cycles
from accelsim.timing.sums import latency_bound
from accelsim.traffic import Factors, count
from tests.agreement.exact_cases import (
    CAPACITIES,
    GOALS,
    MACHINES,
    costs,
    edge_case,
    enumerated,
    every_mapping,
    least,
    random_problem,
)
from tests.agreement.machines import machine, problems, shares

CONV = conv_problem(
    batch=1, groups=1, out_channels=16, in_channels=8, out_size=(8, 8), kernel=(3, 3), in_size=(8, 8), pad=(1, 1)
)


def agree(seed: int, most: int) -> int:
    """Compare search and enumeration on one random problem and all machines; how many machines were compared."""
    rng, done = Random(seed), 0
    problem = random_problem(rng)
    for name, make in MACHINES.items():
        arch = make(rng.choice(CAPACITIES))
        best = enumerated(problem, arch, most)
        if best is None:
            continue
        done += 1
        found = {goal: least(problem, arch, goal) for goal in GOALS}
        assert found == {goal: best.get(goal) for goal in GOALS}, (seed, name, arch.memories[0].capacity_bits)
    return done


def test_search_equals_enumeration() -> None:
    assert sum(agree(seed, 200) for seed in range(16)) >= 16


def agree_on_edges(seed: int, most: int) -> int:
    """Compare search and enumeration on a case with remainders; whether it was small enough."""
    problem, arch = edge_case(Random(seed))
    best = enumerated(problem, arch, most)
    if best is None:
        return 0
    assert {goal: least(problem, arch, goal) for goal in GOALS} == {goal: best.get(goal) for goal in GOALS}, seed
    return 1


def test_search_equals_enumeration_where_pes_idle_at_an_edge() -> None:
    assert sum(agree_on_edges(seed, 150) for seed in range(60)) >= 15


@pytest.mark.slow
def test_search_equals_enumeration_of_many_edges() -> None:
    assert sum(agree_on_edges(1000 + seed, 900) for seed in range(800)) >= 400


@pytest.mark.parametrize("resident", [{"Inputs"}, {"Outputs"}, {"Inputs", "Outputs"}, {"Inputs", "Weights", "Outputs"}])
def test_search_equals_enumeration_with_resident_operands(resident: set[str]) -> None:
    """Operands that never cross the DRAM link, in rooms that hold the rest only."""
    compared = 0
    for seed in range(14):
        problem = random_problem(Random(seed))
        for name, make in MACHINES.items():
            arch = make(Random(seed).choice(CAPACITIES))
            stay = frozenset(resident) if name == "os" else frozenset(resident - {"Weights"})
            best = enumerated(problem, arch, 120, stay)
            if best is not None:
                found = {goal: least(problem, arch, goal, resident=stay) for goal in GOALS}
                assert found == {goal: best.get(goal) for goal in GOALS}, (seed, name)
                compared += 1
    assert compared >= 12


HALVES = [
    (("Inputs", "C", 2),),
    (("Outputs", "M", 1),),
    (("Inputs", "C", 1), ("Outputs", "M", 3)),
    (("Inputs", "N", 1),),
]


@pytest.mark.parametrize("parts", HALVES)
def test_search_equals_enumeration_with_operands_in_part(parts: tuple[tuple[str, str, int], ...]) -> None:
    """Of which the first channels or images never cross the DRAM link."""
    compared = 0
    partly = tuple(Share(*part) for part in parts)
    for seed in range(14):
        rng = Random(seed)
        small = random_problem(rng)
        bound = small.bound | {share.dim: 4 if share.dim != "N" else 2 for share in partly}
        axes = small.operand("Inputs").axes
        problem = conv_problem(
            batch=bound["N"], groups=bound["G"], out_channels=bound["M"], in_channels=bound["C"],
            out_size=(bound["P"], bound["Q"]), kernel=(bound["R"], bound["S"]),
            in_size=(axes[4].size, axes[5].size), stride=(axes[4].terms[0][1], axes[5].terms[0][1]),
            dilation=(axes[4].terms[1][1], axes[5].terms[1][1]), pad=(-axes[4].offset, -axes[5].offset),
        )  # fmt: skip
        for name, make in MACHINES.items():
            arch = make(rng.choice(CAPACITIES))
            best = enumerated(problem, arch, 200, partly=partly)
            if best is not None:
                found = {goal: least(problem, arch, goal, partly=partly) for goal in GOALS}
                assert found == {goal: best.get(goal) for goal in GOALS}, (seed, name)
                compared += bool(best)
    assert compared >= 8


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MACHINES))
def test_search_equals_enumeration_of_five_hundred_problems(name: str) -> None:
    """Distinct cases: 500 with a mapping, and those without one; spaces above 1,000 mappings do not count."""
    seen: set[tuple[Problem, int]] = set()
    compared = unfit = seed = 0
    while compared < 500:
        seed += 1
        rng = Random(seed)
        case = random_problem(rng), rng.choice((32, 60, 120, *CAPACITIES))
        arch = MACHINES[name](case[1])
        best = None if case in seen else enumerated(case[0], arch, 1000)
        seen.add(case)
        if best is None:
            continue
        found = {goal: least(case[0], arch, goal) for goal in GOALS}
        assert found == {goal: best.get(goal) for goal in GOALS}, (seed, case)
        compared, unfit = compared + bool(best), unfit + (not best)
    assert compared == 500 and unfit >= 50, (compared, unfit, seed)


@pytest.mark.parametrize("dataflow", ["ws", "os", "is", "rs", "tree", "cast"])
@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_every_mapping_kept_costs_what_the_other_readings_say(dataflow: str, data: st.DataObject) -> None:
    problem = data.draw(problems(most=6))
    changes = {} if data.draw(st.booleans()) else {"halo_reuse": False, "psum_first_visit": "read"}
    arch = machine(dataflow, 3, 3, **changes)
    imperfect = data.draw(st.booleans())
    kept = ["Inputs", "Outputs"] + (["Weights"] if dataflow in ("os", "is") else [])
    resident = data.draw(st.frozensets(st.sampled_from(kept)))
    partly = data.draw(shares(problem, resident))
    partly = tuple(share for share in partly if problem.bound[share.dim] in (2, 4))  # costs are whole numbers
    goal = data.draw(st.sampled_from(GOALS))
    found = Search(Request(problem, arch, goal, 2, imperfect=imperfect, resident=resident, partly=partly)).run()
    for candidate in found.best[:6]:
        assert problems_with(candidate.mapping, arch) == [] and candidate.mapping.resident == resident
        assert candidate.mapping.partly == partly
        counts = count(candidate.mapping, arch, rules_of(arch))
        assert candidate.cycles == latency_bound(candidate.mapping, arch, counts, 2)
        simulated = evaluate(candidate.mapping, arch, 2)
        assert simulated.energy_fj == candidate.energy_fj
        assert simulated.outcome.makespan >= candidate.cycles


SHIPPED = ("edge_os_32x32", "edge_tpu", "eyeriss", "eyeriss_v2", "gemmini_16x16", "nvdla_small", "scalesim_default",
           "shidiannao", "simba", "tpu_like", "tpu_v1")  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_candidates_on_shipped_machines_cost_what_the_other_readings_say(name: str) -> None:
    arch = load_arch(name)[0]
    depthwise = conv_problem(
        batch=1, groups=12, out_channels=1, in_channels=1, out_size=(9, 7), kernel=(3, 3), in_size=(18, 14),
        stride=(2, 2), pad=(1, 1),
    )  # fmt: skip
    for problem in (CONV, depthwise, gemm_problem(rows=6, cols=40, reduction=50)):
        for goal in GOALS:
            found = Search(Request(problem, arch, goal, 2, max_evaluations=100_000)).run()
            for candidate in found.best[:4]:
                counts = count(candidate.mapping, arch, rules_of(arch))
                assert candidate.cycles == latency_bound(candidate.mapping, arch, counts, 2)
                simulated = evaluate(candidate.mapping, arch, 2)
                assert simulated.energy_fj == candidate.energy_fj
                assert simulated.outcome.makespan >= candidate.cycles


def test_a_mapping_of_its_own_is_found_again() -> None:
    arch = load_arch("gemmini_16x16")[0]
    mapping = map_problem(CONV, arch).mapping
    found = Search(Request(CONV, arch, limit=Constraint.exactly(mapping))).run()
    assert [c.mapping for c in found.best] == [mapping]


def test_orders_that_change_no_cost_are_kept_as_asked() -> None:
    arch = load_arch("edge_tpu")[0]
    mapping = Mapping(
        CONV, "ws", (TileLevel("DRAM", ()), TileLevel("SRAM", (Loop("R", 3),))), (Loop("Q", 8), Loop("P", 8)),
        (Loop("M", 16, "col"), Loop("S", 3, "row"), Loop("C", 8, "row")),
    )  # fmt: skip
    found = Search(Request(CONV, arch, limit=Constraint.exactly(mapping))).run()
    assert [c.mapping for c in found.best] == [mapping]


def test_a_nest_outside_the_space_is_refused_with_its_place() -> None:
    arch = load_arch("edge_tpu")[0]
    twice = Rule("SRAM", loops=(Loop("P", 2), Loop("Q", 8), Loop("P", 4)))
    with pytest.raises(MappingError, match="SRAM: two loops over P; the searched space has one per dim and place"):
        Search(Request(CONV, arch, limit=Constraint((twice,)))).run()


def test_a_constraint_that_nothing_satisfies_is_an_error() -> None:
    arch = load_arch("edge_os_32x32")[0]
    with pytest.raises(MappingError, match="no spatial and PE loops on edge_os_32x32 satisfy the constraint"):
        Search(Request(CONV, arch, limit=Constraint((Rule("row", (("P", Factor(low=99)),)),))))


def stopped(most: int) -> Found:
    return Search(Request(CONV, load_arch("nvdla_small")[0], "edp", 1, max_evaluations=most)).run()


def test_a_search_cut_short_states_what_is_proven_and_repeats() -> None:
    full = stopped(1 << 40)
    assert full.proven
    few = full.boxes // 3
    short = stopped(few)
    again = stopped(few)
    assert short == again
    assert [c.mapping for c in short.best] == [c.mapping for c in again.best]
    assert short.boxes + short.evaluated <= few
    assert short.bound <= full.cost <= short.cost
    with pytest.raises(MappingError, match="no mapping found within 3 evaluations"):
        stopped(3)


@given(st.integers(1, 2**62), st.integers(1, 2**62), st.integers(1, 2**62), st.integers(0, 3))
def test_products_are_compared_exactly(a: int, b: int, c: int, near: int) -> None:
    for d in (max(1, min(2**62, a * b // c + near - 1)), b):
        assert cost_below(a, b, c, d) == (a * b < c * d)
    assert not cost_below(2**63 - 1, 2**63 - 1, 2**63 - 1, 2**63 - 1)
    assert cost_below(2**63 - 1, 2**63 - 2, 2**63 - 1, 2**63 - 1)


@given(st.integers(0, 2**40), st.integers(1, 10**9), st.integers(1, 10**9))
def test_dram_cycles_round_up_without_overflow(bits: int, num: int, den: int) -> None:
    if bits * num // den < 2**62:
        assert dram_cycles(bits, num, den) == -(-bits * num // den)


@given(st.integers(-(2**20), 2**30), st.integers(0, 2**50), st.integers(1, 2**16))
def test_the_larger_of_cycles_and_a_quotient_is_found(cycles: int, work: int, width: int) -> None:
    for near in (work, max(0, cycles * width), max(0, cycles * width + 1)):
        assert at_least(cycles, near, width) == max(cycles, -(-near // width))


@pytest.mark.parametrize("objective", GOALS)
def test_commands_change_what_a_mapping_takes_not_what_is_proven(objective: Objective) -> None:
    mapped = map_problem(CONV, load_arch("edge_os_32x32_lpddr4")[0], objective, 1)
    gap = mapped.gap(objective)
    assert mapped.energy_fj != mapped.counted_fj
    assert mapped.search is not None and mapped.search.proven
    assert gap is not None and gap >= 0


def test_zeros_change_what_a_mapping_takes_not_which_it_is() -> None:
    arch = load_arch("eyeriss")[0]
    dense, sparse = (map_problem(CONV, arch, "edp", 1, zeros=zeros) for zeros in (Zeros(), Zeros(400_000, 500_000)))
    assert dense.mapping == sparse.mapping
    assert dense.energy_fj == dense.counted_fj > sparse.energy_fj
    assert dense.gap("edp") is not None and sparse.gap("edp") is None


def test_a_nest_asked_of_a_stream_that_cannot_be_is_refused() -> None:
    """A row-stationary pass takes whole rows of the output one image after another, in no other order."""
    arch = load_arch("eyeriss")[0]
    two = conv_problem(batch=2, groups=1, out_channels=4, in_channels=2, out_size=(4, 4), kernel=(1, 1), in_size=(4, 4))
    limit = Constraint((Rule("stream", loops=(Loop("Q", 4), Loop("N", 2))),))
    with pytest.raises(MappingError, match=r"satisfies the constraint: stream: \[N 2, Q 4\], expected \[Q 4, N 2\]"):
        Search(Request(two, arch, limit=limit)).run()


def front_by_enumeration(problem: Problem, arch: Accelerator, most: int) -> list[tuple[int, int]] | None:
    """(energy, B) of all mappings that none beats in both, least energy first; None if there are too many mappings."""
    factors, mappings = Factors(), list(islice(every_mapping(problem, arch), most + 1))
    if len(mappings) > most:
        return None
    found = {pair for mapping in mappings if (pair := costs(mapping, arch, factors)) is not None}
    best: list[tuple[int, int]] = []
    for pair in sorted(found):
        if not best or pair[1] < best[-1][1]:
            best.append(pair)
    return best


def fronts_agree(seed: int, most: int) -> int:
    """Compare the searched front with the enumerated one on all machines; how many were compared."""
    rng, done = Random(seed), 0
    problem = random_problem(rng)
    for name, make in MACHINES.items():
        arch = make(rng.choice(CAPACITIES))
        wanted = front_by_enumeration(problem, arch, most)
        if not wanted:
            continue
        front = Search(Request(problem, arch, "edp", 1), front=True).front()
        assert front.proven
        assert [(p.energy_fj, p.cycles) for p in front.points] == wanted, (seed, name)
        assert all(costs(p.mapping, arch, Factors()) == (p.energy_fj, p.cycles) for p in front.points)
        done += 1
    return done


def test_fronts_equal_enumeration() -> None:
    assert sum(fronts_agree(seed, 200) for seed in range(16)) >= 14


@pytest.mark.slow
def test_fronts_equal_enumeration_of_many_problems() -> None:
    assert sum(fronts_agree(seed, 1500) for seed in range(100, 250)) >= 150


def test_a_front_ends_at_the_optima_and_may_be_cut_short() -> None:
    arch = load_arch("edge_tpu")[0]
    front = Search(Request(CONV, arch), front=True).front()
    lean, fast = (Search(Request(CONV, arch, goal)).run().cost for goal in ("energy", "latency"))
    assert (front.points[0].energy_fj, front.points[-1].cycles) == (lean, fast)
    edp = Search(Request(CONV, arch, "edp")).run().cost
    assert min(p.energy_fj * p.cycles for p in front.points) == edp
    short = Search(Request(CONV, arch, max_evaluations=3000), front=True).front()
    assert not short.proven
    with pytest.raises(MappingError, match="no mapping found within 1 evaluations"):
        Search(Request(CONV, arch, max_evaluations=1), front=True).front()


def certified(seed: int, goal: Objective, changes: dict[str, object]) -> int:
    """Search on the machines and have the boxes prove what it found; how many problems were."""
    rng, done = Random(seed), 0
    problem = sliding_problem(rng)
    for make in MACHINES.values():
        arch = replace(make(rng.choice((200, *CAPACITIES))), **changes)
        search = Search(Request(problem, arch, goal, 1))
        try:
            found = search.run()
        except MappingError:
            continue
        claim = certify(Question(problem, arch, goal, 1), search.incumbent().mapping)
        assert claim.cost == claim.bound == found.cost
        check(claim)
        done += 1
    return done


def sliding_problem(rng: Random) -> Problem:
    """A convolution whose windows overlap in one way or another, with enough channels to sweep again."""
    kernel, out = (rng.choice([1, 2, 3]), rng.choice([2, 3, 5])), (rng.choice([1, 2, 4, 8]), rng.choice([2, 4, 8]))
    stride, dilation, pad = (rng.choice([1, 2]), rng.choice([1, 2])), (1, rng.choice([1, 2])), (rng.choice([0, 1]), 0)
    sides = zip(out, stride, kernel, dilation, pad, strict=True)
    return conv_problem(
        batch=1, groups=rng.choice([1, 1, 2]), out_channels=rng.choice([2, 4]), in_channels=rng.choice([2, 4, 8]),
        out_size=out, kernel=kernel, stride=stride, dilation=dilation, pad=pad,
        in_size=tuple(max(1, (o - 1) * s + (k - 1) * d + 1 - 2 * p) for o, s, k, d, p in sides),
    )  # fmt: skip


def test_boxes_prove_what_the_search_finds() -> None:
    rough: dict[str, object] = {"halo_reuse": False, "psum_first_visit": "read"}
    for seed, goal in enumerate(GOALS):
        assert certified(seed, goal, {}) + certified(seed, goal, rough) >= 4


@pytest.mark.slow
def test_boxes_prove_what_the_search_finds_on_many_problems() -> None:
    for seed in range(40):
        for goal in GOALS:
            certified(1000 + seed, goal, {"halo_reuse": bool(seed % 3)})


def test_an_order_that_keeps_the_overlap_of_windows_is_found() -> None:
    """P moves outside S: Q's tiles overlap those of the next S (stride and dilation 2), so M C P S Q is the best."""
    problem = conv_problem(
        batch=1, groups=1, out_channels=4, in_channels=4, out_size=(8, 2), kernel=(3, 5), in_size=(10, 11),
        stride=(1, 2), dilation=(1, 2),
    )  # fmt: skip
    assert least(problem, MACHINES["acc"](200), "latency") == 5264
