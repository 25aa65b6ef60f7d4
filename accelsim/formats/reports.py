"""Reading back what a run left behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from accelsim.energy.figures import Range
from accelsim.errors import InputError

FJ_PER_PJ = 1000


def _load(name: str) -> Any:
    try:
        return json.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"cannot read the report {name!r}: {reason}") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None


def read_energy(name: str) -> tuple[dict[str, int], dict[str, Range]]:
    """(femtojoules by component, ranges by component) of a `report.json`.

    Raises:
        InputError: no report, or one of a version without ranges.
    """
    data = _load(name)
    try:
        energy = {c: round(v * FJ_PER_PJ) for c, v in data["totals"]["energy_by_component_pj"].items()}
        rows = [Range(**row) for row in data["energy_model"]["ranges"]]
    except (KeyError, TypeError, AttributeError):
        raise InputError(
            f"{name}: expected a report.json of `accelsim run`, with totals.energy_by_component_pj and energy_model"
        ) from None
    return energy, {row.component: row for row in rows}
