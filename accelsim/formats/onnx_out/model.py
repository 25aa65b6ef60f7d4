"""From a LayerGraph and its tensors to an ONNX model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

import accelsim
from accelsim.errors import InputError
from accelsim.formats.onnx_out.context import Context
from accelsim.formats.onnx_out.table import EXPORTERS
from accelsim.graph import LayerGraph, Node

OPSET = 21
IR_VERSION = 10
Tensors = dict[str, NDArray[np.float64]]


def _export(node: Node, ctx: Context, tensors: Tensors) -> None:
    layer = node.layer
    assert layer is not None
    for kind in type(layer).__mro__:
        if kind in EXPORTERS:
            ctx.begin(node.name)
            EXPORTERS[kind](ctx, node, tensors)
            return
    raise InputError(f"{node.name}: operator {node.op!r} has no ONNX form")


def _fused(node: Node) -> bool:
    return node.norm is not None or node.activation is not None


def to_onnx(graph: LayerGraph, tensors: dict[str, Tensors], doc: str = "") -> ModelProto:
    """A model of opset 21 whose values carry the layers' names; inputs and outputs are float32.

    Args:
        graph: as a workload builds it, before passes fold anything.
        tensors: parameters and constants by weight key (`execute.floating.all_tensors`).

    Raises:
        InputError: a folded graph, or an operator without an ONNX form.
    """
    ctx = Context()
    for node in graph.layers:
        if _fused(node):
            raise InputError(f"{graph.name}: {node.name} is folded; export the network as it was built")
        _export(node, ctx, tensors.get(node.weight_key, {}))

    def info(node: Node) -> Any:
        return helper.make_tensor_value_info(node.name, TensorProto.FLOAT, list(node.shape))

    outputs = [info(graph.node(name)) for name in dict.fromkeys(graph.outputs)]
    inputs = [info(node) for node in graph.inputs]
    body = helper.make_graph(
        ctx.nodes, graph.name, inputs, outputs, initializer=list(ctx.initializers.values()), doc_string=doc
    )  # fmt: skip
    return helper.make_model(
        body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="accelsim",
        producer_version=accelsim.__version__,
    )  # fmt: skip


def to_bytes(model: ModelProto, shown: str) -> bytes:
    """The model as a checked file.

    Raises:
        InputError: more than 2 GiB, which a file of this kind cannot hold.
    """
    from onnx import checker

    if model.ByteSize() >= 2**31:
        raise InputError(f"{shown}: the model takes {model.ByteSize()} bytes, an ONNX file holds less than 2 GiB")
    checker.check_model(model)
    found: bytes = model.SerializeToString(deterministic=True)
    return found
