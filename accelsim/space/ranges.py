"""Ranges of a sweep file as values: `{from: 8, to: 64, step: 8}`, `factor: 2`, `points: 5, scale: log`."""

from __future__ import annotations

from fractions import Fraction

from accelsim.errors import InputError
from accelsim.space.quantity import UNITS, Quantity, Scalar, number, shown, unit_of
from accelsim.space.types import Interval

LONGEST = 100_000  # values of one range


def interval(low: Scalar, high: Scalar, log: bool = False, rounding: Scalar | None = None) -> Interval:
    """The interval between two values; whole numbers stay whole, quantities stay whole units.

    Raises:
        InputError: not numbers, not of one kind, or the wrong way round.
    """
    ends = []
    for name, value in (("from", low), ("to", high)):
        found = number(value)
        if found is None:
            raise InputError(f"{name}: {value!r} is not a number or a quantity such as '64 KiB'")
        ends.append(found)
    unit = unit_of(low) if isinstance(low, str) else ""
    grain = Fraction(0)
    if ends[0].base:
        scale = UNITS[unit][1]
        grain = scale if all((end.value / scale).denominator == 1 for end in ends) else Fraction(1)
    elif all(isinstance(value, int) for value in (low, high)):
        grain = Fraction(1)
    if rounding is not None:
        given = number(rounding)
        if given is None or given.base != ends[0].base or given.value <= 0:
            raise InputError(f"round: {rounding!r}, expected {ends[0].kind} above 0")
        grain = given.value
    return Interval(ends[0], ends[1], unit, log, grain)


def stepped(span: Interval, step: Scalar) -> tuple[Scalar, ...]:
    """Values from the start in equal steps, the end included if it is met."""
    by = number(step)
    if by is None or by.base != span.low.base or by.value <= 0:
        raise InputError(f"step: {step!r}, expected {span.low.kind} above 0")
    count = int((span.high.value - span.low.value) / by.value) + 1
    _limit(count)
    return tuple(_shown(span, span.low.value + k * by.value) for k in range(count))


def multiplied(span: Interval, factor: Scalar) -> tuple[Scalar, ...]:
    """Values from the start, each a factor of the one before."""
    by = number(factor)
    if by is None or by.base or by.value <= 1:
        raise InputError(f"factor: {factor!r}, expected a number above 1")
    if span.low.value <= 0:
        raise InputError("factor from a start that is not positive")
    found, value = [], span.low.value
    while value <= span.high.value:
        found.append(_shown(span, value))
        value *= by.value
        _limit(len(found))
    return tuple(found)


def spaced(span: Interval, points: int) -> tuple[Scalar, ...]:
    """So many values from end to end, equal after rounding ones once."""
    if points < 1:
        raise InputError(f"points: {points}, expected at least 1")
    _limit(points)
    if points == 1:
        return (span.at(0.0),)
    ends = {0: _shown(span, span.low.value), points - 1: _shown(span, span.high.value)}
    return tuple(dict.fromkeys(ends.get(k, span.at(k / (points - 1))) for k in range(points)))


def _shown(span: Interval, value: Fraction) -> Scalar:
    return shown(Quantity(value, span.low.base), span.unit)


def _limit(count: int) -> None:
    if count > LONGEST:
        raise InputError(f"a range of more than {LONGEST:,} values")
