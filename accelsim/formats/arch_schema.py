"""The pydantic models of a machine's YAML: strict, unknown keys refused, every quantity with its unit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from accelsim import units
from accelsim.errors import InputError


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
Count = Annotated[int, Field(ge=1, strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Axes = list[Literal["row", "col"]]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PrecisionModel(_Model):
    """Word widths."""

    weights: Size
    inputs: Size
    psums: Size
    outputs: Size


class DramModel(_Model):
    """Off-chip memory: bandwidth and latency of its one channel."""

    kind: str
    bandwidth: Bandwidth
    latency: Time
    read_energy: EnergyPerBit
    write_energy: EnergyPerBit
    background_power: Power = "0 mW"


class HoldModel(_Model):
    """How a memory keeps an operand: tiles held at once; a tile is what its loops sweep, or one pass, or there only for
    the vector unit."""

    depth: Count = 1
    at: Literal["tile", "pass", "vector"] = "tile"


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
    read_energy: EnergyPerBit
    write_energy: EnergyPerBit
    leakage: Power = "0 mW"
    psum_only: Flag = False


class SpadModel(_Model):
    """A scratchpad or register of one PE."""

    words: Words
    read_energy: EnergyPerBit
    write_energy: EnergyPerBit


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

    kind: Literal["systolic", "row_stationary"]
    dataflow: Literal["ws", "os", "is", "rs"]
    rows: Count
    cols: Count
    wires: WiresModel
    spads: SpadsModel
    buses: BusesModel | None = None
    mac_energy: Energy
    hop_energy: EnergyPerBit
    leakage: Power = "0 mW"
    weight_double_buffer: Flag = False
    whole_weight_tiles: Flag = False


class VectorModel(_Model):
    """The vector unit."""

    lanes: Count
    op_energy: Energy


class CountingModel(_Model):
    """Counting rules that the machine follows."""

    psum_first_visit: Literal["write", "read"] = "write"
    halo_reuse: Flag = True


class ArchModel(_Model):
    """A machine."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    description: str
    clock: Frequency
    precision: PrecisionModel
    dram: DramModel
    memories: Annotated[list[MemoryModel], Field(min_length=1)]
    array: ArrayModel
    vector: VectorModel
    counting: CountingModel = CountingModel()
    transposed_conv: Literal["gather", "zero_insertion"] = "gather"
    timing: Literal["causal", "scalesim"] = "causal"
