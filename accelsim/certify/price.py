"""Energy and the latency bound B of many loop nests at once, exact for complete ones and from below for boxes.

Energy, DRAM bits and port bits are sums of counts with constant weights, so they are linear in the words that arrive at
each point: the weights are what one arrival more costs, asked of `energy` and `timing` themselves. B is the formula of
`timing.bound`, its sums those of `timing.sums`; all of them grow with arrivals, so least arrivals give a lower bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from accelsim.certify.ends import Ends
from accelsim.certify.space import AT, NDIM, STREAMED, Cores, Ints, Place, Question
from accelsim.certify.words import Counter, Point
from accelsim.energy import array_traffic, energy_fj
from accelsim.errors import InputError
from accelsim.mapping import LinkCount, rules_of
from accelsim.mapping.legality import tile_words
from accelsim.timing import bound as b
from accelsim.timing.sums import numbers_of, port_bits
from accelsim.traffic.bits import link_bits
from accelsim.traffic.counts import output_link, read_link

if TYPE_CHECKING:
    from accelsim.certify.bound import Boxes

NAMES = ("Inputs", "Weights", "Outputs")


def _ceil(words: Ints | int, width: Ints | int) -> Ints:
    found: Ints = -(-np.asarray(words, np.int64) // np.asarray(width, np.int64))
    return found


def _dram(bits: Ints, num: int, den: int) -> Ints:
    """Cycles of the channel: `ceil(bits * num / den)`."""
    return bits // den * num + _ceil(bits % den * num, den)


class Pricing:
    """Prices of one question."""

    def __init__(self, q: Question, places: tuple[Place, ...], points: tuple[Point, ...], counter: Counter) -> None:
        self.q, self.places, self.points, self.counter = q, places, points, counter
        self.final = tile_words(q.problem.output, q.problem.bound)
        self.numbers = numbers_of(q.arch, q.post_ops, self.final)
        zero = self._resources([0] * len(points))
        ones = [self._resources([int(i == p) for i in range(len(points))]) for p in range(len(points))]
        self.base = np.array(zero, np.int64)
        self.weights = np.array(ones, np.int64).reshape(len(points), -1) - self.base
        if (self.weights < 0).any():
            raise InputError(f"{q.arch.name}: a word more costs less; the checker's bounds do not hold there")
        self.spans = _Spans(q, counter.cores, len(places))
        self.ends = Ends(q, counter, points, len(places), self.numbers)
        self.at = {(p.operand, p.array): i for i, p in reversed(list(enumerate(points))) if p.array and not p.each}

    def _counts(self, arrived: list[int]) -> tuple[LinkCount, ...]:
        found, read_first = [], rules_of(self.q.arch).psum_first_visit == "read"
        for i, p in enumerate(self.points):
            if p.each:
                continue
            visits = each = arrived[i] * max(1, p.whole)
            if i + 1 < len(self.points) and self.points[i + 1].each:
                each = arrived[i + 1]
            if p.operand == 2:
                found.append(output_link(p.parent, p.child, visits, each, self.final, self.final, read_first))
            else:
                found.append(read_link(NAMES[p.operand], p.parent, p.child, visits, each, frozenset()))
        return tuple(found)

    def _resources(self, arrived: list[int]) -> list[int]:
        """Energy (fJ), DRAM bits, bits read and written at every memory's port towards the array."""
        counts, macs, arch = self._counts(arrived), self.q.problem.macs, self.q.arch
        energy = sum(energy_fj(array_traffic(counts, arch, macs), arch, macs, self.q.post_ops * self.final).values())
        dram = sum(sum(link_bits(arch, c)) for c in counts if c.parent == "DRAM")
        return [energy, dram, *port_bits(arch, counts)]

    def price(self, boxes: Boxes, arrived: Ints, leaf: bool, entered: Ints | None = None) -> tuple[Ints, Ints]:
        """(energy in fJ, B in cycles) of these arrivals, (boxes, points); lower bounds unless `leaf`."""
        use = arrived @ self.weights + self.base
        s = np.zeros((b.PORTS + use.shape[1] - 2, len(arrived)), np.int64)
        s[b.DRAM] = use[:, 1]
        for i in range(2, use.shape[1]):
            memory = self.q.arch.memories[(i - 2) // 2]
            width = memory.write_bits_per_cycle if i % 2 else memory.read_bits_per_cycle
            s[b.PORTS + i - 2] = _ceil(use[:, i], width)
        self._array(boxes, arrived, leaf, entered, s)
        for i, p in enumerate(self.points):
            if p.parent == "DRAM" and not p.each:
                self._edge(boxes, i, p, arrived[:, i], leaf, s)
        if leaf:
            self.ends.put(boxes, arrived, s)
        return use[:, 0], self._time(s)

    def _time(self, s: Ints) -> Ints:
        """B of the sums (`timing.bound`)."""
        n = self.numbers
        num, den, latency = n[b.NUM], n[b.DEN], n[b.LATENCY]
        fill = _dram(s[b.FILL], num, den) + latency * (s[b.FILL] > 0)
        vector = -(-n[b.FINAL_WORDS] * n[b.POST_OPS] // n[b.LANES])
        ends = np.maximum(np.maximum(s[b.STREAM_FINAL], vector), _ceil(s[b.FINAL_BITS], n[b.WRITE_PORT]))
        others = np.maximum(s[b.STREAM] - s[b.STREAM_FINAL], _ceil(s[b.PSUM_BITS], n[b.WRITE_PORT]))
        stretch = ends + np.maximum(others, s[b.SWAP])
        stretch = np.maximum(np.maximum(stretch, s[b.BUS]), s[b.PORTS :].max(axis=0, initial=0))
        loads = np.maximum(s[b.LOADS], _ceil(s[b.KEPT_BITS], n[b.KEPT_PORT]))
        serial = np.zeros_like(loads) if n[b.OVERLAP] else loads + s[b.DRAINS]
        array = stretch + _dram(s[b.EXPOSED], num, den) + serial
        if n[b.OVERLAP]:
            array = np.maximum(array, loads - s[b.FIRST_LOAD] + s[b.BESIDE]) + s[b.FIRST] + s[b.LEAVE]
        last = _dram(s[b.LAST], num, den) + latency
        found: Ints = np.maximum(_dram(s[b.DRAM], num, den) + latency, fill + array + last)
        leave = s[b.LEAVE]
        found = np.maximum(found, np.where(s[b.TAIL] > 0, s[b.TAIL] + leave + last, 0))
        found = np.maximum(found, np.where(s[b.STORED] > 0, fill + s[b.FIRST] + s[b.HEAD] + latency, 0))
        read, made = last + leave * n[b.OVERLAP], fill + s[b.FIRST] + latency * (s[b.STORED] > 0)
        for i, more in zip(range(b.CHAIN, b.PORTS, 2), (read, read, made), strict=True):
            depth = s[i + 1]
            use = stretch + serial
            if i == b.CHAIN + 2 and n[b.OVERLAP]:
                use = np.maximum(stretch + s[b.INTO], loads + np.maximum(s[b.SHORTEST], s[b.BESIDE]))
            chain = (s[i] + use) // np.maximum(depth, 1) + more
            found = np.maximum(found, np.where(depth > 0, chain, 0))
        return found

    def _edge(self, boxes: Boxes, i: int, p: Point, arrived: Ints, leaf: bool, s: Ints) -> None:
        """First tiles, the last store, what single buffers expose; in a box only exposed totals."""
        precision, name = self.q.arch.precision, NAMES[p.operand]
        bits = precision.read_bits(name) * max(1, p.whole)
        psums = 2 * (arrived - self.final) * precision.psum_bits
        if not leaf:
            moved = arrived * bits if p.operand < 2 else psums + self.final * bits
            s[b.EXPOSED] += moved if p.depth == 1 else 0
            return
        tile = boxes.tile[:, p.boundary]
        if p.operand == 2:
            words = np.ones(len(arrived), np.int64)
            for dim in self.q.problem.output.dims:
                bound, size = self.q.problem.bound[dim], tile[:, AT[dim]]
                words *= bound - (bound - 1) // size * size
            s[b.LAST] += words * bits
            s[b.EXPOSED] += psums + (self.final - words) * bits if p.depth == 1 else 0
            return
        first = self.counter.first(p, boxes) * bits
        s[b.FILL] += first
        s[b.EXPOSED] += arrived * bits - first if p.depth == 1 else 0

    def _array(self, boxes: Boxes, arrived: Ints, leaf: bool, entered: Ints | None, s: Ints) -> None:
        """Sums of the array: steps, loads and drains of all passes; with `os`, psums that move between passes only."""
        arch, array = self.q.arch, self.q.arch.array
        spans = self.spans.of(boxes, leaf)
        out = arrived[:, self.at[2, True]]
        if leaf and entered is not None and array.dataflow == "os":
            out = entered
        s[b.STREAM] = s[b.STREAM_FINAL] = spans["steps"]
        if leaf or array.dataflow in ("ws", "is"):
            s[b.STREAM_FINAL] = spans["final"]
            s[b.PSUM_BITS] = (out - self.final) * arch.precision.psum_bits
        s[b.FINAL_BITS] = self.final * arch.final_bits(arch.chain("Outputs")[-1].name)
        kept = array.preloaded
        if kept:
            point = self.points[self.at[NAMES.index(kept), True]]
            words = arrived[:, self.at[point.operand, True]]
            s[b.KEPT_BITS] = words * max(1, point.whole) * arch.precision.read_bits(kept)
        if array.dataflow == "rs":
            self._row_stationary(boxes, arrived, leaf, entered, spans, s)
            return
        rows, cols, passes, wide = (spans[k] for k in ("rows", "cols", "passes", "wide"))
        if array.dataflow == "os":
            s[b.LOADS], s[b.DRAINS] = _ceil(out - self.final, wide), _ceil(out, wide)
            if array.kind == "mesh":
                s[b.DRAINS] = rows + cols + 2 * passes
            elif array.kind == "systolic":
                s[b.DRAINS] += rows + cols - 2 * passes
                s[b.LEAVE] = 2 * spans["last rows"] + spans["last cols"] - 2
        elif array.kind == "systolic":
            s[b.DRAINS] = (rows if array.early_exit else passes * array.rows) + cols - 2 * passes
            if array.dataflow == "ws":
                s[b.LOADS] = words * array.rows if array.whole_weight_tiles else _ceil(words, wide)
                s[b.FIRST_LOAD] = array.rows
            self._unhidden(spans, s)

    def _unhidden(self, spans: dict[str, Ints], s: Ints) -> None:
        """First load, where the array loads ahead, and last drain. (No weights are resident in a question.)"""
        array = self.q.arch.array
        s[b.LEAVE] = (spans["last rows"] if array.early_exit else array.rows) + spans["last cols"] - 2
        if array.loads_ahead and array.dataflow == "ws":
            s[b.FIRST] = array.rows if array.whole_weight_tiles else spans["first"]

    def _row_stationary(
        self, boxes: Boxes, arrived: Ints, leaf: bool, entered: Ints | None, spans: dict[str, Ints], s: Ints
    ) -> None:
        array = self.q.arch.array
        inputs, weights, out = (arrived[:, self.at[k, True]] for k in range(3))
        slides = _ceil(self.q.bounds[AT["Q"]], self.counter.cores.extent[boxes.core, AT["Q"]])
        ahead = np.zeros_like(out) if entered is None or not leaf else entered
        s[b.LOADS] = _ceil(weights, array.bus("Weights")) + _ceil(ahead, array.bus("Inputs"))
        s[b.LOADS] += _ceil(spans["edge"], array.bus("Outputs"))
        s[b.DRAINS] = _ceil(out, spans["streamed"] * array.bus("Outputs"))
        rest = (inputs - ahead) // array.bus("Inputs") if leaf else 0
        s[b.BUS] = np.maximum(out * (slides - 1) // slides // array.bus("Outputs"), rest)


class _Spans:
    """Sums over passes that depend on the core and the stream's loops only."""

    def __init__(self, q: Question, cores: Cores, places: int) -> None:
        self.q, self.cores, self.last = q, cores, places - 1
        self.streamed = [AT[d] for d in STREAMED[q.arch.array.dataflow]]
        self.reduced = [AT[d] for d in q.problem.reduction_dims]

    def of(self, boxes: Boxes, leaf: bool) -> dict[str, Ints]:
        """Passes; rows, columns and psum words summed over passes; stream steps, all and final ones; columns spread.

        Before a leaf the stream is as long as can be, which makes passes, rows and columns least.
        """
        q, c, core = self.q, self.cores, boxes.core
        found = {
            k: np.ones(len(core), np.int64)
            for k in (
                "passes",
                "rows",
                "cols",
                "edge",
                "steps",
                "final",
                "wide",
                "streamed",
                "first",
                "last rows",
                "last cols",
            )
        }
        for d in range(NDIM):
            bound, ext, pe = int(q.bounds[d]), c.extent[core, d], c.pe[core, d]
            folds = _ceil(bound, ext)
            tile = boxes.fold[:, self.last, d] if leaf else folds if d in self.streamed else np.ones_like(folds)
            passes, left = _ceil(folds, tile), bound - (folds - 1) * ext
            found["passes"] *= passes
            for name, trips, step in (
                ("rows", c.row[core, d] * c.diagonal[core, d], pe * c.col[core, d]),
                ("cols", c.col[core, d] * c.diagonal[core, d], pe),
            ):
                edge = np.minimum(trips, _ceil(left, step))
                alone = folds - (passes - 1) * tile == 1 if leaf else np.ones_like(folds, np.bool_)
                found[f"last {name}"] *= np.where(alone, edge, trips)
                if name == "rows":
                    found["first"] *= np.where(folds == 1, edge, trips)
                found[name] *= np.where(tile == 1, (passes - 1) * trips + edge, passes)
            found["edge"] *= np.where(tile == 1, bound, passes) if d not in self.reduced else passes
            steps = np.where(pe == 1, folds, (folds - 1) * pe + np.minimum(left, pe))
            found["steps"] *= steps
            last = np.where(pe > 1, np.minimum(left, pe), folds - (passes - 1) * tile)
            found["final"] *= last if d in self.reduced else steps
            found["wide"] *= c.col[core, d]
            found["streamed"] *= tile if d in self.streamed else 1
        return found
