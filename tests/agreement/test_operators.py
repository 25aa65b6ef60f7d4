"""Every operator: NumPy reference == onnxruntime; read back from its file; simulated and proved on every machine."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.execute.floating import all_tensors, run_float
from accelsim.formats.onnx_in import from_onnx
from accelsim.formats.onnx_out import to_onnx
from accelsim.lookup import load_arch
from accelsim.pipeline import run
from accelsim.plan import Options
from accelsim.proof import verify
from tests.agreement.cases import MAKERS, case
from tests.agreement.witness import apart, exported_error, inputs_of

ARCHS = ("eyeriss", "tpu_v1", "edge_os_32x32")


@pytest.mark.parametrize("name", MAKERS)
def test_reference_is_what_onnxruntime_computes(name: str) -> None:
    assert exported_error(case(name)) < 1e-5


@pytest.mark.parametrize("name", MAKERS)
def test_a_file_of_ours_is_read_back(name: str) -> None:
    graph = case(name)
    tensors, inputs = all_tensors(graph), inputs_of(graph)
    again = from_onnx(to_onnx(graph, tensors), "again")
    ours, theirs = run_float(graph, tensors, inputs), run_float(again, all_tensors(again), inputs)
    assert max(apart(a, b) for a, b in zip(ours, theirs, strict=True)) < 1e-5
    assert again.macs == graph.macs


@pytest.mark.parametrize("arch", ARCHS)
def test_every_operator_runs_and_is_exact(arch: str) -> None:
    machine = load_arch(arch)[0]
    for name in MAKERS:
        graph = case(name)
        report = run(machine, graph, Options())
        assert report.totals.macs == graph.macs, name
        wrong = [
            (layer.name, layer.wrong_values, layer.wrong_words)
            for layer in verify(machine, graph).layers
            if not layer.exact
        ]
        assert wrong == [], name


def test_a_wrong_weight_is_seen() -> None:
    """The comparison can fail: one weight changed by a tenth."""
    graph = case("conv same")
    tensors, inputs = all_tensors(graph), inputs_of(graph)
    changed = {key: {name: np.array(t) for name, t in own.items()} for key, own in tensors.items()}
    next(iter(changed.values()))["weight"].flat[0] += 0.1
    ours, theirs = run_float(graph, tensors, inputs)[0], run_float(graph, changed, inputs)[0]
    assert apart(ours, theirs) > 1e-3
