"""`compare`: runs beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accelsim.cli.shared import Json, app, print_json, print_table, say, wants_json
from accelsim.errors import InputError

if TYPE_CHECKING:
    from accelsim.plot.compare import Comparison
    from accelsim.plot.table import Cell

MOST_ROWS = 40


@app.command()
def compare(
    reports: Annotated[list[str], typer.Argument(help="Two or more report.json, or folders of runs; the first is 1.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Folder for tables (CSV) and figures (PNG, SVG).")] = "",
    json: Json = "",
) -> None:
    """Ratios of runs to the first, in total and per layer, largest movers first, with surviving energy ranges."""
    from accelsim.formats.report_json import read_report
    from accelsim.plot.compare import compare_dict, compare_files, labelled
    from accelsim.store import prepare, write_all

    as_json = wants_json(json)
    if len(reports) < 2:
        raise InputError(f"compare needs at least two reports, {len(reports)} given")
    found = labelled(reports, [read_report(name) for name in reports])
    if out:
        prepare(Path(out))
        files = compare_files(found)
        write_all(Path(out), files)
    if as_json:
        print_json(compare_dict(found))
        return
    _print(found)
    if out:
        say(f"written to {out}: {', '.join(sorted(files))}")


def _times(cell: Cell, low: Cell = "", high: Cell = "") -> str:
    if cell == "":
        return "-"
    span = f" ({float(low):.3g} to {float(high):.3g})" if low != "" else ""
    return f"{float(cell):.3g} x{span}"


def _print(found: Comparison) -> None:
    from accelsim.plot.compare import layers_table, totals_table
    from accelsim.units import fmt_energy, fmt_si

    rows = []
    for row in totals_table(found).rows:
        cells = [fmt_si(float(row[6]), "s"), _times(row[7]), fmt_energy(float(row[8])), _times(*row[9:12])]
        rows.append([str(row[0]), *cells, f"{100 * float(row[13]):.1f} %"])
    columns = [
        ("report", False), ("time", True), ("ratio", True), ("energy", True), ("ratio (range that survives)", True),
        ("utilisation", True),
    ]  # fmt: skip
    print_table(f"Against {found.labels[0]}", columns, rows)
    table = layers_table(found)
    rows = []
    for row in table.rows[:MOST_ROWS]:
        times = ["-" if cell == "" else fmt_si(float(cell), "s") for cell in row[3:5]]
        energies = ["-" if cell == "" else fmt_energy(float(cell)) for cell in row[6:8]]
        rows.append(
            [str(row[0]), str(row[1]), str(row[2]), *times, _times(row[5]), *energies, _times(*row[8:11])]
        )  # fmt: skip
    columns = [
        ("layer", False), ("report", False), ("in", False), ("first", True), ("time", True), ("ratio", True),
        ("first", True), ("energy", True), ("ratio (range that survives)", True),
    ]  # fmt: skip
    print_table("Layers, largest movers first", columns, rows)
    if len(table.rows) > MOST_ROWS:
        say(f"{len(table.rows) - MOST_ROWS} more rows with --out or --json -")
