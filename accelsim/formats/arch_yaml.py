"""Machines from YAML: all errors of a file at once, each with line, column, what was expected and the nearest name."""

from __future__ import annotations

import types
import typing
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from accelsim import units
from accelsim.arch import OPERANDS, Accelerator, Dram, Hold, MemoryLevel, PEArray, Precision, Spad, VectorUnit
from accelsim.errors import InputError, nearest
from accelsim.formats.arch_schema import ArchModel, ArrayModel, MemoryModel
from accelsim.timing.scalesim import scale_machine


def _parse(text: str, source: str) -> Any:
    try:
        document = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark is not None else source
        problem = " ".join(str(error.problem or "not YAML").split())
        raise InputError(f"{place}: {problem}") from None
    except YAMLError as error:
        raise InputError(f"{source}: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        given = "nothing" if document is None else type(document).__name__
        raise InputError(f"{source}:1:1: expected the keys of a machine (name, clock, array, ...), found {given}")
    return document


def _place(document: Any, path: tuple[int | str, ...]) -> tuple[int, int]:
    """1-based line and column of a path, or of the deepest part of it that exists."""
    line, column = 1, 1
    node: Any = document
    for key in path:
        try:
            if hasattr(node, "keys"):
                line, column = (n + 1 for n in node.lc.key(key))
            else:
                line, column = (n + 1 for n in node.lc.item(key))
            node = node[key]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
    return line, column


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


def _dotted(path: tuple[int | str, ...]) -> str:
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


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
        if memory.name in ("DRAM", "PE", "array", "stream") or names.count(memory.name) > 1:
            found.append((("memories", i, "name"), f"{memory.name!r} is taken; choose another name"))
        if memory.psum_only and (memory.holds.Inputs or memory.holds.Weights or not memory.holds.Outputs):
            found.append((("memories", i, "holds"), "a psum_only memory holds Outputs and nothing else"))
    for operand in OPERANDS:
        holds = [getattr(m.holds, operand) for m in model.memories]
        if not any(hold is not None and hold.at != "vector" for hold in holds):
            found.append((("memories",), f"no memory holds {operand}"))
    if not any(m.holds.Inputs and m.holds.Outputs and not m.psum_only for m in model.memories):
        found.append((("memories",), "no memory holds both Inputs and Outputs for the vector unit to work from"))
    array = model.array
    if (array.kind == "row_stationary") != (array.dataflow == "rs"):
        found.append((("array", "dataflow"), f"{array.dataflow!r} does not run on a {array.kind} array"))
    if array.kind == "row_stationary" and array.buses is None:
        found.append((("array",), "a row_stationary array states its buses"))
    if array.kind == "systolic" and array.buses is not None:
        found.append((("array", "buses"), "a systolic array has no buses; its ports are those of the memories"))
    if array.whole_weight_tiles and array.dataflow != "ws":
        found.append((("array", "whole_weight_tiles"), "only a ws array loads whole weight tiles"))
    if array.weight_double_buffer and array.dataflow not in ("ws", "is"):
        found.append((("array", "weight_double_buffer"), "only ws and is arrays double buffer their stationary words"))
    return found


def _memory(model: MemoryModel, clock: int) -> MemoryLevel:
    holds = []
    for operand in OPERANDS:
        hold = getattr(model.holds, operand)
        if hold is not None:
            holds.append(Hold(operand, hold.depth, hold.at))
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
        leakage_fj_per_cycle=units.femtojoules_per_cycle(model.leakage, clock),
    )


def _accelerator(model: ArchModel) -> Accelerator:
    clock = units.hertz(model.clock)
    precision, dram = model.precision, model.dram
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
        dram=Dram(
            kind=dram.kind,
            bandwidth_bits_per_s=units.bits_per_second(dram.bandwidth),
            latency_cycles=units.cycles(dram.latency, clock),
            read_fj_per_bit=units.femtojoules_per_bit(dram.read_energy),
            write_fj_per_bit=units.femtojoules_per_bit(dram.write_energy),
            background_fj_per_cycle=units.femtojoules_per_cycle(dram.background_power, clock),
        ),
        memories=tuple(_memory(m, clock) for m in model.memories),
        array=_array(model.array, clock),
        vector=VectorUnit(model.vector.lanes, units.femtojoules(model.vector.op_energy)),
        psum_first_visit=model.counting.psum_first_visit,
        halo_reuse=model.counting.halo_reuse,
        transposed_conv=model.transposed_conv,
        timing=model.timing,
    )


def load_accelerator(text: str, source: str) -> Accelerator:
    """The machine that a YAML text describes; `source` names it in messages.

    Raises:
        InputError: one message with a line per error, `source:line:column: key: what is wrong and what was expected`.
    """
    document = _parse(text, source)
    try:
        model = ArchModel.model_validate(document)
        wrong = _cross(model, document)
    except ValidationError as error:
        wrong = [(item["loc"], _message(item)) for item in error.errors()]
    if wrong:
        lines = []
        for path, message in wrong:
            line, column = _place(document, path)
            lines.append((line, column, f"{source}:{line}:{column}: {_dotted(path)}: {message}"))
        raise InputError("\n".join(text for _, _, text in sorted(lines)))
    accelerator = _accelerator(model)
    if model.timing == "scalesim":
        try:
            scale_machine(accelerator)
        except InputError as error:
            line, column = _place(document, ("timing",))
            raise InputError(f"{source}:{line}:{column}: timing: {error}") from None
    return accelerator


def arch_json_schema() -> dict[str, Any]:
    """JSON Schema of a machine's YAML, for editors."""
    schema = ArchModel.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return schema
