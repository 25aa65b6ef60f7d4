"""YAML with places: every value can be named by line and column in a message."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError

from accelsim.errors import InputError

Path = tuple[int | str, ...]


def parse(text: str, source: str, expected: str) -> Any:
    """The mapping that a YAML text holds.

    Raises:
        InputError: not YAML, or not a mapping (`expected` says of what), with file, line and column.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ReusedAnchorWarning)
            document = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark is not None else source
        problem = " ".join(str(error.problem or "not YAML").split())
        raise InputError(f"{where}: {problem}") from None
    except ReusedAnchorWarning as error:
        words = str(error).split()
        raise InputError(f"{source}: {' '.join(words[: words.index('first')])}; expected each anchor once") from None
    except (ValueError, TypeError, RecursionError) as error:  # a tag on a value of another kind, a mapping as a key
        raise InputError(f"{source}: {' '.join(str(error).split())}; expected plain YAML") from None
    except YAMLError as error:
        raise InputError(f"{source}: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        given = "nothing" if document is None else type(document).__name__
        raise InputError(f"{source}:1:1: expected {expected}, found {given}")
    return document


def place(document: Any, path: Path) -> tuple[int, int]:
    """1-based line and column of a path, or of the deepest part of it that exists."""
    line, column = 1, 1
    node: Any = document
    for key in path:
        try:
            if hasattr(node, "keys"):
                line, column = (n + 1 for n in node.lc.key(key))
            else:
                line, column = (n + 1 for n in node.lc.item(key))
            node = node[key]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
    return line, column


def dotted(path: Path) -> str:
    """A path as text.

    >>> dotted(("memories", 0, "name"))
    'memories[0].name'
    """
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def refuse(document: Any, source: str, wrong: Iterable[tuple[Path, str]]) -> None:
    """Raise one error with a line per wrong place, in the file's order; nothing if none is wrong."""
    lines = []
    for path, message in wrong:
        line, column = place(document, path)
        lines.append((line, column, f"{source}:{line}:{column}: {dotted(path)}: {message}"))
    if lines:
        raise InputError("\n".join(text for _, _, text in sorted(lines)))
