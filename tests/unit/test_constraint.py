"""Constraints: which mappings they allow, why not, and that what a search may ask about its parts agrees with that."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import InputError
from accelsim.mapping import Loop, Mapping, TileLevel
from accelsim.mapping.constraint import ANY, AXES, FIXED_PLACES, ONE, Constraint, Factor, Rule, place_names
from accelsim.mapping.text import normal
from accelsim.problem import DIMS
from tests.agreement.machines import machine, nests
from tests.unit.test_nest_text import CONV, WS

PLACES = (*FIXED_PLACES, "DRAM", "GLB")
DATAFLOWS = st.sampled_from(("ws", "os", "is", "rs"))


@st.composite
def factors(draw: st.DrawFn) -> Factor:
    low, more = draw(st.integers(1, 3)), draw(st.one_of(st.none(), st.integers(0, 3)))
    among = draw(st.one_of(st.none(), st.frozensets(st.integers(1, 6), min_size=1)))
    high = None if more is None else low + more
    if among is not None and not any(low <= v and (high is None or v <= high) for v in among):
        among = None
    return Factor(low, high, among)


@st.composite
def rules(draw: st.DrawFn, place: str) -> Rule:
    named = draw(st.dictionaries(st.sampled_from(DIMS), factors(), max_size=2))
    only = draw(st.integers(0, 5)) == 0
    if place in AXES:
        return Rule(place, tuple(named.items()), only)
    order = tuple(draw(st.permutations(DIMS))[: draw(st.integers(0, 4))])
    innermost = draw(st.sampled_from(("", "", *DIMS)))
    return Rule(place, tuple(named.items()), only, order, innermost)


@st.composite
def constraints(draw: st.DrawFn) -> Constraint:
    picked = draw(st.lists(st.sampled_from(PLACES), unique=True, max_size=2))
    return Constraint(tuple(draw(rules(place)) for place in picked), None, draw(st.one_of(st.none(), DATAFLOWS)))


def loops_at(mapping: Mapping, place: str) -> list[Loop]:
    found = [loop for level in mapping.levels if level.memory == place for loop in level.loops]
    found += [loop for loop in mapping.spatial if loop.kind == place]
    found += {"stream": mapping.stream, "pe": mapping.pe}.get(place, ())
    return [loop for loop in found if loop.trips > 1]


@settings(max_examples=200)
@given(data=st.data())
def test_a_constraint_allows_what_each_of_its_parts_allows(data: st.DataObject) -> None:
    mapping, constraint = data.draw(DATAFLOWS.flatmap(nests)), data.draw(constraints())
    parts = constraint.dataflow in (None, mapping.dataflow)
    for place in PLACES:
        loops = loops_at(mapping, place)
        for dim in DIMS:
            trips = prod(loop.trips for loop in loops if loop.dim == dim)
            parts &= constraint.factor_ok(place, dim, trips)
            factor = constraint.factor(place, dim)
            assert factor.ok(trips) == (
                trips >= factor.low and trips <= (factor.high or trips) and trips in (factor.among or {trips})
            )
        dims = tuple(loop.dim for loop in loops)
        rule = constraint.rule(place)
        pairs = all(
            rule.order.index(a) <= rule.order.index(b)
            for i, a in enumerate(dims)
            for b in dims[i:]
            if {a, b} <= set(rule.order)
        )
        assert constraint.order_ok(place, dims) == (pairs and (not dims or rule.innermost in ("", dims[-1])))
        parts &= constraint.order_ok(place, dims)
    assert constraint.allows(mapping) == parts == (constraint.reasons(mapping) == [])


@settings(max_examples=100)
@given(data=st.data())
def test_exactly_one_nest(data: st.DataObject) -> None:
    dataflow = data.draw(DATAFLOWS)
    mapping, arch = data.draw(nests(dataflow)), machine(dataflow)
    exact = Constraint.exactly(mapping)
    assert exact.allows(mapping)
    assert exact == Constraint.exactly(normal(mapping, arch))
    assert hash(exact) == hash(Constraint.exactly(normal(mapping, arch)))
    assert exact == replace(exact) == Constraint(exact.rules, exact.spatial, exact.dataflow, exact.bypass)
    assert exact.misfits(mapping.problem, ["GLB"]) == []
    slots = {"DRAM": [], "GLB": [], "stream": [], "spatial": [], "pe": []}
    for name in slots:
        own = mapping.spatial if name == "spatial" else loops_at(mapping, name)
        slots[name] = data.draw(st.permutations(own))
    levels = (TileLevel("DRAM", tuple(slots["DRAM"])), TileLevel("GLB", tuple(slots["GLB"])))
    inside = [tuple(slots[name]) for name in ("stream", "spatial", "pe")]
    other = Mapping(mapping.problem, dataflow, levels, *inside)
    assert exact.allows(other) == (normal(other, arch) == normal(mapping, arch)), exact.reasons(other)
    for place in PLACES:
        dims = tuple(loop.dim for loop in loops_at(mapping, place))
        assert exact.order_ok(place, dims)
        assert all(
            exact.factor_ok(place, d, prod(x.trips for x in loops_at(mapping, place) if x.dim == d)) for d in DIMS
        )


def test_no_constraint_allows_everything() -> None:
    free = Constraint()
    assert free.allows(WS)
    assert free == Constraint((Rule("GLB"), Rule("row", (("C", ANY),)), Rule("pe", order=("C",))))
    assert hash(free) == hash(Constraint((Rule("GLB"),)))
    assert free.places() == ()
    assert free.factor_ok("GLB", "P", 10**12)
    assert free.order_ok("elsewhere", ("P", "C", "P"))


def test_equal_conditions_are_equal() -> None:
    assert Factor(2, 8, frozenset({1, 4, 3, 5})) == Factor(3, 5)
    assert Factor(among=frozenset({4})) == Factor(4, 4)
    assert Factor(2, 8, frozenset({1, 4, 6, 9})) == Factor(among=frozenset({4, 6}))
    one = Constraint((Rule("row", (("C", Factor(2)), ("M", ANY))), Rule("col", (("M", ONE),), only=True)))
    two = Constraint((Rule("col", only=True), Rule("row", (("C", Factor(2)),))))
    assert one == two
    assert hash(one) == hash(two)
    assert len({one, two, Constraint()}) == 2


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        (ANY, "any"), (ONE, "1"), (Factor(3), "at least 3"), (Factor(1, 4), "at most 4"),
        (Factor(2, 4), "at least 2 and at most 4"), (Factor(among=frozenset({8, 2})), "one of 2, 8"),
    ],
)  # fmt: skip
def test_factors_in_words(factor: Factor, text: str) -> None:
    assert str(factor) == text


@pytest.mark.parametrize(
    ("constraint", "reasons"),
    [
        (Constraint(dataflow="os"), ["dataflow ws, expected os"]),
        (Constraint((Rule("row", (("C", Factor(4, 4)),)),)), ["row: C 3, expected 4"]),
        (Constraint((Rule("row", only=True),)), ["row: C 3, expected 1"]),
        (Constraint((Rule("row", (("C", ANY),), only=True),)), []),
        (Constraint((Rule("diagonal", (("G", Factor(2)),)),)), ["diagonal: G 1, expected at least 2"]),
        (Constraint((Rule("stream", (("P", Factor(1, 2)), ("Q", Factor(7, 7)))),)),
         ["stream: P 3, expected at most 2"]),
        (Constraint((Rule("GLB", order=("S", "R", "P")),)), ["GLB: loops in the order R S, expected S R P"]),
        (Constraint((Rule("GLB", order=("R", "M")),)), []),
        (Constraint((Rule("GLB", innermost="S"),)), ["GLB: innermost loop over M, expected S"]),
        (Constraint((Rule("GLB", innermost="M"), Rule("pe", innermost="C"))), []),
        (Constraint((Rule("DRAM", loops=(Loop("P", 3),)), Rule("pe", loops=()))), []),
        (Constraint((Rule("DRAM", loops=(Loop("M", 2), Loop("N", 1))),)), ["DRAM: [P 3], expected [M 2]"]),
        (Constraint((Rule("GBL", (("P", ONE),)),)), ["no level 'GBL' in this mapping; did you mean 'GLB'?"]),
        (Constraint((Rule("L2", loops=()),)), []),
        (Constraint(spatial=(Loop("C", 3, "row"),)), ["col: [M 3], expected []"]),
        (Constraint(spatial=(Loop("M", 3, "col"), Loop("C", 3, "row"))),
         ["spatial: loops in the order [C 3, M 3], expected [M 3, C 3]"]),
        (Constraint((Rule("row", (("C", ONE),)), Rule("GLB", (("M", Factor(3, 5)),)))),
         ["GLB: M 2, expected at least 3 and at most 5", "row: C 3, expected 1"]),
    ],
)  # fmt: skip
def test_reasons_name_the_part(constraint: Constraint, reasons: list[str]) -> None:
    assert constraint.reasons(WS) == reasons
    assert constraint.allows(WS) == (not reasons)


def test_parts_that_no_mapping_of_a_layer_meets() -> None:
    places = place_names(["GLB"])
    assert places == ("row", "col", "diagonal", "band", "stream", "pe", "DRAM", "GLB")
    large = Constraint((Rule("row", (("C", Factor(16, 16)),)),))
    assert large.misfits(CONV, ["GLB"]) == ["row: C 16, but the layer has C 3"]
    tight = {place: Rule(place, (("Q", Factor(1, 2 if place in ("row", "stream") else 1)),)) for place in places}
    assert Constraint(tuple(tight.values())).misfits(CONV, iter(["GLB"])) == [
        "Q: at most 4 over all places, but the layer has Q 7"
    ]
    assert Constraint(tuple(rule for place, rule in tight.items() if place != "GLB")).misfits(CONV, ["GLB"]) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Factor(0), "a factor is a whole number of at least 1"),
        (lambda: Factor(among=frozenset({0, 2})), "a factor is a whole number of at least 1"),
        (lambda: Factor(4, 2), "no factor is allowed by at least 4 and at most 2"),
        (lambda: Factor(5, 6, frozenset({2, 4})), "no factor is allowed by one of 2, 4"),
        (lambda: Rule("row", (("X", ONE),)), "row: dim 'X', expected one of N G M C"),
        (lambda: Rule("GLB", order=("P", "Q", "P")), "GLB: order name a dim twice: P Q P"),
        (lambda: Rule("GLB", (("P", ONE), ("P", ANY))), "GLB: factors name a dim twice: P P"),
        (lambda: Rule("col", innermost="P"), "col: loops run all at once there, so they have no order"),
        (lambda: Rule("GLB", only=True, loops=()), "GLB: either its loops are given, or factors and an order"),
        (lambda: Rule("row", loops=(Loop("C", 2),)), "row: loop over C is temporal, expected row"),
        (lambda: Rule("GLB", loops=(Loop("C", 2, "row"),)), "GLB: loop over C is row, expected temporal"),
        (lambda: Constraint(spatial=(Loop("C", 2),)), "spatial: expected loops over rows, cols or the diagonal"),
        (lambda: Constraint((Rule("pe", only=True), Rule("pe", innermost="C"))), "two rules for 'pe', expected one"),
        (lambda: Constraint((Rule("row", only=True),), (Loop("C", 2, "row"),)), "two rules for 'row', expected one"),
    ],
)  # fmt: skip
def test_contradictions_are_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(InputError, match=message):
        make()
