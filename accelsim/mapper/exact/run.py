"""The exact search of one problem on one machine: bounds of all cores, descent, and what was proven.

Importing this module compiles the search or loads it from its cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from accelsim.errors import CutShort, MappingError
from accelsim.mapper.exact.context import Task, classes, mapping_of, smallest_mapping, task_of
from accelsim.mapper.exact.cores import core_bounds, search_cores
from accelsim.mapper.exact.incumbent import rank_again
from accelsim.mapper.exact.model import model_of
from accelsim.mapper.exact.record import FRONT, Array
from accelsim.mapper.exact.search import NO_LIMIT, Candidate, Found, Front, Known, Near, Request
from accelsim.mapper.exact.space import cores_of
from accelsim.mapper.objective import objective_cost
from accelsim.mapping import Mapping
from accelsim.mapping.legality import problems_with


class Search:
    """A search for the request's objective, which can be run again with a wider goal, or for its `front`."""

    def __init__(self, request: Request, front: bool = False) -> None:
        self.request = request
        model = model_of(request.problem, request.arch, request.post_ops, request.resident, request.partly)
        cores = cores_of(request.problem, request.arch, request.limit, request.imperfect)
        goal = "pareto" if front else request.objective
        self.task: Task = task_of(
            model, cores, goal, request.post_ops, request.limit, request.imperfect, request.whole,
            max(1, request.max_evaluations - 1),  # a box may be counted with the mapping before it
        )  # fmt: skip
        self.bounds: Array = np.zeros((cores.size, 2), np.int64)
        core_bounds(self.task.record, self.task.cores, self.task.tables, self.task.keys, self.bounds)
        self.order = self._sorted()
        self.classes = classes(self.task.cores[:, 4])

    def _sorted(self) -> Array:
        """Cores by ascending bound (rounded: the descent compares exactly), least energy first among equals."""
        energy, cycles = self.bounds[:, 0].astype(float), self.bounds[:, 1].astype(float)
        goal = self.request.objective
        keys = energy if goal == "energy" else cycles if goal == "latency" else energy * cycles
        return np.lexsort((self.bounds[:, 0], keys)).astype(np.int64)

    def _descend(self) -> int:
        task = self.task
        return int(
            search_cores(
                task.record, task.cores, task.tables, task.keys, task.trips_ok, self.order, self.bounds, self.classes
            )
        )

    @property
    def least(self) -> int:
        """No mapping of the space costs less: the least bound of a core, known before `run`."""
        energy, cycles = self.bounds[self.order[0]]
        return objective_cost(self.request.objective, int(energy), int(cycles))

    @property
    def known(self) -> Known:
        """What was found, of this space or of others, for searches of other spaces."""
        pair, hope = self.task.record["best_pair"], self.task.record["hope"]
        return Known(int(pair[0]), int(pair[1]), (int(hope[0]), int(hope[1])))

    def run(self, known: Known | None = None, close_ppm: int | None = None) -> Found:
        """The best mapping of the space, proven, or the best after `max_evaluations` with what is proven.

        With `known` only what is better, or promises as much, is looked for. With `close_ppm` that is not looked for
        among what costs so much more than the best.

        Raises:
            MappingError: nothing is known, and nothing fits or was found in `max_evaluations`; the constraint asks for
                something outside the space (two loops over a dim in one place, an order of the stream of `rs`).
        """
        r, goal = self.task.record, self.request.objective
        if known is not None:
            r["best_pair"], r["hope"] = (known.energy_fj, known.cycles), known.promise
            r["best"] = r["limit"] = self._pair(known.energy_fj, known.cycles)
        if close_ppm is not None:
            r["close"] = close_ppm
        done = self._descend()
        if known is None and r["kept_count"] == 0:
            raise self._nothing()
        energy, cycles = int(r["best_pair"][0]), int(r["best_pair"][1])
        cost = objective_cost(goal, energy, cycles)
        bound = cost
        if r["stopped"] and done < self.order.size:
            left = self.bounds[self.order[done:]]
            bound = min(cost, *(objective_cost(goal, int(e), int(c)) for e, c in left))
        rank_again(r, self.task.cores, self.task.tables, self.task.keys)
        best = tuple(self._kept())
        for candidate in best[:1]:
            _ = candidate.mapping  # is it what the constraint asks for?
        return Found(best, energy, cycles, cost, bound, self.order.size, int(r["nodes"]), int(r["evaluated"]))

    def _pair(self, energy_fj: int, cycles: int) -> tuple[int, int]:
        """The objective as a product of two numbers."""
        goal = self.request.objective
        return 1 if goal == "latency" else energy_fj, 1 if goal == "energy" else cycles

    def _nothing(self) -> MappingError:
        if self.task.record["stopped"]:
            return CutShort(f"no mapping found within {self.request.max_evaluations} evaluations")
        return MappingError(self._misfit())

    def incumbent(self) -> Candidate:
        """The mapping whose bound objective is least, after `run`.

        Raises:
            MappingError: it is not what the constraint asks for.
        """
        r = self.task.record
        place = int(r["best_core"]), r["best_ext"], r["best_order"], r["best_length"]
        return Candidate(self._maker(*place), int(r["best_pair"][0]), int(r["best_pair"][1]))

    def front(self) -> Front:
        """Mappings that no other beats in both energy and B, one for each pair of them (`Search(..., front=True)`).

        Raises:
            MappingError: as `run`, or the front has too many points.
        """
        self._descend()
        r = self.task.record
        if r["stopped"] == 2:
            raise MappingError(f"more than {FRONT} mappings on the Pareto front")
        if r["front_count"] == 0:
            raise self._nothing()
        points = []
        for i in range(int(r["front_count"])):
            energy, cycles, core = (int(v) for v in r["front"][i])
            make = self._maker(core, r["front_ext"][i], r["front_order"][i], r["front_length"][i])
            points.append(Candidate(make, energy, cycles))
        return Front(tuple(points), not r["stopped"], self.order.size, int(r["nodes"]), int(r["evaluated"]))

    def _maker(self, core: int, ext: Array, order: Array, length: Array) -> Callable[[], Mapping]:
        """Makes a mapping from rows of the tables as they are now."""
        return partial(self._mapping, core, ext.copy(), order.copy(), length.copy())

    def _mapping(self, core: int, ext: Array, order: Array, length: Array) -> Mapping:
        mapping = mapping_of(self.task, core, ext, order, length)
        wrong = self.request.limit.reasons(mapping)
        if wrong:
            raise MappingError("no mapping of the searched space satisfies the constraint: " + "; ".join(wrong))
        return mapping

    def wider(self, energy_fj: int, cycles: int, evaluations: int, follow: bool) -> Near:
        """Mappings that cost less than this at least, the least first, after so many more evaluations.

        With `follow` only what is clearly better than the best replay is looked for, once there is one.
        """
        r, huge = self.task.record, np.iinfo(np.int64).max
        r["wide"], r["follows"], r["kept_count"], r["stopped"], r["left_out"] = 1, int(follow), 0, 0, huge
        r["limit"] = self._pair(energy_fj, cycles)
        r["most"] = min(int(r["nodes"]) + int(r["evaluated"]) + evaluations, NO_LIMIT)
        self._descend()
        (a, b), (c, d) = r["limit"], r["left_out"]
        rest = 0 if r["stopped"] else min(int(a) * int(b), int(c) * int(d))
        return Near(tuple(self._kept()), rest)

    def _kept(self) -> Iterator[Candidate]:
        """One mapping per (promise, energy, cycles), the most promising first; in a wider search all."""
        r = self.task.record
        kept = [[int(v) for v in row] for row in r["kept"][: int(r["kept_count"])]]
        seen = set()
        for i in sorted(range(len(kept)), key=lambda i: (kept[i][0] * kept[i][1], kept[i][4])):
            promise, energy, cycles = kept[i][0] * kept[i][1], kept[i][2], kept[i][3]
            if (promise, energy, cycles) in seen and not r["wide"]:
                continue
            seen.add((promise, energy, cycles))
            place = int(r["kept_core"][i]), r["kept_ext"][i], r["kept_order"][i], r["kept_length"][i]
            yield Candidate(self._maker(*place), energy, cycles, promise, kept[i][5])

    def _misfit(self) -> str:
        """Why even the smallest tiles do not fit."""
        extents = self.task.cores[:, 4].astype(float).prod(axis=1)
        wrong = problems_with(smallest_mapping(self.task, int(extents.argmin())), self.request.arch)
        return "; ".join(wrong) if wrong else "no mapping of the searched space satisfies the constraint"
