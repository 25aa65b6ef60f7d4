"""The mappings that points of a sweep share: on disk between processes and runs, in memory within a worker.

A key leaves out what the search and the simulator of a mapping do not read: names, where energies come from, leakage
and the clock's power (charged for the makespan, the same per cycle for every mapping), area's node.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from accelsim.arch import Accelerator
from accelsim.formats.mapping_cache import MappingCache
from accelsim.mapper.exact.search import Found, Request
from accelsim.mapper.judge import PASSES
from accelsim.mapping import Mapping
from accelsim.space.spec import Effort

REMEMBERED = 4096  # mappings a worker keeps in memory


def reduced(arch: Accelerator) -> Accelerator:
    """The machine without the fields that no mapping depends on."""
    return replace(
        arch,
        name="",
        description="",
        node_nm=None,
        energy_model="",
        energy_sources=(),
        timing="causal",
        dram=replace(arch.dram, kind="", background_fj_per_cycle=0),
        memories=tuple(replace(memory, leakage_fj_per_cycle=0, ports=1) for memory in arch.memories),
        array=replace(arch.array, leakage_fj_per_cycle=0, clock_fj_per_cycle=0),
    )


def quick(request: Request) -> tuple[Mapping, Found]:
    """The mapping of the least proven bound, the first of equals; no other candidate is simulated beside it.

    Raises:
        MappingError: no tile fits.
    """
    from accelsim.mapper.exact.joint import search_forms

    found = search_forms(request).found
    best = min(found.best, key=lambda candidate: candidate.mapping.passes > PASSES)
    return best.mapping, replace(found, best=(), simulated=0)


class SweepMappings:
    """A library of mappings (`mapper.search.Library`) in front of the one on disk.

    Attributes:
        effort: `full` searches as a run does; `quick` takes what `quick` finds, kept in a folder of its own.
        found, searched: requests answered from here, and told to it after a search.
    """

    def __init__(self, disk: MappingCache | None = None, effort: Effort = "full") -> None:
        self.effort = effort
        shared = MappingCache() if disk is None else disk
        self.disk = shared if effort == "full" else MappingCache(shared.folder / "quick")
        self._near: OrderedDict[Request, tuple[Mapping, Found]] = OrderedDict()
        self.found = self.searched = 0
        self._last: tuple[Request, Request] | None = None

    def get(self, request: Request) -> tuple[Mapping, Found] | None:
        """The mapping kept for a request; None if there is none."""
        key = self._key(request)
        known = self._near.get(key) or self.disk.get(key)
        if known is not None:
            self.found += 1
            self._remember(key, known)
        elif self.effort == "quick":
            known = quick(request)
            self.put(request, *known)
        return known

    def put(self, request: Request, mapping: Mapping, found: Found) -> None:
        """Keep a mapping."""
        key = self._key(request)
        self.searched += 1
        self.disk.put(key, mapping, found)
        self._remember(key, (mapping, found))

    def _key(self, request: Request) -> Request:
        """The request without what no mapping depends on; the same one for a request that is asked for again."""
        if self._last is None or self._last[0] is not request:
            self._last = request, replace(request, arch=reduced(request.arch))
        return self._last[1]

    def _remember(self, key: Request, known: tuple[Mapping, Found]) -> None:
        self._near[key] = known
        self._near.move_to_end(key)
        if len(self._near) > REMEMBERED:
            self._near.popitem(last=False)
