"""The closed form of SCALE-Sim against its demand matrices walked word by word."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelsim.compat import simulate_layers
from accelsim.errors import CheckFailed, InputError
from accelsim.timing.scalesim import ScaleLayer, ScaleMachine, folds_of, gemm_layer, simulate
from accelsim.timing.scalesim.blocks import skew_count, skew_row
from accelsim.timing.scalesim.overlap import _touched, distinct_words, input_reads
from accelsim.timing.scalesim.reads import Reads, chunk_by_chunk
from accelsim.timing.scalesim.types import ScaleRun
from accelsim.timing.scalesim.writes import drain
from accelsim.validate.scalesim import topology
from tests.unit.scalesim_walk import demands, drained, misses

DATAFLOWS = ("os", "ws", "is")


@st.composite
def layers(draw: st.DrawFn) -> ScaleLayer:
    high, wide = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    stride = draw(st.integers(1, 3))
    return ScaleLayer(
        "layer", draw(st.integers(high, 9)), draw(st.integers(wide, 9)), high, wide, draw(st.integers(1, 5)),
        draw(st.integers(1, 9)), stride, draw(st.sampled_from([stride, 1])),
    )  # fmt: skip


@st.composite
def machines(draw: st.DrawFn) -> ScaleMachine:
    return ScaleMachine(
        draw(st.integers(1, 7)), draw(st.integers(1, 7)), 1, 1, 1, draw(st.sampled_from(DATAFLOWS))
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(layers(), machines(), st.integers(2, 120))
def test_input_reads_equal_the_walk_at_any_window(layer: ScaleLayer, machine: ScaleMachine, limit: int) -> None:
    assume(layer.macs < 6000)
    folds = folds_of(layer, machine)
    expected, last = misses(demands(layer, machine)[0], limit)
    reads = input_reads(layer, machine, folds, limit)
    assert reads.words == expected
    assert (reads.last_fill is None) == (last is None)
    if reads.last_fill is not None:
        fold, row = reads.last_fill
        assert fold * folds.cycles + row == last
    assert distinct_words(layer) == len({word for _, word in demands(layer, machine)[0]})


@settings(max_examples=60, deadline=None)
@given(layers(), machines())
def test_every_stream_equals_the_walk(layer: ScaleLayer, machine: ScaleMachine) -> None:
    assume(layer.macs < 6000)
    folds = folds_of(layer, machine)
    assume(folds.row_folds * folds.col_folds * folds.cycles > 1)
    result = simulate(layer, machine)
    ifmap, filters, ofmap = demands(layer, machine)
    assert result.cycles == folds.row_folds * folds.col_folds * folds.cycles - 1 >= ofmap[-1][0]
    for span, demand, served in (
        (result.ifmap_sram, ifmap, 1), (result.filter_sram, filters, 1), (result.ofmap_sram, ofmap, 0)
    ):  # fmt: skip
        assert (span.start, span.stop) == (demand[0][0] + served, demand[-1][0] + served)
    limit = machine.window_words[1]
    words, last = misses(filters, limit)
    assert result.filter_dram.words == words
    assert (result.filter_dram.stop == -1) == (last is None)
    assert last is None or result.filter_dram.stop == last + 1
    written = drained([cycle for cycle, _ in ofmap], machine.ofmap_kb, machine.cols, result.cycles)
    assert (result.ofmap_dram.start, result.ofmap_dram.stop, result.ofmap_dram.words) == written


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 30), st.integers(1, 4), st.integers(2, 60))
def test_chunks_visited_again(total: int, size: int, length: int, repeats: int, limit: int) -> None:
    demand = []
    fold = 0
    for start in range(0, total, size):
        cols = range(start, min(total, start + size))
        for _ in range(repeats):
            cells = sorted((i + j, j, c * length + i) for j, c in enumerate(cols) for i in range(length))
            demand += [(fold * 1000 + row, word) for row, _, word in cells]
            fold += 1
    words, last = misses(demand, limit)
    reads = chunk_by_chunk(total, size, length, repeats, limit)
    assert reads == Reads(words, None if last is None else divmod(last, 1000))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=600), st.integers(1, 1500), st.integers(12, 40))
def test_drains_equal_the_walk(bursts: list[int], more: int, line: int) -> None:
    cycles = [cycle for cycle, words in enumerate(bursts) for _ in range(min(words, line))]
    cycles += [len(bursts) + i for i in range(more)]
    last = cycles[-1] + 3
    span = drain(len(cycles), 1, line, last, lambda nth: cycles[nth - 1])
    assert (span.start, span.stop, span.words) == drained(cycles, 1, line, last)


@given(st.integers(1, 12), st.integers(1, 12))
def test_skewed_blocks(length: int, cols: int) -> None:
    rows = sorted(i + j for i in range(length) for j in range(cols))
    assert [skew_row(length, cols, n) for n in range(1, len(rows) + 1)] == rows
    assert skew_count(length, cols, length + cols) == length * cols


def test_utilisations_by_hand() -> None:
    """A 5 x 3 by 3 x 4 product on 2 x 3 PEs: 3 x 2 folds, the last row fold half, the last column fold a third used."""
    result = simulate(gemm_layer("g", 5, 4, 3), ScaleMachine(2, 3, 1, 1, 1, "os"))
    assert result.cycles == 6 * (3 + 2 + 3 - 2) - 1
    assert result.overall_util == 5 * 4 * 3 * 100 / (35 * 6)
    assert result.mapping_efficiency == pytest.approx(100 * 20 / 36)
    assert result.compute_util == pytest.approx(100 * 20 * 3 / (36 * 6))
    assert result.ofmap_sram.words == 20 + 6 * 5


def test_the_os_drain_comes_before_its_operands() -> None:
    """A 4 x 4 x 4 product: SCALE-Sim writes results from cycle 3, when row 3's first operand arrives in cycle 4."""
    result = simulate(gemm_layer("g", 4, 4, 4), ScaleMachine(4, 4, 1, 1, 1, "os"))
    assert (result.ofmap_sram.start, result.cycles) == (3, 4 + 4 + 4 - 2 - 1)


def test_machines_and_layers_that_do_not_exist() -> None:
    with pytest.raises(InputError, match="a filter of 3 x 3 does not fit its input of 2 x 9"):
        ScaleLayer("x", 2, 9, 3, 3, 1, 1)
    with pytest.raises(InputError, match="every size is at least 1"):
        gemm_layer("x", 0, 1, 1)
    with pytest.raises(InputError, match="at least one row"):
        ScaleMachine(0, 1, 1, 1, 1, "os")
    with pytest.raises(InputError, match="takes SCALE-Sim 0 cycles"):
        simulate(gemm_layer("x", 1, 1, 1), ScaleMachine(1, 1, 1, 1, 1, "os"))


def test_its_laws_can_break() -> None:
    from accelsim.checks import check_scalesim

    result = simulate(gemm_layer("g", 5, 4, 3), ScaleMachine(2, 3, 1, 1, 1, "ws"))
    check_scalesim("g", ScaleRun(((result, 1),)), 6)
    broken = (
        (replace(result, cycles=1), "cycles"),
        (replace(result, mapping_efficiency=101.0), "mapping efficiency"),
        (replace(result, compute_util=99.0), "compute <= mapping"),
        (replace(result, ifmap_dram=replace(result.ifmap_dram, words=10**6)), "DRAM reads"),
    )
    for wrong, law in broken:
        with pytest.raises(CheckFailed, match=law):
            check_scalesim("g", ScaleRun(((wrong, 1),)), 6)


@pytest.mark.parametrize("network", ["alexnet", "resnet18"])
def test_whole_topologies_on_the_example_machine(network: str) -> None:
    """Cycles of every layer added up."""
    results = simulate_layers(topology(network), ScaleMachine(32, 32, 64, 64, 64, "os"))
    assert sum(r.cycles for r in results) == {"alexnet": 850_960, "resnet18": 1_718_353}[network]


@given(size=st.integers(1, 20), window=st.integers(1, 9), stride=st.integers(1, 7))
def test_touched_rows_are_those_under_a_window(size: int, window: int, stride: int) -> None:
    """As many outputs as SCALE-Sim has; a window as wide as a long input costs no table."""
    window = min(size, window)
    outputs = -(-(size - window + stride) // stride)
    literal = {p for k in range(outputs) for p in range(k * stride, k * stride + window) if p < size}
    assert _touched(size, window, stride, outputs) == len(literal)


def test_a_product_with_a_long_reduction_needs_no_memory() -> None:
    """A table of 50,176 x 50,176 positions would be 19 GiB."""
    layer = ScaleLayer("fc", 1, 50176, 1, 50176, 1, 4096, 1, 1)
    assert distinct_words(layer) == 50176
