"""Data-sheet rules between pairs of DRAM commands as one table, a legality checker and a slow controller made of it.

Written from the rules alone: nothing here reads how `accelsim.dram.channel` keeps its state.
"""

from __future__ import annotations

from itertools import combinations

from hypothesis import strategies as st

from accelsim.arch.dram import READ_TO_WRITE_GAP, DramDevice, DramTiming
from accelsim.dram import PRESETS, AddressMap, Command
from accelsim.dram.channel import Kind

READS, WRITES = ("RD", "RDA"), ("WR", "WRA")


def bank_of(command: Command) -> tuple[int, int]:
    return command.bankgroup, command.bank


def least_gap(d: DramDevice, first: Command, then: Command) -> int:
    """Clocks that must lie between two commands, the first one earlier; 0 if they do not mind each other."""
    same = bank_of(first) == bank_of(then)
    near = first.bankgroup == then.bankgroup
    pair = (first.kind, then.kind)
    if pair == ("ACT", "ACT"):
        return max(d.trrd_l if near else d.trrd_s, d.tras + d.trp if same else 0)
    if first.kind == "REF":
        return d.trfc
    if then.kind == "REF":
        return {"PREA": d.trp_all, "PRE": d.trp}.get(first.kind, 1)
    if then.kind == "PREA" or (then.kind == "PRE" and same):
        written = d.cwl + d.burst_clocks + d.twr
        return {"ACT": d.tras, "RD": d.trtp, "WR": written}.get(first.kind, 0)
    if first.kind == "ACT" and then.kind in READS + WRITES and same:
        return d.trcd
    if first.kind == "PRE" and then.kind == "ACT" and same:
        return d.trp
    if first.kind in READS + WRITES and then.kind in READS + WRITES:
        if (first.kind in READS) == (then.kind in READS):
            return max(d.burst_clocks, d.tccd_l if near else d.tccd_s)
        if first.kind in READS:
            return d.cl + d.burst_clocks + READ_TO_WRITE_GAP - d.cwl
        return d.cwl + d.burst_clocks + (d.twtr_l if near else d.twtr_s)
    return 0


def spelled_out(d: DramDevice, commands: list[Command]) -> list[tuple[Command, bool]]:
    """Commands in time order with the precharge that RDA and WRA bring; False: it takes no slot on the command bus."""
    found: list[tuple[Command, bool]] = []
    opened: dict[tuple[int, int], int] = {}
    for c in sorted(commands, key=lambda c: c.clock):
        if c.kind == "ACT":
            opened[bank_of(c)] = c.clock
        if c.kind in ("RDA", "WRA"):
            after = d.trtp if c.kind == "RDA" else d.cwl + d.burst_clocks + d.twr
            clock = max(c.clock + after, opened[bank_of(c)] + d.tras)
            found.append((Command(clock, "PRE", c.bankgroup, c.bank, c.row), False))
            c = Command(c.clock, "RD" if c.kind == "RDA" else "WR", c.bankgroup, c.bank, c.row, c.column)
        found.append((c, True))
    return sorted(found, key=lambda pair: pair[0].clock)


def violations(timing: DramTiming, commands: list[Command]) -> list[str]:
    """Every broken rule of a channel's commands, as text."""
    d, wrong = timing.device, list[str]()
    listed = spelled_out(d, commands)
    for (a, on_bus), (b, also) in combinations(listed, 2):
        if b.clock - a.clock < least_gap(d, a, b):
            wrong.append(f"{b} only {b.clock - a.clock} after {a}, {least_gap(d, a, b)} needed")
        if on_bus and also and a.clock == b.clock:
            wrong.append(f"{a} and {b} in one clock")
    acts = [c.clock for c, _ in listed if c.kind == "ACT"]
    wrong += [f"fifth activate at {b}" for a, b in zip(acts, acts[4:], strict=False) if b - a < d.tfaw]
    rows: dict[tuple[int, int], int] = {}
    bus = 0
    for c, _ in listed:
        if c.kind == "ACT" and bank_of(c) in rows:
            wrong.append(f"{c}: the bank is open")
        if c.kind in ("RD", "WR"):
            if rows.get(bank_of(c)) != c.row:
                wrong.append(f"{c}: another row is open")
            begin = c.clock + (d.cl if c.kind == "RD" else d.cwl)
            if begin < bus:
                wrong.append(f"{c}: data overlap")
            bus = begin + d.burst_clocks
        if c.kind == "REF" and rows:
            wrong.append(f"{c}: rows are open")
        if c.kind == "ACT":
            rows[bank_of(c)] = c.row
        elif c.kind == "PRE":
            rows.pop(bank_of(c), None)
        elif c.kind == "PREA":
            rows.clear()
    return wrong


class SlowChannel:
    """The controller by its page of rules: every command at the first clock that no earlier command forbids."""

    def __init__(self, timing: DramTiming) -> None:
        self.timing, self.map = timing, AddressMap(timing)
        self.commands: list[Command] = []
        self.columns: list[int] = []
        self.refreshes = 0

    def earliest(self, wanted: Command) -> int:
        d, clock = self.timing.device, wanted.clock
        listed = spelled_out(d, self.commands)
        for before, _ in listed:
            gap = least_gap(d, before, wanted)
            clock = max(clock, before.clock + gap if gap else 0)
        if wanted.kind == "ACT":
            acts = [c.clock for c, _ in listed if c.kind == "ACT"]
            clock = max([clock, *(a + d.tfaw for a in acts[-4:-3])])
        while any(on_bus and c.clock == clock for c, on_bus in listed):
            clock += 1
        return clock

    def open_row(self, group: int, bank: int) -> int:
        row = -1
        for c in self.commands:  # in the order they were decided
            if c.kind in ("PREA", "REF") or (c.kind in ("PRE", "RDA", "WRA") and bank_of(c) == (group, bank)):
                row = -1
            elif c.kind == "ACT" and bank_of(c) == (group, bank):
                row = c.row
        return row

    def issue(self, clock: int, kind: Kind, *where: int) -> int:
        """Put a command at its first legal clock from `clock` on."""
        at = self.earliest(Command(clock, kind, *where))
        self.commands.append(Command(at, kind, *where))
        return at

    def refresh(self) -> None:
        due = (self.refreshes + 1) * self.timing.device.trefi
        d = self.timing.device
        if any(self.open_row(g, b) >= 0 for g in range(d.bank_groups) for b in range(d.banks_per_group)):
            self.issue(due, "PREA")
        self.issue(due, "REF")
        self.refreshes += 1

    def serve(self, first: int, last: int, write: bool, arrival: int) -> tuple[int, int]:
        d, enter, col = self.timing.device, arrival, 0
        for local in range(first, last):
            place = self.map.decode_local(0, local)
            late = len(self.columns) - self.timing.queue
            enter = max(arrival, self.columns[late] if late >= 0 else 0)
            later = (self.map.decode_local(0, k) for k in range(local + 1, last))
            mine = [p.row for p in later if (p.bankgroup, p.bank) == (place.bankgroup, place.bank)]
            closes = self.timing.page == "closed" and mine[:1] != [place.row]
            kinds: tuple[Kind, Kind] = ("WR", "WRA") if write else ("RD", "RDA")
            while True:
                kept = list(self.commands)
                row, where = self.open_row(place.bankgroup, place.bank), (place.bankgroup, place.bank)
                if row not in (-1, place.row):
                    self.issue(enter, "PRE", *where, place.row)
                if row != place.row:
                    self.issue(enter, "ACT", *where, place.row)
                col = self.issue(max([enter, *self.columns[-1:]]), kinds[closes], *where, place.row, place.column)
                if not self.timing.refresh or col < (self.refreshes + 1) * d.trefi:
                    break
                self.commands = kept
                self.refresh()
            self.columns.append(col)
        return enter, col + (d.cwl if write else d.cl) + d.burst_clocks


@st.composite
def timings(draw: st.DrawFn) -> DramTiming:
    """Any preset with any policy: page, refresh, queue, mapping, interleaving."""
    device = PRESETS[draw(st.sampled_from(sorted(PRESETS)))]
    order = tuple(draw(st.permutations(["bank", "column", "bankgroup", "channel"])))
    spot = draw(st.integers(0, order.index("column")))
    return DramTiming(
        device=device, channels=draw(st.sampled_from([1, 2, 4])), page=draw(st.sampled_from(["open", "closed"])),
        mapping=(*order[:spot], "row", *order[spot:]), interleave_bursts=draw(st.sampled_from([1, 2, 4])),
        refresh=draw(st.booleans()), queue=draw(st.sampled_from([1, 2, 5, 32])), command_energy=bool(device.rails),
    )  # fmt: skip


@st.composite
def requests(draw: st.DrawFn, timing: DramTiming, most: int = 6, longest: int = 12) -> list[tuple[int, int, bool, int]]:
    """(first burst, bursts, write, gap before it in clocks), in few banks and rows so that they meet."""
    row = AddressMap(timing).block()
    starts = st.one_of(st.integers(0, 40), st.integers(0, 6).map(lambda k: k * row), st.integers(0, 3 * row))
    gaps = st.one_of(st.just(0), st.integers(0, 60), st.integers(0, 3 * timing.device.trefi))
    one = st.tuples(starts, st.integers(1, longest), st.booleans(), gaps)
    return draw(st.lists(one, min_size=1, max_size=most))
