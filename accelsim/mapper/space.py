"""Candidates around a template core: which tiles each memory keeps and in which order the loops around them run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from accelsim.arch import Accelerator
from accelsim.mapping import Loop, Mapping, TileLevel
from accelsim.mapping.templates import Core
from accelsim.problem import DIMS, Problem

ORDERS = (
    ("G", "N", "M", "O", "P", "Q", "C", "T", "R", "S"),
    ("G", "N", "O", "P", "Q", "M", "C", "T", "R", "S"),
    ("G", "M", "C", "T", "R", "S", "N", "O", "P", "Q"),
    ("G", "N", "O", "P", "Q", "C", "T", "R", "S", "M"),
)
REDUCTIONS = frozenset("CTRS")
Trips = dict[str, int]


@dataclass(frozen=True)
class Candidate:
    """A core, the trips swept by the on-chip memories (the rest is DRAM's), and the loop orders of both."""

    core: Core
    inner: tuple[tuple[str, int], ...]
    outer: tuple[tuple[str, int], ...]

    def mapping(self, problem: Problem, arch: Accelerator) -> Mapping:
        """The loop nest; accumulator memories sweep the reduction, the memory outside them everything else."""
        accumulators = [m.name for m in arch.memories if m.psum_only]
        keeper = _keeper(arch)
        levels = [TileLevel("DRAM", _temporal(self.outer))]
        for memory in arch.memories:
            mine: list[tuple[str, int]] = []
            if memory.name == keeper:
                mine = [(d, t) for d, t in self.inner if not (accumulators and d in REDUCTIONS)]
            elif accumulators and memory.name == accumulators[-1]:
                mine = [(d, t) for d, t in self.inner if d in REDUCTIONS]
            levels.append(TileLevel(memory.name, _temporal(tuple(mine))))
        return Mapping(
            problem, arch.array.dataflow, tuple(levels), self.core.stream, self.core.spatial, self.core.pe
        )  # fmt: skip


def _keeper(arch: Accelerator) -> str:
    """The memory whose level has the on-chip loops: the innermost of those filled from DRAM, so that memories that lie
    side by side (one for each operand) all keep the tile that these loops sweep."""
    beside = [
        memory.name
        for memory in arch.memories
        if not memory.psum_only and any(h.at == "tile" and arch.chain(h.operand)[0] is memory for h in memory.holds)
    ]
    return beside[-1] if beside else arch.chain("Inputs")[0].name


def _temporal(trips: tuple[tuple[str, int], ...]) -> tuple[Loop, ...]:
    return tuple(Loop(dim, count) for dim, count in trips if count > 1)


def _cuts(total: int) -> list[int]:
    """Trips that a memory may sweep of `total`: all, one, and up to three even splits between."""
    if total <= 2:
        return sorted({1, total})
    sizes = {1, total, -(-total // 2), -(-total // 4), -(-total // 16)}
    return sorted(sizes)


def candidates(problem: Problem, arch: Accelerator, core: Core, spill: bool = False) -> Iterator[Candidate]:
    """All candidates around a core: tile trips on a coarse grid times the loop orders that differ.

    Accumulators finish their sums before they leave, unless `spill` lets partial sums travel outwards.
    """
    total: Trips = {d: -(-problem.bound[d] // core.extent(d)) for d in DIMS}
    accumulate = any(m.psum_only for m in arch.memories)
    grid: list[list[int]] = []
    for dim in DIMS:
        if total[dim] == 1:
            grid.append([1])
        elif accumulate and dim in REDUCTIONS and not spill:
            grid.append([total[dim]])
        else:
            grid.append(_cuts(total[dim]) if dim in "MPC" else sorted({1, total[dim]}))
    for picked in product(*grid):
        inner = dict(zip(DIMS, picked, strict=True))
        outer = {d: -(-total[d] // inner[d]) for d in DIMS}
        for inner_order in _orders(inner, ORDERS):
            for outer_order in _orders(outer, ORDERS):
                yield Candidate(core, inner_order, outer_order)


def _orders(trips: Trips, orders: tuple[tuple[str, ...], ...]) -> list[tuple[tuple[str, int], ...]]:
    """The distinct loop sequences of the non-trivial trips."""
    return list(dict.fromkeys(tuple((d, trips[d]) for d in order if trips[d] > 1) for order in orders))
