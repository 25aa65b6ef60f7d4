"""Mapping files: what is written reads back, constraints of every form, every error with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import InputError
from accelsim.formats.mapping_yaml import (
    constraint_of,
    load_constraints,
    load_mapping,
    parse_constraints,
    parse_mapping,
    part_name,
    write_mapping,
    write_mappings,
)
from accelsim.mapping import Loop, Mapping, TileLevel
from accelsim.mapping.constraint import ANY, Constraint, Factor, Rule
from accelsim.mapping.text import normal
from tests.agreement.machines import machine
from tests.unit.random_nests import MACHINES, legal_nests, shipped
from tests.unit.test_nest_text import CONV, WS

FULL = """\
dataflow: ws
levels:
  DRAM: [P 3]
  GLB: [R 3, S 3, M 2]
stream: [P 3, Q 7]
spatial: [C 3 row, M 3 col]
pe: []
"""
PARTIAL = """\
dataflow: ws            # the machine's
spatial:
  row: {C: 4, R: any, only: true}
  col: {M: "<= 3"}
levels:
  GLB: {P: 1, order: [P, Q, C]}
  DRAM: {innermost: C, Q: {2, 4, 8}}
stream: {Q: ">= 5, <= 7"}
pe: {M: [1, 16]}
"""


def test_a_full_mapping_in_text() -> None:
    assert write_mapping(WS) == FULL
    assert parse_mapping(FULL, CONV, machine("ws"), "m.yaml") == WS
    short = "levels: {GLB: [R 3, S 3, M 2], DRAM: [P 3]}\nstream: [P 3, Q 7]\nspatial: [C 3 row, M 3 col]\n"
    assert parse_mapping(short, CONV, machine("ws"), "m.yaml") == WS


@settings(max_examples=80)
@given(data=st.data())
def test_what_is_written_reads_back_and_is_an_exact_constraint(data: st.DataObject) -> None:
    arch = shipped(data.draw(st.sampled_from(MACHINES)))
    mapping = data.draw(legal_nests(arch))
    text = write_mapping(mapping)
    assert parse_mapping(text, mapping.problem, arch, "m.yaml") == normal(mapping, arch)
    assert parse_constraints(text, "m.yaml", arch) == {"*": Constraint.exactly(mapping)}


def test_several_layers() -> None:
    names = {"fc1": WS, "a b/c:0": WS, "null": WS, 'q"\\é': WS, "12": WS}
    text = write_mappings(names)
    arch = machine("ws")
    assert parse_constraints(text, "m.yaml", arch, names) == dict.fromkeys(names, Constraint.exactly(WS))
    for name in names:
        assert parse_mapping(text, CONV, arch, "m.yaml", name) == WS
    with pytest.raises(InputError, match=r"m.yaml: no mapping of layer 'fc2'; did you mean 'fc1'\?"):
        parse_mapping(text, CONV, arch, "m.yaml", "fc2")
    assert parse_constraints(write_mappings({}), "m.yaml") == {}
    assert parse_constraints(write_mappings({"up[1]": WS, "*": WS}), "m.yaml", arch, ["up"]).keys() == {"up[1]", "*"}


def test_the_most_specific_constraint_counts() -> None:
    text = "layers: {'*': {pe: {C: 1}}, up: {pe: {C: 2}}, 'up[1]': {pe: {C: 3}}, 'conv': {}}"
    found = parse_constraints(text, "c.yaml", machine("ws"), ["up", "conv", "fc"])
    wanted = {("fc", 0, 1): 1, ("up", 0, 4): 2, ("up", 1, 4): 3, ("up", 0, 1): 2}
    for (name, part, parts), low in wanted.items():
        assert constraint_of(found, name, part, parts).factor("pe", "C") == Factor(low, low)
    assert constraint_of(found, "conv") == Constraint() == constraint_of({}, "fc")
    assert [part_name("up", 1, 2), part_name("up", 0, 1)] == ["up[1]", "up"]


def test_a_partial_mapping_restricts() -> None:
    found = parse_constraints(PARTIAL, "c.yaml", machine("ws"))["*"]
    assert found == Constraint(
        (
            Rule("row", (("C", Factor(4, 4)), ("R", ANY)), only=True),
            Rule("col", (("M", Factor(1, 3)),)),
            Rule("GLB", (("P", Factor(1, 1)),), order=("P", "Q", "C")),
            Rule("DRAM", (("Q", Factor(among=frozenset({2, 4, 8}))),), innermost="C"),
            Rule("stream", (("Q", Factor(5, 7)),)),
            Rule("pe", (("M", Factor(among=frozenset({1, 16}))),)),
        ),
        dataflow="ws",
    )
    assert found.reasons(WS) == ["DRAM: Q 1, expected one of 2, 4, 8", "DRAM: innermost loop over P, expected C",
                                 "row: C 3, expected 4"]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "factor"),
    [
        ("4", Factor(4, 4)), ("'4'", Factor(4, 4)), ("any", ANY), ("<= 8", Factor(1, 8)), ("'>= 8'", Factor(8)),
        ("<=8", Factor(1, 8)), ("'>=2,<=8'", Factor(2, 8)), ("{2, 4}", Factor(among=frozenset({2, 4}))),
        ("'{2, 4}'", Factor(among=frozenset({2, 4}))), ("[2, 4]", Factor(among=frozenset({2, 4}))),
        ("{3}", Factor(3, 3)), ("[3, 2]", Factor(2, 3)),
    ],
)  # fmt: skip
def test_every_form_of_a_factor(value: str, factor: Factor) -> None:
    assert parse_constraints(f"pe: {{C: {value}}}", "c.yaml")["*"].factor("pe", "C") == factor


def test_places_with_loops_and_places_with_factors_mix() -> None:
    found = parse_constraints("stream: [Q 7]\nspatial: [M 2 col, G 2 diagonal]\npe: {O: 1}", "c.yaml")["*"]
    assert found == Constraint(
        (Rule("stream", loops=(Loop("Q", 7),)), Rule("pe", (("O", Factor(1, 1)),))),
        (Loop("M", 2, "col"), Loop("G", 2, "diagonal")),
    )
    assert not found.factor_ok("row", "C", 2)
    assert parse_constraints("resident: [Weights]", "c.yaml") == {"*": Constraint()}


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(FULL)
    assert load_mapping(path, CONV, machine("ws")) == WS
    assert load_constraints(str(path)) == {"*": Constraint.exactly(WS)}
    path.write_text(FULL.replace("GLB", "GBL"))
    with pytest.raises(InputError, match=r"^m.yaml:4:3: levels.GBL: no memory of small_ws; did you mean 'GLB'"):
        load_constraints(path, machine("ws"))
    with pytest.raises(InputError, match=r"cannot read mappings '.*none.yaml': No such file"):
        load_constraints(tmp_path / "none.yaml")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"cannot read mappings '.*m.yaml': it is not UTF-8 text"):
        load_mapping(path, CONV, machine("ws"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dataflow: ws", "dataflow: wx", "1:1: dataflow: 'wx', expected 'ws', 'os', 'is' or 'rs'; valid names: is, os"),
        ("dataflow: ws", "dataflow: os", "1:1: dataflow: 'os', expected that of small_ws, 'ws'"),
        ("dataflow: ws", "dataflo: ws", r"1:1: dataflo: unknown key; did you mean 'dataflow'\?"),
        (
            "dataflow: ws",
            "partly: {Input: C 2}",
            r"1:10: partly.Input: 'Input', expected 'Inputs', 'Weights' or 'Outputs'; did you mean 'Inputs'",
        ),
        ("dataflow: ws", "partly: {Inputs: X 2}", r"1:10: partly.Inputs: 'X' is not a dim; valid names"),
        (
            "dataflow: ws",
            "resident: [Psums]",
            r"1:12: resident\[0\]: 'Psums', expected 'Inputs', 'Weights' or 'Outputs'",
        ),
        ("C: 4", "c: 4", r"3:9: spatial.row.c: unknown key; valid names: C, G, M"),
        ("C: 4", "C: 0", "3:9: spatial.row.C: 0 is not a whole number of at least 1"),
        ("C: 4", "C: -2", "3:9: spatial.row.C: -2 is not a whole number of at least 1"),
        ("C: 4", "C: true", "3:9: spatial.row.C: True is not a whole number of at least 1"),
        ("C: 4", "C: 1.5", "3:9: spatial.row.C: 1.5 is not a whole number of at least 1"),
        ("C: 4", "C: some", "3:9: spatial.row.C: 'some', expected a factor such as 4, \"<= 8\""),
        ("C: 4", "C: < 4", "3:9: spatial.row.C: '< 4', expected a factor such as"),
        ("C: 4", "C: ~", "3:9: spatial.row.C: nothing stands here; leave the key out"),
        ("C: 4", "C: []", r"3:9: spatial.row.C: \[\], expected a factor such as"),
        ("C: 4", "C: {x: 4}", "3:9: spatial.row.C: .*, expected a factor such as"),
        ("C: 4", "C: {a, 4}", "3:9: spatial.row.C: 'a' is not a whole number"),
        ("C: 4", "C: '>= 4, <= 2'", "3:9: spatial.row.C: no factor is allowed by at least 4 and at most 2"),
        ("C: 4", "C: 5", "2:1: spatial: loops over at least 5 rows, but small_ws has 4"),
        ("only: true", "only: maybe", "3:23: spatial.row.only: 'maybe': input should be a valid boolean"),
        ("R: any", "order: [R]", "3:15: spatial.row.order: unknown key; valid names"),
        ("row:", "rows:", r"3:3: spatial.rows: unknown key; did you mean 'row'\?"),
        ("[P, Q, C]", "[P, Q, X]", r"6:29: levels.GLB.order\[2\]: 'X' is not a dim; valid names: C, G"),
        ("[P, Q, C]", "[P, Q, P]", "6:3: levels.GLB: GLB: order name a dim twice: P Q P"),
        ("[P, Q, C]", "P", "6:15: levels.GLB.order: 'P': input should be a valid list"),
        ("innermost: C", "innermost: [C]", r"7:10: levels.DRAM.innermost: \['C'\] is not a dim"),
        ("innermost: C", "inermost: C", r"7:10: levels.DRAM.inermost: unknown key; did you mean 'innermost'\?"),
        ("GLB: {P: 1", "SRAM: {P: 1", r"6:3: levels.SRAM: no memory of small_ws; did you mean 'DRAM'\?"),
        ("{Q: \">= 5, <= 7\"}", "7", r"8:1: stream: 7, expected a list of loops such as \[P 4, C 2\], or factors"),
        ("{Q: \">= 5, <= 7\"}", "", "8:1: stream: nothing stands here; leave the key out if it is free"),
        ("{Q: \">= 5, <= 7\"}", "[Q 7 row]", r"8:10: stream\[0\]: 'Q 7 row', expected a loop such as 'P 4'"),
        ("{Q: \">= 5, <= 7\"}", "[Q x]", r"8:10: stream\[0\]: 'x' is not a whole number of at least 1"),
        ("{Q: \">= 5, <= 7\"}", "[q 7]", r"8:10: stream\[0\]: 'q' is not a dim"),
        ("{Q: \">= 5, <= 7\"}", "{P 3}", r"8:10: stream.P 3: unknown key"),
        ("pe: {", "pes: {", r"9:1: pes: unknown key; did you mean 'pe'\?"),
        ("pe: {", "layers: {", "1:1: dataflow: unknown key beside `layers`; it belongs to one of them"),
    ],
)  # fmt: skip
def test_errors_have_a_place(old: str, new: str, message: str) -> None:
    assert PARTIAL.count(old) == 1
    with pytest.raises(InputError, match=f"(?m)^c.yaml:{message}"):
        parse_constraints(PARTIAL.replace(old, new), "c.yaml", machine("ws"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"c.yaml:1:1: expected a mapping \(levels, stream, .*, resident, partly, bypass\) or `layers`, found"),
        ("pe: {C: >= 2}", "c.yaml:1:"),
        ("spatial: [C 3 row, M 3 rows]", r"c.yaml:1:20: spatial\[1\]: 'M 3 rows', expected .*; did you mean 'row'\?"),
        ("spatial: [C 3]", r"c.yaml:1:11: spatial\[0\]: 'C 3', expected a loop such as 'C 16 row', 'M 32 col', 'G"),
        ("spatial: [C 3 row, G 2 diagonal]", "c.yaml:1:1: spatial: loops over at least 6 rows, but small_ws has 4"),
        ("spatial: row", "c.yaml:1:1: spatial: 'row', expected .* or factors by dim such as {row: {C: 16}, col: {M"),
        ("spatial: {row: [C 3]}", r"c.yaml:1:11: spatial.row: .*, expected keys of N, G, M, C, O, P, Q, T, R, S, only"),
        ("levels: [P 3]", r"c.yaml:1:1: levels: \['P 3'\], expected names of memories and what is there"),
        ("layers: 3", "c.yaml:1:1: layers: 3, expected names of layers and what is there"),
        ("layers: {fc1: 3}", "c.yaml:1:10: layers.fc1: 3, expected keys of levels, stream, spatial, pe, dataflow, res"),
        ("layers: {fc2: {}, fc1: {}}", r"c.yaml:1:10: layers.fc2: no such layer; did you mean 'fc1'\?"),
        ("layers: {fc1: {pe: {C: 0}, stream: 3}}", "c.yaml:1:21: layers.fc1.pe.C: 0 .*\nc.yaml:1:28: layers.fc1.stre"),
        ("layers: {fc1: {levels: {L3: {}}}}", "c.yaml:1:25: layers.fc1.levels.L3: no memory of small_ws; valid names"),
        ("layers: {1: {}}", r"c.yaml:1:10: layers\[1\]: the key 1 is not text; put it in quotes"),
        ("levels: {true: [P 3]}", r"c.yaml:1:10: levels\[1\]: the key True is not text; put it in quotes"),
        ("<<pe: {C: 1}", "c.yaml:1:1: <<pe: unknown key; did you mean 'pe'"),
        ("<loops>: 3", "c.yaml:1:1: <loops>: unknown key"),
        ("stream: {<rules>: 3}", "c.yaml:1:10: stream.<rules>: unknown key; valid names: C, G"),
        ("pe: {C: !!int 3C}", "c.yaml: invalid literal for int.* '3C'; expected plain YAML"),
        ("? {a: {b: 1}}", "c.yaml: unhashable type: 'CommentedMap'; expected plain YAML"),
        ("pe: [&a P 3, &a Q 3]", "c.yaml: found duplicate anchor 'a'; expected each anchor once"),
        ("pe: {C: 1}\npe: {C: 2}", 'c.yaml:2:1: found duplicate key "pe"'),
    ],
)  # fmt: skip
def test_errors_of_whole_files(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_constraints(text, "c.yaml", machine("ws"), ["fc1"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[P 3, Q 7]", "[P 3, Q 6]", "m.yaml:1:1: loops over Q cover 6 of 7"),
        ("[P 3, Q 7]", "{P: 3, Q: 7}", r"m.yaml:5:1: stream: factors restrict a search; expected the loops of a full"),
        ("GLB: [R 3, S 3, M 2]", "GLB: {R: 3}", "m.yaml:4:3: levels.GLB: factors restrict a search"),
        ("[C 3 row, M 3 col]", "{row: {C: 3}}", "m.yaml:6:1: spatial: factors restrict a search"),
        ("dataflow: ws", "dataflow: os", "m.yaml:1:1: dataflow: 'os', expected that of small_ws, 'ws'"),
    ],
)
def test_full_mappings_that_are_none(old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_mapping(FULL.replace(old, new), CONV, machine("ws"), "m.yaml")
    nested = "layers:\n  fc1:\n" + "".join(f"    {line}\n" for line in FULL.replace(old, new).splitlines())
    with pytest.raises(InputError, match=r"m.yaml:\d+:\d+: (layers.fc1|loops over Q)"):
        parse_mapping(nested, CONV, machine("ws"), "m.yaml", "fc1")


@settings(max_examples=120)
@given(data=st.data())
def test_any_change_of_a_file_is_read_or_refused(data: st.DataObject) -> None:
    nested = "layers:\n  fc1:\n" + "".join(f"    {line}\n" for line in FULL.splitlines())
    text = data.draw(st.sampled_from((FULL, PARTIAL, nested)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        put = data.draw(st.one_of(st.text("{}[]:,'\"-&*!|>%@ \n0123CPQ.~?\t<=\0", max_size=2), st.sampled_from(ODD)))
        text = text[:at] + put + text[at + data.draw(st.integers(0, 3)) :]
    for read in (
        lambda: parse_constraints(text, "c.yaml", machine("ws"), ["fc1"]),
        lambda: parse_mapping(text, CONV, machine("ws"), "c.yaml", "fc1"),
    ):
        try:
            read()
        except InputError as error:
            assert str(error).startswith("c.yaml:")


ODD = (
    "null",
    "!!int 3",
    "&a ",
    "*a",
    "<<: ",
    "1e400",
    "2024-01-01",
    "9" * 40,
    "[[[",
    "layers:",
    "? ",
    "!!set {C}",
    "é",
)


def test_resident_operands_are_written() -> None:
    arch = machine("os")
    mapping = Mapping(
        CONV, "os", (TileLevel("DRAM", ()), TileLevel("GLB", (Loop("M", 5), Loop("P", 7), Loop("Q", 7)))),
        tuple(Loop(dim, 3) for dim in "CRS"), resident=frozenset({"Weights", "Inputs"}),
    )  # fmt: skip
    assert write_mapping(mapping).endswith("pe: []\nresident: [Inputs, Weights]\n")
    assert parse_mapping(write_mapping(mapping), CONV, arch, "m.yaml") == mapping
