"""The reference executor: every layer of a network as defined, on whole arrays, with the machine's integers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from accelsim.arch import Precision
from accelsim.errors import CheckFailed, InputError
from accelsim.execute.functions import activate
from accelsim.execute.kernels import compute
from accelsim.execute.kernels.convolution import sampled_product
from accelsim.execute.kernels.table import samples
from accelsim.execute.quantise import (
    Array,
    Finish,
    QTensor,
    choose_exponent,
    choose_shift,
    exact,
    limit,
    output_stage,
    requantise,
    to_grid,
)
from accelsim.execute.weights import WEIGHTED, Parameters
from accelsim.graph import LayerGraph, Node
from accelsim.layers import (
    ConvTranspose,
    DeformConv2d,
    Einsum,
    GlobalPool,
    Linear,
    MatMul,
    MaxPool2d,
    Pad,
    Rearrange,
    View,
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
        samples: what a deformable convolution sampled.
    """

    output: QTensor
    finish: Finish | None = None
    acc_max: int = 0
    saturated: float = 0.0
    zero: float = 0.0
    sums: Array | None = None
    samples: QTensor | None = None

    @property
    def acc_bits(self) -> int:
        """Signed bits that hold every sum."""
        return self.acc_max.bit_length() + 1


def bias_on_grid(node: Node, parameters: Parameters | None, exponent: int) -> Array | None:
    """The bias as integers on the grid of the sums, shaped to be added to them."""
    if parameters is None or parameters.bias is None:
        return None
    words = np.rint(parameters.bias / 2.0**exponent)
    return words if isinstance(node.layer, Linear) else words.reshape(1, -1, *(1,) * (len(node.shape) - 2))


def finish_sums(
    node: Node, sums: Array, bias: Array | None, exponent: int, precision: Precision, alive: bool
) -> NodeRun:
    """Choose the shift of a layer whose sums stand for `sums * 2**exponent`, and make its output.

    Raises:
        CheckFailed: too many outputs saturate or are zero, though the inputs are not all zero (`alive`; they are for
            the first step of a recurrence).
    """
    total = sums if bias is None else sums + bias
    exact(total, node.name)
    bits = precision.output_bits
    shift = choose_shift(total, bits)
    words = requantise(total, shift, bits)
    saturated = float((np.abs(total / 2.0**shift) >= limit(bits) + 0.5).mean())
    met = sums != 0 if isinstance(node.layer, ConvTranspose) else np.ones(sums.shape, bool)
    zero = float((words[met] == 0).mean()) if met.any() else 1.0
    if max(saturated, zero) > DEGENERATE and alive:
        raise CheckFailed(
            f"{node.name}: {saturated:.1%} of the outputs saturate and {zero:.1%} are zero, so that comparing values "
            f"proves little; the limit is {DEGENERATE:.0%} (try another --seed)"
        )
    finish = Finish(exponent, shift, node.activation, bits)
    output = QTensor(output_stage(sums, bias, finish), finish.exponent)
    return NodeRun(output, finish, int(np.abs(total).max()), saturated, zero, sums)


def sample_grid(node: Node, inputs: list[QTensor], precision: Precision) -> QTensor:
    """Samples of a deformable convolution (N, C, taps, P, Q) on the machine's input grid."""
    assert isinstance(node.layer, DeformConv2d)
    real = samples(node.layer, [t.real for t in inputs])
    exponent = choose_exponent(real, precision.input_bits)
    return QTensor(to_grid(real, exponent, precision.input_bits), exponent)


def _array_layer(node: Node, inputs: list[QTensor], parameters: Parameters | None, precision: Precision) -> NodeRun:
    layer = node.layer
    assert layer is not None
    extra: QTensor | None = None
    if isinstance(layer, DeformConv2d):
        assert parameters is not None and parameters.weight is not None
        extra = sample_grid(node, inputs, precision)
        sums = sampled_product(extra.values, parameters.weight.values, layer.conv.groups)
        exponent = extra.exponent + parameters.weight.exponent
    elif parameters is not None and parameters.weight is not None:
        sums = compute(layer, [inputs[0].values], {"weight": parameters.weight.values})
        exponent = inputs[0].exponent + parameters.weight.exponent
    else:
        sums = compute(layer, [t.values for t in inputs], {})
        exponent = inputs[0].exponent + inputs[1].exponent
    alive = any(bool(t.values.any()) for t in inputs[:1])
    found = finish_sums(node, sums, bias_on_grid(node, parameters, exponent), exponent, precision, alive)
    return replace(found, samples=extra)


def on_array(node: Node) -> bool:
    """True if the layer's sums are made by the PE array."""
    two = isinstance(node.layer, MatMul) or (isinstance(node.layer, Einsum) and len(node.inputs) == 2)
    return two or isinstance(node.layer, WEIGHTED)


def _stays_on_grid(node: Node) -> bool:
    """True if every output word is an input word (or zero), so that no new grid is needed."""
    layer = node.layer
    one = len(node.inputs) == 1 and node.activation is None
    if isinstance(layer, Pad):
        return one and layer.value == 0.0
    moved = isinstance(layer, Rearrange | View | MaxPool2d) or (isinstance(layer, GlobalPool) and layer.kind == "max")
    return one and moved


def run_node(node: Node, inputs: list[QTensor], parameters: Parameters | None, precision: Precision) -> NodeRun:
    """Run one node on quantised inputs."""
    assert node.layer is not None
    if on_array(node):
        return _array_layer(node, inputs, parameters, precision)
    real = compute(node.layer, [t.real for t in inputs], {} if parameters is None else parameters.real)
    real = activate(real, node.activation)
    exponent = inputs[0].exponent if _stays_on_grid(node) else choose_exponent(real, precision.output_bits)
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
        found[node.name] = replace(run, sums=None, samples=None)
    return found
