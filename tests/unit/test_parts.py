"""Tensors that stay on chip in part: which parts, whether they pay, and that every reading and value is right."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
import pytest

from accelsim.arch import Accelerator
from accelsim.errors import MappingError
from accelsim.execute.buffers import Dram, PartlyHere, leaving
from accelsim.graph import LayerGraph, Network, optimise
from accelsim.lookup import load_arch
from accelsim.mapper.search import OBJECTIVES, Objective, map_problem
from accelsim.mapping import Loop, Mapping, TileLevel, rules_of
from accelsim.mapping.shares import Share, share_of
from accelsim.parts import EIGHTHS, Parts
from accelsim.pipeline import run, timed
from accelsim.plan import Options
from accelsim.planning import plan_network
from accelsim.problem import conv_problem
from accelsim.proof import verify
from accelsim.residency import activation_home, residency
from accelsim.walk import walk
from tests.agreement.machines import machine

CONV = conv_problem(
    batch=1, groups=1, out_channels=8, in_channels=16, out_size=(6, 6), kernel=(3, 3), in_size=(6, 6), pad=(1, 1)
)


def small(name: str, kib: int) -> Accelerator:
    """A shipped machine whose memory of activations holds so much."""
    arch = load_arch(name)[0]
    keeper = activation_home(arch)
    memories = tuple(replace(m, capacity_bits=8192 * kib) if m == keeper else m for m in arch.memories)
    return replace(arch, memories=memories)


def network() -> LayerGraph:
    """Standard, depthwise and pointwise convolutions, a shortcut, a concatenation, a pool and a classifier."""
    net = Network("parts")
    x = net.relu(net.conv(net.input(8, 16, 16), 16, kernel=3, pad=1))
    y = net.conv(net.relu(net.conv(x, 16, kernel=3, pad=1, groups=16)), 16, kernel=1)
    x = net.concat(net.add(x, y), net.conv(x, 8, kernel=1))
    return net.build(net.linear(net.flatten(net.max_pool(x, 2)), 10))


def test_the_first_words_of_a_tensor_are_the_first_indices_of_its_outermost_dim() -> None:
    assert share_of(CONV, "Inputs", 36 * 5) == Share("Inputs", "C", 5)
    assert share_of(CONV, "Outputs", 36 * 2) == Share("Outputs", "M", 2)
    assert share_of(CONV, "Inputs", 36 * 5 + 1) is None
    assert share_of(CONV, "Inputs", 36 * 16) is None
    wide = conv_problem(
        batch=4, groups=1, out_channels=8, in_channels=16, out_size=(6, 6), kernel=(1, 1), in_size=(6, 6)
    )
    assert share_of(wide, "Inputs", 3 * 16 * 36) == Share("Inputs", "N", 3)
    depthwise = conv_problem(
        batch=1, groups=4, out_channels=2, in_channels=1, out_size=(6, 6), kernel=(1, 1), in_size=(6, 6)
    )
    assert share_of(depthwise, "Outputs", 2 * 36) == Share("Outputs", "G", 1)


@pytest.mark.parametrize(
    ("shares", "resident", "message"),
    [
        ((Share("Inputs", "P", 2),), set(), "cannot stay in part by P: expected a dim that is an axis"),
        ((Share("Inputs", "C", 16),), set(), "16 of C of Inputs stay: expected 1 to 15"),
        ((Share("Inputs", "C", 0),), set(), "0 of C of Inputs stay: expected 1 to 15"),
        ((Share("Weights", "M", 2),), set(), "Weights cannot stay on chip in part"),
        ((Share("Inputs", "C", 2),), {"Inputs"}, "Inputs cannot stay on chip in part: expected .* not resident"),
        ((Share("Inputs", "C", 2), Share("Inputs", "N", 1)), set(), "by one dim only"),
        ((Share("Psums", "C", 2),), set(), "Psums cannot stay on chip in part"),
    ],
)
def test_shares_that_make_no_sense(shares: tuple[Share, ...], resident: set[str], message: str) -> None:
    loops = tuple(Loop(dim, bound) for dim, bound in CONV.bounds if bound > 1)
    levels = TileLevel("DRAM", loops), TileLevel("GLB", ())
    with pytest.raises(MappingError, match=message):
        Mapping(CONV, "os", levels, resident=frozenset(resident), partly=shares)


def test_a_share_that_makes_costs_no_whole_numbers_is_refused() -> None:
    odd = replace(machine("os"), precision=replace(machine("os").precision, input_bits=3))
    with pytest.raises(MappingError, match="keep another share"):
        map_problem(CONV, odd, partly=(Share("Inputs", "C", 5),))


def test_half_of_the_channels_on_chip_halve_what_crosses() -> None:
    arch = machine("os")
    levels = TileLevel("DRAM", (Loop("M", 2), Loop("C", 8))), TileLevel("GLB", (Loop("C", 2), Loop("M", 4)))
    inner = tuple(Loop(dim, CONV.bound[dim]) for dim in "PQRS")
    mapping = Mapping(CONV, "os", levels, inner)
    parts = replace(mapping, partly=(Share("Inputs", "C", 8), Share("Outputs", "M", 6)))
    before, after = walk(mapping, arch, rules_of(arch)), walk(parts, arch, rules_of(arch))
    moved = {(c.operand, c.parent): c for c in before}
    now = {(c.operand, c.parent): c for c in after}
    assert now["Inputs", "DRAM"].reads * 2 == moved["Inputs", "DRAM"].reads > 0
    assert now["Outputs", "DRAM"].final_writes * 4 == moved["Outputs", "DRAM"].final_writes == 8 * 36
    assert now["Weights", "DRAM"] == moved["Weights", "DRAM"]
    assert {k: c for k, c in now.items() if k[1] != "DRAM"} == {k: c for k, c in moved.items() if k[1] != "DRAM"}


def test_dram_does_not_have_the_words_that_stay() -> None:
    values = np.arange(24.0).reshape(2, 3, 4)
    source, whole = PartlyHere(values, 1, 2), Dram(values)
    boxes = [[np.array([0, 1]), np.array([1, 2]), np.array([3])], [np.array([1]), np.array([0, 1]), np.array([0, 2])]]
    assert [source.stored(box) for box in boxes] == [2, 0]
    for box in boxes:
        assert source.take(box).tolist() == whole.take(box).tolist()
    assert leaving(((0, 4), (2, 3)), (1, 4)) == (slice(0, 4), slice(2, 3))
    assert leaving(((0, 4), (5, 3)), (1, 4)) == (slice(0, 4), slice(0, 3))
    assert leaving(((0, 4), (0, 3)), (0, 4)) == (slice(4, 4), slice(0, 3))


def test_parts_are_eighths_that_fit_and_that_all_layers_can_take_apart() -> None:
    graph, arch = optimise(network()), small("edge_os_32x32", 12)
    chosen = residency(graph, arch)
    parts = Parts(graph, arch, chosen)
    assert parts.names and not set(parts.names) & set(chosen.tensors)
    for name in parts.names:
        found, words = list(parts.of(name, chosen)), prod(graph.node(name).shape)
        assert len(found) <= 2
        for span in found:
            assert 0 < span.words < words and span.words * EIGHTHS % words == 0
            taken = [
                sum(s.bits for s in chosen.tensors.values() if s.first <= n <= s.last)
                for n in range(span.first, span.last + 1)
            ]
            assert span.bits + max(taken) <= arch.memories[0].capacity_bits * 7 // 8
    assert Parts(graph, replace(arch, precision=replace(arch.precision, input_bits=6)), chosen).names == ()


def test_what_a_product_of_activations_reads_stays_whole_or_not_at_all() -> None:
    """Its rows do not lie one behind another in its problem."""
    net = Network("attention")
    x = net.input(2, 64, 64)
    left, right = net.conv(x, 2, kernel=1), net.conv(x, 2, kernel=1)
    graph = optimise(net.build(net.matmul(left, right)))
    arch = small("edge_os_32x32", 8)
    chosen = residency(graph, arch)
    parts = Parts(graph, arch, chosen)
    assert all(not list(parts.of(name, chosen)) for name in parts.names)


@pytest.mark.parametrize("name", ["edge_os_32x32", "gemmini_16x16", "eyeriss", "simba", "nvdla_full", "tpu_like"])
def test_parts_pay_and_every_value_is_right(name: str) -> None:
    """The objective, layer by layer, is less than with whole tensors alone; the network is verified word by word."""
    tried = 0
    for kib in (8, 12, 20):
        arch, graph = small(name, kib), optimise(network())
        try:
            whole = plan_network(graph, arch, Options(), parts=False)
        except MappingError:
            continue
        plans = plan_network(graph, arch, Options())
        if not any(plan.in_part for plan in plans):
            assert [plan.staying for plan in plans] == [plan.staying for plan in whole]
            continue
        report, tried = run(arch, network()), tried + 1
        if report.schedule["tensors_partly_on_chip"]:
            assert report.schedule["tensors_partly_on_chip"] == [p.node.name for p in plans if p.in_part and p.parts]
            assert any("% of the results stay on chip" in layer.note for layer in report.results)
        assert verify(arch, network()).exact
    assert tried


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_parts_never_cost_more_by_the_objective(objective: Objective) -> None:
    """Nor does a run, which weighs the whole network."""
    arch, options = small("gemmini_16x16", 12), Options(objective=objective)
    report = run(arch, network(), options)
    plain = timed(
        optimise(network()), plan_network(optimise(network()), arch, options, parts=False), arch, "network"
    ).totals
    costs = [
        {"energy": t.total_energy_fj, "latency": t.cycles, "edp": t.total_energy_fj * t.cycles}[objective]
        for t in (report.totals, plain)
    ]
    assert costs[0] <= costs[1]
