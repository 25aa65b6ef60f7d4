"""Do values and words of mapped execution agree with the definition and with the counts? Exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import Accelerator
from accelsim.errors import CheckFailed, MappingError
from accelsim.execute.kernels.convolution import conv
from accelsim.execute.stepwise import run_stepwise
from accelsim.execute.tiled import run_tiled
from accelsim.mapper.search import map_problem
from accelsim.mapping import LinkCount, Loop, Mapping, Rules, TileLevel
from accelsim.problem import Axis, Operand, Problem
from accelsim.sim.flows import link_flows
from accelsim.traffic import Factors, count
from accelsim.walk import walk
from tests.agreement.machines import machine, nests, problems

Numbers = np.ndarray


def tensors(problem: Problem) -> tuple[Numbers, Numbers]:
    random = np.random.default_rng(7)
    shapes = [[axis.size for axis in problem.operand(name).axes] for name in ("Inputs", "Weights")]
    return tuple(random.integers(-9, 10, shape).astype(float) for shape in shapes)


def expected(problem: Problem, x: Numbers, w: Numbers) -> Numbers:
    """The operator by definition, from the reference kernels."""
    inputs = problem.operand("Inputs")
    axes = inputs.axes[3:]
    n, g, c, *sizes = x.shape
    _, m, _, *taps = w.shape
    strides, gaps = (tuple(axis.terms[k][1] for axis in axes) for k in (0, 1))
    outs = [problem.bound[d] for d in "OPQ"]
    before = [-axis.offset for axis in axes]
    after = [
        max(0, (out - 1) * stride + gap * (tap - 1) + 1 - size - pad)
        for out, stride, gap, tap, size, pad in zip(outs, strides, gaps, taps, sizes, before, strict=True)
    ]
    y = conv(x.reshape(n, g * c, *sizes), w.reshape(g * m, c, *taps), strides, (*before, *after), gaps, g)
    o, p, q = outs
    return y[:, :, :o, :p, :q].reshape(n, g, m, o, p, q)


def words(moves: Any, counts: tuple[LinkCount, ...]) -> bool:
    tables = (moves.reads, moves.psum_writes, moves.final_writes)
    return all(
        tuple(t.get((c.operand, c.parent, c.child), 0) for t in tables) == (c.reads, c.psum_writes, c.final_writes)
        for c in counts
    )


@pytest.mark.parametrize("dataflow", ["ws", "os", "is", "rs", "tree", "cast"])
@settings(deadline=None, max_examples=40)
@given(data=st.data(), halo=st.booleans(), first=st.sampled_from(["write", "read"]))
def test_every_mac_of_random_nests(dataflow: str, halo: bool, first: str, data: st.DataObject) -> None:
    mapping = data.draw(nests(dataflow, most=4))
    arch, rules = machine(dataflow), Rules(halo, first)
    x, w = tensors(mapping.problem)
    values, moves = run_stepwise(mapping, arch, rules, x, w)
    assert np.array_equal(values, expected(mapping.problem, x, w))
    assert words(moves, count(mapping, arch, rules))


def small(dataflow: str) -> Accelerator:
    """A machine whose memory binds: tiles must be cut."""
    arch = machine(dataflow, rows=6, cols=5)
    array = arch.array
    if dataflow == "rs":
        sizes = {"Inputs": 12, "Weights": 24, "Outputs": 4}
        array = replace(array, spads=tuple(replace(s, words=sizes[s.operand]) for s in array.spads))
    memory = replace(arch.memories[0], capacity_bits=8 * 700)
    return replace(arch, memories=(memory,), array=array)


@pytest.mark.parametrize("dataflow", ["ws", "os", "is", "rs", "tree", "cast"])
@settings(deadline=None, max_examples=40)
@given(data=st.data(), first=st.sampled_from(["write", "read"]), halo=st.booleans())
def test_tiled_runs_what_the_mapper_finds(dataflow: str, first: str, halo: bool, data: st.DataObject) -> None:
    problem = data.draw(problems(most=9))
    arch = replace(small(dataflow), psum_first_visit=first, halo_reuse=halo)
    try:
        mapped = map_problem(problem, arch)
    except MappingError as error:
        assert "GLB holds 700 B" in str(error)
        return
    x, w = tensors(problem)
    run = run_tiled(mapped.mapping, arch, Rules(halo, first), x, w)
    assert np.array_equal(run.accumulators, expected(problem, x, w))
    assert run.agrees_with(mapped.counts) == []
    assert mapped.counts == walk(mapped.mapping, arch, Rules(halo, first))


def example() -> tuple[Mapping, Accelerator]:
    """A conv with halos in both directions, psum spills and reuse, on a weight-stationary array."""
    from accelsim.problem import conv_problem

    problem = conv_problem(
        batch=1, groups=1, out_channels=4, in_channels=6, out_size=(6, 6), kernel=(3, 3), in_size=(6, 6), pad=(1, 1)
    )
    mapping = Mapping(
        problem,
        "ws",
        (TileLevel("DRAM", (Loop("P", 2), Loop("C", 2))), TileLevel("GLB", (Loop("R", 3), Loop("S", 3)))),
        (Loop("P", 3), Loop("Q", 6)),
        (Loop("C", 3, "row"), Loop("M", 4, "col")),
    )
    return mapping, machine("ws")


def loop_bound(mapping: Mapping) -> Mapping:
    """One loop bound changed: C is cut in three instead of two."""
    levels = (TileLevel("DRAM", (Loop("P", 2), Loop("C", 3))), mapping.levels[1])
    return replace(mapping, levels=levels, spatial=(Loop("C", 2, "row"), Loop("M", 4, "col")))


def _axes(mapping: Mapping, change: Callable[[Axis], Axis]) -> Mapping:
    problem = mapping.problem
    inputs = problem.operand("Inputs")
    axes = (*inputs.axes[:4], change(inputs.axes[4]), inputs.axes[5])
    operands = (Operand("Inputs", "input", axes), *problem.operands[1:])
    return replace(mapping, problem=replace(problem, operands=operands))


def halo(mapping: Mapping) -> Mapping:
    """The halo changed: one more row of padding."""
    return _axes(mapping, lambda a: Axis(a.terms, a.size, a.offset - 1))


def stride(mapping: Mapping) -> Mapping:
    """The stride changed."""
    return _axes(mapping, lambda a: Axis((("P", 2), ("R", 1)), a.size, a.offset))


@pytest.mark.parametrize("mutate", [loop_bound, halo, stride])
def test_a_mutated_mapping_makes_readings_disagree(mutate: Callable[[Mapping], Mapping]) -> None:
    """Counts of a changed nest are not what the true nest's execution moves, nor what its passes carry."""
    mapping, arch = example()
    x, w = tensors(mapping.problem)
    run = run_tiled(mapping, arch, Rules(), x, w)
    assert run.agrees_with(count(mapping, arch, Rules())) == []
    assert run.agrees_with(count(mutate(mapping), arch, Rules())) != []
    _, flows = link_flows(mapping, arch, Rules(), Factors())
    _, other = link_flows(mutate(mapping), arch, Rules(), Factors())
    assert [int(f.down.sum()) for f in flows] != [int(f.down.sum()) for f in other]


def test_first_visit_flag_makes_readings_disagree() -> None:
    mapping, arch = example()
    x, w = tensors(mapping.problem)
    run = run_tiled(mapping, arch, Rules(psum_first_visit="read"), x, w)
    wrong = run.agrees_with(count(mapping, arch, Rules(psum_first_visit="write")))
    assert len(wrong) == 1
    assert wrong[0].startswith("Outputs GLB->PE")


def test_wrong_stride_gives_wrong_values() -> None:
    """A nest whose index set is not the operator's computes something else."""
    mapping, arch = example()
    x, w = tensors(mapping.problem)
    run = run_tiled(stride(mapping), arch, Rules(), x, w)
    assert not np.array_equal(run.accumulators, expected(mapping.problem, x, w))


def test_a_buffer_that_is_too_small_fails() -> None:
    from accelsim.execute.buffers import Buffer, Dram, Moves

    buffer = Buffer(Dram(np.ones((4, 4))), ("Inputs", "DRAM", "GLB"), Moves(), 7)
    with pytest.raises(CheckFailed, match="a tile of 8 words does not fit 7"):
        buffer.fill([np.arange(2), np.arange(4)])


def test_a_buffer_serves_only_what_it_holds() -> None:
    from accelsim.execute.buffers import Buffer, Dram, Moves

    buffer = Buffer(Dram(np.arange(16.0).reshape(4, 4)), ("Inputs", "DRAM", "GLB"), Moves(), 8)
    with pytest.raises(CheckFailed, match="read before anything was loaded"):
        buffer.take([np.arange(2), np.arange(4)])
    buffer.fill([np.arange(2), np.arange(4)])
    with pytest.raises(CheckFailed, match="not in the buffer"):
        buffer.take([np.array([2]), np.arange(4)])
