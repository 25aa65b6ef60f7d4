"""Energy of MACs, register files, SRAM and wires by size and node, each with the range that public figures span.

Public tables disagree: a 32-bit multiplication costs 3.1 pJ (Horowitz, ISSCC 2014, 45 nm) or 12.68 pJ (Aladdin's 40 nm
library), 16 bit of a 108 KiB buffer 33 pJ (CACTI 7, 65 nm) or 15 pJ (fitted to the Eyeriss chip by nn_dataflow). A
`Figure` therefore carries a low and a high, from the figures furthest below and above our value.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import log

from accelsim.energy import scaling, sram
from accelsim.errors import InputError


@dataclass(frozen=True)
class Figure:
    """A value with its range, unit and source."""

    value: float
    low: float
    high: float
    unit: str
    source: str

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.value <= self.high:
            raise InputError(f"{self.value:g} {self.unit} is outside its own range {self.low:g} to {self.high:g}")

    def times(self, factor: float, unit: str = "", note: str = "") -> Figure:
        """The figure and its range times a factor."""
        source = f"{self.source}; {note}" if note else self.source
        return Figure(self.value * factor, self.low * factor, self.high * factor, unit or self.unit, source)


Span = tuple[float, float]
MAC_SPAN: Span = (0.5, 4.03)
"""Low: assumed (a supply of 0.7 of nominal); no public figure lies below. High: Aladdin's 12.68 + 0.21 pJ over the
3.1 + 0.1 of Horowitz (int32 multiply and add)."""
SRAM_SPAN: Span = (0.45, 1.78)
"""Low: nn_dataflow's silicon-fitted 15 pJ over our 33.2 for 16 bit of a 108 KiB buffer (65 nm). High: 10 pJ of the 8 KB
cache of Horowitz with 64-bit words (45 nm) over our 5.65."""
RF_SPAN: Span = (0.58, 4.54)
"""Low: nn_dataflow's 1 pJ a word over our 1.71 for writes of the 224 x 16 bit spad (65 nm). High: 1.977 pJ over our
0.436 for the 192 x 16 bit weight spad of Timeloop's Eyeriss example (32 nm)."""
WIRE_SPAN: Span = (0.5, 2.0)
"""Assumed."""
LEAK_SPAN: Span = (0.001, 10.0)
"""High: CACTI 7's high-performance cells at 360 K, of which our value is a tenth (assumed). Low: its low-standby-power
cells leak 1/1200 to 1/4500 of them (runs at 22 to 65 nm, 8 and 128 KiB), Timeloop's 128 KiB buffer (32 nm) 1/14,000."""
HP_SHARE = 0.1
"""Leakage of a buffer over that of CACTI's high-performance cells at 360 K (assumed)."""

LOGIC_LEAK_SPAN: Span = (0.5, 170.0)
"""Low: assumed. High: the 28 W of TPU v1 when idle (ISCA 2017, table 2), were all of it the array's, over our 0.16."""
MAC_LEAK_UW = 2.374
"""An 8 x 8 bit MAC at 32 nm (0.002374 pJ in 1 ns; Accelergy ERT of Timeloop's Eyeriss example)."""
SPAD_LEAK_UW_PER_BIT = 1.592 / (192 * 16)
"""A bit of the weight spad (same)."""
LEAK_NODE = "32"

HOROWITZ_NODE = "45"
MULTIPLY_8_PJ = 0.2
"""8-bit integer multiplication at 45 nm, 0.9 V (Horowitz, ISSCC 2014)."""
MULTIPLY_32_PJ = 3.1
"""32-bit integer multiplication (same)."""
ADD_PJ = ((8, 0.03), (16, 0.05), (32, 0.1))
"""Integer addition by width in bits (same)."""
FLOAT_PJ = {16: (1.1, 0.4), 32: (3.7, 0.9)}
"""(multiplication, addition) of floating point by width in bits (same)."""
REGISTER_FJ_PER_BIT = 9.0
"""One access of a register bit, 40 nm (Aladdin's library); taken at the 45 nm node of Stillmaker-Baas (assumed)."""
SRAM_FROM_BITS = 8192
"""Capacity from which a register file is an SRAM: 1 KiB, where the CACTI points begin."""
WIRE_FJ_PER_BIT_MM = 100.0
"""One bit over one millimetre at 45 nm (assumed: half of 0.2 pF/mm at 1 V)."""
NEAREST_LOGIC_NODE = {40: "45", 28: "32", 22: "20"}
"""Nodes that Stillmaker and Baas lack, as their neighbours in the paper (assumed)."""


def logic_node(node_nm: int) -> str:
    """The node of Stillmaker and Baas that stands for a node.

    Raises:
        InputError: neither the paper has the node nor is a neighbour agreed for it.
    """
    if node_nm in NEAREST_LOGIC_NODE:
        return NEAREST_LOGIC_NODE[node_nm]
    return scaling.node_name(node_nm)


def _from_45(node_nm: int) -> float:
    return scaling.factor("energy", HOROWITZ_NODE, logic_node(node_nm))


def _spread(value: float, span: Span, unit: str, source: str) -> Figure:
    return Figure(value, value * span[0], value * span[1], unit, source)


def multiply_pj(bits_a: float, bits_b: float) -> float:
    """Integer multiplication at 45 nm: a power of the product of the widths through Horowitz' 8 and 32 bit."""
    exponent = log(MULTIPLY_32_PJ / MULTIPLY_8_PJ) / log(32 * 32 / (8 * 8))
    return float(MULTIPLY_8_PJ * (bits_a * bits_b / 64) ** exponent)


def add_pj(bits: float) -> float:
    """Integer addition at 45 nm: linear between Horowitz' 8, 16 and 32 bit, proportional to the width outside."""
    if bits <= ADD_PJ[0][0]:
        return ADD_PJ[0][1] * bits / ADD_PJ[0][0]
    for (low, before), (high, after) in pairwise(ADD_PJ):
        if bits <= high:
            return before + (after - before) * (bits - low) / (high - low)
    return ADD_PJ[-1][1] * bits / ADD_PJ[-1][0]


def mac(weight_bits: int, input_bits: int, psum_bits: int, node_nm: int) -> Figure:
    """An integer MAC in fJ: the multiplication and one addition at psum width.

    >>> round(mac(8, 8, 32, 45).value)
    300
    """
    value = 1000 * (multiply_pj(weight_bits, input_bits) + add_pj(psum_bits)) * _from_45(node_nm)
    source = f"Horowitz ISSCC 2014 (45 nm), {weight_bits} x {input_bits} + {psum_bits} bit, {_scaled(node_nm)}"
    return _spread(value, MAC_SPAN, "fJ", source)


def float_mac(bits: int, node_nm: int) -> Figure:
    """A floating-point MAC in fJ, 16 or 32 bit."""
    if bits not in FLOAT_PJ:
        raise InputError(f"a {bits}-bit floating-point MAC; expected 16 or 32")
    return _spread(
        1000 * sum(FLOAT_PJ[bits]) * _from_45(node_nm),
        MAC_SPAN,
        "fJ",
        f"Horowitz ISSCC 2014 (45 nm), fp{bits}, {_scaled(node_nm)}",
    )


def _scaled(node_nm: int) -> str:
    name = logic_node(node_nm)
    if name == HOROWITZ_NODE:
        return "as printed"
    stand_in = "" if name == str(node_nm) else f" (for {node_nm} nm)"
    return f"Stillmaker-Baas to {name} nm{stand_in}"


def register_file(words: int, bits: int, node_nm: int) -> tuple[Figure, Figure]:
    """(read, write) of a spad in fJ a bit: from one register to an SRAM of 1 KiB by a power law of its capacity."""
    source = f"{words} x {bits} bit between a register (Aladdin, 9 fJ at 40 nm) and CACTI 7 at 1 KiB"
    register = REGISTER_FJ_PER_BIT * _from_45(node_nm)
    capacity, found = words * bits, []
    for action in ("read", "write"):
        small = max(register, 1000 * sram.predict(action, SRAM_FROM_BITS, bits, node_nm) / bits)
        if capacity >= SRAM_FROM_BITS:
            value = max(small, 1000 * sram.predict(action, capacity, bits, node_nm) / bits)
        else:
            value = register * (small / register) ** (log(max(capacity / bits, 1)) / log(max(SRAM_FROM_BITS / bits, 2)))
        found.append(_spread(value, RF_SPAN, "fJ/bit", source))
    return found[0], found[1]


def sram_access(action: str, capacity_bits: int, port_bits: int, node_nm: int, ports: int = 1) -> Figure:
    """A read or write in fJ a bit, from the fit to the CACTI points."""
    value = 1000 * sram.predict(action, capacity_bits, port_bits, node_nm, ports=ports) / port_bits
    size = f"{capacity_bits / 8192:g} KiB, {port_bits} bit port"
    return _spread(value, SRAM_SPAN, "fJ/bit", f"fit to CACTI 7 points, {size}, {node_nm} nm")


def sram_leakage(capacity_bits: int, port_bits: int, node_nm: int, ports: int = 1) -> Figure:
    """Leakage in mW: a tenth of CACTI's high-performance cells (assumed)."""
    value = HP_SHARE * sram.predict("leakage", capacity_bits, port_bits, node_nm, ports=ports)
    return _spread(value, LEAK_SPAN, "mW", "fit to CACTI 7 points (itrs-hp, 360 K) times 0.1, assumed")


def array_leakage(pes: int, weight_bits: int, input_bits: int, spad_bits: int, node_nm: int) -> Figure:
    """Leakage of the PEs in mW: MACs by the product of their widths, spads by their bits; nodes as energy (assumed)."""
    each = MAC_LEAK_UW * weight_bits * input_bits / 64 + SPAD_LEAK_UW_PER_BIT * spad_bits
    value = pes * each / 1000 * scaling.factor("energy", LEAK_NODE, logic_node(node_nm))
    return _spread(value, LOGIC_LEAK_SPAN, "mW", f"{pes} PEs as in Timeloop's Eyeriss example (32 nm), scaled; assumed")


def hop(pitch_mm: float, node_nm: int) -> Figure:
    """A bit from one PE to its neighbour in fJ."""
    value = WIRE_FJ_PER_BIT_MM * pitch_mm * _from_45(node_nm)
    return _spread(
        value, WIRE_SPAN, "fJ/bit", f"wire of one PE pitch, {pitch_mm:.3f} mm at 0.1 pJ/bit/mm (45 nm), assumed"
    )


def bus(pitch_mm: float, pes_along: int, node_nm: int) -> Figure:
    """A bit to one PE of a multicast bus in fJ: half the bus is charged to each delivery (assumed)."""
    value = WIRE_FJ_PER_BIT_MM * pitch_mm * max(1.0, pes_along / 2) * _from_45(node_nm)
    length = f"half a bus of {pes_along} PEs, pitch {pitch_mm:.3f} mm, 0.1 pJ/bit/mm (45 nm)"
    return _spread(value, WIRE_SPAN, "fJ/bit", f"{length}, assumed")
