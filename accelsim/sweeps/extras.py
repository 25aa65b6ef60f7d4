"""Packages that only parts of a sweep need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from accelsim.errors import InputError

EXTRAS = {"parquet": "pyarrow", "search": "optuna", "cluster": "dask[distributed]"}


def need(module: str, extra: str) -> Any:
    """A module of an optional package.

    Raises:
        InputError: it is not installed; which extra brings it.
    """
    try:
        return import_module(module)
    except ImportError:
        raise InputError(
            f"{EXTRAS[extra]} is not installed; `pip install accelsim[{extra}]` (or `pip install {EXTRAS[extra]}`)"
        ) from None
