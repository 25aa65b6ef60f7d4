"""SCALE-Sim's files in and out: every version, real errors for real mistakes, round trips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from accelsim.errors import InputError
from accelsim.formats.scalesim import (
    graph_of,
    read_cfg,
    read_topology,
    rows_of,
    to_accelerator,
    topology_of,
    write_cfg,
    write_topology,
)
from accelsim.graph import Network
from accelsim.layers import Conv2d
from accelsim.lookup import load_arch, load_model
from accelsim.problem import Problem
from accelsim.timing.scalesim import ScaleMachine, gemm_layer, scale_layers, scale_machine

V1 = """[general]
run_name = "old"

[architecture_presets]
ArrayHeight:    12
ArrayWidth:     14
IfmapSramSz:    512
FilterSramSz:   256
OfmapSramSz:    128
Dataflow:       ws
"""
V3 = """[general]
run_name = new
[architecture_presets]
ArrayHeight: 32
ArrayWidth: 16
IfmapSramSzkB: 64
FilterSramSzkB: 32
OfmapSramSzkB: 8
Dataflow : is
Bandwidth : 20,10,15
[layout]
IfmapCustomLayout: False
[sparsity]
SparsitySupport : false
[run_presets]
InterfaceBandwidth: USER
UseRamulatorTrace: False
"""
HEADER = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"


def test_versions_of_machines() -> None:
    old = read_cfg(V1, "old.cfg")
    assert old.machine == ScaleMachine(12, 14, 512, 256, 128, "ws")
    assert (old.run_name, old.bandwidth_words, old.mode) == ("old", None, "")
    new = read_cfg(V3, "new.cfg")
    assert new.machine == ScaleMachine(32, 16, 64, 32, 8, "is")
    assert (new.bandwidth_words, new.mode) == (10, "USER")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "Dataflow:       ws",
            "Dataflow: wx",
            r"m.cfg:10: Dataflow 'wx', expected one of os, ws, is",
        ),
        ("Dataflow:       ws", "", r"m.cfg: \[architecture_presets\] has no Dataflow, one of os, ws, is"),
        ("ArrayWidth:     14", "ArrayWidth: x", "m.cfg:6: ArrayWidth 'x', expected a whole number of at least 1"),
        ("ArrayWidth:     14", "ArrayWidth: 0", "m.cfg:6: ArrayWidth '0', expected a whole number of at least 1"),
        ("ArrayWidth:     14", "ArrayWith: 14", r"m.cfg: .* has no ArrayWidth, .*did you mean 'arraywith'"),
        ("FilterSramSz:   256", "FilterSramSz: 2.5", "m.cfg:8: FilterSramSz '2.5', expected a whole number"),
        ("[architecture_presets]", "[architecture]", r"m.cfg: no section \[architecture_presets\]; did you mean 'arch"),
        ("[general]\n", "", "m.cfg:1: .* stands before any section"),
        ("ArrayWidth:     14", "ArrayWidth: 14\nArrayWidth: 15", "m.cfg:7: 'arraywidth' is given twice"),
        ("ArrayWidth:     14", "ArrayWidth 14", "m.cfg:6: 'ArrayWidth 14.*', expected `key: value`"),
        ("Dataflow:       ws", "Dataflow: ws\nBandwidth: 3,x", "m.cfg:11: Bandwidth '3,x', expected a whole number"),
        (
            "Dataflow:       ws",
            "Dataflow: ws\n[sparsity]\nSparsitySupport: true",
            "m.cfg:12: SparsitySupport 'true', exp",
        ),
        ("Dataflow:       ws", "Dataflow: ws\nIfmapCustomLayout: True", "IfmapCustomLayout 'True', expected False"),
        ("Dataflow:       ws", "Dataflow: ws\n[run_presets]\nInterfaceBandwidth: MAX", "'MAX', expected CALC or USER"),
    ],
)
def test_mistakes_in_machines(old: str, new: str, message: str) -> None:
    assert old in V1
    with pytest.raises(InputError, match=message):
        read_cfg(V1.replace(old, new), "m.cfg")


@pytest.mark.parametrize("text", [V1, V3])
def test_machines_there_and_back(text: str) -> None:
    config = read_cfg(text, "m.cfg")
    arch = to_accelerator(config, "my machine")
    assert (arch.name, arch.timing) == ("my_machine", "scalesim")
    assert scale_machine(arch) == config.machine
    again = read_cfg(write_cfg(arch), "again.cfg")
    assert (again.machine, again.bandwidth_words, again.mode) == (config.machine, 10, "CALC")


def test_what_its_file_does_not_say_is_named_assumed() -> None:
    assert (
        "10 words a cycle (assumed); 1 GHz, 32-bit psums and all energies are assumed"
        in to_accelerator(read_cfg(V1, "m.cfg"), "m").description
    )
    assert "USER mode is not reproduced" in to_accelerator(read_cfg(V3, "m.cfg"), "m").description


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("eyeriss", "systolic arrays .* not row_stationary rs"),
        ("edge_os_32x32", "one ifmap SRAM for Inputs alone; here: SRAM, which holds Inputs and Weights and Outputs"),
        ("tpu_v1", "one ifmap SRAM for Inputs alone; here: UB, which holds Inputs and Outputs"),
    ],
)
def test_machines_that_it_cannot_say(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_cfg(load_arch(name)[0])


@pytest.mark.parametrize(
    ("name", "machine"),
    [
        ("scalesim_default", ScaleMachine(32, 32, 64, 64, 64, "os")),
        ("scalesim_eyeriss", ScaleMachine(12, 14, 36, 36, 36, "ws")),
        ("scalesim_google", ScaleMachine(256, 256, 6144, 6144, 2048, "ws")),
        ("scalesim_tpu_v4", ScaleMachine(128, 128, 16384, 16384, 16384, "ws")),
    ],
)
def test_shipped_presets_are_its_own(name: str, machine: ScaleMachine) -> None:
    arch, found = load_arch(name)
    assert arch.timing == "scalesim" and scale_machine(arch) == machine
    assert "SCALE-Sim" in arch.description and "assumed" in arch.description
    for line in found.text.splitlines():
        assert "energy:" not in line or "assumed" in line, line


def test_a_machine_with_its_timing_must_be_sayable(root: Path) -> None:
    from accelsim.formats.arch_yaml import load_accelerator

    text = (root / "arch_configs" / "edge_os_32x32.yaml").read_text() + "timing: scalesim\n"
    with pytest.raises(InputError, match=r"my.yaml:\d+:1: timing: .*one ifmap SRAM"):
        load_accelerator(text, "my.yaml")


@pytest.mark.parametrize("end", [",", "", " , ", ",1:1,", ", 2:2", ",# a comment"])
def test_rows_end_as_they_do_in_the_wild(end: str) -> None:
    text = f"\ufeff\n{HEADER}\n  Conv1 ,224, 224 ,7,7,3,64,2{end}\r\n\n"
    (row,) = read_topology(text, "t.csv")
    assert (row.layer.height, row.layer.filters, row.layer.stride_cols, row.layer.out_rows) == (224, 64, 2, 110)
    (row,) = read_topology(f"name, M, N, K\nq, 3, 4, 5{end}\n", "t.csv", gemm=True)
    assert row.product == (3, 4, 5) and row.layer.macs == 60


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("c,5,5,7,3,1,1,1,", "t.csv:2: Filter Height 7, expected at most the IFMAP height of 5"),
        ("c,5,5,3,7,1,1,1,", "t.csv:2: Filter Width 7, expected at most the IFMAP width of 5"),
        ("c,5,5,3,x,1,1,1,", "t.csv:2: Filter Width 'x', expected a whole number of at least 1"),
        ("c,5,5,3,3,1,1,0,", "t.csv:2: Strides '0', expected a whole number of at least 1"),
        ("c,5,5,3,3,1.5,1,1,", "t.csv:2: Channels '1.5', expected a whole number"),
        ("c,5,5,3,3,,1,1,", "t.csv:2: Channels '', expected a whole number"),
        ("c,5,5,3,3,1,", "t.csv:2: 6 columns, missing Num Filter, Strides; expected Layer name"),
        (",5,5,3,3,1,1,1,", "t.csv:2: Layer name is empty"),
        ("c,5,5,3,3,1,1,1,2:4,", "t.csv:2: Sparsity '2:4', expected N = M: sparse filters are not modelled"),
        ("c,5,5,3,3,1,1,1,NPU", "t.csv:2: 'NPU' after the last column, expected nothing or a sparsity N:M"),
        ("c,5,5,3,", "give --gemm for matrix products"),
        ("", "t.csv: no layers; expected rows of Layer name, IFMAP Height"),
    ],
)
def test_mistakes_in_topologies(row: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_topology(HEADER + row + "\n", "t.csv")


def test_more_mistakes_in_topologies() -> None:
    with pytest.raises(InputError, match=r"t.csv:1: 'c,5,5,3,3,1,1,1,' is a row; expected a header: Layer name"):
        read_topology("c,5,5,3,3,1,1,1,\n", "t.csv")
    with pytest.raises(InputError, match=r"t.csv:2: 7 numbers, expected Layer name, M, N, K; leave out --gemm"):
        read_topology(HEADER + "c,5,5,3,3,1,1,1,\n", "t.csv", gemm=True)
    with pytest.raises(InputError, match=r"t.csv: no layers"):
        read_topology("", "t.csv")


def test_a_topology_is_a_network_of_independent_layers() -> None:
    rows = read_topology(HEADER + "a,224,224,7,7,3,64,2,\nb,9,9,3,3,4,8,1,\na,5,5,1,1,4,8,1,\n", "t.csv")
    graph = graph_of(rows, "t")
    assert [node.name for node in graph.layers] == ["a", "b", "a@4"] == list(rows_of(rows))
    assert [node.shape for node in graph.layers] == [(1, 64, 110, 110), (1, 8, 7, 7), (1, 8, 5, 5)]
    assert graph.macs == sum(row.layer.macs for row in rows)
    assert len(graph.inputs) == len(graph.outputs) == 3


def test_depthwise_rows() -> None:
    rows = read_topology(HEADER + "a_DP,12,12,3,3,32,1,1,\nb_DP,12,12,3,3,8,8,1,\nDP_c,12,12,3,3,8,2,1,\n", "t.csv")
    layers = [node.layer for node in graph_of(rows, "t").layers]
    assert [(x.groups, x.out_channels) for x in layers if isinstance(x, Conv2d)] == [(32, 32), (8, 8), (8, 16)]
    assert [(len(runs), runs[0].channels, runs[0].filters) for runs in rows_of(rows).values()] == [
        (32, 1, 1), (8, 1, 8), (8, 1, 2)
    ]  # fmt: skip


def test_topologies_there_and_back() -> None:
    text = HEADER + "a, 224, 224, 7, 7, 3, 64, 2,\nb, 9, 12, 3, 5, 4, 8, 1,\nc_DP, 12, 12, 3, 3, 32, 1, 1,\n"
    rows = read_topology(text, "t.csv")
    again = read_topology(write_topology(topology_of(graph_of(rows, "t"))), "again.csv")
    assert [(r.layer, r.copies) for r in again] == [(r.layer, r.copies) for r in rows]
    products = read_topology("n, M, N, K,\nq, 20, 24, 32,\nv, 1, 6, 7,\n", "t.csv", gemm=True)
    again = read_topology(write_topology(topology_of(graph_of(products, "t"), True), True), "again.csv", gemm=True)
    assert [r.product for r in again] == [(20, 24, 32), (1, 6, 7)]


@pytest.mark.parametrize("gemm", [False, True])
def test_a_network_becomes_a_topology(gemm: bool) -> None:
    graph = load_model("resnet18")[0]
    rows = read_topology(write_topology(topology_of(graph, gemm), gemm), "r.csv", gemm)
    assert len(rows) == 21
    assert sum(row.layer.macs * row.copies for row in rows) == graph.macs
    assert [row.layer.pixels for row in rows][:2] == [112 * 112, 56 * 56]


def test_networks_that_it_cannot_say() -> None:
    net = Network("n")
    grouped = net.build(net.conv(net.input(8, 9, 9), 8, 3, groups=2))
    net = Network("d")
    dilated = net.build(net.conv(net.input(8, 9, 9), 8, 3, dilation=2))
    with pytest.raises(
        InputError, match="conv1: 2 groups, which its topologies, except one group per channel, cannot say"
    ):
        topology_of(grouped)
    with pytest.raises(InputError, match=r"dilation \(2, 2\), which a topology cannot say; try --gemm"):
        topology_of(dilated)
    pooled = Network("p")
    with pytest.raises(InputError, match="p has no convolution or fully connected layer"):
        topology_of(pooled.build(pooled.max_pool(pooled.input(3, 8, 8), 2)))
    images = Network("b", batch=2)
    with pytest.raises(InputError, match="batch 2; SCALE-Sim's topologies have one image"):
        topology_of(images.build(images.conv(images.input(3, 8, 8), 4, 3)))


def problem(batch: int = 1, **options: Any) -> Problem:
    net = Network("n", batch=batch)
    graph = net.build(net.conv(net.input(8, 11, 13), 6, 3, **options))
    node = graph.layers[0]
    assert node.layer is not None
    item = node.layer.lower(node.input_shapes)[0]
    assert isinstance(item, Problem)
    return item


def test_problems_as_its_layers() -> None:
    plain, times = scale_layers("x", problem(pad=1, stride=2))
    assert (plain.height, plain.width, plain.pixels, times) == (13, 15, 6 * 7, 1)
    cut, _ = scale_layers("x", problem(stride=3))
    assert (cut.height, cut.width, cut.out_rows, cut.out_cols) == (9, 12, 3, 4)
    over, _ = scale_layers("x", problem(stride=2, pad=(0, 0, 1, 1)))
    assert (over.height, over.width, over.out_rows) == (11, 13, 5)
    assert scale_layers("x", problem(groups=2))[1] == 2
    assert scale_layers("x", problem(batch=3))[1] == 3
    assert scale_layers("x", problem(dilation=2)) == (gemm_layer("x", 7 * 9, 6, 72), 1)
