"""Machines, problems and nests of tests over storage levels, and what counts them the slow way."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import prod

from hypothesis import strategies as st

from accelsim.arch import StorageLevel, StorageMachine
from accelsim.mapping import LevelLoops, LevelNest, Loop
from accelsim.mapping.types import Kind
from accelsim.problem import Axis, Operand, Problem

OPERANDS = ("Inputs", "Weights", "Outputs")


def conv(stride: int = 1, dilation: int = 1, **bounds: int) -> Problem:
    """A convolution without padding; P pairs with R, Q with S."""
    extent = {dim: bounds.get(dim, 1) for dim in "NGMCPQRS"}

    def plain(dims: str) -> list[Axis]:
        return [Axis(((dim, 1),), extent[dim]) for dim in dims]

    def window(out: str, tap: str) -> Axis:
        return Axis(((out, stride), (tap, dilation)), 1 + stride * (extent[out] - 1) + dilation * (extent[tap] - 1))

    return Problem(
        tuple(extent.items()),
        (
            Operand("Inputs", "input", (*plain("NGC"), window("P", "R"), window("Q", "S"))),
            Operand("Weights", "weight", tuple(plain("GMCRS"))),
            Operand("Outputs", "output", tuple(plain("NGMPQ"))),
        ),
    )


def machine(
    shared: int | None = None, ifmap: int = 4, weights: int = 8, psums: int = 2, cols: int = 2, rows: int = 3,
    rate: Fraction | None = None, keeps: tuple[str, ...] = ("Inputs", "Outputs"), block: int = 1,
) -> StorageMachine:  # fmt: skip
    """A small machine of the searched kind; energies are primes so that nothing cancels."""
    return StorageMachine(
        "small",
        (
            StorageLevel("DRAM", OPERANDS, None, block, None, None, 1999, 2003),
            StorageLevel("GLB", keeps, shared, block, rate, rate, 211, 197, 3),
            StorageLevel("X", (), cols=cols),
            StorageLevel("Y", (), rows=rows),
            StorageLevel("I", ("Inputs",), ifmap, 1, None, None, 11, 13, 1),
            StorageLevel("W", ("Weights",), weights, block, None, None, 17, 19, 1),
            StorageLevel("O", ("Outputs",), psums, 1, rate, rate, 23, 29),
        ),
        "mac",
        31,
    )


def factorings(number: int, places: int) -> list[tuple[int, ...]]:
    """Every way to write a number as an ordered product."""
    if places == 1:
        return [(number,)]
    return [(n, *rest) for n in range(1, number + 1) if number % n == 0 for rest in factorings(number // n, places - 1)]


@st.composite
def nests(draw: st.DrawFn, problem: Problem, levels: tuple[str, ...], spatial: dict[str, Kind]) -> LevelNest:
    """A random nest: factors and orders anywhere, loops over instances at the levels of `spatial` (level: kind)."""
    temporal: list[tuple[str, Kind]] = [(level, "temporal") for level in levels]
    places = [*temporal, *spatial.items()]
    found: dict[tuple[str, Kind], list[Loop]] = {place: [] for place in places}
    for dim, bound in problem.bounds:
        if bound == 1:
            continue
        chosen = draw(st.sampled_from(factorings(bound, len(places))))
        for (level, kind), trips in zip(places, chosen, strict=True):
            if trips > 1:
                found[level, kind].append(Loop(dim, trips, kind))
    loops = {place: tuple(draw(st.permutations(mine))) for place, mine in found.items()}
    return LevelNest(
        problem,
        tuple(
            LevelLoops(level, loops[level, "temporal"], loops[level, spatial[level]] if level in spatial else ())
            for level in levels
        ),
    )


def tile_box(operand: Operand, extents: dict[str, int]) -> list[int]:
    """Spans of a tile."""
    return [1 + sum(coef * (extents[dim] - 1) for dim, coef in axis.terms) for axis in operand.axes]


def two_step_words(operand: Operand, nest: LevelNest, level: int) -> int:
    """Words that enter a tile, by visiting every combination of indices 0 and 1 of the loops outside it."""
    box = tile_box(operand, nest.extents(level))
    loops = [loop for loop in nest.loops if loop.kind == "temporal" and loop.level < level]
    tile, total = prod(box), 0
    last: tuple[int, ...] | None = None
    stored = still = (0,) * len(box)
    for indices in product(*((0, 1) for _ in loops)):
        weight = prod(loop.trips - 1 for loop, index in zip(loops, indices, strict=True) if index)
        start = {loop.dim: 0 for loop in loops}
        for loop, index in zip(loops, indices, strict=True):
            start[loop.dim] += index * loop.step
        here = tuple(sum(coef * start.get(dim, 0) for dim, coef in axis.terms) for axis in operand.axes)
        if last is None:
            fresh = tile
        else:
            shift = tuple(a - b for a, b in zip(here, last, strict=True))
            if shift == still:
                fresh = 0
            elif stored not in (still, shift):
                fresh, stored = tile, still
            else:
                fresh = tile - prod(max(0, size - abs(s)) for size, s in zip(box, shift, strict=True))
                stored = shift
        total += weight * fresh
        last = here
    return total


def every_step_words(operand: Operand, nest: LevelNest, level: int) -> int:
    """Words that enter a tile whose exact sets are kept from step to step, by visiting every step."""
    loops = [loop for loop in nest.loops if loop.kind == "temporal" and loop.level < level]
    inside = nest.extents(level)
    held: set[tuple[int, ...]] = set()
    total = 0
    for indices in product(*(range(loop.trips) for loop in loops)):
        start = dict.fromkeys(inside, 0)
        for loop, index in zip(loops, indices, strict=True):
            start[loop.dim] += index * loop.step
        sets = []
        for axis in operand.axes:
            spans = [[coef * (start[dim] + i) for i in range(inside[dim])] for dim, coef in axis.terms]
            sets.append({sum(values) for values in product(*spans)})
        now = set(product(*sets))
        total += len(now - held)
        held = now
    return total
