"""NVDLA's own estimate: MAC cycles of layers on 2048 MACs beside the stream cycles of our best mapping on `nvdla_full`.

The vendor's figures are an idealised `MACs / 2048`, fractions kept (three input channels count as 3 or 4 of 64), with
2.25 times fewer products where Winograd is used. Where channels and filters fill the array, direct convolution must
agree to the cycle; elsewhere the difference is what an array of 64 x 32 cannot use.
"""

from __future__ import annotations

from accelsim.arch import Accelerator
from accelsim.lookup import load_arch
from accelsim.mapper.search import map_problem
from accelsim.mapping.constraint import ANYTHING, Constraint, Factor, Rule
from accelsim.problem import conv_problem
from accelsim.validate.tables import table
from accelsim.validate.types import Comparison, Section, Statistic, mean_absolute_error

SOURCE = "NVDLA performance spreadsheet (nvdla/hw@8e06b1b), per-layer MAC cycles; a vendor's model, not silicon"
WINOGRAD = 2.25  # products of a direct 3 x 3 convolution over those of F(2x2, 3x3): 36 / 16
CYCLES = "MAC cycles"


def stream_cycles(line: dict[str, str], arch: Accelerator) -> int:
    """Cycles in which our array streams, of the fastest mapping; where the channels fill the array, of those that do.

    NVDLA always spreads channels over Atomic-C and kernels over Atomic-K; a layer that waits for DRAM would be as fast
    with fewer PEs, and the search is free to use them.
    """
    size, kernel, stride, out = (int(line[key]) for key in ("size", "kernel", "stride", "out"))
    pad = int(line["pad"])
    problem = conv_problem(
        batch=1, groups=1, out_channels=int(line["filters"]), in_channels=int(line["channels"]),
        out_size=(out, out), kernel=(kernel, kernel), in_size=(size, size), stride=(stride, stride), pad=(pad, pad),
    )  # fmt: skip
    limit = ANYTHING
    if problem.bound["C"] % arch.array.rows == 0 and problem.bound["M"] % arch.array.cols == 0:
        rows, cols = (Factor(n, n) for n in (arch.array.rows, arch.array.cols))
        limit = Constraint((Rule("row", (("C", rows),), only=True), Rule("col", (("M", cols),))))
    return map_problem(problem, arch, "latency", limit=limit).simulated.stream.breakdown.compute


def compare() -> Section:
    """`nvdla_full` against the vendor's table."""
    arch = load_arch("nvdla_full")[0]
    rows = []
    for line in table("nvdla_mac_cycles.csv"):
        direct = line["winograd"] == "0"
        theirs = float(line["mac_cycles"]) * (1 if direct else WINOGRAD)
        full = int(line["channels"]) % arch.array.rows == 0 and int(line["filters"]) % arch.array.cols == 0
        notes = [] if direct else ["vendor's Winograd cycles x 2.25"]
        notes += [] if full else ["channels or filters do not fill the array"]
        ours = stream_cycles(line, arch)
        kind = "fills the array" if full else "does not"
        rows.append(
            Comparison(line["layer"], CYCLES, "cycles", ours, theirs, 0 if full else None, kind, "; ".join(notes))
        )
    full_rows = [row for row in rows if row.band == 0]
    others = [row for row in rows if row.band is None]
    statistics = (
        Statistic("layers that fill the array", len(full_rows), "rows", 10, "at least"),
        Statistic("mean absolute error of the others", 100 * mean_absolute_error(others), "%"),
    )
    return Section("nvdla", "NVDLA vendor table", SOURCE, tuple(rows), statistics, NOTES, CYCLES)


NOTES = (
    "The vendor counts AlexNet's first layer with 54 x 54 outputs and exactly three channels, ResNet-50's with four.",
    "Shapes are the networks'; only the cycles are cited from the spreadsheet.",
)
