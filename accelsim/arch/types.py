"""The machine: clock, precision, memories outer to inner, PE array, vector unit, DRAM and per-action energies.

Inside, units are fixed: bits, cycles, bits per second at the DRAM port, integer femtojoules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from accelsim.arch.dram import DramTiming
from accelsim.arch.encoding import RunLength
from accelsim.errors import InputError

Dataflow = Literal["ws", "os", "is", "rs"]
ArrayAxis = Literal["row", "col"]
Arbitration = Literal["program_order", "first_come", "round_robin"]
OPERANDS = ("Inputs", "Weights", "Outputs")


@dataclass(frozen=True)
class Precision:
    """Word widths of the machine, in bits."""

    weight_bits: int
    input_bits: int
    psum_bits: int
    output_bits: int

    def read_bits(self, operand: str) -> int:
        """Width of a word of `Inputs` or `Weights`, or of a finished word of `Outputs`."""
        return {"Inputs": self.input_bits, "Weights": self.weight_bits, "Outputs": self.output_bits}[operand]


@dataclass(frozen=True)
class Hold:
    """One operand kept in a memory.

    Attributes:
        operand: `Inputs`, `Weights` or `Outputs`.
        depth: tiles held at once (1 single, 2 double buffered, more: a FIFO).
        at: `tile` holds what the memory's own loops sweep; `pass` holds only what one array pass needs (a FIFO);
            `vector` is there for work of the vector unit only.
        optional: array work may pass by this memory, if the mapper finds that better (`arch.choices`).
    """

    operand: str
    depth: int
    at: Literal["tile", "pass", "vector"] = "tile"
    optional: bool = False


@dataclass(frozen=True)
class EnergySource:
    """Where an energy of the machine comes from, and how far public figures of its kind lie from it.

    Attributes:
        key: `DRAM.read`, `GLB.write`, `spad.Inputs.read`, `array.hop`, `MAC`, ... (`accelsim.energy.figures`).
        low_permille, high_permille: the range, as thousandths of the energy.
        source: paper, table or file, or `assumed`.
    """

    key: str
    low_permille: int
    high_permille: int
    source: str

    def __post_init__(self) -> None:
        if not 0 <= self.low_permille <= 1000 <= self.high_permille:
            raise InputError(
                f"{self.key}: range of {self.low_permille} to {self.high_permille} thousandths does not hold the value"
            )


@dataclass(frozen=True)
class MemoryLevel:
    """An on-chip memory shared by the array.

    Attributes:
        capacity_bits: total size; the sum of depth x tile of all holds must fit.
        read_bits_per_cycle: bandwidth of the port towards the array.
        write_bits_per_cycle: bandwidth of the port from the array.
        psum_only: True for accumulators, which store partial sums at psum width and never finished words.
        read_fj_per_bit: energy of a read.
        write_fj_per_bit: energy of a write.
        leakage_fj_per_cycle: charged for the makespan.
        ports: ports of a cell; energy presets and area grow with them.
    """

    name: str
    capacity_bits: int
    holds: tuple[Hold, ...]
    read_bits_per_cycle: int
    write_bits_per_cycle: int
    read_fj_per_bit: int
    write_fj_per_bit: int
    leakage_fj_per_cycle: int = 0
    psum_only: bool = False
    ports: int = 1

    def hold(self, operand: str) -> Hold | None:
        """How this memory keeps `operand`, or None if the operand bypasses it."""
        return next((h for h in self.holds if h.operand == operand), None)

    def keeps(self, operand: str) -> bool:
        """Can a whole tensor stay here between layers? Not in a FIFO, nor in accumulators."""
        hold = self.hold(operand)
        return hold is not None and hold.at == "tile" and not self.psum_only


PIECE_BITS = 8 * 4096
"""Least piece of a transfer unless a machine states its own: no AXI burst crosses 4 KiB (ARM IHI 0022, A3.4.1)."""


@dataclass(frozen=True)
class Dram:
    """Off-chip memory, by default with a simple bandwidth and latency model.

    A transfer of b bits occupies the channel for `ceil(b * clock_hz / bandwidth_bits_per_s)` machine cycles; its
    data arrive `latency_cycles` later. With `timing` the commands of `accelsim.dram` take the place of the first; the
    latency is then what lies between DRAM and buffers, and the bandwidth is the peak, which laws and estimates use.
    `coding` shortens feature maps (inputs and finished outputs), not psums. `piece_bits` is the least size of pieces
    into which long transfers are cut, so that urgent ones need not wait behind them (0: a tile goes whole); behind
    `timing` tiles always go whole. `arbitration` says who is next on the channel: transfers in program order, or the
    heads of a queue per operand (`sim.semantics`).
    """

    kind: str
    bandwidth_bits_per_s: int
    latency_cycles: int
    read_fj_per_bit: int
    write_fj_per_bit: int
    background_fj_per_cycle: int = 0
    coding: RunLength | None = None
    timing: DramTiming | None = None
    piece_bits: int = 0
    arbitration: Arbitration = "program_order"

    def __post_init__(self) -> None:
        if self.timing is not None and self.arbitration != "program_order":
            raise InputError(f"arbitration {self.arbitration!r}: a DRAM by commands serves transfers in program order")


@dataclass(frozen=True)
class Spad:
    """A scratchpad or register of one PE for one operand: words held and energy per access of a word's bits."""

    operand: str
    words: int
    read_fj_per_bit: int
    write_fj_per_bit: int


@dataclass(frozen=True)
class PEArray:
    """A grid of processing elements.

    Attributes:
        kind: `systolic` (operands enter at edges and are forwarded), `spatial` (operands are broadcast, psums meet in
            adder trees), `mesh` (output stationary behind a distribution network) or `row_stationary` (buses and
            spads).
        dataflow: what stays put: `ws` Weights, `os` Outputs, `is` Inputs, `rs` rows in spads.
        share_inputs, share_weights: array axes along which one read feeds all PEs (multicast or forwarding).
        reduce: array axes along which psums of neighbouring PEs are summed before one write.
        bus_words_per_cycle: words a cycle towards/from the array per operand, `row_stationary` only
            (`Inputs`, `Weights`, `Outputs` for psums in and, on its own port, psums out).
        weight_double_buffer: the next stationary tile loads while this one computes.
        whole_weight_tiles: the stationary tile is loaded for all rows x cols, used or not.
        early_exit: psums leave below the last used row instead of crossing all rows (`systolic` ws and is).
        mac_fj: energy of one MAC. hop_fj_per_bit: energy of delivering a bit to one PE.
        leakage_fj_per_cycle: the whole array, charged for the makespan.
        clock_fj_per_cycle: clock network and control of the chip, charged for the makespan.
        zero_gating: a PE whose input is zero reads no weight, does no MAC and leaves its psum alone.
    """

    kind: Literal["systolic", "spatial", "mesh", "row_stationary"]
    dataflow: Dataflow
    rows: int
    cols: int
    spads: tuple[Spad, ...]
    share_inputs: tuple[ArrayAxis, ...]
    share_weights: tuple[ArrayAxis, ...]
    reduce: tuple[ArrayAxis, ...]
    mac_fj: int
    hop_fj_per_bit: int
    bus_words_per_cycle: tuple[tuple[str, int], ...] = ()
    weight_double_buffer: bool = False
    whole_weight_tiles: bool = False
    early_exit: bool = False
    leakage_fj_per_cycle: int = 0
    clock_fj_per_cycle: int = 0
    zero_gating: bool = False

    @property
    def pes(self) -> int:
        """Number of PEs."""
        return self.rows * self.cols

    def spad(self, operand: str) -> Spad:
        """The spad of `operand` in each PE."""
        for spad in self.spads:
            if spad.operand == operand:
                return spad
        raise InputError(f"array has no spad for {operand}")

    def shared(self, operand: str) -> tuple[ArrayAxis, ...]:
        """Array axes along which one word of `operand` serves (or, for Outputs, sums) all PEs."""
        return {"Inputs": self.share_inputs, "Weights": self.share_weights, "Outputs": self.reduce}[operand]

    def alike(self, operand: str) -> tuple[ArrayAxis, ...]:
        """Array axes along which all PEs work on the same word of `operand` in one step: words that stay in a PE may
        differ, but an adder tree sums all that it joins."""
        return () if operand in self.stationary and operand != "Outputs" else self.shared(operand)

    @property
    def stationary(self) -> tuple[str, ...]:
        """Operands that a PE keeps between stream steps."""
        table = {"ws": ("Weights",), "os": ("Outputs",), "is": ("Inputs",), "rs": OPERANDS}
        return table[self.dataflow]

    @property
    def preloaded(self) -> str | None:
        """The operand that is brought into the PEs before a pass streams."""
        return {"ws": "Weights", "is": "Inputs", "rs": "Weights"}.get(self.dataflow)

    @property
    def bands(self) -> bool:
        """May a window's outputs and taps lie over it as a band (`mapping.bands`)?

        The wires must be those that a band uses, and no others. PEs between its words must be able to do nothing for
        free: a systolic array would shift zero weights into them and send psums through them, which its closed forms of
        a pass do not know.
        """
        wires = (self.share_inputs, self.share_weights, self.reduce)
        plain = self.kind == "spatial" and self.dataflow == "ws" and not self.whole_weight_tiles
        return plain and wires == (("col",), (), ("row",))

    @property
    def loads_ahead(self) -> bool:
        """True if the next pass loads while this one streams."""
        return self.weight_double_buffer and self.dataflow in ("ws", "is")

    def bus(self, operand: str) -> int:
        """Bus width of `operand` in words a cycle (`row_stationary`)."""
        return dict(self.bus_words_per_cycle)[operand]


@dataclass(frozen=True)
class VectorUnit:
    """The unit for pooling, elementwise, normalisation and softmax work: `lanes` operations a cycle."""

    lanes: int
    op_fj: int


@dataclass(frozen=True)
class Accelerator:
    """A machine. `memories` run from the DRAM side to the array side and do not include the DRAM itself.

    `transposed_conv`: stride phases as dense convolutions (`gather`), or zeros written between the input words.
    `node_nm`: technology node, None if unknown. `energy_model`: the preset or table behind the energies, empty if the
    machine states its own. `energy_sources`: by energy, where given.
    `bypassed`: (memory, operand) pairs for a form of a machine in which optional operands pass by (`arch.choices`).
    `timing`: cycles of the array are causal (proved PE by PE), or those of SCALE-Sim 3.0.0 with the causal beside.
    """

    name: str
    description: str
    clock_hz: int
    precision: Precision
    dram: Dram
    memories: tuple[MemoryLevel, ...]
    array: PEArray
    vector: VectorUnit
    psum_first_visit: Literal["write", "read"] = "write"
    halo_reuse: bool = True
    transposed_conv: Literal["gather", "zero_insertion"] = "gather"
    node_nm: int | None = None
    energy_model: str = ""
    energy_sources: tuple[EnergySource, ...] = ()
    timing: Literal["causal", "scalesim"] = "causal"
    bypassed: frozenset[tuple[str, str]] = frozenset()

    def memory(self, name: str) -> MemoryLevel:
        """The memory called `name`."""
        for level in self.memories:
            if level.name == name:
                return level
        raise InputError(f"{self.name} has no memory {name!r}; it has {', '.join(m.name for m in self.memories)}")

    def final_bits(self, memory: str) -> int:
        """Width of a finished output word in `DRAM`, a memory or `PE`: accumulators and PEs keep psum width."""
        wide = memory == "PE" or (memory != "DRAM" and self.memory(memory).psum_only)
        return self.precision.psum_bits if wide else self.precision.output_bits

    def chain(self, operand: str) -> tuple[MemoryLevel, ...]:
        """On-chip memories that keep `operand` for the array, outer to inner."""
        holds = ((memory, memory.hold(operand)) for memory in self.memories)
        return tuple(memory for memory, hold in holds if hold is not None and hold.at != "vector")
