"""Timeloop mappings: a list of directives by target, read into a nest and written from one.

Assumed of the format: a permutation is written innermost loop first, and dims that it leaves out are the outermost;
the first `split` dims of a spatial permutation lie along X (columns), all others along Y (rows); a factor of 0 is what
the other levels leave; a target without directives has no loops; `type: datatype` or `bypass` says what a level keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from accelsim.arch import OPERANDS, StorageMachine
from accelsim.errors import InputError, nearest
from accelsim.formats.timeloop.fields import Factor, Node, factors_of, order_of
from accelsim.mapping import LevelLoops, LevelNest, Loop
from accelsim.problem import Problem

KEYS = ("target", "type", "factors", "permutation", "split", "keep", "bypass")
KEEPING = ("bypass", "datatype", "dataspace")


@dataclass(frozen=True)
class Directive:
    """Loops that a mapping (or a constraint) states for one target: factors and dims innermost first."""

    target: str
    kind: str
    factors: tuple[Factor, ...]
    order: tuple[str, ...]
    split: int | None
    node: Node


def kept_at(entry: Node, machine: StorageMachine) -> StorageMachine:
    """The machine with what a bypass directive says about one of its levels."""
    parts = entry.table(KEYS, need=("target",))
    number = target_of(parts["target"], machine)
    level = machine.levels[number]
    keep = _operands(parts["keep"]) if "keep" in parts else ()
    skip = _operands(parts["bypass"]) if "bypass" in parts else ()
    for operand in keep:
        if operand in skip:
            entry.fail(f"{level.name} keeps and bypasses {operand}")
    kept = tuple(o for o in OPERANDS if o in keep or (o in level.keeps and o not in skip))
    try:
        changed = replace(level, keeps=kept)
        return replace(machine, levels=(*machine.levels[:number], changed, *machine.levels[number + 1 :]))
    except InputError as error:
        entry.fail(str(error))


def _operands(node: Node) -> list[str]:
    return [item.text(OPERANDS) for item in node.items()]


def target_of(node: Node, machine: StorageMachine) -> int:
    """Position of the level that a directive names."""
    names = [level.name for level in machine.levels]
    name = node.text()
    if name not in names:
        node.fail(f"target {name!r}; {nearest(name, names)}")
    return names.index(name)


def directive_of(entry: Node, dims: Sequence[str], star: bool = False) -> Directive:
    """Loops of one target."""
    parts = entry.table(KEYS, need=("target", "type"))
    kind = parts["type"].text(("temporal", "spatial", *KEEPING))
    factors = factors_of(parts["factors"], dims) if "factors" in parts else ()
    order = order_of(parts["permutation"], dims, star) if "permutation" in parts else ()
    split = parts["split"].whole(0) if "split" in parts else None
    if split is not None and kind != "spatial":
        parts["split"].fail("a split belongs to spatial loops")
    return Directive(parts["target"].text(), kind, factors, order, split, entry)


def apply_keeps(entries: Sequence[Node], machine: StorageMachine) -> tuple[StorageMachine, list[Node]]:
    """(the machine with the keep and bypass directives of a list, the other directives)."""
    others = []
    for entry in entries:
        parts = entry.table(KEYS, need=("target", "type"))
        if parts["type"].text(("temporal", "spatial", *KEEPING)) in KEEPING:
            machine = kept_at(entry, machine)
        else:
            others.append(entry)
    return machine, others


def _loops(directive: Directive, trips: dict[str, int], dims: Sequence[str]) -> list[tuple[str, int]]:
    """(dim, trips) outer to inner."""
    order = [*directive.order, *(dim for dim in dims if dim not in directive.order)]
    return [(dim, trips[dim]) for dim in reversed(order) if trips.get(dim, 1) > 1]


def _spatial(directive: Directive, trips: dict[str, int], dims: Sequence[str]) -> tuple[Loop, ...]:
    order = [*directive.order, *(dim for dim in dims if dim not in directive.order)]
    split = len(order) if directive.split is None else directive.split
    if split > len(order):
        directive.node.at("split").fail(f"{split}, expected at most {len(order)}, the number of dims")
    cols = order[:split]
    return tuple(Loop(d, n, "col" if d in cols else "row") for d, n in _loops(directive, trips, dims))


def _resolved(directives: Sequence[Directive], problem: Problem, where: Node) -> list[dict[str, int]]:
    """Trips by dim of each directive, zeros replaced by what the others leave."""
    found = [{dim: trips for dim, _, trips in directive.factors} for directive in directives]
    for directive in directives:
        for dim, relation, _ in directive.factors:
            if relation != "=":
                directive.node.at("factors").fail(f"{dim}{relation}: a mapping states factors exactly")
    for dim, bound in problem.bounds:
        given = [(number, trips[dim]) for number, trips in enumerate(found) if dim in trips]
        rest = [number for number, trips in given if trips == 0]
        product = prod(trips for _, trips in given if trips)
        if len(rest) > 1:
            directives[rest[1]].node.at("factors").fail(f"{dim}0 twice: only one level takes what the others leave")
        if rest and bound % product == 0:
            found[rest[0]][dim] = bound // product
        elif rest or product != bound:
            where.fail(f"factors of {dim} multiply to {product}, the problem has {dim} = {bound}")
    return found


def nest_of(
    directives: Sequence[Directive], problem: Problem, machine: StorageMachine, dims: Sequence[str], where: Node
) -> LevelNest:
    """The nest of directives of loops; `where` is the list, for messages.

    Raises:
        InputError: an unknown target, a target twice, factors that do not multiply to the bounds.
    """
    trips = _resolved(directives, problem, where)
    temporal: dict[int, tuple[Loop, ...]] = {}
    spatial: dict[int, tuple[Loop, ...]] = {}
    for directive, factors in zip(directives, trips, strict=True):
        number = target_of(directive.node.at("target"), machine)
        place = temporal if directive.kind == "temporal" else spatial
        if number in place:
            directive.node.fail(f"a second {directive.kind} directive for {directive.target}")
        if directive.kind == "temporal":
            place[number] = tuple(Loop(dim, n) for dim, n in _loops(directive, factors, dims))
        else:
            place[number] = _meshed(_spatial(directive, factors, dims), machine, number)
    return LevelNest(
        problem,
        tuple(
            LevelLoops(level.name, temporal.get(n, ()), spatial.get(n, ())) for n, level in enumerate(machine.levels)
        ),
    )


def _meshed(loops: tuple[Loop, ...], machine: StorageMachine, number: int) -> tuple[Loop, ...]:
    """Loops of a level whose instances lie along one axis only lie along that axis, whatever the split."""
    level = machine.levels[number]
    if level.cols == 1 and level.rows > 1:
        return tuple(Loop(loop.dim, loop.trips, "row") for loop in loops)
    if level.rows == 1 and level.cols > 1:
        return tuple(Loop(loop.dim, loop.trips, "col") for loop in loops)
    return loops


def directives_of(nest: LevelNest, machine: StorageMachine, dims: Sequence[str]) -> list[dict[str, object]]:
    """The directives of a nest, innermost level first, spatial before temporal, as Timeloop writes them."""
    found: list[dict[str, object]] = []
    for at, level in reversed(list(zip(nest.levels, machine.levels, strict=True))):
        if at.spatial or level.cols * level.rows > 1:
            cols = [loop for loop in at.spatial if loop.kind == "col"]
            rows = [loop for loop in at.spatial if loop.kind == "row"]
            twice = {loop.dim for loop in cols} & {loop.dim for loop in rows}
            if twice:
                raise InputError(
                    f"{at.level}: {min(twice)} lies along rows and columns, a Timeloop mapping cannot say so"
                )
            inner_first = [*reversed(cols), *reversed(rows)]
            found.append({**_directive(at.level, "spatial", inner_first, dims), "split": len({lp.dim for lp in cols})})
        found.append(_directive(at.level, "temporal", list(reversed(at.temporal)), dims))
    return found


def _directive(level: str, kind: str, inner_first: list[Loop], dims: Sequence[str]) -> dict[str, object]:
    trips = dict.fromkeys(dims, 1)
    for loop in inner_first:
        if trips[loop.dim] > 1:
            raise InputError(f"{level}: two loops over {loop.dim}, a Timeloop mapping has one per level")
        trips[loop.dim] = loop.trips
    order = [loop.dim for loop in inner_first if loop.trips > 1]
    order += [dim for dim in dims if dim not in order]
    factors = " ".join(f"{dim}{trips[dim]}" for dim in dims)
    return {"target": level, "type": kind, "factors": factors, "permutation": "".join(order)}
