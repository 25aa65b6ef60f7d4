"""Values of Timeloop files, read with the place of each in messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NoReturn

from accelsim.errors import InputError, nearest
from accelsim.formats.yaml_text import dotted, place

Factor = tuple[str, str, int]
"""(dim, `=` or `<=`, trips); trips of 0 stand for what the other levels leave."""


@dataclass(frozen=True)
class Node:
    """A value of a document and the way to it; `document` is None where there is no text to point into (JSON)."""

    value: Any
    source: str
    path: tuple[int | str, ...] = ()
    document: Any = field(default=None, repr=False)

    def at(self, key: int | str) -> Node:
        """A part of it."""
        return Node(self.value[key], self.source, (*self.path, key), self.document)

    def fail(self, message: str) -> NoReturn:
        """Refuse the value."""
        where = self.source
        if self.document is not None:
            line, column = place(self.document, self.path)
            where = f"{self.source}:{line}:{column}"
        name = dotted(self.path)
        raise InputError(f"{where}: {name}: {message}" if name else f"{where}: {message}")

    def table(self, known: Iterable[str] | None = None, need: Iterable[str] = ()) -> dict[str, Node]:
        """Its entries, if it is a mapping with known keys."""
        if not isinstance(self.value, Mapping):
            self.fail(f"{self.shown()}, expected a mapping")
        keys = None if known is None else list(known)
        for key in self.value:
            if keys is not None and key not in keys:
                self.at(key).fail(f"unknown key {key!r}; {nearest(str(key), keys)}")
        for key in need:
            if key not in self.value:
                self.fail(f"no {key!r}; expected the keys {', '.join(need)}")
        return {str(key): self.at(key) for key in self.value}

    def items(self) -> list[Node]:
        """Its parts, if it is a list."""
        if not isinstance(self.value, list):
            self.fail(f"{self.shown()}, expected a list")
        return [self.at(i) for i in range(len(self.value))]

    def text(self, options: Iterable[str] | None = None) -> str:
        """A text, one of the options if given."""
        if not isinstance(self.value, str):
            self.fail(f"{self.shown()}, expected a text")
        if options is not None and self.value not in (known := list(options)):
            self.fail(f"{self.value!r}; {nearest(self.value, known)}")
        return self.value

    def whole(self, least: int = 1) -> int:
        """A whole number."""
        value = self.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self.fail(f"{self.shown()}, expected a whole number of at least {least}")
        return int(value)

    def number(self) -> Fraction:
        """A number above 0, exactly as written."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            self.fail(f"{self.shown()}, expected a number above 0")
        return Fraction(str(value))

    def shown(self) -> str:
        """The value as it stands in messages."""
        text = repr(self.value) if isinstance(self.value, str | int | float | bool | type(None)) else "a mapping"
        return "a list" if isinstance(self.value, list) else text


def words_of(node: Node) -> list[str]:
    """Words of a text (`C1 M2`, `C=1, M=2`) or of a list of texts."""
    if isinstance(node.value, list):
        return [item.text() for item in node.items()]
    return re.sub(r"\s*(<=|=)\s*", r"\1", node.text()).replace(",", " ").split()


def factors_of(node: Node, dims: Iterable[str]) -> tuple[Factor, ...]:
    """`C1 M=2 R<=3` by dim."""
    known = list(dims)
    found: dict[str, Factor] = {}
    for word in words_of(node):
        match = re.fullmatch(r"([A-Za-z]+?)(<=|=|)(\d+)", word)
        if match is None:
            node.fail(f"factor {word!r}, expected a dim and a number such as C4, C=4 or C<=4")
        dim, relation, trips = match.groups()
        if dim not in known:
            node.fail(f"factor {word!r}: dim {dim!r}; {nearest(dim, known)}")
        if dim in found:
            node.fail(f"factor {word!r}: {dim} is given twice")
        found[dim] = (dim, relation or "=", int(trips))
    return tuple(found.values())


def order_of(node: Node, dims: Iterable[str], star: bool = False) -> tuple[str, ...]:
    """Dims of a permutation, innermost first, each at most once; `star` allows one `*` for all others."""
    known = [*dims, *("*" if star else "")]
    words = words_of(node)
    letters = [letter for word in words for letter in (word if word not in known else [word])]
    for letter in letters:
        if letter not in known:
            node.fail(f"permutation {node.value!r}: dim {letter!r}; {nearest(letter, known)}")
        if letters.count(letter) > 1:
            node.fail(f"permutation {node.value!r}: {letter} stands twice")
    return tuple(letters)
