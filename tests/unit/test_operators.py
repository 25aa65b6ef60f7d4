"""Layers of every family: shapes, parameters and MACs worked out by hand, lowering, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.errors import InputError
from accelsim.graph import Network
from accelsim.layers import (
    NMS,
    Binary,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose,
    DeformConv2d,
    DepthToSpace,
    Einsum,
    Expand,
    Gather,
    GroupNorm,
    GRUState,
    Layer,
    LayerNorm,
    LpNorm,
    LSTMState,
    MatMul,
    Move,
    Pad,
    Parameter,
    PReLU,
    PSRoIPool,
    Reduce,
    Reshape,
    Resize,
    RoIPool,
    Shift,
    Take,
    TemporalShift,
    Tile,
    Transpose,
    Unary,
    VectorWork,
    same_pads,
)
from accelsim.layers.conv import phases
from accelsim.problem import Problem

X = (2, 6, 9, 11)


@pytest.mark.parametrize(
    ("layer", "inputs", "shape", "params", "macs"),
    [
        (Conv1d(4, (3,), (2,), (1, 1)), [(2, 6, 9)], (2, 4, 5), 76, 2 * 4 * 5 * 18),
        (Conv3d(4, (2, 3, 3), groups=2), [(1, 6, 4, 9, 11)], (1, 4, 3, 7, 9), 220, 4 * 3 * 7 * 9 * 54),
        (ConvTranspose(4, (3, 3), (2, 2), (1, 1, 1, 1), (1, 1)), [X], (2, 4, 18, 22), 220, 2 * 6 * 99 * 36),
        (ConvTranspose(4, (2,), (3,), groups=2), [(1, 6, 5)], (1, 4, 14), 28, 6 * 5 * 4),
        (DeformConv2d(Conv2d(4, (3, 3), pads=(1, 1, 1, 1))), [X, (2, 18, 9, 11)], (2, 4, 9, 11), 220, 2 * 4 * 99 * 54),
        (MatMul(), [(2, 1, 3, 4), (5, 4, 7)], (2, 5, 3, 7), 0, 2 * 5 * 3 * 4 * 7),
        (Einsum("bij,bjk->ik"), [(2, 3, 4), (2, 4, 5)], (3, 5), 0, 2 * 3 * 4 * 5),
        (LayerNorm(-1), [(2, 3, 8)], (2, 3, 8), 16, 0),
        (LayerNorm(1, bias=False), [(2, 3, 8)], (2, 3, 8), 24, 0),
        (GroupNorm(3), [X], X, 12, 0),
        (PReLU((6, 1, 1)), [X], X, 6, 0),
        (Parameter((3, 4)), [], (3, 4), 12, 0),
        (Parameter((3, 4), False), [], (3, 4), 0, 0),
        (Reduce("mean", (2, -1), False), [X], (2, 6), 0, 0),
        (Reshape((2, -1)), [X], (2, 594), 0, 0),
        (Transpose((0, 2, 3, 1)), [X], (2, 9, 11, 6), 0, 0),
        (Pad((0, 0, 1, 2, 0, 0, 3, -1)), [X], (2, 6, 13, 12), 0, 0),
        (Tile((1, 2, 1, 1)), [X], (2, 12, 9, 11), 0, 0),
        (Take(1, (0, 5, 5), (3,)), [X], (2, 3, 9, 11), 0, 0),
        (DepthToSpace(2), [(1, 8, 3, 3)], (1, 2, 6, 6), 0, 0),
        (Binary("mul"), [X, (6, 1, 1)], X, 0, 0),
        (LSTMState(True), [(2, 12), (2, 12), (2, 3)], (2, 3), 6, 0),
        (GRUState(), [(2, 9), (2, 9), (2, 3)], (2, 3), 0, 0),
        (PSRoIPool((3, 3)), [(1, 18, 7, 7), (4, 5)], (4, 2, 3, 3), 0, 0),
        (NMS(5), [(2, 30, 4), (2, 3, 30)], (30, 3), 0, 0),
    ],
)
def test_shapes_params_macs(layer: Layer, inputs: list[Any], shape: Any, params: int, macs: int) -> None:
    assert layer.output_shape(inputs) == shape
    assert (layer.params(inputs), layer.macs(inputs)) == (params, macs)


@given(
    out=st.integers(1, 30), kernel=st.integers(1, 6), stride=st.integers(1, 5), dilation=st.integers(1, 4),
    before=st.integers(0, 4),
)  # fmt: skip
def test_phases_meet_every_pair_of_input_and_tap_once(
    out: int, kernel: int, stride: int, dilation: int, before: int
) -> None:
    """Output o and tap k meet input i exactly if `o + before - k d = i s`: by definition and by phases."""
    wanted = {
        (o, k, (o + before - k * dilation) // stride)
        for o in range(out) for k in range(kernel) if (o + before - k * dilation) % stride == 0
    }  # fmt: skip
    found = set()
    for phase in phases(out, kernel, stride, dilation, before):
        for p in range(phase.outputs):
            for j, tap in enumerate(phase.taps):
                found.add((phase.start + p * phase.step, tap, p + j * phase.dilation - phase.pad))
    assert found == wanted


def test_zero_insertion_issues_about_stride_squared_more() -> None:
    layer = ConvTranspose(8, (4, 4), (2, 2), (1, 1, 1, 1))
    inputs = [(1, 8, 16, 16)]
    gathered = sum(item.macs for item in layer.lower(inputs) if isinstance(item, Problem))
    move, dense = layer.lower_zero_insertion(inputs)
    assert isinstance(move, Move)
    assert isinstance(dense, Problem)
    assert gathered == layer.macs(inputs) == dense.macs // 4
    assert move.out_words == 8 * 31 * 31


@pytest.mark.parametrize(("size", "kernel", "stride", "lower", "pads"), [
    (224, 3, 2, False, (0, 1)), (224, 3, 2, True, (1, 0)), (7, 3, 1, False, (1, 1)), (5, 1, 2, False, (0, 0)),
])  # fmt: skip
def test_same_pads(size: int, kernel: int, stride: int, lower: bool, pads: tuple[int, int]) -> None:
    assert same_pads(size, kernel, stride, lower=lower) == pads


def test_work_items() -> None:
    """Moves read what they pick; gathers state bounds; views are nothing."""
    assert Shift(3).lower([(1, 9, 4, 5)]) == (Move("shift", (20 + 2 * 15 + 2 * 16 + 4 * 12,), 180),)
    assert TemporalShift(4, 4).lower([(4, 8, 2, 2)])[0] == Move("temporal_shift", (4 * 8 * 4 - 4 * 4,), 128)
    assert Transpose((0, 2, 1)).lower([(1, 1, 7)]) == ()
    assert Expand((3, 4)).lower([(4,)]) == (Move("expand", (4,), 12),)
    (gather,) = RoIPool((2, 2)).lower([(1, 3, 8, 8), (5, 5)])
    assert isinstance(gather, Gather)
    assert gather.most_reads == 5 * 3 * 10 * 10
    gather, product = DeformConv2d(Conv2d(4, (3, 3))).lower([(1, 2, 5, 5), (1, 18, 3, 3)])
    assert isinstance(gather, Gather)
    assert isinstance(product, Problem)
    assert (gather.out_words, gather.most_reads, product.macs) == (162, 648, 4 * 18 * 9)
    (scaled,) = Binary("mul").lower([X, (6, 1, 1)])
    assert isinstance(scaled, VectorWork)
    assert (scaled.in_words, scaled.kept_words) == ((1188, 6), 6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv1d(4, (3, 3)), r"conv1d: kernel \(3, 3\), expected 1 numbers"),
        (lambda: ConvTranspose(4, (3,), output_padding=(1,)), "output_padding .* below the stride"),
        (lambda: ConvTranspose(4, (1,), pads=(4, 4)).output_shape([(1, 4, 8)]), "leave nothing"),
        (lambda: DeformConv2d(Conv2d(4, (3, 3))).output_shape([X]), "takes an input, offsets, given 1"),
        (lambda: DeformConv2d(Conv2d(4, (3, 3))).output_shape([X, X]), r"offsets of shape .* expected \(2, 18, 7, 9\)"),
        (lambda: MatMul().output_shape([(2, 3), (4, 5)]), "3 columns, 4 rows"),
        (lambda: Einsum("ij,jk->il").output_shape([(2, 3), (3, 4)]), "result's letters"),
        (lambda: Einsum("ij,jk->ik").output_shape([(2, 3), (4, 5)]), "'j' is 3 and 4"),
        (lambda: Unary("sine"), "did you mean 'sin'"),
        (lambda: Binary("plus"), "function 'plus'"),
        (lambda: Binary("sub").output_shape([X, X, X]), "sub takes two inputs, given 3"),
        (lambda: Reduce("median"), "reduction 'median'"),
        (lambda: Reduce("sum", (4,)).output_shape([X]), "axes .* expected different numbers from -4 to 3"),
        (lambda: Reshape((7, -1)).output_shape([X]), "do not make"),
        (lambda: Transpose((0, 1, 1, 2)).output_shape([X]), "perm"),
        (lambda: Pad((1, 2)).output_shape([X]), "2 numbers, expected 8"),
        (lambda: Pad((0,) * 8, "mirror"), "mode 'mirror'"),
        (lambda: Tile((2,)).output_shape([X]), "repeats"),
        (lambda: Take(1, (6,), (1,)).output_shape([X]), "index 6, expected -6 to 5"),
        (lambda: DepthToSpace(4).output_shape([X]), "do not divide"),
        (lambda: GroupNorm(4).output_shape([X]), "4 groups do not divide"),
        (lambda: LpNorm(p=3), "p 3, expected 1 or 2"),
        (lambda: PReLU((5,)).output_shape([X]), "slopes of shape|do not match"),
        (lambda: Resize((2, 6, 4), mode="nearest").output_shape([X]), "as many sizes"),
        (lambda: Resize(X, mode="lanczos"), "mode 'lanczos'"),
        (lambda: LSTMState().output_shape([(2, 9), (2, 12), (2, 3)]), r"expected \(2, 12\)"),
        (lambda: NMS(5).output_shape([(2, 30, 4), (2, 3, 20)]), "do not match"),
        (lambda: RoIPool((2, 2)).output_shape([X, (3, 4)]), "regions"),
        (lambda: Network("n").recurrent(Network("n").input(3, 4), 5, cell="lstn"), "did you mean 'lstm'"),
        (lambda: Network("n").attention(Network("n").input(3, 10), 3), "3 heads do not divide a width of 10"),
    ],
)  # fmt: skip
def test_refusals(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
