"""The main loop of a sweep: bind points, skip what is known, run the rest, record every answer as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from itertools import islice
from json import dumps
from pathlib import Path
from typing import Any, Protocol

import accelsim
from accelsim.space.quantity import Scalar
from accelsim.space.spec import SweepSpec
from accelsim.store import Lock, sources_digest
from accelsim.sweeps.binding import Binder, Bound
from accelsim.sweeps.draw import WHOLE, Point, Shard, draw, known, probes, total
from accelsim.sweeps.record import FAILED, STATUSES, Record, Registered
from accelsim.sweeps.work import Answer, Task

AT_ONCE = 20_000  # points bound before anything runs; larger sweeps bind as they go, after every value was tried once
CHUNK = 2_000  # points bound and registered together in larger sweeps


class Executor(Protocol):
    """Runs tasks somewhere."""

    def run(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        """One answer per task, in any order."""


Open = Callable[[], AbstractContextManager[Executor]]


@dataclass
class State:
    """How far a sweep is, for a display.

    Attributes:
        total: points of the sweep. settled: finished, failed or excluded. ran: since the start of this process.
        best: (value of the first objective, parameters) of the best finished point.
    """

    total: int
    started: float
    settled: int = 0
    failed: int = 0
    ran: int = 0
    best: tuple[float, dict[str, Scalar]] | None = None

    @property
    def rate(self) -> float:
        """Points run per second."""
        return self.ran / max(time.monotonic() - self.started, 1e-9)

    @property
    def eta_s(self) -> float | None:
        """Seconds to go at this rate."""
        return (self.total - self.settled) / self.rate if self.ran else None


Watch = Callable[[State], None]


@dataclass(frozen=True)
class Summary:
    """What a sweep has come to: points by status, and how many were run now and known from before."""

    name: str
    folder: str
    counts: dict[str, int]
    ran: int
    failed: tuple[tuple[int, str], ...] = field(default=())

    @property
    def points(self) -> int:
        """All points."""
        return sum(self.counts.values())

    def as_dict(self) -> dict[str, Any]:
        """As in `accelsim sweep FILE --json -`."""
        return {
            "name": self.name, "dir": self.folder, "points": self.points, "status": self.counts, "ran": self.ran,
            "failed": [{"number": number, "error": error} for number, error in self.failed],
        }  # fmt: skip


def version() -> str:
    """What content hashes call the version: number and digest of the sources."""
    return f"{accelsim.__version__}+{sources_digest()}"


def meta_of(spec: SweepSpec, shard: Shard, named: str) -> dict[str, str]:
    """What a store says about its sweep."""
    budgets = {"power_w": spec.budgets.power_w} if spec.budgets.power_w is not None else {}
    return {
        "name": spec.name, "text": spec.text, "source": spec.source, "version": named,
        "shard": f"{shard.index}/{shard.of}",
        "goals": dumps([goal.text for goal in spec.goals]), "budgets": dumps(budgets), "total": str(total(spec)),
        "names": dumps([*spec.space.names, *(d.name for d in spec.space.derived)]),
        "plots": dumps([vars(plot) for plot in spec.plots]),
    }  # fmt: skip


def run_sweep(
    spec: SweepSpec, folder: Path, pool: Open, *, shard: Shard = WHOLE, retry: bool = False, watch: Watch | None = None
) -> Summary:
    """Run a sweep, or what is left of it, into a folder.

    Args:
        pool: opens what runs the points. retry: run failed points again.

    Raises:
        InputError: a wrong value at any point, before anything is written (in sweeps of more than `AT_ONCE` points:
            any single value; wrong combinations when they are drawn); the folder is in use, or its disk is full.
    """
    named = version()
    binder = Binder(spec, named)
    loop = Loop(spec, binder, shard, retry, watch)
    prepared = loop.prepare()
    lock = Lock(folder)
    try:
        with ExitStack() as stack:
            record = stack.enter_context(Record(folder, create=True))
            record.begin(meta_of(spec, shard, named))
            if known(spec):
                loop.run_known(record, pool, prepared)
            else:
                from accelsim.sweeps.search import run_search

                run_search(loop, record, Lazy(pool))
            return summarise(record, spec.name, str(folder), loop.state.ran)
    finally:
        lock.release()


class Loop:
    """What grid, samples and searches share: from parameters to recorded answers."""

    def __init__(self, spec: SweepSpec, binder: Binder, shard: Shard, retry: bool, watch: Watch | None) -> None:
        self.spec, self.binder, self.shard, self.retry = spec, binder, shard, retry
        self.watch = watch or (lambda state: None)
        self.state = State(shard.size(total(spec)), time.monotonic())

    def prepare(self) -> list[tuple[int, Bound]] | None:
        """All points, bound; or only every value tried once, if the sweep is large or its points unknown."""
        if known(self.spec) and self.state.total <= AT_ONCE:
            return [(number, self.binder.bind(params)) for number, params in draw(self.spec, self.shard)]
        for params in probes(self.spec):
            self.binder.bind(params)
        return None

    def run_known(self, record: Record, pool: Open, prepared: list[tuple[int, Bound]] | None) -> None:
        """Run a grid or a sample."""
        with Lazy(pool) as executor:
            if prepared is not None:
                self.run_bound(record, executor, prepared)
                return
            points: Iterator[Point] = draw(self.spec, self.shard)
            while chunk := list(islice(points, CHUNK)):
                self.run_bound(record, executor, [(number, self.binder.bind(params)) for number, params in chunk])

    def run_bound(self, record: Record, executor: Executor, points: list[tuple[int, Bound]]) -> None:
        """Register points and run those whose hash has no answer."""
        record.register(Registered(number, bound.key, bound.params, bound.excluded) for number, bound in points)
        if self.retry:
            record.forget_failed(bound.key for _, bound in points)
        settled = record.settled()
        waiting: dict[str, list[Bound]] = {}
        for _, bound in points:
            if bound.key and bound.key not in settled:
                waiting.setdefault(bound.key, []).append(bound)
                continue
            self.state.settled += 1
            if bound.key and not settled[bound.key]:
                self.state.failed += 1
            elif bound.key:
                self._consider(bound, record.figures(bound.key))
        self.watch(self.state)
        firsts = [(key, bounds[0].setting) for key, bounds in waiting.items()]
        tasks = [Task(key, setting, setting.kin) for key, setting in firsts if setting is not None]
        for answer in executor.run(tasks) if tasks else ():
            record.put([answer])
            same = waiting[answer.key]
            self.state.settled += len(same)
            self.state.ran += 1
            self.state.failed += len(same) if answer.error else 0
            if not answer.error:
                self._consider(same[0], answer.figures)
            self.watch(self.state)

    def _consider(self, bound: Bound, figures: dict[str, Any] | None) -> None:
        """Keep the best point so far by the first objective."""
        goal, power = self.spec.goals[0], self.spec.budgets.power_w
        if figures is None or (power is not None and figures["power_w"] > power):
            return
        value = float(figures["figures"][goal.figure])
        sign = -1 if goal.largest else 1
        if self.state.best is None or sign * value < sign * self.state.best[0]:
            self.state.best = (value, bound.params)


class Lazy:
    """An executor that is opened when there is something to run."""

    def __init__(self, pool: Open) -> None:
        self._pool, self._stack = pool, ExitStack()
        self._executor: Executor | None = None

    def __enter__(self) -> Lazy:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.__exit__(*exception)

    def run(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        if self._executor is None:
            self._executor = self._stack.enter_context(self._pool())
        yield from self._executor.run(tasks)


def summarise(record: Record, name: str, folder: str, ran: int = 0) -> Summary:
    """Points by status, and the failed ones with their errors."""
    counts, failed = dict.fromkeys(STATUSES, 0), []
    for row in record.rows():
        counts[row.status] += 1
        if row.status == FAILED:
            failed.append((row.number, row.reason))
    return Summary(name, folder, counts, ran, tuple(failed))
