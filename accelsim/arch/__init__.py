"""Machines as plain frozen data."""

from accelsim.arch.dram import DramDevice, DramTiming
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
    "DramDevice",
    "DramTiming",
    "EnergySource",
    "Hold",
    "MemoryLevel",
    "PEArray",
    "Precision",
    "Spad",
    "VectorUnit",
]
