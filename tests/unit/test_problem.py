"""Index sets: exact for strides, dilation, padding, borders."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from accelsim.problem import Axis, conv_problem, gemm_problem, pool_problem, spread


@given(st.integers(0, 2**12), st.integers(1, 9), st.integers(1, 20))
def test_spread_is_a_union_of_shifts(bits: int, step: int, count: int) -> None:
    expected = 0
    for k in range(count):
        expected |= bits << (k * step)
    assert spread(bits, step, count) == expected


@given(
    coefficients=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    size=st.integers(1, 40),
    offset=st.integers(-6, 6),
    first=st.tuples(st.integers(0, 9), st.integers(0, 8)),
    second=st.tuples(st.integers(0, 5), st.integers(0, 5)),
)
def test_mask_is_the_enumerated_set(
    coefficients: tuple[int, int], size: int, offset: int, first: tuple[int, int], second: tuple[int, int]
) -> None:
    axis = Axis((("P", coefficients[0]), ("R", coefficients[1])), size, offset)
    touched = {
        p * coefficients[0] + r * coefficients[1] + offset
        for p in range(first[0], sum(first))
        for r in range(second[0], sum(second))
    }
    expected = sum(1 << i for i in touched if 0 <= i < size)
    assert axis.mask({"P": first, "R": second}) == expected


def test_a_filter_smaller_than_the_stride_leaves_gaps() -> None:
    rows = conv_problem(
        batch=1, groups=1, out_channels=1, in_channels=1, out_size=(5, 5), kernel=(1, 1), in_size=(9, 9), stride=(2, 2)
    )
    axis = rows.operand("Inputs").axes[4]
    assert axis.mask({"P": (0, 5), "R": (0, 1)}).bit_count() == 5


def test_constructors_fill_bounds_and_operands() -> None:
    gemm = gemm_problem(rows=3, cols=4, reduction=5, batch=2)
    assert gemm.macs == 2 * 3 * 4 * 5
    assert {o.name: o.words for o in gemm.operands} == {"Inputs": 30, "Weights": 40, "Outputs": 24}
    assert gemm.reduction_dims == ("C",)
    assert [o.name for o in gemm.reads] == ["Inputs", "Weights"]
    pool = pool_problem("max", batch=1, channels=3, out_size=(2, 2), kernel=(2, 2), in_size=(4, 4), stride=(2, 2))
    assert (pool.op, pool.macs, [o.name for o in pool.operands]) == ("max", 48, ["Inputs", "Outputs"])
    assert pool.output.dims == {"N", "G", "M", "O", "P", "Q"}


def test_equal_problems_are_one_key() -> None:
    one, two = gemm_problem(rows=3, cols=4, reduction=5), gemm_problem(rows=3, cols=4, reduction=5)
    assert len({one, two, gemm_problem(rows=3, cols=4, reduction=6)}) == 2
