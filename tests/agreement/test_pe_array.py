"""Do closed-form pass times equal the PE-by-PE register model, cycles and values?

For every shape up to 6 x 6 here, up to 12 x 12 and every stream length up to 16 behind `-m slow`.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import Dram, PEArray
from accelsim.execute.pe_array import output_stationary, stationary_sequence
from accelsim.execute.row_array import Buses, row_stationary
from accelsim.sim import recurrence
from accelsim.sim.stream import Segment, stream_of
from accelsim.timing import PassShape, pass_time, systolic_pass
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
        segments.append(Segment(time.load, 0, time.stream, time.drain, double_buffer, not double_buffer))
    timed = recurrence.run(stream_of(segments, ()), Dram("none", 1, 0, 0, 0), 1)
    assert max(timed.ends) == cycles


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize(("height", "width"), [(5, 4), (12, 3)])
def test_early_exit_saves_the_unused_rows(height: int, width: int, early: bool) -> None:
    """Psums tapped below the last used row."""
    for rows, cols, depth in product(range(1, height + 1), range(1, width + 1), (1, 5)):
        stream, stationary = numbers(depth, rows), numbers(rows, cols)
        (values,), cycles = stationary_sequence(height, width, [(stream, stationary)], False, early_exit=early)
        assert np.array_equal(values, stream @ stationary)
        model = replace(array("ws", height, width), early_exit=early)
        assert systolic_pass(model, PassShape(rows, cols, depth, stationary_words=1)).total == cycles


@pytest.mark.slow
@pytest.mark.parametrize("height", range(1, 13))
def test_every_shape_of_a_12_by_12_grid(height: int) -> None:
    """Output stationary with and without psums coming back, stationary with every edge fold, T from 1 to 16."""
    for width, depth in product(range(1, 13), range(1, 17)):
        left, top = numbers(height, depth), numbers(depth, width)
        for psums in (None, numbers(height, width)):
            run = output_stationary(left, top, psums)
            assert np.array_equal(run.values, left @ top + (0 if psums is None else psums))
            shape = PassShape(height, width, depth, psum_in=psums is not None)
            assert systolic_pass(array("os", 12, 12), shape).total == run.cycles
        for rows, cols in product(range(1, height + 1), range(1, width + 1)):
            stream, stationary = numbers(depth, rows), numbers(rows, cols)
            (values,), cycles = stationary_sequence(height, width, [(stream, stationary)], False)
            assert np.array_equal(values, stream @ stationary)
            shape = PassShape(rows, cols, depth, stationary_words=1)
            assert {systolic_pass(array(d, height, width), shape).total for d in ("ws", "is")} == {cycles}


def row_pass(
    p: int, q: int, rows: int, tall: int, width: int, columns: int, images: int, stride: int, buses: Buses
) -> None:
    """One row-stationary pass against the model of every word and MAC."""
    size = (rows - 1) * stride + tall, (columns - 1) * stride + width
    filters, ifmaps = numbers(p, q, tall, width), numbers(images, q, *size)
    psums = numbers(images, p, rows, columns)
    run = row_stationary(filters, ifmaps, psums, buses, stride)
    wanted = psums.copy()
    for y, x in product(range(rows), range(columns)):
        part = ifmaps[:, :, y * stride : y * stride + tall, x * stride : x * stride + width]
        wanted[:, :, y, x] += np.einsum("ncrs,mcrs->nm", part, filters)
    assert np.array_equal(run.values, wanted)
    widths = (("Inputs", buses.ifmap), ("Weights", buses.filters), ("Outputs", buses.psums))
    model = replace(machine("rs", 12, 14).array, bus_words_per_cycle=widths)
    window, slide = q * size[0] * width, q * size[0] * stride
    shape = PassShape(
        tall, rows, images * columns, p * q * width, filters.size, window,
        images * (window + (columns - 1) * slide), psums.size, p * rows, windows=images,
    )  # fmt: skip
    assert pass_time(model, shape).total == run.cycles


@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_row_stationary(data: st.DataObject) -> None:
    """Small passes: filters, channels, strips, images and strides, buses that bind and buses that do not."""
    small = st.integers(1, 3)
    p, q, rows, tall, columns, images = (data.draw(small) for _ in range(6))
    width = data.draw(small)
    stride = data.draw(st.integers(1, width))
    buses = Buses(*(data.draw(st.integers(1, 5)) for _ in range(3)))
    row_pass(p, q, rows, tall, width, columns, images, stride, buses)


@pytest.mark.parametrize("images", [1, 3])
def test_row_stationary_of_a_chips_proportions(images: int) -> None:
    """Bound by PEs, by psums, by the ifmap bus."""
    row_pass(4, 2, 5, 3, 3, 6, images, 1, Buses(4, 1, 4))
    row_pass(4, 1, 7, 3, 1, 6, images, 1, Buses(4, 4, 1))
    row_pass(1, 2, 5, 3, 3, 6, images, 2, Buses(4, 1, 4))


def test_stonne_mesh() -> None:
    """Cycles per tile of STONNE's output-stationary mesh: K + r + c + 3, one less along an edge."""
    model = replace(machine("os").array, kind="mesh")
    assert pass_time(model, PassShape(4, 4, 10)).total == 10 + 4 + 4 + 3
    assert pass_time(model, PassShape(1, 4, 10)).total == 10 + 1 + 4 + 2
    assert pass_time(model, PassShape(3, 1, 7)).total == 7 + 3 + 1 + 2
    assert pass_time(model, PassShape(1, 1, 1)).total == 1 + 1 + 1 + 2


def test_broadcast_array_has_a_tree_and_no_skew() -> None:
    model = replace(machine("ws").array, kind="spatial")
    assert [pass_time(model, PassShape(r, 4, 10)).drain for r in (1, 2, 3, 4, 5, 64)] == [0, 1, 2, 2, 3, 6]
    assert pass_time(model, PassShape(4, 4, 10, stationary_words=16)).total == 12
    still = replace(machine("os").array, kind="spatial")
    assert pass_time(still, PassShape(4, 4, 10, psum_in=True)).total == 4 + 10 + 4
