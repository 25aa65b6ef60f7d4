"""Graphs: the builder, validity, and what the passes may and may not fold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelsim.errors import InputError
from accelsim.graph import LayerGraph, Network, Node, fold_batch_norm, fuse_activations, optimise
from accelsim.layers import Linear, ReLU, ReLU6


def net() -> Network:
    return Network("test")


def test_names_scopes_and_totals() -> None:
    n = net()
    x = n.input(3, 8, 8, name="image")
    with n.scope("a"):
        x = n.conv(x, 4, 3)
        with n.scope("b"):
            x = n.conv(x, 4, 3)
            x = n.conv(x, 4, 3, name="last")
    graph = n.build(x)
    assert [node.name for node in graph.nodes()] == ["image", "a.conv1", "a.b.conv1", "a.b.last"]
    assert graph.outputs == ("a.b.last",)
    assert graph.params == 4 * 27 + 4 + 2 * (4 * 36 + 4)
    assert [c.name for c in graph.consumers("a.conv1")] == ["a.b.conv1"]


def test_shared_weights_count_once() -> None:
    n = net()
    x = n.input(4)
    for _ in range(3):
        x = n.linear(x, 4, share="w")
    graph = n.build(x)
    assert (graph.params, graph.macs) == (20, 48)


def test_batch_norm_folds_into_the_convolution_before_it() -> None:
    n = net()
    x = n.conv(n.input(3, 8, 8), 4, 3, bias=False)
    graph = n.build(n.relu(n.batch_norm(x)))
    folded = optimise(graph)
    (node,) = folded.layers
    assert (node.name, node.folded, node.params) == ("conv1", ("batch norm bn1", "relu relu1"), 4 * 27 + 8)
    assert node.has_bias
    assert isinstance(node.activation, ReLU)
    assert folded.outputs == ("conv1",)
    assert folded.aliases == {"bn1": "conv1", "relu1": "conv1"}
    assert folded.node("relu1") is folded.node("conv1")
    assert (folded.params, folded.macs) == (graph.params, graph.macs)


def test_batch_norm_never_folds_through_a_relu() -> None:
    n = net()
    x = n.batch_norm(n.relu(n.conv(n.input(3, 8, 8), 4, 3)))
    kept = optimise(n.build(n.conv(n.relu(x), 4, 3)))
    assert "bn1" in [node.name for node in kept.layers]


def test_batch_norm_never_folds_into_a_convolution_with_two_consumers() -> None:
    n = net()
    x = n.conv(n.input(3, 8, 8), 4, 3)
    y = n.add(n.batch_norm(x), x)
    assert [node.name for node in fold_batch_norm(n.build(y)).layers] == ["conv1", "bn1", "add1"]


def test_batch_norm_never_folds_into_an_output() -> None:
    n = net()
    x = n.conv(n.input(3, 8, 8), 4, 3)
    y = n.batch_norm(x)
    assert [node.name for node in fold_batch_norm(n.build(x, y)).layers] == ["conv1", "bn1"]


def test_activation_fuses_once_and_only_for_a_single_reader() -> None:
    n = net()
    x = n.linear(n.input(4), 4)
    one = n.relu6(n.relu(x))
    fused = fuse_activations(n.build(one))
    assert [node.op for node in fused.layers] == ["linear", "relu6"]
    assert isinstance(fused.layers[1].layer, ReLU6)
    m = net()
    x = m.linear(m.input(4), 4)
    shared = fuse_activations(m.build(m.add(m.relu(x), x)))
    assert [node.op for node in shared.layers] == ["linear", "relu", "add"]


def test_residual_sum_takes_its_relu() -> None:
    n = net()
    x = n.input(4, 4, 4)
    graph = optimise(n.build(n.relu(n.add(n.batch_norm(n.conv(x, 4, 1)), x))))
    assert [(node.op, bool(node.activation)) for node in graph.layers] == [("conv2d", False), ("add", True)]


def test_a_normalisation_that_stays_takes_its_activation() -> None:
    """Before a convolution (DenseNet), and after a depthwise one (ConvNeXt); a pooling layer takes none."""
    n = net()
    x = n.relu(n.batch_norm(n.input(4, 4, 4)))
    x = n.gelu(n.layer_norm(n.conv(x, 4, 1), axis=1))
    graph = optimise(n.build(n.relu(n.max_pool(x, 2))))
    ops = [(node.op, bool(node.activation)) for node in graph.layers]
    assert ops == [
        ("batch_norm2d", True), ("conv2d", False), ("layer_norm", True), ("max_pool2d", False), ("relu", False),
    ]  # fmt: skip


def chain(*links: tuple[str, str]) -> LayerGraph:
    nodes = [Node("x", None, (), (1, 4))]
    nodes += [Node(name, Linear(4), (source,), (1, 4), ((1, 4),), name, 20, 16) for name, source in links]
    return LayerGraph("hand", 1, tuple(nodes), (links[-1][0],))


@pytest.mark.parametrize(
    ("links", "message"),
    [
        ([("a", "b"), ("b", "a")], "hand: the graph has a cycle: (a -> b -> a|b -> a -> b)"),
        ([("a", "x"), ("a", "x")], "two nodes are called 'a'"),
        ([("a", "y")], "a reads 'y', which is not a node"),
        ([("b", "a"), ("a", "x")], "b comes before its input a"),
    ],
)
def test_invalid_graphs(links: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        chain(*links)


def test_mismatched_shapes_are_named() -> None:
    good = chain(("a", "x"), ("b", "a"))
    bad = replace(good.sequence[2], shape=(1, 5))
    with pytest.raises(InputError, match=r"hand: b has shape \(1, 5\), expected \(1, 4\)"):
        LayerGraph("hand", 1, (*good.sequence[:2], bad), ("b",))


def test_unknown_output_and_layer() -> None:
    good = chain(("fc1", "x"))
    with pytest.raises(InputError, match="output 'fc2' is not a node; did you mean 'fc1'"):
        LayerGraph("hand", 1, good.sequence, ("fc2",))
    with pytest.raises(InputError, match="has no layer 'fc3'; did you mean 'fc1'"):
        good.node("fc3")


def test_builder_errors_name_the_layer() -> None:
    n = net()
    with pytest.raises(InputError, match=r"test: layer conv1: conv2d: a .* window does not fit"):
        n.conv(n.input(3, 2, 2), 4, 5)
    with pytest.raises(InputError, match=r"pad \(1, 2, 3\): expected one number"):
        n.conv(n.input(3, 8, 8), 4, 3, pad=(1, 2, 3))
    with pytest.raises(InputError, match="build needs the handles"):
        n.build()
    with pytest.raises(InputError, match="batch 0"):
        Network("x", batch=0)
    with pytest.raises(InputError, match="the network has no layers"):
        LayerGraph("none", 1, (Node("x", None, (), (1, 4)),), ("x",))
