"""Reference tables of the package: CSV with comment lines."""

from __future__ import annotations

import csv

from accelsim.store import reference_text


def table(name: str) -> list[dict[str, str]]:
    """Rows of `validate/data/name`; lines that begin with # are its source and remarks."""
    lines = [line for line in reference_text(name).splitlines() if line and not line.startswith("#")]
    return list(csv.DictReader(lines))
