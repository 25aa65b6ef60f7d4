"""Eyeriss silicon, AlexNet: the published mapping on our machine against the chip's measurements (JSSC 2017, table V).

Megabytes at the GLB are counted as the chip counts them: psums read and written on every visit, ifmap words towards the
array; filters, the ifmap fill and the final drain are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.arch import Accelerator
from accelsim.arch.encoding import MILLION, Zeros
from accelsim.energy import array_traffic, energy_fj, live_macs
from accelsim.lookup import load_arch
from accelsim.mapper.search import Mapped, evaluate
from accelsim.mapping import LinkCount, Loop, Mapping, TileLevel
from accelsim.mapping.legality import active_pes
from accelsim.problem import conv_problem
from accelsim.sim.stream import Stream
from accelsim.validate.tables import table
from accelsim.validate.types import Comparison, Section, Statistic, mean_absolute_error, total_error

IMAGES = 4
SOURCE = "Chen, Krishna, Emer, Sze, Eyeriss, JSSC 52(1), 2017, tables III and V (AlexNet, N = 4, 200 MHz, 1 V)"
PROCESSING, TOTAL, GLB, DRAM, POWER = (
    "processing latency", "total latency", "GLB traffic", "DRAM traffic", "power",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """Shape and mapping of table III in its letters; `size` counts stored input rows, padding included, `real` does
    not."""

    size: int
    real: int
    kernel: int
    out: int
    channels: int
    filters: int
    groups: int
    stride: int
    m: int
    n: int
    e: int
    p: int
    q: int
    r: int
    t: int


@dataclass(frozen=True)
class Measured:
    """What the chip showed for a layer: PEs, milliwatts, milliseconds, megabytes, and its zeros in ppm."""

    active_pes: int
    power_mw: float
    total_ms: float
    processing_ms: float
    zeros_ppm: int
    glb_mb: float
    dram_mb: float


def measured(line: dict[str, str]) -> Measured:
    """The measurements of a table's line."""
    return Measured(
        int(line["active_pes"]), float(line["power_mw"]), float(line["total_ms"]), float(line["processing_ms"]),
        round(float(line["zeros_pct"]) * 10_000), float(line["glb_mb"]), float(line["dram_mb"]),
    )  # fmt: skip


def alexnet() -> dict[str, tuple[Row, Measured]]:
    """Layers of table V with their mapping."""
    fields = Row.__dataclass_fields__
    return {
        line["layer"]: (Row(**{name: int(line[name]) for name in fields}), measured(line))
        for line in table("eyeriss_alexnet.csv")
    }


def published(row: Row, images: int = IMAGES) -> Mapping:
    """The chip's mapping of a layer as a loop nest: a strip of e output rows at a time, folded over array rows if it
    is wider than the array, t filter groups beside or below each other, r channel groups below."""
    problem = conv_problem(
        batch=images, groups=row.groups, out_channels=row.filters, in_channels=row.channels,
        out_size=(row.out, row.out), kernel=(row.kernel, row.kernel), in_size=(row.size, row.size),
        stride=(row.stride, row.stride),
    )  # fmt: skip
    across = row.t if row.e <= 7 else 1
    columns = [Loop("M", across, "col"), Loop("P", min(row.e, 14), "col")]
    rows = [Loop("P", -(-row.e // 14), "row"), Loop("M", row.t // across, "row"), Loop("C", row.r, "row")]
    rows.append(Loop("R", row.kernel, "row"))
    outer = (
        Loop("G", row.groups),
        Loop("N", -(-images // row.n)),
        Loop("M", -(-row.filters // row.m)),
        Loop("P", -(-row.out // row.e)),
        Loop("C", -(-row.channels // (row.q * row.r))),
    )
    return Mapping(
        problem, "rs",
        (TileLevel("DRAM", outer), TileLevel("GLB", (Loop("M", row.m // (row.p * row.t)),))),
        (Loop("N", row.n), Loop("Q", row.out)),
        (*rows, *columns),
        (Loop("C", row.q), Loop("S", row.kernel), Loop("M", row.p)),
    )  # fmt: skip


def processing_ms(stream: Stream, arch: Accelerator) -> float:
    """Processing latency: all passes, no DRAM waits."""
    return sum(s.total for s in stream.segments) / arch.clock_hz * 1e3


def glb_megabytes(counts: tuple[LinkCount, ...]) -> float:
    """GLB accesses as the chip counts them, 16-bit words."""
    links = {(c.operand, c.child): c for c in counts}
    psums = links["Outputs", "PE"]
    return 2 * (links["Inputs", "PE"].reads + psums.reads + psums.psum_writes + psums.final_writes) / 1e6


def with_padding(zeros_ppm: int, real: int, size: int) -> int:
    """Zero share of a stored map whose padding is zero too, ppm."""
    return MILLION - (MILLION - zeros_ppm) * real**2 // size**2


@dataclass(frozen=True)
class Figures:
    """Our figures of a layer: megabytes, milliseconds, millijoules on the chip without and with the clock network."""

    dram_mb: float
    total_ms: float
    processing_ms: float
    glb_mb: float
    work_mj: float
    chip_mj: float

    @property
    def power_mw(self) -> float:
        """Power of the chip, DRAM left out."""
        return self.chip_mj / self.total_ms * 1e3


def figures(found: Mapped, arch: Accelerator, zeros: Zeros) -> Figures:
    """Our figures of an evaluated mapping."""
    macs = found.mapping.problem.macs
    traffic = array_traffic(found.counts, arch, macs, zeros)
    energy = energy_fj(traffic, arch, live_macs(arch, macs, zeros), 0)
    work = sum(value for name, value in energy.items() if name != "DRAM")
    clock = arch.array.clock_fj_per_cycle * found.outcome.makespan
    return Figures(
        dram_mb=sum(f.read_bits + f.write_bits for f in traffic["DRAM"].values()) / 8e6,
        total_ms=found.outcome.makespan / arch.clock_hz * 1e3,
        processing_ms=processing_ms(found.simulated.stream, arch),
        glb_mb=glb_megabytes(found.counts),
        work_mj=work / 1e12,
        chip_mj=(work + clock) / 1e12,
    )


def clock_mw(rows: list[tuple[Figures, Measured]]) -> float:
    """Clock-network power that fits the measured powers best: least squares of the relative errors."""
    weights = [1 / m.power_mw**2 for _, m in rows]
    gaps = [m.power_mw - f.work_mj / f.total_ms * 1e3 for f, m in rows]
    return sum(w * g for w, g in zip(weights, gaps, strict=True)) / sum(weights)


def left_out(rows: list[tuple[Figures, Measured]]) -> list[float]:
    """Relative power error of each layer when the clock power is fitted to the others."""
    errors = []
    for i, (mine, chip) in enumerate(rows):
        clock = clock_mw([row for j, row in enumerate(rows) if j != i])
        errors.append((mine.work_mj / mine.total_ms * 1e3 + clock) / chip.power_mw - 1)
    return errors


def _shares(layers: dict[str, tuple[Row, Measured]]) -> dict[str, Zeros]:
    """Input zeros of each layer; its output zeros are the next layer's input zeros (the last one's: its own)."""
    chips = [m for _, m in layers.values()]
    following = [*chips[1:], chips[-1]]
    return {
        name: Zeros(with_padding(mine.zeros_ppm, row.real, row.size), after.zeros_ppm)
        for (name, (row, mine)), after in zip(layers.items(), following, strict=True)
    }


def compare() -> Section:
    """AlexNet against table V."""
    arch = load_arch("eyeriss")[0]
    layers = alexnet()
    shares = _shares(layers)
    rows, found = [], []
    for name, (row, chip) in layers.items():
        mapped = evaluate(published(row), arch, zeros=shares[name])
        mine = figures(mapped, arch, shares[name])
        found.append((mine, chip))
        as_printed = name == "CONV3"
        rows += [
            Comparison(name, "active PEs", "PEs", active_pes(mapped.mapping), chip.active_pes, 0),
            Comparison(name, GLB, "MB", mine.glb_mb, chip.glb_mb, 0.01, note="q 3, r 2, t 2" if as_printed else ""),
            Comparison(name, PROCESSING, "ms", mine.processing_ms, chip.processing_ms, 0.08),
            Comparison(name, TOTAL, "ms", mine.total_ms, chip.total_ms),
            Comparison(name, DRAM, "MB", mine.dram_mb, chip.dram_mb, 0.15),
            Comparison(name, POWER, "mW", mine.power_mw, chip.power_mw, 0.15),
        ]
    return Section(
        "eyeriss", "Eyeriss silicon, AlexNet", SOURCE, (*rows, _printed_conv3(arch, layers["CONV3"])),
        _statistics(rows, found), NOTES, PROCESSING,
    )  # fmt: skip


def _printed_conv3(arch: Accelerator, conv3: tuple[Row, Measured]) -> Comparison:
    """CONV3 as table III prints its mapping (q 4, r 1, t 4), which the chip's own megabytes contradict."""
    row, chip = conv3
    printed = Row(**{**row.__dict__, "q": 4, "r": 1, "t": 4})
    mine = glb_megabytes(evaluate(published(printed), arch).counts)
    return Comparison("CONV3", GLB, "MB", mine, chip.glb_mb, None, note="as printed: q 4, r 1, t 4")


def _statistics(rows: list[Comparison], found: list[tuple[Figures, Measured]]) -> tuple[Statistic, ...]:
    by = {name: [r for r in rows if r.quantity == name] for name in (PROCESSING, TOTAL, DRAM, POWER)}
    others = "MAESTRO 4.25 %, nn_dataflow 11.5 %"
    return (
        Statistic("mean absolute error of processing latency", 100 * mean_absolute_error(by[PROCESSING]), "%", 3.0,
                  reached=others),
        Statistic("absolute error of processing latency, all layers", 100 * abs(total_error(by[PROCESSING])), "%", 1.5,
                  reached="MAESTRO 1.5 %"),
        Statistic("largest absolute error of processing latency with the layer left out (no constant is fitted)",
                  100 * max(abs(r.error) for r in by[PROCESSING]), "%", 8.0, reached="MAESTRO 12.4 %"),
        Statistic("absolute error of total latency, all layers", 100 * abs(total_error(by[TOTAL])), "%", 6.0),
        Statistic("absolute error of DRAM traffic, all layers", 100 * abs(total_error(by[DRAM])), "%", 5.0),
        Statistic("mean absolute error of power", 100 * mean_absolute_error(by[POWER]), "%"),
        Statistic("largest absolute power error with the layer left out of the clock fit",
                  100 * max(abs(e) for e in left_out(found)), "%", 15.0),
        Statistic("clock-network power fitted to the five layers", clock_mw(found), "mW"),
    )  # fmt: skip


NOTES = (
    "Latency has no fitted constant: one MAC a cycle and PE, filter bus 4, psum bus 4 in and 4 out, ifmap bus 1 word a "
    "cycle (bus widths recalled, not read), so leaving a layer out changes nothing.",
    "CONV4 and CONV5 run identical passes (384 and 256 of them) but took 16.0 and 10.0 ms: any model of passes errs by "
    "at least 3.2 % on one of them.",
    "DRAM: feature maps are run-length coded (three 5-bit runs and 16-bit levels in 64 bits, JSSC section V-D), never "
    "longer than raw; zero shares as published, padding zeros added; outputs of a layer have the zeros of the next "
    "layer's inputs, those of CONV5 its own (assumed).",
    "Power: energies per action of nn_dataflow's Eyeriss tests (MAC 2, spad 1, array 4, GLB 15 pJ a word), PEs with a "
    "zero input gated, and one fitted constant, the power of the clock network and control (`clock_power`); the error "
    "with each layer left out of that fit is printed. DRAM energy is not the chip's.",
    "Total latency: tiles of the ifmap buffer are not double buffered, so its loads wait for the array; the layers are "
    "shown and their sum is judged.",
)
