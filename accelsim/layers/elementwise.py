"""Elementwise work of the vector unit: functions of one element, of two broadcast tensors, choices and clamps.

Lane operations per element: 1 for a comparison, clamp, sum or product (assumed), 4 for an exponential, logarithm, root
or division-like series (assumed: a table lookup, two multiply-adds and a shift).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from accelsim.errors import InputError, nearest
from accelsim.layers.base import Layer, Shape, broadcast, one
from accelsim.layers.work import VectorWork, WorkItem

SERIES = 4


class Activation(Layer):
    """A function of one element; `lane_ops` lane operations each."""

    @property
    def lane_ops(self) -> int:
        """Lane operations per element; a class attribute where it is not 1."""
        return 1

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the input."""
        return one(self, inputs)

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork`, every word on its own."""
        words = prod(one(self, inputs))
        return (VectorWork(self.op, (words,), words, words * self.lane_ops, rows=words),)


@dataclass(frozen=True)
class ReLU(Activation):
    """`max(x, 0)` (Nair and Hinton, ICML 2010)."""

    op = "relu"


@dataclass(frozen=True)
class ReLU6(Activation):
    """`min(max(x, 0), 6)` (MobileNets, arXiv 1704.04861)."""

    op = "relu6"


@dataclass(frozen=True)
class Clip(Activation):
    """`min(max(x, low), high)`; infinities leave a side open."""

    low: float = float("-inf")
    high: float = float("inf")
    op = "clip"
    lane_ops = 2


@dataclass(frozen=True)
class Affine(Activation):
    """`alpha x + beta` with two constants (the `1 / sqrt(d)` of attention, scalar products and sums)."""

    alpha: float = 1.0
    beta: float = 0.0
    op = "affine"
    lane_ops = 2


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """`x` if positive, else `alpha x` (Maas et al., ICML 2013)."""

    alpha: float = 0.01
    op = "leaky_relu"
    lane_ops = 2


@dataclass(frozen=True)
class ELU(Activation):
    """`x` if positive, else `alpha (exp(x) - 1)` (Clevert et al., arXiv 1511.07289)."""

    alpha: float = 1.0
    op = "elu"
    lane_ops = SERIES + 2


@dataclass(frozen=True)
class SELU(Activation):
    """`gamma (x if positive, else alpha (exp(x) - 1))` (Klambauer et al., arXiv 1706.02515)."""

    alpha: float = 1.67326319217681884765625
    gamma: float = 1.05070102214813232421875
    op = "selu"
    lane_ops = SERIES + 3


@dataclass(frozen=True)
class CELU(Activation):
    """`max(x, 0) + min(0, alpha (exp(x / alpha) - 1))` (Barron, arXiv 1704.07483)."""

    alpha: float = 1.0
    op = "celu"
    lane_ops = SERIES + 4


@dataclass(frozen=True)
class GELU(Activation):
    """`x / 2 (1 + erf(x / sqrt 2))`, or with `tanh` the form `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`
    (Hendrycks and Gimpel, arXiv 1606.08415)."""

    tanh: bool = False
    op = "gelu"
    lane_ops = SERIES + 3


@dataclass(frozen=True)
class SiLU(Activation):
    """`x sigmoid(beta x)` (Ramachandran et al., arXiv 1710.05941)."""

    beta: float = 1.0
    op = "silu"
    lane_ops = SERIES + 1


@dataclass(frozen=True)
class Tanh(Activation):
    """`tanh(x)`."""

    op = "tanh"
    lane_ops = SERIES


@dataclass(frozen=True)
class Sigmoid(Activation):
    """`1 / (1 + exp(-x))`."""

    op = "sigmoid"
    lane_ops = SERIES


@dataclass(frozen=True)
class HardSigmoid(Activation):
    """`min(max(alpha x + beta, 0), 1)` (Courbariaux et al., arXiv 1511.00363; alpha 1/6, beta 1/2 in MobileNetV3)."""

    alpha: float = 0.2
    beta: float = 0.5
    op = "hard_sigmoid"
    lane_ops = 3


@dataclass(frozen=True)
class HardSwish(Activation):
    """`x min(max(x / 6 + 1/2, 0), 1)` (Howard et al., arXiv 1905.02244, section 5.2)."""

    op = "hard_swish"
    lane_ops = 4


@dataclass(frozen=True)
class Softplus(Activation):
    """`log(1 + exp(x))` (Dugas et al., NIPS 2000)."""

    op = "softplus"
    lane_ops = 2 * SERIES


@dataclass(frozen=True)
class ThresholdedReLU(Activation):
    """`x` if above `alpha`, else 0 (Konda et al., arXiv 1402.3337)."""

    alpha: float = 1.0
    op = "thresholded_relu"


# lane operations of the functions that need no attributes
UNARY = {
    "abs": 1, "neg": 1, "sign": 1, "floor": 1, "ceil": 1, "round": 1, "not": 1, "identity": 1, "cast_int": 1,
    "reciprocal": SERIES, "sqrt": SERIES, "exp": SERIES, "log": SERIES, "erf": SERIES, "sin": SERIES, "cos": SERIES,
    "softsign": SERIES + 2, "mish": 3 * SERIES + 1, "square": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Unary(Activation):
    """A function of one element by name, one of `UNARY` (`round` goes half to even, `cast_int` towards 0)."""

    function: str

    def __post_init__(self) -> None:
        if self.function not in UNARY:
            raise InputError(f"function {self.function!r}; {nearest(self.function, UNARY)}")

    @property
    def op(self) -> str:
        """The function's name."""
        return self.function

    @property
    def lane_ops(self) -> int:
        """Lane operations per element."""
        return UNARY[self.function]


@dataclass(frozen=True)
class PReLU(Layer):
    """`x` if positive, else `slope x`, one trained slope per channel or one for all (He et al., arXiv 1502.01852).

    Attributes:
        slope: shape of the slopes, broadcast to the input from the last dim backwards.
    """

    slope: tuple[int, ...]
    op = "prelu"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The shape of the input."""
        shape = one(self, inputs)
        if broadcast(self, [shape, self.slope]) != shape:
            raise InputError(f"prelu: slopes of shape {self.slope} do not fit an input of shape {shape}")
        return shape

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """`slope`."""
        return {"slope": self.slope}

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork`: a comparison and a product per element."""
        words = prod(self.output_shape(inputs))
        return (VectorWork("prelu", (words,), words, 2 * words, param_words=prod(self.slope), rows=words),)


class _Joined(Layer):
    """Elementwise over broadcast inputs."""

    def _work(self, inputs: Sequence[Shape], ops: int) -> tuple[WorkItem, ...]:
        words = prod(self.output_shape(inputs))
        sizes = tuple(prod(shape) for shape in inputs)
        kept = sum(size for size in sizes if size < words)
        return (VectorWork(self.op, sizes, words, words * max(1, ops), rows=words, kept_words=kept),)


@dataclass(frozen=True)
class Add(_Joined):
    """Sum of two or more tensors, broadcast (residual connections, arXiv 1512.03385)."""

    op = "add"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The common shape."""
        if len(inputs) < 2:
            raise InputError(f"add takes at least two inputs, given {len(inputs)}")
        return broadcast(self, inputs)

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork` with an addition per further input."""
        return self._work(inputs, len(inputs) - 1)


# lane operations of functions of two elements
BINARY = {
    "sub": 1, "mul": 1, "div": SERIES, "pow": 2 * SERIES, "max": 1, "min": 1, "mod": SERIES,
    "less": 1, "less_equal": 1, "greater": 1, "greater_equal": 1, "equal": 1, "and": 1, "or": 1, "xor": 1,
    "div_int": SERIES,
}  # fmt: skip


@dataclass(frozen=True)
class Binary(_Joined):
    """A function of two broadcast tensors by name, one of `BINARY`; `max`, `min`, `mul` take more than two.

    Comparisons and logic give 1 for true and 0 for false; `div_int` rounds towards 0.
    """

    function: str

    def __post_init__(self) -> None:
        if self.function not in BINARY:
            raise InputError(f"function {self.function!r}; {nearest(self.function, BINARY)}")

    @property
    def op(self) -> str:
        """The function's name."""
        return self.function

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The common shape."""
        if len(inputs) < 2 or (len(inputs) > 2 and self.op not in ("max", "min", "mul")):
            raise InputError(f"{self.op} takes two inputs, given {len(inputs)}")
        return broadcast(self, inputs)

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork`."""
        return self._work(inputs, BINARY[self.op] * (len(inputs) - 1))


@dataclass(frozen=True)
class Where(_Joined):
    """`a` where the condition is not 0, else `b`; three broadcast tensors (condition, a, b)."""

    op = "where"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """The common shape."""
        if len(inputs) != 3:
            raise InputError(f"where takes three inputs, given {len(inputs)}")
        return broadcast(self, inputs)

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `VectorWork`."""
        return self._work(inputs, 1)
