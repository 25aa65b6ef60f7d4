"""The reference executor: every layer of a network as defined, on whole arrays, with the machine's integers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from accelsim.arch import Precision
from accelsim.errors import CheckFailed, InputError
from accelsim.execute import kernels
from accelsim.execute.quantise import (
    Array,
    Finish,
    QTensor,
    activate,
    choose_exponent,
    choose_shift,
    exact,
    limit,
    output_stage,
    requantise,
    to_grid,
)
from accelsim.execute.weights import Parameters
from accelsim.graph import LayerGraph, Node
from accelsim.layers import (
    Activation,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Flatten,
    GlobalAvgPool,
    Linear,
    MaxPool2d,
    Slice,
    Softmax,
)

DEGENERATE = 0.2


@dataclass(frozen=True)
class NodeRun:
    """What the reference found for one node.

    Attributes:
        output: values leaving the node.
        finish: how its sums were finished, sums: the sums before the bias (array layers only).
        acc_max: largest magnitude of a sum, bias included. acc_bits: signed bits that hold it.
        saturated, zero: shares of the requantised words, before the activation.
    """

    output: QTensor
    finish: Finish | None = None
    acc_max: int = 0
    saturated: float = 0.0
    zero: float = 0.0
    sums: Array | None = None

    @property
    def acc_bits(self) -> int:
        """Signed bits that hold every sum."""
        return self.acc_max.bit_length() + 1


def bias_on_grid(parameters: Parameters, exponent: int, axes: int) -> Array | None:
    """The bias as integers on the grid of the sums, shaped for channels at dim 1 of a tensor with `axes` dims."""
    if parameters.bias is None:
        return None
    words = np.rint(parameters.bias / 2.0**exponent)
    return words.reshape(1, -1, *(1,) * (axes - 2)) if axes > 2 else words


def _array_layer(node: Node, x: QTensor, parameters: Parameters, precision: Precision) -> NodeRun:
    layer, weight = node.layer, parameters.weight
    assert weight is not None
    if isinstance(layer, Conv2d):
        sums = kernels.conv2d(x.values, weight.values, layer.stride, layer.pads, layer.dilation, layer.groups)
    else:
        sums = kernels.linear(x.values, weight.values)
    exponent = x.exponent + weight.exponent
    bias = bias_on_grid(parameters, exponent, 4 if isinstance(layer, Conv2d) else 2)
    total = sums if bias is None else sums + bias
    exact(total, node.name)
    bits = precision.output_bits
    shift = choose_shift(total, bits)
    words = requantise(total, shift, bits)
    saturated = float((np.abs(total / 2.0**shift) >= limit(bits) + 0.5).mean())
    zero = float((words == 0).mean())
    if max(saturated, zero) > DEGENERATE:
        raise CheckFailed(
            f"{node.name}: {saturated:.1%} of the outputs saturate and {zero:.1%} are zero, so that comparing values "
            f"proves little; the limit is {DEGENERATE:.0%} (try another --seed)"
        )
    finish = Finish(exponent, shift, node.activation, bits)
    output = QTensor(output_stage(sums, bias, finish), finish.exponent)
    return NodeRun(output, finish, int(np.abs(total).max()), saturated, zero, sums)


def _vector_layer(node: Node, inputs: list[QTensor], parameters: Parameters | None) -> tuple[Array, int | None]:
    """Real output values, and the exponent if the output stays on its input's grid."""
    layer, x = node.layer, inputs[0]
    out = (node.shape[-2], node.shape[-1]) if len(node.shape) == 4 else (1, 1)
    if isinstance(layer, MaxPool2d):
        return kernels.max_pool2d(x.real, layer.kernel, layer.stride, layer.pads, out), x.exponent
    if isinstance(layer, AvgPool2d):
        return kernels.avg_pool2d(x.real, layer.kernel, layer.stride, layer.pads, out, layer.count_include_pad), None
    if isinstance(layer, GlobalAvgPool):
        return x.real.mean(axis=(2, 3), keepdims=True), None
    if isinstance(layer, Add):
        return sum((t.real for t in inputs[1:]), x.real), None
    if isinstance(layer, Activation):
        return activate(x.real, layer), None
    if isinstance(layer, Softmax):
        return kernels.softmax(x.real), None
    if isinstance(layer, BatchNorm2d) and parameters is not None:
        assert parameters.scale is not None and parameters.bias is not None
        return kernels.batch_norm2d(x.real, parameters.scale, parameters.bias), None
    if isinstance(layer, Concat):
        return np.concatenate([t.real for t in inputs], axis=layer.axis), None
    if isinstance(layer, Slice):
        picked = np.take(x.real, np.arange(layer.start, layer.stop), axis=layer.axis)
        return picked.reshape(node.shape), x.exponent
    if isinstance(layer, Flatten):
        return x.real.reshape(node.shape), x.exponent
    raise InputError(f"{node.name}: operator {node.op!r} has no reference")


def run_node(node: Node, inputs: list[QTensor], parameters: Parameters | None, precision: Precision) -> NodeRun:
    """Run one node on quantised inputs."""
    if isinstance(node.layer, Conv2d | Linear):
        assert parameters is not None
        return _array_layer(node, inputs[0], parameters, precision)
    real, exponent = _vector_layer(node, inputs, parameters)
    real = activate(real, node.activation)
    if exponent is None:
        exponent = choose_exponent(real, precision.output_bits)
    return NodeRun(QTensor(to_grid(real, exponent, precision.output_bits), exponent))


def run_reference(
    graph: LayerGraph, weights: dict[str, Parameters], inputs: dict[str, QTensor], precision: Precision
) -> dict[str, NodeRun]:
    """Run a whole network; results by node name, inputs included, sums not kept."""
    found: dict[str, NodeRun] = {}
    for node in graph.nodes():
        if node.layer is None:
            if node.name not in inputs:
                raise InputError(f"{graph.name}: no values for input {node.name!r}")
            found[node.name] = NodeRun(inputs[node.name])
            continue
        sources = [found[name].output for name in node.inputs]
        run = run_node(node, sources, weights.get(node.weight_key), precision)
        found[node.name] = replace(run, sums=None)
    return found
