"""Expressions, ranges, dimensions, samples and fronts, without any machine."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.errors import InputError
from accelsim.space.expression import read
from accelsim.space.pareto import pareto
from accelsim.space.quantity import Quantity, number, parse, shown
from accelsim.space.ranges import interval, multiplied, spaced, stepped
from accelsim.space.sampling import latin_hypercube, random_cube
from accelsim.space.types import Dimension, Interval, Space

KNOWN = {
    "rows": 12,
    "cols": 4,
    "glb": "64 KiB",
    "dram.bandwidth": "25.6 GB/s",
    "flow": "os",
    "memories[0].capacity": "1 MiB",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4 * rows KiB", "48 KiB"),
        ("(rows + cols) KiB", "16 KiB"),
        ("4 * 8 KiB", "32 KiB"),
        ("glb / 2 + 1 KiB", "33 KiB"),
        ("dram.bandwidth / 2", "12800 MB/s"),
        ("memories[0].capacity // 3", "2796202 bit"),
        ("1024 // rows", 85),
        ("rows / 8", 1.5),
        ("max(rows, cols, 20) - min(1, 2)", 19),
        ("ceil(rows / 5) * floor(5 / 2) + round(5 / 3) + abs(-1)", 9),
        ("sqrt(rows * 3) + log2(cols ** 3)", 12),
        ("rows % 5 - -1", 3),
        ("glb / 4 KiB", 16),
        ("flow", "os"),
    ],
)
def test_expressions_are_exact_and_carry_units(text: str, value: object) -> None:
    assert read(text).scalar(KNOWN) == value


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("rows * cols <= 48 and not rows < cols", True),
        ("glb > 64 KiB or flow == 'ws'", False),
        ("flow != 'ws'", True),
        ("1 < cols <= rows", True),
        ("glb == 65536 B", True),
    ],
)
def test_constraints(text: str, holds: bool) -> None:
    assert read(text).holds(KNOWN) is holds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("__import__('os')", "no function '__import__'"),
        ("rows.__class__()", "no function"),
        ("[1][0]", "is not a path"),
        ("lambda: 1", "Lambda is not allowed"),
        ("a if b else c", "IfExp is not allowed"),
        ("x := 1", "is not an expression"),
        ("rows in cols", "Compare is not allowed"),
        ("~rows", "UnaryOp is not allowed"),
        ("min(rows, key=1)", "Call is not allowed"),
        ("ceil(1, 2)", "ceil takes one value"),
        ("", "is not an expression such as '4"),
        ("1" * 600, "is not an expression"),
        ("(" * 300 + ")" * 300, "is not an expression"),
    ],
)
def test_what_is_outside_the_grammar_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rowz + 1", "no value 'rowz'; did you mean 'rows'"),
        ("rows / 0", "division by zero"),
        ("0 ** -1", "division by zero"),
        ("rows + glb", r"\+ of a number and a quantity in bit, expected the same kind"),
        ("glb * glb", "expected one plain number"),
        ("rows / glb", "expected the same kind or a plain divisor"),
        ("2 ** glb", "whole exponent of at most 64"),
        ("10 ** 64", "a value beyond 1e"),
        ("flow + 1", r"\+ of 'os', expected numbers"),
        ("rows and cols", "and joins comparisons"),
        ("sqrt(-1)", "expected a plain positive number"),
        ("glb KiB", "unit KiB behind a quantity in bit"),
        ("glb / 3", "is not a whole number of bit"),
    ],
)
def test_values_that_do_not_go_together_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(text).scalar(KNOWN)


def test_a_constraint_is_a_comparison() -> None:
    with pytest.raises(InputError, match="is a number, expected a comparison"):
        read("rows * 2").holds(KNOWN)


@given(st.integers(-99, 99), st.integers(-99, 99), st.integers(1, 99))
def test_arithmetic_is_that_of_python(a: int, b: int, c: int) -> None:
    names = {"a": a, "b": b, "c": c}
    for text in ("a + b * c", "(a - b) // c", "a % c - b", "a * b ** 2", "-a + +b", "min(a, b) - max(b, c)"):
        assert read(text).scalar(names) == eval(text, dict(names))


@given(st.fractions(min_value=Fraction(1, 8), max_value=10**6), st.sampled_from(["bit", "KiB", "MiB", "B"]))
def test_quantities_read_back(value: Fraction, unit: str) -> None:
    given = Quantity(Fraction(round(value * 8)), "bit")
    assert parse(str(shown(given, unit))) == given


@pytest.mark.parametrize(("value", "found"), [(True, None), ("os", None), (float("nan"), None), (0.1, Fraction(1, 10))])
def test_numbers(value: bool | float | str, found: Fraction | None) -> None:
    assert number(value) == (None if found is None else Quantity(found))


def test_ranges() -> None:
    assert stepped(interval(8, 32), 8) == (8, 16, 24, 32)
    assert stepped(interval("64 KiB", "200 KiB"), "64 KiB") == ("64 KiB", "128 KiB", "192 KiB")
    assert multiplied(interval("64 KiB", "1 MiB"), 2) == ("64 KiB", "128 KiB", "256 KiB", "512 KiB", "1024 KiB")
    assert spaced(interval(8, 64, True), 4) == (8, 16, 32, 64)
    assert spaced(interval(1, 3), 9) == (1, 2, 3)
    assert spaced(interval("64 KiB", "1 MiB", True), 3) == ("64 KiB", "256 KiB", "1024 KiB")
    assert spaced(interval(8, 64, True, 4), 5) == (8, 12, 24, 40, 64)
    assert spaced(interval(0.5, 2.0), 1) == (0.5,)


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (8, "64 KiB", "same kind"),
        (8, 4, "below its start"),
        ("x", 4, "from: 'x' is not a number"),
        (True, 2, "from: True"),
    ],
)
def test_wrong_ranges(low: int | str, high: int | str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        interval(low, high)


def test_wrong_steps() -> None:
    with pytest.raises(InputError, match="log scale from a start that is not positive"):
        interval(0, 4, True)
    with pytest.raises(InputError, match="step: '1 KiB', expected a number above 0"):
        stepped(interval(1, 4), "1 KiB")
    with pytest.raises(InputError, match="factor: 1, expected a number above 1"):
        multiplied(interval(1, 4), 1)
    with pytest.raises(InputError, match="round: 0, expected a number above 0"):
        interval(1, 4, False, 0)
    with pytest.raises(InputError, match="a range of more than"):
        stepped(interval(1, 10**9), 1)


@given(st.integers(1, 40), st.integers(1, 4), st.integers(0, 2**32))
def test_a_latin_hypercube_has_one_point_in_every_slice(points: int, dimensions: int, seed: int) -> None:
    cube = latin_hypercube(points, dimensions, seed)
    for k in range(dimensions):
        assert sorted((cube[:, k] * points).astype(int).tolist()) == list(range(points))
    assert (latin_hypercube(points, dimensions, seed) == cube).all()
    assert (random_cube(points, dimensions, seed) == random_cube(points, dimensions, seed)).all()


@given(st.floats(0, 1, exclude_max=True), st.booleans())
def test_intervals_stay_within_their_ends(share: float, log: bool) -> None:
    span = interval("64 KiB", "1 MiB", log)
    value = parse(str(span.at(share)))
    assert value is not None and span.low.value <= value.value <= span.high.value
    assert value.value % 8192 == 0


def test_the_last_dimension_runs_fastest() -> None:
    space = Space((Dimension(("a", "b"), ((1, 2), (3, 4))), Dimension(("c",), (("x",), ("y",)))))
    assert space.size == 4
    assert [space.grid_point(k) for k in (0, 1, 2)] == [
        {"a": 1, "b": 2, "c": "x"}, {"a": 1, "b": 2, "c": "y"}, {"a": 3, "b": 4, "c": "x"},
    ]  # fmt: skip
    assert space.sampled_point([0.99, 0.0]) == {"a": 3, "b": 4, "c": "x"}


def test_a_space_names_each_parameter_once() -> None:
    with pytest.raises(InputError, match="a is set more than once"):
        Space((Dimension(("a",), ((1,),)), Dimension(("a",), ((2,),))))
    with pytest.raises(InputError, match="a: a range without step, factor or points has no grid"):
        _ = Space((Dimension(("a",), Interval(Quantity(Fraction(1)), Quantity(Fraction(2)))),)).size


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)), max_size=25))
def test_the_front_is_what_nothing_dominates(costs: list[tuple[int, int, int]]) -> None:
    def beaten(row: tuple[int, ...]) -> bool:
        return any(all(a <= b for a, b in zip(o, row, strict=True)) and o != row for o in costs)

    assert pareto(costs) == [i for i, row in enumerate(costs) if not beaten(row)]
