"""The mappings of a network's array layers: each distinct one searched once, with what is proven about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from accelsim.arch import Accelerator
from accelsim.arch.choices import formed, forms
from accelsim.errors import CheckFailed, CutShort, InputError, MappingError, nearest
from accelsim.formats.mapping_yaml import constraint_of, part_name
from accelsim.graph import LayerGraph, optimise
from accelsim.mapper.exact.search import NO_LIMIT, Candidate, Found, Front, Request
from accelsim.mapper.objective import Objective, objective_cost
from accelsim.mapper.search import EVALUATIONS, Library, evaluate, map_problem
from accelsim.mapping import Mapping
from accelsim.mapping.constraint import Constraint
from accelsim.mapping.text import nest_text
from accelsim.plan import lower, post_ops
from accelsim.problem import Problem
from accelsim.sim.drafts import Drafts

if TYPE_CHECKING:
    from accelsim.certify.proof import Claim


@dataclass(frozen=True)
class Task:
    """Array work of one or more layers (`times`), named after the first."""

    name: str
    problem: Problem
    post_ops: int
    limit: Constraint
    times: int = 1

    def forms(self, arch: Accelerator) -> tuple[Accelerator, ...]:
        """The forms of the machine that its constraint allows.

        Raises:
            MappingError: none; no operand may pass by a memory as the constraint asks.
        """
        found = tuple(form for form in forms(arch) if self.limit.bypass in (None, form.bypassed))
        if not found:
            raise MappingError(f"layer {self.name}: no operand may pass by a memory of {arch.name} as asked")
        return found


@dataclass(frozen=True)
class Entry:
    """A mapped task.

    Attributes:
        cycles, energy_fj: of the simulated mapping. bound_cycles: B of the mapping with the least bound objective.
        gap: how far the simulated objective lies above the least that any mapping of the space is known to come to when
            it is simulated, as a share.
        proven: nothing in the space has a lower bound objective. boxes, evaluated, simulated: work done.
    """

    name: str
    times: int
    macs: int
    cycles: int
    energy_fj: int
    bound_cycles: int
    gap: float
    proven: bool
    cores: int
    boxes: int
    evaluated: int
    simulated: int
    nest: str

    def proof(self) -> str:
        """Proven or not, in words."""
        return "optimal" if self.proven else "cut short"

    def state(self) -> str:
        """Incumbent, bound and gap, for progress."""
        return f"{self.cycles:,} cycles, bound {self.bound_cycles:,}, gap {100 * self.gap:.2f} %"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name, "times": self.times, "macs": self.macs, "cycles": self.cycles,
            "energy_pj": self.energy_fj / 1000, "bound_cycles": self.bound_cycles, "gap": self.gap,
            "proven": self.proven, "cores": self.cores, "boxes": self.boxes, "evaluated": self.evaluated,
            "simulated": self.simulated, "mapping": self.nest,
        }  # fmt: skip


@dataclass(frozen=True)
class TradePoint:
    """A mapping of a front: energy (fJ) and B that no other beats in both, and its simulated cycles."""

    energy_fj: int
    bound_cycles: int
    cycles: int
    nest: str


@dataclass(frozen=True)
class Trade:
    """The Pareto front of a task, least energy first; `proven` if no point of the space is missing."""

    name: str
    times: int
    proven: bool
    boxes: int
    evaluated: int
    points: tuple[TradePoint, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        points = [
            {"energy_pj": p.energy_fj / 1000, "bound_cycles": p.bound_cycles, "cycles": p.cycles, "mapping": p.nest}
            for p in self.points
        ]
        return {"name": self.name, "times": self.times, "proven": self.proven, "boxes": self.boxes,
                "evaluated": self.evaluated, "points": points}  # fmt: skip


def layer_names(graph: LayerGraph) -> list[str]:
    """Names of the layers that run, after the graph passes."""
    return [node.name for node in optimise(graph).layers]


def tasks_of(
    graph: LayerGraph, arch: Accelerator, layer: str = "", limits: dict[str, Constraint] | None = None,
    vector_work: bool = True,
) -> list[Task]:  # fmt: skip
    """Array work of a network, equal work once; of one layer if it is named.

    `limits` are constraints by layer (or part of one), `*` for the rest (`formats.mapping_yaml`).
    Without `vector_work` no vector operation follows a word.

    Raises:
        InputError: a layer that the network does not have, or that does not run on the array.
    """
    limits = limits or {}
    layers = {node.name: node for node in optimise(graph).layers}
    if layer and layer not in layers:
        raise InputError(f"no layer {layer!r} in {graph.name}; {nearest(layer, layers)}")
    found: dict[tuple[Problem, int, Constraint], list[str]] = {}
    for node in layers.values():
        if layer in ("", node.name):
            work = [item for item in lower(node, arch) if isinstance(item, Problem) and item.op == "mac"]
            for part, item in enumerate(work):
                limit = constraint_of(limits, node.name, part, len(work))
                ops = post_ops(node) if vector_work else 0
                found.setdefault((item, ops, limit), []).append(part_name(node.name, part, len(work)))
    if not found:
        raise InputError(f"{layer or graph.name}: no work for the array")
    return [Task(names[0], p, ops, limit, len(names)) for (p, ops, limit), names in found.items()]


def map_task(
    task: Task, arch: Accelerator, objective: Objective, imperfect: bool = False, most: int = EVALUATIONS,
    library: Library | None = None, drafts: Drafts | None = None,
) -> Entry:  # fmt: skip
    """Search and simulate one task; `drafts` may be shared between tasks.

    Raises:
        MappingError: it does not fit; the message names the layer and the machine.
    """
    most = min(most, NO_LIMIT)
    request = Request(task.problem, arch, objective, task.post_ops, task.limit, imperfect, most)
    known = library.get(request) if library is not None else None
    if known is not None and known[1].makespan:
        return _entry(task, objective, known[0], formed(arch, known[0].bypass), known[1])
    try:
        mapped = map_problem(
            task.problem, arch, objective, task.post_ops, limit=task.limit, imperfect=imperfect, max_evaluations=most,
            library=library, drafts=drafts,
        )  # fmt: skip
    except MappingError as error:
        raise MappingError(f"layer {task.name} does not fit {arch.name}: {error}") from None
    assert mapped.search is not None
    return _entry(task, objective, mapped.mapping, mapped.arch, mapped.search)


def front_of(task: Task, arch: Accelerator, imperfect: bool = False, most: int = EVALUATIONS) -> Trade:
    """Every trade-off of energy and B of a task's space, with each mapping simulated.

    Raises:
        MappingError: it does not fit, or the front has too many points; the message names the layer and the machine.
    """
    from accelsim.mapper.exact.run import Search

    request = Request(task.problem, arch, "edp", task.post_ops, task.limit, imperfect, most)
    fronts: list[Front] = []
    wrong: list[MappingError] = []
    for form in task.forms(arch):
        try:
            fronts.append(Search(replace(request, arch=form), front=True).front())
        except CutShort:
            raise
        except MappingError as error:
            wrong.append(error)
    if not fronts:
        raise MappingError(f"layer {task.name} on {arch.name}: {wrong[0]}") from None
    drafts, points = Drafts(), []
    for point in _joint_front([point for front in fronts for point in front.points]):
        mapped = evaluate(point.mapping, arch, task.post_ops, drafts)
        nest = nest_text(point.mapping, mapped.arch)
        points.append(TradePoint(point.energy_fj, point.cycles, mapped.outcome.makespan, nest))
    boxes, evaluated = sum(front.boxes for front in fronts), sum(front.evaluated for front in fronts)
    return Trade(task.name, task.times, all(f.proven for f in fronts), boxes, evaluated, tuple(points))


def _joint_front(points: list[Candidate]) -> list[Candidate]:
    """Those that no other beats in both energy and B, least energy first."""
    found: list[Candidate] = []
    for point in sorted(points, key=lambda p: (p.energy_fj, p.cycles)):
        if not found or point.cycles < found[-1].cycles:
            found.append(point)
    return found


def claims_of(
    task: Task, arch: Accelerator, objective: Objective, imperfect: bool = False, most: int = EVALUATIONS
) -> list[Claim]:  # fmt: skip
    """Per form of the machine (`arch.choices`), the mapping with the least bound objective, and the proof of it.

    Raises:
        MappingError: it does not fit one of them; the message names the layer and the machine.
        CheckFailed: the boxes do not prove what the search claims.
        InputError: the problem has no certificate.
    """
    return [_claim_of(task, form, objective, imperfect, most) for form in task.forms(arch)]


def _claim_of(task: Task, arch: Accelerator, objective: Objective, imperfect: bool, most: int) -> Claim:
    """The mapping with the least bound objective on a machine of one form, and the boxes that prove it.

    Raises:
        MappingError: it does not fit; the message names the layer and the machine.
        CheckFailed: the boxes do not prove what the search claims.
        InputError: the problem has no certificate.
    """
    from accelsim.certify.proof import certify
    from accelsim.certify.space import Question
    from accelsim.mapper.exact.run import Search

    request = Request(task.problem, arch, objective, task.post_ops, task.limit, imperfect, most)
    try:
        search = Search(request)
        found = search.run()
    except MappingError as error:
        raise MappingError(f"layer {task.name} does not fit {arch.name}: {error}") from None
    question = Question(task.problem, arch, objective, task.post_ops, task.limit, imperfect)
    try:
        return certify(question, search.incumbent().mapping, found.bound)
    except (InputError, CheckFailed) as error:
        raise type(error)(f"layer {task.name}: {error}") from None


def _entry(task: Task, objective: Objective, mapping: Mapping, form: Accelerator, found: Found) -> Entry:
    """What is told of a mapped task; a mapping that is known from before is not simulated again."""
    counted = objective_cost(objective, found.counted_fj, found.makespan)
    return Entry(
        task.name, task.times, task.problem.macs, found.makespan, found.taken_fj, found.cycles,
        counted / found.least - 1, found.proven, found.cores, found.boxes, found.evaluated, found.simulated,
        nest_text(mapping, form),
    )  # fmt: skip


def size_of(task: Task, arch: Accelerator, imperfect: bool = False) -> tuple[int, int]:
    """(cores, tilings) of a task's space, over all forms of the machine; a tiling is a core with trips for every place,
    loop orders apart."""
    from accelsim.mapper.exact.space import cores_of, tilings

    sizes = []
    for form in task.forms(arch):
        cores = cores_of(task.problem, form, task.limit, imperfect)
        sizes.append((cores.size, tilings(task.problem, form, cores, imperfect)))
    return sum(cores for cores, _ in sizes), sum(number for _, number in sizes)
