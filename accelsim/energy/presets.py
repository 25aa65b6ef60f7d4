"""Energy presets: all energies of a machine from its sizes and a technology node, or Eyeriss' normalised hierarchy.

A preset is a function of a machine; `apply` puts its figures in place of the machine's, `figures` gives them alone.
"""

from __future__ import annotations

from dataclasses import replace

from accelsim.arch import Accelerator, MemoryLevel
from accelsim.energy import area, components
from accelsim.energy.components import Figure, Span
from accelsim.energy.dram import dram
from accelsim.energy.figures import with_figures
from accelsim.errors import InputError, nearest

NODES = {"65nm": 65, "45nm": 45, "32nm": 32, "28nm": 28, "22nm": 22, "16nm": 16, "14nm": 14, "10nm": 10, "7nm": 7}
"""Presets by node. 65 to 22 nm lie inside the CACTI points; below, everything on chip is scaled from 22 nm."""
NORMALISED = "eyeriss_normalised"
PRESETS = (NORMALISED, *NODES)
UNIT_FJ = 1600
"""One MAC of the normalised hierarchy; a whole number of femtojoules a bit for the usual word widths (arbitrary)."""
HIERARCHY = {"spad": 1, "hop": 2, "buffer": 6, "DRAM": 200}
"""Energy of a 16-bit word over that of a MAC (Chen et al., ISCA 2016, table IV, as in ominux/eyeriss-dataflow)."""
SMALL_BITS = 8 * 1024
"""Memories up to 1 KiB count as register files in the normalised hierarchy (ISCA 2016: 0.5 to 1 kB)."""
Figures = dict[str, Figure]


def normalised(arch: Accelerator) -> Figures:
    """MAC 1, spad 1, hop 2, buffer 6, DRAM 200, for a word of the machine's inputs; no leakage, no background.

    The unit is 1.6 pJ. A memory of at most 1 KiB counts as a register file; a vector operation as a MAC (assumed).
    """
    word = arch.precision.input_bits
    source = "Eyeriss ISCA 2016, normalised to a MAC; one unit is 1.6 pJ"

    def per_bit(name: str, span: Span) -> Figure:
        value = UNIT_FJ * HIERARCHY[name] / word
        return Figure(value, value * span[0], value * span[1], "fJ/bit", source)

    one = Figure(UNIT_FJ, UNIT_FJ * components.MAC_SPAN[0], UNIT_FJ * components.MAC_SPAN[1], "fJ", source)
    none = Figure(0, 0, 0, "fJ/cycle", source)
    outside = per_bit("DRAM", (0.5, 2.0))
    found = {"DRAM.read": outside, "DRAM.write": outside, "DRAM.background": none}
    for memory in arch.memories:
        small = memory.capacity_bits <= SMALL_BITS
        figure = per_bit("spad", components.RF_SPAN) if small else per_bit("buffer", components.SRAM_SPAN)
        found |= {f"{memory.name}.read": figure, f"{memory.name}.write": figure, f"{memory.name}.leakage": none}
    spad = per_bit("spad", components.RF_SPAN)
    for place in arch.array.spads:
        found |= {f"spad.{place.operand}.read": spad, f"spad.{place.operand}.write": spad}
    wires = per_bit("hop", components.WIRE_SPAN)
    return {**found, "array.hop": wires, "array.leakage": none, "array.clock": none, "MAC": one, "vector": one}


def _memory(level: MemoryLevel, node: int) -> Figures:
    read, write, ports = level.read_bits_per_cycle, level.write_bits_per_cycle, level.ports
    return {
        f"{level.name}.read": components.sram_access("read", level.capacity_bits, read, node, ports),
        f"{level.name}.write": components.sram_access("write", level.capacity_bits, write, node, ports),
        f"{level.name}.leakage": components.sram_leakage(level.capacity_bits, max(read, write), node, ports),
    }


def at_node(arch: Accelerator, node: int) -> Figures:
    """Every energy of a machine from its sizes, widths, DRAM kind and a node in nm."""
    precision, array = arch.precision, arch.array
    outside = dram(arch.dram.kind)
    found = {"DRAM.read": outside.read, "DRAM.write": outside.write, "DRAM.background": outside.background}
    for memory in arch.memories:
        found |= _memory(memory, node)
    stored = 0
    for spad in array.spads:
        bits = precision.psum_bits if spad.operand == "Outputs" else precision.read_bits(spad.operand)
        stored += spad.words * bits
        read, write = components.register_file(spad.words, bits, node)
        found |= {f"spad.{spad.operand}.read": read, f"spad.{spad.operand}.write": write}
    pitch = area.pitch_mm(arch, node)
    buses = array.kind == "row_stationary"
    found["array.hop"] = components.bus(pitch, array.cols, node) if buses else components.hop(pitch, node)
    found["array.leakage"] = components.array_leakage(
        array.pes, precision.weight_bits, precision.input_bits, stored, node
    )
    found["array.clock"] = Figure(0, 0, 0, "fJ/cycle", "presets have no clock network: no public model of one")
    found["MAC"] = components.mac(precision.weight_bits, precision.input_bits, precision.psum_bits, node)
    found["vector"] = components.mac(precision.input_bits, precision.input_bits, precision.psum_bits, node).times(
        1, note="a vector operation as a MAC, assumed"
    )
    return found


def figures(arch: Accelerator, name: str) -> Figures:
    """The figures of a preset for a machine, by energy.

    Raises:
        InputError: no preset of this name, or a kind of DRAM without public figures.
    """
    if name == NORMALISED:
        return normalised(arch)
    if name not in NODES:
        raise InputError(f"no energy preset {name!r}; {nearest(name, PRESETS)}")
    return at_node(arch, NODES[name])


def apply(arch: Accelerator, name: str) -> Accelerator:
    """The machine with all energies from a preset (and its node, if the preset has one)."""
    moved = replace(arch, node_nm=NODES.get(name, arch.node_nm), energy_sources=())
    return with_figures(moved, figures(arch, name), name)
