"""Timeloop: every count, the cycles and the energy of runs of its mapper and model, and the proven best mappings.

Reference data (`accelsim/validate/data/timeloop`): 22 results on the exercises' eyeriss_like machine, with the best
EDP that a simulated annealer found under the same rules and constraints, verified by timeloop-model.
"""

from __future__ import annotations

from accelsim.arch import StorageMachine
from accelsim.formats.timeloop import CountedCase, machine_from, read_cases
from accelsim.mapper.timeloop import Constraint, LevelReport, evaluate, search
from accelsim.store import reference_text, user_text
from accelsim.validate.types import Comparison, Section, Statistic

SOURCE = "Timeloop (HEAD of 2025-03-31), timeloop-mapper/-model run on its exercises' eyeriss_like machine, 65 nm"
FOLDER = "timeloop"
UNIT = "J x cycles"
JOULE_CYCLES = 10**21


def eyeriss_like() -> tuple[StorageMachine, tuple[Constraint, ...]]:
    """The exercises' machine and the constraints of its searches."""
    texts = [reference_text(f"{FOLDER}/{name}.yaml") for name in ("arch", "constraints")]
    return machine_from(texts[0], "arch.yaml", texts[1], "constraints.yaml")


def our_figures(case: CountedCase, report: LevelReport) -> dict[tuple[str, str, str], float]:
    """Every figure of a run by (level, operand, quantity), rounded as Timeloop prints it."""
    found: dict[tuple[str, str, str], float] = {}
    for count, energy in zip(report.counts, report.access_zj, strict=True):
        for name in ("tile", "partition", "instances", "reads", "fills", "updates"):
            found[count.level, count.operand, name] = getattr(count, name)
        found[count.level, count.operand, "energy_pj"] = round(energy / 1e9, 2)
    for level, cycles in zip(case.machine.levels, report.cycles_by_level, strict=True):
        found[level.name, "", "cycles"] = cycles
    unit = case.machine.compute
    compute = {"instances": report.instances, "computes": report.macs, "cycles": case.nest.iterations}
    found.update({(unit, "", name): value for name, value in compute.items()})
    found[unit, "", "energy_pj"] = round(report.compute_zj / 1e9, 2)
    found["", "", "cycles"] = report.cycles
    found["", "", "energy_uj"] = round(report.energy_zj / 1e15, 2)
    return found


def rows_of(case: CountedCase) -> list[Comparison]:
    """A row for every figure of a case, each to be equal."""
    ours = our_figures(case, evaluate(case.nest, case.machine))
    item = f"{case.number} {case.layer}"
    rows = []
    for figure in case.figures:
        what = " ".join(part for part in (figure.level, figure.operand, figure.quantity) if part)
        unit = {"energy_pj": "pJ", "energy_uj": "uJ", "cycles": "cycles", "instances": ""}.get(figure.quantity, "words")
        value = ours[figure.level, figure.operand, figure.quantity]
        places = 2 if unit in ("pJ", "uJ") else 0
        rows.append(Comparison(item, what, unit, value, round(figure.value, places), 0, case.search))
    return rows


def _section(rows: list[Comparison], shown: list[Comparison], notes: tuple[str, ...], least: int) -> Section:
    differ = sum(not row.holds for row in rows)
    return Section(
        key="timeloop",
        title="Timeloop, eyeriss_like machine",
        source=SOURCE,
        comparisons=tuple(shown),
        statistics=(
            Statistic("figures compared", len(rows), bound=least, sense="at least"),
            Statistic("figures that differ", differ, bound=0),
        ),
        notes=notes,
    )


def compare_cases(name: str) -> Section:
    """All figures of a user's file of cases on the eyeriss_like machine, a row for each.

    Raises:
        InputError: the file cannot be read; the number of the case, the key, its value and what was expected.
    """
    machine, _ = eyeriss_like()
    rows = [row for case in read_cases(user_text(name, "cases"), name, machine) for row in rows_of(case)]
    return _section(rows, rows, (), 1)


def optima(cases: tuple[CountedCase, ...]) -> list[Comparison]:
    """The proven least EDP of layers with a best known one, under the searches' constraints and without them."""
    machine, constraints = eyeriss_like()
    layers = {case.layer: case for case in cases if case.best_known_edp is not None}
    rows = []
    for layer, case in layers.items():
        for name, limits, band in (("constrained", constraints, 0), ("free", (), None)):
            found = search(case.nest.problem, machine, limits, "edp")
            ours = float(f"{found.cost / JOULE_CYCLES:.6g}") if found.proven else float("inf")
            why = "" if limits else "dims, orders and spad factors free: proven, not judged"
            rows.append(
                Comparison(layer, f"least EDP, {name}", UNIT, ours, case.best_known_edp or 0.0, band, "optimum", why)
            )
    return rows


def compare() -> Section:
    """The shipped runs: each level's counts, cycles and energy."""
    machine, _ = eyeriss_like()
    file = "eyeriss_like_65nm.json"
    cases = read_cases(reference_text(f"{FOLDER}/{file}"), file, machine)
    rows = [row for case in cases for row in rows_of(case)]
    shown = [row for row in rows if row.quantity in ("cycles", "energy_uj") or not row.holds]
    return _section(rows, [*shown, *optima(cases)], NOTES, 1000)


NOTES = (
    "Every tile, partition, read, fill, update, instance, cycle and picojoule is compared; the table shows each run's "
    "cycles and energy, and any figure that differs.",
    "Transfers between neighbouring PEs are counted as observed: a PE takes words that its neighbour has just got, "
    "averaged over all instances in use, though one column of PEs is looked at.",
    "The reference of a least EDP is the best that an annealer found; ours is proven by exhaustive search with bounds, "
    "perfect factors, neighbour transfers not counted, printed to the reference's six digits.",
)
