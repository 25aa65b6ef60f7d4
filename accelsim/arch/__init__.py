"""Machines as plain frozen data."""

from accelsim.arch.dram import DramDevice, DramTiming
from accelsim.arch.storage import ZJ_PER_PJ, StorageLevel, StorageMachine
from accelsim.arch.types import (
    OPERANDS,
    PIECE_BITS,
    Accelerator,
    Arbitration,
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
    "PIECE_BITS",
    "ZJ_PER_PJ",
    "Accelerator",
    "Arbitration",
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
    "StorageLevel",
    "StorageMachine",
    "VectorUnit",
]
