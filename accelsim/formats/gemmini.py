"""Rows of layers run on Gemmini, as DOSA publishes them (ucb-bar/dosa, data/firesim_test_data): one CSV line each.

A mapping reads `L3[WIO] K48 - L2[WI] N1 K16X - L1[O] C48 P16 C16X - L0[W] P8`: four levels in any order, for each the
operands it holds, then loops, outermost first; `X` or `Y` marks a spatial one. `N1` stands for no loop.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from accelsim.errors import InputError, nearest
from accelsim.timing.gemmini.tiles import DIMS, Extents, TiledLayer

LEVELS = ("L0", "L1", "L2", "L3")
OUTERMOST = "L3"
MAPPING = "mapping.mapping"
MEASURED = "target.gemmini_cycle"
ESTIMATE = "target.cycle"
SIZES = tuple(f"prob.{dim}" for dim in DIMS)
STRIDES = ("prob.Hstride", "prob.Wstride")
DILATIONS = ("prob.Hdilation", "prob.Wdilation")
NEEDED = (MAPPING, *SIZES, *STRIDES)
BUFFERS = ("arch.mem1_entries", "arch.mem2_entries")
ARRAY = {"arch.pe": 256, "arch.meshX": 16}
OPERANDS = "WIO"


@dataclass(frozen=True)
class Loop:
    """One loop of a level: dimension, factor, whether it is spatial."""

    dim: str
    factor: int
    spatial: bool


@dataclass(frozen=True)
class GemminiRow:
    """One line of the file.

    Attributes:
        line: where it stands, the header being line 1.
        layer: sizes, tile and loop order.
        measured: cycles on the RTL, None if not given.
        estimate: cycles of DOSA's analytical model, None if not given.
        buffers: entries of accumulator and scratchpad that the mapping needs, empty if not given.
    """

    line: int
    layer: TiledLayer
    measured: float | None = None
    estimate: float | None = None
    buffers: tuple[int, ...] = ()


def parse_mapping(text: str) -> dict[str, tuple[Loop, ...]]:
    """Loops of every level, outermost first, without those of factor 1.

    Raises:
        InputError: a level is unknown, missing or there twice; a loop is not a dimension with a factor of at least 1;
            a dimension is there twice in a level.
    """
    levels: dict[str, tuple[Loop, ...]] = {}
    for part in text.split(" - "):
        words = part.split()
        head = re.fullmatch(r"(L\d+)(?:\[(\w*)\])?", words[0]) if words else None
        if head is None:
            raise InputError(f"{part.strip()!r}: expected a level such as L1[O], then loops such as P16 or C16X")
        level, operands = head.group(1), head.group(2) or ""
        if level not in LEVELS:
            raise InputError(f"level {level!r}; {nearest(level, LEVELS)}")
        if level in levels:
            raise InputError(f"level {level} twice")
        if not set(operands) <= set(OPERANDS):
            raise InputError(f"level {level} holds {operands!r}: expected letters of {OPERANDS}")
        levels[level] = _loops(level, words[1:])
    missing = [level for level in LEVELS if level not in levels]
    if missing:
        raise InputError(f"no level {', '.join(missing)}: expected {', '.join(LEVELS)}")
    return levels


def _loops(level: str, words: Iterable[str]) -> tuple[Loop, ...]:
    found: list[Loop] = []
    seen = set()
    for word in words:
        match = re.fullmatch(r"([A-Z])(\d+)([XY]?)", word)
        if match is None or match.group(1) not in DIMS or int(match.group(2)) < 1:
            raise InputError(f"loop {word!r} of {level}: expected one of {DIMS}, a factor from 1 and X if spatial")
        loop = Loop(match.group(1), int(match.group(2)), bool(match.group(3)))
        if (loop.dim, loop.spatial) in seen:
            raise InputError(f"loop {word!r} of {level}: {loop.dim} is there twice")
        seen.add((loop.dim, loop.spatial))
        found.append(loop)
    return tuple(loop for loop in found if loop.factor > 1)


def tiled_layer(sizes: Extents, stride: int, text: str) -> TiledLayer:
    """The layer cut as a mapping says: a tile is everything below the outermost level.

    Raises:
        InputError: also if the factors of a dimension do not cover it, or the outermost level is spatial.
    """
    levels = parse_mapping(text)
    tile = dict.fromkeys(DIMS, 1)
    for level in LEVELS:
        for loop in levels[level]:
            if level != OUTERMOST:
                tile[loop.dim] *= loop.factor
            elif loop.spatial:
                raise InputError(f"loop {loop.dim}{loop.factor}X of {level}: expected no spatial loop there")
    outer = {loop.dim: loop.factor for loop in levels[OUTERMOST]}
    for dim in DIMS:
        covered = tile[dim] * outer.get(dim, 1)
        if covered < sizes.of(dim):
            raise InputError(f"the factors of {dim} give {covered}, expected at least its size {sizes.of(dim)}")
    return TiledLayer(sizes, Extents(**tile), tuple(outer), stride)


def read_rows(text: str, name: str) -> tuple[GemminiRow, ...]:
    """Rows of a CSV text; `name` is what messages call the file.

    Raises:
        InputError: no rows, a column is missing, a value does not fit; names line, column and value.
    """
    reader = csv.DictReader(io.StringIO(text))
    columns = reader.fieldnames or []
    for column in NEEDED:
        if column not in columns:
            raise InputError(f"{name}: no column {column!r}; {nearest(column, columns)}")
    rows = []
    for fields in reader:
        if None in fields or None in fields.values():
            raise InputError(f"{name} line {reader.line_num}: expected {len(columns)} values, as in the header")
        rows.append(_row(fields, f"{name} line {reader.line_num}", reader.line_num))
    if not rows:
        raise InputError(f"{name}: no rows, expected at least one below the header")
    return tuple(rows)


def read_file(path: str) -> tuple[GemminiRow, ...]:
    """Rows of a CSV file.

    Raises:
        InputError: it cannot be read, or as `read_rows`.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    return read_rows(text, path)


def _row(fields: Mapping[str, str], where: str, line: int) -> GemminiRow:
    sizes = Extents(**{dim: _whole(fields, f"prob.{dim}", where) for dim in DIMS})
    high, wide = (_whole(fields, column, where) for column in STRIDES)
    if high != wide:
        raise InputError(f"{where}, column prob.Hstride: {high}, expected the prob.Wstride {wide}")
    for column in DILATIONS:
        if column in fields and _whole(fields, column, where) != 1:
            raise InputError(f"{where}, column {column}: {fields[column]!r}, expected 1")
    for column, expected in ARRAY.items():
        if column in fields and _whole(fields, column, where) != expected:
            raise InputError(f"{where}, column {column}: {fields[column]!r}, expected {expected} (a 16x16 mesh)")
    try:
        layer = tiled_layer(sizes, wide, fields[MAPPING])
    except InputError as error:
        raise InputError(f"{where}, column {MAPPING}, {fields[MAPPING]!r}: {error}") from None
    buffers = tuple(_whole(fields, column, where) for column in BUFFERS if fields.get(column))
    return GemminiRow(line, layer, _figure(fields, MEASURED, where), _figure(fields, ESTIMATE, where), buffers)


def _figure(fields: Mapping[str, str], column: str, where: str) -> float | None:
    if not fields.get(column, "").strip():
        return None
    return float(_whole(fields, column, where))


def _whole(fields: Mapping[str, str], column: str, where: str) -> int:
    text = fields[column]
    if not re.fullmatch(r"\s*\d+(\.0*)?\s*", text) or int(float(text)) < 1:
        raise InputError(f"{where}, column {column}: {text!r}, expected a whole number from 1")
    return int(float(text))
