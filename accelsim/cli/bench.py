"""`bench`: measured cost and quality of the mapper."""

from __future__ import annotations

from typing import Annotated

import typer

from accelsim.cli.shared import Bar, Json, app, print_json, print_table, say, wants_json
from accelsim.errors import InputError, nearest

BENCHES = ("mapper",)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="What to measure: mapper.")] = "mapper",
    networks: Annotated[
        bool, typer.Option("--networks", help="Whole networks on every machine, too (minutes).")
    ] = False,
    out: Annotated[str, typer.Option("--out", "-o", metavar="FILE.md", help="Write the table as Markdown.")] = "",
    json: Json = "",
) -> None:
    """Measure CPU seconds, cycles, energy and gaps of the mapper on fixed cases."""
    from dataclasses import asdict
    from pathlib import Path

    from accelsim.bench import mapper
    from accelsim.store import write_all

    if name not in BENCHES:
        raise InputError(f"bench {name!r}; {nearest(name, BENCHES)}")
    as_json, rows = wants_json(json), []
    with Bar("compiling", 1) as bar:
        for row in mapper.cases(networks):
            rows.append(row)
            bar.step(f"{row.case} on {row.machine}")
    if out:
        write_all(Path(out).parent, {Path(out).name: mapper.markdown(rows).encode()})
    if as_json:
        print_json({"rows": [asdict(row) for row in rows]})
        return
    columns = [("case", False), ("machine", False), ("objective", False), ("CPU s", True), ("cycles", True),
               ("energy uJ", True), ("largest gap", True), ("why", False)]  # fmt: skip
    table = [
        [r.case, r.machine, r.objective, f"{r.cpu_s:.2f}", f"{r.cycles:,}", f"{r.energy_pj / 1e6:,.1f}",
         f"{100 * r.gap:.2f} %", r.note]
        for r in rows
    ]  # fmt: skip
    print_table("Mapper", columns, table)
    if out:
        say(f"written to {out}")
