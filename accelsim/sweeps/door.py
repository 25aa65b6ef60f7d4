"""Sweeps by file: what the command line and the library share."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from accelsim.errors import InputError, nearest
from accelsim.formats.sweep_yaml import load_sweep
from accelsim.space.spec import SweepSpec
from accelsim.space.types import Goal
from accelsim.store import user_text
from accelsim.sweeps.pool import LocalPool
from accelsim.sweeps.record import Record, Row
from accelsim.sweeps.runner import Executor, Summary, run_sweep
from accelsim.sweeps.tables import frame, front

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SweepResult:
    """A sweep that was run.

    Attributes:
        summary: points by status, failed ones with their errors. rows: points by number. goals: of the sweep.
    """

    summary: Summary
    rows: tuple[Row, ...]
    goals: tuple[Goal, ...]

    @property
    def points(self) -> pd.DataFrame:
        """One row per point: number, status, parameters, totals, figures."""
        return frame(self.rows)

    @property
    def pareto(self) -> pd.DataFrame:
        """The points that no other beats in every goal."""
        return frame(front(self.rows, self.goals))


def read_sweep(file: str, commands: tuple[str, ...] = ()) -> SweepSpec:
    """A sweep's file; `commands` are what a word without an ending may have been meant to be.

    Raises:
        InputError: it cannot be read, or is wrong.
    """
    path = Path(file)
    if commands and not path.suffix and not path.exists():
        raise InputError(f"no sweep file or command {file!r}; {nearest(file, commands)}")
    return load_sweep(user_text(file, "the sweep"), path.name, str(path.parent))


def folder_of(spec: SweepSpec) -> Path:
    """Where a sweep is kept if no folder is named."""
    return Path("accelsim-out") / f"sweep-{spec.name}"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def opener(workers: int | None, timeout_s: float | None, dask: str) -> Callable[[], AbstractContextManager[Executor]]:
    """What opens the processes of a sweep, here or on a cluster.

    Raises:
        InputError: fewer workers than one, or a timeout that is not above 0.
    """
    if workers is not None and workers < 1:
        raise InputError(f"workers {workers!r}, expected a whole number of at least 1")
    if timeout_s is not None and not 0 < timeout_s < float("inf"):
        raise InputError(f"timeout {timeout_s!r}, expected seconds above 0")

    def on_cluster() -> AbstractContextManager[Executor]:
        from accelsim.sweeps.cluster import DaskCluster

        return DaskCluster(dask, timeout_s)

    return on_cluster if dask else lambda: LocalPool(workers or cores(), timeout_s)


def sweep(
    file: str, out: str | Path | None, workers: int | None, timeout_s: float | None, retry: bool, dask: str
) -> SweepResult:
    """Run a sweep and return its points."""
    spec = read_sweep(file)
    folder = folder_of(spec) if out is None else Path(out)
    pool = opener(workers, spec.timeout_s if timeout_s is None else timeout_s, dask)
    summary = run_sweep(spec, folder, pool, retry=retry)
    with Record(folder) as record:
        return SweepResult(summary, tuple(record.rows()), spec.goals)
