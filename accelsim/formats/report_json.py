"""`report.json` read back, strictly: every field that views need, in its type, or one error with file and key."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args

from accelsim.anatomy import Anatomy, Blocks, MemoryBlock, Nest, Tile
from accelsim.arch import Dataflow
from accelsim.energy import Flow, LevelTraffic, by_component
from accelsim.energy.figures import Range
from accelsim.errors import AccelsimError, InputError
from accelsim.mapping import Loop, Mapping, TileLevel
from accelsim.mapping.shares import Share
from accelsim.mapping.types import Kind
from accelsim.problem import Axis, Op, Operand, Problem, Role
from accelsim.report import FJ_PER_PJ, LayerResult, Machine, RunReport, Totals

SCHEMA = 1
AXIS = re.compile(r"(?P<terms>0|\d*[A-Z](\+\d*[A-Z])*)(?P<offset>[+-]\d+)? of (?P<size>\d{1,18})")
TERM = re.compile(r"(\d*)([A-Z])")
LOOP = re.compile(r"([A-Z]) (\d{1,18})")
SPATIAL = re.compile(r"([A-Z]) (\d{1,18}) (row|col|diagonal|band)")
DATAFLOWS: tuple[Dataflow, ...] = get_args(Dataflow)
OPS: tuple[Op, ...] = get_args(Op)
ROLES: tuple[Role, ...] = get_args(Role)
KINDS: tuple[Kind, ...] = get_args(Kind)
T = TypeVar("T")


class Field:
    """A value of the file with its place; reading it as another type than it has is an error."""

    def __init__(self, value: Any, file: str, key: str = "") -> None:
        self.value, self.file, self.key = value, file, key

    def wrong(self, expected: str) -> NoReturn:
        """Refuse the value."""
        shown = json.dumps(self.value, ensure_ascii=False)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        raise InputError(f"{self.file}: {self.key or 'the whole file'}: {shown}, expected {expected}")

    def table(self) -> dict[str, Field]:
        """An object, by key."""
        if not isinstance(self.value, dict):
            self.wrong("an object")
        dot = f"{self.key}." if self.key else ""
        return {name: Field(value, self.file, dot + name) for name, value in self.value.items()}

    def get(self, name: str) -> Field:
        """A field of an object."""
        found = self.table()
        if name not in found:
            dot = f"{self.key}." if self.key else ""
            raise InputError(
                f"{self.file}: {dot}{name} is missing; expected a report.json of `accelsim run` of this version "
                "(run it again to write one)"
            )
        return found[name]

    def has(self, name: str) -> bool:
        """True if an object has the field, and it is not null."""
        return self.table().get(name, Field(None, "")).value is not None

    def items(self) -> list[Field]:
        """A list."""
        if not isinstance(self.value, list):
            self.wrong("a list")
        return [Field(value, self.file, f"{self.key}[{i}]") for i, value in enumerate(self.value)]

    def text(self) -> str:
        """A string."""
        if not isinstance(self.value, str):
            self.wrong("text")
        return self.value

    def whole(self, least: int = 0) -> int:
        """A whole number of at least `least`."""
        if isinstance(self.value, bool) or not isinstance(self.value, int) or self.value < least:
            self.wrong(f"a whole number of at least {least}")
        return self.value

    def number(self) -> float:
        """A number that is not negative."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or not self.value >= 0:
            self.wrong("a number of at least 0")
        return self.value

    def flag(self) -> bool:
        """True or false."""
        return self.value if isinstance(self.value, bool) else self.wrong("true or false")

    def choice(self, options: tuple[T, ...]) -> T:
        """One of some words."""
        for option in options:
            if option == self.value:
                return option
        self.wrong(" or ".join(str(option) for option in options))

    def each(self, read: Callable[[Field], T]) -> dict[str, T]:
        """An object with values of one kind."""
        return {name: read(value) for name, value in self.table().items()}

    def texts(self) -> tuple[str, ...]:
        """A list of strings."""
        return tuple(value.text() for value in self.items())

    def match(self, pattern: re.Pattern[str], expected: str) -> re.Match[str]:
        """A string of a form."""
        found = pattern.fullmatch(self.text())
        return found if found is not None else self.wrong(expected)


def whole(field: Field) -> int:
    """`Field.whole` of at least 0, for tables."""
    return field.whole()


def read_report(name: str) -> RunReport:
    """The report in a file, or in `report.json` of a folder.

    Raises:
        InputError: no such file, not JSON, not of this schema, a field that is missing, of the wrong kind, or that
            contradicts others; the message names file and key.
    """
    path = Path(name)
    if path.is_dir():
        path = path / "report.json"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"cannot read the report {str(path)!r}: {reason}") from None
    return parse_report(text, str(path))


def parse_report(text: str, name: str) -> RunReport:
    """The report in a text; `name` is for messages."""
    try:
        top = Field(json.loads(text), name)
    except json.JSONDecodeError as error:
        raise InputError(f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise InputError(f"{name}: not a report.json: nested too deeply") from None
    schema = top.get("schema")
    if isinstance(schema.value, bool) or schema.value != SCHEMA:
        schema.wrong(f"{SCHEMA}, the schema that this version reads")
    machine = _machine(top)
    ranges = {r.component: r for r in (_range(row) for row in top.get("energy_model").get("ranges").items())}
    layers = tuple(_layer(field, ranges) for field in top.get("layers").items())
    if not layers:
        top.get("layers").wrong("at least one layer")
    _check_names(top, layers)
    return RunReport(
        version=top.get("accelsim").text(),
        model=top.get("model").text(),
        machine=machine,
        batch=top.get("batch").whole(1),
        options=_plain(top.get("options")),
        sources=top.get("sources").each(Field.text),
        totals=_totals(top.get("totals"), layers, ranges),
        results=layers,
        verification=_plain(top.get("verification")),
        energy_model=_plain(top.get("energy_model")),
        schedule=_plain(top.get("schedule")),
        area_mm2=_plain(top.get("area_mm2")) if top.has("area_mm2") else None,
    )


def _plain(field: Field) -> dict[str, Any]:
    """An object that views only show."""
    return {name: value.value for name, value in field.table().items()}


def _check_names(top: Field, layers: tuple[LayerResult, ...]) -> None:
    seen: set[str] = set()
    for layer, field in zip(layers, top.get("layers").items(), strict=True):
        if layer.name in seen:
            field.get("name").wrong("a name that no other layer has")
        seen.add(layer.name)


def _range(field: Field) -> Range:
    low, high = (field.get(f"{end}_permille").whole() for end in ("low", "high"))
    component, shared, source = (field.get(key).text() for key in ("component", "shared", "source"))
    return Range(component, shared, low, high, source)


def _memory(field: Field) -> MemoryBlock:
    return MemoryBlock(
        name=field.get("name").text(),
        capacity_bits=field.get("capacity_bits").whole(1),
        read_bits_per_cycle=field.get("read_bits_per_cycle").whole(1),
        write_bits_per_cycle=field.get("write_bits_per_cycle").whole(1),
        read_fj_per_bit=field.get("read_fj_per_bit").whole(),
        write_fj_per_bit=field.get("write_fj_per_bit").whole(),
        holds=field.get("holds").each(whole),
    )


def _machine(top: Field) -> Machine:
    field = top.get("machine")
    blocks = Blocks(
        dram=field.get("dram").text(),
        dram_bits_per_s=field.get("dram_bits_per_s").whole(1),
        memories=tuple(_memory(memory) for memory in field.get("memories").items()),
        array_kind=field.get("array_kind").text(),
        rows=field.get("rows").whole(1),
        cols=field.get("cols").whole(1),
        spad_words=field.get("spad_words").each(whole),
        vector_lanes=field.get("vector_lanes").whole(1),
        early_exit=field.get("early_exit").flag(),
        whole_weight_tiles=field.get("whole_weight_tiles").flag(),
    )
    pes = top.get("pes")
    if pes.whole(1) != blocks.rows * blocks.cols:
        pes.wrong(f"{blocks.rows} x {blocks.cols} PEs as in machine")
    return Machine(
        top.get("arch").text(), pes.whole(1), top.get("clock_hz").whole(1), blocks.dram_bits_per_s,
        top.get("precision_bits").each(whole), top.get("dataflow").choice(DATAFLOWS), blocks,
    )  # fmt: skip


def _flow(field: Field, read: str, write: str) -> Flow:
    return Flow(field.get(read).whole(), field.get(write).whole())


def _traffic(field: Field, read: str = "read_bits", write: str = "write_bits") -> LevelTraffic:
    return field.each(lambda row: row.each(lambda flow: _flow(flow, read, write)))


def _totals(field: Field, layers: tuple[LayerResult, ...], ranges: dict[str, Range]) -> Totals:
    """Totals of the file; sums that they repeat must be those of the layers."""
    energy: dict[str, int] = {}
    for layer in layers:
        for component, value in layer.energy_fj.items():
            energy[component] = energy.get(component, 0) + value
    sums = {
        "energy_fj": sum(energy.values()),
        "macs": sum(layer.macs for layer in layers),
        "issued_macs": sum(layer.issued_macs for layer in layers),
        "compute_cycles": sum(layer.compute_cycles for layer in layers),
    }
    for key, value in sums.items():
        if field.get(key).whole() != value:
            field.get(key).wrong(f"{value}, the sum over the layers")
    return Totals(
        macs=sums["macs"],
        issued_macs=sums["issued_macs"],
        params=field.get("params").whole(),
        cycles=field.get("cycles").whole(1),
        seconds=field.get("seconds").number(),
        energy_fj=energy,
        utilization=field.get("utilization").number(),
        traffic=_traffic(field.get("traffic")),
        stall_cycles=field.get("stall_cycles").each(whole),
        compute_cycles=sums["compute_cycles"],
        energy_ranges={name: ranges[name] for name in energy if name in ranges},
    )


def _layer(field: Field, ranges: dict[str, Range]) -> LayerResult:
    parts = field.get("energy_parts_fj").each(lambda row: row.each(whole))
    energy = by_component(parts)
    if field.get("energy_fj").whole() != sum(energy.values()):
        field.get("energy_fj").wrong(f"{sum(energy.values())}, the sum of energy_parts_fj")
    stated = field.get("energy_by_component_pj").each(Field.number)
    if stated.keys() != energy.keys() or any(round(v * FJ_PER_PJ) != energy[name] for name, v in stated.items()):
        field.get("energy_by_component_pj").wrong("the sums of energy_parts_fj, in pJ")
    start, end = field.get("start_cycle").whole(), field.get("end_cycle").whole()
    if field.get("cycles").whole() != end - start:
        field.get("cycles").wrong(f"{end - start}, end_cycle - start_cycle")
    return LayerResult(
        name=field.get("name").text(),
        op=field.get("op").text(),
        unit=field.get("unit").choice(("array", "vector", "view")),
        macs=field.get("macs").whole(),
        issued_macs=field.get("issued_macs").whole(),
        params=field.get("params").whole(),
        cycles=end - start,
        start_cycle=start,
        end_cycle=end,
        compute_cycles=field.get("compute_cycles").whole(),
        active_pes=field.get("active_pes").whole(),
        utilization=field.get("utilization").number(),
        vector_ops=field.get("vector_ops").whole(),
        traffic=_traffic(field.get("traffic")),
        energy_fj=energy,
        stall_cycles=field.get("stall_cycles").each(whole),
        mapping=field.get("mapping").text() if field.has("mapping") else None,
        output_shape=tuple(size.whole(1) for size in field.get("output_shape").items()),
        folded=field.get("folded").texts(),
        note=field.get("note").text(),
        dram=field.get("dram").each(Field.number) if field.has("dram") else None,
        energy_ranges={name: ranges[name] for name in energy if name in ranges},
        causal_cycles=field.get("causal_cycles").whole() if field.has("causal_cycles") else None,
        energy_parts_fj=parts,
        anatomy=_anatomy(field),
        scalesim_columns=_plain(field.get("scalesim")) if field.has("scalesim") else None,
    )


def _anatomy(field: Field) -> Anatomy:
    return Anatomy(
        inputs=field.get("inputs").texts(),
        nests=tuple(_nest(nest) for nest in field.get("nests").items()),
        held_bits=field.get("held_bits").each(lambda row: row.each(whole)),
        links=_traffic(field.get("links"), "down_bits", "up_bits"),
        busy_cycles=field.get("busy_cycles").each(whole),
        formula=field.get("formula").texts(),
    )


def _tile(field: Field) -> Tile:
    words, bits, depth = (field.get(key).whole(1) for key in ("words", "word_bits", "depth"))
    return Tile(field.get("operand").text(), words, bits, depth, field.get("resident").flag())


def _loops(field: Field) -> tuple[Loop, ...]:
    found = (loop.match(LOOP, "a loop such as 'P 14'") for loop in field.items())
    return tuple(Loop(match[1], int(match[2])) for match in found)


def _spatial(field: Field) -> tuple[Loop, ...]:
    loops = []
    for item in field.items():
        match = item.match(SPATIAL, "a loop such as 'M 16 col', 'C 3 row', 'G 4 diagonal' or 'Q 4 band'")
        kind = next(kind for kind in KINDS if kind == match[3])
        loops.append(Loop(match[1], int(match[2]), kind))
    return tuple(loops)


def _axis(field: Field, text: str) -> Axis:
    match = AXIS.fullmatch(text)
    if match is None:
        field.wrong("axes such as 'N of 1, 2P+R-1 of 224'")
    terms = tuple((dim, int(coef or 1)) for coef, dim in TERM.findall(match["terms"]))
    return Axis(terms, int(match["size"]), int(match["offset"] or 0))


def _operand(name: str, field: Field) -> Operand:
    role = field.get("role").choice(ROLES)
    axes = field.get("axes")
    found = tuple(_axis(axes, text) for text in axes.text().split(", "))
    return Operand(name, role, found)


def _pair(text: str) -> tuple[str, str]:
    """A memory and the operand that passes by, from `MEMORY: OPERAND`."""
    memory, _, operand = text.partition(": ")
    return memory, operand


def _share(text: str) -> Share:
    """What of an operand stays in part, from `OPERAND DIM COUNT`."""
    match = re.fullmatch(r"(\w+) (\w+) (\d{1,18})", text)
    if match is None:
        raise InputError(f"{text!r}, expected an operand, a dim and a number, such as 'Inputs C 48'")
    return Share(match[1], match[2], int(match[3]))


def _nest(field: Field) -> Nest:
    """A nest; what its types refuse (a loop that covers too little, ...) is an error of the file."""
    levels = field.get("levels").items()
    op, flow = field.get("op").choice(OPS), field.get("dataflow").choice(DATAFLOWS)
    try:
        operands = tuple(_operand(name, item) for name, item in field.get("operands").table().items())
        problem = Problem(tuple(field.get("bounds").each(lambda bound: bound.whole(1)).items()), operands, op)
        mapping = Mapping(
            problem,
            flow,
            tuple(TileLevel(level.get("memory").text(), _loops(level.get("loops"))) for level in levels),
            _loops(field.get("stream")),
            _spatial(field.get("spatial")),
            _loops(field.get("pe")),
            frozenset(field.get("resident").texts()),
            frozenset(_pair(text) for text in field.get("bypass").texts()),
            tuple(_share(text) for text in field.get("partly").texts()),
        )
    except AccelsimError as error:
        if str(error).startswith(field.file):
            raise
        raise InputError(f"{field.file}: {field.key}: {error}") from None
    tiles = tuple(tuple(_tile(tile) for tile in level.get("tiles").items()) for level in levels)
    return Nest(mapping, tiles, field.get("active_pes").whole())
