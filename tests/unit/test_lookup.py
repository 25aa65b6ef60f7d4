"""Names, files, parameters: what is found where, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from accelsim.errors import InputError
from accelsim.lookup import find_arch, find_model, list_models, load_model

GOOD = """
from accelsim.graph import Network

def build(batch=1, features: int = 4, rate: float = 0.5, deep: bool = False):
    net = Network("mine", batch=batch)
    return net.build(net.linear(net.input(3), features))
"""


def write(folder: Path, text: str, name: str = "mine.py") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_path_wins_then_environment_then_checkout(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = find_arch("eyeriss")
    assert shipped.path == root / "arch_configs" / "eyeriss.yaml"
    assert shipped.shown == "eyeriss.yaml"
    mine = tmp_path / "eyeriss.yaml"
    mine.write_text(shipped.text + "# mine\n")
    monkeypatch.setenv("ACCELSIM_PATH", str(tmp_path))
    assert find_arch("eyeriss").path == mine
    assert find_arch("eyeriss.yaml").path == mine
    assert find_arch(str(shipped.path)).path == shipped.path
    monkeypatch.chdir(tmp_path)
    assert find_arch("eyeriss.yaml").text.endswith("# mine\n")


def test_hash_is_that_of_the_text(tmp_path: Path) -> None:
    one = find_arch("eyeriss").sha256
    other = tmp_path / "eyeriss.yaml"
    other.write_text(find_arch("eyeriss").text)
    assert find_arch(str(other)).sha256 == one
    other.write_text(find_arch("eyeriss").text + "\n")
    assert find_arch(str(other)).sha256 != one


def test_an_edit_in_the_checkout_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELSIM_PATH", str(tmp_path))
    path = tmp_path / "mine.py"
    path.write_text(GOOD)
    assert load_model("mine")[0].macs == 12
    path.write_text(GOOD.replace("= 4", "= 5"))
    assert load_model("mine")[0].macs == 15
    assert "mine" in list_models()
    assert not any("accelsim_workload" in name for name in sys.modules)


def test_variants_and_parameters() -> None:
    entry, given = find_model("resnet50_v1:classes=10")
    assert (entry.path.name, entry.params, given) == (
        "resnet.py",
        {"depth": 50, "stride_in_1x1": True},
        {"classes": 10},
    )
    assert load_model("mobilenet_v2:width=0.25", 2)[0].batch == 2


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mobilenet_v3", "no model 'mobilenet_v3'; did you mean 'mobilenet_v2'"),
        ("nosuch.py", "no file 'nosuch.py'"),
        ("mlp:hiden1=3", "no parameter 'hiden1'; did you mean 'hidden1'"),
        ("mlp:hidden1=wide", "hidden1='wide', expected a value like 300"),
        ("mlp:hidden1=1.5", "hidden1=1.5, expected a value like 300"),
        ("mlp:hidden1=True", "hidden1=True"),
        ("mlp:hidden1", "expected parameter=value"),
        ("mlp:hidden1=0", "mlp.py: linear: out_features is 0, expected whole numbers of at least 1"),
        ("resnet18:depth=19", "resnet.py:.*ValueError: depth 19, expected one of"),
    ],
)
def test_wrong_models(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_model(spec)


@pytest.mark.parametrize("batch", [0, -1, True, 1.5])
def test_wrong_batch(batch: int) -> None:
    with pytest.raises(InputError, match=r"batch .*, expected a whole number of at least 1"):
        load_model("mlp", batch)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = ", r"mine.py:1: SyntaxError"),
        ("import nosuchmodule", r"mine.py:1: ModuleNotFoundError"),
        ("x = 1", "defines no function build"),
        ("def build(batch=1):\n    raise RuntimeError('my own fault')", "mine.py:2: RuntimeError: my own fault"),
        ("def build(batch=1):\n    return 3", "build returned int, expected a LayerGraph"),
        (GOOD.replace("net.input(3)", "net.input(0)"), "mine.py: .*shape .*expected sizes of at least 1"),
    ],
)
def test_workload_files_that_fail(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_model(write(tmp_path, text))


def test_variants_must_be_literal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "VARIANTS = dict(a={})\n")
    monkeypatch.setenv("ACCELSIM_PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"mine.py:1: VARIANTS must be a literal dict"):
        list_models()


@pytest.mark.parametrize(
    ("name", "message"),
    [("eyeris", "no machine 'eyeris'; did you mean 'eyeriss'"), ("no/such.yaml", "no machine file 'no/such.yaml'")],
)
def test_wrong_machines(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_arch(name)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="it is not UTF-8 text"):
        find_arch(str(path))


def test_numbers_for_text_parameters_are_text() -> None:
    assert load_model("squeezenet1_0:version=1.1")[0].params == load_model("squeezenet1_1")[0].params
    with pytest.raises(InputError, match=r"version '2\.0', expected one of"):
        load_model("squeezenet1_0:version=2.0")


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("width", [0.25, 0.5, 0.75, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("megvii", [False, True])
def test_every_shufflenet_builds_and_says_if_it_is_not_as_published(groups: int, width: float, megvii: bool) -> None:
    graph = load_model(f"shufflenet_v1:groups={groups},width={width},megvii={megvii}")[0]
    assert graph.node("stage2.1.concat1").shape[1] % (4 * groups) == 0
    assert (
        graph.name.endswith("-nearest") or width * {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}[groups] % (4 * groups) == 0
    )
