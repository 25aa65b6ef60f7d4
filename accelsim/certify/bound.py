"""Boxes of mappings, lower bounds of them, and exact comparison of many bounds at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.certify.space import Bools, Ints, Objective

CLOSE = 1e-12  # floats that differ by less are compared as whole numbers


@dataclass(frozen=True)
class Boxes:
    """Boxes of equal depth.

    Attributes:
        core: (n,). fold: folds of every dim inside the places outside k: (n, places + 1, 10); tile: extents, at most
        the dim's: the same shape. order: dims of a place's loops, outer to inner, then -1: (n, places, 10).
        arrived: words at every point whose loops are all fixed: (n, points).
        again, waiting: trips that bring an operand again, and those that will if a loop moves it inside: (n, 3).
    """

    core: Ints
    fold: Ints
    tile: Ints
    order: Ints
    arrived: Ints
    again: Ints
    waiting: Ints

    def __len__(self) -> int:
        return len(self.core)

    def take(self, rows: Ints | slice | Bools) -> Boxes:
        """Some of the boxes, in the order of `rows`."""
        names = ("core", "fold", "tile", "order", "arrived", "again", "waiting")
        return Boxes(*(getattr(self, name)[rows] for name in names))


@dataclass(frozen=True)
class Bound:
    """Bounds of boxes: energy (fJ), B (cycles); `empty` boxes hold no mapping that fits."""

    energy: Ints
    cycles: Ints
    empty: Bools


def values(objective: Objective, energy: Ints, cycles: Ints) -> list[int]:
    """The objective of each, exactly."""
    if objective == "energy":
        return [int(e) for e in energy]
    times = energy if objective == "edp" else np.ones_like(cycles)
    return [int(e) * int(c) for e, c in zip(times, cycles, strict=True)]


def rounded(objective: Objective, bound: Bound) -> NDArray[np.float64]:
    """The objective of each to the precision of a float, infinite for empty boxes."""
    energy, cycles = bound.energy.astype(np.float64), bound.cycles.astype(np.float64)
    found = energy if objective == "energy" else cycles if objective == "latency" else energy * cycles
    return np.where(bound.empty, np.inf, found)


def least_of(objective: Objective, options: list[Bound]) -> Bound:
    """Elementwise the least of several bounds, exactly; empty where all are."""
    best = options[0]
    for other in options[1:]:
        old, new = rounded(objective, best), rounded(objective, other)
        less = new < old
        both = np.nonzero(~(best.empty | other.empty))[0]
        rows = both[np.abs(new[both] - old[both]) <= CLOSE * old[both]]
        one = values(objective, best.energy[rows], best.cycles[rows])
        two = values(objective, other.energy[rows], other.cycles[rows])
        less[rows] = [b < a for a, b in zip(one, two, strict=True)]
        pairs = [(best.energy, other.energy), (best.cycles, other.cycles), (best.empty, other.empty)]
        best = Bound(*(np.where(less, b, a) for a, b in pairs))
    return best


def least_value(objective: Objective, bound: Bound) -> int | None:
    """The least objective of boxes, exactly; None if all are empty."""
    guess = rounded(objective, bound)
    rows = np.nonzero(np.isfinite(guess) & (guess <= guess.min(initial=np.inf) * (1 + CLOSE)))[0]
    return min(values(objective, bound.energy[rows], bound.cycles[rows]), default=None)


def below(objective: Objective, bound: Bound, cost: int) -> Bools:
    """Which boxes may hold something that costs less, exactly."""
    guess = rounded(objective, bound)
    less = guess < cost
    rows = np.nonzero(np.abs(guess - cost) <= CLOSE * cost)[0]
    less[rows] = [value < cost for value in values(objective, bound.energy[rows], bound.cycles[rows])]
    return less


def joined(parts: list[Bound]) -> Bound:
    if not parts:
        none = np.zeros(0, np.int64)
        return Bound(none, none, np.zeros(0, np.bool_))
    return Bound(*(np.concatenate([getattr(p, k) for p in parts]) for k in ("energy", "cycles", "empty")))
