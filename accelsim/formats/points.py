"""Results of many runs: the JSON of `accelsim sweep results DIR --json -`, or a CSV with a header."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from accelsim.errors import InputError

Cells = dict[str, str | int | float]


def _read(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"cannot read the points {name!r}: {reason}") from None


def is_points(name: str) -> bool:
    """True for a CSV file, or a JSON file with `points` and without `layers`."""
    if name.endswith(".csv"):
        return True
    if not name.endswith(".json") or not Path(name).is_file():
        return False
    try:
        data = json.loads(_read(name))
    except ValueError:
        return False
    return isinstance(data, dict) and "points" in data and "layers" not in data


def _flat(value: Any, prefix: str, found: Cells) -> None:
    """Numbers and texts of nested objects under dotted names; lists and null are left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _flat(inner, f"{prefix}.{key}" if prefix else key, found)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        found[prefix] = value


def read_points(name: str) -> tuple[Cells, ...]:
    """One row of cells per point; nested names are joined by dots (`params.array.rows`, `totals.seconds`).

    Raises:
        InputError: not a CSV with rows, nor a JSON object with a list `points` of objects.
    """
    text = _read(name)
    if name.endswith(".csv"):
        return _rows_of_csv(text, name)
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    points = data.get("points") if isinstance(data, dict) else None
    if not isinstance(points, list) or not points:
        raise InputError(f"{name}: points: expected a list with at least one point, as `accelsim sweep results` prints")
    rows = []
    for number, point in enumerate(points):
        if not isinstance(point, dict):
            raise InputError(f"{name}: points[{number}]: {json.dumps(point)[:40]}, expected an object")
        row: Cells = {}
        _flat(point, "", row)
        rows.append(row)
    return tuple(rows)


def _rows_of_csv(text: str, name: str) -> tuple[Cells, ...]:
    rows: list[Cells] = []
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        header = next(reader, [])
        for cells in reader:
            if len(cells) != len(header):
                raise InputError(f"{name}:{reader.line_num}: {len(cells)} cells, the header has {len(header)}")
            rows.append({key: cell for key, cell in zip(header, cells, strict=True) if cell != ""})
    except csv.Error as error:
        raise InputError(f"{name}:{reader.line_num}: not CSV: {error}") from None
    if not rows:
        raise InputError(f"{name}: expected a header and at least one row")
    return tuple(rows)
