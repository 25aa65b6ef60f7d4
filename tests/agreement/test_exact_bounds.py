"""Bounds of nodes and cores of the exact search, against mappings drawn at random from inside them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

import numpy as np
import pytest

from accelsim.arch import Accelerator
from accelsim.errors import MappingError
from accelsim.lookup import load_arch
from accelsim.mapper.exact.borders import set_border
from accelsim.mapper.exact.branch import evaluate, take
from accelsim.mapper.exact.context import mapping_of
from accelsim.mapper.exact.cores import core_floor, enter_core, least_outside
from accelsim.mapper.exact.floors import firm_energy, guess, lower, make_firm, set_reloads
from accelsim.mapper.exact.kernel import exact_points, first_tiles, spend
from accelsim.mapper.exact.latency import bound_of
from accelsim.mapper.exact.record import NDIM, Array
from accelsim.mapper.exact.run import Search
from accelsim.mapper.exact.search import Request
from accelsim.mapper.exact.space import divisors
from accelsim.mapper.exact.trips import divisors_of, options_of
from accelsim.mapping import rules_of
from accelsim.problem import Problem, gemm_problem
from accelsim.timing.sums import latency_bound
from accelsim.traffic import count as count_of
from tests.agreement.exact_cases import CAPACITIES, MACHINES, edge_case, random_problem, uneven_sums
from tests.agreement.test_exact_mapper import CONV, sliding_problem


@dataclass(frozen=True)
class Drawn:
    """A mapping of the space that fits, as the search's record holds it, with its exact energy and B."""

    search: Search
    core: int
    energy: int
    cycles: int


def drawn(search: Search, rng: Random) -> Drawn | None:
    """A random core, trips and orders; None if its tiles do not fit."""
    task = search.task
    r, core = task.record, rng.randrange(search.order.size)
    enter_core(r, core, task.cores, task.tables, task.keys)
    slots = int(r["slots"])
    for d in range(NDIM):
        for k in range(slots):
            left = int(r["left"][k, d])
            mine, later = r["allowed"][k, d], bool(r["later"][k + 1, d])
            inside = left if later else 1
            if mine and later:
                free = k == 0 and search.request.imperfect
                inside = rng.choice(list(range(1, left + 1)) if free else divisors(left))
            set_border(r, k + 1, d, inside)
    for k in range(slots):
        line = [d for d in range(NDIM) if r["trips"][k, d] > 1]
        if k < slots - 1:
            rng.shuffle(line)
        else:
            line = [int(d) for d in r["stream_order"][int(r["uneven"])] if d in line]
        r["order"][k, : len(line)], r["length"][k] = line, len(line)
    for k in range(slots):
        exact_points(r, k + 1)
    good, energy, cycles = evaluate(r)
    return Drawn(search, core, int(energy), int(cycles)) if good else None


def check_nodes(found: Drawn) -> None:
    """No border's bound is above the mapping, whether the order of its slot is known or not."""
    r = found.search.task.record
    for k in range(int(r["slots"]) - 1):
        length, order = int(r["length"][k]), [int(d) for d in r["order"][k]]
        r["dims"][k, :length] = sorted(order[:length])
        guess(r, k, length)
        first_tiles(r, k + 1)
        assert any(below(found, k + 1, choice) for choice in range(4) if take(r, choice)), (k, "any order")
        set_reloads(r, k)
        exact_points(r, k + 1)
        lower(r, k + 1)
        assert below(found, k + 1, -1), (k, order[:length])


def below(found: Drawn, border: int, choice: int) -> bool:
    """Are energy and B of the node not above those of the mapping?"""
    r: Array = found.search.task.record
    make_firm(r, border, choice)
    energy = firm_energy(r, border)
    spend(r, r["firm"])
    good: bool = energy <= found.energy and bound_of(r, r["firm"], border) <= found.cycles
    return good


def check_core(found: Drawn) -> None:
    """The bound of the whole core, with what its memories take at least, is not above the mapping."""
    task, r = found.search.task, found.search.task.record
    most = max(task.model.problem.bound.values())
    options, numbers = np.empty((NDIM, most), np.int64), np.empty((NDIM, most), np.int64)
    count, known = np.zeros(NDIM, np.int64), np.zeros(NDIM, np.int64)
    divisors_of(r, numbers, known)
    for d in range(NDIM):
        count[d] = options_of(r, 0, d, task.trips_ok, numbers[d], known[d], options[d])
    least = least_outside(r, options, count)
    floors = [core_floor(r, stays, least) for stays in range(3)]
    assert any(energy <= found.energy and cycles <= found.cycles for energy, cycles in floors), found.core


def check(problem: Problem, arch: Accelerator, rng: Random, draws: int, imperfect: bool = False) -> int:
    """Draw mappings and check all nodes around them; how many fit."""
    try:
        search = Search(Request(problem, arch, "edp", 1, imperfect=imperfect))
    except MappingError:
        return 0
    fitting = 0
    for _ in range(draws):
        found = drawn(search, rng)
        if found is not None:
            fitting += 1
            r = search.task.record
            mapping = mapping_of(search.task, found.core, r["ext"], r["order"], r["length"])
            counts = count_of(mapping, arch, rules_of(arch))
            assert latency_bound(mapping, arch, counts, 1) == found.cycles
            check_nodes(found)
            check_core(found)
    return fitting


def agree(seed: int, draws: int) -> int:
    """Small machines whose memories bind, with every rule of counting; how many mappings were checked."""
    rng, fitting = Random(seed), 0
    rough = {"halo_reuse": bool(seed % 2), "psum_first_visit": rng.choice(["read", "write"])}
    for make in MACHINES.values():
        arch = replace(make(rng.choice(CAPACITIES)), **rough)
        problem = rng.choice([random_problem, sliding_problem, product_problem])(rng)
        fitting += check(problem, arch, rng, draws, imperfect=rng.random() < 0.3)
    problem, arch = edge_case(rng)
    return fitting + check(problem, arch, rng, draws)


def product_problem(rng: Random) -> Problem:
    """A matrix product, of which no window slides."""
    return gemm_problem(rows=rng.choice([4, 6, 12]), cols=rng.choice([4, 8, 9]), reduction=rng.choice([4, 6, 16]))


def test_no_bound_is_above_a_mapping_inside() -> None:
    assert sum(agree(seed, 12) for seed in range(40)) >= 400


@pytest.mark.slow
def test_no_bound_is_above_many_mappings_inside() -> None:
    assert sum(agree(10_000 + seed, 40) for seed in range(200)) >= 8000


def test_no_bound_is_above_a_mapping_behind_adder_trees() -> None:
    arch = MACHINES["tree"](1600)
    assert sum(check(uneven_sums(Random(k)), arch, Random(k), 20, k % 3 == 0) for k in range(30)) >= 300


@pytest.mark.parametrize(
    "name", ["eyeriss", "scalesim_default", "scalesim_eyeriss", "simba", "tpu_like", "gemmini_16x16"]
)
def test_no_bound_is_above_a_mapping_on_shipped_machines(name: str) -> None:
    rng, arch = Random(name), load_arch(name)[0]
    problems = (CONV, gemm_problem(rows=96, cols=120, reduction=128))
    assert sum(check(problem, arch, rng, 60) for problem in problems) >= 20
