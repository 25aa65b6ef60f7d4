"""The contract of a layer: shapes, parameters, MACs and what it lowers to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import prod

from accelsim.errors import InputError
from accelsim.layers.work import WorkItem

Shape = tuple[int, ...]


class Layer(ABC):
    """A layer kind with its attributes; frozen dataclasses derive from it. Tensors are batch first, NCHW.

    Every method takes the shapes of all inputs and raises `InputError` if they do not fit the layer.
    """

    @property
    @abstractmethod
    def op(self) -> str:
        """Operator name; most layers have it as a class attribute."""

    @abstractmethod
    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Shape of the output."""

    @abstractmethod
    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """Work items for the array, the vector unit or the DMA; empty for a view that moves nothing."""

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """Trained parameters by name."""
        return {}

    def buffer_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """Constants that are not trained (running statistics), not counted as parameters."""
        return {}

    def params(self, inputs: Sequence[Shape]) -> int:
        """Number of trained parameters."""
        return sum(prod(shape) for shape in self.weight_shapes(inputs).values())

    def macs(self, inputs: Sequence[Shape]) -> int:
        """Conventional MACs: products of convolutions and matrix products, nothing else."""
        return 0


def broadcast(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """The common shape of tensors whose dims match from the last backwards, sizes of 1 repeating (NumPy's rule)."""
    rank = max(len(shape) for shape in inputs)
    sizes = []
    for column in zip(*((1,) * (rank - len(shape)) + shape for shape in inputs), strict=True):
        apart = {size for size in column if size != 1}
        if len(apart) > 1:
            raise InputError(
                f"{layer.op}: shapes {', '.join(str(s) for s in inputs)} do not match, "
                "expected sizes that are equal or 1"
            )
        sizes.append(apart.pop() if apart else 1)
    return tuple(sizes)


def axes_of(layer: Layer, axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes counted from 0, negative ones from the end.

    Raises:
        InputError: an axis outside the tensor, or one named twice.
    """
    found = tuple(axis + rank if axis < 0 else axis for axis in axes)
    if any(not 0 <= axis < rank for axis in found) or len(set(found)) != len(found):
        raise InputError(f"{layer.op}: axes {tuple(axes)}, expected different numbers from {-rank} to {rank - 1}")
    return found


def one(layer: Layer, inputs: Sequence[Shape], rank: int | None = None) -> Shape:
    """The only input shape, of the given rank if one is given."""
    if len(inputs) != 1:
        raise InputError(f"{layer.op} takes one input, given {len(inputs)}")
    shape = inputs[0]
    if rank is not None and len(shape) != rank:
        raise InputError(f"{layer.op} takes a tensor of rank {rank}, given shape {shape}")
    return shape


def positive(layer: Layer, **values: int | tuple[int, ...]) -> None:
    """Raise `InputError` for any attribute below 1."""
    for name, value in values.items():
        parts = value if isinstance(value, tuple) else (value,)
        if any(isinstance(v, bool) or not isinstance(v, int) or v < 1 for v in parts):
            raise InputError(f"{layer.op}: {name} is {value!r}, expected whole numbers of at least 1")
