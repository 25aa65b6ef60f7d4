"""The band: a window's output columns beside its taps, so that a row of PEs carries one input word.

Output columns q (a of them) lie along the columns of the array, the input columns `w = q * stride + s * dilation` that
they need with b taps s along its rows. PE (w, q) keeps the tap `s = (w - q * stride) / dilation` where that is one of
the b; all others keep nothing and add nothing::

    3 taps, stride 1          stride 2
    q   0 1 2 3               q   0 1 2
    w 0 0                     w 0 0
      1 1 0                     1 1
      2 2 1 0                   2 2 0
      3   2 1 0                 3   1
      4     2 1                 4   2 0
      5       2                 5     1
                                6     2

Row w brings its word to every column, column q sums its b products: the wires of a weight-stationary array. The same
goes for output planes and rows with their taps (O with T, P with R). A band is two spatial loops of kind `band`. Bands
of several windows multiply: with rows h of the input, too, a row of PEs carries the word (h, w), a column sums (p, q).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from accelsim.errors import MappingError
from accelsim.problem import Problem

if TYPE_CHECKING:
    from accelsim.mapping.types import Loop

TAPS = {"O": "T", "P": "R", "Q": "S"}
"""Dims that lie along the columns of a band, each with the taps of its window."""
FORM = "Q 4 band, S 3 band"


@dataclass(frozen=True)
class Band:
    """A band of `outs` indices of dim `out` by `taps` indices of dim `tap`, windows `stride` and taps `dilation` apart.

    >>> Band("Q", 30, "S", 3, 1, 1).rows
    32
    """

    out: str
    outs: int
    tap: str
    taps: int
    stride: int
    dilation: int

    @property
    def rows(self) -> int:
        """Rows of the array that the band spans, those between its words included."""
        return self.row(self.outs - 1, self.taps - 1) + 1

    def row(self, out: int, tap: int) -> int:
        """The row of the PE that works on an output and a tap."""
        return out * self.stride + tap * self.dilation


def window(problem: Problem, out: str) -> tuple[int, int] | None:
    """(stride, dilation) of the axis of Inputs over an output dim and its taps; None if there is none."""
    for operand in problem.operands:
        for axis in operand.axes if operand.name == "Inputs" else ():
            steps = dict(axis.terms)
            if set(steps) == {out, TAPS[out]}:
                return steps[out], steps[TAPS[out]]
    return None


def bands_among(problem: Problem, spatial: tuple[Loop, ...], inside: tuple[Loop, ...]) -> tuple[Band, ...]:
    """The bands among spatial loops; `inside`: loops in one PE.

    Raises:
        MappingError: the loops of kind `band` are not the two of each, or other loops over their dims lie beside them.
    """
    mine = [loop for loop in spatial if loop.kind == "band" and loop.trips > 1]
    trips = {loop.dim: loop.trips for loop in mine}
    outs = [dim for dim in TAPS if dim in trips]
    if len(mine) != len(trips) or set(trips) != {*outs, *(TAPS[out] for out in outs)}:
        told = ", ".join(f"{loop.dim} {loop.trips} band" for loop in mine)
        raise MappingError(
            f"{told}: a band is two loops of more than one trip, over output planes, rows or columns and over their "
            f"taps (O with T, P with R, Q with S), such as {FORM}"
        )
    for loop in (*spatial, *inside):
        if loop.dim in trips and loop.kind != "band" and loop.trips > 1:
            raise MappingError(f"{loop.dim} lies in a band; expected no other loop over it across the array or in a PE")
    found = []
    for out in outs:
        steps = window(problem, out)
        if steps is None:
            raise MappingError(f"no axis of the inputs is over {out} and {TAPS[out]}, so they cannot lie in a band")
        found.append(Band(out, trips[out], TAPS[out], trips[TAPS[out]], *steps))
    return tuple(found)
