"""The state of a `dram.kernel` memory relative to a moment: equal states have the same future, shifted in time.

What the future depends on is put into one vector: times relative to the moment, those that can no longer hold anything
up made equal; how far the next refresh is; rows that are open, relative to where the tiles of their operand are now
(`Tiles`), so that a walk through memory by whole rows of all banks comes back to the same state. Counts are not in it:
they grow by the same amount in every period.
"""

from __future__ import annotations

from typing import Any

from accelsim.arch.dram import DramTiming
from accelsim.dram.address import AddressMap
from accelsim.dram.channel import NEVER
from accelsim.dram.kernel import (
    ACT_ANY,
    ACTIVE,
    ACTIVE_FROM,
    ACTIVE_TO,
    AT_COLUMN,
    AT_FOUR,
    AT_ROW,
    BANKS_PER_GROUP,
    CLOCKS,
    COL_READ,
    COL_WRITE,
    COLUMNS,
    CYCLES,
    DUE,
    FOUR,
    MAY_ACT,
    MAY_COL,
    MAY_PRE,
    OPEN,
    OPEN_BANKS,
    QUEUE,
    READS,
    REFRESHES,
    ROW_COMMANDS,
    TFAW,
    Memory,
)
from accelsim.jit import compiled

Array = Any
Tiles = tuple[Array, Array, int, int]
"""First address of every operand's region, in rising order; the address of its tile now; and the bits of a row of all
banks and of one."""


def spans(timing: DramTiming) -> tuple[int, int]:
    """Bits from a row to the next, and from a bank to the next; 0, 0 where the row is not the first field of an address
    and the bank the second, so that operands may share a row of a bank."""
    device = timing.device
    if timing.mapping[0] != "row" or (device.banks_per_group > 1 and timing.mapping[1] != "bank"):
        return 0, 0
    inside = AddressMap(timing).shifts()
    bank = device.burst_bits << inside["bank"] if device.banks_per_group > 1 else 1
    return timing.capacity_bits // device.rows, bank


def state_size(memory: Memory) -> int:
    """Values of `relative`."""
    queue, (channels, _, banks), groups = int(memory[0][QUEUE]), memory[2].shape, memory[3].shape[2]
    return int(channels * (6 + 4 * banks + 3 * groups + queue + 1 + 2 * queue + 4))


@compiled
def owner(bank: int, row: int, tiles: Tiles) -> int:
    """The operand whose region an open row is in."""
    bases, _, span, bank_span = tiles
    address, found = row * span + bank * bank_span, 0
    for x in range(bases.size):
        if bases[x] <= address:
            found = x
    return found


@compiled
def _rings(memory: Memory, c: int, base: int, floor: int, found: Array, at: int) -> int:
    """Last column commands, row commands and activates of a channel, oldest first; where the next values go."""
    d, cores, rings = memory[0], memory[1], memory[4]
    history, rows = d[QUEUE] + 1, 2 * d[QUEUE]
    for k in range(history):
        found[at + k] = max(rings[c, COLUMNS, (cores[c, AT_COLUMN] + 1 + k) % history], floor - 1) - base
    at += history
    for k in range(rows):
        found[at + k] = max(rings[c, ROW_COMMANDS, (cores[c, AT_ROW] + 1 + k) % rows], floor - 1) - base
    at += rows
    for k in range(4):
        found[at + k] = max(rings[c, FOUR, (cores[c, AT_FOUR] + 1 + k) % 4], floor - d[TFAW]) - base
    return at + 4


@compiled
def relative(memory: Memory, end: int, free: int, tiles: Tiles, found: Array) -> None:
    """The state at cycle `end`, if nothing is asked for before cycle `free`: (state_size,)."""
    d, cores, banks, groups, _ = memory
    base, first, at = end // d[CYCLES] * d[CLOCKS], free * d[CLOCKS] // d[CYCLES], 0
    for c in range(cores.shape[0]):
        core = cores[c]
        floor = min(first, core[DUE])
        found[at] = core[DUE] - base if core[DUE] < NEVER else NEVER
        found[at + 1] = int(core[ACTIVE_FROM] >= 0)
        idle = core[ACTIVE_FROM] >= 0 and core[OPEN_BANKS] == 0
        found[at + 2] = (core[ACTIVE_TO] if idle else max(core[ACTIVE_TO], floor)) - base
        found[at + 3] = max(core[ACT_ANY], floor) - base
        found[at + 4] = max(core[COL_READ], floor) - base
        found[at + 5] = max(core[COL_WRITE], floor) - base
        at += 6
        for k in range(banks.shape[2]):
            row, bank = banks[c, OPEN, k], k % d[BANKS_PER_GROUP]
            found[at] = -NEVER
            if row >= 0:
                x = owner(bank, row, tiles)
                found[at] = (row - tiles[1][x] // tiles[2]) * tiles[0].size + x
            found[at + 1] = max(banks[c, MAY_ACT, k], floor) - base
            found[at + 2] = max(banks[c, MAY_PRE, k], floor) - base
            found[at + 3] = max(banks[c, MAY_COL, k], floor) - base
            at += 4
        for k in range(groups.shape[2]):
            for time in range(3):
                found[at] = max(groups[c, time, k], floor) - base
                at += 1
        at = _rings(memory, c, base, floor, found, at)


@compiled
def tally(memory: Memory, end: int, found: Array) -> None:
    """Counts of every channel at cycle `end`, rows that are open counted up to it: (channels, values of a core)."""
    d, cores = memory[0], memory[1]
    for c in range(cores.shape[0]):
        found[c, :] = cores[c]
        if cores[c, ACTIVE_FROM] >= 0:
            found[c, ACTIVE] += end // d[CYCLES] * d[CLOCKS] - cores[c, ACTIVE_FROM]


@compiled
def shift(memory: Memory, mark: Array, last: Array, times: int, cycles: int, rows: Array, tiles: Tiles) -> None:
    """What happened from the tally `mark` to the tally `last` happens so many times more, in so many cycles.

    `rows`: by how many rows the tiles of each operand move meanwhile. `tiles` are those before.
    """
    d, cores, banks, groups, rings = memory
    clocks = cycles // d[CYCLES] * d[CLOCKS]
    for c in range(cores.shape[0]):
        core = cores[c]
        for k in range(READS, REFRESHES + 1):
            core[k] += times * (last[c, k] - mark[c, k])
        core[ACTIVE] += times * (last[c, ACTIVE] - mark[c, ACTIVE])
        for k in (ACT_ANY, COL_READ, COL_WRITE, ACTIVE_TO):
            core[k] += clocks
        core[DUE] += clocks if core[DUE] < NEVER else 0
        core[ACTIVE_FROM] += clocks if core[ACTIVE_FROM] >= 0 else 0
        for k in range(banks.shape[2]):
            if banks[c, OPEN, k] >= 0:
                banks[c, OPEN, k] += rows[owner(k % d[BANKS_PER_GROUP], banks[c, OPEN, k], tiles)]
            for time in (MAY_ACT, MAY_PRE, MAY_COL):
                banks[c, time, k] += clocks
    groups += clocks
    rings += clocks
