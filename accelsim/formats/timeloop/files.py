"""Whole Timeloop files: machine with energies, constraints, problem and mapping, and a mapping as YAML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from accelsim.arch import StorageMachine
from accelsim.errors import InputError
from accelsim.formats.accelergy import Ert, read_ert
from accelsim.formats.timeloop.arch import nodes_with_constraints, read_arch
from accelsim.formats.timeloop.fields import Node, factors_of, order_of
from accelsim.formats.timeloop.mapping import (
    Directive,
    apply_keeps,
    directive_of,
    directives_of,
    kept_at,
    nest_of,
    target_of,
)
from accelsim.formats.timeloop.problem import Shape, read_problem
from accelsim.formats.yaml_text import parse
from accelsim.mapper.timeloop.constraints import Constraint
from accelsim.mapping import LevelNest, check_nest
from accelsim.problem import DIMS, Problem

CONSTRAINT_TABLES = ("architecture_constraints", "mapspace_constraints", "constraints", "mapspace")
INLINE = ("temporal", "spatial", "dataspace")


@dataclass(frozen=True)
class Setup:
    """A machine (its levels keep what the files say), constraints of a search, and a problem with its shape."""

    machine: StorageMachine
    constraints: tuple[Constraint, ...]
    problem: Problem
    shape: Shape


def document(text: str, source: str, what: str) -> Node:
    """A YAML file as a node."""
    found = parse(text, source, what)
    return Node(found, source, (), found)


def _limits(directive: Directive) -> Constraint:
    for dim, _, trips in directive.factors:
        if trips < 1:
            directive.node.at("factors").fail(f"{dim}: {trips} trips, expected at least 1 in a constraint")
    star = directive.order.index("*") if "*" in directive.order else len(directive.order)
    return Constraint(
        directive.target,
        "temporal" if directive.kind == "temporal" else "spatial",
        tuple((dim, trips) for dim, relation, trips in directive.factors if relation == "="),
        tuple((dim, trips) for dim, relation, trips in directive.factors if relation == "<="),
        directive.order[:star] if directive.kind == "temporal" else (),
        directive.order[star + 1 :] if directive.kind == "temporal" else (),
    )


def _listed(node: Node, machine: StorageMachine) -> tuple[StorageMachine, tuple[Constraint, ...]]:
    """Constraints in the style of 0.3: lists of targets."""
    tables = node.table()
    found: list[Constraint] = []
    for key in CONSTRAINT_TABLES:
        if key not in tables:
            continue
        body = tables[key]
        targets = (
            body if isinstance(body.value, list) else body.table(("targets", "version"), need=("targets",))["targets"]
        )
        machine, others = apply_keeps(targets.items(), machine)
        for entry in others:
            target_of(entry.at("target"), machine)
            found.append(_limits(directive_of(entry, DIMS, star=True)))
    return machine, tuple(found)


def _inline(node: Node, level: str, machine: StorageMachine) -> tuple[StorageMachine, list[Constraint]]:
    """Constraints in the style of 0.4: inside a component."""
    parts = node.table(INLINE)
    found = []
    if "dataspace" in parts:
        body = parts["dataspace"].table(("keep", "bypass"))
        entry = {"target": level, **{key: value.value for key, value in body.items()}}
        machine = kept_at(Node(entry, node.source, node.path, node.document), machine)
    for kind in ("temporal", "spatial"):
        if kind in parts:
            body = parts[kind].table(("factors", "permutation", "split"))
            factors = factors_of(body["factors"], DIMS) if "factors" in body else ()
            order = order_of(body["permutation"], DIMS, star=True) if "permutation" in body else ()
            found.append(_limits(Directive(level, kind, factors, order, None, parts[kind])))
    return machine, found


def machine_from(
    arch: str, source: str, constraints: str = "", constraints_source: str = "", ert: str = "", ert_source: str = ""
) -> tuple[StorageMachine, tuple[Constraint, ...]]:
    """A machine and the constraints of its files, from their texts; the ERT may stand in the architecture's file.

    Raises:
        InputError: with the place, what was found and what was expected.
    """
    top = document(arch, source, "a Timeloop architecture")
    table: Ert | None = None
    if ert:
        table = read_ert(ert, ert_source)
    elif "ERT" in top.value:
        table = read_ert(arch, source)
    machine = read_arch(top, PurePath(source).stem, table)
    limits: list[Constraint] = []
    for level, node in nodes_with_constraints(top):
        if level in [lv.name for lv in machine.levels]:
            machine, found = _inline(node, level, machine)
            limits += found
    machine, listed = _listed(top, machine)
    limits += listed
    if constraints:
        rules = document(constraints, constraints_source, "Timeloop constraints")
        if not any(key in rules.value for key in CONSTRAINT_TABLES):
            rules.fail(f"none of {', '.join(CONSTRAINT_TABLES)}")
        machine, listed = _listed(rules, machine)
        limits += listed
    return machine, tuple(limits)


def load_setup(machine: StorageMachine, constraints: tuple[Constraint, ...], problem: str, source: str) -> Setup:
    """Machine, constraints and the problem of a file."""
    found, shape = read_problem(document(problem, source, "a Timeloop problem"))
    return Setup(machine, constraints, found, shape)


def read_mapping(text: str, source: str, setup: Setup) -> tuple[LevelNest, StorageMachine]:
    """The nest of a mapping file, and the machine with what the mapping keeps and bypasses.

    Raises:
        InputError: with the place, what was found and what was expected.
    """
    top = document(text, source, "a Timeloop mapping")
    if "mapping" not in top.value:
        top.fail("no 'mapping'")
    entries = top.at("mapping")
    machine, loops = apply_keeps(entries.items(), setup.machine)
    nest = nest_of(
        [directive_of(entry, setup.shape.dims) for entry in loops], setup.problem, machine, setup.shape.dims, entries
    )
    try:
        check_nest(nest, machine)
    except InputError as error:
        entries.fail(str(error))
    return nest, machine


def mapping_text(nest: LevelNest, machine: StorageMachine, dims: Sequence[str]) -> str:
    """A nest as a Timeloop mapping in YAML, with what each level keeps.

    Raises:
        InputError: loops that such a file cannot express.
    """
    lines = ["mapping:"]
    for entry in directives_of(nest, machine, dims):
        fields = ", ".join(f"{key}: {value}" for key, value in entry.items())
        lines.append(f"  - {{{fields}}}")
    for level in machine.levels[1:]:
        skipped = [o.name for o in nest.problem.operands if o.name not in level.keeps]
        keep, skip = ", ".join(level.keeps), ", ".join(skipped)
        lines.append(f"  - {{target: {level.name}, type: datatype, keep: [{keep}], bypass: [{skip}]}}")
    return "\n".join(lines) + "\n"


def without_energy(machine: StorageMachine) -> bool:
    """Whether no energy is known, so that only counts and cycles mean anything."""
    return not any((level.read_zj, level.write_zj, level.leak_zj) != (0, 0, 0) for level in machine.levels)
