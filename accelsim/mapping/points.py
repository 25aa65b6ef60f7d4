"""Where each operand is kept in a mapping on a machine: the storage points between DRAM and the PEs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from accelsim.arch import Accelerator, ArrayAxis, MemoryLevel
from accelsim.errors import InputError
from accelsim.mapping.types import Mapping
from accelsim.problem import Operand


@dataclass(frozen=True)
class Rules:
    """Counting options of one model (DESIGN: counting rules).

    Attributes:
        halo_reuse: a fill of a shared memory costs only what is not already there; False refills changed tiles.
        psum_first_visit: `write` does not read a psum before its first visit; `read` does, between the innermost
            memory and the array (the Eyeriss chip reads and writes on every visit); the vector unit always writes.
        tile: `exact` index sets, or the `box` that they span: stride gaps and padding count as data.
        steps: every index of a loop (`all`), or index 0 and, standing for all others, index 1 (`two`).
        stride_change: a tile that moves by another distance than before keeps (`keep`) or loses (`reset`) its halo.
        links: a PE takes its new words from the neighbour that has just received the same ones.

    The last four are read by counts over storage levels only (`traffic.levels`).
    """

    halo_reuse: bool = True
    psum_first_visit: str = "write"
    tile: Literal["exact", "box"] = "exact"
    steps: Literal["all", "two"] = "all"
    stride_change: Literal["keep", "reset"] = "keep"
    links: bool = False


TIMELOOP = Rules(tile="box", steps="two", stride_change="reset", links=True)
"""How Timeloop counts (HEAD of 2025-03-31, observed on timeloop-mapper and timeloop-model)."""


@dataclass(frozen=True)
class Point:
    """A memory that keeps an operand, or the PEs.

    Attributes:
        memory: `DRAM`, a memory's name, or `PE`.
        parent: the memory it is filled from.
        position: number of temporal loops outside its tile.
        retained: False if the operand only streams through (each step transfers its whole tile again).
        shared: for `PE`: array axes along which one word serves, or sums over, all PEs.
        whole_words: words that any change of the tile costs, on machines that load whole weight tiles; else 0.
    """

    memory: str
    parent: str
    position: int
    retained: bool = True
    shared: tuple[ArrayAxis, ...] = ()
    whole_words: int = 0


def rules_of(arch: Accelerator) -> Rules:
    """The counting rules a machine states."""
    return Rules(arch.halo_reuse, arch.psum_first_visit)


def points(mapping: Mapping, arch: Accelerator, operand: Operand) -> tuple[Point, ...]:
    """Storage points of an operand below DRAM, outer to inner; the last one is the PEs."""
    if mapping.problem.op != "mac":
        return _vector_points(mapping, arch, operand)
    return tuple(replace(point, position=mapping.position(level)) for level, point in array_places(arch, operand))


def array_places(arch: Accelerator, operand: Operand) -> tuple[tuple[str, Point], ...]:
    """Where array work keeps an operand, with the level whose tile each place holds; positions are left at 0."""
    array = arch.array
    whole = array.pes if operand.role == "weight" and array.whole_weight_tiles else 0
    found: list[tuple[str, Point]] = []
    parent = "DRAM"
    for memory in arch.chain(operand.name):
        hold = memory.hold(operand.name)
        by_pass = hold is not None and hold.at == "pass"
        place = Point(memory.name, parent, 0, whole_words=whole if by_pass else 0)
        found.append(("stream" if by_pass else memory.name, place))
        parent = memory.name
    stays = operand.name in array.stationary
    found.append(("PE", Point("PE", parent, 0, stays, array.shared(operand.name), whole)))
    return tuple(found)


def vector_memory(arch: Accelerator) -> MemoryLevel:
    """The outermost memory that holds both activations in and out: the vector unit works from it."""
    for memory in arch.memories:
        if memory.hold("Inputs") and memory.hold("Outputs") and not memory.psum_only:
            return memory
    raise InputError(
        f"{arch.name}: no memory holds both Inputs and Outputs, so the vector unit has nothing to work from"
    )


def _vector_points(mapping: Mapping, arch: Accelerator, operand: Operand) -> tuple[Point, ...]:
    """Pooling: one memory, then the vector unit, which streams every window and accumulates in a register."""
    memory = vector_memory(arch)
    return (
        Point(memory.name, "DRAM", mapping.position(memory.name)),
        Point("PE", memory.name, mapping.position("PE"), operand.role == "output"),
    )
