"""Gemmini's RTL in FireSim (Hong et al., MICRO 2023): the bands the cycles keep, and rows from other files."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim.errors import InputError
from accelsim.store import reference_text
from accelsim.timing.gemmini.tiles import Extents, TiledLayer
from accelsim.validate import suite
from accelsim.validate.gemmini import FITTED, OURS, compare, compare_rows, kind_of, rank_correlation
from accelsim.validate.types import Section, mean_absolute_error, share_within


@pytest.fixture(scope="module")
def section() -> Section:
    return compare()


def values(section: Section) -> dict[str, float]:
    return {statistic.name: statistic.value for statistic in section.statistics}


def test_the_published_rows_are_in_the_bands(section: Section) -> None:
    assert section.failures == ()
    found = values(section)
    assert len(section.comparisons) == 74
    assert found["MAPE"] <= 0.10
    assert found["Spearman"] >= 0.993
    assert found["share within 20%"] >= 0.85
    assert found["rows below the hard bound"] == 0
    assert found["RTL rows below the hard bound"] == 0
    assert 0.97 <= found["median of ours / RTL"] <= 1.03


def test_the_analytical_model_is_as_published(section: Section) -> None:
    reached = {statistic.name: statistic.reached for statistic in section.statistics}
    assert reached["MAPE"].endswith("0.316")
    assert reached["Spearman"].endswith(("0.971", "0.972"))


def test_left_out_networks_and_parts_are_reported(section: Section) -> None:
    notes = [note for note in section.notes if note.startswith("leave one network out")]
    assert len(notes) == 3
    assert all(float(note.rsplit(" ", 1)[1]) <= 0.105 for note in notes)
    assert len(FITTED) <= 2
    (parts,) = [note for note in section.notes if note.startswith("mean error by part")]
    errors = [float(text.rsplit(" ", 1)[1]) for text in parts.split(": ", 1)[1].split("; ")]
    assert errors[-1] == min(errors)


def test_rows_far_off_say_why(section: Section) -> None:
    assert all(row.note for row in section.comparisons if abs(row.error) > 0.2)
    assert not any(row.note for row in section.comparisons if abs(row.error) <= 0.2)


@pytest.mark.parametrize("half", [0, 1])
def test_each_half_of_the_rows_is_in_the_bands(section: Section, half: int) -> None:
    rows = section.comparisons[half::2]
    assert mean_absolute_error(rows) <= 0.12
    assert share_within(rows, 0.2) >= 0.75
    assert rank_correlation([row.ours for row in rows], [row.reference for row in rows]) >= 0.985


def test_rows_of_a_file_give_the_same_as_ours(section: Section, tmp_path: Path) -> None:
    header, *lines = reference_text(OURS).splitlines()
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([header, *lines[5:9]]) + "\n", encoding="utf-8")
    rows = suite.compare("gemmini", str(path)).comparisons
    assert [row.ours for row in rows] == [row.ours for row in section.comparisons[5:9]]


def test_rows_without_measured_cycles_are_refused(tmp_path: Path) -> None:
    header, line, *_ = reference_text(OURS).splitlines()
    path = tmp_path / "rows.csv"
    path.write_text(header + "\n" + line.rsplit(",", 1)[0] + ",\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"rows.csv line 2, column target.gemmini_cycle: no value, expected the meas"):
        compare_rows(str(path))
    columns, fields = header.split(",")[:-1], line.split(",")[:-1]
    path.write_text(",".join(columns) + "\n" + ",".join(fields) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"column target.gemmini_cycle: no value"):
        compare_rows(str(path))


def test_a_single_row_of_an_unknown_machine_has_no_ranks(tmp_path: Path) -> None:
    header, line, *_ = reference_text(OURS).splitlines()
    path = tmp_path / "rows.csv"
    path.write_text(header + "\n" + line.replace("110592", "110593") + "\n", encoding="utf-8")
    found = compare_rows(str(path))
    assert "Spearman" not in values(found)
    assert not any(note.startswith("leave one") for note in found.notes)


@pytest.mark.parametrize(
    ("sizes", "stride", "kind"),
    [
        (Extents(C=64, K=64, P=8), 1, "matrix product"),
        (Extents(C=3, K=64, P=8, Q=8, R=7, S=7), 2, "few input channels"),
        (Extents(C=64, K=2, P=8, Q=8), 1, "few output channels"),
        (Extents(C=64, K=64, P=8, Q=8), 1, "1x1"),
        (Extents(C=64, K=64, P=8, Q=8, R=3, S=3), 2, "3x3 strided"),
    ],
)
def test_layer_types(sizes: Extents, stride: int, kind: str) -> None:
    assert kind_of(TiledLayer(sizes, sizes, (), stride)) == kind


def test_rank_correlation_has_ties_at_their_mean() -> None:
    assert rank_correlation([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert rank_correlation([1, 1, 2], [5, 6, 7]) == pytest.approx(3**0.5 / 2)
    assert rank_correlation([1, 1], [5, 6]) != rank_correlation([1, 1], [5, 6])
