"""`bench`: measured cost and quality of the mapper."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from accelsim.cli.shared import Bar, Json, app, print_json, print_table, say, wants_json
from accelsim.errors import InputError, nearest

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import DataclassInstance

BENCHES = ("mapper", "sim")


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="What to measure: mapper or sim.")] = "mapper",
    networks: Annotated[
        bool, typer.Option("--networks", help="Whole networks on every machine, too (minutes).")
    ] = False,
    scalesim: Annotated[
        str, typer.Option("--scalesim", metavar="PYTHON", help="sim: SCALE-Sim 3.0.0 beside it, by this interpreter.")
    ] = "",
    zigzag: Annotated[
        str,
        typer.Option("--zigzag", metavar="PYTHON", help="mapper: only what ZigZag 3.9.1 finds, by this interpreter."),
    ] = "",
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE.md", help="Write the table as Markdown (sim: and a figure).")
    ] = "",
    json: Json = "",
) -> None:
    """Measure CPU seconds of the mapper (with cycles, energy, gaps) or of the simulator on fixed cases."""
    from pathlib import Path

    from accelsim.store import prepare, write_all

    if name not in BENCHES:
        raise InputError(f"bench {name!r}; {nearest(name, BENCHES)}")
    as_json = wants_json(json)
    if out:
        prepare(Path(out).parent)
    if scalesim and name != "sim":
        raise InputError(f"--scalesim belongs to bench sim, not to bench {name}")
    if zigzag and name != "mapper":
        raise InputError(f"--zigzag belongs to bench mapper, not to bench {name}")
    target = Path(out)
    if zigzag:
        files = _zigzag(zigzag, as_json, target)
    else:
        files = _mapper(networks, as_json, target) if name == "mapper" else _sim(networks, as_json, target, scalesim)
    if out:
        write_all(target.parent, files)
    if out and not as_json:
        say(f"written to {out}")


Row = TypeVar("Row", bound="DataclassInstance")


def _measured(cases: Iterable[Row], label: Callable[[Row], str], as_json: bool) -> list[Row]:
    """All rows, with progress while they are measured; printed as JSON if asked."""
    from dataclasses import asdict

    rows = []
    with Bar("compiling", 1) as bar:
        for row in cases:
            rows.append(row)
            bar.step(label(row))
    if as_json:
        print_json({"rows": [asdict(row) for row in rows]})
    return rows


def _sim(networks: bool, as_json: bool, target: Path, scalesim: str) -> dict[str, bytes]:
    from itertools import chain

    from accelsim.bench import peers, sim
    from accelsim.validate.scalesim import topology

    peer = peers.scalesim(scalesim, "alexnet", topology("alexnet")) if scalesim else ()
    cases = chain(peer, sim.cases(networks))
    rows = _measured(cases, lambda row: f"{row.case}, {row.engine}", as_json)
    if not as_json:
        columns = [("case", False), ("engine", False), ("tile steps", True), ("cycles", True), ("CPU s", True),
                   ("why", False)]  # fmt: skip
        table = [
            [r.case, r.engine, f"{r.tiles:,}" if r.tiles else "", f"{r.makespan:,}", f"{r.cpu_s:.3g}", r.note]
            for r in rows
        ]
        print_table("Simulator", columns, table)
    figure = target.with_suffix(".svg").name if target.name else ""
    return {target.name: sim.markdown(rows, figure).encode()} | (sim.figures(rows, target.stem) if figure else {})


def _mapper(networks: bool, as_json: bool, target: Path) -> dict[str, bytes]:
    from accelsim.bench import mapper

    rows = _measured(mapper.cases(networks), lambda row: f"{row.case} on {row.machine}", as_json)
    if not as_json:
        columns = [("case", False), ("machine", False), ("objective", False), ("CPU s", True), ("cycles", True),
                   ("energy uJ", True), ("largest gap", True), ("why", False)]  # fmt: skip
        table = [
            [r.case, r.machine, r.objective, f"{r.cpu_s:.2f}", f"{r.cycles:,}", f"{r.energy_pj / 1e6:,.1f}",
             f"{100 * r.gap:.2f} %", r.note]
            for r in rows
        ]  # fmt: skip
        print_table("Mapper", columns, table)
    return {target.name: mapper.markdown(rows).encode()}


def _zigzag(python: str, as_json: bool, target: Path) -> dict[str, bytes]:
    from accelsim.bench import zigzag

    rows = _measured(zigzag.cases(python), lambda row: f"{row.network} for {row.objective}, {row.layer}", as_json)
    if not as_json:
        columns = [(title, number > 2) for number, title in enumerate(zigzag.COLUMNS)]
        print_table("ZigZag beside the mapper", columns, [zigzag.cells(row) for row in rows])
    return {target.name: zigzag.markdown(rows).encode()}
