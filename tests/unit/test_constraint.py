"""Constraints on mappings: what they allow, what they say, how they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim.errors import InputError
from accelsim.formats.mapping_yaml import load_constraints
from accelsim.lookup import load_arch
from accelsim.mapping import Loop, Mapping, TileLevel
from accelsim.mapping.constraint import ANYTHING, Constraint, Factors, Order
from accelsim.problem import conv_problem

ARCH = load_arch("edge_tpu")[0]
P = conv_problem(batch=1, groups=1, out_channels=8, in_channels=4, out_size=(6, 5), kernel=(1, 1), in_size=(6, 5))
MAPPING = Mapping(
    P,
    "ws",
    (TileLevel("DRAM", (Loop("P", 3), Loop("M", 2))), TileLevel("SRAM", (Loop("P", 2),))),
    (Loop("Q", 5),),
    (Loop("C", 4, "row"), Loop("M", 4, "col")),
)


def test_factors_say_what_they_allow() -> None:
    assert Factors().ok(99)
    assert Factors(high=4).ok(4) and not Factors(high=4).ok(5)
    assert Factors(low=2).ok(2) and not Factors(low=2).ok(1)
    assert Factors(among=(2, 8)).ok(8) and not Factors(among=(2, 8)).ok(4)
    assert [str(f) for f in (Factors(high=4), Factors(low=2), Factors(2, 4), Factors(among=(2, 8)))] == [
        "at most 4", "at least 2", "2 to 4", "2 or 8",
    ]  # fmt: skip


def test_orders_are_of_the_dims_they_name() -> None:
    order = Order(("P", "Q"), "C")
    assert order.ok(("M", "P", "Q", "C")) and order.ok(("P", "C")) and order.ok(())
    assert not order.ok(("Q", "P", "C"))
    assert not order.ok(("P", "Q", "M"))


def test_reasons_name_place_dim_and_factor() -> None:
    limit = Constraint(
        (("row", "C", Factors(high=2)), ("stream", "Q", Factors(among=(1, 2)))),
        frozenset({"col"}),
        (("DRAM", Order(("M", "P"))),),
        "os",
    )
    assert limit.reasons(MAPPING) == [
        "dataflow ws, constrained to os",
        "DRAM: loops in the order P M",
        "stream: Q 5, constrained to 1 or 2",
        "row: C 4, constrained to at most 2",
        "col: M 4, constrained to 1",
    ]
    assert not limit.allows(MAPPING)
    assert ANYTHING.allows(MAPPING)


def test_a_mapping_as_a_constraint_allows_itself_alone() -> None:
    exact = Constraint.exactly(MAPPING)
    assert exact.allows(MAPPING)
    swapped = Mapping(
        P, "ws", (TileLevel("DRAM", (Loop("M", 2), Loop("P", 3))), MAPPING.levels[1]), MAPPING.stream, MAPPING.spatial
    )
    moved = Mapping(
        P, "ws", (TileLevel("DRAM", (Loop("P", 6), Loop("M", 2))), TileLevel("SRAM", ())), MAPPING.stream,
        MAPPING.spatial,
    )  # fmt: skip
    assert not exact.allows(swapped)
    assert not exact.allows(moved)


def read(tmp_path: Path, text: str) -> dict[str, Constraint]:
    file = tmp_path / "limits.yaml"
    file.write_text(text)
    return load_constraints(str(file), ARCH)


def test_a_file_for_all_layers(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        'dataflow: ws\nspatial: {row: {C: 16, R: any}, col: {M: "<= 32"}, only: true}\n'
        'DRAM: {P: [1, 3], order: [P, M], innermost: M}\nstream: {Q: ">= 2"}\n',
    )
    assert found == {
        "*": Constraint(
            (
                ("row", "C", Factors(among=(16,))), ("row", "R", Factors()), ("col", "M", Factors(high=32)),
                ("DRAM", "P", Factors(among=(1, 3))), ("stream", "Q", Factors(low=2)),
            ),
            frozenset({"row", "col", "diagonal"}), (("DRAM", Order(("P", "M"), "M")),), "ws",
        )
    }  # fmt: skip


def test_a_file_by_layer(tmp_path: Path) -> None:
    found = read(tmp_path, 'layers:\n  "*": {stream: {Q: 1}}\n  conv1: {pe: {M: 2, only: true}}\n')
    assert found["*"].factors == (("stream", "Q", Factors(among=(1,))),)
    assert found["conv1"] == Constraint((("pe", "M", Factors(among=(2,))),), frozenset({"pe"}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SRMA: {P: 1}", r"limits.yaml:1:1: SRMA: unknown place; did you mean 'SRAM'"),
        ("SRAM: {X: 1}", r"limits.yaml:1:8: SRAM.X: unknown key"),
        ("SRAM: {P: 0}", r'SRAM.P: 0, expected a number from 1, a list of them, "<= n", ">= n" or any'),
        ("SRAM: {order: P}", r"SRAM.order: 'P', expected a list of dims"),
        ("SRAM: {innermost: K}", r"SRAM.innermost: 'K', expected a dim of N G M"),
        ("SRAM: 3", r"SRAM: 3, expected factors by dim"),
        ("dataflow: os", r"dataflow: 'os', but edge_tpu is wired for ws"),
        ("spatial: {rows: {C: 1}}", r"spatial.rows: unknown axis; did you mean 'row'"),
        ("layers: {a: 3}", r"layers.a: 3, expected places \(spatial, stream, pe, DRAM, SRAM\)"),
        ("layers: {}\nSRAM: {}", r"SRAM: with `layers`, expected nothing else"),
        ("- 1", r"limits.yaml:1:1: expected constraints by place"),
    ],
)
def test_wrong_files_are_refused_with_their_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"nowhere.yaml: No such file"):
        load_constraints("nowhere.yaml", ARCH)
