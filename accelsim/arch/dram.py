"""A DRAM channel in the words of its data sheet, and how a machine uses it: what the command-level model reads.

Times are whole DRAM clocks (`tck_ps` each), sizes bits, currents microamperes, voltages millivolts.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from accelsim.errors import InputError, nearest

MAP_FIELDS = ("row", "bank", "column", "bankgroup", "channel")
DEFAULT_MAPPING = ("row", "bank", "column", "bankgroup", "channel")
READ_TO_WRITE_GAP = 2  # clocks between read and write data on the bus: nCL + nBL + 2 - nCWL in Ramulator 2's standards
QUEUE = 32  # bursts: cmd_queue_size of DRAMsim3's HBM2_8Gb_x128.ini; 8 a bank in its DDR files
CHANNELS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Rail:
    """Supply of a device: voltage, and the data sheet's currents in microamperes.

    IDD0: activate and precharge in a row; 2N: all banks precharged; 3N: a bank open; 4R, 4W: bursts without a gap;
    5: refresh without a gap.
    """

    vdd_mv: int
    idd0_ua: int
    idd2n_ua: int
    idd3n_ua: int
    idd4r_ua: int
    idd4w_ua: int
    idd5_ua: int


@dataclass(frozen=True)
class DramDevice:
    """The devices that make up one channel.

    Attributes:
        source: where the figures come from.
        tck_ps: period of the command clock.
        cl, cwl: column command to first data, read and write. trcd, trp, trp_all, tras: row timings (tRC = tRAS + tRP).
        trtp, twr: read command, end of write data to precharge. trfc, trefi: refresh.
        tccd_s, tccd_l, trrd_s, trrd_l, twtr_s, twtr_l: other and same bank group. tfaw: four activates.
        burst_clocks: clocks for which a burst holds the data bus. burst_bits: what it carries.
        row_bits: a row of all devices of the channel. channels: how many the part has.
        devices: devices that act together. rails: supplies of one device; () if no figures are known.
    """

    name: str
    source: str
    tck_ps: int
    cl: int
    cwl: int
    trcd: int
    trp: int
    trp_all: int
    tras: int
    trtp: int
    twr: int
    trfc: int
    trefi: int
    tccd_s: int
    tccd_l: int
    trrd_s: int
    trrd_l: int
    twtr_s: int
    twtr_l: int
    tfaw: int
    burst_clocks: int
    burst_bits: int
    bank_groups: int
    banks_per_group: int
    rows: int
    row_bits: int
    channels: int
    devices: int
    rails: tuple[Rail, ...]

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int) and value < 1:
                raise InputError(f"{self.name}: {field.name} {value}, expected at least 1")
        for name in ("bank_groups", "banks_per_group", "rows", "columns"):
            value = getattr(self, name)
            if value & (value - 1):
                raise InputError(f"{self.name}: {name} {value}, expected a power of two")
        if self.row_bits % self.burst_bits:
            raise InputError(f"{self.name}: a row of {self.row_bits} bits is not whole bursts of {self.burst_bits}")
        closing = self.cwl + self.burst_clocks + self.twr + self.trp_all
        if self.trefi <= self.trfc + closing + self.tras:
            raise InputError(f"{self.name}: refreshes of {self.trfc} clocks do not fit an interval of {self.trefi}")

    @property
    def columns(self) -> int:
        """Bursts in a row."""
        return self.row_bits // self.burst_bits

    @property
    def banks(self) -> int:
        """Banks of all groups."""
        return self.bank_groups * self.banks_per_group

    @property
    def trc(self) -> int:
        """Activate to activate in one bank."""
        return self.tras + self.trp


@dataclass(frozen=True)
class DramTiming:
    """The detailed DRAM of a machine.

    Attributes:
        channels: equal channels side by side.
        page: `open` leaves a row open until another is wanted or a refresh comes; `closed` precharges it with the
            last burst of a transfer in it.
        mapping: fields of a burst's address, most significant first.
        interleave_bursts: consecutive bursts that stay in one row before the fields below `column` change.
        refresh: all-bank refresh every tREFI.
        queue: bursts that a channel holds: rows are prepared as far ahead.
        command_energy: energy from the device's currents by command, not from the machine's energy per bit.
    """

    device: DramDevice
    channels: int = 1
    page: Literal["open", "closed"] = "open"
    mapping: tuple[str, ...] = DEFAULT_MAPPING
    interleave_bursts: int = 1
    refresh: bool = True
    queue: int = QUEUE
    command_energy: bool = True

    def __post_init__(self) -> None:
        if self.channels not in CHANNELS:
            raise InputError(f"channels {self.channels}, expected one of {', '.join(map(str, CHANNELS))}")
        if self.page not in ("open", "closed"):
            raise InputError(f"page {self.page!r}, expected 'open' or 'closed'")
        if self.queue < 1:
            raise InputError(f"queue {self.queue}, expected at least 1 burst")
        width = self.interleave_bursts
        if width < 1 or width & (width - 1) or width > self.device.columns:
            raise InputError(f"interleave of {width} bursts, expected a power of two up to {self.device.columns}")
        if self.command_energy and not self.device.rails:
            raise InputError(f"no supply currents are known for {self.device.name}: state read and write energy")
        self._check_mapping()

    def _check_mapping(self) -> None:
        example = ":".join(DEFAULT_MAPPING)
        for name in self.mapping:
            if name not in MAP_FIELDS:
                raise InputError(f"mapping field {name!r}; {nearest(name, MAP_FIELDS)}; expected such as '{example}'")
            if self.mapping.count(name) > 1:
                raise InputError(f"mapping names {name!r} twice; expected such as '{example}'")
        sizes = {"bankgroup": self.device.bank_groups, "channel": self.channels}
        for name in MAP_FIELDS:
            if name not in self.mapping and sizes.get(name, 2) > 1:
                raise InputError(f"mapping lacks {name!r}; expected such as '{example}'")
        if self.mapping.index("column") < self.mapping.index("row"):
            raise InputError(f"mapping puts row below column, so that every burst opens a row; expected '{example}'")

    def as_dict(self) -> dict[str, str | int | bool]:
        """The choices, as a report states them."""
        return {
            "preset": self.device.name,
            "channels": self.channels,
            "page": self.page,
            "mapping": ":".join(self.mapping),
            "interleave_bytes": self.interleave_bursts * self.device.burst_bits // 8,
            "refresh": self.refresh,
            "queue": self.queue,
            "energy": "by command" if self.command_energy else "per bit",
        }

    @property
    def peak_bits_per_s(self) -> int:
        """Channels x bus width x data rate, rounded down to whole bits per second."""
        return self.channels * self.device.burst_bits * 10**12 // (self.device.burst_clocks * self.device.tck_ps)

    @property
    def row_span_bits(self) -> int:
        """One row of every bank group and channel: what tensors are aligned to."""
        return self.channels * self.device.bank_groups * self.device.row_bits

    @property
    def capacity_bits(self) -> int:
        """All channels."""
        return self.channels * self.device.banks * self.device.rows * self.device.row_bits
