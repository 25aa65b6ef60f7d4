"""DRAM energy by type: access per bit, activation of a row, background, each with the range of public figures.

Access values are those of the Accelergy CACTI plug-in (comments there name the papers). Low ends are the core currents
of DRAMsim3's device files, ``VDD (IDD4 - IDD3N)`` over a burst plus an activation shared by a whole row, without I/O or
controller; high ends are the largest public figure. Activation is ``VDD (IDD0 tRC - IDD3N tRAS - IDD2N tRP)`` of a
rank, background ``VDD IDD2N`` (all banks closed) to ``VDD IDD3N`` (open). DRAM does not scale with the logic node.
"""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.energy.components import Figure
from accelsim.errors import InputError, nearest


@dataclass(frozen=True)
class DramEnergy:
    """One type: read and write pJ/bit, activation and precharge of a row in nJ, background mW of a rank."""

    read: Figure
    write: Figure
    activation: Figure
    background: Figure


PLUG_IN = "Accelergy CACTI plug-in"
CORE = "DRAMsim3 core currents"
# value, low of reads, low of writes, high in pJ/bit; activation nJ; background mW closed and open; source of the value
Row = tuple[float, float, float, float, float, float, float, str]
TYPES: dict[str, Row] = {
    "DDR3": (70, 7.88, 7.88, 70, 10.652, 388.8, 550.8, PLUG_IN),
    "DDR4": (17.5, 5.55, 4.70, 20, 4.234, 355.2, 499.2, "15 to 20 pJ/bit with I/O, recalled"),
    "DDR5": (13.5, 5.55, 4.70, 20, 4.234, 355.2, 499.2, "12 to 15 pJ/bit, recalled; low, high, rows as DDR4, assumed"),
    "LPDDR": (40, 5.41, 5.29, 40, 2.816, 49.2, 50.4, f"{PLUG_IN}; rows as LPDDR3, assumed"),
    "LPDDR3": (8, 5.41, 5.29, 40, 2.816, 49.2, 50.4, "as LPDDR4, assumed; high: LPDDR of the plug-in"),
    "LPDDR4": (8, 5.74, 5.74, 12.89, 6.956, 163.2, 225.6, f"{PLUG_IN}; high: core with one burst a row"),
    "LPDDR5": (4.5, 4, 4, 8, 6.956, 163.2, 225.6, "4 to 5 pJ/bit, recalled; high, rows as LPDDR4, assumed"),
    "GDDR5": (14, 5.08, 5.08, 14, 5.731, 658.8, 663.2, f"{PLUG_IN}; low, rows as GDDR6, assumed"),
    "GDDR6": (8.01, 5.08, 5.08, 14, 5.731, 648.0, 658.8, f"{CORE} with one burst a row; high: GDDR5 of the plug-in"),
    "HBM2": (3.9, 1.67, 1.67, 3.9, 0.828, 384.0, 528.0, PLUG_IN),
    "HBM3": (3.75, 1.67, 1.67, 4, 0.828, 384.0, 528.0, "3.5 to 4 pJ/bit, recalled; low, rows as HBM2, assumed"),
    "HMC": (4.2, 2.1, 2.1, 8.4, 0.828, 384.0, 528.0, f"{PLUG_IN}; range and rows assumed"),
    "off-chip link": (28.75, 8, 8, 70, 0, 0, 0, "nn_dataflow, 460 pJ a 16-bit word; LPDDR4 to DDR3 of the plug-in"),
}


def type_of(kind: str) -> str | None:
    """The type that a machine's `dram.kind` names (`DDR4-3200` is DDR4), None if it names none."""
    text = kind.strip().lower()
    fits = [name for name in TYPES if text.startswith(name.lower())]
    return max(fits, key=len, default=None)


def dram(kind: str) -> DramEnergy:
    """The figures of a type.

    Raises:
        InputError: no public figures for this kind.
    """
    name = type_of(kind)
    if name is None:
        raise InputError(f"no public energy for DRAM of kind {kind!r}; {nearest(kind, TYPES)}")
    value, low_read, low_write, high, row, closed, opened, source = TYPES[name]
    text = f"{name}: {source}; low: {CORE}"
    return DramEnergy(
        Figure(value, low_read, high, "pJ/bit", text),
        Figure(value, low_write, high, "pJ/bit", text),
        Figure(row, row / 2, row * 2, "nJ", f"{name}: {CORE}, range assumed"),
        Figure(closed, closed / 2, max(opened, closed), "mW", f"{name}: {CORE}, closed to open banks; low assumed"),
    )
