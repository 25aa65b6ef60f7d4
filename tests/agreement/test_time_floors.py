"""No mapped layer takes fewer cycles than its PEs need for its MACs, or than any port needs for its own words."""

from __future__ import annotations

from functools import cache
from math import prod

import pytest

from accelsim import atlas
from accelsim.arch import Accelerator
from accelsim.lookup import list_archs, load_arch, load_model
from accelsim.mapper.objective import OBJECTIVES, Objective
from accelsim.mapper.search import Mapped, map_problem
from accelsim.traffic.bits import link_bits

MODELS = ("resnet18", "mobilenet_v2", "rnn")


@cache
def tasks(model: str, name: str) -> list[atlas.Task]:
    return atlas.tasks_of(load_model(model, 1)[0], load_arch(name)[0], vector_work=False)


def steps(mapped: Mapped) -> int:
    """Cycles of the PEs that the mapping uses, one MAC each."""
    mapping = mapped.mapping
    return prod(-(-bound // (mapping.array_extent[d] // mapping.pe_extent[d])) for d, bound in mapping.problem.bounds)


def floors(mapped: Mapped, arch: Accelerator) -> dict[str, int]:
    """What each part of the machine needs by itself, in cycles rounded up."""
    moved = {memory: [0, 0] for memory in ("DRAM", *(m.name for m in arch.memories))}
    for count in mapped.counts:
        for way, bits in enumerate(link_bits(arch, count)):
            moved[count.parent][way] += bits
    found = {"PEs": steps(mapped), "DRAM": -(-sum(moved["DRAM"]) * arch.clock_hz // arch.dram.bandwidth_bits_per_s)}
    for memory in arch.memories:
        reads, writes = moved[memory.name]
        found[f"{memory.name} read"] = -(-reads // memory.read_bits_per_cycle)
        found[f"{memory.name} write"] = -(-writes // memory.write_bits_per_cycle)
    return found


def check(model: str, name: str, every: int, goals: tuple[Objective, ...]) -> int:
    """Map every n-th distinct layer, small ones first, for these objectives; how many mappings were looked at."""
    arch, done = load_arch(name)[0], 0
    for task in sorted(tasks(model, name), key=lambda task: task.problem.macs)[::every]:
        for objective in goals:
            mapped = map_problem(task.problem, arch, objective)
            for part, cycles in floors(mapped, arch).items():
                assert mapped.outcome.makespan >= cycles, (task.name, objective, part)
            done += 1
    return done


@pytest.mark.parametrize("name", list(list_archs()))
def test_some_layers_take_no_less_than_their_parts(name: str) -> None:
    assert sum(check(model, name, 13, ("latency",)) for model in MODELS) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", list(list_archs()))
def test_all_layers_take_no_less_than_their_parts(name: str, model: str) -> None:
    assert check(model, name, 1, OBJECTIVES) == len(OBJECTIVES) * len(tasks(model, name))
