"""Recurrent network of the lecture, many to many, unrolled: every step waits for the step before and shares weights.

`h_t = tanh(W1 h_{t-1} + W2 x_t + b1)`, `y_t = sigmoid(W3 h_t + b2)`. With `cell="torch"` the cell has two biases and no
output matrix, `h_t = tanh(W_hh h + b_hh + W_ih x + b_ih)`, and the network returns all h_t.
"""

from accelsim.graph import LayerGraph, Network

VARIANTS = {"rnn": {}, "rnn_torch": {"cell": "torch"}}


def build(
    batch: int = 1, steps: int = 32, inputs: int = 128, hidden: int = 256, outputs: int = 128, cell: str = "lecture"
) -> LayerGraph:
    """`steps` steps; h_0 is an input."""
    if cell not in ("lecture", "torch"):
        raise ValueError(f"cell {cell!r}, expected 'lecture' or 'torch'")
    net = Network("rnn", batch=batch)
    h = net.input(hidden, name="h0")
    xs = [net.input(inputs, name=f"x{t}") for t in range(1, steps + 1)]
    results = []
    for t, x in enumerate(xs, start=1):
        with net.scope(f"t{t}"):
            from_x = net.linear(x, hidden, name="w2_x", share="w2")
            from_h = net.linear(h, hidden, name="w1_h", bias=cell == "torch", share="w1")
            h = net.tanh(net.add(from_h, from_x, name="sum"), name="h")
            y = h
            if cell == "lecture":
                y = net.sigmoid(net.linear(h, outputs, name="w3_h", share="w3"), name="y")
            results.append(y)
    return net.build(*results)
