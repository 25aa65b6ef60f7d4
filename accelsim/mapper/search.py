"""From a problem to its mapping: the exact search for the bound objective, then the simulator as the judge.

The search proves the least value of the bound objective and names the mappings that promise most; these are simulated,
and the best simulated one is taken. The search counts energy per bit; where DRAM is charged by commands, simulated
mappings are compared by what they take, and proofs are about what is counted. A mapping whose bound is not below the
least counted cost of a simulated one is passed over. Where that cost is above the bound by
more than `ENOUGH`, the search goes on for `WIDER` boxes among the mappings whose bound lies in the gap, and the most
promising of those are simulated too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from accelsim.arch import Accelerator
from accelsim.arch.choices import forms
from accelsim.arch.encoding import DENSE, Zeros
from accelsim.errors import BudgetExceeded, CutShort, MappingError
from accelsim.mapper.evaluate import Mapped, evaluate
from accelsim.mapper.exact.search import NO_LIMIT, Candidate, Found, Request
from accelsim.mapper.objective import OBJECTIVES, Objective, objective_cost
from accelsim.mapping import Loop, Mapping, TileLevel
from accelsim.mapping.constraint import ANYTHING, Constraint
from accelsim.mapping.legality import problems_with
from accelsim.mapping.points import vector_memory
from accelsim.problem import Problem
from accelsim.sim.drafts import Drafts
from accelsim.sim.limits import Limits

__all__ = ["OBJECTIVES", "Mapped", "Objective", "evaluate", "map_problem"]
SIMULATIONS = 8  # mappings simulated at most
FURTHER = 24  # and among those of the wider search
PASSES = 200_000  # passes simulated at most, all mappings of a round together (one is always simulated)
ENOUGH = 0.01  # gap as a share
WIDER = 200_000  # boxes and mappings evaluated to close it
EVALUATIONS = 4_000_000  # boxes and mappings evaluated by default


class Library(Protocol):
    """Mappings known from before."""

    def get(self, request: Request) -> tuple[Mapping, Found] | None:
        """The mapping of a request and what is proven about it."""

    def put(self, request: Request, mapping: Mapping, found: Found) -> None:
        """Keep it."""


class _Judge:
    """Simulates candidates and remembers the best by what it takes, and the least by what the search counts."""

    def __init__(self, request: Request, drafts: Drafts) -> None:
        self.request, self.drafts = request, drafts
        self.best: Mapped | None = None
        self.least: Mapped | None = None
        self.refused: BudgetExceeded | None = None
        self.simulated = 0

    def _hopeless(self, candidate: Candidate) -> bool:
        """Is its bound not below the least counted cost so far?"""
        goal = self.request.objective
        bound = objective_cost(goal, candidate.energy_fj, candidate.cycles)
        return self.least is not None and bound >= self.least.counted_cost(goal)

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

    def round(self, candidates: Iterable[Candidate], most: int) -> None:
        """Simulate up to so many of them that could still be best, those of many passes last."""
        request, done, passes = self.request, 0, 0
        for candidate in self._short_first(candidates):
            passes += candidate.mapping.passes
            if done == most or (self.best is not None and passes > PASSES):
                break
            try:
                found = evaluate(candidate.mapping, request.arch, request.post_ops, self.drafts)
            except BudgetExceeded as error:
                self.refused = error
                continue
            done += 1
            goal = request.objective
            if self.best is None or found.cost(goal) < self.best.cost(goal):
                self.best = found
            if self.least is None or found.counted_cost(goal) < self.least.counted_cost(goal):
                self.least = found
        self.simulated += done


def map_problem(
    problem: Problem, arch: Accelerator, objective: Objective = "edp", post_ops: int = 0,
    whole: frozenset[str] = frozenset(), resident: frozenset[str] = frozenset(), zeros: Zeros = DENSE,
    limit: Constraint = ANYTHING, imperfect: bool = False, max_evaluations: int = EVALUATIONS,
    library: Library | None = None, drafts: Drafts | None = None,
) -> Mapped:  # fmt: skip
    """The best mapping of a problem whose finished words each take `post_ops` vector operations.

    `whole` operands stay in their outermost memory as one tile; `resident` ones are there when the problem begins.
    `library` is asked before the search and told after it. `drafts` may be shared between problems and machines.
    Every form of the machine is searched (`arch.choices`: operands may pass by memories).
    `limit` restricts the space, `imperfect` widens it (`mapper.exact.space`). `zeros` change what the result costs, not
    which mapping it is.

    Raises:
        MappingError: no tile fits; the message says which memory needs how much for which operand.
        BudgetExceeded: no mapping can be simulated within the limits of `drafts`.
    """
    drafts = Drafts() if drafts is None else drafts
    if problem.op != "mac":
        return _map_pool(problem, forms(arch)[0], resident, drafts)
    most = min(max_evaluations, NO_LIMIT)
    request = Request(problem, arch, objective, post_ops, limit, imperfect, most, whole, resident)
    if drafts.limits != Limits():
        library = None  # what is found within a budget is not what others look for
    requests = [replace(request, arch=form) for form in forms(arch, whole | resident)]
    if imperfect:  # what is simulated may be worse although the bound is not, so the smaller space is searched, too
        requests += [replace(request, imperfect=False) for request in requests]
    best = _best_of(requests, drafts, library)
    return best if zeros == DENSE else evaluate(best.mapping, arch, post_ops, drafts, zeros)


def _best_of(requests: list[Request], drafts: Drafts, library: Library | None) -> Mapped:
    """The best over all forms of the machine that the constraint allows, and what is proven of all of them together.

    Raises:
        MappingError: none fits; the message is about the form in which nothing passes by, if that is allowed.
        CutShort, BudgetExceeded: a search found nothing within its limits, or nothing that may be simulated.
    """
    allowed = [r for r in requests if r.limit.bypass in (None, r.arch.bypassed)]
    found: list[Mapped] = []
    wrong: list[MappingError] = []
    for request in allowed:
        try:
            found.append(_known(request, drafts, library))
        except (CutShort, BudgetExceeded):
            raise  # nothing is known of what it left out, so nothing of all together
        except MappingError as error:
            wrong.append(error)
    if not found:
        raise wrong[0] if wrong else MappingError("no operand may pass by a memory as the constraint asks")
    objective = requests[0].objective
    best = min(found, key=lambda mapped: mapped.cost(objective))
    return best if len(found) == 1 else replace(best, search=_together(found, objective))


def _together(found: list[Mapped], objective: Objective) -> Found:
    """What several searches prove together."""
    searches = [mapped.search for mapped in found if mapped.search is not None]
    least = min(searches, key=lambda search: search.cost)
    return replace(
        least,
        bound=min(search.bound for search in searches),
        cores=sum(search.cores for search in searches),
        boxes=sum(search.boxes for search in searches),
        evaluated=sum(search.evaluated for search in searches),
        simulated=sum(search.simulated for search in searches),
    )


def _known(request: Request, drafts: Drafts, library: Library | None) -> Mapped:
    """What the library has for a request, or what a search finds."""
    known = library.get(request) if library is not None else None
    if known is not None:
        return replace(evaluate(known[0], request.arch, request.post_ops, drafts), search=known[1])
    best = _searched(request, drafts)
    if library is not None and best.search is not None:
        library.put(request, best.mapping, best.search)
    return best


def _searched(request: Request, drafts: Drafts) -> Mapped:
    """Search, simulate, and search further where the gap is wide."""
    from accelsim.mapper.exact.run import Search

    search, most = Search(request), request.max_evaluations
    found = search.run()
    judge = _Judge(request, drafts)
    judge.round(found.best, SIMULATIONS)
    if judge.refused is not None and judge.best is None:
        raise judge.refused
    assert judge.best is not None and judge.least is not None
    least = judge.least
    if least.counted_cost(request.objective) > (1 + ENOUGH) * found.cost and most >= WIDER:
        wider = search.wider(least.counted_fj, least.outcome.makespan, WIDER)
        judge.round(wider, FURTHER)
    return replace(judge.best, search=replace(found, best=(), simulated=judge.simulated))


def _map_pool(problem: Problem, arch: Accelerator, resident: frozenset[str], drafts: Drafts) -> Mapped:
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
        mapping = Mapping(problem, arch.array.dataflow, levels, inner, resident=resident)
        wrong = problems_with(mapping, arch)
        if not wrong:
            return evaluate(mapping, arch, drafts=drafts)
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
