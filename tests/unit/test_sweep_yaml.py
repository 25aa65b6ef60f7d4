"""Sweep files: what they say, and that every error is placed."""

from __future__ import annotations

import pytest

from accelsim.errors import InputError
from accelsim.formats.sweep_yaml import load_sweep
from accelsim.space.spec import Budgets, Search, Variant
from accelsim.space.types import Goal, Interval

FULL = """
name: full
base: {arch: edge_os_32x32, model: mlp, batch: 2, objective: energy}
grid:
  array.rows: [8, 16]
  dram.bandwidth: {from: 1 GB/s, to: 4 GB/s, factor: 2}
  vector.lanes: 8
linked:
  - {memories.SRAM.capacity: [64 KiB, 128 KiB], clock: [100 MHz, 200 MHz]}
variants:
  flow:
    os: {array.dataflow: os}
    ws: {array.dataflow: ws, array.wires.share_weights: []}
    free: {best_of: [os, ws]}
derived:
  array.cols: 1024 // rows
constraints: [rows * cols <= 1024]
budgets: {area: 12.5 mm2, power: 500 mW, bandwidth: 2 GB/s}
objectives: [totals.energy_pj, max totals.utilization]
figures: ["totals.energy_by_component_pj.DRAM"]
keep_layers: true
timeout: 60 s
effort: quick
"""
HEAD = "name: s\nbase: {arch: eyeriss, model: mlp}\n"


def test_a_file_becomes_a_spec() -> None:
    spec = load_sweep(FULL, "full.yaml")
    assert (spec.base.batch, spec.base.objective, spec.effort, spec.timeout_s) == (2, "energy", "quick", 60.0)
    assert spec.space.size == 2 * 3 * 1 * 2 * 3
    assert spec.space.grid_point(0) == {
        "array.rows": 8, "dram.bandwidth": "1 GB/s", "vector.lanes": 8, "memories.SRAM.capacity": "64 KiB",
        "clock": "100 MHz", "flow": "os",
    }  # fmt: skip
    assert spec.choices[0].get("ws") == Variant("ws", (("array.dataflow", "ws"), ("array.wires.share_weights", ())))
    assert spec.choices[0].variants[2].best_of == ("os", "ws")
    assert spec.budgets == Budgets(12.5, 0.5, 16 * 10**9)
    assert spec.goals == (Goal("totals.energy_pj"), Goal("totals.utilization", True))
    assert spec.keep_layers and spec.figures == ("totals.energy_by_component_pj.DRAM",)


def test_ranges_without_steps_are_for_samples() -> None:
    text = HEAD + "grid:\n  array.rows: {from: 4, to: 64, scale: log}\n"
    with pytest.raises(InputError, match=r"s.yaml: array.rows: a range without step, factor or points has no grid"):
        load_sweep(text, "s.yaml")
    spec = load_sweep(text + "search: {mode: random, points: 7, seed: 3}\n", "s.yaml")
    assert spec.search == Search("random", 7, 3)
    assert isinstance(spec.space.dimensions[0].values, Interval)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("gird: {}", r"s.yaml:3:1: gird: unknown key; did you mean 'grid'"),
        ("grid: {array.rows: []}", r"s.yaml:3:8: grid.array.rows: an empty list"),
        ("grid: {array.rows: [8, 8]}", r"8 is listed twice"),
        ("grid: {array.rows: [[8]]}", r"\[8\], expected a number, a text"),
        ("grid: {array.rows: {from: 8, too: 9}}", r"too: unknown key; did you mean 'to'"),
        ("grid: {array.rows: {from: 8}}", r"to: missing"),
        ("grid: {array.rows: {from: 8, to: 9, step: 1, points: 2}}", r"step and points together, expected one of them"),
        ("grid: {array.rows: {from: 8, to: 4, step: 1}}", r"grid.array.rows: range whose end lies below its start"),
        ("linked: [{array.rows: [1, 2], array.cols: [1]}]", r"different lengths \(array.rows: 2, array.cols: 1\)"),
        ("linked: [{array.rows: {from: 1, to: 2}}]", r"a range in `linked` states step, factor or points"),
        ("variants: {f: {}}", r"variants.f: no variants"),
        ("variants: {f: {a: {best_of: [b]}}}", r"variants.f.a.best_of: no variant 'b'"),
        ("variants: {f: {a: {best_of: [a], x: 1}}}", r"`best_of` stands alone"),
        ("variants: {flow: {os: {array.dataflow: os}}}\ngrid: {flow: [osx]}", r"no variant 'osx'; did you mean 'os'"),
        ("derived: {glb: 4 ** x.y()}", r"s.yaml:3:11: derived.glb: .*no function"),
        ("constraints: ['rows <']", r"s.yaml:3:15: constraints\[0\]: 'rows <' is not an expression"),
        ("budgets: {area: 12}", r"budgets.area: 12: input should be a valid string"),
        ("budgets: {area: 12 cm2}", r"'12 cm2' is not an area such as '12.5 mm2'"),
        ("budgets: {bandwidth: 2 GHz}", r"budgets.bandwidth: '2 GHz' has unit 'GHz'"),
        ("budgets: {aera: 1 mm2}", r"aera: unknown key; did you mean 'area'"),
        ("search: {mode: gird}", r"search.mode: 'gird'; did you mean 'grid'"),
        ("search: {points: 0}", r"search.points: 0: input should be greater"),
        ("objectives: [totals.enery_pj]", r"no figure 'totals.enery_pj' in a report; did you mean 'totals.energy_pj'"),
        ("objectives: [most edp]", r"'most edp', expected a figure, or `max` and a figure"),
        ("figures: [edq]", r"no figure 'edq'"),
        ("timeout: soon", r"'soon' is not a time such as '60 s'"),
        ("effort: lazy", r"effort: 'lazy': input should be 'full' or 'quick'"),
        ("plots: [{name: p, kind: matrix, x: a, y: b}]", r"plots\[0\]: a matrix states `value`"),
        ("grid: {a: [1]}\nderived: {a: 2}", r"s.yaml: a is set more than once"),
    ],
)
def test_one_error_is_placed_and_explained(rest: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_sweep(HEAD + rest + "\n", "s.yaml")


def test_all_errors_come_at_once_in_file_order() -> None:
    with pytest.raises(InputError) as error:
        load_sweep(HEAD + "grid: {a: []}\nderived: {b: '1 +'}\nsearch: {mode: x}\n", "s.yaml")
    assert [line.split(":")[1] for line in str(error.value).splitlines()] == ["3", "4", "5"]


@pytest.mark.parametrize(("text", "message"), [("name: x", "base: missing"), ("- 1", "expected the keys of a sweep")])
def test_files_that_are_not_sweeps(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_sweep(text, "s.yaml")
