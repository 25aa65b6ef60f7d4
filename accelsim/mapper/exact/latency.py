"""Compiled: the sums of a mapping from which `cost.time_bound` makes the latency bound B."""

from __future__ import annotations

from accelsim.jit import compiled
from accelsim.mapper.exact.kernel import first_tile, tile_size
from accelsim.mapper.exact.record import NDIM, Array, Record
from accelsim.mapper.exact.windows import unit_pair
from accelsim.timing.bound import dram_cycles, time_bound

SYSTOLIC, SPATIAL, MESH = 0, 1, 2
WS, IS, OS, RS = 0, 1, 2, 3


@compiled
def _pass_sums(r: Record, leaf: bool) -> None:
    """Into `r.passes`: passes; sums over passes of rows, columns, psum words of a step; steps, all and final ones.

    Before a leaf the stream is taken as long as can be: passes, rows and columns are then the least there are.
    """
    sums = r.passes
    sums[:] = 1
    for d in range(NDIM):
        b, ext = r.bounds[d], r.extent[d]
        folds = -(-b // ext)
        streams = r.allowed[r.slots - 1, d] == 1
        tile = r.ext[r.slots - 1, d] // ext if leaf else (folds if streams else 1)
        count = -(-folds // tile)
        pe, high, wide = r.pe[d], r.row[d] * r.diagonal[d], r.col[d] * r.diagonal[d]
        rest = b - (folds - 1) * ext
        edge_rows = min(high, -(-rest // (pe * r.col[d])))
        edge_cols = min(wide, -(-rest // pe))
        sums[0] *= count
        sums[1] *= (count - 1) * high + edge_rows if tile == 1 else count
        sums[2] *= (count - 1) * wide + edge_cols if tile == 1 else count
        reduces = r.group[d] == 2
        sums[3] *= b if tile == 1 and not reduces else count
        steps = folds if pe == 1 else (folds - 1) * pe + min(rest, pe)
        final = steps
        if reduces:
            final = min(rest, pe) if pe > 1 else folds - (count - 1) * tile
        sums[4] *= steps
        sums[5] *= final


@compiled
def bound_of(r: Record, arrived: Array, leaf: bool) -> int:
    """B of a mapping (at a leaf), or less than that of all mappings below a node; `r.use` holds its resources."""
    s = r.sums
    s[:] = 0
    _pass_sums(r, leaf)
    kind, flow = r.machine[0], r.machine[1]
    visits, final = arrived[r.roles[1]], r.numbers[6]
    s[0], s[4], s[5] = r.use[1], r.passes[4], r.passes[4]
    if leaf or flow in (WS, IS):
        s[5], s[6] = r.passes[5], (visits - final) * r.machine[8]
    s[7] = final * r.machine[9]
    if r.roles[0] >= 0:
        s[11] = arrived[r.roles[0]] * max(1, r.machine[11]) * r.machine[10]
    for m in range(r.memories):
        s[19 + 2 * m] = -(-r.use[2 + 2 * m] // r.ports[m, 0])
        s[20 + 2 * m] = -(-r.use[3 + 2 * m] // r.ports[m, 1])
    if flow == OS:
        _output_stationary(r, visits, final, kind)
    elif flow == RS:
        _row_stationary(r, arrived, leaf)
    elif kind == SYSTOLIC:
        passes, rows, cols = r.passes[0], r.passes[1], r.passes[2]
        s[9] = (rows if r.machine[3] else passes * r.machine[2]) + cols - 2 * passes
        if flow == WS:
            words = arrived[r.roles[0]]
            s[8] = words * r.machine[2] if r.machine[4] else -(-words // _wide(r))
            s[10] = r.machine[2]
    if leaf:
        _edges(r, arrived)
    else:
        _single_buffers(r, arrived)
    return time_bound(r.numbers, s[: 19 + 2 * r.memories])


@compiled
def _wide(r: Record) -> int:
    """Columns spanned by the loops along them."""
    wide = 1
    for d in range(NDIM):
        wide *= r.col[d]
    return wide


@compiled
def _output_stationary(r: Record, visits: int, final: int, kind: int) -> None:
    """Loads of psums and drains: r x c words move in r cycles, and the skew of every pass."""
    wide = _wide(r)
    passes, skew = r.passes[0], r.passes[1] + r.passes[2]
    r.sums[8] = -(-(visits - final) // wide)
    if kind == MESH:
        r.sums[9] = skew + 2 * passes
        return
    r.sums[9] = -(-visits // wide)
    if kind == SYSTOLIC:
        r.sums[9] += skew - 2 * passes


@compiled
def _row_stationary(r: Record, arrived: Array, leaf: bool) -> None:
    """Loads, drains and bus time of row-stationary passes (`timing.row_stationary`)."""
    visits, inputs = arrived[r.roles[1]], r.roles[2]
    entered = r.entered[inputs] if leaf else 0
    slides = -(-r.bounds[6] // r.extent[6])
    steps, stream = 1, r.slots - 1
    for d in range(NDIM):
        if r.allowed[stream, d]:
            steps *= r.ext[stream, d] // r.extent[d] if leaf else -(-r.bounds[d] // r.extent[d])
    r.sums[8] = -(-arrived[r.roles[0]] // r.machine[5])
    r.sums[8] += -(-entered // r.machine[6]) + -(-r.passes[3] // r.machine[7])
    r.sums[9] = -(-visits // (steps * r.machine[7]))
    psums = visits * (slides - 1) // slides // r.machine[7]
    r.sums[12] = max(psums, (arrived[inputs] - entered) // r.machine[6] if leaf else 0)


@compiled
def _edges(r: Record, arrived: Array) -> None:
    """Bits of the first tiles, of the last store, and of transfers that a single buffer exposes."""
    s = r.sums
    for p in range(r.points):
        if r.outer[p, 0] == 0:
            continue
        bits = r.outer[p, 2]
        if r.operand[p] == 2:
            words = 1
            for d in range(NDIM):
                if r.group[d] != 2:
                    tile = min(r.ext[r.boundary[p], d], r.bounds[d])
                    words *= r.bounds[d] - (r.bounds[d] - 1) // tile * tile
            s[2] += words * bits
            if r.outer[p, 1] == 1:
                s[3] += 2 * (arrived[p] - r.numbers[6]) * r.machine[8] + r.numbers[6] * bits - words * bits
            continue
        first = first_tile(r, p, r.ext[r.boundary[p]]) * bits
        s[1] += first
        _chain(r, p, arrived[p])
        if r.outer[p, 1] == 1:
            s[3] += arrived[p] * bits - first


@compiled
def _single_buffers(r: Record, arrived: Array) -> None:
    """Before a leaf: what single buffers take from DRAM and give to it, first and last tiles included."""
    for p in range(r.points):
        if r.outer[p, 0] == 1 and r.outer[p, 1] == 1:
            r.sums[3] += arrived[p] * r.outer[p, 2]
            if r.operand[p] == 2:
                psums = (2 * r.machine[8] - r.outer[p, 2]) * (arrived[p] - r.numbers[6])
                r.sums[3] += psums


@compiled
def _chain(r: Record, p: int, words: int) -> None:
    """Loads of an operand one behind another: each brings at most a tile."""
    bits, op = r.outer[p, 2], r.operand[p]
    if bits == 0:
        return
    tile = max(1, tile_size(r, op, r.ext[r.boundary[p]])) if r.in_words[p] else 1
    loads = -(-words // tile)
    at = 13 + 2 * op
    r.sums[at] = loads * r.numbers[2] + dram_cycles(words * bits, r.numbers[0], r.numbers[1])
    r.sums[at + 1] = r.outer[p, 1]


@compiled
def burst_estimate(r: Record) -> int:
    """Cycles that a mapping may wait although B counts none: long transfers keep the channel from short-lived tiles.

    Not a bound: it ranks mappings for simulation. A transfer longer than what the least buffered operand has in stock
    holds the array up by the difference.
    """
    stock, total = 1 << 62, r.passes[4]
    for p in range(r.points):
        if r.outer[p, 0] == 1 and r.operand[p] != 2 and r.outer[p, 1] > 1 and r.outer[p, 2] > 0:
            tiles = 1
            for slot in range(r.boundary[p]):
                for i in range(r.length[slot]):
                    d = r.order[slot, i]
                    tiles *= -(-min(r.ext[slot, d], r.bounds[d]) // r.ext[slot + 1, d])
            stock = min(stock, total // tiles * (r.outer[p, 1] - 1))
    waits = 0
    for p in range(r.points):
        if r.outer[p, 0] == 1 and r.outer[p, 1] > 1 and r.outer[p, 2] > 0:
            waits += _waits(r, p, stock)
    return waits


@compiled
def _waits(r: Record, p: int, stock: int) -> int:
    """Sum over the loops outside a point of events x (transfer - stock)."""
    child, cur = r.ext[r.boundary[p]], r.cur
    for d in range(NDIM):
        cur[d] = r.bounds[d]
    outside, waits = 1, 0
    for slot in range(r.boundary[p]):
        for i in range(r.length[slot]):
            dim = r.order[slot, i]
            advext = cur[dim]
            cur[dim] = min(r.ext[slot + 1, dim], r.bounds[dim])
            trips = -(-advext // cur[dim])
            total = kept = 1
            for unit in range(NDIM + (r.sliding if r.operand[p] == 0 else 0)):
                if unit < NDIM and (r.bounds[unit] == 1 or r.kinds[p, unit] == 2):
                    continue
                one, two = unit_pair(r, p, unit, child, cur, dim, advext)
                total *= one
                kept *= two
            events = outside * (trips - 1)
            outside *= trips
            bits = (total - kept) * r.outer[p, 2]
            if events > 0 and bits > 0:
                each = dram_cycles(bits // events, r.numbers[0], r.numbers[1]) + r.numbers[2]
                waits += events * max(0, each - stock)
    return waits
