"""What the two ends of a mapping, its chains and swaps add to B: sums of many complete loop nests at once.

`timing.ends`, `timing.chains` and `timing.sums` have the reasons; this is the same once more, from tables of folds,
extents and orders. Boxes that are not complete do without: their bound counts nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from accelsim.certify.space import AT, NDIM, Bools, Ints, Question
from accelsim.certify.words import Counter, Point, is_window
from accelsim.timing import bound as b

if TYPE_CHECKING:
    from accelsim.certify.bound import Boxes

INPUTS, WEIGHTS, OUTPUTS = range(3)
UNKNOWN = -1


def _ceil(words: Ints | int, width: Ints | int) -> Ints:
    found: Ints = -(-np.asarray(words, np.int64) // np.asarray(width, np.int64))
    return found


@dataclass(frozen=True)
class _Facts:
    """Of complete boxes, by operand: bits of a word (or whole tile), words that arrive, bits loaded, visits of tiles
    and the last ones that may load nothing. `store` are bits of a store at most; `even`: no loop leaves a rest."""

    bits: list[int]
    words: list[Ints]
    psums: Ints
    loaded: list[Ints]
    store: Ints
    visits: list[Ints]
    late: list[Ints]
    even: Bools


class Ends:
    """The ends of the mappings of one question."""

    def __init__(
        self, q: Question, counter: Counter, points: tuple[Point, ...], places: int, numbers: list[int]
    ) -> None:
        self.q, self.counter, self.last, self.numbers = q, counter, places - 1, numbers
        self.fed = {p.operand: i for i, p in enumerate(points) if p.parent == "DRAM" and not p.each}
        self.points, self.groups = points, np.array(q.groups)
        self.windows = [axis for axis in q.problem.operand("Inputs").axes if is_window(axis, q)]
        self.active = [d for d in range(NDIM) if q.bounds[d] > 1]

    def _edge(self, core: Ints, d: int, axis: str) -> Ints:
        """Rows or columns that the last fold of a dim spans."""
        c, bound = self.counter.cores, int(self.q.bounds[d])
        ext, pe = c.extent[core, d], c.pe[core, d]
        trips = (c.row if axis == "row" else c.col)[core, d] * c.diagonal[core, d]
        step = pe * c.col[core, d] if axis == "row" else pe
        found: Ints = np.minimum(trips, _ceil(bound - (_ceil(bound, ext) - 1) * ext, step))
        return found

    def _least(self, core: Ints, axis: str) -> Ints:
        """Rows or columns that every pass of a core spans at least."""
        found = np.ones(len(core), np.int64)
        for d in self.active:
            found *= self._edge(core, d, axis)
        return found

    def _load(self, boxes: Boxes, border: int) -> Ints:
        """Cycles of the first stationary load of a tile inside a border, on a systolic array, at least."""
        array, c, core = self.q.arch.array, self.counter.cores, boxes.core
        if array.kind != "systolic" or array.dataflow != "ws":
            return np.zeros(len(core), np.int64)
        if array.whole_weight_tiles:
            return np.full(len(core), array.rows, np.int64)
        rows, even = np.ones(len(core), np.int64), self._even(boxes)
        for d in self.active:
            full = c.row[core, d] * c.diagonal[core, d]
            inside = even & (boxes.fold[:, border, d] > 1) & (boxes.fold[:, 0, d] > 1)
            rows *= np.where(inside, full, self._edge(core, d, "row"))
        return rows

    def _longest(self, boxes: Boxes) -> Ints:
        """Steps of the longest pass."""
        found: Ints = (boxes.fold[:, self.last].astype(np.int64) * self.counter.cores.pe[boxes.core]).prod(axis=1)
        return found

    def _beside(self, boxes: Boxes, steps: Ints) -> Ints:
        """Stream cycles of the passes that no load of weights follows."""
        array = self.q.arch.array
        if array.kind != "systolic" or array.dataflow != "ws" or not self.numbers[b.OVERLAP]:
            return np.zeros(len(boxes), np.int64)
        visits, _ = self._visits_of(boxes, WEIGHTS, self.last)
        found: Ints = np.maximum(0, steps - (visits - 1) * self._longest(boxes))
        return found

    def _drain(self, core: Ints, leaves: bool) -> Ints:
        """Cycles of a drain of a systolic array, at least; with `os`, whether results leave it."""
        array = self.q.arch.array
        if array.kind != "systolic":
            return np.zeros(len(core), np.int64)
        rows, cols = self._least(core, "row"), self._least(core, "col")
        if array.dataflow == "os":
            return rows + cols - 2 + (rows if leaves else 0)
        return (rows if array.early_exit else array.rows) + cols - 2

    def put(self, boxes: Boxes, arrived: Ints, s: Ints) -> None:
        """Fill in TAIL, HEAD, STORED, SWAP and the chains of complete boxes, after all other sums."""
        facts = self._facts(boxes, arrived)
        s[b.STORED] = facts.psums + self.numbers[b.FINAL_WORDS] * facts.bits[OUTPUTS]
        s[b.TAIL] = np.maximum(self._tail(boxes, facts, s[b.STORED]), self._room(boxes, facts, s[b.STORED]))
        behind = s[b.STORED] + facts.psums
        for k in (INPUTS, WEIGHTS):
            p, tile = self._point(k), self._tile_bits(boxes, facts, k)
            before = p.depth + np.maximum(1, facts.visits[k] // facts.visits[OUTPUTS]) - 1
            behind = behind + np.maximum(0, facts.loaded[k] - before * tile)
        made = np.maximum(self._drain(boxes.core, True) + self._channel(s[b.STORED]), self._channel(behind))
        first = boxes.tile[:, self._point(OUTPUTS).boundary].astype(np.int64)
        reduced, whole = self.groups == OUTPUTS, facts.psums == 0
        first[:, reduced] = np.where(whole[:, None], self.q.bounds[reduced], first[:, reduced])
        begun = self._work(boxes, first, whole)
        s[b.HEAD] = begun + made
        s[b.BESIDE] = self._beside(boxes, s[b.STREAM])
        s[b.SWAP] = self._swaps(boxes, arrived, facts, s[b.STREAM] - s[b.STREAM_FINAL])
        self._chains(boxes, facts, s)
        out = self._point(OUTPUTS)
        tiles = _ceil(
            arrived[:, self.fed[OUTPUTS]], np.maximum(1, self.counter.size(OUTPUTS, boxes.tile[:, out.boundary]))
        )
        drain = self._drain(boxes.core, True) if self.numbers[b.OVERLAP] else 0
        chain = tiles * drain + self._channel(s[b.STORED])
        more = (out.depth - 1) * (begun + self._channel(s[b.LAST]))
        s[b.CHAIN + 4], s[b.CHAIN + 5] = chain + np.where(tiles >= out.depth, more, 0), out.depth

    def _facts(self, boxes: Boxes, arrived: Ints) -> _Facts:
        precision, final = self.q.arch.precision, self.numbers[b.FINAL_WORDS]
        names = ("Inputs", "Weights", "Outputs")
        bits = [precision.read_bits(names[k]) * max(1, self._point(k).whole) for k in range(3)]
        words = [arrived[:, self.fed[k]] for k in range(3)]
        psums = (words[OUTPUTS] - final) * precision.psum_bits
        loaded = [words[INPUTS] * bits[INPUTS], words[WEIGHTS] * bits[WEIGHTS], psums]
        tile = np.maximum(1, self.counter.size(OUTPUTS, boxes.tile[:, self._point(OUTPUTS).boundary]))
        store = tile * np.where(psums > 0, max(bits[OUTPUTS], precision.psum_bits), bits[OUTPUTS])
        visits, late = self._visits(boxes)
        return _Facts(bits, words, psums, loaded, store, visits, late, self._even(boxes))

    def _point(self, k: int) -> Point:
        return self.points[self.fed[k]]

    def _channel(self, bits: Ints) -> Ints:
        n = self.numbers
        return bits // n[b.DEN] * n[b.NUM] + _ceil(bits % n[b.DEN] * n[b.NUM], n[b.DEN])

    def _tile_bits(self, boxes: Boxes, facts: _Facts, k: int) -> Ints:
        """Bits of a tile of inputs or weights at most."""
        p = self._point(k)
        words = np.ones(len(boxes), np.int64)
        if not p.whole:
            words = np.maximum(1, self.counter.size(k, boxes.tile[:, p.boundary]))
        found: Ints = words * facts.bits[k]
        return found

    def _tail(self, boxes: Boxes, facts: _Facts, stored: Ints) -> Ints:
        """Cycles until the tile is worked on that waits for the last load: the least over whose load it may be."""
        n, load = self.numbers, self._load(boxes, self._point(WEIGHTS).boundary)
        ordered = facts.even & bool(n[b.ORDERED])
        total, tail = sum(facts.loaded) + stored, np.full(len(boxes), np.iinfo(np.int64).max)
        for k in range(3):
            mine = (facts.loaded[k] > 0) & ~(ordered & self._passed(k, facts))
            after = np.minimum(stored, facts.store * self._after(k, facts))
            after = np.where(ordered & (facts.late[k] != UNKNOWN), after, stored)
            words = self._last(boxes, k)
            cycles = self._channel(total - after) + n[b.LATENCY]
            cycles = cycles + self._work(boxes, words, np.ones(len(boxes), np.bool_))
            if k == WEIGHTS:
                cycles = cycles + load
                if self.q.arch.array.kind == "row_stationary":
                    mass = words[:, self.groups != WEIGHTS].prod(axis=1)
                    cycles = cycles + _ceil(mass, self.q.arch.array.bus("Weights"))
            tail = np.where(mine, np.minimum(tail, cycles), tail)
        found: Ints = np.where(sum(facts.loaded) > 0, tail, 0)
        return found

    def _room(self, boxes: Boxes, facts: _Facts, stored: Ints) -> Ints:
        """Cycles until the last tile of results is worked on, if nothing is loaded more often than they change."""
        seldom = [(facts.loaded[k] == 0) | (facts.visits[k] <= facts.visits[OUTPUTS]) for k in (INPUTS, WEIGHTS)]
        moved = sum(facts.loaded) + np.maximum(0, stored - self._point(OUTPUTS).depth * facts.store)
        words, reduced = self._last(boxes, OUTPUTS), self.groups == OUTPUTS
        words[:, reduced] = np.where((facts.psums == 0)[:, None], self.q.bounds[reduced], words[:, reduced])
        cycles = self._channel(moved) + self._work(boxes, words, np.ones(len(boxes), np.bool_))
        found: Ints = np.where(seldom[0] & seldom[1] & (stored > 0), cycles, 0)
        return found

    def _chains(self, boxes: Boxes, facts: _Facts, s: Ints) -> None:
        """Loads one behind another; the one before the first of a chain, and the tile used after its last."""
        n, depths = self.numbers, [self._point(k).depth for k in range(3)]
        first = [self._channel(self.counter.first(self._point(k), boxes) * facts.bits[k]) for k in (INPUTS, WEIGHTS)]
        both = facts.even & (facts.visits[INPUTS] == facts.visits[WEIGHTS]) & (facts.loaded[INPUTS] > 0)
        both &= bool(n[b.ORDERED]) and depths[INPUTS] == depths[WEIGHTS]
        for k in (INPUTS, WEIGHTS):
            size = self._tile_bits(boxes, facts, k) // facts.bits[k]
            loads, cycles, begin = _ceil(facts.words[k], size), self._channel(facts.loaded[k]), first[k]
            if k == WEIGHTS:
                cycles = cycles + np.where(both, self._channel(facts.loaded[INPUTS]), 0)
                begin = begin + np.where(both, first[INPUTS], 0)
                if n[b.OVERLAP]:
                    s[b.INTO] = loads * self._load(boxes, self._point(k).boundary)
                    s[b.SHORTEST] = loads * self._shortest(boxes)
            used = self._work(boxes, self._last(boxes, k), np.ones(len(boxes), np.bool_))
            more = np.where(loads >= depths[k], (depths[k] - 1) * (begin + used), 0)
            s[b.CHAIN + 2 * k], s[b.CHAIN + 2 * k + 1] = loads * n[b.LATENCY] + cycles + more, depths[k]

    def _shortest(self, boxes: Boxes) -> Ints:
        """Steps of the shortest pass."""
        folds, tile = boxes.fold[:, 0].astype(np.int64), boxes.fold[:, self.last].astype(np.int64)
        found: Ints = np.minimum(tile, folds - (_ceil(folds, tile) - 1) * tile).prod(axis=1)
        return found

    def _swaps(self, boxes: Boxes, arrived: Ints, facts: _Facts, left: Ints) -> Ints:
        """Cycles of the passes that finish nothing, of which some swap psums between memories on the chip."""
        q, core, bits = self.q, boxes.core, self.q.arch.precision.psum_bits
        ext, reduced = self.counter.cores.extent[core], self.groups == OUTPUTS
        tile = boxes.fold[:, self.last].astype(np.int64)
        steps = self._longest(boxes)
        passes = _ceil(boxes.fold[:, 0], tile).prod(axis=1)
        found = np.zeros(len(boxes), np.int64)
        for i, p in enumerate(self.points):
            if p.operand != OUTPUTS or p.array or p.parent == "DRAM":
                continue
            memory, here = q.arch.memory(p.parent), boxes.tile[:, p.boundary].astype(np.int64)
            psums = (arrived[:, i] - self.numbers[b.FINAL_WORDS]) * bits
            tiles = _ceil(q.bounds, here)[:, ~reduced].prod(axis=1)
            times = self._visits_of(boxes, OUTPUTS, p.boundary)[0] - tiles
            inside = _ceil(here, ext * tile)[:, reduced].prod(axis=1)
            away = _ceil(psums, memory.write_bits_per_cycle)
            cycles = away + np.maximum(0, left - times * steps)
            back = psums + self._inputs_with(core, arrived, p.parent, (passes - times) * steps)
            both = away + _ceil(back, memory.read_bits_per_cycle) + np.maximum(0, left - 2 * times * steps)
            cycles = np.where((inside > 1) & facts.even, np.maximum(cycles, both), cycles)
            found = np.maximum(found, np.where(psums > 0, cycles, 0))
        return found

    def _inputs_with(self, core: Ints, arrived: Ints, memory: str, steps: Ints) -> Ints:
        """Bits of inputs that the array reads from a memory beyond what so many steps read at most."""
        at = next(i for i, p in enumerate(self.points) if p.operand == INPUTS and p.array and not p.each)
        if self.points[at].retained or self.points[at].parent != memory:
            return np.zeros(len(core), np.int64)
        words = self.counter.cores.extent[core][:, self.groups != INPUTS].prod(axis=1)
        found: Ints = np.maximum(0, arrived[:, at] - steps * words) * self.q.arch.precision.read_bits("Inputs")
        return found

    def _last(self, boxes: Boxes, k: int) -> Ints:
        """Words of every dim in an operand's last tile; with `rs` in the last visit of it: (n, 10)."""
        border = self._point(k).boundary
        found, here = self._rest(boxes, border), np.ones(len(boxes), np.bool_)
        if self.q.arch.array.dataflow != "rs":
            return found
        rows = np.arange(len(boxes))
        for place in range(border - 1, -1, -1):
            rest = self._rest(boxes, place)
            for i in range(NDIM - 1, -1, -1):
                d = boxes.order[:, place, i].astype(np.int64)
                here &= (d < 0) | (self.groups[d] == k)
                found[rows, d] = np.where(here & (d >= 0), rest[rows, d], found[rows, d])
        return found

    def _rest(self, boxes: Boxes, border: int) -> Ints:
        """Words of every dim in the last tile inside a border: (n, 10)."""
        tile = boxes.tile[:, border].astype(np.int64)
        found: Ints = self.q.bounds - (self.q.bounds - 1) // tile * tile
        return found

    def _even(self, boxes: Boxes) -> Bools:
        """Do the loops split every dim without remainders of folds?"""
        found: Bools = (boxes.fold[:, :-1] % boxes.fold[:, 1:] == 0).all(axis=(1, 2))
        return found

    def _visits(self, boxes: Boxes) -> tuple[list[Ints], list[Ints]]:
        """By operand: visits of its tiles, and the last ones of them that may load nothing."""
        visits, late = [], []
        for k in range(3):
            border = self._point(k).boundary
            number, inner = self._visits_of(boxes, k, border)
            visits.append(number)
            late.append(self._void(boxes, border, inner) if k == INPUTS else np.zeros(len(boxes), np.int64))
        return visits, late

    def _visits_of(self, boxes: Boxes, k: int, border: int) -> tuple[Ints, Ints]:
        """Visits of an operand's tiles inside a border, and the dim of the innermost loop that moves it."""
        rows = np.arange(len(boxes))
        number, inner = np.ones(len(boxes), np.int64), np.full(len(boxes), UNKNOWN)
        for place in range(border - 1, -1, -1):
            trips = _ceil(boxes.fold[:, place], boxes.fold[:, place + 1])
            for i in range(NDIM - 1, -1, -1):
                d = boxes.order[:, place, i].astype(np.int64)
                moves = (d >= 0) & ((self.groups[d] != k) | (inner != UNKNOWN))
                inner = np.where(moves & (inner == UNKNOWN), d, inner)
                number = number * np.where(moves, trips[rows, d], 1)
        return number, inner

    def _void(self, boxes: Boxes, border: int, inner: Ints) -> Ints:
        """How many of the last visits of inputs lie where windows may bring nothing new."""
        late, unknown = np.zeros(len(boxes), np.int64), np.zeros(len(boxes), np.bool_)
        for axis in self.windows:
            (one, stride), (two, dilation) = ((AT[d], coefficient) for d, coefficient in axis.terms)
            bound, other = int(self.q.bounds[one]), int(self.q.bounds[two])
            begin, reach = (bound - 1) * stride + axis.offset, (other - 1) * dilation + axis.offset
            unknown |= not 0 <= begin < axis.size
            unknown |= boxes.tile[:, border, two] < other
            beyond = -(-max(0, axis.size - reach) // stride)
            size = boxes.tile[:, border, one].astype(np.int64)
            tile = beyond // size
            here = (inner == one) & (beyond < bound)
            unknown |= here & ((tile < 2) | ((tile * size - 1) * stride + reach < 0))
            late += np.where(here, _ceil(bound, size) - tile, 0)
        return np.where(unknown, UNKNOWN, late)

    def _passed(self, k: int, facts: _Facts) -> Bools:
        """Does a load of another operand come after the last one of this?"""
        visits, late, loaded = facts.visits, facts.late, facts.loaded
        found = np.zeros(len(visits[k]), np.bool_)
        for other in {INPUTS, WEIGHTS, OUTPUTS} - {k}:
            found |= (loaded[other] > 0) & (late[other] != UNKNOWN) & (visits[other] - late[other] > 1)
        found &= visits[k] == 1
        if k == INPUTS:
            one, two = (self.points[self.fed[o]].depth for o in (INPUTS, WEIGHTS))
            mine = np.minimum(one, visits[INPUTS]) * visits[WEIGHTS]
            theirs = np.minimum(two, visits[WEIGHTS]) * visits[INPUTS]
            behind = (theirs < mine) | ((theirs == mine) & (visits[WEIGHTS] >= visits[INPUTS]))
            found |= behind & (loaded[WEIGHTS] > 0)
        return found

    def _after(self, k: int, facts: _Facts) -> Ints:
        """Tiles of results whose stores the last load of an operand may leave behind it."""
        visits, late, finished = facts.visits, facts.late[k], facts.psums == 0
        mine, stored = visits[k], visits[OUTPUTS]
        depth, room = self.points[self.fed[k]].depth, self.points[self.fed[OUTPUTS]].depth
        soon = int(bool(self.numbers[b.OVERLAP]) and k != OUTPUTS)
        often, seldom = np.maximum(1, stored // mine), np.maximum(1, mine // stored)
        more = stored >= mine
        tiles = np.where(more, (depth + late) * often, _ceil(depth + late, seldom))
        ahead = np.where(more, (depth - 1) * often - (room - 1), depth - 1 - (room - 1) * seldom)
        tie = (more | ((depth + late) % seldom == 0)) & (ahead < soon)
        pieces = finished & (stored < np.maximum(visits[INPUTS], visits[WEIGHTS]))
        found: Ints = tiles + tie + (pieces if self.q.arch.dram.piece_bits else 0)
        return found

    def _work(self, boxes: Boxes, words: Ints, finished: Bools) -> Ints:
        """Cycles of the passes over tiles of so many words of each dim, which may finish their results."""
        q, c, core, n = self.q, self.counter.cores, boxes.core, self.numbers
        every, final, loads, passes, sums, results = (np.ones(len(core), np.int64) for _ in range(6))
        for d in self.active:
            bound, ext, pe = int(q.bounds[d]), c.extent[core, d], c.pe[core, d]
            folds, tile = _ceil(bound, ext), boxes.fold[:, self.last, d].astype(np.int64)
            inside = _ceil(words[:, d], ext)
            steps = np.where(pe == 1, inside, (inside - 1) * pe + np.minimum(pe, words[:, d] - (inside - 1) * ext))
            every, passes = every * steps, passes * _ceil(inside, tile)
            if self.groups[d] != WEIGHTS:
                loads *= inside
            if self.groups[d] == OUTPUTS:
                ends = np.where(
                    pe > 1, np.minimum(pe, bound - (folds - 1) * ext), folds - (_ceil(folds, tile) - 1) * tile
                )
                final, sums = final * ends, sums * inside
            else:
                final, results = final * steps, results * words[:, d]
        array, arch = q.arch.array, q.arch
        ends = np.maximum(final, _ceil(results * n[b.POST_OPS], n[b.LANES]))
        wide = arch.final_bits(arch.chain("Outputs")[-1].name)
        ends = np.maximum(ends, _ceil(results * wide, n[b.WRITE_PORT]))
        psums = results * (sums - 1) * (arch.precision.psum_bits if array.dataflow in ("ws", "is") else 0)
        stream = np.where(finished, ends + np.maximum(every - final, _ceil(psums, n[b.WRITE_PORT])), every)
        load = (loads - 1) * self._load(boxes, self.last)
        hidden = np.maximum(0, every - (loads - 1) * self._longest(boxes))
        apart = stream + load + (passes - 1) * self._drain(core, False)
        found: Ints = np.maximum(stream, load + hidden) if n[b.OVERLAP] else apart
        return found
