"""One DRAM channel: banks, rows, buses and refresh, command by command.

Semantic. Bursts are served in order. Burst j enters the queue at the arrival of its transfer, and not before the
column command of burst j - `queue` has been issued. Its commands are issued as early as the data sheet allows:

* the row is open: one column command;
* the bank is closed: activate, column command; another row is open: precharge, activate, column command.

Between commands: tRCD, tRP, tRAS, tRTP, tWR (end of write data to precharge); tRRD and tFAW between activates;
tCCD and the data bus between column commands; after a write, a read waits for the data and tWTR; after a read, write
data wait for the bus and `READ_TO_WRITE_GAP` clocks. One command a clock: a row command that meets an earlier one
moves to the next free clock. Column commands stay in order; row commands run ahead of them.

Refresh n is due at clock n * tREFI of the stream. A burst whose column command cannot be issued before a refresh is
due waits for it with all its commands: all open rows are precharged at once, tRP later every bank is refreshed for
tRFC. Refreshes that fall due while nothing is asked for happen on time.

Page `closed` precharges (with the column command) after the last burst of a transfer in a row; `open` never.

Not modelled: power-down, ranks, commands of several clocks, a second command bus (HBM), per-bank refresh, tPPD, posted
writes, reordering.

>>> from accelsim.dram import PRESETS
>>> channel = Channel(DramTiming(PRESETS["DDR3-1600"]), log=True)
>>> channel.serve(0, 2, False, arrival=0)  # tRCD 11, tCCD 4, CL 11, BL/2 4
(0, 30)
>>> [(c.clock, c.kind) for c in channel.commands]
[(0, 'ACT'), (11, 'RD'), (15, 'RD')]

Long runs take the short way: inside a block (all columns of the open rows) the column commands settle into a period;
when two periods in a row agree, the state that follows is the same shifted in time, and whole periods are skipped.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from accelsim.arch.dram import READ_TO_WRITE_GAP, DramTiming
from accelsim.dram.address import AddressMap

NEVER = 1 << 62
WORTH = 4  # periods from which on a skip is quicker than the bursts
Kind = Literal["ACT", "PRE", "RD", "WR", "RDA", "WRA", "PREA", "REF"]


@dataclass(frozen=True)
class Command:
    """A command on a channel's bus. PREA and REF concern all banks (-1); RDA and WRA precharge by themselves."""

    clock: int
    kind: Kind
    bankgroup: int = -1
    bank: int = -1
    row: int = -1
    column: int = -1


class Channel:
    """State of one channel; `serve` advances it. Addresses are bursts inside the channel.

    Attributes:
        bursts: read and written. hits, misses, conflicts: bursts by what their bank held. refreshes: so far.
        active: clocks with a row open (in service order) or a refresh under way; complete after `finish`.
        commands: every command if `log`, by burst (row commands run ahead of the column commands before them).
    """

    def __init__(self, timing: DramTiming, log: bool = False, fast: bool = True) -> None:
        """`fast` skips whole periods of row hits, which changes no time."""
        device, mapping = timing.device, AddressMap(timing)
        self._d, self._map, self._queue, self._close = device, mapping, timing.queue, timing.page == "closed"
        self._period, self._block, self._fast = mapping.period(), mapping.block(), fast and not log
        self._low = (1 << mapping.low_bits) - 1
        shifts, widths = mapping.shifts("channel"), mapping.widths
        self._group_at, self._bank_at, self._row_at = shifts["bankgroup"], shifts["bank"], shifts["row"]
        self._groups, self._banks, self._rows = ((1 << widths[n]) - 1 for n in ("bankgroup", "bank", "row"))
        self._gap, self._gap_same = (max(n, device.burst_clocks) for n in (device.tccd_s, device.tccd_l))
        self._turn = max(1, device.cl + device.burst_clocks + READ_TO_WRITE_GAP - device.cwl)
        self._write_data = device.cwl + device.burst_clocks
        self._read_data = device.cl + device.burst_clocks
        banks, groups, history = device.banks, device.bank_groups, max(timing.queue + 1, 2 * self._period)
        self._open = [-1] * banks
        self._may_act, self._may_pre, self._may_col = [0] * banks, [0] * banks, [0] * banks
        self._act_any, self._act_group = 0, [0] * groups
        self._col_any, self._col_group = [0, 0], ([0] * groups, [0] * groups)
        self._four = deque([-device.tfaw] * 4, 4)
        self._columns = deque([-1] * history, history)
        self._row_commands: deque[int] = deque(maxlen=2 * timing.queue)
        self._due = device.trefi if timing.refresh else NEVER
        self._active_from, self._active_to, self._open_banks = -1, 0, 0
        self.bursts, self.hits, self.misses, self.conflicts = [0, 0], 0, 0, 0
        self.refreshes = self.active = 0
        self.commands: list[Command] | None = [] if log else None

    def serve(self, first: int, last: int, write: bool, arrival: int) -> tuple[int, int]:
        """Bursts `first` to `last` - 1 of a transfer that arrives at clock `arrival`.

        Returns:
            The clock at which the last burst has entered the queue, and the end of the last data on the bus.
        """
        at, kind = first, 1 if write else 0
        while at < last:
            stop = min(last, (at // self._block + 1) * self._block)
            while at < stop:
                middle, chunk = min(stop, at + self._period), min(stop, at + 2 * self._period)
                for burst in range(at, middle):
                    self._burst(burst, kind, arrival, stop)
                hits = self.hits
                for burst in range(middle, chunk):
                    self._burst(burst, kind, arrival, stop)
                at = chunk
                if self._fast and stop - at > WORTH * self._period and self.hits == hits + self._period:
                    at = self._skip(at, stop, kind)
        done = self._columns[-1] + (self._write_data if write else self._read_data)
        return max(arrival, self._columns[-1 - self._queue]), done

    def finish(self, clock: int) -> None:
        """Let the channel idle until `clock`, no earlier than its last data: refreshes fall due, rows stay open."""
        if clock >= self._due:
            self._refresh(clock)
        if self._active_from >= 0:
            end = clock if self._open_banks else min(clock, self._active_to)
            self.active += max(0, end - self._active_from)
            self._active_from = -1
        self.active = min(self.active, clock)

    def _burst(self, at: int, write: int, arrival: int, stop: int) -> None:
        """Issue the commands of one burst; `stop` ends the run of bursts that share its open rows."""
        d = self._d
        group = (at >> self._group_at) & self._groups
        bank = group * d.banks_per_group + ((at >> self._bank_at) & self._banks)
        row = (at >> self._row_at) & self._rows
        enter = self._columns[-self._queue]
        if arrival > enter:
            enter = arrival
        after = max(enter, self._col_any[write], self._col_group[write][group])
        if self._open[bank] == row and (col := max(after, self._may_col[bank])) < self._due:
            self.hits += 1
        else:
            col = self._open_row(group, bank, row, enter, after)
        closes = self._close and at + (1 if at & self._low != self._low else self._period - self._low) >= stop
        if self.commands is not None:
            kind: Kind = ("RDA", "WRA")[write] if closes else ("RD", "WR")[write]
            place = self._map.decode_local(0, at)
            self.commands.append(Command(col, kind, group, place.bank, row, place.column))
        self.bursts[write] += 1
        self._columns.append(col)
        self._moved(group, bank, col, write)
        if closes:
            self._shut(bank, self._may_pre[bank])

    def _open_row(self, group: int, bank: int, row: int, enter: int, after: int) -> int:
        """Row commands of a burst that is no hit, or waits for a refresh; the clock of its column command."""
        d = self._d
        while True:
            pre = -1
            ready = max(enter, self._may_act[bank], self._act_any, self._act_group[group], self._four[0] + d.tfaw)
            if self._open[bank] == row:
                if (col := max(after, self._may_col[bank])) < self._due:
                    self.hits += 1
                    return col
                self._refresh(enter)
                continue
            if self._open[bank] >= 0:
                pre = self._slot(max(enter, self._may_pre[bank]))
                ready = max(ready, pre + d.trp)
            act = self._slot(ready)
            if (col := max(after, act + d.trcd)) < self._due:
                break
            self._refresh(enter)
        if pre >= 0:
            self.conflicts += 1
            self._row_commands.append(pre)
            self._shut(bank, pre)
        else:
            self.misses += 1
        self._activate(group, bank, row, act)
        if self.commands is not None:
            where = (group, bank % d.banks_per_group, row)
            self.commands += [Command(pre, "PRE", *where)] if pre >= 0 else []
            self.commands.append(Command(act, "ACT", *where))
        return col

    def _slot(self, clock: int) -> int:
        """The first clock from `clock` on at which the command bus is free."""
        while clock in self._columns or clock in self._row_commands:
            clock += 1
        return clock

    def _activate(self, group: int, bank: int, row: int, act: int) -> None:
        d = self._d
        if self._active_from < 0 or (not self._open_banks and self._active_to < act):
            if self._active_from >= 0:
                self.active += self._active_to - self._active_from
            self._active_from = act
        self._open[bank] = row
        self._open_banks += 1
        self._may_pre[bank], self._may_col[bank] = act + d.tras, act + d.trcd
        self._act_any, self._act_group[group] = act + d.trrd_s, act + d.trrd_l
        self._four.append(act)
        self._row_commands.append(act)

    def _shut(self, bank: int, clock: int) -> None:
        """Precharge of a bank at `clock`."""
        self._open[bank] = -1
        self._open_banks -= 1
        self._may_act[bank] = clock + self._d.trp
        self._active_to = max(self._active_to, clock)

    def _moved(self, group: int, bank: int, col: int, write: int) -> None:
        """What a column command forbids."""
        d = self._d
        any_, (reads, writes) = self._col_any, self._col_group
        if write:
            end = col + self._write_data
            self._may_pre[bank] = max(self._may_pre[bank], end + d.twr)
            any_[0], any_[1] = max(any_[0], end + d.twtr_s), col + self._gap
            reads[group] = max(reads[group], end + d.twtr_l)
            writes[group] = max(writes[group], col + self._gap_same)
        else:
            self._may_pre[bank] = max(self._may_pre[bank], col + d.trtp)
            any_[0], any_[1] = col + self._gap, max(any_[1], col + self._turn)
            reads[group] = max(reads[group], col + self._gap_same)

    def _refresh(self, now: int) -> None:
        """Refresh as due, and again for every refresh that falls due until `now` while the channel idles."""
        d, close = self._d, self._due
        quiet = max([self._due, *(act for act, row in zip(self._may_act, self._open, strict=True) if row < 0)])
        if self._open_banks:
            close = max([close, *(pre for pre, row in zip(self._may_pre, self._open, strict=True) if row >= 0)])
            self._note(close, "PREA")
            quiet = max(quiet, close + d.trp_all)
            self._active_to = max(self._active_to, close)
        if self._active_from >= 0:
            self.active += self._active_to - self._active_from
            self._active_from = -1
        self._note(quiet, "REF")
        end, more = quiet + d.trfc, max(0, (now - self._due) // d.trefi)
        for k in range(1, more + 1 if self.commands is not None else 1):
            self._note(self._due + k * d.trefi, "REF")
        if more:
            end = self._due + more * d.trefi + d.trfc
        self.refreshes += 1 + more
        self.active += (1 + more) * d.trfc
        self._due += (1 + more) * d.trefi
        self._open, self._open_banks = [-1] * d.banks, 0
        self._may_act = [end] * d.banks

    def _note(self, clock: int, kind: Kind) -> None:
        if self.commands is not None:
            self.commands.append(Command(clock, kind))

    def _skip(self, at: int, stop: int, write: int) -> int:
        """Skip whole periods of row hits from `at` on, if the last two agree; the first burst not served.

        The last period was all hits, so its clocks follow from those of the period before and nothing else; if they
        are the same but for a shift, so will the next be.
        """
        width = self._period
        tail = list(self._columns)[-2 * width :]
        step = tail[-1] - tail[width - 1]
        if any(tail[i + width] - tail[i] != step for i in range(width)):
            return at
        count = min((stop - at - (width if self._close else 0)) // width, (self._due - 1 - tail[-1]) // step)
        if count < 1:
            return at
        kept = min(count, -(-(self._columns.maxlen or 0) // width))
        for k in range(count - kept + 1, count + 1):
            self._columns.extend([clock + k * step for clock in tail[width:]])
        d = self._d
        for k in range(width):
            burst = at + k
            group = (burst >> self._group_at) & self._groups
            bank = group * d.banks_per_group + ((burst >> self._bank_at) & self._banks)
            self._moved(group, bank, tail[width + k] + count * step, write)
        self.hits += count * width
        self.bursts[write] += count * width
        return at + count * width
