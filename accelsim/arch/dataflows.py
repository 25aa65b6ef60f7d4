"""A machine with another dataflow, where its array allows one."""

from __future__ import annotations

from dataclasses import replace

from accelsim.arch.types import Accelerator, ArrayAxis, Dataflow
from accelsim.errors import InputError, nearest

Wires = tuple[tuple[ArrayAxis, ...], tuple[ArrayAxis, ...], tuple[ArrayAxis, ...]]
DATAFLOWS: tuple[Dataflow, ...] = ("ws", "os", "is", "rs")
POSSIBLE: dict[str, tuple[Dataflow, ...]] = {
    "systolic": ("ws", "os", "is"),
    "spatial": ("ws", "os", "is"),
    "mesh": ("os",),
    "row_stationary": ("rs",),
}
"""Dataflows of each kind of array."""
WIRES: dict[Dataflow, Wires] = {
    "os": (("col",), ("row",), ()),
    "ws": (("col",), (), ("row",)),
    "is": ((), ("col",), ("row",)),
}
"""Axes that share inputs, that share weights and that sum psums (Samajdar et al., ISPASS 2020, figure 2)."""


def with_dataflow(arch: Accelerator, dataflow: str) -> Accelerator:
    """The machine with this dataflow (empty: its own): the same PEs, memories and ports, wired for it.

    Double-buffered stationary words stay with `ws` and `is`, an early exit of psums with systolic `ws` and `is`, whole
    weight tiles with `ws`; elsewhere they have no meaning and are off. Its own dataflow leaves the machine as it is.

    Raises:
        InputError: the array cannot have it; the message names the machine and what is possible.
    """
    array = arch.array
    if dataflow in ("", array.dataflow):
        return arch
    if dataflow not in DATAFLOWS:
        raise InputError(f"dataflow {dataflow!r}; {nearest(dataflow, DATAFLOWS)}")
    possible = POSSIBLE[array.kind]
    if dataflow not in possible:
        names = " or ".join(repr(name) for name in possible)
        raise InputError(f"{arch.name}: dataflow {dataflow!r} does not run on its {array.kind} array; expected {names}")
    chosen = next(name for name in possible if name == dataflow)
    inputs, weights, psums = WIRES[chosen]
    moving = chosen in ("ws", "is")
    changed = replace(
        array, dataflow=chosen, share_inputs=inputs, share_weights=weights, reduce=psums,
        weight_double_buffer=array.weight_double_buffer and moving, early_exit=array.early_exit and moving,
        whole_weight_tiles=array.whole_weight_tiles and chosen == "ws",
    )  # fmt: skip
    told = f"{arch.description} (dataflow {chosen} in place of {array.dataflow})"
    return replace(arch, description=told, array=changed)
