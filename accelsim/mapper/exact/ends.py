"""Compiled: TAIL, HEAD and STORED of the latency bound's sums, as `timing.ends` states them in full.

For a node less is counted than for any mapping inside: no store is taken to go before the last load, which may be one
of psums, a tile that is not known yet takes no work, nothing is known to be finished in the first tile of results, and
how long passes are is open.
"""

from __future__ import annotations

from accelsim.jit import compiled
from accelsim.mapper.exact.record import (
    DEPTH,
    EARLY_EXIT,
    FINAL_WIDTH,
    FLOW,
    FROM_DRAM,
    KIND,
    ROWS,
    WEIGHT_BUS,
    WHOLE_TILES,
    WIDE_BITS,
    WORD_BITS,
    Array,
    Record,
)
from accelsim.mapper.exact.rooms import tile_size
from accelsim.timing.bound import (
    DEN,
    FINAL_WORDS,
    HEAD,
    LANES,
    LATENCY,
    NUM,
    ORDERED,
    OVERLAP,
    POST_OPS,
    STORED,
    STREAM,
    TAIL,
    WRITE_PORT,
    dram_cycles,
)

SYSTOLIC, SPATIAL, MESH = 0, 1, 2
WS, IS, OS, RS = 0, 1, 2, 3
INPUTS, WEIGHTS, OUTPUTS = 0, 1, 2  # operands


@compiled
def set_ends(r: Record, arrived: Array, border: int) -> None:
    """The three sums of a mapping (the last border), or no more than those of all mappings inside a border."""
    s, leaf = r.sums, border == r.slots
    _feed(r, arrived)
    results, psums = r.fed_point[OUTPUTS], r.fed_bits[OUTPUTS]
    num, den, after = r.numbers[NUM], r.numbers[DEN], 0
    s[STORED] = psums + r.numbers[FINAL_WORDS] * r.outer[results, WORD_BITS]
    if leaf:
        _visit(r)
    _last_works(r, border)
    s[TAIL] = _last_load(r, border)
    if leaf:
        s[TAIL] = max(s[TAIL], _last_room(r))
        after = s[STORED] + psums + _loads_after(r, INPUTS) + _loads_after(r, WEIGHTS)
    r.fed_begin, r.fed_stored = _first_work(r, border), dram_cycles(s[STORED], num, den)
    made = least_drain(r, True) + r.fed_stored
    if after > s[STORED]:
        made = max(made, dram_cycles(after, num, den))
    s[HEAD] = r.fed_begin + made


@compiled
def _first_work(r: Record, border: int) -> int:
    """Cycles of the passes over the first tile of results."""
    k, leaf = r.boundary[r.fed_point[OUTPUTS]], border == r.slots
    if k > border:
        return 0
    finished = leaf and r.fed_bits[OUTPUTS] == 0
    for i in range(r.actives):
        d = r.active[i]
        if finished and r.group[d] == OUTPUTS:
            r.part[d], r.part_folds[d] = r.bounds[d], r.folds[d]
        else:
            r.part[d], r.part_folds[d] = min(r.ext[k, d], r.bounds[d]), min(r.left[k, d], r.folds[d])
    return work_on(r, finished, leaf)


@compiled
def _last_works(r: Record, border: int) -> None:
    """Cycles of the passes over the last tile of every operand, into `r.fed_work`: 0 if it is not known."""
    rows, done, leaf = r.machine[FLOW] == RS, -1, border == r.slots
    work = 0
    for op in range(3):
        k = r.boundary[r.fed_point[op]]
        if k > border:
            r.fed_work[op] = 0
            continue
        if rows or k != done:
            _last_tile(r, op, leaf)
            work, done = work_on(r, True, leaf), k
        r.fed_work[op] = work


@compiled
def _last_tile(r: Record, op: int, leaf: bool) -> None:
    """Words of each dim in an operand's last tile; with `rs` in its last visit, if the orders of loops are known."""
    k = r.boundary[r.fed_point[op]]
    for i in range(r.actives):
        _put_last(r, r.active[i], k)
    if r.machine[FLOW] != RS or not leaf:
        return
    for slot in range(k - 1, -1, -1):
        for i in range(r.length[slot] - 1, -1, -1):
            d = r.order[slot, i]
            if r.group[d] != op:
                return
            _put_last(r, d, slot)


@compiled
def _put_last(r: Record, d: int, k: int) -> None:
    """Words and folds of a dim in its last span at border k."""
    r.part[d], r.part_folds[d] = r.rest[k, d], r.folds[d] - (r.spans[k, d] - 1) * r.left[k, d]


@compiled
def _last_load(r: Record, border: int) -> int:
    """Cycles until the tile is worked on that waits for the last load."""
    leaf, psums, found = border == r.slots, r.fed_bits[OUTPUTS], 0
    loaded = r.fed_bits[INPUTS] + r.fed_bits[WEIGHTS] + psums
    if loaded == 0:
        return 0
    ordered = leaf and r.numbers[ORDERED] == 1 and is_even(r)
    for op in range(3):
        absent = r.fed_bits[op] == 0 and (leaf or op != OUTPUTS)
        if absent or (ordered and _passed(r, op)):
            continue
        after = r.sums[STORED]
        if ordered and r.fed_late[op] >= 0:
            after = min(after, _stores_after(r, op, psums == 0))
        tail = dram_cycles(loaded + r.sums[STORED] - after, r.numbers[NUM], r.numbers[DEN]) + r.numbers[LATENCY]
        tail += r.fed_work[op]
        if op == WEIGHTS:
            k = r.boundary[r.fed_point[op]]
            tail += stationary_load(r, k if k <= border else r.slots)
            if r.machine[FLOW] == RS and k <= border:
                words = 1
                for i in range(r.actives):
                    if r.group[r.active[i]] != WEIGHTS:
                        words *= r.rest[k, r.active[i]]
                tail += -(-words // r.machine[WEIGHT_BUS])
        found = tail if found == 0 else min(found, tail)
    return found


@compiled
def _last_room(r: Record) -> int:
    """Cycles until the last tile of results is worked on, if all loads are for it or for tiles before it."""
    visits, p = r.fed_visits, r.fed_point[OUTPUTS]
    for op in range(2):
        if r.fed_bits[op] > 0 and visits[op] > visits[OUTPUTS]:
            return 0
    if r.sums[STORED] == 0:
        return 0
    psums = r.fed_bits[OUTPUTS]
    moved = r.fed_bits[INPUTS] + r.fed_bits[WEIGHTS] + psums
    moved += max(0, r.sums[STORED] - r.outer[p, DEPTH] * _store_bits(r, psums == 0))
    k, more, work = r.boundary[p], False, r.fed_work[OUTPUTS]
    for i in range(r.actives):
        d = r.active[i]
        more = more or (psums == 0 and r.group[d] == OUTPUTS and r.spans[k, d] > 1)
    if more:
        _last_tile(r, OUTPUTS, True)
        for i in range(r.actives):
            d = r.active[i]
            if r.group[d] == OUTPUTS:
                r.part[d], r.part_folds[d] = r.bounds[d], r.folds[d]
        work = work_on(r, True, True)
    found: int = dram_cycles(moved, r.numbers[NUM], r.numbers[DEN]) + work
    return found


@compiled
def _loads_after(r: Record, op: int) -> int:
    """Bits of inputs or weights that are loaded after the last stream of the first tile of results."""
    p, visits = r.fed_point[op], r.fed_visits
    before = r.outer[p, DEPTH] + max(1, visits[op] // visits[OUTPUTS]) - 1
    tile = max(1, tile_size(r, op, r.ext[r.boundary[p]])) if r.in_words[p] else 1
    found: int = max(0, r.fed_bits[op] - before * tile * r.outer[p, WORD_BITS])
    return found


@compiled
def _feed(r: Record, arrived: Array) -> None:
    """Of every operand the point that DRAM fills, and the bits that are loaded."""
    for p in range(r.points):
        if r.outer[p, FROM_DRAM] == 1:
            op = r.operand[p]
            r.fed_point[op] = p
            if op == OUTPUTS:
                r.fed_bits[op] = (arrived[p] - r.numbers[FINAL_WORDS]) * r.machine[WIDE_BITS]
            else:
                r.fed_bits[op] = arrived[p] * r.outer[p, WORD_BITS]


@compiled
def _least_rows(r: Record) -> int:
    """Rows that every pass spans at least."""
    rows = 1
    for i in range(r.actives):
        rows *= r.edge_rows[r.active[i]]
    return rows


@compiled
def stationary_load(r: Record, k: int) -> int:
    """Cycles in which weights shift into a systolic array before the first pass of any tile inside border k, at least;
    the last border if k is not known."""
    if r.machine[KIND] != SYSTOLIC or r.machine[FLOW] != WS:
        return 0
    rows: int = r.machine[ROWS]
    if r.machine[WHOLE_TILES]:
        return rows
    rows, even = 1, is_even(r)
    for i in range(r.actives):
        d = r.active[i]
        rows *= r.high[d] if r.folds[d] > 1 and even and r.left[k, d] > 1 else r.edge_rows[d]
    return rows


@compiled
def longest_pass(r: Record) -> int:
    """Stream steps that a pass of a mapping takes at most."""
    steps = 1
    for i in range(r.actives):
        steps *= r.left[r.slots - 1, r.active[i]] * r.pe[r.active[i]]
    return steps


@compiled
def beside(r: Record) -> int:
    """Stream cycles of the passes of a mapping that no load of a systolic array that loads ahead follows."""
    if r.machine[KIND] != SYSTOLIC or r.machine[FLOW] != WS or r.numbers[OVERLAP] == 0:
        return 0
    visits, _ = visits_of(r, WEIGHTS, r.slots - 1)
    found: int = max(0, r.sums[STREAM] - (visits - 1) * longest_pass(r))
    return found


@compiled
def least_drain(r: Record, leaves: bool) -> int:
    """Cycles that any pass takes at least to drain from a systolic array; with `os`, whether its results leave it."""
    if r.machine[KIND] != SYSTOLIC:
        return 0
    cols = 1
    for i in range(r.actives):
        cols *= r.edge_cols[r.active[i]]
    if r.machine[FLOW] == OS:
        return _least_rows(r) * (2 if leaves else 1) + cols - 2
    rows: int = _least_rows(r) if r.machine[EARLY_EXIT] else r.machine[ROWS]
    return rows + cols - 2


@compiled
def work_on(r: Record, finished: bool, leaf: bool) -> int:
    """Cycles of the passes over a tile of `r.part` words (`r.part_folds`) of each dim, from their first stream to the
    end of their last; what it has of the results is `finished` in it, or it is not known to be."""
    every = final = loads = passes = sums = results = 1
    for i in range(r.actives):
        d = r.active[i]
        words, reduces, inside, pe = r.part[d], r.group[d] == OUTPUTS, r.part_folds[d], r.pe[d]
        steps = inside if pe == 1 else (inside - 1) * pe + min(pe, words - (inside - 1) * r.extent[d])
        every *= steps
        if r.group[d] != WEIGHTS:
            loads *= inside
        tile = r.left[r.slots - 1, d] if leaf else 1
        if leaf and r.numbers[OVERLAP] == 0:
            passes *= -(-inside // tile)
        if reduces:
            sums *= inside
            final *= min(pe, r.edge[d]) if pe > 1 else r.folds[d] - (r.spans[r.slots - 1, d] - 1) * tile
        else:
            results *= words
            final *= steps
    stream = every
    if finished:
        if not leaf and r.machine[FLOW] != WS and r.machine[FLOW] != IS:
            final = every
        elif not leaf:
            final = every // sums
        stream = _stretched(r, every, final, results, sums)
    load = (loads - 1) * stationary_load(r, r.slots - 1 if leaf else r.slots)
    if r.numbers[OVERLAP]:
        return max(stream, load + (max(0, every - (loads - 1) * longest_pass(r)) if leaf else 0))
    return stream + load + (passes - 1) * least_drain(r, False)


@compiled
def _stretched(r: Record, every: int, final: int, results: int, sums: int) -> int:
    """Stream cycles of passes that finish so many results, each summed over so many passes."""
    ends = max(final, -(-results * r.numbers[POST_OPS] // r.numbers[LANES]))
    ends = max(ends, -(-results * r.machine[FINAL_WIDTH] // r.numbers[WRITE_PORT]))
    psums = 0
    if r.machine[FLOW] == WS or r.machine[FLOW] == IS:
        psums = results * (sums - 1) * r.machine[WIDE_BITS]
    found: int = ends + max(every - final, -(-psums // r.numbers[WRITE_PORT]))
    return found


@compiled
def is_even(r: Record) -> bool:
    """Do all loops split their dims without remainders of folds?"""
    if r.imperfect == 0:
        return True
    for i in range(r.actives):
        d = r.active[i]
        if r.spans[1, d] * r.left[1, d] != r.folds[d]:
            return False
    return True


@compiled
def visits_of(r: Record, op: int, k: int) -> tuple[int, int]:
    """Visits of an operand's tiles inside border k; the dim of the innermost loop that moves it (-1: none does)."""
    visits, inner = 1, -1
    for slot in range(k - 1, -1, -1):
        for i in range(r.length[slot] - 1, -1, -1):
            d = r.order[slot, i]
            if inner < 0 and r.group[d] == op:
                continue
            if inner < 0:
                inner = d
            visits *= r.trips[slot, d]
    return visits, inner


@compiled
def _visit(r: Record) -> None:
    """Visits of every operand's tiles, and how many of the last ones may load nothing (-1: not known)."""
    for op in range(3):
        k = r.boundary[r.fed_point[op]]
        r.fed_visits[op], inner = visits_of(r, op, k)
        r.fed_late[op] = _void(r, k, inner) if op == INPUTS else 0


@compiled
def _void(r: Record, k: int, inner: int) -> int:
    """How many of the last visits of inputs may load nothing (-1: not known); `inner` moves them innermost."""
    late = 0
    for w in range(r.sliding):
        one, two, stride, dilation = r.windows[w, 0], r.windows[w, 1], r.windows[w, 2], r.windows[w, 3]
        size, offset = r.windows[w, 4], r.windows[w, 5]
        begin = (r.bounds[one] - 1) * stride + offset
        if begin < 0 or begin >= size or r.spans[k, two] > 1:
            return -1
        reach = (r.bounds[two] - 1) * dilation + offset
        beyond = -(-max(0, size - reach) // stride)
        if one == inner and beyond < r.bounds[one]:
            tile = beyond // r.ext[k, one]
            if tile < 2 or (tile * r.ext[k, one] - 1) * stride + reach < 0:
                return -1
            late += r.spans[k, one] - tile
    return late


@compiled
def _passed(r: Record, op: int) -> bool:
    """Is the last load of another operand sure to come behind that of this one?"""
    visits = r.fed_visits
    if visits[op] == 1:
        for other in range(3):
            known = other != op and r.fed_bits[other] > 0 and r.fed_late[other] >= 0
            if known and visits[other] - r.fed_late[other] > 1:
                return True
    if op != INPUTS or r.fed_bits[WEIGHTS] == 0:
        return False
    one, two = r.outer[r.fed_point[INPUTS], DEPTH], r.outer[r.fed_point[WEIGHTS], DEPTH]
    mine, theirs = min(one, visits[INPUTS]) * visits[WEIGHTS], min(two, visits[WEIGHTS]) * visits[INPUTS]
    behind: bool = theirs < mine or (theirs == mine and visits[WEIGHTS] >= visits[INPUTS])
    return behind


@compiled
def _stores_after(r: Record, op: int, finished: bool) -> int:
    """Bits of the stores that may come after the last load of an operand."""
    p = r.fed_point[OUTPUTS]
    mine, stored = r.fed_visits[op], r.fed_visits[OUTPUTS]
    depth, room = r.outer[r.fed_point[op], DEPTH], r.outer[p, DEPTH]
    late, most = r.fed_late[op], max(r.fed_visits[INPUTS], r.fed_visits[WEIGHTS])
    if stored >= mine:
        each = stored // mine
        tiles, tie, ahead = (depth + late) * each, True, (depth - 1) * each - (room - 1)
    else:
        each = mine // stored
        tiles, tie, ahead = -(-(depth + late) // each), (depth + late) % each == 0, depth - 1 - (room - 1) * each
    soon = 1 if r.numbers[OVERLAP] == 1 and op != OUTPUTS else 0
    if tie and ahead < soon:
        tiles += 1
    if r.piece > 0 and finished and stored < most:
        tiles += 1
    found: int = tiles * _store_bits(r, finished)
    return found


@compiled
def _store_bits(r: Record, finished: bool) -> int:
    """Bits of the store of a tile at most."""
    p = r.fed_point[OUTPUTS]
    bits = r.outer[p, WORD_BITS]
    if not finished:
        bits = max(bits, r.machine[WIDE_BITS])
    found: int = max(1, tile_size(r, OUTPUTS, r.ext[r.boundary[p]])) * bits
    return found
