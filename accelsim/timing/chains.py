"""Chains of tiles in the latency bound B: in the room of one, tile after tile is brought, used, and gives way.

A buffer of `depth` tiles makes so many chains. A load begins when the last stream of the tile `depth` before is over;
then the tile waits for the latency, and weights for their way into the array, before it is used. All uses make up the
stretch of the array; with weights, every load into the array lies in the use of some tile, and a pass comes after it.
What goes before the first tile of a chain, or comes after its last one, is added for the chains that have it: all but
one begin after the first load of all, and all but one end before the last tile is used. Inputs and weights that change
together in rooms of the same depth are one chain: the inputs come first on the channel.

Results: a tile is made, drains, and is stored before its room is used again. All chains but one begin after the first
tile is made and end before the last store.
"""

from __future__ import annotations

from math import prod

from accelsim.arch import Accelerator
from accelsim.mapping import LinkCount, Mapping
from accelsim.mapping.legality import tile_words
from accelsim.mapping.points import Point
from accelsim.problem import Operand
from accelsim.timing import bound as b
from accelsim.timing.ends import (
    Fed,
    fed_of,
    first_work,
    is_even,
    last_tile,
    least_drain,
    spans_of,
    stationary_load,
    work_on,
)


def _ceil(words: int, width: int) -> int:
    return -(-words // width)


def first_words(mapping: Mapping, operand: Operand, point: Point) -> int:
    """Words of an operand's first tile at a point."""
    ranges = {d: (0, e) for d, e in mapping.tile_extents(point.position).items()}
    return point.whole_words or prod(axis.mask(ranges).bit_count() for axis in operand.axes)


def _together(mapping: Mapping, fed: dict[str, Fed], n: list[int]) -> bool:
    """Do inputs and weights change at the same steps, in rooms of the same depth, the inputs first on the channel?"""
    one, two = fed["Inputs"], fed["Weights"]
    alike = one.visits == two.visits and one.depth == two.depth
    return bool(n[b.ORDERED]) and alike and one.loaded > 0 and is_even(mapping)


def shortest_pass(mapping: Mapping) -> int:
    """Stream steps that every pass takes at least."""
    return prod(min(tile, folds - (count - 1) * tile) for folds, tile, count in spans_of(mapping).values())


def set_chains(mapping: Mapping, arch: Accelerator, counts: tuple[LinkCount, ...], n: list[int], s: list[int]) -> None:
    """The three pairs from CHAIN on, INTO and SHORTEST of the sums `s` of a mapping; `n` are the machine's numbers."""

    def channel(bits: int) -> int:
        return b.dram_cycles(bits, n[b.NUM], n[b.DEN])

    fed = fed_of(mapping, arch, counts)
    for at, name in ((b.CHAIN, "Inputs"), (b.CHAIN + 2, "Weights")):
        one, bits = fed[name], arch.precision.read_bits(name)
        if one.loaded == 0:
            continue
        tile = one.point.whole_words or max(1, tile_words(one.operand, mapping.tile_extents(one.point.position)))
        loads, wait, cycles = _ceil(one.count.reads, tile), n[b.LATENCY], channel(one.loaded)
        first = channel(first_words(mapping, one.operand, one.point) * bits)
        if name == "Weights":
            if n[b.OVERLAP]:
                s[b.INTO] = loads * stationary_load(mapping, arch, one.point.position)
                s[b.SHORTEST] = loads * shortest_pass(mapping)
            if _together(mapping, fed, n):
                inputs = fed["Inputs"]
                cycles += channel(inputs.loaded)
                words = first_words(mapping, inputs.operand, inputs.point)
                first += channel(words * arch.precision.read_bits("Inputs"))
        s[at], s[at + 1] = loads * wait + cycles, one.depth
        if loads >= one.depth > 1:
            used = work_on(mapping, arch, last_tile(mapping, one.operand, one.point.position), n, True)
            s[at] += (one.depth - 1) * (first + used)
    results = fed["Outputs"]
    if not mapping.stays("Outputs"):
        tile = max(1, tile_words(results.operand, mapping.tile_extents(results.point.position)))
        tiles = _ceil(results.count.psum_writes + results.count.final_writes, tile)
        drain = least_drain(mapping, arch, True) if n[b.OVERLAP] else 0
        s[b.CHAIN + 4] = tiles * drain + channel(s[b.STORED])
        s[b.CHAIN + 5] = results.depth
        if tiles >= results.depth > 1:
            s[b.CHAIN + 4] += (results.depth - 1) * (first_work(mapping, arch, results, n) + channel(s[b.LAST]))
