"""The elementwise halves of recurrent cells. Their matrix products are `Linear` layers: one for all inputs of a
sequence, one per step for the state, so step t waits for step t-1."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from accelsim.errors import InputError
from accelsim.layers.base import Layer, Shape
from accelsim.layers.elementwise import SERIES
from accelsim.layers.work import VectorWork, WorkItem


class _Cell(Layer):
    """Inputs whose last dims are given multiples of the hidden size."""

    lane_ops = 1

    @property
    @abstractmethod
    def widths(self) -> tuple[int, ...]:
        """Sizes of the inputs in hidden sizes."""

    @property
    @abstractmethod
    def used(self) -> tuple[int, ...]:
        """Gates read of every input."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(..., H), the shape of the last input."""
        if len(inputs) != len(self.widths):
            raise InputError(f"{self.op} takes {len(self.widths)} inputs, given {len(inputs)}")
        hidden = inputs[-1]
        for shape, width in zip(inputs, self.widths, strict=True):
            if shape != (*hidden[:-1], width * hidden[-1]):
                raise InputError(
                    f"{self.op}: shape {shape}, expected {(*hidden[:-1], width * hidden[-1])} for a state {hidden}"
                )
        return hidden

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork` over the gates that are used."""
        words = prod(self.output_shape(inputs))
        params = sum(prod(shape) for shape in self.weight_shapes(inputs).values())
        read = tuple(words * gates for gates in self.used)
        return (VectorWork(self.op, read, words, words * self.lane_ops, param_words=params, rows=words),)


@dataclass(frozen=True)
class LSTMState(_Cell):
    """`c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(g)` (Hochreiter and Schmidhuber, 1997; with forget gate, Gers et al.,
    2000). Inputs: gates of x and of h, each (N, 4H) in the order i f g o, and c_{t-1} (N, H).

    With `peephole` (2H trained words) `i` and `f` also see `c_{t-1}`.
    """

    peephole: bool = False
    op = "lstm_state"
    widths = (4, 4, 1)
    used = (3, 3, 1)
    lane_ops = 3 + 3 * SERIES + 3

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """`peephole` (2, H)."""
        return {"peephole": (2, inputs[-1][-1])} if self.peephole else {}


@dataclass(frozen=True)
class LSTMOutput(_Cell):
    """`h_t = sigmoid(o) tanh(c_t)`. Inputs: gates of x and of h (N, 4H), c_t (N, H)."""

    peephole: bool = False
    op = "lstm_output"
    widths = (4, 4, 1)
    used = (1, 1, 1)
    lane_ops = 1 + 2 * SERIES + 1

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """`peephole` (1, H)."""
        return {"peephole": (1, inputs[-1][-1])} if self.peephole else {}


@dataclass(frozen=True)
class GRUReset(_Cell):
    """`sigmoid(r) h_{t-1}`, for the form whose reset gate comes before the product with h (Cho et al., arXiv
    1406.1078). Inputs: gates of x (N, 3H) and of h (N, 2H) in the order r z (n), h_{t-1} (N, H)."""

    op = "gru_reset"
    widths = (3, 2, 1)
    used = (1, 1, 1)
    lane_ops = 2 + SERIES


@dataclass(frozen=True)
class GRUState(_Cell):
    """`h_t = (1 - z) n + z h_{t-1}`, `n = tanh(n_x + r n_h)`; gates in the order r z n, inputs: gates of x and of h (N,
    3H) and h_{t-1}. With `reset_first` the product was taken of `r h_{t-1}`: inputs are gates of x (N, 3H), r z of h
    (N, 2H), n of `r h_{t-1}` (N, H) and h_{t-1}, and `n = tanh(n_x + n_h)`."""

    reset_first: bool = False
    op = "gru_state"
    lane_ops = 4 + 3 * SERIES + 3

    @property
    def widths(self) -> tuple[int, ...]:
        """Sizes of the inputs in hidden sizes."""
        return (3, 2, 1, 1) if self.reset_first else (3, 3, 1)

    @property
    def used(self) -> tuple[int, ...]:
        """Gates read of every input."""
        return (2, 1, 1, 1) if self.reset_first else (3, 3, 1)
