"""The gallery: small figures, points of a memory of several sizes, and what is committed is what the command writes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

import accelsim
from accelsim.gallery import CAPACITIES_KIB, CASES, gallery_files, swept_points
from accelsim.graph import Network
from accelsim.lookup import load_arch
from accelsim.pipeline import run
from accelsim.plot.page import report_html
from accelsim.plot.style import save, smaller
from accelsim.plot.views import figure, render


def test_figures_get_smaller_and_keep_their_size() -> None:
    png = save(figure(accelsim.run("edge_os_32x32", "mlp"), "machine"), "png")
    less = smaller(png)
    assert less == smaller(png) and len(less) < len(png)
    with Image.open(io.BytesIO(png)) as one, Image.open(io.BytesIO(less)) as two:
        assert one.size == two.size


def test_a_memory_of_several_sizes() -> None:
    seen: list[str] = []
    points = swept_points(load_arch("edge_os_32x32")[0], "SRAM", "mlp", seen.append)
    assert [p["params"]["SRAM"]["capacity"] for p in points] == [f"{kib} KiB" for kib in CAPACITIES_KIB]
    assert len(seen) == len(CAPACITIES_KIB)
    assert all(p["totals"]["dram_bits"] > 0 and p["status"] == "done" for p in points)


def test_networks_without_work_have_views_and_a_page() -> None:
    net = Network("views")
    nothing = run(load_arch("edge_os_32x32")[0], net.build(net.flatten(net.input(3, 4, 4))))
    pool = Network("pool")
    vector = run(load_arch("edge_os_32x32")[0], pool.build(pool.relu(pool.input(3, 8, 8))))
    for report in (nothing, vector):
        files = render(report, kinds=("svg",))
        assert "energy.svg" in files and "roofline.svg" not in files
        assert report.model in report_html(report)


@pytest.mark.slow
def test_the_committed_gallery_is_what_the_command_writes(root: Path) -> None:
    files = gallery_files()
    folder = root / "reports" / "gallery"
    assert {path.name for path in folder.iterdir()} == set(files)
    for case in CASES:
        for name in (f"{case.name}.md", f"{case.name}.html"):
            assert (folder / name).read_bytes() == files[name], name
    for name in ("README.md", "sweep.json"):
        assert (folder / name).read_bytes() == files[name], name
