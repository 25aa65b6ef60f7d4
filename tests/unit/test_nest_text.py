"""Nests read back from their text: exact round trips on every shipped machine, and errors that name line and text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import Accelerator
from accelsim.errors import InputError, MappingError
from accelsim.formats.nest_text import parse_nest, parse_nests, read_nests
from accelsim.graph import LayerGraph, Network, optimise
from accelsim.lookup import load_model
from accelsim.mapping import Loop, Mapping, TileLevel
from accelsim.mapping.text import NO_NEST, amount, level_line, nest_text, normal
from accelsim.plan import Options, Plan
from accelsim.planning import plan_network
from accelsim.problem import conv_problem, pool_problem
from tests.agreement.machines import machine, nests
from tests.unit.random_nests import MACHINES, legal_nests, shipped

CONV = conv_problem(
    batch=1, groups=1, out_channels=5, in_channels=3, out_size=(7, 7), kernel=(3, 3), in_size=(7, 7), pad=(1, 1)
)
POOL = pool_problem("max", batch=1, channels=4, out_size=(2, 2), kernel=(2, 2), in_size=(4, 4))
WS = Mapping(
    CONV, "ws",
    (TileLevel("DRAM", (Loop("P", 3),)), TileLevel("GLB", (Loop("R", 3), Loop("S", 3), Loop("M", 2)))),
    (Loop("P", 3), Loop("Q", 7)), (Loop("C", 3, "row"), Loop("M", 3, "col")),
)  # fmt: skip
TEXT = """\
DRAM: Inputs, Weights, Outputs
for P in 3
  GLB: Inputs 1 x 105 B, Weights 2 x 9 B, Outputs 2 x 420 B = 963 of 134217728 B
  for R in 3
    for S in 3
      for M in 2
        array pass (ws, 9 of 16 PEs active)
        for P in 3
          for Q in 7
            parallel C in 3 (rows), M in 3 (cols)
              mac"""


def test_text_of_a_nest() -> None:
    assert nest_text(WS, machine("ws")) == TEXT
    assert parse_nest(TEXT, CONV, machine("ws")) == WS


@settings(max_examples=150)
@given(data=st.data())
def test_every_nest_reads_back_as_itself_on_every_shipped_machine(data: st.DataObject) -> None:
    arch = shipped(data.draw(st.sampled_from(MACHINES)))
    mapping = data.draw(legal_nests(arch))
    text = nest_text(mapping, arch)
    found = parse_nest(text, mapping.problem, arch)
    assert found == normal(mapping, arch)
    assert nest_text(found, arch) == text
    assert found.temporal == mapping.temporal


@settings(max_examples=30)
@given(data=st.data())
def test_nests_without_a_template_read_back(data: st.DataObject) -> None:
    dataflow = data.draw(st.sampled_from(("ws", "os", "is", "rs")))
    mapping = data.draw(nests(dataflow))
    arch = machine(dataflow)
    assert parse_nest(nest_text(mapping, arch), mapping.problem, arch) == normal(mapping, arch)


@settings(max_examples=40)
@given(data=st.data())
def test_a_line_left_out_never_reads_back_as_the_nest(data: st.DataObject) -> None:
    arch = shipped(data.draw(st.sampled_from(MACHINES)))
    mapping = data.draw(legal_nests(arch))
    lines = nest_text(mapping, arch).splitlines()
    cut = lines.pop(data.draw(st.integers(0, len(lines) - 1)))
    try:
        found = parse_nest("\n".join(lines), mapping.problem, arch, "cut.txt")
    except InputError as error:
        assert str(error).startswith("cut.txt:")
    else:  # loops of a memory that holds nothing may as well be those of the memory outside it
        assert cut.endswith(": holds nothing")
        assert [(s.dim, s.trips) for s in found.temporal] == [(s.dim, s.trips) for s in mapping.temporal]


@settings(max_examples=120)
@given(data=st.data())
def test_any_change_of_a_text_is_read_or_refused(data: st.DataObject) -> None:
    lines = TEXT.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        line, word = (
            lines[at],
            data.draw(st.sampled_from(("for", " in ", ":", "resident ", "9" * 30, "\n", "(", "mac"))),
        )
        cut = data.draw(st.integers(0, len(line)))
        lines[at] = line[:cut] + word + line[cut + data.draw(st.integers(0, 4)) :]
    try:
        found = parse_nest("\n".join(lines), CONV, machine("ws"), "n")
    except InputError as error:
        assert str(error).startswith("n:")
    else:
        assert found.problem == CONV


def _net() -> LayerGraph:
    net = Network("small")
    x = net.input(3, 9, 9)
    x = net.max_pool(net.relu(net.conv(x, 8, 3, pad=1)), 3, stride=2)
    x = net.conv(net.conv(x, 8, 3, groups=8, pad=1), 12, 1)
    return net.build(net.linear(net.flatten(net.conv_transpose(x, 4, 3, stride=2)), 10))


def output(plans: tuple[Plan, ...]) -> str:
    """What `show mapping` prints for these layers."""
    texts = []
    for plan in plans:
        found = [nest_text(p.mapped.mapping, plan.arch) for p in plan.parts if p.mapped]
        texts.append(f"{plan.node.name}\n" + ("\n\n".join(found) or NO_NEST) + "\n")
    return "".join(texts)


def works(plans: tuple[Plan, ...]) -> dict[str, tuple[Accelerator, list[object]]]:
    return {p.node.name: (p.arch, [q.mapped.mapping.problem for q in p.parts if q.mapped]) for p in plans}


SOME = ("eyeriss", "scalesim_google", "shidiannao", "simba")
REST = [pytest.param(name, marks=pytest.mark.slow) for name in MACHINES if name not in SOME]


@pytest.mark.parametrize("name", [*SOME, *REST])
def test_the_whole_output_of_real_mappings_reads_back(name: str) -> None:
    plans = plan_network(optimise(_net()), shipped(name), Options())
    found = parse_nests(output(plans), works(plans))
    assert list(found) == [plan.node.name for plan in plans]
    assert max(len(mappings) for mappings in found.values()) == 4, "a transposed convolution has a nest per phase"
    for plan in plans:
        expected = tuple(normal(p.mapped.mapping, plan.arch) for p in plan.parts if p.mapped)
        assert found[plan.node.name] == expected
    blank = output(plans).replace("\nmac\n", "\nmac\n\n")
    assert parse_nests("\n" + blank, works(plans)) == found


def test_resident_operands_read_back() -> None:
    plans = plan_network(
        optimise(load_model("lstm:hidden=32", 1)[0]), shipped("edge_os_32x32"), Options(schedule="layerwise")
    )
    kept = [plan for plan in plans if plan.kept == "resident"]
    assert kept
    found = parse_nests(output(plans), works(plans))
    for plan in kept:
        assert all(mapping.resident == {"Weights"} for mapping in found[plan.node.name])
    assert "resident Weights" in output(plans)


def test_memories_side_by_side_keep_their_loops_in_the_text() -> None:
    arch = shipped("scalesim_eyeriss")
    levels = tuple(TileLevel(name, ()) for name in ("DRAM", "IFMAP", "FILTER"))
    stream = (Loop("G", 4), Loop("P", 2), Loop("Q", 2), Loop("R", 2), Loop("S", 2))
    mapping = Mapping(POOL, arch.array.dataflow, (levels[0], TileLevel("IFMAP", (Loop("G", 2),)), *levels[2:]),
                      (Loop("G", 2), *stream[1:]))  # fmt: skip
    mapping = normal(mapping, arch)
    text = nest_text(mapping, arch)
    assert "IFMAP: holds nothing\nfor G in 2\n" in text
    assert "FILTER" not in text
    assert level_line(mapping, arch, "FILTER") == "FILTER: holds nothing"
    assert parse_nest(text, POOL, arch) == mapping
    assert parse_nest(text.replace(": holds nothing", ":"), POOL, arch) == mapping


def test_normal_form() -> None:
    arch = machine("ws")
    padded = replace(WS, levels=(TileLevel("DRAM", (Loop("C", 1), *WS.levels[0].loops)), *WS.levels[1:]),
                     spatial=(Loop("G", 1, "diagonal"), *WS.spatial), pe=(Loop("S", 1),))  # fmt: skip
    assert normal(padded, arch) == WS == normal(WS, arch)
    bare = Mapping(POOL, "ws", (TileLevel("DRAM", ()),), tuple(Loop(d, 4 if d == "G" else 2) for d in "GPQRS"))
    assert [level.memory for level in normal(bare, arch).levels] == ["DRAM", "GLB"]
    with pytest.raises(MappingError, match="levels DRAM, GLB, GLB: expected levels of small_ws in its order, DRAM, G"):
        normal(replace(WS, levels=(*WS.levels, TileLevel("GLB", ()))), arch)


def test_bytes_are_exact() -> None:
    assert [amount(bits) for bits in (0, 1, 12, 8 * 12_390_400, 8 * 10**15 + 4)] == [
        "0", "0.125", "1.5", "12390400", "1000000000000000.5"
    ]  # fmt: skip


def test_figures_may_be_left_out_of_a_nest_written_by_hand() -> None:
    bare = "DRAM:\nfor P in 3\nGLB:\nfor R in 3\nfor S in 3\nfor M in 2\narray pass\nfor P in 3\nfor Q in 7\n"
    bare += "parallel C in 3 (rows), M in 3 (cols)\nmac\n"
    assert parse_nest(bare, CONV, machine("ws")) == WS
    assert parse_nest(bare.replace("GLB:", "GLB: resident Inputs"), CONV, machine("ws")).resident == {"Inputs"}
    assert parse_nest(bare.replace("\n", "\r\n") + "\n\n", CONV, machine("ws")) == WS


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("DRAM: Inputs, Weights, Outputs\n", "", r"n:2: 'GLB: Inputs.*expected a nest of layer 'for P in 3'"),
        ("for P in 3\n  G", "for P 3\n  G", r"n:2: 'for P 3', expected a loop 'for P in 4', a memory 'GLB: ...' or"),
        ("for P in 3\n  G", "for p in 3\n  G", r"n:2: 'for p in 3', expected a loop over a dim of N G M .*, not 'p'"),
        ("for P in 3\n  G", "for P in 0\n  G", r"n:2: 'for P in 0', expected a loop of at least 1 trip, not 0"),
        ("  GLB: Inp", "  GLBB: Inp", r"n:3: 'GLBB: .*a memory of small_ws, not 'GLBB'; did you mean 'GLB'\?"),
        ("Weights 2 x 9 B", "Weights 2 x 8 B", r"n:3: .*expected 'GLB: .*Weights 2 x 9 B.* from these loops on small"),
        ("134217728", "1024", r"n:3: .*expected 'GLB: Inputs .*leave all but 'GLB' out if you changed them"),
        ("(ws, 9 of 16", "(ws, 8 of 16", r"n:7: .*expected 'array pass \(ws, 9 of 16 PEs active\)'.*all but 'array pa"),
        ("(ws, ", "(os, ", r"n:7: 'array pass \(os.*expected the dataflow of small_ws, 'ws'"),
        ("array pass (ws, 9 of 16 PEs active)", "vector unit pass (4 lanes)", "expected 'array pass', which does the"),
        ("array pass (ws, 9 of 16 PEs active)", "array", "n:7: 'array', expected a loop 'for P in 4', a memory"),
        ("C in 3 (rows)", "C in 3 (row)", r"n:10: .*expected loops such as 'C in 16 \(rows\)'.*not 'C in 3 \(row\)'"),
        ("C in 3 (rows)", "X in 3 (rows)", r"n:10: .*expected a loop over a dim of"),
        ("  mac", "  max", "n:11: 'max', expected the operation of this layer, 'mac'"),
        ("  mac", "  macs", "n:11: 'macs', expected a loop 'for C in 4 in each PE' or the operation, mac, max, avg, l"),
        ("  mac", "", "n:11: the end of the nest, expected a loop 'for C in 4 in each PE' or the operation"),
        ("for Q in 7", "for Q in 6", r"n:1: nest of this line: loops over Q cover 6 of 7"),
        ("for P in 3\n  G", "for P in 9\n  G", r"n:1: nest of this line: the outermost loop over P has iterations"),
        ("GLB: Inputs", "GLB: resident Input, Inputs", r"n:3: .*an operand, not 'Input'; did you mean 'Inputs'"),
        ("  GLB:", "  GLB: Weights\n  GLB:", r"n:4: .*outer to inner, each once: GLB does not come after GLB"),
        ("  GLB: Inputs 1 x 105 B, Weights 2 x 9 B, Outputs 2 x 420 B = 963 of 134217728 B\n", "",
         r"n:6: 'array pass .*expected a line 'GLB:' above it, with the loops of GLB below"),
        ("  mac", "  mac\nfc", r"n:12: 'fc', expected a nest of layer 'fc' \('DRAM: ...'\) or 'runs on the vector"),
        ("  mac", "  mac\n" + TEXT, "n: 2 nests, expected one"),
    ],
)  # fmt: skip
def test_errors_name_line_text_and_what_was_expected(old: str, new: str, message: str) -> None:
    assert TEXT.count(old) == 1
    with pytest.raises(InputError, match=message):
        parse_nest(TEXT.replace(old, new), CONV, machine("ws"), "n")


def test_layers_that_do_not_match() -> None:
    two = f"a\n{TEXT}\nb\n{NO_NEST}\n"
    work = {"a": (machine("ws"), [CONV]), "b": (machine("ws"), [])}
    assert parse_nests(two, work) == {"a": (WS,), "b": ()}
    assert list(read_nests(two)) == ["a", "b"]
    with pytest.raises(InputError, match="n: no layer 'a'; did you mean 'a1'"):
        parse_nests(two, {"a1": work["a"]}, "n")
    with pytest.raises(InputError, match="n: layer 'b' has 0 nests, expected 1"):
        parse_nests(two, {**work, "b": work["a"]}, "n")
    with pytest.raises(InputError, match="n:15: 'a', expected every layer once; this one stands above"):
        parse_nests(f"{two}a\n{TEXT}", work, "n")
    with pytest.raises(InputError, match="n:1: 'a', expected a nest of layer 'a'"):
        parse_nests("a\n", work, "n")
    with pytest.raises(InputError, match="n: 0 nests, expected one"):
        parse_nest("", CONV, machine("ws"), "n")
