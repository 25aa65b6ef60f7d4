"""Do closed-form pass times equal the PE-by-PE register model, cycles and values? For every shape up to 6 x 6."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import Dram, PEArray
from accelsim.execute.pe_array import output_stationary, stationary_sequence
from accelsim.sim import recurrence
from accelsim.sim.stream import Breakdown, Segment, Stream
from accelsim.timing import PassShape, systolic_pass
from tests.agreement.machines import machine

SIZES = range(1, 7)
DEPTHS = (1, 2, 5, 9)


def array(dataflow: str, rows: int, cols: int) -> PEArray:
    return replace(machine(dataflow).array, rows=rows, cols=cols)


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(-9, 10, shape)


@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize("cols", SIZES)
@pytest.mark.parametrize("again", [False, True])
def test_output_stationary(rows: int, cols: int, again: bool) -> None:
    """Every edge size of a 6 x 6 array is a used size here: the time of a pass depends on the used PEs only."""
    for depth in DEPTHS:
        left, top = numbers(rows, depth), numbers(depth, cols)
        psums = numbers(rows, cols) if again else None
        run = output_stationary(left, top, psums)
        assert np.array_equal(run.values, left @ top + (psums if psums is not None else 0))
        shape = PassShape(rows, cols, depth, psum_in=again)
        assert systolic_pass(array("os", 6, 6), shape).total == run.cycles


@pytest.mark.parametrize("dataflow", ["ws", "is"])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(("height", "width"), list(product(SIZES, SIZES)))
def test_stationary(dataflow: str, whole: bool, height: int, width: int) -> None:
    """Arrays of every size with every edge size."""
    for rows, cols, depth in product(range(1, height + 1), range(1, width + 1), (1, 4)):
        stream, stationary = numbers(depth, rows), numbers(rows, cols)
        (values,), cycles = stationary_sequence(height, width, [(stream, stationary)], False, whole)
        assert np.array_equal(values, stream @ stationary)
        model = replace(array(dataflow, height, width), whole_weight_tiles=whole)
        assert systolic_pass(model, PassShape(rows, cols, depth, stationary_words=1)).total == cycles


@pytest.mark.parametrize("double_buffer", [False, True])
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_sequences_of_passes(double_buffer: bool, data: st.DataObject) -> None:
    """Back-to-back passes, weights double buffered or not: the stream engine's time is the register model's."""
    height, width = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    whole = data.draw(st.booleans())
    passes = []
    for _ in range(data.draw(st.integers(1, 4))):
        rows, cols = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
        passes.append((numbers(data.draw(st.integers(1, 7)), rows), numbers(rows, cols)))
    values, cycles = stationary_sequence(height, width, passes, double_buffer, whole)
    for value, (stream, stationary) in zip(values, passes, strict=True):
        assert np.array_equal(value, stream @ stationary)
    model = replace(array("ws", height, width), whole_weight_tiles=whole)
    segments = []
    for stream, stationary in passes:
        shape = PassShape(*stationary.shape, stream.shape[0], stationary_words=1)
        time = systolic_pass(model, shape)
        segments.append(Segment(time.load, 0, time.stream, time.drain))
    timed = recurrence.run(Stream(tuple(segments), (), double_buffer, Breakdown(0, 0)), Dram("none", 1, 0, 0, 0), 1)
    assert max(timed.ends) == cycles
