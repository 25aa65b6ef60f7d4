"""Counted cases: Timeloop runs as JSON, each a problem, a mapping on the eyeriss_like machine, and what it counted.

A file is a list of cases::

    {"layer": name, "problem": {"C": 3, ..., "Wstride": 4}, "mapping": [{"target", "type", "factors", "permutation",
     "split"}], "levels": {level: {operand: {"tile", "partition", "instances", "reads", "fills", "updates",
     "energy_pj"}, "cycles": n}, "mac": {"instances", "computes", "cycles", "energy_pj"}}, "cycles": n,
     "energy_uj": x, "best_known_edp": x or none}
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from accelsim.arch import StorageMachine
from accelsim.errors import InputError
from accelsim.formats.timeloop.fields import Node
from accelsim.formats.timeloop.mapping import apply_keeps, directive_of, nest_of
from accelsim.formats.timeloop.problem import cnn_layer, instance
from accelsim.mapping import LevelNest, check_nest

COUNTS = ("tile", "partition", "instances", "reads", "fills", "updates")
COMPUTE = ("instances", "computes", "cycles", "energy_pj")
NEEDED = ("layer", "problem", "mapping", "levels", "cycles", "energy_uj")
OPTIONAL = ("search", "edp", "utilization_pct", "best_known_edp", "best_known")


@dataclass(frozen=True)
class Figure:
    """One figure of a case: level and operand (either may be empty), quantity, value as given."""

    level: str
    operand: str
    quantity: str
    value: float


@dataclass(frozen=True)
class CountedCase:
    """A run of Timeloop: what was mapped how on which machine, and every figure it reported."""

    number: int
    layer: str
    search: str
    machine: StorageMachine
    nest: LevelNest
    figures: tuple[Figure, ...]
    best_known_edp: float | None


def _count(node: Node) -> float:
    return float(node.whole(0))


def _measure(node: Node) -> float:
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        node.fail(f"{node.shown()}, expected a number of at least 0")
    return float(value)


def _level(node: Node, machine: StorageMachine, name: str) -> list[Figure]:
    if name == machine.compute:
        parts = node.table(COMPUTE)
        return [
            Figure(name, "", key, _measure(part) if key == "energy_pj" else _count(part)) for key, part in parts.items()
        ]
    kept = machine.levels[machine.index(name)].keeps
    parts = node.table(("cycles", *kept))
    found = [Figure(name, "", "cycles", _count(parts["cycles"]))] if "cycles" in parts else []
    for operand in kept:
        if operand in parts:
            body = parts[operand].table((*COUNTS, "energy_pj"))
            found += [Figure(name, operand, key, _count(body[key])) for key in COUNTS if key in body]
            found += [Figure(name, operand, "energy_pj", _measure(body["energy_pj"]))] if "energy_pj" in body else []
    return found


def _case(node: Node, number: int, machine: StorageMachine) -> CountedCase:
    parts = node.table((*NEEDED, *OPTIONAL), need=NEEDED)
    layer = parts["layer"].text()
    shape = cnn_layer(isinstance(parts["problem"].value, dict) and "G" in parts["problem"].value)
    problem = instance(parts["problem"], shape)
    machine, entries = apply_keeps(parts["mapping"].items(), machine)
    directives = [directive_of(entry, shape.dims) for entry in entries]
    nest = nest_of(directives, problem, machine, shape.dims, parts["mapping"])
    try:
        check_nest(nest, machine)
    except InputError as error:
        parts["mapping"].fail(str(error))
    figures: list[Figure] = []
    for name, level in parts["levels"].table((machine.compute, *(lv.name for lv in machine.levels))).items():
        figures += _level(level, machine, name)
    figures.append(Figure("", "", "cycles", _count(parts["cycles"])))
    figures.append(Figure("", "", "energy_uj", _measure(parts["energy_uj"])))
    best = _measure(parts["best_known_edp"]) if "best_known_edp" in parts else None
    search = parts["search"].text() if "search" in parts else ""
    return CountedCase(number, layer, search, machine, nest, tuple(figures), best)


def read_cases(text: str, source: str, machine: StorageMachine) -> tuple[CountedCase, ...]:
    """All cases of a file.

    Raises:
        InputError: the number of the case, the key, what it is and what was expected.
    """
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{source}: not JSON: {error}") from None
    if not isinstance(data, list) or not data:
        raise InputError(f"{source}: expected a list of one or more cases")
    found = []
    for number, case in enumerate(data, 1):
        name = case.get("layer") if isinstance(case, dict) else None
        where = f"{source}: case {number}" + (f" ({name})" if isinstance(name, str) else "")
        found.append(_case(Node(case, where), number, machine))
    return tuple(found)
