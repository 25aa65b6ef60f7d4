"""Formulas with numbers, receptive fields, the course's tables and losses, against hand-worked figures."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.errors import InputError
from accelsim.explain import explain_graph, explain_network
from accelsim.explain.course import Table, _padding, _squeezenet, tables_md
from accelsim.explain.formulas import separable_cost, shift_cost, standard_cost
from accelsim.explain.losses import focal_loss
from accelsim.explain.receptive import receptive_fields
from accelsim.graph import Network
from accelsim.lookup import load_model


def test_a_layer_in_the_lectures_letters() -> None:
    """ResNet-18's first strided 3x3: 64 to 128 channels, 56 to 28 rows."""
    (found,) = explain_network("resnet18", "stage2.1.conv1")
    assert found.letters == {"B": 1, "M": 128, "C": 64, "K": 3, "H": 56, "W": 56, "E": 28, "F": 28, "G": 1}
    assert found.macs == 128 * 9 * 64 * 28 * 28 == 57_802_752
    assert found.storage_bits == 32 * (128 * 64 * 9 + 64 * 56 * 56 + 128 * 28 * 28)
    forms = {name: (macs, bits) for name, macs, bits in found.forms}
    assert forms["grouped, G=4"][0] == 57_802_752 // 4
    assert forms["depthwise separable"][0] == 9 * 64 * 784 + 128 * 64 * 784
    assert "receptive field: 51 x 51 of the input, outputs 8 apart" in found.text()
    assert "floor((56 + 2 - 3) / 2) + 1 = 28" in found.text()


def test_macs_of_all_layers_are_the_networks() -> None:
    for model in (
        "mobilenet_v2:size=64",
        "densenet121:size=64",
        "unet:size=188,width=8",
        "vit_b16:size=32",
        "lstm:steps=2",
    ):
        graph = load_model(model)[0]
        assert sum(entry.macs for entry in explain_graph(graph)) == graph.macs


def test_separable_share_is_the_papers() -> None:
    """Depthwise separable / standard = 1 / M + 1 / K^2 (MobileNets, equation 5)."""
    m, c, k, size = 64, 32, 9, 14 * 14
    ratio = separable_cost(1, m, c, k, size, size)[0] / standard_cost(1, m, c, k, size, size)[0]
    assert ratio == pytest.approx(1 / m + 1 / k)
    assert shift_cost(1, m, c, size, size)[0] == m * c * size


def test_receptive_fields() -> None:
    """VGG-16's last pooling sees 212 x 212 (Araujo et al., Distill 2019, table 1)."""
    fields = receptive_fields(load_model("vgg16")[0])
    assert fields["stage5.pool1"].size == (212, 212)
    assert receptive_fields(load_model("resnet50_v1")[0])["stage4.3.conv3"].size == (483, 483)
    assert fields["fc1"].size is None


def test_other_layers_say_what_moves() -> None:
    net = Network("n")
    x = net.input(18, 8, 8)
    graph = net.build(net.flatten(net.shift(net.conv_transpose(net.max_pool(x, 2), 18, 4, stride=2, pad=1))))
    texts = {
        entry.op: entry.text()
        for name in ("pool1", "deconv1", "shift1", "flatten1")
        for entry in explain_graph(graph, name)
    }
    assert "window positions" in texts["max_pool2d"]
    assert "issued by stride phases" in texts["conv_transpose"]
    assert "no MACs" in texts["shift"]
    assert "nothing moves" in texts["flatten"]


def test_unknown_layers_are_named() -> None:
    with pytest.raises(InputError, match="has no layer 'conv9'"):
        explain_network("mlp", "conv9")


def test_the_padding_table() -> None:
    assert [row[1:] for row in _padding().rows] == [(12, -8, 3), (20, 25, -13), (5, 3, -7), (25, "", "")]


def test_squeezenet_sizes() -> None:
    """The published ratio of 50 at 32 bit."""
    rows = {row[0]: row for row in _squeezenet().rows}
    assert rows["SqueezeNet, 32 bit"][1] == 4.99
    assert 48 < float(rows["SqueezeNet, 32 bit"][3]) < 52


def test_tables_as_markdown() -> None:
    text = tables_md([Table("Title", ("a", "b"), ((1000, "x"),), "Note.")])
    assert "## Title\n\nNote.\n\n| a | b |\n|---|---|\n| 1,000 | x |" in text


def test_focal_loss() -> None:
    """gamma 0 and alpha 1/2 is half the cross entropy; easy examples count little."""
    p, target = np.array([0.9, 0.2, 0.6]), np.array([1.0, 0.0, 1.0])
    plain = -(np.log(0.9) + np.log(0.8) + np.log(0.6)) / 2
    assert focal_loss(p, target, 0.5, 0.0) == pytest.approx(plain / 2)
    assert focal_loss(np.array([0.99]), np.ones(1)) < 1e-3 * focal_loss(np.array([0.01]), np.ones(1))
    for wrong in ((np.array([1.0]), np.ones(1)), (np.array([0.5]), np.array([0.5])), (np.ones(2) / 2, np.ones(3))):
        with pytest.raises(InputError, match="focal loss"):
            focal_loss(*wrong)
