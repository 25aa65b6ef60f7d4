"""Values of an ONNX graph while it is read: constants as arrays, everything else as handles of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from accelsim.errors import InputError
from accelsim.graph import Handle, Network
from accelsim.layers import Layer

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Value:
    """A constant (`array`), a tensor of the network (`handle`), or a weight of known shape and unknown values.

    Attributes:
        weight: a parameter of the file, counted as one; else a constant.
        kind: `f` for floating point, `i` for integers, `b` for truth values.
    """

    shape: tuple[int, ...]
    array: Numbers | None = None
    handle: Handle | None = None
    weight: bool = False
    kind: str = "f"
    name: str = ""


class Context:
    """The network under construction and the values found so far."""

    def __init__(self, net: Network, opset: int) -> None:
        self.net, self.opset = net, opset
        self.values: dict[str, Value] = {}
        self._names: set[str] = set()
        self._parameters: dict[str, Handle] = {}
        self.node = NodeProto()
        self.attributes: dict[str, Any] = {}

    def begin(self, node: NodeProto) -> None:
        """Read a node: its attributes, opset rules, names."""
        self.node = node
        self.attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}

    @property
    def where(self) -> str:
        """The node for messages."""
        shown = self.node.name or (self.node.output[0] if self.node.output else "?")
        return f"node {shown!r} ({self.node.op_type}, opset {self.opset})"

    def fail(self, reason: str) -> InputError:
        """An error that names the node."""
        return InputError(f"{self.where}: {reason}")

    def attr(self, name: str, default: Any = None) -> Any:
        """An attribute as a Python value, text decoded, sequences as tuples."""
        found = self.attributes.get(name, default)
        if isinstance(found, bytes):
            return found.decode()
        return tuple(found) if isinstance(found, list) else found

    def has(self, index: int) -> bool:
        """True if the node has this input."""
        return index < len(self.node.input) and self.node.input[index] != ""

    def value(self, index: int) -> Value:
        """An input."""
        if not self.has(index):
            raise self.fail(f"has no input {index}")
        name = self.node.input[index]
        if name not in self.values:
            raise self.fail(f"reads {name!r}, which no node before it makes")
        return self.values[name]

    def const(self, index: int, what: str) -> Numbers:
        """The values of an input that must be known."""
        found = self.value(index)
        if found.array is None:
            raise self.fail(f"{what} ({self.node.input[index]!r}) depends on data; it must be a constant")
        return found.array

    def ints(self, index: int, what: str) -> tuple[int, ...]:
        """Whole numbers of a constant input."""
        return tuple(int(v) for v in np.atleast_1d(self.const(index, what)).ravel())

    def handle(self, index: int) -> Handle:
        """An input as a tensor of the network; constants become parameters."""
        found = self.value(index)
        return found.handle if found.handle is not None else self.as_handle(found, self.node.input[index])

    def as_handle(self, found: Value, name: str) -> Handle:
        """A constant as a value of the network, made once."""
        if found.handle is not None:
            return found.handle
        if name not in self._parameters:
            layer_name = self.unique(name)
            handle = self.net.parameter(*found.shape, trained=found.weight, name=layer_name)
            if found.array is not None:
                self.net.set_values(handle, value=found.array)
            self._parameters[name] = handle
        return self._parameters[name]

    def unique(self, wanted: str) -> str:
        """A layer name that is not taken."""
        name, number = wanted or "layer", 1
        while name in self._names:
            number += 1
            name = f"{wanted or 'layer'}_{number}"
        self._names.add(name)
        return name

    def layer_name(self, suffix: str = "") -> str:
        """Name for a layer made from this node."""
        base = self.node.name or (self.node.output[0] if self.node.output else self.node.op_type)
        return self.unique(base + suffix)

    def add(
        self, layer: Layer, *inputs: Handle, suffix: str = "", share: str = "",
        tensors: Mapping[str, Numbers | None] | None = None, **more: Numbers | None,
    ) -> Handle:  # fmt: skip
        """Append a layer made from this node; `tensors` and `more` are its known weights."""
        try:
            handle = self.net.add_layer(layer, *inputs, stem="layer", name=self.layer_name(suffix), share=share)
        except InputError as error:
            raise self.fail(str(error)) from None
        known = {name: array for name, array in {**(tensors or {}), **more}.items() if array is not None}
        if known:
            self.net.set_values(handle, **known)
        return handle

    def give(self, handle: Handle, index: int = 0, kind: str = "") -> None:
        """Bind an output to a tensor of the network."""
        name = self.node.output[index]
        first = next((self.values[n].kind for n in self.node.input if n in self.values), "f")
        self.values[name] = Value(handle.shape, handle=handle, kind=kind or first, name=name)

    def constant(self, index: int, array: Numbers) -> None:
        """Bind an output to a constant."""
        kind = {"b": "b", "i": "i", "u": "i"}.get(array.dtype.kind, "f")
        self.values[self.node.output[index]] = Value(array.shape, array, kind=kind)

    def empty(self, index: int, shape: tuple[int, ...]) -> None:
        """Bind an output to a tensor without words; it may vanish in a concatenation, nothing else can use it."""
        self.constant(index, np.zeros(shape))

    def alias(self, index: int, output: int = 0, kind: str = "") -> None:
        """An output that is an input unchanged."""
        found = self.value(index)
        name = self.node.output[output]
        self.values[name] = Value(found.shape, found.array, found.handle, found.weight, kind or found.kind, found.name)

    def weight(self, index: int, what: str) -> Value:
        """An input in the place of a weight: known values, or a shape without values."""
        found = self.value(index)
        if found.handle is not None:
            raise self.fail(f"{what} ({self.node.input[index]!r}) is computed by the network; it must be a weight")
        return found
