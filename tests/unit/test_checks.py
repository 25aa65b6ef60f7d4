"""Every law can be broken: each test breaks one and sees it caught."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from accelsim.checks import (
    check_channel,
    check_compulsory,
    check_counts,
    check_ports,
    check_side_by_side,
    check_time,
    check_totals,
)
from accelsim.energy import Flow, array_traffic, energy_fj, leakage_fj
from accelsim.errors import CheckFailed, InputError
from accelsim.graph import Network, optimise
from accelsim.mapper.search import map_problem
from accelsim.pipeline import Run, run
from accelsim.plan import Options, Part
from accelsim.planning import plan_network
from accelsim.problem import conv_problem
from accelsim.report import RunReport
from tests.agreement.machines import machine

ARCH = machine("ws")


def network() -> Any:
    n = Network("three")
    x = n.relu(n.conv(n.input(3, 10, 10), 8, 3, pad=1))
    return n.build(n.linear(n.flatten(n.max_pool(x, 2)), 7))


def plan_and_report() -> tuple[Part, RunReport]:
    apart = Options(schedule="layerwise")
    return plan_network(optimise(network()), ARCH, apart)[0].parts[0], run(ARCH, network(), apart)


def test_a_run_keeps_every_law() -> None:
    report = plan_and_report()[1]
    assert [layer.unit for layer in report.results] == ["array", "vector", "view", "array"]
    assert sum(layer.total_energy_fj for layer in report.results) == report.totals.total_energy_fj
    assert report.totals.macs == network().macs


def test_words_lost_in_simulation_are_seen() -> None:
    mapped = plan_and_report()[0].mapped
    assert mapped is not None
    check_counts("x", mapped, ARCH)
    fewer = replace(mapped.counts[0], reads=mapped.counts[0].reads - 1)
    with pytest.raises(CheckFailed, match="x: law broken: simulated words == counted words"):
        check_counts("x", replace(mapped, counts=(fewer, *mapped.counts[1:])), ARCH)


def test_results_written_twice_are_seen() -> None:
    mapped = plan_and_report()[0].mapped
    assert mapped is not None
    last = mapped.counts[-1]
    twice = replace(last, final_writes=last.final_writes + 1)
    carried = dict(mapped.simulated.carried)
    carried[last.operand, last.parent, last.child] = (last.reads, last.psum_writes, last.final_writes + 1)
    bad = replace(mapped, counts=(*mapped.counts[:-1], twice), simulated=replace(mapped.simulated, carried=carried))
    with pytest.raises(CheckFailed, match="every result is written once per link"):
        check_counts("x", bad, ARCH)


def test_words_that_multiply_on_a_plain_link_are_seen() -> None:
    mapped = plan_and_report()[0].mapped
    assert mapped is not None
    more = replace(mapped.counts[0], deliveries=mapped.counts[0].deliveries + 1)
    with pytest.raises(CheckFailed, match="words sent x fan-out == words received"):
        check_counts("x", replace(mapped, counts=(more, *mapped.counts[1:])), ARCH)


def test_less_than_compulsory_traffic_is_seen() -> None:
    mapped = plan_and_report()[0].mapped
    assert mapped is not None
    none = tuple(replace(c, reads=0) if c.operand == "Inputs" else c for c in mapped.counts)
    with pytest.raises(CheckFailed, match="DRAM words of Inputs >= compulsory"):
        check_compulsory("x", replace(mapped, counts=none))


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"issued_macs": 10**12}, "cycles >= MACs / PEs"),
        ({"vector_ops": 10**12}, "cycles >= vector operations / lanes"),
        ({"traffic": {"DRAM": {"Inputs": Flow(10**12, 0)}}}, "cycles >= DRAM bits / bandwidth"),
        ({"traffic": {"DRAM": {"Inputs": Flow(8, 0)}}}, "transfers carry the DRAM traffic"),
        ({"compute_cycles": 1}, "compute and stalls add up"),
    ],
)
def test_impossible_times_are_seen(change: dict[str, Any], law: str) -> None:
    plan, report = plan_and_report()
    assert plan.outcome is not None
    check_time("x", report.results[0], [plan.outcome], ARCH, own_channel=True)
    with pytest.raises(CheckFailed, match=law):
        check_time("x", replace(report.results[0], **change), [plan.outcome], ARCH, own_channel=True)


def test_a_stream_that_does_not_fit_its_network_is_seen() -> None:
    runs: list[Run] = []
    report = run(ARCH, network(), on_run=runs.append)
    outcome = runs[0].times.outcome
    assert outcome is not None
    check_channel(report.results, outcome, ARCH)
    last = report.results[-1]
    for wrong, law in (
        (replace(outcome, makespan=outcome.makespan + 1), "the last layer ends with the stream"),
        (replace(outcome, read_bits=()), "transfers carry the DRAM traffic"),
        (replace(outcome, channel_busy=last.end_cycle + 1), "cycles >= DRAM bits / bandwidth"),
    ):
        with pytest.raises(CheckFailed, match=law):
            check_channel(report.results, wrong, ARCH)


def test_ports_that_are_too_fast_are_seen() -> None:
    plan, report = plan_and_report()
    assert plan.mapped is not None
    check_ports("x", plan.mapped, ARCH, report.results[0].cycles)
    with pytest.raises(CheckFailed, match="cycles >= bits / GLB"):
        check_ports("x", plan.mapped, ARCH, 10)


def test_totals_that_do_not_add_up_are_seen() -> None:
    report = plan_and_report()[1]
    with pytest.raises(CheckFailed, match="totals == sum of the layers"):
        check_totals(report.results, replace(report.totals, macs=1), ARCH.clock_hz, ARCH.array.pes)
    shifted = (report.results[0], replace(report.results[1], start_cycle=0), *report.results[2:])
    with pytest.raises(CheckFailed, match="cycles == end - start"):
        check_totals(shifted, report.totals, ARCH.clock_hz, ARCH.array.pes)
    third = report.results[2]
    early = replace(third, start_cycle=0, cycles=third.end_cycle)
    with pytest.raises(CheckFailed, match="at most two layers run at a time"):
        check_totals((*report.results[:2], early, *report.results[3:]), report.totals, ARCH.clock_hz, ARCH.array.pes)


def test_layers_side_by_side_share_what_there_is() -> None:
    """Two layers that each keep a port busy for all of their time cannot run at the same time."""
    first, second = plan_and_report()[1].results[:2]
    beside = replace(second, start_cycle=0, end_cycle=first.end_cycle, cycles=first.cycles)
    busy = {"SRAM read port": first.cycles, "DRAM channel": 10**9}
    full = [replace(layer, anatomy=replace(layer.anatomy, busy_cycles=busy)) for layer in (first, beside)]
    check_side_by_side((first, second))
    check_side_by_side((full[0], replace(full[1], start_cycle=first.end_cycle)))
    with pytest.raises(CheckFailed, match="SRAM read port serves both layers side by side"):
        check_side_by_side(full)


def test_more_bandwidth_never_slows_a_mapping() -> None:
    problem = conv_problem(
        batch=1, groups=1, out_channels=16, in_channels=16, out_size=(9, 9), kernel=(3, 3), in_size=(9, 9), pad=(1, 1)
    )
    from accelsim.mapper.search import evaluate

    mapping = map_problem(problem, ARCH).mapping
    times = []
    for factor in (1, 2, 5):
        dram = replace(ARCH.dram, bandwidth_bits_per_s=factor * ARCH.dram.bandwidth_bits_per_s)
        times.append(evaluate(mapping, replace(ARCH, dram=dram)).outcome.makespan)
    assert times == sorted(times, reverse=True)


def test_energy_is_counts_times_table() -> None:
    mapped = plan_and_report()[0].mapped
    assert mapped is not None
    macs = mapped.mapping.problem.macs
    table = array_traffic(mapped.counts, ARCH, macs)
    found = energy_fj(table, ARCH, macs, 11)
    assert found["MAC"] == macs * ARCH.array.mac_fj
    assert found["vector"] == 11 * ARCH.vector.op_fj
    reads = sum(flow.read_bits for flow in table["GLB"].values())
    writes = sum(flow.write_bits for flow in table["GLB"].values())
    assert found["GLB"] == 10 * reads + 12 * writes
    assert table["PE"]["Weights"].read_bits == 8 * macs
    psums = next(c for c in mapped.counts if c.operand == "Outputs" and c.child == "PE")
    assert table["GLB"]["Outputs"].write_bits >= 32 * psums.psum_writes + 8 * psums.final_writes
    assert leakage_fj(ARCH, 9) == {"leakage": 0, "DRAM background": 0}


def test_options_are_checked() -> None:
    with pytest.raises(InputError, match="objective 'edpp'; did you mean 'edp'"):
        Options("edpp")


def test_two_runs_do_not_touch_each_other() -> None:
    first = run(ARCH, network()).as_dict()
    run(machine("os"), network())
    assert run(ARCH, network()).as_dict() == first


def test_objectives_trade_time_against_energy() -> None:
    fast = run(ARCH, network(), Options("latency")).totals
    frugal = run(ARCH, network(), Options("energy")).totals
    assert fast.cycles <= frugal.cycles
    assert frugal.total_energy_fj <= fast.total_energy_fj


def test_unfused_networks_cost_more() -> None:
    plain, folded = (run(ARCH, network(), Options(fold=f)).totals for f in (False, True))
    assert plain.cycles > folded.cycles
    assert plain.macs == folded.macs


def test_a_layer_that_does_not_fit_is_named() -> None:
    tiny = replace(ARCH, memories=(replace(ARCH.memories[0], capacity_bits=64),))
    with pytest.raises(InputError, match=r"layer conv1 \(conv2d, output \(1, 8, 10, 10\)\) does not fit small_ws: GLB"):
        run(tiny, network())
