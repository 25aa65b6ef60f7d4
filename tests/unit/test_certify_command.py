"""`map --certify` and `certify`: files, exit codes, and what a changed file, machine or network does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from accelsim.cli import app
from accelsim.errors import AccelsimError, CheckFailed, InputError
from accelsim.formats.canonical import difference
from accelsim.formats.certificate import read_certificate
from accelsim.lookup import find_arch

NET = """
from accelsim.graph import Network


def build(batch=1):
    net = Network("net", batch=batch)
    x = net.relu(net.conv(net.input(3, 8, 8), 4, 3, pad=1))
    return net.build(net.linear(net.flatten(net.conv(x, 4, 3, groups=4)), 10))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "net.py").write_text(NET)
    (folder / "tiny.yaml").write_text(find_arch("edge_os_32x32").text.replace("rows: 32", "rows: 4"))
    (folder / "limit.yaml").write_text("levels: {DRAM: {P: '<= 4'}}\n")
    names = ["--arch", str(folder / "tiny.yaml"), "--model", str(folder / "net.py")]
    limit = ["--constraints", str(folder / "limit.yaml")]
    result = CliRunner().invoke(app, ["map", *names, *limit, "--certify", str(folder / "c.json"), "--json", "-"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["certificate"] == str(folder / "c.json")
    return folder


def outcome(path: Path, *more: str) -> tuple[int, str]:
    """Exit code and message of `certify`."""
    result = CliRunner().invoke(app, ["certify", str(path), *more])
    if isinstance(result.exception, AccelsimError):
        return result.exception.exit_code, str(result.exception)
    return result.exit_code, result.output


def test_a_certificate_of_a_network_checks(made: Path) -> None:
    code, text = outcome(made / "c.json", "--json", "-")
    found = json.loads(text)
    assert (code, found["holds"]) == (0, True)
    assert [layer["name"] for layer in found["layers"]] == ["conv1", "conv2", "fc1"]
    assert all(layer["proven"] and layer["boxes"] > 10 and layer["gap"] == 0 for layer in found["layers"])
    code, text = outcome(made / "c.json")
    assert code == 0 and "3 of 3 layers proven optimal" in text


def test_the_same_search_writes_the_same_bytes(made: Path) -> None:
    before = (made / "c.json").read_bytes()
    names = ["--arch", str(made / "tiny.yaml"), "--model", str(made / "net.py")]
    more = ["--constraints", str(made / "limit.yaml"), "--certify", str(made / "again.json")]
    assert CliRunner().invoke(app, ["map", *names, *more]).exit_code == 0
    assert (made / "again.json").read_bytes() == before


def put(*path: Any) -> Callable[[dict[str, Any]], None]:
    """Set the value at a path to the last argument."""

    def change(document: Any) -> None:
        for key in path[:-2]:
            document = document[key]
        document[path[-2]] = path[-1]

    return change


L = "layers"
CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], int, str]] = {
    "format": (put("format", "accelsim certificate 9"), 2, "format: 'accelsim certificate 9', input should be"),
    "arch": (put("arch", "edge_tpu"), 1, "edge_tpu is not the machine of the certificate: "),
    "dataflow": (put("dataflow", "ws"), 1, "not the machine of the certificate: .*dataflow ws in place of os"),
    "machine": (
        put("machine", "memories", 0, "capacity_bits", 5),
        1,
        r"memories\[0\].capacity_bits: 4194304, expected 5",
    ),
    "model": (put("model", "mlp"), 1, "layer conv1: no such array layer in mlp"),
    "batch": (put("batch", 2), 1, "layer conv1: not the layer of the certificate: bounds"),
    "shapes": (put("input_shapes", {"x": [0]}), 2, "input_shapes.x.0: 0|input_shapes.x\\[0\\]: 0"),
    "objective": (put("objective", "energy"), 1, "layer conv1: the incumbent costs"),
    "imperfect": (put("imperfect", 1), 2, "imperfect: 1, input should be a valid boolean"),
    "constraints": (put("constraints", ""), 1, "layer conv1: family"),
    "constraint": (put("constraints", "levels: {DRAM: {P: 3}}"), 1, "the incumbent is not legal: DRAM: P"),
    "no layers": (put(L, []), 2, "layers: "),
    "layer": (put(L, 0, "name", "conv7"), 1, "layer conv7: no such array layer in"),
    "times": (put(L, 0, "times", 2), 1, "it occurs 1 times, not 2"),
    "problem": (put(L, 0, "problem", "bounds", 2, 1, 5), 1, r"bounds\[2\]\[1\]: 4, expected 5"),
    "post_ops": (put(L, 0, "post_ops", 99), 1, "post_ops: "),
    "mapping": (put(L, 0, "mapping", "stream: [P 2]"), 2, "layer conv1: mapping of conv1:1:1: loops over"),
    "cost": (put(L, 0, "cost", 7), 1, "the incumbent costs"),
    "bound": (put(L, 0, "bound", 7), 0, "bound holds"),
    "energy": (put(L, 0, "energy_fj", 7), 1, "the incumbent takes"),
    "cycles": (put(L, 0, "cycles", -7), 2, r"layers\[0\].cycles: -7"),
    "families": (put(L, 0, "families", []), 1, r"boxes \(cores\) are missing at the end"),
    "flags": (put(L, 0, "families", 0, "open", "AAAA"), 2, "layer conv1: not packed flags"),
    "box bound": (put(L, 0, "families", 1, "bound", 3), 1, "of its closed boxes is"),
    "extra key": (put(L, 0, "families", 0, "bond", 3), 2, r"families\[0\].bond: unknown key; did you mean 'bound'"),
}


@pytest.mark.parametrize("what", list(CHANGES))
def test_a_changed_file_fails(made: Path, what: str) -> None:
    change, code, message = CHANGES[what]
    document = json.loads((made / "c.json").read_text())
    change(document)
    bad = made / "bad.json"
    bad.write_text(json.dumps(document))
    found, text = outcome(bad)
    assert found == code, text
    with pytest.raises(ValueError, match=message):
        raise ValueError(text)


def test_every_key_is_needed(made: Path) -> None:
    document = json.loads((made / "c.json").read_text())
    for key in document:
        (made / "bad.json").write_text(json.dumps({k: v for k, v in document.items() if k != key}))
        with pytest.raises(InputError, match=f"bad.json: {key}: missing"):
            read_certificate(str(made / "bad.json"))


def test_a_changed_machine_or_network_fails(made: Path) -> None:
    for name, old, new, message in (
        ("tiny.yaml", "rows: 4", "rows: 5", "array.rows: 5, expected 4"),
        ("net.py", "4, 3, pad=1", "4, 3, pad=0", "not the layer of the certificate"),
    ):
        text = (made / name).read_text()
        (made / name).write_text(text.replace(old, new))
        code, said = outcome(made / "c.json")
        (made / name).write_text(text)
        assert code == 1 and message in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff", "not UTF-8 text"),
        (b"{", "bad.json:1:2: not JSON"),
        (b"[]", "bad.json: file: "),
        (None, "cannot read certificate"),
    ],
)
def test_what_is_no_certificate_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "bad.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_certificate(str(path))


def test_options_that_exclude_each_other() -> None:
    result = CliRunner().invoke(app, ["map", "-a", "eyeriss", "-m", "mlp", "--pareto", "--certify", "x.json"])
    assert isinstance(result.exception, InputError)
    assert "a run takes one of them" in str(result.exception)


def test_differences_name_the_path() -> None:
    assert difference({"a": [{"b": 1}]}, {"a": [{"b": 1}]}) == ""
    assert difference({"a": [{"b": 1}]}, {"a": [{"b": True}]}) == "a[0].b: 1, expected True"
    assert difference({"a": 1}, {"c": 1}).startswith("value: ")
    assert isinstance(CheckFailed("x"), AccelsimError)
