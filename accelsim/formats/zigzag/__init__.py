"""ZigZag's files: machines and mappings (.yaml), and a run of ZigZag itself beside ours."""

from accelsim.formats.zigzag.hardware import SPREADS, dram_port_bits, write_hardware, write_mapping
from accelsim.formats.zigzag.peer import ZigzagLayer, ZigzagRun, best_of, run_zigzag

__all__ = [
    "SPREADS",
    "ZigzagLayer",
    "ZigzagRun",
    "best_of",
    "dram_port_bits",
    "run_zigzag",
    "write_hardware",
    "write_mapping",
]
