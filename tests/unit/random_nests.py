"""Random legal mappings of small problems on any machine, pooling included."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import prod
from typing import Any

from hypothesis import assume, reject
from hypothesis import strategies as st

from accelsim.arch import Accelerator
from accelsim.errors import MappingError
from accelsim.lookup import list_archs, load_arch
from accelsim.mapper.exact.space import STREAMS, cores_of
from accelsim.mapping import Loop, Mapping, TileLevel
from accelsim.mapping.legality import problems_with
from accelsim.mapping.types import Kind
from accelsim.problem import DIMS, Problem, pool_problem
from tests.agreement.machines import problems, shares

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
def insides(draw: st.DrawFn, problem: Problem, arch: Accelerator) -> tuple[tuple[Loop, ...], ...]:
    """(stream, spatial, PE) loops of a core of the machine's dataflow; the stream takes any part of what is left."""
    cores = cores_of(problem, arch)
    number = draw(st.integers(0, cores.size - 1))

    def loops(kind: Kind, table: Any) -> tuple[Loop, ...]:
        return tuple(Loop(d, int(f), kind) for d, f in zip(DIMS, table[number], strict=True) if f > 1)

    spatial = loops("diagonal", cores.diagonal) + loops("row", cores.row) + loops("col", cores.col)
    spatial += loops("band", cores.band)
    stream = []
    for dim in STREAMS[arch.array.dataflow]:
        folds = -(-problem.bound[dim] // int(cores.extent[number, DIMS.index(dim)]))
        whole = dim == "Q" and arch.array.dataflow == "rs"
        trips = folds if whole else draw(st.integers(1, folds))
        stream += [Loop(dim, trips)] if trips > 1 else []
    return tuple(stream), spatial, loops("temporal", cores.pe)


@st.composite
def legal_nests(draw: st.DrawFn, arch: Accelerator) -> Mapping:
    """A core of the machine's dataflow, with what is left split at random over its memories: remainders, loops of one
    trip, several loops over a dim at one level, any order. A pooling nest streams."""
    pooling = draw(st.integers(0, 4)) == 0
    problem = draw(pools() if pooling else problems())
    inside: tuple[tuple[Loop, ...], ...] = ((), (), ()) if pooling else draw(insides(problem, arch))
    names = ["DRAM", *(memory.name for memory in arch.memories)]
    slots: dict[str, list[Loop]] = {name: [] for name in (*names, "stream")}
    for dim in DIMS:
        left = -(-problem.bound[dim] // prod(loop.trips for part in inside for loop in part if loop.dim == dim))
        inner = ["stream", *reversed(names[1:])] if pooling else list(reversed(names[1:]))
        for name in (*inner, *inner):
            trips = draw(st.integers(1, min(3, left)))
            if trips > 1 or draw(st.integers(0, 9)) == 0:
                slots[name].append(Loop(dim, trips))
            left = -(-left // trips)
        slots["DRAM"] += [Loop(dim, left)] if left > 1 else []
    order = {name: tuple(draw(st.permutations(loops))) for name, loops in slots.items()}
    stream = order["stream"] if pooling else inside[0]
    levels = tuple(TileLevel(name, order[name]) for name in names)
    resident = draw(st.frozensets(st.sampled_from(["Inputs", "Outputs"] + ([] if pooling else ["Weights"]))))
    partly = draw(shares(problem, resident))
    try:
        found = Mapping(problem, arch.array.dataflow, levels, stream, inside[1], inside[2], resident, partly=partly)
    except MappingError:  # loops over one dim came in an order that leaves iterations beyond its bound
        reject()
    if problems_with(found, arch):
        found = replace(found, resident=frozenset(), partly=())
    assume(not problems_with(found, arch))
    return found
