"""The SRAM fit: its errors, its committed tables, and that it stays sane where no point lies."""

from __future__ import annotations

import re
from math import isfinite

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.energy import scaling, sram
from accelsim.energy.sram import isotonic, predict
from accelsim.energy.sram_fit import Point, as_source, errors, fit, leave_one_out, points_of, summary
from accelsim.energy.sram_tables import TABLES
from accelsim.errors import InputError
from accelsim.store import reference_text

KIB = 8192


def points() -> tuple[Point, ...]:
    return points_of(reference_text("cacti_sram.csv"), "cacti_sram.csv")


def held() -> tuple[Point, ...]:
    return points_of(reference_text("cacti_held_out.csv"), "cacti_held_out.csv")


def test_points_left_out_are_predicted_within_the_bounds() -> None:
    assert len(points()) == 76
    found = leave_one_out(points())
    for quantity, values in found.items():
        median, p95 = summary(values)
        assert len(values) == 76
        assert median <= 0.10, quantity
        assert p95 <= 0.25, quantity


def test_unseen_points_between_the_fitted_ones_keep_the_same_bounds() -> None:
    seen = {(p.node_nm, p.word_bytes, p.size_bytes) for p in points()}
    inside = tuple(p for p in held() if 22 <= p.node_nm <= 65 and p.word_bytes <= 8 and p.size_bytes <= 2**20)
    assert len(inside) == 70
    assert not seen & {(p.node_nm, p.word_bytes, p.size_bytes) for p in held()}
    for quantity, values in errors(points(), inside).items():
        median, p95 = summary(values)
        assert (median <= 0.10, p95 <= 0.25) == (True, True), quantity


def test_the_committed_tables_are_the_fit_of_the_committed_points() -> None:
    fresh = fit(points())
    assert set(fresh) == set(TABLES)
    for quantity, rows in TABLES.items():
        assert set(rows) == set(fresh[quantity])
        for key, row in rows.items():
            assert row == pytest.approx(fresh[quantity][key], rel=2e-3)


def test_the_printed_module_is_the_committed_one() -> None:
    namespace: dict[str, object] = {}
    exec(as_source(TABLES), namespace)
    assert namespace["TABLES"] == TABLES


def test_one_changed_point_changes_the_fit() -> None:
    """The tables depend on the points: a point read ten times too high is seen."""
    first, *rest = points()
    wrong = Point(first.node_nm, first.word_bytes, first.size_bytes, first.read * 10, *(
        first.figure(q) for q in sram.QUANTITIES[1:]
    ))  # fmt: skip
    changed = fit((wrong, *rest))
    assert changed["read"][65, 2][0] > 1.5 * TABLES["read"][65, 2][0]
    assert changed["write"][65, 2][0] == pytest.approx(TABLES["write"][65, 2][0], rel=2e-3)


SIZES = st.floats(min_value=6, max_value=28)
NODES = st.sampled_from([7, 16, 22, 28, 32, 40, 45, 65, 90])
WORDS = st.sampled_from([1, 8, 12, 16, 24, 32, 64, 128, 256, 512, 1024, 8192])


@settings(max_examples=150)
@given(st.sampled_from(sram.QUANTITIES), SIZES, st.floats(min_value=0, max_value=8), WORDS, NODES, st.integers(1, 4))
def test_more_capacity_never_costs_less(
    quantity: str, octave: float, more: float, word: int, node: int, ports: int
) -> None:
    small = predict(quantity, 8 * 2**octave, word, node, ports=ports)
    large = predict(quantity, 8 * 2 ** (octave + more), word, node, ports=ports)
    assert 0 < small <= large * (1 + 1e-12)
    assert isfinite(large)


@settings(max_examples=100)
@given(st.sampled_from(["read", "write", "leakage", "area"]), SIZES, NODES, st.data())
def test_wider_words_of_one_bank_never_cost_less_an_access(
    quantity: str, octave: float, node: int, data: st.DataObject
) -> None:
    narrow = data.draw(st.integers(1, 512))
    wide = data.draw(st.integers(narrow, 512))
    first, second = (predict(quantity, 8 * 2**octave, bits, node) for bits in (narrow, wide))
    assert first <= second * (1 + 1e-9)


@settings(max_examples=60)
@given(st.sampled_from(["read", "write", "area"]), SIZES, WORDS, st.floats(22, 65), st.floats(22, 65))
def test_a_finer_node_never_costs_more(quantity: str, octave: float, word: int, a: float, b: float) -> None:
    fine, coarse = (predict(quantity, 8 * 2**octave, word, node) for node in sorted((a, b)))
    assert fine <= coarse * (1 + 1e-9)


def test_the_fitted_points_are_near() -> None:
    assert predict("read", 8 * KIB, 64, 45) == pytest.approx(6.048, rel=0.1)
    assert predict("write", 1024 * KIB, 64, 22) == pytest.approx(18.29, rel=0.1)


def test_between_sizes_values_lie_between() -> None:
    low, middle, high = (predict("read", kib * KIB, 64, 32) for kib in (32, 48, 64))
    assert low < middle < high


def test_a_wide_port_is_banks_side_by_side() -> None:
    whole = predict("read", 1024 * KIB, 2048, 28)
    assert whole == pytest.approx(4 * predict("read", 256 * KIB, 512, 28))
    assert predict("access", 1024 * KIB, 2048, 28) == predict("access", 256 * KIB, 512, 28)


def test_below_16_bit_an_access_costs_as_16_bit() -> None:
    assert predict("read", 8 * KIB, 8, 45) == predict("read", 8 * KIB, 16, 45)


def test_beyond_the_nodes_scaling_takes_over() -> None:
    inside = predict("read", 64 * KIB, 64, 22)
    assert predict("read", 64 * KIB, 64, 7) == pytest.approx(inside * scaling.factor("energy", "20", "7"))
    assert predict("area", 64 * KIB, 64, 90) == pytest.approx(predict("area", 64 * KIB, 64, 65) * 1.9)
    assert predict("access", 64 * KIB, 64, 16) < predict("access", 64 * KIB, 64, 22)


def test_each_port_adds() -> None:
    one, two, three = (predict("area", 64 * KIB, 64, 45, ports=n) for n in (1, 2, 3))
    assert one < two < three
    assert two / one == pytest.approx(1.43**2)


def test_port_slopes_are_the_medians_of_the_measured_growth() -> None:
    import csv
    import io
    from statistics import median

    rows = list(csv.DictReader(io.StringIO(reference_text("cacti_ports.csv"))))
    place = ("tech_nm", "word_bytes", "size_bytes")
    count = [sum(int(r[n]) for n in ("rw_ports", "read_ports", "write_ports")) for r in rows]
    single = {tuple(r[c] for c in place): r for r, n in zip(rows, count, strict=True) if n == 1}
    columns = {"read": "read_nJ", "write": "write_nJ", "leakage": "leak_mW", "access": "access_ns", "area": "area_mm2"}
    for quantity, column in columns.items():
        power = 0.5 if quantity == "area" else 1.0
        slopes = [
            ((float(r[column]) / float(single[tuple(r[c] for c in place)][column])) ** power - 1) / (n - 1)
            for r, n in zip(rows, count, strict=True)
            if n > 1
        ]
        assert sram.PORT_SLOPE[quantity] == pytest.approx(median(slopes), abs=0.006), quantity


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=12))
def test_isotonic_is_monotone_keeps_the_mean_and_what_is_sorted(values: list[int]) -> None:
    found = isotonic(values)
    assert list(found) == sorted(found)
    assert sum(found) == pytest.approx(sum(values), abs=1e-9)
    assert isotonic(sorted(values)) == pytest.approx(sorted(values))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (("reed", KIB, 64, 45), "SRAM figure 'reed'; did you mean 'read'"),
        (("read", 0, 64, 45), "expected positive figures"),
        (("read", KIB, 64, 12), "no scaling data for 12 nm, and none is interpolated; nearest 10 nm|nearest 14 nm"),
        (("read", KIB, 64, 100), "nearest 90 nm"),
    ],
)
def test_wrong_requests_are_refused(call: tuple[str, int, int, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        predict(*call)


HEAD = "tech_nm,word_bytes,size_bytes,read_nJ,write_nJ,leak_mW,access_ns,area_mm2\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "p.csv:1: no column 'tech_nm'"),
        (HEAD + "45,8,1024,-1,1,1,1,1\n", re.escape("p.csv:2: read_nJ: '-1', expected a positive number")),
        (HEAD + "45,8,1024,x,1,1,1,1\n", "p.csv:2: read_nJ: 'x', expected a positive number"),
        (HEAD + "45,8,1024,1,1,1,1\n", "p.csv:2: area_mm2: None, expected a positive number"),
        (HEAD + "45,8,1024,1,1,1,1,1\n", "1 points, expected at least 12"),
    ],
)
def test_wrong_points_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        points_of(text, "p.csv")
