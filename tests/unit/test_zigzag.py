"""ZigZag beside the mapper: the files that are written, what is read of a run, and what goes wrong in words."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from accelsim.bench import zigzag
from accelsim.cli import app
from accelsim.errors import CheckFailed, InputError
from accelsim.formats.yaml_text import parse
from accelsim.formats.zigzag import run_zigzag, write_hardware, write_mapping
from accelsim.formats.zigzag.peer import ZigzagLayer, ZigzagRun, best_of, parse_run
from accelsim.lookup import load_arch

GOLDEN = Path(__file__).parent.parent / "golden" / "zigzag_tpu_like.yaml"
MACS = {"fc1": 235_200, "fc2": 30_000, "fc3": 1000}
PEER = """#!{python}
import json, pathlib, sys
assert sys.argv[1] == "-c" and sys.argv[3:] == ["{goal}", "4"], sys.argv
assert "served_dimensions" in pathlib.Path("machine.yaml").read_text()
assert "memory_operand_links" in pathlib.Path("mapping.yaml").read_text()
assert pathlib.Path("network.onnx").stat().st_size > 1_000_000
print("a line of the log")
print({answer!r})
"""


def answer(**macs: int) -> str:
    """What the program prints: the layers of `mlp`, the first below its port time."""
    layers = [
        {"name": name, "macs": count, "cycles": 10 * n, "energy_pj": 1.5, "dram_words": 11 if n == 1 else 10}
        for n, (name, count) in enumerate({**MACS, **macs}.items(), 1)
    ]
    return json.dumps({"version": "3.9.1", "cpu_s": 2.5, "layers": layers})


def peer(folder: Path, printed: str, goal: str = "latency") -> str:
    """A program in the place of an interpreter with ZigZag: it looks at the files and prints an answer."""
    found = folder / "python"
    found.write_text(PEER.format(python=sys.executable, goal=goal, answer=printed))
    found.chmod(0o755)
    return str(found)


def test_our_tpu_like_as_zigzags_file(update_golden: bool) -> None:
    arch = load_arch("tpu_like")[0]
    text = write_hardware(arch)
    if update_golden:
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")
    systolic = replace(arch, array=replace(arch.array, kind="systolic"))
    assert write_hardware(systolic) == text + "  systolic_dimensions: [D1, D2]\n"


def test_sizes_ports_and_energies_are_those_of_zigzags_tpu_like() -> None:
    """Its own file has 0.095, 0.021, 416.16, 378.4, 700 and 750 pJ; ours are rounded to whole fJ a bit."""
    found = parse(write_hardware(load_arch("tpu_like")[0]), "machine.yaml", "a machine")
    theirs = {"WRF": (1024, 0.095, 0.095, 8), "psums": (16, 0.021, 0.021, 16), "SRAM": (16777216, 416.16, 378.4, 2048),
              "dram": (10_000_000_000, 700, 750, 64)}  # fmt: skip
    assert list(found["memories"]) == ["psums", "WRF", "SRAM", "dram"]
    for name, (size, read, write, bits) in theirs.items():
        memory = found["memories"][name]
        assert memory["size"] == size and {port["bandwidth_max"] for port in memory["ports"]} == {bits}
        for key, cost in (("r_cost", read), ("w_cost", write)):
            assert memory[key] == pytest.approx(cost, rel=0.25 if name == "psums" else 0.011)
    assert found["operational_array"]["sizes"] == [32, 32] and found["operational_array"]["unit_energy"] == 0.04


def test_spatial_loops_are_fixed_or_zigzags_choice() -> None:
    arch = load_arch("tpu_like")[0]
    links = "  memory_operand_links: {O: O, W: I2, I: I1}\n"
    assert write_mapping(arch, "found") == "- name: default\n" + links
    spread = "  spatial_mapping:\n    D1: ['K, 32']\n    D2: ['C, 32']\n"
    assert write_mapping(arch, "channels") == "- name: default\n" + spread + links


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("eyeriss", "dataflow rs, expected ws; a row_stationary array, expected systolic or spatial; words of"),
        ("gemmini_16x16", "accumulators"),
        ("edge_os_32x32_lpddr4", "DRAM by commands"),
        ("tpu_v1", "a DRAM port that is no whole number of bits a cycle"),
    ],
)
def test_a_machine_that_is_not_written_is_refused(name: str, reason: str) -> None:
    with pytest.raises(InputError, match=f"{name} as a machine of ZigZag: .*{reason}"):
        write_hardware(load_arch(name)[0])


def test_what_is_read_of_a_run() -> None:
    run = parse_run("noise\n" + answer() + "\n")
    assert (run.cpu_s, run.version) == (2.5, "3.9.1")
    assert run.layers[0] == ZigzagLayer("fc1", 235_200, 10, 1.5, 11)
    assert [layer.below_port for layer in run.layers] == [True, False, False]


def test_each_layer_takes_the_better_of_two_runs() -> None:
    runs = [
        ZigzagRun((ZigzagLayer("a", 1, 10, 9.0, 1), ZigzagLayer("b", 1, 10, 1.0, 1)), 2.0, "3.9.1"),
        ZigzagRun((ZigzagLayer("a", 1, 11, 3.0, 1), ZigzagLayer("b", 1, 8, 2.0, 1)), 3.0, "3.9.1"),
    ]
    for goal, cycles in (("latency", [10, 8]), ("energy", [11, 10]), ("edp", [11, 10])):
        best = best_of(runs, goal)
        assert [layer.cycles for layer in best.layers] == cycles and best.cpu_s == 5.0


def test_rows_hold_both_side_by_side(tmp_path: Path) -> None:
    *layers, total = zigzag.beside(peer(tmp_path, answer()), "mlp", "latency")
    assert [(row.layer, row.their_cycles, row.below) for row in layers] == [
        ("fc1", 10, 1),
        ("fc2", 20, 0),
        ("fc3", 30, 0),
    ]
    assert all(row.cycles >= row.dram_words > 0 and row.energy_pj > 0 for row in layers)
    assert (total.layer, total.times, total.their_cycles, total.their_energy_pj) == ("all", 3, 60, 4.5)
    assert (total.cycles, total.dram_words) == (sum(r.cycles for r in layers), sum(r.dram_words for r in layers))
    assert (total.below, total.their_dram_words, total.their_cpu_s) == (1, 31, 5.0) and total.cpu_s > 0
    text = zigzag.markdown([*layers, total])
    assert "FILE.md`: ZigZag 3.9.1 (`lpf_limit` 4;" in text
    assert f"| mlp | latency | fc1 | {layers[0].cycles:,} | 10 |" in text and "| 11 |  |  | yes |" in text
    assert "| mlp | latency | 3 layers |" in text and text.endswith("| 5.0 | 1 |\n")


def test_other_layers_than_ours_fail_the_check(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="mlp fc2: 30000 MACs, ZigZag has 7"):
        list(zigzag.beside(peer(tmp_path, answer(fc2=7)), "mlp", "latency"))
    with pytest.raises(CheckFailed, match="mlp: 3 layers, ZigZag has 4"):
        list(zigzag.beside(peer(tmp_path, answer(fc4=1)), "mlp", "latency"))


def test_a_wrong_interpreter_is_an_error_that_says_how_to_install(tmp_path: Path) -> None:
    arch, install = load_arch("tpu_like")[0], r"pip install zigzag-dse==3.9.1 six"
    with pytest.raises(InputError, match=f"No such file or directory; expected a Python with ZigZag .*{install}"):
        run_zigzag(str(tmp_path / "none"), arch, b"", "latency", "found", 4)
    with pytest.raises(InputError, match=f"ended with 1: .*No module named 'zigzag'; expected .*{install}"):
        run_zigzag(sys.executable, arch, b"", "latency", "found", 4)
    with pytest.raises(InputError, match=f"printed no result: 3; expected .*{install}"):
        run_zigzag(peer(tmp_path, "3", "EDP"), arch, bytes(1_000_001), "edp", "found", 4)


def test_the_command_prints_both_and_writes_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zigzag, "NETWORKS", ("mlp",))
    monkeypatch.setattr(zigzag, "GOALS", ("latency",))
    python = peer(tmp_path, answer())
    result = CliRunner().invoke(app, ["bench", "mapper", "--zigzag", python, "--out", str(tmp_path / "z.md")])
    assert result.exit_code == 0
    assert "ZigZag beside the mapper" in result.output
    assert (tmp_path / "z.md").read_text().count("| mlp | latency |") == 4
    result = CliRunner().invoke(app, ["bench", "mapper", "--zigzag", python, "--json", "-"])
    assert json.loads(result.output)["rows"][-1]["their_cycles"] == 60
    refused = CliRunner().invoke(app, ["bench", "sim", "--zigzag", python])
    assert "--zigzag belongs to bench mapper, not to bench sim" in str(refused.exception)
