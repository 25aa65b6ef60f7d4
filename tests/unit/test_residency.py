"""Weights that several layers share: which stay on chip, what that saves, and that all readings still agree."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import MappingError
from accelsim.execute.stepwise import run_stepwise
from accelsim.graph import optimise
from accelsim.lookup import load_arch, load_model
from accelsim.mapping import Loop, Mapping, Rules, TileLevel
from accelsim.mapping.legality import check
from accelsim.pipeline import run
from accelsim.plan import Options, plan_network
from accelsim.problem import gemm_problem
from accelsim.proof import verify
from accelsim.report import RunReport
from accelsim.residency import narrowed, residency
from accelsim.sim.build import build_stream
from accelsim.traffic import count
from accelsim.walk import walk
from tests.agreement.machines import machine, nests
from tests.agreement.test_executors import tensors

EDGE = load_arch("edge_os_32x32")[0]


def dram(report: RunReport, operand: str) -> int:
    return report.totals.traffic["DRAM"][operand].read_bits


def test_recurrent_weights_are_loaded_once() -> None:
    """GRU, 4 steps, hidden 128: the state's weights cross the DRAM channel once instead of four times."""
    graph = load_model("gru:steps=4,hidden=128")[0]
    kept, again = run(EDGE, graph), run(EDGE, graph, Options(resident_weights=False))
    state = 3 * 128 * 128 * 8
    assert dram(again, "Weights") - dram(kept, "Weights") == 3 * state
    notes = [layer.note for layer in kept.results if layer.name.endswith("gates_h")]
    assert "weights are loaded here and stay on chip" in notes[0]
    assert all("weights are still on chip" in note for note in notes[1:])
    mappings = [layer.mapping or "" for layer in kept.results if layer.name.endswith("gates_h")]
    assert "resident Weights" not in mappings[0]
    assert all("resident Weights" in text for text in mappings[1:])
    assert verify(EDGE, graph).exact


def test_weights_that_do_not_fit_are_reloaded() -> None:
    """LSTM with a hidden size of 512: 1 MiB of state weights against 512 KiB."""
    graph = optimise(load_model("lstm:steps=2,hidden=512")[0])
    assert residency(graph, EDGE) == {}


@pytest.mark.parametrize("arch", ["eyeriss", "tpu_v1"])
def test_a_fifo_keeps_nothing(arch: str) -> None:
    assert residency(optimise(load_model("rnn:steps=3")[0]), load_arch(arch)[0]) == {}


def test_other_layers_see_less_room() -> None:
    graph = optimise(load_model("rnn:steps=3,hidden=128")[0])
    (key,) = residency(graph, EDGE)
    spans = residency(graph, EDGE)
    span = spans[key]
    memory = EDGE.memories[0]
    assert narrowed(EDGE, "", span.first, spans).memories[0].capacity_bits == memory.capacity_bits - span.bits
    own = narrowed(EDGE, key, span.first, spans).memories[0]
    assert own.capacity_bits == memory.capacity_bits
    assert [h.depth for h in own.holds if h.operand == "Weights"] == [1]
    assert narrowed(EDGE, "", span.last + 1, spans) == EDGE


def test_no_room_means_no_residency() -> None:
    """A memory in which the kept weights leave too little for the rest: they are given up, the network still runs."""
    small = replace(EDGE, memories=(replace(EDGE.memories[0], capacity_bits=8 * 36 * 1024),))
    graph = optimise(load_model("rnn:steps=3,hidden=128")[0])
    assert len(plan_network(graph, small, Options())) == len(graph.layers)


def test_a_cut_tensor_cannot_be_resident() -> None:
    problem = gemm_problem(rows=4, cols=8, reduction=8)
    levels = (TileLevel("DRAM", (Loop("M", 2),)), TileLevel("GLB", (Loop("N", 4),)))
    mapping = Mapping(problem, "os", levels, (Loop("C", 8),), (Loop("M", 4, "col"),), resident=frozenset({"Weights"}))
    with pytest.raises(MappingError, match="Weights is resident but loops outside GLB cut it"):
        check(mapping, machine("os"))


@settings(max_examples=60)
@given(data=st.data(), dataflow=st.sampled_from(["os", "is"]))
def test_readings_agree_on_resident_weights(data: st.DataObject, dataflow: str) -> None:
    """Random nests whose loops over the weights lie on chip: walk == count == MAC by MAC == passes."""
    mapping = data.draw(nests(dataflow))
    weights = mapping.problem.operand("Weights")
    outer, inner = mapping.levels
    cut = tuple(loop for loop in outer.loops if loop.dim in weights.dims)
    rest = tuple(loop for loop in outer.loops if loop.dim not in weights.dims)
    levels = (replace(outer, loops=rest), replace(inner, loops=(*cut, *inner.loops)))
    mapping = replace(mapping, levels=levels, resident=frozenset({"Weights"}))
    arch, rules = machine(dataflow), Rules()
    counts = count(mapping, arch, rules)
    assert counts == walk(mapping, arch, rules)
    first = next(c for c in counts if c.operand == "Weights" and c.parent == "DRAM")
    assert (first.reads, first.deliveries) == (0, 0)
    x, w = tensors(mapping.problem)
    moves = run_stepwise(mapping, arch, rules, x, w)[1]
    assert moves.reads.get(("Weights", "DRAM", "GLB"), 0) == 0
    carried = build_stream(mapping, arch, rules).carried
    assert carried["Weights", "DRAM", "GLB"] == (0, 0, 0)
