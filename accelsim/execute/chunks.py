"""The vector unit on arrays, chunk by chunk, counting the words it fetches; no reference kernels."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.arch import Accelerator
from accelsim.errors import InputError
from accelsim.execute import rows as rowwise
from accelsim.execute.functions import BINARY, activate, sigmoid
from accelsim.execute.gathers import GATHERS
from accelsim.execute.quantise import QTensor, to_grid
from accelsim.execute.sources import Index, sources, spread
from accelsim.execute.weights import Parameters
from accelsim.graph import Node
from accelsim.layers import (
    Activation,
    Add,
    BatchNorm2d,
    Binary,
    Einsum,
    Gather,
    GRUReset,
    GRUState,
    LSTMOutput,
    LSTMState,
    Pad,
    PReLU,
    Rearrange,
    Resize,
    TakeAt,
    Where,
    WorkItem,
)
from accelsim.mapping.chunks import VectorJob, chunk_bounds, chunk_count

Array = NDArray[np.float64]
Tensors = dict[str, Array]


class Fetcher:
    """Input tensors in DRAM; a word is brought on chip once and counted then. The first `here` of each are on chip."""

    def __init__(self, tensors: list[QTensor], here: tuple[int, ...] = ()) -> None:
        self._here = here or (0,) * len(tensors)
        self._flat = [tensor.values.reshape(-1) for tensor in tensors]
        self._step = [2.0**tensor.exponent for tensor in tensors]
        self._brought = [np.zeros(values.size, bool) for values in self._flat]

    def take(self, number: int, where: Index) -> Array:
        """Real values of an input at flat positions."""
        self._brought[number][where] = True
        values: Array = self._flat[number][where] * self._step[number]
        return values

    def keep(self, number: int) -> Array:
        """A whole input, flat."""
        return self.take(number, np.arange(self._flat[number].size))

    @property
    def words(self) -> int:
        """Words brought so far."""
        return sum(int(brought[here:].sum()) for brought, here in zip(self._brought, self._here, strict=True))


Pointwise = Callable[[Any, list[Array], Index, Node, Tensors], Array]


def _chosen(layer: Binary | Add, parts: list[Array], *_: Any) -> Array:
    total = parts[0].copy()
    for part in parts[1:]:
        total = BINARY[layer.op](total, part)
    return total


def _norm(layer: BatchNorm2d, parts: list[Array], place: Index, node: Node, w: Tensors) -> Array:
    channel = np.unravel_index(place, node.shape)[1]
    slope = w["gamma"] / np.sqrt(w["var"] + layer.eps)
    return (parts[0] - w["mean"][channel]) * slope[channel] + w["beta"][channel]


def _prelu(_: PReLU, parts: list[Array], place: Index, node: Node, w: Tensors) -> Array:
    slope = w["slope"].reshape(-1)[spread(place, node.shape, w["slope"].shape)]
    return np.maximum(parts[0], 0.0) + slope * np.minimum(parts[0], 0.0)


POINTWISE: dict[Any, Pointwise] = {
    Activation: lambda layer, parts, *_: activate(parts[0], layer),
    Add: _chosen,
    Binary: _chosen,
    Where: lambda layer, parts, *_: np.where(parts[0] != 0, parts[1], parts[2]),
    BatchNorm2d: _norm,
    PReLU: _prelu,
}


def _gates(fetch: Fetcher, node: Node, number: int, place: Index, gate: int) -> Array:
    """Gate `gate` of an input for state positions."""
    width = node.shape[-1]
    gates = node.input_shapes[number][-1] // width
    return fetch.take(number, place // width * gates * width + gate * width + place % width)


def _cell(node: Node, fetch: Fetcher, place: Index, w: Tensors) -> Array:
    """New state words of a recurrent cell."""
    layer, last = node.layer, len(node.inputs) - 1
    held = fetch.take(last, place)
    unit = place % node.shape[-1]

    def gate(index: int) -> Array:
        return _gates(fetch, node, 0, place, index) + _gates(fetch, node, 1, place, index)

    def peep(index: int) -> Array:
        return w["peephole"][index][unit] * held if "peephole" in w else np.zeros_like(held)

    if isinstance(layer, LSTMState):
        forget = sigmoid(gate(1) + peep(1))
        return forget * held + sigmoid(gate(0) + peep(0)) * np.tanh(gate(2))
    if isinstance(layer, LSTMOutput):
        return sigmoid(gate(3) + peep(0)) * np.tanh(held)
    if isinstance(layer, GRUReset):
        return sigmoid(gate(0)) * held
    assert isinstance(layer, GRUState)
    update = sigmoid(gate(1))
    seen = _gates(fetch, node, 0, place, 2)
    if layer.reset_first:
        fresh = np.tanh(seen + fetch.take(2, place))
    else:
        fresh = np.tanh(seen + sigmoid(gate(0)) * _gates(fetch, node, 1, place, 2))
    return update * held + (1.0 - update) * fresh


def _moved(node: Node, fetch: Fetcher, place: Index) -> Array:
    """Words of a rearrangement."""
    fill = (
        node.layer.value if isinstance(node.layer, Pad) else node.layer.fill if isinstance(node.layer, Resize) else 0.0
    )
    found = np.full(place.shape, fill)
    for mine, number, where in sources(node, place):
        found[mine] = fetch.take(number, where)
    return found


def _chunk(node: Node, fetch: Fetcher, begin: int, end: int, job: VectorJob, w: Tensors) -> tuple[Array, Index]:
    """Real results of rows `begin` to `end` and where they belong in the output."""
    layer = node.layer
    width = job.out_words // job.rows
    place = np.arange(begin * width, end * width, dtype=np.int64)
    if isinstance(layer, LSTMState | LSTMOutput | GRUReset | GRUState):
        return _cell(node, fetch, place, w), place
    if isinstance(layer, Rearrange) or (isinstance(layer, Resize) and layer.mode == "nearest"):
        return _moved(node, fetch, place), place
    for kind, rule in POINTWISE.items():
        if isinstance(layer, kind):
            shapes = node.input_shapes
            parts = [fetch.take(i, spread(place, node.shape, shape)) for i, shape in enumerate(shapes)]
            return rule(layer, parts, place, node, w), place
    if isinstance(layer, Einsum):
        return rowwise.einsum(layer, node.input_shapes[0], fetch.keep(0), place), place
    return rowwise.run(node, fetch.take, begin, end, w)


def run_chunks(
    node: Node, job: VectorJob, arch: Accelerator, tensors: list[QTensor], exponent: int,
    parameters: Parameters | None, here: tuple[int, ...] = (),
) -> tuple[Array, int, int]:  # fmt: skip
    """Run elementwise work or a move; integers on the grid `exponent`, words brought from DRAM, words written."""
    fetch = Fetcher(tensors, here)
    w = {} if parameters is None else parameters.real
    out = np.full(prod(node.shape), np.nan)
    for begin, end in pairwise(chunk_bounds(job, chunk_count(job, arch), job.rows)):
        values, place = _chunk(node, fetch, begin, end, job, w)
        out[place] = to_grid(activate(values, node.activation), exponent, arch.precision.output_bits)
    written = int((~np.isnan(out)).sum())
    return out.reshape(node.shape), fetch.words, written


def run_gather(
    node: Node, item: WorkItem, tensors: list[QTensor], exponent: int, bits: int, shape: tuple[int, ...]
) -> tuple[Array, int, int]:
    """Run data-dependent work plane by plane; integers on the grid `exponent`, words brought, words read on chip."""
    assert isinstance(item, Gather)
    fetch = Fetcher(tensors)
    for kind, rule in GATHERS.items():
        if isinstance(node.layer, kind):
            planes = [fetch.keep(i).reshape(s) for i, s in enumerate(node.input_shapes)]
            values, reads = rule(node.layer, planes)
            brought = reads + planes[1].size if isinstance(node.layer, TakeAt) else fetch.words
            return to_grid(activate(values.reshape(shape), node.activation), exponent, bits), brought, reads
    raise InputError(f"{node.name}: operator {node.op!r} is no gather that the vector unit knows")
