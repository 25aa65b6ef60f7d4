"""Compiled: the sums of a mapping from which `timing.bound.time_bound` makes the latency bound B.

All of them are also made for nodes, of which only the loops outside a border are known, and are then no greater than
those of any mapping inside:

* the stream takes at most the folds inside the border, so there are at least so many passes, rows and columns of them;
* what is filled first, stored last and loaded tile by tile is known for operands whose tile lies at or outside the
  border, with no more arrivals than there will be; of the others nothing is counted but what a single buffer exposes.

Border 0 tells nothing but the core.
"""

from __future__ import annotations

from accelsim.jit import compiled
from accelsim.mapper.exact.chains import set_chains, swaps
from accelsim.mapper.exact.ends import IS, MESH, OS, RS, SYSTOLIC, WS, beside, least_drain, set_ends
from accelsim.mapper.exact.kernel import first_tile
from accelsim.mapper.exact.record import (
    DEPTH,
    EARLY_EXIT,
    FINAL_STEPS,
    FINAL_WIDTH,
    FLOW,
    FROM_DRAM,
    INPUT_BUS,
    INPUTS,
    KEPT,
    KEPT_WIDTH,
    KIND,
    LONGEST,
    NDIM,
    OUTPUT_BUS,
    OUTPUTS,
    PASS_COLS,
    PASS_ROWS,
    PASSES,
    PLACE,
    PSUM_STEPS,
    ROWS,
    STEPS,
    WEIGHT_BUS,
    WHOLE_TILES,
    WHOLE_WORDS,
    WIDE_BITS,
    WORD_BITS,
    Array,
    Record,
)
from accelsim.mapper.exact.windows import unit_pair
from accelsim.timing.bound import (
    BESIDE,
    BUS,
    DEN,
    DRAINS,
    DRAM,
    EXPOSED,
    FILL,
    FINAL_BITS,
    FINAL_WORDS,
    FIRST,
    FIRST_LOAD,
    KEPT_BITS,
    LAST,
    LATENCY,
    LEAVE,
    LOADS,
    NUM,
    OVERLAP,
    PORTS,
    PSUM_BITS,
    STREAM,
    STREAM_FINAL,
    SWAP,
    array_cycles,
    at_least,
    dram_cycles,
    ends_cycles,
    stretch_cycles,
    time_bound,
)


@compiled
def _pass_sums(r: Record, border: int) -> None:
    """Into `r.passes`: passes; sums over passes of rows, columns, psum words of a step; steps, all and final ones; with
    the stream's border those of the longest pass.

    Outside the stream's border the stream is taken as long as can be: passes, rows and columns are then the least.
    """
    sums, border = r.passes, min(border, r.slots - 1) & PLACE
    passes = rows = cols = psums = steps = finals = longest = 1
    for i in range(r.actives):
        d = r.active[i] & PLACE
        folds, pe = r.folds[d], r.pe[d]
        streams = border == r.slots - 1 or r.allowed[r.slots - 1, d] == 1
        tile = r.left[border, d] if streams else 1
        count = r.spans[border, d] if streams else folds
        passes *= count
        rows *= (count - 1) * r.high[d] + r.edge_rows[d] if tile == 1 else count
        cols *= (count - 1) * r.broad[d] + r.edge_cols[d] if tile == 1 else count
        reduces = r.group[d] == 2
        psums *= r.bounds[d] if tile == 1 and not reduces else count
        final = r.steps[d]
        if reduces:
            final = min(r.edge[d], pe) if pe > 1 else folds - (count - 1) * tile
        steps, finals, longest = steps * r.steps[d], finals * final, longest * tile * pe
    sums[PASSES], sums[PASS_ROWS], sums[PASS_COLS], sums[PSUM_STEPS] = passes, rows, cols, psums
    sums[STEPS], sums[FINAL_STEPS], sums[LONGEST] = steps, finals, longest


@compiled
def set_passes(r: Record) -> None:
    """Least sums over passes of the core at hand, and the drains of its passes."""
    _pass_sums(r, 0)
    r.core_passes[:] = r.passes
    r.drain[0], r.drain[1] = least_drain(r, False), least_drain(r, True)


@compiled
def bound_of(r: Record, arrived: Array, border: int) -> int:
    """B of a mapping (the last border), or less than that of all mappings inside one; `r.use` holds the resources."""
    s = r.sums
    s[:] = 0
    if border > 0:
        _pass_sums(r, border)
    else:
        r.passes[:] = r.core_passes
    kind, flow = r.machine[KIND], r.machine[FLOW]
    visits, final = arrived[r.roles[OUTPUTS]], r.numbers[FINAL_WORDS]
    if flow == OS and border == r.slots:  # not what joined PEs that were idle at an edge take up again within a pass
        visits = r.entered[r.roles[OUTPUTS]]
    s[DRAM], s[STREAM], s[STREAM_FINAL] = r.use[1], r.passes[STEPS], r.passes[STEPS]
    if border >= r.slots - 1 or flow in (WS, IS):
        s[STREAM_FINAL], s[PSUM_BITS] = r.passes[FINAL_STEPS], (visits - final) * r.machine[WIDE_BITS]
    s[FINAL_BITS] = final * r.machine[FINAL_WIDTH]
    if r.roles[KEPT] >= 0:
        s[KEPT_BITS] = arrived[r.roles[KEPT]] * max(1, r.machine[WHOLE_WORDS]) * r.machine[KEPT_WIDTH]
    ports = 0
    for m in range(r.memories):
        ports = at_least(at_least(ports, r.use[2 + 2 * m], r.ports[m, 0]), r.use[3 + 2 * m], r.ports[m, 1])
    s[PORTS] = ports
    if flow == OS:
        _output_stationary(r, visits, final, kind)
    elif flow == RS:
        _row_stationary(r, arrived, border)
    elif kind == SYSTOLIC:
        passes, rows, cols = r.passes[PASSES], r.passes[PASS_ROWS], r.passes[PASS_COLS]
        s[DRAINS] = (rows if r.machine[EARLY_EXIT] else passes * r.machine[ROWS]) + cols - 2 * passes
        if flow == WS:
            words = arrived[r.roles[KEPT]]
            s[LOADS] = words * r.machine[ROWS] if r.machine[WHOLE_TILES] else -(-words // _wide(r))
            s[FIRST_LOAD] = r.machine[ROWS]
    if kind == SYSTOLIC:
        _edge(r, border)
    _edges(r, arrived, border)
    set_ends(r, arrived, border)
    set_chains(r, arrived, border)
    if border == r.slots:
        s[SWAP], s[BESIDE] = swaps(r, arrived), beside(r)
    return time_bound(r.numbers, s)


@compiled
def _edge(r: Record, border: int) -> None:
    """Cycles of the first stationary load that is hidden by nothing (`ws`, weights from DRAM), and of the last pass'
    drain; the least there can be before all loops are known."""
    first, rows, cols, brought = 1, 1, 1, False
    for i in range(r.actives):
        d = r.active[i]
        left = 1
        if border == r.slots:
            left = r.folds[d] - (r.spans[r.slots - 1, d] - 1) * r.left[r.slots - 1, d]
        first *= r.edge_rows[d] if r.folds[d] == 1 else r.high[d]
        rows *= r.edge_rows[d] if left == 1 else r.high[d]
        cols *= r.edge_cols[d] if left == 1 else r.broad[d]
    if r.machine[FLOW] == OS:
        r.sums[LEAVE] = 2 * rows + cols - 2
        return
    r.sums[LEAVE] = (rows if r.machine[EARLY_EXIT] else r.machine[ROWS]) + cols - 2
    if r.machine[FLOW] == WS and r.numbers[OVERLAP]:
        for p in range(r.points):
            brought = brought or (r.operand[p] == 1 and r.outer[p, FROM_DRAM] == 1 and r.outer[p, WORD_BITS] > 0)
        if brought:
            r.sums[FIRST] = r.machine[ROWS] if r.machine[WHOLE_TILES] else first


@compiled
def _wide(r: Record) -> int:
    """Columns spanned by the loops along them."""
    wide = 1
    for i in range(r.actives):
        wide *= r.col[r.active[i]]
    return wide


@compiled
def _output_stationary(r: Record, visits: int, final: int, kind: int) -> None:
    """Loads of psums and drains: r x c words move in r cycles, and the skew of every pass."""
    wide = _wide(r)
    passes, skew = r.passes[PASSES], r.passes[PASS_ROWS] + r.passes[PASS_COLS]
    r.sums[LOADS] = -(-(visits - final) // wide)
    if kind == MESH:
        r.sums[DRAINS] = skew + 2 * passes
        return
    r.sums[DRAINS] = -(-visits // wide)
    if kind == SYSTOLIC:
        r.sums[DRAINS] += skew - 2 * passes


@compiled
def _row_stationary(r: Record, arrived: Array, border: int) -> None:
    """Loads, drains and bus time of row-stationary passes (`timing.row_stationary`)."""
    leaf, border = border == r.slots, min(border, r.slots - 1)
    visits, inputs = arrived[r.roles[OUTPUTS]], r.roles[INPUTS]
    entered = r.entered[inputs] if leaf else 0
    slides = r.folds[r.forced]
    steps, stream = 1, r.slots - 1
    for i in range(r.actives):
        d = r.active[i]
        if r.allowed[stream, d]:
            steps *= r.left[border, d]
    r.sums[LOADS] = -(-arrived[r.roles[KEPT]] // r.machine[WEIGHT_BUS])
    r.sums[LOADS] += -(-entered // r.machine[INPUT_BUS]) + -(-r.passes[PSUM_STEPS] // r.machine[OUTPUT_BUS])
    r.sums[DRAINS] = -(-visits // (steps * r.machine[OUTPUT_BUS]))
    psums = visits * (slides - 1) // (slides * r.machine[OUTPUT_BUS])
    r.sums[BUS] = max(psums, (arrived[inputs] - entered) // r.machine[INPUT_BUS] if leaf else 0)


@compiled
def _edges(r: Record, arrived: Array, border: int) -> None:
    """Bits of the first tiles, of the last store, and of transfers that a single buffer exposes.

    Where an exposed tile is not known yet, its first fill or last store counts as exposed. The three sums are rounded
    up to cycles one by one, so another split of the same bits may take up to two cycles less: these are taken off.
    """
    s, split, final = r.sums, True, r.numbers[FINAL_WORDS]
    for p in range(r.points):
        if r.outer[p, FROM_DRAM] == 0:
            continue
        bits, known, single = r.outer[p, WORD_BITS], r.boundary[p] <= border, r.outer[p, DEPTH] == 1
        if r.operand[p] == 2:
            words = _last_words(r, r.boundary[p]) if known else 0
            s[LAST] += words * bits
            if single:
                s[EXPOSED] += 2 * (arrived[p] - final) * r.machine[WIDE_BITS] + (final - words) * bits
        else:
            first = r.fed_first[r.operand[p]] = 0
            if known:
                first = r.fed_first[r.operand[p]] = (
                    r.first[p] if r.fixed[p] < 0 else first_tile(r, p, r.ext[r.boundary[p]])
                ) * bits
                s[FILL] += first
            if single:
                s[EXPOSED] += arrived[p] * bits - first
        split = split and (known or not single)
    if not split and s[FILL] + s[LAST] > 0:
        s[EXPOSED] = max(0, s[EXPOSED] - 2 * (r.numbers[DEN] // r.numbers[NUM] + 1))


@compiled
def _last_words(r: Record, border: int) -> int:
    """Words of the last tile of the outputs at a border."""
    words = 1
    for i in range(r.actives):
        if r.group[r.active[i]] != 2:
            words *= r.rest[border, r.active[i]]
    return words


@compiled
def _tiles(r: Record, p: int) -> int:
    """How often the loops outside a point bring a tile."""
    tiles = 1
    for slot in range(r.boundary[p]):
        for i in range(r.length[slot]):
            d = r.order[slot, i]
            tiles *= -(-min(r.ext[slot, d], r.bounds[d]) // r.ext[slot + 1, d])
    return tiles


@compiled
def promise(r: Record, cycles: int) -> int:
    """About what a mapping at hand with this B takes when it is simulated (after `bound_of`).

    Not a bound: it ranks mappings for simulation. Two things are in it that B does not count. When the last load has
    come, the channel idles while the last tile is worked on. A piece of a transfer that is longer than what the least
    buffered operand has in stock holds the array up by the difference; where the channel is the slower of both, that
    costs nothing.
    """
    total, segments, loads, stock = max(r.passes[STEPS], r.sums[BUS]), 1, 1, 1 << 62
    for p in range(r.points):
        if r.outer[p, FROM_DRAM] == 0:
            continue
        tiles = _tiles(r, p)
        segments = max(segments, tiles)
        if r.operand[p] != 2 and r.outer[p, WORD_BITS] > 0:
            loads = max(loads, tiles)
            if r.outer[p, DEPTH] > 1:
                stock = min(stock, total // tiles * (r.outer[p, DEPTH] - 1))
    num, den = r.numbers[NUM], r.numbers[DEN]
    channel = dram_cycles(r.sums[DRAM], num, den) + r.numbers[LATENCY]
    sums = r.sums
    fill, last = ends_cycles(r.numbers, sums)
    array = fill + array_cycles(r.numbers, sums, stretch_cycles(r.numbers, sums)) + last
    if array <= channel:
        array = min(array, dram_cycles(r.sums[FILL], num, den) + total + dram_cycles(r.sums[LAST], num, den))
    waits = 0
    for p in range(r.points):
        if r.outer[p, FROM_DRAM] == 1 and r.outer[p, DEPTH] > 1 and r.outer[p, WORD_BITS] > 0:
            waits += _waits(r, p, stock, segments)
    found: int = max(cycles, channel + total // loads, array + waits)
    return found


@compiled
def _waits(r: Record, p: int, stock: int, segments: int) -> int:
    """Sum over the loops outside a point of pieces x (transfer - stock), a tile being in use for some of so many
    `segments` (`sim.build.cut`)."""
    child, cur = r.ext[r.boundary[p]], r.cur
    for d in range(NDIM):
        cur[d] = r.bounds[d]
    outside, waits = 1, 0
    room = max(1, segments // _tiles(r, p))
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
            bits = (total - kept) * r.outer[p, WORD_BITS]
            if events > 0 and bits > 0:
                bits = bits // events
                parts = min(max(1, bits // r.piece), room) if r.piece > 0 else 1
                each = dram_cycles(bits // parts, r.numbers[NUM], r.numbers[DEN]) + r.numbers[LATENCY]
                waits += events * parts * max(0, each - stock)
    return waits
