"""The ratio of two designs' energies with the range that survives the uncertainty they share.

If every SRAM figure is too high by the same factor, two designs with the same SRAM share of energy compare as before.
Components with the same `shared` name are scaled by one unknown factor between its low and high; the ratio is then a
quotient of two linear forms over a box, and such a quotient takes its extremes at corners. With factors x and parts a
and b, the largest a.x / b.x is reached by the high factor where a_i / b_i is above the optimum and the low one where it
is below, so that only the corners along the order of a_i / b_i need to be tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from accelsim.energy.figures import Range
from accelsim.errors import InputError


@dataclass(frozen=True)
class Ratio:
    """Energy of a over that of b: nominal, least and largest; the naive range takes both as independent."""

    value: Fraction
    low: Fraction
    high: Fraction
    naive_low: Fraction
    naive_high: Fraction


@dataclass(frozen=True)
class _Term:
    a: int
    b: int
    low: int
    high: int


Breakdown = Mapping[str, int]
Ranges = Mapping[str, Range]


def _terms(a: Breakdown, a_ranges: Ranges, b: Breakdown, b_ranges: Ranges) -> list[_Term]:
    """Energies of both by shared uncertainty; of its components that use energy, the widest range holds."""
    found: dict[str, _Term] = {}
    for first, table, bounds in ((True, a, a_ranges), (False, b, b_ranges)):
        for component, energy in table.items():
            if component not in bounds:
                raise InputError(f"no range for {component!r}; there are ranges for {', '.join(sorted(bounds))}")
            if energy:
                r = bounds[component]
                old = found.get(r.shared, _Term(0, 0, r.low_permille, r.high_permille))
                low, high = min(old.low, r.low_permille), max(old.high, r.high_permille)
                found[r.shared] = _Term(old.a + energy * first, old.b + energy * (not first), low, high)
    return list(found.values())


def _largest(terms: list[_Term]) -> Fraction:
    """The largest a.x / b.x over the corners in the order of a_i / b_i."""
    order = sorted(terms, key=lambda t: (t.b == 0, Fraction(t.a, t.b) if t.b else Fraction(0)))
    corners = [[t.low for t in order[:k]] + [t.high for t in order[k:]] for k in range(len(order) + 1)]
    return max(
        Fraction(
            sum(t.a * x for t, x in zip(order, corner, strict=True)),
            sum(t.b * x for t, x in zip(order, corner, strict=True)),
        )
        for corner in corners
    )


def ratio(a: Breakdown, a_ranges: Ranges, b: Breakdown, b_ranges: Ranges) -> Ratio:
    """Energy of design a over design b, by component in any one unit.

    Raises:
        InputError: a component without range, or a design without energy.
    """
    if sum(a.values()) <= 0 or sum(b.values()) <= 0:
        raise InputError("a ratio needs two designs that use energy")
    terms = _terms(a, a_ranges, b, b_ranges)
    if any(sum(getattr(t, side) * t.low for t in terms) <= 0 for side in "ab"):
        raise InputError("a range reaches down to zero for a whole design; a ratio has no bound")
    swapped = [_Term(t.b, t.a, t.low, t.high) for t in terms]
    return Ratio(
        Fraction(sum(a.values()), sum(b.values())),
        1 / _largest(swapped),
        _largest(terms),
        Fraction(sum(t.a * t.low for t in terms), sum(t.b * t.high for t in terms)),
        Fraction(sum(t.a * t.high for t in terms), sum(t.b * t.low for t in terms)),
    )
