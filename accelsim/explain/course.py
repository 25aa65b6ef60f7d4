"""The course's tables, each beside what machines make of it: cycles, energy, DRAM traffic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from accelsim.execute.kernels import compute
from accelsim.explain.formulas import separable_cost, shift_cost, standard_cost
from accelsim.graph import LayerGraph, Network
from accelsim.layers import Conv2d
from accelsim.lookup import load_arch, load_model
from accelsim.pipeline import run
from accelsim.plan import Cache, Options
from accelsim.report import RunReport

MACHINES = ("eyeriss", "edge_os_32x32")
Progress = Callable[[str], None]
Cell = str | int | float


@dataclass(frozen=True)
class Table:
    """A table: title, column names with units, rows, and what must be said about it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The table as JSON."""
        return {
            "title": self.title,
            "columns": list(self.columns),
            "rows": [list(r) for r in self.rows],
            "note": self.note,
        }


class _Machines:
    """Runs of networks on the machines of the tables, mappings shared."""

    def __init__(self, progress: Progress | None) -> None:
        self._archs = [load_arch(name)[0] for name in MACHINES]
        self._caches: list[Cache] = [{} for _ in MACHINES]
        self._progress = progress

    def reports(self, graph: LayerGraph) -> list[RunReport]:
        """One report per machine."""
        if self._progress is not None:
            self._progress(graph.name)
        pairs = zip(self._archs, self._caches, strict=True)
        return [run(arch, graph, Options(), cache=cache) for arch, cache in pairs]

    def cells(self, graph: LayerGraph) -> tuple[Cell, ...]:
        """Cycles, millijoules and megabytes of DRAM traffic per machine."""
        found: list[Cell] = []
        for report in self.reports(graph):
            dram = sum(f.read_bits + f.write_bits for f in report.totals.traffic.get("DRAM", {}).values())
            found += [report.totals.cycles, round(report.totals.total_energy_fj / 1e12, 3), round(dram / 8e6, 2)]
        return tuple(found)


COSTS = tuple(f"{name} {what}" for name in MACHINES for what in ("cycles", "mJ", "DRAM MB"))


def _networks(
    title: str, rows: Sequence[tuple[str, str, str]], machines: _Machines, note: str = "", published: str = "published"
) -> Table:
    """Rows of (label, model, published figure): parameters, MACs and costs."""
    found = []
    for label, spec, figure in rows:
        graph = load_model(spec)[0]
        found.append((label, graph.params, graph.macs, figure, *machines.cells(graph)))
    return Table(title, ("network", "parameters", "MACs", published, *COSTS), tuple(found), note)


def _cifar(machines: _Machines) -> Table:
    published = {20: "0.27 M", 32: "0.46 M", 44: "0.66 M", 56: "0.85 M", 110: "1.7 M", 1202: "19.4 M"}
    rows = [(f"ResNet-{depth}", f"resnet_cifar:depth={depth}", figure) for depth, figure in published.items()]
    return _networks(
        "CIFAR ResNets: depth and parameters (option A)",
        rows,
        machines,
        "Published: He et al., table 6.",
        "published params",
    )


def _mobilenet(machines: _Machines) -> Table:
    rows = [
        (f"MobileNetV1 {width:g}x", f"mobilenet_v1:width={width}", f"{figure} M")
        for width, figure in ((1.0, 569), (0.75, 325), (0.5, 149), (0.25, 41))
    ]
    return _networks("MobileNet: width and complexity", rows, machines, "Published MACs: Howard et al., table 6.")


def _shufflenet(machines: _Machines) -> Table:
    rows = [
        ("2x, g=3", "shufflenet_v1:width=2.0,groups=3", "524 M"),
        ("1.5x, g=3", "shufflenet_v1:width=1.5,groups=3,megvii=True", "292 M"),
        ("1x, g=8", "shufflenet_v1:width=1.0,groups=8", "140 M"),
        ("1x, g=3", "shufflenet_v1:width=1.0,groups=3", "137 M"),
        ("1x, g=3, no shuffle", "shufflenet_v1:width=1.0,groups=3,shuffle=False", "137 M"),
        ("0.5x, g=3", "shufflenet_v1:width=0.5,groups=3,megvii=True", "38 M"),
        ("0.5x, g=4, nearest width that divides", "shufflenet_v1:width=0.5,groups=4", "38 M"),
    ]
    note = (
        "Published MACs: Zhang et al., tables 1 to 3. The shuffle has no MACs, but all of it is read and written: "
        "compare the two rows of 1x, g=3. The published 0.5x, g=4 does not divide into groups; the nearest width does."
    )
    return _networks("ShuffleNet: complexity, and what the shuffle moves", rows, machines, note)


def _squeezenet(machines: _Machines | None = None) -> Table:
    """Sizes; with machines also what AlexNet and SqueezeNet cost on them, at the machine's own widths."""
    large, small = load_model("alexnet_2012_ungrouped")[0], load_model("squeezenet1_0")[0]
    alexnet, squeezenet = large.params, small.params
    base = alexnet * 32
    blank: tuple[Cell, ...] = ("-",) * len(COSTS) if machines else ()
    costs = [machines.cells(graph) for graph in (large, small)] if machines else [(), ()]
    rows: list[tuple[Cell, ...]] = [("AlexNet, 32 bit", round(base / 8e6, 2), "240 MB", 1.0, "1x", *costs[0])]
    for name, megabytes, ratio in (
        ("SVD", "48 MB", "5x"),
        ("network pruning", "27 MB", "9x"),
        ("Deep Compression", "6.9 MB", "35x"),
    ):
        rows.append((f"AlexNet, {name}", "-", megabytes, "-", ratio, *blank))
    for bits, figure, ratio in ((32, "4.8 MB", "50x"), (8, "0.66 MB", "363x"), (6, "0.47 MB", "510x")):
        size = squeezenet * bits
        rows.append(
            (
                f"SqueezeNet, {bits} bit",
                round(size / 8e6, 2),
                figure,
                round(base / size, 1),
                ratio,
                *(costs[1] if bits == 32 else blank),
            )
        )
    note = (
        f"AlexNet {alexnet:,} parameters, SqueezeNet {squeezenet:,}: {squeezenet * 4 / 2**20:.2f} MiB at 32 bit. "
        "The published 8 and 6 bit figures (Iandola et al., table 2) also prune a third of the weights away and code "
        "them; ours are dense. The machines run both at their own widths."
    )
    return Table(
        "SqueezeNet against AlexNet: model size",
        ("model", "MB", "published", "ratio", "published ratio", *(COSTS if machines else ())),
        tuple(rows),
        note,
    )


def _deformable(machines: _Machines) -> Table:
    rows = [
        (name, f"deform_resnet101:deformable={name}", figure)
        for name, figure in (
            ("none", "0"),
            ("res5c", "1"),
            ("res5bc", "2"),
            ("res5abc", "3"),
            ("res5abc+res4b20-22", "6"),
        )
    ]
    note = "ResNet-101, res5 dilated. Sampling has no MACs; its data-dependent reads are charged at their upper bound."
    return _networks("Deformable layers in ResNet-101", rows, machines, note, "deformable layers")


def _padding() -> Table:
    x = np.array([[1, 0, 5], [3, -1, -2], [4, 0, -3.0]])[None, None]
    w = {"weight": np.array([[1, 0, 3], [0, 2, -2], [1, 3, -1.0]])[None, None]}
    padded = compute(Conv2d(1, (3, 3), pads=(1, 1, 1, 1), bias=False), [x], w)[0, 0]
    plain = compute(Conv2d(1, (3, 3), bias=False), [x], w)[0, 0]
    rows: list[tuple[Cell, ...]] = [("1", *(int(v) for v in line)) for line in padded]
    rows.append(("0", int(plain[0, 0]), "", ""))
    note = (
        "Input [[1,0,5],[3,-1,-2],[4,0,-3]], kernel [[1,0,3],[0,2,-2],[1,3,-1]], stride 1, no flip. The result "
        "printed in the lecture is wrong in two of the nine entries; this is the right one."
    )
    return Table("The padding example", ("padding", "column 1", "column 2", "column 3"), tuple(rows), note)


def _one_layer(machines: _Machines) -> Table:
    """One 3x3 layer, 128 to 128 channels at 28 x 28, in four forms."""
    c = m = 128
    size, k, ef = 28, 9, 28 * 28
    forms: list[tuple[str, Callable[[Network, Any], Any], tuple[int, int]]] = [
        ("standard 3x3", lambda n, x: n.conv(x, m, 3, pad=1, bias=False), standard_cost(1, m, c, k, ef, ef)),
        ("grouped 3x3, G=4", lambda n, x: n.conv(x, m, 3, pad=1, groups=4, bias=False),
         standard_cost(1, m, c, k, ef, ef, 4)),
        ("depthwise 3x3 and 1x1",
         lambda n, x: n.conv(n.conv(x, c, 3, pad=1, groups=c, bias=False), m, 1, bias=False),
         separable_cost(1, m, c, k, ef, ef)),
        ("shift and 1x1", lambda n, x: n.conv(n.shift(x), m, 1, bias=False), shift_cost(1, m, c, ef, ef)),
    ]  # fmt: skip
    rows = []
    for name, make, (macs, bits) in forms:
        net = Network(name.replace(" ", "_"))
        graph = net.build(make(net, net.input(c, size, size)))
        assert graph.macs == macs
        rows.append((name, graph.params, macs, bits, *machines.cells(graph)))
    note = "128 to 128 channels, 28 x 28, 3x3. Storage as the lecture counts it: 32-bit weights, input, output."
    return Table("One layer in four forms", ("form", "parameters", "MACs", "storage bits", *COSTS), tuple(rows), note)


def course_tables(progress: Progress | None = None) -> list[Table]:
    """All tables."""
    machines = _Machines(progress)
    return [
        _cifar(machines),
        _mobilenet(machines),
        _shufflenet(machines),
        _squeezenet(machines),
        _deformable(machines),
        _padding(),
        _one_layer(machines),
    ]


def _shown(cell: Cell) -> str:
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def tables_md(tables: Sequence[Table]) -> str:
    """The tables as Markdown."""
    parts = [
        "# The course's tables\n\nWritten by `accelsim tables --out reports/course_tables.md`. Batch 1; machines as in "
        "`arch_configs/`, layer by layer, mapped for energy x time; DRAM MB are 1e6 bytes read and written."
    ]
    for table in tables:
        lines = [f"## {table.title}", ""]
        if table.note:
            lines += [table.note, ""]
        lines += ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
        lines += ["| " + " | ".join(_shown(cell) for cell in row) + " |" for row in table.rows]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
