"""The latency bound B of a mapping from a few sums, and exact comparison of energy-delay products.

B is the larger of what the DRAM channel needs and what the array needs between the first tiles and the last result::

    channel = cycles(all DRAM bits) + latency
    stretch = max(final passes: stream, vector unit, port) + max(other passes: stream, port), and every port alone
    array   = fill + stretch + loads + drains + exposed + last store          (one pass after another)
    array   = fill + first + max(stretch + exposed, loads + beside) + leave + last store       (the next loads ahead)
    chain   = (latency of every load + its transfer + stretch) / depth + leave + last store  (per operand that is read)
    chain   = fill + first + (drain of every tile + its store + stretch) / depth + latency   (results)
    tail    = tail + leave + last store        (the last load or the last room, and the work behind it: `timing.ends`)
    head    = fill + first + head + latency    (the first results, then all stores and the loads behind: `timing.ends`)

`first` is the first stationary load, if the words for it come from DRAM, `leave` the drain of the last pass: nothing
hides them. A load is hidden by the one pass before it only; the streams of all other passes are `beside` the loads.
`fill` is the transfer of the first tiles, `exposed` that of all others whose buffer is single: it begins
only when the tile before is no longer in use, and the array waits for it. A buffer of depth d makes d chains: a tile
loads when the tile d before it is done, then it is used; the longest chain is at least their mean, and what follows the
last stream or goes before the first comes to every chain. So it is with results: a tile of them is made, drains and is
stored before its room is used again. Every term counts cycles in which the simulated layer (`sim.semantics`) does
nothing else of the same sum, so B never exceeds the makespan.

Output stationary PEs that adder trees join give psums away and take them back within a pass if some were idle at an
edge. That may be a pass that finishes outputs, and it is neither load nor drain: of these psums only the ports know.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from accelsim.jit import compiled

Array = Any

NUM, DEN, LATENCY, OVERLAP, LANES, POST_OPS, FINAL_WORDS, WRITE_PORT, KEPT_PORT, ORDERED = range(10)
DRAM, FILL, LAST, EXPOSED, STREAM, STREAM_FINAL, PSUM_BITS, FINAL_BITS, LOADS, DRAINS, FIRST_LOAD = range(11)
KEPT_BITS, BUS, FIRST, LEAVE, TAIL, HEAD, STORED, SWAP, INTO, SHORTEST, BESIDE = range(11, 22)
CHAIN = 22  # three pairs: cycles of an operand's loads and latencies (results: drains and stores), depth (0: none)
PORTS = 28  # from here on: cycles of every port alone


@compiled
def dram_cycles(bits: int, num: int, den: int) -> int:
    """Machine cycles in which the channel moves `bits`: `ceil(bits * num / den)` without overflow."""
    if bits < 1 << 31 and num < 1 << 31:
        return (bits * num + den - 1) // den
    return bits // den * num - (-(bits % den) * num // den)


@compiled
def at_least(cycles: int, work: int, width: int) -> int:
    """The larger of `cycles` and `ceil(work / width)`; a division is made only where the latter is."""
    return cycles if work <= cycles * width else -(-work // width)


@compiled
def stretch_cycles(n: Array, s: Array) -> int:
    """Cycles that all streams take at least, one behind another."""
    ends = at_least(s[STREAM_FINAL], n[FINAL_WORDS] * n[POST_OPS], n[LANES])
    ends = at_least(ends, s[FINAL_BITS], n[WRITE_PORT])
    rest = at_least(max(s[STREAM] - s[STREAM_FINAL], s[SWAP]), s[PSUM_BITS], n[WRITE_PORT])
    stretch: int = max(ends + rest, s[BUS])
    for i in range(PORTS, s.size):
        stretch = max(stretch, s[i])
    return stretch


@compiled
def load_cycles(n: Array, s: Array) -> int:
    """Cycles that all loads of the array take at least."""
    loads: int = at_least(s[LOADS], s[KEPT_BITS], n[KEPT_PORT])
    return loads


@compiled
def ends_cycles(n: Array, s: Array) -> tuple[int, int]:
    """Transfers of the first tiles and of the last results."""
    num, den, latency = n[NUM], n[DEN], n[LATENCY]
    fill = dram_cycles(s[FILL], num, den) + (latency if s[FILL] > 0 else 0)
    return fill, dram_cycles(s[LAST], num, den) + (latency if s[LAST] > 0 else 0)


@compiled
def array_cycles(n: Array, s: Array, stretch: int) -> int:
    """What the array needs between the first tiles and the last results."""
    loads = load_cycles(n, s)
    array = stretch + (dram_cycles(s[EXPOSED], n[NUM], n[DEN]) if s[EXPOSED] > 0 else 0)
    if n[OVERLAP]:
        array = max(array, loads - s[FIRST_LOAD] + s[BESIDE]) + s[FIRST] + s[LEAVE]
    else:
        array += loads + s[DRAINS]
    found: int = array
    return found


@compiled
def time_bound(n: Array, s: Array) -> int:
    """B in cycles; `n` are numbers of the machine (NUM to ORDERED), `s` the sums of a mapping (DRAM to PORTS)."""
    num, den, latency, stretch = n[NUM], n[DEN], n[LATENCY], stretch_cycles(n, s)
    fill, last = ends_cycles(n, s)
    begun = fill + s[FIRST]
    channel = dram_cycles(s[DRAM], num, den) + (latency if s[DRAM] > 0 else 0)
    found: int = max(channel, fill + array_cycles(n, s, stretch) + last)
    if s[TAIL] > 0:
        found = max(found, s[TAIL] + s[LEAVE] + last)
    stored = latency if s[STORED] > 0 else 0
    if s[STORED] > 0:
        found = max(found, begun + s[HEAD] + stored)
    loads = load_cycles(n, s)
    for i in range(CHAIN, PORTS, 2):
        depth = s[i + 1]
        if depth == 0:
            continue
        use = stretch
        if n[OVERLAP] == 0:
            use += loads + s[DRAINS]
        elif i == CHAIN + 2:
            use = max(stretch + s[INTO], loads + max(s[SHORTEST], s[BESIDE]))
        beyond = begun + stored if i == CHAIN + 4 else last + (s[LEAVE] if n[OVERLAP] else 0)
        if s[i] + use >= (found + 1 - beyond) * depth:  # the chain is longer
            found = (s[i] + use) // depth + beyond
    return found


@compiled
def _wide(a: int, b: int) -> tuple[int, int]:
    """The product of two non-negative numbers below 2^63 as (high, low), low below 2^62."""
    mask = (1 << 31) - 1
    a1, a0, b1, b0 = a >> 31, a & mask, b >> 31, b & mask
    low, mid, mid2 = a0 * b0, a1 * b0, a0 * b1
    carry = (low >> 31) + (mid & mask) + (mid2 & mask)
    return a1 * b1 + (mid >> 31) + (mid2 >> 31) + (carry >> 31), ((carry & mask) << 31) | (low & mask)


@compiled
def cost_below(a: int, b: int, c: int, d: int) -> bool:
    """Is a x b < c x d, exactly, for numbers up to 2^63 - 1?

    >>> bool(cost_below(2**62, 3, 3, 2**62)), bool(cost_below(2**62 - 1, 3, 3, 2**62))
    (False, True)
    """
    one, two = float(a) * float(b), float(c) * float(d)
    if one < two * 0.999999:
        return True
    if one > two * 1.000001:
        return False
    h1, l1 = _wide(a, b)
    h2, l2 = _wide(c, d)
    return h1 < h2 or (h1 == h2 and l1 < l2)


def machine_ratio(clock_hz: int, bandwidth: int) -> tuple[int, int]:
    """Cycles a bit as a reduced fraction."""
    common = int(np.gcd(clock_hz, bandwidth))
    return clock_hz // common, bandwidth // common
