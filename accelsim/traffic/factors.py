"""Per-axis factors of the closed-form counts.

An operand's tile is a product of index sets, one per axis, and every axis depends on dims of its own. The words
that a step brings are therefore `prod |U_a| - prod |U_a \\ D_a|`, where for axis `a` `U_a` is the index set needed
now (over all PEs that share one read) and `D_a` what at least one of them does not already hold. Sums over all
steps at which one given loop advances factor the same way, so each axis is summed on its own here.

Dims that do not index the operand act as an axis whose set is one point while the PE has work, else empty.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from operator import add, le, sub
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from accelsim.arch import ArrayAxis
from accelsim.mapping import Mapping
from accelsim.problem import Axis, Operand

Cell = tuple[int, int]
SHORT = 4096  # bits: sets that reach no further are kept from index 0 on, so that tiles share them


class _Group(NamedTuple):
    """PEs that share one read: where they begin, by dim (`far`) and along the axis (`at`); offsets of each by dim."""

    far: tuple[int, ...]
    at: int
    offsets: list[tuple[int, ...]]


@dataclass(frozen=True)
class AxisNest:
    """What the factors of one axis depend on: the splits of its dims and nothing else (so it is a cache key).

    Attributes:
        axis: the affine axis, or None for a dim that does not index the operand.
        dims, bounds: its dims and their bounds.
        child: extent per dim of the tile at the storage point.
        pe: extent per dim inside one PE (equal to `child` at a shared memory).
        apart, joint: start offsets per dim over unshared and shared PEs, (0,) at a shared memory.
        reuse: overlap with what is held counts (True), or only an unchanged tile saves its refill.
        whole: count tiles instead of words (1 needed, 1 kept if nothing of it is new).
        box: a tile is everything between its first and last index, stride gaps and padding included.
    """

    axis: Axis | None
    dims: tuple[str, ...]
    bounds: tuple[int, ...]
    child: tuple[int, ...]
    pe: tuple[int, ...]
    apart: tuple[tuple[int, ...], ...]
    joint: tuple[tuple[int, ...], ...]
    reuse: bool
    whole: bool = False
    box: bool = False

    @cached_property
    def _known(self) -> dict[tuple[tuple[int, ...], int], int]:
        """Index sets by starts and base, as they were found."""
        return {}

    @cached_property
    def _digest(self) -> int:
        splits = self.bounds, self.child, self.pe, self.apart, self.joint
        return hash((self.axis, self.dims, splits, self.reuse, self.whole, self.box))

    def __hash__(self) -> int:
        return self._digest

    def _group(self, far: tuple[int, ...]) -> _Group:
        at = 0 if self.axis is None else self._at(self.axis, far)
        return _Group(far, at, [tuple(map(add, far, near)) for near in _combos(self.joint)])

    @cached_property
    def _groups(self) -> list[_Group]:
        """PEs that share one read, group by group."""
        return [self._group(far) for far in _combos(self.apart)]

    @cached_property
    def _outer(self) -> tuple[_Group, tuple[int, ...], int, int]:
        """The first group, where the last one begins, by dim and along the axis, and how many there are."""
        near, far = (tuple(map(end, self.apart)) for end in (min, max))
        at = 0 if self.axis is None else self._at(self.axis, far)
        return self._group(near), far, at, prod(map(len, self.apart))

    @cached_property
    def _reach(self) -> tuple[int, ...]:
        """Extent per dim from the first to the last index of one group."""
        return tuple(max(near) + length for near, length in zip(self.joint, self.pe, strict=True))

    @cached_property
    def _inner(self) -> dict[tuple[int, ...] | None, Cell]:
        """Cells of one group away from all borders, by how far its tile has moved."""
        return {}

    def _set(self, starts: tuple[int, ...], base: int) -> int:
        """Index set of one PE (or memory) whose dims begin at `starts`, counted from index `base`."""
        found = self._known.get((starts, base))
        if found is None:
            found = self._known[starts, base] = self._made(starts, base)
        return found

    def _base(self, new: tuple[int, ...], old: tuple[int, ...] | None) -> int:
        """An index that none of both tiles lies below; 0 near the begin, where sets are short as they are."""
        if self.axis is None:
            return 0
        lows = new if old is None else tuple(map(min, new, old))
        low = min(0, self.axis.offset) + self._at(self.axis, lows)
        return low if low > SHORT else 0

    @staticmethod
    def _at(axis: Axis, starts: tuple[int, ...]) -> int:
        return sum(coef * start for (_, coef), start in zip(axis.terms, starts, strict=True))

    @cached_property
    def _span(self) -> int:
        """Indices between the first and last one of a PE (or memory), both included."""
        return 0 if self.axis is None else self.axis.span(dict(zip(self.dims, self.pe, strict=True)))

    def _disjoint(self, new: tuple[int, ...], old: tuple[int, ...]) -> bool:
        """Do the indices of no PE reach into what it held before?"""
        return self.axis is not None and abs(self._at(self.axis, new) - self._at(self.axis, old)) >= self._span

    def _made(self, starts: tuple[int, ...], base: int) -> int:
        if any(s >= b for s, b in zip(starts, self.bounds, strict=True)):
            return 0
        if self.axis is None:
            return 1
        ranges = {dim: (s, min(e, b - s)) for dim, s, e, b in zip(self.dims, starts, self.pe, self.bounds, strict=True)}
        if self.box:
            first = sum(coef * ranges[dim][0] for dim, coef in self.axis.terms)
            return ((1 << self.axis.span({dim: length for dim, (_, length) in ranges.items()})) - 1) << first - base
        return self.axis.mask(ranges, base)

    def cell(self, new: tuple[int, ...], old: tuple[int, ...] | None) -> Cell:
        """(sum of |U|, sum of |U minus D|) over groups of PEs, for a tile beginning at `new`, after `old`.

        Groups away from borders are copies of each other, so one stands for all of them.
        """
        if old is not None and self._disjoint(new, old):
            return self.cell(new, None)
        total = kept = 0
        base, (inner, one, others) = self._base(new, old), self._parted(new, old)
        if one is not None:
            moved = None if old is None else tuple(map(sub, new, old))
            if moved not in self._inner:
                self._inner[moved] = self._of_group(one, new, old, base)
            total, kept = (inner * words for words in self._inner[moved])
        for group in others:
            words, stay = self._of_group(group, new, old, base)
            total, kept = total + words, kept + stay
        if self.whole:
            return int(total > 0), int(old is not None and 0 < total == kept)
        return total, kept

    def _parted(
        self, new: tuple[int, ...], old: tuple[int, ...] | None
    ) -> tuple[int, _Group | None, list[_Group]]:  # fmt: skip
        """How many groups have no index cut off in both tiles, one of them, and the others."""
        low, high = (new, new) if old is None else (tuple(map(min, new, old)), tuple(map(max, new, old)))
        most = tuple(b - r - h for b, r, h in zip(self.bounds, self._reach, high, strict=True))
        if min(most) < 0 or min(low) < 0:
            return 0, None, self._groups
        first, last = 0, 0
        if self.axis is not None:
            span = self.axis.span(dict(zip(self.dims, self._reach, strict=True)))
            first = -self.axis.offset - self._at(self.axis, low)
            last = self.axis.size - self.axis.offset - self._at(self.axis, high) - span
        near, far, at, count = self._outer
        if first <= near.at and at <= last and all(map(le, far, most)):
            return count, near, []
        inner, others = None, []
        for group in self._groups:
            if first <= group.at <= last and all(map(le, group.far, most)):
                inner = group
            else:
                others.append(group)
        return len(self._groups) - len(others), inner, others

    def _of_group(self, group: _Group, new: tuple[int, ...], old: tuple[int, ...] | None, base: int) -> Cell:
        """(|U|, |U minus D|) of one group of PEs."""
        union = fresh = 0
        for offset in group.offsets:
            now = self._set(tuple(map(add, new, offset)), base)
            union |= now
            if old is not None:
                was = self._set(tuple(map(add, old, offset)), base)
                if self.reuse:
                    fresh |= now & ~was
                elif now != was:
                    fresh |= now
        return union.bit_count(), 0 if old is None else (union & ~fresh).bit_count()

    @property
    def uniform(self) -> bool:
        """True if all interior tiles look alike (no clipping at borders before the last tile)."""
        if self.axis is None:
            return True
        ((_, coef), *more) = self.axis.terms
        return not more and self.axis.offset == 0 and coef * (self.bounds[0] - 1) < self.axis.size

    @property
    def single(self) -> bool:
        """True if every tile is one word of one memory (a pooling window streamed word by word)."""
        extents = (*self.child, *self.pe, *(len(split) for split in (*self.apart, *self.joint)))
        return self.axis is not None and max(extents) == 1


def new_words(cells: Iterable[Cell]) -> int:
    """Words of a tile that were not there before, from (|U|, |U minus D|) of each of its axes."""
    total = kept = 1
    for one, two in cells:
        total *= one
        kept *= two
    return total - kept


def _combos(parts: tuple[tuple[int, ...], ...]) -> list[tuple[int, ...]]:
    combos: list[tuple[int, ...]] = [()]
    for part in parts:
        combos = [(*head, value) for head in combos for value in part]
    return combos


def axis_nests(
    mapping: Mapping,
    operand: Operand,
    position: int,
    shared: tuple[ArrayAxis, ...] | None,
    reuse: bool,
    whole: bool = False,
) -> list[AxisNest]:
    """One `AxisNest` per axis of the operand and per other dim; `shared` is None at a shared memory."""
    bound = mapping.problem.bound
    groups: list[tuple[Axis | None, tuple[str, ...]]] = [(axis, axis.dims) for axis in operand.axes if axis.terms]
    relevant = operand.dims
    groups += [(None, (dim,)) for dim in bound if dim not in relevant and (bound[dim] > 1)]
    found = []
    for axis, dims in groups:
        if axis is not None and all(bound[d] == 1 for d in dims) and axis.size == 1 and axis.offset == 0:
            continue
        child = tuple(min(mapping.tile_step(d, position), bound[d]) for d in dims)
        splits: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((0,), (0,)) for _ in dims]
        pe = child
        if shared is not None:
            pe = tuple(mapping.pe_extent[d] for d in dims)
            splits = [mapping.split_offsets(d, shared) for d in dims]
        apart, joint = tuple(s[0] for s in splits), tuple(s[1] for s in splits)
        found.append(AxisNest(axis, dims, tuple(bound[d] for d in dims), child, pe, apart, joint, reuse, whole))
    return found


Advance = tuple[str, int] | None
Region = tuple[tuple[int, int], ...]


class Factors:
    """Sums of axis cells, remembered: the same axis split the same way occurs in most mappings of a search."""

    def __init__(self) -> None:
        self._memo: dict[tuple[AxisNest, tuple[int, ...], Advance, Region], Cell] = {}
        self._cells: dict[AxisNest, dict[tuple[int, ...], Cell]] = {}
        self._nests: dict[AxisNest, AxisNest] = {}

    @property
    def size(self) -> int:
        """How many are remembered."""
        return len(self._memo) + sum(map(len, self._cells.values()))

    def cells(self, nest: AxisNest, steps: Iterable[tuple[int, ...]]) -> list[Cell]:
        """Cells of an axis at steps, each the starts of a tile followed by those of the tile before."""
        nest = self._nests.setdefault(nest, nest)  # equal ones share the sets they have found
        known, size = self._cells.setdefault(nest, {}), len(nest.dims)
        found = []
        for step in steps:
            cell = known.get(step)
            if cell is None:
                cell = known[step] = nest.cell(step[:size], step[size:])
            found.append(cell)
        return found

    def total(
        self, nest: AxisNest, outer: tuple[int, ...], advance: Advance = None, region: Region | None = None
    ) -> Cell:
        """(sum |U|, sum |U minus D|) over all states of the axis outside a loop.

        `outer` is the extent per dim inside the loops up to and including the advancing one. `advance` is
        `(dim, extent of the dim outside that loop)` if the loop is over one of the axis' own dims: then only states
        where its index is not 0 count and the tile before is the neighbour; otherwise the tile before is the last
        one inside the same state. `region` restricts the states to `(start, extent)` per dim, default everything.
        """
        area = tuple((0, bound) for bound in nest.bounds) if region is None else region
        if nest.uniform and area[0][0] + area[0][1] < nest.bounds[0]:
            area = ((0, area[0][1]),)
        key = (nest, outer, advance, area)
        found = self._memo.get(key)
        if found is None:
            found = self._memo[key] = _sum_states(self._nests.setdefault(nest, nest), outer, advance, area)
        return found


Start = TypeVar("Start", int, NDArray[np.int64])


def last_child(start: Start, length: Start, child: int) -> Start:
    """Start of the last child tile inside a tile; numbers or arrays of them."""
    return start + (length - 1) // child * child


def _old(nest: AxisNest, new: tuple[int, ...], outer: tuple[int, ...], advance: Advance) -> tuple[int, ...]:
    olds = []
    for dim, start, bound, child, span in zip(nest.dims, new, nest.bounds, nest.child, outer, strict=True):
        if advance is not None and advance[0] == dim:
            olds.append(start - child)
        else:
            olds.append(last_child(start, min(span, bound - start), child))
    return tuple(olds)


def _starts(dim: str, area: tuple[int, int], bound: int, span: int, advance: Advance) -> list[int]:
    starts = range(area[0], min(area[0] + area[1], bound), span)
    if advance is not None and advance[0] == dim:
        return [s for s in starts if s % advance[1]]
    return list(starts)


def _sum_states(nest: AxisNest, outer: tuple[int, ...], advance: Advance, area: Region) -> Cell:
    per_dim = [
        _starts(dim, part, bound, span, advance)
        for dim, part, bound, span in zip(nest.dims, area, nest.bounds, outer, strict=True)
    ]
    if nest.uniform:
        return _sum_uniform(nest, per_dim[0], outer, advance)
    if nest.single:
        return _sum_single(nest, per_dim, outer, advance)
    total = kept = 0
    every: tuple[tuple[int, ...], ...] = tuple(tuple(starts) for starts in per_dim)
    for new in _combos(every):
        one, two = nest.cell(new, _old(nest, new, outer, advance))
        total += one
        kept += two
    return total, kept


def _sum_single(nest: AxisNest, per_dim: list[list[int]], outer: tuple[int, ...], advance: Advance) -> Cell:
    """All states at once where a tile is one word: it is there unless it is padding, and stays if it is the same."""
    assert nest.axis is not None
    now = before = np.full((1,) * len(per_dim), nest.axis.offset, np.int64)
    for number, (starts, bound, span) in enumerate(zip(per_dim, nest.bounds, outer, strict=True)):
        coef = nest.axis.terms[number][1]
        shape = [1] * len(per_dim)
        shape[number] = len(starts)
        start = np.array(starts, np.int64).reshape(shape)
        moved = advance is not None and advance[0] == nest.dims[number]
        old = start - 1 if moved else start + np.minimum(span, bound - start) - 1
        now, before = now + coef * start, before + coef * old
    there = (now >= 0) & (now < nest.axis.size)
    return int(there.sum()), int((there & (now == before)).sum())


def _sum_uniform(nest: AxisNest, starts: list[int], outer: tuple[int, ...], advance: Advance) -> Cell:
    """All states but the last one alike: one cell times their number, plus the last."""
    if not starts:
        return 0, 0
    last = nest.cell((starts[-1],), _old(nest, (starts[-1],), outer, advance))
    if len(starts) == 1:
        return last
    first = nest.cell((starts[0],), _old(nest, (starts[0],), outer, advance))
    return first[0] * (len(starts) - 1) + last[0], first[1] * (len(starts) - 1) + last[1]
