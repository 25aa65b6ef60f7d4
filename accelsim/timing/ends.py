"""The two ends of a layer in the latency bound B: what is left when the last load has come, what goes before a store.

Tail. The last of all loads on the channel belongs to some operand; all other loads are over by then, and its last tile
is still to be worked on, so `transfers before it + work on the last tile` is at least the least such sum over the
operands that are loaded. The work is the stream of the passes inside the tile, of which those that finish outputs also
wait for the vector unit and the port, and the stationary loads between them; whatever the tile holds of the results is
finished in it. A load is not the last if another one is sure to come behind it: nothing is loaded again of an operand
with one tile when another has more; and weights go behind inputs that are due no later.

Which stores go before that load: a channel that keeps the program's order serves transfers by the segment after which
they are due. A load of the last tile is due when the tile `depth` before it is done, so only those stores can come
after it whose tiles end in the last `depth` visits of the operand or (by urgency) with the one before, and one more
where stores go in pieces. Visits nest: those of a tile end with every step of the innermost loop that moves it, and of
all loops outside that one. Where windows slide over borders the last visits may load nothing: they are counted as
visits more. Where loops leave remainders no store is taken to go before the load.

Room. The last tile of results waits for the store that makes room for it, and so for all stores but the last `depth`;
and if no operand is loaded more often than results change, for all loads.

Head. No store begins before its first tile is made. If no psum goes to DRAM, all loops that sum lie inside it. Nor does
a load for which there is no room while that tile is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from accelsim.arch import Accelerator
from accelsim.mapping import LinkCount, Mapping, points
from accelsim.mapping.legality import tile_words
from accelsim.mapping.points import Point
from accelsim.problem import Axis, Operand, Problem
from accelsim.timing import bound as b


def _ceil(words: int, width: int) -> int:
    return -(-words // width)


def spans_of(mapping: Mapping) -> dict[str, tuple[int, int, int]]:
    """Per dim: folds of the array's extent, folds in a pass, passes."""
    position = mapping.position("stream")
    found = {}
    for dim, bound in mapping.problem.bounds:
        folds = _ceil(bound, mapping.array_extent[dim])
        tile = min(_ceil(mapping.tile_step(dim, position), mapping.array_extent[dim]), folds)
        found[dim] = folds, tile, _ceil(folds, tile)
    return found


def _span(mapping: Mapping, dim: str, axis: str, last: bool) -> int:
    """Rows (or columns) that a fold of a dim spans, the last one or any other."""
    mine = [d for d in mapping.digits if d.dim == dim and axis in d.axes]
    full = prod(d.trips for d in mine)
    if not mine or not last:
        return full
    bound, extent = mapping.problem.bound[dim], mapping.array_extent[dim]
    return min(full, _ceil(bound - (_ceil(bound, extent) - 1) * extent, mine[-1].step))


def _least_span(mapping: Mapping, axis: str) -> int:
    """Rows (or columns) that every pass spans at least."""
    return prod(_span(mapping, dim, axis, True) for dim in mapping.problem.bound)


def stationary_load(mapping: Mapping, arch: Accelerator, position: int) -> int:
    """Cycles in which weights shift into a systolic array before the first pass of any tile inside so many loops, at
    least: only a tile of one fold of a dim may begin with the last fold, which may span fewer rows."""
    array = arch.array
    if array.kind != "systolic" or array.dataflow != "ws":
        return 0
    if array.whole_weight_tiles:
        return array.rows
    rows, even = 1, is_even(mapping)
    for dim, (folds, _, _) in spans_of(mapping).items():
        inside = min(folds, _ceil(mapping.tile_step(dim, position), mapping.array_extent[dim]))
        rows *= _span(mapping, dim, "row", folds == 1 or not (even and inside > 1))
    return rows


def least_drain(mapping: Mapping, arch: Accelerator, leaves: bool) -> int:
    """Cycles that any pass takes at least to drain from a systolic array; with `os`, whether its results leave it."""
    array = arch.array
    if array.kind != "systolic":
        return 0
    rows, cols = _least_span(mapping, "row"), _least_span(mapping, "col")
    if array.dataflow == "os":
        return rows + cols - 2 + (rows if leaves else 0)
    return (rows if array.early_exit else array.rows) + cols - 2


def work_on(mapping: Mapping, arch: Accelerator, words: dict[str, int], n: list[int], finished: bool) -> int:
    """Cycles from the first stream of the passes over a tile of so many words of each dim to the end of their last.

    What the tile has of the results is `finished` in it, or it is not known to be. Where the next stationary words load
    while a pass streams, their loads but the first lie in between, and the streams of all passes that no load follows;
    else the loads but the first and the drains but the last come to it.
    """
    array, problem = arch.array, mapping.problem
    every = final = loads = passes = sums = results = 1
    for dim, (folds, tile, count) in spans_of(mapping).items():
        pe, extent = mapping.pe_extent[dim], mapping.array_extent[dim]
        inside = _ceil(words[dim], extent)
        steps = inside if pe == 1 else (inside - 1) * pe + min(pe, words[dim] - (inside - 1) * extent)
        every *= steps
        passes *= _ceil(inside, tile)
        loads *= inside if dim in problem.operand("Weights").dims else 1
        if dim in problem.output.dims:
            final, results = final * steps, results * words[dim]
        else:
            final *= min(pe, problem.bound[dim] - (folds - 1) * extent) if pe > 1 else folds - (count - 1) * tile
            sums *= inside
    stream = every
    if finished:
        port = arch.chain("Outputs")[-1]
        ends = max(final, _ceil(results * n[b.POST_OPS], n[b.LANES]))
        ends = max(ends, _ceil(results * arch.final_bits(port.name), n[b.WRITE_PORT]))
        psums = results * (sums - 1) * arch.precision.psum_bits if array.dataflow in ("ws", "is") else 0
        stream = ends + max(every - final, _ceil(psums, n[b.WRITE_PORT]))
    load = (loads - 1) * stationary_load(mapping, arch, mapping.position("stream"))
    if n[b.OVERLAP]:
        return max(stream, load + max(0, every - (loads - 1) * longest_pass(mapping)))
    return stream + load + (passes - 1) * least_drain(mapping, arch, False)


def longest_pass(mapping: Mapping) -> int:
    """Stream steps that a pass takes at most."""
    return prod(tile * mapping.pe_extent[dim] for dim, (_, tile, _) in spans_of(mapping).items())


def visits_of(mapping: Mapping, operand: Operand, position: int) -> tuple[int, str]:
    """Visits of an operand's tiles inside the first `position` loops; the dim of the innermost loop that moves it."""
    outside = mapping.temporal[:position]
    moving = [i for i, loop in enumerate(outside) if loop.dim in operand.dims]
    if not moving:
        return 1, ""
    return prod(loop.trips for loop in outside[: moving[-1] + 1]), outside[moving[-1]].dim


def is_even(mapping: Mapping) -> bool:
    """Do all loops split their dims without remainders of folds?"""
    for dim, (folds, _, _) in spans_of(mapping).items():
        if prod(loop.trips for loop in mapping.temporal if loop.dim == dim) != folds:
            return False
    return True


def _slides(axis: Axis, problem: Problem) -> bool:
    """Is an axis more than the words of one dim?"""
    moving = [(d, c) for d, c in axis.terms if problem.bound[d] > 1]
    if len(moving) > 1 or axis.offset:
        return True
    return sum(c * (problem.bound[d] - 1) for d, c in moving) >= axis.size


def _void(mapping: Mapping, operand: Operand, position: int, inner: str) -> int | None:
    """How many of the last visits may load nothing, because their windows end beyond the axis; None: not known.

    A tile that reaches further into the axis than the one before it in the same sweep brings a word. Only tiles that
    reach beyond it may bring none; the last tile lies in the axis with one word at least.
    """
    if operand.role != "input":
        return 0
    late, bound = 0, mapping.problem.bound
    for axis in operand.axes:
        if not axis.terms or not _slides(axis, mapping.problem):
            continue
        if len(axis.terms) != 2:
            return None
        (one, stride), (two, dilation) = axis.terms
        begin = (bound[one] - 1) * stride + axis.offset
        if not 0 <= begin < axis.size or mapping.tile_step(two, position) < bound[two]:
            return None
        reach = (bound[two] - 1) * dilation + axis.offset
        beyond = _ceil(max(0, axis.size - reach), stride)
        if one == inner and beyond < bound[one]:
            size = mapping.tile_step(one, position)
            tile = beyond // size
            if tile < 2 or (tile * size - 1) * stride + reach < 0:
                return None
            late += _ceil(bound[one], size) - tile
    return late


@dataclass(frozen=True)
class Fed:
    """An operand as DRAM feeds it: its place, room for `depth` tiles there, words; visits of its tiles, the `late` ones
    of which may load nothing (None: not known), bits loaded."""

    operand: Operand
    point: Point
    depth: int
    count: LinkCount
    visits: int
    late: int | None
    loaded: int


def fed_of(mapping: Mapping, arch: Accelerator, counts: tuple[LinkCount, ...]) -> dict[str, Fed]:
    """Every operand as DRAM feeds it."""
    found, precision = {}, arch.precision
    for operand in mapping.problem.operands:
        point = points(mapping, arch, operand)[0]
        hold = arch.memory(point.memory).hold(operand.name)
        count = next(c for c in counts if c.operand == operand.name and c.child == point.memory)
        visits, inner = visits_of(mapping, operand, point.position)
        psums = count.psum_writes * precision.psum_bits
        loaded = psums if operand.role == "output" else count.reads * precision.read_bits(operand.name)
        late = _void(mapping, operand, point.position, inner)
        found[operand.name] = Fed(operand, point, hold.depth if hold else 1, count, visits, late, loaded)
    return found


def _stores_after(one: Fed, results: Fed, late: int, pieces: bool, soon: bool) -> int:
    """Result tiles whose stores may come after the last load of an operand, of whose last visits `late` load nothing.

    A store of the visit with which the load's turn comes goes first if its room is wanted sooner, or as soon and the
    load may not go `soon`.
    """
    depth = one.depth + late
    if results.visits >= one.visits:
        each = results.visits // one.visits
        found, tie, ahead = depth * each, True, (one.depth - 1) * each - (results.depth - 1)
    else:
        each = one.visits // results.visits
        found, tie, ahead = _ceil(depth, each), depth % each == 0, one.depth - 1 - (results.depth - 1) * each
    return found + int(tie and ahead < int(soon)) + int(pieces)


def _goes_last(one: Fed, other: Fed) -> bool:
    """Does the last load of `other`, whose last visit loads something, come after that of `one` on the channel?"""
    if one.visits == 1 and other.late is not None and other.visits - other.late > 1:
        return True
    if other.operand.role != "weight" or one.operand.role != "input":
        return False
    mine, theirs = min(one.depth, one.visits) * other.visits, min(other.depth, other.visits) * one.visits
    return theirs < mine or (theirs == mine and other.visits >= one.visits)


def set_ends(mapping: Mapping, arch: Accelerator, counts: tuple[LinkCount, ...], n: list[int], s: list[int]) -> None:
    """TAIL, HEAD and STORED of the sums `s` of a mapping; `n` are the machine's numbers."""
    precision, fed = arch.precision, fed_of(mapping, arch, counts)
    results = fed["Outputs"]
    bits = precision.read_bits("Outputs")
    s[b.STORED] = results.loaded + results.count.final_writes * bits
    tile = max(1, tile_words(results.operand, mapping.tile_extents(results.point.position)))
    tile *= max(bits, precision.psum_bits) if results.loaded else bits
    s[b.TAIL] = max(_last_load(mapping, arch, fed, n, s[b.STORED], tile), _last_room(mapping, arch, fed, n, s, tile))
    after = s[b.STORED] + sum(_loads_after(mapping, arch, one, results) for one in fed.values())
    made = least_drain(mapping, arch, True) + b.dram_cycles(s[b.STORED], n[b.NUM], n[b.DEN])
    s[b.HEAD] = first_work(mapping, arch, results, n) + max(made, b.dram_cycles(after, n[b.NUM], n[b.DEN]))


def _last_load(mapping: Mapping, arch: Accelerator, fed: dict[str, Fed], n: list[int], stored: int, tile: int) -> int:
    """Cycles until the tile is worked on that waits for the last load; `tile` are bits of a store at most."""
    results, tails = fed["Outputs"], []
    most = max(one.visits for one in fed.values())
    ordered, pieces = n[b.ORDERED] and is_even(mapping), arch.dram.piece_bits > 0 and results.loaded == 0
    loaded = {name: one for name, one in fed.items() if one.loaded}
    for name, one in loaded.items():
        if ordered and any(_goes_last(one, other) for other in loaded.values() if other is not one):
            continue
        after = stored
        if ordered and one.late is not None:
            soon = bool(n[b.OVERLAP]) and one is not results
            after = min(after, tile * _stores_after(one, results, one.late, pieces and results.visits < most, soon))
        before = b.dram_cycles(sum(o.loaded for o in loaded.values()) + stored - after, n[b.NUM], n[b.DEN])
        words = last_tile(mapping, one.operand, one.point.position)
        work = work_on(mapping, arch, words, n, True)
        if name == "Weights":
            work += stationary_load(mapping, arch, one.point.position)
            if arch.array.kind == "row_stationary":
                work += _ceil(prod(words[d] for d in one.operand.dims), arch.array.bus("Weights"))
        tails.append(before + n[b.LATENCY] + work)
    return min(tails, default=0)


def _last_room(mapping: Mapping, arch: Accelerator, fed: dict[str, Fed], n: list[int], s: list[int], tile: int) -> int:
    """Cycles until the last tile of results is worked on, if all loads are for it or for tiles before it: it waits for
    its room, and so for all stores but as many as there is room for."""
    results = fed["Outputs"]
    if any(one.loaded and one.visits > results.visits for one in fed.values()) or s[b.STORED] == 0:
        return 0
    moved = sum(one.loaded for one in fed.values()) + max(0, s[b.STORED] - results.depth * tile)
    words = last_tile(mapping, results.operand, results.point.position)
    if not results.loaded:
        words |= {d: bound for d, bound in mapping.problem.bounds if d not in results.operand.dims}
    return b.dram_cycles(moved, n[b.NUM], n[b.DEN]) + work_on(mapping, arch, words, n, True)


def _loads_after(mapping: Mapping, arch: Accelerator, one: Fed, results: Fed) -> int:
    """Bits of an operand that are loaded after the last stream of the first tile of results: room for tiles further on
    than `depth` behind the last one that it needs is not free before. Psums come back later than they were made."""
    if one is results:
        return one.loaded
    before = one.depth + max(1, one.visits // results.visits) - 1
    tile = one.point.whole_words or max(1, tile_words(one.operand, mapping.tile_extents(one.point.position)))
    return max(0, one.loaded - before * tile * arch.precision.read_bits(one.operand.name))


def first_work(mapping: Mapping, arch: Accelerator, results: Fed, n: list[int]) -> int:
    """Cycles of the passes over the first tile of results."""
    first, finished = mapping.tile_extents(results.point.position), results.loaded == 0
    if finished:
        first |= {d: bound for d, bound in mapping.problem.bounds if d not in results.operand.dims}
    return work_on(mapping, arch, first, n, finished)


def last_tile(mapping: Mapping, operand: Operand, position: int) -> dict[str, int]:
    """Words of each dim in an operand's last tile inside the first `position` loops.

    With `rs` those that the loops between this visit and the next go through; else the search tries no orders of loops
    that differ in these only.
    """
    inside = dict.fromkeys(mapping.problem.bound, position)
    if mapping.dataflow == "rs":
        for place in range(position - 1, -1, -1):
            if mapping.temporal[place].dim in operand.dims:
                break
            inside[mapping.temporal[place].dim] = place
    found = {}
    for dim, bound in mapping.problem.bounds:
        extent = min(mapping.tile_step(dim, inside[dim]), bound)
        found[dim] = bound - (bound - 1) // extent * extent
    return found
