"""Runs of sweeps in this process: what is run, recorded, resumed, merged, exported, searched and drawn."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import accelsim
from accelsim.errors import InputError
from accelsim.formats.sweep_yaml import load_sweep
from accelsim.plot.sweep import draw as draw_plot
from accelsim.space.spec import Plot, SweepSpec
from accelsim.space.types import Goal
from accelsim.sweeps import extras, runner
from accelsim.sweeps.cluster import DaskCluster
from accelsim.sweeps.door import opener, read_sweep
from accelsim.sweeps.draw import Shard
from accelsim.sweeps.merge import merge
from accelsim.sweeps.record import Record
from accelsim.sweeps.runner import State, Summary, run_sweep
from accelsim.sweeps.slurm import script
from accelsim.sweeps.tables import cells, front, to_csv, to_parquet
from accelsim.sweeps.work import Answer, Task
from tests.unit.sweep_cases import write_sweep

HEAD = "name: s\nbase: {arch: edge_os_32x32, model: mlp}\n"
GRID = "grid: {rows: [4, 8, 16], cols: [4, 8]}\n"


class Fake:
    """Answers with figures made from the machine, without a simulator; fails where `broken` says so."""

    def __init__(self, broken: set[int] | None = None) -> None:
        self.ran: list[str] = []
        self.broken = broken or set()

    def __enter__(self) -> Fake:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        for task in reversed(list(tasks)):
            self.ran.append(task.key)
            array = task.setting.machines[0].array
            if array.rows in self.broken:
                yield Answer(task.key, error="told to fail")
                continue
            energy, seconds = float(array.pes + array.rows), 1.0 / array.pes
            found = {"totals.energy_pj": energy, "totals.seconds": seconds, "edp": energy * seconds}
            yield Answer(
                task.key,
                {
                    "totals": {"energy_pj": energy, "seconds": seconds, "stall_cycles": {"a": array.rows}},
                    "edp": energy * seconds, "area_mm2": None, "power_w": float(array.pes),
                    "figures": {path: found[path] for path in task.setting.figures},
                },
            )  # fmt: skip


def spec_of(text: str) -> SweepSpec:
    return load_sweep(HEAD + text, "s.yaml")


def go(text: str, folder: Path, pool: Fake | None = None, **more: Any) -> tuple[Summary, Fake]:
    fake = Fake() if pool is None else pool
    return run_sweep(spec_of(text), folder, lambda: fake, **more), fake


def rows_of(folder: Path) -> list[Any]:
    with Record(folder) as record:
        return list(record.rows())


def test_finished_points_are_never_run_again(tmp_path: Path) -> None:
    first, fake = go(GRID, tmp_path)
    assert (first.ran, first.counts["done"], len(fake.ran)) == (6, 6, 6)
    again, fake = go(GRID, tmp_path)
    assert (again.ran, fake.ran, again.counts) == (0, [], first.counts)
    wider, fake = go("grid: {cols: [4, 8], rows: [4, 8, 16, 32]}\n", tmp_path)
    assert (wider.ran, wider.points, len(fake.ran)) == (2, 8, 2)
    assert [row.number for row in rows_of(tmp_path)] == list(range(8))


def test_points_of_equal_content_are_run_once(tmp_path: Path) -> None:
    summary, fake = go("grid: {rows: [4, 8], spare: [1, 2]}\nconstraints: [spare > 0]\n", tmp_path)
    assert (summary.ran, summary.counts["done"], len(fake.ran)) == (2, 4, 2)


def test_failed_points_are_listed_and_run_again_when_asked(tmp_path: Path) -> None:
    summary, _ = go(GRID, tmp_path, Fake({8}))
    assert summary.failed == ((2, "told to fail"), (3, "told to fail"))
    assert go(GRID, tmp_path)[0].ran == 0
    again, _ = go(GRID, tmp_path, retry=True)
    assert (again.ran, again.counts["done"], again.failed) == (2, 6, ())


def test_budgets_exclude_before_and_mark_after_a_run(tmp_path: Path) -> None:
    text = GRID + "budgets: {power: 40 W}\nconstraints: [rows * cols <= 64]\n"
    summary, fake = go(text, tmp_path)
    assert (summary.counts["excluded"], summary.counts["over budget"], summary.counts["done"]) == (1, 2, 3)
    assert len(fake.ran) == 5
    reasons = [row.reason for row in rows_of(tmp_path)]
    assert reasons[3] == "power 64 W, budget 40 W" and reasons[5] == "constraint: rows * cols <= 64"


def test_nothing_is_written_for_a_wrong_sweep(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"array.rows: 0 is not a whole number"):
        go("grid: {array.rows: [4, 8, 0]}\n", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_large_sweeps_bind_as_they_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "AT_ONCE", 3)
    monkeypatch.setattr(runner, "CHUNK", 2)
    whole, _ = go(GRID, tmp_path, Fake({8}))
    assert (whole.points, whole.ran, len(whole.failed)) == (6, 6, 2)
    again, fake = go(GRID, tmp_path, retry=True)
    assert (again.ran, len(fake.ran), again.counts["done"]) == (2, 2, 6)
    with pytest.raises(InputError, match=r"rows: array.rows: 0 is not"):
        go("grid: {rows: [1, 2, 3, 4, 0]}\n", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_state_counts_and_knows_the_best(tmp_path: Path) -> None:
    seen: list[tuple[int, int, Any]] = []

    def watch(state: State) -> None:
        seen.append((state.settled, state.ran, state.best))

    go(GRID + "objectives: [max totals.energy_pj]\n", tmp_path, watch=watch)
    assert [row[:2] for row in seen] == [(k, k) for k in range(7)]
    assert seen[-1][2] == (144.0, {"rows": 16, "cols": 8})


def test_shards_merge_into_the_bytes_of_the_whole(tmp_path: Path) -> None:
    go(GRID, tmp_path / "whole")
    for index in range(3):
        summary, _ = go(GRID, tmp_path / f"part{index}", shard=Shard(index, 3))
        assert summary.points == 2
    parts = [tmp_path / f"part{index}" for index in range(3)]
    merge(tmp_path / "all", parts[:2])
    merged = merge(tmp_path / "all", [*parts[2:], parts[0]])
    assert merged.counts["done"] == merged.points == 6
    assert to_csv(rows_of(tmp_path / "all")) == to_csv(rows_of(tmp_path / "whole"))
    assert go(GRID, tmp_path / "all")[0].ran == 0


def test_only_shards_of_one_sweep_merge(tmp_path: Path) -> None:
    go(GRID, tmp_path / "one")
    go("grid: {rows: [4]}\n", tmp_path / "two")
    with pytest.raises(InputError, match=r"cannot merge .*two with .*one: it holds another sweep file"):
        merge(tmp_path / "all", [tmp_path / "one", tmp_path / "two"])
    with pytest.raises(InputError, match="which is one of the shards"):
        merge(tmp_path / "one", [tmp_path / "one"])
    with pytest.raises(InputError, match=r"no sweep in .*none"):
        merge(tmp_path / "all", [tmp_path / "none"])
    assert not (tmp_path / "all").exists()


def test_a_finished_result_is_never_replaced(tmp_path: Path) -> None:
    go(GRID, tmp_path)
    key = rows_of(tmp_path)[0].key
    with Record(tmp_path, create=True) as record:
        record.put([Answer(key, error="late failure")])
    assert [row.status for row in rows_of(tmp_path)] == ["done"] * 6


def test_stores_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no sweep in .* \(no sweep.sqlite\)"):
        Record(tmp_path)
    (tmp_path / "sweep.sqlite").write_text("not a database, and longer than a header of one\n" * 9)
    with pytest.raises(InputError, match="file is not a database; is it a store of `accelsim sweep`"):
        Record(tmp_path)
    (tmp_path / "sweep.sqlite").unlink()
    database = sqlite3.connect(tmp_path / "sweep.sqlite")
    database.executescript("CREATE TABLE t (a); PRAGMA user_version=9;")
    database.close()
    with pytest.raises(InputError, match="has format 9, this accelsim reads 1"):
        Record(tmp_path)


def test_whole_reports_are_kept_when_asked(tmp_path: Path) -> None:
    text = "base: {arch: edge_os_32x32, model: 'mlp:inputs=8,hidden1=8,hidden2=8'}\nkeep_layers: true\n"
    (tmp_path / "s.yaml").write_text("name: s\n" + text)
    result = accelsim.sweep(tmp_path / "s.yaml", tmp_path / "out", workers=1)
    with Record(tmp_path / "out") as record:
        report = record.report(result.rows[0].key)
    assert report is not None and len(report["layers"]) == 3
    assert report["totals"]["energy_pj"] == result.points["energy_pj"][0]
    assert result.points["status"].tolist() == ["done"] and len(result.pareto) == 1


def test_exports_are_ordered_equal_and_without_a_clock(tmp_path: Path) -> None:
    go(GRID, tmp_path / "a", Fake({8}))
    go("grid: {rows: [16, 8], cols: [8, 4]}\n", tmp_path / "b")
    go(GRID, tmp_path / "b", Fake({8}))
    one, two = rows_of(tmp_path / "a"), rows_of(tmp_path / "b")
    assert (
        to_csv(two).decode().splitlines()[0]
        == "point,status,rows,cols,energy_pj,seconds,stall_cycles.a,edp,area_mm2,power_w,reason"
    )
    table = pd.read_csv(io.BytesIO(to_csv(one)))
    assert table["point"].tolist() == list(range(6)) and table["status"].tolist()[2] == "failed"
    assert np.isnan(table["energy_pj"][2])
    arrow = pd.read_parquet(io.BytesIO(to_parquet(one)))
    assert list(arrow.columns) == list(table.columns) and arrow["energy_pj"][0] == table["energy_pj"][0]
    assert to_parquet(one) == to_parquet(rows_of(tmp_path / "a"))


def test_fronts_over_any_recorded_figure(tmp_path: Path) -> None:
    go(GRID, tmp_path)
    rows = rows_of(tmp_path)
    assert [row.number for row in front(rows, (Goal("totals.energy_pj"), Goal("totals.seconds")))] == [0, 1, 3, 5]
    assert [row.number for row in front(rows, (Goal("totals.stall_cycles.a", True), Goal("power_w")))] == [0, 2, 4]
    with pytest.raises(InputError, match=r"figure 'totals.cycels' was not recorded; .*name it under `figures`"):
        front(rows, (Goal("totals.cycels"),))


@pytest.mark.parametrize("mode", ["nsga2", "tpe"])
def test_a_search_is_that_of_its_seed_and_goes_on_where_it_was_ended(tmp_path: Path, mode: str) -> None:
    text = (
        "grid: {rows: {from: 2, to: 64}, cols: [2, 4, 8, 16], glb: {from: 64 KiB, to: 1 MiB, scale: log}, "
        f"dataflow: [os]}}\nsearch: {{mode: {mode}, points: 24, population: 6, seed: 5}}\n"
        "objectives: [totals.energy_pj]\n"
    )
    whole, fake = go(text, tmp_path / "a")
    assert whole.points == 24 and whole.ran == len(set(fake.ran))

    class Ended(Fake):
        def run(self, tasks: Iterable[Task]) -> Iterator[Answer]:
            if len(self.ran) >= 10:
                raise KeyboardInterrupt
            yield from super().run(tasks)

    with pytest.raises(KeyboardInterrupt):
        go(text, tmp_path / "b", Ended())
    kept = sum(row.status == "done" for row in rows_of(tmp_path / "b"))
    again, _ = go(text, tmp_path / "b")
    assert kept >= 10 and again.counts["done"] == 24
    assert to_csv(rows_of(tmp_path / "b")) == to_csv(rows_of(tmp_path / "a"))
    energies = [row.figures["totals"]["energy_pj"] for row in rows_of(tmp_path / "a")]
    assert sum(energies[12:]) < sum(energies[:12])


def test_failed_points_do_not_stop_a_search(tmp_path: Path) -> None:
    text = "grid: {rows: [2, 4, 8]}\nconstraints: [rows != 4]\nsearch: {mode: tpe, points: 6, population: 3}\n"
    summary, _ = go(text, tmp_path, Fake({8}))
    assert summary.points == 6 and summary.counts["pending"] == 0


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(extras, "import_module", absent)
    for extra, call in (
        ("search", lambda: go("grid: {rows: [1]}\nsearch: {mode: tpe}\n", tmp_path)),
        ("cluster", lambda: DaskCluster("tcp://127.0.0.1:1")),
        ("parquet", lambda: to_parquet([])),
    ):
        with pytest.raises(InputError, match=rf"is not installed; `pip install accelsim\[{extra}\]`"):
            call()


def test_a_pool_gives_one_answer_per_task_and_bugs_are_answers(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, [":size=2", ":size=3", ":act='fail'"])
    summary = run_sweep(read_sweep(str(sweep)), tmp_path / "out", opener(2, None, ""))
    assert (summary.counts["done"], summary.counts["failed"]) == (2, 1)


@pytest.mark.parametrize(("workers", "timeout", "message"), [(0, None, "workers 0"), (1, 0.0, "timeout 0.0")])
def test_wrong_ways_to_run(workers: int, timeout: float | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        opener(workers, timeout, "")


def test_a_job_array_runs_every_shard() -> None:
    text = script("my sweep.yaml", "s", "out dir", 100, 4)
    assert "#SBATCH --array=0-99" in text and "#SBATCH --cpus-per-task=4" in text
    assert "accelsim sweep shard 'my sweep.yaml' --index \"$SLURM_ARRAY_TASK_ID\" --of 100" in text
    assert "accelsim sweep merge 'out dir' 'out dir'/shard-*" in text


def test_plots_are_equal_and_say_what_is_missing(tmp_path: Path) -> None:
    go(GRID, tmp_path)
    rows = rows_of(tmp_path)
    for plot in (
        Plot("m", "matrix", "rows", "cols", value="edp", relative=True),
        Plot("l", "lines", "rows", "totals.energy_pj", by="cols", log="xy", relative=True),
        Plot("s", "scatter", "totals.seconds", "power_w"),
    ):
        files = draw_plot(plot, cells(plot, rows))
        assert files == draw_plot(plot, cells(plot, rows))
        assert files[f"{plot.name}.png"][:4] == b"\x89PNG" and b"<svg" in files[f"{plot.name}.svg"]
    with pytest.raises(InputError, match="figure 'rowz' was not recorded"):
        cells(Plot("l", "lines", "rowz", "edp"), rows)
    with pytest.raises(InputError, match="plot l: no finished points"):
        cells(Plot("l", "lines", "rows", "edp"), [])
