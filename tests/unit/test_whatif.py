"""Twice of a resource: what it buys is measured, and what bounds a layer follows from it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelsim.arch import Accelerator
from accelsim.graph import LayerGraph, Network
from accelsim.lookup import load_arch
from accelsim.pipeline import Run, run
from accelsim.plan import Options
from accelsim.whatif import WhatIf, resources, what_if


def network() -> LayerGraph:
    net = Network("net")
    x = net.relu(net.conv(net.input(16, 16, 16), 32, kernel=3, pad=1))
    return net.build(net.linear(net.flatten(net.max_pool(net.conv(x, 32, kernel=1), 2)), 100))


def asked(arch: Accelerator, schedule: str = "network") -> tuple[Run, WhatIf]:
    runs: list[Run] = []
    run(arch, network(), Options(schedule=schedule), on_run=runs.append)
    return runs[0], what_if(runs[0], arch)


@pytest.mark.parametrize("schedule", ["network", "layerwise"])
@pytest.mark.parametrize("name", ["edge_os_32x32", "eyeriss", "tpu_v1"])
def test_more_never_costs_more(name: str, schedule: str) -> None:
    arch = load_arch(name)[0]
    found, twice = asked(arch, schedule)
    assert {gain.resource for gain in twice.gains} == set(resources(arch))
    assert sum(twice.before) == found.totals.cycles
    for gain in twice.gains:
        assert gain.cycles == sum(gain.layers) <= found.totals.cycles


def test_the_same_machine_gives_the_same_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    arch = load_arch("edge_os_32x32")[0]
    monkeypatch.setattr("accelsim.whatif.resources", lambda _: {"nothing": lambda a: a})
    found, twice = asked(arch)
    assert twice.gains[0].cycles == found.totals.cycles
    assert twice.gains[0].layers == twice.before
    assert {twice.bound(i) for i, cycles in enumerate(twice.before) if cycles} == {"compute"}


def test_a_starved_machine_is_bound_by_its_channel() -> None:
    arch = load_arch("edge_os_32x32")[0]
    slow = replace(arch, dram=replace(arch.dram, bandwidth_bits_per_s=arch.dram.bandwidth_bits_per_s // 64))
    _, twice = asked(slow, "layerwise")
    bounds = {name: twice.bound(i) for i, name in enumerate(twice.layers)}
    assert bounds["conv1"] == bounds["fc1"] == "DRAM bandwidth"
    assert bounds["flatten1"] == "nothing"
    gain = next(g for g in twice.gains if g.resource == "DRAM bandwidth")
    assert gain.cycles < 0.6 * sum(twice.before)
    assert twice.as_dict()["twice_of"]["DRAM bandwidth"]["cycles"] == gain.cycles
    assert [row["bound"] for row in twice.rows()] == list(bounds.values())


def test_resources_follow_the_machine() -> None:
    assert "array buses" in resources(load_arch("eyeriss")[0])
    assert "array buses" not in resources(load_arch("tpu_v1")[0])
    assert "DRAM bandwidth" not in resources(load_arch("edge_os_32x32_lpddr4")[0])
