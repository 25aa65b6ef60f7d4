"""Quantities with units: exact, and refused with what was expected."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accelsim import units
from accelsim.errors import InputError, nearest


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (units.bits, "108 KiB", 108 * 1024 * 8),
        (units.bits, "16 bit", 16),
        (units.bits, "1.5 KiB", 12288),
        (units.bits, "448B", 3584),
        (units.hertz, "0.2 GHz", 200_000_000),
        (units.bits_per_second, "25.6 GB/s", 204_800_000_000),
        (units.bits_per_cycle, "8 B/cycle", 64),
        (units.words_per_cycle, "4 words/cycle", 4),
        (units.words, "224 words", 224),
        (units.femtojoules, "2.5 pJ", 2500),
        (units.femtojoules, "0 pJ", 0),
        (units.femtojoules_per_bit, "0.937 pJ/bit", 937),
        (units.femtojoules_per_bit, "28.75 pJ/bit", 28750),
    ],
)
def test_values(parse: Callable[[object], int], text: str, value: int) -> None:
    assert parse(text) == value


def test_times_and_powers_follow_the_clock() -> None:
    assert units.cycles("100 ns", 200_000_000) == 20
    assert units.cycles("1 ns", 200_000_000) == 1
    assert units.cycles("0 ns", 10**9) == 0
    assert units.femtojoules_per_cycle("3 W", 10**9) == 3_000_000
    assert units.femtojoules_per_cycle("0 mW", 10**9) == 0


@pytest.mark.parametrize(
    ("parse", "value", "message"),
    [
        (units.bits, 108, "108 has no unit; expected a size such as '108 KiB'"),
        (units.bits, "108", "is not a size"),
        (units.bits, "108 KIB", "unit 'KIB'.*did you mean 'KiB'"),
        (units.bits, "108 KB/s", "unit 'KB/s'"),
        (units.bits, "-1 KiB", "not positive"),
        (units.bits, "0 KiB", "not positive"),
        (units.bits, "nan KiB", "not finite"),
        (units.bits, "inf KiB", "not finite"),
        (units.bits, "many KiB", "'many' is not a number"),
        (units.bits, True, "is not a size"),
        (units.bits, None, "is not a size"),
        (units.bits, [1], "is not a size"),
        (units.bits, "0.3 bit", "not a whole number of bits"),
        (units.hertz, "200 mhz", "unit 'mhz'.*expected a frequency such as '200 MHz'"),
        (units.femtojoules_per_bit, "0.0001 pJ/bit", "not a whole number of femtojoules per bit"),
        (units.words, "12", "number of words"),
    ],
)
def test_refusals(parse: Callable[[object], int], value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(value)


def test_formatting() -> None:
    assert units.fmt_si(0.0) == "0"
    assert units.fmt_si(999_600.0) == "1 M"
    assert units.fmt_si(1.5e-10, "J") == "0.15 nJ"
    assert units.fmt_bytes(8 * 2048) == "2 KiB"
    assert units.fmt_bytes(8 * 5 * 2**30) == "5 GiB"
    assert units.fmt_energy(1_000) == "0.001 nJ"


def test_nearest_lists_all_names_when_none_is_close() -> None:
    assert nearest("zzz", ["ws", "os"]) == "valid names: os, ws"
