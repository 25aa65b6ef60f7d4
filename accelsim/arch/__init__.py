"""Machines as plain frozen data."""

from accelsim.arch.types import (
    OPERANDS,
    Accelerator,
    ArrayAxis,
    Dataflow,
    Dram,
    EnergySource,
    Hold,
    MemoryLevel,
    PEArray,
    Precision,
    Spad,
    VectorUnit,
)

__all__ = [
    "OPERANDS",
    "Accelerator",
    "ArrayAxis",
    "Dataflow",
    "Dram",
    "EnergySource",
    "Hold",
    "MemoryLevel",
    "PEArray",
    "Precision",
    "Spad",
    "VectorUnit",
]
