"""Visits of a nest in compiled code: which picked indices stand for one, and where its tile lies in a DRAM by commands
(`nest.Region` as tables)."""

from __future__ import annotations

from typing import Any

import numpy as np

from accelsim.arch import DramTiming
from accelsim.dram import kernel
from accelsim.jit import compiled
from accelsim.sim.nest import SegmentNest

Array = Any
Homes = tuple[kernel.Memory, Array, Array, Array]
"""A DRAM by commands, the first address of every operand, and `nest.Region.steps`: (operands, loops, picked) where the
tiles of an index begin, and their bits (-1 for a loop that does not change the tile)."""
TRIPS, LOW, HIGH, PICKS = range(4)  # of a row of `loops`


@compiled
def place_of(loops: Array, count: int, visit: int) -> int:
    """Place of a visit, numbered over the first `count` loops, in a table of picked indices."""
    place, weight = 0, 1
    for k in range(count - 1, -1, -1):
        digit = visit % loops[k, TRIPS]
        visit //= loops[k, TRIPS]
        if loops[k, HIGH] > loops[k, LOW] and digit > loops[k, LOW]:
            digit = loops[k, LOW] if digit <= loops[k, HIGH] else digit - (loops[k, HIGH] - loops[k, LOW])
        place += digit * weight
        weight *= loops[k, PICKS]
    return place


@compiled
def address_of(loops: Array, count: int, visits: int, x: int, visit: int, homes: Homes) -> int:
    """Where the tile of a visit of operand x lies, of so many, numbered over the first `count` loops."""
    _, bases, begins, sizes = homes
    found: int = bases[x]
    place, weight = 0, visits
    for k in range(count):
        weight //= loops[k, TRIPS]
        digit = visit // weight % loops[k, TRIPS]
        if sizes[x, k, 0] < 0:
            continue
        further = 0
        if loops[k, HIGH] > loops[k, LOW] and digit > loops[k, LOW]:
            if digit <= loops[k, HIGH]:
                further, digit = digit - loops[k, LOW], loops[k, LOW]
            else:
                digit -= loops[k, HIGH] - loops[k, LOW]
        place = place * loops[k, PICKS] + digit
        found += begins[x, k, place] + further * sizes[x, k, place]
    return found


def no_homes() -> Homes:
    """Empty tables, for a simple DRAM."""
    none = np.zeros((0, 0, 0), np.int64)
    return kernel.no_memory(), np.zeros(0, np.int64), none, none


def homes_of(found: SegmentNest, timing: DramTiming, clock_hz: int) -> Homes:
    """A DRAM by commands and where the tiles lie in it.

    Raises:
        MappingError: they do not fit it.
    """
    places = [f.region for f in found.fed if f.region is not None]
    bases, bits = (np.array([getattr(r, name) for r in places], np.int64) for name in ("base", "bits"))
    kernel.check_room(timing, bases, bits)
    widest = max((step[0].size for r in places for step in r.steps if step is not None), default=1)
    begins = np.full((len(places), max(1, found.loops), widest), -1, np.int64)
    sizes = begins.copy()
    for x, region in enumerate(places):
        for k, step in enumerate(region.steps):
            if step is not None:
                begins[x, k, : step[0].size], sizes[x, k, : step[1].size] = step
    return kernel.new_memory(timing, clock_hz), bases, begins, sizes
