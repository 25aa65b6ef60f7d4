"""DRAM reads of inputs whose windows overlap, without walking the demand word by word.

Words are grouped into lines: the channels of one input position, cut where a fold of some tap ends. All touches of a
line then visit its words in the same order at the same stride of places (`place = row x array columns + column`), so
the previous visit of every word of a touch lies a constant number of places back. A touch misses exactly on the words
whose previous visit is older than the window; windows are found block by block of rows from these counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.timing.scalesim.reads import Reads
from accelsim.timing.scalesim.types import Folds, ScaleLayer, ScaleMachine

Array = NDArray[Any]


@dataclass(frozen=True)
class Touches:
    """All touches of one pass over the input, sorted by block: a fold, or some of the rows of long folds.

    Attributes:
        place: of the first word of the touch, in the pass. before: place of the touch of the same line before it,
            less than 0 if that was in the pass before. words: length.
        step: places from one word to the next. cols: places in a row. rows: of a fold. all_rows: of the pass.
        starts: index of the first touch of each block, and the number of touches; no touch crosses a block's end.
        passes: how often the whole is repeated.
        simple: no line is touched twice in a pass. single: every touch is one word.
    """

    place: Array
    before: Array
    words: Array
    step: int
    cols: int
    rows: int
    all_rows: int
    starts: Array
    passes: int
    simple: bool
    single: bool

    @property
    def length(self) -> int:
        """Places of a pass."""
        return self.all_rows * self.cols


def merged(layer: ScaleLayer) -> ScaleLayer:
    """The same demand with a filter as wide (and then as high) as its input written as channels."""
    wide = layer.filter_width == layer.width
    high = wide and layer.filter_height == layer.height
    taps = (layer.filter_width if wide else 1) * (layer.filter_height if high else 1)
    return ScaleLayer(
        layer.name,
        1 if high else layer.height,
        1 if wide else layer.width,
        1 if high else layer.filter_height,
        1 if wide else layer.filter_width,
        layer.channels * taps,
        layer.filters,
        layer.stride_rows,
        layer.stride_cols,
    )


def _axis(size: int, window: int, stride: int, outputs: int) -> tuple[Array, Array, NDArray[np.bool_]]:
    """For each input row (or column) and each overlap: the output, the tap and whether they exist.

    An output that does not exist is the one past the last, which tables have a row (or column) for.
    """
    position = np.arange(size, dtype=np.int64)[:, None]
    overlap = np.arange(-(-window // stride), dtype=np.int64)[None, :]
    output = position // stride - overlap
    tap = position % stride + overlap * stride
    exists = (tap < window) & (output >= 0) & (output < outputs)
    return np.where(exists, output, outputs), np.where(exists, tap, 0), exists


def _ranges(layer: ScaleLayer, machine: ScaleMachine) -> list[tuple[int, int]]:
    """Channel ranges in which no fold of any tap ends."""
    if machine.dataflow == "os":
        return [(0, layer.channels)]
    first = {(-tap * layer.channels) % machine.rows for tap in range(layer.filter_height * layer.filter_width)}
    cuts = {c for start in first for c in range(start, layer.channels, machine.rows)}
    edges = sorted(cuts | {0, layer.channels})
    return list(pairwise(edges))


def _pixel_places(layer: ScaleLayer, machine: ScaleMachine, folds: Folds, never: int) -> Array:
    """What a pixel adds to the place of its words: (output rows + 1, output columns + 1), `never` in the borders."""
    pixel = np.arange(layer.pixels, dtype=np.int64)
    places: Array
    if machine.dataflow == "ws":
        places = pixel * machine.rows
    else:
        per_fold = machine.rows if machine.dataflow == "os" else machine.cols
        inner = 1 if machine.dataflow == "os" else folds.row_folds
        fold, column = np.divmod(pixel, per_fold)
        row = fold * inner * folds.cycles + (column if machine.dataflow == "os" else 0)
        places = row * per_fold + column
    table = np.full((layer.out_rows + 1, layer.out_cols + 1), never, dtype=np.int64)
    table[:-1, :-1] = places.reshape(layer.out_rows, layer.out_cols)
    return table


def _tap_places(layer: ScaleLayer, machine: ScaleMachine, folds: Folds, low: int, high: int) -> Array:
    """What a tap adds to the place of the first of its channels low..high-1: (filter rows, filter columns)."""
    tap = np.arange(layer.filter_height * layer.filter_width, dtype=np.int64) * layer.channels
    if machine.dataflow == "os":
        places = tap * machine.rows
    elif machine.dataflow == "ws":
        fold, column = np.divmod(tap + low, machine.rows)
        places = (fold * folds.cycles + machine.rows + column) * machine.rows + column
    else:
        fold, row = np.divmod(tap + high - 1, machine.rows)
        places = (fold * folds.cycles + machine.rows - 1 - row) * machine.cols
    return places.reshape(layer.filter_height, layer.filter_width)


def _cut(place: Array, before: Array, words: Array, step: int, cols: int, rows: int) -> tuple[Array, Array, Array]:
    """The touches with those that cross the end of a block of `rows` rows (at least a touch long) in two."""
    first = place // cols
    left = np.minimum(words, rows - first % rows)
    crossing = left < words
    if not crossing.any():
        return place, before, words
    moved = step * left[crossing]
    return (
        np.concatenate([place, place[crossing] + moved]),
        np.concatenate([before, before[crossing] + moved]),
        np.concatenate([left, (words - left)[crossing]]),
    )


def touches(layer: ScaleLayer, machine: ScaleMachine, folds: Folds, limit: int) -> Touches:
    """The touches of one pass over the input of a layer, in blocks of about half a window where folds are longer."""
    width = machine.cols if machine.dataflow == "is" else machine.rows
    inner = folds.row_folds * (folds.col_folds if machine.dataflow == "is" else 1)
    length = inner * folds.cycles * width
    never = 2 * length
    kind = np.int32 if 5 * length < 1 << 31 else np.int64
    row, row_tap, _ = _axis(layer.height, layer.filter_height, layer.stride_rows, layer.out_rows)
    col, col_tap, _ = _axis(layer.width, layer.filter_width, layer.stride_cols, layer.out_cols)
    pixels: Array = _pixel_places(layer, machine, folds, never).astype(kind)[:, col][row]
    overlaps = row.shape[1] * col.shape[1]
    parts: list[tuple[Array, Array, Array]] = []
    ranges = _ranges(layer, machine)
    for low, high in ranges:
        taps: Array = _tap_places(layer, machine, folds, low, high).astype(kind)[:, col_tap][row_tap]
        place: Array = (pixels + taps).transpose(0, 2, 1, 3).reshape(-1, overlaps)
        place.sort(axis=1)
        exists = place < length
        count = exists.sum(axis=1)
        before = np.empty_like(place)
        before[:, 1:] = place[:, :-1]
        before[:, 0] = place[np.arange(len(place)), np.maximum(count, 1) - 1] - length
        parts.append(
            (
                place[exists],
                before[exists],
                np.full(int(count.sum()), high - low, dtype=np.int8 if high - low < 128 else kind),
            )
        )
    places, befores, lengths = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    single = all(high - low == 1 for low, high in ranges)
    step = width + 1 if machine.dataflow == "ws" else width
    rows, all_rows = folds.cycles, inner * folds.cycles
    if (dense := int(lengths.sum()) // inner) > 3 * limit:
        rows = max(int(lengths.max()), rows * limit // (2 * dense))
        if not single:
            places, befores, lengths = _cut(places, befores, lengths, step, width, rows)
    block = places // (rows * width)
    blocks = -(-all_rows // rows)
    narrow = np.uint8 if blocks < 1 << 8 else np.uint16 if blocks < 1 << 16 else block.dtype
    block = block.astype(narrow)
    order = np.argsort(block, kind="stable")
    starts = np.append(np.searchsorted(block[order], np.arange(blocks, dtype=narrow)), block.size)
    return Touches(
        place=places[order],
        before=befores[order],
        words=lengths if single else lengths[order],
        step=step,
        cols=width,
        rows=folds.cycles,
        all_rows=all_rows,
        starts=starts,
        passes=1 if machine.dataflow == "is" else folds.col_folds,
        simple=bool((befores < 0).all()),
        single=single,
    )


def _nth_place(t: Touches, part: slice, low: Array, high: Array, nth: int) -> int:
    """Place of the n-th (from 1) of the words low..high-1 of the touches of one fold."""
    if t.single:
        return int(np.partition(t.place[part][low < high], nth - 1)[nth - 1])
    first = t.place[part] // t.cols
    base = int(first.min())
    size = int((first + high).max()) - base + 1
    born = np.bincount(first + low - base, minlength=size)
    gone = np.bincount(first + high - base, minlength=size)
    seen = np.cumsum(np.cumsum(born - gone))
    row = int(np.searchsorted(seen, nth))
    missing = nth - (int(seen[row - 1]) if row else 0)
    word = row + base - first
    here = (low <= word) & (word < high)
    places = t.place[part][here] + t.step * word[here]
    return int(np.partition(places, missing - 1)[missing - 1])


def _per_block(words: Array, starts: Array) -> Array:
    """Words of each block."""
    found: Array = np.add.reduceat(np.append(words, words.dtype.type(0)), starts[:-1], dtype=np.int64) * (
        np.diff(starts) > 0
    )
    return found


def _all_miss(t: Touches, limit: int) -> Reads:
    """Every word is a miss: the window fills at every `limit`-th word."""
    cumulative = np.cumsum(_per_block(t.words, t.starts))
    total = int(cumulative[-1])
    full = t.passes * total // limit * limit
    if not full:
        return Reads(t.passes * total, None)
    whole, rest = divmod(full - 1, total)
    fold = int(np.searchsorted(cumulative, rest, side="right"))
    part = slice(int(t.starts[fold]), int(t.starts[fold + 1]))
    nth = rest - (int(cumulative[fold - 1]) if fold else 0) + 1
    place = _nth_place(t, part, np.zeros_like(t.words[part]), t.words[part], nth)
    return Reads(t.passes * total, _where(t, whole, place))


def _where(t: Touches, whole: int, place: int) -> tuple[int, int]:
    fold, row = divmod(place // t.cols, t.rows)
    return whole * (t.all_rows // t.rows) + fold, row


def _far_apart(t: Touches, limit: int) -> bool:
    """True if at least `limit` words are demanded between any two visits of a word (then every demand misses).

    By induction: if everything before missed, the window holds fewer than `limit` words, all demanded later than the
    previous visit. Words between are counted by whole rows.
    """
    nearest = t.place - t.before if t.passes > 1 else (t.place - t.before)[t.before >= 0]
    if int(nearest.min()) < limit:
        return False
    first = t.place // t.cols
    total_rows = t.all_rows
    born = np.bincount(first, minlength=total_rows + 1)
    gone = np.bincount(first + t.words, minlength=total_rows + 1)
    seen = np.concatenate([[0], np.cumsum(np.cumsum(born - gone))])
    older = t.before // t.cols + t.words
    earlier = np.where(older < 0, seen[older % total_rows] - seen[-1], seen[np.maximum(older, 0)])
    count = seen[first] - earlier
    if t.passes == 1:
        count = count[t.before >= 0]
    return bool((count >= limit).all())


def _windows(t: Touches, limit: int) -> Reads:
    """Find the windows one after another; a pass that begins as an earlier one did repeats what followed it."""
    words, start, held = 0, 0, 0
    last: tuple[int, int] | None = None
    met: dict[int, tuple[int, int, int]] = {}
    whole = 0
    while whole < t.passes:
        if start in met:
            earlier, words_then, _ = met[start]
            period = whole - earlier
            jump = (t.passes - whole) // period * period
            words += (words - words_then) * (jump // period)
            if last is not None and jump:
                last = last[0] + jump * (t.all_rows // t.rows), last[1]
            whole += jump
            met = {}
            if whole == t.passes:
                break
        met[start] = (whole, words, held)
        missed, start, held, fill = _one_pass(t, limit, start, held)
        words += missed
        if fill is not None:
            last = _where(t, whole, fill)
        whole += 1
    return Reads(words, last)


def _one_pass(t: Touches, limit: int, start: int, held: int) -> tuple[int, int, int, int | None]:
    """(misses, start of the window, words in it, place of the last fill) after one pass; places count from the pass."""
    missed, block, span = 0, 0, 4
    fill: int | None = None
    blocks = len(t.starts) - 1
    while block < blocks:
        until = min(blocks, block + span)
        part = slice(int(t.starts[block]), int(t.starts[until]))
        low, high = _missing(t, part, start)
        ends = np.cumsum(_per_block(high - low, t.starts[block : until + 1] - part.start))
        hit = int(np.searchsorted(ends, limit - held))
        if hit == len(ends):
            missed, held, block, span = missed + int(ends[-1]), held + int(ends[-1]), until, span * 2
            continue
        span = max(2, hit + 2)
        before = int(ends[hit - 1]) if hit else 0
        block += hit
        one = slice(int(t.starts[block]), int(t.starts[block + 1]))
        inside = slice(one.start - part.start, one.stop - part.start)
        fill = _nth_place(t, one, low[inside], high[inside], limit - held - before)
        missed, start, held = missed + limit - held, fill + 1, 0
    return missed, start - t.length, held, fill


def _missing(t: Touches, part: slice, start: int) -> tuple[Array, Array]:
    """First and one past the last word that misses, of each touch, with a window that began at `start`."""
    if t.single:
        early = t.place[part] < start
        return early.view(np.int8), (early | (t.before[part] < start)).view(np.int8)
    words = t.words[part]
    low = np.minimum(np.maximum(-((t.place[part] - start) // t.step), 0), words)
    high = np.minimum(np.maximum(-((t.before[part] - start) // t.step), 0), words)
    return low, np.maximum(low, high)


def input_reads(layer: ScaleLayer, machine: ScaleMachine, folds: Folds, limit: int) -> Reads:
    """DRAM reads of the input of any layer on any machine; rows of the last fill count from the start of its fold."""
    distinct = distinct_words(layer)
    if distinct < limit:
        return Reads(distinct, None)
    t = touches(merged(layer), machine, folds, limit)
    return _all_miss(t, limit) if t.simple or _far_apart(t, limit) else _windows(t, limit)


def distinct_words(layer: ScaleLayer) -> int:
    """Input words that some window touches."""
    return (
        layer.channels
        * _touched(layer.height, layer.filter_height, layer.stride_rows, layer.out_rows)
        * _touched(layer.width, layer.filter_width, layer.stride_cols, layer.out_cols)
    )


def _touched(size: int, window: int, stride: int, outputs: int) -> int:
    """Rows (or columns) under some window; the last window may end outside.

    >>> _touched(10, 3, 2, 4), _touched(10, 2, 4, 3), _touched(8, 2, 3, 3)
    (9, 6, 6)
    """
    last = (outputs - 1) * stride
    if stride <= window:
        return min(size, last + window)
    return (outputs - 1) * window + max(0, min(window, size - last))
