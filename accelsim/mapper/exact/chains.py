"""Compiled: chains of tiles and swaps of psums among the latency bound's sums (`timing.chains`, `timing.sums`).

Before all loops are known an operand has a chain if its tile is known; passes then count a step, and inputs and weights
are not taken to change together.
"""

from __future__ import annotations

from accelsim.jit import compiled
from accelsim.mapper.exact.ends import last_work, stationary_load
from accelsim.mapper.exact.record import (
    DEPTH,
    FROM_DRAM,
    LONGEST,
    PASSES,
    WIDE_BITS,
    WORD_BITS,
    Array,
    Record,
)
from accelsim.mapper.exact.record import INPUTS as INPUT_ROLE
from accelsim.mapper.exact.visits import INPUTS, OUTPUTS, WEIGHTS, is_even, visits_of
from accelsim.timing.bound import (
    CHAIN,
    DEN,
    FINAL_WORDS,
    INTO,
    LAST,
    LATENCY,
    NUM,
    ORDERED,
    OVERLAP,
    SHORTEST,
    STREAM,
    STREAM_FINAL,
    dram_cycles,
)


@compiled
def set_chains(r: Record, arrived: Array, border: int) -> None:
    """Chains of loads and of results, INTO and SHORTEST of a mapping, or no more than those inside a border; after
    `ends.set_ends`."""
    for op in range(3):
        p = r.fed_point[op]
        if r.boundary[p] > border or r.outer[p, WORD_BITS] == 0:
            continue
        if op == OUTPUTS:
            _results(r, p, arrived[p])
        else:
            _loads(r, op, arrived[p], border)


@compiled
def _channel(r: Record, bits: int) -> int:
    """Cycles of the channel for so many bits."""
    return dram_cycles(bits, r.numbers[NUM], r.numbers[DEN])


@compiled
def _loads(r: Record, op: int, words: int, border: int) -> None:
    """Loads of an operand one behind another: each brings at most a tile, of a size that is known."""
    p, s, leaf = r.fed_point[op], r.sums, border == r.slots
    loads, depth = -(-words // r.fed_tile[op]), r.outer[p, DEPTH]
    cycles, more, together = _channel(r, r.fed_bits[op]), depth > 1 and loads >= depth, False
    if op == WEIGHTS:
        if r.numbers[OVERLAP]:
            s[INTO] = loads * stationary_load(r, r.boundary[p])
            s[SHORTEST] = loads * (_shortest_pass(r) if leaf else 1)
        together = leaf and _together(r)
        if together:
            cycles += _channel(r, r.fed_bits[INPUTS])
    at = CHAIN + 2 * op
    s[at], s[at + 1] = loads * r.numbers[LATENCY] + cycles, depth
    if more:
        first = _channel(r, r.fed_first[op]) + (_channel(r, r.fed_first[INPUTS]) if together else 0)
        s[at] += (depth - 1) * (first + last_work(r, op, border))


@compiled
def _together(r: Record) -> bool:
    """Do inputs and weights change at the same steps, in rooms of the same depth, the inputs first on the channel?"""
    alike = r.fed_visits[INPUTS] == r.fed_visits[WEIGHTS]
    depths = r.outer[r.fed_point[INPUTS], DEPTH] == r.outer[r.fed_point[WEIGHTS], DEPTH]
    return r.numbers[ORDERED] == 1 and alike and depths and r.fed_bits[INPUTS] > 0 and is_even(r)


@compiled
def _shortest_pass(r: Record) -> int:
    """Stream steps that every pass takes at least."""
    steps, k = 1, r.slots - 1
    for i in range(r.actives):
        d = r.active[i]
        steps *= min(r.left[k, d], r.folds[d] - (r.spans[k, d] - 1) * r.left[k, d])
    return steps


@compiled
def _results(r: Record, p: int, words: int) -> None:
    """Tiles of results one behind another in the room of one: each drains and is stored before the next."""
    tiles, s, depth = -(-words // r.fed_tile[OUTPUTS]), r.sums, r.outer[p, DEPTH]
    drain = r.drain[1] if r.numbers[OVERLAP] else 0
    s[CHAIN + 4], s[CHAIN + 5] = tiles * drain + r.fed_stored, depth
    if depth > 1 and tiles >= depth:
        s[CHAIN + 4] += (depth - 1) * (r.fed_begin + _channel(r, s[LAST]))


@compiled
def swaps(r: Record, arrived: Array) -> int:
    """Cycles of the passes of a mapping that finish nothing, as far as they swap psums between memories on the chip."""
    left, last, found = r.sums[STREAM] - r.sums[STREAM_FINAL], r.slots - 1, 0
    steps = r.passes[LONGEST]
    for p in range(r.points):
        if r.operand[p] != OUTPUTS or r.inside[p, 0] == 1 or r.outer[p, FROM_DRAM] == 1:
            continue
        psums, k, m = (arrived[p] - r.numbers[FINAL_WORDS]) * r.machine[WIDE_BITS], r.boundary[p], r.parent[p]
        if psums == 0:
            continue
        tiles, several = 1, False
        for i in range(r.actives):
            d = r.active[i]
            if r.group[d] == OUTPUTS:
                several = several or min(r.ext[k, d], r.bounds[d]) > r.extent[d] * r.left[last, d]
            else:
                tiles *= r.spans[k, d]
        times = visits_of(r, OUTPUTS, k)[0] - tiles
        away = -(-psums // r.ports[m, 1])
        found = max(found, away + max(0, left - times * steps))
        if several and is_even(r):
            back = psums + _inputs_with(r, arrived, m, (r.passes[PASSES] - times) * steps)
            found = max(found, away + -(-back // r.ports[m, 0]) + max(0, left - 2 * times * steps))
    return found


@compiled
def _inputs_with(r: Record, arrived: Array, memory: int, steps: int) -> int:
    """Bits of inputs that the array reads from a memory beyond what so many steps read at most."""
    p, words = r.roles[INPUT_ROLE], 1
    if r.fixed[p] < 0 or r.parent[p] != memory:
        return 0
    for i in range(r.actives):
        if r.group[r.active[i]] != INPUTS:
            words *= r.extent[r.active[i]]
    found: int = max(0, arrived[p] - steps * words) * r.outer[p, WORD_BITS]
    return found
