"""`timing: scalesim`: the layers of a finished, checked causal run with SCALE-Sim's cycles in their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from accelsim.arch import Accelerator
from accelsim.plan import Plan
from accelsim.problem import Problem
from accelsim.report import LayerResult
from accelsim.timing.scalesim import (
    ScaleLayer,
    ScaleMachine,
    ScaleResult,
    ScaleRun,
    scale_layers,
    scale_machine,
    simulate,
)

Rows = Mapping[str, tuple[ScaleLayer, ...]]

DEPTHWISE = "`DP` in its name: a depthwise convolution here, one run per channel in SCALE-Sim"
NOTE = (
    "cycles are those of SCALE-Sim 3.0.0 in CALC mode: batch 1 (images and groups run one after another), output "
    "pixels numbered through all rows and laid side by side, every fold costs the whole array, folds never overlap, "
    "nothing stalls, an os result leaves before its row of the array is done, and totals are plain sums; "
    "causal_cycles beside them are ours (used rows and columns, os drains through the array, DRAM and ports waited "
    "for), and so are stalls, energy and traffic"
)


class _Runs:
    """Results of one machine; equal layers are computed once."""

    def __init__(self, machine: ScaleMachine) -> None:
        self.machine = machine
        self._found: dict[ScaleLayer, ScaleResult] = {}

    def of(self, layer: ScaleLayer) -> ScaleResult:
        key = replace(layer, name="")
        if key not in self._found:
            self._found[key] = simulate(layer, self.machine)
        return replace(self._found[key], name=layer.name)

    def run(self, asked: Sequence[tuple[ScaleLayer, int]]) -> ScaleRun | None:
        return ScaleRun(tuple((self.of(layer), times) for layer, times in asked)) if asked else None


def simulate_layers(layers: Iterable[ScaleLayer], machine: ScaleMachine) -> tuple[ScaleResult, ...]:
    """What SCALE-Sim reports for a topology, layer by layer."""
    runs = _Runs(machine)
    return tuple(runs.of(layer) for layer in layers)


def scale_runs(plans: Sequence[Plan], arch: Accelerator, rows: Rows | None = None) -> list[ScaleRun | None]:
    """SCALE-Sim's runs for each planned layer; None for layers without array work.

    Args:
        rows: the rows of a topology by layer name, taken as they are; other layers are translated from their problems.
    """
    runs = _Runs(scale_machine(arch))
    found: list[ScaleRun | None] = []
    for plan in plans:
        name = plan.node.name
        if rows is not None and name in rows:
            counted: dict[ScaleLayer, int] = {}
            for layer in rows[name]:
                counted[layer] = counted.get(layer, 0) + 1
            found.append(runs.run(list(counted.items())))
            continue
        asked = [
            scale_layers(name, part.item) for part in plan.parts if part.on_array and isinstance(part.item, Problem)
        ]
        found.append(runs.run(asked))
    return found


def _note(layer: LayerResult, run: ScaleRun) -> str:
    folds = sum(r.folds.row_folds * r.folds.col_folds * times for r, times in run.runs)
    each = sorted({r.folds.cycles for r, _ in run.runs})
    several = f"{run.count} runs, " if run.count > 1 else ""
    theirs = sum(r.folds.used_rows * r.folds.used_cols * r.folds.stream * times for r, times in run.runs)
    if theirs != layer.issued_macs:
        several += f"{theirs:,} MACs, "
    text = f"SCALE-Sim: {several}{folds:,} folds of {', '.join(map(str, each))} cycles"
    waits = sum(cycles for cause, cycles in layer.stall_cycles.items() if cause != "array_fill_drain")
    return f"{text}; causal: {layer.cycles:,} cycles, {waits:,} of them waiting for ports and DRAM; {layer.note}"


def with_scalesim(
    results: Sequence[LayerResult], plans: Sequence[Plan], runs: Sequence[ScaleRun | None], pes: int
) -> tuple[LayerResult, ...]:
    """The layers one after another with SCALE-Sim's cycles; work of the vector unit keeps our time."""
    found, clock = [], 0
    for layer, plan, run in zip(results, plans, runs, strict=True):
        cycles = layer.cycles
        if run is not None:
            cycles = run.cycles + sum(part.outcome.makespan for part in plan.parts if not part.on_array)
        found.append(
            replace(
                layer,
                cycles=cycles,
                start_cycle=clock,
                end_cycle=clock + cycles,
                utilization=min(1.0, layer.issued_macs / (pes * cycles)) if cycles else 0.0,
                note=layer.note if run is None else _note(layer, run),
                scalesim=run,
                causal_cycles=layer.cycles,
            )
        )
        clock += cycles
    return tuple(found)


def noted(results: Sequence[LayerResult], rows: Rows) -> tuple[LayerResult, ...]:
    """The layers with a word on the rows of a topology that were read as depthwise convolutions."""
    named = [(layer, rows.get(layer.name, ())) for layer in results]
    return tuple(replace(x, note=f"{DEPTHWISE}; {x.note}") if len(mine) > 1 else x for x, mine in named)
