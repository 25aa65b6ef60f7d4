"""Mappings over storage levels by Timeloop's rules: their cost, and the search for the proven best."""

from __future__ import annotations

from accelsim.arch import StorageMachine
from accelsim.mapper.objective import Objective
from accelsim.mapper.timeloop.constraints import Constraint, check_constraints
from accelsim.mapper.timeloop.evaluate import LevelReport, capacity_errors, evaluate
from accelsim.mapper.timeloop.types import Found
from accelsim.problem import Problem

__all__ = [
    "Constraint",
    "Found",
    "LevelReport",
    "Objective",
    "capacity_errors",
    "check_constraints",
    "evaluate",
    "search",
]


def search(
    problem: Problem,
    machine: StorageMachine,
    constraints: tuple[Constraint, ...] = (),
    objective: Objective = "edp",
    max_evaluations: int | None = None,
) -> Found:
    """The best mapping of a problem on a machine under constraints; proven unless the evaluations run out.

    The compiled search is loaded at the first call.

    Raises:
        InputError: a machine or a problem that the search does not take, constraints that contradict each other.
        MappingError: no mapping fits, or none was found within `max_evaluations`.
    """
    from accelsim.mapper.timeloop.exact import find

    return find(problem, machine, constraints, objective, max_evaluations)
