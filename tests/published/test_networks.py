"""Do the shipped networks have the exact parameters and MACs? `networks.csv`: figures of torchvision and papers."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from accelsim.graph import optimise
from accelsim.lookup import load_model

SPECS = {
    ("resnet", "18"): "resnet18",
    ("resnet", "34"): "resnet34",
    ("resnet", "50"): "resnet50",
    ("resnet", "101"): "resnet101",
    ("resnet", "152"): "resnet152",
    ("resnet", "50 stride_in_1x1 (paper)"): "resnet50_v1",
    ("resnet", "101 stride_in_1x1 (paper)"): "resnet101:stride_in_1x1=True",
    ("mobilenet_v2", "0.25"): "mobilenet_v2:width=0.25",
    ("mobilenet_v2", "0.5"): "mobilenet_v2:width=0.5",
    ("mobilenet_v2", "0.75"): "mobilenet_v2:width=0.75",
    ("mobilenet_v2", "1.0"): "mobilenet_v2",
    ("mobilenet_v2", "1.4"): "mobilenet_v2:width=1.4",
    ("alexnet", "torchvision (one weird trick)"): "alexnet",
    ("alexnet", "2012/BVLC groups=2"): "alexnet_2012",
    ("alexnet", "2012 widths ungrouped"): "alexnet_2012_ungrouped",
    ("vgg", "11"): "vgg11",
    ("vgg", "16"): "vgg16",
    ("vgg", "19"): "vgg19",
    ("mlp", "784-300-100-10"): "mlp",
    ("rnn", "i128 h256 L1 uni"): "rnn_torch",
}


def rows() -> dict[tuple[str, str], dict[str, str]]:
    path = Path(__file__).with_name("networks.csv")
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return {(row["network"], row["variant"]): row for row in csv.DictReader(lines)}


@pytest.mark.parametrize("key", SPECS, ids=" ".join)
def test_params_and_macs(key: tuple[str, str]) -> None:
    row = rows()[key]
    graph = load_model(SPECS[key])[0]
    assert (graph.params, graph.macs) == (int(row["params"]), int(row["macs"]))
    folded = optimise(graph)
    assert (folded.params, folded.macs) == (graph.params, graph.macs)
    if row["conv_layers"]:
        ops = [node.op for node in graph.layers]
        if key[0] != "rnn":
            assert (ops.count("conv2d"), ops.count("linear")) == (int(row["conv_layers"]), int(row["linear_layers"]))


def test_batch_scales_macs_and_not_params() -> None:
    one, four = load_model("resnet18")[0], load_model("resnet18", 4)[0]
    assert (four.macs, four.params) == (4 * one.macs, one.params)


def test_lecture_rnn_is_a_real_recurrence() -> None:
    """MACs a step: H H + H I + O H; every h_t reads h_{t-1}; one set of weights, one bias and an output matrix."""
    graph = load_model("rnn")[0]
    steps, inputs, hidden, outputs = 32, 128, 256, 128
    assert graph.macs == steps * (hidden * hidden + hidden * inputs + outputs * hidden)
    assert graph.params == hidden * hidden + hidden * inputs + hidden + outputs * hidden + outputs
    for t in range(2, steps + 1):
        assert graph.node(f"t{t}.w1_h").inputs == (f"t{t - 1}.h",)
    assert graph.outputs == tuple(f"t{t}.y" for t in range(1, steps + 1))
