"""Exact search for the best mapping over storage levels by Timeloop's rules (without neighbour links).

Perfect factors, all orders of the two shared levels, all tiles, all spatial splits. Pairs of splits are taken by their
floors, then choices (pair and PE tile), then splits between the shared levels, then orders; whatever a floor proves to
be no better than the best known is left out. Costs are integers, so that the comparison is exact.
"""

from __future__ import annotations

import numpy as np

from accelsim.arch import StorageMachine
from accelsim.errors import InputError, MappingError, nearest
from accelsim.mapper.objective import Objective
from accelsim.mapper.timeloop import branch, kernels
from accelsim.mapper.timeloop.constraints import Constraint, check_constraints
from accelsim.mapper.timeloop.evaluate import capacity_errors, evaluate
from accelsim.mapper.timeloop.space import Ints, Space
from accelsim.mapper.timeloop.types import SEARCHED, Found
from accelsim.mapping import LevelLoops, LevelNest, Loop
from accelsim.problem import Problem

MODES: dict[Objective, int] = {"edp": 0, "energy": 1, "latency": 2}
FIRST_PAIRS = 16
ROWS_AT_ONCE = 1 << 16


def find(
    problem: Problem,
    machine: StorageMachine,
    constraints: tuple[Constraint, ...],
    objective: Objective,
    max_evaluations: int | None,
) -> Found:
    """See `accelsim.mapper.timeloop.search`."""
    if objective not in MODES:
        raise InputError(f"objective {objective!r}; {nearest(objective, MODES)}")
    if max_evaluations is not None and max_evaluations < 1:
        raise InputError(f"max_evaluations {max_evaluations}, expected at least 1")
    return _Search(Space(problem, machine, constraints), objective, max_evaluations or 0).run(constraints)


class _Search:
    """One run: the arrays, the best cost so far, and what is left."""

    def __init__(self, space: Space, objective: Objective, most: int) -> None:
        self.space, self.objective, self.mode = space, objective, MODES[objective]
        self.m, self.g, self.w = space.arrays(most)
        self.best, self.work = self.w[kernels.BEST], self.w[kernels.WORK]
        self.best[:3] = kernels.HUGE, 0, kernels.HUGE
        self.found = np.full(3 + 3 * len(space.dims), -1, np.int64)
        self.left: list[Ints] = []

    def run(self, constraints: tuple[Constraint, ...]) -> Found:
        """Pairs by their floors, the most promising first to have a cost to compare with."""
        s = self.space
        head = (self.m, self.g, self.w, s.cols, s.rows)
        pairs = np.empty((len(s.cols) * len(s.rows), 5), np.int64)
        pairs = self._sorted(pairs[: branch.pair_floors(*head, pairs)])
        floors = len(pairs)
        for part in (pairs[:FIRST_PAIRS], pairs[FIRST_PAIRS:]):
            todo = self._choices(part)
            floors += len(part) * len(s.tiles)
            done = branch.solve(*head, s.table, s.allowed, s.perms, todo, self.mode, self.found, np.zeros(2, np.int64))
            self.left.append(todo[done:])
            if self._spent():
                break
        if self._spent():
            self.left.append(pairs)
        if self.found[0] < 0:
            raise MappingError(f"{s.machine.name}: no mapping fits under the constraints")
        nest = nest_of(s, self.found)
        report = evaluate(nest, s.machine, SEARCHED)
        assert (report.energy_zj, report.cycles) == (self._zj(self.best[:3]), int(self.best[2]))
        assert not capacity_errors(report.counts, s.machine)
        check_constraints(nest, constraints)
        cost = report.cost(self.objective)
        return Found(
            nest, report, self.objective, cost, self._bound(cost), int(self.work[0]), floors + int(self.work[1:3].sum())
        )

    def _choices(self, pairs: Ints) -> Ints:
        """Choices of these pairs that may be better than the best, by their floors."""
        s, n, found = self.space, ROWS_AT_ONCE, np.empty((0, 6), np.int64)
        while n > len(found):
            found = np.empty((n, 6), np.int64)
            n = branch.choices(self.m, self.g, self.w, s.cols, s.rows, s.table, pairs, self.mode, found)
        return self._sorted(found[:n])

    def _spent(self) -> bool:
        return bool(0 < self.m[kernels.MOST] <= self.work[0])

    def _zj(self, row: Ints) -> int:
        """Energy of the last three figures of a row."""
        return int(row[-3]) * self.space.unit + int(row[-2]) * self.space.rest

    def _costs(self, rows: Ints) -> list[int]:
        """Exact costs of floors."""
        if self.mode == 2:
            return [int(row[-1]) for row in rows]
        return [self._zj(row) * (int(row[-1]) if self.mode == 0 else 1) for row in rows]

    def _bound(self, cost: int) -> int:
        """The least cost that is not excluded."""
        return min([cost, *(value for rows in self.left for value in self._costs(rows))])

    def _sorted(self, rows: Ints) -> Ints:
        """Rows by the floor in their last three columns."""
        energy, cycles = rows[:, -3].astype(float), rows[:, -1].astype(float)
        key = energy * cycles if self.mode == 0 else energy if self.mode == 1 else cycles
        return rows[np.argsort(key, kind="stable")]


def nest_of(space: Space, found: Ints) -> LevelNest:
    """The nest of a mapping as `branch.solve` writes it."""
    s, dims = space, space.dims
    col, row, tile = (int(n) for n in found[:3])
    inner = found[3 : 3 + len(dims)]
    base = s.tiles[tile] * s.cols[col] * s.rows[row]
    rest = s.bounds // base // inner
    order = [int(d) for d in found[3 + len(dims) :] if d >= 0]
    at_outer = int((rest > 1).sum())
    temporal: dict[int, tuple[Loop, ...]] = {
        0: tuple(Loop(dims[d], int(rest[d])) for d in order[:at_outer]),
        1: tuple(Loop(dims[d], int(inner[d])) for d in order[at_outer:]),
    }
    for position, loops in zip(s.layout.inside, s.interior(tile).loops, strict=True):
        temporal[position] = tuple(Loop(dim, trips) for dim, trips in loops)
    spatial: dict[int, list[Loop]] = {}
    if s.layout.cols >= 0:
        spatial[s.layout.cols] = [Loop(d, int(n), "col") for d, n in zip(dims, s.cols[col], strict=True) if n > 1]
    if s.layout.rows >= 0:
        spatial[s.layout.rows] = [Loop(d, int(n), "row") for d, n in zip(dims, s.rows[row], strict=True) if n > 1]
    levels = tuple(
        LevelLoops(level.name, temporal.get(n, ()), tuple(spatial.get(n, ())))
        for n, level in enumerate(s.machine.levels)
    )
    return LevelNest(s.problem, levels)
