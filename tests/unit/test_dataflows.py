"""`--dataflow`: the machine with another dataflow where its array allows it, stated in what comes out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from accelsim import api
from accelsim.arch.dataflows import POSSIBLE, WIRES, with_dataflow
from accelsim.cli import app
from accelsim.errors import InputError
from accelsim.formats.mapping_cache import key_of
from accelsim.lookup import load_arch
from accelsim.mapper.exact.search import Request
from accelsim.mapping.legality import problems_with
from accelsim.pipeline import run as run_pipeline
from accelsim.plan import Options
from accelsim.problem import conv_problem
from tests.unit.test_certify_command import NET

CONV = conv_problem(
    batch=1, groups=1, out_channels=8, in_channels=4, out_size=(6, 6), kernel=(3, 3), in_size=(6, 6), pad=(1, 1)
)


@pytest.mark.parametrize("name", ["edge_os_32x32", "tpu_like", "gemmini_16x16", "nvdla_small", "tpu_v1"])
def test_arrays_take_every_dataflow_of_their_kind(name: str) -> None:
    arch = load_arch(name)[0]
    for dataflow in POSSIBLE[arch.array.kind]:
        changed = with_dataflow(arch, dataflow)
        array = changed.array
        assert array.dataflow == dataflow
        assert (array.share_inputs, array.share_weights, array.reduce) == WIRES[dataflow]
        mapped = api.map_layer(CONV, arch, dataflow=dataflow)
        assert mapped.mapping.dataflow == dataflow
        assert problems_with(mapped.mapping, changed) == []
        assert mapped.search is not None and mapped.search.proven


def test_its_own_dataflow_leaves_a_machine_as_it_is() -> None:
    for name in ("eyeriss", "shidiannao", "tpu_v1"):
        arch = load_arch(name)[0]
        assert with_dataflow(arch, arch.array.dataflow) == with_dataflow(arch, "") == arch


def test_flags_without_meaning_are_off_and_the_change_is_told() -> None:
    arch = load_arch("tpu_v1")[0]
    assert arch.array.whole_weight_tiles and arch.array.weight_double_buffer
    other = with_dataflow(arch, "os")
    assert not (other.array.whole_weight_tiles or other.array.weight_double_buffer or other.array.early_exit)
    assert other.description.endswith("(dataflow os in place of ws)")
    assert with_dataflow(arch, "is").array.weight_double_buffer
    assert key_of(Request(CONV, arch)) != key_of(Request(CONV, other))


@pytest.mark.parametrize(
    ("name", "dataflow", "message"),
    [
        ("eyeriss", "ws", "eyeriss: dataflow 'ws' does not run on its row_stationary array; expected 'rs'"),
        ("eyeriss_v2", "is", "eyeriss_v2: dataflow 'is' does not run on its row_stationary array; expected 'rs'"),
        ("edge_tpu", "rs", "edge_tpu: dataflow 'rs' does not run on its systolic array; expected 'ws' or 'os' or 'is'"),
        ("edge_tpu", "wss", "dataflow 'wss'; did you mean 'ws'?"),
    ],
)
def test_what_cannot_be_is_refused(name: str, dataflow: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        with_dataflow(load_arch(name)[0], dataflow)
    assert str(error.value) == message
    result = CliRunner().invoke(app, ["map", "-a", name, "-m", "mlp", "--dataflow", dataflow])
    assert isinstance(result.exception, InputError) and str(result.exception) == message


def test_a_mesh_is_output_stationary() -> None:
    arch = load_arch("shidiannao")[0]
    mesh = replace(arch, array=replace(arch.array, kind="mesh", dataflow="os"))
    with pytest.raises(InputError, match="dataflow 'ws' does not run on its mesh array; expected 'os'"):
        with_dataflow(mesh, "ws")


def test_runs_and_maps_state_it(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    net, out = str(tmp_path / "net.py"), str(tmp_path / "out")
    names = ["-a", "edge_tpu", "-m", net, "--dataflow", "os", "--json", "-"]
    report = json.loads(CliRunner().invoke(app, ["run", *names, "--out", out]).output)
    assert (report["dataflow"], report["options"]["dataflow"]) == ("os", "os")
    assert report["verification"]["command"].endswith("--dataflow os")
    found = json.loads(CliRunner().invoke(app, ["map", *names]).output)
    assert found["dataflow"] == "os"
    assert all("array pass (os" in layer["mapping"] for layer in found["layers"])
    plain = api.run("edge_tpu", net)
    assert "dataflow" not in plain.options and plain.machine.dataflow == "ws"


def test_the_options_of_a_run_decide(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    net = str(tmp_path / "net.py")
    report = api.run("edge_os_32x32", net, dataflow="ws")
    assert report.totals.cycles != api.run("edge_os_32x32", net).totals.cycles
    assert api.verify("edge_os_32x32", net, dataflow="is").exact
    machine, graph = load_arch("edge_os_32x32")[0], api.load_model(net)[0]
    assert run_pipeline(machine, graph, Options(dataflow="ws")).totals.cycles == report.totals.cycles
