"""From an ONNX model to a LayerGraph: constants folded, shapes propagated, every node imported or refused by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from math import prod
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, numpy_helper

from accelsim.errors import InputError, nearest
from accelsim.formats.onnx_in.arithmetic import ARITHMETIC
from accelsim.formats.onnx_in.context import Context, Numbers, Value
from accelsim.formats.onnx_in.recurrent import RECURRENT
from accelsim.formats.onnx_in.rules import CONSTANT_INPUTS, WEIGHT_INPUTS, Importer
from accelsim.formats.onnx_in.shapes import SHAPES
from accelsim.formats.onnx_in.windows import WINDOWS
from accelsim.graph import Handle, LayerGraph, Network, recognise_chains

IMPORTERS: dict[str, Importer] = {**ARITHMETIC, **SHAPES, **WINDOWS, **RECURRENT}
INTEGERS = {TensorProto.INT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64, TensorProto.UINT8,
            TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64}  # fmt: skip
FOLDED_WORDS = 2**26


def supported() -> tuple[str, ...]:
    """ONNX operators that can be imported."""
    return tuple(sorted({*IMPORTERS, "Constant", "Shape", "Size", "If"}))


def kind_of(element: int) -> str:
    """`i`, `b` or `f` of an ONNX element type."""
    return "b" if element == TensorProto.BOOL else "i" if element in INTEGERS else "f"


def _dims(info: ValueInfoProto) -> list[int | str]:
    return [d.dim_value if d.HasField("dim_value") else d.dim_param or "?" for d in info.type.tensor_type.shape.dim]


def _input_shape(info: ValueInfoProto, given: Mapping[str, tuple[int, ...]], shown: str) -> tuple[int, ...]:
    """The shape of an input; symbolic dims are asked for."""
    dims = _dims(info)
    if info.name in given:
        shape = given[info.name]
        fixed = [(d, s) for d, s in zip(dims, shape, strict=False) if isinstance(d, int) and d > 0 and d != s]
        if (info.type.tensor_type.HasField("shape") and len(dims) != len(shape)) or fixed:
            raise InputError(f"{shown}: input {info.name!r} has shape {dims}, which {shape} does not fit")
        return shape
    if not info.type.tensor_type.HasField("shape") or any(isinstance(d, str) or d < 1 for d in dims):
        free = "x".join(str(d) for d in dims) or "unknown"
        raise InputError(
            f"{shown}: input {info.name!r} has shape {free}; say which with --input-shape {info.name}=NUMBERxNUMBER..."
        )
    return tuple(int(d) for d in dims)


def _positions(nodes: Iterable[NodeProto], table: Mapping[str, tuple[int, ...]]) -> set[str]:
    """Names of values that stand in the listed input positions."""
    found = set()
    for node in nodes:
        for index in table.get(node.op_type, ()):
            if index < len(node.input) and node.input[index]:
                found.add(node.input[index])
    return found


def _weights(graph: GraphProto) -> set[str]:
    """Names of values that only stand where weights do."""
    found = _positions(graph.node, WEIGHT_INPUTS)
    for node in graph.node:
        if node.op_type in ("Shape", "Size"):
            continue
        places = WEIGHT_INPUTS.get(node.op_type, ())
        found -= {name for index, name in enumerate(node.input) if index not in places}
    return found


def _needed(graph: GraphProto) -> set[str]:
    """Names of values that must be constants, directly or because others are computed from them."""
    found = _positions(graph.node, CONSTANT_INPUTS)
    for node in reversed(graph.node):
        if node.op_type not in ("Shape", "Size") and any(name in found for name in node.output):
            found |= {name for name in node.input if name}
    return found


def _read_inputs(
    ctx: Context, graph: GraphProto, shapes: Mapping[str, tuple[int, ...]], values: Mapping[str, Numbers], shown: str
) -> list[str]:
    """Bind initializers and inputs; names of the inputs that stay inputs."""
    tensors = {t.name: t for t in graph.initializer}
    for name, tensor in tensors.items():
        array = numpy_helper.to_array(tensor)
        ctx.values[name] = Value(array.shape, array, weight=array.dtype.kind == "f", kind=kind_of(tensor.data_type))
    weights, needed = _weights(graph), _needed(graph)
    stay = []
    for info in graph.input:
        if info.name in tensors:
            continue
        kind = kind_of(info.type.tensor_type.elem_type)
        given = values.get(info.name)
        if info.name in needed and given is not None:
            ctx.values[info.name] = Value(np.shape(given), np.asarray(given), kind=kind)
            continue
        if given is not None and info.name not in shapes:
            shapes = {**shapes, info.name: np.shape(given)}
        shape = _input_shape(info, shapes, shown)
        if info.name in weights:
            known = None if given is None else np.asarray(given)
            ctx.values[info.name] = Value(shape, known, weight=True, kind=kind)
            continue
        handle = ctx.net.input(*shape, name=ctx.unique(info.name), batched=False)
        if given is not None:
            ctx.net.set_values(handle, value=np.asarray(given, float))
        ctx.values[info.name] = Value(shape, handle=handle, kind=kind, name=info.name)
        stay.append(info.name)
    unknown = set(shapes) - {info.name for info in graph.input}
    if unknown:
        name = sorted(unknown)[0]
        raise InputError(f"{shown}: no input {name!r}; {nearest(name, [i.name for i in graph.input])}")
    return stay


def _evaluate(ctx: Context, node: NodeProto, arrays: dict[str, Numbers]) -> Any:
    """A node's results from ONNX's own reference implementation."""
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(node, opsets={"": ctx.opset}).run(None, arrays)


def _made_words(node: NodeProto, given: list[Numbers]) -> int:
    """Words of the constant that a node would make, for those that can make many from few."""
    if node.op_type == "ConstantOfShape" and given:
        return prod(int(n) for n in given[0].ravel())
    if node.op_type == "Expand" and len(given) > 1:
        return max(1, given[0].size) * prod(int(n) for n in given[1].ravel())
    if node.op_type == "Tile" and len(given) > 1:
        return max(1, given[0].size) * prod(int(n) for n in given[1].ravel())
    if node.op_type == "Range" and len(given) == 3 and float(given[2].ravel()[0]) != 0:
        start, stop, step = (float(v.ravel()[0]) for v in given)
        return max(0, int((stop - start) / step))
    if node.op_type == "Pad" and len(given) > 1:
        return max(1, given[0].size) * (1 + sum(abs(int(n)) for n in given[1].ravel()))
    if node.op_type == "OneHot" and len(given) > 1:
        return max(1, given[0].size) * abs(int(given[1].ravel()[0]))
    return 0


def _fold(ctx: Context, node: NodeProto) -> bool:
    """Evaluate a node of constants; False if it is not one."""
    arrays: dict[str, Numbers] = {}
    for name in filter(None, node.input):
        array = ctx.values[name].array if name in ctx.values else None
        if array is None:
            return False
        arrays[name] = array
    words = _made_words(node, [arrays[name] for name in node.input if name])
    if words > FOLDED_WORDS:
        raise ctx.fail(f"makes a constant of {words} words, at most {FOLDED_WORDS} are folded")
    try:
        axes = ctx.attr("axes")
        if node.op_type in ("Squeeze", "Unsqueeze") and axes is not None:
            change = np.squeeze if node.op_type == "Squeeze" else np.expand_dims
            results = [change(arrays[node.input[0]], tuple(axes))]
        else:
            results = _evaluate(ctx, node, arrays)
    except Exception as error:
        raise ctx.fail(f"its constants cannot be evaluated: {' '.join(str(error).split())[:200]}") from None
    weight = any(ctx.values[name].weight for name in arrays)
    for name, result in zip([n for n in node.output if n], results, strict=False):
        array = np.asarray(result)
        if array.size > FOLDED_WORDS:
            raise ctx.fail(f"makes a constant of {array.size} words, at most {FOLDED_WORDS} are folded")
        kind = {"b": "b", "i": "i", "u": "i"}.get(array.dtype.kind, "f")
        ctx.values[name] = Value(array.shape, array, weight=weight and kind == "f", kind=kind)
    return True


def _shape_of(ctx: Context, node: NodeProto) -> None:
    shape = np.array(ctx.value(0).shape, np.int64)
    if node.op_type == "Size":
        found = np.array(int(np.prod(shape)), np.int64)
    else:
        end = ctx.attr("end")
        found = shape[ctx.attr("start", 0) : end if end is not None else len(shape)]
    ctx.values[node.output[0]] = Value(found.shape, found, kind="i")


def _branch(ctx: Context, node: NodeProto) -> None:
    """An `If` with a constant condition: the chosen branch in its place."""
    chosen = ctx.attr("then_branch" if bool(np.ravel(ctx.const(0, "the condition"))[0]) else "else_branch")
    for tensor in chosen.initializer:
        array = numpy_helper.to_array(tensor)
        ctx.values[tensor.name] = Value(
            array.shape, array, weight=array.dtype.kind == "f", kind=kind_of(tensor.data_type)
        )
    _walk(ctx, chosen.node)
    for outer, inner in zip(node.output, chosen.output, strict=True):
        ctx.values[outer] = ctx.values[inner.name]


def _walk(ctx: Context, nodes: Iterable[NodeProto]) -> None:
    for node in nodes:
        ctx.begin(node)
        if node.domain not in ("", "ai.onnx"):
            raise ctx.fail(f"operator of domain {node.domain!r}; only ONNX's own operators can be imported")
        if node.op_type in ("Shape", "Size"):
            _shape_of(ctx, node)
        elif node.op_type == "If":
            _branch(ctx, node)
        elif (
            node.op_type in IMPORTERS
            or node.op_type == "Constant"
            or all(n == "" or (n in ctx.values and ctx.values[n].array is not None) for n in node.input)
        ):
            if not _fold(ctx, node):
                IMPORTERS[node.op_type](ctx)
        else:
            closest = get_close_matches(node.op_type, supported(), 1, 0.0)[0]
            raise ctx.fail(f"this operator cannot be simulated; the closest one that can is {closest}")


def _ordered(graph: GraphProto, shown: str) -> list[NodeProto]:
    """Nodes after what they read.

    Raises:
        InputError: a cycle, or a value that nothing makes.
    """
    import networkx as nx

    makers: dict[str, int] = {}
    given = {t.name for t in graph.initializer} | {i.name for i in graph.input}
    for i, node in enumerate(graph.node):
        for name in filter(None, node.output):
            if name in makers or name in given:
                raise InputError(f"{shown}: {name!r} is made twice, by node {node.name or node.op_type!r} too")
            makers[name] = i
    digraph: nx.DiGraph[int] = nx.DiGraph()
    digraph.add_nodes_from(range(len(graph.node)))
    digraph.add_edges_from((makers[n], i) for i, node in enumerate(graph.node) for n in node.input if n in makers)
    if not nx.is_directed_acyclic_graph(digraph):
        names = [graph.node[a].name or graph.node[a].output[0] for a, _ in nx.find_cycle(digraph)]
        raise InputError(f"{shown}: the graph has a cycle: {' -> '.join([*names, names[0]])}")
    return [graph.node[i] for i in nx.lexicographical_topological_sort(digraph)]


def _opset(model: ModelProto) -> int:
    return int(next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")))


def from_onnx(
    model: Any, name: str, *, shapes: Mapping[str, tuple[int, ...]] | None = None,
    values: Mapping[str, Numbers] | None = None, shown: str = "", chains: bool = True,
) -> LayerGraph:  # fmt: skip
    """The network of an ONNX model (a ModelProto), its weights and constants in `LayerGraph.values`.

    Args:
        shapes: of inputs with symbolic dims. values: of inputs: those in the place of a shape, axis or other constant
            are folded, those of weights become the weights, the rest is kept as the input's values.
        chains: recognise chains of operators as one layer.

    Raises:
        InputError: an operator, attribute or data dependence that cannot be simulated, naming node, operator and opset.
    """
    from onnx.inliner import inline_local_functions

    shown = shown or name
    if len(model.functions):
        model = inline_local_functions(model)
    ctx = Context(Network(name), _opset(model))
    nodes = _ordered(model.graph, shown)
    try:
        stay = _read_inputs(ctx, model.graph, shapes or {}, values or {}, shown)
        _walk(ctx, nodes)
    except InputError as error:
        raise InputError(str(error) if str(error).startswith(shown) else f"{shown}: {error}") from None
    outputs = []
    for info in model.graph.output:
        if info.name not in ctx.values:
            raise InputError(f"{shown}: output {info.name!r} is made by no node")
        outputs.append(_output(ctx, ctx.values[info.name], info.name, stay))
    graph = _finish(ctx.net, name, outputs, shown)
    first = next((ctx.values[n].shape for n in stay), (1,))
    batched = LayerGraph(
        graph.name, first[0] if first else 1, graph.sequence, graph.outputs, graph.aliases, graph.values
    )  # fmt: skip
    return recognise_chains(batched) if chains else batched


def _output(ctx: Context, value: Value, name: str, inputs: list[str]) -> Handle:
    """The tensor of an output; an input that leaves unchanged passes through an identity."""
    handle = value.handle if value.handle is not None else ctx.as_handle(value, name)
    if handle.name in inputs:
        return ctx.net.unary(handle, "identity", name=ctx.unique(name))
    return handle


def _finish(net: Network, name: str, outputs: list[Handle], shown: str) -> LayerGraph:
    try:
        return net.build(*outputs)
    except InputError as error:
        raise InputError(f"{shown}: {error}") from None
