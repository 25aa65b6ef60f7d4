"""Matrix products: fully connected layers, products of two activations, and einsum."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from accelsim.errors import InputError
from accelsim.layers.base import Layer, Shape, broadcast, one, positive
from accelsim.layers.work import Move, VectorWork, WorkItem
from accelsim.problem import gemm_problem


@dataclass(frozen=True)
class Linear(Layer):
    """`y = x W^T + b` over the last dim of (..., C) with W (M, C). MACs: rows x M x C."""

    op = "linear"
    out_features: int
    bias: bool = True

    def __post_init__(self) -> None:
        positive(self, out_features=self.out_features)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(..., M)."""
        shape = one(self, inputs)
        if len(shape) < 1:
            raise InputError(f"linear takes a tensor of rank 1 or more, given shape {shape}")
        return (*shape[:-1], self.out_features)

    def weight_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """`weight` (M, C) and, if any, `bias` (M,)."""
        shapes: dict[str, Shape] = {"weight": (self.out_features, one(self, inputs)[-1])}
        if self.bias:
            shapes["bias"] = (self.out_features,)
        return shapes

    def macs(self, inputs: Sequence[Shape]) -> int:
        """rows x M x C."""
        return prod(one(self, inputs)) * self.out_features

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Problem`: a matrix product whose rows are N."""
        shape = one(self, inputs)
        return (gemm_problem(rows=prod(shape[:-1]), cols=self.out_features, reduction=shape[-1]),)


@dataclass(frozen=True)
class Product:
    """Roles of the letters of a product of two tensors.

    Attributes:
        batch: in both inputs and the output. rows: first input and output. cols: second and output. reduction: both
            inputs only. out: letters of the output. sizes: extent by letter.
    """

    batch: str
    rows: str
    cols: str
    reduction: str
    out: str
    sizes: dict[str, int]

    def size(self, letters: str) -> int:
        """Product of the extents."""
        return prod(self.sizes[letter] for letter in letters)


class _TwoTensors(Layer):
    @abstractmethod
    def product(self, inputs: Sequence[Shape]) -> Product | None:
        """Letters and roles; None if it is no product of two tensors."""

    def macs(self, inputs: Sequence[Shape]) -> int:
        """batch x rows x columns x reduction; 0 if there are not two inputs."""
        found = self.product(inputs)
        return 0 if found is None else found.size(found.batch + found.rows + found.cols + found.reduction)

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Problem`, batch letters as groups; the second input lies where weights do."""
        found = self.product(inputs)
        assert found is not None
        return (
            gemm_problem(
                rows=found.size(found.rows), cols=found.size(found.cols), reduction=found.size(found.reduction),
                batch=found.size(found.batch),
            ),
        )  # fmt: skip


@dataclass(frozen=True)
class MatMul(_TwoTensors):
    """`(..., rows, C) x (..., C, columns)` of two activations, leading dims broadcast as in NumPy (attention's `Q K^T`
    and `A V`). MACs: batch x rows x C x columns."""

    op = "matmul"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(..., rows, columns); vectors lose their dim."""
        if len(inputs) != 2 or not all(inputs):
            raise InputError(f"matmul takes two tensors, given {len(inputs)}")
        a, b = inputs
        left, right = (1, *a) if len(a) == 1 else a, (*b, 1) if len(b) == 1 else b
        if left[-1] != right[-2]:
            raise InputError(f"matmul: shapes {a} and {b} do not match: {left[-1]} columns, {right[-2]} rows")
        lead = broadcast(self, [left[:-2], right[:-2]])
        return (*lead, *left[-2:-1][: len(a) > 1], *right[-1:][: len(b) > 1])

    def product(self, inputs: Sequence[Shape]) -> Product:
        """Leading dims of one input alone count as rows or columns, common ones as batch."""
        self.output_shape(inputs)
        a, b = inputs
        left, right = (1, *a) if len(a) == 1 else a, (*b, 1) if len(b) == 1 else b
        rank = max(len(left), len(right)) - 2
        heads = [(1,) * (rank + 2 - len(s)) + tuple(s[:-2]) for s in (left, right)]
        letters = "abcdefghij"[:rank]
        sizes = {"r": left[-2], "k": left[-1], "n": right[-1]}
        batch = rows = cols = ""
        for letter, one_, two in zip(letters, *heads, strict=True):
            sizes[letter] = max(one_, two)
            if one_ == two:
                batch += letter
            elif two == 1:
                rows += letter
            else:
                cols += letter
        return Product(batch, rows + "r", cols + "n", "k", letters + "rn", sizes)


@dataclass(frozen=True)
class Einsum(_TwoTensors):
    """Einstein summation `equation` over one or two tensors, with `...` and repeated letters (NumPy's rules).

    Two tensors are a product: letters in both and the result are batch, in one and the result rows or columns, in both
    alone the reduction. One tensor is a transpose, diagonal or sum.
    """

    equation: str
    op = "einsum"

    def terms(self, inputs: Sequence[Shape]) -> tuple[list[str], str]:
        """Letters of the inputs and of the output, `...` replaced by upper-case letters."""
        text = self.equation.replace(" ", "")
        left, arrow, right = text.partition("->")
        parts = left.split(",")
        if len(parts) != len(inputs) or not 1 <= len(parts) <= 2:
            raise InputError(f"einsum {self.equation!r}: given {len(inputs)} inputs, expected one or two as it says")
        wide = max(
            (len(s) - len(p.replace("...", "")) for p, s in zip(parts, inputs, strict=True) if "..." in p), default=0
        )
        dots = "ZYXWVUTS"[:wide][::-1]
        spelled = []
        for part, shape in zip(parts, inputs, strict=True):
            own = len(shape) - len(part.replace("...", ""))
            spelled.append(part.replace("...", dots[len(dots) - own :] if own else ""))
        for letters, shape in zip(spelled, inputs, strict=True):
            if len(letters) != len(shape):
                raise InputError(f"einsum {self.equation!r}: {letters!r} does not fit shape {shape}")
        if arrow:
            return spelled, right.replace("...", dots)
        every = "".join(spelled)
        return spelled, dots + "".join(sorted(c for c in set(every) - set(dots) if every.count(c) == 1))

    def sizes(self, inputs: Sequence[Shape]) -> dict[str, int]:
        """Extent by letter."""
        found: dict[str, int] = {}
        for letters, shape in zip(self.terms(inputs)[0], inputs, strict=True):
            for letter, size in zip(letters, shape, strict=True):
                if found.setdefault(letter, size) not in (size, 1) and size != 1:
                    raise InputError(f"einsum {self.equation!r}: {letter!r} is {found[letter]} and {size}")
                found[letter] = max(found[letter], size)
        return found

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Extents of the output's letters."""
        sizes = self.sizes(inputs)
        out = self.terms(inputs)[1]
        if not set(out) <= set(sizes) or len(set(out)) != len(out):
            raise InputError(f"einsum {self.equation!r}: the result's letters must be different letters of the inputs")
        return tuple(sizes[letter] for letter in out)

    def product(self, inputs: Sequence[Shape]) -> Product | None:
        """Letters by role."""
        spelled, out = self.terms(inputs)
        if len(spelled) == 1:
            return None
        a, b = ("".join(dict.fromkeys(part)) for part in spelled)
        batch = "".join(c for c in a if c in b and c in out)
        rows = "".join(c for c in a if c not in b and c in out)
        cols = "".join(c for c in b if c not in a and c in out)
        inside = "".join(dict.fromkeys(c for c in a + b if c not in out))
        return Product(batch, rows, cols, inside, out, self.sizes(inputs))

    def lower(self, inputs: Sequence[Shape]) -> tuple[WorkItem, ...]:
        """One `Problem`; for one tensor a `Move`, or a sum on the vector unit."""
        if self.product(inputs) is not None:
            return super().lower(inputs)
        words, out = prod(inputs[0]), max(1, prod(self.output_shape(inputs)))
        if len(self.terms(inputs)[0][0]) == len(self.terms(inputs)[1]):
            return (Move("einsum", (words,), out),)
        return (VectorWork("einsum", (words,), out, words),)
