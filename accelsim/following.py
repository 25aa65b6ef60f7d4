"""How work of the vector unit can follow the array: what it takes of its results, and when that is there.

Elementwise work and moves take words, normalisations and softmaxes rows, in whatever order the array finishes them. A
pooling layer takes windows, tile by tile in the order of its own nest; if the results stay on chip its nest is tiled
anew for that (no word is moved more often, since none of them crosses the DRAM link).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from accelsim.arch import Accelerator
from accelsim.layers import Layer, LayerNorm, LpNorm, Move, Shape, Softmax, VectorWork
from accelsim.mapper.search import Mapped, evaluate
from accelsim.mapping import Loop, Mapping
from accelsim.mapping.chunks import PIPELINE_CHUNKS, VectorJob, chunk_bounds
from accelsim.plan import Part, Plan
from accelsim.problem import Problem
from accelsim.sim.finish import finish_segments
from accelsim.sim.stream import BITS, KIND, KINDS, READY, TURN, Ints

Needs = Callable[[int], Ints]
"""From the number of segments of work that follows, for each how many segments of the array must have ended."""


@dataclass(frozen=True, eq=False)
class Item:
    """A work item with its layer, and whether it is the first and last one of it."""

    plan: Plan
    part: Part
    first: bool
    last: bool

    @property
    def whole(self) -> bool:
        """Is it all of its layer?"""
        return self.first and self.last

    def reads(self, other: Item, roots: dict[str, str]) -> bool:
        """Does its layer read what another one makes?"""
        return any(roots.get(source, source) == other.plan.node.name for source in self.plan.node.inputs)


def _row_axes(layer: Layer | None, rank: int) -> tuple[int, ...] | None:
    """The dims of one row of a normalisation or softmax; None for other layers."""
    if isinstance(layer, Softmax):
        return layer.axes(rank)
    if isinstance(layer, LayerNorm):
        return tuple(range(layer.axis % rank, rank))
    return (layer.axis % rank,) if isinstance(layer, LpNorm) else None


def _rows_finished(
    mapped: Mapped, shape: Shape, axes: tuple[int, ...], turns: Ints | None, staying: int
) -> tuple[Ints, ...]:
    """How many rows of a tensor (whose dims are `axes`) the array's results fill, once each segment has ended or, for
    what goes to DRAM, its `turns` in the queue are over. Rows that stay on chip and others, where both occur, apart.

    None of these if a row is of both kinds, or words do not follow dims.
    """
    simulated, mapping = mapped.simulated, mapped.mapping
    found = [
        finish_segments(mapping, simulated.arch, simulated.drafts.factors, stored) for stored in (False, True)
    ]  # fmt: skip
    if found[0] is None or found[1] is None:
        return ()
    last = found[0].copy()
    if turns is not None:
        last[staying:] = turns[found[1][staying:]]
    rows, width = last.reshape(shape).max(axis=axes).reshape(-1), prod(shape[axis] for axis in axes)
    kinds = [rows]
    if 0 < staying < last.size:
        if axes != tuple(range(len(shape) - len(axes), len(shape))) or staying % width:
            return ()
        kinds = [rows[: staying // width], rows[staying // width :]]
    return tuple(np.cumsum(np.bincount(kind, minlength=simulated.segments)) for kind in kinds)


def _store_turns(part: Part, arch: Accelerator, words: int) -> tuple[Ints, Ints] | None:
    """Of the `words` of results on their way to DRAM: how many had their turn once each segment has ended, and, for
    each segment, the turn by which all that leaves with it is in the queue. None where psums or coded words go there
    too."""
    moves, count = part.stream.moves, part.ran.segments
    stores = moves[moves[:, KIND] == KINDS.index("store")]
    if stores[:, BITS].sum() != words * arch.precision.output_bits:
        return None
    sums = np.bincount(stores[:, TURN], stores[:, BITS], count).astype(np.int64)
    turns = np.zeros(count, np.int64)
    np.maximum.at(turns, stores[:, READY], stores[:, TURN])
    return np.cumsum(sums) // arch.precision.output_bits, turns


def _finished(one: Item, other: Item, arch: Accelerator) -> tuple[Ints, ...]:
    """For work that can take the results of the array row by row: how many of its rows are there, on chip or in DRAM's
    queue, once each segment of the array has ended; of results that stay on chip in part, both
    apart. None of these if it cannot.

    It is elementwise, a normalisation or a softmax on all of them, or moves them and others. A row of elementwise work
    or a move is a word.
    """
    job, mapped, item = other.part.job, one.part.mapped, other.part.item
    if job is None or mapped is None or not one.part.on_array:
        return ()
    whole = isinstance(item, VectorWork) and job.out_words == mapped.mapping.problem.output.words
    moved = isinstance(item, Move) and job.in_words == job.out_words
    if not (one.whole and other.whole and (whole or moved)):
        return ()
    words, staying = mapped.mapping.problem.output.words, one.plan.staying
    stored = _store_turns(one.part, arch, words - staying) if staying < words else None
    if stored is None and staying < words:
        return ()
    turns = None if stored is None else stored[1]
    if job.rows == job.out_words:
        if staying == words:
            return (mapped.simulated.finished,)
        return (stored[0],) if stored and not staying else _rows_finished(mapped, (words,), (), turns, staying)
    shape = other.plan.node.input_shapes[0]
    axes = _row_axes(other.plan.node.layer, len(shape))
    return _rows_finished(mapped, shape, axes, turns, staying) if whole and axes is not None else ()


def _needs(job: VectorJob, chunks: int, finished: tuple[Ints, ...]) -> Ints:
    """For each chunk of work that follows the array, how many segments must have ended to finish its rows (1 or more).

    Rows that are there from the start come first. Where some words are on chip and some come from DRAM every chunk has
    its share of both, as its loads have.
    """
    rows, found = np.array(chunk_bounds(job, chunks, job.rows)[1:], np.int64), np.ones(chunks, np.int64)
    mixed = job.here_words not in (0, job.in_words)
    for words in finished:
        ends = -(-rows * words[-1] // job.rows) if mixed else rows - (job.rows - words[-1])
        found = np.maximum(found, np.searchsorted(words, ends, side="left") + 1)
    return found


def alongside(count: int) -> Ints:
    """Needs of work that reads nothing of the array's: it begins when the array has begun in earnest."""
    return np.append(1, np.zeros(count - 1, np.int64))


def _fixed(needs: Ints) -> Needs:
    return lambda count: needs


def _tiled(mapping: Mapping, dim: str) -> Mapping:
    """A pooling nest with one loop outside, over tiles of `dim`."""
    bound = mapping.problem.bound
    tile = -(-bound[dim] // min(PIPELINE_CHUNKS, bound[dim]))
    outer = (Loop(dim, -(-bound[dim] // tile)),)
    levels = tuple(replace(level, loops=outer if level.memory == "DRAM" else ()) for level in mapping.levels)
    inner = tuple(Loop(d, tile if d == dim else n) for d, n in mapping.problem.bounds if (tile if d == dim else n) > 1)
    return replace(mapping, levels=levels, stream=inner, spatial=(), pe=())


def _window_needs(mapping: Mapping, segments: Ints) -> Ints:
    """For each tile of a nest of one outer loop, how many segments of the array finish all that its windows touch."""
    inputs = next(operand for operand in mapping.problem.operands if operand.name == "Inputs")
    last = segments.reshape([axis.size for axis in inputs.axes])
    (loop,), found = mapping.levels[0].loops, []
    for tile in range(loop.trips):
        extents = dict(mapping.problem.bound)
        step = mapping.tile_step(loop.dim, mapping.position("stream"))
        begin = tile * step
        extents[loop.dim] = min(step, extents[loop.dim] - begin)
        box = []
        for axis in inputs.axes:
            low = axis.offset + sum(coef * begin for dim, coef in axis.terms if dim == loop.dim)
            high = low + sum(coef * (extents[dim] - 1) for dim, coef in axis.terms)
            box.append(slice(max(0, low), min(axis.size, high + 1)))
        found.append(int(last[tuple(box)].max(initial=0)) + 1)
    return np.array(found, np.int64)


def _pooling(one: Item, other: Item) -> Iterator[tuple[Item, Needs]]:
    """A pooling layer on results that stay on chip, tiled by channels and by rows."""
    made, mapped = one.part.mapped, other.part.mapped
    if made is None or mapped is None or not (one.plan.stays and one.whole and other.whole):
        return
    simulated, drafts = made.simulated, made.simulated.drafts
    segments = finish_segments(made.mapping, simulated.arch, drafts.factors, stored=False)
    if segments is None:
        return
    for dim in ("G", "P"):
        if mapped.mapping.problem.bound[dim] == 1:
            continue
        again = evaluate(_tiled(mapped.mapping, dim), other.plan.arch, other.part.post_ops, drafts, other.part.zeros)
        if again.counts == mapped.counts:
            needs = _window_needs(again.mapping, segments)
            part = replace(other.part, mapped=again, ran=again.simulated)
            yield replace(other, part=part), _fixed(needs)


def ways_to_follow(one: Item, other: Item, arch: Accelerator) -> Iterator[tuple[Item, Needs]]:
    """Work that can follow the array on its results, as it would be cut, and what it needs; none if it cannot."""
    if isinstance(other.part.item, Problem):
        if one.part.on_array:
            yield from _pooling(one, other)
        return
    job, finished = other.part.job, _finished(one, other, arch)
    if job is not None and finished:
        yield other, lambda count: _needs(job, count, finished)
