"""What SCALE-Sim 3.0.0 is asked (a layer, a machine) and what its three reports say about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from accelsim.errors import InputError

ScaleDataflow = Literal["os", "ws", "is"]


@dataclass(frozen=True)
class ScaleLayer:
    """One row of a topology: a convolution of one image whose borders are already part of the input.

    Attributes:
        height, width: input rows and columns, borders included. stride_rows, stride_cols: of the window.
        channels: input channels of the window. filters: output channels.
    """

    name: str
    height: int
    width: int
    filter_height: int
    filter_width: int
    channels: int
    filters: int
    stride_rows: int = 1
    stride_cols: int = 1

    def __post_init__(self) -> None:
        sizes = (self.height, self.width, self.filter_height, self.filter_width, self.channels, self.filters)
        if min(*sizes, self.stride_rows, self.stride_cols) < 1:
            raise InputError(f"{self.name}: every size is at least 1, given {sizes}")
        if self.filter_height > self.height or self.filter_width > self.width:
            raise InputError(
                f"{self.name}: a filter of {self.filter_height} x {self.filter_width} does not fit its input of "
                f"{self.height} x {self.width}"
            )

    @property
    def out_rows(self) -> int:
        """Output rows: `ceil((H - R + s) / s)`, so a window may hang over the border."""
        return -(-(self.height - self.filter_height + self.stride_rows) // self.stride_rows)

    @property
    def out_cols(self) -> int:
        """Output columns, rounded up like the rows."""
        return -(-(self.width - self.filter_width + self.stride_cols) // self.stride_cols)

    @property
    def pixels(self) -> int:
        """M of the product: output pixels of one channel."""
        return self.out_rows * self.out_cols

    @property
    def taps(self) -> int:
        """K of the product: words of one window."""
        return self.filter_height * self.filter_width * self.channels

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the product."""
        return self.pixels * self.filters * self.taps


def gemm_layer(name: str, m: int, n: int, k: int) -> ScaleLayer:
    """An M x K by K x N product as SCALE-Sim stores it: a 1 x K filter over an input of M rows and K columns."""
    return ScaleLayer(name, m, k, 1, k, 1, n)


@dataclass(frozen=True)
class ScaleMachine:
    """A machine as SCALE-Sim sees it: array, dataflow and three SRAMs in kB of 1024 one-byte words."""

    rows: int
    cols: int
    ifmap_kb: int
    filter_kb: int
    ofmap_kb: int
    dataflow: ScaleDataflow

    def __post_init__(self) -> None:
        if min(self.rows, self.cols, self.ifmap_kb, self.filter_kb, self.ofmap_kb) < 1:
            raise InputError("a SCALE-Sim machine has at least one row, one column and 1 kB in each SRAM")

    @property
    def window_words(self) -> tuple[int, int]:
        """Words after which the active half of the ifmap and of the filter SRAM is thrown away."""
        return 50 * (1024 * self.ifmap_kb // 100), 50 * (1024 * self.filter_kb // 100)


@dataclass(frozen=True)
class Folds:
    """How a product lies on the array: rows used, columns used, stream length, folds, cycles of each fold."""

    used_rows: int
    used_cols: int
    stream: int
    row_folds: int
    col_folds: int
    cycles: int


@dataclass(frozen=True)
class Span:
    """First and last cycle of an access stream and the words in it."""

    start: int
    stop: int
    words: int

    @property
    def average(self) -> float:
        """Words a cycle."""
        return self.words / float(self.stop - self.start + 1)


@dataclass(frozen=True)
class ScaleResult:
    """Every column of SCALE-Sim's three reports for one layer (CALC mode: stalls are 0 by construction).

    Attributes:
        cycles: `Total Cycles`. cycles_with_prefetch: from the first DRAM read to the last DRAM write.
        overall_util, mapping_efficiency, compute_util: percent.
        ifmap_sram ... ofmap_dram: cycles and words of the six streams.
    """

    name: str
    cycles: int
    cycles_with_prefetch: int
    overall_util: float
    mapping_efficiency: float
    compute_util: float
    ifmap_sram: Span
    filter_sram: Span
    ofmap_sram: Span
    ifmap_dram: Span
    filter_dram: Span
    ofmap_dram: Span
    folds: Folds

    def sram_bandwidth(self) -> tuple[float, float, float]:
        """Average ifmap, filter and ofmap SRAM words a cycle."""
        return (
            self.ifmap_sram.words / self.cycles,
            self.filter_sram.words / self.cycles,
            self.ofmap_sram.words / self.cycles,
        )

    def dram_bandwidth(self) -> tuple[float, float, float]:
        """Average ifmap, filter and ofmap DRAM words a cycle."""
        return self.ifmap_dram.average, self.filter_dram.average, self.ofmap_dram.average


@dataclass(frozen=True)
class ScaleRun:
    """What SCALE-Sim reports for a layer of ours: its runs one after another, each (result, how often)."""

    runs: tuple[tuple[ScaleResult, int], ...]

    @property
    def count(self) -> int:
        """Rows of its reports."""
        return sum(times for _, times in self.runs)

    @property
    def cycles(self) -> int:
        """Plain sum of `Total Cycles`."""
        return sum(result.cycles * times for result, times in self.runs)

    def rows(self) -> tuple[ScaleResult, ...]:
        """One result per row of the reports."""
        return tuple(result for result, times in self.runs for _ in range(times))
