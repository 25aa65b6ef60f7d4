"""The trace of a run: no two slices of a track overlap, and their cycles are those of the simulation."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from accelsim.formats.trace import TRACKS, trace_json
from accelsim.lookup import load_arch, load_model
from accelsim.pipeline import Run, run
from accelsim.plan import Options
from accelsim.report import RunReport
from accelsim.sim.timetable import Timetable

SCHEDULES = ("network", "layerwise")


@cache
def simulated(schedule: str, name: str = "edge_os_32x32") -> tuple[RunReport, Timetable]:
    found: list[Run] = []
    graph = load_model("mobilenet_v2:size=32,width=0.25")[0]
    return run(load_arch(name)[0], graph, Options(schedule=schedule), on_run=found.append), found[0].times


@cache
def events(schedule: str, most: int = 10**6) -> list[dict[str, Any]]:
    report, times = simulated(schedule)
    text = trace_json(times, [layer.name for layer in report.results], "t", most)
    found: list[dict[str, Any]] = json.loads(text)["traceEvents"]
    return found


def slices(schedule: str, most: int = 10**6) -> dict[str, list[dict[str, Any]]]:
    tracks = defaultdict(list)
    for event in events(schedule, most):
        if event["ph"] == "X":
            tracks[TRACKS[event["tid"] - 1]].append(event)
    return tracks


def busy(track: list[dict[str, Any]]) -> int:
    """Cycles of a track; a merged slice says how many of its own are busy."""
    return sum(event.get("args", {}).get("busy_cycles", event["dur"]) for event in track)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("most", [10**6, 4000])
def test_slices_of_a_track_never_overlap_and_add_up(schedule: str, most: int) -> None:
    report, times = simulated(schedule)
    tracks = slices(schedule, most)
    for name, track in tracks.items():
        for a, b in pairwise(sorted(track, key=lambda e: e["ts"])):
            assert a["ts"] + a["dur"] <= b["ts"], (name, a, b)
    assert busy(tracks["layers"]) + busy(tracks["layers side by side"]) == sum(x.cycles for x in report.results)
    assert busy(tracks["DRAM channel"]) == sum(strip.outcome.channel_busy for strip in times.strips)
    stalls = report.totals.stall_cycles
    waits = sum(n for cause, n in stalls.items() if cause.startswith("dram_") or cause == "other_unit")
    assert busy(tracks["waits"]) + busy(tracks["waits of the vector unit"]) == waits
    work = sum(int(strip.stream.work[:, 1:3].sum()) for strip in times.strips)
    assert busy(tracks["array"]) + busy(tracks["vector unit"]) == work
    loads = sum(int(strip.stream.work[:, 0].sum()) for strip in times.strips)
    assert busy(tracks["stationary loads"]) == loads


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_arrows_lead_from_a_transfer_to_what_needs_it(schedule: str) -> None:
    begins = {e["id"]: e for e in events(schedule) if e["ph"] == "s"}
    ends = {e["id"]: e for e in events(schedule) if e["ph"] == "f"}
    assert begins.keys() == ends.keys() and len(begins) > 100
    tracks = slices(schedule)
    channel = {e["ts"] + e["dur"] - 1 for e in tracks["DRAM channel"]}
    streams = {e["ts"] for name in ("array", "vector unit") for e in tracks[name]}
    for number, begin in begins.items():
        assert begin["ts"] in channel and begin["ts"] <= ends[number]["ts"]
        assert ends[number]["ts"] in streams or ends[number]["ts"] == begin["ts"]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_counters_stay_within_the_machine(schedule: str) -> None:
    report = simulated(schedule)[0]
    arch = load_arch("edge_os_32x32")[0]
    sizes = {f"{memory.name} in use": memory.capacity_bits for memory in arch.memories}
    seen = set()
    for event in events(schedule):
        if event["ph"] == "C" and event["name"] in sizes:
            assert 0 <= event["args"]["bits"] <= sizes[event["name"]]
            seen.add(event["name"])
    assert seen == set(sizes)
    rates = [e for e in events(schedule) if e["ph"] == "C" and e["name"] == "DRAM bits per cycle"]
    edges = [e["ts"] for e in rates] + [report.totals.cycles]
    moved = sum(e["args"]["bits"] * (b - a) for e, (a, b) in zip(rates, pairwise(edges), strict=True))
    totals = report.totals.as_dict()
    assert moved == pytest.approx(totals["dram_read_bits"] + totals["dram_write_bits"], rel=1e-3)
    assert max(e["args"]["bits"] for e in rates) <= 1.001 * arch.dram.bandwidth_bits_per_s / arch.clock_hz


def test_layers_of_too_many_segments_are_one_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their streams are not made; busy cycles are those of the run."""
    monkeypatch.setattr("accelsim.schedule.LISTED", 0)
    found: list[Run] = []
    report = run(load_arch("edge_os_32x32")[0], load_model("mlp")[0], Options(), on_run=found.append)
    times = found[0].times
    assert times.outcome is None and not times.strips and found[0].schedule == "layerwise"
    text = trace_json(times, [layer.name for layer in report.results], "t")
    shown = [e for e in json.loads(text)["traceEvents"] if e["ph"] == "X"]
    by_track = {name: [e for e in shown if e["tid"] == TRACKS.index(name) + 1] for name in TRACKS}
    work = {name: [e["args"]["busy_cycles"] for e in by_track[name]] for name in ("array", "DRAM channel")}
    layers = {layer.name: layer for layer in report.results if layer.unit == "array"}
    assert [e["dur"] for e in by_track["array"]] == [layer.cycles for layer in layers.values()]
    ports = sum(layer.stall_cycles.get("onchip_port", 0) for layer in layers.values())
    assert sum(work["array"]) == sum(layer.compute_cycles for layer in layers.values()) + ports
    assert all(busy <= e["dur"] for name, all_ in work.items() for busy, e in zip(all_, by_track[name], strict=True))
    assert [f"{sealed.name}: {sealed.segments:,} segments" for sealed in times.streams.sealed if sealed.on_array] == [
        e["name"] for e in by_track["array"]
    ]


def test_a_small_budget_merges_and_says_so() -> None:
    few, all_ = slices("network", 3000), slices("network")
    assert sum(map(len, few.values())) < sum(map(len, all_.values()))
    merged = [e for track in few.values() for e in track if "merged" in e.get("args", {})]
    assert merged and all(e["name"] == f"{e['args']['merged']:,} more" for e in merged)
    shown = {name: len(track) for name, track in few.items()}
    for event in merged:
        shown[TRACKS[event["tid"] - 1]] += event["args"]["merged"] - 1
    assert shown == {name: len(track) for name, track in all_.items()}
