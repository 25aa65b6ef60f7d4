"""Values as JSON with one text for equal content, and where two such texts differ."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any


def canonical(value: Any) -> Any:
    """A value as JSON with one text for equal content: dataclasses by field, sets sorted."""
    if is_dataclass(value) and not isinstance(value, type):
        return {"type": type(value).__name__, **{f.name: canonical(getattr(value, f.name)) for f in fields(value)}}
    if isinstance(value, frozenset | set):
        return sorted(canonical(v) for v in value)
    if isinstance(value, tuple | list):
        return [canonical(v) for v in value]
    return value


def difference(one: Any, two: Any, path: str = "") -> str:
    """The first place where two canonical values differ, with both; empty if they are equal.

    >>> difference({"a": [1, 2]}, {"a": [1, 3]})
    'a[1]: 2, expected 3'
    """
    if isinstance(one, dict) and isinstance(two, dict) and one.keys() == two.keys():
        found = [difference(one[k], two[k], f"{path}.{k}" if path else str(k)) for k in one]
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        found = [difference(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(one, two, strict=True))]
    else:
        return "" if one == two and type(one) is type(two) else f"{path or 'value'}: {one!r}, expected {two!r}"
    return next((text for text in found if text), "")
