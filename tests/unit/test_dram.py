"""DRAM by commands on sequences worked by hand, its bounds, energies, layout, and what a machine file may say."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

import accelsim
from accelsim.arch import Dram, DramTiming
from accelsim.checks import check_dram
from accelsim.dram import PRESETS, AddressMap, Channel, Command, DetailedMemory, DramUse, preset
from accelsim.dram.energy import activate_zj, burst_zj, command_energy_fj, energy_per_bit_fj, refresh_zj
from accelsim.dram.figures import latencies, stream
from accelsim.errors import CheckFailed, InputError, MappingError
from accelsim.formats.arch_yaml import load_accelerator
from accelsim.formats.outputs import layers_csv, summary_md
from accelsim.graph import Network
from accelsim.mapping.chunks import VectorJob
from accelsim.plan import Options
from accelsim.planning import plan_network
from accelsim.sim import oracle, recurrence
from accelsim.sim.stream import Segment, Stream, Transfer, stream_of
from accelsim.sim.vector import vector_stream
from tests.agreement.machines import machine

DDR3, DDR4 = PRESETS["DDR3-1600"], PRESETS["DDR4-3200"]
ONE_ROW = ("row", "bank", "bankgroup", "column")
ROW = 128  # bursts in a row of both


def commands(timing: DramTiming, *requests: tuple[int, int, bool, int]) -> list[tuple[int, str]]:
    """(clock, kind) of all commands in time order; requests are (first burst, bursts, write, arrival)."""
    channel = Channel(timing, log=True)
    for first, bursts, write, arrival in requests:
        channel.serve(first, first + bursts, write, arrival)
    assert channel.commands is not None
    return sorted((c.clock, c.kind) for c in channel.commands)


def test_a_single_read() -> None:
    """DDR3-1600, closed banks: ACT at 0, RD tRCD = 11 later, data CL = 11 after it for BL/2 = 4 clocks."""
    channel = Channel(DramTiming(DDR3), log=True)
    assert channel.serve(0, 1, False, 0) == (0, 11 + 11 + 4)
    assert channel.commands == [Command(0, "ACT", 0, 0, 0), Command(11, "RD", 0, 0, 0, 0)]
    assert channel.serve(1, 2, False, 100) == (100, 100 + 11 + 4)  # the row is open: CL + BL/2
    assert channel.serve(8 * ROW, 8 * ROW + 1, False, 200) == (200, 200 + 11 + 11 + 11 + 4)  # tRP + tRCD + CL + BL/2


def test_row_hits_stream_at_tccd() -> None:
    """DDR4-3200 in one bank: reads every tCCD_L = 8; over its four bank groups: every tCCD_S = BL/2 = 4."""
    bank = [c for c, kind in commands(DramTiming(DDR4, mapping=ONE_ROW), (0, 5, False, 0)) if kind == "RD"]
    assert bank == [22, 30, 38, 46, 54]
    spread = commands(DramTiming(DDR4), (0, 8, False, 0))
    # four groups: ACT every tRRD_S = 4, each read tRCD = 22 after its ACT, then tCCD_S; 34 is taken by no row command
    assert spread == sorted([(4 * k, "ACT") for k in range(4)] + [(22 + 4 * k, "RD") for k in range(8)])


def test_a_bank_conflict() -> None:
    """DDR3, two rows of one bank: PRE at tRAS = 28 (later than read + tRTP = 11 + 6), ACT tRP = 11 on, RD tRCD on."""
    expected = [(0, "ACT"), (11, "RD"), (28, "PRE"), (39, "ACT"), (50, "RD")]
    assert commands(DramTiming(DDR3), (0, 1, False, 0), (8 * ROW, 1, False, 0)) == expected
    # after a write: data end at 11 + CWL 8 + 4 = 23, PRE tWR = 12 later at 35, ACT 46, RD 57
    written = [(0, "ACT"), (11, "WR"), (35, "PRE"), (46, "ACT"), (57, "RD")]
    assert commands(DramTiming(DDR3), (0, 1, True, 0), (8 * ROW, 1, False, 0)) == written


def test_turnaround() -> None:
    """DDR3: write to read CWL + BL/2 + tWTR = 8 + 4 + 6; read to write CL + BL/2 + 2 - CWL = 11 + 4 + 2 - 8."""
    found = commands(DramTiming(DDR3), (0, 1, True, 0), (1, 1, False, 0), (2, 1, True, 0))
    assert found == [(0, "ACT"), (11, "WR"), (11 + 18, "RD"), (29 + 9, "WR")]
    # DDR4: the same bank group waits tWTR_L = 12, another tWTR_S = 4 (its row opened at tRRD_S = 4)
    same = commands(DramTiming(DDR4), (0, 1, True, 0), (4, 1, False, 0))
    other = commands(DramTiming(DDR4), (0, 1, True, 0), (1, 1, False, 0))
    assert (same[-1], other[-1]) == ((22 + 16 + 4 + 12, "RD"), (22 + 16 + 4 + 4, "RD"))


def test_four_activates() -> None:
    """DDR3, five banks: ACT every tRRD = 5, and the fifth not before tFAW = 24."""
    acts = [c for c, kind in commands(DramTiming(DDR3), *((k * ROW, 1, False, 0) for k in range(5))) if kind == "ACT"]
    assert acts == [0, 5, 10, 15, 24]


def test_one_command_a_clock() -> None:
    """DDR3: the precharge of another row wants clock 28, where a read of a third bank stands, and takes 29."""
    first = [(0, 1, False, 0), (ROW, 1, False, 0), (2 * ROW, 1, False, 17)]  # ACT 0, 5, 17; RD 11, 16, 28
    found = commands(DramTiming(DDR3), *first, (8 * ROW, 1, False, 17))
    assert found[:6] == [(0, "ACT"), (5, "ACT"), (11, "RD"), (16, "RD"), (17, "ACT"), (28, "RD")]
    assert found[6:] == [(29, "PRE"), (40, "ACT"), (51, "RD")]


def test_refresh() -> None:
    """DDR3, due at tREFI = 6240: an open row is precharged then, tRP = 11 later REF, tRFC = 208 later the next ACT."""
    channel = Channel(DramTiming(DDR3), log=True)
    channel.serve(0, 1, False, 0)
    assert channel.serve(0, 1, False, 6241) == (6241, 6240 + 11 + 208 + 11 + 11 + 4)
    assert channel.commands is not None
    after = [(c.clock, c.kind) for c in channel.commands[2:]]
    assert after == [(6240, "PREA"), (6251, "REF"), (6459, "ACT"), (6470, "RD")]
    # a read at 6239, just before it is due, still goes out; tRTP = 6 later all banks are precharged
    late = commands(DramTiming(DDR3), (0, 1, False, 0), (0, 1, False, 6239), (0, 1, False, 6241))
    assert late[2:] == [(6239, "RD"), (6245, "PREA"), (6256, "REF"), (6464, "ACT"), (6475, "RD")]
    # one at 6240 waits for it
    assert commands(DramTiming(DDR3), (0, 1, False, 6240)) == [(6240, "REF"), (6448, "ACT"), (6459, "RD")]
    idle = Channel(DramTiming(DDR3))
    idle.serve(0, 1, False, 100 * 6240 + 5)  # 100 refreshes fell due while nothing was asked for; the last still runs
    assert (idle.refreshes, idle.active) == (100, 100 * 208)
    off = Channel(DramTiming(DDR3, refresh=False))
    assert off.serve(0, 1, False, 100 * 6240 + 5)[1] == 100 * 6240 + 5 + 26


def test_the_queue_looks_ahead() -> None:
    """A row is prepared while bursts of the one before still stream, as far ahead as the queue is deep."""
    deep, shallow = (Channel(DramTiming(DDR3, queue=n, mapping=("row", "bank", "column"))) for n in (32, 1))
    hidden, bare = deep.serve(0, 2 * ROW, False, 0)[1], shallow.serve(0, 2 * ROW, False, 0)[1]
    assert hidden == 11 + 256 * 4 + 11
    # alone, the second row opens one clock after the last read of the first (the bus is taken), and is read tRCD later
    assert bare == hidden - 4 + 1 + 11


def test_closed_page() -> None:
    """The last burst of a transfer in a row precharges: RDA; the next finds the bank closed, not another row open."""
    timing = DramTiming(DDR3, page="closed")
    assert commands(timing, (0, 2, False, 0)) == [(0, "ACT"), (11, "RD"), (15, "RDA")]
    channel = Channel(timing)
    channel.serve(0, 2, False, 0)
    assert channel.serve(8 * ROW, 8 * ROW + 1, False, 300)[1] == 300 + 26
    assert (channel.hits, channel.misses, channel.conflicts) == (1, 2, 0)
    channel.finish(1000)
    assert channel.active == 28 + 28  # each row open for tRAS
    left_open = Channel(DramTiming(DDR3))
    left_open.serve(0, 2, False, 0)
    left_open.finish(1000)
    assert left_open.active == 1000


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_bounds_of_every_preset(name: str) -> None:
    """Streaming reaches 90 % of the peak; rows of one bank come at tRC; hit, miss and conflict cost what they must."""
    device = PRESETS[name]
    timing = DramTiming(device, command_energy=bool(device.rails))
    assert stream(timing)[0] >= 0.9 and stream(replace(timing, page="closed"), write=True)[0] >= 0.9
    lone = replace(timing, mapping=("row", "channel", "bank", "bankgroup", "column"), refresh=False)
    channel = Channel(lone)
    span = AddressMap(lone).block() * device.banks
    ends = [channel.serve(k * 7 % 64 * span, k * 7 % 64 * span + 1, False, 0)[1] for k in range(32)]
    assert {b - a for a, b in pairwise(ends)} == {device.tras + device.trp}
    data = device.cl + device.burst_clocks
    wait = latencies(device)
    assert (wait.hit, wait.miss, wait.conflict) == (data, data + device.trcd, data + device.trcd + device.trp)


def test_short_way_does_the_work_of_rows_not_of_bursts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = Channel._burst
    monkeypatch.setattr(Channel, "_burst", lambda self, *a: (seen.append(a[0]), real(self, *a))[1])
    Channel(DramTiming(DDR4)).serve(0, 100 * 4 * ROW, False, 0)
    assert len(seen) < 100 * 4 * 6


def test_clocks_and_cycles_round_up() -> None:
    """DDR3 at 1.25 ns, machine at 500 MHz (2 ns): cycle 1 begins at clock 1.6 -> 2; 26 clocks later is 35 ns -> 18."""
    memory = DetailedMemory(DramTiming(DDR3), 500_000_000)
    assert memory.serve(1, 0, 512, False) == (1, 18)
    use = memory.finish(20)  # 40 ns are 32 clocks
    assert (use.clocks, use.reads, use.activations, use.bits, use.burst_bits) == (32, 1, 1, 512, 512)
    assert use + DramUse() == use
    assert use.as_dict()["share_of_peak"] == pytest.approx(4 / 32)


def test_a_misaligned_range_moves_whole_bursts() -> None:
    memory = DetailedMemory(DramTiming(DDR3, channels=2), 10**9)
    memory.serve(0, 511, 514, True)  # bits 511 to 1024: three bursts
    use = memory.finish(1000)
    assert (use.writes, use.bits, use.burst_bits) == (3, 514, 1536)
    with pytest.raises(MappingError, match="do not fit the DRAM of"):
        memory.serve(0, DramTiming(DDR3, channels=2).capacity_bits, 1, False)


def test_energies_by_hand() -> None:
    """DDR3: 8 devices, 1.35 V; a refresh is 1.35 V (235 - 38) mA 208 x 1.25 ns x 8 = 553.2 nJ; see TN-41-01."""
    assert burst_zj(DDR3, False) / 512 == pytest.approx(1.35 * (157 - 38) * 5 * 8 / 512 * 1e9)
    assert activate_zj(DDR3) == round(1.35e9 * (55 * 48.75 - 38 * 35 - 32 * 13.75) * 8)
    assert refresh_zj(DDR3) == round(1.35e9 * (235 - 38) * 260 * 8)
    use = DramUse(clocks=1000, reads=2, writes=1, misses=1, conflicts=1, refreshes=1, active_clocks=400)
    found = command_energy_fj(DramTiming(DDR3), use)
    assert found["DRAM"] == round(1.35e3 * 5 * 8 * (2 * 119 + 87))
    assert found["DRAM activation"] == round(2 * activate_zj(DDR3) / 1e6)
    assert found["DRAM background"] == round(1.35e3 * 1.25 * 8 * (400 * 38 + 600 * 32))
    assert set(found) == {"DRAM", "DRAM activation", "DRAM refresh", "DRAM background"}
    assert energy_per_bit_fj(DDR3, False) == round(12_550.8 + 150.2)
    both = PRESETS["LPDDR4-3200"]  # two rails: 1.8 V (2.25 - 2.25) + 1.1 V (275 - 30), 5 ns, 256 bit
    assert burst_zj(both, False) / 256 == pytest.approx(1.1 * 245 * 5 / 256 * 1e9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": 3}, "channels 3, expected one of 1, 2, 4, 8"),
        ({"page": "ajar"}, "page 'ajar', expected 'open' or 'closed'"),
        ({"queue": 0}, "queue 0, expected at least 1 burst"),
        ({"interleave_bursts": 3}, "interleave of 3 bursts, expected a power of two up to 128"),
        ({"mapping": ("row", "bnak", "column")}, "mapping field 'bnak'; did you mean 'bank'"),
        ({"mapping": ("row", "bank", "row", "column")}, "names 'row' twice"),
        ({"mapping": ("row", "bank", "column")}, "mapping lacks 'bankgroup'; expected such as 'row:bank"),
        ({"mapping": ("column", "bankgroup", "bank", "row")}, "puts row below column"),
        ({"device": PRESETS["LPDDR5-6400"]}, "no supply currents are known for LPDDR5-6400: state read and write"),
    ],
)
def test_wrong_timings_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(DramTiming(DDR4), **change)


def test_wrong_parts_are_refused() -> None:
    with pytest.raises(InputError, match="no DRAM preset 'DDR4-3300'; did you mean 'DDR4-3200'"):
        preset("DDR4-3300")
    assert preset("LPDDR5") is PRESETS["LPDDR5-6400"]
    for change, message in (
        ({"tras": 0}, "tras 0, expected at least 1"),
        ({"rows": 3}, "rows 3, expected a power of two"),
        ({"row_bits": 700}, "a row of 700 bits is not whole bursts of 512"),
        ({"trefi": 260}, "refreshes of 208 clocks do not fit an interval of 260"),
    ):
        with pytest.raises(InputError, match=message):
            replace(DDR3, **change)
    with pytest.raises(InputError, match=r"outside the \d+ bursts of DDR3-1600"):
        AddressMap(DramTiming(DDR3)).decode(-1)


def text_with(root: Path, old: str, new: str) -> str:
    text = (root / "arch_configs" / "edge_os_32x32_lpddr4.yaml").read_text(encoding="utf-8")
    found, count = re.subn(old, new, text)
    assert count == 1
    return found


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "preset: LPDDR4-3200",
            "preset: LPDDR4-3300",
            "dram.timing.preset: no DRAM preset 'LPDDR4-3300'; did you mean",
        ),
        ("channels: 4 ", "channels: 3 ", "dram.timing.channels: channels 3, expected one of"),
        ("page: open", "page: opne", "dram.timing.page: 'opne', expected 'open' or 'closed'; did you mean 'open'"),
        ("row:bank:col", "row:bnak:col", "dram.timing.mapping: mapping field 'bnak'; did you mean 'bank'"),
        ("page: open", "interleave: 33 B", "dram.timing.interleave: interleave '33 B' is not whole bursts of 32 B"),
        ("page: open", "pgae: open", "dram.timing.pgae: unknown key; did you mean 'page'"),
        ("preset: LPDDR4-3200", "preset: LPDDR5", "dram.timing: no supply currents are known for LPDDR5-6400"),
        ("  latency: 50 ns", "  bandwidth: 1 GB/s\n  latency: 50 ns", "dram.bandwidth: stated beside dram.timing"),
        ("  latency: 50 ns", "  read_energy: 1 pJ/bit\n  latency: 50 ns", "dram.read_energy: stated alone"),
        ("  latency: 50 ns", "  background_power: 1 mW\n  latency: 50 ns", "background_power: stated, but follows"),
        ("(?s)  timing:.*?  latency", "  latency", "dram.bandwidth: missing; every machine without dram.timing"),
    ],
)
def test_wrong_machine_files_are_refused(root: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        load_accelerator(text_with(root, old, new), "mine.yaml")


def test_machine_files_choose(root: Path) -> None:
    dram = load_accelerator(
        text_with(root, "page: open", "page: closed, interleave: 64 B".replace(", ", "\n    ")), "x"
    ).dram
    assert dram.timing is not None and dram.bandwidth_bits_per_s == dram.timing.peak_bits_per_s == 8 * 25_600_000_000
    assert (dram.timing.page, dram.timing.interleave_bursts, dram.timing.command_energy) == ("closed", 2, True)
    flat = "  read_energy: 4 pJ/bit\n  write_energy: 5 pJ/bit\n  background_power: 10 mW\n  latency: 50 ns"
    stated = load_accelerator(text_with(root, "  latency: 50 ns", flat), "x").dram
    assert stated.timing is not None and not stated.timing.command_energy
    assert (stated.read_fj_per_bit, stated.write_fj_per_bit, stated.background_fj_per_cycle) == (4000, 5000, 20_000)


def test_a_stream_by_hand() -> None:
    """Machine at 800 MHz, one cycle a DDR3 clock, latency 5: two loads of one burst in one row, then a store."""
    dram = Dram("DDR3", DramTiming(DDR3).peak_bits_per_s, 5, 0, 0, timing=DramTiming(DDR3))
    transfers = (
        Transfer("load", "Inputs", 512, -1, 0),
        Transfer("load", "Inputs", 512, -1, 1, address=512),
        Transfer("store", "Outputs", 512, 1, 2, address=1 << 16),
    )
    segments = (Segment(0, 0, 10, 0),) * 2
    outcome = recurrence.run(stream_of(segments, transfers), dram, 800_000_000)
    assert outcome == oracle.run(stream_of(segments, transfers), dram, 800_000_000)
    # data end at 26 and 30, usable at 31 and 35; segment 0 runs 31-41, segment 1 41-51; the store begins then:
    # ACT 51, WR 62, data end 62 + 8 + 4 = 74, in DRAM at 79
    assert (outcome.starts, outcome.ends, outcome.makespan) == ((31, 41), (41, 51), 79)
    assert dict(outcome.stalls) == {"dram_read_inputs": 31, "final_drain": 28}
    assert outcome.dram is not None and (outcome.dram.hits, outcome.dram.misses) == (1, 2)


def regions(stream_: Stream) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for t in stream_.transfers:
        low, high = found.get(t.operand, (t.address, t.address))
        found[t.operand] = min(low, t.address), max(high, t.address + t.bits)
    return found


def test_tensors_lie_apart_and_tiles_stay() -> None:
    """Regions begin on fresh rows and do not meet; tiles of one operand are the same range or apart."""
    arch = replace(machine("ws"), dram=Dram("DDR4", 1, 0, 1, 1, timing=DramTiming(DDR4)))
    arch = replace(arch, memories=(replace(arch.memories[0], capacity_bits=8 * 1500),))
    net = Network("small")
    x = net.relu(net.conv(net.input(8, 12, 12), 24, kernel=3, pad=1))
    plans = plan_network(net.build(net.conv(net.max_pool(x, 2), 40, kernel=1)), arch, Options())
    revisited = 0
    assert arch.dram.timing is not None
    for part in (part for plan in plans for part in plan.parts):
        assert part.ran.replay == oracle.run(part.stream, arch.dram, arch.clock_hz)
        spans = sorted(regions(part.stream).values())
        assert all(a[1] <= b[0] for a, b in pairwise(spans))
        assert all(low % arch.dram.timing.row_span_bits == 0 for low, _ in spans)
        for operand in ("Inputs", "Weights", "Outputs"):
            mine = [(t.address, t.bits) for t in part.stream.transfers if t.operand == operand]
            longest = {address: max(bits for a, bits in mine if a == address) for address, _ in mine}
            assert all(a + longest[a] <= b for a, b in pairwise(sorted(longest)))
            revisited += len(mine) - len(longest)
    assert revisited > 0


def test_chunks_of_vector_work_lie_one_after_another() -> None:
    arch = machine("ws")
    dram = replace(arch.dram, timing=DramTiming(DDR4))
    arch = replace(arch, dram=dram, memories=(replace(arch.memories[0], capacity_bits=8 * 1500),))
    found = vector_stream(VectorJob("x", 2000, 16, 1000, 1, 100, kept_words=100), arch)
    for operand, words in (("Inputs", 2000), ("Weights", 16), ("Outputs", 1000)):
        mine = sorted((t.address, t.bits) for t in found.transfers if t.operand == operand)
        assert all(a + bits == b for (a, bits), (b, _) in pairwise(mine))
        assert sum(bits for _, bits in mine) == 8 * words


def test_a_network_on_dram_by_commands() -> None:
    """A run with its laws, energies by command in the report, and proof of values and words."""
    report, simple = accelsim.run("edge_os_32x32_lpddr4", "mlp"), accelsim.run("edge_os_32x32", "mlp")
    parts = report.totals.energy_fj
    assert all(parts[name] > 0 for name in ("DRAM", "DRAM activation", "DRAM background"))
    layers = report.as_dict()["layers"]
    assert all("dram" in layer for layer in layers if layer["unit"] != "view")
    assert not any("dram" in layer for layer in simple.as_dict()["layers"])
    one = layers[0]["dram"]
    assert one["row_hits"] + one["row_misses"] + one["row_conflicts"] == one["read_bursts"] + one["write_bursts"]
    assert one["activations"] == one["row_misses"] + one["row_conflicts"] and "share_of_peak" not in one
    apart = accelsim.run("edge_os_32x32_lpddr4", "mlp", schedule="layerwise").as_dict()
    assert 0 < apart["layers"][0]["dram"]["share_of_peak"] <= 1 and report.as_dict()["schedule"]["overlap"]
    assert "| DRAM rows |" in summary_md(report) and "| DRAM rows |" not in summary_md(simple)
    assert "DRAM by commands: 4 channel(s) of LPDDR4-3200, open page" in summary_md(report)
    assert report.as_dict()["options"]["dram"]["mapping"] == "row:bank:column:bankgroup:channel"
    assert f",{one['row_hits']}," in layers_csv(report) and "dram_row_hits" not in layers_csv(simple)
    assert accelsim.verify("edge_os_32x32_lpddr4", "mlp").exact


@pytest.mark.slow
def test_a_small_mobilenet_verifies() -> None:
    assert accelsim.verify("edge_os_32x32_lpddr4", "mobilenet_v2:size=32,width=0.25").exact


def test_laws_of_commands_are_checked() -> None:
    arch = replace(machine("ws"), dram=Dram("DDR3", 1, 0, 1, 1, timing=DramTiming(DDR3)))
    good = DramUse(13_000, 10, 2, 8, 3, 1, 2, 900, 48, 12 * 500, 12 * 512)
    check_dram("conv", good, arch)
    for change, law in (
        ({"hits": 9}, "every burst is a hit, a miss or a conflict"),
        ({"bits": 12 * 512 + 1}, "bursts carry what was asked for"),
        ({"refreshes": 1}, "a refresh every tREFI"),
        ({"data_clocks": 13_001}, "data and open rows fit the time"),
        ({"active_clocks": 13_001}, "data and open rows fit the time"),
        ({"clocks": 50, "refreshes": 0, "reads": 11, "misses": 12, "hits": 0, "active_clocks": 9}, "four activates"),
    ):
        with pytest.raises(CheckFailed, match=f"conv: law broken: .*{law}"):
            check_dram("conv", replace(good, **change), arch)
