"""Constraints on a search: which loops may stand where. A full mapping is one, too.

A *place* is where a loop of a nest can stand: `row`, `col`, `diagonal`, `band` (of the array), `stream`, `pe`, or a
memory. The *factor* of a dim at a place is the product of the trips of its loops there (1 if it has none). Loops of one
trip do not count anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import prod

from accelsim.arch import Dataflow
from accelsim.errors import InputError, nearest
from accelsim.mapping.types import Loop, Mapping
from accelsim.problem import DIMS, Problem

AXES = ("row", "col", "diagonal", "band")
FIXED_PLACES = (*AXES, "stream", "pe")


@dataclass(frozen=True)
class Factor:
    """Factors that are allowed: from `low` to `high` (None: no bound), and of `among` (None: any of these).

    Kept in one form, so that equal conditions are equal: `low` and `high` are the smallest and largest factor allowed.

    >>> Factor(2, 8).ok(4), Factor(among=frozenset({2, 4})).ok(3)
    (True, False)
    """

    low: int = 1
    high: int | None = None
    among: frozenset[int] | None = None

    def __post_init__(self) -> None:
        if self.low < 1 or (self.among is not None and any(value < 1 for value in self.among)):
            raise InputError("a factor is a whole number of at least 1")
        allowed = None if self.among is None else sorted(value for value in self.among if self.ok(value))
        if allowed == [] or (self.high is not None and self.high < self.low):
            raise InputError(f"no factor is allowed by {self}")
        if allowed:
            whole = len(allowed) == allowed[-1] - allowed[0] + 1
            object.__setattr__(self, "low", allowed[0])
            object.__setattr__(self, "high", allowed[-1])
            object.__setattr__(self, "among", None if whole else frozenset(allowed))

    def ok(self, factor: int) -> bool:
        """True if this factor is allowed."""
        if factor < self.low or (self.high is not None and factor > self.high):
            return False
        return self.among is None or factor in self.among

    def __str__(self) -> str:
        if self.among is not None:
            return "one of " + ", ".join(str(value) for value in sorted(self.among))
        if self.high == self.low:
            return str(self.low)
        parts = [f"at least {self.low}"] if self.low > 1 else []
        parts += [f"at most {self.high}"] if self.high is not None else []
        return " and ".join(parts) or "any"


ANY = Factor()
ONE = Factor(1, 1)


@dataclass(frozen=True)
class Rule:
    """What may stand at one place.

    Attributes:
        place: `row`, `col`, `diagonal`, `band`, `stream`, `pe`, or a memory.
        factors: `(dim, allowed)`; a dim that is not named is free, or 1 with `only`.
        order: these dims come in this order, outer to inner, among themselves.
        innermost: if there is a loop, the innermost one is over this dim.
        loops: if not None, exactly these loops; the other attributes then stay at their defaults.
    """

    place: str
    factors: tuple[tuple[str, Factor], ...] = ()
    only: bool = False
    order: tuple[str, ...] = ()
    innermost: str = ""
    loops: tuple[Loop, ...] | None = None

    def __post_init__(self) -> None:
        named = dict(self.factors)
        for dim in (*named, *self.order, *([self.innermost] if self.innermost else [])):
            if dim not in DIMS:
                raise InputError(f"{self.place}: dim {dim!r}, expected one of {' '.join(DIMS)}")
        for what, dims in (("factors", [d for d, _ in self.factors]), ("order", self.order)):
            if len(set(dims)) != len(dims):
                raise InputError(f"{self.place}: {what} name a dim twice: {' '.join(dims)}")
        if self.place in AXES and (self.order or self.innermost):
            raise InputError(f"{self.place}: loops run all at once there, so they have no order and no innermost one")
        if self.loops is not None:
            self._take_loops(self.loops)
            return
        default = ONE if self.only else ANY
        object.__setattr__(self, "factors", tuple((d, named[d]) for d in DIMS if named.get(d, default) != default))
        object.__setattr__(self, "order", self.order if len(self.order) > 1 else ())

    def _take_loops(self, loops: tuple[Loop, ...]) -> None:
        if self.factors or self.only or self.order or self.innermost:
            raise InputError(f"{self.place}: either its loops are given, or factors and an order")
        kind = self.place if self.place in AXES else "temporal"
        for loop in loops:
            if loop.kind != kind:
                raise InputError(f"{self.place}: loop over {loop.dim} is {loop.kind}, expected {kind}")
        object.__setattr__(self, "loops", tuple(loop for loop in loops if loop.trips > 1))

    @cached_property
    def _allowed(self) -> dict[str, Factor]:
        if self.loops is None:
            named = dict(self.factors)
            return {dim: named.get(dim, ONE if self.only else ANY) for dim in DIMS}
        exact = {dim: prod(loop.trips for loop in self.loops if loop.dim == dim) for dim in DIMS}
        return {dim: Factor(trips, trips) for dim, trips in exact.items()}

    def allowed(self, dim: str) -> Factor:
        """The factors of a dim that are allowed here."""
        return self._allowed[dim]

    def order_ok(self, dims: tuple[str, ...]) -> bool:
        """True if loops over these dims, outer to inner, each of more than one trip, may stand here in this order."""
        if self.loops is not None:
            return dims == tuple(loop.dim for loop in self.loops)
        ranks = [self.order.index(dim) for dim in dims if dim in self.order]
        return ranks == sorted(ranks) and (not dims or not self.innermost or dims[-1] == self.innermost)

    def arranged(self, dims: str, early: str = "") -> str:
        """The dims in the order that is asked for, those of which nothing is asked where they were; `early` comes as
        early as it may."""
        asked = self.order if self.loops is None else tuple(loop.dim for loop in self.loops)
        wanted = iter(d for d in asked if d in dims)
        line = [next(wanted) if d in asked else d for d in dims]
        if self.innermost in line:
            line.remove(self.innermost)
            line.append(self.innermost)
        if early in line and early != self.innermost:
            ahead = [d for d in line[: line.index(early)] if early in asked and d in asked]
            line = [*ahead, early, *(d for d in line if d != early and d not in ahead)]
        return "".join(line)

    @property
    def free(self) -> bool:
        """True if the rule allows everything."""
        return self == Rule(self.place)

    def reasons(self, loops: tuple[Loop, ...]) -> list[str]:
        """What loops (outer to inner) at this place break."""
        useful = tuple(loop for loop in loops if loop.trips > 1)
        if self.loops is not None:
            return [] if useful == self.loops else [f"{self.place}: {_words(useful)}, expected {_words(self.loops)}"]
        found = []
        for dim in DIMS:
            factor, allowed = prod(loop.trips for loop in useful if loop.dim == dim), self.allowed(dim)
            if not allowed.ok(factor):
                found.append(f"{self.place}: {dim} {factor}, expected {allowed}")
        dims = tuple(loop.dim for loop in useful)
        among = tuple(dim for dim in dims if dim in self.order)
        if list(among) != sorted(among, key=self.order.index):
            found.append(f"{self.place}: loops in the order {' '.join(among)}, expected {' '.join(self.order)}")
        if dims and self.innermost and dims[-1] != self.innermost:
            found.append(f"{self.place}: innermost loop over {dims[-1]}, expected {self.innermost}")
        return found


def _words(loops: tuple[Loop, ...]) -> str:
    return "[" + ", ".join(f"{loop.dim} {loop.trips}" for loop in loops) + "]"


@dataclass(frozen=True)
class Constraint:
    """What a search may choose; `Constraint()` allows everything. Equal constraints compare and hash equal.

    Which operands are resident is no choice of a search, so a constraint says nothing about it.

    Attributes:
        rules: at most one per place.
        spatial: if not None, exactly these loops across the array; the rules of its axes follow from them.
        dataflow: the dataflow, if it is stated.
        bypass: (memory, operand) pairs that pass by, no others; None if that is free.
    """

    rules: tuple[Rule, ...] = ()
    spatial: tuple[Loop, ...] | None = None
    dataflow: Dataflow | None = None
    bypass: frozenset[tuple[str, str]] | None = None

    def __post_init__(self) -> None:
        rules = list(self.rules)
        if self.spatial is not None:
            useful = tuple(loop for loop in self.spatial if loop.trips > 1)
            object.__setattr__(self, "spatial", useful)
            derived = [Rule(axis, loops=tuple(loop for loop in useful if loop.kind == axis)) for axis in AXES]
            rules = [rule for rule in rules if rule not in derived] + derived
            if any(loop.kind not in AXES for loop in useful):
                raise InputError("spatial: expected loops over rows, cols or the diagonal, or in a band")
        places = [rule.place for rule in rules]
        for place in places:
            if places.count(place) > 1:
                raise InputError(f"constraint: two rules for {place!r}, expected one")
        kept = sorted((rule for rule in rules if not rule.free), key=lambda rule: rule.place)
        object.__setattr__(self, "rules", tuple(kept))

    @classmethod
    def exactly(cls, mapping: Mapping) -> Constraint:
        """The constraint that only this nest meets (loops of one trip aside, whatever is resident)."""
        rules = [Rule(level.memory, loops=level.loops) for level in mapping.levels]
        rules += [Rule("stream", loops=mapping.stream), Rule("pe", loops=mapping.pe)]
        return cls(tuple(rules), mapping.spatial, mapping.dataflow, mapping.bypass)

    @cached_property
    def _by_place(self) -> dict[str, Rule]:
        return {rule.place: rule for rule in self.rules}

    def rule(self, place: str) -> Rule:
        """The rule of a place; one that allows everything if none is stated."""
        return self._by_place.get(place) or Rule(place)

    def factor(self, place: str, dim: str) -> Factor:
        """The factors of a dim that are allowed at a place."""
        rule = self._by_place.get(place)
        return ANY if rule is None else rule.allowed(dim)

    def factor_ok(self, place: str, dim: str, factor: int) -> bool:
        """True if the loops over a dim at a place may have these trips together."""
        return self.factor(place, dim).ok(factor)

    def order_ok(self, place: str, loops: tuple[str, ...]) -> bool:
        """True if the loops of a place (dims of those with more than one trip, outer to inner) may be in this order."""
        return self.rule(place).order_ok(loops)

    def reasons(self, mapping: Mapping) -> list[str]:
        """Every part of the constraint that a mapping breaks; empty if it is allowed."""
        found = []
        if self.dataflow is not None and mapping.dataflow != self.dataflow:
            found.append(f"dataflow {mapping.dataflow}, expected {self.dataflow}")
        if self.bypass is not None and mapping.bypass != self.bypass:
            found.append(f"bypass {_pairs(mapping.bypass)}, expected {_pairs(self.bypass)}")
        at = loops_by_place(mapping)
        for rule in self.rules:
            if rule.place not in at and rule.loops != ():
                names = [level.memory for level in mapping.levels]
                found.append(f"no level {rule.place!r} in this mapping; {nearest(rule.place, (*names, *FIXED_PLACES))}")
                continue
            found += rule.reasons(at.get(rule.place, ()))
        spatial = tuple(loop for loop in mapping.spatial if loop.trips > 1)
        if self.spatial is not None and spatial != self.spatial and sorted(spatial, key=_axis) == sorted(
            self.spatial, key=_axis
        ):  # fmt: skip
            found.append(f"spatial: loops in the order {_words(spatial)}, expected {_words(self.spatial)}")
        return found

    def allows(self, mapping: Mapping) -> bool:
        """True if a mapping breaks no part of the constraint."""
        return not self.reasons(mapping)

    def misfits(self, problem: Problem, memories: Iterable[str]) -> list[str]:
        """Parts that no mapping of a problem on a machine with these memories can meet; empty does not mean that one
        can."""
        found, places = [], place_names(memories)
        for dim, bound in problem.bounds:
            here = {place: self.factor(place, dim) for place in places}
            found += [
                f"{place}: {dim} {factor}, but the layer has {dim} {bound}"
                for place, factor in here.items()
                if factor.low > bound
            ]
            highs = [factor.high for factor in here.values() if factor.high is not None]
            if len(highs) == len(here) and prod(highs) < bound:
                found.append(f"{dim}: at most {prod(highs)} over all places, but the layer has {dim} {bound}")
        return found

    def places(self) -> tuple[str, ...]:
        """The places that are restricted."""
        return tuple(rule.place for rule in self.rules)


def _pairs(bypass: frozenset[tuple[str, str]]) -> str:
    return ", ".join(f"{memory}: {operand}" for memory, operand in sorted(bypass)) or "nothing"


def _axis(loop: Loop) -> str:
    return loop.kind


def loops_by_place(mapping: Mapping) -> dict[str, tuple[Loop, ...]]:
    """The loops of a mapping by place, outer to inner."""
    found = {level.memory: level.loops for level in mapping.levels}
    found |= {"stream": mapping.stream, "pe": mapping.pe}
    return found | {axis: tuple(loop for loop in mapping.spatial if loop.kind == axis) for axis in AXES}


def place_names(memories: Iterable[str]) -> tuple[str, ...]:
    """Every place of a machine with these memories."""
    return (*FIXED_PLACES, "DRAM", *memories)


ANYTHING = Constraint()
