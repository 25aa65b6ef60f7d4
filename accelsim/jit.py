"""Compilation of the hot loops: `numba.njit` with its cache in a writable place.

A module that uses `compiled` imports numba, so such modules are imported inside the functions that need them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def cache_folder() -> str:
    """Folder for compiled code: the user's cache folder, or one below the temporary folder if that is read-only."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    for folder in (Path(base) / "accelsim" / "numba", Path(tempfile.gettempdir()) / f"accelsim-numba-{os.getuid()}"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return str(folder)
    return tempfile.mkdtemp(prefix="accelsim-numba-")


def compiled(function: F) -> F:
    """The function in machine code, compiled at its first call and remembered on disk."""
    numba: Any = import_module("numba")
    if not numba.config.CACHE_DIR:
        numba.config.CACHE_DIR = cache_folder()
    made: F = numba.njit(cache=True)(function)
    return made
