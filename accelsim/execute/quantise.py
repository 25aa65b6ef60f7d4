"""Integers of the functional proof: grids with power-of-two steps, rounding half to even, saturation.

A quantised tensor stands for `values * 2**exponent`. Both the reference and the tiled executor finish a layer's sums
with `output_stage`, which works word by word and so does not depend on tiling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import CheckFailed
from accelsim.execute.functions import activate
from accelsim.layers import Layer

Array = NDArray[np.float64]
EXACT = 2**53
MAY_SATURATE = 0.01


@dataclass(frozen=True)
class QTensor:
    """`values` (integers, float64) times `2**exponent`."""

    values: Array
    exponent: int

    @property
    def real(self) -> Array:
        """The numbers it stands for."""
        return self.values * 2.0**self.exponent


def limit(bits: int) -> int:
    """Largest value of a signed word; the smallest is `-limit - 1`."""
    return int(2 ** (bits - 1)) - 1


def requantise(sums: Array, shift: int, bits: int) -> Array:
    """`sums / 2**shift`, rounded half to even and saturated to signed `bits`."""
    top = limit(bits)
    return np.clip(np.rint(sums / 2.0**shift), -top - 1, top)


def choose_shift(sums: Array, bits: int) -> int:
    """The smallest shift (at least 0) with which at most 1 % of the words saturate."""
    size = np.abs(sums)
    top = limit(bits)
    most = float(size.max(initial=0.0))
    shift = max(0, int(np.ceil(np.log2(most / (top + 0.5)))) if most > top else 0)
    while most / 2.0**shift >= top + 0.5:
        shift += 1
    while shift > 0 and float((size >= (top + 0.5) * 2.0 ** (shift - 1)).mean()) <= MAY_SATURATE:
        shift -= 1
    return shift


def choose_exponent(real: Array, bits: int) -> int:
    """Exponent of the finest grid of signed `bits` that holds all of `real` (0 for zeros)."""
    most = float(np.abs(real).max(initial=0.0))
    if most == 0.0:
        return 0
    exponent = int(np.ceil(np.log2(most / limit(bits))))
    while np.rint(most / 2.0**exponent) > limit(bits):
        exponent += 1
    return exponent


def to_grid(real: Array, exponent: int, bits: int) -> Array:
    """Integers of the grid nearest to `real`, half to even, saturated.

    Positions are first rounded to a millionth of a step: sums in another order differ in their last bits, and a tie at
    one half must fall the same way.
    """
    top = limit(bits)
    return np.clip(np.rint(np.round(real / 2.0**exponent, 6)), -top - 1, top)


@dataclass(frozen=True)
class Finish:
    """How a layer's sums become its output: shift, exponents, activation, width.

    Sums stand for `sum * 2**acc_exponent`; the output's exponent is `acc_exponent + shift`.
    """

    acc_exponent: int
    shift: int
    activation: Layer | None
    bits: int

    @property
    def exponent(self) -> int:
        """Exponent of the output."""
        return self.acc_exponent + self.shift


def output_stage(sums: Array, bias: Array | None, finish: Finish) -> Array:
    """Add the bias (already on the grid of the sums, broadcastable), requantise, activate, back to the grid."""
    total = sums if bias is None else sums + bias
    words = requantise(total, finish.shift, finish.bits)
    if finish.activation is None:
        return words
    real = activate(words * 2.0**finish.exponent, finish.activation)
    return to_grid(real, finish.exponent, finish.bits)


def exact(sums: Array, where: str) -> None:
    """Raise `CheckFailed` if sums may have left the range in which float64 counts exactly."""
    most = float(np.abs(sums).max(initial=0.0))
    if most >= EXACT:
        raise CheckFailed(f"{where}: a sum of {most:.4g} exceeds 2**53 and is no longer exact")
