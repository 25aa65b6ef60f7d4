"""Does the row-stationary model land where the Eyeriss chip did? Chen et al., JSSC 52(1), 2017, tables III and V.

AlexNet, N = 4, at 200 MHz, with the published mapping. CONV3 is mapped like CONV4 (q 3, r 2, t 2): the printed q 4,
r 1, t 4 contradicts the chip's own buffer megabytes by 38 %. Inputs include the padding the chip stores (table III).
Megabytes are 1e6 bytes: ifmap words towards the array plus psums in both directions, filters excluded.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from accelsim.lookup import load_arch
from accelsim.mapping import Loop, Mapping, TileLevel, rules_of
from accelsim.mapping.legality import active_pes, problems_with
from accelsim.problem import conv_problem
from accelsim.sim.build import build_stream
from accelsim.traffic import count
from accelsim.walk import walk


@dataclass(frozen=True)
class Row:
    """Shape and mapping of table III; measurements of table V."""

    size: int
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
    active: int
    glb_mb: float
    latency_ms: float


ROWS = {
    "CONV1": Row(227, 11, 55, 3, 96, 1, 4, 96, 1, 7, 16, 1, 1, 2, 154, 18.5, 16.5),
    "CONV2": Row(31, 5, 27, 48, 128, 2, 1, 64, 1, 27, 16, 2, 1, 1, 135, 77.6, 39.2),
    "CONV3": Row(15, 3, 13, 256, 384, 1, 1, 64, 4, 13, 16, 3, 2, 2, 156, 50.2, 21.8),
    "CONV4": Row(15, 3, 13, 192, 192, 2, 1, 64, 4, 13, 16, 3, 2, 2, 156, 37.4, 16.0),
    "CONV5": Row(15, 3, 13, 192, 128, 2, 1, 64, 4, 13, 16, 3, 2, 2, 156, 24.9, 10.0),
}
ARCH = load_arch("eyeriss")[0]


def published(row: Row, images: int = 4) -> Mapping:
    """The chip's mapping of a layer as a loop nest."""
    problem = conv_problem(
        batch=images, groups=row.groups, out_channels=row.filters, in_channels=row.channels,
        out_size=(row.out, row.out), kernel=(row.kernel, row.kernel), in_size=(row.size, row.size),
        stride=(row.stride, row.stride),
    )  # fmt: skip
    beside = 2 if row.e <= 7 else 1
    folds = -(-row.e // 14)
    across = row.t if beside == 2 else 1
    columns = [Loop("M", across, "col"), Loop("P", min(row.e, 14), "col")]
    rows = [Loop("P", folds, "row"), Loop("M", row.t // across, "row"), Loop("C", row.r, "row")]
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


def latency_ms(row: Row) -> float:
    """Processing latency: all passes, no DRAM waits."""
    stream = build_stream(published(row), ARCH).stream
    return sum(s.total for s in stream.segments) / ARCH.clock_hz * 1e3


@pytest.mark.parametrize("name", ROWS)
def test_published_mapping_is_legal_with_exact_active_pes(name: str) -> None:
    mapping = published(ROWS[name])
    assert problems_with(mapping, ARCH) == []
    assert active_pes(mapping) == ROWS[name].active


@pytest.mark.parametrize("name", ROWS)
def test_glb_megabytes(name: str) -> None:
    """Within 1 % of the measured GLB accesses."""
    links = {(c.operand, c.child): c for c in count(published(ROWS[name]), ARCH, rules_of(ARCH))}
    psums = links["Outputs", "PE"]
    words = links["Inputs", "PE"].reads + psums.reads + psums.psum_writes + psums.final_writes
    assert 2 * words / 1e6 == pytest.approx(ROWS[name].glb_mb, rel=0.01)


def test_processing_latency() -> None:
    """Mean absolute error at most 3 %, no layer beyond 8 %, total within 1.5 %."""
    found = {name: latency_ms(row) for name, row in ROWS.items()}
    errors = {name: found[name] / row.latency_ms - 1 for name, row in ROWS.items()}
    total = sum(found.values()) / sum(row.latency_ms for row in ROWS.values()) - 1
    assert max(abs(e) for e in errors.values()) <= 0.08, errors
    assert sum(abs(e) for e in errors.values()) / len(errors) <= 0.03, errors
    assert abs(total) <= 0.015, total


def test_counts_of_a_small_pass_equal_the_walk() -> None:
    """The published structure on a layer small enough to walk."""
    row = Row(11, 3, 9, 6, 8, 1, 1, 8, 2, 5, 2, 1, 2, 2, 0, 0.0, 0.0)
    mapping = published(row, images=2)
    assert count(mapping, ARCH, rules_of(ARCH)) == walk(mapping, ARCH, rules_of(ARCH))
