"""Heuristic search: estimate all candidates of the machine's dataflow, then let the exact model decide among the best.

Sound: every mapping returned has passed `mapping.legality`, and its cost is that of the closed-form counts and the
simulated stream. The finalists are the same for every objective, so that a latency-optimal choice is never slower than
an energy-optimal one. Not exhaustive: the `CORES` most promising insides of a pass are kept, tiles lie on a coarse
grid, and only the `finalists` best estimates are evaluated (two where a mapping has more than `MANY_PASSES` passes, one
above `HUGE_PASSES`).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Literal

from accelsim.arch import Accelerator
from accelsim.arch.encoding import DENSE, Zeros
from accelsim.dram.energy import ACTIVATION, READ_WRITE, command_energy_fj
from accelsim.energy import array_traffic, energy_fj, live_macs
from accelsim.errors import MappingError
from accelsim.mapper.estimate import Estimator
from accelsim.mapper.space import Candidate, candidates
from accelsim.mapping import LinkCount, Loop, Mapping, TileLevel, rules_of
from accelsim.mapping.legality import problems_with
from accelsim.mapping.points import vector_memory
from accelsim.mapping.templates import cores
from accelsim.problem import DIMS, Problem
from accelsim.sim import recurrence
from accelsim.sim.build import Simulated, build_stream
from accelsim.sim.stream import Outcome
from accelsim.traffic import Factors, count, stored_words

Objective = Literal["edp", "energy", "latency"]
CORES = 12
MANY_PASSES, HUGE_PASSES = 20_000, 200_000
OBJECTIVES: tuple[Objective, ...] = ("edp", "energy", "latency")


@dataclass(frozen=True)
class Mapped:
    """A mapping with its three costs: counts, stream and outcome. `evaluated` counts exact evaluations."""

    mapping: Mapping
    counts: tuple[LinkCount, ...]
    simulated: Simulated
    outcome: Outcome
    energy_fj: int
    evaluated: int = 1

    def cost(self, objective: Objective) -> int:
        """The objective as an exact integer."""
        if objective == "energy":
            return self.energy_fj
        return self.outcome.makespan * (self.energy_fj if objective == "edp" else 1)


def evaluate(
    mapping: Mapping, arch: Accelerator, post_ops: int = 0, factors: Factors | None = None, zeros: Zeros = DENSE
) -> Mapped:
    """Counts, stream, time and energy of a mapping, exactly; `post_ops` vector operations per finished word."""
    counts = count(mapping, arch, rules_of(arch), factors)
    simulated = build_stream(mapping, arch, post_ops=post_ops, zeros=zeros)
    outcome = recurrence.run(simulated.stream, arch.dram, arch.clock_hz)
    macs = mapping.problem.macs if mapping.problem.op == "mac" else 0
    ops = post_ops * stored_words(mapping.problem.output, mapping) if macs else mapping.problem.macs
    energy = energy_fj(array_traffic(counts, arch, macs, zeros), arch, live_macs(arch, macs, zeros), ops)
    if arch.dram.timing is not None and arch.dram.timing.command_energy and outcome.dram is not None:
        spent = command_energy_fj(arch.dram.timing, outcome.dram)
        energy.update({name: spent[name] for name in (READ_WRITE, ACTIVATION)})
    return Mapped(mapping, counts, simulated, outcome, sum(energy.values()))


Scored = tuple[int, int, Candidate]


def _by_edp(scored: Scored) -> int:
    return scored[0] * scored[1]


def _by_energy(scored: Scored) -> int:
    return scored[0]


def _by_time(scored: Scored) -> int:
    return scored[1]


RANKINGS = (_by_edp, _by_energy, _by_time)


def _ranked(
    problem: Problem, arch: Accelerator, keep: int, fixed: frozenset[str] = frozenset(), spill: bool = False
) -> list[Candidate]:
    """Candidates in the order in which they are tried: the best by each ranking in turn, whatever the objective.

    Loops over `fixed` dims stay inside the on-chip memories. Partial sums leave accumulators only if nothing else fits.
    """
    estimator = Estimator(problem, arch)
    found = cores(problem, arch)
    order = sorted(range(len(found)), key=lambda i: (estimator.core_score(found[i]), i))
    pools: list[list[Scored]] = [[] for _ in RANKINGS]
    used = 0
    for core in (found[i] for i in order):
        fitting: list[Scored] = []
        for candidate in candidates(problem, arch, core, spill):
            if fixed and any(dim in fixed for dim, _ in candidate.outer):
                continue
            score = estimator.score(candidate)
            if score is not None:
                fitting.append((*score, candidate))
        for pool, rank in zip(pools, RANKINGS, strict=True):
            pool += heapq.nsmallest(4, fitting, key=rank)
        used += bool(fitting)
        if used == CORES:
            break
    if not used and not spill and any(m.psum_only for m in arch.memories):
        return _ranked(problem, arch, keep, fixed, spill=True)
    ranked = [heapq.nsmallest(keep, pool, key=rank) for pool, rank in zip(pools, RANKINGS, strict=True)]
    turns = [scored[2] for group in zip_longest(*ranked) for scored in group if scored is not None]
    return list(dict.fromkeys(turns))


def _enough(passes: int, finalists: int) -> int:
    """How many mappings are simulated: fewer where one has many passes, since its cost grows with them."""
    return 1 if passes > HUGE_PASSES else min(2, finalists) if passes > MANY_PASSES else finalists


def map_problem(
    problem: Problem, arch: Accelerator, objective: Objective = "edp", post_ops: int = 0, finalists: int = 9,
    whole: frozenset[str] = frozenset(), resident: frozenset[str] = frozenset(), zeros: Zeros = DENSE,
) -> Mapped:  # fmt: skip
    """The best mapping found for a problem whose finished words each take `post_ops` vector operations.

    `whole` operands stay in their outermost memory as one tile; `resident` ones are there when the problem begins.

    Raises:
        MappingError: no tile fits; the message says which memory needs how much for which operand.
    """
    if problem.op != "mac":
        return _map_pool(problem, arch)
    factors = Factors()
    best: Mapped | None = None
    evaluated = 0
    reasons: list[str] = []
    fixed = frozenset(d for operand in problem.operands if operand.name in whole for d in operand.dims)
    for candidate in _ranked(problem, arch, 4 * finalists, fixed):
        mapping = replace(candidate.mapping(problem, arch), resident=resident)
        wrong = problems_with(mapping, arch)
        if wrong:
            reasons = reasons or wrong
            continue
        found = evaluate(mapping, arch, post_ops, factors, zeros)
        evaluated += 1
        if best is None or found.cost(objective) < best.cost(objective):
            best = found
        if evaluated >= _enough(found.simulated.passes, finalists):
            break
    if best is None:
        raise MappingError("; ".join(reasons) or smallest_misfit(problem, arch))
    return replace(best, evaluated=evaluated)


def smallest_misfit(problem: Problem, arch: Accelerator) -> str:
    """Why even the smallest tiles of the template do not fit."""
    least: tuple[int, list[str]] | None = None
    for core in cores(problem, arch):
        inner: tuple[tuple[str, int], ...] = ()
        outer = tuple((d, t) for d in DIMS if (t := -(-problem.bound[d] // core.extent(d))) > 1)
        wrong = problems_with(Candidate(core, inner, outer).mapping(problem, arch), arch)
        size = core.extent("C") * core.extent("M") * core.extent("P") * core.extent("Q")
        if wrong and (least is None or size < least[0]):
            least = size, wrong
    return "; ".join(least[1]) if least else "no mapping of the dataflow's template fits"


def _map_pool(problem: Problem, arch: Accelerator) -> Mapped:
    """Pooling: the largest tile of channels, then rows, that fits; windows stream inside."""
    memory = vector_memory(arch)
    bound = problem.bound
    splits = [(1, g, 1) for g in _halvings(bound["G"])] + [(1, 1, p) for p in _halvings(bound["P"])]
    for images, channels, rows in [(bound["N"], bound["G"], bound["P"]), *_with_full_rows(splits, bound)]:
        tile = {"N": images, "G": channels, "P": rows}
        outer = tuple(Loop(d, -(-bound[d] // tile[d])) for d in "NGP" if tile[d] < bound[d])
        inner = tuple(
            Loop(d, min(tile.get(d, bound[d]), bound[d]))
            for d in "NGOPQTRS"
            if min(tile.get(d, bound[d]), bound[d]) > 1
        )
        levels = (TileLevel("DRAM", outer), *(TileLevel(m.name, ()) for m in arch.memories))
        mapping = Mapping(problem, arch.array.dataflow, levels, inner)
        wrong = problems_with(mapping, arch)
        if not wrong:
            return evaluate(mapping, arch)
    raise MappingError("; ".join(wrong) + f" ({memory.name} feeds the vector unit)")


def _halvings(bound: int) -> list[int]:
    sizes = [bound]
    while sizes[-1] > 1:
        sizes.append(-(-sizes[-1] // 2))
    return sizes


def _with_full_rows(splits: list[tuple[int, int, int]], bound: dict[str, int]) -> list[tuple[int, int, int]]:
    """Channel splits keep whole maps; row splits follow with one channel."""
    channels = [(n, g, bound["P"]) for n, g, p in splits if p == 1 and g >= 1]
    rows = [(1, 1, p) for n, g, p in splits if g == 1]
    return channels + rows
