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
def _row_slot(clock: int, memory: Memory, c: int) -> int:
    """The first clock from `clock` on at which the command bus of channel c is free."""
    figures, cores, _, _, rings = memory
    queue, taken = figures[QUEUE], True
    while taken:
        taken = False
        place = cores[c, AT_COLUMN]
        for _ in range(queue):
            at = rings[c, COLUMNS, place]
            taken = taken or at == clock
            if at <= clock:
                break
            place = place - 1 if place else queue
        for k in range(2 * queue):
            taken = taken or rings[c, ROW_COMMANDS, k] == clock
        clock += int(taken)
    return clock


@compiled
def _row_command(clock: int, memory: Memory, c: int) -> None:
    """Note a row command."""
    figures, cores, _, _, rings = memory
    cores[c, AT_ROW] = (cores[c, AT_ROW] + 1) % (2 * figures[QUEUE])
    rings[c, ROW_COMMANDS, cores[c, AT_ROW]] = clock


@compiled
def _shut(which: int, clock: int, memory: Memory, c: int) -> None:
    """Precharge of a bank at `clock`."""
    figures, cores, banks, _, _ = memory
    banks[c, OPEN, which] = -1
    cores[c, OPEN_BANKS] -= 1
    banks[c, MAY_ACT, which] = clock + figures[TRP]
    cores[c, ACTIVE_TO] = max(cores[c, ACTIVE_TO], clock)


@compiled
def _activate(group: int, which: int, row: int, act: int, memory: Memory, c: int) -> None:
    """Open a row."""
    d, cores, banks, groups, rings = memory
    core = cores[c]
    if core[ACTIVE_FROM] < 0 or (core[OPEN_BANKS] == 0 and core[ACTIVE_TO] < act):
        if core[ACTIVE_FROM] >= 0:
            core[ACTIVE] += core[ACTIVE_TO] - core[ACTIVE_FROM]
        core[ACTIVE_FROM] = act
    banks[c, OPEN, which] = row
    core[OPEN_BANKS] += 1
    banks[c, MAY_PRE, which], banks[c, MAY_COL, which] = act + d[TRAS], act + d[TRCD]
    core[ACT_ANY], groups[c, ACT_GROUP, group] = act + d[TRRD_S], act + d[TRRD_L]
    core[AT_FOUR] = (core[AT_FOUR] + 1) % 4
    rings[c, FOUR, core[AT_FOUR]] = act
    _row_command(act, memory, c)


@compiled
def _refresh(now: int, memory: Memory, c: int) -> None:
    """Refresh as due, and again for every refresh that falls due until `now` while the channel idles."""
    d, cores, banks = memory[0], memory[1], memory[2]
    core = cores[c]
    quiet = close = core[DUE]
    for k in range(banks.shape[2]):
        if banks[c, OPEN, k] < 0:
            quiet = max(quiet, banks[c, MAY_ACT, k])
        else:
            close = max(close, banks[c, MAY_PRE, k])
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
    for k in range(banks.shape[2]):
        banks[c, OPEN, k], banks[c, MAY_ACT, k] = -1, end


@compiled
def _open_row(group: int, which: int, row: int, enter: int, after: int, memory: Memory, c: int) -> int:
    """Row commands of a burst that is no hit, or waits for a refresh; the clock of its column command."""
    d, cores, banks, groups, rings = memory
    while True:
        pre, four = -1, rings[c, FOUR, (cores[c, AT_FOUR] + 1) % 4] + d[TFAW]
        ready = max(enter, banks[c, MAY_ACT, which], cores[c, ACT_ANY], groups[c, ACT_GROUP, group], four)
        if banks[c, OPEN, which] == row:
            col: int = max(after, banks[c, MAY_COL, which])
            if col < cores[c, DUE]:
                cores[c, HITS] += 1
                return col
            _refresh(enter, memory, c)
            continue
        if banks[c, OPEN, which] >= 0:
            pre = _row_slot(max(enter, banks[c, MAY_PRE, which]), memory, c)
            ready = max(ready, pre + d[TRP])
        act = _row_slot(ready, memory, c)
        col = max(after, act + d[TRCD])
        if col < cores[c, DUE]:
            break
        _refresh(enter, memory, c)
    if pre >= 0:
        cores[c, CONFLICTS] += 1
        _row_command(pre, memory, c)
        _shut(which, pre, memory, c)
    else:
        cores[c, MISSES] += 1
    _activate(group, which, row, act, memory, c)
    return col


@compiled
def _bursts(first: int, stop: int, write: int, arrival: int, memory: Memory, c: int) -> None:
    """Issue the commands of bursts `first` to `stop` - 1 of one channel, which share their open rows, and note what
    their column commands forbid."""
    d, cores, banks, groups, rings = memory
    core, bank, group_times, columns = cores[c], banks[c], groups[c], rings[c, COLUMNS]
    history, last = d[QUEUE] + 1, core[AT_COLUMN]
    for at in range(first, stop):
        group = (at >> d[GROUP_AT]) & d[GROUPS]
        which = group * d[BANKS_PER_GROUP] + ((at >> d[BANK_AT]) & d[BANKS])
        row = (at >> d[ROW_AT]) & d[ROWS]
        enter = max(arrival, columns[last + 2 if last + 2 < history else last + 2 - history])
        after = max(enter, core[COL_READ + write], group_times[READ_GROUP + write, group])
        col = max(after, bank[MAY_COL, which])
        if bank[OPEN, which] == row and col < core[DUE]:
            core[HITS] += 1
        else:
            col = _open_row(group, which, row, enter, after, memory, c)
        last = last + 1 if last + 1 < history else 0
        core[AT_COLUMN], columns[last] = last, col
        if write:
            end = col + d[CWL] + d[BURST_CLOCKS]
            bank[MAY_PRE, which] = max(bank[MAY_PRE, which], end + d[TWR])
            core[COL_READ], core[COL_WRITE] = max(core[COL_READ], end + d[TWTR_S]), col + d[GAP]
            group_times[READ_GROUP, group] = max(group_times[READ_GROUP, group], end + d[TWTR_L])
            group_times[WRITE_GROUP, group] = max(group_times[WRITE_GROUP, group], col + d[GAP_SAME])
        else:
            bank[MAY_PRE, which] = max(bank[MAY_PRE, which], col + d[TRTP])
            core[COL_READ], core[COL_WRITE] = col + d[GAP], max(core[COL_WRITE], col + d[TURN])
            group_times[READ_GROUP, group] = max(group_times[READ_GROUP, group], col + d[GAP_SAME])
        if d[CLOSED] and at + (1 if at & d[LOW] != d[LOW] else d[PERIOD] - d[LOW]) >= stop:
            _shut(which, bank[MAY_PRE, which], memory, c)
    core[READS + write] += stop - first


@compiled
def _below(burst: int, channel: int, shift: int, width: int) -> int:
    """How many bursts of a channel lie below an address (`AddressMap.spans`)."""
    whole = (burst >> (shift + width)) << shift
    mine, part = (burst >> shift) & ((1 << width) - 1), burst & ((1 << shift) - 1)
    return whole + ((1 << shift) if channel < mine else part if channel == mine else 0)


@compiled
def serve(memory: Memory, cycle: int, address: int, bits: int, write: int) -> tuple[int, int]:
    """A transfer as in `DetailedMemory.serve`: when the next one may start, and when its last data are over."""
    d, cores, rings = memory[0], memory[1], memory[4]
    first, last = address // d[BURST_BITS], -(-(address + bits) // d[BURST_BITS])
    arrival = -(-cycle * d[CLOCKS] // d[CYCLES])
    entered, done = arrival, arrival
    lasting = d[BURST_CLOCKS] + (d[CWL] if write else d[CL])
    for c in range(cores.shape[0]):
        at = _below(first, c, d[CHANNEL_AT], d[CHANNEL_BITS])
        end = _below(last, c, d[CHANNEL_AT], d[CHANNEL_BITS])
        if at >= end:
            continue
        while at < end:
            stop = min(end, (at // d[BLOCK] + 1) * d[BLOCK])
            _bursts(at, stop, write, arrival, memory, c)
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
    cores = memory[1]
    for c in range(cores.shape[0]):
        core = cores[c]
        if clock >= core[DUE]:
            _refresh(clock, memory, c)
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
