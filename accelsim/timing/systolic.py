"""Closed-form cycles of a pass on a systolic array, causal; proved cycle by cycle against `execute.pe_array`.

For r x c used PEs of an R x C array and T stream steps:

* `ws`, `is`: stationary words shift down r rows (R rows if whole tiles are loaded): `load = r`. Operands enter
  skewed by one cycle per row, psums leave at row R: the last one after `T + R + c - 2` cycles.
  With `early_exit` psums leave below the last used row instead: `T + r + c - 2`.
* `os`: both operands enter skewed; the last PE finishes after `T + r + c - 2` cycles, then results shift out over
  r rows. Psums of an earlier pass shift in over r rows first.

With R = r these are the `2R + C + T - 2` of SCALE-Sim (Samajdar et al., ISPASS 2020, equation 1); SCALE-Sim's own
`os` omits the drain and is not causal.
"""

from __future__ import annotations

from accelsim.arch import PEArray
from accelsim.timing.types import PassShape, PassTime


def systolic_pass(array: PEArray, shape: PassShape) -> PassTime:
    """Cycles of one pass of a `ws`, `os` or `is` array."""
    if array.dataflow == "os":
        skew = shape.rows + shape.cols - 2
        load = shape.rows if shape.psum_in else 0
        drain = shape.rows if shape.psum_out else 0
        return PassTime(load, shape.steps, skew + drain, shape.steps)
    load = 0
    if shape.stationary_words:
        load = array.rows if array.whole_weight_tiles else shape.rows
    leave = shape.rows if array.early_exit else array.rows
    return PassTime(load, shape.steps, leave + shape.cols - 2, shape.steps)
