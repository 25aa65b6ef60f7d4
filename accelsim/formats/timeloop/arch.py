"""Timeloop architectures (`architecture: {version, subtree}` of 0.2 to 0.4, or 0.4 with `!Component` and `!Container`).

Assumed of the format: a name `PE[0..167]` stands for 168 instances, and instances multiply on the way down; `meshX` of
a component is how many of its instances lie along X, so that between two levels X fans out by the ratio of their meshX
and Y by the rest (no meshX: all along X if they were not split before). In the tree of nodes a container with `spatial`
becomes a level `inter_NAME_spatial` that keeps nothing. Capacity is depth x floor(width / datawidth) words, a block
`block-size` words, else floor(width / datawidth). DRAM is unbounded. Energies come from an ERT (pJ per action), by the
last part of a component's name: `read` for reads, `write` for fills and updates, `leak` per cycle.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from accelsim.arch import OPERANDS, ZJ_PER_PJ, StorageLevel, StorageMachine
from accelsim.errors import InputError, nearest
from accelsim.formats.accelergy import COMPUTE, Ert, ErtRow
from accelsim.formats.timeloop.fields import Node

STORES = ("DRAM", "SRAM", "smartbuffer_SRAM", "smartbuffer_RF", "smartbuffer_metadata", "regfile", "reg", "storage",
          "dummy_storage", "smartbuffer")  # fmt: skip
UNITS = ("intmac", "fpmac", "mac", "compute", "intadder", "intmultiplier")
SIZES = ("width", "depth", "entries", "sizeKB", "datawidth", "word-bits", "word_bits", "block-size", "block_size",
         "cluster-size", "cluster_size", "n_banks", "n_rdwr_ports", "n_rd_ports", "n_wr_ports", "multiple-buffering",
         "multiple_buffering")  # fmt: skip
RATES = ("read_bandwidth", "write_bandwidth", "shared_bandwidth", "bandwidth")
MESH = ("meshX", "meshY", "instances")
UNUSED = (
    "technology", "type", "latency", "action_latency", "global_cycle_seconds", "cycle_seconds", "cycle_time", "voltage",
    "num-ports", "num-banks", "num_ports", "num_banks", "network-word-bits", "network_word_bits", "pipeline_stages",
    "num_pipeline_stages", "version", "memory_depth", "memory_width", "has_power_gating", "name", "read-write",
)  # fmt: skip
"""Attributes that say nothing about words, accesses or cycles; all others that are not read are refused."""
KNOWN = (*SIZES, *RATES, *MESH, *UNUSED)


@dataclass(frozen=True)
class Component:
    """A storage or arithmetic unit of a file, outer to inner: instances in all, and how many lie along X."""

    name: str
    kind: str
    attributes: dict[str, Node]
    instances: int
    cols: int
    node: Node


def split_name(node: Node) -> tuple[str, int]:
    """(`PE`, 168) of `PE[0..167]`."""
    text = node.text()
    match = re.fullmatch(r"([^\[\]]+?)(?:\[(\d+)\.\.(\d+)\])?", text)
    if match is None or (match[2] and int(match[3]) < int(match[2])):
        node.fail(f"{text!r}, expected a name such as PE or PE[0..167]")
    return match[1], int(match[3]) - int(match[2]) + 1 if match[2] else 1


def _is_store(name: str) -> bool:
    return name in STORES or name.lower().endswith(("ram", "regfile", "storage", "buffer", "_rf"))


def _subtree(node: Node, instances: int, inherited: Mapping[str, Node]) -> list[Component]:
    """Components of one tree, in the file's order: local ones first (outer to inner), then what lies below."""
    body = node.table(("name", "attributes", "local", "subtree", "version"), need=("name",))
    _, count = split_name(body["name"])
    above = {**inherited, **(body["attributes"].table(KNOWN) if "attributes" in body else {})}
    found = []
    for item in body["local"].items() if "local" in body else []:
        parts = item.table(("name", "class", "attributes", "version"), need=("name", "class"))
        name, local = split_name(parts["name"])
        own = parts["attributes"].table(KNOWN) if "attributes" in parts else {}
        total = instances * count * local
        kind = parts["class"].text()
        if not _is_store(kind) and kind not in UNITS:
            parts["class"].fail(f"class {kind!r}; {nearest(kind, (*STORES, *UNITS))}")
        attributes = {**{key: value for key, value in above.items() if key not in MESH}, **own}
        mesh = own.get("meshX", above.get("meshX"))
        found.append(Component(name, kind, attributes, total, mesh.whole() if mesh else 0, item))
    for item in body["subtree"].items() if "subtree" in body else []:
        found += _subtree(item, instances * count, above)
    return found


def _tree_of_nodes(items: list[Node]) -> list[Component]:
    """Components of the 0.4 style; a container that fans out becomes a level of its own."""
    found: list[Component] = []
    total = cols = 1
    for item in items:
        tag = str(getattr(item.value, "tag", "") or "").split("value='")[-1].strip("')").lstrip("!")
        parts = item.table()
        name, count = split_name(parts["name"]) if "name" in parts else ("", 1)
        mesh = parts["spatial"].table(("meshX", "meshY")) if "spatial" in parts else {}
        across = mesh["meshX"].whole() if "meshX" in mesh else 1
        down = mesh["meshY"].whole() if "meshY" in mesh else 1
        own = parts["attributes"].table(KNOWN) if "attributes" in parts else {}
        if tag == "Component":
            item.table(
                ("name", "class", "subclass", "attributes", "spatial", "constraints", "enabled"), ("name", "class")
            )
            total, cols = total * across * down * count, cols * across
            found.append(Component(name, parts["class"].text(), own, total, cols, item))
        elif tag == "Container":
            item.table(("name", "attributes", "spatial", "constraints"), need=("name",))
            if across * down > 1:
                found.append(Component(f"inter_{name}_spatial", "dummy_storage", {}, total, cols, item))
            total, cols = total * across * down, cols * across
        else:
            item.fail(f"tag {'!' + tag if tag else 'none'}, expected !Component or !Container")
    return found


def components_of(document: Node) -> list[Component]:
    """Components of an architecture, outer to inner."""
    top = document.table()
    if "architecture" not in top:
        document.fail(f"no 'architecture'; found {', '.join(top)}")
    body = top["architecture"].table(("version", "subtree", "nodes", "attributes", "name"))
    if "nodes" in body:
        return _tree_of_nodes(body["nodes"].items())
    if "subtree" not in body:
        top["architecture"].fail("no 'subtree' (or 'nodes')")
    trees = body["subtree"].items()
    return [component for tree in trees for component in _subtree(tree, 1, {})]


def _first(attributes: Mapping[str, Node], *keys: str) -> Node | None:
    return next((attributes[key] for key in keys if key in attributes), None)


def _sizes(component: Component) -> tuple[int | None, int]:
    """(capacity in words, words of a block)."""
    a = component.attributes
    bits = _first(a, "word-bits", "word_bits", "datawidth")
    width, depth = _first(a, "width"), _first(a, "depth", "entries", "memory_depth")
    word = bits.whole() if bits else 8
    row = max(1, width.whole() // word) if width else 1
    cluster = _first(a, "cluster-size", "cluster_size")
    if cluster is not None and cluster.whole() != 1:
        cluster.fail(f"{cluster.value}, expected 1: clusters are not modelled")
    stated = _first(a, "block-size", "block_size")
    block = stated.whole() if stated else row
    words: int | None = None
    if "sizeKB" in a:
        words = int(a["sizeKB"].number() * 1024 * 8 / word)
    elif depth is not None:
        words = depth.whole() * (row if width else block)
    elif component.kind not in ("DRAM", "dummy_storage"):
        component.node.fail(f"{component.name} has no size: expected attributes depth (with width), entries or sizeKB")
    tiles = _first(a, "multiple-buffering", "multiple_buffering")
    if words is not None and tiles is not None:
        words = int(words / tiles.number())
    return words, block


def _rates(component: Component) -> tuple[Fraction | None, Fraction | None]:
    a = component.attributes
    for key in ("shared_bandwidth", "bandwidth"):
        if key in a:
            a[key].fail("shared bandwidth is not modelled; expected read_bandwidth and write_bandwidth")
    read, write = a.get("read_bandwidth"), a.get("write_bandwidth")
    return read.number() if read else None, write.number() if write else None


def _zj(pj: float) -> int:
    return int((Decimal(repr(pj)) * ZJ_PER_PJ).to_integral_value())


def _energies(component: Component, ert: Ert | None) -> ErtRow | None:
    if ert is None or component.kind == "dummy_storage":
        return None
    found = [row for row in ert.rows if row.leaf == component.name]
    if len(found) != 1:
        what = "several components" if found else "no component"
        raise InputError(
            f"{ert.source}: {what} {component.name!r}; {nearest(component.name, [row.leaf for row in ert.rows])}"
        )
    return found[0]


def _pj(row: ErtRow | None, names: tuple[str, ...]) -> int:
    if row is None:
        return 0
    pj = row.pj(names)
    if pj is None:
        raise InputError(f"{row.place}: {row.leaf}: no {names[0]}; it has {', '.join(n for n, _ in row.actions)}")
    return _zj(pj)


def _fanout(component: Component, inner: Component) -> tuple[int, int]:
    """(columns, rows) of instances of the next level inside, below one instance."""
    outer_cols = component.cols or component.instances
    inner_cols = inner.cols or (inner.instances // component.instances * outer_cols)
    ratio, rest = divmod(inner.instances, component.instances)
    cols, left = divmod(inner_cols, outer_cols)
    if rest or left or cols < 1 or ratio % cols:
        inner.node.fail(
            f"{inner.instances} instances with meshX {inner_cols} below {component.instances} with {outer_cols}, "
            "expected multiples"
        )
    return cols, ratio // cols


def read_arch(document: Node, name: str, ert: Ert | None = None) -> StorageMachine:
    """The machine; every level keeps all operands, which mappings and constraints then narrow.

    Without an ERT all energies are 0.

    Raises:
        InputError: with the place, what was found and what was expected.
    """
    parts = components_of(document)
    stores = [part for part in parts if _is_store(part.kind)]
    units = [part for part in parts if not _is_store(part.kind)]
    if not stores or len(units) != 1 or parts[-1] is not units[0]:
        document.fail("expected storage levels and, innermost, one arithmetic unit")
    levels: list[StorageLevel] = []
    for part, inner in zip(stores, [*stores[1:], units[0]], strict=True):
        words, block = _sizes(part)
        row = _energies(part, ert)
        read, write = _rates(part)
        cols, rows = _fanout(part, inner)
        leak = _zj(row.pj(("leak",)) or 0.0) if row else 0
        reads, writes = _pj(row, ("read",)), _pj(row, ("write", "update"))
        kept = () if part.kind == "dummy_storage" else OPERANDS
        levels.append(StorageLevel(part.name, kept, words, block, read, write, reads, writes, leak, cols, rows))
    unit = units[0]
    compute = _pj(_energies(unit, ert), COMPUTE)
    try:
        return StorageMachine(name, tuple(levels), unit.name, compute)
    except InputError as error:
        document.fail(str(error))


def nodes_with_constraints(document: Node) -> list[tuple[str, Node]]:
    """(level, constraints) of the 0.4 style, where components carry them."""
    body: Any = document.value.get("architecture", {})
    if not isinstance(body, Mapping) or "nodes" not in body:
        return []
    found = []
    for item in document.at("architecture").at("nodes").items():
        if isinstance(item.value, Mapping) and "constraints" in item.value:
            name, _ = split_name(item.at("name"))
            tag = str(getattr(item.value, "tag", ""))
            found.append((f"inter_{name}_spatial" if "Container" in tag else name, item.at("constraints")))
    return found
