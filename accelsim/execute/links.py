"""What crosses the link between the innermost memory and the array in one pass, per dataflow.

Each class keeps what the PEs hold and moves real words; none of them knows the closed forms of `traffic`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from accelsim.arch import Accelerator
from accelsim.errors import CheckFailed, InputError
from accelsim.execute.buffers import Array, Box, Index, Moves, PsumBuffer, Ranges
from accelsim.mapping import Mapping
from accelsim.mapping.bands import TAPS, Band
from accelsim.problem import Axis, Operand

Link = tuple[str, str, str]


def gather_table(axis: Axis, ranges: Ranges, held: Index) -> NDArray[np.int64]:
    """Positions in `held` of index `(filter, output)` pairs of a two-term axis, -1 for padding: (filters, outputs).

    The axis' first term is the output dim, its second the filter dim.
    """
    (out, stride), (tap, dilation) = axis.terms
    outs = ranges[out][0] + np.arange(ranges[out][1])
    taps = ranges[tap][0] + np.arange(ranges[tap][1])
    wanted = outs[None, :] * stride + taps[:, None] * dilation + axis.offset
    inside = (wanted >= 0) & (wanted < axis.size)
    where = np.searchsorted(held, wanted)
    table: NDArray[np.int64] = np.where(inside, where, -1)
    return table


def window_tables(operand: Operand, ranges: Ranges, held: list[Index]) -> list[Index]:
    """Gather tables of the depth, row and column axes of an input tile."""
    return [gather_table(operand.axes[k], ranges, held[k]) for k in (3, 4, 5)]


def streamed_inputs(mapping: Mapping, link: Link, moves: Moves) -> SystolicInputs | BandInputs:
    """How the inputs of a pass enter an array that does not keep them."""
    if not mapping.bands:
        return SystolicInputs(link, moves)
    return BandInputs(link, moves, mapping.bands)


class SystolicInputs:
    """Inputs that stream through: every valid word of the pass enters once per row of the array."""

    def __init__(self, link: Link, moves: Moves) -> None:
        self._link, self._moves = link, moves

    def deliver(self, block: Array, tables: list[Index]) -> None:
        """`block` is the (n, g, c, ...) part read; `tables` the gather tables of the pass."""
        words = prod(block.shape[:3]) * prod(int((table >= 0).sum()) for table in tables)
        self._moves.add(self._moves.reads, self._link, words)


class BandInputs:
    """Inputs that stream past bands: in every step a row of PEs carries one word, if one of them needs it.

    Of a window axis with a band, so many outputs and taps as it has are at work at a time.
    """

    def __init__(self, link: Link, moves: Moves, bands: tuple[Band, ...]) -> None:
        self._link, self._moves = link, moves
        self._bands = {list(TAPS).index(band.out): band for band in bands}

    @staticmethod
    def _wires(band: Band, table: Index) -> int:
        """Words that the rows of one step carry to the taps and outputs of a table, each once."""
        rows = np.full(band.rows, -1, np.int64)
        taps, outs = np.nonzero(table >= 0)
        needed = outs * band.stride + taps * band.dilation
        rows[needed] = table[table >= 0]
        if (rows[needed] != table[table >= 0]).any():
            raise CheckFailed("a row of a band would carry two words at once")
        return int((rows >= 0).sum())

    def deliver(self, block: Array, tables: list[Index]) -> None:
        """`block` is the (n, g, c, ...) part read; `tables` the gather tables of the pass, (taps, outputs) each."""
        words = prod(block.shape[:3])
        for number, table in enumerate(tables):
            band = self._bands.get(number)
            if band is None:
                words *= int((table >= 0).sum())
                continue
            steps = product(range(0, table.shape[0], band.taps), range(0, table.shape[1], band.outs))
            words *= sum(self._wires(band, table[s : s + band.taps, q : q + band.outs]) for s, q in steps)
        self._moves.add(self._moves.reads, self._link, words)


class StationaryInputs:
    """Inputs that stay, one word per PE: a PE is loaded if its word differs from the one it holds."""

    def __init__(self, mapping: Mapping, operand: Operand, link: Link, moves: Moves) -> None:
        self._mapping, self._operand, self._link, self._moves = mapping, operand, link, moves
        trips = [digit.trips for digit in mapping.digits]
        self._places = np.indices(trips).reshape(len(trips), -1) if trips else np.zeros((0, 1), np.int64)
        self._held = np.full(self._places.shape[1], -1, np.int64)

    def deliver(self, ranges: Ranges) -> None:
        """Load the words of a pass."""
        start = {d: np.full(self._held.size, ranges[d][0], np.int64) for d in ranges}
        for digit, place in zip(self._mapping.digits, self._places, strict=True):
            start[digit.dim] = start[digit.dim] + place * digit.step
        valid = np.ones(self._held.size, bool)
        for dim, (begin, length) in ranges.items():
            valid &= start[dim] < begin + length
        flat = np.zeros(self._held.size, np.int64)
        for axis in self._operand.axes:
            index = axis.offset + sum(coef * start[dim] for dim, coef in axis.terms)
            valid &= (index >= 0) & (index < axis.size)
            flat = flat * axis.size + index
        wanted = np.where(valid, flat, -1)
        self._moves.add(self._moves.reads, self._link, int((valid & (wanted != self._held)).sum()))
        self._held = wanted


class ColumnWeights:
    """Weights that stay, of an array whose columns have copies of them, as in a band: every PE is loaded with those
    of its words that it does not hold; a PE without work in a step holds nothing after it."""

    def __init__(self, mapping: Mapping, operand: Operand, link: Link, moves: Moves) -> None:
        self._mapping, self._operand, self._link, self._moves = mapping, operand, link, moves
        trips = [digit.trips for digit in mapping.digits]
        places = np.indices(trips).reshape(len(trips), -1)
        self._offsets = {d: np.zeros(places.shape[1], np.int64) for d in mapping.problem.bound}
        for digit, place in zip(mapping.digits, places, strict=True):
            self._offsets[digit.dim] = self._offsets[digit.dim] + place * digit.step
        none = np.zeros(places.shape[1], np.int64)
        self._held = dict.fromkeys(operand.dims, (none, none))
        self._last: object = None

    def deliver(self, steps: Iterable[Ranges]) -> None:
        """Load the words of a pass, step by step."""
        dims = self._operand.dims
        for ranges in steps:
            state = [ranges[d] if d in dims else ranges[d][1] for d in ranges]
            if state != self._last:  # else every PE works on as before
                self._load(ranges)
            self._last = state

    def _load(self, ranges: Ranges) -> None:
        sizes = {d: np.minimum(self._mapping.pe_extent[d], ranges[d][1] - off) for d, off in self._offsets.items()}
        active = np.logical_and.reduce([size > 0 for size in sizes.values()])
        words = kept = active.astype(np.int64)
        for d in self._operand.dims:
            low, size = ranges[d][0] + self._offsets[d], sizes[d] * active
            old, length = self._held[d]
            words = words * size
            kept = kept * np.maximum(0, np.minimum(low + size, old + length) - np.maximum(low, old))
            self._held[d] = low, size
        self._moves.add(self._moves.reads, self._link, int((words - kept).sum()))


class StreamedWeights:
    """Weights that stream through (`os`, `is`): every word of the pass is read once."""

    def __init__(self, link: Link, moves: Moves) -> None:
        self._link, self._moves = link, moves

    def deliver(self, block: Array) -> None:
        """`block` is the part of the weights that the pass reads."""
        self._moves.add(self._moves.reads, self._link, block.size)


class StreamedPsums:
    """Psums that enter and leave with every stream step (`ws`, `is`)."""

    def __init__(self, store: PsumBuffer, link: Link, moves: Moves, read_first: bool) -> None:
        self._store, self._link, self._moves, self._read_first = store, link, moves, read_first

    def accumulate(self, box: Box, result: Array, taps: int) -> None:
        """Add a pass' results, each of `taps` MACs, to the psums of the innermost memory."""
        at = self._store.window(box)
        moves, visited = self._moves, self._store.visited[at]
        moves.add(moves.reads, self._link, visited.size if self._read_first else int(visited.sum()))
        self._store.values[at] += result
        self._store.missing[at] -= taps
        self._store.visited[at] = True
        done = int((self._store.missing[at] == 0).sum())
        moves.add(moves.final_writes, self._link, done)
        moves.add(moves.psum_writes, self._link, result.size - done)


class RowStationaryLink:
    """Spads of a row-stationary array: tags say which rows each PE holds; only missing words cross the buses.

    A PE holds for Inputs a window of columns of (image, group, channels, one ifmap row of one plane), for Weights the
    taps of (groups, filters, channels, one filter row of one plane).
    """

    def __init__(self, mapping: Mapping, arch: Accelerator, links: dict[str, Link], moves: Moves) -> None:
        if any(mapping.pe_extent[d] > 1 for d in "OPQTR"):
            raise InputError("a row-stationary PE works on one output row, one output column and one filter row")
        if any(loop.dim in "OT" for loop in mapping.temporal[mapping.position("stream") :]):
            raise InputError("a row-stationary pass works on one output plane and one filter plane")
        streamed = [loop.dim for loop in mapping.stream if loop.trips > 1]
        if streamed not in ([], ["N"], ["Q"], ["N", "Q"]):
            raise InputError(f"a row-stationary pass slides over Q for one image after another, not over {streamed}")
        self._mapping, self._links, self._moves = mapping, links, moves
        self._read_first = arch.psum_first_visit == "read"
        self._places = [
            {d: sum(k * g.step for k, g in zip(ks, mapping.digits, strict=True) if g.dim == d) for d in "NGMCOPTRS"}
            for ks in product(*(range(digit.trips) for digit in mapping.digits))
        ]
        self._inputs: list[tuple[int, ...] | None] = [None] * len(self._places)
        self._weights: list[tuple[int, ...] | None] = [None] * len(self._places)
        self._window: frozenset[int] = frozenset()

    def _active(self, ranges: Ranges) -> list[dict[str, tuple[int, int]] | None]:
        """Per PE its ranges in the pass, None if it idles."""
        pe = self._mapping.pe_extent
        found: list[dict[str, tuple[int, int]] | None] = []
        for place in self._places:
            mine: dict[str, tuple[int, int]] | None = {}
            for dim, offset in place.items():
                begin, length = ranges[dim]
                if offset >= length:
                    mine = None
                    break
                if mine is not None:
                    mine[dim] = (begin + offset, min(pe[dim], length - offset))
            found.append(mine)
        return found

    def load(self, ranges: Ranges, inputs: Operand, windows: list[frozenset[int]]) -> None:
        """Load a pass: its weights once, and its ifmap windows step by step, image after image; a window per step."""
        begin, length = ranges["N"]
        together = self._mapping.array_extent["N"]
        slides = len(windows) // -(-length // together)
        for number, first in enumerate(range(0, length, together)):
            active = self._active({**ranges, "N": (begin + first, min(together, length - first))})
            if first == 0:
                self._load_weights(active)
            self._load_inputs(active, inputs, windows[number * slides : (number + 1) * slides])

    def _load_inputs(
        self, active: list[dict[str, tuple[int, int]] | None], inputs: Operand, windows: list[frozenset[int]]
    ) -> None:
        """Ifmap words of the images that are in the array together."""
        planes, rows = inputs.axes[3], inputs.axes[4]
        fresh: dict[tuple[int, ...], bool] = {}
        for number, mine in enumerate(active):
            tag = None
            if mine is not None:
                plane, row = (_index(axis, mine) for axis in (planes, rows))
                inside = 0 <= row < rows.size and 0 <= plane < planes.size
                tag = (*mine["N"], *mine["G"], *mine["C"], plane, row) if inside else None
            if tag is not None:
                fresh[tag] = fresh.get(tag, False) or tag != self._inputs[number]
            self._inputs[number] = tag
        words = 0
        for step, window in enumerate(windows):
            slid = len(window - self._window)
            for (_, n, _, g, _, c, _, _), missing in fresh.items():
                words += n * g * c * (len(window) if missing and step == 0 else slid)
            self._window = window
        self._moves.add(self._moves.reads, self._links["Inputs"], words)

    def _load_weights(self, active: list[dict[str, tuple[int, int]] | None]) -> None:
        sent: set[tuple[int, ...]] = set()
        for number, mine in enumerate(active):
            tag = None if mine is None else tuple(v for dim in "GMCTRS" for v in mine[dim])
            if tag is not None and tag != self._weights[number]:
                sent.add(tag)
            self._weights[number] = tag
        self._moves.add(self._moves.reads, self._links["Weights"], sum(prod(tag[1::2]) for tag in sent))


def _index(axis: Axis, at: dict[str, tuple[int, int]]) -> int:
    return axis.offset + sum(coef * at[dim][0] for dim, coef in axis.terms)
