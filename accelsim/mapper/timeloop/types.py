"""What a search over storage levels returns."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.mapper.objective import Objective
from accelsim.mapper.timeloop.evaluate import LevelReport
from accelsim.mapping import LevelNest, Rules

SEARCHED = Rules(tile="box", steps="two", stride_change="reset")
"""Timeloop's rules without transfers between neighbours."""


@dataclass(frozen=True)
class Found:
    """The best mapping found and what is proven about it.

    Attributes:
        report: its counts, energy and cycles (rules `SEARCHED`). cost: the objective, in zJ x cycles, zJ or cycles.
        bound: no mapping of the space costs less. evaluated: complete evaluations; floors: bounds computed.
    """

    mapping: LevelNest
    report: LevelReport
    objective: Objective
    cost: int
    bound: int
    evaluated: int
    floors: int

    @property
    def gap(self) -> float:
        """How far the cost may be above the optimum, relative to the bound; 0 if it is proven optimal."""
        return self.cost / self.bound - 1 if self.bound else 0.0

    @property
    def proven(self) -> bool:
        """Whether no mapping of the space is better."""
        return self.cost == self.bound
