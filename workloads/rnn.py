"""Recurrent networks: the lecture's RNN cell, and RNN, LSTM and GRU as in PyTorch; many to many and other forms.

The lecture's cell is `h_t = tanh(W1 h_{t-1} + W2 x_t + b1)`, `y_t = sigmoid(W3 h_t + b2)`. The others (Elman, 1990;
Hochreiter and Schmidhuber, 1997; Cho et al., arXiv 1406.1078) have two biases per gate and, many to many, return their
states. Forms: `many_to_many`; `many_to_one` (an output for the last step); `one_to_many` (one input; the lecture's cell
then runs on its state alone, the others are fed their own outputs); `seq2seq` (an encoder, whose last state starts a
decoder that is fed its own outputs; Sutskever et al., arXiv 1409.3215). Products with all inputs of a sequence are one
layer; products with the state are one per step, with shared weights: step t waits for step t-1.
"""

from accelsim.graph import GATES, Handle, LayerGraph, Network

VARIANTS = {
    "rnn": {},
    "rnn_many_to_one": {"form": "many_to_one"},
    "rnn_one_to_many": {"form": "one_to_many"},
    "rnn_torch": {"cell": "rnn"},
    "rnn_torch_stacked": {"cell": "rnn", "layers": 2},
    "rnn_torch_bidirectional": {"cell": "rnn", "bidirectional": True},
    "lstm": {"cell": "lstm"},
    "lstm_stacked": {"cell": "lstm", "layers": 2},
    "lstm_bidirectional": {"cell": "lstm", "bidirectional": True},
    "lstm_many_to_one": {"cell": "lstm", "form": "many_to_one"},
    "lstm_one_to_many": {"cell": "lstm", "form": "one_to_many"},
    "lstm_seq2seq": {"cell": "lstm", "form": "seq2seq"},
    "gru": {"cell": "gru"},
    "gru_stacked": {"cell": "gru", "layers": 2},
    "gru_bidirectional": {"cell": "gru", "layers": 2, "bidirectional": True},
    "gru_seq2seq": {"cell": "gru", "form": "seq2seq"},
}


def lecture(net: Network, steps: int, inputs: int, hidden: int, outputs: int, form: str) -> Handle:
    """The lecture's cell; outputs (N, T, O), or (N, O) for many to one."""
    h = net.input(hidden, name="h0")
    xs = net.input(1 if form == "one_to_many" else steps, inputs, name="x")
    from_x = net.linear(xs, hidden, name="w2_x")
    states = []
    for t in range(1, steps + 1):
        with net.scope(f"t{t}"):
            h = net.linear(h, hidden, name="w1_h", bias=False, share="w1")
            if t <= xs.shape[1]:
                h = net.add(h, net.slice(from_x, 1, t - 1, t, squeeze=True, name="from_x"), name="sum")
            h = net.tanh(h, name="h")
            states.append(net.reshape(h, net.batch, 1, hidden, name="step"))
    if form == "many_to_one":
        return net.sigmoid(net.linear(h, outputs, name="w3_h"), name="y")
    every = net.concat(*states, axis=1, name="states") if steps > 1 else states[0]
    return net.sigmoid(net.linear(every, outputs, name="w3_h"), name="y")


def decoder(
    net: Network, cell: str, first: Handle, held: list[Handle], steps: int, hidden: int, outputs: int
) -> Handle:
    """Steps that are fed their own outputs: (N, T, O)."""
    results, y = [], first
    for t in range(1, steps + 1):
        with net.scope(f"out{t}"):
            share = "first_input" if y.shape[1] != outputs or t == 1 else "decoder_input"
            seen = net.linear(y, GATES[cell] * hidden, name="gates_x", share=share)
            own = net.linear(held[0], GATES[cell] * hidden, name="gates_h", share="decoder_state")
            held = net.cell(cell, seen, own, held)
            y = net.linear(held[0], outputs, name="y", share="decoder_output")
            results.append(net.reshape(y, net.batch, 1, outputs, name="step"))
    return net.concat(*results, axis=1, name="outputs") if steps > 1 else results[0]


def build(
    batch: int = 1,
    steps: int = 32,
    inputs: int = 128,
    hidden: int = 256,
    outputs: int = 128,
    cell: str = "lecture",
    layers: int = 1,
    bidirectional: bool = False,
    form: str = "many_to_many",
) -> LayerGraph:
    """A recurrent network of `steps` steps; initial states are zero (the lecture's h_0 is an input)."""
    if form not in ("many_to_many", "many_to_one", "one_to_many", "seq2seq"):
        raise ValueError(f"form {form!r}, expected many_to_many, many_to_one, one_to_many or seq2seq")
    if cell != "lecture" and cell not in GATES:
        raise ValueError(f"cell {cell!r}, expected lecture, rnn, gru or lstm")
    plain = layers == 1 and not bidirectional
    if not plain and (cell == "lecture" or form in ("one_to_many", "seq2seq")):
        raise ValueError(
            f"layers and bidirectional are for rnn, gru and lstm, many to many or to one, not {cell} {form}"
        )
    if cell == "lecture" and form == "seq2seq":
        raise ValueError("seq2seq is for rnn, gru and lstm")
    net = Network("rnn" if cell == "lecture" else cell, batch=batch)
    if cell == "lecture":
        return net.build(lecture(net, steps, inputs, hidden, outputs, form))
    zeros = [[0.0] * hidden] * batch
    if form == "one_to_many":
        held = [net.constant(zeros, name=name) for name in ("h0", "c0")[: 1 + (cell == "lstm")]]
        return net.build(decoder(net, cell, net.input(inputs, name="x"), held, steps, hidden, outputs))
    x = net.input(steps, inputs, name="x")
    if form == "seq2seq":
        _, held = net.direction(x, hidden, cell=cell)
        start = net.constant([[0.0] * outputs] * batch, name="start")
        return net.build(decoder(net, cell, start, held, steps, hidden, outputs))
    states = net.recurrent(x, hidden, cell=cell, layers=layers, bidirectional=bidirectional)
    if form == "many_to_one":
        return net.build(net.linear(net.last(states), outputs, name="y"))
    return net.build(states)
