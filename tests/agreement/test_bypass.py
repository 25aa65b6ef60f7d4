"""Operands that may pass by a memory: do search and enumeration, counts, walk, simulation and executors still agree?"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random

import pytest

from accelsim import atlas
from accelsim.arch import Accelerator, Hold, MemoryLevel
from accelsim.arch.choices import forms
from accelsim.certify.proof import check
from accelsim.errors import CutShort, MappingError
from accelsim.formats.mapping_cache import MappingCache
from accelsim.formats.mapping_yaml import parse_constraints, parse_mapping, write_mapping
from accelsim.formats.nest_text import parse_nest
from accelsim.graph import Network
from accelsim.lookup import load_arch
from accelsim.mapper.evaluate import evaluate
from accelsim.mapper.exact.joint import search_forms
from accelsim.mapper.exact.run import Search
from accelsim.mapper.exact.search import Request
from accelsim.mapper.search import Objective, map_problem
from accelsim.mapping import rules_of
from accelsim.mapping.constraint import Constraint
from accelsim.mapping.text import nest_text, normal
from accelsim.pipeline import Run, run
from accelsim.plan import Options
from accelsim.problem import Problem, gemm_problem
from accelsim.proof import verify
from accelsim.sim import oracle
from accelsim.walk import walk
from tests.agreement.exact_cases import GOALS, enumerated, random_problem
from tests.agreement.machines import machine


def deep(bits: int, dataflow: str = "os", names: tuple[str, ...] = ("Inputs", "Weights", "Outputs")) -> Accelerator:
    """A large memory that operands may pass by, before a small one."""
    arch = machine(dataflow, 3, 3)
    outer = MemoryLevel(
        "L2",
        4 * bits,
        tuple(Hold(op, 1, "tile", op in names) for op in ("Inputs", "Outputs", "Weights")),
        32,
        32,
        90,
        95,
    )
    inner = MemoryLevel("L1", bits, tuple(Hold(op, 2) for op in ("Inputs", "Outputs", "Weights")), 64, 64, 10, 12)
    return replace(arch, memories=(outer, inner))


def best_of_all(problem: Problem, arch: Accelerator, most: int) -> dict[str, int | None] | None:
    """The least objective over every mapping of every form; None if there are too many."""
    tables = [enumerated(problem, form, most) for form in forms(arch)]
    if any(table is None for table in tables):
        return None
    found: dict[str, int | None] = {}
    for goal in GOALS:
        values = [table[goal] for table in tables if table is not None and table.get(goal) is not None]
        found[goal] = min(values) if values else None
    return found


def agree(seed: int, most: int) -> bool:
    rng = Random(seed)
    problem = random_problem(rng)
    arch = deep(rng.choice([400, 800, 1600]), rng.choice(["ws", "os"]), (rng.choice(["Inputs", "Weights"]), "Outputs"))
    best = best_of_all(problem, arch, most)
    if best is None:
        return False
    for goal in GOALS:
        try:
            search = map_problem(problem, arch, goal, 1).search
        except MappingError:
            assert best[goal] is None, seed
            continue
        assert search is not None and search.proven
        assert search.cost == best[goal], (seed, goal)
    return True


def test_search_over_all_forms_equals_enumeration() -> None:
    assert sum(agree(seed, 300) for seed in range(60)) >= 8


@pytest.mark.slow
def test_search_over_all_forms_equals_enumeration_on_many() -> None:
    assert sum(agree(seed, 600) for seed in range(60, 300)) >= 30


@pytest.mark.parametrize("dataflow", ["ws", "os", "is"])
def test_every_form_is_counted_timed_and_computed(dataflow: str) -> None:
    problem = gemm_problem(rows=9, cols=8, reduction=12)
    arch = deep(2000, dataflow)
    seen = set()
    for form in forms(arch):
        limit = Constraint(bypass=form.bypassed)
        mapped = map_problem(problem, arch, "energy", 1, limit=limit)
        assert mapped.mapping.bypass == form.bypassed and mapped.arch == form
        seen.add(mapped.mapping.bypass)
        assert walk(mapped.mapping, form, rules_of(form)) == mapped.counts
        passed = {(c.operand, c.parent, c.child) for c in mapped.counts}
        for memory, operand in form.bypassed:
            assert not any(operand == o and memory in (a, b) for o, a, b in passed)
        simulated = mapped.simulated
        assert {(c.operand, c.parent, c.child): (c.reads, c.psum_writes, c.final_writes) for c in mapped.counts} == (
            simulated.carried
        )
        assert oracle.run(simulated.stream, form.dram, form.clock_hz).summary == simulated.outcome
    assert len(seen) == 8


def test_a_choice_never_costs_anything() -> None:
    """The best over all forms is at least as good as with everything kept, and somewhere better."""
    better = 0
    for bits, goal in product((600, 1500), GOALS):
        arch = deep(bits)
        problem = gemm_problem(rows=24, cols=20, reduction=30)
        free = map_problem(problem, arch, goal)
        kept = map_problem(problem, forms(arch)[0], goal)
        assert free.search is not None and kept.search is not None
        assert free.search.cost <= kept.search.cost and free.cost(goal) <= kept.cost(goal)
        better += free.cost(goal) < kept.cost(goal)
        costs = [found.cost for form in forms(arch) if (found := map_problem(problem, form, goal).search) is not None]
        assert free.search.cost == min(costs)
    assert better > 0


def test_texts_say_what_passes_by_and_read_back() -> None:
    problem, arch = gemm_problem(rows=9, cols=8, reduction=12), deep(2000)
    past = frozenset({("L2", "Weights"), ("L2", "Inputs")})
    mapped = map_problem(problem, arch, "energy", limit=Constraint(bypass=past))
    text = nest_text(mapped.mapping, mapped.arch)
    assert "; passed by: Inputs, Weights" in text
    assert parse_nest(text, problem, arch) == normal(mapped.mapping, arch)
    written = write_mapping(mapped.mapping)
    assert "bypass: {L2: [Inputs, Weights]}" in written
    assert parse_mapping(written, problem, arch, "m.yaml") == normal(mapped.mapping, arch)
    limit = parse_constraints(written, "m.yaml", arch)["*"]
    assert limit.bypass == past
    again = map_problem(problem, arch, "energy", limit=limit)
    assert normal(again.mapping, arch) == normal(mapped.mapping, arch)
    with pytest.raises(MappingError, match="no operand may pass by"):
        map_problem(problem, forms(arch)[0], "energy", limit=limit)


def test_mappings_of_a_form_are_kept_on_disk(tmp_path: Path) -> None:
    problem, arch = gemm_problem(rows=9, cols=8, reduction=12), deep(1200)
    library = MappingCache(tmp_path)
    first = map_problem(problem, arch, "edp", library=library)
    assert len(list(tmp_path.rglob("*.json"))) == 1
    second = map_problem(problem, arch, "edp", library=library)
    assert (second.mapping, second.search) == (first.mapping, first.search)


def test_certificates_are_made_for_every_form() -> None:
    arch = deep(4000, "os", ("Weights",))
    task = atlas.Task("fc", gemm_problem(rows=6, cols=5, reduction=8), 1, Constraint())
    claims = atlas.claims_of(task, arch, "energy")
    assert [claim.question.arch.bypassed for claim in claims] == [form.bypassed for form in forms(arch)]
    for claim in claims:
        check(claim)
    best = map_problem(task.problem, arch, "energy", 1)
    assert best.search is not None and best.search.cost == min(claim.cost for claim in claims)
    front = atlas.front_of(task, arch)
    energies, cycles = [p.energy_fj for p in front.points], [p.bound_cycles for p in front.points]
    assert energies == sorted(energies) and cycles == sorted(cycles, reverse=True) and front.proven
    assert energies[0] == best.search.energy_fj
    assert atlas.size_of(task, arch) == tuple(
        map(sum, zip(*(atlas.size_of(task, f) for f in forms(arch)), strict=True))
    )


def test_values_through_every_form() -> None:
    """A small network on a machine with choices: run under all laws, verified exactly, whatever passes by."""
    arch = replace(load_arch("tpu_v4i")[0], name="deep")
    small = tuple(replace(m, capacity_bits=bits) for m, bits in zip(arch.memories, (1 << 15, 1 << 13), strict=True))
    arch = replace(arch, memories=small, array=replace(arch.array, rows=8, cols=8))
    net = Network("net", batch=1)
    x = net.relu(net.conv(net.input(3, 12, 12), 16, 3, stride=2, pad=1))
    y = net.relu(net.conv(x, 16, 3, pad=1, groups=16))
    graph = net.build(net.linear(net.flatten(net.add(x, net.conv(y, 16, 1))), 40))
    seen = set()
    for schedule in ("layerwise", "network"):
        runs: list[Run] = []
        run(arch, graph, Options("energy", schedule=schedule), on_run=runs.append)
        seen |= {p.mapped.mapping.bypass for plan in runs[0].plans for p in plan.parts if p.on_array and p.mapped}
        assert verify(arch, graph, options=Options("energy", schedule=schedule)).exact
    assert len(seen) > 1


def test_work_is_evaluated_in_the_form_of_its_mapping() -> None:
    problem, arch = gemm_problem(rows=9, cols=8, reduction=12), deep(2000)
    mapped = map_problem(problem, arch, "energy")
    assert evaluate(mapped.mapping, arch, 0).counts == mapped.counts


def test_a_form_that_is_cut_short_is_not_left_out_of_a_proof() -> None:
    """With so few evaluations nothing is found; that is an error, not a proof over the other forms."""
    with pytest.raises(CutShort, match="no mapping found within 2 evaluations"):
        map_problem(gemm_problem(rows=24, cols=20, reduction=30), deep(1500), "energy", max_evaluations=2)


@pytest.mark.parametrize("goal", GOALS)
def test_forms_searched_together_prove_what_each_proves_alone(goal: Objective) -> None:
    """The first knows nothing of the others, the others begin with what it found; cut short they claim no more."""
    better = cut = 0
    for bits in (600, 1500, 4000):
        request = Request(gemm_problem(rows=24, cols=20, reduction=30), deep(bits), goal, 1)
        alone = [Search(replace(request, arch=form)).run() for form in forms(request.arch)]
        least = min(found.cost for found in alone)
        joint = search_forms(request)
        assert (joint.found.cost, joint.found.proven, len(joint.searches)) == (least, True, len(alone))
        assert joint.found.cores == sum(found.cores for found in alone)
        better += joint.found.boxes < sum(found.boxes for found in alone)
        assert [c.promise for c in joint.found.best] == sorted(c.promise for c in joint.found.best)
        for most in (250, 500, 1000, 2000):
            try:
                short = search_forms(replace(request, max_evaluations=most)).found
            except CutShort:
                continue
            assert short.bound <= least <= short.cost
            cut += not short.proven
    assert better == 3 and cut > 0
