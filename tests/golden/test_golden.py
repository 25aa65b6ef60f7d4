"""Did a report change? Small reports are kept whole; change them with --update-golden and read the diff."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import accelsim
from accelsim.formats.outputs import layers_csv, summary_md
from accelsim.plot.points import POINT_VIEWS
from accelsim.plot.views import VIEWS

HERE = Path(__file__).parent


@pytest.mark.parametrize("arch", ["eyeriss", "tpu_v1", "edge_os_32x32", "edge_os_32x32_lpddr4"])
def test_mobilenet_at_32_pixels(arch: str, update_golden: bool) -> None:
    report = accelsim.run(arch, "mobilenet_v2:size=32,width=0.25")
    data = report.as_dict()
    kept = {
        "totals": data["totals"],
        "layers": [[x["name"], x["cycles"], x["energy_fj"], x["issued_macs"], x["active_pes"]] for x in data["layers"]],
    }
    path = HERE / f"mobilenet_v2_small-{arch}.json"
    text = json.dumps(kept, indent=1) + "\n"
    if update_golden:
        path.write_text(text)
    assert path.read_text() == text


def test_summary_and_table_agree_with_the_report() -> None:
    report = accelsim.run("eyeriss", "mlp")
    text = summary_md(report)
    assert f"{report.totals.cycles:,} cycles" in text
    for layer in report.results:
        assert f"| {layer.name} | {layer.op} | {layer.issued_macs:,} | {layer.cycles:,} |" in text
    lines = layers_csv(report).splitlines()
    assert len(lines) == len(report.results) + 1
    table = report.layers
    assert list(table["cycles"]) == [layer.cycles for layer in report.results]
    assert int(table["cycles"].sum()) == report.totals.cycles
    assert lines[0].split(",")[:3] == list(table.columns)[:3]


def test_gallery_is_what_the_main_job_writes(root: Path, update_golden: bool) -> None:
    """`reports/gallery` shows the main job's summary; it may not go stale (figures: `make gallery`)."""
    path = root / "reports" / "gallery" / "mobilenet_v2-eyeriss.md"
    text = summary_md(accelsim.run("eyeriss", "mobilenet_v2"))
    if update_golden:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text


def test_the_gallery_is_whole_and_small(root: Path) -> None:
    """Its index shows every view and every picture, and links to nothing that is not there."""
    folder = root / "reports" / "gallery"
    index = (folder / "README.md").read_text()
    linked = set(re.findall(r"\]\(([^)]+)\)", index))
    files = {path.name for path in folder.iterdir()} - {"README.md"}
    assert linked == files
    for view in (*VIEWS, *POINT_VIEWS):
        assert f"(`--only {view.name}`)" in index, view.name
    assert sum(path.stat().st_size for path in folder.iterdir()) < 6_000_000
