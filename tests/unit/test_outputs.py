"""Files, tables and figures: written whole or not at all, units on every axis, same bytes."""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import accelsim
from accelsim.errors import InputError
from accelsim.formats.outputs import layers_csv, summary_md, to_json
from accelsim.graph import Network
from accelsim.lookup import load_arch
from accelsim.pipeline import run
from accelsim.plot.style import MOST_BARS
from accelsim.plot.views import ALWAYS, draw, figure
from accelsim.report import RunReport
from accelsim.store import prepare, write_all


@pytest.fixture(scope="module")
def report() -> RunReport:
    return accelsim.run("edge_os_32x32", "mobilenet_v2:size=32,width=0.25")


def test_files_appear_together(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    written = write_all(folder, {"x.txt": b"1", "y.txt": b"2"})
    assert [p.read_bytes() for p in written] == [b"1", b"2"]
    assert sorted(p.name for p in folder.iterdir()) == ["x.txt", "y.txt"]
    write_all(folder, {"x.txt": b"3"})
    assert (folder / "x.txt").read_bytes() == b"3"


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fdopen
    calls = []

    def full(*args: object, **kwargs: object) -> object:
        calls.append(args)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(*args, **kwargs)

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(InputError, match=r"cannot write to the output folder .*: No space left on device"):
        write_all(tmp_path, {"x.txt": b"1", "y.txt": b"2"})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(InputError, match="cannot write to the output folder"):
        prepare(tmp_path / "f")


def test_axes_carry_units(report: RunReport) -> None:
    labels = {}
    for name in ALWAYS:
        (axes,) = figure(report, name).axes
        labels[name] = (axes.get_xlabel(), axes.get_ylabel())
        assert "mobilenet_v2" in axes.get_title()
    assert labels == {
        "energy": ("layer", "energy [µJ]"),
        "latency": ("layer", "time [µs]"),
        "roofline": ("operational intensity [MAC / byte at DRAM]; dot area: share of time", "rate [GMAC/s]"),
        "utilisation": ("layer", "share of PEs x cycles [%]"),
    }


def test_bars_add_up_to_the_report(report: RunReport) -> None:
    for name, total in [
        ("energy", report.totals.total_energy_fj * 1e-9),
        ("latency", sum(x.cycles for x in report.results) / report.machine.clock_hz * 1e6),
    ]:
        (axes,) = figure(report, name).axes
        assert sum(patch.get_height() for patch in axes.patches) == pytest.approx(total, rel=1e-9)


def test_roofline_has_a_dot_per_array_layer_under_the_roof(report: RunReport) -> None:
    (axes,) = figure(report, "roofline").axes
    dots = np.concatenate([c.get_offsets() for c in axes.collections])
    layers = [layer for layer in report.results if layer.unit == "array"]
    assert len(dots) == len(layers)
    peak = report.machine.pes * report.machine.clock_hz / 1e9
    slope = report.machine.dram_bits_per_s / 8e9
    assert (dots[:, 1] <= np.minimum(peak, dots[:, 0] * slope) * (1 + 1e-12)).all()


def test_figures_are_images_with_the_same_bytes(report: RunReport) -> None:
    one, two = draw(report), draw(report)
    assert one == two
    assert set(one) == {f"{name}.{kind}" for name in ALWAYS for kind in ("png", "svg")}
    assert all(one[f"{name}.png"].startswith(b"\x89PNG") for name in ALWAYS)
    assert all(b"<svg" in one[f"{name}.svg"] for name in ALWAYS)


def test_csv_holds_every_figure_of_the_json(report: RunReport) -> None:
    import pandas as pd

    table = pd.read_csv(io.StringIO(layers_csv(report)))
    data = json.loads(to_json(report.as_dict()))
    for key in ("macs", "issued_macs", "params", "cycles", "energy_pj", "utilization"):
        assert list(table[key]) == [layer[key] for layer in data["layers"]], key
    stalls = [c for c in table.columns if c.startswith("stall_")]
    assert ((table["compute_cycles"] + table[stalls].sum(axis=1)) == table["cycles"]).all()
    assert int(table["dram_read_bits"].sum()) == data["totals"]["dram_read_bits"]


def test_summary_says_where_time_and_energy_go(report: RunReport) -> None:
    text = summary_md(report)
    for part in ("**Time.**", "**Energy.**", "## Where the time goes", "## Layers", "accelsim verify --arch"):
        assert part in text
    assert "filling and draining the array" in text
    depthwise = next(layer for layer in report.results if layer.name == "block2.conv2")
    assert "operands forwarded along a wire cannot differ between groups" in depthwise.note
    assert depthwise.note in text


def test_report_states_widths_rules_and_sources(report: RunReport) -> None:
    data = report.as_dict()
    assert data["precision_bits"] == {"weights": 8, "inputs": 8, "psums": 32, "outputs": 8}
    assert data["options"]["counting"] == {"psum_first_visit": "write", "halo_reuse": True}
    assert all(len(sha) == 64 for sha in data["sources"].values())
    assert data["verification"]["checked"] is False


def test_very_many_layers_are_drawn_as_areas_with_few_names(report: RunReport) -> None:
    """No warning (they are errors here), at most `MOST_BARS` tick labels, the same sums."""
    costly = [layer for layer in report.results if layer.unit == "array"]
    many = tuple(replace(costly[i % len(costly)], name=f"layer{i}") for i in range(3 * MOST_BARS + 7))
    long = replace(report, results=many)
    for name in ("energy", "latency", "utilisation"):
        (axes,) = figure(long, name).axes
        assert len(axes.get_xticklabels()) <= MOST_BARS, name
        assert "one in 4 is named" in axes.get_xlabel()
        assert len(axes.collections) > 0 and len(axes.patches) == 0
    assert all(data for data in draw(long).values())


def test_a_network_of_views_has_a_summary() -> None:
    """Nothing moves, nothing costs, and the report says so."""
    net = Network("views")
    graph = net.build(net.flatten(net.input(3, 4, 4)))
    found = run(load_arch("edge_os_32x32")[0], graph)
    assert "Nothing to do" in summary_md(found)
    assert found.totals.total_energy_fj == 0
    assert all(layer.cycles == 0 for layer in found.results)
