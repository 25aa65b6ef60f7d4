"""Energies in use: runs under presets, ranges, ratios, the `energy` command and its validation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import accelsim
from accelsim.cli import app
from accelsim.energy import presets
from accelsim.energy.figures import energies
from accelsim.energy.sram_fit import HEADER
from accelsim.errors import InputError
from accelsim.lookup import load_arch
from accelsim.report import energy_ratio
from accelsim.store import reference_text
from accelsim.validate.suite import compare
from tests.unit.energy_cases import TABLE, lines_of, shorter, written


@pytest.mark.parametrize(("arch", "preset"), [("eyeriss", "65nm"), ("edge_os_32x32", "eyeriss_normalised")])
def test_a_run_under_a_preset_reports_its_range(arch: str, preset: str) -> None:
    report = accelsim.run(arch, "mlp", energy=preset)
    totals = report.as_dict()["totals"]
    assert 0 < totals["energy_low_pj"] < totals["energy_pj"] < totals["energy_high_pj"]
    layers = report.as_dict()["layers"]
    low, high = report.totals.energy_span_aj
    assert (low, high) == tuple(sum(layer.energy_span_aj[i] for layer in report.results) for i in (0, 1))
    for name, (least, most) in totals["energy_ranges"].items():
        assert least <= totals["energy_by_component_pj"][name] <= most
    assert report.energy_model["model"] == preset
    assert {r["component"] for r in report.energy_model["ranges"]} >= set(totals["energy_by_component_pj"])
    assert layers[0]["energy_low_pj"] <= layers[0]["energy_pj"]
    assert report.area_mm2 is not None and report.area_mm2["low"] < report.area_mm2["total"] < report.area_mm2["high"]


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["eyeriss", "tpu_v1", "edge_os_32x32"])
@pytest.mark.parametrize("preset", presets.PRESETS)
def test_a_convolutional_network_runs_under_every_preset(arch: str, preset: str) -> None:
    """All laws hold (they stop a run that breaks one), and the breakdown lies inside its range."""
    report = accelsim.run(arch, "mobilenet_v2:size=32,width=0.25", energy=preset)
    low, high = report.totals.energy_span_aj
    assert low < 1000 * report.totals.total_energy_fj < high
    assert report.totals.energy_fj["MAC"] == report.totals.issued_macs * load_arch(arch, preset)[0].array.mac_fj
    assert report.totals.energy_fj["leakage"] > 0 or preset == "eyeriss_normalised"


def test_the_run_command_takes_a_model_and_prints_the_range(tmp_path: Path) -> None:
    folder = written(tmp_path, {"mine.yaml": TABLE.replace("GLB", "SRAM")})
    arguments = ["--arch", "edge_os_32x32", "--model", "mlp", "--energy", str(folder / "mine.yaml")]
    result = CliRunner().invoke(app, ["run", *arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["energy_model"]["model"] == "mine"
    assert set(report["sources"]) == {"edge_os_32x32.yaml", "mine.yaml", "mlp.py"}
    low, high = (report["totals"][f"energy_{end}_pj"] / 1e6 for end in ("low", "high"))
    span = f"uJ ({low:.3g} to {high:.3g})"
    assert span in result.output
    assert span in (tmp_path / "out" / "summary.md").read_text()
    assert "| area |" in (tmp_path / "out" / "summary.md").read_text()


def test_a_machine_without_a_node_reports_no_area(root: Path, tmp_path: Path) -> None:
    text = (root / "arch_configs" / "edge_os_32x32.yaml").read_text()
    bare = "\n".join(line for line in text.splitlines() if not line.startswith("node:")) + "\n"
    folder = written(tmp_path, {"m.yaml": bare})
    assert accelsim.run(str(folder / "m.yaml"), "mlp").as_dict()["area_mm2"] is None
    text = lines_of(CliRunner().invoke(app, ["energy", "--arch", str(folder / "m.yaml")]))
    assert "area: the machine states no node" in text


def test_ports_of_a_memory_are_read(root: Path, tmp_path: Path) -> None:
    document = json.loads(shorter(root, "45nm"))
    document["memories"][0]["ports"] = 2
    folder = written(tmp_path, {"m.yaml": json.dumps(document), "one.yaml": shorter(root, "45nm")})
    two, one = (load_arch(str(folder / name))[0] for name in ("m.yaml", "one.yaml"))
    assert (two.memories[0].ports, one.memories[0].ports) == (2, 1)
    assert energies(two)["GLB.read"] == pytest.approx(1.27 * energies(one)["GLB.read"], rel=0.01)


def test_the_ratio_of_two_runs_is_that_of_their_files(tmp_path: Path) -> None:
    runs = {name: accelsim.run(name, "mlp") for name in ("eyeriss", "edge_os_32x32")}
    files = {f"{name}.json": json.dumps(report.as_dict()) for name, report in runs.items()}
    folder = written(tmp_path, files)
    direct = energy_ratio(runs["eyeriss"].totals, runs["edge_os_32x32"].totals)
    result = CliRunner().invoke(app, ["energy", "--ratio", *(str(folder / name) for name in files), "--json", "-"])
    found = json.loads(result.output)
    assert found["ratio"] == float(direct.value)
    assert found["independent_low"] <= found["low"] == float(direct.low) < found["ratio"] < found["high"]


def test_the_energy_table_is_printed() -> None:
    result = CliRunner().invoke(app, ["energy", "--arch", "eyeriss", "--preset", "eyeriss_normalised", "--json", "-"])
    data = json.loads(result.output)
    per_mac = {row["energy"]: row["per_mac"] for row in data["energies"]}
    assert (per_mac["MAC"], per_mac["spad.Inputs.read"], per_mac["array.hop"]) == (1, 1, 2)
    assert (per_mac["GLB.read"], per_mac["DRAM.read"]) == (6, 200)
    assert per_mac["GLB.leakage"] is None
    assert set(data["area_mm2"]) == {"array", "spads", "GLB", "total"}
    text = lines_of(CliRunner().invoke(app, ["energy", "--arch", "tpu_v1"]))
    assert "machine file" in text and "area at 28 nm" in text


def test_the_fit_is_printed_for_anyone(tmp_path: Path) -> None:
    text = lines_of(CliRunner().invoke(app, ["energy", "--fit", "-"]))
    assert text.startswith(HEADER)
    assert "# read: leave-one-out error 7.7% median, 19.3% at the 95th percentile" in text
    folder = written(tmp_path, {"p.csv": reference_text("cacti_sram.csv")})
    data = json.loads(lines_of(CliRunner().invoke(app, ["energy", "--fit", str(folder / "p.csv"), "--json", "-"])))
    assert data["points"] == 76
    assert data["leave_one_out"]["write"]["p95"] < 0.25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give one of --arch, --ratio and --fit"),
        (["--fit", "-", "--preset", "65nm"], "--preset '65nm' needs --arch"),
        (["--fit", "none.csv"], "cannot read CACTI points 'none.csv'"),
        (["--arch", "eyeriss", "--preset", "66nm"], "no energy preset or file '66nm'"),
        (["--ratio", "no.json", "no.json"], "cannot read the report 'no.json'"),
    ],
)
def test_wrong_commands_are_refused(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["energy", *arguments])
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


@pytest.mark.parametrize(("text", "message"), [("{", "a.json:1:2: not JSON"), ("{}", "expected a report.json of")])
def test_wrong_reports_are_refused(tmp_path: Path, text: str, message: str) -> None:
    folder = written(tmp_path, {"a.json": text})
    result = CliRunner().invoke(app, ["energy", "--ratio", str(folder / "a.json"), str(folder / "a.json")])
    assert message in str(result.exception)


def test_the_validation_holds() -> None:
    section = compare("energy")
    assert section.failures == ()
    judged = [s for s in section.statistics if s.bound is not None]
    assert len(judged) > 20
    assert len([c for c in section.comparisons if c.quantity == "read energy"]) == 76


def test_rows_of_a_user_are_judged(tmp_path: Path) -> None:
    lines = reference_text("cacti_held_out.csv").splitlines()
    inside = [line for line in lines[1:] if line.split(",")[1] in ("2", "4", "8") and line.split(",")[0] != "90"]
    path = written(tmp_path, {"rows.csv": "\n".join([lines[0], *inside]) + "\n"}) / "rows.csv"
    assert compare("energy", str(path)).failures == ()
    far = [line for line in lines[1:] if line.split(",")[1] == "64"]
    path.write_text("\n".join([lines[0], *far]) + "\n")
    assert any("read" in failure for failure in compare("energy", str(path)).failures)
