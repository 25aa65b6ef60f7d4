"""Weights that several layers share: which stay on chip, what that saves, and that all readings still agree."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import MappingError
from accelsim.execute.stepwise import run_stepwise
from accelsim.graph import LayerGraph, Network, optimise
from accelsim.lookup import load_arch, load_model
from accelsim.mapping import Loop, Mapping, Rules, TileLevel
from accelsim.mapping.legality import check
from accelsim.pipeline import run
from accelsim.plan import Options
from accelsim.planning import plan_network
from accelsim.problem import gemm_problem
from accelsim.proof import verify
from accelsim.report import RunReport
from accelsim.residency import Residency, Span, activation_home, narrowed, residency, weight_residency
from accelsim.sim.build import build_stream
from accelsim.traffic import count
from accelsim.walk import walk
from tests.agreement.machines import machine, nests, shares
from tests.agreement.test_executors import tensors

EDGE = load_arch("edge_os_32x32")[0]


def dram(report: RunReport, operand: str) -> int:
    return report.totals.traffic["DRAM"][operand].read_bits


def test_recurrent_weights_are_loaded_once() -> None:
    """GRU, 4 steps, hidden 128: the state's weights cross the DRAM channel once instead of four times."""
    graph = load_model("gru:steps=4,hidden=128")[0]
    alone = Options(schedule="layerwise")
    kept, again = run(EDGE, graph, alone), run(EDGE, graph, replace(alone, resident_weights=False))
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
    assert weight_residency(graph, EDGE) == {}


@pytest.mark.parametrize("arch", ["eyeriss", "tpu_v1"])
def test_a_fifo_keeps_nothing(arch: str) -> None:
    assert weight_residency(optimise(load_model("rnn:steps=3")[0]), load_arch(arch)[0]) == {}


def test_other_layers_see_less_room() -> None:
    graph = optimise(load_model("rnn:steps=3,hidden=128")[0])
    chosen = residency(graph, EDGE, activations=False)
    ((key, span),) = chosen.weights.items()
    memory = EDGE.memories[0]
    assert narrowed(EDGE, span.first, chosen).memories[0].capacity_bits == memory.capacity_bits - span.bits
    own = narrowed(EDGE, span.first, chosen, loads=key).memories[0]
    assert own.capacity_bits == memory.capacity_bits
    assert [h.depth for h in own.holds if h.operand == "Weights"] == [1]
    assert narrowed(EDGE, span.last + 1, chosen) == EDGE


def test_no_room_means_no_residency() -> None:
    """A memory in which the kept weights leave too little for the rest: they are given up, the network still runs."""
    small = replace(EDGE, memories=(replace(EDGE.memories[0], capacity_bits=8 * 36 * 1024),))
    graph = optimise(load_model("rnn:steps=3,hidden=128")[0])
    assert len(plan_network(graph, small, Options())) == len(graph.layers)


def test_a_fifo_cannot_hold_a_resident_tensor() -> None:
    problem = gemm_problem(rows=4, cols=8, reduction=8)
    levels = (TileLevel("DRAM", (Loop("M", 2), Loop("C", 2))), TileLevel("GLB", (Loop("N", 4),)))
    mapping = Mapping(problem, "ws", levels, (), (Loop("C", 4, "row"), Loop("M", 4, "col")))
    check(replace(mapping, resident=frozenset({"Inputs", "Outputs"})), machine("ws"))
    with pytest.raises(MappingError, match="Weights cannot be resident: no memory keeps it whole"):
        check(replace(mapping, resident=frozenset({"Weights"})), machine("ws"))


RESIDENT = st.sets(st.sampled_from(["Inputs", "Weights", "Outputs"])).map(frozenset)


@settings(max_examples=80)
@given(data=st.data(), dataflow=st.sampled_from(["os", "is", "ws", "rs"]), resident=RESIDENT, halo=st.booleans())
def test_readings_agree_on_resident_operands(
    data: st.DataObject, dataflow: str, resident: frozenset[str], halo: bool
) -> None:
    """Random nests, whatever stays whole or in part: walk == count == MAC by MAC == passes, and none of it moves."""
    arch, rules = machine(dataflow), Rules(halo_reuse=halo)
    mapping = replace(
        data.draw(nests(dataflow)), resident=resident - ({"Weights"} if dataflow in ("ws", "rs") else set())
    )
    mapping = replace(mapping, partly=data.draw(shares(mapping.problem, mapping.resident)))
    counts = count(mapping, arch, rules)
    assert counts == walk(mapping, arch, rules)
    for link in counts:
        if link.parent == "DRAM" and link.operand in mapping.resident:
            assert link.final_writes == 0 and (link.operand == "Outputs" or link.reads == link.deliveries == 0)
    x, w = tensors(mapping.problem)
    moves = run_stepwise(mapping, arch, rules, x, w)[1]
    for link in counts:
        key = link.operand, link.parent, link.child
        moved = [table.get(key, 0) for table in (moves.reads, moves.psum_writes, moves.final_writes)]
        assert moved == [link.reads, link.psum_writes, link.final_writes], key
    carried = build_stream(mapping, arch, rules).carried
    for link in counts:
        found = carried[link.operand, link.parent, link.child]
        assert found == (link.reads, link.psum_writes, link.final_writes)


def residual(wide: int = 16) -> LayerGraph:
    """Two convolutions with a shortcut, a pool, a product of two activations, a view and a classifier."""
    net = Network("residual")
    x = net.relu(net.conv(net.input(8, 12, 12), wide, kernel=3, pad=1))
    y = net.conv(net.relu(net.conv(x, wide, kernel=3, pad=1)), wide, kernel=3, pad=1)
    return net.build(net.linear(net.flatten(net.max_pool(net.add(x, y), 2)), 10))


@pytest.mark.parametrize("name", ["edge_os_32x32", "tpu_like", "eyeriss", "simba", "tpu_v1", "gemmini_16x16"])
def test_activations_stay_until_their_last_reader(name: str) -> None:
    """Only the network's input, its weights and its result cross the DRAM link; every value is still right."""
    arch, graph = load_arch(name)[0], optimise(residual())
    if activation_home(arch) is None:
        assert residency(graph, arch).tensors == {}
        return
    report = run(arch, residual())
    assert report.schedule["tensors_on_chip"] == [
        n.name for n in graph.layers if n.name not in graph.outputs and n.op != "flatten"
    ]
    traffic = report.totals.traffic["DRAM"]
    assert traffic["Outputs"].write_bits == 10 * arch.precision.output_bits
    assert verify(arch, residual()).exact
    assert report.totals.cycles <= report.schedule["layerwise"]["cycles"]


def test_a_tensor_lives_from_its_maker_to_its_last_reader() -> None:
    graph = optimise(residual())
    chosen = residency(graph, EDGE)
    names = [node.name for node in graph.layers]
    span = chosen.tensors[names[0]]
    add = next(i for i, node in enumerate(graph.layers) if node.op == "add")
    assert span == Span(0, add, 16 * 144 * 8, 16 * 144)
    pool, view = (next(n.name for n in graph.layers if n.op == op) for op in ("max_pool2d", "flatten"))
    assert chosen.words(view) == prod(graph.node(pool).shape) and chosen.tensors[pool].last == len(names) - 1


def test_the_largest_region_goes_where_a_layer_finds_no_room() -> None:
    chosen = Residency({"w": Span(0, 3, 50, 5)}, {"a": Span(0, 1, 70, 7), "b": Span(1, 2, 90, 9)})
    assert chosen.without_largest(1) == replace(chosen, tensors={"a": Span(0, 1, 70, 7)})
    assert chosen.without_largest(3) == replace(chosen, weights={})
    assert chosen.without_largest(4) is None


def test_small_memories_keep_what_fits() -> None:
    """A buffer that holds one of the tensors: the run keeps all laws and moves no more than layer by layer."""
    for kib in (12, 16, 24):
        arch = replace(EDGE, memories=(replace(EDGE.memories[0], capacity_bits=8 * 1024 * kib),))
        report, graph = run(arch, residual()), optimise(residual())
        moved = report.totals.as_dict()
        before = report.schedule["layerwise"]
        assert moved["cycles"] <= before["cycles"] or moved["energy_pj"] < before["energy_pj"]
        assert 0 < len(report.schedule["tensors_on_chip"]) < len(graph.layers) - 1
        assert verify(arch, residual()).exact
