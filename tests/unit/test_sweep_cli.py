"""`accelsim sweep` on the command line: commands, exit codes, JSON, messages."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from accelsim.cli import main
from accelsim.cli.sweep import describe
from accelsim.sweeps.runner import State
from tests.unit.sweep_cases import write_sweep


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["accelsim", "sweep", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        out, errors = capsys.readouterr()
        return int(end.value.code or 0), out, errors

    return call


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A sweep with a failed point: its file and folder."""
    from accelsim.sweeps.door import opener, read_sweep
    from accelsim.sweeps.runner import run_sweep

    folder = tmp_path_factory.mktemp("sweep")
    rest = "objectives: [totals.cycles, max totals.energy_pj]\nplots: [{name: p, kind: lines, x: size, y: edp}]\n"
    rest = "  size: [1]\nconstraints: [size > 0]\n" + rest
    sweep = write_sweep(folder, [":size=2", ":act='fail'", ":size=4"], rest)
    run_sweep(read_sweep(str(sweep)), folder / "out", opener(1, None, ""))
    return sweep, folder / "out"


def test_results_and_status_as_json(cli: Any, done: tuple[Path, Path]) -> None:
    _, out = done
    code, text, _ = cli("results", out, "--json", "-")
    points = json.loads(text)["points"]
    assert code == 0 and [p["status"] for p in points] == ["done", "failed", "done"]
    assert points[0]["params"] == {"model": "tiny.py:size=2", "size": 1} and points[0]["totals"]["cycles"] > 0
    assert "told to fail" in points[1]["error"] and points[1]["totals"] == {}
    code, text, _ = cli("status", out, "--json", "-")
    assert code == 0 and json.loads(text)["status"]["failed"] == 1


def test_text_of_every_reading_command(cli: Any, done: tuple[Path, Path], tmp_path: Path) -> None:
    sweep, out = done
    code, text, _ = cli(sweep, "--out", out, "-j", 1)
    assert code == 1 and "point 1 failed: tiny.py:20" in text and "run again with --retry" in text
    assert "3 points (2 done, 1 failed), 0 run now" in text
    assert "s: 3 points" in cli("results", out)[1]
    assert "2 of 3 points on the front" in cli("pareto", out)[1]
    assert "1 of 3 points on the front" in cli("pareto", out, "--objectives", "edp")[1]
    assert cli("export", out)[1].startswith("point,status,model,size,")
    assert "3 points written to" in cli("export", out, tmp_path / "a.parquet")[1]
    assert json.loads(cli("export", out, tmp_path / "a.csv", "--json", "-")[1])["points"] == 3
    assert cli("export", out)[1] == (tmp_path / "a.csv").read_text()
    assert json.loads(cli("plot", out, "--out", tmp_path / "p", "--json", "-")[1])["files"] == ["p.png", "p.svg"]
    assert json.loads(cli("pareto", out, "--json", "-")[1])["objectives"] == ["totals.cycles", "max totals.energy_pj"]


def test_job_scripts_and_shards(cli: Any, done: tuple[Path, Path], tmp_path: Path) -> None:
    sweep, _ = done
    code, text, _ = cli("shard", sweep, "--of", 8, "--script", tmp_path / "job.sh", "--workers", 4)
    assert code == 0 and "sbatch" in text and "--array=0-7" in (tmp_path / "job.sh").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("reslts",), "no sweep file or command 'reslts'; did you mean 'results'"),
        (("no.yaml",), "cannot read the sweep 'no.yaml'"),
        (("results", "nowhere"), "no sweep in 'nowhere'"),
        (("{s}", "--timeout", "soon"), "timeout 'soon', expected seconds above 0"),
        (("{s}", "-j", "0"), "workers '0', expected a whole number of at least 1"),
        (("{s}", "--json", "x"), "--json 'x', expected '-'"),
        (("export", "{o}", "a.xls"), "export to 'a.xls'; valid names: csv, parquet"),
        (("export", "{o}", "--format", "parquet"), "export as parquet needs a file"),
        (("pareto", "{o}", "--objectives", "totals.cycels"), "figure 'totals.cycels' was not recorded"),
        (("shard", "{s}", "--of", "2"), "shard needs --index I"),
        (("shard", "{s}", "--of", "2", "--index", "2"), "shard 2 of 2, expected an index from 0 to 1"),
        (("merge", "{o}", "{o}"), "which is one of the shards"),
    ],
)
def test_wrong_input_is_one_message(
    cli: Any, done: tuple[Path, Path], words: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    code, out, errors = cli(*(word.format(s=done[0], o=done[1]) for word in words))
    assert (code, out) == (2, "") and errors.startswith("error: ") and message in errors


def test_searches_have_no_shards_and_sweeps_without_plots_draw_none(cli: Any, tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, [":size=2"], "search: {mode: tpe, points: 1}\n")
    code, _, errors = cli("shard", sweep, "--index", 0, "--of", 2)
    assert code == 2 and "tpe chooses points by earlier ones; it has no shards" in errors
    assert cli(sweep, "--out", tmp_path / "out", "-j", 1)[0] == 0
    code, _, errors = cli("plot", tmp_path / "out")
    assert code == 2 and "names no `plots`" in errors


def test_the_display_says_rate_time_and_best() -> None:
    state = State(100, 0.0)
    assert describe(state, "edp") == "starting"
    state.settled, state.ran, state.failed, state.best = 50, 50, 1, (12.0, {"array.rows": 8})
    text = describe(state, "edp")
    assert "/s | " in text and " to go | 1 failed | best edp 12 at rows 8" in text
