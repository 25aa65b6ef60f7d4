"""Are comparisons judged, summed up and written as they should be?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from accelsim.cli import app
from accelsim.errors import InputError
from accelsim.validate import suite
from accelsim.validate.tables import table
from accelsim.validate.text import number, percent, section_md, validation_md
from accelsim.validate.types import (
    Comparison,
    Section,
    Statistic,
    mean_absolute_error,
    share_within,
    total_error,
)

GOOD = Comparison("a", "latency", "ms", 11.0, 10.0, 0.2, "conv")
BAD = Comparison("b", "latency", "ms", 5.0, 10.0, 0.2, "matmul")
SHOWN = Comparison("c", "latency", "ms", 30.0, 10.0)


def section(*rows: Comparison, statistics: tuple[Statistic, ...] = ()) -> Section:
    return Section("made_up", "Made up", "nobody", rows, statistics, ("assumed",), "latency")


def test_errors_and_bands() -> None:
    assert GOOD.error == pytest.approx(0.1)
    assert (GOOD.holds, BAD.holds, SHOWN.holds) == (True, False, True)
    assert Comparison("x", "n", "", 3, 3, 0).holds
    assert not Comparison("x", "n", "", 3.001, 3, 0).holds
    assert Comparison("x", "n", "", 0, 0, 0).error == 0
    assert not Comparison("x", "n", "", 1, 0, 0.5).holds


def test_statistics_have_a_sense() -> None:
    assert Statistic("s", 3.0, bound=3.0).holds
    assert not Statistic("s", 3.1, bound=3.0).holds
    assert Statistic("s", 0.99, bound=0.98, sense="at least").holds
    assert not Statistic("s", 0.97, bound=0.98, sense="at least").holds
    assert Statistic("s", 1e9).holds


def test_figures_over_rows() -> None:
    assert mean_absolute_error([GOOD, BAD]) == pytest.approx(0.3)
    assert total_error([GOOD, BAD]) == pytest.approx(-0.2)
    assert share_within([GOOD, BAD, SHOWN], 0.5) == pytest.approx(2 / 3)


def test_failures_name_row_and_figures() -> None:
    found = section(GOOD, BAD, SHOWN, statistics=(Statistic("mean", 5.0, "%", 3.0),)).failures
    assert found == ("b latency: 5 against 10 ms (-50.0%, band 20.0%)", "mean: 5 %, at most 3")


def test_markdown_says_what_fails() -> None:
    text = validation_md([section(GOOD, BAD, SHOWN)], {"made_up": "validation/made_up.png"})
    assert "1 of 2 judged rows and 0 of 0 bounds hold" in text
    assert "| b | latency | 5 | 10 | ms | -50.0 % | 20 % | **FAILS** |" in text
    assert "| c | latency | 30 | 10 | ms | +200.0 % | shown | holds |" in text
    assert "![Made up: error per row](validation/made_up.png)" in text
    assert "- assumed" in section_md(section(GOOD))


@pytest.mark.parametrize(
    ("value", "text"), [(1234567, "1,234,567"), (0.12345, "0.1235"), (12345.6, "12,346"), (0, "0")]
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_pipes_do_not_break_tables() -> None:
    """A cell with a pipe stays one cell."""
    row = Comparison("a|b", "n", "", 1, 1)
    line = next(x for x in section_md(section(row)).splitlines() if x.startswith("| a"))
    assert line.startswith(r"| a\|b | n |")


def test_percent_of_nothing() -> None:
    assert percent(float("inf")) == "-"


def test_unknown_names_and_rows_are_errors() -> None:
    with pytest.raises(InputError, match=r"no validation 'eyerisss'; did you mean 'eyeriss'"):
        suite.compare("eyerisss")
    with pytest.raises(InputError, match=r"eyeriss takes no rows"):
        suite.compare("eyeriss", "rows.csv")


def test_reference_tables_have_a_source() -> None:
    """Every table begins with where it is from."""
    from accelsim.store import reference_text

    for name in ("eyeriss_alexnet.csv", "eyeriss_vgg16.csv", "tpu_v1.csv"):
        assert reference_text(name).startswith("# ")
        assert all(None not in row for row in table(name))


def test_command_prints_writes_and_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "compare", lambda name, rows: section(GOOD, BAD))
    monkeypatch.setattr(suite, "SECTIONS", {"made_up": "nowhere"})
    result = CliRunner().invoke(app, ["validate", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "made_up: b latency: 5 against 10 ms" in result.output
    assert "**FAILS**" in (tmp_path / "validation.md").read_text()
    assert (tmp_path / "validation" / "made_up.png").read_bytes().startswith(b"\x89PNG")
    result = CliRunner().invoke(app, ["validate", "made_up", "--json", "-"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["sections"][0]["comparisons"][1]["holds"] is False
