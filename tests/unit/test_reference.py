"""Reference operators against slow definitions, and the integer rules."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from accelsim.arch import Precision
from accelsim.errors import CheckFailed, InputError
from accelsim.execute.kernels import compute
from accelsim.execute.kernels.convolution import conv
from accelsim.execute.kernels.pooling import avg_pool, max_pool
from accelsim.execute.quantise import (
    Finish,
    QTensor,
    choose_exponent,
    choose_shift,
    exact,
    output_stage,
    requantise,
    to_grid,
)
from accelsim.execute.reference import run_node, run_reference
from accelsim.execute.weights import Parameters, random_inputs, random_weights
from accelsim.graph import Network, optimise
from accelsim.layers import BatchNorm2d, Linear, ReLU, ReLU6, Softmax

INT8 = Precision(8, 8, 32, 8)


def test_the_padding_example() -> None:
    """A 3 x 3 example worked by hand; cross-correlation, no flip."""
    x = np.array([[1, 0, 5], [3, -1, -2], [4, 0, -3.0]])[None, None]
    w = np.array([[1, 0, 3], [0, 2, -2], [1, 3, -1.0]])[None, None]
    padded = conv(x, w, pads=(1, 1, 1, 1))
    assert padded[0, 0].tolist() == [[12, -8, 3], [20, 25, -13], [5, 3, -7]]
    assert conv(x, w).item() == 25


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_convolution_is_seven_loops(data: st.DataObject) -> None:
    groups, c, m = (data.draw(st.integers(1, 3)) for _ in range(3))
    r, s = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    stride = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 3))
    dilation = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))
    pads = tuple(data.draw(st.integers(0, 2)) for _ in range(4))
    h = data.draw(st.integers(dilation[0] * (r - 1) + 1, 8))
    width = data.draw(st.integers(dilation[1] * (s - 1) + 1, 8))
    random = np.random.default_rng(h * width)
    x = random.integers(-9, 9, (2, groups * c, h, width)).astype(float)
    w = random.integers(-9, 9, (groups * m, c, r, s)).astype(float)
    got = conv(x, w, stride, pads, dilation, groups)
    for n, k, p, q in product(*(range(size) for size in got.shape)):
        total = 0.0
        for ch, i, j in product(range(c), range(r), range(s)):
            row = p * stride[0] + i * dilation[0] - pads[0]
            col = q * stride[1] + j * dilation[1] - pads[1]
            if 0 <= row < h and 0 <= col < width:
                total += x[n, (k // m) * c + ch, row, col] * w[k, ch, i, j]
        assert got[n, k, p, q] == total


def test_pooling_borders() -> None:
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    assert max_pool(-x, (2, 2), (2, 2), (1, 1, 1, 1), (1, 1), (3, 3))[0, 0, 0, 0] == 0
    assert max_pool(-x - 1, (2, 2), (2, 2), (1, 1, 1, 1), (1, 1), (3, 3))[0, 0, 0, 0] == -1
    inside = avg_pool(x, (2, 2), (2, 2), (1, 1, 1, 1), (1, 1), (3, 3), False)
    padded = avg_pool(x, (2, 2), (2, 2), (1, 1, 1, 1), (1, 1), (3, 3), True)
    assert (inside[0, 0, 0, 1], padded[0, 0, 0, 1]) == (1.5, 0.75)
    beyond = avg_pool(x[:, :, :3, :3], (2, 2), (2, 2), (0, 0, 0, 0), (1, 1), (2, 2), True)
    assert beyond[0, 0, 1, 1] == 10.0


def test_softmax_and_batch_norm() -> None:
    x = np.array([[0.0, np.log(3.0)], [1000.0, 1000.0]])
    assert compute(Softmax(), [x], {}) == pytest.approx(np.array([[0.25, 0.75], [0.5, 0.5]]))
    statistics = {"gamma": [2.0, 3.0], "beta": [1.0, -1.0], "mean": [0.0, 1.0], "var": [1.0, 4.0]}
    tensors = {name: np.array(values) for name, values in statistics.items()}
    y = compute(BatchNorm2d(0.0), [np.full((1, 2, 1, 1), 3.0)], tensors)
    assert y.ravel().tolist() == [7.0, 2.0]
    w = {"weight": np.array([[3.0, 4.0], [5.0, 6.0]])}
    assert compute(Linear(2), [np.array([[1.0, 2.0]])], w).tolist() == [[11.0, 17.0]]


def test_rounding_is_half_to_even_and_saturates() -> None:
    sums = np.array([2.0, 6.0, 10.0, -2.0, -6.0, 5000.0, -5000.0])
    assert requantise(sums, 2, 8).tolist() == [0, 2, 2, 0, -2, 127, -128]
    assert to_grid(np.array([0.375, 0.625, 99.0]), -2, 8).tolist() == [2, 2, 127]


@given(hnp.arrays(float, 50, elements=st.integers(-(2**40), 2**40)), st.sampled_from([4, 8, 16]))
def test_chosen_shift_is_the_smallest_that_saturates_at_most_one_percent(sums: Any, bits: int) -> None:
    top = 2 ** (bits - 1) - 0.5
    shift = choose_shift(sums, bits)
    assert (np.abs(sums) >= top * 2.0**shift).mean() <= 0.01
    if shift:
        assert (np.abs(sums) >= top * 2.0 ** (shift - 1)).mean() > 0.01


@given(hnp.arrays(float, 9, elements=st.floats(-1e6, 1e6, width=32)), st.sampled_from([8, 16]))
def test_chosen_grid_is_the_finest_that_holds_all(real: Any, bits: int) -> None:
    exponent = choose_exponent(real, bits)
    top = 2 ** (bits - 1) - 1
    if real.any():
        assert np.abs(np.rint(real / 2.0**exponent)).max() <= top
        assert np.abs(real / 2.0 ** (exponent - 1)).max() > top


def test_output_stage_works_word_by_word() -> None:
    sums = np.arange(-400.0, 400.0).reshape(8, 100)
    finish = Finish(-6, 2, ReLU6(), 8)
    bias = np.full((8, 1), 3.0)
    whole = output_stage(sums, bias, finish)
    parts = [output_stage(sums[:, k : k + 7], bias, finish) for k in range(0, 100, 7)]
    assert np.array_equal(whole, np.concatenate(parts, axis=1))
    assert whole.min() == 0
    assert (whole * 2.0**finish.exponent).max() == 6.0


def test_sums_beyond_exact_floats_are_refused() -> None:
    exact(np.array([2.0**53 - 1]), "x")
    with pytest.raises(CheckFailed, match=r"conv9: a sum of .* exceeds 2\*\*53"):
        exact(np.array([-(2.0**53)]), "conv9")


def net() -> Any:
    n = Network("two")
    x = n.input(3, 6, 6)
    y = n.relu(n.batch_norm(n.conv(x, 4, 3, pad=1, bias=False)))
    return n.build(n.softmax(n.linear(n.flatten(n.global_avg_pool(n.add(y, n.conv(y, 4, 1)))), 5)))


def test_weights_depend_on_seed_and_key_only() -> None:
    graph = optimise(net())
    one, same, other = (random_weights(graph, INT8, seed) for seed in (1, 1, 2))
    for key, parameters in one.items():
        assert parameters.weight is not None
        assert np.array_equal(parameters.weight.values, same[key].weight.values)
        assert not np.array_equal(parameters.weight.values, other[key].weight.values)
        assert np.abs(parameters.weight.values).max() <= 127


def test_folding_changes_little() -> None:
    """Folded and unfolded networks compute the same function up to quantisation."""
    graph = net()
    fine = Precision(16, 16, 48, 16)
    outs = []
    for g in (graph, optimise(graph)):
        runs = run_reference(g, random_weights(g, fine, 3), random_inputs(g, fine, 3), fine)
        outs.append(runs[g.outputs[0]].output.real)
    assert outs[0] == pytest.approx(outs[1], abs=2e-3)
    assert outs[0].sum() == pytest.approx(1.0, abs=1e-3)


def test_degenerate_data_fail() -> None:
    n = Network("dead")
    node = n.build(n.linear(n.input(4), 8)).layers[0]
    dead = Parameters(QTensor(np.zeros((8, 4)), 0), None)
    with pytest.raises(CheckFailed, match=r"fc1: 0.0% of the outputs saturate and 100.0% are zero"):
        run_node(node, [QTensor(np.ones((1, 4)), 0)], dead, INT8)


def test_missing_input_is_named() -> None:
    graph = net()
    with pytest.raises(InputError, match="two: no values for input 'input1'"):
        run_reference(graph, random_weights(graph, INT8), {}, INT8)


def test_relu_is_exact_on_the_grid() -> None:
    n = Network("r")
    node = n.build(n.relu(n.input(4))).layers[0]
    assert isinstance(node.layer, ReLU)
    run = run_node(node, [QTensor(np.array([[-3.0, 0.0, 5.0, 127.0]]), -3)], None, INT8)
    assert run.output.real.tolist() == [[0.0, 0.0, 0.625, 15.875]]
