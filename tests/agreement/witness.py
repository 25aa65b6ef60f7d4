"""onnxruntime as the independent witness of values."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime

from accelsim.execute.floating import all_tensors, run_float
from accelsim.execute.weights import random_input
from accelsim.formats.onnx_out import to_onnx
from accelsim.graph import LayerGraph


def run_onnx(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Outputs of a model in onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    wanted = {i.name for i in session.get_inputs()}
    return list(session.run(None, {name: value for name, value in inputs.items() if name in wanted}))


def inputs_of(graph: LayerGraph, seed: int = 0) -> dict[str, np.ndarray]:
    return {node.name: random_input(node, graph, seed).astype(np.float32) for node in graph.inputs}


def apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference relative to the range of the tensor (to its size if it is flat)."""
    assert ours.shape == theirs.shape
    assert np.isfinite(ours).all()
    span = max(float(np.ptp(ours)), float(np.abs(ours).max()) * 1e-3, 1e-30)
    return float(np.abs(ours - theirs).max()) / span


def exported_error(graph: LayerGraph, seed: int = 0) -> float:
    """Export a network with calibrated random weights, run it in onnxruntime, compare every output."""
    tensors, inputs = all_tensors(graph, seed), inputs_of(graph, seed)
    ours = run_float(graph, tensors, inputs, calibrate=True)
    model = to_onnx(graph, tensors)
    onnx.checker.check_model(model)
    theirs = dict(zip(dict.fromkeys(graph.outputs), run_onnx(model, inputs), strict=True))
    return max(apart(value, theirs[name]) for name, value in zip(graph.outputs, ours, strict=True))
