"""Pass times worked by hand."""

from __future__ import annotations

from dataclasses import replace

from accelsim.timing import PassShape, pass_time
from tests.agreement.machines import machine


def test_row_stationary_terms_add() -> None:
    """Buses: ifmap 1, filter 4, psum 4 words a cycle."""
    array = machine("rs").array
    shape = PassShape(
        3, 4, steps=10, pe_macs=12, stationary_words=50, first_input_words=9, input_words=99, psum_words=60,
        psum_step_words=6,
    )  # fmt: skip
    time = pass_time(array, shape)
    assert (time.load, time.stream, time.drain, time.ideal) == (13 + 9 + 2, 120, 2, 120)
    assert time.total == 146


def test_row_stationary_is_held_up_by_its_slowest_bus() -> None:
    array = machine("rs").array
    base = PassShape(3, 4, steps=10, pe_macs=2, first_input_words=9, input_words=99, psum_words=40, psum_step_words=4)
    assert pass_time(array, base).stream == 90 + 2  # the last step's words arrive, then its MACs
    bound = pass_time(array, replace(base, psum_words=1000, psum_step_words=100))
    assert bound.stream == 900 // 4 + 2  # psums before the last step, then its MACs
    assert bound.stream + bound.drain == 2 + 1000 // 4  # the first step's MACs, then all psums out
    assert pass_time(array, replace(base, pe_macs=30)).stream == 300


def test_a_new_image_brings_a_whole_window() -> None:
    """Two images of two steps, window 20, slide 1, one MAC a step: step 3 waits for 1 + 20 words."""
    array = machine("rs").array
    shape = PassShape(3, 4, 4, 1, first_input_words=20, input_words=42, psum_words=4, psum_step_words=1, windows=2)
    assert pass_time(array, shape).stream == 22 + 1
    assert pass_time(array, replace(shape, windows=1)).stream == 22 + 1
    assert pass_time(array, replace(shape, pe_macs=10)).stream == 21 + 2 * 10
    assert pass_time(array, replace(shape, pe_macs=10, windows=1)).stream == 4 * 10


def test_systolic_edges_cost_what_they_use() -> None:
    """Output stationary: T + 2r + c - 2. Weight stationary on R rows: r + T + R + c - 2."""
    os_array, ws_array = machine("os", 8, 8).array, machine("ws", 8, 8).array
    assert pass_time(os_array, PassShape(8, 8, 20)).total == 20 + 16 + 8 - 2
    assert pass_time(os_array, PassShape(3, 2, 20)).total == 20 + 6 + 2 - 2
    assert pass_time(os_array, PassShape(3, 2, 20, psum_in=True, psum_out=False)).total == 20 + 3 + 3 + 2 - 2
    assert pass_time(ws_array, PassShape(8, 8, 20, stationary_words=64)).total == 2 * 8 + 8 + 20 - 2
    assert pass_time(ws_array, PassShape(3, 2, 20, stationary_words=6)).total == 3 + 20 + 8 + 2 - 2
    assert pass_time(ws_array, PassShape(3, 2, 20)).load == 0
    whole = replace(ws_array, whole_weight_tiles=True)
    assert pass_time(whole, PassShape(3, 2, 20, stationary_words=6)).load == 8
