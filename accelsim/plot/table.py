"""The numbers of a view: what its CSV holds and all that its drawing may use."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

Cell = str | int | float


def line(*cells: Cell) -> tuple[Cell, ...]:
    """A row."""
    return cells


@dataclass(frozen=True)
class Table:
    """Rows of a view.

    Attributes:
        title: for the figure. columns: names, units in them. rows: one cell per column.
        facts: figures that hold for all rows (a peak, a capacity), by name with unit; further columns of the CSV.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    facts: tuple[tuple[str, Cell], ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            assert len(row) == len(self.columns), f"{self.title}: {len(row)} cells for {len(self.columns)} columns"

    def column(self, name: str) -> list[Cell]:
        """The cells of a column."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    def texts(self, name: str) -> list[str]:
        """A column of text."""
        return [str(cell) for cell in self.column(name)]

    def numbers(self, name: str) -> list[float]:
        """A column of numbers."""
        return [float(cell) for cell in self.column(name)]

    def fact(self, name: str) -> Cell:
        """A fact by name."""
        return dict(self.facts)[name]

    def figure(self, name: str) -> float:
        """A fact that is a number."""
        return float(self.fact(name))

    def where(self, name: str, value: Cell) -> Table:
        """The rows with this cell in a column."""
        at = self.columns.index(name)
        return Table(self.title, self.columns, tuple(row for row in self.rows if row[at] == value), self.facts)

    def csv(self) -> bytes:
        """Header and rows, facts repeated on every row; whole numbers as they are, others to the last digit."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*self.columns, *(name for name, _ in self.facts)])
        writer.writerows([*row, *(value for _, value in self.facts)] for row in self.rows)
        return out.getvalue().encode()
