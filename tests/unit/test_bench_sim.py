"""The simulator's benchmark: its rows are what the engines say."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from accelsim.bench import peers, sim
from accelsim.cli import app
from accelsim.errors import CheckFailed, InputError
from accelsim.validate.scalesim import topology


def test_engines_of_a_row_agree() -> None:
    rows = [sim.tile_steps(7, engine) for engine in ("compiled", "python", None)]
    assert len({(row.tiles, row.makespan) for row in rows}) == 1
    assert [row.engine for row in rows] == ["compiled", "python", "simpy"]
    queued = [sim.tile_steps(7, engine, "round_robin") for engine in ("events", None)]
    assert len({(row.tiles, row.makespan) for row in queued}) == 1
    assert [row.engine for row in queued] == ["events", "simpy, arbitrated"]
    arbitrated = sim.tile_classes(7, "round_robin")
    assert (arbitrated.makespan, arbitrated.engine) == (queued[0].makespan, "periods, arbitrated")
    commands = sim.tile_classes(20, machine=sim.COMMANDS)
    assert (commands.tiles, commands.engine) == (400, "periods, DRAM by commands")
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
    assert "| case | compiled | 1,000 | 2,000 | 0.5 | why |" in sim.markdown([row])
    monkeypatch.setattr(sim, "cases", lambda networks: iter([row]))
    result = CliRunner().invoke(app, ["bench", "sim", "--json", "-"])
    assert result.exit_code == 0
    wanted = {"case": "case", "engine": "compiled", "tiles": 1000, "makespan": 2000, "cpu_s": 0.5, "note": "why"}
    assert json.loads(result.output) == {"rows": [wanted]}


PEER = """#!{python}
import pathlib, sys
rows = pathlib.Path("topology.csv").read_text().splitlines()[1:]
assert sys.argv[1] == "-c" and "ArrayHeight: 256" in pathlib.Path("machine.cfg").read_text()
out = pathlib.Path("out/run")
out.mkdir(parents=True)
cycles = [{cycles}] + [0] * (len(rows) - 1)
lines = [f"{{n}}, 1, {{c}}, 0," for n, c in enumerate(cycles)]
(out / "COMPUTE_REPORT.csv").write_text("LayerID, With prefetch, Total Cycles, Stall Cycles,\\n" + "\\n".join(lines))
"""


def peer(folder: Path, cycles: int) -> str:
    """A program in the place of an interpreter with SCALE-Sim: it reads the files and reports these cycles."""
    found = folder / "python"
    found.write_text(PEER.format(python=sys.executable, cycles=cycles))
    found.chmod(0o755)
    return str(found)


def beside(python: str) -> Iterator[sim.SimRow]:
    return peers.scalesim(python, "alexnet", topology("alexnet"))


def test_scalesim_runs_beside_and_must_agree(tmp_path: Path) -> None:
    theirs, ours = beside(peer(tmp_path, 73_747))
    assert (theirs.engine, theirs.makespan, ours.engine, ours.makespan) == ("SCALE-Sim", 73_747, "columns", 73_747)
    assert theirs.cpu_s > 0 and "times fewer CPU seconds" in ours.note
    with pytest.raises(CheckFailed, match="73747 cycles, SCALE-Sim has 73748"):
        list(beside(peer(tmp_path, 73_748)))


def test_a_wrong_interpreter_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No such file or directory; expected a Python in which scalesim 3.0.0"):
        list(beside(str(tmp_path / "none")))
    with pytest.raises(InputError, match="No module named 'scalesim'"):
        list(beside(sys.executable))


def test_the_report_comes_with_its_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        sim.SimRow(sim.CASE, engine, n, n, n * s) for engine, s in (("simpy", 2e-3), ("periods", 1e-5)) for n in (9, 99)
    ]
    monkeypatch.setattr(sim, "cases", lambda networks: iter(rows))
    result = CliRunner().invoke(app, ["bench", "sim", "--out", str(tmp_path / "b.md")])
    assert result.exit_code == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["b.md", "b.png", "b.svg"]
    assert "![CPU seconds against tile steps, by engine](b.svg)" in (tmp_path / "b.md").read_text()
    drawn = (tmp_path / "b.svg").read_text()
    assert all(f"<!-- {text} -->" in drawn for text in ("tile steps", "CPU s", "simpy", "periods"))
    assert CliRunner().invoke(app, ["bench", "mapper", "--scalesim", "python"]).exit_code != 0
