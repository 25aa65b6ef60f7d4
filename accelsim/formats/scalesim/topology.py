"""SCALE-Sim's topologies: rows of convolutions or matrix products, as networks of ours and back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from accelsim.errors import InputError
from accelsim.graph import LayerGraph, Network, Node
from accelsim.layers import Conv2d, Linear
from accelsim.timing.scalesim import ScaleLayer, gemm_layer

CONV = (
    "Layer name",
    "IFMAP Height",
    "IFMAP Width",
    "Filter Height",
    "Filter Width",
    "Channels",
    "Num Filter",
    "Strides",
)
GEMM = ("Layer name", "M", "N", "K")
DEPTHWISE = "DP"


@dataclass(frozen=True)
class Row:
    """One row of a topology.

    Attributes:
        layer: as SCALE-Sim reads it; of a depthwise row, one of its channels.
        copies: times SCALE-Sim runs it: the input channels of a depthwise row (`DP` in its name), else 1.
        product: (M, N, K) of a GEMM row.
    """

    line: int
    layer: ScaleLayer
    copies: int = 1
    product: tuple[int, int, int] | None = None

    @property
    def depthwise(self) -> bool:
        """True for a row that SCALE-Sim runs channel by channel."""
        return self.product is None and DEPTHWISE in self.layer.name


def _cells(line: str) -> list[str]:
    cells = [cell.strip() for cell in line.split(",")]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _numbers(cells: list[str], columns: tuple[str, ...], place: str) -> list[int]:
    """The cells of a row after its name as whole numbers of at least 1."""
    if len(cells) < len(columns):
        missing = ", ".join(columns[len(cells) :])
        raise InputError(f"{place}: {len(cells)} columns, missing {missing}; expected {', '.join(columns)}")
    found = []
    for column, cell in zip(columns[1:], cells[1:], strict=False):
        value = int(cell) if cell.isascii() and cell.isdigit() else 0
        if value < 1:
            raise InputError(f"{place}: {column} {cell!r}, expected a whole number of at least 1")
        found.append(value)
    return found


def _sparsity(cells: list[str], columns: int, place: str) -> None:
    """What may follow the columns: a dense sparsity ratio N:M, then a comment, and nothing else."""
    for cell in cells[columns:]:
        if cell.startswith("#"):
            return
        n, colon, m = cell.partition(":")
        if not (colon and n.strip().isdigit() and m.strip().isdigit()):
            raise InputError(f"{place}: {cell!r} after the last column, expected nothing or a sparsity N:M such as 1:1")
        if int(n) != int(m):
            raise InputError(f"{place}: Sparsity {cell!r}, expected N = M: sparse filters are not modelled here")


def read_topology(text: str, source: str, gemm: bool = False) -> tuple[Row, ...]:
    """The rows of a topology: one header line, blank lines anywhere, with or without the comma at the end.

    Raises:
        InputError: `source:line`, the column, its value and what was expected.
    """
    columns = GEMM if gemm else CONV
    found: list[Row] = []
    lines = text.removeprefix("\ufeff").splitlines()
    first = next((n for n, line in enumerate(lines) if line.strip()), 0)
    if lines and all(cell.isdigit() for cell in _cells(lines[first])[1:4] or ["-"]):
        raise InputError(
            f"{source}:{first + 1}: {lines[first].strip()!r} is a row; expected a header: {', '.join(columns)}"
        )
    for number, line in enumerate(lines[first + 1 :], first + 2):
        cells = _cells(line)
        if not cells:
            continue
        place = f"{source}:{number}"
        if not cells[0]:
            raise InputError(f"{place}: {columns[0]} is empty, expected a name")
        _refuse_other_kind(cells, gemm, place)
        sizes = _numbers(cells, columns, place)
        _sparsity(cells, len(columns), place)
        found.append(_row(number, cells[0], sizes, gemm, place))
    if not found:
        raise InputError(f"{source}: no layers; expected rows of {', '.join(columns)}")
    return tuple(found)


def _refuse_other_kind(cells: list[str], gemm: bool, place: str) -> None:
    """A convolution among products or the other way round is most likely a missing or wrong --gemm."""
    numbers = sum(cell.isdigit() for cell in cells[1:])
    if gemm and numbers == len(CONV) - 1:
        raise InputError(f"{place}: {numbers} numbers, expected {', '.join(GEMM)}; leave out --gemm for convolutions")
    if not gemm and numbers == len(GEMM) - 1 and len(cells) <= len(GEMM) + 1:
        raise InputError(f"{place}: {numbers} numbers, expected {', '.join(CONV)}; give --gemm for matrix products")


def _row(number: int, name: str, sizes: list[int], gemm: bool, place: str) -> Row:
    if gemm:
        m, n, k = sizes
        return Row(number, gemm_layer(name, m, n, k), product=(m, n, k))
    height, width, rows, cols, channels, filters, stride = sizes
    for column, window, size, axis in ((CONV[3], rows, height, "height"), (CONV[4], cols, width, "width")):
        if window > size:
            raise InputError(f"{place}: {column} {window}, expected at most the IFMAP {axis} of {size}")
    layer = ScaleLayer(name, height, width, rows, cols, channels, filters, stride, stride)
    if DEPTHWISE in name:
        return Row(number, replace(layer, channels=1), channels)
    return Row(number, layer)


def _names(rows: tuple[Row, ...]) -> list[str]:
    """Names that differ: a repeated one gets its line, since SCALE-Sim tells its layers by number."""
    seen: set[str] = set()
    found = []
    for row in rows:
        name = row.layer.name if row.layer.name not in seen else f"{row.layer.name}@{row.line}"
        seen.add(name)
        found.append(name)
    return found


def rows_of(rows: tuple[Row, ...]) -> dict[str, tuple[ScaleLayer, ...]]:
    """What SCALE-Sim runs for each layer of the network, by its name there."""
    return {name: (row.layer,) * row.copies for name, row in zip(_names(rows), rows, strict=True)}


def _out_channels(row: Row) -> int:
    """Filters of a depthwise row: one per channel if it says 1 or as many as channels, else so many per channel."""
    filters = row.layer.filters
    return row.copies if filters in (1, row.copies) else filters * row.copies


def graph_of(rows: tuple[Row, ...], name: str, batch: int = 1) -> LayerGraph:
    """The network: independent layers, each with an input of its own.

    Convolutions get the zeros at the end that their last window hangs over (SCALE-Sim rounds the output size up); rows
    with `DP` in their name become depthwise convolutions.
    """
    net = Network(name, batch=batch)
    outputs = []
    for title, row in zip(_names(rows), rows, strict=True):
        layer = row.layer
        if row.product is not None:
            m, n, k = row.product
            outputs.append(net.linear(net.input(m, k, name=f"{title}.input"), n, bias=False, name=title))
            continue
        x = net.input(layer.channels * row.copies, layer.height, layer.width, name=f"{title}.input")
        over_rows = (layer.out_rows - 1) * layer.stride_rows + layer.filter_height - layer.height
        over_cols = (layer.out_cols - 1) * layer.stride_cols + layer.filter_width - layer.width
        out = net.conv(
            x, _out_channels(row) if row.depthwise else layer.filters, (layer.filter_height, layer.filter_width),
            stride=(layer.stride_rows, layer.stride_cols), pad=(0, 0, over_rows, over_cols), groups=row.copies,
            bias=False, name=title,
        )  # fmt: skip
        outputs.append(out)
    return net.build(*outputs)


def _bordered(size: int, before: int, whole: int, stride: int) -> int:
    """Input rows (or columns) with the borders that windows meet; as it is where SCALE-Sim's rounding up meets them."""
    return size if not before and size <= whole < size + stride else whole


def _as_rows(node: Node, gemm: bool) -> list[Row]:
    """The rows of a layer; none if it is not a product of inputs and filters."""
    layer = node.layer
    if isinstance(layer, Linear):
        *rows, k = node.input_shapes[0]
        m = 1
        for size in rows:
            m *= size
        if gemm or m == 1:
            return [Row(0, gemm_layer(node.name, m, layer.out_features, k), product=(m, layer.out_features, k))]
        return [Row(0, ScaleLayer(node.name, m, 1, 1, 1, k, layer.out_features))]
    if not isinstance(layer, Conv2d):
        return []
    images, channels, height, width = node.input_shapes[0]
    _, filters, out_rows, out_cols = node.shape
    if images > 1:
        raise InputError(f"{node.name}: batch {images}; SCALE-Sim's topologies have one image")
    if layer.groups > 1 and (gemm or layer.groups != channels):
        kind = "matrix products" if gemm else "its topologies, except one group per channel,"
        raise InputError(f"{node.name}: {layer.groups} groups, which {kind} cannot say")
    if gemm:
        k = channels * layer.kernel[0] * layer.kernel[1]
        return [
            Row(0, gemm_layer(node.name, out_rows * out_cols, filters, k), product=(out_rows * out_cols, filters, k))
        ]
    if layer.stride[0] != layer.stride[1]:
        raise InputError(f"{node.name}: strides {layer.stride}; a topology has one for rows and columns; try --gemm")
    if layer.dilation != (1, 1):
        raise InputError(f"{node.name}: dilation {layer.dilation}, which a topology cannot say; try --gemm")
    stride = layer.stride[0]
    high, wide = layer.kernel
    height = _bordered(height, layer.pads[0], (out_rows - 1) * stride + high, stride)
    width = _bordered(width, layer.pads[1], (out_cols - 1) * stride + wide, stride)
    name = node.name
    if layer.groups > 1:
        name = name if DEPTHWISE in name else f"{name}_{DEPTHWISE}"
        each = filters // layer.groups
        if each == channels:
            raise InputError(
                f"{name}: {each} filters for each of {channels} channels, which a topology reads as one each"
            )
        return [Row(0, ScaleLayer(name, height, width, high, wide, 1, each, stride, stride), channels)]
    if DEPTHWISE in name:
        name = name.replace(DEPTHWISE, DEPTHWISE.lower())
    return [Row(0, ScaleLayer(name, height, width, high, wide, channels, filters, stride, stride))]


def topology_of(graph: LayerGraph, gemm: bool = False) -> tuple[Row, ...]:
    """The convolutions and fully connected layers of a network; other layers have no row.

    Raises:
        InputError: a layer that a topology cannot say, or none that it can.
    """
    rows = [row for node in graph.layers for row in _as_rows(node, gemm)]
    if not rows:
        raise InputError(f"{graph.name} has no convolution or fully connected layer, so its topology would be empty")
    return tuple(rows)


def write_topology(rows: tuple[Row, ...], gemm: bool = False) -> str:
    """The file, one row a line with a comma at the end, borders included in the input sizes."""
    lines = [", ".join(GEMM if gemm else CONV)]
    for row in rows:
        layer = row.layer
        if gemm and row.product is not None:
            sizes = list(row.product)
        elif row.product is not None:
            m, n, k = row.product
            sizes = [m, 1, 1, 1, k, n, 1]
        else:
            sizes = [
                layer.height, layer.width, layer.filter_height, layer.filter_width, layer.channels * row.copies,
                layer.filters, layer.stride_rows,
            ]  # fmt: skip
        lines.append(", ".join([layer.name.replace(",", "_"), *map(str, sizes)]))
    return "".join(line + ",\n" for line in lines)
