"""Views: tables whose sums are the report's totals exactly, drawings with units, the same bytes every time."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

import accelsim
from accelsim.anatomy import pe_work
from accelsim.errors import InputError
from accelsim.formats.outputs import to_json
from accelsim.plot.ask import Ask
from accelsim.plot.bound import Plots, Report
from accelsim.plot.film import film_table
from accelsim.plot.graph import graph_table, ranks
from accelsim.plot.machine import machine_table
from accelsim.plot.nest import nest_table
from accelsim.plot.occupancy import occupancy_table, steps
from accelsim.plot.pe_map import pe_table
from accelsim.plot.roofline import levels, roofline_table
from accelsim.plot.style import COLOURS, FIXED, MOST_BARS, colours, ink_on, save, shade
from accelsim.plot.table import Table
from accelsim.plot.views import ALWAYS, HAS, VIEWS, draw, figure, render, selected, view
from accelsim.report import RunReport
from accelsim.verdict import CLASSES, bound_of, by_class, class_of, paragraph, times

SMALL = "mobilenet_v2:size=32,width=0.25"


@pytest.fixture(scope="module", params=["edge_os_32x32", "eyeriss", "tpu_v1"])
def report(request: pytest.FixtureRequest) -> Report:
    return accelsim.run(request.param, SMALL)


@pytest.fixture(scope="module")
def edge() -> Report:
    return accelsim.run("edge_os_32x32", SMALL)


def _ints(table: Table, name: str) -> list[int]:
    cells = table.column(name)
    assert all(isinstance(cell, int) for cell in cells), name
    return [int(cell) for cell in cells]


@pytest.mark.parametrize("name", ["energy", "energy_operand", "latency"])
def test_stacks_add_up_to_the_table_exactly(report: Report, name: str) -> None:
    table = view(name).table(report, Ask())
    costly = [layer for layer in report.results if layer.cycles]
    assert table.texts("layer") == [layer.name for layer in costly]
    parts = table.columns[1:-1]
    sums = [sum(values) for values in zip(*(_ints(table, part) for part in parts), strict=True)]
    wanted = [layer.cycles if name == "latency" else layer.total_energy_fj for layer in costly]
    assert sums == _ints(table, table.columns[-1]) == wanted
    for part in parts if name == "energy" else ():
        assert sum(_ints(table, part)) == report.totals.energy_fj[part.removesuffix("_fj")]


def test_networks_add_up(report: Report) -> None:
    energy, time = (view(f"{what}_network").table(report, Ask()) for what in ("energy", "latency"))
    assert sum(_ints(energy, "energy_fj")) == report.totals.total_energy_fj == energy.fact("total_fj")
    low = sum(e * p for e, p in zip(_ints(energy, "energy_fj"), _ints(energy, "low_permille"), strict=True))
    assert low == report.totals.energy_span_aj[0]
    assert sum(_ints(time, "cycles")) == sum(layer.cycles for layer in report.results)


def test_the_layer_table_has_the_totals(report: Report) -> None:
    table = view("layers").table(report, Ask())
    assert sum(_ints(table, "energy_fj")) == report.totals.total_energy_fj
    assert sum(_ints(table, "issued_macs")) == report.totals.issued_macs
    assert set(table.texts("bound")) <= set(CLASSES)


def test_pe_rectangles_hold_all_macs(report: Report) -> None:
    table = pe_table(report, Ask())
    for layer in (x for x in report.results if x.unit == "array"):
        mine = table.where("layer", layer.name)
        area = (h * w * m for h, w, m in zip(*(_ints(mine, c) for c in ("rows", "cols", "macs_per_pe")), strict=True))
        assert sum(area) == layer.issued_macs


def test_rooflines_have_dots_under_the_roof_at_every_level(report: Report) -> None:
    assert levels(report)[0] == "DRAM" and len(levels(report)) >= 2
    for level in levels(report):
        table = roofline_table(report, Ask(level=level))
        peak, slope = table.figure("peak_gmac_per_s"), table.figure("bandwidth_gbyte_per_s")
        for x, y in zip(table.numbers("intensity_mac_per_byte"), table.numbers("rate_gmac_per_s"), strict=True):
            roof = peak if level == "DRAM" and report.schedule["overlap"] else min(peak, x * slope)
            assert y <= roof * (1 + 1e-12), level
        assert sum(table.numbers("share_of_time")) <= 1 + 1e-12
    with pytest.raises(InputError, match=r"--level 'GBL': .* has no such level"):
        roofline_table(report, Ask(level="GBL"))


def test_machine_links_are_the_traffic(report: Report) -> None:
    table = machine_table(report, Ask()).where("kind", "link")
    dram = table.where("name", "DRAM")
    down, up = sum(_ints(dram, "down_bits")), sum(_ints(dram, "up_bits"))
    flows = report.totals.traffic["DRAM"].values()
    assert (down, up) == (sum(f.read_bits for f in flows), sum(f.write_bits for f in flows))
    names = machine_table(report, Ask()).where("kind", "block").texts("name")
    assert set(table.texts("name")) | set(table.texts("child")) <= set(names)
    one = machine_table(report, Ask(layer=report.results[0].name))
    assert report.results[0].name in one.title


def test_occupancy_stays_below_capacity_and_overlaps_add_up(edge: Report) -> None:
    table = occupancy_table(edge, Ask())
    capacity = table.figure("SRAM_capacity_bits")
    edges, rows = steps(table.where("memory", "SRAM"))
    assert edges[-1] <= edge.totals.cycles
    assert max(map(sum, zip(*rows.values(), strict=True))) <= capacity
    two = Table("", table.columns, (("a", "SRAM", "Inputs", 0, 10, 5), ("b", "SRAM", "Inputs", 4, 12, 2)), table.facts)
    assert steps(two) == ([0, 4, 10, 12], {"Inputs": [5, 7, 2]})


def test_the_nest_tells_loops_and_tiles(report: Report) -> None:
    layer = next(x for x in report.results if x.unit == "array")
    table = nest_table(report, Ask(layer=layer.name))
    mapping = layer.anatomy.nests[0].mapping
    loops = [(r[3], r[4]) for r in table.rows if r[0] == 0 and r[2] in ("loop", "stream", "spatial", "pe")]
    wanted = [loop for level in mapping.levels for loop in level.loops]
    wanted += [*mapping.stream, *mapping.spatial, *mapping.pe]
    assert loops == [(loop.dim, loop.trips) for loop in wanted if loop.trips > 1]
    for row in table.rows:
        if row[2] == "memory" and row[10]:
            assert int(row[9]) <= int(row[10])
        if row[2] == "tile":
            assert int(row[9]) == int(row[6]) * int(row[7]) * int(row[8])


def test_the_graph_has_every_layer_and_edge() -> None:
    found = accelsim.run("edge_os_32x32", "resnet18:size=32")
    table = graph_table(found, Ask())
    names = {layer.name for layer in found.results}
    edges = {(source, layer) for layer, reads in zip(table.texts("layer"), table.texts("reads"), strict=True)
             for source in reads.split()}  # fmt: skip
    assert edges == {(s, layer.name) for layer in found.results for s in layer.anatomy.inputs if s in names}
    rank = ranks(found.results)
    assert all(rank[a] < rank[b] for a, b in edges)
    spots = list(zip(table.numbers("x"), table.numbers("y"), strict=True))
    assert len(set(spots)) == len(spots)


def test_film_of_an_output_stationary_pass(edge: Report) -> None:
    """PE (r, c) meets step t in cycle t + r + c, and its words are the ones its index sets say."""
    layer = max((x for x in edge.results if x.unit == "array"), key=lambda x: x.active_pes)
    table = film_table(edge, Ask(layer=layer.name, cycles=9))
    mapping = layer.anatomy.nests[0].mapping
    depth = min(9, next((s.trips for s in mapping.temporal if s.level == "stream"), 1))
    for cycle, row, col, kept, right, down, does in table.rows:
        busy = 0 <= int(cycle) - int(row) - int(col) < depth or does == "MAC"
        assert bool(right) == bool(down) == (does == "MAC")
        assert kept and (busy or does == "idle")
    by_pe = {(r, c): [x for x in table.rows if x[1] == r and x[2] == c] for _, r, c, *_ in table.rows}
    first = {pe: next((x[0] for x in rows if x[6] == "MAC"), None) for pe, rows in by_pe.items()}
    assert all(cycle == r + c for (r, c), cycle in first.items() if cycle is not None)
    for (r, c), rows in by_pe.items():
        left = by_pe.get((r, c - 1)) if isinstance(c, int) else None
        if left:
            assert [x[4] for x in rows[1:]] == [x[4] for x in left[:-1]]


def test_film_of_a_weight_stationary_pass() -> None:
    """Words load for as many cycles as there are rows, then the stream enters skewed."""
    found = accelsim.run("tpu_v1", "mlp")
    table = film_table(found, Ask(cycles=12))
    rows = int(table.figure("rows_shown"))
    macs = [(x[0], x[1], x[2]) for x in table.rows if x[6] == "MAC"]
    assert min(macs) == (rows, 0, 0)
    loading = [x for x in table.rows if x[0] == rows - 1 and x[2] == 0]
    assert all(x[3] for x in loading) and len({x[3] for x in loading}) == rows


def test_film_needs_a_systolic_array() -> None:
    found = accelsim.run("eyeriss", "mlp")
    assert not HAS["film"](found)
    with pytest.raises(InputError, match="every layer has no pass on a systolic array"):
        film_table(found, Ask())


def test_layers_are_chosen_by_name(edge: Report) -> None:
    with pytest.raises(InputError, match=r"no layer 'stem\.conv' in this report; did you mean 'stem\.conv1'"):
        nest_table(edge, Ask(layer="stem.conv"))
    vector = next(layer for layer in edge.results if layer.unit == "vector" and not layer.anatomy.nests)
    with pytest.raises(InputError, match=rf"layer '{vector.name}' \(.*\) has no loop nest; layers that fit: "):
        nest_table(edge, Ask(layer=vector.name))


def test_every_view_is_drawn_twice_alike() -> None:
    small = accelsim.run("edge_os_32x32", "mlp")
    one, two = render(small, kinds=("svg",)), render(small, kinds=("svg",))
    assert one == two
    names = {name.rsplit(".", 1)[0] for name in one}
    assert {v.name for v in VIEWS} <= names and "roofline_SRAM" in names
    for name in names:
        assert one[f"{name}.svg"].lstrip().startswith(b"<?xml")
        rows = list(csv.reader(io.StringIO(one[f"{name}.csv"].decode())))
        assert len(rows) > 1 and len({len(row) for row in rows}) == 1


def test_kinds_of_files(edge: Report) -> None:
    files = render(edge, ["machine"], ("png", "pdf"))
    assert files["machine.png"].startswith(b"\x89PNG") and files["machine.pdf"].startswith(b"%PDF")
    assert render(edge, ["machine"], ("pdf",))["machine.pdf"] == files["machine.pdf"]
    with pytest.raises(InputError, match="format 'bmp'; valid names: gif, pdf, png, svg"):
        render(edge, ["machine"], ("bmp",))
    with pytest.raises(InputError, match="format 'bmp'"):
        save(figure(edge, "machine"), "bmp")
    with pytest.raises(InputError, match="no view 'rofline'; did you mean 'roofline'"):
        render(edge, ["rofline"])
    with pytest.raises(InputError, match="view 'pareto' is of many runs"):
        render(edge, ["pareto"])


def test_a_run_draws_four() -> None:
    wanted = {f"{name}.{kind}" for name in ALWAYS for kind in ("png", "svg")}
    assert set(draw(accelsim.run("edge_os_32x32", "mlp"))) == wanted


def test_the_film_moves(edge: Report) -> None:
    """As many frames as cycles, the same bytes every time."""
    one, two = (render(edge, ["film"], ["gif"], Ask(cycles=4))["film.gif"] for _ in range(2))
    assert one == two
    with Image.open(io.BytesIO(one)) as picture:
        assert getattr(picture, "n_frames", 1) == 4


def test_views_without_array_work_are_left_out(edge: Report) -> None:
    kept = tuple(x for x in edge.results if x.unit != "array")
    rest = replace(edge, results=kept)
    names = [found.name for found in selected(rest, ())]
    assert "roofline" not in names and "pe_map" not in names and "energy" in names
    with pytest.raises(InputError, match="no layer has work for the array"):
        pe_table(rest, Ask())


def test_axes_carry_units(edge: Report) -> None:
    for name in ("energy_operand", "latency", "energy_network", "latency_network", "roofline", "utilisation"):
        axes = figure(edge, name).axes[0]
        assert "[" in axes.get_xlabel() + axes.get_ylabel(), name
    occupancy = figure(edge, "occupancy").axes
    assert occupancy[0].get_ylabel() == "SRAM [KiB]" and "time [ms]" in occupancy[-1].get_xlabel()


def test_areas_of_many_layers_are_not_cut(edge: Report) -> None:
    layers = [layer for layer in edge.results if layer.cycles]
    many = tuple(replace(layers[i % len(layers)], name=f"layer{i}") for i in range(2 * MOST_BARS))
    (axes,) = figure(replace(edge, results=many), "latency").axes
    most = max(layer.cycles for layer in layers) * 1e6 / edge.machine.clock_hz
    assert axes.get_ylim()[1] >= most


def test_methods_draw_what_views_draw(edge: Report) -> None:
    methods = {name for name in vars(Plots) if not name.startswith("_")} - {"report"}
    assert methods == {found.name for found in VIEWS}
    assert isinstance(edge.plot.roofline("SRAM"), Figure)
    assert isinstance(edge.plot.pe_map(edge.results[0].name), Figure)
    assert isinstance(edge.plot.film(cycles=3), Figure)


def test_notebooks_show_a_summary(edge: Report) -> None:
    text = edge._repr_html_()
    assert text == edge._repr_html_()
    assert f"{edge.totals.cycles:,} cycles" in text and "stem.conv1" in text
    assert text.count("<tr>") <= 22 and f"{len(edge.results) - 20} faster layers" in text
    odd = replace(edge, model="<b>x</b>")
    assert isinstance(odd, Report) and "&lt;b&gt;x" in odd._repr_html_()
    assert list(edge.layers["name"]) == [layer.name for layer in edge.results]


def test_a_run_is_loaded_again(edge: Report, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(to_json(edge.as_dict()))
    again = accelsim.load(str(tmp_path))
    assert isinstance(again, accelsim.Report) and again.as_dict() == edge.as_dict()
    assert again._repr_html_() == edge._repr_html_()


def test_the_verdict_in_words(report: RunReport) -> None:
    text = paragraph(report)
    totals = report.totals
    classes = by_class(times(totals.compute_cycles, totals.stall_cycles))
    worst = max(classes, key=lambda name: classes[name])
    assert text.startswith(f"The network is bound by {worst}: {100 * classes[worst] / sum(classes.values()):.1f} %")
    assert sum(classes.values()) == sum(layer.cycles for layer in report.results)


def test_classes_of_causes() -> None:
    assert class_of("dram_read_weights") == class_of("final_drain") == "DRAM bandwidth"
    assert class_of("array_fill_drain") == "fill and drain" and class_of("another_layer") == "waiting"
    view_only = accelsim.run("edge_os_32x32", SMALL).results
    assert all(bound_of(x) == "nothing" for x in view_only if not x.cycles)


def test_colours_differ_and_text_can_be_read() -> None:
    names = ["DRAM", "SRAM", "L2", "GLB", "spad", "odd"]
    found = colours(names)
    assert len(set(found.values())) == len(names) and found["DRAM"] == FIXED["DRAM"]
    assert ink_on("#222255") == "white" and ink_on("#ccbb44") == "black"
    assert shade("#000000", 4) == "#ffffff" and shade("#ffffff", -4) == "#000000"
    assert set(COLOURS) >= {"#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"}


def test_work_of_a_pe_map_is_that_of_the_mapping(edge: Report) -> None:
    layer = next(x for x in edge.results if x.unit == "array")
    table = pe_table(edge, Ask(layer=layer.name))
    work = pe_work(layer.anatomy.nests[0].mapping, 32, 32)
    assert max(_ints(table, "macs_per_pe")) == int(work.max())
