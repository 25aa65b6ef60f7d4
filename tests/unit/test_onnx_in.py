"""ONNX files: what is folded, recognised, asked for and refused; every error names the node and what was expected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from accelsim.errors import InputError
from accelsim.execute.floating import all_tensors, run_float
from accelsim.formats.onnx_in import from_onnx, parse_model, read_model
from accelsim.formats.onnx_out import to_onnx
from accelsim.graph import LayerGraph, Network
from accelsim.lookup import load_model

FLOAT = TensorProto.FLOAT


def model(nodes: list[Any], shape: list[Any] | None = None, opset: int = 21, **tensors: Any) -> onnx.ModelProto:
    """A model from `x` (2, 6, 4, 5) to `y`; tensors become initializers."""
    inits = [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()]
    x = helper.make_tensor_value_info("x", FLOAT, shape or [2, 6, 4, 5])
    y = helper.make_tensor_value_info("y", FLOAT, None)
    graph = helper.make_graph(nodes, "g", [x], [y], initializer=inits)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def node(op: str, inputs: str, output: str = "y", **attributes: Any) -> Any:
    return helper.make_node(op, inputs.split(), [output], name=f"{op.lower()}_{output}", **attributes)


def same(made: onnx.ModelProto, graph: LayerGraph) -> None:
    """The recognised network computes what the plain one does."""
    plain = from_onnx(made, "plain", chains=False)
    x = {"x": np.random.default_rng(0).normal(size=graph.inputs[0].shape)}
    ours, theirs = run_float(graph, all_tensors(graph), x)[0], run_float(plain, all_tensors(plain), x)[0]
    assert np.allclose(ours, theirs, atol=1e-6)
    assert len(graph.layers) < len(plain.layers)


def chain_silu() -> onnx.ModelProto:
    return model([node("Sigmoid", "x", "s"), node("Mul", "x s")])


def chain_gelu() -> onnx.ModelProto:
    half, one, root = np.float32(0.5), np.float32(1), np.float32(np.sqrt(2))
    nodes = [node("Div", "x r", "a"), node("Erf", "a", "b"), node("Add", "b one", "c"), node("Mul", "x c", "d"),
             node("Mul", "d h")]  # fmt: skip
    return model(nodes, h=half, one=one, r=root)


def chain_gelu_half_first() -> onnx.ModelProto:
    nodes = [node("Mul", "x h", "k"), node("Div", "x r", "a"), node("Erf", "a", "b"), node("Add", "b one", "c"),
             node("Mul", "k c")]  # fmt: skip
    return model(nodes, h=np.float32(0.5), one=np.float32(1), r=np.float32(np.sqrt(2)))


def chain_gelu_tanh() -> onnx.ModelProto:
    nodes = [node("Pow", "x three", "a"), node("Mul", "a k", "b"), node("Add", "x b", "c"), node("Mul", "c r", "d"),
             node("Tanh", "d", "e"), node("Add", "e one", "f"), node("Mul", "x f", "g"),
             node("Mul", "g h")]  # fmt: skip
    return model(nodes, three=np.float32(3), k=np.float32(0.044715), r=np.float32(np.sqrt(2 / np.pi)),
                 one=np.float32(1), h=np.float32(0.5))  # fmt: skip


def chain_hard_swish() -> onnx.ModelProto:
    nodes = [
        node("Add", "x three", "a"),
        node("Clip", "a low high", "b"),
        node("Mul", "x b", "c"),
        node("Div", "c six"),
    ]
    numbers = {"three": 3, "low": 0, "high": 6, "six": 6}
    return model(nodes, **{name: np.float32(value) for name, value in numbers.items()})


def chain_hard_swish_sigmoid() -> onnx.ModelProto:
    return model([node("HardSigmoid", "x", "s", alpha=1 / 6, beta=0.5), node("Mul", "x s")])


def chain_layer_norm() -> onnx.ModelProto:
    random = np.random.default_rng(1)
    nodes = [node("ReduceMean", "x last", "m", keepdims=1), node("Sub", "x m", "c"), node("Pow", "c two", "q"),
             node("ReduceMean", "q last", "v", keepdims=1), node("Add", "v eps", "e"), node("Sqrt", "e", "r"),
             node("Div", "c r", "n"), node("Mul", "n gamma", "s"), node("Add", "s beta")]  # fmt: skip
    gamma, beta = random.normal(1, 0.1, 5).astype(np.float32), random.normal(0, 0.1, 5).astype(np.float32)
    return model(nodes, last=np.array([-1]), two=np.float32(2), eps=np.float32(1e-5), gamma=gamma, beta=beta)


def chain_shuffle() -> onnx.ModelProto:
    nodes = [
        node("Reshape", "x split", "a"),
        node("Transpose", "a", "b", perm=[0, 2, 1, 3, 4]),
        node("Reshape", "b back"),
    ]
    return model(nodes, split=np.array([2, 3, 2, 4, 5]), back=np.array([2, -1, 4, 5]))


def chain_pool() -> onnx.ModelProto:
    return model([node("ReduceMean", "x axes", "a", keepdims=1), node("Relu", "a")], axes=np.array([2, 3]))


@pytest.mark.parametrize(
    ("make", "op"),
    [
        (chain_silu, "silu"), (chain_gelu, "gelu"), (chain_gelu_half_first, "gelu"), (chain_gelu_tanh, "gelu"),
        (chain_hard_swish, "hard_swish"), (chain_hard_swish_sigmoid, "hard_swish"), (chain_layer_norm, "layer_norm"),
        (chain_shuffle, "channel_shuffle"),
    ],
)  # fmt: skip
def test_chains_are_one_layer(make: Callable[[], onnx.ModelProto], op: str) -> None:
    made = make()
    graph = from_onnx(made, "chain")
    assert [n.op for n in graph.layers if n.op != "parameter"] == [op]
    assert graph.layers[-1].name == made.graph.node[-1].name
    same(made, graph)


def test_means_over_positions_are_pooling() -> None:
    assert [n.op for n in from_onnx(chain_pool(), "pool").layers] == ["global_avg_pool", "relu"]


def test_a_chain_that_others_read_stays_apart() -> None:
    made = model([node("Sigmoid", "x", "s"), node("Mul", "x s", "m"), node("Add", "m s")])
    assert [n.op for n in from_onnx(made, "open").layers] == ["sigmoid", "mul", "add"]


def test_shifts_are_recognised_in_our_own_file() -> None:
    net = Network("shift", batch=2)
    graph = net.build(net.shift(net.input(20, 6, 7)))
    again = from_onnx(to_onnx(graph, {}), "again")
    assert [n.op for n in again.layers] == ["shift"]


@pytest.mark.parametrize("name", ["mobilenet_v2:size=32", "shufflenet_v1:size=32", "efficientnet_b0:size=32",
                                  "shiftresnet20", "convnext_tiny:size=32", "densenet121:size=32"])  # fmt: skip
def test_networks_survive_the_round_trip(name: str) -> None:
    """Parameters, MACs and operators of a network read back from its own file."""
    graph = load_model(name)[0]
    again = from_onnx(to_onnx(graph, all_tensors(graph)), "again")
    views = ("reshape", "flatten", "dropout", "stochastic_depth", "relu6", "clip")
    assert (again.macs, again.params) == (graph.macs, graph.params)
    ours, theirs = (Counter(n.op for n in g.layers if n.op not in views) for g in (graph, again))
    assert ours == theirs


def test_shapes_are_propagated_through_constants() -> None:
    """x reshaped by a shape computed from its own shape."""
    nodes = [node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Unsqueeze", "n axis", "u"),
             node("Concat", "u rest", "t", axis=0), node("Reshape", "x t")]  # fmt: skip
    made = model(nodes, zero=np.array(0), axis=np.array([0]), rest=np.array([-1]))
    graph = from_onnx(made, "flat")
    assert [(n.op, n.shape) for n in graph.layers] == [("reshape", (2, 120))]


def test_free_dims_are_asked_for() -> None:
    made = model([node("Relu", "x")], shape=["batch", 3, "rows", 5])
    with pytest.raises(InputError, match="input 'x' has shape batchx3xrowsx5; say which with --input-shape x="):
        from_onnx(made, "free.onnx")
    assert from_onnx(made, "free.onnx", shapes={"x": (4, 3, 7, 5)}).batch == 4
    with pytest.raises(InputError, match=r"which .* does not fit"):
        from_onnx(made, "free.onnx", shapes={"x": (4, 2, 7, 5)})
    with pytest.raises(InputError, match="no input 'z'"):
        from_onnx(made, "free.onnx", shapes={"x": (4, 3, 7, 5), "z": (1,)})


def test_weights_without_values_are_enough() -> None:
    """A file of shapes: weights listed as inputs."""
    w = helper.make_tensor_value_info("w", FLOAT, [8, 6, 3, 3])
    x, y = helper.make_tensor_value_info("x", FLOAT, [1, 6, 5, 5]), helper.make_tensor_value_info("y", FLOAT, None)
    graph = helper.make_graph([node("Conv", "x w", pads=[1, 1, 1, 1])], "g", [x, w], [y])
    found = from_onnx(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]), "shapes")
    assert (found.params, found.macs, len(found.inputs)) == (432, 8 * 25 * 54, 1)


def test_local_functions_are_expanded() -> None:
    double = helper.make_function("own", "Double", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
                                  [helper.make_opsetid("", 21)])  # fmt: skip
    x, y = helper.make_tensor_value_info("x", FLOAT, [2, 3]), helper.make_tensor_value_info("y", FLOAT, None)
    graph = helper.make_graph([helper.make_node("Double", ["x"], ["y"], domain="own")], "g", [x], [y])
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
    made = helper.make_model(graph, opset_imports=opsets, functions=[double])
    assert [n.op for n in from_onnx(made, "f").layers] == ["add"]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("NonZero", "x")],
         r"node 'nonzero_y' \(NonZero, opset 21\): this operator cannot be simulated; the closest one"),
        ([node("Relu", "nothing")], "reads 'nothing', which no node before it makes"),
        ([node("Relu", "b", "a"), node("Relu", "a", "b"), node("Add", "x b")],
         "the graph has a cycle: relu_a -> relu_b"),
        ([node("Shape", "x", "s"), node("Cast", "s", "t", to=1), node("Relu", "x", "r"), node("Reshape", "x r")],
         "the shape .* depends on data; it must be a constant"),
        ([node("Conv", "x x")], "computed by the network; it must be a weight"),
        ([node("MaxPool", "x", kernel_shape=[9, 9])], "window does not fit an input of 4 x 5"),
        ([helper.make_node("Relu", ["x"], ["y"], name="far", domain="com.far")], "operator of domain 'com.far'"),
        ([node("Relu", "x", "a"), node("Tanh", "x", "a"), node("Relu", "a")],
         "'a' is made twice, by node 'tanh_a' too"),
        ([node("Split", "x", "a", axis=9), node("Relu", "a")], "axis 9, expected -4 to 3"),
    ],
)  # fmt: skip
def test_refusals_name_the_node(nodes: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        from_onnx(model(nodes), "bad.onnx", shown="bad.onnx")
    assert str(caught.value).startswith("bad.onnx: ")


def test_broken_files(tmp_path: Path) -> None:
    good = model([node("Relu", "x")]).SerializeToString()
    for data in (good[: len(good) // 2], b"", b"not a model at all", good[3:]):
        with pytest.raises(InputError, match=r"x\.onnx"):
            from_onnx(parse_model(data, "x.onnx"), "x", shown="x.onnx")
    with pytest.raises(InputError, match=r"cannot read gone\.onnx"):
        read_model(tmp_path / "gone.onnx", "gone.onnx")


def external(tmp_path: Path, location: str, length: int | None = None) -> Path:
    """A model whose weight lies in another file."""
    made = model([node("Conv", "x w")], w=np.ones((2, 6, 1, 1), np.float32))
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **({"length": str(length)} if length else {})}.items():
        tensor.external_data.add(key=key, value=value)
    path = tmp_path / "models" / "m.onnx"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(made.SerializeToString())
    return path


def test_external_data_stays_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(np.ones(12, np.float32).tobytes())
    for location in ("../secret.bin", str(tmp_path / "secret.bin"), "a/../../secret.bin"):
        with pytest.raises(InputError, match="outside the model's folder"):
            read_model(external(tmp_path, location), "m.onnx")
    (tmp_path / "models" / "link.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(InputError, match="outside the model's folder"):
        read_model(external(tmp_path, "link.bin"), "m.onnx")
    with pytest.raises(InputError, match=r"needs the file 'w\.bin', which is not there"):
        read_model(external(tmp_path, "w.bin"), "m.onnx")
    (tmp_path / "models" / "w.bin").write_bytes(np.full(12, 2, np.float32).tobytes())
    with pytest.raises(InputError, match="reaches beyond the end"):
        read_model(external(tmp_path, "w.bin", 400), "m.onnx")
    graph, _ = load_model(str(external(tmp_path, "w.bin", 48)))
    assert graph.params == 12
    assert next(iter(graph.values.values()))["weight"].sum() == 24


def test_huge_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(InputError, match="more than the 2 GiB"):
        read_model(path, "huge.onnx")


def test_a_batch_that_the_file_does_not_have(tmp_path: Path) -> None:
    path = tmp_path / "two.onnx"
    path.write_bytes(model([node("Relu", "x")]).SerializeToString())
    assert load_model(str(path))[0].batch == 2
    with pytest.raises(InputError, match="batch 3, the file's inputs have 2; give --input-shape x=3x6x4x5"):
        load_model(str(path), 3)
    with pytest.raises(InputError, match="an ONNX file takes no parameters"):
        load_model(f"{path}:size=3")


def test_squeeze_and_excite_is_noted_at_its_parts() -> None:
    net = Network("se")
    graph = net.build(net.squeeze_excite(net.input(8, 5, 5), 2))
    again = from_onnx(to_onnx(graph, all_tensors(graph)), "again")
    assert {n.folded for n in again.layers} == {(f"squeeze-and-excite {again.layers[-1].name}",)}
    assert len(again.layers) == 6


def test_bombs_are_not_unfolded() -> None:
    """A few words that ask for terabytes of constants."""
    for nodes, tensors in (
        ([node("ConstantOfShape", "s", "c"), node("Add", "x c")], {"s": np.array([10**6, 10**6])}),
        ([node("Expand", "one s", "c"), node("Add", "x c")], {"one": np.float32(1), "s": np.array([10**6, 10**6])}),
        (
            [node("Range", "a b c", "r"), node("Add", "x r")],
            {"a": np.array(0), "b": np.array(10**12), "c": np.array(1)},
        ),
        ([node("Tile", "one s", "c"), node("Add", "x c")], {"one": np.ones(1), "s": np.array([10**12])}),
    ):
        with pytest.raises(InputError, match=r"makes a constant of \d+ words, at most"):
            from_onnx(model(nodes, **tensors), "bomb")
