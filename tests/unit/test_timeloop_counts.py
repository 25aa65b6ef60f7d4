"""Are words over storage levels counted by Timeloop's rules, and by the exact ones?"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import StorageLevel, StorageMachine
from accelsim.errors import InputError, MappingError
from accelsim.lookup import load_arch
from accelsim.mapper.search import map_problem
from accelsim.mapper.timeloop import capacity_errors, evaluate
from accelsim.mapping import TIMELOOP, LevelLoops, LevelNest, Loop, Rules
from accelsim.problem import conv_problem
from accelsim.timing.levels import level_cycles
from accelsim.traffic import count
from accelsim.traffic.levels import LevelCount, level_counts
from accelsim.traffic.states import received
from tests.unit.timeloop_cases import OPERANDS, conv, every_step_words, machine, nests, two_step_words

THREE = ("A", "B", "C")
UNLINKED = replace(TIMELOOP, links=False)


@st.composite
def any_nest(draw: st.DrawFn) -> LevelNest:
    stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    bounds = {dim: draw(st.sampled_from((1, 2, 3, 4))) for dim in "PRQ"}
    return draw(nests(conv(stride, dilation, M=2, C=2, **bounds), THREE, {"B": "col"}))


@settings(max_examples=60, deadline=None)
@given(any_nest(), st.integers(0, 2), st.integers(1, 3))
def test_two_step_counts_equal_the_walk_over_indices_0_and_1(nest: LevelNest, number: int, level: int) -> None:
    operand = nest.problem.operands[number]
    assert received(operand, nest, level, UNLINKED).words == two_step_words(operand, nest, level)
    assert received(operand, nest, level, TIMELOOP).words == two_step_words(operand, nest, level)


@settings(max_examples=30, deadline=None)
@given(any_nest(), st.integers(0, 2), st.integers(1, 3))
def test_exact_rules_equal_the_walk_over_every_step(nest: LevelNest, number: int, level: int) -> None:
    operand = nest.problem.operands[number]
    assert received(operand, nest, level, Rules()).words == every_step_words(operand, nest, level)


def chain(**loops: tuple[tuple[Loop, ...], tuple[Loop, ...]]) -> tuple[LevelLoops, ...]:
    return tuple(LevelLoops(name, *loops.get(name, ((), ()))) for name in ("DRAM", "GLB", "X", "Y", "I", "W", "O"))


def counts_of(nest: LevelNest, rules: Rules = TIMELOOP) -> dict[tuple[str, str], LevelCount]:
    return {(c.level, c.operand): c for c in level_counts(nest, machine(), rules)}


def test_a_stride_change_resets_the_halo() -> None:
    """A 2 x 2 window slides along Q (2 new words), then P goes on: the whole tile comes again."""
    problem = conv(P=2, Q=2, R=2, S=2)
    inside = (Loop("R", 2), Loop("S", 2))
    nest = LevelNest(problem, chain(DRAM=((Loop("P", 2), Loop("Q", 2)), ()), O=(inside, ())))
    inputs = problem.operand("Inputs")
    assert received(inputs, nest, 1, UNLINKED).words == 4 + 2 + 4 + 2
    assert received(inputs, nest, 1, replace(UNLINKED, stride_change="keep")).words == 4 + 2 + 3 + 2


def test_index_1_stands_for_all_others() -> None:
    """Q in two loops of 3 and 2: the second begins where index 1 of the first says, not where it ended."""
    problem = conv(Q=6, S=2)
    loops = (Loop("Q", 2), Loop("Q", 3))
    nest = LevelNest(problem, chain(DRAM=((loops[0],), ()), GLB=((loops[1],), ()), O=((Loop("S", 2),), ())))
    inputs = problem.operand("Inputs")
    assert received(inputs, nest, 4, UNLINKED).words == 2 + 1 * 2 + 2 + 1 * 2
    assert received(inputs, nest, 4, Rules()).words == 2 + 1 * 2 + 1 + 1 * 2


def test_no_movement_keeps_the_stride() -> None:
    """M between two steps along Q moves nothing and resets nothing."""
    problem = conv(Q=4, S=2, M=2)
    order = (Loop("Q", 4), Loop("M", 2))
    nest = LevelNest(problem, chain(DRAM=(order, ()), O=((Loop("S", 2),), ())))
    assert received(problem.operand("Inputs"), nest, 1, UNLINKED).words == 2 + 1 * 3


def test_boxes_hold_the_gaps_of_a_stride() -> None:
    problem = conv(stride=3, P=2)
    nest = LevelNest(problem, chain(O=((Loop("P", 2),), ())))
    assert counts_of(nest)["I", "Inputs"].tile == 4
    assert counts_of(nest, Rules())["I", "Inputs"].tile == 2


def test_multicast_rows_times_columns() -> None:
    """Q along columns and S along rows: nine different pairs though only five words differ; M shares them all."""
    problem = conv(Q=2, S=3, C=2)
    nest = LevelNest(
        problem, chain(DRAM=((Loop("C", 2),), ()), X=((), (Loop("Q", 2, "col"),)), Y=((), (Loop("S", 3, "row"),)))
    )
    found = counts_of(nest)
    assert (found["GLB", "Inputs"].reads, found["I", "Inputs"].fills) == (2 * 6, 2)
    assert found["DRAM", "Weights"].reads == 2 * 3
    assert found["I", "Inputs"].partition == 8 // 4
    assert found["I", "Inputs"].instances == 6


def test_first_read_of_outputs_is_elided() -> None:
    """C outside M: psums leave and come back once."""
    nest = LevelNest(conv(C=2, M=3), chain(GLB=((Loop("C", 2), Loop("M", 3)), ())))
    found = counts_of(nest)
    assert (found["O", "Outputs"].updates, found["O", "Outputs"].reads, found["O", "Outputs"].fills) == (6, 3, 3)
    assert (found["GLB", "Outputs"].updates, found["GLB", "Outputs"].reads) == (6, 3)
    assert (found["DRAM", "Outputs"].updates, found["DRAM", "Outputs"].reads) == (3, 0)


def test_neighbours_hand_on_what_they_have_just_received() -> None:
    """S along rows, Q outside: after the first step two of three PEs take their word from the next row."""
    problem = conv(Q=4, S=3)
    nest = LevelNest(problem, chain(GLB=((Loop("Q", 4),), ()), Y=((), (Loop("S", 3, "row"),))))
    linked, plain = counts_of(nest), counts_of(nest, UNLINKED)
    assert (plain["GLB", "Inputs"].reads, plain["I", "Inputs"].reads, plain["I", "Inputs"].fills) == (12, 4, 4)
    assert (linked["GLB", "Inputs"].reads, linked["I", "Inputs"].reads) == (3 + 3 * 1, 4 + 6 // 3)
    assert linked["I", "Inputs"].fills == 6 // 3 + 6 // 3


def test_cycles_stretch_where_words_exceed_the_bandwidth() -> None:
    level = StorageLevel("A", ("Inputs",), read_words_per_cycle=Fraction(3, 2), write_words_per_cycle=Fraction(1))
    mine = LevelCount("A", "Inputs", 1, 1, 1, 31, 5, 0)
    assert level_cycles(level, [mine, replace(mine, level="B", reads=999)], 10) == 21
    assert level_cycles(level, [replace(mine, reads=2, fills=40, updates=3)], 10) == 43
    assert level_cycles(level, [replace(mine, reads=2)], 10) == 10


def test_energy_rounds_every_count_up_to_blocks() -> None:
    nest = LevelNest(conv(C=3, M=5), chain(O=((Loop("C", 3), Loop("M", 5)), ())))
    report = evaluate(nest, machine(block=8, psums=5, weights=99))
    energies = {(c.level, c.operand): e for c, e in zip(report.counts, report.access_zj, strict=True)}
    assert energies["DRAM", "Weights"] == 2 * 1999
    assert energies["GLB", "Inputs"] == 211 + 197
    assert energies["W", "Weights"] == 2 * 17 + 2 * 19
    assert report.compute_zj == 15 * 31
    assert report.leak_zj == 15 * (3 + 1 + 1)
    assert report.cost("edp") == report.energy_zj * 15
    assert (report.cost("latency"), report.cost("energy")) == (15, report.energy_zj)


def test_capacity_names_level_and_tiles() -> None:
    nest = LevelNest(conv(C=3, M=5), chain(O=((Loop("C", 3), Loop("M", 5)), ())))
    wrong = capacity_errors(evaluate(nest, machine()).counts, machine())
    assert "O holds 5 words (Outputs 5), it has room for 2" in wrong
    assert any(text.startswith("W holds 15 words (Weights 15)") for text in wrong)


def test_nests_that_do_not_fit_are_refused() -> None:
    with pytest.raises(MappingError, match=r"loops over C cover 2 of 3"):
        LevelNest(conv(C=3), chain(O=((Loop("C", 2),), ())))
    with pytest.raises(MappingError, match=r"X: 3 cols of instances, the machine has 2"):
        counts_of(LevelNest(conv(C=3), chain(X=((), (Loop("C", 3, "col"),)))))
    with pytest.raises(MappingError, match=r"has no level 'GBL'; did you mean 'GLB'"):
        level_counts(LevelNest(conv(), (LevelLoops("GBL"),)), machine(), TIMELOOP)
    with pytest.raises(MappingError, match=r"levels of the mapping"):
        level_counts(LevelNest(conv(), (LevelLoops("GLB"),)), machine(), TIMELOOP)
    with pytest.raises(MappingError, match=r"spatial loops must be of kind row or col"):
        LevelLoops("X", (), (Loop("C", 2),))
    with pytest.raises(MappingError, match=r"temporal loops must be of kind temporal"):
        LevelLoops("X", (Loop("C", 2, "row"),))


def test_padding_needs_boxes() -> None:
    padded = conv_problem(
        batch=1, groups=1, out_channels=1, in_channels=1, out_size=(4, 4), kernel=(3, 3), in_size=(4, 4), pad=(1, 1)
    )
    loops = tuple(Loop(dim, bound) for dim, bound in padded.bounds if bound > 1)
    nest = LevelNest(padded, chain(DRAM=(loops, ())))
    assert counts_of(nest)["I", "Inputs"].tile == 1
    with pytest.raises(InputError, match="exact tiles over storage levels need a problem without padding"):
        counts_of(nest, Rules())


def test_the_model_of_mappings_refuses_rules_over_levels() -> None:
    arch = load_arch("eyeriss")[0]
    problem = conv_problem(
        batch=1, groups=1, out_channels=2, in_channels=2, out_size=(2, 2), kernel=(1, 1), in_size=(2, 2)
    )
    mapping = map_problem(problem, arch).mapping
    assert count(mapping, arch, Rules())
    with pytest.raises(InputError, match="needs a nest of storage levels"):
        count(mapping, arch, TIMELOOP)


def test_machines_are_checked() -> None:
    with pytest.raises(InputError, match=r"keeps 'Input'; did you mean 'Inputs'"):
        StorageLevel("A", ("Input",))
    with pytest.raises(InputError, match=r"A: words 0, expected at least 1"):
        StorageLevel("A", (), 0)
    with pytest.raises(InputError, match=r"read bandwidth 0 words per cycle, expected more than 0"):
        StorageLevel("A", (), read_words_per_cycle=Fraction(0))
    with pytest.raises(InputError, match=r"A is outermost and must keep Inputs, Weights, Outputs"):
        StorageMachine("m", (StorageLevel("A", ("Inputs",)),))
    with pytest.raises(InputError, match=r"expected one or more different names"):
        StorageMachine("m", (StorageLevel("A", OPERANDS), StorageLevel("A", ())))
    with pytest.raises(InputError, match=r"no level 'GBL'; did you mean 'GLB'"):
        machine().index("GBL")
