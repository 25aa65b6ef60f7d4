"""Mappings: coverage, steps, legality with its messages, cores and text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import Hold
from accelsim.errors import InputError, MappingError
from accelsim.lookup import load_arch
from accelsim.mapper.exact.space import AXES, cores_of
from accelsim.mapper.search import evaluate, map_problem
from accelsim.mapping import Loop, Mapping, TileLevel
from accelsim.mapping.legality import active_pes, check, problems_with, tile_words, uses
from accelsim.mapping.text import nest_text
from accelsim.problem import DIMS, Axis, Operand, Problem, conv_problem, gemm_problem
from tests.agreement.machines import machine, problems

P = conv_problem(
    batch=1, groups=1, out_channels=5, in_channels=3, out_size=(7, 7), kernel=(3, 3), in_size=(7, 7), pad=(1, 1)
)


def mapping(**changes: object) -> Mapping:
    fields: dict[str, object] = {
        "problem": P,
        "dataflow": "ws",
        "levels": (TileLevel("DRAM", (Loop("P", 3),)), TileLevel("GLB", (Loop("R", 3), Loop("S", 3), Loop("M", 2)))),
        "stream": (Loop("P", 3), Loop("Q", 7)),
        "spatial": (Loop("C", 3, "row"), Loop("M", 3, "col")),
    }
    return Mapping(**{**fields, **changes})


def test_steps_and_tiles_with_remainders() -> None:
    m = mapping()
    assert [(s.dim, s.trips, s.step, s.level) for s in m.temporal][:2] == [("P", 3, 3, "DRAM"), ("R", 3, 1, "GLB")]
    assert (m.position("GLB"), m.position("stream"), m.position("PE")) == (1, 4, 6)
    assert m.tile_extents(1)["P"] == 3
    assert m.tile_extents(4)["M"] == 3
    assert m.occupied() == (3, 3)
    assert active_pes(m) == 9
    assert problems_with(m, machine("ws")) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stream": (Loop("P", 3),)}, "loops over Q cover 1 of 7"),
        ({"levels": (TileLevel("DRAM", (Loop("P", 4),)), mapping().levels[1])}, "beyond its bound 7"),
        ({"levels": (TileLevel("GLB", ()),)}, "the first level of a mapping is DRAM"),
        ({"spatial": (Loop("C", 3),)}, "temporal loops belong to levels"),
        ({"stream": (Loop("P", 3, "row"),)}, "temporal loops belong to levels"),
    ],
)  # fmt: skip
def test_nests_that_do_not_cover(changes: dict[str, object], message: str) -> None:
    with pytest.raises(MappingError, match=message):
        mapping(**changes)


def test_loops_and_levels_are_checked() -> None:
    with pytest.raises(MappingError, match="loop over 'X'"):
        Loop("X", 2)
    with pytest.raises(MappingError, match="0 trips"):
        Loop("P", 0)
    with pytest.raises(MappingError, match="no level 'L2'; it has DRAM, GLB, stream"):
        mapping().position("L2")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spatial": (Loop("C", 3, "row"), Loop("M", 5, "col")),
          "levels": (TileLevel("DRAM", (Loop("P", 3),)), TileLevel("GLB", (Loop("R", 3), Loop("S", 3))))},
         "span 3 x 5 PEs of 4 x 4"),
        ({"spatial": (Loop("C", 3, "col"), Loop("M", 3, "row"))}, "no wire sums psums there"),
        ({"spatial": (Loop("C", 3, "row"), Loop("Q", 4, "col")),
          "stream": (Loop("P", 3), Loop("Q", 2), Loop("M", 3))}, "Inputs is forwarded along col"),
        ({"dataflow": "os"}, "dataflow os on an array wired for ws"),
        ({"pe": (Loop("M", 2),), "spatial": (Loop("C", 3, "row"), Loop("M", 2, "col"))}, "Weights needs 2 words"),
    ],
)  # fmt: skip
def test_mappings_that_do_not_fit(changes: dict[str, object], message: str) -> None:
    arch = machine("ws")
    arch = replace(arch, array=replace(arch.array, spads=tuple(replace(s, words=1) for s in arch.array.spads)))
    with pytest.raises(MappingError, match=message):
        check(mapping(**changes), arch)


def test_capacity_is_the_sum_of_depth_times_tile() -> None:
    arch = machine("ws")
    used = {u.operand: u for u in uses(mapping(), arch, arch.memories[0])}
    assert (used["Inputs"].depth, used["Inputs"].tile_words) == (1, 3 * 5 * 7)
    assert (used["Weights"].depth, used["Weights"].tile_words) == (2, 9)
    assert (used["Outputs"].depth, used["Outputs"].tile_words, used["Outputs"].word_bits) == (2, 5 * 3 * 7, 32)
    need = sum(u.bits for u in used.values())
    exactly = replace(arch, memories=(replace(arch.memories[0], capacity_bits=need),))
    assert problems_with(mapping(), exactly) == []
    less = replace(arch, memories=(replace(arch.memories[0], capacity_bits=need - 1),))
    (message,) = problems_with(mapping(), less)
    assert "Inputs 1 x 105 words of 8 bit, Weights 2 x 9 words of 8 bit, Outputs 2 x 105 words of 32 bit" in message


def test_tile_words_skip_stride_gaps() -> None:
    operand = Operand("x", "input", (Axis((("P", 3), ("R", 1)), 100),))
    assert tile_words(operand, {"P": 4, "R": 2}) == 8
    assert tile_words(operand, {"P": 4, "R": 5}) == 14


@pytest.mark.parametrize("dataflow", ["ws", "os", "is", "rs"])
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_search_returns_legal_mappings_and_its_bound_is_below_every_mapping(dataflow: str, data: st.DataObject) -> None:
    problem = data.draw(problems(most=8))
    arch = machine(dataflow)
    found = map_problem(problem, arch)
    assert problems_with(found.mapping, arch) == []
    again = evaluate(found.mapping, arch)
    assert (again.counts, again.outcome, again.energy_fj) == (found.counts, found.outcome, found.energy_fj)
    assert map_problem(problem, arch).mapping == found.mapping
    for goal in ("energy", "latency"):
        other = map_problem(problem, arch, goal)
        assert other.search is not None and other.search.proven
        assert other.search.bound <= min(found.cost(goal), other.cost(goal))


@pytest.mark.parametrize("dataflow", ["ws", "os", "is", "rs"])
def test_cores_of_a_dataflow_fit_the_array_and_waste_no_loop(dataflow: str) -> None:
    arch = machine(dataflow)
    found = cores_of(P, arch)
    assert found.size > 1
    rows, cols = (found.row * found.diagonal).prod(axis=1), (found.col * found.diagonal).prod(axis=1)
    assert 1 < rows.max() <= arch.array.rows and 1 < cols.max() <= arch.array.cols
    every = np.concatenate([found.row, found.col, found.diagonal, found.pe], axis=1)
    assert len(np.unique(every, axis=0)) == found.size
    for table, axis in ((found.row, "row"), (found.col, "col")):
        used = {DIMS[d] for d in np.flatnonzero((table > 1).any(axis=0))}
        assert used <= set(AXES[dataflow][axis]) | ({"R"} if dataflow == "rs" else set())


def test_depthwise_lies_on_the_diagonal_of_a_systolic_array() -> None:
    problem = conv_problem(
        batch=1, groups=32, out_channels=1, in_channels=1, out_size=(8, 8), kernel=(3, 3), in_size=(8, 8), pad=(1, 1)
    )
    tpu = load_arch("tpu_v1")[0]
    found = map_problem(problem, tpu).mapping
    assert any(loop.dim == "G" and loop.kind == "diagonal" and loop.trips == 16 for loop in found.spatial)
    assert active_pes(found) == 16 * 9
    edge = map_problem(problem, load_arch("edge_os_32x32")[0]).mapping
    assert active_pes(edge) == 32


def test_a_machine_too_small_says_what_needs_how_much() -> None:
    arch = machine("os")
    tiny = replace(arch, memories=(replace(arch.memories[0], capacity_bits=8 * 4),))
    with pytest.raises(MappingError, match=r"GLB holds 4 B but the tiles need \d+ B \(Inputs 1 x \d+ words of 8 bit"):
        map_problem(gemm_problem(rows=4, cols=4, reduction=64), tiny)


def test_text_shows_levels_tiles_and_capacity() -> None:
    arch = load_arch("eyeriss")[0]
    text = nest_text(map_problem(P, arch).mapping, arch)
    assert text.startswith("DRAM: Inputs, Weights, Outputs\n")
    assert "of 110592 B" in text
    assert "array pass (rs, " in text
    assert "in each PE" in text


def test_problem_is_checked() -> None:
    with pytest.raises(InputError, match="bound 0, expected at least 1"):
        Problem((("P", 0),), P.operands)
    with pytest.raises(InputError, match="exactly one output"):
        Problem((("P", 1),), P.operands[:2])
    with pytest.raises(InputError, match="a dim may index only one axis"):
        Problem((("P", 1),), (Operand("Outputs", "output", (Axis((("P", 1),), 1), Axis((("P", 1),), 1))),))
    with pytest.raises(InputError, match="has no operand 'Bias'"):
        P.operand("Bias")
    with pytest.raises(InputError, match="expected a dim of"):
        Axis((("X", 1),), 3)
    assert Hold("Inputs", 1).at == "tile"
