"""Runs beside each other: ratios, surviving ranges, movers, layers of only one report; fronts of many points."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import accelsim
from accelsim.errors import InputError
from accelsim.formats.points import is_points, read_points
from accelsim.plot.ask import Ask
from accelsim.plot.bound import Report
from accelsim.plot.compare import (
    Comparison,
    compare_dict,
    compare_files,
    labelled,
    layers_table,
    parts_table,
    totals_table,
)
from accelsim.plot.points import Points, pareto_table, render_points, slope_table, unit_of, value_of
from accelsim.report import energy_ratio

SMALL = "mobilenet_v2:size=32,width=0.25"


@pytest.fixture(scope="module")
def pair() -> tuple[Report, Report]:
    return accelsim.run("edge_os_32x32", SMALL), accelsim.run("eyeriss", SMALL)


def _named(table_rows: list[dict[str, object]], layer: str) -> dict[str, object]:
    return next(row for row in table_rows if row["layer"] == layer)


def test_totals_and_their_surviving_range(pair: tuple[Report, Report]) -> None:
    found = labelled(["a.json", "b.json"], pair)
    assert found.labels == ("edge_os_32x32", "eyeriss")
    table = totals_table(found)
    first, second = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    assert (first["time_ratio"], first["energy_ratio"], first["energy_ratio_low"]) == (1.0, 1.0, 1.0)
    wanted = energy_ratio(pair[1].totals, pair[0].totals)
    assert second["energy_ratio"] == float(wanted.value)
    assert (second["energy_ratio_low"], second["energy_ratio_high"]) == (float(wanted.low), float(wanted.high))
    assert second["time_ratio"] == pair[1].totals.seconds / pair[0].totals.seconds
    parts = parts_table(found)
    for row, report in zip(parts.rows, pair, strict=True):
        assert sum(int(cell) for cell in row[1:]) == report.totals.total_energy_fj


def test_layers_are_matched_by_name_and_none_is_dropped(pair: tuple[Report, Report]) -> None:
    a, b = pair
    fewer = replace(b, results=b.results[1:])
    renamed = replace(fewer, results=(replace(fewer.results[0], name="new"), *fewer.results[1:]))
    rows = compare_dict(Comparison(("a", "b"), (a, renamed)))["layers"]
    assert {row["layer"] for row in rows} == {x.name for x in a.results} | {"new"}
    gone, new = _named(rows, a.results[0].name), _named(rows, "new")
    assert gone["in"] == "baseline only" and gone["seconds"] is None and gone["time_ratio"] is None
    assert new["in"] == "this only" and new["baseline_energy_fj"] is None
    both = _named(rows, a.results[4].name)
    assert both["in"] == "both"
    assert both["time_ratio"] == pytest.approx(
        (b.results[4].cycles / b.machine.clock_hz) / (a.results[4].cycles / a.machine.clock_hz)
    )
    assert both["energy_ratio_low"] <= both["energy_ratio"] <= both["energy_ratio_high"]


def test_largest_movers_stand_first(pair: tuple[Report, Report]) -> None:
    a, _ = pair
    slow = a.results[7]
    changed = replace(slow, cycles=100 * slow.cycles, end_cycle=slow.start_cycle + 100 * slow.cycles)
    other = replace(a, results=tuple(changed if x is slow else x for x in a.results))
    table = layers_table(Comparison(("a", "b"), (a, other)))
    assert table.rows[0][0] == slow.name
    ratios = dict(zip(table.texts("layer"), table.column("time_ratio"), strict=True))
    assert ratios[slow.name] == pytest.approx(100)
    assert all(ratio in (1.0, "") for name, ratio in ratios.items() if name != slow.name)


def test_three_reports_and_their_files(pair: tuple[Report, Report]) -> None:
    found = labelled(["x", "y", "z"], [*pair, replace(pair[1], batch=2)])
    assert found.labels[2].endswith("batch 2")
    files = compare_files(found)
    assert set(files) == {"totals.csv", "layers.csv", "energy.csv",
                          *(f"{n}.{k}" for n in ("totals", "layers") for k in ("png", "svg"))}  # fmt: skip
    assert files == compare_files(found)


def test_labels_tell_apart(pair: tuple[Report, Report]) -> None:
    a, b = pair
    assert labelled(["x", "y"], [a, replace(a, model="other")]).labels == (SMALL, "other")
    assert labelled(["x", "y"], [a, replace(b, model="other")]).labels[1] == "other on eyeriss"
    assert labelled(["x", "y"], [a, a]).labels == (f"{SMALL} on edge_os_32x32 (x)", f"{SMALL} on edge_os_32x32 (y)")
    assert labelled(["x", "x"], [a, a]).labels == ("0: x", "1: x")
    with pytest.raises(InputError, match="compare needs at least two reports, 1 given"):
        Comparison(("a",), (a,))


def _point(glb: str, flow: str, seconds: float | None, energy: int = 0) -> dict[str, object]:
    totals = None if seconds is None else {"seconds": seconds, "energy_pj": energy}
    return {"params": {"arch": {"glb": glb}, "flow": flow}, "totals": totals, "status": "done" if totals else "failed"}


POINTS = [
    _point("64 KiB", "ws", 3.0, 5), _point("128 KiB", "ws", 2.0, 7), _point("128 KiB", "os", 2.5, 9),
    _point("1 MiB", "os", 4.0, 4), _point("2 MiB", "os", None),
]  # fmt: skip


@pytest.fixture
def points(tmp_path: Path) -> Points:
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"points": POINTS}))
    assert is_points(str(path))
    return Points("results.json", read_points(str(path)))


def test_the_front_is_what_nothing_beats(points: Points) -> None:
    table = pareto_table(points, Ask(x="totals.seconds", y="totals.energy_pj"))
    front = table.where("front", 1)
    assert front.column("point") == [1, 0, 3]
    assert front.texts("config") == ["glb=128 KiB, flow=ws", "glb=64 KiB, flow=ws", "glb=1 MiB, flow=os"]
    assert table.fact("rows_without_numbers") == 1
    assert (table.fact("x_unit"), table.fact("y_unit")) == ("s", "pJ")


def test_the_slope_falls_with_size(points: Points) -> None:
    table = slope_table(points, Ask(x="params.arch.glb", y="totals.energy_pj"))
    assert table.column("x") == [64 * 8192.0, 128 * 8192.0, 1024 * 8192.0]
    assert table.column("y") == [5.0, 7.0, 4.0] and table.column("best_so_far") == [5.0, 5.0, 4.0]
    assert table.fact("x_unit") == "bit"


def test_points_as_files_and_as_csv(points: Points, tmp_path: Path) -> None:
    ask = Ask(x="totals.seconds", y="totals.energy_pj")
    files = render_points(points, [], ["svg"], ask)
    assert set(files) == {"pareto.svg", "pareto.csv", "ski_slope.svg", "ski_slope.csv"}
    path = tmp_path / "p.csv"
    path.write_text("name,seconds,energy_pj\na,1,2\nb,2,1\nc,2,2\n")
    table = pareto_table(Points("p.csv", read_points(str(path))), Ask(x="seconds", y="energy_pj"))
    assert table.where("front", 1).texts("config") == ["name=a", "name=b"]


def test_wrong_points(points: Points, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--x is missing; columns of results\.json: params\.arch\.glb, "):
        pareto_table(points, Ask(y="totals.energy_pj"))
    with pytest.raises(InputError, match=r"--y 'totals\.energy': .*did you mean 'totals\.energy_pj'"):
        pareto_table(points, Ask(x="totals.seconds", y="totals.energy"))
    with pytest.raises(InputError, match=r"no row has numbers for both params\.flow and totals\.seconds"):
        slope_table(points, Ask(x="params.flow", y="totals.seconds"))
    with pytest.raises(InputError, match="no view 'energy' of many runs; valid names: pareto, ski_slope"):
        render_points(points, ["energy"], ["svg"], Ask())


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.json", '{"points": []}', r"p\.json: points: expected a list with at least one point"),
        ("p.json", '{"points": [1]}', r"p\.json: points\[0\]: 1, expected an object"),
        ("p.json", "{", r"p\.json:1:2: not JSON"),
        ("p.csv", "a,b\n1\n", r"p\.csv:2: 1 cells, the header has 2"),
        ("p.csv", "a,b\n", r"p\.csv: expected a header and at least one row"),
        ("p.csv", 'a\n"x', r"p\.csv:\d+: not CSV"),
    ],
)
def test_files_that_hold_no_points(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_points(str(tmp_path / name))


def test_what_is_points(tmp_path: Path) -> None:
    assert is_points("x.csv") and not is_points(str(tmp_path)) and not is_points(str(tmp_path / "none.json"))
    (tmp_path / "r.json").write_text('{"layers": [], "points": []}')
    assert not is_points(str(tmp_path / "r.json"))
    (tmp_path / "r.json").write_text("{")
    assert not is_points(str(tmp_path / "r.json"))
    with pytest.raises(InputError, match="cannot read the points"):
        read_points(str(tmp_path / "none.csv"))


def test_values_and_units() -> None:
    assert value_of("2.5") == (2.5, "") and value_of(None) is None and value_of("200 MHz") == (200e6, "Hz")
    assert value_of("25.6 GB/s") == (204.8e9, "bit/s") and value_of("8 B/cycle") == (64.0, "bit/cycle")
    assert unit_of("totals.cycles", ["", ""]) == "cycles" and unit_of("rows", [""]) == "1"
