"""What is asked of the exact search and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

from accelsim.arch import Accelerator
from accelsim.mapper.objective import Objective
from accelsim.mapping import Mapping
from accelsim.mapping.constraint import ANYTHING, Constraint
from accelsim.mapping.shares import Share
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
        partly: shares of others that are there, or stay there.
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
    partly: tuple[Share, ...] = ()

    @property
    def staying(self) -> frozenset[str]:
        """Operands that their outermost memory must keep."""
        return self.whole | self.resident | {share.operand for share in self.partly}


@dataclass(frozen=True)
class Candidate:
    """A mapping with its exact energy (fJ) and latency bound (cycles); it is made from the search's tables on demand.

    Attributes:
        make: makes the mapping; MappingError if it is not what the constraint asks for.
        promise: about what the objective comes to when it is simulated.
        least: cycles that it takes at least when it is simulated: the bound, or more where it was replayed
            (`mapper.exact.replay`).
    """

    make: Callable[[], Mapping] = field(compare=False)
    energy_fj: int
    cycles: int
    promise: int = 0
    least: int = 0

    @cached_property
    def mapping(self) -> Mapping:
        """The mapping.

        Raises:
            MappingError: the constraint asks for something outside the space.
        """
        return self.make()


@dataclass(frozen=True)
class Near:
    """What a wider search lists: mappings, those that cost least when they are replayed first.

    Attributes:
        rest: no mapping that is not listed costs less when it is simulated; 0 if the search was cut short.
    """

    listed: tuple[Candidate, ...]
    rest: int


@dataclass(frozen=True)
class Known:
    """The best of searches of other spaces: nothing is looked for that is neither better nor promises as much.

    Attributes:
        energy_fj, cycles: of the mapping with the least objective.
        promise: the least objective, as a product, that a mapping promises to come to when it is simulated.
    """

    energy_fj: int
    cycles: int
    promise: tuple[int, int]


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        best: mappings worth simulating, the most promising first; none if others are better (`Known`).
        energy_fj, cycles: of the mapping with the least objective, of this or of another space (`Known`).
        cost: its objective (fJ, cycles, or their product).
        bound: no mapping of the space costs less; equal to `cost` if proven optimal.
        floor: no mapping of the space costs less when it is simulated (0: nothing beyond `bound` is known); of bands
            that leave PEs idle, none in the orders of loops that are searched. It rests on replays, which are no part
            of a certificate.
        cores, boxes, evaluated: cores of the space, boxes bounded, mappings evaluated completely.
        simulated: mappings of `best` and beyond that were simulated afterwards.
        makespan, taken_fj, counted_fj: of the one that was taken then: its cycles, its energy, and what is counted of
            that (0 if none was simulated).
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
    makespan: int = 0
    taken_fj: int = 0
    counted_fj: int = 0
    floor: int = 0

    @property
    def least(self) -> int:
        """The most that is known of what a mapping costs at least when it is simulated."""
        return max(self.bound, self.floor)

    @property
    def proven(self) -> bool:
        """True if nothing in the space is better."""
        return self.bound == self.cost


def merged(parts: Iterable[tuple[Candidate, ...]]) -> tuple[Candidate, ...]:
    """The most promising first; of equals those of the form that was searched first."""
    return tuple(sorted((c for part in parts for c in part), key=lambda candidate: candidate.promise))


def together(found: list[Found]) -> Found:
    """What several searches prove together."""
    return replace(
        min(found, key=lambda one: one.cost),
        best=merged(one.best for one in found),
        bound=min(one.bound for one in found),
        floor=min(one.least for one in found),
        cores=sum(one.cores for one in found),
        boxes=sum(one.boxes for one in found),
        evaluated=sum(one.evaluated for one in found),
        simulated=sum(one.simulated for one in found),
    )


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
