"""Compiled: a mapping at hand as a stream (`sim.build`): transfers as they are, passes from below, run by `sim.sweep`.

Visits of an operand's tiles are numbered by the loops down to the innermost one that moves it, so the segments at which
they begin and end, the transfers and their turns have closed forms. Every time of the sweep is a running maximum of
sums, so passes that take no more than the simulated ones end the stream no later: what comes out is a bound of the
makespan, mostly its value.
"""

from __future__ import annotations

import numpy as np

from accelsim.jit import compiled
from accelsim.mapper.exact.borders import set_border, set_core
from accelsim.mapper.exact.passes import BODY, DIM, ENDS, LOAD, SLOT, STREAM, TRIPS, innermost, set_nest, set_plan
from accelsim.mapper.exact.record import (
    DEPTH,
    FROM_DRAM,
    KEPT,
    NDIM,
    WIDE_BITS,
    WORD_BITS,
    Array,
    Record,
)
from accelsim.mapper.exact.runs import forget_runs, run_of
from accelsim.mapper.exact.windows import cell_at
from accelsim.sim.sweep import sweep
from accelsim.timing.bound import DEN, LATENCY, NUM, ORDERED, OVERLAP

SEGMENTS = 4096  # of a stream at most
OPERAND = (0, 2, 1)  # inputs, weights, results: their numbers in `sim.stream.OPERANDS`


@compiled
def _starts(r: Record, inner: int, k: int, visit: int, start: Array) -> None:
    """Where the tile of a visit at border k begins in every dim."""
    start[:] = 0
    for i in range(inner, -1, -1):
        d, trips = r.nest[i, DIM], r.nest[i, TRIPS]
        if r.nest[i, SLOT] < k:
            start[d] += visit % trips * r.ext[r.nest[i, SLOT] + 1, d]
        visit //= trips


@compiled
def _loaded(r: Record, p: int, start: Array, old: Array, first: bool) -> int:
    """Words (or whole tiles) that come with a tile of inputs or weights after the one before."""
    k, words, kept = r.boundary[p], 1, 0 if first else 1
    for i in range(r.actives):
        d = r.active[i]
        if r.kinds[p, d] == 1:
            words *= min(r.ext[k, d], r.bounds[d] - start[d])
        if r.kinds[p, d] == 1 or r.kinds[p, d] == 3:
            kept *= min(r.ext[k, d], r.bounds[d] - start[d]) if start[d] == old[d] else 0
    if r.operand[p] == 0:
        for w in range(r.sliding):
            d1, d2 = r.windows[w, 0], r.windows[w, 1]
            t1, t2 = min(r.ext[k, d1], r.bounds[d1]), min(r.ext[k, d2], r.bounds[d2])
            one, two = cell_at(r, -2 if r.halo else -1, w, t1, t2, start[d1], start[d2], old[d1], old[d2], kept > 0)
            words *= one
            kept *= two
    return words - kept


@compiled
def _reads(r: Record, p: int, inner: int, bits: Array) -> None:
    """Bits that every visit of inputs or weights loads."""
    start, old = np.empty(NDIM, np.int64), np.empty(NDIM, np.int64)
    for visit in range(bits.size):
        _starts(r, inner, r.boundary[p], visit, start)
        bits[visit] = _loaded(r, p, start, old, visit == 0) * r.outer[p, WORD_BITS]
        old[:] = start


@compiled
def _results(r: Record, p: int, inner: int, table: Array) -> None:
    """Per visit of results: bits loaded and stored, the visit to the same words before it and behind it (-1: none)."""
    visits, k, start = table.shape[0], r.boundary[p], np.empty(NDIM, np.int64)
    seen = np.full(visits, -1, np.int64)
    for visit in range(visits):
        left, name, scale = visit, 0, 1
        for i in range(inner, -1, -1):
            trips = r.nest[i, TRIPS]
            if r.group[r.nest[i, DIM]] != 2 and r.nest[i, SLOT] < k:
                name += left % trips * scale
                scale *= trips
            left //= trips
        table[visit, 2], table[visit, 3] = seen[name], -1
        if seen[name] >= 0:
            table[seen[name], 3] = visit
        seen[name] = visit
    for visit in range(visits):
        _starts(r, inner, k, visit, start)
        words = 1
        for i in range(r.actives):
            d = r.active[i]
            if r.group[d] != 2:
                words *= min(r.ext[k, d], r.bounds[d] - start[d])
        table[visit, 0] = words * r.machine[WIDE_BITS] if table[visit, 2] >= 0 else 0
        table[visit, 1] = words * (r.machine[WIDE_BITS] if table[visit, 3] >= 0 else r.outer[p, WORD_BITS])


@compiled
def _put(
    moves: Array, at: int, kind: int, op: int, bits: int, ready: int, needed: int, gates: int, soon: int, room: int,
    piece: int,
) -> int:  # fmt: skip
    """A transfer cut into pieces as in `sim.build.cut`; how many rows there are then."""
    if bits == 0:
        return at
    count = min(max(1, bits // piece), room) if piece > 0 else 1
    for number in range(count):
        row = moves[at + number]
        row[0], row[1], row[3], row[4], row[5], row[6], row[8] = kind, op, ready, needed, gates, 0, soon
        row[2] = bits * (number + 1) // count - bits * number // count
        row[7] = ready + room * number // count
    return at + count


@compiled
def _transfers(r: Record, p: int, table: Array, segments: int, moves: Array, at: int) -> int:
    """Rows of `Stream.moves` of one operand; how many there are then."""
    visits, depth, op, overlap = table.shape[0], r.outer[p, DEPTH], r.operand[p], r.numbers[OVERLAP]
    span, number = segments // visits, OPERAND[op]
    gates = 1 if overlap == 0 or (r.roles[KEPT] >= 0 and r.operand[r.roles[KEPT]] == op) else 0
    psums = False
    for visit in range(visits):
        psums = psums or (op == 2 and table[visit, 0] > 0)
    for visit in range(visits):
        begin, ready = visit * span, (visit - depth + 1) * span - 1 if visit >= depth else -1
        room = 1 if depth == 1 or visit == 0 or op == 2 else span
        if op == 2 and table[visit, 2] >= 0:
            ready = max(ready, (table[visit, 2] + 1) * span - 1)
        soon = 1 if overlap and op != 2 else 0
        at = _put(moves, at, 1, number, table[visit, 0], ready, begin, gates, soon, room, r.piece)
    for visit in range(visits if op == 2 else 0):
        wanted = (visit + depth) * span if visit + depth < visits else segments
        if table[visit, 3] >= 0:
            wanted = min(wanted, table[visit, 3] * span)
        room = 1 if depth == 1 or psums or visit == visits - 1 else span
        at = _put(moves, at, 0, number, table[visit, 1], (visit + 1) * span - 1, wanted, gates, 0, room, r.piece)
    return at


@compiled
def _ordered(moves: Array) -> Array:
    """Program order, as `sim.stream.channel_order`."""
    keys = np.empty(moves.shape[0], np.int64)
    for i in range(keys.size):
        row = moves[i]
        late = 0 if row[8] == 1 else 1
        keys[i] = (((row[7] + 1) << 20 | row[4]) << 4) | (late << 3) | (row[0] << 2) | row[1]
    return moves[np.argsort(keys, kind="mergesort")]


@compiled
def _work(r: Record, outer: int, work: Array) -> None:
    """The table of segments."""
    set_plan(r)
    forget_runs(r)
    kinds, overlap = 1, r.numbers[OVERLAP]
    for i in range(outer):
        kinds *= min(3, r.nest[i, TRIPS])
    known = np.full((kinds, 4), -1, np.int64)
    for segment in range(work.shape[0]):
        left, kind, scale, begun, late = segment, 0, 1, 0, 0
        for i in range(outer - 1, -1, -1):
            trips = r.nest[i, TRIPS]
            place = left % trips
            kind += scale * (0 if place == 0 else min(3, trips) - 1 if place == trips - 1 else 1)
            begun |= int(place > 0) << i
            late |= int(place < trips - 1) << i
            left, scale = left // trips, scale * min(3, trips)
        if known[kind, 0] < 0:
            run_of(r, outer, begun, late)
            body, stream = r.parts[outer, BODY], r.parts[outer, STREAM]
            known[kind, 0], known[kind, 1], known[kind, 2] = r.parts[outer, LOAD], body, stream
            known[kind, 3] = r.parts[outer, ENDS] - body - stream
        for i in range(4):
            work[segment, i] = known[kind, i]
        work[segment, 4], work[segment, 5], work[segment, 6], work[segment, 7] = overlap, 1 - overlap, 0, -1


@compiled
def replay(r: Record) -> int:
    """Cycles from below of the mapping at hand, whose loops split every dim evenly; 0 if it has too many segments, or
    DRAM does not keep to program order."""
    if r.imperfect or r.replays == 0 or r.numbers[ORDERED] == 0 or not set_nest(r):
        return 0
    outer, fed, inner = 0, np.full(3, -1, np.int64), np.empty(3, np.int64)
    for p in range(r.points):
        if r.outer[p, FROM_DRAM] == 1:
            op = r.operand[p]
            fed[op], inner[op] = p, innermost(r, op, r.boundary[p])
            outer = max(outer, inner[op] + 1)
            if r.inside[p, 0] == 1 or r.boundary[p] >= r.slots:
                return 0
    segments = 1
    for i in range(outer):
        segments *= r.nest[i, TRIPS]
        if segments > SEGMENTS:
            return 0
    return _run(r, outer, segments, fed, inner)


@compiled
def _run(r: Record, outer: int, segments: int, fed: Array, inner: Array) -> int:
    """The makespan of the stream."""
    moves, at = np.empty((4 * segments + 8, 9), np.int64), 0
    for op in range(3):
        visits = 1
        for i in range(inner[op] + 1):
            visits *= r.nest[i, TRIPS]
        table = np.zeros((visits, 4), np.int64)
        if op == 2:
            _results(r, fed[op], inner[op], table)
        else:
            _reads(r, fed[op], inner[op], table[:, 0])
        at = _transfers(r, fed[op], table, segments, moves, at)
    work = np.empty((segments, 8), np.int64)
    _work(r, outer, work)
    times, waits = np.zeros((segments, 3), np.int64), np.zeros((segments, 3), np.int64)
    causes, spans = np.zeros((segments, 2), np.int64), np.zeros((at, 2), np.int64)
    opened = np.zeros((0, 3), np.int64)
    num, den, latency = r.numbers[NUM], r.numbers[DEN], r.numbers[LATENCY]
    latest, _ = sweep(work, _ordered(moves[:at]), num, den, latency, None, times, spans, waits, causes, opened)
    for segment in range(segments):
        latest = max(latest, times[segment, 2])
    found: int = latest
    return found


@compiled
def take_up(
    r: Record, core: int, ext: Array, order: Array, length: Array, cores: Array, tables: Array, keys: Array
) -> None:
    """Put a mapping that was kept in place again."""
    set_core(r, core, cores, tables, keys)
    r.ext[1:], r.order[:], r.length[:] = ext[1:], order, length
    for k in range(1, r.slots + 1):
        for i in range(r.actives):
            d = r.active[i]
            set_border(r, k, d, ext[k, d] // r.extent[d])
