"""Counts, energy and cycles of one nest over storage levels, in exact integers."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.arch import StorageMachine
from accelsim.energy.levels import access_zj, leak_zj
from accelsim.mapper.objective import Objective, objective_cost
from accelsim.mapping import TIMELOOP, LevelNest, Rules
from accelsim.timing.levels import level_cycles
from accelsim.traffic.levels import LevelCount, level_counts


@dataclass(frozen=True)
class LevelReport:
    """What a nest costs.

    Attributes:
        counts: of every kept tile. access_zj: their energies, in the same order.
        cycles_by_level: outer to inner. cycles: their maximum.
        compute_zj, leak_zj: arithmetic and leakage. macs: operations of the problem.
        instances: arithmetic units in use.
    """

    counts: tuple[LevelCount, ...]
    access_zj: tuple[int, ...]
    cycles_by_level: tuple[int, ...]
    compute_zj: int
    leak_zj: int
    macs: int
    instances: int

    @property
    def cycles(self) -> int:
        """Cycles of the slowest level."""
        return max(self.cycles_by_level)

    @property
    def energy_zj(self) -> int:
        """Accesses, arithmetic and leakage."""
        return sum(self.access_zj) + self.compute_zj + self.leak_zj

    def cost(self, objective: Objective) -> int:
        """The objective as an exact integer: zJ, cycles, or zJ x cycles."""
        return objective_cost(objective, self.energy_zj, self.cycles)


def evaluate(nest: LevelNest, machine: StorageMachine, rules: Rules = TIMELOOP) -> LevelReport:
    """The cost of a nest; capacity is `capacity_errors`' business.

    Raises:
        MappingError: the nest is not one of this machine.
    """
    counts = level_counts(nest, machine, rules)
    cycles = tuple(level_cycles(level, counts, nest.iterations) for level in machine.levels)
    used = tuple(nest.instances(number) for number in range(len(machine.levels)))
    return LevelReport(
        counts,
        tuple(access_zj(count, machine) for count in counts),
        cycles,
        nest.problem.macs * machine.compute_zj,
        leak_zj(machine, used, max(cycles)),
        nest.problem.macs,
        nest.instances(len(machine.levels)),
    )


def capacity_errors(counts: tuple[LevelCount, ...], machine: StorageMachine) -> list[str]:
    """Levels whose kept tiles exceed their capacity, as sentences."""
    wrong = []
    for level in machine.levels:
        mine = [count for count in counts if count.level == level.name]
        held = sum(count.tile for count in mine)
        if level.words is not None and held > level.words:
            tiles = " + ".join(f"{count.operand} {count.tile}" for count in mine)
            wrong.append(f"{level.name} holds {held} words ({tiles}), it has room for {level.words}")
    return wrong
