"""From a problem to its mapping: the exact search for the bound objective, then the simulator as the judge.

The search proves the least value of the bound objective and names the mappings that promise most, of all forms of the
machine together; these are simulated, and the best simulated one is taken. The search counts energy per bit; where DRAM
is charged by commands, simulated mappings are compared by what they take, and proofs are about what is counted. A
mapping whose replay (`mapper.exact.replay`) is not below the least counted cost of a simulated one is passed over.
Where that cost is above the bound by more than `ENOUGH`, the search goes on among the mappings, in all orders of their
loops, whose bound lies in the gap; those whose replays cost least are simulated too. What no mapping comes below is
known then (`Found.floor`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from accelsim.arch import Accelerator
from accelsim.arch.choices import forms
from accelsim.arch.encoding import DENSE, Zeros
from accelsim.errors import BudgetExceeded, CutShort, MappingError
from accelsim.mapper.evaluate import Mapped, evaluate
from accelsim.mapper.exact.search import NO_LIMIT, Found, Request, together
from accelsim.mapper.judge import Judge
from accelsim.mapper.objective import NEAR_PPM, OBJECTIVES, Objective, objective_cost
from accelsim.mapping import Loop, Mapping, TileLevel
from accelsim.mapping.constraint import ANYTHING, Constraint
from accelsim.mapping.legality import problems_with
from accelsim.mapping.points import vector_memory
from accelsim.mapping.shares import Share
from accelsim.problem import Problem
from accelsim.sim.drafts import Drafts
from accelsim.sim.limits import Limits

if TYPE_CHECKING:
    from accelsim.mapper.exact.joint import Joint

__all__ = ["OBJECTIVES", "Mapped", "Objective", "evaluate", "map_problem"]
SIMULATIONS = 8  # mappings simulated at most, per form of the machine
FURTHER = 24  # and among those of the wider search
CLOSE_PPM = 2000  # those that promise most are among mappings that cost up to so much more than the best
ENOUGH = 0.01  # gap as a share
KNOWN_WELL = ("systolic", "spatial", "row_stationary")  # arrays whose mappings take about what their replays take
WIDER = 600_000  # boxes and mappings evaluated to close it, in each form; more if they are replayed
EVALUATIONS = 6_000_000  # boxes and mappings evaluated by default


class Library(Protocol):
    """Mappings known from before."""

    def get(self, request: Request) -> tuple[Mapping, Found] | None:
        """The mapping of a request and what is proven about it."""

    def put(self, request: Request, mapping: Mapping, found: Found) -> None:
        """Keep it."""


def map_problem(
    problem: Problem, arch: Accelerator, objective: Objective = "edp", post_ops: int = 0,
    whole: frozenset[str] = frozenset(), resident: frozenset[str] = frozenset(), zeros: Zeros = DENSE,
    limit: Constraint = ANYTHING, imperfect: bool = False, max_evaluations: int = EVALUATIONS,
    library: Library | None = None, drafts: Drafts | None = None, partly: tuple[Share, ...] = (),
) -> Mapped:  # fmt: skip
    """The best mapping of a problem whose finished words each take `post_ops` vector operations.

    `whole` operands stay in their outermost memory as one tile; `resident` ones are there when the problem begins, and
    of others the shares `partly`.
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
        return _map_pool(problem, forms(arch)[0], resident, partly, drafts)
    most = min(max_evaluations, NO_LIMIT)
    request = Request(problem, arch, objective, post_ops, limit, imperfect, most, whole, resident, partly)
    if drafts.limits != Limits():
        library = None  # what is found within a budget is not what others look for
    best = _known(request, drafts, library)
    return best if zeros == DENSE else evaluate(best.mapping, arch, post_ops, drafts, zeros)


def _known(request: Request, drafts: Drafts, library: Library | None) -> Mapped:
    """What the library has for a request, or what a search finds."""
    known = library.get(request) if library is not None else None
    if known is not None:
        return replace(evaluate(known[0], request.arch, request.post_ops, drafts), search=known[1])
    best = _searched(request, drafts)
    assert best.search is not None
    found = replace(
        best.search, makespan=best.outcome.makespan, taken_fj=best.energy_fj, counted_fj=best.counted_fj
    )  # fmt: skip
    if library is not None:
        library.put(request, best.mapping, found)
    return replace(best, search=found)


def _searched(request: Request, drafts: Drafts) -> Mapped:
    """The best of a space; of an imperfect one, also of the perfect one in it: what is simulated may be worse although
    the bound is not.

    Raises:
        MappingError: none fits.
        CutShort, BudgetExceeded: a search found nothing within its limits, or nothing that may be simulated.
    """
    if not request.imperfect:
        return _judged(request, drafts)
    found: list[Mapped] = []
    wrong: list[MappingError] = []
    for space in (request, replace(request, imperfect=False)):
        try:
            found.append(_judged(space, drafts))
        except (CutShort, BudgetExceeded):
            raise
        except MappingError as error:
            wrong.append(error)
    if not found:
        raise wrong[0]
    best = min(found, key=lambda mapped: mapped.cost(request.objective))
    return replace(best, search=together([mapped.search for mapped in found if mapped.search is not None]))


def _judged(request: Request, drafts: Drafts) -> Mapped:
    """Search, simulate, and search further where the gap is wide."""
    from accelsim.mapper.exact.joint import search_forms

    joint = search_forms(request, CLOSE_PPM)
    judge, number = Judge(request, drafts), len(joint.searches)
    judge.round(joint.found.best, SIMULATIONS * number)
    if judge.refused is not None and judge.best is None:
        raise judge.refused
    floor = _closed(joint, judge) if request.max_evaluations >= WIDER else 0
    return replace(judge.verdict(), search=replace(joint.found, best=(), simulated=judge.simulated, floor=floor))


def _further(request: Request) -> int:
    """Boxes and mappings that a wider search evaluates: without replays (`exact.replay`) more of them close no gap."""
    dram = request.arch.dram
    replayed = not request.imperfect and dram.timing is None and dram.arbitration == "program_order"
    return min(request.max_evaluations, EVALUATIONS) if replayed else WIDER


def _closed(joint: Joint, judge: Judge) -> int:
    """Search on where the gap is wide; what any mapping costs at least when it is simulated (0: nothing is known).

    What is simulated now differs from what was replayed only where a replay leaves something out, so a second search,
    which does not follow its replays, is seldom needed.
    """
    goal, floor = judge.request.objective, 0
    for follow in (True, False) if judge.request.arch.array.kind in KNOWN_WELL else (False,):
        least = judge.least
        assert least is not None
        if least.counted_cost(goal) <= (1 + ENOUGH) * max(joint.found.cost, floor):
            break
        cycles = least.cycles - least.cycles * NEAR_PPM // 1_000_000
        cost = objective_cost(goal, least.counted_fj, cycles)
        near = joint.wider(least.counted_fj, cycles, cost, _further(judge.request), follow)
        left = judge.round(near.listed, FURTHER * len(joint.searches))
        floor = max(floor, min(near.rest, judge.least_cost, near.rest if left is None else left))
    return floor


def _map_pool(
    problem: Problem, arch: Accelerator, resident: frozenset[str], partly: tuple[Share, ...], drafts: Drafts
) -> Mapped:
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
        mapping = Mapping(problem, arch.array.dataflow, levels, inner, resident=resident, partly=partly)
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
