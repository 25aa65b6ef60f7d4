"""Three in-order queues (load, compute, store) over two buffer halves, one DRAM channel, one host.

For tile i, all times in whole cycles:

* the host sends it `issue` after the one before, and not before tile i-2 has left the loop unrollers;
* its load follows the load before it and ends when both the bus and the DRAM channel are done;
* its compute follows the compute before it, its own load and the store of tile i-2 from the same accumulator half
  (of tile i-1 if one tile fills more than a half);
* its store begins once its first block of output channels is complete and ends after the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True)
class Step:
    """Cycles of one tile.

    Attributes:
        load, store: of its DMA, bus and memory together.
        load_dram, store_dram: of these, how long the DRAM channel is taken.
        compute: of the mesh.
        blocks: blocks of output channels, which are complete one after the other.
        spills: whether its sums fill more than half of the accumulator.
    """

    load: int
    compute: int
    store: int
    load_dram: int = 0
    store_dram: int = 0
    blocks: int = 1
    spills: bool = False


@dataclass(frozen=True)
class Clock:
    """When each queue is free, with the last tile computed but not yet stored."""

    sent: int = 0
    loaded: int = 0
    computed: int = 0
    computed_before: int = 0
    stored: int = 0
    dram: int = 0

    def later(self, other: Clock) -> int | None:
        """How much later than `other` every queue is, None if not all by the same."""
        gaps = {mine - theirs for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True)}
        return gaps.pop() if len(gaps) == 1 else None

    def shifted(self, cycles: int) -> Clock:
        """The same, later."""
        return Clock(*(time + cycles for time in vars(self).values()))


def _reserve(dram: int, start: int, cycles: int) -> int:
    """When the channel is free again after `cycles` of use from `start` on."""
    return max(dram, start) + cycles if cycles else dram


def _store(clock: Clock, step: Step, dram: int) -> tuple[int, int, int]:
    """End of a store, of its first block, and of the DRAM channel."""
    if not step.store:
        return clock.stored, 0, dram
    start = max(clock.stored, clock.computed - step.compute * (step.blocks - 1) // step.blocks)
    share = -(-step.store // step.blocks)
    dram = _reserve(dram, start, step.store_dram)
    end = max(start + step.store, clock.computed + share, dram if step.store_dram else 0)
    return end, (end if step.blocks == 1 else start + share), dram


def advance(clock: Clock, before: Step | None, step: Step, issue: int, latency: int) -> Clock:
    """One tile further: load it, store the one before, compute it."""
    sent = max(clock.sent + issue, clock.computed_before)
    start = max(clock.loaded, sent)
    dram = _reserve(clock.dram, start, step.load_dram)
    loaded = max(start + step.load, dram if step.load_dram else 0)
    stored, first_block, free = clock.stored, 0, clock.stored
    if before is not None:
        stored, first_block, dram = _store(clock, before, dram)
        if before.spills:
            free = max(free, first_block)
    computed = max(clock.computed, loaded + latency, free) + step.compute
    return Clock(sent, loaded, computed, clock.computed, stored, dram)


def run(steps: Sequence[Step], issue: int, latency: int, skip: bool = True) -> int:
    """Cycles of all steps.

    Equal steps in a row are not all walked (`skip`): every rule above only takes maxima and adds constants, so a clock
    that is k cycles later than the one before in every queue goes on by k with each further equal step.
    """
    clock, before = Clock(), None
    for step, same in groupby(steps):
        left = sum(1 for _ in same)
        while left:
            after = advance(clock, before, step, issue, latency)
            gap = after.later(clock) if skip and before == step else None
            clock, before = after, step
            left -= 1
            if gap is not None and left:
                clock, left = clock.shifted(gap * left), 0
    if before is None:
        return 0
    return max(clock.computed, _store(clock, before, clock.dram)[0])
