"""Mappings on disk by content: a search whose problem, machine and options are unchanged is not run again.

A file holds one mapping and what was proven about it, with a digest of both. It is written beside its place and moved
there, so a reader sees all of it or nothing; a file that is torn, foreign or of another problem counts as absent. Keys
hold the state of the package's source, since a changed search may find another mapping.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from accelsim.errors import AccelsimError
from accelsim.formats.canonical import canonical
from accelsim.jit import cache_root, package_state
from accelsim.mapper.exact.search import Found, Request
from accelsim.mapping import Loop, Mapping, TileLevel

SCHEMA = 3


def key_of(request: Request, state: str = "") -> str:
    """Content hash of a request and of the code that answers it, whose state is looked up unless it is given."""
    text = json.dumps([SCHEMA, state or package_state(), canonical(request)], sort_keys=True)
    return sha256(text.encode()).hexdigest()


def _as_dict(mapping: Mapping, found: Found) -> dict[str, Any]:
    return {
        "levels": [[level.memory, [[loop.dim, loop.trips] for loop in level.loops]] for level in mapping.levels],
        "stream": [[loop.dim, loop.trips] for loop in mapping.stream],
        "spatial": [[loop.dim, loop.trips, loop.kind] for loop in mapping.spatial],
        "pe": [[loop.dim, loop.trips] for loop in mapping.pe],
        "bypass": sorted(mapping.bypass),
        "found": {f.name: getattr(found, f.name) for f in fields(found) if f.name != "best"},
    }


def _from_dict(data: dict[str, Any], request: Request) -> tuple[Mapping, Found]:
    mapping = Mapping(
        request.problem,
        request.arch.array.dataflow,
        tuple(TileLevel(memory, tuple(Loop(*loop) for loop in loops)) for memory, loops in data["levels"]),
        tuple(Loop(*loop) for loop in data["stream"]),
        tuple(Loop(*loop) for loop in data["spatial"]),
        tuple(Loop(*loop) for loop in data["pe"]),
        request.resident,
        frozenset((memory, operand) for memory, operand in data["bypass"]),
        request.partly,
    )
    return mapping, Found((), **data["found"])


class MappingCache:
    """A folder of mappings.

    Attributes:
        writable: False if the folder cannot be made or written; nothing is kept then.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder) if folder is not None else cache_root() / "mappings"
        self.writable, self.state = True, package_state()
        self._last: tuple[Request, str] | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            self.writable = False
        self.writable = self.writable and os.access(self.folder, os.W_OK)

    def _place(self, request: Request) -> Path:
        if self._last is None or self._last[0] is not request:
            self._last = request, key_of(request, self.state)
        key = self._last[1]
        return self.folder / key[:2] / f"{key[2:]}.json"

    def get(self, request: Request) -> tuple[Mapping, Found] | None:
        """The mapping kept for a request; None if there is none, or if its file is not whole."""
        try:
            kept = json.loads(self._place(request).read_text(encoding="utf-8"))
            if kept["digest"] != _digest(kept["data"]):
                return None
            return _from_dict(kept["data"], request)
        except (OSError, ValueError, KeyError, TypeError, AccelsimError):
            return None

    def put(self, request: Request, mapping: Mapping, found: Found) -> None:
        """Keep a mapping; a full or read-only disk keeps nothing."""
        if not self.writable:
            return
        data, place = _as_dict(mapping, found), self._place(request)
        text = json.dumps({"digest": _digest(data), "data": data}, sort_keys=True)
        name = ""
        try:
            place.parent.mkdir(exist_ok=True)
            handle, name = tempfile.mkstemp(dir=place.parent, suffix=".part")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).replace(place)
        except OSError:
            self.writable = False
            with suppress(OSError):
                if name:
                    Path(name).unlink()

    def clear(self) -> None:
        """Forget everything."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)


def _digest(data: Any) -> str:
    return sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
