"""DRAM parts by name.

DRAMsim3: umd-memsys/DRAMsim3@2981759, configs/*.ini (MIT), clocks and currents as they stand there, periods as
rounded there (0.63 ns for 0.625). What a file lacks is named beside it.
"""

from __future__ import annotations

from accelsim.arch.dram import DramDevice, Rail
from accelsim.errors import InputError, nearest

KIB = 8 * 1024

DDR3_1600 = DramDevice(
    name="DDR3-1600", source="DRAMsim3 DDR3_4Gb_x8_1600",
    tck_ps=1250, cl=11, cwl=8, trcd=11, trp=11, trp_all=11, tras=28, trtp=6, twr=12, trfc=208, trefi=6240,
    tccd_s=4, tccd_l=4, trrd_s=5, trrd_l=5, twtr_s=6, twtr_l=6, tfaw=24,
    burst_clocks=4, burst_bits=512, bank_groups=1, banks_per_group=8, rows=65536, row_bits=8 * KIB,
    channels=1, devices=8, rails=(Rail(1350, 55_000, 32_000, 38_000, 157_000, 125_000, 235_000),),
)  # fmt: skip
DDR4_2400 = DramDevice(
    name="DDR4-2400", source="DRAMsim3 DDR4_8Gb_x8_2400; tRTP 7.5 ns, nRTP of Ramulator 2's DDR4_2400R",
    tck_ps=830, cl=17, cwl=12, trcd=17, trp=17, trp_all=17, tras=39, trtp=9, twr=18, trfc=420, trefi=9360,
    tccd_s=4, tccd_l=6, trrd_s=4, trrd_l=6, twtr_s=3, twtr_l=9, tfaw=26,
    burst_clocks=4, burst_bits=512, bank_groups=4, banks_per_group=4, rows=65536, row_bits=8 * KIB,
    channels=1, devices=8, rails=(Rail(1200, 48_000, 34_000, 43_000, 135_000, 123_000, 250_000),),
)  # fmt: skip
DDR4_3200 = DramDevice(
    name="DDR4-3200", source="DRAMsim3 DDR4_8Gb_x8_3200",
    tck_ps=630, cl=22, cwl=16, trcd=22, trp=22, trp_all=22, tras=52, trtp=12, twr=24, trfc=560, trefi=12480,
    tccd_s=4, tccd_l=8, trrd_s=4, trrd_l=8, twtr_s=4, twtr_l=12, tfaw=34,
    burst_clocks=4, burst_bits=512, bank_groups=4, banks_per_group=4, rows=65536, row_bits=8 * KIB,
    channels=1, devices=8, rails=(Rail(1200, 57_000, 37_000, 52_000, 168_000, 150_000, 250_000),),
)  # fmt: skip
LPDDR4_3200 = DramDevice(
    name="LPDDR4-3200",
    source="Ramulator 1 (CMU-SAFARI/ramulator@214f635) LPDDR4.h, row 3200: CL, tRCD, tRP, tRAS, tRRD, tFAW, tCCD; "
    "CWL, tWR, tWTR, tRTP, tRFC, tREFI, rows and currents (VDD1 1.8 V, VDD2 1.1 V) from tukl-msd/DRAMSys@d227212 "
    "JEDEC_8Gb_LPDDR4-3200_16bit; one 16-bit channel",
    tck_ps=625, cl=29, cwl=14, trcd=29, trp=27, trp_all=32, tras=68, trtp=12, twr=29, trfc=448, trefi=6246,
    tccd_s=8, tccd_l=8, trrd_s=16, trrd_l=16, twtr_s=16, twtr_l=16, tfaw=64,
    burst_clocks=8, burst_bits=256, bank_groups=1, banks_per_group=8, rows=65536, row_bits=2 * KIB,
    channels=1, devices=1,
    rails=(
        Rail(1800, 3_500, 2_000, 2_250, 2_250, 2_250, 10_000),
        Rail(1100, 45_000, 27_000, 30_000, 275_000, 210_000, 90_000),
    ),
)  # fmt: skip
LPDDR5_6400 = DramDevice(
    name="LPDDR5-6400",
    source="Ramulator 2 (CMU-SAFARI/ramulator2@c5b1c3a) LPDDR5_6400, BL16, LPDDR5_8Gb_x16; tRRD, tFAW, tRFC (210 ns), "
    "tREFI (3906 ns) from its LPDDR5.cpp at 0b89cad; no currents published there; one 16-bit channel",
    tck_ps=1250, cl=17, cwl=9, trcd=15, trp=15, trp_all=17, tras=34, trtp=8, twr=28, trfc=168, trefi=3125,
    tccd_s=2, tccd_l=4, trrd_s=4, trrd_l=4, twtr_s=5, twtr_l=10, tfaw=16,
    burst_clocks=2, burst_bits=256, bank_groups=4, banks_per_group=4, rows=32768, row_bits=2 * KIB,
    channels=1, devices=1, rails=(),
)  # fmt: skip
HBM2 = DramDevice(
    name="HBM2", source="DRAMsim3 HBM2_8Gb_x128, legacy 128-bit channels; tRTP is its tRTP_L",
    tck_ps=1000, cl=14, cwl=4, trcd=14, trp=14, trp_all=14, tras=34, trtp=6, twr=16, trfc=260, trefi=3900,
    tccd_s=1, tccd_l=2, trrd_s=4, trrd_l=6, twtr_s=6, twtr_l=8, tfaw=30,
    burst_clocks=2, burst_bits=512, bank_groups=4, banks_per_group=4, rows=32768, row_bits=KIB,
    channels=8, devices=1, rails=(Rail(1200, 65_000, 40_000, 55_000, 390_000, 500_000, 250_000),),
)  # fmt: skip
PRESETS = {part.name: part for part in (DDR3_1600, DDR4_2400, DDR4_3200, LPDDR4_3200, LPDDR5_6400, HBM2)}
ALIASES = {"LPDDR5": "LPDDR5-6400"}


def preset(name: str) -> DramDevice:
    """The part called `name`.

    Raises:
        InputError: there is none; the message names the nearest.
    """
    name = ALIASES.get(name, name)
    if name not in PRESETS:
        raise InputError(f"no DRAM preset {name!r}; {nearest(name, PRESETS)}")
    return PRESETS[name]
