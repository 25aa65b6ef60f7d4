"""Does `accelsim timeloop` search, write, read back and count, and refuse what is wrong?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from accelsim.cli import app
from accelsim.errors import InputError, MappingError
from accelsim.store import reference_text


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("arch", "constraints", "problem"):
        (tmp_path / f"{name}.yaml").write_text(reference_text(f"timeloop/{name}.yaml"))
    return tmp_path


def run(folder: Path, *more: str) -> str:
    files = ["--arch", str(folder / "arch.yaml"), "--problem", str(folder / "problem.yaml")]
    result = CliRunner().invoke(app, ["timeloop", *files, *more])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0
    return result.stdout


def test_search_then_count(files: Path) -> None:
    out, constraints = files / "best.yaml", ("--constraints", str(files / "constraints.yaml"))
    found = json.loads(run(files, *constraints, "--out", str(out), "--json", "-"))
    assert (found["proven"], found["gap"], found["cycles"]) == (True, 0, 732050)
    assert found["cost"] == found["bound"]
    assert found["mapping"][0]["target"] == "psum_spad"
    again = json.loads(run(files, "--mapping", str(out), "--no-links", "--json", "-"))
    assert again["counts"] == found["counts"]
    assert again["energy_uj"] == found["energy_uj"]
    text = run(files, "--mapping", str(out))
    assert "732,050 cycles, 642.94 uJ, EDP 470.666 J x cycles" in text
    text = run(files, *constraints, "--max-evaluations", "1")
    assert "above the optimum" in text
    assert "proven optimal in latency" in run(files, *constraints, "--objective", "latency")


def test_wrong_commands(files: Path) -> None:
    with pytest.raises(InputError, match="--out and --max-evaluations belong to a search"):
        run(files, "--mapping", "m.yaml", "--out", "o.yaml")
    with pytest.raises(InputError, match=r"cannot read an ERT 'e\.yaml'"):
        run(files, "--ert", "e.yaml")
    arch = files / "arch.yaml"
    arch.write_text(arch.read_text().partition("ERT:")[0])
    with pytest.raises(InputError, match="no energies for --objective edp"):
        run(files)


def test_mappings_that_do_not_fit(files: Path) -> None:
    path = files / "m.yaml"
    path.write_text("mapping:\n  - {target: psum_spad, type: temporal, factors: C3 M96 R11 S11 P55 Q55}\n")
    with pytest.raises(MappingError, match=r"psum_spad holds 290400 words \(Outputs 290400\), it has room for 16"):
        run(files, "--constraints", str(files / "constraints.yaml"), "--mapping", str(path))


def test_validate_takes_cases(tmp_path: Path) -> None:
    path = tmp_path / "cases.json"
    cases = json.loads(reference_text("timeloop/eyeriss_like_65nm.json"))
    path.write_text(json.dumps(cases[:2]))
    result = CliRunner().invoke(app, ["validate", "timeloop", "--cases", str(path), "--json", "-"])
    assert result.exit_code == 0
    rows = json.loads(result.stdout)["sections"][0]["comparisons"]
    assert len(rows) == 2 * 67
    cases[1]["levels"]["DRAM"]["Inputs"]["reads"] += 1
    path.write_text(json.dumps(cases[:2]))
    result = CliRunner().invoke(app, ["validate", "--cases", str(path)])
    assert result.exit_code == 1
    assert "timeloop: 2 alex2g DRAM Inputs reads: 58032 against 58033" in result.output
    result = CliRunner().invoke(app, ["validate", "eyeriss", "--cases", str(path)])
    assert "eyeriss takes no cases, timeloop does" in str(result.exception)
    result = CliRunner().invoke(app, ["validate", "--cases", str(path), "--rows", "x.csv"])
    assert "--rows and --cases together" in str(result.exception)
