"""The points that no other point beats in every goal."""

from __future__ import annotations

from collections.abc import Sequence


def pareto(costs: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the rows that are not dominated (no other row is at most as large everywhere and smaller somewhere).

    Equal rows are all kept.

    >>> pareto([(1, 3), (2, 2), (3, 3), (3, 1)])
    [0, 1, 3]
    """
    order = sorted(range(len(costs)), key=lambda i: (tuple(costs[i]), i))
    kept: list[int] = []
    for i in order:
        row = tuple(costs[i])
        if not any(_dominates(costs[j], row) for j in kept):
            kept.append(i)
    return sorted(kept)


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
