"""Random legal mappings of small problems on any machine, pooling included."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from hypothesis import assume, reject
from hypothesis import strategies as st

from accelsim.arch import Accelerator
from accelsim.errors import MappingError
from accelsim.lookup import list_archs, load_arch
from accelsim.mapping import Loop, Mapping, TileLevel
from accelsim.mapping.legality import problems_with
from accelsim.mapping.templates import Core, cores
from accelsim.problem import DIMS, Problem, pool_problem
from tests.agreement.machines import problems

MACHINES = sorted(list_archs())


@cache
def shipped(name: str) -> Accelerator:
    return load_arch(name)[0]


@st.composite
def pools(draw: st.DrawFn) -> Problem:
    size, kernel = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    return pool_problem(
        draw(st.sampled_from(("max", "avg", "lp"))), batch=draw(st.integers(1, 2)), channels=draw(st.integers(1, 6)),
        out_size=(size, size), kernel=(kernel, kernel), in_size=(size + kernel - 1,) * 2,
    )  # fmt: skip


@st.composite
def legal_nests(draw: st.DrawFn, arch: Accelerator) -> Mapping:
    """A core of the machine's dataflow, with what is left split at random over its memories: remainders, loops of one
    trip, several loops over a dim at one level, any order. A pooling nest streams."""
    pooling = draw(st.integers(0, 4)) == 0
    problem = draw(pools() if pooling else problems())
    inside = Core((), (), ()) if pooling else draw(st.sampled_from(cores(problem, arch)))
    names = ["DRAM", *(memory.name for memory in arch.memories)]
    slots: dict[str, list[Loop]] = {name: [] for name in (*names, "stream")}
    for dim in DIMS:
        left = -(-problem.bound[dim] // inside.extent(dim))
        inner = ["stream", *reversed(names[1:])] if pooling else list(reversed(names[1:]))
        for name in (*inner, *inner):
            trips = draw(st.integers(1, min(3, left)))
            if trips > 1 or draw(st.integers(0, 9)) == 0:
                slots[name].append(Loop(dim, trips))
            left = -(-left // trips)
        slots["DRAM"] += [Loop(dim, left)] if left > 1 else []
    order = {name: tuple(draw(st.permutations(loops))) for name, loops in slots.items()}
    stream = order["stream"] if pooling else inside.stream
    levels = tuple(TileLevel(name, order[name]) for name in names)
    resident = frozenset({"Weights"} if not pooling and draw(st.booleans()) else ())
    try:
        found = Mapping(problem, arch.array.dataflow, levels, stream, inside.spatial, inside.pe, resident)
    except MappingError:  # loops over one dim came in an order that leaves iterations beyond its bound
        reject()
    if problems_with(found, arch):
        found = replace(found, resident=frozenset())
    assume(not problems_with(found, arch))
    return found
