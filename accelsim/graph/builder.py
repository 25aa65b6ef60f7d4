"""Network: write a network as Python, a block as a function, repetition as a loop.

>>> from accelsim.graph import Network
>>> net = Network("tiny")
>>> x = net.input(3, 8, 8)
>>> x = net.relu(net.batch_norm(net.conv(x, 4, kernel=3, pad=1, bias=False)))
>>> graph = net.build(net.linear(net.flatten(net.global_avg_pool(x)), 10))
>>> graph.params, graph.macs
(166, 6952)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from accelsim.errors import InputError
from accelsim.graph.graph import LayerGraph, Node
from accelsim.layers import (
    Add,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Flatten,
    GlobalAvgPool,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    ReLU6,
    Shape,
    Sigmoid,
    Slice,
    Softmax,
    Tanh,
)

Pair = int | tuple[int, int]


@dataclass(frozen=True)
class Handle:
    """A value of the network under construction: the node that makes it and its shape."""

    name: str
    shape: Shape

    @property
    def channels(self) -> int:
        """Size of dim 1."""
        return self.shape[1]


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _pads(pad: int | tuple[int, ...]) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) from one number, (rows, columns) or all four."""
    if isinstance(pad, int):
        return pad, pad, pad, pad
    if len(pad) == 2:
        return pad[0], pad[1], pad[0], pad[1]
    if len(pad) == 4:
        return pad[0], pad[1], pad[2], pad[3]
    raise InputError(f"pad {pad}: expected one number, (rows, columns) or (top, left, bottom, right)")


class Network:
    """Builder of a `LayerGraph`. Layer names are made from the operator and a count, inside the current scopes.

    Raises:
        InputError: from any method, if a layer does not fit its input.
    """

    def __init__(self, name: str, batch: int = 1) -> None:
        if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
            raise InputError(f"batch {batch!r}, expected a whole number of at least 1")
        self.name, self.batch = name, batch
        self._nodes: list[Node] = []
        self._counts: Counter[str] = Counter()
        self._scopes: list[str] = []

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Prefix the names of the layers made inside with `name.`."""
        self._scopes.append(name)
        try:
            yield
        finally:
            self._scopes.pop()

    def _name(self, stem: str, given: str | None) -> str:
        prefix = "".join(f"{scope}." for scope in self._scopes)
        if given is not None:
            return prefix + given
        self._counts[prefix + stem] += 1
        return f"{prefix}{stem}{self._counts[prefix + stem]}"

    def input(self, *shape: int, name: str | None = None) -> Handle:
        """An input of the given shape without the batch."""
        node = Node(self._name("input", name), None, (), (self.batch, *shape))
        self._nodes.append(node)
        return Handle(node.name, node.shape)

    def add_layer(self, layer: Layer, *inputs: Handle, stem: str, name: str | None = None, share: str = "") -> Handle:
        """Append any layer; `share` names weights that several layers use."""
        shapes = tuple(handle.shape for handle in inputs)
        full = self._name(stem, name)
        try:
            shape = layer.output_shape(shapes)
            params, macs = layer.params(shapes), layer.macs(shapes)
        except InputError as error:
            raise InputError(f"{self.name}: layer {full}: {error}") from None
        sources = tuple(handle.name for handle in inputs)
        self._nodes.append(Node(full, layer, sources, shape, shapes, share or full, params, macs))
        return Handle(full, shape)

    def conv(
        self, x: Handle, channels: int, kernel: Pair, *, stride: Pair = 1, pad: int | tuple[int, ...] = 0,
        dilation: Pair = 1, groups: int = 1, bias: bool = True, name: str | None = None, share: str = "",
    ) -> Handle:  # fmt: skip
        """A convolution to `channels` output channels."""
        layer = Conv2d(channels, _pair(kernel), _pair(stride), _pads(pad), _pair(dilation), groups, bias)
        return self.add_layer(layer, x, stem="conv", name=name, share=share)

    def linear(
        self, x: Handle, features: int, *, bias: bool = True, name: str | None = None, share: str = ""
    ) -> Handle:
        """A fully connected layer over the last dim."""
        return self.add_layer(Linear(features, bias), x, stem="fc", name=name, share=share)

    def batch_norm(self, x: Handle, *, eps: float = 1e-5, name: str | None = None) -> Handle:
        """Batch normalisation at inference."""
        return self.add_layer(BatchNorm2d(eps), x, stem="bn", name=name)

    def relu(self, x: Handle, *, name: str | None = None) -> Handle:
        """max(x, 0)."""
        return self.add_layer(ReLU(), x, stem="relu", name=name)

    def relu6(self, x: Handle, *, name: str | None = None) -> Handle:
        """min(max(x, 0), 6)."""
        return self.add_layer(ReLU6(), x, stem="relu", name=name)

    def tanh(self, x: Handle, *, name: str | None = None) -> Handle:
        """tanh(x)."""
        return self.add_layer(Tanh(), x, stem="tanh", name=name)

    def sigmoid(self, x: Handle, *, name: str | None = None) -> Handle:
        """1 / (1 + exp(-x))."""
        return self.add_layer(Sigmoid(), x, stem="sigmoid", name=name)

    def softmax(self, x: Handle, *, name: str | None = None) -> Handle:
        """Softmax over the last dim."""
        return self.add_layer(Softmax(), x, stem="softmax", name=name)

    def max_pool(
        self, x: Handle, kernel: Pair, *, stride: Pair | None = None, pad: int | tuple[int, ...] = 0,
        ceil_mode: bool = False, name: str | None = None,
    ) -> Handle:  # fmt: skip
        """Max pooling; the stride defaults to the kernel."""
        layer = MaxPool2d(_pair(kernel), _pair(stride or kernel), _pads(pad), ceil_mode)
        return self.add_layer(layer, x, stem="pool", name=name)

    def avg_pool(
        self, x: Handle, kernel: Pair, *, stride: Pair | None = None, pad: int | tuple[int, ...] = 0,
        ceil_mode: bool = False, count_include_pad: bool = True, name: str | None = None,
    ) -> Handle:  # fmt: skip
        """Average pooling; the stride defaults to the kernel."""
        layer = AvgPool2d(_pair(kernel), _pair(stride or kernel), _pads(pad), ceil_mode, count_include_pad)
        return self.add_layer(layer, x, stem="pool", name=name)

    def global_avg_pool(self, x: Handle, *, name: str | None = None) -> Handle:
        """Mean over rows and columns, (N, C, 1, 1)."""
        return self.add_layer(GlobalAvgPool(), x, stem="pool", name=name)

    def add(self, *inputs: Handle, name: str | None = None) -> Handle:
        """Elementwise sum."""
        return self.add_layer(Add(), *inputs, stem="add", name=name)

    def concat(self, *inputs: Handle, axis: int = 1, name: str | None = None) -> Handle:
        """Tensors side by side."""
        return self.add_layer(Concat(axis), *inputs, stem="concat", name=name)

    def slice(
        self, x: Handle, axis: int, start: int, stop: int, *, squeeze: bool = False, name: str | None = None
    ) -> Handle:
        """Part of a tensor along one axis."""
        return self.add_layer(Slice(axis, start, stop, squeeze), x, stem="slice", name=name)

    def flatten(self, x: Handle, *, name: str | None = None) -> Handle:
        """(N, rest); a view."""
        return self.add_layer(Flatten(), x, stem="flatten", name=name)

    def build(self, *outputs: Handle) -> LayerGraph:
        """The finished network."""
        if not outputs:
            raise InputError(f"{self.name}: build needs the handles of the network's outputs")
        return LayerGraph(self.name, self.batch, tuple(self._nodes), tuple(h.name for h in outputs))
