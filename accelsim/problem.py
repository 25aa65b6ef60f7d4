"""Problem: loop bounds plus affine index sets. Every layer of the array and the pooling unit is this one type.

A problem is the perfect loop nest::

    for n, g, m, c, o, p, q, t, r, s in bounds:
        Outputs[n, g, m, o, p, q] op= (
            Inputs[n, g, c, o*so + t*dt - po, p*sh + r*dh - ph, q*sw + s*dw - pw] * Weights[g, m, c, t, r, s])

The dims are the field's: `N` batch, `G` groups, `M`/`C` output/input channels per group, `O P Q` output
depth/rows/columns, `T R S` filter depth/rows/columns. An operand's index along each axis is affine in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal

from accelsim.errors import InputError

DIMS = ("N", "G", "M", "C", "O", "P", "Q", "T", "R", "S")
Role = Literal["input", "weight", "output"]
Op = Literal["mac", "max", "avg", "lp"]


@dataclass(frozen=True)
class Axis:
    """One affine index `sum(coef * dim) + offset`; positions outside `[0, size)` are padding and hold no data.

    Attributes:
        terms: `(dim, coefficient)` pairs, coefficients positive.
        size: extent of the stored tensor along this axis, in words.
        offset: constant term; a pad of `p` at the beginning is `-p`.
    """

    terms: tuple[tuple[str, int], ...]
    size: int
    offset: int = 0

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InputError(f"axis over {[d for d, _ in self.terms]}: size {self.size}, expected at least 1")
        for dim, coef in self.terms:
            if dim not in DIMS or coef < 1:
                raise InputError(f"axis term {coef}*{dim}: expected a dim of {' '.join(DIMS)} and a coefficient >= 1")

    @property
    def dims(self) -> tuple[str, ...]:
        """The dims this axis depends on."""
        return tuple(dim for dim, _ in self.terms)

    def span(self, lengths: Mapping[str, int]) -> int:
        """Indices between the first and the last one of a tile, gaps included: `1 + sum(coef * (length - 1))`."""
        return 1 + sum(coef * (lengths[dim] - 1) for dim, coef in self.terms)

    def mask(self, ranges: Mapping[str, tuple[int, int]], base: int = 0) -> int:
        """The exact set of stored indices touched by `start, length` ranges of the dims, as a bit mask.

        Gaps left by a stride are not in the set, nor is padding. Bit 0 is index `base`, which none may lie below.

        >>> bin(Axis((("P", 2), ("R", 1)), size=8, offset=-1).mask({"P": (0, 2), "R": (0, 2)}))
        '0b111'
        """
        bits = 1
        shift = self.offset - base
        for dim, coef in self.terms:
            start, length = ranges[dim]
            if length <= 0:
                return 0
            shift += start * coef
            bits = spread(bits, coef, length)
        bits = bits << shift if shift >= 0 else bits >> -shift
        most = max(0, self.size - base)
        return bits if bits.bit_length() <= most else bits & ((1 << most) - 1)


def spread(bits: int, step: int, count: int) -> int:
    """The union of `count` copies of a bit set, each shifted `step` further than the last (by doubling)."""
    done, result, block = 0, 0, bits
    size = 1
    remaining = count
    while remaining:
        if remaining & 1:
            result |= block << (done * step)
            done += size
        block |= block << (size * step)
        size *= 2
        remaining >>= 1
    return result


@dataclass(frozen=True)
class Operand:
    """A tensor of a problem: its name (`Inputs`, `Weights`, `Outputs`), role and one `Axis` per dimension.

    Bit widths are the machine's (`Precision`), not the operand's.
    """

    name: str
    role: Role
    axes: tuple[Axis, ...]

    @property
    def words(self) -> int:
        """Size of the stored tensor in words."""
        return prod(axis.size for axis in self.axes)

    @cached_property
    def dims(self) -> frozenset[str]:
        """The dims this operand depends on (the *relevant* dims)."""
        return frozenset(dim for axis in self.axes for dim in axis.dims)


@dataclass(frozen=True)
class Problem:
    """Loop bounds and operands of one work item.

    Attributes:
        bounds: `(dim, extent)` for every dim of `DIMS`, missing dims are filled with extent 1.
        operands: one output, one or more inputs, at most one weight.
        op: `mac` for the array; `max`, `avg` or `lp` (pooling) for the vector unit.
    """

    bounds: tuple[tuple[str, int], ...]
    operands: tuple[Operand, ...]
    op: Op = "mac"

    def __post_init__(self) -> None:
        given = dict(self.bounds)
        for dim, bound in given.items():
            if dim not in DIMS:
                raise InputError(f"problem dim {dim!r}: expected one of {' '.join(DIMS)}")
            if bound < 1:
                raise InputError(f"problem dim {dim}: bound {bound}, expected at least 1")
        object.__setattr__(self, "bounds", tuple((dim, given.get(dim, 1)) for dim in DIMS))
        if [o.role for o in self.operands].count("output") != 1:
            raise InputError("a problem needs exactly one output operand")
        for operand in self.operands:
            seen: set[str] = set()
            for axis in operand.axes:
                if seen & set(axis.dims):
                    raise InputError(f"{operand.name}: a dim may index only one axis")
                seen |= set(axis.dims)

    @cached_property
    def bound(self) -> dict[str, int]:
        """Extent by dim, for reading."""
        return dict(self.bounds)

    @property
    def macs(self) -> int:
        """Issued operations: the product of all bounds, padding positions included."""
        return prod(bound for _, bound in self.bounds)

    @property
    def output(self) -> Operand:
        """The output operand."""
        return next(o for o in self.operands if o.role == "output")

    @property
    def reads(self) -> tuple[Operand, ...]:
        """The operands that are only read."""
        return tuple(o for o in self.operands if o.role != "output")

    def operand(self, name: str) -> Operand:
        """The operand called `name`."""
        for operand in self.operands:
            if operand.name == name:
                return operand
        raise InputError(f"problem has no operand {name!r}; it has {', '.join(o.name for o in self.operands)}")

    @property
    def reduction_dims(self) -> tuple[str, ...]:
        """Dims with more than one iteration that do not index the output."""
        return tuple(d for d, b in self.bounds if b > 1 and d not in self.output.dims)


Size = tuple[int, ...]


def spatial3(values: Size, fill: int = 1) -> tuple[int, int, int]:
    """(depth, rows, columns) from one (rows), two (rows, columns) or three numbers."""
    if len(values) == 1:
        return fill, values[0], fill
    if len(values) == 2:
        return fill, values[0], values[1]
    if len(values) == 3:
        return values[0], values[1], values[2]
    raise InputError(f"{len(values)} spatial dims, expected 1, 2 or 3")


def conv_problem(
    *,
    batch: int,
    groups: int,
    out_channels: int,
    in_channels: int,
    out_size: Size,
    kernel: Size,
    in_size: Size,
    stride: Size | None = None,
    dilation: Size | None = None,
    pad: Size | None = None,
) -> Problem:
    """The problem of a (grouped, strided, dilated) 1-D, 2-D or 3-D convolution; channels are per group.

    Inputs (N, G, C, D, H, W), Weights (G, M, C, T, R, S), Outputs (N, G, M, O, P, Q); the one dim of a 1-D convolution
    is rows. `pad` is at the beginning, the end follows from the output size; stride, dilation default 1, pad 0.
    """
    rank = len(out_size)
    outs, taps, sizes = spatial3(out_size), spatial3(kernel), spatial3(in_size)
    steps, gaps = spatial3(stride or (1,) * rank), spatial3(dilation or (1,) * rank)
    pads = spatial3(pad or (0,) * rank, 0)
    bounds = {
        "N": batch, "G": groups, "M": out_channels, "C": in_channels,
        **dict(zip("OPQ", outs, strict=True)), **dict(zip("TRS", taps, strict=True)),
    }  # fmt: skip
    windows = tuple(
        Axis(((out, step), (tap, gap)), size, -before)
        for out, tap, step, gap, size, before in zip("OPQ", "TRS", steps, gaps, sizes, pads, strict=True)
    )
    plain = {dim: Axis(((dim, 1),), bounds[dim]) for dim in bounds}
    return Problem(
        tuple(bounds.items()),
        (
            Operand("Inputs", "input", (plain["N"], plain["G"], plain["C"], *windows)),
            Operand("Weights", "weight", tuple(plain[d] for d in "GMCTRS")),
            Operand("Outputs", "output", tuple(plain[d] for d in "NGMOPQ")),
        ),
    )


def gemm_problem(*, rows: int, cols: int, reduction: int, batch: int = 1) -> Problem:
    """A matrix product (N=rows, C=reduction) x (C, M=cols), `batch` independent ones as groups."""
    return conv_problem(
        batch=rows, groups=batch, out_channels=cols, in_channels=reduction,
        out_size=(1, 1), kernel=(1, 1), in_size=(1, 1),
    )  # fmt: skip


def pool_problem(
    op: Op,
    *,
    batch: int,
    channels: int,
    out_size: Size,
    kernel: Size,
    in_size: Size,
    stride: Size | None = None,
    dilation: Size | None = None,
    pad: Size | None = None,
) -> Problem:
    """A pooling window over (N, G=channels, D, H, W): a problem with op `max`, `avg` or `lp` and no weights."""
    conv = conv_problem(
        batch=batch, groups=channels, out_channels=1, in_channels=1,
        out_size=out_size, kernel=kernel, in_size=in_size, stride=stride, dilation=dilation, pad=pad,
    )  # fmt: skip
    return Problem(conv.bounds, tuple(o for o in conv.operands if o.role != "weight"), op)


def ranges_of(starts: Mapping[str, int], extents: Mapping[str, int], dims: Iterable[str]) -> dict[str, tuple[int, int]]:
    """`{dim: (start, length)}` of a tile, for `Axis.mask`."""
    return {dim: (starts[dim], extents[dim]) for dim in dims}
