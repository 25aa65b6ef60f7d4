"""Multilayer perceptron 784-300-100-10 for 28 x 28 digits (LeCun et al., Proc. IEEE 86(11), 1998, section III)."""

from accelsim.graph import LayerGraph, Network

VARIANTS = {"mlp": {}}


def build(batch: int = 1, inputs: int = 784, hidden1: int = 300, hidden2: int = 100, classes: int = 10) -> LayerGraph:
    """Two hidden layers with ReLU."""
    net = Network("mlp", batch=batch)
    x = net.input(inputs)
    x = net.relu(net.linear(x, hidden1))
    x = net.relu(net.linear(x, hidden2))
    return net.build(net.linear(x, classes))
