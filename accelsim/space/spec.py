"""A sweep as frozen data: base, space, variants, budgets, search, what is recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from accelsim.space.quantity import Scalar
from accelsim.space.types import Goal, Mode, Space

POINT_KEYS = ("arch", "model", "batch", "objective", "energy", "schedule")
"""Keys that choose something else than a field of the machine."""
DEFAULT_GOALS = (Goal("totals.energy_pj"), Goal("totals.seconds"))
DEFAULT_POINTS, DEFAULT_POPULATION = 100, 8


Effort = Literal["full", "quick"]
Value = Scalar | tuple[Scalar, ...]


@dataclass(frozen=True)
class Base:
    """What a point is before its parameters: machine and network by name or file, and options of a run."""

    arch: str
    model: str
    batch: int = 1
    objective: str = "edp"
    energy: str = ""
    schedule: str = "network"


@dataclass(frozen=True)
class Variant:
    """A named set of changes, or the best of other variants layer by layer (`best_of`)."""

    label: str
    changes: tuple[tuple[str, Value], ...] = ()
    best_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """A parameter whose values are variants."""

    name: str
    variants: tuple[Variant, ...]

    def get(self, label: Scalar) -> Variant | None:
        """The variant of a label."""
        return next((v for v in self.variants if v.label == label), None)


@dataclass(frozen=True)
class Budgets:
    """Upper limits: area and bandwidth are known before a run, power after it."""

    area_mm2: float | None = None
    power_w: float | None = None
    bandwidth_bits_per_s: int | None = None


@dataclass(frozen=True)
class Search:
    """How points are chosen: `points` and `seed` of samples and searches, `population` evaluated together."""

    mode: Mode = "grid"
    points: int = DEFAULT_POINTS
    seed: int = 0
    population: int = DEFAULT_POPULATION


@dataclass(frozen=True)
class Plot:
    """A figure of the results.

    Attributes:
        kind: `lines` (y over x, a line per `by`), `scatter`, or `matrix` (a row per y, a column per x).
        x, y: parameters or figures. value: of a matrix. by: a parameter that tells lines apart.
        relative: values over the least of their line or row. log: axes in logarithms (`x`, `y`, `xy` or none).
    """

    name: str
    kind: Literal["lines", "scatter", "matrix"]
    x: str
    y: str
    by: str = ""
    value: str = ""
    relative: bool = False
    log: str = ""
    title: str = ""


@dataclass(frozen=True)
class SweepSpec:
    """A sweep.

    Attributes:
        effort: how mappings are searched (`sweeps.mappings`).
        goals: figures that make a point good. figures: more figures to record, as paths into report.json.
        keep_layers: keep whole reports. timeout_s: limit of a point, None for none.
        text: the file as it was read. source: its name for messages. folder: where its paths start.
        places: `file:line:column: key` of every key, by key.
    """

    name: str
    base: Base
    space: Space
    choices: tuple[Choice, ...] = ()
    budgets: Budgets = Budgets()
    search: Search = Search()
    goals: tuple[Goal, ...] = DEFAULT_GOALS
    figures: tuple[str, ...] = ()
    keep_layers: bool = False
    timeout_s: float | None = None
    effort: Effort = "full"
    plots: tuple[Plot, ...] = ()
    text: str = ""
    source: str = "sweep"
    folder: str = ""
    places: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    def place(self, key: str) -> str:
        """Where a key stands, for a message."""
        return dict(self.places).get(key, f"{self.source}: {key}")

    def choice(self, name: str) -> Choice | None:
        """The variants of a parameter."""
        return next((choice for choice in self.choices if choice.name == name), None)
