"""Compilation of the hot loops: `numba.njit` with its cache in a writable place.

A module that uses `compiled` imports numba, so such modules are imported inside the functions that need them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

# where compiled code is
COMPILED = (
    "dram/kernel.py", "dram/phase.py", "mapper", "timing", "sim/sweep.py", "sim/events.py", "sim/homes.py",
    "sim/commands.py", "sim/periods.py", "sim/queues.py",
)  # fmt: skip
F = TypeVar("F", bound=Callable[..., Any])


def package_state(*parts: str) -> str:
    """A digest of names, sizes and times of this package's modules, or of those in the named parts."""
    here = Path(__file__).parent
    places = [here / part for part in parts or (".",)]
    files = sorted(f for place in places for f in ([place] if place.is_file() else place.rglob("*.py")))
    marks = "".join(f"{f.relative_to(here)} {f.stat().st_size} {f.stat().st_mtime_ns}\n" for f in files)
    return sha256(f"{here}\n{marks}".encode()).hexdigest()[:16]


def cache_root() -> Path:
    """The user's cache folder for this package."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "accelsim"
    except RuntimeError:  # no home folder
        return Path(tempfile.gettempdir()) / "accelsim-cache"


def cache_folder() -> str:
    """Folder for compiled code: the user's cache folder, or one below the temporary folder if that is read-only.

    Each state of the modules that hold compiled code has a folder of its own, since a function holds a copy of what it
    calls.
    """
    roots = (cache_root() / "numba", Path(tempfile.gettempdir()) / f"accelsim-numba-{os.getuid()}")
    for folder in (root / package_state(*COMPILED) for root in roots):
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
    made: F = numba.njit(cache=True, error_model="numpy")(function)
    return made
