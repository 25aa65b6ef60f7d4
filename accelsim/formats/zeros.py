"""Shares of zero words by layer from a CSV file: `layer,inputs,outputs`, shares from 0 to 1."""

from __future__ import annotations

import csv
from pathlib import Path

from accelsim.arch.encoding import MILLION, Zeros
from accelsim.errors import InputError

COLUMNS = ("layer", "inputs", "outputs")


def _share(text: str, where: str) -> int:
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = -1.0
    if not 0 <= value <= 1:
        raise InputError(f"{where}: {text!r}, expected a share from 0 to 1")
    return round(value * MILLION)


def zeros_table(text: str, source: str) -> tuple[tuple[str, Zeros], ...]:
    """Zero shares of the layers that a CSV text names; `source` names it in messages.

    Raises:
        InputError: wrong columns, a share outside 0 to 1, a layer twice; with file and line.
    """
    reader = csv.DictReader(text.splitlines())
    if tuple(reader.fieldnames or ()) != COLUMNS:
        given = ",".join(reader.fieldnames or ()) or "nothing"
        raise InputError(f"{source}:1: columns {given}, expected {','.join(COLUMNS)}")
    found: dict[str, Zeros] = {}
    for row in reader:
        where = f"{source}:{reader.line_num}"
        if None in row or None in row.values():
            raise InputError(f"{where}: expected {len(COLUMNS)} columns: {','.join(COLUMNS)}")
        name = row["layer"].strip()
        if name in found:
            raise InputError(f"{where}: layer {name!r} stands here twice")
        inputs, outputs = (_share(row[column], f"{where}: {column}") for column in ("inputs", "outputs"))
        found[name] = Zeros(inputs, outputs)
    return tuple(found.items())


def load_zeros(path: str) -> tuple[tuple[str, Zeros], ...]:
    """Zero shares from a file.

    Raises:
        InputError: the file cannot be read or is wrong.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read zero shares from {path}: {error}") from None
    return zeros_table(text, path)
