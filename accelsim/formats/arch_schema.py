"""The pydantic models of a machine's YAML: strict, unknown keys refused, every quantity with its unit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from accelsim import units
from accelsim.arch import PIECE_BITS
from accelsim.arch.dram import DEFAULT_MAPPING, QUEUE
from accelsim.errors import InputError

DEFAULT_PIECE = f"{PIECE_BITS // 8192} KiB"


def _check(parse: Callable[[object], int]) -> BeforeValidator:
    def check(value: object) -> str:
        try:
            parse(value)
        except InputError as error:
            raise ValueError(str(error)) from None
        return str(value)

    return BeforeValidator(check)


def _form(example: str, names: Iterable[str]) -> WithJsonSchema:
    pattern = r"^\s*[0-9_.]+\s*(" + "|".join(sorted(names)) + r")\s*$"
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


def _at_any_clock(parse: Callable[[object, int], int]) -> Callable[[object], int]:
    return lambda value: parse(value, 10**9)


Size = Annotated[str, _check(units.bits), _form("108 KiB", units.SIZES)]
Frequency = Annotated[str, _check(units.hertz), _form("200 MHz", units.FREQUENCIES)]
Bandwidth = Annotated[str, _check(units.bits_per_second), _form("25.6 GB/s", units.BANDWIDTHS)]
Port = Annotated[str, _check(units.bits_per_cycle), _form("64 bit/cycle", units.PORTS)]
Bus = Annotated[str, _check(units.words_per_cycle), _form("4 words/cycle", units.WORD_PORTS)]
Words = Annotated[str, _check(units.words), _form("224 words", units.WORDS)]
Energy = Annotated[str, _check(units.femtojoules), _form("2.5 pJ", units.ENERGIES)]
EnergyPerBit = Annotated[str, _check(units.femtojoules_per_bit), _form("0.25 pJ/bit", units.ENERGIES_PER_BIT)]
Power = Annotated[str, _check(_at_any_clock(units.femtojoules_per_cycle)), _form("3 mW", units.POWERS)]
Time = Annotated[str, _check(_at_any_clock(units.cycles)), _form("100 ns", units.TIMES)]
Node = Annotated[str, _check(units.nanometres), _form("65 nm", units.LENGTHS)]
Count = Annotated[int, Field(ge=1, strict=True)]
Flag = Annotated[bool, Field(strict=True)]
ABSENT, ABSENT_PER_BIT = "0 fJ", "0 fJ/bit"
"""What an energy is until the preset or file of `energy` fills it."""
Axes = list[Literal["row", "col"]]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PrecisionModel(_Model):
    """Word widths."""

    weights: Size
    inputs: Size
    psums: Size
    outputs: Size


class CodingModel(_Model):
    """Run-length coding of feature maps: (run, level) pairs to a line."""

    pairs: Count
    line: Size


class DramTimingModel(_Model):
    """DRAM by commands: a part of `accelsim dram`, how many channels of it, row policy and address mapping."""

    preset: str
    channels: Count | None = None
    page: Literal["open", "closed"] = "open"
    mapping: str = ":".join(DEFAULT_MAPPING)
    interleave: Size | None = None
    refresh: Flag = True
    queue: Count = QUEUE


class DramModel(_Model):
    """Off-chip memory: bandwidth and latency of its one channel, or its commands (`timing`).

    Tiles move in pieces of at least `piece` while others may be more urgent; `0 B` moves every tile whole. With an
    `arbitration` other than `program_order` each operand has a queue, and the channel takes the head that was ready
    first (`first_come`) or goes round (`round_robin`); not beside `timing`.

    Without `timing`, `bandwidth`, `read_energy` and `write_energy` are needed. With it the bandwidth is derived, and
    so are all energies unless both energies per bit are stated.
    """

    kind: str
    bandwidth: Bandwidth | None = None
    latency: Time
    read_energy: EnergyPerBit | None = None
    write_energy: EnergyPerBit | None = None
    background_power: Power | None = None
    timing: DramTimingModel | None = None
    coding: CodingModel | None = None
    piece: Size = DEFAULT_PIECE
    arbitration: Literal["program_order", "first_come", "round_robin"] = "program_order"


class HoldModel(_Model):
    """How a memory keeps an operand: tiles held at once; a tile is what its loops sweep, or one pass, or there only for
    the vector unit. With `bypass` the mapper may let array work pass by it."""

    depth: Count = 1
    at: Literal["tile", "pass", "vector"] = "tile"
    bypass: Flag = False


class HoldsModel(_Model):
    """Operands a memory keeps."""

    Inputs: HoldModel | None = None
    Weights: HoldModel | None = None
    Outputs: HoldModel | None = None


class MemoryModel(_Model):
    """One on-chip memory."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
    capacity: Size
    holds: HoldsModel
    read_port: Port
    write_port: Port
    read_energy: EnergyPerBit = ABSENT_PER_BIT
    write_energy: EnergyPerBit = ABSENT_PER_BIT
    leakage: Power = "0 mW"
    psum_only: Flag = False
    ports: Count = 1


class SpadModel(_Model):
    """A scratchpad or register of one PE."""

    words: Words
    read_energy: EnergyPerBit = ABSENT_PER_BIT
    write_energy: EnergyPerBit = ABSENT_PER_BIT


class SpadsModel(_Model):
    """Scratchpads of one PE by operand."""

    Inputs: SpadModel
    Weights: SpadModel
    Outputs: SpadModel


class WiresModel(_Model):
    """Array axes along which wires join PEs: multicast or forwarding of Inputs and Weights, summing of psums."""

    share_inputs: Axes
    share_weights: Axes
    reduce_psums: Axes


class BusesModel(_Model):
    """Bus widths between the memory and a row-stationary array; psums have one in each direction."""

    Inputs: Bus
    Weights: Bus
    Outputs: Bus


class ArrayModel(_Model):
    """The PE array."""

    kind: Literal["systolic", "spatial", "mesh", "row_stationary"]
    dataflow: Literal["ws", "os", "is", "rs"]
    rows: Count
    cols: Count
    wires: WiresModel
    spads: SpadsModel
    buses: BusesModel | None = None
    mac_energy: Energy = ABSENT
    hop_energy: EnergyPerBit = ABSENT_PER_BIT
    leakage: Power = "0 mW"
    clock_power: Power = "0 mW"
    zero_gating: Flag = False
    weight_double_buffer: Flag = False
    whole_weight_tiles: Flag = False
    early_exit: Flag = False


class VectorModel(_Model):
    """The vector unit."""

    lanes: Count
    op_energy: Energy = ABSENT


class CountingModel(_Model):
    """Counting rules that the machine follows."""

    psum_first_visit: Literal["write", "read"] = "write"
    halo_reuse: Flag = True


class ArchModel(_Model):
    """A machine. `energy` names a preset or a file for all energies that are not stated; without it all are."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    description: str
    clock: Frequency
    precision: PrecisionModel
    dram: DramModel
    memories: Annotated[list[MemoryModel], Field(min_length=1)]
    array: ArrayModel
    vector: VectorModel
    counting: CountingModel = CountingModel()
    node: Node | None = None
    energy: str | None = None
    transposed_conv: Literal["gather", "zero_insertion"] = "gather"
    timing: Literal["causal", "scalesim"] = "causal"
