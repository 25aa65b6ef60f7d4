"""What is asked of the exact search and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from accelsim.arch import Accelerator
from accelsim.mapper.objective import Objective
from accelsim.mapping import Mapping
from accelsim.mapping.constraint import ANYTHING, Constraint
from accelsim.problem import Problem

NO_LIMIT = 1 << 62
NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Request:
    """What is searched.

    Attributes:
        post_ops: vector operations on every finished word. limit: what mappings may look like.
        imperfect: the tile of the first memory may be any number of folds.
        max_evaluations: boxes and mappings evaluated at most; the same number always finds the same.
        whole, resident: operands that stay whole in their outermost memory, and are there at the start.
    """

    problem: Problem
    arch: Accelerator
    objective: Objective = "edp"
    post_ops: int = 0
    limit: Constraint = field(default_factory=lambda: ANYTHING)
    imperfect: bool = False
    max_evaluations: int = NO_LIMIT
    whole: frozenset[str] = NONE
    resident: frozenset[str] = NONE


@dataclass(frozen=True)
class Candidate:
    """A mapping with its exact energy (fJ) and latency bound (cycles); it is made from the search's tables on demand.

    Attributes:
        make: makes the mapping; MappingError if it is not what the constraint asks for.
    """

    make: Callable[[], Mapping] = field(compare=False)
    energy_fj: int
    cycles: int

    @cached_property
    def mapping(self) -> Mapping:
        """The mapping.

        Raises:
            MappingError: the constraint asks for something outside the space.
        """
        return self.make()


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        best: mappings worth simulating, the most promising first.
        energy_fj, cycles: of the mapping with the least objective. cost: its objective (fJ, cycles, or their product).
        bound: no mapping of the space costs less; equal to `cost` if proven optimal.
        cores, boxes, evaluated: cores of the space, boxes bounded, mappings evaluated completely.
        simulated: mappings of `best` and beyond that were simulated afterwards.
    """

    best: tuple[Candidate, ...]
    energy_fj: int
    cycles: int
    cost: int
    bound: int
    cores: int
    boxes: int
    evaluated: int
    simulated: int = 0

    @property
    def proven(self) -> bool:
        """True if nothing in the space is better."""
        return self.bound == self.cost


@dataclass(frozen=True)
class Front:
    """Mappings of which none is beaten in both energy and B, least energy first, one for each pair of them.

    Attributes:
        proven: no mapping of the space is missing. cores, boxes, evaluated: as in `Found`.
    """

    points: tuple[Candidate, ...]
    proven: bool
    cores: int
    boxes: int
    evaluated: int
