"""Whole networks: the NumPy reference == onnxruntime on exported files; every family simulated on every machine."""

from __future__ import annotations

import pytest

from accelsim.graph import optimise
from accelsim.lookup import list_archs, load_arch, load_model
from accelsim.pipeline import run
from accelsim.proof import verify
from tests.agreement.witness import exported_error

LIMIT = 1e-4
QUICK = (
    "mlp", "rnn:steps=4", "rnn_many_to_one:steps=3", "rnn_one_to_many:steps=3", "rnn_torch_bidirectional:steps=3",
    "lstm_stacked:steps=3", "lstm_bidirectional:steps=3", "lstm_many_to_one:steps=3", "lstm_one_to_many:steps=3",
    "lstm_seq2seq:steps=3", "gru_bidirectional:steps=3", "gru_seq2seq:steps=3", "resnet20", "resnet110",
    "resnet_cifar:shortcut=B", "plain20", "resnet18_a:size=64", "resnet50:size=64", "plain18:size=64",
    "mobilenet_v1:size=64", "mobilenet_v2:size=64", "shufflenet_v1:size=64", "shufflenet_v1_2x_se:size=64",
    "shufflenet_v1_05x_g4:size=64", "shufflenet_v1_no_shuffle:size=64", "shufflenet_v2:size=64",
    "squeezenet1_0:size=64", "squeezenet1_1:size=64", "densenet121:size=64", "efficientnet_b0:size=64",
    "shiftresnet20", "shiftnet_a:size=64", "shiftnet_c:size=64", "early_fusion:size=32", "unet:size=188,width=8",
    "yolov1_tiny:size=128,decode=True", "tsm_resnet50:size=32,frames=4",
)  # fmt: skip
LONG = (
    "alexnet", "alexnet_2012", "vgg11:size=64", "vgg13:size=64", "vgg16:size=64", "vgg19:size=64", "resnet34:size=64",
    "resnet50_v1:size=64", "resnet101:size=64", "resnet152:size=64", "plain34:size=64", "resnet34_a:size=64",
    "resnet32", "resnet44", "resnet56", "resnet1202", "densenet161:size=64", "densenet169:size=64",
    "densenet201:size=64", "efficientnet_b1:size=64", "efficientnet_b2:size=64", "efficientnet_b3:size=64",
    "efficientnet_b4:size=64", "efficientnet_b5:size=64", "efficientnet_b6:size=64", "efficientnet_b7:size=64",
    "convnext_tiny:size=64", "convnext_small:size=32", "convnext_base:size=32", "convnext_large:size=32",
    "convnext_xlarge:size=32",
    "shufflenet_v1_g1:size=64", "shufflenet_v1_g2:size=64", "shufflenet_v1_g4:size=64", "shufflenet_v1_g8:size=64",
    "shufflenet_v2_x0_5:size=64", "shufflenet_v2_x1_5:size=64", "shufflenet_v2_x2_0:size=64", "shiftresnet56",
    "shiftresnet110", "shiftnet_b:size=64", "deform_resnet101:size=64", "deform_resnet101_res5c:size=64",
    "deform_resnet101_res5bc:size=64", "deform_resnet101_res5abc:size=64", "deform_resnet101_res4:size=64",
    "deeplab_resnet101:size=64", "rpn_resnet101:size=64", "faster_rcnn_resnet101:size=64,regions=8",
    "rfcn_resnet101:size=64,regions=8", "yolov1:size=64", "yolov1_bn:size=128,decode=True", "fcn32s:size=16",
    "fcn16s:size=16", "fcn8s:size=16", "unet_same:size=32", "fcn_resnet50:size=64", "fcn_resnet101:size=32",
    "deeplabv3_resnet50:size=64", "deeplabv3_resnet101:size=32", "retinanet:height=64,width=96",
    "retinanet_c5:height=64,width=96", "tsm_resnet50_16f:size=32", "vit_b16:size=32", "vit_b32:size=64",
    "vit_l16:size=32", "vit_l32:size=64", "rnn_torch:steps=32", "gru:steps=32", "lstm:steps=32",
)  # fmt: skip

# every family's default variant
FAMILIES = (
    "alexnet", "convnext_tiny", "deform_resnet101_res5abc", "deeplab_resnet101", "rpn_resnet101",
    "faster_rcnn_resnet101", "rfcn_resnet101", "densenet121", "early_fusion", "efficientnet_b0", "fcn32s", "fcn8s",
    "mlp", "mobilenet_v1", "mobilenet_v2", "resnet18", "resnet18_a", "resnet50", "plain18", "resnet20", "resnet1202",
    "retinanet", "rnn", "lstm", "gru", "lstm_seq2seq", "fcn_resnet50", "deeplabv3_resnet50", "shiftresnet20",
    "shiftnet_a", "shufflenet_v1", "shufflenet_v1_2x_se", "shufflenet_v2", "squeezenet1_0", "tsm_resnet50", "unet",
    "unet_same", "vgg16", "vit_b16", "yolov1", "yolov1_tiny:decode=True",
)  # fmt: skip
SMALL = (
    "resnet_cifar:depth=8", "shiftresnet20:depth=8", "squeezenet1_1:size=32", "lstm_seq2seq:steps=2,hidden=64",
    "gru_bidirectional:steps=3,hidden=64", "rnn_one_to_many:steps=3",
)  # fmt: skip
MIDDLE = (
    "shufflenet_v1:size=64", "squeezenet1_1:size=64", "densenet121:size=32", "efficientnet_b0:size=32", "shiftresnet20",
    "unet:size=188,width=4", "yolov1_tiny:size=128,decode=True", "tsm_resnet50:size=32,frames=2",
    "early_fusion:size=32", "shufflenet_v2:size=64",
)  # fmt: skip
ARCHS = ("eyeriss", "tpu_v1", "edge_os_32x32")


@pytest.mark.parametrize("model", QUICK)
def test_values_are_onnxruntimes(model: str) -> None:
    assert exported_error(load_model(model)[0]) < LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("model", LONG)
def test_values_of_long_networks_are_onnxruntimes(model: str) -> None:
    assert exported_error(load_model(model)[0]) < LIMIT


def test_folding_keeps_the_function() -> None:
    """Batch norm folded and activations fused: the same values but for rounding."""
    from accelsim.execute.floating import all_tensors, run_float

    for model in ("mobilenet_v2:size=32", "densenet121:size=32", "unet:size=188,width=4"):
        graph = load_model(model)[0]
        tensors = all_tensors(graph)
        plain = run_float(graph, tensors, calibrate=True)[0]
        assert abs(run_float(optimise(graph), tensors)[0] - plain).max() < 1e-8 * abs(plain).max()


@pytest.mark.slow
@pytest.mark.parametrize("arch", sorted(list_archs()))
@pytest.mark.parametrize("model", FAMILIES)
def test_every_family_simulates(arch: str, model: str) -> None:
    """All networks on all machines: hours, minutes each for the largest on the smallest arrays."""
    graph = load_model(model)[0]
    report = run(load_arch(arch)[0], graph)
    assert report.totals.macs == graph.macs
    for layer in report.results:
        assert layer.unit == "view" or (layer.cycles > 0 and layer.total_energy_fj > 0), layer.name


def check_exact(model: str, arch: str) -> None:
    """Tiled execution == reference, values and words."""
    proof = verify(load_arch(arch)[0], load_model(model)[0])
    assert [(layer.name, layer.wrong_values, layer.wrong_words) for layer in proof.layers if not layer.exact] == []


@pytest.mark.parametrize("model", SMALL)
def test_small_networks_are_exact(model: str) -> None:
    check_exact(model, ARCHS[SMALL.index(model) % len(ARCHS)])


@pytest.mark.slow
@pytest.mark.parametrize("model", MIDDLE)
def test_more_networks_are_exact(model: str) -> None:
    check_exact(model, ARCHS[MIDDLE.index(model) % len(ARCHS)])
