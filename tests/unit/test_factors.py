"""Factors of one axis: cells equal sets written out PE by PE, near borders and away from them."""

from __future__ import annotations

from itertools import product
from random import Random

from accelsim.problem import Axis
from accelsim.traffic.factors import AxisNest, Factors

Starts = tuple[int, ...]


def indices(nest: AxisNest, starts: Starts) -> set[int]:
    """What one PE needs, index by index."""
    found: set[int] = set()
    for at in product(*(range(s, min(s + e, b)) for s, e, b in zip(starts, nest.pe, nest.bounds, strict=True))):
        if nest.axis is None:
            found.add(0)
        else:
            index = nest.axis.offset + sum(c * i for (_, c), i in zip(nest.axis.terms, at, strict=True))
            found |= {index} if 0 <= index < nest.axis.size else set()
    return found


def written_out(nest: AxisNest, new: Starts, old: Starts | None) -> tuple[int, int]:
    total = kept = 0
    for far in product(*nest.apart):
        union: set[int] = set()
        fresh: set[int] = set()
        for near in product(*nest.joint):
            now = indices(nest, tuple(map(sum, zip(new, far, near, strict=True))))
            was = set() if old is None else indices(nest, tuple(map(sum, zip(old, far, near, strict=True))))
            union |= now
            if nest.reuse:
                fresh |= now - was
            elif now != was:
                fresh |= now
        total += len(union)
        kept += 0 if old is None else len(union - fresh)
    return total, kept


def random_nest(rng: Random) -> AxisNest:
    dims = ("P", "R")[: rng.choice([1, 2])]
    bounds = tuple(rng.randint(2, 14) for _ in dims)
    pe = tuple(rng.randint(1, 3) for _ in dims)
    joint = tuple(tuple(range(0, p * rng.randint(1, 3), p)) for p in pe)
    apart = tuple(tuple(range(0, p * len(j) * rng.randint(1, 4), p * len(j))) for p, j in zip(pe, joint, strict=True))
    child = tuple(p * len(j) * len(a) for p, j, a in zip(pe, joint, apart, strict=True))
    axis = None
    if rng.random() < 0.8:
        terms = tuple((dim, rng.randint(1, 3)) for dim in dims)
        reach = 1 + sum(c * (b - 1) for (_, c), b in zip(terms, bounds, strict=True))
        axis = Axis(terms, rng.randint(max(1, reach - 4), reach + 1), -rng.choice([0, 0, 1, 2]))
    else:
        dims, bounds, pe, joint, apart, child = (part[:1] for part in (dims, bounds, pe, joint, apart, child))
    return AxisNest(axis, dims, bounds, child, pe, apart, joint, rng.random() < 0.7)


def test_cells_equal_sets_written_out() -> None:
    rng = Random(5)
    alike = 0
    for _ in range(600):
        nest, factors = random_nest(rng), Factors()
        tiles = [range(0, b, c) for b, c in zip(nest.bounds, nest.child, strict=True)]
        steps = list(product(*tiles))
        for new in steps:
            assert nest.cell(new, None) == written_out(nest, new, None)
            old = rng.choice(steps)
            expected = written_out(nest, new, old)
            assert nest.cell(new, old) == expected
            assert factors.cells(nest, [(*new, *old)]) == [expected]
            alike += len(nest._groups) > 1 and len(nest._inner) > 0
    assert alike > 300, "groups that stand for all others are met"


def test_whole_tiles_are_there_or_not_and_stay_if_nothing_is_new() -> None:
    nest = AxisNest(Axis((("C", 1),), 8), ("C",), (8,), (4,), (2,), ((0, 2),), ((0,),), True, whole=True)
    assert nest.cell((4,), (0,)) == (1, 0)
    assert nest.cell((4,), (4,)) == (1, 1)
    assert nest.cell((8,), (4,)) == (0, 0)
