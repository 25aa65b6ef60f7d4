"""Timeloop problems: a shape (dims, data spaces with projections) and an instance with its bounds and coefficients.

The built-in shape `cnn-layer` is ours where a file names no other::

    Inputs[N, (G,) C, P*Wstride + R*Wdilation, Q*Hstride + S*Hdilation]

Note the pairs: Timeloop's P and R lie along the width, Q and S along the height; letters are kept as they are, so that
P goes with R and Q with S here too. A file that pairs them otherwise means another problem, and is read as that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from accelsim.arch import OPERANDS
from accelsim.errors import InputError
from accelsim.formats.timeloop.fields import Node
from accelsim.problem import DIMS, Axis, Operand, Problem, Role

ROLES: dict[str, Role] = {"Inputs": "input", "Weights": "weight", "Outputs": "output"}
COEFFICIENTS = ("Wstride", "Hstride", "Wdilation", "Hdilation")
BUILT_IN = ("cnn-layer", "cnn_layer", "CNN_Layer")
SHAPE_KEYS = ("name", "dimensions", "coefficients", "data-spaces", "data_spaces", "dataspaces", "version")
SPACE_KEYS = ("name", "projection", "read-write", "read_write")

Term = tuple[str, str]
"""A dim and the name of its coefficient, empty for 1."""
Rank = tuple[Term, ...]


@dataclass(frozen=True)
class Shape:
    """Dims, coefficients with their defaults, and the ranks of each operand as sums of dim x coefficient."""

    dims: tuple[str, ...]
    coefficients: tuple[tuple[str, int | None], ...]
    ranks: tuple[tuple[str, tuple[Rank, ...]], ...]

    def problem(self, bounds: Mapping[str, int], values: Mapping[str, int]) -> Problem:
        """The problem of an instance; operands are as large as its loops reach (no padding)."""
        operands = []
        for name, ranks in self.ranks:
            axes = []
            for rank in ranks:
                terms = tuple((dim, values[coef] if coef else 1) for dim, coef in rank)
                size = 1 + sum(value * (bounds.get(dim, 1) - 1) for dim, value in terms)
                axes.append(Axis(terms, size))
            operands.append(Operand(name, ROLES[name], tuple(axes)))
        return Problem(tuple(bounds.items()), tuple(operands))


def cnn_layer(groups: bool = False) -> Shape:
    """The shape of a convolution, with groups as Timeloop's depthwise shape has them."""
    plain = ("G",) if groups else ()
    ranks: tuple[tuple[str, tuple[Rank, ...]], ...] = (
        ("Weights", tuple(((d, ""),) for d in (*plain, "C", "M", "R", "S"))),
        ("Inputs", (*(((d, ""),) for d in (*plain, "N", "C")),
                    (("P", "Wstride"), ("R", "Wdilation")), (("Q", "Hstride"), ("S", "Hdilation")))),
        ("Outputs", tuple(((d, ""),) for d in (*plain, "N", "M", "Q", "P"))),
    )  # fmt: skip
    return Shape(("C", "M", "R", "S", "N", "P", "Q", *plain), tuple((name, 1) for name in COEFFICIENTS), ranks)


def instance(node: Node, shape: Shape) -> Problem:
    """Bounds and coefficients of one layer.

    Raises:
        InputError: an unknown or missing key, a value that is no whole number of at least 1.
    """
    names = [name for name, _ in shape.coefficients]
    body = node.table([*shape.dims, *names], need=shape.dims)
    values = dict(shape.coefficients)
    values.update({name: body[name].whole() for name in names if name in body})
    for name, value in values.items():
        if value is None:
            node.fail(f"no {name!r}, a coefficient without default")
    return shape.problem({d: body[d].whole() for d in shape.dims}, {n: v for n, v in values.items() if v is not None})


def _coefficient(node: Node) -> tuple[str, int | None]:
    parts = node.table(("name", "default"), need=("name",))
    return parts["name"].text(), parts["default"].whole() if "default" in parts else None


def _product(node: Node, dims: tuple[str, ...], coefficients: tuple[str, ...]) -> Term:
    """A dim, or a dim and a coefficient in either order."""
    words = [part.text() for part in node.items()]
    mine, rest = [w for w in words if w in dims], [w for w in words if w in coefficients]
    if len(mine) != 1 or len(rest) > 1 or len(mine) + len(rest) != len(words):
        node.fail(f"product {words}, expected a dim of {' '.join(dims)} and at most one coefficient")
    return mine[0], rest[0] if rest else ""


def _space(node: Node, dims: tuple[str, ...], coefficients: tuple[str, ...]) -> tuple[str, tuple[Rank, ...]]:
    parts = node.table(SPACE_KEYS, need=("name", "projection"))
    name = parts["name"].text(OPERANDS)
    writes = next((parts[key].value for key in ("read-write", "read_write") if key in parts), name == "Outputs")
    if bool(writes) != (name == "Outputs"):
        node.fail(f"{name} read-write is {writes!r}, expected Outputs alone to be written")
    ranks = []
    for rank in parts["projection"].items():
        entries = rank.items() if isinstance(rank.value, list) else [rank]
        terms = []
        for entry in entries:
            flat = not isinstance(entry.value, list)
            terms.append((entry.text(dims), "") if flat else _product(entry, dims, coefficients))
        ranks.append(tuple(terms))
    return name, tuple(ranks)


def read_shape(node: Node) -> Shape:
    """A shape: the built-in convolution by name, or dims and data spaces."""
    if isinstance(node.value, str):
        node.text(BUILT_IN)
        return cnn_layer()
    body = node.table(SHAPE_KEYS, need=("dimensions",))
    dims = tuple(item.text() for item in body["dimensions"].items())
    for dim in dims:
        if dim not in DIMS:
            body["dimensions"].fail(f"dim {dim!r}, expected dims of {' '.join(DIMS)}")
    coefficients = tuple(_coefficient(item) for item in body["coefficients"].items()) if "coefficients" in body else ()
    key = next((k for k in ("data-spaces", "data_spaces", "dataspaces") if k in body), None)
    if key is None:
        node.fail("no 'data-spaces'")
    spaces = [_space(item, dims, tuple(name for name, _ in coefficients)) for item in body[key].items()]
    found = dict(spaces)
    if set(found) != set(OPERANDS) or len(spaces) != len(found):
        body[key].fail(f"data spaces {', '.join(name for name, _ in spaces)}, expected {', '.join(OPERANDS)} once each")
    return Shape(dims, coefficients, tuple((name, found[name]) for name in ("Weights", "Inputs", "Outputs")))


def read_problem(node: Node) -> tuple[Problem, Shape]:
    """A problem file: `problem: {shape, instance}`, or bounds directly (with G: Timeloop's depthwise shape).

    Raises:
        InputError: with the place, what was found and what was expected.
    """
    body = node.table()
    inner = body.get("problem", node)
    parts = inner.table()
    if "shape" in parts or "instance" in parts:
        parts = inner.table(("shape", "instance", "version", "name"), need=("instance",))
        given = parts["instance"].table()
        shape = read_shape(parts["shape"]) if "shape" in parts else cnn_layer("G" in given)
        values = parts["instance"]
    else:
        shape, values = cnn_layer("G" in parts), inner
    try:
        return instance(values, shape), shape
    except InputError as error:
        if str(error).startswith(node.source):
            raise
        values.fail(str(error))
