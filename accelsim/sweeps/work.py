"""One design point: from machines, network and options to the figures that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from json import dumps
from time import perf_counter
from typing import Any

from accelsim.arch import Accelerator
from accelsim.compat import Rows
from accelsim.errors import AccelsimError, MappingError
from accelsim.formats.canonical import canonical
from accelsim.formats.mapping_cache import MappingCache
from accelsim.graph import LayerGraph
from accelsim.lookup import load_model, load_rows
from accelsim.mapper.objective import Objective, objective_cost
from accelsim.pipeline import run
from accelsim.plan import KeptCache, Options
from accelsim.report import LayerResult, RunReport, totals_of
from accelsim.sim.drafts import Drafts, structure
from accelsim.sim.timetable import SCHEDULES
from accelsim.space.spec import Effort
from accelsim.sweeps.figures import derived, dig, kept_totals
from accelsim.sweeps.mappings import SweepMappings

SCHEMA = 1
NETWORKS = 8  # networks a worker keeps built


@dataclass(frozen=True)
class Setting:
    """What is run at a point.

    Attributes:
        machines: one, or several of which every layer takes the best by the objective.
        model: network by name or file. digest: of its file.
        figures: to be recorded, as paths into report.json. keep_layers: keep the whole report.
    """

    machines: tuple[Accelerator, ...]
    model: str
    digest: str
    batch: int = 1
    objective: Objective = "edp"
    figures: tuple[str, ...] = ()
    keep_layers: bool = False
    effort: Effort = "full"
    schedule: str = SCHEDULES[0]

    def key(self, version: str) -> str:
        """Content hash: equal for points that would give the same results."""
        name = self.model.replace("\\", "/").rsplit("/", 1)[-1]
        content = [SCHEMA, version, canonical(self.machines), name, self.digest, self.batch, self.objective,
                   sorted(self.figures), self.keep_layers, self.effort, self.schedule]  # fmt: skip
        return sha256(dumps(content, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def kin(self) -> int:
        """Equal for settings whose runs share drafts (`sim.drafts`)."""
        return hash((self.model, self.batch, *(structure(machine) for machine in self.machines)))


@dataclass(frozen=True)
class Task:
    """A setting to be run, under its hash.

    Attributes:
        kin: equal for tasks that one worker does faster than two, since they share drafts; no result depends on it.
    """

    key: str
    setting: Setting
    kin: int = 0


@dataclass(frozen=True)
class Answer:
    """What became of a task: figures, or an error.

    Attributes:
        figures: `totals`, `edp`, `area_mm2`, `power_w`, `figures` by path, `report` if it is kept.
        seconds: spent in the model.
    """

    key: str
    figures: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    seconds: float = 0.0


class Runner:
    """Runs points in one process; networks and mappings are shared between them."""

    def __init__(self, disk: MappingCache | None = None) -> None:
        self._disk = disk
        self._mappings: dict[Effort, SweepMappings] = {}
        self._networks: dict[tuple[str, int], tuple[LayerGraph, Rows | None]] = {}
        self._cache: dict[Any, Any] = {}
        self._drafts = Drafts()
        self._of: tuple[object, ...] = ()

    def mappings(self, effort: Effort) -> SweepMappings:
        """The mappings found with an effort."""
        if effort not in self._mappings:
            self._mappings[effort] = SweepMappings(self._disk, effort)
        return self._mappings[effort]

    def network(self, model: str, batch: int) -> tuple[LayerGraph, Rows | None]:
        """A network, built once, and the rows of a topology."""
        if (model, batch) not in self._networks:
            if len(self._networks) >= NETWORKS:
                self._networks.pop(next(iter(self._networks)))
            self._networks[model, batch] = load_model(model, batch)[0], load_rows(model)
        return self._networks[model, batch]

    def report(self, setting: Setting) -> RunReport:
        """The report of a point.

        Raises:
            MappingError: no machine of the setting can run it.
        """
        graph, rows = self.network(setting.model, setting.batch)
        options = Options(setting.objective, schedule=setting.schedule)
        if (setting.machines, setting.effort) != self._of:
            self._cache = KeptCache(self.mappings(setting.effort), self._drafts)
            self._of = (setting.machines, setting.effort)
        reports, reasons = [], []
        for machine in setting.machines:
            try:
                reports.append(run(machine, graph, options, model=setting.model, rows=rows, cache=self._cache))
            except MappingError as error:
                reasons.append(str(error))
        if not reports:
            raise MappingError("; ".join(reasons))
        return reports[0] if len(setting.machines) == 1 else best_of(reports, setting.objective)

    def answer(self, task: Task) -> Answer:
        """What becomes of a task; errors of the model are part of it, bugs too."""
        try:
            return Answer(task.key, self._figures(task.setting))
        except AccelsimError as error:
            return Answer(task.key, error=str(error))
        except Exception as error:
            return Answer(task.key, error=f"bug: {type(error).__name__}: {' '.join(str(error).split())}")

    def _figures(self, setting: Setting) -> dict[str, Any]:
        report = self.report(setting)
        extra = derived(report)
        whole = {**report.as_dict(), **extra}
        found: dict[str, Any] = {"totals": kept_totals(whole["totals"]), **extra}
        found["figures"] = {path: dig(whole, path) for path in setting.figures}
        if setting.keep_layers:
            found["report"] = report.as_dict()
        return found


def timed(runner: Runner, task: Task) -> Answer:
    """The answer to a task with the seconds it took (kept for estimates, never exported)."""
    start = perf_counter()
    return replace(runner.answer(task), seconds=perf_counter() - start)


def best_of(reports: Sequence[RunReport], objective: Objective) -> RunReport:
    """A report whose every layer is the best of several by the objective, one after another.

    The machines must have one clock and as many PEs; a layer's energy includes the leakage of its own cycles.
    """
    first = reports[0]
    chosen: list[LayerResult] = []
    clock = 0
    for rows in zip(*(report.results for report in reports), strict=True):
        layer = min(rows, key=lambda r: objective_cost(objective, r.total_energy_fj, r.cycles))
        chosen.append(replace(layer, start_cycle=clock, end_cycle=clock + layer.cycles))
        clock += layer.cycles
    machine = replace(first.machine, dataflow="best of " + ", ".join(report.machine.dataflow for report in reports))
    totals = totals_of(chosen, first.totals.params, machine.clock_hz, machine.pes)
    return replace(first, machine=machine, results=tuple(chosen), totals=totals)
