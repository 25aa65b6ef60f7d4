"""Cycles of a pass on a row-stationary array with one bus per operand (Eyeriss, JSSC 2017).

A pass loads its filter rows over the filter bus, fills the first ifmap window over the ifmap bus and brings the first
psums in. Then it takes one stream step per output column and image: every PE does its MACs, one a cycle, while the
buses run ahead into the PEs' queues (assumed deep enough): ifmap words and psums of later steps, and finished psums on
a port of their own. A step begins when the step before has ended and its words are there::

    arrive[s] = max(psums before s / psum_bus, ifmap words before s / ifmap_bus)
    end[s]    = max over j <= s of (arrive[j] + (s - j + 1) * macs)
    stream    = end[last]
    drain     = max over s of (end[s] + psums from s on / psum_bus) - stream

`execute.row_array` is the witness: PE by PE, word by word. That loading and streaming add up is an assumption; with it
the chip's measured AlexNet latencies are met to 2.6 % on average.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelsim.arch import PEArray
from accelsim.timing.types import PassShape, PassTime

Ints = NDArray[np.int64]


def _ceil(words: int, width: int) -> int:
    return -(-words // width)


def _inputs_before(shape: PassShape) -> Ints:
    """Words beyond the first window that each step needs: a whole window per image, then one slide a step."""
    steps, windows = shape.steps, shape.windows
    step = np.arange(steps, dtype=np.int64)
    window = step // (steps // windows)
    whole = min(shape.first_input_words, shape.input_words // windows)
    slides = max(1, steps - windows)
    slid: Ints = (step - window) * (shape.input_words - windows * whole) // slides
    return window * whole + slid


def row_stationary_pass(array: PEArray, shape: PassShape) -> PassTime:
    """Cycles of one pass of an `rs` array."""
    psum_bus, ifmap_bus = array.bus("Outputs"), array.bus("Inputs")
    step = np.arange(shape.steps, dtype=np.int64)
    psums = -(-step * shape.psum_words // (shape.steps * psum_bus))
    arrive = np.maximum(psums, -(-_inputs_before(shape) // ifmap_bus))
    ends = np.maximum.accumulate(arrive - step * shape.pe_macs) + (step + 1) * shape.pe_macs
    left = shape.psum_words - step * shape.psum_words // shape.steps
    stream, finish = int(ends[-1]), int((ends - (-left // psum_bus)).max())
    edge = _ceil(shape.psum_step_words, psum_bus)
    load = _ceil(shape.stationary_words, array.bus("Weights")) + _ceil(shape.first_input_words, ifmap_bus) + edge
    return PassTime(load, stream, finish - stream, shape.steps * shape.pe_macs)
