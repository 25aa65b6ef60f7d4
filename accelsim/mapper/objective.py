"""What a mapping is chosen by."""

from __future__ import annotations

from typing import Literal

Objective = Literal["edp", "energy", "latency"]
OBJECTIVES: tuple[Objective, ...] = ("edp", "energy", "latency")
NEAR_PPM = 9_900  # a mapping that takes so much less time than the best simulated one, or less, need not be found:
# 1 - 1 / 1.01 rounded down, so the gap to one that is not found stays below 1 % (`search.ENOUGH`)


def objective_cost(objective: Objective, energy: int, cycles: int) -> int:
    """The objective as an exact integer, in the energy's unit, cycles, or their product.

    >>> [objective_cost(goal, 3, 5) for goal in OBJECTIVES]
    [15, 3, 5]
    """
    if objective == "energy":
        return energy
    return cycles * (energy if objective == "edp" else 1)
