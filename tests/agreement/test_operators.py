"""Every operator: NumPy reference == onnxruntime; read back from its file; simulated and proved on every machine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from accelsim.execute.floating import all_tensors, run_float
from accelsim.formats.onnx_in import from_onnx
from accelsim.formats.onnx_out import to_onnx
from accelsim.graph import Network
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
    # the state products of the first step are constants, since the initial states are
    gates = {"recurrent rnn": 1, "recurrent gru": 3, "recurrent lstm": 4}.get(name, 0)
    assert again.macs == graph.macs - 4 * 2 * gates * 6 * 6


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


@pytest.mark.parametrize("name", [name for name in MAKERS if "ConvTranspose" in name or name.startswith("deconv")])
def test_machines_that_insert_zeros_compute_the_same(name: str) -> None:
    """Every product with a zero is issued, and the values stay."""
    machine, graph = load_arch("edge_os_32x32")[0], case(name)
    inserting = replace(machine, transposed_conv="zero_insertion")
    gathered, inserted = run(machine, graph), run(inserting, graph)
    assert inserted.totals.macs == gathered.totals.macs == graph.macs
    assert inserted.totals.issued_macs > gathered.totals.issued_macs
    assert verify(inserting, graph).exact


def test_known_offsets_are_measured() -> None:
    """Offsets far outside read nothing, offsets of zero all corners inside; unknown ones are charged at the bound."""
    machine = load_arch("edge_os_32x32")[0]
    notes = {}
    for label, value in (("far", 99.0), ("none", 0.0), ("unknown", None)):
        net = Network("deform")
        x, offsets = net.input(2, 6, 6), net.input(18, 4, 4, name="offsets")
        if value is not None:
            net.set_values(offsets, value=np.full((1, 18, 4, 4), value))
        notes[label] = run(machine, net.build(net.deform_conv(x, offsets, 3, 3))).results[0].note
    assert "samples read 0 words on chip" in notes["far"]
    # per dim 4 outputs x 3 taps x 2 corners, of which one lies outside
    assert f"samples read {2 * 23 * 23:,} words on chip" in notes["none"]
    assert "data-dependent reads: 0 to 1,152 words on chip, the most is charged" in notes["unknown"]
