"""Rows of DOSA's format: mappings in any order, and one message per thing that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim.errors import InputError
from accelsim.formats.gemmini import Loop, parse_mapping, read_file, read_rows, tiled_layer
from accelsim.store import reference_text
from accelsim.timing.gemmini.tiles import Extents

COLUMNS = (
    "target.cycle,mapping.mapping,arch.pe,arch.meshX,arch.mem1_entries,arch.mem2_entries,prob.C,prob.Hdilation,"
    "prob.Hstride,prob.K,prob.N,prob.P,prob.Q,prob.R,prob.S,prob.Wdilation,prob.Wstride,target.gemmini_cycle"
)
MAPPING = "L3[WIO] P2 K2 - L2[WI] N1 K16X - L1[O] C2 Q4 C16X - L0[W] P2"
VALUES = {
    "target.cycle": "9",
    "mapping.mapping": MAPPING,
    "arch.pe": "256",
    "arch.meshX": "16",
    "arch.mem1_entries": "10",
    "arch.mem2_entries": "20",
    "prob.C": "32",
    "prob.Hdilation": "1",
    "prob.Hstride": "1",
    "prob.K": "32",
    "prob.N": "1",
    "prob.P": "4",
    "prob.Q": "4",
    "prob.R": "1",
    "prob.S": "1",
    "prob.Wdilation": "1",
    "prob.Wstride": "1",
    "target.gemmini_cycle": "1234.0",
}


def text(**changed: str) -> str:
    values = VALUES | {key.replace("__", "."): value for key, value in changed.items()}
    return COLUMNS + "\n" + ",".join(values[name] for name in COLUMNS.split(",")) + "\n"


def test_a_row_becomes_a_tiled_layer() -> None:
    (row,) = read_rows(text(), "x.csv")
    assert row.line == 2
    assert row.layer.sizes == Extents(C=32, K=32, P=4, Q=4)
    assert row.layer.tile == Extents(C=32, K=16, P=2, Q=4)
    assert row.layer.order == ("P", "K")
    assert (row.measured, row.estimate, row.buffers) == (1234.0, 9.0, (10, 20))


def test_levels_come_in_any_order_and_factors_of_one_are_no_loops() -> None:
    forward = parse_mapping("L3[WIO] N1 K2 - L2[WI] K16X - L1[O] C16X P4 - L0[W] P2")
    backward = parse_mapping("L0[W] P2 - L2 K16X - L3[OIW] N1 K2 - L1[O] C16X P4")
    assert forward == backward
    assert forward["L3"] == (Loop("K", 2, False),)
    assert forward["L1"] == (Loop("C", 16, True), Loop("P", 4, False))
    assert parse_mapping("L3[WIO] - L2[WI] N1 - L1[O] N1 - L0[W] N1")["L3"] == ()


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("L4[WIO] K2 - L2[WI] K16X - L1[O] C2 - L0[W] P2", "level 'L4'; valid names: L0, L1, L2, L3"),
        ("L3[WIO] K2 - L3[WI] K16X - L1[O] C2 - L0[W] P2", "level L3 twice"),
        ("L3[WIO] K2 - L1[O] C2 - L0[W] P2", "no level L2: expected L0, L1, L2, L3"),
        ("L3[WXO] K2 - L2[WI] N1 - L1[O] N1 - L0[W] N1", "level L3 holds 'WXO': expected letters of WIO"),
        ("K2 - L2[WI] N1 - L1[O] N1 - L0[W] N1", "'K2': expected a level such as"),
        ("L3[WIO] K2 -  - L1[O] N1 - L0[W] N1", "'': expected a level such as"),
        ("L3[WIO] M2 - L2[WI] N1 - L1[O] N1 - L0[W] N1", "loop 'M2' of L3: expected one of NCKPQRS"),
        ("L3[WIO] K0 - L2[WI] N1 - L1[O] N1 - L0[W] N1", "loop 'K0' of L3: .* a factor from 1"),
        ("L3[WIO] K2.5 - L2[WI] N1 - L1[O] N1 - L0[W] N1", "loop 'K2.5' of L3"),
        ("L3[WIO] K2Z - L2[WI] N1 - L1[O] N1 - L0[W] N1", "loop 'K2Z' of L3"),
        ("L3[WIO] K2 K3 - L2[WI] N1 - L1[O] N1 - L0[W] N1", "loop 'K3' of L3: K is there twice"),
    ],
)
def test_bad_mappings(mapping: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_mapping(mapping)


def test_a_mapping_covers_the_layer() -> None:
    sizes = Extents(C=32, K=32, P=4, Q=4)
    with pytest.raises(InputError, match="the factors of K give 16, expected at least its size 32"):
        tiled_layer(sizes, 1, "L3[WIO] P2 - L2[WI] K16X - L1[O] C2 Q4 C16X - L0[W] P2")
    with pytest.raises(InputError, match="loop K2X of L3: expected no spatial loop there"):
        tiled_layer(sizes, 1, "L3[WIO] P2 K2X - L2[WI] K16X - L1[O] C2 Q4 C16X - L0[W] P2")
    padded = tiled_layer(sizes, 1, "L3[WIO] P3 K2 - L2[WI] K16X - L1[O] C2 Q4 C16Y - L0[W] P2")
    assert padded.count == 4


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"prob__C": "abc"}, r"x.csv line 2, column prob.C: 'abc', expected a whole number from 1"),
        ({"prob__K": "0"}, r"line 2, column prob.K: '0', expected a whole number from 1"),
        ({"prob__P": "4.5"}, r"line 2, column prob.P: '4.5'"),
        ({"prob__Hstride": "2"}, r"line 2, column prob.Hstride: 2, expected the prob.Wstride 1"),
        ({"prob__Wdilation": "2"}, r"line 2, column prob.Wdilation: '2', expected 1"),
        ({"arch__pe": "1024"}, r"line 2, column arch.pe: '1024', expected 256"),
        ({"arch__mem1_entries": "many"}, r"line 2, column arch.mem1_entries: 'many'"),
        ({"target__gemmini_cycle": "-3"}, r"line 2, column target.gemmini_cycle: '-3'"),
        ({"mapping__mapping": "L3[WIO] K2"}, r"line 2, column mapping.mapping, 'L3\[WIO\] K2': no level L0, L1, L2"),
        ({"prob__Q": "1", "prob__N": "2"}, r"column mapping.mapping.*factors of N give 1"),
    ],
)
def test_bad_values_name_line_column_and_value(changed: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_rows(text(**changed), "x.csv")


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column 'prob.C'; did you mean"):
        read_rows(text().replace("prob.C", "prob.c"), "x.csv")
    with pytest.raises(InputError, match=r"x.csv: no column 'mapping.mapping'; valid names: "):
        read_rows("", "x.csv")
    with pytest.raises(InputError, match=r"x.csv: no rows, expected at least one"):
        read_rows(COLUMNS + "\n", "x.csv")
    with pytest.raises(InputError, match=r"x.csv line 2: expected 18 values"):
        read_rows(COLUMNS + "\n1,2\n", "x.csv")
    with pytest.raises(InputError, match=r"x.csv line 2: expected 18 values"):
        read_rows(text().rstrip() + ",7\n", "x.csv")
    with pytest.raises(InputError, match=r"cannot read .*nothing.csv: No such file"):
        read_file(str(tmp_path / "nothing.csv"))
    (tmp_path / "raw.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"cannot read .*raw.csv"):
        read_file(str(tmp_path / "raw.csv"))
    (tmp_path / "fine.csv").write_text("\ufeff" + text(), encoding="utf-8")
    assert len(read_file(str(tmp_path / "fine.csv"))) == 1


def test_the_published_rows_are_all_read_and_keep_their_licence() -> None:
    rows = read_rows(reference_text("gemmini/firesim_rtl_cycles.csv"), "rows")
    assert len(rows) == 74
    assert all(row.measured and row.estimate and len(row.buffers) == 2 for row in rows)
    assert "BSD 2-Clause License" in reference_text("gemmini/LICENSE")
