"""What a mapping costs: exact counts, a simulated stream, energy."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.arch import Accelerator
from accelsim.arch.choices import formed
from accelsim.arch.encoding import DENSE, Zeros
from accelsim.dram.energy import ACTIVATION, READ_WRITE, command_energy_fj
from accelsim.energy import array_traffic, energy_fj, live_macs
from accelsim.mapper.exact.search import Found
from accelsim.mapper.objective import Objective, objective_cost
from accelsim.mapping import LinkCount, Mapping
from accelsim.sim.drafts import Drafts
from accelsim.sim.simulate import Simulation, simulate
from accelsim.sim.stream import Summary
from accelsim.traffic import stored_words


@dataclass(frozen=True)
class Mapped:
    """A mapping with its three costs: counts, stream and outcome.

    Attributes:
        arch: the machine, in the form that the mapping is for.
        energy_fj: what it takes. counted_fj: what the search counts, energy per bit; they differ where the DRAM's
            commands are charged.
        search: what the exact search proved (None for pooling, and where words are zero: proofs are about dense ones).
    """

    mapping: Mapping
    arch: Accelerator
    counts: tuple[LinkCount, ...]
    simulated: Simulation
    energy_fj: int
    counted_fj: int
    search: Found | None = None

    @property
    def outcome(self) -> Summary:
        """What the simulation came to."""
        return self.simulated.outcome

    def cost(self, objective: Objective) -> int:
        """The objective as an exact integer."""
        return objective_cost(objective, self.energy_fj, self.outcome.makespan)

    def counted_cost(self, objective: Objective) -> int:
        """The objective with the energy that the search counts: never below what it proves."""
        return objective_cost(objective, self.counted_fj, self.outcome.makespan)

    def gap(self, objective: Objective) -> float | None:
        """How far the counted cost lies above the least that any mapping is known to come to when it is simulated, as a
        share; None if nothing is known."""
        if self.search is None:
            return None
        return self.counted_cost(objective) / self.search.least - 1


def evaluate(
    mapping: Mapping, arch: Accelerator, post_ops: int = 0, drafts: Drafts | None = None, zeros: Zeros = DENSE,
    simulated: Simulation | None = None,
) -> Mapped:  # fmt: skip
    """Counts, stream, time and energy of a mapping, exactly; `post_ops` vector operations per finished word.

    What simulating it found may be given, if it is known.
    """
    known = Drafts() if drafts is None else drafts
    arch = formed(arch, mapping.bypass)
    counts = known.words(mapping, arch)
    simulated = simulate(mapping, arch, post_ops, zeros, known) if simulated is None else simulated
    outcome = simulated.outcome
    macs = mapping.problem.macs if mapping.problem.op == "mac" else 0
    ops = post_ops * stored_words(mapping.problem.output, mapping) if macs else mapping.problem.macs
    energy = energy_fj(array_traffic(counts, arch, macs, zeros), arch, live_macs(arch, macs, zeros), ops)
    counted = sum(energy.values())
    if arch.dram.timing is not None and arch.dram.timing.command_energy and outcome.dram is not None:
        spent = command_energy_fj(arch.dram.timing, outcome.dram)
        energy.update({name: spent[name] for name in (READ_WRITE, ACTIVATION)})
    return Mapped(mapping, arch, counts, simulated, sum(energy.values()), counted)
