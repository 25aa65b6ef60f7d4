"""A DRAM channel that arbitrates: its rules on cases worked by hand, its key in a machine's file, whole runs."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from accelsim.arch import Accelerator, Arbitration, Dram, DramTiming
from accelsim.dram import PRESETS
from accelsim.errors import BudgetExceeded, InputError
from accelsim.formats.arch_yaml import load_accelerator
from accelsim.formats.mapping_cache import MappingCache
from accelsim.formats.trace import TRACKS, trace_json
from accelsim.graph import LayerGraph, Network
from accelsim.lookup import load_arch
from accelsim.pipeline import Run, least_cost, run
from accelsim.plan import KeptCache, Options
from accelsim.sim import oracle, recurrence
from accelsim.sim.drafts import Drafts
from accelsim.sim.limits import Limits
from accelsim.sim.stream import Outcome, Segment, Stream, Transfer, stream_of
from accelsim.whatif import what_if

RULES: tuple[Arbitration, Arbitration] = ("first_come", "round_robin")
DRAM = Dram("hand", 1, 3, 0, 0)


def both(stream: Stream, rule: Arbitration) -> Outcome:
    dram = replace(DRAM, arbitration=rule)
    fast, slow = recurrence.run(stream, dram, 1), oracle.run(stream, dram, 1)
    assert fast == slow
    return fast


def begins(outcome: Outcome) -> list[int]:
    """Start of every transfer, in the order of the stream."""
    found: list[int] = outcome.spans[:, 0].tolist()
    return found


def load(operand: str, bits: int, ready: int, needed: int) -> Transfer:
    return Transfer("load", operand, bits, ready, needed)


def test_a_load_that_is_ready_passes_one_that_is_not() -> None:
    """In program order the weights for segment 2 wait behind the inputs for segment 1; in queues of their own not."""
    segments = (Segment(0, 0, 10, 0),) * 3
    loads = [load("Inputs", 4, -1, 0), load("Inputs", 4, 0, 1), replace(load("Weights", 4, -1, 2), turn=0)]
    stream = stream_of(segments, loads)
    assert begins(recurrence.run(stream, DRAM, 1)) == [0, 17, 21]
    for rule in RULES:
        found = both(stream, rule)
        assert begins(found) == [0, 17, 4]
        assert found.starts == (7, 24, 34)


def test_first_come_takes_the_head_that_became_ready_first() -> None:
    """Both second heads are ready since 0: Inputs when the first Inputs start, Weights from the beginning. The third
    Inputs is head from 4 on, when the second starts, and waits until Weights had their turn."""
    loads = [load("Inputs", 4, -1, s) for s in range(3)] + [load("Weights", 6, -1, s) for s in range(2)]
    stream = stream_of((Segment(0, 0, 1, 0),) * 3, loads)
    assert [(t.operand[0], t.needed_by) for t in stream.transfers] == [
        ("I", 0), ("W", 0), ("I", 1), ("W", 1), ("I", 2)
    ]  # fmt: skip
    assert begins(both(stream, "first_come")) == [0, 8, 4, 18, 14]


def test_round_robin_goes_round_the_queues_that_have_a_ready_head() -> None:
    loads = [load(operand, 4, -1, s) for operand in ("Inputs", "Weights") for s in range(3)]
    stores = [Transfer("store", "Outputs", 4, 0, 4)]
    stream = stream_of((Segment(0, 0, 1, 0),) * 4, [*loads, *stores])
    found = both(stream, "round_robin")
    order = sorted(zip(begins(found), stream.transfers, strict=True), key=lambda pair: pair[0])
    assert [(start, t.operand[0]) for start, t in order] == [
        (0, "I"), (4, "W"), (8, "I"), (12, "O"), (16, "W"), (20, "I"), (24, "W")
    ]  # fmt: skip
    assert found.ends[0] == 12, "the store's segment ends in the cycle of the third choice, which sees it"


@pytest.mark.parametrize("rule", RULES)
def test_the_channel_chooses_when_the_cycle_is_over(rule: Arbitration) -> None:
    """Without latency, the first load's end starts and ends an empty segment in the same cycle: the store it makes
    ready comes before the Weights for round robin, and after them for first come."""
    stream = stream_of(
        (Segment(0, 0, 0, 0), Segment(0, 0, 5, 0)),
        [load("Inputs", 4, -1, 0), Transfer("store", "Outputs", 2, 0, 2), load("Weights", 3, -1, 1)],
    )
    dram = replace(DRAM, latency_cycles=0, arbitration=rule)
    found = recurrence.run(stream, dram, 1)
    assert found == oracle.run(stream, dram, 1)
    starts = {t.operand: start for t, start in zip(stream.transfers, begins(found), strict=True)}
    wanted = {"first_come": {"Inputs": 0, "Weights": 4, "Outputs": 7},
              "round_robin": {"Inputs": 0, "Outputs": 4, "Weights": 6}}  # fmt: skip
    assert starts == wanted[rule]


@pytest.mark.parametrize("rule", RULES)
def test_psums_do_not_pass_their_store(rule: Arbitration) -> None:
    """The store of segment 0's psums waits for its end; so does the load behind it, ready or not."""
    stream = stream_of(
        (Segment(0, 0, 9, 0),) * 3,
        [Transfer("store", "Outputs", 5, 0, 2), replace(load("Outputs", 5, -1, 2), turn=0), load("Inputs", 2, -1, 1)],
    )
    found = both(stream, rule)
    assert [(t.kind, start) for t, start in zip(stream.transfers, begins(found), strict=True)] == [
        ("load", 0), ("store", 9), ("load", 14)
    ]  # fmt: skip


def test_a_wait_is_charged_to_the_transfer_that_started_first() -> None:
    """Load and store over in one cycle: the load started first, since it takes the latency longer."""
    stream = stream_of(
        (Segment(0, 0, 5, 0), Segment(0, 0, 5, 0)),
        [load("Inputs", 2, 0, 1), Transfer("store", "Outputs", 3, 0, 1)],
    )
    assert dict(both(stream, "round_robin").stalls) == {"dram_read_inputs": 5}


def test_engines_keep_to_the_arbitration_they_know() -> None:
    stream = stream_of((Segment(0, 0, 1, 0),), [load("Inputs", 4, -1, 0)])
    assert recurrence.engine_for(stream, replace(DRAM, arbitration="first_come"), 1) == "events"
    with pytest.raises(InputError, match="engine 'python' does not know arbitration 'round_robin'; expected 'events'"):
        recurrence.run(stream, replace(DRAM, arbitration="round_robin"), 1, "python")
    with pytest.raises(InputError, match="engine 'events' does not know arbitration 'program_order'; expected 'py"):
        recurrence.run(stream, DRAM, 1, "events")
    with pytest.raises(InputError, match="a DRAM by commands serves transfers in program order"):
        replace(DRAM, arbitration="first_come", timing=DramTiming(PRESETS["DDR4-2400"]))


def machine_text(root: Path, name: str, rule: str) -> str:
    text = (root / "arch_configs" / f"{name}.yaml").read_text(encoding="utf-8")
    return text.replace("\ndram:\n", f"\ndram:\n  arbitration: {rule}\n")


@pytest.mark.parametrize("rule", ["program_order", *RULES])
def test_a_machine_file_states_it(root: Path, rule: str) -> None:
    arch = load_accelerator(machine_text(root, "edge_os_32x32", rule), "my.yaml")
    assert arch.dram.arbitration == rule
    plain = load_arch("edge_os_32x32")[0]
    assert (plain.dram.arbitration, replace(plain, dram=arch.dram)) == ("program_order", arch)


def test_wrong_words_and_places_are_errors(root: Path) -> None:
    with pytest.raises(InputError, match=r"dram.arbitration: 'first_com', expected .*; did you mean 'first_come'"):
        load_accelerator(machine_text(root, "edge_os_32x32", "first_com"), "my.yaml")
    with pytest.raises(
        InputError, match=r"my.yaml:\d+:\d+: dram.arbitration: 'round_robin' beside dram.timing, .*; leave one out"
    ):
        load_accelerator(machine_text(root, "edge_os_32x32_lpddr4", "round_robin"), "my.yaml")


def network() -> LayerGraph:
    net = Network("net")
    x = net.relu(net.conv(net.input(16, 16, 16), 32, kernel=3, pad=1))
    return net.build(net.linear(net.flatten(net.max_pool(net.conv(x, 32, kernel=1), 2)), 100))


def arbitrated(rule: Arbitration, name: str = "edge_os_32x32") -> Accelerator:
    arch = load_arch(name)[0]
    return replace(arch, dram=replace(arch.dram, arbitration=rule))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ["edge_os_32x32", "eyeriss", "tpu_v1"])
def test_a_network_keeps_all_laws(name: str, rule: Arbitration) -> None:
    """`run` checks them; layers overlap in turn, the trace has one transfer at a time, twice of a resource is asked."""
    runs: list[Run] = []
    arch = arbitrated(rule, name)
    report = run(arch, network(), on_run=runs.append)
    assert report.options["arbitration"] == rule
    assert report.schedule["overlap"] is True and set(report.schedule["engines"]) <= {"events", "periods"}
    assert report.schedule["engine"] == "events" and report.schedule["side_by_side"] == []
    found = json.loads(trace_json(runs[0].times, [layer.name for layer in report.results], "t"))["traceEvents"]
    channel = [e for e in found if e["ph"] == "X" and e["tid"] == 1 + TRACKS.index("DRAM channel")]
    for before, after in pairwise(channel):
        assert before["ts"] + before["dur"] <= after["ts"]
    gains = what_if(runs[0], arch).gains
    assert sum(what_if(runs[0], arch).before) == report.totals.cycles
    assert all(gain.cycles == sum(gain.layers) for gain in gains)
    run(arch, network(), Options(schedule="layerwise"), on_run=runs.append)
    assert runs[0].cost("edp") <= runs[1].cost("edp")
    assert least_cost(runs[1], arch, "edp") <= runs[1].cost("edp")


def test_too_many_events_are_an_error() -> None:
    cache = KeptCache(MappingCache(), Drafts(Limits(events=1)))
    with pytest.raises(BudgetExceeded, match="above the event budget of 1"):
        run(arbitrated("first_come"), network(), cache=cache)
