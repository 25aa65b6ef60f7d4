"""The gallery: every view of a few runs chosen for teaching, with an index, as `reports/gallery` holds it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from accelsim import api
from accelsim.arch import Accelerator
from accelsim.formats.outputs import summary_md, to_json
from accelsim.lookup import load_arch, load_model
from accelsim.pipeline import run
from accelsim.plan import Cache, Options
from accelsim.plot.ask import Ask
from accelsim.plot.bound import Report
from accelsim.plot.compare import Comparison, compare_files
from accelsim.plot.page import report_html
from accelsim.plot.points import POINT_VIEWS, Points, render_points
from accelsim.plot.style import smaller
from accelsim.plot.views import VIEWS, render, selected
from accelsim.verdict import paragraph

Progress = Callable[[str], None]
CAPACITIES_KIB = (16, 32, 64, 128, 256, 512, 1024)
SWEPT = ("edge_os_32x32", "resnet18:size=64", "SRAM")


@dataclass(frozen=True)
class Case:
    """A run of the gallery and what it is there to show."""

    arch: str
    model: str
    lesson: str

    @property
    def name(self) -> str:
        """What its files begin with."""
        return f"{self.model}-{self.arch}"


CASES = (
    Case("eyeriss", "mobilenet_v2", "A row-stationary chip with little bandwidth: depthwise layers wait for DRAM."),
    Case("edge_os_32x32", "mobilenet_v2", "The same on an output-stationary array: depthwise layers leave it idle."),
    Case("tpu_v1", "resnet18", "A large weight-stationary array at batch 1: weights arrive too slowly."),
)  # fmt: skip
FILMS = (("edge_os_32x32", "mobilenet_v2"), ("tpu_v1", "resnet18"))


def _quiet(_: str) -> None:
    """Reports no progress."""


def swept_points(arch: Accelerator, memory: str, model: str, progress: Progress = _quiet) -> tuple[dict[str, Any], ...]:
    """A network on a machine with memories of several capacities, as points of a sweep."""
    graph = load_model(model)[0]
    cache: Cache = {}
    found = []
    for kib in CAPACITIES_KIB:
        progress(f"{memory} of {kib} KiB")
        memories = tuple(replace(m, capacity_bits=kib * 8192) if m.name == memory else m for m in arch.memories)
        report = run(replace(arch, memories=memories), graph, Options(), cache=cache)
        totals = report.as_dict()["totals"]
        keys = ("seconds", "cycles", "energy_pj", "dram_read_bits", "dram_write_bits")
        kept = {key: totals[key] for key in keys}
        kept["dram_bits"] = totals["dram_read_bits"] + totals["dram_write_bits"]
        found.append({"params": {memory: {"capacity": f"{kib} KiB"}}, "totals": kept, "status": "done"})
    return tuple(found)


def _sweep_files(progress: Progress) -> dict[str, bytes]:
    arch, model, memory = SWEPT
    points = swept_points(load_arch(arch)[0], memory, model, progress)
    rows = tuple(
        {f"params.{memory}.capacity": str(p["params"][memory]["capacity"])}
        | {f"totals.{key}": value for key, value in p["totals"].items()}
        for p in points
    )
    table = Points(f"{model} on {arch}, {memory} of 16 KiB to 1 MiB", rows)
    files = {"sweep.json": to_json({"points": list(points)}).encode()}
    front = Ask(x="totals.seconds", y="totals.energy_pj")
    slope = Ask(x=f"params.{memory}.capacity", y="totals.dram_bits")
    for view, ask in zip(POINT_VIEWS, (front, slope), strict=True):
        made = render_points(table, [view.name], ["png"], ask)
        files |= {f"sweep-{name}": data for name, data in made.items() if name.endswith(".png")}
    return files


def gallery_files(progress: Progress = _quiet) -> dict[str, bytes]:
    """All files of the gallery, the index among them; the same every time."""
    files: dict[str, bytes] = {}
    runs: dict[str, Report] = {}
    for case in CASES:
        progress(case.name)
        report = runs[case.name] = api.run(case.arch, case.model)
        made = render(report, kinds=("png",), with_csv=False)
        files |= {f"{case.name}-{name}": data for name, data in made.items()}
        files[f"{case.name}.md"] = summary_md(report).encode()
        files[f"{case.name}.html"] = report_html(report).encode()
    for arch, model in FILMS:
        film = render(runs[f"{model}-{arch}"], ["film"], ["gif"], Ask(cycles=16), with_csv=False)
        files[f"{model}-{arch}-film.gif"] = film["film.gif"]
    one, two = (runs[case.name] for case in CASES[:2])
    compared = compare_files(Comparison((CASES[0].arch, CASES[1].arch), (one, two)), ("png",))
    files |= {f"compare-{name}": data for name, data in compared.items() if name.endswith(".png")}
    files |= _sweep_files(progress)
    files = {name: smaller(data) if name.endswith(".png") else data for name, data in files.items()}
    files["README.md"] = index_md(runs, files).encode()
    return files


def index_md(runs: dict[str, Report], files: dict[str, bytes]) -> str:
    """The index: every run with its verdict and its views, then comparison and sweep."""
    parts = [
        "# Gallery",
        "Written by `accelsim gallery --out reports/gallery` (`make gallery`). Every figure has a CSV of its numbers "
        "with `accelsim plot`; the pages open in a browser without a network.",
    ]
    for case in CASES:
        report = runs[case.name]
        parts += [f"## {case.model} on {case.arch}", case.lesson, paragraph(report)]
        parts.append(f"[the whole summary]({case.name}.md), [the page]({case.name}.html)")
        for view in selected(report, ()):
            for suffix, _ in view.variants(report, Ask()):
                name = f"{case.name}-{view.name}{suffix}.png"
                parts.append(f"**{view.what}** (`--only {view.name}`)\n\n![{view.what}]({name})")
        if f"{case.name}-film.gif" in files:
            parts.append(f"![the same, moving]({case.name}-film.gif)")
    parts += [
        "## Two machines compared", "`accelsim compare A B`: ratios to the first, with the range that survives.",
        "![totals](compare-totals.png)", "![layers](compare-layers.png)",
        "## A memory of several sizes", f"`{SWEPT[1]}` on `{SWEPT[0]}`, {SWEPT[2]} from 16 KiB to 1 MiB "
        "([points](sweep.json)).",
        *(f"**{view.what}** (`--only {view.name}`)\n\n![{view.what}](sweep-{view.name}.png)" for view in POINT_VIEWS),
    ]  # fmt: skip
    unused = sorted({view.name for view in VIEWS} - {v.name for report in runs.values() for v in selected(report, ())})
    assert not unused, f"views that no case shows: {json.dumps(unused)}"
    return "\n\n".join(parts) + "\n"
