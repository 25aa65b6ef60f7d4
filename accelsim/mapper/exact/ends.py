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
    LONGEST,
    PLACE,
    ROWS,
    WEIGHT_BUS,
    WHOLE_TILES,
    WIDE_BITS,
    WORD_BITS,
    Array,
    Record,
)
from accelsim.mapper.exact.rooms import tile_size
from accelsim.mapper.exact.visits import INPUTS, OUTPUTS, WEIGHTS, is_even, set_visits, visits_of
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
    at_least,
    dram_cycles,
)

SYSTOLIC, SPATIAL, MESH = 0, 1, 2
WS, IS, OS, RS = 0, 1, 2, 3


@compiled
def set_ends(r: Record, arrived: Array, border: int) -> None:
    """The three sums of a mapping (the last border), or no more than those of all mappings inside a border."""
    s, leaf = r.sums, border == r.slots
    _feed(r, arrived, border)
    results, psums = r.fed_point[OUTPUTS], r.fed_bits[OUTPUTS]
    num, den, after = r.numbers[NUM], r.numbers[DEN], 0
    s[STORED] = psums + r.numbers[FINAL_WORDS] * r.outer[results, WORD_BITS]
    if leaf:
        set_visits(r)
    r.fed_shift = stationary_load(r, r.slots - 1 if leaf else r.slots)
    r.fed_work[:] = -1
    r.part_known = -1
    s[TAIL] = _last_load(r, border)
    if leaf:
        s[TAIL] = max(s[TAIL], _last_room(r))
        after = s[STORED] + psums + _loads_after(r, INPUTS) + _loads_after(r, WEIGHTS)
    r.fed_begin, r.fed_stored = _first_work(r, border), dram_cycles(s[STORED], num, den)
    made = r.drain[1] + r.fed_stored
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
            _put(r, d, r.bounds[d], r.folds[d])
        else:
            _put(r, d, min(r.ext[k, d], r.bounds[d]), min(r.left[k, d], r.folds[d]))
    return _work_again(r, finished, leaf)


@compiled
def last_work(r: Record, op: int, border: int) -> int:
    """Cycles of the passes over the last tile of an operand, found when they are asked for: 0 if it is not known."""
    if r.fed_work[op] < 0:
        r.fed_work[op] = 0
        if r.boundary[r.fed_point[op]] <= border:
            _last_tile(r, op, border == r.slots)
            r.fed_work[op] = _work_again(r, True, border == r.slots)
    found: int = r.fed_work[op]
    return found


@compiled
def _last_tile(r: Record, op: int, leaf: bool) -> None:
    """Words of each dim in an operand's last tile; with `rs` in its last visit, if the orders of loops are known."""
    k = r.boundary[r.fed_point[op]] & PLACE
    for i in range(r.actives):
        _put_last(r, r.active[i] & PLACE, k)
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
    _put(r, d, r.rest[k, d], r.folds[d] - (r.spans[k, d] - 1) * r.left[k, d])


@compiled
def _put(r: Record, d: int, words: int, folds: int) -> None:
    """Words and folds of a dim in the tile at hand."""
    if r.part[d] != words or r.part_folds[d] != folds:
        r.part[d], r.part_folds[d], r.part_known = words, folds, -1


@compiled
def _work_again(r: Record, finished: bool, leaf: bool) -> int:
    """`work_on` the tile at hand, which may be the one before."""
    asked = 1 if finished else 0
    if r.part_known != asked:
        r.part_known, r.part_work = asked, work_on(r, finished, leaf)
    found: int = r.part_work
    return found


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
        tail += last_work(r, op, border)
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
    k, more = r.boundary[p], False
    for i in range(r.actives):
        d = r.active[i]
        more = more or (psums == 0 and r.group[d] == OUTPUTS and r.spans[k, d] > 1)
    if more:
        _last_tile(r, OUTPUTS, True)
        for i in range(r.actives):
            d = r.active[i]
            if r.group[d] == OUTPUTS:
                _put(r, d, r.bounds[d], r.folds[d])
        work = _work_again(r, True, True)
    else:
        work = last_work(r, OUTPUTS, r.slots)
    found: int = dram_cycles(moved, r.numbers[NUM], r.numbers[DEN]) + work
    return found


@compiled
def _loads_after(r: Record, op: int) -> int:
    """Bits of inputs or weights that are loaded after the last stream of the first tile of results."""
    p, visits = r.fed_point[op], r.fed_visits
    before = r.outer[p, DEPTH]
    if visits[op] > visits[OUTPUTS]:
        before += visits[op] // visits[OUTPUTS] - 1
    found: int = max(0, r.fed_bits[op] - before * r.fed_tile[op] * r.outer[p, WORD_BITS])
    return found


@compiled
def _feed(r: Record, arrived: Array, border: int) -> None:
    """Of every operand the point that DRAM fills, the bits that are loaded, and its tiles if they are known."""
    for p in range(r.points):
        if r.outer[p, FROM_DRAM] == 1:
            op = r.operand[p]
            r.fed_point[op] = p
            if op == OUTPUTS:
                r.fed_bits[op] = (arrived[p] - r.numbers[FINAL_WORDS]) * r.machine[WIDE_BITS]
            else:
                r.fed_bits[op] = arrived[p] * r.outer[p, WORD_BITS]
            r.fed_tile[op] = 1
            if r.boundary[p] <= border and (op == OUTPUTS or r.in_words[p]):
                r.fed_tile[op] = max(1, tile_size(r, op, r.ext[r.boundary[p]]))


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
def beside(r: Record) -> int:
    """Stream cycles of the passes of a mapping that no load of a systolic array that loads ahead follows."""
    if r.machine[KIND] != SYSTOLIC or r.machine[FLOW] != WS or r.numbers[OVERLAP] == 0:
        return 0
    visits, _ = visits_of(r, WEIGHTS, r.slots - 1)
    found: int = max(0, r.sums[STREAM] - (visits - 1) * r.passes[LONGEST])
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
    stream = (r.slots - 1) & PLACE
    for i in range(r.actives):
        d = r.active[i] & PLACE
        words, inside, pe = r.part[d], r.part_folds[d], r.pe[d]
        steps = inside if pe == 1 else (inside - 1) * pe + min(pe, words - (inside - 1) * r.extent[d])
        every *= steps
        if r.group[d] != WEIGHTS:
            loads *= inside
        tile = r.left[stream, d] if leaf else 1
        if leaf and inside > tile:
            passes *= inside if tile == 1 else -(-inside // tile)
        if r.group[d] == OUTPUTS:
            sums *= inside
            final *= min(pe, r.edge[d]) if pe > 1 else r.folds[d] - (r.spans[stream, d] - 1) * tile
        else:
            results *= words
            final *= steps
    streams = every
    if finished:
        if not leaf and r.machine[FLOW] != WS and r.machine[FLOW] != IS:
            final = every
        elif not leaf:
            final = every // sums
        streams = _stretched(r, every, final, results, sums)
    load = (loads - 1) * r.fed_shift
    found: int = streams + load + (passes - 1) * r.drain[0]
    if r.numbers[OVERLAP]:
        found = max(streams, load + (max(0, every - (loads - 1) * r.passes[LONGEST]) if leaf else 0))
    return found


@compiled
def _stretched(r: Record, every: int, final: int, results: int, sums: int) -> int:
    """Stream cycles of passes that finish so many results, each summed over so many passes."""
    ends = at_least(final, results * r.numbers[POST_OPS], r.numbers[LANES])
    ends = at_least(ends, results * r.machine[FINAL_WIDTH], r.numbers[WRITE_PORT])
    psums = 0
    if r.machine[FLOW] == WS or r.machine[FLOW] == IS:
        psums = results * (sums - 1) * r.machine[WIDE_BITS]
    found: int = ends + at_least(every - final, psums, r.numbers[WRITE_PORT])
    return found


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
    turns, most = depth + r.fed_late[op], max(r.fed_visits[INPUTS], r.fed_visits[WEIGHTS])
    if stored >= mine:
        each = 1 if stored == mine else stored // mine
        tiles, tie, ahead = turns * each, True, (depth - 1) * each - (room - 1)
    else:
        each = mine // stored
        tiles = at_least(1, turns, each)
        tie, ahead = tiles * each == turns, depth - 1 - (room - 1) * each
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
    bits = r.outer[r.fed_point[OUTPUTS], WORD_BITS]
    if not finished:
        bits = max(bits, r.machine[WIDE_BITS])
    found: int = r.fed_tile[OUTPUTS] * bits
    return found
