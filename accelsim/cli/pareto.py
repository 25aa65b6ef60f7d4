"""`map --pareto`: every layer's front of energy and latency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelsim.cli.shared import Bar, print_json, print_table, say

if TYPE_CHECKING:
    from accelsim.arch import Accelerator
    from accelsim.atlas import Task, Trade


def print_fronts(tasks: list[Task], machine: Accelerator, title: str, imperfect: bool, most: int, json: bool) -> None:
    """Search, simulate and print the fronts of all tasks."""
    from accelsim import atlas

    fronts = []
    with Bar("mapping", len(tasks)) as bar:
        for task in tasks:
            fronts.append(atlas.front_of(task, machine, imperfect, most))
            bar.step(f"{task.name}: {len(fronts[-1].points)} points")
    if json:
        flow = machine.array.dataflow
        print_json({"arch": machine.name, "dataflow": flow, "layers": [front.as_dict() for front in fronts]})
        return
    columns = [("layer", False), ("times", True), ("bound B", True), ("energy", True), ("cycles", True), ("gap", True)]
    rows = [row for front in fronts for row in _rows(front)]
    print_table(f"Pareto fronts of energy and bound B: {title}", columns, rows)
    for front in fronts:
        if len(fronts) == 1:
            say("\n\n".join(point.nest for point in front.points))
    proven, points = sum(front.proven for front in fronts), sum(len(front.points) for front in fronts)
    say(f"{points:,} points; fronts proven complete for {proven} of {len(fronts)} layers")


def _rows(front: Trade) -> list[list[str]]:
    from accelsim.units import fmt_energy

    name = front.name if front.proven else f"{front.name} (cut short)"
    return [
        [name, str(front.times), f"{p.bound_cycles:,}", fmt_energy(p.energy_fj), f"{p.cycles:,}",
         f"{100 * (p.cycles / p.bound_cycles - 1):.2f} %"]
        for p in front.points
    ]  # fmt: skip
