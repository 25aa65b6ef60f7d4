"""`timing: scalesim` in runs: its cycles under the JSON contract, causal cycles beside, both ways of mixing files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import validate

import accelsim
from accelsim.errors import InputError
from accelsim.formats.scalesim import read_topology
from accelsim.graph import LayerGraph, Network
from accelsim.lookup import load_arch, load_model
from accelsim.pipeline import run
from accelsim.timing.scalesim import ScaleLayer, gemm_layer, scale_machine, simulate

DATA = Path(__file__).parents[1] / "published" / "scalesim"
CFG, CONV, GEMM = (str(DATA / name) for name in ("small.cfg", "conv.csv", "gemm.csv"))


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "accelsim", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_its_files_give_a_report_under_the_contract(root: Path) -> None:
    report = accelsim.run(CFG, CONV)
    data = report.as_dict()
    validate(data, json.loads((root / "tests" / "golden" / "report.schema.json").read_text()))
    assert data["options"]["timing"] == "scalesim" and "nothing stalls" in data["options"]["timing_note"]
    assert list(data["sources"]) == ["conv.csv", "small.cfg"]
    first = data["layers"][0]
    assert first["cycles"] == first["scalesim"]["Total Cycles"] == 4787
    assert first["scalesim"]["DRAM IFMAP Reads"] == 16381
    assert first["causal_cycles"] != first["cycles"]
    assert data["totals"]["cycles"] == sum(layer["cycles"] for layer in data["layers"]) == 4787 + 3 * 199 + 1241 + 335
    assert data["totals"]["causal_cycles"] == sum(layer["causal_cycles"] for layer in data["layers"])
    assert sum(first["stall_cycles"].values()) + first["compute_cycles"] == first["causal_cycles"]
    assert "SCALE-Sim: 57 folds of 84 cycles; causal: " in first["note"]


def test_depthwise_rows_are_said() -> None:
    layer = accelsim.run(CFG, CONV).results[1]
    assert layer.name == "Conv2_DP" and layer.scalesim is not None
    assert layer.scalesim.count == 3 and layer.cycles == 3 * 199
    assert layer.macs == 3 * 8 * 10 * 9
    assert "`DP` in its name: a depthwise convolution here" in layer.note and "3 runs" in layer.note
    assert layer.as_dict()["scalesim"]["SRAM IFMAP Start Cycle"] is None
    causal = accelsim.run("edge_os_32x32", CONV).results[1]
    assert "`DP` in its name" in causal.note and causal.scalesim is None
    assert "scalesim" not in causal.as_dict()


def small(batch: int = 1) -> LayerGraph:
    net = Network("small", batch=batch)
    x = net.relu(net.batch_norm(net.conv(net.input(3, 12, 12), 8, 3, pad=1, bias=False)))
    x = net.max_pool(net.add(x, net.conv(x, 8, 3, pad=1, groups=8)), 2)
    return net.build(net.linear(net.flatten(x), 10))


def test_its_machine_runs_our_networks_and_ours_run_its_topologies() -> None:
    report = run(load_arch(CFG)[0], small())
    vector = [layer for layer in report.results if layer.scalesim is None]
    assert vector and all(layer.cycles == layer.causal_cycles for layer in vector)
    conv, depthwise, linear = (layer for layer in report.results if layer.scalesim is not None)
    assert [layer.scalesim.count for layer in (conv, depthwise, linear) if layer.scalesim] == [1, 8, 1]
    machine = scale_machine(load_arch(CFG)[0])
    assert conv.cycles == simulate(ScaleLayer("c", 14, 14, 3, 3, 3, 8), machine).cycles
    assert depthwise.cycles == 8 * simulate(ScaleLayer("d", 14, 14, 3, 3, 1, 1), machine).cycles
    assert linear.cycles == simulate(gemm_layer("l", 1, 10, 288), machine).cycles
    causal = accelsim.run("edge_os_32x32", GEMM, gemm=True)
    assert causal.options["timing"] == "causal" and causal.totals.macs == 20 * 24 * 32 + 3 * 40 * 70 + 120 * 6 * 9


def test_batches_run_image_by_image() -> None:
    """A batch of a convolution is so many runs; of a fully connected layer, so many rows."""
    arch = load_arch(CFG)[0]
    one, two = ([x for x in run(arch, small(batch)).results if x.scalesim] for batch in (1, 2))
    assert [a.scalesim.count for a in two if a.scalesim] == [2, 16, 1]
    assert [a.cycles for a in two[:2]] == [2 * a.cycles for a in one[:2]]
    assert two[2].cycles == simulate(gemm_layer("l", 2, 10, 288), scale_machine(arch)).cycles


def test_the_causal_run_of_a_topology_verifies() -> None:
    assert accelsim.verify(CFG, CONV).exact
    assert accelsim.verify(CFG, GEMM, gemm=True).exact


def test_the_command_writes_its_reports(tmp_path: Path) -> None:
    done = call(tmp_path, "run", "--arch", CFG, "--model", GEMM, "--gemm", "--out", "o")
    assert done.returncode == 0, done.stderr
    for text in ("SCALE-Sim 3.0.0: gemm on small", "causal", "SCALE-Sim cycles; causal run"):
        assert text in done.stdout
    for name in ("COMPUTE_REPORT.csv", "BANDWIDTH_REPORT.csv", "DETAILED_ACCESS_REPORT.csv"):
        assert (tmp_path / "o" / name).read_bytes() == (DATA / "gemm" / name).read_bytes()
    assert (tmp_path / "o" / "report.json").exists()
    assert "causal_cycles" in (tmp_path / "o" / "layers.csv").read_text().splitlines()[0]


def test_exports(tmp_path: Path) -> None:
    for arguments in (
        ("--model", "mlp", "m.csv"), ("--model", "mlp", "g.csv", "--gemm"), ("--arch", "scalesim_eyeriss", "e.cfg")
    ):  # fmt: skip
        done = call(tmp_path, "export", *arguments)
        assert done.returncode == 0, done.stderr
    assert load_arch(str(tmp_path / "e.cfg"))[0].array.cols == 14
    graph = load_model(str(tmp_path / "g.csv"), gemm=True)[0]
    assert graph.macs == load_model("mlp")[0].macs == load_model(str(tmp_path / "m.csv"))[0].macs
    assert len(read_topology((tmp_path / "g.csv").read_text(), "g.csv", gemm=True)) == len(graph.layers)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("export", "--arch", "eyeriss", "e.cfg"), "systolic arrays"),
        (("export", "--model", "mlp", "e.cfg"), "export to 'e.cfg' takes --arch"),
        (("export", "--arch", "eyeriss", "--model", "mlp", "m.csv"), "takes --model and not --arch"),
        (("run", "-a", CFG, "-m", "mlp", "--gemm"), "--gemm is for SCALE-Sim topologies"),
        (("run", "-a", CFG, "-m", GEMM), "give --gemm for matrix products"),
        (("run", "-a", CFG, "-m", CONV, "-b", "2"), "a SCALE-Sim topology has one image"),
    ],
)
def test_wrong_commands(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    done = call(tmp_path, *arguments)
    assert done.returncode == 2 and message in done.stderr
    assert list(tmp_path.iterdir()) == [] or arguments[0] == "run"


def test_parameters_of_topologies() -> None:
    with pytest.raises(InputError, match="a topology takes no parameters, given x"):
        load_model(f"{CONV}:x=1")
    with pytest.raises(InputError, match=r"no file 'nothing\.csv'"):
        load_model("nothing.csv")


def test_the_summary_says_whose_cycles_they_are() -> None:
    from accelsim.formats.outputs import summary_md

    report = accelsim.run(CFG, GEMM, gemm=True)
    text = summary_md(report)
    assert "of the causal cycles are" in text and "Timing scalesim: cycles are those of SCALE-Sim 3.0.0" in text
    assert f"The causal run takes {report.as_dict()['totals']['causal_cycles']:,} cycles." in text
