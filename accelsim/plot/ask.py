"""What a user may ask of a view, and what a title says of a run."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.errors import InputError, nearest
from accelsim.report import LayerResult, RunReport


@dataclass(frozen=True)
class Ask:
    """Choices of views that have any.

    Attributes:
        layer: which layer, default the slowest that fits the view. level: which memory (roofline). cycles: how many
            (film). x, y: columns of points (Pareto front, ski-slope).
    """

    layer: str = ""
    level: str = ""
    cycles: int = 12
    x: str = ""
    y: str = ""


NOTHING = Ask()


def run_title(what: str, report: RunReport) -> str:
    """What a figure shows, and of which run."""
    return f"{what}: {report.model} on {report.machine.name}, batch {report.batch}"


def costly(report: RunReport) -> list[LayerResult]:
    """The layers that take time."""
    return [layer for layer in report.results if layer.cycles]


def chosen(report: RunReport, name: str, fits: list[LayerResult], what: str) -> LayerResult:
    """The layer of that name, or the slowest that fits.

    Raises:
        InputError: no such layer, it does not fit the view, or no layer does.
    """
    if name:
        names = [layer.name for layer in report.results]
        if name not in names:
            raise InputError(f"no layer {name!r} in this report; {nearest(name, names)}")
        found = next(layer for layer in report.results if layer.name == name)
        if found not in fits:
            some = ", ".join(layer.name for layer in fits[:3]) or "none"
            raise InputError(f"layer {name!r} ({found.op}) has {what}; layers that fit: {some}")
        return found
    if not fits:
        raise InputError(f"{report.model}: every layer has {what}")
    return max(fits, key=lambda layer: layer.cycles)
