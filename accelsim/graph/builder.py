"""The builder's core: named layers in scopes, inputs, and the finished graph. `Network` adds the operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from accelsim.errors import InputError
from accelsim.graph.graph import LayerGraph, Node
from accelsim.layers import Layer, Parameter, Shape


@dataclass(frozen=True)
class Handle:
    """A value of the network under construction: the node that makes it and its shape."""

    name: str
    shape: Shape

    @property
    def channels(self) -> int:
        """Size of dim 1."""
        return self.shape[1]


class Builder:
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
        self._values: dict[str, dict[str, Any]] = {}
        self._keys: dict[str, str] = {}

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

    def input(self, *shape: int, name: str | None = None, batched: bool = True) -> Handle:
        """An input of the given shape, to which the batch is added in front unless `batched` is false."""
        node = Node(self._name("input", name), None, (), (self.batch, *shape) if batched else shape)
        self._nodes.append(node)
        self._keys[node.name] = node.name
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
        self._keys[full] = share or full
        return Handle(full, shape)

    def parameter(self, *shape: int, trained: bool = True, name: str | None = None) -> Handle:
        """A trained (or constant) tensor as a value of the graph; the whole shape, no batch is added."""
        return self.add_layer(Parameter(shape, trained), stem="param", name=name)

    def constant(self, values: Any, *, name: str | None = None) -> Handle:
        """A constant tensor with its values (anything NumPy can make an array of)."""
        import numpy as np

        array = np.asarray(values, float)
        handle = self.add_layer(Parameter(array.shape, False), stem="const", name=name)
        self.set_values(handle, value=array)
        return handle

    def set_values(self, target: Handle | str, **tensors: Any) -> None:
        """Give a layer's parameters or constants (an input: its `value`) their values, in place of random ones.

        `target` is the layer, or the name under which layers share their weights.
        """
        key = target if isinstance(target, str) else self._keys[target.name]
        self._values.setdefault(key, {}).update(tensors)

    def build(self, *outputs: Handle) -> LayerGraph:
        """The finished network."""
        if not outputs:
            raise InputError(f"{self.name}: build needs the handles of the network's outputs")
        names = tuple(h.name for h in outputs)
        return LayerGraph(self.name, self.batch, tuple(self._nodes), names, values=self._values)
