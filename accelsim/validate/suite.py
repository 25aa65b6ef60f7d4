"""All validations by name; a new one is a file with `compare` and a line here."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from accelsim.errors import InputError, nearest
from accelsim.validate.types import Section

SECTIONS: dict[str, str] = {
    "eyeriss": "accelsim.validate.eyeriss",
    "eyeriss_vgg16": "accelsim.validate.eyeriss_vgg",
    "tpu_v1": "accelsim.validate.tpu",
    "scalesim": "accelsim.validate.scalesim",
    "nvdla": "accelsim.validate.nvdla",
    "gemmini": "accelsim.validate.gemmini",
    "energy": "accelsim.validate.energy",
    "dram": "accelsim.validate.dram",
    "timeloop": "accelsim.validate.timeloop",
}


def compare(name: str, rows: str = "") -> Section:
    """Run one validation, on the rows of a file instead of our own if the validation takes any.

    Raises:
        InputError: no validation has this name, or it takes no rows.
    """
    if name not in SECTIONS:
        raise InputError(f"no validation {name!r}; {nearest(name, SECTIONS)}")
    module = importlib.import_module(SECTIONS[name])
    if not rows:
        found: Callable[[], Section] = module.compare
        return found()
    if not hasattr(module, "compare_rows"):
        raise InputError(f"--rows {rows!r}: {name} takes no rows")
    from_rows: Callable[[str], Section] = module.compare_rows
    return from_rows(rows)


def compare_cases(name: str, cases: str) -> Section:
    """Run one validation on the cases of a file instead of our own.

    Raises:
        InputError: no validation has this name, or it takes no cases.
    """
    if name not in SECTIONS:
        raise InputError(f"no validation {name!r}; {nearest(name, SECTIONS)}")
    module = importlib.import_module(SECTIONS[name])
    if not hasattr(module, "compare_cases"):
        raise InputError(f"--cases {cases!r}: {name} takes no cases, timeloop does")
    from_cases: Callable[[str], Section] = module.compare_cases
    return from_cases(cases)
