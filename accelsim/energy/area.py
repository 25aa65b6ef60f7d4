"""Area of a machine in mm2: PEs, their spads, memories, total, each with a range.

PE logic is the 20,000 um2 that Eyeriss' dataflow study assumes for a 16-bit PE at 65 nm (ominux/eyeriss-dataflow,
get_storage_area_from_size.m), scaled with the product of the operand widths (assumed): an 8-bit PE at 28 nm is then
1,550 um2; TPU v1's 65,536 take 30 % of at most 331 mm2, 1,515 um2 each (Jouppi et al., ISCA 2017). Spads are that
study's area per byte at 65 nm, memories the fit to the CACTI points: bare arrays, of which two chips need three times
as much. Vector unit, control, pads and clock are left out.
"""

from __future__ import annotations

from math import exp, log, sqrt

from accelsim.arch import Accelerator, MemoryLevel, PEArray
from accelsim.energy import scaling, sram
from accelsim.energy.components import Figure, Span, logic_node
from accelsim.errors import InputError

PE_UM2 = 20_000.0
PE_SPAN: Span = (0.5, 2.0)
"""Assumed; TPU v1's PE is 0.98 of ours."""
SPAD_UM2_PER_BYTE = (
    (2, 103.47), (4, 172.07), (8, 177.07), (16, 169.89), (32, 96.06), (64, 59.15), (128, 39.94), (256, 27.48),
    (512, 20.87), (1024, 16.14), (2048, 13.89), (4096, 12.7),
)  # fmt: skip
"""Storage area by bytes at 65 nm (ominux/eyeriss-dataflow, get_storage_area_from_size.m)."""
SPAD_SPAN: Span = (0.37, 2.2)
"""Low: CACTI's array of 512 bytes is 1/2.7 of the table's. High: Eyeriss' spads, 5.8 mm2 (storage is 2/3 of a core of
12.25 mm2, spads 2.5 times the buffer; JSSC 2017), over our 2.73."""
SRAM_SPAN: Span = (0.9, 3.0)
"""Low: 0.217 mm2 of Timeloop's 128 KiB buffer (32 nm) over our 0.240. High: Eyeriss' buffer, 2.3 mm2 (as above), over
our 0.78; the buffers of TPU v1, 37 % of at most 331 mm2 (ISCA 2017), are 2.96 of ours."""


def _figure(value: float, span: Span, source: str) -> Figure:
    return Figure(value, value * span[0], value * span[1], "mm2", source)


def _from_65(node_nm: int) -> float:
    return scaling.factor("area", "65", logic_node(node_nm))


def spad_um2(size_bytes: float) -> float:
    """A spad at 65 nm: the table's area per byte, linear in logarithms between its sizes, constant beyond them.

    >>> round(spad_um2(512))
    10685
    """
    sizes = [size for size, _ in SPAD_UM2_PER_BYTE]
    inside = min(max(size_bytes, sizes[0]), sizes[-1])
    k = max(i for i, size in enumerate(sizes[:-1]) if size <= inside)
    (low, first), (high, last) = SPAD_UM2_PER_BYTE[k], SPAD_UM2_PER_BYTE[k + 1]
    share = log(inside / low) / log(high / low)
    return size_bytes * exp(log(first) * (1 - share) + log(last) * share)


def pe_logic(weight_bits: int, input_bits: int, node_nm: int) -> Figure:
    """MAC and control of one PE."""
    value = PE_UM2 * weight_bits * input_bits / 256 * _from_65(node_nm) / 1e6
    return _figure(value, PE_SPAN, "eyeriss-dataflow, 0.02 mm2 for a 16-bit PE at 65 nm; Stillmaker-Baas")


def _spad_bits(arch: Accelerator, operand: str) -> int:
    p = arch.precision
    return p.psum_bits if operand == "Outputs" else p.read_bits(operand)


def pe_spads(arch: Accelerator, node_nm: int) -> Figure:
    """Scratchpads of one PE."""
    sizes = [spad.words * _spad_bits(arch, spad.operand) / 8 for spad in arch.array.spads]
    value = sum(spad_um2(size) for size in sizes) * _from_65(node_nm) / 1e6
    return _figure(value, SPAD_SPAN, "eyeriss-dataflow, storage area by size at 65 nm; Stillmaker-Baas")


def pitch_mm(arch: Accelerator, node_nm: int) -> float:
    """Side of a square PE."""
    p = arch.precision
    logic = pe_logic(p.weight_bits, p.input_bits, node_nm)
    return sqrt(logic.value + pe_spads(arch, node_nm).value)


def memory(level: MemoryLevel, node_nm: int) -> Figure:
    """One on-chip memory."""
    bits = max(level.read_bits_per_cycle, level.write_bits_per_cycle)
    value = sram.predict("area", level.capacity_bits, bits, node_nm, ports=level.ports)
    return _figure(value, SRAM_SPAN, "fit to CACTI 7 points")


def _times(figure: Figure, array: PEArray) -> Figure:
    return figure.times(array.pes, note=f"{array.pes} of them")


def area(arch: Accelerator, node_nm: int | None = None) -> dict[str, Figure]:
    """Area by part: `array`, `spads`, each memory, `total`.

    Raises:
        InputError: the machine does not state its node and none is given, or no data for the node.
    """
    node = arch.node_nm if node_nm is None else node_nm
    if node is None:
        raise InputError(f"{arch.name}: area needs a technology node; state `node: 65 nm` in the machine's file")
    p = arch.precision
    found = {
        "array": _times(pe_logic(p.weight_bits, p.input_bits, node), arch.array),
        "spads": _times(pe_spads(arch, node), arch.array),
        **{level.name: memory(level, node) for level in arch.memories},
    }
    parts = list(found.values())
    found["total"] = Figure(
        sum(f.value for f in parts), sum(f.low for f in parts), sum(f.high for f in parts), "mm2", "sum"
    )
    return found


def area_dict(table: dict[str, Figure]) -> dict[str, object]:
    """The table as in `report.json`: mm2 by part, the total's low and high."""
    total = table["total"]
    return {
        **{name: round(f.value, 6) for name, f in table.items()},
        "low": round(total.low, 6),
        "high": round(total.high, 6),
    }
