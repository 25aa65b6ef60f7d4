"""The simulator's benchmark: its rows are what the engines say."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from accelsim.bench import sim
from accelsim.cli import app


def test_engines_of_a_row_agree() -> None:
    rows = [sim.tile_steps(7, engine) for engine in ("compiled", "python", None)]
    assert len({(row.tiles, row.makespan) for row in rows}) == 1
    assert [row.engine for row in rows] == ["compiled", "python", "simpy"]
    classes = sim.tile_classes(7)
    assert (classes.tiles, classes.makespan, classes.engine) == (49, rows[0].makespan, "periods")
    assert rows[0].tiles == 49 and all(row.cpu_s > 0 for row in rows)


def test_a_network_is_simulated_again_as_it_ran() -> None:
    from accelsim import run

    row = sim.network("mlp", "edge_os_32x32")
    assert row.makespan == run("edge_os_32x32", "mlp").totals.cycles
    assert row.tiles > 0 and row.case == "mlp on edge_os_32x32"


def test_rows_as_text_and_json(monkeypatch: pytest.MonkeyPatch) -> None:
    row = sim.SimRow("case", "compiled", 1000, 2000, 0.5, "why")
    assert "| case | compiled | 1,000 | 2,000 | 0.500 | why |" in sim.markdown([row])
    monkeypatch.setattr(sim, "cases", lambda networks: iter([row]))
    result = CliRunner().invoke(app, ["bench", "sim", "--json", "-"])
    assert result.exit_code == 0
    wanted = {"case": "case", "engine": "compiled", "tiles": 1000, "makespan": 2000, "cpu_s": 0.5, "note": "why"}
    assert json.loads(result.output) == {"rows": [wanted]}
