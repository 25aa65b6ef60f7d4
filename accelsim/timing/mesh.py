"""Cycles of a pass on an output-stationary mesh fed by a distribution network, as STONNE models it.

For r x c used PEs and T reduction steps a tile takes `T + r + c + 3 - [r = 1 or c = 1]` cycles, which equals STONNE's
cycle-level simulation of 150 random products (square mesh, enough bandwidth, no DRAM). Psums of an earlier pass come
back one row a cycle (assumed; STONNE keeps a tile until it is finished).
"""

from __future__ import annotations

from accelsim.arch import PEArray
from accelsim.timing.types import PassShape, PassTime


def mesh_pass(array: PEArray, shape: PassShape) -> PassTime:
    """Cycles of one pass of a `mesh` array."""
    single = shape.rows == 1 or shape.cols == 1
    load = shape.rows if shape.psum_in else 0
    return PassTime(load, shape.steps, shape.rows + shape.cols + 3 - single, shape.steps)
