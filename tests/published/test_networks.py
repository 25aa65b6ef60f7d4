"""Do the shipped networks have the exact parameters and MACs? `networks.csv`: figures of torchvision and papers."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from accelsim.graph import optimise
from accelsim.lookup import load_model

RECURRENT = ("rnn", "lstm", "gru")
FORMS = {
    "resnet": "resnet18:depth={0}", "plain": "plain18:depth={0}", "plain_cifar": "plain20:depth={0}",
    "mobilenet_v1": "mobilenet_v1:width={0}", "mobilenet_v2": "mobilenet_v2:width={0}", "densenet": "densenet{0}",
    "vgg": "vgg{0}", "convnext": "convnext_{0}", "vit": "vit_{0}",
}  # fmt: skip
NAMES = {
    "18-optionA": "resnet18_a", "34-optionA": "resnet34_a", "50 stride_in_1x1 (paper)": "resnet50_v1",
    "101 stride_in_1x1 (paper)": "resnet101:stride_in_1x1=True", "torchvision (one weird trick)": "alexnet",
    "2012/BVLC groups=2": "alexnet_2012", "2012 widths ungrouped": "alexnet_2012_ungrouped", "784-300-100-10": "mlp",
    "paper 24conv+2fc (bias, no BN)": "yolov1", "24conv+2fc with BN": "yolov1_bn",
    "tiny (darknet yolov1-tiny.cfg)": "yolov1_tiny", "572 valid": "unet", "256 same": "unet_same",
    "resnet50 8f (no shift cost)": "tsm_resnet50", "resnet18 8 frames concat": "early_fusion",
    "fcn_resnet50": "fcn_resnet50", "deeplabv3_resnet50": "deeplabv3_resnet50",
    "deeplabv3_resnet101": "deeplabv3_resnet101",
}  # fmt: skip


def spec(network: str, variant: str, shape: str) -> str:
    """The model that a row of the table is."""
    if variant in NAMES:
        return NAMES[variant]
    side = shape.split("x")[-1]
    if network == "resnet_cifar":
        return f"resnet_cifar:depth={variant.split('-')[0]},shortcut={variant[-1]}"
    if network == "shufflenet_v1":
        width, groups = variant.replace("megvii ", "").split()[:2]
        megvii, shuffle = "megvii" in variant, "no shuffle" not in variant
        numbers = f"width={float(width[:-1])},groups={groups[2:]}"
        return f"shufflenet_v1:{numbers},megvii={megvii},shuffle={shuffle}"
    if network == "shufflenet_v2":
        return f"shufflenet_v2:width={variant[1:].replace('_', '.')}"
    if network == "squeezenet":
        return f"squeezenet{variant}:size={side}"
    if network == "efficientnet":
        return f"efficientnet_{variant}"
    if network == "shiftresnet_cifar":
        depth, expansion = variant.split(" e=")
        return f"shiftresnet{depth}:expansion={expansion}"
    if network == "deform_resnet101":
        return f"deform_resnet101:deformable={variant}"
    if network == "fcn_vgg16":
        return f"fcn{variant}:size={side}"
    if network == "retinanet":
        height, width = shape.split("x")[-2:]
        last = ",p6_from=C5" if "C5" in variant else ""
        return f"retinanet:height={height},width={width}{last}"
    if network in RECURRENT:
        layers, both = variant.split()[2][1:], variant.endswith("bi")
        return f"{'rnn_torch' if network == 'rnn' else network}:layers={layers},bidirectional={both}"
    return FORMS[network].format(variant)


Key = tuple[str, str, str]


def rows() -> dict[Key, dict[str, str]]:
    path = Path(__file__).with_name("networks.csv")
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return {(row["network"], row["variant"], row["input"]): row for row in csv.DictReader(lines)}


@pytest.mark.parametrize("key", rows(), ids=" ".join)
def test_params_and_macs(key: Key) -> None:
    row = rows()[key]
    graph = load_model(spec(*key))[0]
    assert (graph.params, graph.macs) == (int(row["params"]), int(row["macs"]))
    folded = optimise(graph)
    assert (folded.params, folded.macs) == (graph.params, graph.macs)
    if row["conv_layers"]:
        ops = [node.op for node in graph.layers]
        if key[0] not in RECURRENT and key[0] != "vit":
            convs = sum(op.startswith("conv") for op in ops)
            assert (convs, ops.count("linear")) == (int(row["conv_layers"]), int(row["linear_layers"]))


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
    assert graph.outputs == ("y",)
    assert graph.node("y").shape == (1, steps, outputs)
