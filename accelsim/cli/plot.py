"""`plot`: the views of a run as figures and CSVs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from accelsim.cli.shared import Json, app, print_json, say, wants_json, whole
from accelsim.errors import InputError


def listed(text: str) -> list[str]:
    """The entries of a comma-separated option."""
    return [part.strip() for part in text.split(",") if part.strip()]


@app.command()
def plot(
    target: Annotated[str, typer.Argument(help="Folder of a run, its report.json, or points (JSON of a sweep, CSV).")],
    only: Annotated[str, typer.Option("--only", metavar="VIEW,...", help="These views (default: all).")] = "",
    form: Annotated[
        str, typer.Option("--format", metavar="png,svg,pdf", help="Kinds of file; gif for the film alone.")
    ] = "png,svg",
    out: Annotated[str, typer.Option("--out", "-o", help="Folder to write (default: plots beside the report).")] = "",
    layer: Annotated[str, typer.Option("--layer", help="Layer of views of one layer (default: the slowest).")] = "",
    level: Annotated[str, typer.Option("--level", help="Memory of the roofline (default: every one).")] = "",
    cycles: Annotated[str, typer.Option("--cycles", metavar="N", help="Cycles of the film strip.")] = "12",
    x: Annotated[str, typer.Option("--x", metavar="COLUMN", help="Points: what lies along x (totals.seconds).")] = "",
    y: Annotated[str, typer.Option("--y", metavar="COLUMN", help="Points: what lies along y (totals.energy_pj).")] = "",
    json: Json = "",
) -> None:
    """Draw the views of a run, or of the points of a sweep, each with a CSV of the same numbers."""
    from accelsim.formats.points import is_points, read_points
    from accelsim.formats.report_json import read_report
    from accelsim.plot.ask import Ask
    from accelsim.plot.points import Points, render_points
    from accelsim.plot.views import render
    from accelsim.store import prepare, write_all

    as_json, ask = wants_json(json), Ask(layer, level, whole(cycles, "cycles", 1), x, y)
    kinds = listed(form)
    if not kinds:
        raise InputError(f"--format {form!r}, expected png, svg, pdf or several of them")
    place = Path(target)
    folder = Path(out) if out else (place if place.is_dir() else place.parent) / "plots"
    if is_points(target):
        files = render_points(Points(place.name, read_points(target)), listed(only), kinds, ask)
        about = {"points": place.name}
    else:
        report = read_report(target)
        files = render(report, listed(only), kinds, ask)
        about = {"model": report.model, "arch": report.machine.name}
    prepare(folder)
    write_all(folder, files)
    if as_json:
        print_json({**about, "files": sorted(files)})
    else:
        say(f"{len(files)} files in {folder}: {', '.join(sorted({name.rsplit('.', 1)[0] for name in files}))}")
