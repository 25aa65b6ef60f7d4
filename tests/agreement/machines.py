"""Small machines and random mappings that the agreement tests share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from accelsim.arch import Accelerator, Dram, Hold, MemoryLevel, PEArray, Precision, Spad, VectorUnit
from accelsim.mapping import Loop, Mapping, TileLevel
from accelsim.mapping.bands import TAPS
from accelsim.mapping.shares import Share
from accelsim.problem import DIMS, Problem, conv_problem

SHARES: dict[str, dict[str, tuple[str, ...]]] = {
    "ws": {"share_inputs": ("col",), "share_weights": (), "reduce": ("row",)},
    "os": {"share_inputs": ("col",), "share_weights": ("row",), "reduce": ()},
    "is": {"share_inputs": (), "share_weights": ("col",), "reduce": ("row",)},
    "rs": {"share_inputs": ("row", "col"), "share_weights": ("row", "col"), "reduce": ("row",)},
    "tree": {"share_inputs": ("col",), "share_weights": (), "reduce": ("row",)},
    "cast": {"share_inputs": ("col",), "share_weights": (), "reduce": ("row",)},
}
"""Wires by kind of machine: a dataflow, or `tree`, output stationary behind adder trees that join the rows, or `cast`,
weight stationary with inputs broadcast along rows, where windows may lie in bands."""


def flow_of(kind: str) -> str:
    """The dataflow of a kind of machine."""
    return {"tree": "os", "cast": "ws"}.get(kind, kind)


def machine(dataflow: str, rows: int = 4, cols: int = 4, **changes: Any) -> Accelerator:
    """A machine with one big buffer whose weights are a per-pass FIFO for `ws` and `rs`."""
    at = "pass" if dataflow in ("ws", "rs", "cast") else "tile"
    holds = (Hold("Inputs", 1), Hold("Outputs", 2), Hold("Weights", 2, at))
    glb = MemoryLevel("GLB", 1 << 30, holds, 64, 64, 10, 12)
    array = PEArray(
        kind={"rs": "row_stationary", "tree": "spatial", "cast": "spatial"}.get(dataflow, "systolic"),
        dataflow=flow_of(dataflow),
        rows=rows,
        cols=cols,
        spads=tuple(Spad(op, 1 << 20, 1, 1) for op in ("Inputs", "Weights", "Outputs")),
        mac_fj=100,
        hop_fj_per_bit=1,
        bus_words_per_cycle=(("Inputs", 1), ("Weights", 4), ("Outputs", 4)) if dataflow == "rs" else (),
        **SHARES[dataflow],
    )
    dram = Dram("test", 6_400_000_000, 20, 4000, 4000)
    fields: dict[str, Any] = {
        "name": f"small_{dataflow}",
        "description": "test machine",
        "clock_hz": 200_000_000,
        "precision": Precision(8, 8, 32, 8),
        "dram": dram,
        "memories": (glb,),
        "array": array,
        "vector": VectorUnit(4, 50),
    }
    return Accelerator(**{**fields, **changes})


@st.composite
def problems(draw: st.DrawFn, most: int = 5) -> Problem:
    """Small convolutions with every kind of border: strides, dilation, padding, groups, odd sizes, depth or none."""
    deep = draw(st.booleans())

    def triple(low: int, high: int, flat: int) -> tuple[int, int, int]:
        numbers = st.integers(low, high)
        return draw(numbers) if deep else flat, draw(numbers), draw(numbers)

    kernel, stride, dilation = triple(1, 3, 1), triple(1, 3, 1), triple(1, 2, 1)
    pad, out, extra = triple(0, 2, 0), triple(1, most, 1), triple(-2, 1, 0)
    if deep:  # no larger than without depth: a walk visits every word of every step
        kernel, out = tuple(min(2, k) for k in kernel), tuple(min(2, o) for o in out)
    in_size = tuple(
        max(1, (o - 1) * s + d * (k - 1) + 1 - p + e)
        for o, s, d, k, p, e in zip(out, stride, dilation, kernel, pad, extra, strict=True)
    )
    return conv_problem(
        batch=draw(st.integers(1, 2)), groups=draw(st.integers(1, 3)), out_channels=draw(st.integers(1, 4)),
        in_channels=draw(st.integers(1, 4)), out_size=out, kernel=kernel, in_size=in_size,
        stride=stride, dilation=dilation, pad=pad,
    )  # fmt: skip


@st.composite
def banded(draw: st.DrawFn, problem: Problem) -> dict[str, int]:
    """Some windows of a problem in bands: factors by dim."""
    windows = [pair for pair in TAPS.items() if all(problem.bound[dim] > 1 for dim in pair)]
    chosen = [pair for pair in windows if draw(st.integers(0, 3))]
    return {dim: draw(st.integers(2, min(4, problem.bound[dim]))) for pair in chosen for dim in pair}


@st.composite
def nests(draw: st.DrawFn, dataflow: str, most: int = 5) -> Mapping:
    """A random mapping of a random problem: any factors with remainders, any loop order, any spatial loops."""
    problem = draw(problems(most))
    outputs, bands = problem.output.dims, draw(banded(problem)) if dataflow == "cast" else {}
    slots: dict[str, list[Loop]] = {"DRAM": [], "GLB": [], "stream": [], "spatial": [], "pe": []}
    for dim in draw(st.permutations([d for d in DIMS if problem.bound[d] > 1])):
        left = problem.bound[dim]
        for slot in ("pe", "spatial", "stream", "GLB"):
            if slot == "pe" and dataflow != "rs":
                continue
            if dim in bands and slot == "spatial":
                slots[slot].append(Loop(dim, bands[dim], "band"))
                left = -(-left // bands[dim])
                continue
            trips = draw(st.integers(1, min(3, left)))
            if trips == 1:
                continue
            if slot == "spatial":
                kinds = ["row", "col", "diagonal"]
                if dim in outputs and dataflow == "tree":
                    kinds = ["col", "diagonal"]
                if dim in outputs and dataflow == "cast":
                    kinds = {"M": ["col"], "G": ["diagonal"]}.get(dim, [])
                if dim not in outputs:
                    kinds = ["row"] if dataflow in ("ws", "is", "rs", "tree", "cast") else []
                if not kinds:
                    continue
                slots[slot].append(Loop(dim, trips, draw(st.sampled_from(kinds))))
            else:
                slots[slot].append(Loop(dim, trips))
            left = -(-left // trips)
        if left > 1:
            slots["DRAM"].append(Loop(dim, left))
    order = {name: tuple(draw(st.permutations(loops))) for name, loops in slots.items()}
    return Mapping(
        problem, flow_of(dataflow), (TileLevel("DRAM", order["DRAM"]), TileLevel("GLB", order["GLB"])),
        order["stream"], order["spatial"], order["pe"],
    )  # fmt: skip


@st.composite
def shares(draw: st.DrawFn, problem: Problem, resident: frozenset[str] = frozenset()) -> tuple[Share, ...]:
    """Parts of inputs and results that stay on chip."""
    found = []
    for operand in problem.operands:
        dims = [
            axis.dims[0] for axis in operand.axes
            if len(axis.dims) == 1 and axis.offset == 0 and axis.size == problem.bound[axis.dims[0]] > 1
        ]  # fmt: skip
        if operand.role != "weight" and operand.name not in resident and dims and draw(st.booleans()):
            dim = draw(st.sampled_from(dims))
            found.append(Share(operand.name, dim, draw(st.integers(1, problem.bound[dim] - 1))))
    return tuple(sorted(found))


def staying(data: st.DataObject, mapping: Mapping, resident: set[str]) -> Mapping:
    """A mapping with these operands resident and parts of some others."""
    whole = frozenset(resident)
    return replace(mapping, resident=whole, partly=data.draw(shares(mapping.problem, whole)))
