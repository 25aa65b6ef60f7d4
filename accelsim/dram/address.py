"""Burst addresses to channel, bank group, bank, row and column, and back.

A burst address counts bursts from the start of the memory. Its bits are cut into fields, most significant first in
the mapping's order; `interleave_bursts` low bits of the column lie below all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from accelsim.arch.dram import DramTiming
from accelsim.errors import InputError


@dataclass(frozen=True)
class Place:
    """Where a burst lies; `column` counts bursts in the row."""

    channel: int
    bankgroup: int
    bank: int
    row: int
    column: int


def _bits(size: int) -> int:
    return size.bit_length() - 1


@dataclass(frozen=True)
class AddressMap:
    """The mapping of a DRAM: `decode` and `encode` are inverse, `spans` splits a range over the channels."""

    timing: DramTiming

    @cached_property
    def low_bits(self) -> int:
        """Bits of the column below all other fields."""
        return _bits(self.timing.interleave_bursts)

    @cached_property
    def widths(self) -> dict[str, int]:
        """Bits of every field, `column` without its low bits."""
        device = self.timing.device
        return {
            "row": _bits(device.rows),
            "bank": _bits(device.banks_per_group),
            "column": _bits(device.columns) - self.low_bits,
            "bankgroup": _bits(device.bank_groups),
            "channel": _bits(self.timing.channels),
        }

    def shifts(self, without: str = "") -> dict[str, int]:
        """Position of every field's lowest bit, in an address from which the field `without` has been cut out."""
        found = dict.fromkeys(self.widths, 0)
        at = self.low_bits
        for name in reversed(self.timing.mapping):
            found[name] = at
            at += 0 if name == without else self.widths[name]
        return found

    @cached_property
    def bursts(self) -> int:
        """Bursts of the whole memory."""
        return self.timing.capacity_bits // self.timing.device.burst_bits

    def decode(self, burst: int) -> Place:
        """Where a burst lies."""
        if not 0 <= burst < self.bursts:
            raise InputError(f"burst address {burst} is outside the {self.bursts} bursts of {self.timing.device.name}")
        return self._place(burst, self.shifts(), None)

    def decode_local(self, channel: int, local: int) -> Place:
        """Where the burst with the address `local` inside a channel lies."""
        return self._place(local, self.shifts("channel"), channel)

    def _place(self, burst: int, shifts: dict[str, int], channel: int | None) -> Place:
        part = {n: (burst >> shifts[n]) & ((1 << w) - 1) for n, w in self.widths.items()}
        column = (part["column"] << self.low_bits) | (burst & ((1 << self.low_bits) - 1))
        where = part["channel"] if channel is None else channel
        return Place(where, part["bankgroup"], part["bank"], part["row"], column)

    def encode(self, place: Place) -> int:
        """The address of a burst."""
        low = place.column & ((1 << self.low_bits) - 1)
        parts = {
            "channel": place.channel, "bankgroup": place.bankgroup, "bank": place.bank, "row": place.row,
            "column": place.column >> self.low_bits,
        }  # fmt: skip
        shifts = self.shifts()
        return low | sum(value << shifts[name] for name, value in parts.items() if self.widths[name])

    def spans(self, first: int, last: int) -> list[tuple[int, int]]:
        """Per channel, the range of addresses inside the channel that the bursts `first` to `last` - 1 are.

        Cutting the channel bits out of a contiguous range leaves a contiguous range.
        """
        shift, width = self._channel_bits
        if not width:
            return [(first, last)]
        return list(zip(_below(first, shift, width), _below(last, shift, width), strict=True))

    @cached_property
    def _channel_bits(self) -> tuple[int, int]:
        return self.shifts()["channel"], self.widths["channel"]

    def period(self) -> int:
        """Bursts after which the banks of a channel repeat inside a block."""
        return 1 << self.shifts("channel")["column"]

    def block(self) -> int:
        """Bursts of a channel in which only the column and what lies below it change: no bank changes its row."""
        return self.period() << self.widths["column"]


def _below(burst: int, shift: int, width: int) -> list[int]:
    """How many bursts of every channel lie below an address."""
    whole = burst >> (shift + width) << shift
    mine, part = (burst >> shift) & ((1 << width) - 1), burst & ((1 << shift) - 1)
    full = whole + (1 << shift)
    return [full] * mine + [whole + part] + [whole] * ((1 << width) - 1 - mine)
