"""Results as flat tables, CSV, Parquet and fronts: ordered by point number, no clock, same store, same bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from accelsim.errors import InputError, nearest
from accelsim.plot.sweep import Cell
from accelsim.space.pareto import pareto
from accelsim.space.quantity import Scalar
from accelsim.space.spec import Plot
from accelsim.space.types import Goal
from accelsim.sweeps.extras import need
from accelsim.sweeps.figures import dig
from accelsim.sweeps.record import DONE, Row

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("csv", "parquet")


def flat(row: Row) -> dict[str, Any]:
    """A point as one row: number, status, parameters, totals, figures, reason."""
    found: dict[str, Any] = {"point": row.number, "status": row.status, **row.params}
    for name, value in row.figures.get("totals", {}).items():
        if isinstance(value, dict):
            found.update({f"{name}.{key}": item for key, item in value.items()})
        else:
            found[name] = value
    found.update({name: row.figures[name] for name in ("edp", "area_mm2", "power_w") if name in row.figures})
    for path, value in row.figures.get("figures", {}).items():
        if path.removeprefix("totals.") not in found:
            found[path] = value
    found["reason"] = row.reason
    return found


def table(rows: Iterable[Row]) -> tuple[list[str], list[dict[str, Any]]]:
    """(columns, flat rows); `reason` comes last."""
    found = [flat(row) for row in rows]
    columns = list(dict.fromkeys(key for row in found for key in row if key != "reason"))
    return [*columns, "reason"], found


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """One row per point; absent figures are NaN."""
    import pandas as pd

    columns, found = table(rows)
    return pd.DataFrame(found, columns=columns)


def to_csv(rows: Iterable[Row]) -> bytes:
    """The table as CSV; absent figures are empty."""
    columns, found = table(rows)
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return out.getvalue().encode()


def to_parquet(rows: Iterable[Row]) -> bytes:
    """The table as Parquet; a column whose values are of several types is text.

    Raises:
        InputError: pyarrow is missing.
    """
    arrow, writer = need("pyarrow", "parquet"), need("pyarrow.parquet", "parquet")
    columns, found = table(rows)
    arrays = []
    for column in columns:
        values = [row.get(column) for row in found]
        kinds = {type(value) for value in values if value is not None}
        if len(kinds) > 1:
            values = [None if v is None else float(v) if kinds == {int, float} else str(v) for v in values]
        arrays.append(arrow.array(values))
    sink = io.BytesIO()
    writer.write_table(arrow.Table.from_arrays(arrays, names=columns), sink)
    return sink.getvalue()


def costs(row: Row, goals: Sequence[Goal]) -> list[float]:
    """The goals of a finished point, all to be made small.

    Raises:
        InputError: a figure that was not recorded.
    """
    return [(-1 if goal.largest else 1) * figure(row, goal.figure) for goal in goals]


def figure(row: Row, name: str) -> float:
    """A figure of a finished point by path, as in report.json.

    Raises:
        InputError: it was not recorded; which were.
    """
    known = row.figures.get("figures", {})
    if name in known:
        return float(known[name])
    try:
        return dig(row.figures, name)
    except InputError:
        options = [*known, *(f"totals.{key}" for key in row.figures.get("totals", {})), "edp", "area_mm2", "power_w"]
        raise InputError(
            f"figure {name!r} was not recorded; {nearest(name, options)} (or name it under `figures` in the sweep)"
        ) from None


def front(rows: Iterable[Row], goals: Sequence[Goal]) -> list[Row]:
    """The finished points within all budgets that no other beats in every goal, by number.

    Raises:
        InputError: a figure that was not recorded.
    """
    done = [row for row in rows if row.status == DONE]
    return [done[i] for i in pareto([costs(row, goals) for row in done])]


def cells(plot: Plot, rows: Iterable[Row]) -> list[Cell]:
    """The finished points as a figure needs them.

    Raises:
        InputError: no finished point, or a name that is neither a parameter nor a recorded figure.
    """
    done = [row for row in rows if row.status == DONE]
    if not done:
        raise InputError(f"plot {plot.name}: no finished points")

    def at(row: Row, name: str) -> Scalar:
        return row.params[name] if name in row.params else figure(row, name)

    return [
        Cell(
            at(row, plot.x), at(row, plot.y), at(row, plot.by) if plot.by else "",
            figure(row, plot.value) if plot.value else 0.0,
        )
        for row in done
    ]  # fmt: skip
