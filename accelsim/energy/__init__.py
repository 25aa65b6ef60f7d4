"""Traffic tables, energy as counts x table, and where the figures of a table come from."""

from __future__ import annotations

from accelsim.energy.tables import (
    Flow,
    LevelTraffic,
    add_flow,
    array_traffic,
    energy_fj,
    leakage_fj,
    live_macs,
    merge,
    operand_order,
    vector_traffic,
)

__all__ = [
    "Flow",
    "LevelTraffic",
    "add_flow",
    "array_traffic",
    "energy_fj",
    "leakage_fj",
    "live_macs",
    "merge",
    "operand_order",
    "vector_traffic",
]
