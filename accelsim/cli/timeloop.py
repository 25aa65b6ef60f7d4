"""`timeloop`: a mapping in Timeloop's files counted by its rules, or the proven best mapping searched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accelsim.cli.shared import Goal, Json, Objective, app, print_json, print_table, say, wants_json, whole
from accelsim.errors import InputError, MappingError

if TYPE_CHECKING:
    from accelsim.formats.timeloop import Setup
    from accelsim.mapper.timeloop import Found, LevelReport
    from accelsim.mapping import LevelNest

QUANTITIES = ("tile", "partition", "instances", "reads", "fills", "updates")


@app.command()
def timeloop(
    arch: Annotated[str, typer.Option("--arch", "-a", help="Timeloop architecture (YAML), perhaps with its ERT.")],
    problem: Annotated[str, typer.Option("--problem", "-p", help="Timeloop problem (YAML).")],
    mapping: Annotated[str, typer.Option("--mapping", "-m", help="Mapping to count (default: search one).")] = "",
    constraints: Annotated[str, typer.Option("--constraints", "-c", help="Constraints, keep and bypass (YAML).")] = "",
    ert: Annotated[str, typer.Option("--ert", help="Accelergy ERT, if the architecture holds none.")] = "",
    objective: Objective = Goal.edp,
    most: Annotated[str, typer.Option("--max-evaluations", metavar="N", help="Stop the search after N.")] = "",
    links: Annotated[bool, typer.Option(help="Count transfers between neighbouring PEs (mappings given).")] = True,
    out: Annotated[str, typer.Option("--out", "-o", metavar="FILE.yaml", help="Where the best mapping goes.")] = "",
    json: Json = "",
) -> None:
    """Count a Timeloop mapping by Timeloop's rules, or find the proven best one of a layer."""
    from accelsim.formats.timeloop import load_setup, machine_from
    from accelsim.store import user_text

    as_json = wants_json(json)
    if mapping and (out or most):
        raise InputError("--mapping counts that mapping; --out and --max-evaluations belong to a search")
    machine, limits = machine_from(
        user_text(arch, "an architecture"), arch,
        user_text(constraints, "constraints") if constraints else "", constraints,
        user_text(ert, "an ERT") if ert else "", ert,
    )  # fmt: skip
    setup = load_setup(machine, limits, user_text(problem, "a problem"), problem)
    if mapping:
        _count(setup, mapping, links, as_json)
    else:
        _search(setup, objective, whole(most, "--max-evaluations", 1) if most else None, out, as_json)


def _count(setup: Setup, mapping: str, links: bool, as_json: bool) -> None:
    from dataclasses import replace

    from accelsim.formats.timeloop import read_mapping
    from accelsim.mapper.timeloop import capacity_errors, evaluate
    from accelsim.mapping import TIMELOOP
    from accelsim.store import user_text

    nest, machine = read_mapping(user_text(mapping, "a mapping"), mapping, setup)
    report = evaluate(nest, machine, replace(TIMELOOP, links=links))
    wrong = capacity_errors(report.counts, machine)
    if wrong:
        raise MappingError(f"{mapping}: {'; '.join(wrong)}")
    if as_json:
        print_json({"machine": machine.name, **_figures(report)})
        return
    _print(report, machine.name)


def _search(setup: Setup, objective: Goal, most: int | None, out: str, as_json: bool) -> None:
    from accelsim.formats.timeloop import mapping_text, without_energy
    from accelsim.mapper.timeloop import search
    from accelsim.store import write_all

    if objective is not Goal.latency and without_energy(setup.machine):
        raise InputError(f"no energies for --objective {objective}: add an ERT to the architecture, or give --ert FILE")
    found = search(setup.problem, setup.machine, setup.constraints, objective.value, most)
    text = mapping_text(found.mapping, setup.machine, setup.shape.dims)
    if out:
        write_all(Path(out).parent, {Path(out).name: text.encode()})
    if as_json:
        result = {"objective": objective.value, "cost": found.cost, "bound": found.bound, "gap": found.gap,
                  "proven": found.proven, "evaluated": found.evaluated, "floors": found.floors}  # fmt: skip
        figures = _figures(found.report)
        print_json({"machine": setup.machine.name, **result, **figures, "mapping": _directives(setup, found.mapping)})
        return
    _print(found.report, setup.machine.name)
    say(_proof(found, objective))
    say(text)
    if out:
        say(f"written to {out}")


def _proof(found: Found, objective: Goal) -> str:
    work = f"{found.evaluated:,} evaluations, {found.floors:,} lower bounds; neighbour links not counted"
    if found.proven:
        return f"proven optimal in {objective}: {work}"
    return f"best found in {objective}, at most {found.gap:.2%} above the optimum: {work}"


def _directives(setup: Setup, nest: LevelNest) -> list[dict[str, object]]:
    from accelsim.formats.timeloop.mapping import directives_of

    return directives_of(nest, setup.machine, setup.shape.dims)


def _figures(report: LevelReport) -> dict[str, Any]:
    counts = [
        {
            "level": count.level,
            "operand": count.operand,
            **{name: getattr(count, name) for name in QUANTITIES},
            "energy_pj": energy / 1e9,
        }
        for count, energy in zip(report.counts, report.access_zj, strict=True)
    ]
    return {
        "cycles": report.cycles,
        "energy_uj": report.energy_zj / 1e15,
        "edp_uj_cycles": report.energy_zj / 1e15 * report.cycles,
        "macs": report.macs,
        "pes": report.instances,
        "compute_pj": report.compute_zj / 1e9,
        "leakage_pj": report.leak_zj / 1e9,
        "counts": counts,
    }


def _print(report: LevelReport, machine: str) -> None:
    columns = [("level", False), ("operand", False), *((name, True) for name in QUANTITIES), ("uJ", True)]
    rows = [
        [count.level, count.operand, *(f"{getattr(count, name):,}" for name in QUANTITIES), f"{energy / 1e15:.3f}"]
        for count, energy in zip(report.counts, report.access_zj, strict=True)
    ]
    print_table(f"{machine}: words per instance", columns, rows)
    energy, cycles = report.energy_zj / 1e15, report.cycles
    say(f"{report.macs:,} MACs on {report.instances} PEs: {cycles:,} cycles, {energy:.2f} uJ, "
        f"EDP {energy * 1e-6 * cycles:.6g} J x cycles")  # fmt: skip
    say(f"of it arithmetic {report.compute_zj / 1e15:.2f} uJ, leakage {report.leak_zj / 1e15:.2f} uJ")
