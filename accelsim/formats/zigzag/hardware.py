"""ZigZag's machine and mapping files (3.9.1), written from a weight-stationary machine of ours.

ZigZag calls inputs `I1`, weights `I2`, outputs `O`; `D1` and `D2` are the array's columns and rows. A port direction is
`f` or `t` (from or to) and `h` or `l` (the higher or the lower memory). Energies are pJ per word as wide as the port.
"""

from __future__ import annotations

from typing import Literal

from accelsim.arch import Accelerator, MemoryLevel
from accelsim.errors import InputError

Spread = Literal["found", "channels"]
SPREADS: tuple[Spread, ...] = ("found", "channels")
LETTERS = {"Inputs": "I1", "Weights": "I2", "Outputs": "O"}
GRAIN = 64  # bits: the least part of a word that ZigZag's own machines charge
DRAM_BITS = 10_000_000_000  # as in its own machines: more than any network
LINKS = "  memory_operand_links: {O: O, W: I2, I: I1}\n"


def _port(name: str, kind: str, bits: int, grain: int, allocation: list[str]) -> str:
    lines = "".join(f"          - {line}\n" for line in allocation)
    return (
        f"      - name: {name}\n        type: {kind}\n        bandwidth_min: {min(grain, bits)}\n"
        f"        bandwidth_max: {bits}\n        allocation:\n{lines}"
    )


def _memory(
    name: str, size: int, energy: tuple[float, float], letters: list[str], ports: list[str], shared: bool
) -> str:  # fmt: skip
    return (
        f"  {name}:\n    size: {size}\n    r_cost: {energy[0]}\n    w_cost: {energy[1]}\n    area: 0\n    latency: 1\n"
        f"    operands: [{', '.join(letters)}]\n    ports:\n{''.join(ports)}"
        f"    served_dimensions: [{'D1, D2' if shared else ''}]\n"
    )


def _picojoules(read_fj: int, write_fj: int, read_bits: int, write_bits: int) -> tuple[float, float]:
    return read_fj * read_bits / 1000, write_fj * write_bits / 1000


def _on_chip(arch: Accelerator, memory: MemoryLevel) -> str:
    """One memory; one of weights that every PE reads for itself is a register file in each PE."""
    letters = [LETTERS[hold.operand] for hold in memory.holds]
    in_pes = letters == ["I2"] and arch.array.share_weights == ()
    parts = arch.array.pes if in_pes else 1
    read, write = memory.read_bits_per_cycle // parts, memory.write_bits_per_cycle // parts
    reads = [f"{letter}, {way}" for letter in letters for way in (("tl", "th") if letter == "O" else ("tl",))]
    writes = [f"{letter}, {way}" for letter in letters for way in (("fh", "fl") if letter == "O" else ("fh",))]
    ports = [
        _port("r_port_1", "read", read, read if in_pes else GRAIN, reads),
        _port("w_port_1", "write", write, write if in_pes else GRAIN, writes),
    ]
    energy = _picojoules(memory.read_fj_per_bit, memory.write_fj_per_bit, read, write)
    return _memory(memory.name, memory.capacity_bits // parts, energy, letters, ports, not in_pes)


def _registers(arch: Accelerator) -> str:
    """The psum register of a PE: two ports each way. Accumulators of one word a PE are these registers."""
    spad, bits = arch.array.spad("Outputs"), arch.precision.psum_bits
    sums = next((memory for memory in arch.memories if memory.psum_only), spad)
    ways = (("r_port_1", "read", "tl"), ("r_port_2", "read", "th"), ("w_port_1", "write", "fh"),
            ("w_port_2", "write", "fl"))  # fmt: skip
    ports = [_port(name, kind, bits, bits, [f"O, {way}"]) for name, kind, way in ways]
    energy = _picojoules(sums.read_fj_per_bit, sums.write_fj_per_bit, bits, bits)
    return _memory("psums", spad.words * bits, energy, ["O"], ports, False)


def dram_port_bits(arch: Accelerator) -> int:
    """Bits a cycle of the DRAM port, which ZigZag counts its DRAM words in."""
    return arch.dram.bandwidth_bits_per_s // arch.clock_hz


def _dram(arch: Accelerator) -> str:
    bits = dram_port_bits(arch)
    ways = [f"{letter}, {way}" for letter in ("I1", "I2") for way in ("fh", "tl")]
    port = _port("rw_port_1", "read_write", bits, bits, [*ways, *(f"O, {way}" for way in ("fh", "tl", "fl", "th"))])
    energy = _picojoules(arch.dram.read_fj_per_bit, arch.dram.write_fj_per_bit, bits, bits)
    return _memory("dram", DRAM_BITS, energy, ["I1", "I2", "O"], [port], True)


def _refuse(arch: Accelerator) -> None:
    array, bits = arch.array, (arch.precision.weight_bits, arch.precision.input_bits, arch.precision.output_bits)
    reasons = {
        f"dataflow {array.dataflow}, expected ws": array.dataflow != "ws",
        f"a {array.kind} array, expected systolic or spatial": array.kind not in ("systolic", "spatial"),
        f"words of {bits} bits, expected 8": bits != (8, 8, 8) or arch.precision.psum_bits != 16,
        f"accumulators, expected one word of {arch.precision.psum_bits} bit a PE": any(
            memory.capacity_bits != array.pes * arch.precision.psum_bits for memory in arch.memories if memory.psum_only
        ),
        "DRAM by commands": arch.dram.timing is not None,
        "a DRAM port that is no whole number of bits a cycle": arch.dram.bandwidth_bits_per_s % arch.clock_hz != 0,
    }
    found = [reason for reason, there in reasons.items() if there]
    if found:
        raise InputError(f"{arch.name} as a machine of ZigZag: {'; '.join(found)}")


def write_hardware(arch: Accelerator) -> str:
    """The machine as a file that ZigZag reads: sizes, ports and energies are ours.

    Raises:
        InputError: a machine that is not written; the message says what is in the way.
    """
    _refuse(arch)
    memories = "".join(_on_chip(arch, memory) for memory in reversed(arch.memories) if not memory.psum_only)
    systolic = "  systolic_dimensions: [D1, D2]\n" if arch.array.kind == "systolic" else ""
    return (
        f"name: {arch.name}\nmemories:\n{_registers(arch)}{memories}{_dram(arch)}"
        f"operational_array:\n  unit_energy: {arch.array.mac_fj / 1000}\n  unit_area: 1\n  dimensions: [D1, D2]\n"
        f"  sizes: [{arch.array.cols}, {arch.array.rows}]\n{systolic}"
    )


def write_mapping(arch: Accelerator, spread: Spread) -> str:
    """Where loops are spread: as ZigZag finds it, or output over input channels as with its `tpu_like`."""
    fixed = f"  spatial_mapping:\n    D1: ['K, {arch.array.cols}']\n    D2: ['C, {arch.array.rows}']\n"
    return f"- name: default\n{fixed if spread == 'channels' else ''}{LINKS}"
