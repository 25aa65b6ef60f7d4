"""Words that arrive at a storage point, for many loop nests at once.

The words of a step are `prod |U| - prod |U - D|` over the point's units (`traffic.factors`): dims that index it, dims
that do not, and window axes over two dims. Sums of plain units are closed forms; those of windows are asked of
`traffic.factors` once for every distinct tile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from accelsim.certify.space import AT, NDIM, Cores, Ints, Question
from accelsim.mapping.legality import tile_words
from accelsim.mapping.points import array_places
from accelsim.problem import DIMS, Axis, Operand
from accelsim.traffic.factors import Advance, AxisNest, Factors, last_child

if TYPE_CHECKING:
    from accelsim.certify.bound import Boxes

PLAIN, TILES, IDLE, WINDOW = range(4)
MOST = 1 << 62
Pair = tuple[Ints, Ints]


@dataclass(frozen=True)
class Unit:
    """A factor of a point's words: `dims` are places in DIMS; `axis` of windows only."""

    kind: int
    dims: tuple[int, ...]
    axis: Axis | None = None


@dataclass(frozen=True)
class Point:
    """A place where an operand (0 Inputs, 1 Weights, 2 Outputs) is kept.

    Attributes:
        boundary: places for loops outside its tile. array: it is the PEs; shared: axes along which one word serves
            several. each: arrivals at every PE, wires apart (beside the point of what is read for them).
        whole: words that every changed tile costs, or 0. depth: tiles held at once.
    """

    operand: int
    parent: str
    child: str
    boundary: int
    units: tuple[Unit, ...]
    array: bool
    each: bool
    retained: bool
    shared: tuple[str, ...]
    whole: int
    depth: int


def is_window(axis: Axis, q: Question) -> bool:
    """Does the axis do more than count words: two moving dims, a border or a size that cuts tiles?"""
    moving = [(d, c) for d, c in axis.terms if q.problem.bound[d] > 1]
    reach = sum(c * (q.problem.bound[d] - 1) for d, c in moving)
    return bool(axis.terms) and (len(moving) > 1 or axis.offset != 0 or reach >= axis.size)


def _units(q: Question, operand: Operand, whole: bool) -> tuple[Unit, ...]:
    found = []
    for axis in operand.axes:
        if is_window(axis, q):
            found.append(Unit(WINDOW, tuple(AT[d] for d in axis.dims), axis))
        else:
            found += [Unit(TILES if whole else PLAIN, (AT[d],)) for d in axis.dims if q.problem.bound[d] > 1]
    rest = [AT[d] for d, b in q.problem.bounds if b > 1 and d not in operand.dims]
    return (*found, *(Unit(IDLE, (d,)) for d in rest))


def points_of(q: Question, places: tuple[str, ...]) -> tuple[Point, ...]:
    """Points of all operands, outer to inner; one at the PEs that counts words is followed by its `each`."""
    at, found = {**{name: i for i, name in enumerate(places)}, "PE": len(places)}, []
    for number, name in enumerate(("Inputs", "Weights", "Outputs")):
        operand = q.problem.operand(name)
        for level, point in array_places(q.arch, operand):
            array, whole = point.memory == "PE", point.whole_words
            hold = None if array else q.arch.memory(point.memory).hold(name)
            units, depth = _units(q, operand, whole > 0), hold.depth if hold else 1
            twins = (
                [(False, tuple(point.shared)), (True, ())] if array and not whole else [(False, tuple(point.shared))]
            )
            for each, shared in twins:
                link = number, point.parent, point.memory, at[level], units, array, each
                found.append(Point(*link, point.retained, shared, whole, depth))
    return tuple(found)


def codes(columns: list[Ints]) -> Ints:
    """One number a row, equal exactly where all columns are equal."""
    code, top = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        size = int(column.max(initial=0)) + 1
        if top * size >= MOST:
            code = np.unique(code, return_inverse=True)[1].reshape(-1)
            top = int(code.max(initial=0)) + 1
        code, top = code * size + column, top * size
    return code


def _states(bound: int, out: Ints, outside: Ints | None) -> tuple[Ints, Ints, Ints]:
    """Of the tiles of extent `out`: how many count, whether the last does (0, 1), and what is left of the dim there.

    Inside a loop that goes on (`outside` is the extent around it) those count that do not begin it.
    """
    number = -(-bound // out)
    last = (number - 1) * out
    tail = np.ones_like(out)
    if outside is not None:
        number = number - -(-bound // outside)
        tail = (last % outside != 0).astype(np.int64)
    return number, tail, bound - last


def plain(kind: int, bound: int, child: Ints, out: Ints, outside: Ints | None) -> Pair:
    """(sum of |U|, sum of |U - D|'s rest) of a dim that indexes the operand: tiles `child` in spans `out`."""
    number, tail, left = _states(bound, out, outside)
    size, edge = child, np.minimum(child, left)
    if kind == TILES:
        size = edge = np.ones_like(child)
    total = np.where(number > 0, (number - tail) * size + tail * edge, 0)
    if outside is not None:
        return total, np.zeros_like(total)
    return total, (number - tail) * size * (out <= child) + tail * edge * (left <= child)


class Counter:
    """Counts arrivals of one question on its cores."""

    def __init__(self, q: Question, cores: Cores) -> None:
        self.q, self.cores, self.factors = q, cores, Factors()
        self._memo: dict[tuple[object, ...], tuple[int, int]] = {}
        self._least: dict[tuple[object, ...], int] = {}
        self._sizes: dict[tuple[object, ...], int] = {}

    def _split(self, p: Point, core: int, dim: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Start offsets of a dim over PEs apart and over PEs that share, of a core."""
        row, col = int(self.cores.row[core, dim]), int(self.cores.col[core, dim])
        pe = int(self.cores.pe[core, dim])
        parts: dict[bool, list[int]] = {False: [0], True: [0]}
        band = int(self.cores.band[core, dim])
        along = "col" if DIMS[dim] in "OPQ" else "row"
        for axis, trips, step in (("row", row, pe * col), ("col", col, pe), (along, band, pe)):
            mine = axis in p.shared or (band > 1 and "col" in p.shared)  # a row of a band has one word
            parts[mine] = [a + i * step for a in parts[mine] for i in range(trips)]
        return tuple(parts[False]), tuple(parts[True])

    def _nest(self, p: Point, unit: Unit, core: int, child: tuple[int, ...]) -> AxisNest:
        names, bounds = unit.axis.dims if unit.axis else (), tuple(int(self.q.bounds[d]) for d in unit.dims)
        if not p.array:
            zero = ((0,),) * len(names)
            return AxisNest(unit.axis, names, bounds, child, child, zero, zero, self.q.arch.halo_reuse)
        splits = [self._split(p, core, d) for d in unit.dims]
        pe = tuple(int(self.cores.pe[core, d]) for d in unit.dims)
        return AxisNest(
            unit.axis, names, bounds, child, pe, tuple(s[0] for s in splits), tuple(s[1] for s in splits), True
        )

    def _window(self, p: Point, unit: Unit, core: Ints, child: Ints, cur: Ints, dim: int, outside: Ints) -> Pair:
        """Sums of a window; `dim` goes on (-1: none, -2: the first tile alone)."""
        dims = list(unit.dims)
        columns = [child[:, d] for d in dims] + [cur[:, d] for d in dims] + [outside]
        if p.array:
            c = self.cores
            columns += [table[core, d] for d in dims for table in (c.row, c.col, c.pe, c.band)]
        _, first, inverse = np.unique(codes(columns), return_index=True, return_inverse=True)
        values = np.empty((len(first), 2), np.int64)
        name = (unit.dims, p.array, p.shared, dim)
        for i, at in enumerate(first.tolist()):
            key = (name, *(int(column[at]) for column in columns))
            if key not in self._memo:
                self._memo[key] = self._sum(p, unit, int(core[at]), child[at], cur[at], dim, int(outside[at]))
            values[i] = self._memo[key]
        return values[inverse.reshape(-1), 0], values[inverse.reshape(-1), 1]

    def _sum(self, p: Point, unit: Unit, core: int, child: Ints, cur: Ints, dim: int, outside: int) -> tuple[int, int]:
        nest = self._nest(p, unit, core, tuple(int(child[d]) for d in unit.dims))
        if dim == -2:
            return nest.cell((0,) * len(nest.dims), None)
        advance: Advance = (nest.dims[unit.dims.index(dim)], outside) if dim >= 0 else None
        return self.factors.total(nest, tuple(int(cur[d]) for d in unit.dims), advance)

    def _idle(self, p: Point, d: int, core: Ints, child: Ints, out: Ints, outside: Ints | None) -> Pair:
        """Sums of a dim that does not index the operand: one for every PE that has work and its own read."""
        bound = int(self.q.bounds[d])
        number, tail, left = _states(bound, out, outside)
        if not p.array:
            return np.maximum(number, 0), np.maximum(number, 0)
        c = self.cores
        pe, row, col, diagonal, band = (table[core, d] for table in (c.pe, c.row, c.col, c.diagonal, c.band))
        row, col = (row, col * band) if DIMS[d] in "OPQ" else (row * band, col)
        along_rows, along_cols = "row" in p.shared, "col" in p.shared
        near = np.where(along_rows, row, 1) * np.where(along_cols, col, 1)
        near = near * (diagonal if along_rows and along_cols else 1)
        far = row * col * diagonal // near
        far_step = pe * np.where(along_cols & (not along_rows), col, 1)
        near_step = pe * np.where(along_rows & (not along_cols), col, 1)
        copies = np.clip(-(-left // far_step), 0, far)
        full = (number - tail) * far
        total = np.where(number > 0, full + tail * copies, 0)
        if outside is not None:
            return total, total
        before = left - (left - 1) // child * child
        return total, full + tail * self._still(left, before, far, far_step, near, near_step, copies)

    @staticmethod
    def _still(left: Ints, before: Ints, far: Ints, far_step: Ints, near: Ints, near_step: Ints, copies: Ints) -> Ints:
        """Reads whose PEs all had work in the tile before, too, when so much is left of a dim at its edge."""
        found = copies.copy()
        partial = np.nonzero(before < left)[0]
        if partial.size == 0:
            return found
        columns = [column[partial] for column in (left, before, far, far_step, near, near_step, copies)]
        _, first, inverse = np.unique(codes(columns), return_index=True, return_inverse=True)
        values = np.zeros(len(first), np.int64)
        for i, at in enumerate(first.tolist()):
            l0, b0, _, fs, n0, ns, number = (int(column[at]) for column in columns)
            for k in range(number):
                now, was = min(n0, -(-(l0 - k * fs) // ns)), min(n0, -(-max(0, b0 - k * fs) // ns))
                values[i] += was >= now
        found[partial] = values[inverse.reshape(-1)]
        return found

    def pair(self, p: Point, unit: Unit, core: Ints, child: Ints, cur: Ints, dim: int, outside: Ints) -> Pair:
        """Sums of a unit over the states of the loops up to the one over `dim` (-1: any other), `outside` around it."""
        if unit.kind == WINDOW:
            return self._window(p, unit, core, child, cur, dim, outside)
        (d,) = unit.dims
        around = outside if d == dim else None
        if unit.kind == IDLE:
            return self._idle(p, d, core, child[:, d], cur[:, d], around)
        return plain(unit.kind, int(self.q.bounds[d]), child[:, d], cur[:, d], around)

    def every_step(self, p: Point, core: Ints) -> Ints:
        """Arrivals at PEs that keep nothing: the words of all steps."""
        ext = np.minimum(self.cores.extent[core], self.q.bounds)
        words = np.ones(len(core), np.int64)
        for unit in p.units:
            words *= self.pair(p, unit, core, ext, ext, -1, np.zeros_like(core))[0]
        return words

    def touched(self, p: Point) -> int:
        """Distinct words (or, per core, see `tiles`) that the problem needs of a point's operand, whole tiles apart."""
        words = 1
        for unit in p.units:
            if unit.kind == WINDOW:
                words *= self.words_of(unit)
            elif unit.kind == PLAIN:
                words *= int(self.q.bounds[unit.dims[0]])
        return words

    def first(self, p: Point, boxes: Boxes) -> Ints:
        """Words (or tiles) of a memory's first tile."""
        child, none = boxes.tile[:, p.boundary], np.zeros(len(boxes.core), np.int64)
        words = np.ones(len(boxes.core), np.int64)
        for unit in p.units:
            if unit.kind == WINDOW:
                words *= self._window(p, unit, boxes.core, child, child, -2, none)[0]
            elif unit.kind == PLAIN:
                words *= child[:, unit.dims[0]]
        return words

    def size(self, operand: int, tile: Ints) -> Ints:
        """Most words of tiles of an operand, away from borders: (tiles,)."""
        asked = self.q.problem.operand(("Inputs", "Weights", "Outputs")[operand])
        places = [AT[d] for d in sorted(asked.dims, key=DIMS.index)]
        _, first, inverse = np.unique(codes([tile[:, d] for d in places]), return_index=True, return_inverse=True)
        values = np.empty(len(first), np.int64)
        for i, at in enumerate(first.tolist()):
            key = (operand, *tile[at, places].tolist())
            if key not in self._sizes:
                self._sizes[key] = tile_words(asked, {d: int(tile[at, AT[d]]) for d in DIMS})
            values[i] = self._sizes[key]
        found: Ints = values[inverse.reshape(-1)]
        return found

    def arrivals(self, p: Point, boxes: Boxes, upto: int, also: int = -1) -> Pair:
        """Words (or whole tiles) that arrive at a tile inside the loops of the first `upto` places: (boxes,).

        The second is what arrives at the advances of loops of the first `also` places only.
        """
        core, child = boxes.core, boxes.tile[:, upto]
        cur = np.broadcast_to(self.q.bounds, child.shape).copy()
        none = np.zeros(len(core), np.int64)
        words = np.ones(len(core), np.int64)
        total, kept = (np.empty((len(p.units), len(core)), np.int64) for _ in range(2))
        for u, unit in enumerate(p.units):
            total[u], kept[u] = self.pair(p, unit, core, child, cur, -1, none)
            if unit.kind == WINDOW:
                words *= self._window(p, unit, core, child, cur, -2, none)[0]
            elif unit.kind == IDLE and p.array:
                words *= total[u]
            elif unit.kind == PLAIN:
                words *= child[:, unit.dims[0]]
        unit_of = {d: u for u, unit in enumerate(p.units) for d in unit.dims}
        entered = words.copy()
        for place in range(upto):
            if place == also:
                entered = words.copy()
            for i in range(NDIM):
                line = boxes.order[:, place, i]
                for d in np.unique(line[line >= 0]).tolist():
                    rows, u = np.nonzero(line == d)[0], unit_of[d]
                    outside, unit = cur[rows, d], p.units[u]
                    cur[rows, d] = boxes.tile[rows, place + 1, d]
                    part = core[rows], child[rows], cur[rows]
                    one, two = self.pair(p, unit, *part, d, outside)
                    others = [v for v in range(len(p.units)) if v != u]
                    words[rows] += one * total[others][:, rows].prod(axis=0)
                    words[rows] -= two * kept[others][:, rows].prod(axis=0)
                    total[u, rows], kept[u, rows] = self.pair(p, unit, *part, -1, none[rows])
        return words, entered

    def again(self, p: Point, boxes: Boxes, upto: int) -> Ints:
        """Least words that every further sweep over the inputs brings after the loops of the first `upto` places.

        A loop over a dim that the operand does not depend on goes round m times, outside loops J that move the
        operand. From its second trip on each block of J loads all its words but those of its first tile that its last
        tile holds. If J moves axis a, these are at least (union of a over the block - what both tiles share of a) x
        the words of the other axes; blocks together cover every word. So m trips bring `words + (m - 1) x least over
        a`, and trips of several such loops multiply. An axis that no window slides over shares nothing.
        """
        words = np.full(len(boxes.core), self.touched(p), np.int64)
        found = words.copy()
        for unit in p.units:
            if unit.kind == WINDOW:
                fresh = self._fresh(unit, boxes.tile[:, : upto + 1, list(unit.dims)])
                found = np.minimum(found, words // max(1, self.words_of(unit)) * fresh)
        return found

    def words_of(self, unit: Unit) -> int:
        """Words of a window axis that the problem needs."""
        assert unit.axis is not None
        return unit.axis.mask({d: (0, self.q.problem.bound[d]) for d in unit.axis.dims}).bit_count()

    def swept(self, unit: Unit, extent: Ints, dim: int) -> Ints:
        """`again` on a window axis alone where the innermost loop always sweeps one of its dims: by core."""
        assert unit.axis is not None
        bounds, found = [int(self.q.bounds[d]) for d in unit.dims], np.empty(len(extent), np.int64)
        _, first, inverse = np.unique(codes([extent[:, d] for d in unit.dims]), return_index=True, return_inverse=True)
        for i, at in enumerate(first.tolist()):
            child = tuple(min(int(extent[at, d]), b) for d, b in zip(unit.dims, bounds, strict=True))
            spans: list[tuple[int, ...]] = [()]
            for d, bound, size in zip(unit.dims, bounds, child, strict=True):
                sizes = [bound] if d == dim else sorted({min(size * k, bound) for k in range(1, -(-bound // size) + 1)})
                spans = [(*head, x) for head in spans for x in sizes]
            values = [self._fresh_words(unit.axis, tuple(bounds), span, child) for span in spans]
            found[inverse.reshape(-1) == i] = min(values)
        return found

    def _fresh(self, unit: Unit, tiles: Ints) -> Ints:
        """Least over all spans in which loops can move an axis: sum of |union| - |first and last tile| over spans."""
        flat = tiles.reshape(len(tiles), -1)
        _, first, inverse = np.unique(codes(list(flat.T)), return_index=True, return_inverse=True)
        values = np.empty(len(first), np.int64)
        for i, at in enumerate(first.tolist()):
            key = (unit.dims, *flat[at].tolist())
            if key not in self._least:
                self._least[key] = self._spans(unit, tiles[at])
            values[i] = self._least[key]
        found: Ints = values[inverse.reshape(-1)]
        return found

    def _spans(self, unit: Unit, tiles: Ints) -> int:
        axis = unit.axis
        assert axis is not None
        child = tuple(int(v) for v in tiles[-1])
        bounds, least = tuple(int(self.q.bounds[d]) for d in unit.dims), self.words_of(unit)
        spans: list[tuple[int, ...]] = [()]
        for column in range(len(child)):
            spans = [(*head, x) for head in spans for x in sorted({int(v) for v in tiles[:, column]})]
        for span in spans:
            if span != child:
                least = min(least, self._fresh_words(axis, bounds, span, child))
        return least

    @staticmethod
    def _fresh_words(axis: Axis, bounds: tuple[int, ...], span: tuple[int, ...], child: tuple[int, ...]) -> int:
        starts: list[tuple[int, ...]] = [()]
        for bound, step in zip(bounds, span, strict=True):
            starts = [(*head, s) for head in starts for s in range(0, bound, step)]
        found = 0
        for start in starts:
            sizes = [min(x, b - s) for x, b, s in zip(span, bounds, start, strict=True)]
            ends = [last_child(s, n, c) for s, n, c in zip(start, sizes, child, strict=True)]

            def mask(begin: list[int] | tuple[int, ...], most: list[int] | tuple[int, ...]) -> int:
                lengths = [min(m, b - s) for m, b, s in zip(most, bounds, begin, strict=True)]
                return axis.mask(dict(zip(axis.dims, zip(begin, lengths, strict=True), strict=True)))

            found += mask(start, span).bit_count() - (mask(start, child) & mask(ends, child)).bit_count()
        return found
