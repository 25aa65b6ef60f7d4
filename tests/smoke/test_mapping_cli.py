"""`show mapping`: what it prints reads back as the mappings it shows, as text and as YAML."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from accelsim.formats.mapping_yaml import constraint_of, load_constraints, load_mapping, parse_mapping, part_name
from accelsim.formats.nest_text import parse_nest, parse_nests
from accelsim.graph import optimise
from accelsim.lookup import load_arch, load_model
from accelsim.mapping.text import NO_NEST, normal
from accelsim.plan import Options, Plan
from accelsim.planning import plan_network
from tests.smoke.test_cli import accelsim

NET = """
from accelsim.graph import Network


def build(batch=1):
    net = Network("net", batch=batch)
    x = net.max_pool(net.relu(net.conv(net.input(3, 8, 8), 4, 3, pad=1)), 2, stride=2)
    x = net.conv_transpose(x, 1, 3, stride=2)
    return net.build(net.softmax(net.linear(net.flatten(x), 10)))
"""


def show(tmp_path: Path, *args: str) -> str:
    (tmp_path / "net.py").write_text(NET)
    result = accelsim("show", "mapping", "-a", "gemmini_16x16", "-m", "net.py", *args, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, ...]:
    path = tmp_path_factory.mktemp("net") / "net.py"
    path.write_text(NET)
    return plan_network(
        optimise(load_model(str(path))[0]), load_arch("gemmini_16x16")[0], Options(schedule="layerwise")
    )


def test_what_is_shown_reads_back(tmp_path: Path, plans: tuple[Plan, ...]) -> None:
    text, yaml = show(tmp_path), show(tmp_path, "--yaml")
    found = json.loads(show(tmp_path, "--json", "-"))["mappings"]
    arch = load_arch("gemmini_16x16")[0]
    work = {p.node.name: (p.arch, [q.mapped.mapping.problem for q in p.parts if q.mapped]) for p in plans}
    nests = parse_nests(text, work)
    (tmp_path / "m.yaml").write_text(yaml)
    constraints = load_constraints(tmp_path / "m.yaml", arch, list(work))
    assert yaml.startswith("# net on gemmini_16x16, batch 1, edp\nlayers:\n")
    kinds = set()
    for plan in plans:
        name, mappings = plan.node.name, [part.mapped.mapping for part in plan.parts if part.mapped]
        assert nests[name] == tuple(normal(mapping, arch) for mapping in mappings)
        kinds.add(len(mappings))
        if not mappings:
            assert found[name] is None
            assert f"{name}\n{NO_NEST}\n" in text
        if len(mappings) == 1:
            assert parse_nest(found[name], mappings[0].problem, arch) == nests[name][0]
        for i, mapping in enumerate(mappings):
            key = part_name(name, i, len(mappings))
            assert load_mapping(tmp_path / "m.yaml", mapping.problem, arch, key) == nests[name][i]
            assert constraint_of(constraints, name, i, len(mappings)).allows(mapping)
    assert kinds == {0, 1, 4}


def test_one_layer_as_yaml(tmp_path: Path, plans: tuple[Plan, ...]) -> None:
    yaml = show(tmp_path, "--yaml", "-l", "conv1")
    assert yaml.startswith("# net on gemmini_16x16, batch 1, edp\ndataflow: ws\nlevels:\n  DRAM: [")
    assert show(tmp_path, "--yaml", "-l", "relu1") == yaml, "folded into conv1"
    arch = load_arch("gemmini_16x16")[0]
    mapped = plans[0].parts[0].mapped
    assert mapped is not None
    assert parse_mapping(yaml, mapped.mapping.problem, arch, "m.yaml") == normal(mapped.mapping, arch)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--yaml", "--json", "-"], "error: --yaml and --json: expected one of them"),
        (
            ["--yaml", "-l", "softmax1"],
            "error: layer 'softmax1' runs on the vector unit in chunks, or moves nothing: it",
        ),
        (["--yaml", "-l", "conv2"], "error: net has no layer 'conv2'; did you mean 'conv1' or 'deconv1'?"),
    ],
)
def test_wrong_input(tmp_path: Path, args: list[str], message: str) -> None:
    (tmp_path / "net.py").write_text(NET)
    result = accelsim("show", "mapping", "-a", "eyeriss", "-m", "net.py", *args, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(message)
