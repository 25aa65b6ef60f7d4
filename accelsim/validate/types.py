"""What a validation is made of: figures of ours beside figures that nobody here made, each with the band it keeps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Comparison:
    """One figure of ours beside the reference.

    Attributes:
        item: the row: a layer, a machine, an application.
        quantity, unit: what is compared, in which unit.
        band: largest |ours / reference - 1| allowed; 0 asks for equality, None shows the error and does not judge it.
        kind: what the row belongs to in plots (an operator, a memory width).
        note: why a row differs, or how it was read.
    """

    item: str
    quantity: str
    unit: str
    ours: float
    reference: float
    band: float | None = None
    kind: str = ""
    note: str = ""

    @property
    def error(self) -> float:
        """Relative error; against a reference of zero, 0 if equal and infinite otherwise."""
        if self.reference == 0:
            return 0.0 if self.ours == 0 else float("inf")
        return self.ours / self.reference - 1

    @property
    def holds(self) -> bool:
        """Whether the error is inside the band (true if the row is not judged)."""
        return self.band is None or abs(self.error) <= self.band

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON."""
        return {
            "item": self.item,
            "quantity": self.quantity,
            "unit": self.unit,
            "ours": self.ours,
            "reference": self.reference,
            "error": self.error if self.error != float("inf") else None,
            "band": self.band,
            "holds": self.holds,
            "kind": self.kind,
            "note": self.note,
        }


@dataclass(frozen=True)
class Statistic:
    """A figure over many rows with its bound: mean error, rank correlation, share of rows inside a band.

    `reached` names what other tools reach on the same rows, if known.
    """

    name: str
    value: float
    unit: str = ""
    bound: float | None = None
    sense: Literal["at most", "at least"] = "at most"
    reached: str = ""

    @property
    def holds(self) -> bool:
        """Whether the bound is kept (true without one)."""
        if self.bound is None:
            return True
        return self.value <= self.bound if self.sense == "at most" else self.value >= self.bound

    def as_dict(self) -> dict[str, Any]:
        """The figure as JSON."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "bound": self.bound,
            "sense": self.sense,
            "holds": self.holds,
            "reached": self.reached,
        }


@dataclass(frozen=True)
class Section:
    """One validation: rows, figures over them, where the reference comes from, what is assumed.

    Attributes:
        key: name on the command line.
        source: paper, table, file of the reference figures.
        plot: quantity whose errors are drawn row by row, empty for no plot.
        notes: assumptions, explanations, what is left.
    """

    key: str
    title: str
    source: str
    comparisons: tuple[Comparison, ...]
    statistics: tuple[Statistic, ...] = ()
    notes: tuple[str, ...] = ()
    plot: str = ""

    @property
    def failures(self) -> tuple[str, ...]:
        """Rows and figures outside their bands."""
        rows = [
            f"{c.item} {c.quantity}: {c.ours:g} against {c.reference:g} {c.unit} ({c.error:+.1%}, band {c.band:.1%})"
            for c in self.comparisons
            if not c.holds and c.band is not None
        ]
        return (
            *rows,
            *(f"{s.name}: {s.value:g} {s.unit}, {s.sense} {s.bound:g}" for s in self.statistics if not s.holds),
        )

    def as_dict(self) -> dict[str, Any]:
        """The section as JSON."""
        return {
            "key": self.key,
            "title": self.title,
            "source": self.source,
            "holds": not self.failures,
            "comparisons": [c.as_dict() for c in self.comparisons],
            "statistics": [s.as_dict() for s in self.statistics],
            "notes": list(self.notes),
        }


def mean_absolute_error(rows: Iterable[Comparison]) -> float:
    """Mean of |ours / reference - 1| (MAPE as a fraction)."""
    errors = [abs(row.error) for row in rows]
    return sum(errors) / len(errors)


def total_error(rows: Iterable[Comparison]) -> float:
    """Relative error of the sum."""
    found = list(rows)
    return sum(row.ours for row in found) / sum(row.reference for row in found) - 1


def share_within(rows: Iterable[Comparison], band: float) -> float:
    """Share of rows whose error is at most `band`."""
    errors = [abs(row.error) <= band for row in rows]
    return sum(errors) / len(errors)
