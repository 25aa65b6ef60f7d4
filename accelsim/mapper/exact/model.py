"""The cost of every mapping in the space as a linear form of the words that arrive at its storage points.

Energy, DRAM bits and the bits over every on-chip port are linear in the arrivals of each point (`traffic.count_point`),
so their coefficients are found once per machine and problem by asking the energy table and the ports themselves, one
arrival more at a time. What is left to the compiled search is to count arrivals (`kernel`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.arch import Accelerator
from accelsim.energy import array_traffic, energy_fj
from accelsim.errors import MappingError
from accelsim.mapper.exact.space import Slot, slots_of
from accelsim.mapping import LinkCount
from accelsim.mapping.legality import tile_words
from accelsim.mapping.points import Rules, array_places, rules_of
from accelsim.mapping.shares import Share
from accelsim.problem import DIMS, Axis, Problem
from accelsim.timing.sums import port_bits
from accelsim.traffic.bits import link_bits
from accelsim.traffic.counts import output_link, read_link

Ints = NDArray[np.int64]
WHERE = {dim: i for i, dim in enumerate(DIMS)}
WORDS, WINDOW, TILES = 1, 2, 3
FREE = 3  # group of a dim that every operand depends on


@dataclass(frozen=True)
class StoragePoint:
    """A place where an operand is kept: what arrives there is counted.

    Attributes:
        bound: number of slots outside its tile. array: it is the PEs. each: arrivals at every PE, not shared reads.
        retained: False if every step transfers its words again. shared: axes along which one word serves all PEs.
        whole: words that every changed tile costs, or 0.
    """

    operand: str
    parent: str
    child: str
    bound: int
    array: bool = False
    each: bool = False
    retained: bool = True
    shared: tuple[str, ...] = ()
    whole: int = 0


@dataclass(frozen=True)
class Window:
    """An input axis over two dims: index `first * stride + second * dilation + offset` in [0, size)."""

    first: int
    second: int
    stride: int
    dilation: int
    size: int
    offset: int


@dataclass(frozen=True)
class Model:
    """A problem on a machine, as the search reads it.

    Attributes:
        points: storage points; those at the PEs that share words come twice (visits and `each`).
        coefficients: (resources, points); base: (resources,). Resources: energy (fJ), DRAM bits, then read and write
            bits of every memory's port.
        kinds: (points, 10): how a dim enters a point: 0 not at all, 1 as words, 2 through a window, 3 as tiles.
        groups: (10,): operand (0 Inputs, 1 Weights, 2 Outputs) that does not depend on the dim, 3 if none.
    """

    problem: Problem
    arch: Accelerator
    slots: tuple[Slot, ...]
    points: tuple[StoragePoint, ...]
    windows: tuple[Window, ...]
    coefficients: Ints
    base: Ints
    kinds: Ints
    groups: Ints
    resident: frozenset[str] = frozenset()
    partly: tuple[Share, ...] = ()

    def stays(self, operand: str) -> bool:
        """Is an operand on chip before, or does it stay after, all of it or a part?"""
        return operand in self.resident or any(share.operand == operand for share in self.partly)


OPERAND_NUMBER = {"Inputs": 0, "Weights": 1, "Outputs": 2}


def storage_points(problem: Problem, arch: Accelerator, slots: tuple[Slot, ...]) -> tuple[StoragePoint, ...]:
    """Points of every operand, outer to inner; a retained point at the PEs is followed by its `each` twin."""
    bound = {slot.memory: i for i, slot in enumerate(slots)} | {"PE": len(slots)}
    found = []
    for operand in problem.operands:
        for level, point in array_places(arch, operand):
            array, whole = point.memory == "PE", point.whole_words
            link = operand.name, point.parent, point.memory, bound[level], array
            found.append(StoragePoint(*link, False, point.retained, point.shared, whole))
            if array and not whole:
                found.append(StoragePoint(*link, True, point.retained, ()))
    return tuple(found)


def windows_of(problem: Problem) -> tuple[Window, ...]:
    """Input axes over two dims, or over one with a border; other axes only count words."""
    found = []
    for axis in problem.operand("Inputs").axes:
        if not axis.terms or _plain(axis, problem):
            continue
        if len(axis.terms) != 2:
            raise MappingError(f"an input axis over {len(axis.terms)} dims {axis.dims}: the exact mapper knows two")
        (one, stride), (two, dilation) = axis.terms
        found.append(Window(WHERE[one], WHERE[two], stride, dilation, axis.size, axis.offset))
    return tuple(found)


def _plain(axis: Axis, problem: Problem) -> bool:
    moving = [(d, c) for d, c in axis.terms if problem.bound[d] > 1]
    if len(moving) > 1 or axis.offset:
        return False
    return sum(c * (problem.bound[d] - 1) for d, c in moving) < axis.size


def _kinds(problem: Problem, points: tuple[StoragePoint, ...], windows: tuple[Window, ...]) -> Ints:
    table = np.zeros((len(points), len(DIMS)), np.int64)
    sliding = {d for w in windows for d in (w.first, w.second)}
    for number, point in enumerate(points):
        for dim in problem.operand(point.operand).dims:
            window = point.operand == "Inputs" and WHERE[dim] in sliding
            table[number, WHERE[dim]] = WINDOW if window else TILES if point.whole else WORDS
    return table


def _groups(problem: Problem) -> Ints:
    found = np.full(len(DIMS), FREE, np.int64)
    for i, dim in enumerate(DIMS):
        without = [o.name for o in problem.operands if dim not in o.dims]
        if len(without) > 1 and problem.bound[dim] > 1:
            raise MappingError(f"dim {dim} moves only one operand: the exact mapper does not know such problems")
        if without:
            found[i] = OPERAND_NUMBER[without[0]]
    return found


@dataclass(frozen=True)
class Crossing:
    """What of the operands that stay on chip crosses the DRAM link all the same: of Inputs `brought` in `whole` words,
    and so many `stored` of the `final` results.

    A dim that is an axis is cut into tiles that share no words, so all its indices arrive equally often.
    """

    whole: int
    brought: int
    final: int
    stored: int


def crossing_of(problem: Problem, resident: frozenset[str], partly: tuple[Share, ...]) -> Crossing:
    """What crosses, with these operands and shares on chip."""
    whole = brought = 1
    final = stored = output_words(problem)
    for share in partly:
        bound = problem.bound[share.dim]
        if share.operand == problem.output.name:
            stored = final // bound * (bound - share.count)
        else:
            whole, brought = bound, bound - share.count
    return Crossing(whole, brought, final, 0 if problem.output.name in resident else stored)


def link_counts(
    points: tuple[StoragePoint, ...], arrivals: list[int], seen: Crossing, rules: Rules, resident: frozenset[str]
) -> tuple[LinkCount, ...]:
    """The counts that so many arrivals make (`traffic.count_point`)."""
    found = []
    for number, (point, visits) in enumerate(zip(points, arrivals, strict=True)):
        if point.each:
            continue
        visits *= max(1, point.whole)
        twin = number + 1 < len(points) and points[number + 1].each
        each = arrivals[number + 1] if twin else visits
        if point.operand == "Outputs":
            read_first = rules.psum_first_visit == "read"
            found.append(output_link(point.parent, point.child, visits, each, seen.final, seen.stored, read_first))
        else:
            if point.operand == "Inputs" and point.parent == "DRAM":
                visits = each = visits // seen.whole * seen.brought
            found.append(read_link(point.operand, point.parent, point.child, visits, each, resident))
    return tuple(found)


def resources(counts: tuple[LinkCount, ...], problem: Problem, arch: Accelerator, vector_ops: int) -> list[int]:
    """Energy (fJ), DRAM bits, then bits read from and written to every memory by the array side."""
    energy = sum(energy_fj(array_traffic(counts, arch, problem.macs), arch, problem.macs, vector_ops).values())
    dram = sum(sum(link_bits(arch, c)) for c in counts if c.parent == "DRAM")
    return [energy, dram, *port_bits(arch, counts)]


def model_of(
    problem: Problem, arch: Accelerator, post_ops: int = 0, resident: frozenset[str] = frozenset(),
    partly: tuple[Share, ...] = (),
) -> Model:  # fmt: skip
    """The linear model of a problem on a machine.

    Raises:
        MappingError: the problem has an index form that the search does not know, or a share that makes the mean cost
            of a word no whole number.
    """
    slots = slots_of(arch, problem)
    points = storage_points(problem, arch, slots)
    rules, seen = rules_of(arch), crossing_of(problem, resident, partly)
    ops = post_ops * seen.final

    def cost(arrivals: list[int]) -> Ints:
        counts = link_counts(points, arrivals, seen, rules, resident)
        return np.array(resources(counts, problem, arch, ops), np.int64)

    base = cost([0] * len(points))
    columns = [cost([seen.whole * (i == p) for i in range(len(points))]) - base for p in range(len(points))]
    if any((column % seen.whole).any() for column in columns):
        raise MappingError(f"{partly[0]}: the mean cost of a word is no whole number; keep another share of the words")
    columns = [column // seen.whole for column in columns]
    windows = windows_of(problem)
    return Model(
        problem, arch, slots, points, windows, np.stack(columns, 1), base, _kinds(problem, points, windows),
        _groups(problem), resident, partly,
    )  # fmt: skip


def output_words(problem: Problem) -> int:
    """Words of the output that the problem writes."""
    return tile_words(problem.output, problem.bound)
