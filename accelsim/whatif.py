"""What bounds each layer: the same mappings simulated again on a machine with twice of one resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from accelsim.arch import Accelerator, MemoryLevel
from accelsim.pipeline import Run
from accelsim.plan import simulated_again
from accelsim.schedule import timetable
from accelsim.sim.drafts import Drafts

LEAST_GAIN = 0.005  # a resource that buys less of a layer's cycles does not bound it: assumed
Change = Callable[[Accelerator], Accelerator]


@dataclass(frozen=True)
class Gain:
    """Cycles with twice of a resource: of the whole run, and of every layer's slot."""

    resource: str
    cycles: int
    layers: tuple[int, ...]


@dataclass(frozen=True)
class WhatIf:
    """What twice of each resource buys.

    Attributes:
        layers: names. before: cycles of every layer's slot as it is. gains: by resource.
    """

    layers: tuple[str, ...]
    before: tuple[int, ...]
    gains: tuple[Gain, ...]

    def bound(self, number: int) -> str:
        """The resource of which twice as much saves a layer most; `compute` if none saves anything to speak of."""
        cycles = self.before[number]
        best = min(self.gains, key=lambda gain: gain.layers[number], default=None)
        if best is None or cycles == 0 or cycles - best.layers[number] <= LEAST_GAIN * cycles:
            return "compute" if cycles else "nothing"
        return best.resource

    def as_dict(self) -> dict[str, Any]:
        """For `report.json`."""
        return {
            "twice_of": {gain.resource: {"cycles": gain.cycles} for gain in self.gains},
            "layers": [
                {"name": name, "cycles": self.before[i], "bound": self.bound(i),
                 "cycles_with_twice_of": {gain.resource: gain.layers[i] for gain in self.gains}}
                for i, name in enumerate(self.layers)
            ],
        }  # fmt: skip

    def rows(self) -> list[dict[str, Any]]:
        """A row per layer, for a table."""
        return [
            {"layer": name, "cycles": self.before[i], "bound": self.bound(i),
             **{f"cycles with twice the {gain.resource}": gain.layers[i] for gain in self.gains}}
            for i, name in enumerate(self.layers)
        ]  # fmt: skip


def _ports(name: str) -> Change:
    def wide(memory: MemoryLevel) -> MemoryLevel:
        reads, writes = 2 * memory.read_bits_per_cycle, 2 * memory.write_bits_per_cycle
        same = memory.name != name
        return memory if same else replace(memory, read_bits_per_cycle=reads, write_bits_per_cycle=writes)

    return lambda arch: replace(arch, memories=tuple(wide(memory) for memory in arch.memories))


def _buses(arch: Accelerator) -> Accelerator:
    wide = tuple((operand, 2 * words) for operand, words in arch.array.bus_words_per_cycle)
    return replace(arch, array=replace(arch.array, bus_words_per_cycle=wide))


def resources(arch: Accelerator) -> dict[str, Change]:
    """Resources of a machine that can be doubled under the same mapping, by name.

    A DRAM by commands has no bandwidth of its own, and half of no latency is none.
    """
    found: dict[str, Change] = {}
    if arch.dram.timing is None:
        twice = 2 * arch.dram.bandwidth_bits_per_s
        found["DRAM bandwidth"] = lambda a: replace(a, dram=replace(a.dram, bandwidth_bits_per_s=twice))
    if arch.dram.latency_cycles:
        half = arch.dram.latency_cycles // 2
        found["DRAM speed (half the latency)"] = lambda a: replace(a, dram=replace(a.dram, latency_cycles=half))
    for memory in arch.memories:
        found[f"{memory.name} ports"] = _ports(memory.name)
    if arch.array.bus_words_per_cycle:
        found["array buses"] = _buses
    lanes = 2 * arch.vector.lanes
    found["vector lanes"] = lambda a: replace(a, vector=replace(a.vector, lanes=lanes))
    return found


def what_if(run: Run, arch: Accelerator) -> WhatIf:
    """Simulate a run again, with the same mappings, schedule and budgets, and twice of each resource, one at a time.

    Raises:
        BudgetExceeded: a machine with twice of something takes more than the budget of the run.
    """
    mapped = (part.mapped for plan in run.plans for part in plan.parts)
    drafts = next((found.simulated.drafts for found in mapped if found is not None), Drafts())

    def gains() -> Iterator[Gain]:
        for name, change in resources(arch).items():
            plans = tuple(simulated_again(plan, change(plan.arch), drafts) for plan in run.plans)
            table = timetable(plans, change(arch), run.schedule, drafts.limits)
            yield Gain(name, table.end, tuple(slot.end - slot.start for slot in table.slots))

    before = tuple(slot.end - slot.start for slot in run.times.slots)
    return WhatIf(tuple(plan.node.name for plan in run.plans), before, tuple(gains()))
