"""Node scaling, components, DRAM, area, presets, ranges, and the ratio of two designs."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelsim.arch import Accelerator, EnergySource
from accelsim.energy import area, components, energy_fj, presets, scaling, sram
from accelsim.energy.components import Figure
from accelsim.energy.dram import TYPES, dram, type_of
from accelsim.energy.figures import Range, energies, ranges, source_of, sources, span_aj, with_figures
from accelsim.energy.ratio import ratio
from accelsim.errors import InputError
from accelsim.lookup import load_arch

NAMES = ("eyeriss", "tpu_v1", "edge_os_32x32")


def machine(name: str = "eyeriss") -> Accelerator:
    return load_arch(name)[0]


# --- node scaling ---


@given(st.sampled_from(scaling.NODES), st.sampled_from(["energy", "delay", "power", "area"]))
def test_scaling_to_itself_is_one(node: str, kind: str) -> None:
    assert scaling.factor(kind, node, node) == 1


@given(*[st.sampled_from(scaling.NODES)] * 3, st.sampled_from(["energy", "delay", "power"]))
def test_scaling_in_two_steps_is_scaling_in_one(a: str, b: str, c: str, kind: str) -> None:
    two = scaling.factor(kind, a, b) * scaling.factor(kind, b, c)
    assert two == pytest.approx(scaling.factor(kind, a, c))


@given(st.sampled_from(scaling.NODES), st.sampled_from(scaling.NODES))
def test_area_goes_forth_and_back_within_the_printed_digits(a: str, b: str) -> None:
    assert scaling.factor("area", a, b) * scaling.factor("area", b, a) == pytest.approx(1, abs=0.06)


def test_finer_nodes_cost_less_energy_and_time() -> None:
    """The printed polynomials make 20 nm slower than 32 nm at 0.9 V, by 13 %; all else falls."""
    for kind in ("energy", "delay", "area"):
        nodes = [node for node in scaling.NODES if kind != "delay" or node != "20"]
        values = [scaling.factor(kind, "180", node) for node in nodes]
        assert values == sorted(values, reverse=True), kind
        assert values[-1] > 0
    assert scaling.factor("delay", "32", "20") == pytest.approx(1.13, abs=0.01)


def test_less_voltage_costs_less_energy_and_more_time() -> None:
    assert scaling.factor("energy", "45", "45", target_v=0.9) < 1 < scaling.factor("delay", "45", "45", target_v=0.9)
    assert scaling.factor("energy", "45", "32", process="LP") != scaling.factor("energy", "45", "32")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scaling.factor("energy", "45", "28"), "node '28'; valid names"),
        (lambda: scaling.factor("enrgy", "45", "32"), "did you mean 'energy'"),
        (lambda: scaling.factor("energy", "45", "32", target_v=0.4), "0.4 V at 32 nm, expected 0.63 to 1.08 V"),
        (lambda: scaling.factor("area", "45", "32", target_v=1.0), "area does not depend on the supply voltage"),
        (lambda: scaling.node_name(28), "no scaling data for 28 nm, and none is interpolated; nearest 32 nm"),
        (lambda: components.logic_node(50), "no scaling data for 50 nm"),
    ],
)
def test_scaling_refuses_what_it_has_no_data_for(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(InputError, match=message):
        call()


# --- components ---


def test_macs_at_45_nm_are_the_printed_table() -> None:
    assert components.multiply_pj(8, 8) == pytest.approx(0.2)
    assert components.multiply_pj(32, 32) == pytest.approx(3.1)
    assert [components.add_pj(bits) for bits in (8, 16, 32)] == pytest.approx([0.03, 0.05, 0.1])
    assert components.add_pj(64) == pytest.approx(0.2)
    assert components.mac(8, 8, 32, 45).value == pytest.approx(300)
    assert components.float_mac(32, 45).value == pytest.approx(4600)


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 64), st.sampled_from([7, 16, 22, 28, 45, 65, 130]))
def test_wider_macs_cost_more(a: int, b: int, psum: int, node: int) -> None:
    figure = components.mac(a, b, psum, node)
    assert 0 < figure.low < figure.value < figure.high
    assert figure.value < components.mac(a + 1, b, psum, node).value
    assert figure.value < components.mac(a, b, psum + 1, node).value


@settings(max_examples=60)
@given(st.integers(1, 600), st.sampled_from([4, 8, 16, 32]), st.sampled_from([7, 22, 28, 45, 65]))
def test_register_files_grow_from_a_register_to_an_sram(words: int, bits: int, node: int) -> None:
    register = components.register_file(1, bits, node)[0].value
    here, more = (components.register_file(n, bits, node)[0].value for n in (words, words + 1))
    assert register <= here <= more * (1 + 1e-9)
    full = components.register_file(8192 // bits, bits, node)[0].value
    assert full == pytest.approx(1000 * sram.predict("read", 8192, bits, node) / bits)


def test_the_spans_are_the_public_figures_they_name() -> None:
    assert components.MAC_SPAN[1] == pytest.approx((12.68 + 0.21) / (3.1 + 0.1), abs=0.01)
    glb = sram.predict("read", 108 * 8192, 16, 65)
    assert components.SRAM_SPAN[0] == pytest.approx(15 / glb, abs=0.01)
    assert components.SRAM_SPAN[1] == pytest.approx(10 / sram.predict("read", 8 * 8192, 64, 45), abs=0.015)
    read, _ = components.register_file(192, 16, 32)
    _, write = components.register_file(224, 16, 65)
    assert components.RF_SPAN[1] == pytest.approx(1.976602 / (read.value * 16 / 1000), abs=0.01)
    assert components.RF_SPAN[0] == pytest.approx(1 / (write.value * 16 / 1000), abs=0.01)
    storage = 12.25 * 2 / 3
    parts = area.area(machine(), 65)
    assert area.SRAM_SPAN[1] == pytest.approx(storage * 2 / 7 / parts["GLB"].value, abs=0.05)
    assert area.SPAD_SPAN[1] == pytest.approx(storage * 5 / 7 / parts["spads"].value, abs=0.1)
    assert area.SRAM_SPAN[0] == pytest.approx(0.217363 / sram.predict("area", 128 * 8192, 64, 32), abs=0.01)


def test_the_leakage_of_an_array_grows_with_its_pes_and_widths() -> None:
    one = components.array_leakage(1, 8, 8, 192 * 16, 32)
    assert one.value == pytest.approx((2.374 + 1.592) / 1000)
    assert components.array_leakage(10, 8, 8, 192 * 16, 32).value == pytest.approx(10 * one.value)
    assert components.array_leakage(1, 16, 8, 0, 32).value == pytest.approx(2 * 2.374 / 1000)
    assert components.array_leakage(1, 8, 8, 0, 65).value > components.array_leakage(1, 8, 8, 0, 22).value


def test_the_range_of_leakage_is_that_of_its_sum() -> None:
    arch = presets.apply(machine(), "28nm")
    origin, value = {s.key: s for s in sources(arch)}, energies(arch)
    parts = ("GLB.leakage", "array.leakage")
    total = sum(value[key] for key in parts)
    high = sum(value[key] * origin[key].high_permille for key in parts)
    assert ranges(arch)["leakage"].high_permille == -(-high // total)
    assert 10_000 < ranges(arch)["leakage"].high_permille < 170_000


def test_a_bus_costs_half_its_length() -> None:
    assert components.bus(0.2, 14, 65).value == pytest.approx(7 * components.hop(0.2, 65).value)


def test_a_figure_holds_its_value() -> None:
    with pytest.raises(InputError, match="5 pJ is outside its own range 6 to 7"):
        Figure(5, 6, 7, "pJ", "x")


@pytest.mark.parametrize(
    ("kind", "name"), [("DDR4-3200", "DDR4"), ("lpddr4 x64", "LPDDR4"), ("LPDDR", "LPDDR"), ("?", None)]
)
def test_dram_kinds_are_recognised(kind: str, name: str | None) -> None:
    assert type_of(kind) == name


def test_every_dram_type_has_a_range_and_unknown_ones_are_refused() -> None:
    for kind in TYPES:
        found = dram(kind)
        assert found.read.low < found.read.value <= found.read.high
        assert found.activation.value >= 0
    with pytest.raises(InputError, match="no public energy for DRAM of kind 'DDDR3'; did you mean 'DDR3'"):
        dram("DDDR3")


# --- area ---


def test_spad_area_is_the_table_at_its_sizes() -> None:
    for size, per_byte in area.SPAD_UM2_PER_BYTE:
        assert area.spad_um2(size) == pytest.approx(size * per_byte)
    assert area.spad_um2(10**6) == pytest.approx(12.7 * 10**6)
    assert area.spad_um2(1) == pytest.approx(103.47)


@pytest.mark.parametrize("name", NAMES)
def test_area_adds_up_and_shrinks(name: str) -> None:
    arch = machine(name)
    parts = area.area(arch, 65)
    total = parts.pop("total")
    for field in ("value", "low", "high"):
        assert getattr(total, field) == pytest.approx(sum(getattr(p, field) for p in parts.values()))
    assert area.area(arch, 28)["total"].value < total.value
    assert set(parts) == {"array", "spads", *(m.name for m in arch.memories)}


def test_area_needs_a_node() -> None:
    with pytest.raises(InputError, match="area needs a technology node; state `node: 65 nm`"):
        area.area(replace(machine(), node_nm=None))


# --- presets and ranges ---


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("preset", presets.PRESETS)
def test_a_preset_replaces_every_energy_and_brings_its_range(name: str, preset: str) -> None:
    before = machine(name)
    after = presets.apply(before, preset)
    assert [s.key for s in sources(after)] == list(energies(after))
    for source in sources(after):
        assert "machine file" not in source.source
        assert source.low_permille <= 1000 <= source.high_permille
        assert energies(after)[source.key] >= 0
    dynamic = [v for k, v in energies(after).items() if not k.endswith(("leakage", "background", "clock"))]
    assert min(dynamic) >= 1
    assert after.energy_model == preset
    assert with_figures(before, {}) == before


@pytest.mark.parametrize("name", NAMES)
def test_the_normalised_hierarchy_is_1_1_2_6_200(name: str) -> None:
    arch = presets.apply(machine(name), "eyeriss_normalised")
    word, mac = arch.precision.input_bits, arch.array.mac_fj
    assert {s.read_fj_per_bit * word for s in arch.array.spads} == {mac}
    assert arch.array.hop_fj_per_bit * word == 2 * mac
    assert {m.read_fj_per_bit * word for m in arch.memories} == {6 * mac}
    assert arch.dram.write_fj_per_bit * word == 200 * mac
    assert arch.memories[0].leakage_fj_per_cycle == 0


def test_the_65_nm_preset_finds_eyeriss_hierarchy() -> None:
    """Built from CACTI, Horowitz, Aladdin and wires, not from Eyeriss' own table."""
    arch = presets.apply(machine(), "65nm")
    word, mac = 16, arch.array.mac_fj
    assert 3 < arch.memory("GLB").read_fj_per_bit * word / mac < 12
    assert 0.3 < arch.array.spad("Weights").read_fj_per_bit * word / mac < 2
    assert 1 < arch.array.hop_fj_per_bit * word / mac < 4
    assert 100 < arch.dram.read_fj_per_bit * word / mac < 400


def test_finer_presets_cost_less_on_chip() -> None:
    arch = machine()
    table = [energies(presets.apply(arch, name)) for name in presets.NODES]
    for key in ("GLB.read", "MAC", "array.hop", "spad.Weights.read", "GLB.leakage"):
        values = [row[key] for row in table]
        assert values == sorted(values, reverse=True), key
    assert len({row["DRAM.read"] for row in table}) == 1


def test_more_ports_cost_more() -> None:
    arch = machine()
    double = replace(arch, memories=tuple(replace(m, ports=2) for m in arch.memories))
    one, two = (presets.apply(a, "45nm").memory("GLB") for a in (arch, double))
    assert two.read_fj_per_bit > 1.2 * one.read_fj_per_bit
    assert area.area(double)["GLB"].value > 2 * area.area(arch)["GLB"].value


def test_unknown_presets_and_energies_are_refused() -> None:
    with pytest.raises(InputError, match="no energy preset '65 nm'; did you mean '65nm'"):
        presets.figures(machine(), "65 nm")
    with pytest.raises(InputError, match=r"eyeriss has no energy 'L2\.read'; it has DRAM\.read"):
        with_figures(machine(), {"L2.read": Figure(1, 1, 1, "fJ/bit", "x")})
    with pytest.raises(InputError, match="no public energy for DRAM of kind 'rope'"):
        arch = machine()
        presets.apply(replace(arch, dram=replace(arch.dram, kind="rope")), "28nm")


def test_figures_keep_their_range_when_they_are_rounded() -> None:
    source = source_of("array.hop", Figure(0.4, 0.2, 0.8, "fJ/bit", "x"))
    assert (source.low_permille, source.high_permille) == (200, 1000)
    with pytest.raises(InputError, match="does not hold the value"):
        EnergySource("MAC", 1100, 1200, "x")


def test_ranges_of_stated_energies_come_from_their_kind() -> None:
    found = ranges(machine("tpu_v1"))
    assert found["DRAM"].shared == "DRAM DDR3"
    assert (found["DRAM"].low_permille, found["DRAM"].high_permille) == (112, 1000)
    assert found["UB"].shared == found["ACC"].shared == "SRAM"
    assert found["MAC"].shared == found["vector"].shared == "logic"
    assert "assumed" in found["leakage"].source


@given(st.lists(st.integers(0, 10**12), min_size=3, max_size=3))
def test_low_and_high_are_exact_sums(values: list[int]) -> None:
    energy = dict(zip(("0", "1", "2"), values, strict=True))
    box = bounds([278, 450, 501], [2435, 1781, 4031])
    low, high = span_aj(energy, box)
    parts = [span_aj({name: value}, box) for name, value in energy.items()]
    assert (low, high) == (sum(p[0] for p in parts), sum(p[1] for p in parts))
    assert low <= 1000 * sum(values) <= high


def test_every_component_of_the_breakdown_has_a_range() -> None:
    for name in NAMES:
        arch = machine(name)
        assert set(energy_fj({}, arch, 1, 1)) <= set(ranges(arch))
        assert {"leakage", "DRAM background"} <= set(ranges(arch))


# --- ratios ---


def bounds(lows: list[int], highs: list[int]) -> dict[str, Range]:
    return {str(i): Range(str(i), str(i), lo, hi, "") for i, (lo, hi) in enumerate(zip(lows, highs, strict=True))}


PARTS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 1000), st.integers(1000, 5000)),
    min_size=1,
    max_size=7,
)


@settings(max_examples=150)
@given(PARTS)
def test_the_ratio_takes_its_extremes_at_corners(parts: list[tuple[int, int, int, int]]) -> None:
    """Against all 2^n corners of the box, exactly."""
    a = {str(i): p[0] for i, p in enumerate(parts)}
    b = {str(i): p[1] for i, p in enumerate(parts)}
    assume(sum(a.values()) and sum(b.values()))
    box = bounds([p[2] for p in parts], [p[3] for p in parts])
    corners = [
        Fraction(
            sum(p[0] * x for p, x in zip(parts, xs, strict=True)), sum(p[1] * x for p, x in zip(parts, xs, strict=True))
        )
        for xs in product(*[(p[2], p[3]) for p in parts])
    ]
    found = ratio(a, box, b, box)
    assert (found.low, found.high) == (min(corners), max(corners))
    assert found.naive_low <= found.low <= found.value <= found.high <= found.naive_high


def test_shared_uncertainty_cancels() -> None:
    box = bounds([500, 200], [2000, 4000])
    found = ratio({"0": 10, "1": 20}, box, {"0": 30, "1": 60}, box)
    assert found.low == found.value == found.high == Fraction(1, 3)
    assert found.naive_low < found.low


def test_components_of_one_kind_move_together() -> None:
    table = {n: Range(n, "SRAM", 500, 2000, "") for n in ("GLB", "UB")}
    found = ratio({"GLB": 7}, table, {"UB": 7}, table)
    assert found.low == found.high == 1


def test_a_ratio_needs_energy_and_ranges() -> None:
    box = bounds([500], [2000])
    with pytest.raises(InputError, match="two designs that use energy"):
        ratio({"0": 1}, box, {"0": 0}, box)
    with pytest.raises(InputError, match="no range for 'x'"):
        ratio({"x": 1}, box, {"0": 1}, box)
    with pytest.raises(InputError, match="reaches down to zero"):
        ratio({"0": 1}, bounds([0], [2000]), {"0": 1}, bounds([0], [2000]))
