"""The rules of `dram.channel` and `dram.memory` in machine code, for the engines that ask for millions of bursts.

`Channel` states the rules and explains them; these are the same ones over whole numbers in arrays, without commands and
without a short way for row hits (a burst costs some tens of nanoseconds). Both must agree in every clock and count.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from accelsim.arch.dram import READ_TO_WRITE_GAP, DramTiming
from accelsim.dram.address import AddressMap
from accelsim.dram.channel import NEVER
from accelsim.dram.memory import clock_ratio
from accelsim.dram.use import DramUse
from accelsim.errors import MappingError
from accelsim.jit import compiled

Array = Any
Memory = tuple[Array, Array, Array, Array, Array]
"""Figures, and per channel: `CORE` values, `BANK` rows of all banks, `GROUP` rows of all groups, `RING` rings. Figures
are empty for a DRAM that is no memory by commands."""
Bank = tuple[Array, Array, Array, Array, Array]
"""A `Memory` of one channel."""

(CL, CWL, TRCD, TRP, TRP_ALL, TRAS, TRTP, TWR, TRFC, TREFI, TRRD_S, TRRD_L, TWTR_S, TWTR_L, TFAW, BURST_CLOCKS,
 BURST_BITS, BANKS_PER_GROUP, QUEUE, CLOSED, GAP, GAP_SAME, TURN, LOW, PERIOD, BLOCK, GROUP_AT, GROUPS, BANK_AT, BANKS,
 ROW_AT, ROWS, CHANNEL_AT, CHANNEL_BITS, CLOCKS, CYCLES) = range(36)  # fmt: skip
"""Figures: of `DramDevice` and `DramTiming`, of `AddressMap`, and DRAM clocks and machine cycles of equal length."""
(ACT_ANY, COL_READ, COL_WRITE, DUE, ACTIVE_FROM, ACTIVE_TO, OPEN_BANKS, AT_COLUMN, AT_ROW, AT_FOUR, READS, WRITES, HITS,
 MISSES, CONFLICTS, REFRESHES, ACTIVE) = range(17)  # fmt: skip
"""Core: earliest clocks, the time rows are open, places in the rings, counts."""
OPEN, MAY_ACT, MAY_PRE, MAY_COL = range(4)  # of every bank: its row (-1: closed) and earliest clocks
ACT_GROUP, READ_GROUP, WRITE_GROUP = range(3)  # of every bank group: earliest clocks
COLUMNS, ROW_COMMANDS, FOUR = range(3)  # rings: last column commands, row commands and activates


@compiled
def _row_slot(clock: int, bank: Bank) -> int:
    """The first clock from `clock` on at which the command bus is free."""
    figures, core, _, _, rings = bank
    queue, taken = figures[QUEUE], True
    while taken:
        taken = False
        for k in range(queue):
            at = rings[COLUMNS, (core[AT_COLUMN] - k) % (queue + 1)]
            taken = taken or at == clock
            if at <= clock:
                break
        for k in range(2 * queue):
            taken = taken or rings[ROW_COMMANDS, k] == clock
        clock += int(taken)
    return clock


@compiled
def _row_command(clock: int, bank: Bank) -> None:
    """Note a row command."""
    figures, core, _, _, rings = bank
    core[AT_ROW] = (core[AT_ROW] + 1) % (2 * figures[QUEUE])
    rings[ROW_COMMANDS, core[AT_ROW]] = clock


@compiled
def _shut(which: int, clock: int, bank: Bank) -> None:
    """Precharge of a bank at `clock`."""
    figures, core, banks, _, _ = bank
    banks[OPEN, which] = -1
    core[OPEN_BANKS] -= 1
    banks[MAY_ACT, which] = clock + figures[TRP]
    core[ACTIVE_TO] = max(core[ACTIVE_TO], clock)


@compiled
def _activate(group: int, which: int, row: int, act: int, bank: Bank) -> None:
    """Open a row."""
    d, core, banks, groups, rings = bank
    if core[ACTIVE_FROM] < 0 or (core[OPEN_BANKS] == 0 and core[ACTIVE_TO] < act):
        if core[ACTIVE_FROM] >= 0:
            core[ACTIVE] += core[ACTIVE_TO] - core[ACTIVE_FROM]
        core[ACTIVE_FROM] = act
    banks[OPEN, which] = row
    core[OPEN_BANKS] += 1
    banks[MAY_PRE, which], banks[MAY_COL, which] = act + d[TRAS], act + d[TRCD]
    core[ACT_ANY], groups[ACT_GROUP, group] = act + d[TRRD_S], act + d[TRRD_L]
    core[AT_FOUR] = (core[AT_FOUR] + 1) % 4
    rings[FOUR, core[AT_FOUR]] = act
    _row_command(act, bank)


@compiled
def _refresh(now: int, bank: Bank) -> None:
    """Refresh as due, and again for every refresh that falls due until `now` while the channel idles."""
    d, core, banks, _, _ = bank
    quiet = close = core[DUE]
    for k in range(banks.shape[1]):
        if banks[OPEN, k] < 0:
            quiet = max(quiet, banks[MAY_ACT, k])
        else:
            close = max(close, banks[MAY_PRE, k])
    if core[OPEN_BANKS]:
        quiet = max(quiet, close + d[TRP_ALL])
        core[ACTIVE_TO] = max(core[ACTIVE_TO], close)
    if core[ACTIVE_FROM] >= 0:
        core[ACTIVE] += core[ACTIVE_TO] - core[ACTIVE_FROM]
        core[ACTIVE_FROM] = -1
    more = max(0, (now - core[DUE]) // d[TREFI])
    end = core[DUE] + more * d[TREFI] + d[TRFC] if more else quiet + d[TRFC]
    core[REFRESHES] += 1 + more
    core[ACTIVE] += (1 + more) * d[TRFC]
    core[DUE] += (1 + more) * d[TREFI]
    core[OPEN_BANKS] = 0
    for k in range(banks.shape[1]):
        banks[OPEN, k], banks[MAY_ACT, k] = -1, end


@compiled
def _open_row(group: int, which: int, row: int, enter: int, after: int, bank: Bank) -> int:
    """Row commands of a burst that is no hit, or waits for a refresh; the clock of its column command."""
    d, core, banks, groups, rings = bank
    while True:
        pre, four = -1, rings[FOUR, (core[AT_FOUR] + 1) % 4] + d[TFAW]
        ready = max(max(enter, banks[MAY_ACT, which]), max(max(core[ACT_ANY], groups[ACT_GROUP, group]), four))
        if banks[OPEN, which] == row:
            col: int = max(after, banks[MAY_COL, which])
            if col < core[DUE]:
                core[HITS] += 1
                return col
            _refresh(enter, bank)
            continue
        if banks[OPEN, which] >= 0:
            pre = _row_slot(max(enter, banks[MAY_PRE, which]), bank)
            ready = max(ready, pre + d[TRP])
        act = _row_slot(ready, bank)
        col = max(after, act + d[TRCD])
        if col < core[DUE]:
            break
        _refresh(enter, bank)
    if pre >= 0:
        core[CONFLICTS] += 1
        _row_command(pre, bank)
        _shut(which, pre, bank)
    else:
        core[MISSES] += 1
    _activate(group, which, row, act, bank)
    return col


@compiled
def _moved(group: int, which: int, col: int, write: int, bank: Bank) -> None:
    """What a column command forbids."""
    d, core, banks, groups, _ = bank
    if write:
        end = col + d[CWL] + d[BURST_CLOCKS]
        banks[MAY_PRE, which] = max(banks[MAY_PRE, which], end + d[TWR])
        core[COL_READ], core[COL_WRITE] = max(core[COL_READ], end + d[TWTR_S]), col + d[GAP]
        groups[READ_GROUP, group] = max(groups[READ_GROUP, group], end + d[TWTR_L])
        groups[WRITE_GROUP, group] = max(groups[WRITE_GROUP, group], col + d[GAP_SAME])
    else:
        banks[MAY_PRE, which] = max(banks[MAY_PRE, which], col + d[TRTP])
        core[COL_READ], core[COL_WRITE] = col + d[GAP], max(core[COL_WRITE], col + d[TURN])
        groups[READ_GROUP, group] = max(groups[READ_GROUP, group], col + d[GAP_SAME])


@compiled
def _burst(at: int, write: int, arrival: int, stop: int, bank: Bank) -> None:
    """Issue the commands of one burst; `stop` ends the run of bursts that share its open rows."""
    d, core, banks, groups, rings = bank
    group = (at >> d[GROUP_AT]) & d[GROUPS]
    which = group * d[BANKS_PER_GROUP] + ((at >> d[BANK_AT]) & d[BANKS])
    row = (at >> d[ROW_AT]) & d[ROWS]
    history = d[QUEUE] + 1
    enter = max(arrival, rings[COLUMNS, (core[AT_COLUMN] + 2) % history])
    after = max(enter, max(core[COL_READ + write], groups[READ_GROUP + write, group]))
    col = max(after, banks[MAY_COL, which])
    if banks[OPEN, which] == row and col < core[DUE]:
        core[HITS] += 1
    else:
        col = _open_row(group, which, row, enter, after, bank)
    core[READS + write] += 1
    core[AT_COLUMN] = (core[AT_COLUMN] + 1) % history
    rings[COLUMNS, core[AT_COLUMN]] = col
    _moved(group, which, col, write, bank)
    if d[CLOSED] and at + (1 if at & d[LOW] != d[LOW] else d[PERIOD] - d[LOW]) >= stop:
        _shut(which, banks[MAY_PRE, which], bank)


@compiled
def _below(burst: int, channel: int, shift: int, width: int) -> int:
    """How many bursts of a channel lie below an address (`AddressMap.spans`)."""
    whole = (burst >> (shift + width)) << shift
    mine, part = (burst >> shift) & ((1 << width) - 1), burst & ((1 << shift) - 1)
    return whole + ((1 << shift) if channel < mine else part if channel == mine else 0)


@compiled
def serve(memory: Memory, cycle: int, address: int, bits: int, write: int) -> tuple[int, int]:
    """A transfer as in `DetailedMemory.serve`: when the next one may start, and when its last data are over."""
    d, cores, banks, groups, rings = memory
    first, last = address // d[BURST_BITS], -(-(address + bits) // d[BURST_BITS])
    arrival = -(-cycle * d[CLOCKS] // d[CYCLES])
    entered, done = arrival, arrival
    lasting = d[BURST_CLOCKS] + (d[CWL] if write else d[CL])
    for c in range(cores.shape[0]):
        at = _below(first, c, d[CHANNEL_AT], d[CHANNEL_BITS])
        end = _below(last, c, d[CHANNEL_AT], d[CHANNEL_BITS])
        if at >= end:
            continue
        bank = (d, cores[c], banks[c], groups[c], rings[c])
        while at < end:
            stop = min(end, (at // d[BLOCK] + 1) * d[BLOCK])
            for burst in range(at, stop):
                _burst(burst, write, arrival, stop, bank)
            at = stop
        column = cores[c, AT_COLUMN]
        entered = max(entered, rings[c, COLUMNS, (column + 1) % (d[QUEUE] + 1)])
        done = max(done, rings[c, COLUMNS, column] + lasting)
    free = cycle if entered == arrival else -(-entered * d[CYCLES] // d[CLOCKS])
    return free, -(-done * d[CYCLES] // d[CLOCKS])


@compiled
def found_rows(memory: Memory, sums: Array) -> None:
    """Bursts so far by what their bank held: (3,) hits, misses and conflicts, put into `sums`."""
    cores = memory[1]
    for k in range(3):
        total = 0
        for c in range(cores.shape[0]):
            total += cores[c, HITS + k]
        sums[k] = total


@compiled
def _finish(clock: int, memory: Memory) -> None:
    """Let all channels idle until `clock`."""
    d, cores, banks, groups, rings = memory
    for c in range(cores.shape[0]):
        core = cores[c]
        if clock >= core[DUE]:
            _refresh(clock, (d, core, banks[c], groups[c], rings[c]))
        if core[ACTIVE_FROM] >= 0:
            end = clock if core[OPEN_BANKS] else min(clock, core[ACTIVE_TO])
            core[ACTIVE] += max(0, end - core[ACTIVE_FROM])
            core[ACTIVE_FROM] = -1
        core[ACTIVE] = min(core[ACTIVE], clock)


def check_room(timing: DramTiming, addresses: Array, bits: Array) -> None:
    """All transfers lie in the DRAM, as `DetailedMemory.serve` asks.

    Raises:
        MappingError: one ends beyond it.
    """
    width = timing.device.burst_bits
    last = -(-(addresses + bits) // width) * width
    beyond = np.flatnonzero(last > timing.capacity_bits)
    if beyond.size:
        raise MappingError(f"tensors of {last[beyond[0]]} bits do not fit the DRAM of {timing.capacity_bits} bits")


def no_memory() -> Memory:
    """In place of a memory where the DRAM is simple."""
    none = np.zeros((0, 0, 0), np.int64)
    return np.zeros(0, np.int64), np.zeros((0, 0), np.int64), none, none, none


def new_memory(timing: DramTiming, clock_hz: int) -> Memory:
    """All channels with banks closed and refresh intervals begun."""
    d, places, queue = timing.device, AddressMap(timing), timing.queue
    inside, widths = places.shifts("channel"), places.widths
    masks = {name: (1 << width) - 1 for name, width in widths.items()}
    figures = [
        d.cl, d.cwl, d.trcd, d.trp, d.trp_all, d.tras, d.trtp, d.twr, d.trfc, d.trefi, d.trrd_s, d.trrd_l, d.twtr_s,
        d.twtr_l, d.tfaw, d.burst_clocks, d.burst_bits, d.banks_per_group, queue, int(timing.page == "closed"),
        max(d.tccd_s, d.burst_clocks), max(d.tccd_l, d.burst_clocks),
        max(1, d.cl + d.burst_clocks + READ_TO_WRITE_GAP - d.cwl), (1 << places.low_bits) - 1, places.period(),
        places.block(), inside["bankgroup"], masks["bankgroup"], inside["bank"], masks["bank"], inside["row"],
        masks["row"], places.shifts()["channel"], widths["channel"], *clock_ratio(timing, clock_hz),
    ]  # fmt: skip
    core = np.zeros((timing.channels, 17), np.int64)
    core[:, DUE], core[:, ACTIVE_FROM] = d.trefi if timing.refresh else NEVER, -1
    banks = np.zeros((timing.channels, 4, d.banks), np.int64)
    banks[:, OPEN] = -1
    rings = np.full((timing.channels, 3, max(4, 2 * queue)), -1, np.int64)
    rings[:, FOUR] = -d.tfaw
    return np.array(figures, np.int64), core, banks, np.zeros((timing.channels, 3, d.bank_groups), np.int64), rings


def use_of(memory: Memory, makespan: int, bits: int) -> DramUse:
    """What was done up to cycle `makespan`, the end of the stream, in transfers of so many `bits`."""
    d, cores = memory[0].tolist(), memory[1]
    clock = makespan * d[CLOCKS] // d[CYCLES]
    _finish(clock, memory)
    sums = cores.sum(axis=0).tolist()
    bursts = sums[READS] + sums[WRITES]
    return DramUse(
        clocks=clock * len(cores), reads=sums[READS], writes=sums[WRITES], hits=sums[HITS], misses=sums[MISSES],
        conflicts=sums[CONFLICTS], refreshes=sums[REFRESHES], active_clocks=sums[ACTIVE],
        data_clocks=bursts * d[BURST_CLOCKS], bits=bits, burst_bits=bursts * d[BURST_BITS],
    )  # fmt: skip
