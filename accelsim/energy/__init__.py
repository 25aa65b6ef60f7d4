"""Traffic tables, energy as counts x table, and where the figures of a table come from."""

from __future__ import annotations

from accelsim.energy.tables import (
    NO_OPERAND,
    EnergyParts,
    Flow,
    LevelTraffic,
    add_flow,
    array_links,
    array_traffic,
    by_component,
    energy_fj,
    energy_parts_fj,
    leakage_fj,
    link_name,
    live_macs,
    merge,
    operand_order,
    vector_links,
    vector_traffic,
)

__all__ = [
    "NO_OPERAND",
    "EnergyParts",
    "Flow",
    "LevelTraffic",
    "add_flow",
    "array_links",
    "array_traffic",
    "by_component",
    "energy_fj",
    "energy_parts_fj",
    "leakage_fj",
    "link_name",
    "live_macs",
    "merge",
    "operand_order",
    "vector_links",
    "vector_traffic",
]
