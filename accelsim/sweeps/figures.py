"""Figures of a run by dotted path, and what of a report is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from accelsim.errors import InputError, nearest
from accelsim.report import RunReport

DROPPED = ("energy_ranges", "traffic")
"""Totals that are kept with whole reports only: large, and seldom an objective."""
Figures = dict[str, Any]


def derived(report: RunReport) -> dict[str, float | None]:
    """Figures that are not in report.json: EDP in pJ s, area in mm2 (None without a node), mean power in W."""
    joules = report.totals.total_energy_fj * 1e-15
    area = report.area_mm2["total"] if report.area_mm2 is not None else None
    return {
        "edp": report.totals.total_energy_fj / 1000 * report.totals.seconds,
        "area_mm2": area,
        "power_w": joules / report.totals.seconds,
    }


def kept_totals(totals: Mapping[str, Any]) -> Figures:
    """The totals of report.json without what is dropped."""
    return {name: value for name, value in totals.items() if name not in DROPPED}


def dig(data: Any, path: str) -> float:
    """The number at a dotted path; layers by number or name in brackets, `layers[stem.conv1].cycles`.

    Raises:
        InputError: nothing there, with the nearest names, or no number.
    """
    node = data
    done: list[str] = []
    for bracketed, bare in re.findall(r"\[([^\]]+)\]|([^.\[\]]+)", path):
        part = bracketed or bare
        node = _step(node, part, path, done)
        done.append(part)
    if isinstance(node, bool) or not isinstance(node, int | float):
        inside = f"; it has {', '.join(map(str, node))}" if isinstance(node, dict) else ""
        raise InputError(f"figure {path!r} is not a number{inside}")
    return node


def _step(node: Any, part: str, path: str, done: list[str]) -> Any:
    if isinstance(node, dict):
        if part in node:
            return node[part]
        raise InputError(f"no figure {path!r}: no {part!r} in {'.'.join(done) or 'a report'}; {nearest(part, node)}")
    if isinstance(node, list):
        names = [item.get("name", "") if isinstance(item, dict) else "" for item in node]
        if part in names:
            return node[names.index(part)]
        if part.isdigit() and int(part) < len(node):
            return node[int(part)]
        raise InputError(f"no figure {path!r}: no {part!r} in {'.'.join(done)}; {nearest(part, filter(None, names))}")
    raise InputError(f"no figure {path!r}: {'.'.join(done)} is a single value")
