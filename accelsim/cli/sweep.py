"""`sweep`: run a design-space sweep, and read, merge and export its results."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from accelsim.cli.shared import Json, app, print_json, print_table, say, wants_json, whole
from accelsim.errors import InputError, nearest

if TYPE_CHECKING:
    from accelsim.space.spec import SweepSpec
    from accelsim.space.types import Goal
    from accelsim.sweeps.record import Row
    from accelsim.sweeps.runner import State, Summary

RUN = "run"


class _Group(TyperGroup):
    """`sweep FILE` means `sweep run FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [RUN, *args]
        return super().parse_args(ctx, args)


sweep = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, cls=_Group,
    help="Design-space sweeps: `accelsim sweep FILE.yaml --out DIR` runs or resumes one, the other commands read it.",
)  # fmt: skip
app.add_typer(sweep, name="sweep")

File = Annotated[str, typer.Argument(metavar="FILE.yaml", help="The sweep.")]
Dir = Annotated[str, typer.Argument(metavar="DIR", help="Folder of a sweep.")]
Out = Annotated[str, typer.Option("--out", "-o", metavar="DIR", help="Folder (default accelsim-out/sweep-NAME).")]
Workers = Annotated[str, typer.Option("--workers", "-j", metavar="N", help="Processes (default: one per core).")]
Timeout = Annotated[str, typer.Option("--timeout", metavar="SECONDS", help="Limit of a point; it has failed then.")]
Retry = Annotated[bool, typer.Option("--retry", help="Run failed points again.")]
Objectives = Annotated[
    str, typer.Option("--objectives", metavar="A,B", help="Figures, `max` before one (default: the sweep's).")
]


def _spec(file: str) -> SweepSpec:
    from accelsim.sweeps.door import read_sweep

    return read_sweep(file, tuple(name for name in sweep_names() if name != RUN))


def sweep_names() -> list[str]:
    """Commands of `sweep`."""
    return [command.name or command.callback.__name__ for command in sweep.registered_commands if command.callback]


def _seconds(text: str, spec: SweepSpec) -> float | None:
    if not text:
        return spec.timeout_s
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise InputError(f"timeout {text!r}, expected seconds above 0")
    return value


@sweep.command(RUN)
def run(
    file: File,
    out: Out = "",
    workers: Workers = "",
    timeout: Timeout = "",
    retry: Retry = False,
    dask: Annotated[str, typer.Option("--dask", metavar="tcp://HOST:PORT", help="Run on a Dask scheduler.")] = "",
    json: Json = "",
) -> None:
    """Run a sweep, or what is left of it."""
    from accelsim.sweeps.door import folder_of
    from accelsim.sweeps.draw import WHOLE

    spec = _spec(file)
    _run(spec, Path(out) if out else folder_of(spec), workers, timeout, retry, dask, json, WHOLE)


@sweep.command()
def shard(
    file: File,
    of: Annotated[str, typer.Option("--of", metavar="N", help="Shards in all.")],
    index: Annotated[str, typer.Option("--index", metavar="I", help="Which one, from 0.")] = "",
    out: Out = "",
    workers: Workers = "",
    timeout: Timeout = "",
    retry: Retry = False,
    script: Annotated[str, typer.Option("--script", metavar="FILE.sh", help="Write a Slurm job script instead.")] = "",
    json: Json = "",
) -> None:
    """Run every N-th point of a sweep, or write the Slurm job array that runs them all; `merge` joins the shards."""
    from accelsim.store import write_all
    from accelsim.sweeps.door import folder_of
    from accelsim.sweeps.draw import Shard, known
    from accelsim.sweeps.slurm import script as job

    spec, count = _spec(file), whole(of, "--of", 1)
    if not known(spec):
        raise InputError(f"{spec.place('search')}: {spec.search.mode} chooses points by earlier ones; it has no shards")
    base = out or str(folder_of(spec))
    if script:
        text = job(file, spec.name, base, count, whole(workers or "1", "workers", 1))
        as_json = wants_json(json)
        write_all(Path(script).parent, {Path(script).name: text.encode()})
        print_json({"script": script, "shards": count}) if as_json else say(f"written to {script}: sbatch {script}")
        return
    if not index:
        raise InputError("shard needs --index I (from 0), or --script FILE.sh")
    part = Shard(whole(index, "--index", 0), count)
    _run(spec, Path(out) if out else Path(base) / f"shard-{part.index}", workers, timeout, retry, "", json, part)


def _run(
    spec: SweepSpec, folder: Path, workers: str, timeout: str, retry: bool, dask: str, json: str, part: Any
) -> None:
    from accelsim.sweeps.door import opener
    from accelsim.sweeps.runner import run_sweep

    as_json, limit = wants_json(json), _seconds(timeout, spec)
    pool = opener(whole(workers, "workers", 1) if workers else None, limit, dask)
    with Display(spec) as display:
        try:
            summary = run_sweep(spec, folder, pool, shard=part, retry=retry, watch=display.show)
        except KeyboardInterrupt:
            display.stop()
            sys.stderr.write(f"stopped: {display.settled} points are kept in {folder}; the same command goes on\n")
            raise
    print_json(summary.as_dict()) if as_json else _print_summary(summary)
    if summary.counts["failed"]:
        raise typer.Exit(1)


class Display:
    """A bar with rate, time to go and best so far, on stderr when that is a terminal."""

    def __init__(self, spec: SweepSpec) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        console = Console(stderr=True)
        columns = (TextColumn(spec.name), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._task = self._progress.add_task("binding points", total=None)
        self._goal = spec.goals[0].text
        self.settled = 0

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Leave the terminal as it was."""
        self._progress.stop()

    def show(self, state: State) -> None:
        """The state after a point."""
        self.settled = state.settled
        self._progress.update(
            self._task, completed=state.settled, total=state.total, description=describe(state, self._goal)
        )


def describe(state: State, goal: str) -> str:
    """A state as text."""
    parts = []
    if state.ran:
        parts.append(f"{state.rate:.2f}/s" if state.rate < 10 else f"{state.rate:.0f}/s")
        left = round(state.eta_s or 0)
        parts.append(f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d} to go")
    if state.failed:
        parts.append(f"{state.failed} failed")
    if state.best is not None:
        at = ", ".join(f"{name.rsplit('.', 1)[-1]} {value}" for name, value in state.best[1].items())
        parts.append(f"best {goal} {state.best[0]:.4g} at {at}")
    return " | ".join(parts) or "starting"


def _print_summary(summary: Summary) -> None:
    counts = ", ".join(f"{count} {status}" for status, count in summary.counts.items() if count)
    for number, error in summary.failed[:20]:
        say(f"point {number} failed: {error}")
    if len(summary.failed) > 20:
        say(f"... and {len(summary.failed) - 20} more; `accelsim sweep results` lists all")
    say(
        f"{summary.name}: {summary.points} points ({counts or 'none'}), {summary.ran} run now; kept in {summary.folder}"
    )
    if summary.failed:
        say("failed points are run again with --retry")


@sweep.command()
def status(folder: Dir, json: Json = "") -> None:
    """Points by status, and the failed ones with their errors."""
    from accelsim.sweeps.record import Record
    from accelsim.sweeps.runner import summarise

    as_json = wants_json(json)
    with Record(Path(folder)) as record:
        summary = summarise(record, record.meta().get("name", ""), folder)
    print_json(summary.as_dict()) if as_json else _print_summary(summary)


def _goals(text: str, meta: dict[str, str]) -> tuple[Goal, ...]:
    from json import loads

    from accelsim.space.types import Goal

    given = [part.strip() for part in text.split(",") if part.strip()] or loads(meta["goals"])
    return tuple(Goal(one.removeprefix("max ").removeprefix("min ").strip(), one.startswith("max ")) for one in given)


def _rows(folder: str) -> tuple[dict[str, str], list[Row]]:
    from accelsim.sweeps.record import Record

    with Record(Path(folder)) as record:
        return record.meta(), list(record.rows())


def _print_rows(title: str, rows: list[Row], goals: tuple[Goal, ...]) -> None:
    from accelsim.sweeps.tables import figure

    names = list(dict.fromkeys(name for row in rows for name in row.params))
    columns = [("point", True), *((name, True) for name in names), *((goal.text, True) for goal in goals)]
    columns += [("status", False), ("why", False)]
    table = []
    for row in rows:
        values = [f"{figure(row, goal.figure):.5g}" if row.figures else "" for goal in goals]
        table.append([str(row.number), *(str(row.params.get(n, "")) for n in names), *values, row.status, row.reason])
    print_table(title, columns, table)


@sweep.command()
def results(folder: Dir, objectives: Objectives = "", json: Json = "") -> None:
    """All points with parameters, totals and status."""
    as_json = wants_json(json)
    meta, rows = _rows(folder)
    if as_json:
        print_json({"name": meta.get("name", ""), "points": [row.as_dict() for row in rows]})
    else:
        _print_rows(f"{meta.get('name', '')}: {len(rows)} points", rows, _goals(objectives, meta))


@sweep.command()
def pareto(folder: Dir, objectives: Objectives = "", json: Json = "") -> None:
    """The finished points that no other point beats in every objective."""
    from accelsim.sweeps.tables import front

    as_json = wants_json(json)
    meta, rows = _rows(folder)
    goals = _goals(objectives, meta)
    best = front(rows, goals)
    if as_json:
        print_json({"name": meta["name"], "objectives": [g.text for g in goals], "points": [r.as_dict() for r in best]})
    else:
        _print_rows(f"{meta['name']}: {len(best)} of {len(rows)} points on the front", best, goals)


@sweep.command()
def export(
    folder: Dir,
    target: Annotated[str, typer.Argument(metavar="FILE.csv|FILE.parquet", help="What to write.")] = "",
    format: Annotated[str, typer.Option("--format", metavar="csv|parquet", help="Default: by the file's end.")] = "",
    json: Json = "",
) -> None:
    """Write all points as one table, ordered by number; without a file, CSV on stdout."""
    from accelsim.store import write_all
    from accelsim.sweeps import tables

    as_json = wants_json(json)
    kind = format or (Path(target).suffix.removeprefix(".") if target else "csv")
    if kind not in tables.FORMATS:
        raise InputError(f"export to {(format or target)!r}; {nearest(kind, tables.FORMATS)}")
    if not target and (kind != "csv" or as_json):
        raise InputError(f"export as {kind} needs a file to write")
    _, rows = _rows(folder)
    data = tables.to_csv(rows) if kind == "csv" else tables.to_parquet(rows)
    if not target:
        say(data.decode())
        return
    write_all(Path(target).parent, {Path(target).name: data})
    print_json({"file": target, "points": len(rows)}) if as_json else say(f"{len(rows)} points written to {target}")


@sweep.command()
def plot(
    folder: Dir,
    out: Annotated[str, typer.Option("--out", "-o", metavar="DIR", help="Folder to write (default: DIR).")] = "",
    json: Json = "",
) -> None:
    """Draw the figures that the sweep's file names under `plots`, as PNG and SVG."""
    from json import loads

    from accelsim.plot.sweep import draw
    from accelsim.space.spec import Plot
    from accelsim.store import write_all
    from accelsim.sweeps.tables import cells

    as_json = wants_json(json)
    meta, rows = _rows(folder)
    plots = [Plot(**one) for one in loads(meta["plots"])]
    if not plots:
        raise InputError(f"the sweep in {folder} names no `plots`")
    files = {name: data for one in plots for name, data in draw(one, cells(one, rows)).items()}
    write_all(Path(out or folder), files)
    print_json({"files": sorted(files)}) if as_json else say(f"written to {out or folder}: {', '.join(sorted(files))}")


@sweep.command()
def merge(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder of the whole sweep.")],
    shards: Annotated[list[str], typer.Argument(metavar="SHARD...", help="Folders of its shards.")],
    json: Json = "",
) -> None:
    """Join the shards of a sweep; `accelsim sweep FILE --out DIR` then runs what is missing."""
    from accelsim.sweeps.merge import merge as join

    as_json = wants_json(json)
    summary = join(Path(folder), [Path(shard) for shard in shards])
    print_json(summary.as_dict()) if as_json else _print_summary(summary)
    if summary.counts["failed"]:
        raise typer.Exit(1)
