"""Timeloop's counts, cycles and energies to the last figure; proven optima against the best known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from accelsim.cli import app
from accelsim.errors import InputError
from accelsim.formats.timeloop import CountedCase, read_cases
from accelsim.mapper.timeloop import evaluate, search
from accelsim.mapper.timeloop.types import SEARCHED
from accelsim.store import reference_text
from accelsim.validate import timeloop

MACHINE, LIMITS = timeloop.eyeriss_like()
TEXT = reference_text("timeloop/eyeriss_like_65nm.json")
RAW: list[dict[str, Any]] = json.loads(TEXT)
CASES = read_cases(TEXT, "eyeriss_like_65nm.json", MACHINE)
BEST = {
    case.layer: (case, raw["best_known_edp"]) for case, raw in zip(CASES, RAW, strict=True) if "best_known_edp" in raw
}
FREE = {"alex1": 463.123, "mv2_pw_exp56": 5.6486}
"""EDP of layers whose free space holds better mappings than the constrained one, by an exhaustive search made apart."""
ZJ = 1e21


def test_every_figure_of_every_run_is_equal() -> None:
    section = timeloop.compare()
    assert section.failures == ()
    found = {statistic.name: statistic.value for statistic in section.statistics}
    assert found["figures compared"] == 1474
    assert found["figures that differ"] == 0


@pytest.mark.parametrize("layer", list(BEST))
def test_the_proven_optimum_is_the_best_known(layer: str) -> None:
    case, best = BEST[layer]
    found = search(case.nest.problem, MACHINE, LIMITS, "edp")
    assert found.proven
    assert found.cost / ZJ == pytest.approx(best, rel=2e-5)
    again = evaluate(found.mapping, MACHINE, SEARCHED)
    assert again.energy_zj * again.cycles == found.cost
    free = search(case.nest.problem, MACHINE, (), "edp")
    assert free.proven
    assert free.cost <= found.cost
    if layer in FREE:
        assert free.cost / ZJ == pytest.approx(FREE[layer], rel=2e-5)


@pytest.mark.parametrize("objective", ["energy", "latency"])
def test_other_objectives_are_no_worse_in_their_own(objective: Any) -> None:
    case = BEST["mv2_pw_proj14"][0]
    found, edp = (
        search(case.nest.problem, MACHINE, LIMITS, objective),
        search(case.nest.problem, MACHINE, LIMITS, "edp"),
    )
    own = {"energy": lambda f: f.report.energy_zj, "latency": lambda f: f.report.cycles}[objective]
    assert found.proven
    assert found.cost == own(found) <= own(edp)


def write(tmp_path: Path, case: dict[str, Any]) -> str:
    file = tmp_path / "cases.json"
    file.write_text(json.dumps([case]))
    return str(file)


def test_a_changed_figure_or_loop_is_seen(tmp_path: Path) -> None:
    case = json.loads(json.dumps(RAW[0]))
    assert timeloop.compare_cases(write(tmp_path, case)).failures == ()
    case["levels"]["shared_glb"]["Inputs"]["reads"] += 1
    assert len(timeloop.compare_cases(write(tmp_path, case)).failures) > 0
    case = json.loads(json.dumps(RAW[0]))
    for directive in case["mapping"]:
        if directive["target"] == "shared_glb":
            directive["permutation"] = "PRQCMSN"
    assert len(timeloop.compare_cases(write(tmp_path, case)).failures) > 0


def test_a_layer_that_is_not_square_keeps_its_sides_apart() -> None:
    """P pairs with R under Wstride, Q with S under Hstride: swapping both sides of a layer changes its counts."""
    wide = search(_problem(P=4, Q=12, R=3, S=1), MACHINE, (), "edp")
    tall = search(_problem(P=12, Q=4, R=1, S=3), MACHINE, (), "edp")
    other = search(_problem(P=12, Q=4, R=3, S=1), MACHINE, (), "edp")
    assert wide.cost == tall.cost
    assert other.cost != wide.cost


def _problem(**sizes: int) -> Any:
    raw = json.loads(json.dumps(RAW[0]))
    instance = {"N": 1, "C": 4, "M": 8, "Wstride": 1, "Hstride": 1, "Wdilation": 1, "Hdilation": 1, **sizes}
    raw["problem"] = instance
    factors = " ".join(f"{d}{instance[d]}" for d in "CMRSNPQ")
    ones = " ".join(f"{d}1" for d in "CMRSNPQ")
    for directive in raw["mapping"]:
        directive["factors"] = factors if directive["target"] == "DRAM" else ones
    (case,) = read_cases(json.dumps([raw]), "made.json", MACHINE)
    assert isinstance(case, CountedCase)
    return case.nest.problem


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mapping": []}, "made.json"),
        ({"problem": {"N": 0}}, "made.json"),
        ({"levels": {"L9": {}}}, "made.json"),
    ],
)
def test_wrong_cases_are_refused_by_number(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_cases(json.dumps([{**RAW[0], **change}]), "made.json", MACHINE)


def test_the_command_searches_and_its_mapping_counts_the_same(tmp_path: Path) -> None:
    for name in ("arch", "constraints", "problem"):
        (tmp_path / f"{name}.yaml").write_text(reference_text(f"timeloop/{name}.yaml"))
    files = ["timeloop", "-a", str(tmp_path / "arch.yaml"), "-p", str(tmp_path / "problem.yaml")]
    limits = ["-c", str(tmp_path / "constraints.yaml")]
    out = str(tmp_path / "best.yaml")
    found = CliRunner().invoke(app, [*files, *limits, "--out", out])
    assert found.exit_code == 0, found.output
    assert "732,050 cycles, 642.94 uJ, EDP 470.666" in found.output
    counted = CliRunner().invoke(app, [*files, "--mapping", out, "--no-links"])
    assert counted.exit_code == 0, counted.output
    assert "732,050 cycles, 642.94 uJ" in counted.output
