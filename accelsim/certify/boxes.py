"""Boxes of mappings, how each is cut into smaller ones, and a lower bound of every one.

A box fixes a core and the loops of the outermost places. It is cut place by place: first into the trips that the next
place may have, then into the orders of its loops; the stream takes what is left. Bounds of a box:

* Words that arrive at a point outside which all loops are fixed are exact.
* A point further in receives at least what a tile of inputs (or psums, weights) at the border does, if tiles keep what
  the next one needs, too: a smaller tile holds nothing that the tile around it does not.
* Loops over dims that an operand does not depend on bring it again, all of it, if a loop that moves it lies inside
  (`Counter.again`). Before the order is known the innermost loop of the place moves all operands but one, so the least
  over that one holds. Before any place is cut the same is said of the innermost loop of all.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import permutations

import numpy as np

from accelsim.certify.bound import Bound, Boxes, joined, least_of
from accelsim.certify.price import NAMES, Pricing
from accelsim.certify.space import (
    AT,
    FREE,
    NDIM,
    STREAMED,
    Bools,
    Ints,
    Question,
    cores_of,
    divisors,
    places_of,
)
from accelsim.certify.words import TILES, WINDOW, Counter, Point, is_window, points_of
from accelsim.errors import InputError
from accelsim.problem import DIMS

CHUNK = 1 << 14  # boxes bounded at once
BATCH = 1 << 17  # boxes whose flags stand in one family, unless one box has more parts
LARGEST = 1 << 24
"""Parts of one box at most; a box with more is refused."""


class Space:
    """The boxes of one question."""

    def __init__(self, q: Question) -> None:
        self.q, self.places, self.cores = q, places_of(q), cores_of(q)
        names = tuple(place.name for place in self.places)
        self.points = points_of(q, names)
        self.counter = Counter(q, self.cores)
        self.pricing = Pricing(q, self.places, self.points, self.counter)
        self.last, self.groups = len(self.places) - 1, np.array(q.groups)
        self.windows = [axis for axis in q.problem.operand("Inputs").axes if is_window(axis, q)]
        tiles = [p.boundary for p in self.points if p.operand == 0 and p.retained and not p.each]
        self.deepest = max(tiles, default=0) if self.windows else 0
        self.uneven = self._uneven()
        self.least = self._least()
        self.floor = self._row_streams()
        self._orders = cache(self._orders_of)

    @property
    def stages(self) -> tuple[str, ...]:
        """The cuts, one after another."""
        cuts = [f"{what} of {p.name}" for p in self.places[:-1] for what in ("trips", "orders")]
        return ("cores", *cuts, "mappings")

    def _uneven(self) -> Ints:
        """By core the dim whose band leaves PEs idle in its last fold, -1 if none does: (cores,)."""
        band = self.cores.band
        out = np.array([d in "OPQ" for d in DIMS])
        found: Ints = np.where(out & (band > 1) & (self.q.bounds % band > 0), np.arange(NDIM), -1).max(axis=1)
        return found

    def _least(self) -> Ints:
        """Least arrivals of every point by core: exact where nothing is kept, else every word once: (cores, points)."""
        core = np.arange(len(self.cores.row))
        found = np.empty((len(core), len(self.points)), np.int64)
        for i, p in enumerate(self.points):
            found[:, i] = self.counter.every_step(p, core) if not p.retained else self._once(p, core)
        return found

    def _once(self, p: Point, core: Ints) -> Ints:
        words = np.full(len(core), self.counter.touched(p), np.int64)
        for unit in p.units:
            if unit.kind == TILES:
                words *= -(-self.q.bounds[unit.dims[0]] // self.cores.extent[core, unit.dims[0]])
        return words

    def whole(self) -> tuple[Boxes, Bound]:
        """One box per core, with their bounds."""
        core = np.arange(len(self.cores.row))
        n, places, ext = len(core), len(self.places), self.cores.extent
        fold = np.ones((n, places + 1, NDIM), np.int32)
        tile = np.ones((n, places + 1, NDIM), np.int32)
        fold[:, 0], tile[:, 0] = -(-self.q.bounds // ext), self.q.bounds
        ones = np.ones((n, 3), np.int64)
        boxes = Boxes(core, fold, tile, np.full((n, places, NDIM), -1, np.int8), self.least.copy(), ones, ones)
        parts = [self._core_bound(boxes.take(slice(i, i + CHUNK))) for i in range(0, n, CHUNK)]
        return boxes, joined(parts)

    def _core_bound(self, boxes: Boxes) -> Bound:
        """The innermost of all loops leaves at most one operand in the PEs; loops over any other come round again."""
        folds, options = boxes.fold[:, 0].astype(np.int64), []
        times = [folds[:, self.groups == g].prod(axis=1) for g in range(3)]
        if self.windows:
            sliding = [AT[d] for axis in self.windows for d in axis.dims]
            times[0] = np.where((folds[:, sliding] > 1).any(axis=1), 1, times[0])
        for stays in range(3):
            low = boxes.arrived.copy()
            for i, p in enumerate(self.points):
                if p.array and p.retained and p.operand != stays and not self.q.imperfect:
                    low[:, i] *= times[p.operand]
            low = np.maximum(low, self.floor[boxes.core])
            options.append(Bound(*self.pricing.price(boxes, low, False), np.zeros(len(boxes), np.bool_)))
        return least_of(self.q.objective, options)

    def _row_streams(self) -> Ints:
        """Least arrivals given that in `rs` the innermost loop sweeps all of Q, which moves inputs and outputs."""
        found, folds = self.least.copy(), -(-self.q.bounds // self.cores.extent)
        moved = folds[:, AT["Q"]] > 1
        for i, p in enumerate(self.points):
            if self.q.arch.array.dataflow != "rs" or not p.array or p.operand == 1:
                continue
            fresh = found[:, i].copy()
            unit = next((u for u in p.units if p.operand == 0 and u.kind == WINDOW and AT["Q"] in u.dims), None)
            if unit is not None:
                fresh = (
                    fresh // max(1, self.counter.words_of(unit)) * self.counter.swept(unit, self.cores.extent, AT["Q"])
                )
            times = folds[:, self.groups == p.operand].prod(axis=1)
            found[:, i] += np.where(moved, (times - 1) * fresh, 0)
        return found

    def parts(self, boxes: Boxes, stage: int) -> Ints:
        """Into how many boxes each is cut at a stage from 1 on."""
        place, orders = divmod(stage - 1, 2)
        if stage == len(self.stages) - 1:
            return np.ones(len(boxes), np.int64)
        if orders:
            masks, inverse = np.unique(self._mask(boxes, place), return_inverse=True)
            return np.array([len(self._orders(place, int(m), -1)) for m in masks], np.int64)[inverse.reshape(-1)]
        number = np.ones(len(boxes), np.int64)
        for d in range(NDIM):
            folds, inverse = np.unique(boxes.fold[:, place, d], return_inverse=True)
            sizes = np.array([len(self._inside(place, d, int(f))) for f in folds], np.int64)
            number *= sizes[inverse.reshape(-1)]
        return number

    def cut(self, boxes: Boxes, stage: int) -> Iterator[tuple[Boxes, Bound]]:
        """The parts of boxes at a stage with their bounds, chunk by chunk, in one order.

        Raises:
            InputError: a box has too many parts.
        """
        counts = self.parts(boxes, stage)
        if counts.max(initial=0) > LARGEST:
            raise InputError(
                f"{int(counts.max())} ways to cut a box at {self.stages[stage]!r}; too many for a certificate"
            )
        ends = np.cumsum(counts)
        for start in range(0, int(ends[-1]) if len(ends) else 0, CHUNK):
            numbers = np.arange(start, min(start + CHUNK, int(ends[-1])))
            parent = np.searchsorted(ends, numbers, side="right")
            mine, code = boxes.take(parent), numbers - (ends[parent] - counts[parent])
            place, orders = divmod(stage - 1, 2)
            if stage == len(self.stages) - 1:
                yield self._complete(mine)
            elif orders:
                yield self._ordered(mine, place, code)
            else:
                yield self._split(mine, place, code)

    def _inside(self, place: int, d: int, folds: int) -> list[int]:
        """Folds of a dim that may stay inside a place, given those that come to it."""
        allowed, later = self.places[place].allowed[d], any(p.allowed[d] for p in self.places[place + 1 :])
        if not allowed:
            return [folds] if later or folds == 1 else []
        if not later:
            found = [1]
        elif place == 0 and self.q.imperfect:
            found = list(range(1, folds + 1))
        else:
            found = divisors(folds)
        named = self.q.limit.factor(self.places[place].name, DIMS[d])
        return [f for f in found if named.ok(-(-folds // f))]

    def _put(self, boxes: Boxes, place: int, d: int, inside: Ints) -> None:
        boxes.fold[:, place + 1, d] = inside
        extent = inside * self.cores.extent[boxes.core, d]
        boxes.tile[:, place + 1, d] = np.minimum(extent, self.q.bounds[d])

    def _split(self, boxes: Boxes, place: int, code: Ints) -> tuple[Boxes, Bound]:
        for d in range(NDIM):
            folds, inverse = np.unique(boxes.fold[:, place, d], return_inverse=True)
            choices = [self._inside(place, d, int(f)) for f in folds]
            table = np.ones((len(folds), max(len(c) for c in choices)), np.int64)
            for i, choice in enumerate(choices):
                table[i, : len(choice)] = choice
            inverse = inverse.reshape(-1)
            size = np.array([len(c) for c in choices], np.int64)[inverse]
            self._put(boxes, place, d, table[inverse, code % size])
            code = code // size
        empty = ~self._fits(boxes, place + 1, False)
        bound = Bound(np.zeros(len(boxes), np.int64), np.zeros(len(boxes), np.int64), empty)
        rows = np.nonzero(~empty)[0]
        if rows.size:
            found = self._unordered(boxes.take(rows), place)
            bound.energy[rows], bound.cycles[rows] = found.energy, found.cycles
        return boxes, bound

    def _trips(self, boxes: Boxes, place: int) -> Ints:
        """Trips of every dim in a place: (n, 10)."""
        found: Ints = -(-boxes.fold[:, place].astype(np.int64) // boxes.fold[:, place + 1])
        return found

    def _unordered(self, boxes: Boxes, place: int) -> Bound:
        """Below all orders of a place's loops: the least over the operand that the innermost may leave in place."""
        trips = self._trips(boxes, place)
        moves = [(trips[:, self.groups != g] > 1).any(axis=1) for g in range(3)]
        here = [trips[:, self.groups == g].prod(axis=1) for g in range(3)]
        counts = place == 0 or not self.q.imperfect
        options = []
        for stays in range(4):
            present = here[stays] > 1 if stays < FREE else ~np.any([h > 1 for h in here], axis=0)
            again = boxes.again.copy()
            for g in range(3 if counts else 0):
                every = stays not in (g, FREE)
                again[:, g] *= np.where(moves[g] | every, boxes.waiting[:, g] * (here[g] if every else 1), 1)
            options.append(Bound(*self.pricing.price(boxes, self._low(boxes, place, again, place), False), ~present))
        return least_of(self.q.objective, options)

    def _low(self, boxes: Boxes, place: int, again: Ints, border: int) -> Ints:
        """Least arrivals: known ones up to the `border`; further in words that come again, and what arrives there."""
        low = boxes.arrived.copy()
        top: list[Ints | None] = [None] * 3
        for i, p in enumerate(self.points):
            if p.retained and p.boundary <= border and not p.each and not p.whole:
                known, before = low[:, i], top[p.operand]
                if p.operand or self.q.arch.halo_reuse:
                    top[p.operand] = known if before is None else np.maximum(known, before)
        for i, p in enumerate(self.points):
            if not p.retained or p.boundary <= border:
                continue
            times = again[:, p.operand]
            if p.operand == 0:
                rows = np.nonzero(times > 1)[0]
                if rows.size:
                    more = self.counter.again(p, boxes.take(rows), place + 1)
                    low[rows, i] += (times[rows] - 1) * more
            else:
                low[:, i] *= times
            least = top[p.operand]
            if least is not None and not p.whole:
                low[:, i] = np.maximum(low[:, i], least)
            low[:, i] = np.maximum(low[:, i], self.floor[boxes.core, i])
        return low

    def _mask(self, boxes: Boxes, place: int) -> Ints:
        """Which dims have loops in a place, as bits."""
        found: Ints = ((self._trips(boxes, place) > 1) << np.arange(NDIM)).sum(axis=1)
        return found

    def _orders_of(self, place: int, mask: int, early: int) -> tuple[tuple[int, ...], ...]:
        """Orders of the loops of a place: all, those a constraint asks for, or one per operand left in place; of loops
        that leave it there, that over `early` is outermost."""
        dims, name = [d for d in range(NDIM) if mask >> d & 1], self.places[place].name
        rule = self.q.limit.rule(name)
        if rule.loops is not None or rule.order or rule.innermost:
            lines = permutations(dims)
            return tuple(line for line in lines if self.q.limit.order_ok(name, tuple(DIMS[d] for d in line)))
        if self.q.arch.array.dataflow == "rs" or place < self.deepest:
            return tuple(permutations(dims))
        found = []
        for stays in sorted({int(self.groups[d]) for d in dims} - {FREE}) or [FREE]:
            inner = [d for d in dims if self.groups[d] == stays and stays != FREE]
            inner.sort(key=lambda d: d != early)
            outer = [d for d in dims if self.groups[d] == FREE]
            found.append((*outer, *(d for d in dims if d not in inner and d not in outer), *inner))
        return tuple(found)

    def _ordered(self, boxes: Boxes, place: int, code: Ints) -> tuple[Boxes, Bound]:
        uneven = self.uneven[boxes.core]
        kinds, inverse = np.unique(self._mask(boxes, place) * (NDIM + 1) + uneven + 1, return_inverse=True)
        for i, kind in enumerate(kinds.tolist()):
            rows = np.nonzero(inverse.reshape(-1) == i)[0]
            mask, early = kind // (NDIM + 1), kind % (NDIM + 1) - 1
            lines = self._orders(place, mask, early)
            table = np.array(lines, np.int8).reshape(len(lines), mask.bit_count())
            boxes.order[rows, place, : table.shape[1]] = table[code[rows]]
        self._count_again(boxes, place)
        self._count(boxes, place + 1)
        low = self._low(boxes, place, boxes.again, place + 1)
        energy, cycles = self.pricing.price(boxes, low, False)
        return boxes, Bound(energy, cycles, np.zeros(len(boxes), np.bool_))

    def _count_again(self, boxes: Boxes, place: int) -> None:
        """Trips of this place that bring an operand again; with uneven tiles only those of the first place."""
        if place > 0 and self.q.imperfect:
            return
        trips, rows = self._trips(boxes, place), np.arange(len(boxes))
        for i in range(NDIM):
            d = boxes.order[:, place, i].astype(np.int64)
            loop = d >= 0
            for g in range(3):
                still = loop & (self.groups[d] == g)
                moved = loop & ~still
                boxes.waiting[:, g] *= np.where(still, trips[rows, d], 1)
                boxes.again[:, g] *= np.where(moved, boxes.waiting[:, g], 1)
                boxes.waiting[:, g] = np.where(moved, 1, boxes.waiting[:, g])

    def _count(self, boxes: Boxes, border: int) -> Ints | None:
        """Arrivals of the points whose tiles the first `border` places fix; what enters the array outside the stream
        of outputs (`os`) or inputs."""
        entered, held = None, 2 if self.q.arch.array.dataflow == "os" else 0
        for i, p in enumerate(self.points):
            if p.retained and p.boundary == border:
                boxes.arrived[:, i], early = self.counter.arrivals(p, boxes, border, self.last)
                entered = early if p.array and p.operand == held and not p.each else entered
        return entered

    def _complete(self, boxes: Boxes) -> tuple[Boxes, Bound]:
        """The stream takes what is left: one mapping a box, priced exactly."""
        place, n = self.last, len(boxes)
        names = STREAMED[self.q.arch.array.dataflow]
        empty = np.zeros(n, np.bool_)
        used = np.zeros(n, np.int64)
        for d in range(NDIM):
            left = boxes.fold[:, place, d].astype(np.int64)
            named = self.q.limit.factor("stream", DIMS[d])
            sizes, inverse = np.unique(left, return_inverse=True)
            bad = np.array([not named.ok(int(f)) or (f > 1 and DIMS[d] not in names) for f in sizes])
            empty |= bad[inverse.reshape(-1)]
            self._put(boxes, place, d, np.ones(n, np.int64))
        uneven = self.uneven[boxes.core]
        for early in np.unique(uneven).tolist():
            line = names
            if self.q.arch.array.dataflow != "rs":
                line = self.q.limit.rule("stream").arranged(names, DIMS[early] if early >= 0 else "")
            for name in line:
                loop = np.nonzero((uneven == early) & (boxes.fold[:, place, AT[name]] > 1))[0]
                boxes.order[loop, place, used[loop]] = AT[name]
                used[loop] += 1
        empty |= ~self._fits(boxes, len(self.places), True)
        bound = Bound(np.zeros(n, np.int64), np.zeros(n, np.int64), empty)
        rows = np.nonzero(~empty)[0]
        if rows.size:
            kept = boxes.take(rows)
            entered = self._count(kept, len(self.places))
            bound.energy[rows], bound.cycles[rows] = self.pricing.price(kept, kept.arrived, True, entered)
        return boxes, bound

    def _fits(self, boxes: Boxes, border: int, leaf: bool) -> Bools:
        """Do the tiles fixed so far fit; before a leaf outputs count at their least width."""
        good, precision = np.ones(len(boxes), np.bool_), self.q.arch.precision
        for memory in self.q.arch.memories:
            used = np.zeros(len(boxes), np.int64)
            for i, p in enumerate(self.points):
                if p.child != memory.name or p.boundary > border:
                    continue
                words = self.counter.size(p.operand, boxes.tile[:, p.boundary]) if not p.whole else np.int64(p.whole)
                bits = np.full(len(boxes), precision.read_bits(NAMES[p.operand]), np.int64)
                if p.operand == 2:
                    wide = self._unfinished(boxes, self.points[i + 1]) if leaf else np.zeros(len(boxes), np.bool_)
                    bits = np.where(wide | memory.psum_only, np.maximum(bits, precision.psum_bits), bits)
                used += p.depth * words * bits
            good &= used <= memory.capacity_bits
        return good

    def _unfinished(self, boxes: Boxes, inner: Point) -> Bools:
        """Can a word leave the tile inside before it is finished: a reduction lies outside, other than innermost."""
        trailing = np.full(len(boxes), inner.retained)
        found = np.zeros(len(boxes), np.bool_)
        for place in range(inner.boundary - 1, -1, -1):
            for i in range(NDIM - 1, -1, -1):
                d = boxes.order[:, place, i].astype(np.int64)
                reduces = (d >= 0) & (self.groups[d] == 2)
                found |= reduces & ~trailing
                trailing &= (d < 0) | reduces
        return found
