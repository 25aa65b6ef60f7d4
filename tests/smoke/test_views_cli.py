"""`plot` and `compare` from the command line: files, JSON, exit codes, nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import accelsim
from accelsim.cli import main
from accelsim.formats.outputs import to_json
from accelsim.plot.views import VIEWS

MODEL = "mlp"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs")
    for arch in ("edge_os_32x32", "eyeriss"):
        (place / arch).mkdir()
        (place / arch / "report.json").write_text(to_json(accelsim.run(arch, MODEL).as_dict()))
    return place


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["accelsim", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_plot_writes_every_view_beside_the_report(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "plot", str(folder / "edge_os_32x32"), "--format", "svg") == 0
    written = {path.name for path in (folder / "edge_os_32x32" / "plots").iterdir()}
    assert {f"{view.name}.{kind}" for view in VIEWS for kind in ("svg", "csv")} <= written
    assert "roofline_SRAM" in capsys.readouterr().out


def test_plot_of_some_views(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--only", "roofline,film", "--level", "SRAM", "--layer", "fc1", "--cycles", "5", "--format", "png,pdf")
    report = str(folder / "edge_os_32x32" / "report.json")
    assert call(monkeypatch, "plot", report, *words, "--out", str(tmp_path), "--json", "-") == 0
    shown = json.loads(capsys.readouterr().out)
    wanted = [f"{name}.{kind}" for name in ("film", "roofline_SRAM") for kind in ("csv", "pdf", "png")]
    assert shown == {"model": MODEL, "arch": "edge_os_32x32", "files": wanted}
    assert sorted(path.name for path in tmp_path.iterdir()) == wanted


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--only", "rofline"), "no view 'rofline'; did you mean 'roofline'?"),
        (("--format", "bmp"), "format 'bmp'; "),
        (("--format", "gif"), "format 'gif' is for animations; layers, energy, energy_operand stand still"),
        (("--format", ""), "--format '', expected png, svg, pdf"),
        (("--only", "nest", "--layer", "fc9"), "no layer 'fc9' in this report"),
        (("--cycles", "0"), "cycles '0', expected a whole number of at least 1"),
        (("--only", "pareto"), "view 'pareto' is of many runs"),
    ],
)
def test_wrong_wishes_write_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...], message: str,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    assert call(monkeypatch, "plot", str(folder / "edge_os_32x32"), *words, "--out", str(out)) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_compare_prints_and_writes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [str(folder / "edge_os_32x32"), str(folder / "eyeriss" / "report.json")]
    assert call(monkeypatch, "compare", *runs, "--out", str(tmp_path)) == 0
    assert "ratio (range that survives)" in capsys.readouterr().out
    assert (tmp_path / "layers.csv").read_text().startswith("layer,report,in,baseline_seconds")
    assert call(monkeypatch, "compare", *runs, "--json", "-") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["baseline"] == "edge_os_32x32" and len(data["layers"]) == 3


def test_compare_refuses(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = str(folder / "edge_os_32x32")
    assert call(monkeypatch, "compare", one) == 2
    assert "compare needs at least two reports, 1 given" in capsys.readouterr().err
    other = json.loads((folder / "eyeriss" / "report.json").read_text()) | {"schema": 2}
    (tmp_path / "report.json").write_text(json.dumps(other))
    assert call(monkeypatch, "compare", one, str(tmp_path)) == 2
    assert "report.json: schema: 2, expected 1" in capsys.readouterr().err


def test_points_of_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [{"params": {"rows": n}, "totals": {"seconds": 1 / n, "energy_pj": n}, "status": "done"} for n in (1, 2)]
    (tmp_path / "results.json").write_text(json.dumps({"points": points}))
    words = ("--only", "ski_slope", "--x", "params.rows", "--y", "totals.energy_pj", "--format", "svg")
    assert call(monkeypatch, "plot", str(tmp_path / "results.json"), *words) == 0
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == ["ski_slope.csv", "ski_slope.svg"]
