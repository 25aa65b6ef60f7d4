"""Timing: closed-form cycles of an array pass, one file per array kind."""

from __future__ import annotations

from collections.abc import Callable

from accelsim.arch import PEArray
from accelsim.timing.mesh import mesh_pass
from accelsim.timing.row_stationary import row_stationary_pass
from accelsim.timing.spatial import spatial_pass
from accelsim.timing.systolic import systolic_pass
from accelsim.timing.types import PassShape, PassTime

PASS_TIMES: dict[str, Callable[[PEArray, PassShape], PassTime]] = {
    "systolic": systolic_pass,
    "row_stationary": row_stationary_pass,
    "spatial": spatial_pass,
    "mesh": mesh_pass,
}


def pass_time(array: PEArray, shape: PassShape) -> PassTime:
    """Cycles of one pass on an array of any kind."""
    return PASS_TIMES[array.kind](array, shape)


__all__ = [
    "PASS_TIMES",
    "PassShape",
    "PassTime",
    "mesh_pass",
    "pass_time",
    "row_stationary_pass",
    "spatial_pass",
    "systolic_pass",
]
