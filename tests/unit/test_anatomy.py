"""Work by PE, rectangles, links, holdings, busy resources, and energy by operand, against counts and by hand."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accelsim
from accelsim.anatomy import axis_text, nest_of, pass_lengths, pe_work, rectangles
from accelsim.energy import by_component
from accelsim.lookup import load_arch
from accelsim.mapping import Loop, Mapping, TileLevel
from accelsim.problem import DIMS, gemm_problem
from accelsim.report import RunReport

SMALL = "mobilenet_v2:size=32,width=0.25"
MACHINES = ["eyeriss", "edge_os_32x32", "tpu_v1", "edge_os_32x32_lpddr4"]


@pytest.fixture(scope="module", params=MACHINES)
def report(request: pytest.FixtureRequest) -> RunReport:
    return accelsim.run(request.param, SMALL)


def test_work_of_all_pes_is_the_issued_macs(report: RunReport) -> None:
    blocks = report.machine.blocks
    for layer in report.results:
        maps = [n.mapping for n in layer.anatomy.nests if n.mapping.problem.op == "mac"]
        work = [pe_work(mapping, blocks.rows, blocks.cols) for mapping in maps]
        assert sum(int(w.sum()) for w in work) == layer.issued_macs
        assert max((int((w > 0).sum()) for w in work), default=0) >= layer.active_pes


def test_energy_by_operand_adds_up(report: RunReport) -> None:
    for layer in report.results:
        assert by_component(layer.energy_parts_fj) == layer.energy_fj
    total = sum(v for layer in report.results for row in layer.energy_parts_fj.values() for v in row.values())
    assert total == report.totals.total_energy_fj


def test_links_carry_the_traffic_of_dram(report: RunReport) -> None:
    """What the DRAM reads and writes is what its links take down and bring up."""
    for layer in report.results:
        found: Counter[tuple[str, str]] = Counter()
        for name, row in layer.anatomy.links.items():
            if name.startswith("DRAM > "):
                for operand, flow in row.items():
                    found[operand, "down"] += flow.read_bits
                    found[operand, "up"] += flow.write_bits
        for operand, flow in layer.traffic.get("DRAM", {}).items():
            assert (found[operand, "down"], found[operand, "up"]) == (flow.read_bits, flow.write_bits), layer.name


def test_the_channel_is_busy_at_most_all_the_time(report: RunReport) -> None:
    assert sum(x.anatomy.busy_cycles.get("DRAM channel", 0) for x in report.results) <= report.totals.cycles


def test_nothing_is_busier_than_the_layer_and_nothing_overflows(report: RunReport) -> None:
    capacity = {m.name: m.capacity_bits for m in report.machine.blocks.memories}
    for layer in report.results:
        own = {
            n: c for n, c in layer.anatomy.busy_cycles.items() if n != "DRAM channel" or not report.schedule["overlap"]
        }
        assert all(busy <= layer.cycles for busy in own.values()), layer.name
        for memory, row in layer.anatomy.held_bits.items():
            assert 0 < sum(row.values()) <= capacity[memory], layer.name
        assert bool(layer.cycles) == bool(layer.anatomy.busy_cycles)


def test_layers_name_what_they_read() -> None:
    found = accelsim.run("edge_os_32x32", "resnet18:size=32")
    names = {layer.name for layer in found.results}
    adds = [layer for layer in found.results if layer.op == "add"]
    assert adds and all(len(set(layer.anatomy.inputs) & names) == 2 for layer in adds)


def _walked(mapping: Mapping, rows: int, cols: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """MACs by PE, one by one."""
    found = np.zeros((rows, cols), np.int64)
    inner = list(mapping.digits)
    tiles = [range(s.trips) for s in mapping.temporal]
    for index in product(*tiles):
        base, length = dict.fromkeys(DIMS, 0), dict(mapping.problem.bound)
        for step, k in zip(mapping.temporal, index, strict=True):
            length[step.dim] = min(step.step, length[step.dim] - k * step.step)
            base[step.dim] += k * step.step
        if any(n <= 0 for n in length.values()):
            continue
        for spots in product(*(range(d.trips) for d in inner)):
            offset = dict.fromkeys(DIMS, 0)
            place = {"row": 0, "col": 0}
            for digit, k in zip(inner, spots, strict=True):
                offset[digit.dim] += k * digit.step
                for axis in digit.axes:
                    place[axis] = place[axis] * digit.trips + k
            work = 1
            for dim in DIMS:
                work *= max(0, min(mapping.pe_extent[dim], length[dim] - offset[dim]))
            found[place["row"], place["col"]] += work
    return found


@settings(max_examples=40)
@given(st.data())
def test_work_by_pe_equals_a_walk(data: st.DataObject) -> None:
    small = st.integers(1, 4)
    m, c, n = (data.draw(st.integers(1, 9)) for _ in range(3))
    kinds = data.draw(st.permutations(["row", "col"]))
    spatial = (Loop("M", data.draw(small), kinds[0]), Loop("C", data.draw(small), kinds[1]))
    pe = (Loop("C", data.draw(small)),)
    middle = {dim: data.draw(small) for dim in "MC"}
    cover = {"M": spatial[0].trips * middle["M"], "C": spatial[1].trips * pe[0].trips * middle["C"]}
    outer = {dim: -(-bound // cover[dim]) for dim, bound in (("M", m), ("C", c))}
    inside = {"M": cover["M"] // middle["M"], "C": cover["C"] // middle["C"]}
    for dim, bound in (("M", m), ("C", c)):
        if outer[dim] == 1 and (middle[dim] - 1) * inside[dim] >= bound:
            middle[dim] = -(-bound // inside[dim])
    trimmed = []
    for loop in spatial:
        alone = outer[loop.dim] * middle[loop.dim] == 1
        within = pe[0].trips if loop.dim == "C" else 1
        bound = {"M": m, "C": c}[loop.dim]
        trimmed.append(Loop(loop.dim, min(loop.trips, -(-bound // within)) if alone else loop.trips, loop.kind))
    if outer["C"] * middle["C"] * trimmed[1].trips == 1:
        pe = (Loop("C", min(pe[0].trips, c)),)
    mapping = Mapping(
        gemm_problem(rows=n, cols=m, reduction=c),
        "ws",
        (TileLevel("DRAM", (Loop("M", outer["M"]), Loop("C", outer["C"]))),
         TileLevel("GLB", (Loop("C", middle["C"]), Loop("M", middle["M"])))),
        (Loop("N", n),),
        tuple(trimmed),
        pe,
    )  # fmt: skip
    found = pe_work(mapping, 5, 5)
    assert int(found.sum()) == mapping.problem.macs
    assert (found == _walked(mapping, 5, 5)).all()


def test_groups_on_the_diagonal_leave_the_rest_idle() -> None:
    problem = gemm_problem(rows=2, cols=1, reduction=1, batch=3)
    mapping = Mapping(problem, "ws", (TileLevel("DRAM", (Loop("N", 2),)),), (), (Loop("G", 3, "diagonal"),))
    assert pe_work(mapping, 4, 4).tolist() == [[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]]


def test_lengths_of_passes_cover_the_dim() -> None:
    """7 = 4 + 3, each cut by 2: lengths 2 2 2 1."""
    problem = gemm_problem(rows=1, cols=7, reduction=1)
    levels = (TileLevel("DRAM", (Loop("M", 2),)), TileLevel("GLB", (Loop("M", 2),)))
    mapping = Mapping(problem, "ws", levels, (), (Loop("M", 2, "col"),))
    assert pass_lengths(mapping, "M") == {2: 3, 1: 1}


@given(st.lists(st.lists(st.integers(0, 2), min_size=4, max_size=4), min_size=1, max_size=5))
def test_rectangles_paint_the_same_table(table: list[list[int]]) -> None:
    work = np.array(table)
    again = np.zeros_like(work)
    for row, col, tall, wide, value in rectangles(work):
        assert not again[row : row + tall, col : col + wide].any()
        again[row : row + tall, col : col + wide] = value
    assert (again == work).all()


def test_axes_say_their_formula() -> None:
    arch = load_arch("edge_os_32x32")[0]
    found = accelsim.run("edge_os_32x32", SMALL).results[0].anatomy.nests[0]
    inputs = found.mapping.problem.operand("Inputs")
    assert [axis_text(axis) for axis in inputs.axes][-2:] == ["2P+R-1 of 32", "2Q+S-1 of 32"]
    again = nest_of(found.mapping, arch)
    assert again == found
