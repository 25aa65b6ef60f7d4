"""Dotted paths into a machine's document: `array.rows`, `memories.SRAM.capacity`, `dram.bandwidth`, and short forms."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from accelsim.errors import InputError, nearest
from accelsim.formats.arch_schema import ArchModel
from accelsim.formats.yaml_text import Path, dotted

Document = dict[str, Any]
OUTERMOST = "glb"
"""Short form of the capacity of the outermost memory, unless a memory is called so."""


def plain(document: Any) -> Document:
    """A parsed document as plain dicts and lists of its own."""
    found: Document = json.loads(json.dumps(document))
    return found


def _parts(text: str) -> list[str]:
    return text.replace("[", ".").replace("]", "").split(".")


def resolve(document: Document, text: str) -> Path:
    """The path that a dotted text names in a machine; memories by name or number, optional keys too.

    Raises:
        InputError: no such path, with the nearest valid one.
    """
    parts = _parts(text)
    short = shorthand(document, text)
    if short is not None:
        return short
    path: Path = ()
    model: Any = ArchModel
    node: Any = document
    for part in parts:
        if isinstance(node, list):
            index = _index(node, part)
            if index is None:
                raise InputError(f"no key {text!r} in a machine; {hint(document, text)}")
            path, node = (*path, index), node[index]
            continue
        fields = model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}
        options = [*fields, *(key for key in (node if isinstance(node, dict) else ()) if key not in fields)]
        if part not in options:
            raise InputError(f"no key {text!r} in a machine; {hint(document, text)}")
        field = fields.get(part)
        path, model = (*path, part), _inner(field.annotation) if field is not None else None
        node = node.get(part) if isinstance(node, dict) else None
        if node is None and model is not None and _is_list(field):
            node = []
    return path


def _is_list(field: Any) -> bool:
    return field is not None and "list[" in str(field.annotation)


def _inner(annotation: Any) -> Any:
    """The model inside Optional, list and Annotated."""
    from types import NoneType
    from typing import get_args, get_origin

    while get_origin(annotation) is not None:
        annotation = next(a for a in get_args(annotation) if a is not NoneType)
    return annotation


def _index(node: list[Any], part: str) -> int | None:
    names = [item.get("name") if isinstance(item, dict) else None for item in node]
    if part in names:
        return names.index(part)
    return int(part) if part.isdigit() and int(part) < len(node) else None


def _leaves(node: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, (*path, key))
    elif isinstance(node, list) and node and isinstance(node[0], dict):
        for k, value in enumerate(node):
            yield from _leaves(value, (*path, k))
    else:
        yield path


def named(document: Document, path: Path) -> str:
    """A path as text, memories by name."""
    if len(path) > 1 and path[0] == "memories" and isinstance(path[1], int):
        return dotted(("memories", str(document["memories"][path[1]].get("name", path[1])), *path[2:]))
    return dotted(path)


def shorthand(document: Document, text: str) -> Path | None:
    """The path of a short form: a memory's name (its capacity), `glb`, or a last key that only one path has."""
    if "." in text or "[" in text or text in document:
        return None
    memories = document.get("memories")
    names = [str(m.get("name", "")) for m in memories if isinstance(m, dict)] if isinstance(memories, list) else []
    same = [k for k, name in enumerate(names) if name == text] or [
        k for k, name in enumerate(names) if name.lower() == text.lower()
    ]
    if len(same) == 1:
        return ("memories", same[0], "capacity")
    if text == OUTERMOST and names:
        return ("memories", 0, "capacity")
    ends = [path for path in _leaves(document) if path and path[-1] == text]
    return ends[0] if len(ends) == 1 else None


def hint(document: Document, text: str, more: Iterable[str] = ()) -> str:
    """The nearest valid paths or short forms, or of `more` names."""
    known = [named(document, path) for path in _leaves(document)]
    tail = [name for name in known if name.rsplit(".", 1)[-1] == _parts(text)[-1]]
    if len(tail) == 1:
        return f"did you mean '{tail[0]}'?"
    close = nearest(text, [*more, *known, *(names(document) if "." not in text else ())])
    return close if close.startswith("did") else nearest(text, [*more, *known])


def get(document: Document, path: Path) -> Any:
    """The value at a path; None if the key is absent."""
    node: Any = document
    for key in path:
        if isinstance(node, dict):
            node = node.get(key)
        elif isinstance(node, list) and isinstance(key, int) and key < len(node):
            node = node[key]
        else:
            return None
    return node


def put(document: Document, path: Path, value: Any) -> None:
    """Set a value; parts of the document that are absent are made."""
    node: Any = document
    for key in path[:-1]:
        if isinstance(node, dict) and node.get(key) is None:
            node[key] = {}
        node = node[key]
    node[path[-1]] = value


def names(document: Document) -> list[str]:
    """All paths that hold values, as text, and their last keys where only one path has them."""
    known = [named(document, path) for path in _leaves(document)]
    ends = [name.rsplit(".", 1)[-1] for name in known]
    return [*known, *(end for end in dict.fromkeys(ends) if ends.count(end) == 1 and end not in known)]
