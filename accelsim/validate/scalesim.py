"""SCALE-Sim 3.0.0: our closed form against what the package reports, and our causal cycles beside its own.

Reference data (`accelsim/validate/data`): `scalesim_oracle.csv`, every figure of the three reports for 18 layers on
three dataflows, printed by the package scalesim 3.0.0 (PyPI; numpy 2.3.5, Python 3.11) in CALC mode, one layer a run;
`scalesim_topologies.csv`, the layer sizes of its bundled AlexNet (scale-sim-v2, topologies/conv_nets/alexnet.csv) and
ResNet-18 (SCALE-Sim, topologies/conv_nets/Resnet18.csv); `scalesim_cycles.csv`, the package's cycles for these,
with the SRAM sizes of its configs/scale.cfg and google.cfg (on which its cycles do not depend).
"""

from __future__ import annotations

import csv
import io
from typing import cast

from accelsim.compat import simulate_layers
from accelsim.formats.scalesim import Row, ScaleConfig, graph_of, rows_of, to_accelerator
from accelsim.pipeline import run
from accelsim.store import reference_text
from accelsim.timing.scalesim import (
    BANDWIDTH_COLUMNS,
    COMPUTE_COLUMNS,
    DETAIL_COLUMNS,
    ScaleDataflow,
    ScaleLayer,
    ScaleMachine,
    ScaleResult,
    bandwidth_row,
    compute_row,
    detail_row,
    simulate,
)
from accelsim.validate.types import Comparison, Section, Statistic

COLUMNS = (*COMPUTE_COLUMNS, *BANDWIDTH_COLUMNS, *DETAIL_COLUMNS)
SHOWN = (("Total Cycles", "cycles"), ("DRAM IFMAP Reads", "words"), ("DRAM OFMAP Writes", "words"))


def _table(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(reference_text(name))))


def _layer(row: dict[str, str]) -> ScaleLayer:
    names = ("height", "width", "filter_height", "filter_width", "channels", "filters", "stride", "stride")
    return ScaleLayer(row["name"], *(int(row[name]) for name in names))


def topology(network: str) -> tuple[ScaleLayer, ...]:
    """The layers of a bundled topology: `alexnet` or `resnet18`."""
    return tuple(_layer(row) for row in _table("scalesim_topologies.csv") if row["network"] == network)


def _machine(row: dict[str, str]) -> ScaleMachine:
    dataflow = cast(ScaleDataflow, row["dataflow"])
    rows, cols, ifmap, filters, ofmap = (int(row[n]) for n in ("rows", "cols", "ifmap_kb", "filter_kb", "ofmap_kb"))
    return ScaleMachine(rows, cols, ifmap, filters, ofmap, dataflow)


def figures(result: ScaleResult) -> dict[str, str]:
    """Every figure as SCALE-Sim prints it, by the text of its column."""
    values = [*compute_row(result), *bandwidth_row(result), *detail_row(result)]
    return dict(zip(COLUMNS, map(str, values), strict=True))


def oracle() -> tuple[list[Comparison], int, int]:
    """(rows shown, figures compared, figures that differ in any digit) of the oracle's table."""
    shown: list[Comparison] = []
    compared = differ = 0
    for row in _table("scalesim_oracle.csv"):
        machine = _machine(row)
        ours = figures(simulate(_layer(row), machine))
        compared += len(COLUMNS)
        differ += sum(ours[column] != row[column] for column in COLUMNS)
        item = f"{row['name']} on {machine.rows}x{machine.cols} {machine.dataflow}"
        shown += [
            Comparison(item, column, unit, float(ours[column]), float(row[column]), 0, machine.dataflow)
            for column, unit in SHOWN
        ]
    return shown, compared, differ


def _network(row: dict[str, str]) -> list[Comparison]:
    """A whole topology: its cycles, and our causal cycles beside them (shown, not judged)."""
    machine = _machine(row)
    layers = topology(row["network"])
    theirs = float(row["cycles"])
    total = sum(result.cycles for result in simulate_layers(layers, machine))
    item = f"{row['network']} on {machine.rows}x{machine.cols} {machine.dataflow}"
    rows = tuple(Row(number, layer) for number, layer in enumerate(layers, 1))
    arch = to_accelerator(ScaleConfig("", machine), "scalesim")
    report = run(arch, graph_of(rows, row["network"]), rows=rows_of(rows))
    causal = sum(layer.causal_cycles or 0 for layer in report.results)
    why = "results leave through the array, DRAM of 10 words a cycle is waited for, our mapper spreads output rows"
    return [
        Comparison(item, "Total Cycles", "cycles", total, theirs, 0, machine.dataflow),
        Comparison(item, "run", "cycles", report.totals.cycles, theirs, 0, machine.dataflow),
        Comparison(item, "causal cycles", "cycles", causal, theirs, None, machine.dataflow, why),
    ]


def compare() -> Section:
    """Bundled topologies and the oracle's table, all to the last digit."""
    networks = [found for row in _table("scalesim_cycles.csv") for found in _network(row)]
    rows, compared, differ = oracle()
    return Section(
        key="scalesim",
        title="SCALE-Sim 3.0.0, CALC mode",
        source="package scalesim 3.0.0 (PyPI, numpy 2.3.5, Python 3.11); Samajdar et al., ISPASS 2020",
        comparisons=(*networks, *rows),
        statistics=(
            Statistic("figures compared", compared, bound=1000, sense="at least"),
            Statistic("figures that differ in any digit", differ, bound=0),
        ),
        notes=(
            "Every column of its three reports is compared as printed: 30 figures a layer; the table shows three.",
            "DRAM writes exceed the results where the ofmap SRAM fills more than once: SCALE-Sim counts the padding of "
            "unfinished lines as written words.",
            "USER bandwidth, sparsity and custom layouts of SCALE-Sim are not reproduced.",
        ),
    )
