"""The simulator as the judge of mappings that a search has named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from accelsim.arch import Accelerator
from accelsim.arch.choices import Bypass, formed
from accelsim.errors import BudgetExceeded, CheckFailed
from accelsim.mapper.evaluate import Mapped, evaluate
from accelsim.mapper.exact.search import Candidate, Request
from accelsim.mapper.objective import Objective, objective_cost
from accelsim.mapping import Mapping
from accelsim.sim.drafts import Drafts
from accelsim.sim.simulate import Simulation, simulate

PASSES = 200_000  # passes simulated at most, all mappings of a round together (one is always simulated)


@dataclass(frozen=True)
class Tried:
    """A mapping that was simulated; `energy_fj` and `counted_fj` as in `Mapped`."""

    mapping: Mapping
    simulated: Simulation
    energy_fj: int
    counted_fj: int

    @property
    def cycles(self) -> int:
        """Simulated makespan."""
        return self.simulated.outcome.makespan

    def cost(self, objective: Objective) -> int:
        """The objective as an exact integer."""
        return objective_cost(objective, self.energy_fj, self.cycles)

    def counted_cost(self, objective: Objective) -> int:
        """The objective with the energy that the search counts."""
        return objective_cost(objective, self.counted_fj, self.cycles)


class Judge:
    """Simulates candidates of one request and remembers the best by what it takes, and the least by what is counted.

    Attributes:
        refused: a mapping that is over budget. simulated: how many were.
    """

    def __init__(self, request: Request, drafts: Drafts) -> None:
        self.request, self.drafts = request, drafts
        self.best: Tried | None = None
        self.least: Tried | None = None
        self.refused: BudgetExceeded | None = None
        self.simulated = 0
        self._forms: dict[Bypass, Accelerator] = {}

    @property
    def least_cost(self) -> int:
        """The least counted cost of what was simulated."""
        assert self.least is not None
        return self.least.counted_cost(self.request.objective)

    def _hopeless(self, candidate: Candidate) -> bool:
        """Does it take at least the least counted cost so far?"""
        return self.least is not None and self._bound(candidate) >= self.least_cost

    def _bound(self, candidate: Candidate) -> int:
        """What it costs at least when it is simulated."""
        return objective_cost(self.request.objective, candidate.energy_fj, max(candidate.cycles, candidate.least))

    def _short_first(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """Those that could still be best: of no more than `PASSES` passes, in their order, then the others."""
        long = []
        for candidate in candidates:
            if self._hopeless(candidate):
                continue
            if candidate.mapping.passes > PASSES:
                long.append(candidate)
            else:
                yield candidate
        yield from (candidate for candidate in long if not self._hopeless(candidate))

    def _form(self, bypass: Bypass) -> Accelerator:
        if bypass not in self._forms:
            self._forms[bypass] = formed(self.request.arch, bypass)
        return self._forms[bypass]

    def _try(self, candidate: Candidate) -> Tried:
        """The candidate simulated. What is counted is its energy in the search, so words are counted again only where
        the DRAM's commands are charged."""
        mapping, ops, timing = candidate.mapping, self.request.post_ops, self.request.arch.dram.timing
        form = self._form(mapping.bypass)
        if timing is not None and timing.command_energy:
            mapped = evaluate(mapping, form, ops, self.drafts)
            return Tried(mapping, mapped.simulated, mapped.energy_fj, mapped.counted_fj)
        simulated = simulate(mapping, form, ops, drafts=self.drafts)
        return Tried(mapping, simulated, candidate.energy_fj, candidate.energy_fj)

    def round(self, candidates: Iterable[Candidate], most: int) -> int | None:
        """Simulate up to so many of them that could still be best, those of many passes last.

        Returns:
            What those that were not simulated, and could still be best, cost at least; None if there are none.
        """
        done, passes, goal = 0, 0, self.request.objective
        left: int | None = None
        for candidate in self._short_first(candidates):
            passes += candidate.mapping.passes
            if done == most or (self.best is not None and passes > PASSES):
                left = self._bound(candidate) if left is None else min(left, self._bound(candidate))
                continue
            try:
                tried = self._try(candidate)
            except BudgetExceeded as error:
                self.refused = error
                left = self._bound(candidate) if left is None else min(left, self._bound(candidate))
                continue
            done += 1
            if self.best is None or tried.cost(goal) < self.best.cost(goal):
                self.best = tried
            if self.least is None or tried.counted_cost(goal) < self.least.counted_cost(goal):
                self.least = tried
        self.simulated += done
        return left

    def verdict(self) -> Mapped:
        """The best mapping with all that it costs.

        Raises:
            CheckFailed: it costs something else than the search counts (a bug).
        """
        assert self.best is not None
        form = self._form(self.best.mapping.bypass)
        mapped = evaluate(
            self.best.mapping, form, self.request.post_ops, self.drafts, simulated=self.best.simulated
        )  # fmt: skip
        counted = mapped.energy_fj, mapped.counted_fj
        if counted != (self.best.energy_fj, self.best.counted_fj):
            raise CheckFailed(
                f"law broken: energy that is counted == energy that the search counts: {counted} fJ != "
                f"{(self.best.energy_fj, self.best.counted_fj)} fJ of the mapping {self.best.mapping}"
            )
        return replace(mapped, arch=form)
