"""The tests that come with the onnx package, and its nine light networks with seeded random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.backend.test
import pytest
from onnx import numpy_helper

from accelsim.execute.floating import all_tensors, run_float
from accelsim.formats.onnx_in import from_onnx
from accelsim.validate.coverage import REASONS, Result, node_results, set_results
from tests.agreement.witness import apart, run_onnx

LIGHT = Path(onnx.backend.test.__file__).parent / "data" / "light"
MACS = {
    "light_bvlc_alexnet": 654_560_384, "light_densenet121": 2_834_161_664, "light_inception_v1": 1_431_556_352,
    "light_inception_v2": 2_018_851_840, "light_resnet50": 4_089_184_256, "light_shufflenet": 124_664_528,
    "light_squeezenet": 349_151_936, "light_vgg19": 19_632_062_464, "light_zfnet512": 1_481_727_008,
}  # fmt: skip
WITHOUT = {*REASONS.values(), "shape (1, 1, 5), expected (1, 5)"}


def test_node_tests() -> None:
    """All but those with a reason: training, text, tensors without words, a second output."""
    results: list[Result] = list(node_results())
    passed = [r for r in results if not r.error]
    alone = [r for r in passed if len(r.operators) == 1]
    assert len(alone) >= 685
    assert len(passed) >= 885
    assert {r.error for r in results} - {""} <= WITHOUT
    assert [(r.name, r.trouble) for r in passed if r.trouble] == []


@pytest.mark.parametrize(("name", "count"), [("pytorch-converted", 82), ("pytorch-operator", 35)])
def test_exported_layers(name: str, count: int) -> None:
    results = list(set_results(name))
    assert [r.name for r in results if r.error] == []
    assert len(results) == count


def seeded(model: onnx.ModelProto) -> onnx.ModelProto:
    """The constant weights of a light network replaced by seeded random ones."""
    random = np.random.default_rng(0)
    shapes = {t.name: t for t in model.graph.initializer}
    variances = {node.input[4] for node in model.graph.node if node.op_type == "BatchNormalization"}
    kept = []
    for node in model.graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape, name = tuple(numpy_helper.to_array(shapes[node.input[0]])), node.output[0]
        if name in variances:
            values = random.uniform(0.5, 1.5, shape)
        elif len(shape) == 1:
            values = random.uniform(0.1, 0.9, shape)
        else:
            values = random.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model


@pytest.mark.parametrize("name", MACS)
def test_light_networks(name: str) -> None:
    model = seeded(onnx.load(LIGHT / f"{name}.onnx"))
    graph = from_onnx(model, name)
    assert graph.macs == MACS[name]
    inputs = {n.name: np.random.default_rng(1).normal(size=n.shape).astype(np.float32) for n in graph.inputs}
    ours = run_float(graph, all_tensors(graph), inputs)[0]
    assert apart(ours, run_onnx(model, inputs)[0]) < 1e-4
