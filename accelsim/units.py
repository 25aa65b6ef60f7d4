"""Quantities with units at the door, fixed integers inside: bits, hertz, bits per second, cycles, femtojoules.

>>> bits("108 KiB"), hertz("200 MHz"), bits_per_second("25.6 GB/s")
(884736, 200000000, 204800000000)
>>> femtojoules_per_bit("0.25 pJ/bit"), cycles("100 ns", 200_000_000)
(250, 20)
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from accelsim.errors import InputError, nearest

SIZES = {"bit": 1, "B": 8, "KiB": 8 * 2**10, "MiB": 8 * 2**20, "GiB": 8 * 2**30, "kB": 8000, "MB": 8 * 10**6}
FREQUENCIES = {"Hz": 1, "kHz": 10**3, "MHz": 10**6, "GHz": 10**9}
BANDWIDTHS = {"bit/s": 1, "MB/s": 8 * 10**6, "GB/s": 8 * 10**9, "TB/s": 8 * 10**12, "Gbit/s": 10**9, "Mbit/s": 10**6}
PORTS = {"bit/cycle": 1, "B/cycle": 8}
WORD_PORTS = {"words/cycle": 1, "word/cycle": 1}
WORDS = {"words": 1, "word": 1}
ENERGIES = {"fJ": 1, "pJ": 10**3, "nJ": 10**6}
ENERGIES_PER_BIT = {"fJ/bit": 1, "pJ/bit": 10**3, "nJ/bit": 10**6}
POWERS = {"uW": Fraction(1, 10**6), "mW": Fraction(1, 10**3), "W": Fraction(1)}
LENGTHS = {"nm": 1}
TIMES = {"ps": Fraction(1, 10**12), "ns": Fraction(1, 10**9), "us": Fraction(1, 10**6), "ms": Fraction(1, 10**3)}

_FORM = re.compile(r"\s*([^\s]+?)\s*([A-Za-z][A-Za-z/]*)\s*")


def _parse(text: object, table: dict[str, int] | dict[str, Fraction], what: str, example: str, zero: bool) -> Fraction:
    """The value of a quantity in the table's base unit."""
    expected = f"expected {what} such as '{example}'"
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise InputError(f"{text!r} is not {what}; {expected}")
    if not isinstance(text, str):
        raise InputError(f"{text!r} has no unit; {expected}")
    match = _FORM.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} is not {what}; {expected}")
    number, unit = match.groups()
    try:
        value = Decimal(number.replace("_", ""))
    except InvalidOperation:
        raise InputError(f"{text!r} is not {what}: {number!r} is not a number; {expected}") from None
    if not value.is_finite():
        raise InputError(f"{text!r} is not {what}: {number!r} is not finite; {expected}")
    if unit not in table:
        raise InputError(f"{text!r} has unit {unit!r}, which is not a unit here: {nearest(unit, table)}; {expected}")
    if value < 0 or (value == 0 and not zero):
        raise InputError(f"{text!r} is not positive; {expected}")
    return Fraction(value) * Fraction(table[unit])


def _whole(value: Fraction, text: object, base: str) -> int:
    if value.denominator != 1:
        raise InputError(f"{text!r} is not a whole number of {base}")
    return int(value)


def bits(text: object) -> int:
    """A size, such as '108 KiB', '16 bit' or '448 B', in bits."""
    return _whole(_parse(text, SIZES, "a size", "108 KiB", zero=False), text, "bits")


def hertz(text: object) -> int:
    """A frequency, such as '200 MHz', in Hz."""
    return _whole(_parse(text, FREQUENCIES, "a frequency", "200 MHz", zero=False), text, "Hz")


def bits_per_second(text: object) -> int:
    """A bandwidth, such as '25.6 GB/s' (decimal), in bits per second."""
    return _whole(_parse(text, BANDWIDTHS, "a bandwidth", "25.6 GB/s", zero=False), text, "bits per second")


def bits_per_cycle(text: object) -> int:
    """A port width, such as '64 bit/cycle' or '8 B/cycle', in bits per cycle."""
    return _whole(_parse(text, PORTS, "a port width", "64 bit/cycle", zero=False), text, "bits per cycle")


def words_per_cycle(text: object) -> int:
    """A bus width, such as '4 words/cycle', in words per cycle."""
    return _whole(_parse(text, WORD_PORTS, "a bus width", "4 words/cycle", zero=False), text, "words per cycle")


def words(text: object) -> int:
    """A number of words, such as '224 words'."""
    return _whole(_parse(text, WORDS, "a number of words", "224 words", zero=False), text, "words")


def femtojoules(text: object) -> int:
    """An energy, such as '2.5 pJ', in femtojoules; zero is allowed."""
    return _whole(_parse(text, ENERGIES, "an energy", "2.5 pJ", zero=True), text, "femtojoules")


def femtojoules_per_bit(text: object) -> int:
    """An energy per bit, such as '0.25 pJ/bit', in whole femtojoules per bit; zero is allowed."""
    value = _parse(text, ENERGIES_PER_BIT, "an energy per bit", "0.25 pJ/bit", zero=True)
    return _whole(value, text, "femtojoules per bit")


def femtojoules_per_cycle(text: object, clock_hz: int) -> int:
    """A power, such as '3 mW', in femtojoules per cycle of a clock, rounded to the nearest; zero is allowed."""
    return round(_parse(text, POWERS, "a power", "3 mW", zero=True) * 10**15 / clock_hz)


def milliwatts(text: object) -> float:
    """A power, such as '3 mW', in milliwatts; zero is allowed."""
    return float(_parse(text, POWERS, "a power", "3 mW", zero=True) * 1000)


def nanometres(text: object) -> int:
    """A technology node, such as '65 nm', in whole nanometres."""
    return _whole(_parse(text, LENGTHS, "a node", "65 nm", zero=False), text, "nanometres")


def cycles(text: object, clock_hz: int) -> int:
    """A time, such as '100 ns', in cycles of a clock, rounded up; zero is allowed."""
    value = _parse(text, TIMES, "a time", "100 ns", zero=True) * clock_hz
    return -(-value.numerator // value.denominator)


PREFIXES = ((12, "T"), (9, "G"), (6, "M"), (3, "k"), (0, ""), (-3, "m"), (-6, "u"), (-9, "n"))


def _prefix(value: float) -> tuple[int, str]:
    """(power of ten, SI prefix) that a value is best shown with."""
    return next((pair for pair in PREFIXES if abs(value) >= 0.9995 * 10 ** pair[0]), PREFIXES[-1])


def fmt_si(value: float, unit: str = "") -> str:
    """A number with three significant digits and an SI prefix.

    >>> fmt_si(300_774_272), fmt_si(0.0021, "s"), fmt_si(0)
    ('301 M', '2.1 ms', '0')
    """
    if value == 0:
        return f"0 {unit}".strip()
    power, prefix = _prefix(value)
    return f"{value / 10**power:.3g} {prefix}{unit}".strip()


def fmt_bytes(size_bits: float) -> str:
    """A size in binary bytes.

    >>> fmt_bytes(884736)
    '108 KiB'
    """
    size = size_bits / 8
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:.4g} {unit}"


def fmt_energy(energy_fj: float) -> str:
    """An energy in joules with a prefix.

    >>> fmt_energy(2_500_000_000)
    '2.5 uJ'
    """
    return fmt_si(energy_fj * 1e-15, "J")


def fmt_span(energy_fj: float, low_fj: float, high_fj: float) -> str:
    """An energy with its range, all in the prefix of the energy.

    >>> fmt_span(11_100_000_000_000, 6_200_000_000_000, 19_400_000_000_000)
    '11.1 mJ (6.2 to 19.4)'
    >>> fmt_span(982_000_000_000, 614_000_000_000, 1_934_000_000_000)
    '982 uJ (614 to 1,930)'
    """
    if not energy_fj:
        return fmt_energy(energy_fj)
    scale = 1e-15 / 10.0 ** _prefix(energy_fj * 1e-15)[0]
    low, high = (f"{float(f'{end * scale:.3g}'):,g}" for end in (low_fj, high_fj))
    return f"{fmt_energy(energy_fj)} ({low} to {high})"
