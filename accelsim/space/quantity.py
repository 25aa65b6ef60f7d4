"""Numbers with units in the expressions and ranges of a sweep: exact, one base unit per kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from accelsim import units
from accelsim.errors import InputError

_TABLES: tuple[tuple[str, Mapping[str, int | Fraction]], ...] = (
    ("bit", units.SIZES),
    ("Hz", units.FREQUENCIES),
    ("bit/s", units.BANDWIDTHS),
    ("bit/cycle", units.PORTS),
    ("words/cycle", units.WORD_PORTS),
    ("words", units.WORDS),
    ("fJ", units.ENERGIES),
    ("fJ/bit", units.ENERGIES_PER_BIT),
    ("uW", {name: value / units.POWERS["uW"] for name, value in units.POWERS.items()}),
    ("nm", units.LENGTHS),
    ("ps", {name: value / units.TIMES["ps"] for name, value in units.TIMES.items()}),
)
UNITS: dict[str, tuple[str, Fraction]] = {
    name: (base, Fraction(value)) for base, table in _TABLES for name, value in table.items()
}
"""By unit: the base unit of its kind and how many of them it is."""
_FORM = re.compile(r"\s*([+-]?[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z]+(?:/[A-Za-z]+)?)\s*")
DIGITS = 6  # decimals of a shown number; more are written in the base unit

Scalar = int | float | str | bool


@dataclass(frozen=True)
class Quantity:
    """An exact value; `base` is the base unit of its kind, empty for a plain number."""

    value: Fraction
    base: str = ""

    @property
    def kind(self) -> str:
        """For messages."""
        return f"a quantity in {self.base}" if self.base else "a number"


def parse(text: str) -> Quantity | None:
    """A text such as '64 KiB' as a quantity; None if it is none.

    >>> parse("64 KiB"), parse("os")
    (Quantity(value=Fraction(524288, 1), base='bit'), None)
    """
    match = _FORM.fullmatch(text)
    if match is None or match[2] not in UNITS:
        return None
    base, scale = UNITS[match[2]]
    return Quantity(Fraction(match[1].replace("_", "")) * scale, base)


def unit_of(text: str) -> str:
    """The unit of a text that `parse` reads."""
    match = _FORM.fullmatch(text)
    return match[2] if match is not None else ""


def number(value: Scalar) -> Quantity | None:
    """A value of a sweep as a quantity, with or without unit; None for names, flags and infinite numbers."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return parse(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return Quantity(Fraction(str(value)))


def plain(value: Fraction) -> int | float:
    """A number as YAML has it: whole if it is."""
    return int(value) if value.denominator == 1 else float(value)


def shown(quantity: Quantity, unit: str = "") -> Scalar:
    """A quantity as a value of a machine's file: in `unit` if that takes few decimals, else in its base unit.

    >>> shown(Quantity(Fraction(524288), "bit"), "KiB"), shown(Quantity(Fraction(12)))
    ('64 KiB', 12)
    """
    if not quantity.base:
        return plain(quantity.value)
    if unit and (quantity.value / UNITS[unit][1] * 10**DIGITS).denominator == 1:
        return f"{_decimal(quantity.value / UNITS[unit][1])} {unit}"
    if quantity.value.denominator != 1:
        raise InputError(f"{float(quantity.value):g} {quantity.base} is not a whole number of {quantity.base}")
    return f"{quantity.value.numerator} {quantity.base}"


def best_unit(quantity: Quantity) -> str:
    """The largest unit of a quantity's kind in which it is a whole number, else the base unit."""
    fits = [(scale, unit) for unit, (base, scale) in UNITS.items()
            if base == quantity.base and (quantity.value / scale).denominator == 1 and abs(quantity.value) >= scale
            and unit not in ("kB", "MB")]  # fmt: skip
    return max(fits)[1] if fits else quantity.base


def _decimal(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    sign = "-" if value < 0 else ""
    scaled = abs(value) * 10**DIGITS
    return f"{sign}{scaled.numerator // 10**DIGITS}.{scaled.numerator % 10**DIGITS:0{DIGITS}d}".rstrip("0")
