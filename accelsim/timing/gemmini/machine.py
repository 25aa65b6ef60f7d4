"""Parameters of a Gemmini in its SoC; every figure has its source or the word `assumed`."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.errors import InputError


@dataclass(frozen=True)
class Machine:
    """A 16x16 int8 Gemmini as simulated by FireSim for DOSA (Hong et al., MICRO 2023). Sizes in bytes, times in cycles.

    Attributes:
        dim: rows and columns of the mesh (gemmini_params.h: DIM 16).
        scratchpad_rows: rows of `dim` bytes (BANK_NUM 4 x BANK_ROWS 4096: 256 KiB).
        accumulator_rows: rows of `dim` 32-bit words (ACC_ROWS 1024: 64 KiB).
        beat_bytes: width of the DMA and system bus (GemminiConfigs: dma_buswidth 128 bits).
        request_bytes: largest DMA request (dma_maxbytes 64).
        op_cycles: shortest time between two operations of the mesh (a preload and a compute command go through the
            reservation station). Fitted: compute-bound rows give 7.6 to 8.
        line_bytes, cache_ways, cache_sets: inclusive L2 of Chipyard, 512 KiB, 8 ways, 1 bank (WithInclusiveCache's
            defaults; that the measured SoC kept them is assumed).
        memory_beat_bytes: the memory bus behind the L2 (8 bytes a cycle, assumed: Rocket Chip's default width;
            rows that only stream from DRAM reach 7.6 to 8 cycles a line of 64).
        row_bytes: an open DRAM row: 1 KiB per x8 chip (JESD79-3F, 1 KB page), 8 chips.
        write_overlap: the row of a line pushed out opens while the line that replaces it is fetched, so that it costs
            one part in so many of `activate_cycles`. Fitted (from 1 to 8 the mean error changes by one point).
        activate_cycles: tRP + tRCD + CL of DDR3-2133 14-14-14 (JESD79-3F). That FireSim ran this speed bin and that a
            memory clock is a core clock is assumed.
        latency_cycles: memory round trip of the L2 (InclusiveCacheMicroParameters: memCycles 40), plus the array.
        issue_cycles: the host computes and sends the 7 commands of one hardware loop; assumed.
    """

    dim: int = 16
    scratchpad_rows: int = 16384
    accumulator_rows: int = 1024
    beat_bytes: int = 16
    request_bytes: int = 64
    op_cycles: int = 8
    line_bytes: int = 64
    cache_ways: int = 8
    cache_sets: int = 1024
    memory_beat_bytes: int = 8
    row_bytes: int = 8192
    write_overlap: int = 2
    activate_cycles: int = 42
    latency_cycles: int = 40
    issue_cycles: int = 300

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise InputError(f"Gemmini {name}: {value}, expected at least 1")
        if self.cache_ways < 2:
            raise InputError(f"Gemmini cache_ways: {self.cache_ways}, expected at least 2")

    @property
    def line_cycles(self) -> int:
        """Cycles of one line on the memory bus."""
        return -(-self.line_bytes // self.memory_beat_bytes)


GEMMINI = Machine()
