"""Network: write a network as Python, a block as a function, repetition as a loop.

>>> from accelsim.graph import Network
>>> net = Network("tiny")
>>> x = net.input(3, 8, 8)
>>> x = net.relu(net.batch_norm(net.conv(x, 4, kernel=3, pad=1, bias=False)))
>>> graph = net.build(net.linear(net.flatten(net.global_avg_pool(x)), 10))
>>> graph.params, graph.macs
(166, 6952)

>>> net = Network("recurrent")
>>> graph = net.build(net.recurrent(net.input(32, 128), 256, cell="lstm"))
>>> graph.params, graph.macs
(395264, 12582912)
"""

from __future__ import annotations

from collections.abc import Callable

from accelsim.errors import InputError, nearest
from accelsim.graph.builder import Handle
from accelsim.graph.ops import Name, Ops
from accelsim.layers import GRUReset, GRUState, LSTMOutput, LSTMState

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
# endings of the weight keys of a cell: peepholes of i f and of o; a GRU's gates r z, and n of the reset state
PEEPHOLES = (".peephole_if", ".peephole_o")
RESET_FIRST = (".gates_rz", ".gates_n")


class Network(Ops):
    """Builder of a `LayerGraph`: every operator, and the blocks that networks share."""

    def squeeze_excite(
        self, x: Handle, squeezed: int, *, act: Callable[[Handle], Handle] | None = None,
        gate: Callable[[Handle], Handle] | None = None, bias: bool = True,
    ) -> Handle:  # fmt: skip
        """`x gate(W2 act(W1 mean(x)))`, ReLU and sigmoid by default (Hu et al., arXiv 1709.01507, equation 3)."""
        s = self.global_avg_pool(x)
        s = (act or self.relu)(self.conv(s, squeezed, 1, bias=bias, name="squeeze"))
        s = (gate or self.sigmoid)(self.conv(s, x.channels, 1, bias=bias, name="excite"))
        return self.mul(x, s)

    def attention(self, x: Handle, heads: int, *, bias: bool = True) -> Handle:
        """Multi-head self-attention `softmax(Q K^T / sqrt(d)) V` of (N, T, D) (Vaswani et al., arXiv 1706.03762,
        equation 1). MACs of both products are counted."""
        n, tokens, width = x.shape
        if width % heads:
            raise InputError(f"attention: {heads} heads do not divide a width of {width}")
        size = width // heads

        def split(name: str, *perm: int) -> Handle:
            part = self.linear(x, width, bias=bias, name=name)
            return self.transpose(self.reshape(part, n, tokens, heads, size), *perm)

        q, k, v = split("query", 0, 2, 1, 3), split("key", 0, 2, 3, 1), split("value", 0, 2, 1, 3)
        shares = self.softmax(self.scale(self.matmul(q, k, name="scores"), size**-0.5))
        mixed = self.transpose(self.matmul(shares, v, name="mix"), 0, 2, 1, 3)
        return self.linear(self.reshape(mixed, n, tokens, width), width, bias=bias, name="project")

    def recurrent(
        self, x: Handle, hidden: int, *, cell: str = "lstm", layers: int = 1, bidirectional: bool = False,
        bias: bool = True, state: tuple[Handle, ...] = (),
    ) -> Handle:  # fmt: skip
        """A recurrent network over (N, T, I): all states of the last layer (N, T, directions x hidden).

        Two biases per gate as in PyTorch. Per layer and direction the gates of all inputs are one product, those of the
        state one product per step with shared weights, so step t waits for step t-1. Initial states are zero, or
        `state`: h_0 (and c_0 for `lstm`), each (N, H), for the first layer's forward direction.

        MACs per step and direction: `g H (I + H)`, g = 1 (rnn), 3 (gru), 4 (lstm).
        """
        if cell not in GATES:
            raise InputError(f"cell {cell!r}; {nearest(cell, GATES)}")
        for layer in range(1, layers + 1):
            with self.scope(f"layer{layer}"):
                first = state if layer == 1 else ()
                found = [self.direction(x, hidden, cell=cell, bias=bias, state=first)[0]]
                if bidirectional:
                    found.append(self.direction(x, hidden, cell=cell, bias=bias, reverse=True)[0])
                x = self.concat(*found, axis=2) if bidirectional else found[0]
        return x

    def direction(
        self, x: Handle, hidden: int, *, cell: str, bias: bool = True, reverse: bool = False,
        state: tuple[Handle, ...] = (),
    ) -> tuple[Handle, list[Handle]]:  # fmt: skip
        """One layer and direction of `recurrent`: (N, T, I) to (N, T, H), and the last state(s)."""
        n, steps, _ = x.shape
        name = "backward" if reverse else "forward"
        with self.scope(name):
            gates = self.linear(x, GATES[cell] * hidden, bias=bias, name="input_gates")
            zeros = [[0.0] * hidden] * n
            held = list(state) or [self.constant(zeros, name=s) for s in ("h0", "c0")[: 1 + (cell == "lstm")]]
            share = f"{gates.name.removesuffix('input_gates')}state_gates"
            outputs: list[Handle] = []
            for t in reversed(range(steps)) if reverse else range(steps):
                with self.scope(f"t{t + 1}"):
                    seen = self.slice(gates, 1, t, t + 1, squeeze=True, name="gates_x")
                    own = self.linear(held[0], GATES[cell] * hidden, bias=bias, name="gates_h", share=share)
                    held = self.cell(cell, seen, own, held)
                    outputs.append(self.reshape(held[0], n, 1, hidden, name="step"))
            ordered = outputs[::-1] if reverse else outputs
            return (self.concat(*ordered, axis=1, name="states") if steps > 1 else ordered[0]), held

    def cell(
        self, kind: str, seen: Handle, own: Handle, held: list[Handle], *, peephole: str = ""
    ) -> list[Handle]:  # fmt: skip
        """The next state(s) from the gates of x and of h, and the state(s) before; `peephole` names the weights with
        which an LSTM's gates see its state, shared by all steps (`PEEPHOLES`)."""
        if kind == "rnn":
            return [self.tanh(self.add(seen, own, name="sum"), name="h")]
        if kind == "gru":
            return [self.add_layer(GRUState(), seen, own, held[0], stem="h", name="h")]
        keys = [peephole + part if peephole else "" for part in PEEPHOLES]
        c = self.add_layer(LSTMState(bool(peephole)), seen, own, held[1], stem="c", name="c", share=keys[0])
        return [self.add_layer(LSTMOutput(bool(peephole)), seen, own, c, stem="h", name="h", share=keys[1]), c]

    def gru_reset_first(self, seen: Handle, held: Handle, share: str, *, bias: bool = True) -> Handle:
        """A GRU step whose reset gate comes before the product with the state; weights are shared as `share` and
        `RESET_FIRST` say."""
        hidden = held.shape[-1]
        gates, fresh = (share + part for part in RESET_FIRST)
        own = self.linear(held, 2 * hidden, bias=bias, name="gates_rz", share=gates)
        reset = self.add_layer(GRUReset(), seen, own, held, stem="reset", name="reset")
        new = self.linear(reset, hidden, bias=bias, name="gates_n", share=fresh)
        return self.add_layer(GRUState(True), seen, own, new, held, stem="h", name="h")

    def last(self, x: Handle, *, name: Name = None) -> Handle:
        """The last step of (N, T, H)."""
        return self.slice(x, 1, x.shape[1] - 1, x.shape[1], squeeze=True, name=name)
