"""`validate`: every comparison with silicon, RTL and other tools, with its error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accelsim.cli.shared import Bar, Json, app, print_json, print_table, say, wants_json
from accelsim.errors import InputError

if TYPE_CHECKING:
    from accelsim.validate.types import Section

ALL: list[str] = []


@app.command()
def validate(
    names: Annotated[list[str], typer.Argument(help="Validations (default: all).", show_default=False)] = ALL,
    rows: Annotated[str, typer.Option("--rows", metavar="FILE.csv", help="Rows to compare instead of ours.")] = "",
    cases: Annotated[
        str, typer.Option("--cases", metavar="FILE.json", help="Timeloop runs to compare instead of ours.")
    ] = "",
    out: Annotated[
        str, typer.Option("--out", "-o", help="Folder for validation.md and its plots (default reports, all only).")
    ] = "",
    json: Json = "",
) -> None:
    """Compare with measured chips, RTL and other simulators; a figure outside its band is exit code 1."""
    from accelsim.validate.suite import SECTIONS, compare, compare_cases

    as_json = wants_json(json)
    if rows and cases:
        raise InputError("--rows and --cases together; a validation takes one of them")
    wanted = list(dict.fromkeys(names)) or (["timeloop"] if cases else list(SECTIONS))
    with Bar("validating", len(wanted)) as bar:
        found = []
        for name in wanted:
            found.append(compare_cases(name, cases) if cases else compare(name, rows))
            bar.step(name)
    if not as_json:
        for section in found:
            _print(section)
    folder = out or ("" if names or cases else "reports")
    if folder:
        _write(found, Path(folder))
    if as_json:
        print_json({"holds": not any(s.failures for s in found), "sections": [s.as_dict() for s in found]})
    elif folder:
        say(f"written to {folder}: validation.md, validation/*.png")
    failures = [f"{section.key}: {text}" for section in found for text in section.failures]
    for failure in failures:
        typer.echo(f"error: {failure}", err=True)
    if failures:
        raise typer.Exit(1)


def _write(found: list[Section], folder: Path) -> None:
    from accelsim.plot.validation import residuals
    from accelsim.store import write_all
    from accelsim.validate.text import validation_md

    plots, figures = {}, {}
    for section in found:
        drawn = [c for c in section.comparisons if c.quantity == section.plot]
        if drawn:
            title = f"{section.title}: {section.plot}"
            plots[f"{section.key}.png"] = residuals(title, [(c.item, c.kind, c.error) for c in drawn], drawn[0].band)
            figures[section.key] = f"validation/{section.key}.png"
    write_all(folder, {"validation.md": validation_md(found, figures).encode()})
    if plots:
        write_all(folder / "validation", plots)


def _print(section: Section) -> None:
    from accelsim.validate.text import band, bound, number, percent

    columns = [
        ("item", False), ("quantity", False), ("ours", True), ("reference", True), ("unit", False), ("error", True),
        ("band", True), ("why", False),
    ]  # fmt: skip
    rows = [
        [
            c.item, c.quantity, number(c.ours), number(c.reference), c.unit, percent(c.error), band(c),
            c.note if c.holds else f"FAILS {c.note}",
        ]
        for c in section.comparisons
    ]  # fmt: skip
    print_table(section.title, columns, rows)
    for s in section.statistics:
        say(f"{s.name}: {s.value:.4g} {s.unit} ({bound(s)}{', ' + s.reached if s.reached else ''})")
    for note in section.notes:
        say(f"note: {note}")
