"""What a mapping may look like: factors by place and dim, loop orders by memory. Restricts the space of a search."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.arch import Dataflow
from accelsim.mapping.types import Mapping

SPREAD = ("row", "col", "diagonal")


@dataclass(frozen=True)
class Factors:
    """Factors allowed: from `low` to `high`, and only those of `among` if it is given."""

    low: int = 1
    high: int | None = None
    among: tuple[int, ...] = ()

    def ok(self, factor: int) -> bool:
        """Is this factor allowed?"""
        inside = factor >= self.low and (self.high is None or factor <= self.high)
        return inside and (not self.among or factor in self.among)

    def __str__(self) -> str:
        if self.among:
            return " or ".join(str(f) for f in self.among)
        if self.high is None:
            return f"at least {self.low}"
        return f"at most {self.high}" if self.low == 1 else f"{self.low} to {self.high}"


@dataclass(frozen=True)
class Order:
    """Order of a memory's loops: `outside` dims stand in this order among themselves; `innermost` is the last loop."""

    outside: tuple[str, ...] = ()
    innermost: str = ""

    def ok(self, loops: tuple[str, ...]) -> bool:
        """Is this order of dims with more than one trip, outer to inner, allowed?"""
        named = [d for d in loops if d in self.outside]
        wanted = [d for d in self.outside if d in named]
        return named == wanted and (not self.innermost or not loops or loops[-1] == self.innermost)


@dataclass(frozen=True)
class Constraint:
    """What mappings may look like; a constraint with no parts allows everything.

    Attributes:
        factors: `(place, dim, factors)`; a place is `row`, `col`, `diagonal`, `pe`, `stream`, `DRAM` or a memory.
        only: places in which dims that are not named have the factor 1.
        orders: `(memory, order)`.
        dataflow: the machine's, or empty.
    """

    factors: tuple[tuple[str, str, Factors], ...] = ()
    only: frozenset[str] = frozenset()
    orders: tuple[tuple[str, Order], ...] = ()
    dataflow: Dataflow | None = None

    def factor_ok(self, place: str, dim: str, factor: int) -> bool:
        """May a dim have this factor at this place?"""
        named = [allowed for where, d, allowed in self.factors if (where, d) == (place, dim)]
        if named:
            return all(allowed.ok(factor) for allowed in named)
        return factor == 1 or place not in self.only

    def order_ok(self, memory: str, loops: tuple[str, ...]) -> bool:
        """May a memory's loops with more than one trip stand in this order, outer to inner?"""
        return all(order.ok(loops) for where, order in self.orders if where == memory)

    def order(self, memory: str) -> Order:
        """The order asked of a memory's loops."""
        return next((order for where, order in self.orders if where == memory), Order())

    def fixed(self, place: str, dim: str) -> set[int]:
        """Factors named one by one for a dim at a place."""
        return {f for where, d, allowed in self.factors if (where, d) == (place, dim) for f in allowed.among}

    def reasons(self, mapping: Mapping) -> list[str]:
        """Every part of the constraint that a mapping breaks; empty if it is allowed."""
        wrong = []
        if self.dataflow is not None and mapping.dataflow != self.dataflow:
            wrong.append(f"dataflow {mapping.dataflow}, constrained to {self.dataflow}")
        for place, loops in _places(mapping).items():
            trips: dict[str, int] = {}
            for dim, count in loops:
                trips[dim] = trips.get(dim, 1) * count
            named = {d for where, d, _ in self.factors if where == place}
            for dim in sorted(named | set(trips)):
                if not self.factor_ok(place, dim, trips.get(dim, 1)):
                    allowed = [str(f) for where, d, f in self.factors if (where, d) == (place, dim)] or ["1"]
                    wrong.append(f"{place}: {dim} {trips.get(dim, 1)}, constrained to {' and '.join(allowed)}")
            order = tuple(dim for dim, count in loops if count > 1)
            if not self.order_ok(place, order):
                wrong.append(f"{place}: loops in the order {' '.join(order)}")
        return wrong

    def allows(self, mapping: Mapping) -> bool:
        """Is a mapping allowed?"""
        return not self.reasons(mapping)

    @staticmethod
    def exactly(mapping: Mapping) -> Constraint:
        """The constraint that allows this mapping and no other (up to loops with one trip)."""
        factors, orders = [], []
        for place, loops in _places(mapping).items():
            found: dict[str, int] = {}
            for dim, count in loops:
                found[dim] = found.get(dim, 1) * count
            factors += [(place, d, Factors(among=(f,))) for d, f in found.items()]
            line = tuple(dim for dim, count in loops if count > 1)
            if place not in (*SPREAD, "pe", "stream") and line:
                orders.append((place, Order(line)))
        return Constraint(tuple(factors), frozenset(_places(mapping)), tuple(orders), mapping.dataflow)


def _places(mapping: Mapping) -> dict[str, list[tuple[str, int]]]:
    """Loops by place, outer to inner."""
    found = {level.memory: [(loop.dim, loop.trips) for loop in level.loops] for level in mapping.levels}
    found["stream"] = [(loop.dim, loop.trips) for loop in mapping.stream]
    for kind in SPREAD:
        found[kind] = [(loop.dim, loop.trips) for loop in mapping.spatial if loop.kind == kind]
    found["pe"] = [(loop.dim, loop.trips) for loop in mapping.pe]
    return found


ANYTHING = Constraint()
