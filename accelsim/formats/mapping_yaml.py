"""Constraints on mappings from YAML: factors by place and dim, loop orders, one set for all layers or one by layer.

::

    layers:
      "*": {spatial: {row: {C: 16, R: any}, col: {M: "<= 32"}, only: true}, dataflow: ws}
      stem.conv1: {DRAM: {P: [1, 2, 4], order: [P, Q, C], innermost: C}, stream: {Q: 56}, pe: {M: "<= 16"}}

A place is `spatial`, `stream`, `pe`, `DRAM` or a memory of the machine. A factor is a number, a list, `"<= n"`,
`">= n"` or `any`. With `only: true` dims that are not named have the factor 1 at that place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from accelsim.arch import Accelerator
from accelsim.errors import InputError, nearest
from accelsim.formats.yaml_text import Path as Place
from accelsim.formats.yaml_text import parse, refuse
from accelsim.mapping.constraint import SPREAD, Constraint, Factors, Order
from accelsim.problem import DIMS

Wrong = list[tuple[Place, str]]
AXES = ("row", "col", "diagonal")


class _Reader:
    """Collects every wrong place of a file, so that one error names them all."""

    def __init__(self, arch: Accelerator) -> None:
        self.arch = arch
        self.wrong: Wrong = []
        self.memories = ("DRAM", *(m.name for m in arch.memories))

    def constraint(self, spec: Any, at: Place) -> Constraint:
        """One layer's constraint."""
        factors: list[tuple[str, str, Factors]] = []
        only: set[str] = set()
        orders: list[tuple[str, Order]] = []
        dataflow = None
        if not isinstance(spec, dict):
            self.wrong.append((at, f"{spec!r}, expected places (spatial, stream, pe, {', '.join(self.memories)})"))
            return Constraint()
        for key, value in spec.items():
            here = (*at, str(key))
            if key == "dataflow":
                dataflow = self._dataflow(value, here)
            elif key == "spatial":
                self._spatial(value, here, factors, only)
            elif key in ("stream", "pe", *self.memories):
                order = self._place(str(key), value, here, factors, only, key in self.memories)
                if order != Order():
                    orders.append((str(key), order))
            else:
                known = ("dataflow", "spatial", "stream", "pe", *self.memories)
                self.wrong.append((here, f"unknown place; {nearest(str(key), known)}"))
        return Constraint(tuple(factors), frozenset(only), tuple(orders), dataflow)

    def _dataflow(self, value: Any, at: Place) -> Any:
        if value != self.arch.array.dataflow:
            self.wrong.append((at, f"{value!r}, but {self.arch.name} is wired for {self.arch.array.dataflow}"))
        return self.arch.array.dataflow

    def _spatial(self, value: Any, at: Place, factors: list[tuple[str, str, Factors]], only: set[str]) -> None:
        if not isinstance(value, dict):
            self.wrong.append((at, f"{value!r}, expected {', '.join(AXES)}"))
            return
        for axis, dims in value.items():
            if axis == "only":
                only |= set(SPREAD) if dims is True else set()
            elif axis in AXES:
                self._place(str(axis), dims, (*at, str(axis)), factors, only, False)
            else:
                self.wrong.append(((*at, str(axis)), f"unknown axis; {nearest(str(axis), (*AXES, 'only'))}"))

    def _place(
        self, place: str, value: Any, at: Place, factors: list[tuple[str, str, Factors]], only: set[str], ordered: bool
    ) -> Order:
        if not isinstance(value, dict):
            self.wrong.append((at, f"{value!r}, expected factors by dim"))
            return Order()
        outside: tuple[str, ...] = ()
        innermost = ""
        for key, given in value.items():
            here = (*at, str(key))
            if key == "only":
                only |= {place} if given is True else set()
            elif key == "order" and ordered:
                outside = (
                    tuple(self._dim(d, (*here, i)) for i, d in enumerate(given)) if isinstance(given, list) else ()
                )
                if not outside:
                    self.wrong.append((here, f"{given!r}, expected a list of dims, outer to inner"))
            elif key == "innermost" and ordered:
                innermost = self._dim(given, here)
            elif key in DIMS:
                factors.append((place, str(key), self._factors(given, here)))
            else:
                known = (*DIMS, "only", *(("order", "innermost") if ordered else ()))
                self.wrong.append((here, f"unknown key; {nearest(str(key), known)}"))
        return Order(outside, innermost)

    def _dim(self, value: Any, at: Place) -> str:
        if value not in DIMS:
            self.wrong.append((at, f"{value!r}, expected a dim of {' '.join(DIMS)}"))
            return DIMS[0]
        return str(value)

    def _factors(self, value: Any, at: Place) -> Factors:
        numbers = list(value) if isinstance(value, list) else [value]
        if all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in numbers) and numbers:
            return Factors(among=tuple(int(n) for n in numbers))
        if value == "any":
            return Factors()
        sign, _, text = str(value).partition(" ")
        if sign in ("<=", ">=") and text.strip().isdigit() and int(text) >= 1:
            return Factors(high=int(text)) if sign == "<=" else Factors(low=int(text))
        self.wrong.append((at, f'{value!r}, expected a number from 1, a list of them, "<= n", ">= n" or any'))
        return Factors()


def load_constraints(path: str, arch: Accelerator) -> dict[str, Constraint]:
    """Constraints by layer name, `*` for all layers that are not named.

    Raises:
        InputError: not readable or wrong, with file, line, column, key, value and what was expected.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from None
    document = parse(text, path, "constraints by place, or `layers`")
    reader = _Reader(arch)
    if "layers" in document:
        for key in document:
            if key != "layers":
                reader.wrong.append(((str(key),), "with `layers`, expected nothing else at the top"))
        named = document["layers"]
        if not isinstance(named, dict):
            raise InputError(f"{path}: layers: expected constraints by layer name")
        found = {str(name): reader.constraint(spec, ("layers", str(name))) for name, spec in named.items()}
    else:
        found = {"*": reader.constraint(document, ())}
    refuse(document, path, reader.wrong)
    return found
