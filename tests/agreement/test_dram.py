"""Does the DRAM controller obey the data sheet, lose no clock to it, and keep every clock on the short way?"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch.dram import DramTiming
from accelsim.dram import PRESETS, AddressMap, Channel, Command, DetailedMemory, kernel
from tests.agreement.dram_rules import SlowChannel, requests, spelled_out, timings, violations

Request = tuple[int, int, bool, int]


def run(channel: Channel | SlowChannel, wanted: list[Request]) -> list[tuple[int, int]]:
    """Serve requests one after another, each handed over some clocks after the one before has entered."""
    clock, found = 0, []
    for first, bursts, write, gap in wanted:
        clock += gap
        found.append(channel.serve(first, first + bursts, write, clock))
        clock = found[-1][0]
    return found


def in_order(commands: list[Command] | None) -> list[Command]:
    assert commands is not None
    return sorted(commands, key=lambda c: (c.clock, c.kind))


@settings(deadline=None, max_examples=200)
@given(data=st.data(), timing=timings())
def test_every_command_is_legal_and_none_could_come_sooner(timing: DramTiming, data: st.DataObject) -> None:
    wanted = data.draw(requests(timing))
    channel, slow = Channel(timing, log=True), SlowChannel(timing)
    assert run(channel, wanted) == run(slow, wanted)
    assert in_order(channel.commands) == in_order(slow.commands)
    assert violations(timing, in_order(channel.commands)) == []
    assert (channel.refreshes, sum(channel.bursts)) == (slow.refreshes, len(slow.columns))
    kinds = [c.kind for c in slow.commands]
    assert (channel.conflicts, channel.misses + channel.conflicts) == (kinds.count("PRE"), kinds.count("ACT"))
    assert channel.hits + channel.misses + channel.conflicts == len(slow.columns)


@pytest.mark.parametrize("page", ["open", "closed"])
@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_streams_legally_through_a_refresh(name: str, page: str) -> None:
    device = PRESETS[name]
    timing = DramTiming(device, page="open" if page == "open" else "closed", command_energy=bool(device.rails))
    channel = Channel(timing, log=True)
    first = (device.trefi - 300) // device.burst_clocks * device.burst_clocks
    channel.serve(0, 96, False, first)
    channel.serve(40, 60, True, first)
    channel.serve(device.columns * 8, device.columns * 8 + 20, False, first)
    assert violations(timing, in_order(channel.commands)) == []
    assert channel.refreshes == 1


def test_the_checker_sees_a_command_that_comes_too_soon() -> None:
    timing = DramTiming(PRESETS["DDR4-2400"])
    channel = Channel(timing, log=True)
    channel.serve(0, 40, True, 0)
    channel.serve(4096 * 4, 4096 * 4 + 9, False, 0)
    legal = in_order(channel.commands)
    assert violations(timing, legal) == []
    caught = 0
    for k, command in enumerate(legal):
        sooner = Command(command.clock - 1, command.kind, command.bankgroup, command.bank, command.row, command.column)
        caught += bool(violations(timing, [*legal[:k], sooner, *legal[k + 1 :]]))
    assert caught >= len(legal) - 5  # the first commands, and those that only keep the order, may come sooner


def active_clocks(timing: DramTiming, commands: list[Command], end: int) -> int:
    """Clocks in which a row is open, from the commands alone, and tRFC for every refresh."""
    total, opened, rows = 0, 0, set[tuple[int, int]]()
    for c, _ in [*spelled_out(timing.device, commands), (Command(end, "PREA"), False)]:
        if c.kind == "ACT":
            opened = opened if rows else c.clock
            rows.add((c.bankgroup, c.bank))
        if c.kind in ("PRE", "PREA") and rows:
            rows = rows - {(c.bankgroup, c.bank)} if c.kind == "PRE" else set()
            total += 0 if rows else c.clock - opened
    return total + timing.device.trfc * len([c for c in commands if c.kind == "REF"])


@settings(deadline=None, max_examples=100)
@given(data=st.data(), timing=timings())
def test_standby_is_active_while_rows_are_open(timing: DramTiming, data: st.DataObject) -> None:
    """To the clock; with rows left open, the precharge of a lone row may count as active (service order)."""
    channel = Channel(timing, log=True)
    last = run(channel, data.draw(requests(timing)))[-1][1]
    end = (last // timing.device.trefi + 1) * timing.device.trefi - 1
    channel.finish(end)
    exact = active_clocks(timing, in_order(channel.commands), end)
    if timing.page == "closed" or channel.conflicts == 0:
        assert channel.active == exact
    assert exact <= channel.active <= exact + channel.conflicts * timing.device.trp


def state(channel: Channel) -> tuple[object, ...]:
    return channel.bursts, channel.hits, channel.misses, channel.conflicts, channel.refreshes, channel.active


@settings(deadline=None, max_examples=200)
@given(data=st.data(), timing=timings())
def test_the_short_way_keeps_every_clock(timing: DramTiming, data: st.DataObject) -> None:
    wanted = data.draw(requests(timing, most=5, longest=1500))
    fast, plain = Channel(timing), Channel(timing, fast=False)
    assert run(fast, wanted) == run(plain, wanted)
    last = fast.serve(0, 1, False, 0)[1]
    assert plain.serve(0, 1, False, 0)[1] == last
    last += data.draw(st.integers(0, 10 * timing.device.trefi))
    fast.finish(last)
    plain.finish(last)
    assert state(fast) == state(plain)
    assert fast.refreshes == (last // timing.device.trefi if timing.refresh else 0)
    assert 0 <= fast.active <= last


@settings(deadline=None, max_examples=100)
@given(timing=timings(), data=st.data())
def test_addresses_are_inverse_and_ranges_split_over_channels(timing: DramTiming, data: st.DataObject) -> None:
    mapping = AddressMap(timing)
    burst = data.draw(st.integers(0, mapping.bursts - 1))
    place = mapping.decode(burst)
    assert mapping.encode(place) == burst
    first = data.draw(st.integers(0, mapping.bursts - 200))
    last = first + data.draw(st.integers(0, 200))
    spans = mapping.spans(first, last)
    for channel, (a, b) in enumerate(spans):
        mine = [p for p in map(mapping.decode, range(first, last)) if p.channel == channel]
        assert [mapping.decode_local(channel, k) for k in range(a, b)] == mine


def memory_peak(timing: DramTiming) -> float:
    """Bits that one channel can carry in a DRAM clock."""
    return timing.device.burst_bits / timing.device.burst_clocks


@settings(deadline=None, max_examples=40)
@given(timing=timings(), data=st.data(), clock=st.sampled_from([200, 500, 1000, 1601]))
def test_a_memory_is_its_channels_in_machine_cycles(timing: DramTiming, clock: int, data: st.DataObject) -> None:
    """Every burst of a range goes to its channel in order; clocks are rounded up to cycles."""
    device, mapping, hz = timing.device, AddressMap(timing), clock * 10**6
    memory = DetailedMemory(timing, hz)
    channels = [Channel(timing, fast=False) for _ in range(timing.channels)]
    cycle = 0
    for first, bursts, write, gap in data.draw(requests(timing)):
        cycle += gap
        address = first * device.burst_bits + gap % device.burst_bits
        bits = bursts * device.burst_bits
        arrival = -(-cycle * 10**12 // (hz * device.tck_ps))
        times = [(arrival, arrival)]
        holds = range(address // device.burst_bits, -(-(address + bits) // device.burst_bits))
        for number, channel in enumerate(channels):
            a, b = mapping.spans(holds.start, holds.stop)[number]
            times += [channel.serve(a, b, write, arrival)] if a < b else []
        entered, done = (max(column) for column in zip(*times, strict=True))
        expected = cycle if entered == arrival else -(-entered * hz * device.tck_ps // 10**12)
        found = memory.serve(cycle, address, bits, write)
        assert found == (expected, -(-done * hz * device.tck_ps // 10**12))
        cycle = found[0]
    use = memory.finish(cycle + 10**6)
    assert use.reads + use.writes == use.hits + use.misses + use.conflicts == sum(sum(c.bursts) for c in channels)
    assert use.clocks == timing.channels * ((cycle + 10**6) * 10**12 // (hz * device.tck_ps))
    assert 0 < use.bits <= use.burst_bits and 0 < use.data_clocks <= use.clocks
    assert use.share_of_peak == pytest.approx(use.bits / (memory_peak(timing) * use.clocks))


@settings(deadline=None, max_examples=150)
@given(timing=timings(), data=st.data(), clock=st.sampled_from([200, 500, 1000, 1601]))
def test_the_compiled_memory_keeps_every_clock_and_count(timing: DramTiming, clock: int, data: st.DataObject) -> None:
    memory, fast = DetailedMemory(timing, clock * 10**6), kernel.new_memory(timing, clock * 10**6)
    cycle, moved = 0, 0
    for first, bursts, write, gap in data.draw(requests(timing, most=8, longest=300)):
        cycle += gap
        address, bits = first * timing.device.burst_bits + gap % 7, bursts * timing.device.burst_bits - 3
        found = memory.serve(cycle, address, bits, write)
        assert kernel.serve(fast, cycle, address, bits, int(write)) == found
        cycle, moved = found[0], moved + bits
    cycle = found[1] + data.draw(st.integers(0, 10**5))
    assert kernel.use_of(fast, cycle, moved) == memory.finish(cycle)
