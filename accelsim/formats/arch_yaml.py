"""Machines from YAML: all errors of a file at once, each with line, column, what was expected and the nearest name."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from accelsim import units
from accelsim.arch import OPERANDS, Accelerator, Hold, MemoryLevel, PEArray, Precision, Spad, VectorUnit
from accelsim.energy.components import logic_node
from accelsim.energy.table import Model, apply
from accelsim.errors import InputError, nearest
from accelsim.formats.arch_dram import dram_errors, dram_of
from accelsim.formats.arch_energies import (
    PRESET_NAMES,
    missing_energies,
    no_file,
    required_energies,
    stated_energies,
)
from accelsim.formats.arch_schema import ArchModel, ArrayModel, MemoryModel
from accelsim.formats.yaml_text import Path, parse, place, refuse
from accelsim.timing.scalesim import scale_machine

TAKEN = ("DRAM", "PE", "array", "stream", "spad", "MAC", "vector", "leakage", "memory")
"""Names that traffic tables, energy breakdowns and energy tables use for something else."""


def _model_at(path: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model whose keys a path's parent has."""
    model: Any = ArchModel
    for key in path[:-1]:
        if isinstance(key, int):
            continue
        field = model.model_fields.get(key) if isinstance(model, type) and issubclass(model, BaseModel) else None
        if field is None:
            return None
        model = _inner(field.annotation)
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def _inner(annotation: Any) -> Any:
    """The model inside Optional, list and Annotated."""
    while typing.get_origin(annotation) is not None:
        arguments = [a for a in typing.get_args(annotation) if a is not types.NoneType]
        annotation = arguments[0]
    return annotation


def _message(error: Any) -> str:
    path = error["loc"]
    kind, given = error["type"], error["input"]
    if kind == "extra_forbidden":
        model = _model_at(path)
        return f"unknown key; {nearest(str(path[-1]), model.model_fields if model else ())}"
    if kind == "missing":
        return "missing; every machine states it"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind in ("int_type", "greater_than_equal", "int_from_float"):
        return f"{given!r} is not a whole number of at least 1"
    if kind == "literal_error":
        expected = error["ctx"]["expected"]
        names = expected.replace(" or ", ", ").replace("'", "").split(", ")
        return f"{given!r}, expected {expected}; {nearest(str(given), names)}"
    return f"{given!r}: {error['msg'][0].lower()}{error['msg'][1:]}"


def _cross(model: ArchModel, document: Any) -> list[tuple[tuple[int | str, ...], str]]:
    """Errors between fields."""
    found: list[tuple[tuple[int | str, ...], str]] = []
    names = [m.name for m in model.memories]
    for i, memory in enumerate(model.memories):
        if memory.name in TAKEN or names.count(memory.name) > 1:
            found.append((("memories", i, "name"), f"{memory.name!r} is taken; choose another name"))
        if memory.psum_only and (memory.holds.Inputs or memory.holds.Weights or not memory.holds.Outputs):
            found.append((("memories", i, "holds"), "a psum_only memory holds Outputs and nothing else"))
    for operand in OPERANDS:
        holds = [getattr(m.holds, operand) for m in model.memories]
        if not any(hold is not None and hold.at != "vector" for hold in holds):
            found.append((("memories",), f"no memory holds {operand}"))
        for i, hold in enumerate(holds):
            if hold is None or not hold.bypass:
                continue
            kept = sum(other is not None and other.at != "vector" for other in holds)
            if hold.at == "vector" or kept < 2:
                said = f"no other memory holds {operand} for the array, so it cannot pass by"
                found.append((("memories", i, "holds", operand, "bypass"), said))
    if not any(m.holds.Inputs and m.holds.Outputs and not m.psum_only for m in model.memories):
        found.append((("memories",), "no memory holds both Inputs and Outputs for the vector unit to work from"))
    if model.node is not None:
        try:
            logic_node(units.nanometres(model.node))
        except InputError as error:
            found.append((("node",), str(error)))
    array = model.array
    if (array.kind == "row_stationary") != (array.dataflow == "rs"):
        found.append((("array", "dataflow"), f"{array.dataflow!r} does not run on a {array.kind} array"))
    if array.kind == "row_stationary" and array.buses is None:
        found.append((("array",), "a row_stationary array states its buses"))
    if array.kind != "row_stationary" and array.buses is not None:
        found.append((("array", "buses"), f"a {array.kind} array has no buses; its ports are those of the memories"))
    if array.kind == "mesh" and array.dataflow != "os":
        found.append((("array", "dataflow"), f"{array.dataflow!r} does not run on a mesh array; expected 'os'"))
    if array.early_exit and (array.kind != "systolic" or array.dataflow not in ("ws", "is")):
        found.append((("array", "early_exit"), "only systolic ws and is arrays carry psums to the last row"))
    if array.whole_weight_tiles and array.dataflow != "ws":
        found.append((("array", "whole_weight_tiles"), "only a ws array loads whole weight tiles"))
    if array.weight_double_buffer and array.dataflow not in ("ws", "is"):
        found.append((("array", "weight_double_buffer"), "only ws and is arrays double buffer their stationary words"))
    return found + dram_errors(model.dram)


def _memory(model: MemoryModel, clock: int) -> MemoryLevel:
    holds = []
    for operand in OPERANDS:
        hold = getattr(model.holds, operand)
        if hold is not None:
            holds.append(Hold(operand, hold.depth, hold.at, hold.bypass))
    return MemoryLevel(
        name=model.name,
        capacity_bits=units.bits(model.capacity),
        holds=tuple(holds),
        read_bits_per_cycle=units.bits_per_cycle(model.read_port),
        write_bits_per_cycle=units.bits_per_cycle(model.write_port),
        read_fj_per_bit=units.femtojoules_per_bit(model.read_energy),
        write_fj_per_bit=units.femtojoules_per_bit(model.write_energy),
        leakage_fj_per_cycle=units.femtojoules_per_cycle(model.leakage, clock),
        psum_only=model.psum_only,
        ports=model.ports,
    )


def _array(model: ArrayModel, clock: int) -> PEArray:
    spads = []
    for operand in OPERANDS:
        spad = getattr(model.spads, operand)
        read, write = units.femtojoules_per_bit(spad.read_energy), units.femtojoules_per_bit(spad.write_energy)
        spads.append(Spad(operand, units.words(spad.words), read, write))
    buses = []
    if model.buses is not None:
        buses = [(operand, units.words_per_cycle(getattr(model.buses, operand))) for operand in OPERANDS]
    return PEArray(
        kind=model.kind,
        dataflow=model.dataflow,
        rows=model.rows,
        cols=model.cols,
        spads=tuple(spads),
        share_inputs=tuple(model.wires.share_inputs),
        share_weights=tuple(model.wires.share_weights),
        reduce=tuple(model.wires.reduce_psums),
        mac_fj=units.femtojoules(model.mac_energy),
        hop_fj_per_bit=units.femtojoules_per_bit(model.hop_energy),
        bus_words_per_cycle=tuple(buses),
        weight_double_buffer=model.weight_double_buffer,
        whole_weight_tiles=model.whole_weight_tiles,
        early_exit=model.early_exit,
        leakage_fj_per_cycle=units.femtojoules_per_cycle(model.leakage, clock),
        clock_fj_per_cycle=units.femtojoules_per_cycle(model.clock_power, clock),
        zero_gating=model.zero_gating,
    )


def _accelerator(model: ArchModel) -> Accelerator:
    clock = units.hertz(model.clock)
    precision = model.precision
    return Accelerator(
        name=model.name,
        description=" ".join(model.description.split()),
        clock_hz=clock,
        precision=Precision(
            weight_bits=units.bits(precision.weights),
            input_bits=units.bits(precision.inputs),
            psum_bits=units.bits(precision.psums),
            output_bits=units.bits(precision.outputs),
        ),
        dram=dram_of(model.dram, clock),
        memories=tuple(_memory(m, clock) for m in model.memories),
        array=_array(model.array, clock),
        vector=VectorUnit(model.vector.lanes, units.femtojoules(model.vector.op_energy)),
        psum_first_visit=model.counting.psum_first_visit,
        halo_reuse=model.counting.halo_reuse,
        transposed_conv=model.transposed_conv,
        node_nm=None if model.node is None else units.nanometres(model.node),
        timing=model.timing,
    )


MACHINE_KEYS = "the keys of a machine (name, clock, array, ...)"
ReadModel = Callable[[str], Model]
"""The energy model behind a machine's `energy` key: a preset, or a file beside the machine's."""


def load_accelerator(text: str, source: str, read_model: ReadModel | None = None) -> Accelerator:
    """The machine that a YAML text describes; `source` names it in messages, `read_model` finds its energy model.

    Raises:
        InputError: one message with a line per error, `source:line:column: key: what is wrong and what was expected`.
    """
    return accelerator_of(parse(text, source, MACHINE_KEYS), source, read_model)


def errors_of(document: Any) -> tuple[ArchModel | None, list[tuple[Path, str]]]:
    """The checked model of a machine's document, and what is wrong with it by path."""
    wrong = missing_energies(document)
    model = None
    try:
        model = ArchModel.model_validate(document)
        wrong += _cross(model, document)
    except ValidationError as error:
        wrong += [(item["loc"], _message(item)) for item in error.errors()]
    return model, wrong


def accelerator_of(document: Any, source: str, read_model: ReadModel | None = None) -> Accelerator:
    """The machine that a YAML document describes, parsed with `yaml_text.parse` or plain.

    Raises:
        InputError: as `load_accelerator`.
    """
    model, wrong = errors_of(document)
    refuse(document, source, wrong)
    assert model is not None
    arch = _accelerator(model)
    if model.timing == "scalesim":
        try:
            scale_machine(arch)
        except InputError as error:
            line, column = place(document, ("timing",))
            raise InputError(f"{source}:{line}:{column}: timing: {error}") from None
    if model.energy is None:
        return arch
    try:
        found = PRESET_NAMES.get(model.energy) or (read_model or no_file)(model.energy)
        filled = apply(arch, found, stated_energies(document))
        if arch.node_nm not in (None, filled.node_nm):
            raise InputError(
                f"{filled.energy_model} is for {filled.node_nm} nm, the machine's node is {arch.node_nm} nm"
            )
        return filled
    except InputError as error:
        line, column = place(document, ("energy",))
        raise InputError(f"{source}:{line}:{column}: energy: {error}") from None


def arch_json_schema() -> dict[str, Any]:
    """JSON Schema of a machine's YAML, for editors."""
    schema = ArchModel.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["if"], schema["then"] = {"not": {"required": ["energy"]}}, required_energies()
    return schema
