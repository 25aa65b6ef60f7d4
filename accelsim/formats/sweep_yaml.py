"""Sweeps from YAML: base, grid, linked, variants, derived, constraints, budgets, search; strict, every error placed."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from accelsim import units
from accelsim.errors import InputError, nearest
from accelsim.formats.yaml_text import Path, parse, place, refuse
from accelsim.mapper.objective import OBJECTIVES
from accelsim.sim.timetable import SCHEDULES
from accelsim.space.expression import Expression, read
from accelsim.space.quantity import Scalar
from accelsim.space.ranges import interval, multiplied, spaced, stepped
from accelsim.space.spec import (
    DEFAULT_GOALS,
    DEFAULT_POINTS,
    DEFAULT_POPULATION,
    POINT_KEYS,
    Base,
    Budgets,
    Choice,
    Plot,
    Search,
    SweepSpec,
    Value,
    Variant,
)
from accelsim.space.types import MODES, Derived, Dimension, Goal, Interval, Mode, Space

KEYS = "the keys of a sweep (name, base, grid, ...)"
DERIVED_FIGURES = ("edp", "area_mm2", "power_w")
TOTALS = (
    "macs", "issued_macs", "params", "cycles", "compute_cycles", "seconds", "energy_pj", "energy_fj", "energy_low_pj",
    "energy_high_pj", "energy_ranges", "utilization", "dram_read_bits", "dram_write_bits", "energy_by_component_pj",
    "stall_cycles", "traffic", "causal_cycles",
)  # fmt: skip
REPORT = ("totals", "layers", "area_mm2", "clock_hz", "pes", "batch", "precision_bits", *DERIVED_FIGURES)
T = TypeVar("T")
D = TypeVar("D")
_Scalar = bool | int | float | str
_Range = dict[str, Any]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class BasisModel(_Model):
    """What every point starts from."""

    arch: str
    model: str
    batch: Annotated[int, Field(ge=1)] = 1
    objective: str = "edp"
    energy: str = ""
    schedule: str = SCHEDULES[0]


class RangeModel(_Model):
    """Values between two ends."""

    from_: Annotated[int | float | str, Field(alias="from")]
    to: int | float | str
    step: int | float | str | None = None
    factor: int | float | None = None
    points: Annotated[int, Field(ge=1)] | None = None
    scale: Literal["linear", "log"] = "linear"
    round: int | float | str | None = None


class BudgetsModel(_Model):
    """Upper limits."""

    area: str | None = None
    power: str | None = None
    bandwidth: str | None = None


class SearchModel(_Model):
    """How points are chosen."""

    mode: str = "grid"
    points: Annotated[int, Field(ge=1)] = DEFAULT_POINTS
    seed: Annotated[int, Field(ge=0)] = 0
    population: Annotated[int, Field(ge=1)] = DEFAULT_POPULATION


class PlotModel(_Model):
    """A figure of the results."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    kind: Literal["lines", "scatter", "matrix"]
    x: str
    y: str
    by: str = ""
    value: str = ""
    relative: bool = False
    log: Literal["", "x", "y", "xy"] = ""
    title: str = ""


class SweepModel(_Model):
    """A sweep file."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    description: str = ""
    base: BasisModel
    grid: dict[str, Any] = {}
    linked: list[dict[str, Any]] = []
    variants: dict[str, dict[str, dict[str, Any]]] = {}
    derived: dict[str, int | float | str] = {}
    constraints: list[str] = []
    budgets: BudgetsModel = BudgetsModel()
    search: SearchModel = SearchModel()
    objectives: list[str] = []
    figures: list[str] = []
    keep_layers: bool = False
    timeout: int | float | str | None = None
    effort: Literal["full", "quick"] = "full"
    plots: list[PlotModel] = []


_FIELDS: dict[str, type[BaseModel]] = {
    "base": BasisModel, "budgets": BudgetsModel, "search": SearchModel, "plots": PlotModel,
}  # fmt: skip


def load_sweep(text: str, source: str, folder: str = "") -> SweepSpec:
    """The sweep that a YAML text describes; `source` names it in messages, paths in it start at `folder`.

    Raises:
        InputError: one line per error, `source:line:column: key: what is wrong and what was expected`.
    """
    document = parse(text, source, KEYS)
    try:
        model = SweepModel.model_validate(document)
    except ValidationError as error:
        refuse(document, source, [(item["loc"], _message(item)) for item in error.errors()])
        raise
    return _Reader(document, model, source).spec(text, folder)


def _message(error: Any) -> str:
    kind, given, path = error["type"], error["input"], error["loc"]
    if kind == "extra_forbidden":
        model = SweepModel if len(path) == 1 else _FIELDS.get(str(path[0]))
        return f"unknown key; {nearest(str(path[-1]), _names(model))}"
    if kind == "missing":
        return "missing; every sweep states it"
    shown = repr(given) if not isinstance(given, dict | list) else type(given).__name__
    return f"{shown}: {error['msg'][0].lower()}{error['msg'][1:]}"


def _names(model: type[BaseModel] | None) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()] if model is not None else []


class _Reader:
    """Collects the errors of a whole file."""

    def __init__(self, document: Any, model: SweepModel, source: str) -> None:
        self.document, self.model, self.source = document, model, source
        self.wrong: list[tuple[Path, str]] = []
        self.keys: dict[str, Path] = {}

    def _try(self, path: Path, make: Callable[[], T], default: D) -> T | D:
        try:
            return make()
        except InputError as error:
            self.wrong.append((path, str(error)))
            return default

    def spec(self, text: str, folder: str) -> SweepSpec:
        model = self.model
        choices = tuple(self._choice(name, table) for name, table in model.variants.items())
        dimensions = [self._dimension(("grid", key), key, value) for key, value in model.grid.items()]
        dimensions += [self._linked(k, row) for k, row in enumerate(model.linked)]
        named = {name for dimension in dimensions for name in dimension.names}
        dimensions += [
            Dimension((c.name,), tuple((v.label,) for v in c.variants)) for c in choices if c.name not in named
        ]
        derived = [self._derived(key, value) for key, value in model.derived.items()]
        constraints = [self._expression(("constraints", k), text) for k, text in enumerate(model.constraints)]
        search, budgets = self._search(), self._budgets()
        goals = [self._goal(k, text) for k, text in enumerate(model.objectives)]
        for k, figure in enumerate(model.figures):
            self._figure(("figures", k), figure)
        timeout = None
        if model.timeout is not None:
            timeout = self._try(("timeout",), lambda: _seconds(model.timeout), None)
        base = self._base()
        for k, plot in enumerate(model.plots):
            if plot.kind == "matrix" and not plot.value:
                self.wrong.append((("plots", k), "a matrix states `value`, the figure in its cells"))
        self._labels(choices, dimensions)
        refuse(self.document, self.source, self.wrong)
        try:
            space = Space(
                tuple(dimensions), tuple(d for d in derived if d), tuple(c for c in constraints if c is not None)
            )
            if search.mode == "grid":
                _ = space.size
        except InputError as error:
            raise InputError(f"{self.source}: {error}") from None
        return SweepSpec(
            model.name, base, space, choices, budgets, search, tuple(goals) or DEFAULT_GOALS, tuple(model.figures),
            model.keep_layers, timeout, model.effort, tuple(Plot(**plot.model_dump()) for plot in model.plots), text,
            self.source, folder, tuple(self._places()),
        )  # fmt: skip

    def _places(self) -> list[tuple[str, str]]:
        found = []
        for key, path in self.keys.items():
            line, column = place(self.document, path)
            found.append((key, f"{self.source}:{line}:{column}: {path[0]}: {key}"))
        for key in POINT_KEYS:
            if key not in self.keys:
                line, column = place(self.document, ("base", key))
                found.append((key, f"{self.source}:{line}:{column}: base: {key}"))
        return found

    def _expression(self, path: Path, text: object) -> Expression | None:
        return self._try(path, lambda: read(text), None)

    def _figure(self, path: Path, text: str) -> None:
        self._try(path, lambda: check_figure(text), None)

    def _base(self) -> Base:
        base = self.model.base
        if base.objective not in OBJECTIVES:
            self.wrong.append((("base", "objective"), f"{base.objective!r}; {nearest(base.objective, OBJECTIVES)}"))
        if base.schedule not in SCHEDULES:
            self.wrong.append((("base", "schedule"), f"{base.schedule!r}; {nearest(base.schedule, SCHEDULES)}"))
        return Base(base.arch, base.model, base.batch, base.objective, base.energy, base.schedule)

    def _search(self) -> Search:
        search = self.model.search
        if search.mode not in MODES:
            self.wrong.append((("search", "mode"), f"{search.mode!r}; {nearest(search.mode, MODES)}"))
        mode: Mode = next((m for m in MODES if m == search.mode), "grid")
        return Search(mode, search.points, search.seed, search.population)

    def _budgets(self) -> Budgets:
        given, at = self.model.budgets, "budgets"
        area = power = bandwidth = None
        if given.area is not None:
            area = self._try((at, "area"), lambda: _mm2(given.area or ""), None)
        if given.power is not None:
            power = self._try((at, "power"), lambda: units.milliwatts(given.power) / 1000, None)
        if given.bandwidth is not None:
            bandwidth = self._try((at, "bandwidth"), lambda: units.bits_per_second(given.bandwidth), None)
        return Budgets(area, power, bandwidth)

    def _goal(self, k: int, text: str) -> Goal:
        word, _, figure = text.strip().rpartition(" ")
        if word.strip() not in ("", "min", "max"):
            self.wrong.append((("objectives", k), f"{text!r}, expected a figure, or `max` and a figure"))
        self._figure(("objectives", k), figure)
        return Goal(figure, word.strip() == "max")

    def _dimension(self, path: Path, key: str, value: Any) -> Dimension:
        self.keys[key] = path
        found = self._values(path, value)
        if isinstance(found, Interval):
            return Dimension((key,), found)
        return Dimension((key,), tuple((item,) for item in found))

    def _values(self, path: Path, value: Any) -> tuple[Scalar, ...] | Interval:
        """A list, a range or a single value."""
        if isinstance(value, dict):
            return self._range(path, value)
        items = value if isinstance(value, list) else [value]
        if not items:
            self.wrong.append((path, "an empty list, expected at least one value"))
        for k, item in enumerate(items):
            if not isinstance(item, _Scalar):
                self.wrong.append(((*path, k), f"{item!r}, expected a number, a text or true or false"))
            elif items.index(item) != k and type(items[items.index(item)]) is type(item):
                self.wrong.append(((*path, k), f"{item!r} is listed twice"))
        return tuple(_own(item) for item in items if isinstance(item, _Scalar))

    def _range(self, path: Path, value: dict[str, Any]) -> tuple[Scalar, ...] | Interval:
        try:
            model = RangeModel.model_validate(value)
        except ValidationError as error:
            for item in error.errors():
                text = _message(item)
                if item["type"] == "extra_forbidden":
                    text = f"unknown key; {nearest(str(item['loc'][-1]), _names(RangeModel))}"
                self.wrong.append(((*path, *item["loc"][:1]), text))
            return (0,)
        ways = [name for name in ("step", "factor", "points") if getattr(model, name) is not None]
        if len(ways) > 1:
            self.wrong.append((path, f"{' and '.join(ways)} together, expected one of them"))
        return self._try(path, lambda: _range_values(model), (0,))

    def _linked(self, k: int, row: dict[str, Any]) -> Dimension:
        columns: list[tuple[Scalar, ...]] = []
        for key, value in row.items():
            self.keys[key] = ("linked", k, key)
            found = self._values(("linked", k, key), value)
            if isinstance(found, Interval):
                self.wrong.append((("linked", k, key), "a range in `linked` states step, factor or points"))
            else:
                columns.append(found)
        if len({len(column) for column in columns}) > 1:
            sizes = ", ".join(f"{key}: {len(column)}" for key, column in zip(row, columns, strict=False))
            self.wrong.append((("linked", k), f"lists of different lengths ({sizes}), expected equal ones"))
            return Dimension(tuple(row), ())
        return Dimension(tuple(row), tuple(zip(*columns, strict=True)))

    def _derived(self, key: str, value: object) -> Derived | None:
        self.keys[key] = ("derived", key)
        expression = self._expression(("derived", key), value)
        return Derived(key, expression) if expression is not None else None

    def _choice(self, name: str, table: dict[str, dict[str, Any]]) -> Choice:
        self.keys[name] = ("variants", name)
        found = []
        for label, changes in table.items():
            at: Path = ("variants", name, label)
            best = changes.get("best_of", [])
            if "best_of" in changes:
                if len(changes) > 1 or not isinstance(best, list) or not best:
                    self.wrong.append((at, "`best_of` stands alone and lists variants"))
                for other in best if isinstance(best, list) else []:
                    if other not in table or "best_of" in table[other]:
                        options = [o for o in table if "best_of" not in table[o]]
                        self.wrong.append(((*at, "best_of"), f"no variant {other!r}; {nearest(str(other), options)}"))
                found.append(Variant(label, (), tuple(str(other) for other in best)))
                continue
            found.append(Variant(label, tuple((key, self._change((*at, key), v)) for key, v in changes.items())))
        if not found:
            self.wrong.append((("variants", name), "no variants"))
        return Choice(name, tuple(found))

    def _change(self, path: Path, value: Any) -> Value:
        """A value of a variant: a scalar, or a list of them for keys such as `array.wires.share_inputs`."""
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, _Scalar) for item in items):
            self.wrong.append((path, f"{type(value).__name__}, expected a number, a text, true or false, or a list"))
            return ""
        return tuple(_own(item) for item in items) if isinstance(value, list) else _own(value)

    def _labels(self, choices: tuple[Choice, ...], dimensions: list[Dimension]) -> None:
        """Values of a parameter with variants are their labels."""
        for choice in choices:
            for dimension in dimensions:
                if choice.name in dimension.names and not isinstance(dimension.values, Interval):
                    column = dimension.names.index(choice.name)
                    for row in dimension.values:
                        if choice.get(row[column]) is None:
                            labels = [variant.label for variant in choice.variants]
                            text = f"no variant {row[column]!r}; {nearest(str(row[column]), labels)}"
                            self.wrong.append((self.keys[choice.name], text))


def _own(value: Scalar) -> Scalar:
    """A value without the parser's own types."""
    if isinstance(value, bool):
        return bool(value)
    return int(value) if isinstance(value, int) else float(value) if isinstance(value, float) else str(value)


def _range_values(model: RangeModel) -> tuple[Scalar, ...] | Interval:
    span = interval(_own(model.from_), _own(model.to), model.scale == "log", model.round)
    if model.step is not None:
        return stepped(span, model.step)
    if model.factor is not None:
        return multiplied(span, model.factor)
    return span if model.points is None else spaced(span, model.points)


def _seconds(given: object) -> float:
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*s?\s*", str(given))
    if match is None or float(match[1]) <= 0:
        raise InputError(f"{given!r} is not a time such as '60 s'")
    return float(match[1])


def _mm2(text: str) -> float:
    match = re.fullmatch(r"\s*([0-9.]+)\s*mm2\s*", text)
    try:
        value = Fraction(match[1]) if match else Fraction(0)
    except ValueError:
        value = Fraction(0)
    if value <= 0:
        raise InputError(f"{text!r} is not an area such as '12.5 mm2'")
    return float(value)


def check_figure(text: str) -> None:
    """See that a figure can be in a report.

    Raises:
        InputError: no such figure, with the nearest.
    """
    parts = [part for part in re.split(r"[.\[\]]", text) if part]
    known = [f"totals.{name}" for name in TOTALS] + [name for name in REPORT if name not in ("totals", "layers")]
    if not parts or parts[0] not in REPORT or (parts[0] == "totals" and (len(parts) < 2 or parts[1] not in TOTALS)):
        raise InputError(f"no figure {text!r} in a report; {nearest(text, known)}")
