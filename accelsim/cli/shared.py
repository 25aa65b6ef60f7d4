"""What all commands share: the application, options, tables, progress and JSON on standard output."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from accelsim import __version__
from accelsim.errors import InputError

app = typer.Typer(
    name="accelsim", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Simulate DNN accelerators and map networks onto them. Counted, timed and computed readings agree exactly.",
)  # fmt: skip
show = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Print a model, a machine or a mapping.")
app.add_typer(show, name="show")


class Goal(StrEnum):
    """What the mapper minimises."""

    edp = "edp"
    energy = "energy"
    latency = "latency"


class Schedule(StrEnum):
    """How layers follow each other."""

    network = "network"
    layerwise = "layerwise"


Arch = Annotated[
    str, typer.Option("--arch", "-a", help="Machine: a name of `accelsim archs`, a YAML file, or a SCALE-Sim .cfg.")
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="Network: a name of `accelsim models`, name:param=value, a .py, .onnx or SCALE-Sim .csv file.",
    ),
]
InputShape = Annotated[
    list[str],
    typer.Option("--input-shape", metavar="NAME=1x3x224x224", help="Shape of an ONNX input with symbolic dims."),
]
EnergyModel = Annotated[
    str,
    typer.Option(
        "--energy", metavar="PRESET|FILE", help="Energies in place of the machine's: 65nm, 45nm, ... or a file."
    ),
]
Dataflow = Annotated[
    str, typer.Option("--dataflow", metavar="ws|os|is|rs", help="In place of the machine's, where its array allows it.")
]
NONE: list[str] = []
Gemm = Annotated[bool, typer.Option("--gemm", help="Rows of a SCALE-Sim .csv are products (name, M, N, K).")]
Batch = Annotated[str, typer.Option("--batch", "-b", metavar="N", help="Images at once.")]
Json = Annotated[str, typer.Option("--json", help="`-` prints one JSON object to stdout instead of text.")]
Scheduled = Annotated[
    Schedule,
    typer.Option("--schedule", help="network: activations stay on chip, layers overlap; layerwise: neither."),
]
Objective = Annotated[Goal, typer.Option("--objective", help="What the mapper minimises.")]


def say(text: str) -> None:
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def wants_json(option: str) -> bool:
    if option not in ("", "-"):
        raise InputError(f"--json {option!r}, expected '-' (standard output)")
    return option == "-"


def whole(text: str, name: str, least: int) -> int:
    """A whole number from the command line."""
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise InputError(f"{name} {text!r}, expected a whole number of at least {least}")
    return value


def shapes_of(options: list[str]) -> dict[str, tuple[int, ...]]:
    """Input shapes from `name=1x3x224x224` options."""
    found = {}
    for option in options:
        name, equals, text = option.rpartition("=")
        sizes = [part for part in text.replace(",", "x").split("x") if part]
        if not equals or not name or not sizes or not all(size.isdigit() and int(size) > 0 for size in sizes):
            raise InputError(f"--input-shape {option!r}, expected NAME=1x3x224x224")
        found[name] = tuple(int(size) for size in sizes)
    return found


def print_json(data: dict[str, Any]) -> None:
    from accelsim.formats.outputs import to_json

    sys.stdout.write(to_json(data))


class Bar:
    """A progress bar on stderr when that is a terminal."""

    def __init__(self, label: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._task = self._progress.add_task(label, total=total)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step(self, label: str) -> None:
        """One layer done."""
        self._progress.update(self._task, advance=1, description=label)


def print_table(title: str, columns: list[tuple[str, bool]], rows: list[list[str]]) -> None:
    """A rich table on stdout; columns are (name, right-aligned)."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name, right in columns:
        table.add_column(
            name, justify="right" if right else "left", no_wrap=not right and name != "why", overflow="fold"
        )
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.print(table, markup=False) if console.is_terminal else Console(width=160).print(table, markup=False)


def _version(value: bool) -> None:
    if value:
        say(f"accelsim {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
