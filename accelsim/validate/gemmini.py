"""Gemmini's RTL, simulated by FireSim for DOSA: cycles from a row's mapping against the cycles counted there.

Source: Hong et al., "DOSA: Differentiable Model-Based One-Loop Search for DNN Accelerators", MICRO 2023, and its data
(github.com/ucb-bar/dosa, BSD 2-Clause; the licence stands beside the file).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from accelsim.errors import InputError
from accelsim.formats.gemmini import MEASURED, GemminiRow, read_file, read_rows
from accelsim.store import reference_text
from accelsim.timing.gemmini.machine import GEMMINI
from accelsim.timing.gemmini.model import Work, cycles_of, hard_bound, without_parts, work
from accelsim.timing.gemmini.tiles import TiledLayer
from accelsim.validate.types import Comparison, Section, Statistic, mean_absolute_error, share_within

OURS = "gemmini/firesim_rtl_cycles.csv"
NETWORKS: dict[tuple[int, ...], str] = {
    (256, 110592): "BERT",
    (512, 130048): "ResNet-50",
    (784, 267264): "RetinaNet",
    (1376, 398336): "U-Net",
}
FITTED = {"op_cycles": (7, 8, 9), "write_overlap": (1, 2, 8)}
REFITTED = FITTED | {"activate_cycles": (28, 42, 56)}
MAPE_BOUND, RANK_BOUND, SHARE_BOUND, NEAR = 0.12, 0.99, 0.75, 0.20
FEW = 16


@dataclass(frozen=True)
class Run:
    """A row with the counts of its tiles, our cycles and those no machine can be below."""

    row: GemminiRow
    measured: float
    works: tuple[Work, ...]
    ours: int
    bound: int

    @property
    def network(self) -> str:
        """The network it is from, as the buffers of its group tell; empty if unknown."""
        return NETWORKS.get(self.row.buffers, "")


def compare() -> Section:
    """The 74 published rows."""
    return _section(read_rows(reference_text(OURS), OURS), OURS)


def compare_rows(path: str) -> Section:
    """The rows of a file in the same format.

    Raises:
        InputError: the file cannot be read, a value does not fit, a row has no measured cycles.
    """
    return _section(read_file(path), path)


def _section(rows: Sequence[GemminiRow], name: str) -> Section:
    runs = tuple(_run(row, name) for row in rows)
    found = tuple(_comparison(run) for run in runs)
    return Section(
        key="gemmini",
        title="Gemmini RTL (FireSim)",
        source="Hong et al., MICRO 2023 (DOSA): cycles of Gemmini's RTL in FireSim, BSD 2-Clause",
        comparisons=found,
        statistics=_statistics(runs, found),
        notes=_notes(runs, found),
        plot="cycles",
    )


def _run(row: GemminiRow, name: str) -> Run:
    if row.measured is None:
        raise InputError(f"{name} line {row.line}, column {MEASURED}: no value, expected the measured cycles")
    works = tuple(work(row.layer))
    return Run(row, row.measured, works, cycles_of(works), hard_bound(works))


def kind_of(layer: TiledLayer) -> str:
    """The layer type that the residual plot groups by."""
    sizes = layer.sizes
    if layer.is_matmul:
        return "matrix product"
    if sizes.C < FEW:
        return "few input channels"
    if sizes.K < FEW:
        return "few output channels"
    return f"{sizes.R}x{sizes.S}" + (" strided" if layer.stride > 1 else "")


def label(row: GemminiRow) -> str:
    """Line and shape of a row."""
    sizes = row.layer.sizes
    return f"{row.line}: C{sizes.C} K{sizes.K} P{sizes.P} Q{sizes.Q} R{sizes.R}"


def _comparison(run: Run) -> Comparison:
    kind = kind_of(run.row.layer)
    found = Comparison(label(run.row), "cycles", "cycles", run.ours, run.measured, kind=kind)
    if abs(found.error) <= NEAR:
        return found
    return replace(found, note=_reason(run, found.error))


def _reason(run: Run, error: float) -> str:
    """What sets a row apart that is off by more than the band; nothing is tuned for it."""
    layer = run.row.layer
    sizes, line = layer.sizes, GEMMINI.line_bytes
    if layer.is_matmul:
        return "matrix product: operands of the test overlap in memory, so what the cache holds is not known"
    if sizes.C < FEW:
        return "pixels of few channels: many requests to one cache line, handled one after the other; not modelled"
    narrow = 8 * line <= sizes.K > layer.step.K and sizes.K & (sizes.K - 1) == 0
    if error < 0 and narrow:
        return f"weights at a pitch of {sizes.K} bytes: same cache sets and DRAM banks, more than expected"
    if error < 0:
        return "the RTL fetches more from DRAM than the expected share of misses"
    return "the RTL keeps more in the cache, or writes less of it back, than expected"


def rank_correlation(ours: Sequence[float], reference: Sequence[float]) -> float:
    """Spearman's rank correlation, ties at their mean rank; not a number if one side is constant."""
    ranks = [pd.Series(values, dtype=float).rank().to_numpy() for values in (ours, reference)]
    if any(len(np.unique(rank)) < 2 for rank in ranks):
        return float("nan")
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _statistics(runs: Sequence[Run], found: Sequence[Comparison]) -> tuple[Statistic, ...]:
    ours, measured = [run.ours for run in runs], [run.measured for run in runs]
    rank = rank_correlation(ours, measured)
    theirs = _analytical(runs)
    statistics = [
        Statistic("MAPE", mean_absolute_error(found), "", MAPE_BOUND, reached=theirs[0]),
        Statistic(f"share within {NEAR:.0%}", share_within(found, NEAR), "", SHARE_BOUND, "at least", theirs[2]),
        Statistic("median of ours / RTL", float(np.median(np.divide(ours, measured)))),
        Statistic("rows below the hard bound", sum(run.ours < run.bound for run in runs), "rows", 0),
        Statistic("RTL rows below the hard bound", sum(run.measured < run.bound for run in runs), "rows"),
    ]
    if not np.isnan(rank):
        statistics.insert(1, Statistic("Spearman", rank, "", RANK_BOUND, "at least", theirs[1]))
    return tuple(statistics)


def _analytical(runs: Sequence[Run]) -> tuple[str, str, str]:
    """What DOSA's analytical estimate reaches on the same rows, if they all have it."""
    estimates = [run.row.estimate for run in runs if run.row.estimate is not None]
    if len(estimates) < len(runs):
        return "", "", ""
    measured = [run.measured for run in runs]
    errors = np.abs(np.divide(estimates, measured) - 1)
    rank = rank_correlation(estimates, measured)
    who = "DOSA's analytical model"
    return f"{who} {errors.mean():.3f}", f"{who} {rank:.3f}", f"{who} {(errors <= NEAR).mean():.3f}"


def _errors(runs: Sequence[Run], constant: str, value: int) -> np.ndarray:
    """Absolute relative errors (rows,) with one constant set; the counts of the tiles do not depend on it."""
    if value == getattr(GEMMINI, constant):
        return np.array([abs(run.ours / run.measured - 1) for run in runs])
    machine = replace(GEMMINI, **{constant: value})
    return np.array([abs(cycles_of(run.works, machine) / run.measured - 1) for run in runs])


def left_out(runs: Sequence[Run], constant: str, values: Sequence[int]) -> float | None:
    """Mean error when each network's rows are timed with the constant fitted on the other networks alone.

    None if the rows are of one network or of unknown ones.
    """
    networks = list(dict.fromkeys(run.network for run in runs))
    if len(networks) < 2 or "" in networks:
        return None
    errors = {value: _errors(runs, constant, value) for value in values}
    away = np.zeros(len(runs))
    for network in networks:
        mine = np.array([run.network == network for run in runs])
        best = min(values, key=lambda value: float(errors[value][~mine].mean()))
        away[mine] = errors[best][mine]
    return float(away.mean())


def _notes(runs: Sequence[Run], found: Sequence[Comparison]) -> tuple[str, ...]:
    notes = [
        "model: tiles in the order the software sends them; mesh, DMA, random-replacement L2, DRAM rows, three queues",
        "hard bound of a row: max(rows into the mesh, 16-byte beats read, 16-byte beats written)",
        "fitted: op_cycles 8 on compute-bound rows, write_overlap 2 on all; activate_cycles 42 from DDR3 14-14-14",
        "assumed: DDR3-2133 at the core clock, issue_cycles 300, no scratchpad hazards, cache empty at the start",
        f"mean error by part of the machine: {_ablation(runs)}",
        f"mean error by network: {_by_group(runs, [run.network or 'unknown' for run in runs])}",
        f"mean error by layer type: {_by_group(runs, [row.kind for row in found])}",
    ]
    for constant, values in REFITTED.items():
        error = left_out(runs, constant, values)
        if error is not None:
            tried = ", ".join(str(value) for value in values)
            notes.append(f"leave one network out, {constant} from {{{tried}}} on the others: mean error {error:.3f}")
    return tuple(notes)


def _ablation(runs: Sequence[Run]) -> str:
    parts = [without_parts(run.works) | {"with cache and DRAM": run.ours} for run in runs]
    means = {
        name: np.mean([abs(p[name] / run.measured - 1) for p, run in zip(parts, runs, strict=True)])
        for name in parts[0]
    }
    return "; ".join(f"{name} {mean:.3f}" for name, mean in means.items())


def _by_group(runs: Sequence[Run], groups: Sequence[str]) -> str:
    texts = []
    for name in dict.fromkeys(groups):
        errors = [abs(run.ours / run.measured - 1) for run, group in zip(runs, groups, strict=True) if group == name]
        texts.append(f"{name} {np.mean(errors):.3f} ({len(errors)})")
    return "; ".join(texts)
