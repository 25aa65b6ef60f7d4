"""Operators: shapes, parameters, MACs, lowering, and the errors they give."""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.errors import InputError
from accelsim.layers import (
    Add,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Flatten,
    GlobalAvgPool,
    Layer,
    Linear,
    MaxPool2d,
    Move,
    ReLU,
    ReLU6,
    Sigmoid,
    Slice,
    Softmax,
    Tanh,
    VectorWork,
)
from accelsim.problem import Problem

X = (2, 6, 9, 11)


@pytest.mark.parametrize(
    ("layer", "inputs", "shape", "params", "macs"),
    [
        (Conv2d(8, (3, 3)), [X], (2, 8, 7, 9), 8 * 6 * 9 + 8, 2 * 8 * 7 * 9 * 54),
        (Conv2d(8, (3, 3), bias=False), [X], (2, 8, 7, 9), 8 * 6 * 9, 2 * 8 * 7 * 9 * 54),
        (Conv2d(12, (3, 1), (2, 1), (1, 0, 1, 0), groups=3), [X], (2, 12, 5, 11), 12 * 2 * 3 + 12, 2 * 12 * 55 * 6),
        (Conv2d(6, (3, 3), pads=(2, 2, 2, 2), dilation=(2, 2), groups=6), [X], (2, 6, 9, 11), 60, 2 * 6 * 99 * 9),
        (Conv2d(4, (3, 3), (2, 2), (0, 0, 1, 1)), [(1, 3, 224, 224)], (1, 4, 112, 112), 112, 4 * 112**2 * 27),
        (Linear(5), [(3, 7)], (3, 5), 40, 105),
        (Linear(5, bias=False), [(3, 4, 7)], (3, 4, 5), 35, 420),
        (MaxPool2d((3, 3), (2, 2)), [X], (2, 6, 4, 5), 0, 0),
        (MaxPool2d((3, 3), (2, 2), ceil_mode=True), [(1, 1, 6, 6)], (1, 1, 3, 3), 0, 0),
        (MaxPool2d((2, 2), (3, 3), (1, 1, 1, 1), ceil_mode=True), [(1, 1, 4, 4)], (1, 1, 2, 2), 0, 0),
        (AvgPool2d((2, 2), (2, 2)), [X], (2, 6, 4, 5), 0, 0),
        (GlobalAvgPool(), [X], (2, 6, 1, 1), 0, 0),
        (BatchNorm2d(), [X], X, 12, 0),
        (ReLU(), [X], X, 0, 0),
        (ReLU6(), [X], X, 0, 0),
        (Tanh(), [(3, 4)], (3, 4), 0, 0),
        (Sigmoid(), [(3, 4)], (3, 4), 0, 0),
        (Add(), [X, X, X], X, 0, 0),
        (Softmax(), [(3, 10)], (3, 10), 0, 0),
        (Flatten(), [X], (2, 594), 0, 0),
        (Concat(1), [X, (2, 1, 9, 11)], (2, 7, 9, 11), 0, 0),
        (Slice(1, 2, 5), [X], (2, 3, 9, 11), 0, 0),
        (Slice(1, 2, 3, squeeze=True), [X], (2, 9, 11), 0, 0),
    ],
)  # fmt: skip
def test_shape_params_macs_and_lowering(
    layer: Layer, inputs: list[tuple[int, ...]], shape: tuple[int, ...], params: int, macs: int
) -> None:
    assert layer.output_shape(inputs) == shape
    assert layer.params(inputs) == params
    assert layer.macs(inputs) == macs
    items = layer.lower(inputs)
    assert items or isinstance(layer, Flatten)
    for item in items:
        if isinstance(item, Problem):
            assert prod(axis.size for axis in item.output.axes) == prod(shape)
            assert item.operand("Inputs").words == prod(inputs[0])
            assert item.op != "mac" or item.macs == macs
        else:
            assert item.out_words == prod(shape)
            assert isinstance(item, VectorWork | Move)


@given(
    size=st.integers(1, 12),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 3),
    before=st.integers(0, 2),
    after=st.integers(0, 2),
)
def test_output_size_is_the_number_of_windows_that_fit(
    size: int, kernel: int, stride: int, dilation: int, before: int, after: int
) -> None:
    starts = range(-before, size + after)
    fits = [s for s in starts[::stride] if s + dilation * (kernel - 1) < size + after]
    layer = Conv2d(1, (kernel, 1), (stride, 1), (before, 0, after, 0), (dilation, 1))
    if fits:
        assert layer.output_shape([(1, 1, size, 1)])[2] == len(fits)
    else:
        with pytest.raises(InputError, match="does not fit"):
            layer.output_shape([(1, 1, size, 1)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv2d(0, (3, 3)), "out_channels is 0, expected whole numbers of at least 1"),
        (lambda: Conv2d(4, (3, 0)), "kernel is"),
        (lambda: Conv2d(4, (3, 3), groups=3), "4 output channels do not divide into 3 groups"),
        (lambda: Conv2d(4, (3, 3), pads=(1, 1, -1, 1)), "pads"),
        (lambda: Conv2d(4, (3, 3), groups=4).output_shape([X]), "6 input channels do not divide into 4 groups"),
        (lambda: Conv2d(4, (3, 3)).output_shape([(2, 6)]), "rank 4, given shape"),
        (lambda: Conv2d(4, (3, 3)).output_shape([X, X]), "takes one input, given 2"),
        (lambda: Linear(4).output_shape([()]), "rank 1 or more"),
        (lambda: Linear(-1), "out_features is -1"),
        (lambda: MaxPool2d((2, 2), (2, 2), (2, 0, 0, 0)), "less than the kernel"),
        (lambda: MaxPool2d((9, 9), (1, 1)).output_shape([(1, 1, 4, 4)]), "window does not fit"),
        (lambda: Add().output_shape([X]), "at least two inputs"),
        (lambda: Add().output_shape([X, (2, 6, 9, 12)]), "expected sizes that are equal or 1"),
        (lambda: Concat().output_shape([X, (2, 6, 9, 12)]), "do not match"),
        (lambda: Concat(7).output_shape([X, X]), "axis 7, expected 0 to 3"),
        (lambda: Slice(1, 5, 7).output_shape([X]), "outside shape"),
        (lambda: VectorWork("x", (4,), 5, 1, rows=2), "do not divide into 2 rows"),
        (lambda: VectorWork("x", (4,), 4, 0), "at least 1"),
        (lambda: Move("x", (0,), 4), "at least 1"),
    ],
)
def test_refusals(make: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
