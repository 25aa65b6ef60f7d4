"""Eyeriss silicon, VGG-16: the chip's mapping is not published, so channel tiling is inferred from its GLB megabytes.

The inference (a consistency check, not a prediction): of q channels a PE and r channel groups over the array, the pair
whose GLB megabytes come closest to the chip's. Everything else follows a rule: all four sets of 3 x e PEs work
(r t = 4), e is what the active PEs say (13 or 14 columns), the three images share a pass if at least `FEWEST` filters
then still fit (as in four of AlexNet's five layers), else one image at a time, and as many filters as fit the GLB.
Beside it stands what our own best row-stationary mapping reaches on the same chip.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from accelsim.arch import Accelerator
from accelsim.arch.encoding import Zeros
from accelsim.errors import MappingError
from accelsim.lookup import load_arch
from accelsim.mapper.search import evaluate, map_problem
from accelsim.mapping import Loop, Mapping, TileLevel, rules_of
from accelsim.mapping.legality import active_pes, problems_with
from accelsim.problem import Problem, conv_problem
from accelsim.traffic import count
from accelsim.validate.eyeriss import (
    DRAM,
    GLB,
    POWER,
    PROCESSING,
    TOTAL,
    Measured,
    figures,
    glb_megabytes,
    measured,
    processing_ms,
    with_padding,
)
from accelsim.validate.tables import table
from accelsim.validate.types import Comparison, Section, Statistic, mean_absolute_error, total_error

IMAGES, KERNEL, SETS = 3, 3, 4
FEWEST = 32
SOURCE = "Chen, Krishna, Emer, Sze, Eyeriss, JSSC 52(1), 2017, table VI (VGG-16, N = 3, 200 MHz, 1 V)"
OWN = "latency of our best mapping"


@dataclass(frozen=True)
class Shape:
    """A 3 x 3 layer: channels, filters, output size, array columns in use."""

    channels: int
    filters: int
    out: int
    e: int

    @property
    def problem(self) -> Problem:
        """The layer for three images; the chip stores the padding."""
        size = self.out + KERNEL - 1
        return conv_problem(
            batch=IMAGES, groups=1, out_channels=self.filters, in_channels=self.channels,
            out_size=(self.out, self.out), kernel=(KERNEL, KERNEL), in_size=(size, size),
        )  # fmt: skip


@dataclass(frozen=True)
class Tiling:
    """Parameters of a pass in the letters of table III."""

    q: int
    r: int
    t: int
    p: int
    m: int
    n: int


def layers() -> dict[str, tuple[Shape, Measured]]:
    """Layers of table VI."""
    found = {}
    for line in table("eyeriss_vgg16.csv"):
        chip = measured(line)
        e = chip.active_pes // (KERNEL * SETS)
        found[line["layer"]] = Shape(int(line["channels"]), int(line["filters"]), int(line["out"]), e), chip
    return found


def mapping_of(shape: Shape, tiling: Tiling) -> Mapping:
    """The loop nest of a tiling."""
    outer = (
        Loop("N", -(-IMAGES // tiling.n)),
        Loop("M", -(-shape.filters // tiling.m)),
        Loop("P", -(-shape.out // shape.e)),
        Loop("C", -(-shape.channels // (tiling.q * tiling.r))),
    )
    spatial = (Loop("M", tiling.t, "row"), Loop("C", tiling.r, "row"), Loop("R", KERNEL, "row"))
    return Mapping(
        shape.problem, "rs",
        (TileLevel("DRAM", outer), TileLevel("GLB", (Loop("M", tiling.m // (tiling.p * tiling.t)),))),
        (Loop("N", tiling.n), Loop("Q", shape.out)),
        (*spatial, Loop("P", shape.e, "col")),
        (Loop("C", tiling.q), Loop("S", KERNEL), Loop("M", tiling.p)),
    )  # fmt: skip


def _fits(shape: Shape, tiling: Tiling, arch: Accelerator) -> bool:
    try:
        return not problems_with(mapping_of(shape, tiling), arch)
    except MappingError:
        return False


def _largest(shape: Shape, q: int, r: int, n: int, arch: Accelerator) -> Tiling | None:
    """Most filters a pass (p t), then most filters in the GLB (m), as powers of two."""
    t = SETS // r
    for p in (16, 8, 4, 2, 1):
        m = shape.filters
        while m >= p * t:
            tiling = Tiling(q, r, t, p, m, n)
            if _fits(shape, tiling, arch):
                return tiling
            m //= 2
    return None


def tilings(shape: Shape, arch: Accelerator) -> Iterator[Tiling]:
    """One tiling for every q and r, by the rule of this module."""
    for r in (1, 2, 4):
        for q in (4, 3, 2, 1):
            if q * r > shape.channels:
                continue
            together, alone = _largest(shape, q, r, IMAGES, arch), _largest(shape, q, r, 1, arch)
            found = together if together is not None and together.p * together.t >= FEWEST else alone
            if found is not None:
                yield found


def inferred(shape: Shape, glb_mb: float, arch: Accelerator) -> Tiling:
    """The tiling whose GLB megabytes are closest to the chip's; the first of equals."""

    def distance(tiling: Tiling) -> float:
        return abs(glb_megabytes(count(mapping_of(shape, tiling), arch, rules_of(arch))) - glb_mb)

    return min(tilings(shape, arch), key=distance)


def own_best_ms(shape: Shape, arch: Accelerator) -> float:
    """Processing latency of the fastest row-stationary mapping that our mapper finds."""
    return processing_ms(map_problem(shape.problem, arch, "latency").simulated.stream, arch)


def compare() -> Section:
    """VGG-16 against table VI."""
    arch = load_arch("eyeriss")[0]
    found = layers()
    chips = [chip for _, chip in found.values()]
    best = cache(lambda shape: own_best_ms(shape, arch))
    infer = cache(lambda shape, glb: inferred(shape, glb, arch))
    rows = []
    for (name, (shape, chip)), after in zip(found.items(), [*chips[1:], chips[-1]], strict=True):
        tiling = infer(shape, chip.glb_mb)
        zeros = Zeros(with_padding(chip.zeros_ppm, shape.out, shape.out + KERNEL - 1), after.zeros_ppm)
        mapped = evaluate(mapping_of(shape, tiling), arch, zeros=zeros)
        mine = figures(mapped, arch, zeros)
        how = f"q {tiling.q}, r {tiling.r}, t {tiling.t}, p {tiling.p}, m {tiling.m}, n {tiling.n}"
        rows += [
            Comparison(name, "active PEs", "PEs", active_pes(mapped.mapping), chip.active_pes, 0, note=how),
            Comparison(name, GLB, "MB", mine.glb_mb, chip.glb_mb, note="consistency check: q and r come from it"),
            Comparison(name, PROCESSING, "ms", mine.processing_ms, chip.processing_ms, 0.10),
            Comparison(name, TOTAL, "ms", mine.total_ms, chip.total_ms),
            Comparison(name, DRAM, "MB", mine.dram_mb, chip.dram_mb),
            Comparison(name, POWER, "mW", mine.power_mw, chip.power_mw, 0.15),
            Comparison(name, OWN, "ms", best(shape), chip.processing_ms, note="not the chip's mapping"),
        ]
    return Section(
        "eyeriss_vgg16", "Eyeriss silicon, VGG-16 (mapping inferred)", SOURCE, tuple(rows), _statistics(rows), NOTES,
        PROCESSING,
    )  # fmt: skip


def _statistics(rows: list[Comparison]) -> tuple[Statistic, ...]:
    by = {name: [r for r in rows if r.quantity == name] for name in (PROCESSING, TOTAL, GLB, DRAM, POWER, OWN)}
    return (
        Statistic("absolute error of processing latency, all layers", 100 * abs(total_error(by[PROCESSING])), "%", 5.0,
                  reached="nn_dataflow -80 % on CONV1-2"),
        Statistic("mean absolute error of processing latency", 100 * mean_absolute_error(by[PROCESSING]), "%"),
        Statistic("error of GLB traffic, all layers", 100 * total_error(by[GLB]), "%"),
        Statistic("error of total latency, all layers", 100 * total_error(by[TOTAL]), "%"),
        Statistic("error of DRAM traffic, all layers", 100 * total_error(by[DRAM]), "%"),
        Statistic("mean absolute error of power", 100 * mean_absolute_error(by[POWER]), "%"),
        Statistic("our best mapping against the chip, all layers", 100 * total_error(by[OWN]), "%"),
    )  # fmt: skip


NOTES = (
    "The mapping is inferred from the same chip's GLB megabytes; latency is then a prediction from it.",
    "CONV1 to CONV4 are bound by the psum ports of the GLB (4 words a cycle each way): the chip moves 7.4 to 7.7 words "
    "a cycle there. A model of the PEs alone is 2 to 5 times too fast.",
    "Own best: the shortest processing latency that our mapper finds under the same buses and buffers; it keeps more "
    "channels in a PE (larger q and r), so psums travel less often.",
    "Power: the table of the AlexNet comparison, its clock-network power fitted there and not here.",
    "DRAM traffic and total latency depend on the order of the outer loops, which is not published either: shown.",
)
