"""A user's energies from YAML: a table of our own, or an Accelergy ERT (bare, or with a map of its names).

A table of our own::

    name: my_28nm
    node: 28 nm
    source: synthesis, 2024
    energies:
      MAC: {value: 310 fJ, low: 250 fJ, high: 400 fJ}
      memory.read: {value: 90 fJ/bit, source: memory compiler}

An ERT with a map, where its names do not speak for themselves or an access is not as wide as our port::

    ert: timeloop-mapper.ERT.yaml
    map:
      GLB: {table: shared_glb, bits: 64}
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from accelsim import units
from accelsim.energy.components import Figure, logic_node
from accelsim.energy.table import EnergyTable, Model, Row, default_span
from accelsim.errors import InputError, nearest
from accelsim.formats.accelergy import Ert, MapEntry, from_ert, read_ert
from accelsim.formats.yaml_text import Path, parse, place, refuse

TABLE_KEYS = (
    "the keys of an energy table (name, source, energies), of an ERT (ERT, ERT_summary) or of its map (ert, map)"
)
ReadText = Callable[[str], str]
T = TypeVar("T", bound=BaseModel)


def _node(value: object) -> int:
    try:
        node = units.nanometres(value)
        logic_node(node)
    except InputError as error:
        raise ValueError(str(error)) from None
    return node


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class EntryModel(_Strict):
    """One energy with its range."""

    value: str
    low: str | None = None
    high: str | None = None
    source: str | None = None


class TableModel(_Strict):
    """A table of our own."""

    name: str
    source: str
    node: Annotated[int, BeforeValidator(_node)] | None = None
    energies: dict[str, EntryModel]


class MappedModel(_Strict):
    """What one of our parts is called in an ERT, and the bits of one access."""

    table: str
    bits: Annotated[int, BeforeValidator(lambda v: _positive(v))] | None = None


class ErtModel(_Strict):
    """An ERT beside this file and the map of its names."""

    ert: str
    node: Annotated[int, BeforeValidator(_node)] | None = None
    map: dict[str, MappedModel] = {}


def _positive(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{value!r} is not a whole number of at least 1")
    return value


def _message(error: Any, fields: dict[str, Any]) -> str:
    kind, given = error["type"], error["input"]
    if kind == "extra_forbidden":
        return f"unknown key; {nearest(str(error['loc'][-1]), fields)}"
    if kind == "missing":
        return "missing"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    return f"{given!r}: {error['msg'][0].lower()}{error['msg'][1:]}"


def _model(kind: type[T], inner: type[BaseModel], document: Any, source: str) -> T:
    """The document as a model, or one error with a line per wrong key."""
    wrong: list[tuple[Path, str]] = []
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        for item in error.errors():
            fields = kind.model_fields if len(item["loc"]) == 1 else inner.model_fields
            wrong.append((item["loc"], _message(item, dict(fields))))
    refuse(document, source, wrong)
    raise InputError(f"{source}: not an energy table")


def _quantity(key: str, text: object) -> tuple[float, str]:
    """A value in the unit that an energy of this name has."""
    if key.endswith((".leakage", ".background")):
        return units.milliwatts(text), "mW"
    if key in ("MAC", "vector"):
        return float(units.femtojoules(text)), "fJ"
    return float(units.femtojoules_per_bit(text)), "fJ/bit"


def _figure(key: str, entry: EntryModel, source: str) -> Figure:
    value, unit = _quantity(key, entry.value)
    (below, above), why = default_span(key)
    low = value * below if entry.low is None else _quantity(key, entry.low)[0]
    high = value * above if entry.high is None else _quantity(key, entry.high)[0]
    text = entry.source or source
    return Figure(value, low, high, unit, text if entry.low and entry.high else f"{text}; {why}")


def _table(document: Any, source: str) -> EnergyTable:
    model = _model(TableModel, EntryModel, document, source)
    rows, wrong = [], []
    for key, entry in model.energies.items():
        path: Path = ("energies", key)
        line, column = place(document, path)
        try:
            rows.append(Row(key, _figure(key, entry, model.source), f"{source}:{line}:{column}"))
        except InputError as error:
            wrong.append((path, str(error)))
    refuse(document, source, wrong)
    return EnergyTable(model.name, tuple(rows), model.node)


def _mapped(document: Any, source: str, read: ReadText) -> Model:
    model = _model(ErtModel, MappedModel, document, source)
    line, column = place(document, ("ert",))
    try:
        ert = read_ert(read(model.ert), model.ert)
    except InputError as error:
        raise InputError(f"{source}:{line}:{column}: ert: {error}") from None
    entries = {}
    for key, item in model.map.items():
        line, column = place(document, ("map", key))
        entries[key] = MapEntry(item.table, item.bits, f"{source}:{line}:{column}")
    return _deferred(ert, entries, model.node)


def _deferred(ert: Ert, entries: dict[str, MapEntry], node: int | None) -> Model:
    return lambda arch: from_ert(ert, arch, entries, node)


def load_energy(text: str, source: str, read: ReadText) -> Model:
    """The energies that a YAML text holds; `read` gives the text of a file beside it.

    Raises:
        InputError: `source:line:column: key: what is wrong and what was expected`, a line per error.
    """
    document = parse(text, source, TABLE_KEYS)
    if "ERT" in document or "ERT_summary" in document:
        return _deferred(read_ert(text, source), {}, None)
    if "ert" in document:
        return _mapped(document, source, read)
    return _table(document, source)
