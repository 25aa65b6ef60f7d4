"""Small machines whose capacities bind, every mapping of the stated space without bounds, and the search of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice, permutations, product
from random import Random
from typing import Any

from accelsim.arch import Accelerator, Hold, MemoryLevel
from accelsim.energy import array_traffic, energy_fj
from accelsim.errors import MappingError
from accelsim.mapper.exact.run import Search
from accelsim.mapper.exact.search import Request
from accelsim.mapper.exact.space import Cores, Slot, cores_of, divisors, slots_of
from accelsim.mapper.objective import objective_cost
from accelsim.mapping import Loop, Mapping, TileLevel, rules_of
from accelsim.mapping.constraint import ANYTHING, ONE, Constraint, Rule
from accelsim.mapping.legality import problems_with
from accelsim.mapping.shares import Share
from accelsim.mapping.types import Kind
from accelsim.problem import DIMS, Problem, conv_problem
from accelsim.timing.sums import latency_bound
from accelsim.traffic import Factors, count, stored_words
from tests.agreement.machines import machine

GOALS = ("edp", "energy", "latency")
CAPACITIES = (400, 800, 1600, 4000)


def tight(dataflow: str, bits: int, **changes: Any) -> Accelerator:
    """A 3 x 3 machine whose one buffer holds so few bits."""
    arch = machine(dataflow, 3, 3)
    glb = replace(arch.memories[0], capacity_bits=bits)
    spads = tuple(replace(s, words={"Inputs": 6, "Weights": 12, "Outputs": 4}[s.operand]) for s in arch.array.spads)
    if dataflow != "rs":
        spads = arch.array.spads
    fields: dict[str, Any] = {"memories": (glb,), "array": replace(arch.array, spads=spads), **changes}
    return replace(arch, **fields)


def two_levels(bits: int) -> Accelerator:
    """Weight stationary with accumulators and double buffered weights: four places for loops."""
    arch = machine("ws", 3, 3)
    buffer = MemoryLevel("GLB", bits, (Hold("Inputs", 2), Hold("Weights", 2), Hold("Outputs", 1)), 32, 32, 10, 12)
    sums = MemoryLevel("ACC", bits // 2, (Hold("Outputs", 2),), 64, 64, 5, 6, psum_only=True)
    return replace(arch, memories=(buffer, sums), array=replace(arch.array, weight_double_buffer=True))


MACHINES: dict[str, Callable[[int], Accelerator]] = {
    "ws": lambda bits: tight("ws", bits),
    "os": lambda bits: tight("os", bits),
    "rs": lambda bits: tight("rs", bits),
    "acc": two_levels,
    "tree": lambda bits: tight("tree", bits),
    "cast": lambda bits: tight("cast", bits),
}


def _splits(total: int, places: int) -> Iterator[tuple[int, ...]]:
    """Ordered factorisations of a number of folds."""
    if places == 1:
        yield (total,)
        return
    for first in divisors(total):
        for rest in _splits(total // first, places - 1):
            yield (first, *rest)


NAMED = Constraint((Rule("pe", (("O", ONE),)),))
"""No restriction, but of a search that is told nothing: dims that are alike are told apart."""


def every_mapping(problem: Problem, arch: Accelerator, wide: bool = False) -> Iterator[Mapping]:
    """All mappings of the space, with all permutations of all loops outside the stream.

    `wide`: bands over dims that are alike, too, and beside bands all permutations of the stream.
    """
    slots = slots_of(arch, problem)
    cores = cores_of(problem, arch, NAMED if wide else ANYTHING)
    for core in range(cores.size):
        per_dim = []
        for d, dim in enumerate(DIMS):
            folds = -(-problem.bound[dim] // int(cores.extent[core, d]))
            mine = []
            for split in _splits(folds, len(slots)):
                legal = all(t == 1 or dim in slot.dims for t, slot in zip(split, slots, strict=True))
                if arch.array.dataflow == "rs" and dim == "Q" and split[-1] != folds:
                    legal = False
                if legal:
                    mine.append(split)
            per_dim.append(mine)
        for choice in product(*per_dim):
            yield from _ordered(problem, arch, cores, core, slots, choice, wide)


def _ordered(
    problem: Problem, arch: Accelerator, cores: Cores, core: int, slots: tuple[Slot, ...],
    choice: tuple[tuple[int, ...], ...], wide: bool,
) -> Iterator[Mapping]:  # fmt: skip
    loops = [[(d, split[k]) for d, split in zip(DIMS, choice, strict=True) if split[k] > 1] for k in range(len(slots))]
    tables: tuple[tuple[Kind, Any], ...] = (
        ("diagonal", cores.diagonal), ("row", cores.row), ("col", cores.col), ("band", cores.band),
    )  # fmt: skip
    spatial = [
        Loop(DIMS[d], int(table[core, d]), kind)
        for kind, table in tables for d in range(len(DIMS)) if table[core, d] > 1
    ]  # fmt: skip
    pe = tuple(Loop(DIMS[d], int(cores.pe[core, d])) for d in range(len(DIMS)) if cores.pe[core, d] > 1)
    order = {d: i for i, d in enumerate(slots[-1].dims)}
    stream = tuple(Loop(d, t) for d, t in sorted(loops[-1], key=lambda pair: order[pair[0]]))
    streams = list(permutations(stream)) if wide and (cores.band[core] > 1).any() else [stream]
    for *lines, stream in product(*(permutations(line) for line in loops[:-1]), streams):
        by = {slot.memory: tuple(Loop(d, t) for d, t in line) for slot, line in zip(slots, lines, strict=False)}
        levels = (TileLevel("DRAM", by["DRAM"]), *(TileLevel(m.name, by.get(m.name, ())) for m in arch.memories))
        yield Mapping(problem, arch.array.dataflow, levels, stream, tuple(spatial), pe)


def costs(mapping: Mapping, arch: Accelerator, factors: Factors) -> tuple[int, int] | None:
    """(energy, B) of a mapping by the readings that the search does not use; None if it does not fit."""
    if problems_with(mapping, arch):
        return None
    counts = count(mapping, arch, rules_of(arch), factors)
    macs = mapping.problem.macs
    ops = stored_words(mapping.problem.output, mapping)
    energy = sum(energy_fj(array_traffic(counts, arch, macs), arch, macs, ops).values())
    return energy, latency_bound(mapping, arch, counts, 1)


def random_sides(rng: Random) -> dict[str, Any]:
    """Sizes of a convolution small enough to enumerate, with every kind of border."""
    kernel = rng.choice([1, 1, 2, 3]), rng.choice([1, 1, 2])
    stride, dilation = (rng.choice([1, 1, 2]), rng.choice([1, 2])), (rng.choice([1, 1, 2]), 1)
    pad, out = (rng.choice([0, 0, 1]), rng.choice([0, 1])), (rng.choice([1, 2, 3, 4]), rng.choice([1, 2, 3]))
    sides = zip(out, stride, kernel, dilation, pad, strict=True)
    return {
        "batch": rng.choice([1, 1, 2]), "groups": rng.choice([1, 1, 1, 2]), "out_channels": rng.choice([1, 2, 4, 5]),
        "in_channels": rng.choice([1, 2, 4]), "out_size": out, "kernel": kernel, "stride": stride,
        "dilation": dilation, "pad": pad,
        "in_size": tuple(max(1, (o - 1) * s + (k - 1) * d + 1 - 2 * p) for o, s, k, d, p in sides),
    }  # fmt: skip


def random_problem(rng: Random) -> Problem:
    """A convolution of `random_sides`."""
    return conv_problem(**random_sides(rng))


def uneven_sums(rng: Random) -> Problem:
    """A convolution whose sums leave remainders on few rows: joined PEs idle in the last step lose what they hold."""
    kernel, out = (rng.choice([2, 3]), rng.choice([1, 2])), (rng.choice([1, 2]), rng.choice([1, 2, 3]))
    return conv_problem(
        batch=1, groups=rng.choice([1, 1, 2]), out_channels=rng.choice([1, 2, 4, 5]), in_channels=rng.choice([4, 5, 7]),
        out_size=out, kernel=kernel, in_size=(out[0] + kernel[0] - 1, out[1] + kernel[1] - 1),
    )  # fmt: skip


def edge_case(rng: Random) -> tuple[Problem, Accelerator]:
    """A problem whose dims leave remainders on a small row-stationary array: PEs idle there lose what they hold."""
    problem = conv_problem(
        batch=rng.choice([1, 2, 3]), groups=rng.choice([1, 1, 2]), out_channels=rng.choice([1, 2, 3, 4]),
        in_channels=rng.choice([1, 2, 3]), out_size=(rng.choice([3, 4, 5]), rng.choice([1, 1, 2])),
        kernel=(rng.choice([1, 1, 2]), 1), in_size=(9, 2), pad=(rng.choice([0, 1]), 0),
    )  # fmt: skip
    arch = tight("rs", rng.choice(CAPACITIES))
    array = replace(arch.array, rows=rng.choice([2, 3]), cols=rng.choice([2, 3]))
    first, halo = rng.choice(["read", "write"]), rng.choice([True, False])
    return problem, replace(arch, array=array, psum_first_visit=first, halo_reuse=halo)


def enumerated(
    problem: Problem, arch: Accelerator, most: int, resident: frozenset[str] = frozenset(),
    limit: Constraint = ANYTHING, partly: tuple[Share, ...] = (),
) -> dict[str, int] | None:  # fmt: skip
    """The least cost by objective over all mappings that are allowed (none if none fits); None if the space has more
    than `most`."""
    best: dict[str, int] = {}
    factors = Factors()
    mappings = list(islice(every_mapping(problem, arch, wide=True), most + 1))
    if len(mappings) > most:
        return None
    for mapping in mappings:
        kept = replace(mapping, resident=resident, partly=partly)
        found = costs(kept, arch, factors) if limit.allows(mapping) else None
        for goal in GOALS if found else ():
            assert found is not None
            value = objective_cost(goal, *found)
            best[goal] = min(best.get(goal, value), value)
    return best


def least(problem: Problem, arch: Accelerator, goal: str, **changes: Any) -> int | None:
    """The optimum that the search proves, None if nothing fits."""
    try:
        found = Search(replace(Request(problem, arch, goal, 1), **changes)).run()
    except MappingError:
        return None
    assert found.proven
    return found.cost
