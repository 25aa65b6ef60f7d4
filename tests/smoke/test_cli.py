"""The command line as a user types it: output contract, exit codes, one clear message for every wrong input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

SCHEMA = Path(__file__).resolve().parents[1] / "golden" / "report.schema.json"


def accelsim(*args: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "accelsim", *args],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("run")
    return folder, accelsim("run", "--arch", "eyeriss.yaml", "--model", "mlp", "--json", "-", cwd=folder)


def test_run_leaves_the_contract(done: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, result = done
    assert (result.returncode, result.stderr) == (0, "")
    out = folder / "accelsim-out" / "mlp-eyeriss"
    figures = {f"{name}.{kind}" for name in ("energy", "latency", "roofline", "utilisation") for kind in ("png", "svg")}
    assert {p.name for p in out.iterdir()} == {"report.json", "report.html", "layers.csv", "summary.md", *figures}
    report = json.loads((out / "report.json").read_text())
    assert report == json.loads(result.stdout)
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    assert report["totals"]["macs"] == sum(layer["macs"] for layer in report["layers"]) == 266200
    assert report["totals"]["energy_fj"] == sum(layer["energy_fj"] for layer in report["layers"])
    assert report["totals"]["cycles"] == sum(layer["cycles"] for layer in report["layers"])
    assert set(report["sources"]) == {"eyeriss.yaml", "mlp.py"}
    assert str(folder) not in (out / "report.json").read_text() + (out / "summary.md").read_text()


def test_two_runs_give_identical_bytes(done: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    first = done[0] / "accelsim-out" / "mlp-eyeriss"
    accelsim("run", "-a", "eyeriss", "-m", "mlp", "-o", "again", cwd=tmp_path)
    for path in first.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_text_output_names_the_totals(tmp_path: Path) -> None:
    result = accelsim("run", "-a", "edge_os_32x32", "-m", "mlp", cwd=tmp_path)
    assert result.returncode == 0
    assert "266,200 MACs, 266,610 parameters" in result.stdout
    assert "written to accelsim-out/mlp-edge_os_32x32" in result.stdout


def test_verify_says_one_line_per_layer(tmp_path: Path) -> None:
    result = accelsim("verify", "-a", "tpu_v1", "-m", "mlp", cwd=tmp_path)
    assert result.returncode == 0
    assert [line.split(":")[0].split()[1] for line in result.stdout.splitlines()[:3]] == ["exact"] * 3
    assert result.stdout.endswith("mlp on tpu_v1: 3 of 3 layers exact\n")
    proof = json.loads(accelsim("verify", "-a", "tpu_v1", "-m", "mlp", "--json", "-", cwd=tmp_path).stdout)
    assert proof["exact"] is True
    assert len(proof["layers"]) == 3


@pytest.mark.parametrize(
    ("args", "key"),
    [
        (["models", "--json", "-"], "models"),
        (["archs", "--json", "-"], "archs"),
        (["schema", "--json", "-"], "properties"),
        (["show", "model", "mobilenet_v2", "--json", "-"], "layers"),
        (["show", "arch", "eyeriss", "--json", "-"], "array"),
        (["show", "mapping", "-a", "eyeriss", "-m", "mlp", "--json", "-"], "mappings"),
    ],
)
def test_every_command_speaks_json(tmp_path: Path, args: list[str], key: str) -> None:
    result = accelsim(*args, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)[key]
    if args[1] == "model":
        assert (json.loads(result.stdout)["params"], json.loads(result.stdout)["macs"]) == (3504872, 300774272)


def test_every_command_speaks_text(tmp_path: Path) -> None:
    for args, part in [
        (["models"], "mobilenet_v2"),
        (["archs"], "edge_os_32x32"),
        (["show", "model", "resnet18"], "11,689,512 parameters, 1,814,073,344 MACs"),
        (["show", "arch", "eyeriss"], "108 KiB"),
        (["show", "mapping", "-a", "eyeriss", "-m", "mlp", "-l", "fc1"], "of 110592 B"),
        (["--version"], "accelsim 0.1.0"),
        (["--help"], "verify"),
    ]:
        result = accelsim(*args, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        assert part in result.stdout


BIG = """
from accelsim.graph import Network


def build(batch=1):
    n = Network("x")
    return n.build(n.linear(n.input(4), 0))
"""


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run", "-a", "eyeris", "-m", "mlp"], "error: no machine 'eyeris'; did you mean 'eyeriss' or 'eyeriss_v2'?"),
        (["run", "-a", "eyeriss", "-m", "mobilnet"], "error: no model 'mobilnet'; did you mean 'mobilenet_v2'"),
        (["run", "-a", "eyeriss", "-m", "mlp", "-b", "0"], "error: batch '0', expected a whole number of at least 1"),
        (
            ["run", "-a", "eyeriss", "-m", "mlp", "-b", "two"],
            "error: batch 'two', expected a whole number of at least 1",
        ),
        (["run", "-a", "eyeriss", "-m", "mlp", "--objective", "speed"], "'speed' is not one of"),
        (["run", "-a", "eyeriss", "-m", "mlp", "--json", "x.json"], "--json 'x.json', expected '-'"),
        (["run", "-a", "eyeriss"], "Missing option '--model'"),
        (["run", "-a", "typo.yaml", "-m", "mlp"], "typo.yaml:2:1: clok: unknown key; did you mean 'clock'?"),
        (["run", "-a", "eyeriss", "-m", "raises.py"], "error: raises.py:1: ZeroDivisionError: division by zero"),
        (["run", "-a", "eyeriss", "-m", "zero.py"], "out_features is 0"),
        (
            ["run", "-a", "small.yaml", "-m", "mlp"],
            "error: layer fc1 (linear, output (1, 300)) does not fit eyeriss: GLB",
        ),
        (["run", "-a", "eyeriss", "-m", "mlp", "-o", "file/out"], "error: cannot write to the output folder"),
        (["show", "mapping", "-a", "eyeriss", "-m", "mlp", "-l", "fc9"], "has no layer 'fc9'; did you mean"),
        (["fly"], "No such command 'fly'"),
    ],
)
def test_wrong_input_is_one_message_and_exit_2(tmp_path: Path, root: Path, args: list[str], message: str) -> None:
    text = (root / "arch_configs" / "eyeriss.yaml").read_text()
    (tmp_path / "typo.yaml").write_text("name: x\nclok: 200 MHz\n")
    (tmp_path / "small.yaml").write_text(text.replace("108 KiB", "4 B"))
    (tmp_path / "raises.py").write_text("1 / 0\n")
    (tmp_path / "zero.py").write_text(BIG)
    (tmp_path / "file").write_text("")
    before = sorted(p.name for p in tmp_path.rglob("*"))
    result = accelsim(*args, cwd=tmp_path)
    assert result.returncode == 2, result.stdout + result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    after = sorted(p.name for p in tmp_path.rglob("*") if p.is_file())
    assert set(after) <= set(before), "something was left behind"


def test_help_imports_nothing_heavy() -> None:
    heavy = {"numpy", "pandas", "matplotlib", "networkx", "pydantic", "simpy"}
    code = f"import sys, accelsim.cli; print(sorted({heavy!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        ("KeyboardInterrupt()", 130, "error: interrupted"),
        ("RuntimeError('oops')", 70, "error: this is a bug in accelsim: RuntimeError: oops; please report it"),
        ("CheckFailed('conv1: law broken')", 1, "error: conv1: law broken"),
    ],
)
def test_exit_codes(tmp_path: Path, fault: str, code: int, message: str) -> None:
    script = f"""
import sys
from accelsim import api, cli
from accelsim.errors import CheckFailed

def broken(*args, **kwargs):
    raise {fault}

api.run = broken
sys.argv = ["accelsim", "run", "-a", "eyeriss", "-m", "mlp"]
cli.main()
"""
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == code
    assert message in result.stderr
    assert not list(tmp_path.rglob("report.json"))


def test_a_proof_that_fails_exits_with_1(tmp_path: Path) -> None:
    """A wrong multiplication inside a pass is found, reported per layer, and is exit code 1."""
    script = """
import sys
from accelsim import cli
from accelsim.execute import tiled

right = tiled.multiply

def wrong(block, filters, tables):
    result = right(block, filters, tables)
    result[0, 0, 0, 0, 0, 0] += 2**20
    return result

tiled.multiply = wrong
sys.argv = ["accelsim", "verify", "-a", "eyeriss", "-m", "mlp"]
cli.main()
"""
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "fc1                      NOT EXACT" in result.stdout
    assert "values differ from the reference" in result.stdout
    assert "0 of 3 layers exact" in result.stdout


def call(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "accelsim", *arguments]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)


def test_a_users_onnx_file_runs_as_easily_as_a_shipped_name(tmp_path: Path) -> None:
    """Export a network, run and verify the file, look at its layers."""
    done = call(tmp_path, "export", "--model", "mobilenet_v2:size=32,width=0.25", "net.onnx", "--json", "-")
    assert json.loads(done.stdout)["params"] == 1_519_112
    report = json.loads(call(tmp_path, "run", "-a", "edge_os_32x32", "-m", "net.onnx", "--json", "-").stdout)
    assert report["model"] == "net"
    assert list(report["sources"]) == ["edge_os_32x32.yaml", "net.onnx"]
    assert report["totals"]["params"] == 1_519_112
    shown = json.loads(call(tmp_path, "show", "model", "net.onnx", "--json", "-").stdout)
    assert any(layer["name"] == "block1.conv1" for layer in shown["layers"])
    assert call(tmp_path, "verify", "-a", "edge_os_32x32", "-m", "net.onnx").returncode == 0


def test_symbolic_shapes_on_the_command_line(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), tmp_path / "n.onnx")
    asked = call(tmp_path, "run", "-a", "eyeriss", "-m", "n.onnx")
    assert asked.returncode == 2
    assert "input 'x' has shape nx8; say which with --input-shape x=" in asked.stderr
    given = call(tmp_path, "show", "model", "n.onnx", "--input-shape", "x=4x8", "--json", "-")
    assert json.loads(given.stdout)["batch"] == 4
    assert call(tmp_path, "show", "model", "n.onnx", "--input-shape", "4x8").returncode == 2
    assert "input shapes are for ONNX files" in call(tmp_path, "show", "model", "mlp", "--input-shape", "x=4x8").stderr


def test_starters_run_as_they_are(tmp_path: Path) -> None:
    assert call(tmp_path, "new", "model", "mine").returncode == 0
    assert call(tmp_path, "new", "arch", "chip").returncode == 0
    report = json.loads(call(tmp_path, "run", "-a", "chip.yaml", "-m", "mine.py:width=0.5", "--json", "-").stdout)
    assert (report["arch"], report["model"]) == ("chip", "mine:width=0.5")
    again = call(tmp_path, "new", "model", "mine")
    assert again.returncode == 2
    assert "exists already" in again.stderr
    assert call(tmp_path, "new", "arch", "my chip").returncode == 2


def test_explain_prints_formulas(tmp_path: Path) -> None:
    text = call(tmp_path, "explain", "vgg11", "stage1.conv1").stdout
    assert "MACs = B M K K C E F = 1 * 64 * 3 * 3 * 3 * 224 * 224 = 86,704,128" in text
    assert len(json.loads(call(tmp_path, "explain", "mlp", "--json", "-").stdout)["layers"]) == 3
    wrong = call(tmp_path, "explain", "mlp", "fc9")
    assert wrong.returncode == 2
    assert "did you mean" in wrong.stderr


def test_export_needs_an_onnx_name(tmp_path: Path) -> None:
    done = call(tmp_path, "export", "--model", "mlp", "net.pb")
    assert done.returncode == 2
    assert "expected a file that ends in .onnx" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["--max-events", "10"],
            "error: 16 segments of the network as one stream would be simulated one by one, above the event budget of "
            "10 (--max-events); --schedule layerwise runs each layer alone",
        ),
        (
            ["--max-events", "3", "--schedule", "layerwise"],
            "error: layer fc1 (linear, output (1, 300)): 10 array passes would be simulated one by one, above the "
            "event budget of 3 (--max-events); loops that split every dim evenly",
        ),
        (["--max-memory", "4 kB"], "above the memory budget of 4,000 (--max-memory)"),
        (["--max-events", "none"], "max-events 'none', expected a whole number of at least 1"),
        (["--max-memory", "4"], "'4' is not a size"),
    ],
)
def test_budgets_end_a_run_before_it_writes(tmp_path: Path, words: list[str], expected: str) -> None:
    out = tmp_path / "out"
    done = accelsim("run", "--arch", "edge_os_32x32", "--model", "mlp", "--out", str(out), *words, cwd=tmp_path)
    assert done.returncode == 2
    assert expected in " ".join(done.stderr.split())
    assert not out.exists() or not list(out.iterdir())
