"""Mappings and constraints on a search as YAML, for one layer or, under `layers`, by name.

A full mapping lists the loops of every place, outer to inner; memories are those of the machine::

    levels: {DRAM: [M 4, P 7], GLB: [C 2]}
    stream: [Q 56]
    spatial: [C 16 row, M 32 col]        # or G 8 diagonal, or Q 28 band with S 3 band (`mapping.bands`)
    pe: [S 3]

A constraint restricts a search. Each place has its loops, or factors by dim (the product of the trips of the dim's
loops there) and an order, or is left out and then free::

    dataflow: ws                          # must be the machine's
    spatial:
      row: {C: 16, R: any, only: true}    # dims that are not named are 1
      col: {M: "<= 32"}                   # also ">= 4", ">= 4, <= 8", {2, 4, 8}
    levels:
      GLB: {P: 1, order: [P, Q, C]}       # these dims in this order, outer to inner, among themselves
      DRAM: {innermost: C}                # the innermost loop, if there is one
    stream: {Q: 56}
    pe: {M: "<= 16"}

`bypass: {GLB: [Weights]}` says which operands pass by memories that may hold them; no others do. A full mapping without
it says that none do, a constraint that this is free.

`resident: [Weights]` says what lives in a region beside the tiles, `partly: {Inputs: C 48}` that this is so for the
first 48 indices of C only; they belong to a mapping and restrict nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from collections.abc import Mapping as Table
from math import prod
from pathlib import Path

from pydantic import ValidationError

from accelsim.arch import Accelerator
from accelsim.arch.choices import NONE, Bypass, formed, optional
from accelsim.errors import InputError, nearest
from accelsim.formats import yaml_text
from accelsim.formats.mapping_schema import (
    AxisModel,
    FileModel,
    LayerModel,
    LevelModel,
    SpatialModel,
    keys_at,
    message,
    untagged,
)
from accelsim.formats.yaml_text import place, refuse
from accelsim.mapping import Loop, Mapping, TileLevel
from accelsim.mapping.bands import TAPS
from accelsim.mapping.constraint import AXES, Constraint, Rule
from accelsim.mapping.shares import Share
from accelsim.mapping.text import normal
from accelsim.problem import Problem

EVERY = "*"
"""The name that stands for every layer that a file does not name."""
PLAIN = re.compile(r"[A-Za-z_][\w./-]*", re.ASCII)
PART = re.compile(r"\[\d+\]$")
"""What follows the name of a layer whose work is several problems: the number of one, from 0."""

Wrong = list[tuple[yaml_text.Path, str]]


class _File:
    """A file of mappings at the door: its layers as models, and the places for messages."""

    def __init__(self, text: str, source: str, arch: Accelerator | None, layers: Collection[str] | None) -> None:
        self.source = source
        self.document = yaml_text.parse(text, source, f"a mapping ({', '.join(keys_at(('',)))}) or `layers`")
        self.several = "layers" in self.document
        self.models = self._models()
        wrong: Wrong = []
        for name, model in self.models.items():
            plain = PART.sub("", name)
            if layers is not None and self.several and name != EVERY and not {name, plain} & set(layers):
                wrong.append((("layers", name), f"no such layer; {nearest(plain, (*layers, EVERY))}"))
            if arch is not None:
                wrong += [((*self.at(name), *path), text) for path, text in _off_machine(model, arch)]
        refuse(self.document, source, wrong)

    def _models(self) -> dict[str, LayerModel]:
        wrong: Wrong = []
        try:
            if self.several:
                return FileModel.model_validate(self.document).layers
            return {EVERY: LayerModel.model_validate(self.document)}
        except ValidationError as error:
            for item in error.errors():
                path = untagged(item["loc"])
                beside = self.several and len(path) == 1 and path[0] != "layers"
                said = "unknown key beside `layers`; it belongs to one of them" if beside else message(item, path)
                wrong.append((path, said))
        refuse(self.document, self.source, wrong)
        raise InputError(f"{self.source}: not a mapping")

    def at(self, name: str) -> yaml_text.Path:
        """The path of a layer."""
        return ("layers", name) if self.several else ()

    def where(self, path: yaml_text.Path) -> str:
        """A path's place, for messages."""
        line, column = place(self.document, path)
        return f"{self.source}:{line}:{column}"


def _off_machine(model: LayerModel, arch: Accelerator) -> Wrong:
    """What a machine does not have."""
    wrong: Wrong = []
    names = ["DRAM", *(memory.name for memory in arch.memories)]
    for name in model.levels:
        if name not in names:
            wrong.append((("levels", name), f"no memory of {arch.name}; {nearest(name, names)}"))
    if model.dataflow is not None and model.dataflow != arch.array.dataflow:
        wrong.append((("dataflow",), f"{model.dataflow!r}, expected that of {arch.name}, {arch.array.dataflow!r}"))
    wrong += _no_bypass(model, arch)
    spans = {"row": arch.array.rows, "col": arch.array.cols}
    for axis, least in _least_spans(model).items():
        if least > spans[axis]:
            wrong.append((("spatial",), f"loops over at least {least} {axis}s, but {arch.name} has {spans[axis]}"))
    return wrong


def _bypass(model: LayerModel) -> Bypass | None:
    """The pairs that pass by; None if that is free."""
    if model.bypass is not None:
        return frozenset((memory, operand) for memory, operands in model.bypass.items() for operand in operands)
    places = [*model.levels.values(), model.stream, model.spatial, model.pe]
    return NONE if model.levels and all(isinstance(place, list) for place in places) else None


def _no_bypass(model: LayerModel, arch: Accelerator) -> Wrong:
    """Pairs that a machine does not allow."""
    allowed = {f"{memory}: {operand}" for memory, operand in optional(arch)}
    if arch.bypassed:
        allowed |= {f"{memory}: {operand}" for memory, operand in arch.bypassed}
    return [
        (
            ("bypass", memory),
            f"{operand} cannot pass by {memory} of {arch.name}; {nearest(f'{memory}: {operand}', allowed)}",
        )
        for memory, operands in (model.bypass or {}).items()
        for operand in operands
        if f"{memory}: {operand}" not in allowed
    ]


def _least_spans(model: LayerModel) -> dict[str, int]:
    """Rows and columns that the spatial loops span at least."""
    if isinstance(model.spatial, SpatialModel):
        rules = [(axis, getattr(model.spatial, axis)) for axis in AXES]
        named = [(axis, dim, f.low) for axis, rule in rules if rule is not None for dim, f in rule.factors]
    else:
        named = [(loop.kind, loop.dim, loop.trips) for loop in model.spatial or ()]
    least = [(kind, trips) for kind, _, trips in named]
    banded = [(dim, trips) for kind, dim, trips in named if kind == "band"]
    found = {axis: prod(n for kind, n in least if kind in (axis, "diagonal")) for axis in ("row", "col")}
    for out, tap in TAPS.items():
        outs, taps = (prod(n for dim, n in banded if dim == mine) for mine in (out, tap))
        found = {"row": found["row"] * (outs + taps - 1), "col": found["col"] * outs}
    return found


def _rule(name: str, model: list[Loop] | AxisModel | None) -> Rule:
    if model is None:
        return Rule(name)
    if isinstance(model, LevelModel):
        return Rule(name, model.factors, model.only, tuple(model.order), model.innermost or "")
    if isinstance(model, AxisModel):
        return Rule(name, model.factors, model.only)
    return Rule(name, loops=tuple(model))


def _constraint(file: _File, name: str) -> Constraint:
    model, at = file.models[name], file.at(name)
    entries: list[tuple[yaml_text.Path, str, list[Loop] | AxisModel | None]] = [
        (("levels", memory), memory, level) for memory, level in model.levels.items()
    ]
    entries += [(("stream",), "stream", model.stream), (("pe",), "pe", model.pe)]
    spatial: tuple[Loop, ...] | None = None
    if isinstance(model.spatial, SpatialModel):
        entries += [(("spatial", axis), axis, getattr(model.spatial, axis)) for axis in AXES]
    elif model.spatial is not None:
        spatial = tuple(model.spatial)
    rules: list[Rule] = []
    for path, where, entry in entries:
        try:
            rules.append(_rule(where, entry))
        except InputError as error:
            raise InputError(f"{file.where((*at, *path))}: {yaml_text.dotted((*at, *path))}: {error}") from None
    return Constraint(tuple(rules), spatial, model.dataflow, _bypass(model))


def parse_constraints(
    text: str, source: str, arch: Accelerator | None = None, layers: Collection[str] | None = None
) -> dict[str, Constraint]:
    """Constraints by layer; a file for one layer, or without names, has `*`.

    Args:
        text, source: the YAML, and its name in messages.
        arch: the machine: its memories, dataflow and array are then checked.
        layers: names of a network's layers: unknown ones are then refused.

    Raises:
        InputError: a line per error, `source:line:column: key: what is wrong and what was expected`.
    """
    file = _File(text, source, arch, layers)
    return {name: _constraint(file, name) for name in file.models}


def load_constraints(
    path: str | Path, arch: Accelerator | None = None, layers: Collection[str] | None = None
) -> dict[str, Constraint]:
    """`parse_constraints` of a file.

    Raises:
        InputError: it cannot be read, or is wrong.
    """
    return parse_constraints(_text(path), Path(path).name, arch, layers)


def part_name(layer: str, part: int, parts: int) -> str:
    """The name of one of the problems of a layer in a file: that of the layer, with its number if there are several.

    >>> part_name("conv1", 0, 1), part_name("up1", 2, 4)
    ('conv1', 'up1[2]')
    """
    return layer if parts == 1 else f"{layer}[{part}]"


def constraint_of(found: Table[str, Constraint], layer: str, part: int = 0, parts: int = 1) -> Constraint:
    """The constraint of one of the problems of a layer: its own, else the layer's, else `*`, else none."""
    for name in (part_name(layer, part, parts), layer, EVERY):
        if name in found:
            return found[name]
    return Constraint()


def parse_mapping(text: str, problem: Problem, arch: Accelerator, source: str, layer: str = EVERY) -> Mapping:
    """The full mapping of one layer, in its normal form: `parse_mapping(write_mapping(m), m.problem, a, ...)` is
    `normal(m, a)`. Whether it fits the machine is `accelsim.mapping.legality`'s to say.

    Raises:
        InputError: `source:line:column: ...`: wrong YAML, factors in place of loops, loops that do not cover the
            problem.
    """
    file = _File(text, source, arch, None)
    name = layer if layer in file.models else EVERY
    if name not in file.models:
        raise InputError(f"{source}: no mapping of layer {layer!r}; {nearest(layer, file.models)}")
    model, at = file.models[name], file.at(name)
    refuse(file.document, source, [((*at, *path), text) for path, text in _not_loops(model)])
    order = ["DRAM", *(memory.name for memory in arch.memories)]
    levels = tuple(TileLevel(memory, _loops(model.levels.get(memory))) for memory in order)
    stream, spatial, inside = _loops(model.stream), _loops(model.spatial), _loops(model.pe)
    try:
        bypass = _bypass(model) or NONE
        arch = formed(arch, bypass)
        mapping = Mapping(
            problem, arch.array.dataflow, levels, stream, spatial, inside, frozenset(model.resident), bypass,
            tuple(sorted(Share(operand, loop.dim, loop.trips) for operand, loop in model.partly.items())),
        )  # fmt: skip
    except InputError as error:
        raise InputError(f"{file.where(at)}: {error}") from None
    return normal(mapping, arch)


def load_mapping(path: str | Path, problem: Problem, arch: Accelerator, layer: str = EVERY) -> Mapping:
    """`parse_mapping` of a file.

    Raises:
        InputError: it cannot be read, or is wrong.
    """
    return parse_mapping(_text(path), problem, arch, Path(path).name, layer)


def _loops(given: list[Loop] | AxisModel | SpatialModel | None) -> tuple[Loop, ...]:
    return tuple(given) if isinstance(given, list) else ()


def _not_loops(model: LayerModel) -> Wrong:
    """Places of a full mapping that do not list their loops."""
    places: list[tuple[yaml_text.Path, object]] = [(("levels", name), level) for name, level in model.levels.items()]
    places += [(("stream",), model.stream), (("spatial",), model.spatial), (("pe",), model.pe)]
    form = "factors restrict a search; expected the loops of a full mapping, [P 4, C 2]"
    return [(path, form) for path, given in places if given is not None and not isinstance(given, list)]


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"cannot read mappings {str(path)!r}: {reason}") from None


def _key(name: str) -> str:
    plain = PLAIN.fullmatch(name) and name.lower() not in ("true", "false", "null")
    return name if plain else json.dumps(name, ensure_ascii=False)


def _list(loops: tuple[Loop, ...]) -> str:
    texts = [f"{loop.dim} {loop.trips}" + (f" {loop.kind}" if loop.kind != "temporal" else "") for loop in loops]
    return f"[{', '.join(texts)}]"


def write_mapping(mapping: Mapping) -> str:
    """The full YAML of a mapping: every place with its loops, so that it is an exact constraint, too."""
    lines = [f"dataflow: {mapping.dataflow}", "levels:"]
    lines += [f"  {_key(level.memory)}: {_list(level.loops)}" for level in mapping.levels]
    lines += [f"stream: {_list(mapping.stream)}", f"spatial: {_list(mapping.spatial)}", f"pe: {_list(mapping.pe)}"]
    if mapping.resident:
        lines.append(f"resident: [{', '.join(sorted(mapping.resident))}]")
    if mapping.partly:
        lines.append("partly: {" + ", ".join(f"{share.operand}: {share}" for share in mapping.partly) + "}")
    if mapping.bypass:
        past = {m: [op for at, op in sorted(mapping.bypass) if at == m] for m, _ in sorted(mapping.bypass)}
        lines.append("bypass: {" + ", ".join(f"{_key(m)}: [{', '.join(ops)}]" for m, ops in past.items()) + "}")
    return "\n".join(lines) + "\n"


def write_mappings(mappings: Table[str, Mapping]) -> str:
    """The full YAML of several layers by name."""
    lines = ["layers:"]
    for name, mapping in mappings.items():
        lines.append(f"  {_key(name)}:")
        lines += ["    " + line for line in write_mapping(mapping).splitlines()]
    return "\n".join(lines) + "\n" if mappings else "layers: {}\n"
