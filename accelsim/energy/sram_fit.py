"""Fit of the SRAM tables to CACTI points: kriging of the logarithms, sampled at octaves of capacity.

CACTI searches the split of an array into subarrays for every size, so that neighbouring sizes jump by up to a third
while the trend is smooth. The model is ``ln y = b . f(x) + r(x)``: a low-order trend with `x` (octaves of capacity,
node, word) and a Gaussian process `r` that carries what sizes, nodes and words close by have in common (universal
kriging; Cressie, Statistics for Spatial Data, section 3.4). One set of correlation lengths serves all quantities.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from math import isfinite

import numpy as np
import numpy.typing as npt

from accelsim.energy.sram import CAPACITIES, NODES, QUANTITIES, WIDTHS, SramTables, predict
from accelsim.errors import InputError, nearest

Array = npt.NDArray[np.float64]
LENGTHS = (2.0, 1.6, 4.0)
"""Correlation lengths in octaves of capacity, node and word, chosen by leave-one-out error of reads."""
NUGGET = 0.03
"""Variance of a jump of CACTI's subarray search over that of `r`, chosen likewise."""
DIGITS = 4
COLUMNS = ("tech_nm", "word_bytes", "size_bytes", "read_nJ", "write_nJ", "leak_mW", "access_ns", "area_mm2")


@dataclass(frozen=True)
class Point:
    """One CACTI run: node in nm, word and capacity in bytes; read and write pJ, leakage mW, access ns, area mm2."""

    node_nm: float
    word_bytes: float
    size_bytes: float
    read: float
    write: float
    leakage: float
    access: float
    area: float

    def figure(self, quantity: str) -> float:
        """One of `QUANTITIES`."""
        return float(getattr(self, quantity))


def points_of(text: str, source: str, least: int = 12) -> tuple[Point, ...]:
    """Points from CSV with the columns `tech_nm word_bytes size_bytes read_nJ write_nJ leak_mW access_ns area_mm2`.

    Raises:
        InputError: a missing column, a cell that is not a positive number (with its line), fewer points than `least`
            (12 carry a trend of 6 terms).
    """
    reader = csv.DictReader(io.StringIO(text))
    names = reader.fieldnames or []
    for column in COLUMNS:
        if column not in names:
            raise InputError(f"{source}:1: no column {column!r}; {nearest(column, names)}")
    found = []
    for row in reader:
        values = []
        for column in COLUMNS:
            try:
                value = float(row[column] or "")
            except ValueError:
                value = 0.0
            if not (isfinite(value) and value > 0):
                raise InputError(f"{source}:{reader.line_num}: {column}: {row[column]!r}, expected a positive number")
            values.append(value)
        node, word, size, read, write, leak, access, area = values
        found.append(Point(node, word, size, read * 1000, write * 1000, leak, access, area))
    if len(found) < least:
        raise InputError(f"{source}: {len(found)} points, expected at least {least}")
    return tuple(found)


def _places(points: tuple[Point, ...]) -> Array:
    """(points, 3): octaves of capacity over 32 KiB, of node over 32 nm, of word over 4 bytes."""
    rows = [(p.size_bytes / 32768, p.node_nm / 32, p.word_bytes / 4) for p in points]
    return np.log2(np.array(rows, dtype=np.float64))


def _trend(x: Array) -> Array:
    size, node, word = x.T
    return np.column_stack([np.ones_like(size), size, node, word, size * size, word * size])


def _close(a: Array, b: Array) -> Array:
    """Correlation of two sets of places: exp of minus half the squared distance in correlation lengths."""
    apart = (a[:, None, :] - b[None, :, :]) / np.array(LENGTHS)
    return np.asarray(np.exp(-0.5 * (apart**2).sum(axis=2)), dtype=np.float64)


def _krige(x: Array, y: Array, at: Array) -> Array:
    """Values at `at`, shape (places,), of the surface through `y` at `x`."""
    matrix = _close(x, x) + NUGGET * np.eye(len(y))
    trend = _trend(x)
    solved = np.linalg.solve(matrix, np.column_stack([trend, y]))
    beta = np.linalg.lstsq(trend.T @ solved[:, :-1], trend.T @ solved[:, -1], rcond=None)[0]
    weights = solved[:, -1] - solved[:, :-1] @ beta
    return np.asarray(_trend(at) @ beta + _close(at, x) @ weights, dtype=np.float64)


def _grid() -> Array:
    rows = [(size / 32768, node / 32, word / 4) for node in NODES for word in WIDTHS for size in CAPACITIES]
    return np.log2(np.array(rows, dtype=np.float64))


def fit(points: tuple[Point, ...]) -> SramTables:
    """The tables of `accelsim.energy.sram` from CACTI points, to four digits."""
    x, grid = _places(points), _grid()
    tables: dict[str, dict[tuple[int, int], tuple[float, ...]]] = {}
    for quantity in QUANTITIES:
        y = np.log([p.figure(quantity) for p in points])
        values = np.exp(_krige(x, y, grid)).reshape(len(NODES) * len(WIDTHS), len(CAPACITIES))
        keys = [(node, word) for node in NODES for word in WIDTHS]
        tables[quantity] = {
            key: tuple(float(f"{v:.{DIGITS}g}") for v in row) for key, row in zip(keys, values, strict=True)
        }
    return tables


def errors(points: tuple[Point, ...], held: tuple[Point, ...]) -> dict[str, list[float]]:
    """Relative errors on `held` of a fit to `points`, by quantity."""
    tables = fit(points)
    return {q: [_value(q, p, tables) / p.figure(q) - 1 for p in held] for q in QUANTITIES}


def _value(quantity: str, point: Point, tables: SramTables) -> float:
    return predict(quantity, point.size_bytes * 8, point.word_bytes * 8, point.node_nm, tables)


def leave_one_out(points: tuple[Point, ...]) -> dict[str, list[float]]:
    """Relative error of each point under the fit to all others, by quantity; everything is fitted anew each time."""
    found: dict[str, list[float]] = {q: [] for q in QUANTITIES}
    for i, point in enumerate(points):
        for quantity, error in errors(points[:i] + points[i + 1 :], (point,)).items():
            found[quantity] += error
    return found


def summary(values: list[float]) -> tuple[float, float]:
    """(median, 95th percentile) of the absolute errors."""
    sizes = np.abs(np.array(values))
    return float(np.median(sizes)), float(np.percentile(sizes, 95))


HEADER = '''"""The SRAM tables that `sram_fit.fit` finds for the 76 CACTI points; `accelsim energy --fit -` prints it.

Keys are (node in nm, word in bytes), columns capacities of 1 KiB to 1 MiB in octaves; pJ, mW, ns, mm2.
"""

from __future__ import annotations

TABLES: dict[str, dict[tuple[int, int], tuple[float, ...]]] = {
'''


def as_source(tables: SramTables) -> str:
    """The tables as the module `sram_tables.py`."""
    lines = []
    for quantity, rows in tables.items():
        lines.append(f'    "{quantity}": {{')
        for (node, word), values in rows.items():
            lines.append(f"        ({node}, {word}): ({', '.join(repr(v) for v in values)}),")
        lines.append("    },")
    return HEADER + "\n".join([*lines, "}"]) + "\n"
