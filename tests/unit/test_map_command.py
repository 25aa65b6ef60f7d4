"""`accelsim map`: every array layer once, what is proven, and errors."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from accelsim import atlas, map_layer
from accelsim.cli import app
from accelsim.errors import InputError, MappingError
from accelsim.lookup import load_arch, load_model
from accelsim.mapper.exact.space import cores_of, divisors, least_factors, tilings, ways
from accelsim.problem import conv_problem, gemm_problem
from tests.agreement.exact_cases import MACHINES, every_mapping


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["map", *words])
    assert result.exit_code == 0, result.output
    return result.output


def test_every_layer_is_mapped_once_and_proven() -> None:
    data = json.loads(run("--arch", "edge_tpu", "--model", "mlp", "--json", "-"))
    assert (data["arch"], data["objective"]) == ("edge_tpu", "edp")
    assert [layer["name"] for layer in data["layers"]] == ["fc1", "fc2", "fc3"]
    for layer in data["layers"]:
        assert layer["proven"]
        assert layer["cycles"] >= layer["bound_cycles"] > 0
        assert layer["mapping"].startswith("DRAM: ")


def test_a_named_layer_prints_its_nest_and_objectives_order_the_bounds() -> None:
    text = run("--arch", "edge_os_32x32", "--model", "mlp", "--layer", "fc2", "--objective", "latency")
    assert "fc2" in text and "fc1" not in text
    assert "array pass (os" in text
    arch, graph = load_arch("edge_os_32x32")[0], load_model("mlp", 1)[0]
    (task,) = atlas.tasks_of(graph, arch, "fc2")
    fast, lean = (atlas.map_task(task, arch, goal) for goal in ("latency", "energy"))
    assert fast.cycles <= lean.cycles and lean.energy_fj <= fast.energy_fj


def test_equal_work_is_one_task() -> None:
    arch, graph = load_arch("edge_tpu")[0], load_model("resnet18", 1)[0]
    tasks = atlas.tasks_of(graph, arch)
    assert sum(task.times for task in tasks) == 21
    plain = atlas.tasks_of(graph, arch, vector_work=False)
    assert len(plain) < len(tasks)
    assert sum(task.times for task in plain) == 21


def test_the_space_is_counted() -> None:
    assert (ways(12, 2), ways(12, 1), ways(12, 3), ways(1, 0), ways(5, 0)) == (6, 1, 18, 1, 0)
    assert divisors(12) == [1, 2, 3, 4, 6, 12]
    assert least_factors(7, 4) == [1, 2, 3, 4]
    data = json.loads(run("--arch", "edge_tpu", "--model", "mlp", "--space", "--json", "-"))
    assert all(layer["cores"] > 1 and layer["tilings"] > layer["cores"] for layer in data["layers"])
    problem = conv_problem(
        batch=1, groups=2, out_channels=2, in_channels=2, out_size=(4, 2), kernel=(1, 1), in_size=(4, 2)
    )
    for make in MACHINES.values():
        arch = make(4000)
        nests = {
            (m.spatial, m.pe, m.stream, tuple(frozenset(level.loops) for level in m.levels))
            for m in every_mapping(problem, arch)
        }
        assert tilings(problem, arch, cores_of(problem, arch)) == len(nests)


def test_constraints_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text("layers: {fc1: {spatial: {row: {C: 8, only: true}}}}\n")
    data = json.loads(run("--arch", "edge_tpu", "--model", "mlp", "--constraints", str(file), "--json", "-"))
    assert "parallel C in 8 (rows)" in data["layers"][0]["mapping"]
    file.write_text("layers: {fc9: {}}\n")
    result = CliRunner().invoke(app, ["map", "-a", "edge_tpu", "-m", "mlp", "--constraints", str(file)])
    assert isinstance(result.exception, InputError)
    assert "limits.yaml:1:10: layers.fc9: no such layer; did you mean 'fc3'" in str(result.exception)


def test_wrong_words_are_refused() -> None:
    for words, message in (
        (["-l", "fc7"], "no layer 'fc7'"),
        (["--max-evaluations", "0"], "max-evaluations '0', expected a whole number of at least 1"),
        (["-l", "relu1"], "no layer|no work for the array"),
    ):
        result = CliRunner().invoke(app, ["map", "-a", "edge_tpu", "-m", "mlp", *words])
        assert isinstance(result.exception, InputError), words
        assert any(part in str(result.exception) for part in message.split("|"))
    result = CliRunner().invoke(app, ["map", "-a", "edge_tpu", "-m", "mlp", "--max-evaluations", "2"])
    assert isinstance(result.exception, MappingError)
    assert "layer fc1 does not fit edge_tpu: no mapping found within 2 evaluations" in str(result.exception)


def test_map_layer_from_python() -> None:
    arch = load_arch("gemmini_16x16")[0]
    mapped = map_layer(gemm_problem(rows=16, cols=32, reduction=48), arch, "latency")
    gap = mapped.gap("latency")
    assert mapped.search is not None and mapped.search.proven
    assert gap is not None and gap >= 0


def test_fronts_are_printed_with_what_is_proven() -> None:
    names = ("--arch", "edge_os_32x32", "--model", "resnet18", "--pareto", "--layer", "stage4.1.conv3")
    (front,) = json.loads(run(*names, "--json", "-"))["layers"]
    energy, cycles = ([p[key] for p in front["points"]] for key in ("energy_pj", "bound_cycles"))
    assert front["proven"] and len(energy) > 1
    assert energy == sorted(set(energy)) and cycles == sorted(set(cycles), reverse=True)
    assert all(p["cycles"] >= p["bound_cycles"] and "array pass (os" in p["mapping"] for p in front["points"])
    text = run(*names)
    assert "fronts proven complete for 1 of 1 layers" in text
    short = run(*names, "--max-evaluations", "250")
    assert "stage4.1.conv3 (cut short)" in short and "fronts proven complete for 0 of 1 layers" in short
