"""COMPUTE_REPORT.csv, BANDWIDTH_REPORT.csv and DETAILED_ACCESS_REPORT.csv as SCALE-Sim 3.0.0 writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from accelsim.timing.scalesim import (
    BANDWIDTH_COLUMNS,
    COMPUTE_COLUMNS,
    DETAIL_COLUMNS,
    ScaleResult,
    bandwidth_row,
    compute_row,
    detail_row,
)

REPORTS: dict[str, tuple[Sequence[str], Callable[[ScaleResult], Sequence[int | float]]]] = {
    "COMPUTE_REPORT.csv": (COMPUTE_COLUMNS, compute_row),
    "BANDWIDTH_REPORT.csv": (BANDWIDTH_COLUMNS, bandwidth_row),
    "DETAILED_ACCESS_REPORT.csv": (DETAIL_COLUMNS, detail_row),
}


def report_files(results: Iterable[ScaleResult]) -> dict[str, str]:
    """The three files, byte for byte: header texts, `, ` between, a comma at the end of every line."""
    rows = list(results)
    files = {}
    for name, (columns, figures) in REPORTS.items():
        lines = [", ".join(["LayerID", *columns]) + ",\n"]
        lines += [", ".join([str(i), *map(str, figures(row))]) + ",\n" for i, row in enumerate(rows)]
        files[name] = "".join(lines)
    return files
