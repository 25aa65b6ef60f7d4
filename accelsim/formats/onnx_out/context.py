"""What an exporter writes into: nodes and initializers with unique names."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

INT64_MIN = -(2**63)


class Context:
    """An ONNX graph under construction. Values are float32."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}
        self.prefix = ""
        self._count = 0
        self._shared: dict[tuple[str, str], str] = {}

    def begin(self, prefix: str) -> None:
        """Names made from here on belong to the layer `prefix`."""
        self.prefix, self._count = prefix, 0

    def fresh(self, stem: str) -> str:
        """A name inside the layer."""
        self._count += 1
        return f"{self.prefix}/{stem}_{self._count}"

    def op(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        """Append a node with one output; its name."""
        name = out or self.fresh(kind)
        kept = {key: value for key, value in attributes.items() if value is not None}
        node = helper.make_node(kind, list(inputs), [name], name=name, **kept)
        empty = [key for key, value in kept.items() if isinstance(value, list | tuple) and not value]
        for key in empty:
            node.attribute.append(helper.make_attribute(key, [], attr_type=AttributeProto.INTS))
        self.nodes.append(node)
        return name

    def many(self, kind: str, inputs: list[str], outputs: int, **attributes: Any) -> list[str]:
        """Append a node with several outputs; their names."""
        names = [self.fresh(kind) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=names[0], **attributes))
        return names

    def tensor(self, values: Any, stem: str = "const", shared: tuple[str, str] | None = None) -> str:
        """A float32 initializer; `shared` (weight key, tensor name) makes it once."""
        if shared is not None and shared in self._shared:
            return self._shared[shared]
        array = np.asarray(values, np.float32)
        name = "/".join(shared) if shared is not None else self.fresh(stem)
        self.initializers[name] = numpy_helper.from_array(array, name)
        if shared is not None:
            self._shared[shared] = name
        return name

    def ints(self, *values: int) -> str:
        """A 1-D int64 initializer."""
        name = self.fresh("ints")
        self.initializers[name] = numpy_helper.from_array(np.array(values, np.int64), name)
        return name

    def scalar(self, value: float) -> str:
        """A float32 scalar."""
        return self.tensor(np.float32(value), "scalar")

    def cast(self, value: str, kind: int = TensorProto.FLOAT, out: str = "") -> str:
        """A cast."""
        return self.op("Cast", value, to=kind, out=out)

    def reshape(self, value: str, shape: tuple[int, ...], out: str = "") -> str:
        """A reshape."""
        return self.op("Reshape", value, self.ints(*shape), out=out)

    def slice(self, value: str, axis: int, start: int, stop: int, step: int = 1, out: str = "") -> str:
        """Part of one axis; `stop` -1 with a negative step means up to the first word."""
        end = INT64_MIN if step < 0 and stop == -1 else stop
        return self.op("Slice", value, self.ints(start), self.ints(end), self.ints(axis), self.ints(step), out=out)

    def pad(self, value: str, pads: list[int], out: str = "") -> str:
        """Zeros around (befores, afters); negative numbers crop."""
        return self.op("Pad", value, self.ints(*pads), out=out)
