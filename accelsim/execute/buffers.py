"""Buffers with real contents: what a memory holds of a tensor, and the words that filling it moved."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import CheckFailed
from accelsim.mapping import Mapping
from accelsim.mapping.shares import Share
from accelsim.problem import Operand

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Ranges = dict[str, tuple[int, int]]
Box = tuple[tuple[int, int], ...]


def stored_indices(operand: Operand, ranges: Ranges) -> list[Index]:
    """Stored indices along each axis that the ranges touch, ascending; padding and stride gaps are absent."""
    found = []
    for axis in operand.axes:
        values = np.array([axis.offset], np.int64)
        for dim, coef in axis.terms:
            start, length = ranges[dim]
            steps = np.arange(start, start + length, dtype=np.int64) * coef
            values = (values[:, None] + steps[None, :]).reshape(-1)
        values = np.unique(values)
        found.append(values[(values >= 0) & (values < axis.size)])
    return found


@dataclass
class Moves:
    """Words moved over every link, counted as they are copied: `(operand, parent, child)` -> words."""

    reads: dict[tuple[str, str, str], int] = field(default_factory=dict)
    psum_writes: dict[tuple[str, str, str], int] = field(default_factory=dict)
    final_writes: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def add(self, table: dict[tuple[str, str, str], int], link: tuple[str, str, str], words: int) -> None:
        """Count `words` over a link in one of the tables."""
        table[link] = table.get(link, 0) + int(words)


class Dram:
    """A whole tensor in DRAM, in the axis order of its operand."""

    def __init__(self, values: Array) -> None:
        self.values = values

    def take(self, indices: list[Index]) -> Array:
        """Values at the product of the index lists."""
        return self.values[np.ix_(*indices)]


class PartlyHere:
    """A tensor whose first `count` indices of one axis are in a region on chip; DRAM has the others only."""

    def __init__(self, values: Array, axis: int, count: int) -> None:
        self._axis, self._count = axis, count
        self._region, self._dram = np.split(values, [count], axis=axis)

    def _split(self, indices: list[Index]) -> tuple[list[Index], list[Index]]:
        along = indices[self._axis]
        parts = along[along < self._count], along[along >= self._count] - self._count
        near, far = ([*indices[: self._axis], part, *indices[self._axis + 1 :]] for part in parts)
        return near, far

    def take(self, indices: list[Index]) -> Array:
        """Values at the product of the (ascending) index lists, from both places."""
        near, far = self._split(indices)
        return np.concatenate([self._region[np.ix_(*near)], self._dram[np.ix_(*far)]], axis=self._axis)

    def stored(self, indices: list[Index]) -> int:
        """How many words of the product of the index lists are in DRAM."""
        return prod(index.size for index in self._split(indices)[1])


def source_of(values: Array, operand: Operand, share: Share | None) -> Dram | PartlyHere:
    """Where a tensor is before the problem begins."""
    return Dram(values) if share is None else PartlyHere(values, share.axis(operand), share.count)


Staying = tuple[int, int] | None
"""Finished results that stay on chip: axis, and how many of its first indices."""


def staying_of(mapping: Mapping, operand: Operand, parent: str) -> Staying:
    """Which results of an operand stay in the memory inside `parent`."""
    share = mapping.share(operand.name)
    if parent != "DRAM" or (share is None and operand.name not in mapping.resident):
        return None
    return (0, operand.axes[0].size) if share is None else (share.axis(operand), share.count)


def leaving(box: Box, staying: Staying) -> tuple[slice, ...]:
    """Slices of a box of results for those of its words that go to DRAM."""
    found = [slice(0, length) for _, length in box]
    if staying is not None:
        axis, count = staying
        begin, length = box[axis]
        found[axis] = slice(min(length, max(0, count - begin)), length)
    return tuple(found)


class Buffer:
    """Part of a read-only tensor in an on-chip memory, filled from its parent.

    Args:
        capacity_words: most words it may hold; more is a failed check.
        reuse: keep what is already there when the tile moves (halo reuse).
        whole_words: words that any refill costs on machines that load whole weight tiles.
    """

    def __init__(
        self, parent: Dram | PartlyHere | Buffer, link: tuple[str, str, str], moves: Moves, capacity_words: int,
        reuse: bool = True, whole_words: int = 0,
    ) -> None:  # fmt: skip
        self._parent, self._link, self._moves = parent, link, moves
        self._capacity, self._reuse, self._whole = capacity_words, reuse, whole_words
        self._indices: list[Index] | None = None
        self._values: Array = np.zeros(0)
        self._resident = False

    def preload(self, indices: list[Index]) -> None:
        """Hold the product of `indices` in a region of its own, from before the problem began and to its end."""
        self._indices, self._values, self._resident = indices, self._parent.take(indices), True

    def fill(self, indices: list[Index]) -> None:
        """Hold exactly the product of `indices`, fetching from the parent what is missing; of a resident tensor,
        nothing is."""
        if self._resident:
            return
        size = int(np.prod([i.size for i in indices]))
        if max(size, self._whole if size else 0) > self._capacity:
            raise CheckFailed(f"{self._link}: a tile of {size} words does not fit {self._capacity}")
        old, values = self._indices, self._values
        same = old is not None and all(np.array_equal(a, b) for a, b in zip(old, indices, strict=True))
        if same:
            return
        fresh = np.empty([i.size for i in indices])
        kept = [np.zeros(i.size, bool) for i in indices]
        if old is not None and self._reuse:
            kept = [np.isin(new, was, assume_unique=True) for new, was in zip(indices, old, strict=True)]
        mine = int(np.prod([k.sum() for k in kept]))
        if mine and old is not None:
            at = [np.searchsorted(was, new[k]) for was, new, k in zip(old, indices, kept, strict=True)]
            fresh[np.ix_(*kept)] = values[np.ix_(*at)]
        self._fetch(fresh, indices, kept, mine)
        moved = size - mine
        if isinstance(self._parent, PartlyHere):
            held = [index[k] for index, k in zip(indices, kept, strict=True)]
            moved = self._parent.stored(indices) - self._parent.stored(held)
        self._moves.add(self._moves.reads, self._link, self._whole if moved and self._whole else moved)
        self._indices, self._values = indices, fresh

    def _fetch(self, fresh: Array, indices: list[Index], kept: list[NDArray[np.bool_]], mine: int) -> None:
        """Copy from the parent the part of the box that is not kept, one slab per axis."""
        if mine == 0:
            fresh[...] = self._parent.take(indices)
            return
        for axis in range(len(indices)):
            parts = [k if a < axis else ~k if a == axis else np.ones(k.size, bool) for a, k in enumerate(kept)]
            if all(p.any() for p in parts):
                picked = [i[p] for i, p in zip(indices, parts, strict=True)]
                fresh[np.ix_(*parts)] = self._parent.take(picked)

    def take(self, indices: list[Index]) -> Array:
        """Values at the product of the index lists; all must be held."""
        if self._indices is None:
            raise CheckFailed(f"{self._link}: read before anything was loaded")
        at = []
        for held, wanted in zip(self._indices, indices, strict=True):
            where = np.searchsorted(held, wanted)
            if wanted.size and (where.max() >= held.size or not np.array_equal(held[where], wanted)):
                raise CheckFailed(f"{self._link}: reads words that are not in the buffer")
            at.append(where)
        return self._values[np.ix_(*at)]


class PsumStore:
    """Partial sums somewhere: values and, per word, how many MACs are still missing."""

    def __init__(self, shape: list[int], missing: int) -> None:
        self.values = np.zeros(shape)
        self.missing = np.full(shape, missing, np.int64)
        self.visited = np.zeros(shape, bool)

    def window(self, box: Box) -> tuple[slice, ...]:
        """Slices for a box of output coordinates."""
        return tuple(slice(start, start + length) for start, length in box)


class PsumBuffer:
    """A tile of outputs between the array and `parent` (a `PsumStore` in DRAM or another buffer).

    Args:
        capacity_words: most words it may hold; more is a failed check.
        read_first: count a read for words that were never visited too (the Eyeriss chip reads on every visit).
        staying: finished words that stay in this memory, in a region of their own.
    """

    def __init__(
        self,
        parent: PsumStore | PsumBuffer,
        link: tuple[str, str, str],
        moves: Moves,
        capacity_words: int,
        read_first: bool = False,
        staying: Staying = None,
    ) -> None:
        self._parent, self._link, self._moves = parent, link, moves
        self._capacity, self._read_first, self._staying = capacity_words, read_first, staying
        self.box: Box | None = None
        self.values: Array = np.zeros(0)
        self.missing: NDArray[np.int64] = np.zeros(0, np.int64)
        self.visited: NDArray[np.bool_] = np.zeros(0, bool)

    def window(self, box: Box) -> tuple[slice, ...]:
        """Slices of this buffer for a box of output coordinates `(start, length)` per axis; it must be held."""
        if self.box is None:
            raise CheckFailed(f"{self._link}: no output tile is held")
        slices = []
        for (start, length), (low, size) in zip(box, self.box, strict=True):
            if start < low or start + length > low + size:
                raise CheckFailed(f"{self._link}: output words outside the tile that is held")
            slices.append(slice(start - low, start - low + length))
        return tuple(slices)

    def hold(self, box: Box) -> None:
        """Hold a tile: write back the one before, reload what was visited earlier."""
        if box == self.box:
            return
        self.flush()
        size = int(np.prod([length for _, length in box]))
        if size > self._capacity:
            raise CheckFailed(f"{self._link}: a tile of {size} words does not fit {self._capacity}")
        at = self._parent.window(box)
        self.values = self._parent.values[at].copy()
        self.missing = self._parent.missing[at].copy()
        self.visited = self._parent.visited[at].copy()
        reloaded = size if self._read_first else int(self.visited.sum())
        self._moves.add(self._moves.reads, self._link, reloaded)
        self.box = box

    def flush(self) -> None:
        """Write the tile back to the parent: finished words as results, others as partial sums."""
        if self.box is None:
            return
        at = self._parent.window(self.box)
        self._parent.values[at] = self.values
        self._parent.missing[at] = self.missing
        self._parent.visited[at] = True
        done = self.missing == 0
        stored = int(done[leaving(self.box, self._staying)].sum())
        self._moves.add(self._moves.final_writes, self._link, stored)
        self._moves.add(self._moves.psum_writes, self._link, self.missing.size - int(done.sum()))
        self.box = None
