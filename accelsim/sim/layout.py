"""Where tensors lie in DRAM, for models that ask.

Assumed: every operand of a work item has a region of its own, one after another, each beginning on fresh rows. Inside,
tiles lie one after another in the order of their first visit; a tile keeps its address and takes as much room as the
largest of its transfers. (With halo reuse a tile's room holds what it adds to the tiles before it.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelsim.arch import Dram

Ints = NDArray[np.int64]


def tile_places(tiles: NDArray[np.intp], bits: Ints) -> tuple[Ints, int]:
    """Offset of every visited tile and the size of the region, in bits.

    Args:
        tiles: (visits,) which tile a visit is to. bits: (visits,) its largest transfer.

    >>> tile_places(np.array([7, 3, 7]), np.array([10, 5, 12]))
    (array([ 0, 12,  0]), 17)
    """
    _, first, which = np.unique(tiles, return_index=True, return_inverse=True)
    which = which.reshape(-1)
    room = np.zeros(first.size, np.int64)
    np.maximum.at(room, which, bits)
    order = np.argsort(first)
    ends = np.cumsum(room[order])
    offset = np.empty_like(room)
    offset[order] = ends - room[order]
    return offset[which], int(ends[-1])


class Regions:
    """Hands out regions one after another."""

    def __init__(self, dram: Dram) -> None:
        self._align = 1 if dram.timing is None else dram.timing.row_span_bits
        self._next = 0

    def take(self, bits: int) -> int:
        """Address of a new region of `bits`."""
        found = self._next
        self._next += -(-bits // self._align) * self._align
        return found
