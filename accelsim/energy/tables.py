"""Traffic in bits per level and operand, and energy in integer femtojoules: counts x table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from accelsim.arch import OPERANDS, Accelerator
from accelsim.arch.encoding import DENSE, Zeros, stored_bits
from accelsim.mapping import LinkCount


@dataclass(frozen=True)
class Flow:
    """Bits read from and written to one memory for one operand."""

    read_bits: int = 0
    write_bits: int = 0

    def __add__(self, other: Flow) -> Flow:
        return Flow(self.read_bits + other.read_bits, self.write_bits + other.write_bits)


LevelTraffic = dict[str, dict[str, Flow]]


def add_flow(table: LevelTraffic, level: str, operand: str, flow: Flow) -> None:
    """Add a flow to a table in place."""
    row = table.setdefault(level, {})
    row[operand] = row.get(operand, Flow()) + flow


def merge(tables: Iterable[LevelTraffic]) -> LevelTraffic:
    """The sum of several tables."""
    total: LevelTraffic = {}
    for table in tables:
        for level, row in table.items():
            for operand, flow in row.items():
                add_flow(total, level, operand, flow)
    return total


def live_macs(arch: Accelerator, macs: int, zeros: Zeros) -> int:
    """MACs that the PEs really do: all of them, or those whose input is not zero where the machine gates."""
    return zeros.live(macs) if arch.array.zero_gating else macs


def parent_flow(count: LinkCount, arch: Accelerator, zeros: Zeros = DENSE) -> Flow:
    """Bits read from and written to the parent over one link; feature maps in DRAM are coded if the machine does."""
    precision = arch.precision
    if count.operand != "Outputs":
        bits = precision.read_bits(count.operand)
        if count.parent == "DRAM" and count.operand == "Inputs":
            return Flow(read_bits=stored_bits(arch.dram.coding, count.reads, bits, zeros.inputs_ppm))
        return Flow(read_bits=count.reads * bits)
    final = count.final_writes * arch.final_bits(count.parent)
    if count.parent == "DRAM":
        final = stored_bits(arch.dram.coding, count.final_writes, precision.output_bits, zeros.outputs_ppm)
    return Flow(count.reads * precision.psum_bits, count.psum_writes * precision.psum_bits + final)


def link_name(parent: str, child: str) -> str:
    """The name of the link between two memories, or of one with the `array` or the `vector` unit.

    >>> link_name("DRAM", "GLB")
    'DRAM > GLB'
    """
    return f"{parent} > {child}"


def array_links(counts: Iterable[LinkCount], arch: Accelerator, zeros: Zeros = DENSE) -> LevelTraffic:
    """Bits over every link of a mapped problem: down (read at the parent) and up (written there), by operand."""
    table: LevelTraffic = {}
    for count in counts:
        child = "array" if count.child == "PE" else count.child
        add_flow(table, link_name(count.parent, child), count.operand, parent_flow(count, arch, zeros))
    return table


def vector_links(traffic: LevelTraffic, memory: str) -> LevelTraffic:
    """Bits over the links of work on the vector unit, from its `vector_traffic`."""
    table: LevelTraffic = {}
    for operand, flow in traffic["DRAM"].items():
        add_flow(table, link_name("DRAM", memory), operand, flow)
    for operand, flow in traffic[memory].items():
        down = flow.read_bits if operand != "Outputs" else 0
        up = flow.write_bits if operand == "Outputs" else 0
        add_flow(table, link_name(memory, "vector"), operand, Flow(down, up))
    return table


def array_traffic(counts: Iterable[LinkCount], arch: Accelerator, macs: int, zeros: Zeros = DENSE) -> LevelTraffic:
    """Bits per level and operand of a mapped problem.

    At `PE`, arriving words are written to the spads and every MAC reads Inputs and Weights and reads and writes a
    psum (a gated PE reads its input and nothing else). `array` holds the deliveries over the wires: bits arriving at
    PEs as writes, psums leaving them as reads. Feature maps in DRAM are coded if the machine codes them.
    """
    table: LevelTraffic = {}
    precision = arch.precision
    for count in counts:
        if count.operand != "Outputs":
            bits = precision.read_bits(count.operand)
            add_flow(table, count.parent, count.operand, parent_flow(count, arch, zeros))
            add_flow(table, count.child, count.operand, Flow(write_bits=count.deliveries * bits))
            if count.child == "PE":
                add_flow(table, "array", count.operand, Flow(write_bits=count.deliveries * bits))
            continue
        psum = precision.psum_bits
        add_flow(table, count.parent, "Outputs", parent_flow(count, arch, zeros))
        if count.child == "PE":
            add_flow(table, "array", "Outputs", Flow(count.sends * psum, count.deliveries * psum))
        else:
            left = count.psum_writes * psum + count.final_writes * arch.final_bits(count.child)
            add_flow(table, count.child, "Outputs", Flow(left, count.deliveries * psum))
    live = live_macs(arch, macs, zeros)
    add_flow(table, "PE", "Inputs", Flow(read_bits=macs * precision.input_bits))
    add_flow(table, "PE", "Weights", Flow(read_bits=live * precision.weight_bits))
    add_flow(table, "PE", "Outputs", Flow(live * precision.psum_bits, live * precision.psum_bits))
    return table


def vector_traffic(
    arch: Accelerator, memory: str, in_words: int, param_words: int, out_words: int, read_words: int,
    stored_words: int,
) -> LevelTraffic:  # fmt: skip
    """Bits per level of work on the vector unit: words come from DRAM through `memory` and go back.

    Args:
        in_words: words that come from DRAM; what is on chip already does not. read_words: words the unit reads from
            `memory`. out_words: words it writes there, of which `stored_words` go to DRAM.
    """
    bits_in, bits_out = arch.precision.input_bits, arch.precision.output_bits
    table: LevelTraffic = {}
    add_flow(table, "DRAM", "Inputs", Flow(read_bits=in_words * bits_in))
    add_flow(table, memory, "Inputs", Flow(read_words * bits_in, in_words * bits_in))
    if param_words:
        bits = arch.precision.weight_bits
        add_flow(table, "DRAM", "Weights", Flow(read_bits=param_words * bits))
        add_flow(table, memory, "Weights", Flow(param_words * bits, param_words * bits))
    add_flow(table, "DRAM", "Outputs", Flow(write_bits=stored_words * bits_out))
    add_flow(table, memory, "Outputs", Flow(stored_words * bits_out, out_words * bits_out))
    return table


EnergyParts = dict[str, dict[str, int]]
"""Femtojoules by component and operand; what belongs to no operand (MACs, leakage, ...) stands under `NO_OPERAND`."""
NO_OPERAND = "none"


def energy_parts_fj(table: LevelTraffic, arch: Accelerator, macs: int, vector_ops: int) -> EnergyParts:
    """Dynamic energy by component and operand, in femtojoules: DRAM, each memory, `array` wires, `spad`, `MAC`,
    `vector`.

    `macs` are those that PEs really do (`live_macs`).
    """
    found: EnergyParts = {}
    for level, row in table.items():
        for operand, flow in row.items():
            if level == "DRAM":
                read, write = arch.dram.read_fj_per_bit, arch.dram.write_fj_per_bit
            elif level == "array":
                read = write = arch.array.hop_fj_per_bit
            elif level == "PE":
                spad = arch.array.spad(operand)
                read, write = spad.read_fj_per_bit, spad.write_fj_per_bit
            else:
                memory = arch.memory(level)
                read, write = memory.read_fj_per_bit, memory.write_fj_per_bit
            part = found.setdefault("spad" if level == "PE" else level, {})
            part[operand] = part.get(operand, 0) + flow.read_bits * read + flow.write_bits * write
    found["MAC"] = {NO_OPERAND: macs * arch.array.mac_fj}
    found["vector"] = {NO_OPERAND: vector_ops * arch.vector.op_fj}
    return found


def by_component(parts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """The sum over operands of every component."""
    return {component: sum(row.values()) for component, row in parts.items()}


def energy_fj(table: LevelTraffic, arch: Accelerator, macs: int, vector_ops: int) -> dict[str, int]:
    """Dynamic energy by component, in femtojoules: the sums of `energy_parts_fj`."""
    return by_component(energy_parts_fj(table, arch, macs, vector_ops))


def leakage_fj(arch: Accelerator, cycles: int) -> dict[str, int]:
    """Leakage, clock network and DRAM background energy over a makespan, charged once."""
    on_chip = sum(m.leakage_fj_per_cycle for m in arch.memories) + arch.array.leakage_fj_per_cycle
    found = {"leakage": on_chip * cycles, "DRAM background": arch.dram.background_fj_per_cycle * cycles}
    if arch.array.clock_fj_per_cycle:
        found["clock"] = arch.array.clock_fj_per_cycle * cycles
    return found


def operand_order(row: Mapping[str, Flow]) -> list[str]:
    """Operands of a row in the field's order."""
    return [name for name in OPERANDS if name in row]
