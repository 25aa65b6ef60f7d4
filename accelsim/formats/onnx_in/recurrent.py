"""Importers of RNN, LSTM and GRU: unrolled, so that step t waits for step t-1, with weights shared by all steps.

ONNX orders gates i o f c (LSTM) and z r h (GRU); the layers here i f g o and r z n.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from accelsim.formats.onnx_in.context import Context, Numbers
from accelsim.formats.onnx_in.rules import Importer
from accelsim.graph import Handle
from accelsim.graph.blocks import PEEPHOLES, RESET_FIRST

ORDER = {"RNN": (0,), "LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2)}
CELL = {"RNN": "rnn", "LSTM": "lstm", "GRU": "gru"}
FUNCTIONS = {"RNN": ["Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}


@dataclass(frozen=True)
class _Direction:
    """Tensors of one direction; None where the values are unknown."""

    w: Numbers | None
    r: Numbers | None
    w_bias: Numbers | None
    r_bias: Numbers | None
    peephole: Numbers | None
    has_bias: bool


def _gates(ctx: Context, array: Numbers, hidden: int) -> Numbers:
    """Rows of gates in our order."""
    parts = np.split(array, array.shape[0] // hidden, axis=0)
    return np.concatenate([parts[i] for i in ORDER[ctx.node.op_type]], axis=0)


def _direction(ctx: Context, index: int, hidden: int) -> _Direction:
    w, r = ctx.weight(1, "W").array, ctx.weight(2, "R").array
    has_bias = ctx.has(3)
    bias = ctx.weight(3, "B").array if has_bias else None
    peephole = ctx.weight(7, "P").array if ctx.has(7) else None
    halves = None if bias is None else np.split(bias[index], 2)
    return _Direction(
        None if w is None else _gates(ctx, w[index], hidden),
        None if r is None else _gates(ctx, r[index], hidden),
        None if halves is None else _gates(ctx, halves[0], hidden),
        None if halves is None else _gates(ctx, halves[1], hidden),
        None if peephole is None else peephole[index].reshape(3, hidden),
        has_bias,
    )


def _check(ctx: Context, directions: int, steps: int) -> None:
    kind = ctx.node.op_type
    given = [v.decode() if isinstance(v, bytes) else v for v in ctx.attr("activations", ()) or ()]
    if given and given != FUNCTIONS[kind] * directions:
        raise ctx.fail(f"activations {given}, expected {FUNCTIONS[kind] * directions}")
    if ctx.attr("clip") is not None:
        raise ctx.fail("clip cannot be simulated")
    if ctx.attr("input_forget", 0):
        raise ctx.fail("input_forget 1 cannot be simulated")
    if ctx.has(4) and set(ctx.ints(4, "sequence_lens")) != {steps}:
        raise ctx.fail(f"sequence_lens {ctx.ints(4, 'sequence_lens')}, expected all to be {steps}")


def _initial(ctx: Context, input_index: int, index: int, batch: int, hidden: int, name: str) -> Handle:
    """A state (B, H) before the first step."""
    if not ctx.has(input_index):
        return ctx.net.constant(np.zeros((batch, hidden)), name=ctx.layer_name(name))
    states = ctx.handle(input_index)
    axis = 1 if ctx.attr("layout", 0) else 0
    if states.shape[axis] == 1:
        return ctx.net.reshape(states, batch, hidden, name=ctx.layer_name(name))
    return ctx.net.slice(states, axis, index, index + 1, squeeze=True, name=ctx.layer_name(name))


def _run(ctx: Context, x: Handle, tensors: _Direction, held: list[Handle], index: int, reverse: bool) -> tuple[
    list[Handle], list[Handle]
]:  # fmt: skip
    """(states by step, last states) of one direction over x (B, T, I)."""
    kind, net = ctx.node.op_type, ctx.net
    steps, bias = x.shape[1], tensors.has_bias
    width = held[0].shape[-1] * len(ORDER[kind])
    reset_first = kind == "GRU" and not ctx.attr("linear_before_reset", 0)
    found: list[Handle] = [x] * steps
    with net.scope(ctx.layer_name(f".{'backward' if reverse else 'forward'}{index}")):
        gates = net.linear(x, width, bias=bias, name="input_gates")
        share = gates.name.removesuffix("input_gates") + "state"
        _set_weights(ctx, gates, share, tensors, reset_first)
        for t in reversed(range(steps)) if reverse else range(steps):
            with net.scope(f"t{t + 1}"):
                seen = net.slice(gates, 1, t, t + 1, squeeze=True, name="gates_x")
                if reset_first:
                    held = [net.gru_reset_first(seen, held[0], share, bias=bias)]
                else:
                    own = net.linear(held[0], width, bias=bias, name="gates_h", share=share)
                    held = net.cell(CELL[kind], seen, own, held, peephole=share if ctx.has(7) else "")
            found[t] = held[0]
    return found, held


def _set_weights(ctx: Context, gates: Handle, share: str, tensors: _Direction, reset_first: bool) -> None:
    """Known weights of a direction under the keys that its steps share."""
    hidden = gates.shape[-1] // len(ORDER[ctx.node.op_type])
    state = {"weight": tensors.r, "bias": tensors.r_bias}
    found: list[tuple[Handle | str, dict[str, Numbers | None]]] = [
        (gates, {"weight": tensors.w, "bias": tensors.w_bias})
    ]
    if reset_first:
        cuts = slice(None, 2 * hidden), slice(2 * hidden, None)
        for ending, rows in zip(RESET_FIRST, cuts, strict=True):
            found.append((share + ending, {name: None if v is None else v[rows] for name, v in state.items()}))
    else:
        found.append((share, state))
    if tensors.peephole is not None:  # ONNX's order is i o f
        for ending, order in zip(PEEPHOLES, ([0, 2], [1]), strict=True):
            found.append((share + ending, {"peephole": tensors.peephole[order]}))
    for target, given in found:
        known = {name: array for name, array in given.items() if array is not None}
        if known:
            ctx.net.set_values(target, **known)


def _recurrent(ctx: Context) -> None:
    layout, net = ctx.attr("layout", 0), ctx.net
    x = ctx.handle(0)
    if not layout:
        x = net.transpose(x, 1, 0, 2, name=ctx.layer_name(".batch_first"))
    batch, steps, _ = x.shape
    hidden = ctx.attr("hidden_size", ctx.weight(2, "R").shape[-1])
    way = ctx.attr("direction", "forward")
    ways = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}.get(way)
    if ways is None:
        raise ctx.fail(f"direction {way!r}, expected forward, reverse or bidirectional")
    _check(ctx, len(ways), steps)
    every, last = [], []
    for index, reverse in enumerate(ways):
        held = [_initial(ctx, 5, index, batch, hidden, f".h0_{index}")]
        if ctx.node.op_type == "LSTM":
            held.append(_initial(ctx, 6, index, batch, hidden, f".c0_{index}"))
        states, final = _run(ctx, x, _direction(ctx, index, hidden), held, index, reverse)
        every.append(states)
        last.append(final)
    _outputs(ctx, every, last, bool(layout))


def _outputs(ctx: Context, every: list[list[Handle]], last: list[list[Handle]], layout: bool) -> None:
    """Y (T, D, B, H), Y_h and Y_c (D, B, H); batch first if `layout`."""
    net = ctx.net
    _directions, (batch, hidden) = len(every), last[0][0].shape

    def stack(parts: list[Handle], shape: tuple[int, ...], axis: int, suffix: str) -> Handle:
        shaped = [net.reshape(p, *shape, name=ctx.layer_name(f"{suffix}.{i}")) for i, p in enumerate(parts)]
        return shaped[0] if len(shaped) == 1 else net.concat(*shaped, axis=axis, name=ctx.layer_name(suffix))

    outputs = list(ctx.node.output) + [""] * 3
    if outputs[0]:
        shape = (batch, 1, 1, hidden) if layout else (1, 1, batch, hidden)
        lines = [stack([d[t] for d in every], shape, 2 if layout else 1, f".y{t}") for t in range(len(every[0]))]
        axis = 1 if layout else 0
        whole = lines[0] if len(lines) == 1 else net.concat(*lines, axis=axis, name=ctx.layer_name(".y"))
        ctx.give(whole, 0)
    for number, slot in ((1, 0), (2, 1)):
        if outputs[number]:
            flat = (batch, 1, hidden) if layout else (1, batch, hidden)
            ctx.give(stack([final[slot] for final in last], flat, 1 if layout else 0, f".last{slot}"), number)


RECURRENT: dict[str, Importer] = dict.fromkeys(("RNN", "LSTM", "GRU"), _recurrent)
