"""Cycles of a pass on a broadcast array: operands reach all PEs at once, psums of joined PEs meet in an adder tree.

Nothing is skewed. A stream step takes a cycle; stationary words load as fast as their memory's port gives them (the
port is the simulator's). The tree over r joined PEs adds `ceil(log2 r)` cycles after the last step; in a band it joins
the PEs of a column that keep a tap. Output stationary
PEs take psums back and give results away one row a cycle; where a tree joins the rows, one register at its foot
accumulates for all of them.
"""

from __future__ import annotations

from accelsim.arch import PEArray
from accelsim.timing.types import PassShape, PassTime


def spatial_pass(array: PEArray, shape: PassShape) -> PassTime:
    """Cycles of one pass of a `spatial` array."""
    joined = (shape.rows if "row" in array.reduce else 1) * (shape.cols if "col" in array.reduce else 1)
    tree = (joined - 1).bit_length()
    if array.dataflow != "os":
        return PassTime(0, shape.steps, tree, shape.steps)
    rows = 1 if "row" in array.reduce else shape.rows
    return PassTime(rows if shape.psum_in else 0, shape.steps, tree + (rows if shape.psum_out else 0), shape.steps)
