"""Does the row-stationary model land where the Eyeriss chip did? Chen et al., JSSC 52(1), 2017, tables III, V and VI.

`validate.eyeriss` says how figures are read; the bands are asserted here a second time, from the tables themselves.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelsim.arch.encoding import Zeros
from accelsim.lookup import load_arch
from accelsim.mapper.search import evaluate
from accelsim.mapping import rules_of
from accelsim.mapping.legality import active_pes, problems_with
from accelsim.sim.build import build_stream
from accelsim.traffic import count
from accelsim.validate import eyeriss, eyeriss_vgg
from accelsim.validate.eyeriss import Measured, Row, alexnet, glb_megabytes, published
from accelsim.validate.types import Section
from accelsim.walk import walk

ARCH = load_arch("eyeriss")[0]
LAYERS = alexnet()


@pytest.fixture(scope="module")
def section() -> Section:
    return eyeriss.compare()


def errors(section: Section, quantity: str) -> dict[str, float]:
    return {c.item: c.error for c in section.comparisons if c.quantity == quantity and "printed" not in c.note}


@pytest.mark.parametrize("name", LAYERS)
def test_published_mapping_is_legal_with_exact_active_pes(name: str) -> None:
    row, chip = LAYERS[name]
    mapping = published(row)
    assert problems_with(mapping, ARCH) == []
    assert active_pes(mapping) == chip.active_pes


@pytest.mark.parametrize("name", LAYERS)
def test_glb_megabytes(name: str) -> None:
    """Within 1 % of the measured GLB accesses."""
    row, chip = LAYERS[name]
    assert glb_megabytes(count(published(row), ARCH, rules_of(ARCH))) == pytest.approx(chip.glb_mb, rel=0.01)


def test_the_printed_mapping_of_conv3_contradicts_the_chip() -> None:
    row, chip = LAYERS["CONV3"]
    printed = glb_megabytes(count(published(replace(row, q=4, r=1, t=4)), ARCH, rules_of(ARCH)))
    assert printed / chip.glb_mb == pytest.approx(1.379, abs=0.002)


def test_processing_latency(section: Section) -> None:
    """Mean absolute error at most 3 %, no layer beyond 8 %, total within 1.5 %."""
    found = errors(section, eyeriss.PROCESSING)
    ours = sum(c.ours for c in section.comparisons if c.quantity == eyeriss.PROCESSING)
    assert max(abs(e) for e in found.values()) <= 0.08, found
    assert sum(abs(e) for e in found.values()) / 5 <= 0.03, found
    assert abs(ours / sum(chip.processing_ms for _, chip in LAYERS.values()) - 1) <= 0.015


def test_total_latency_dram_and_power(section: Section) -> None:
    """Total latency of the network within 6 %; DRAM 15 % a layer and 5 % in all; power 15 % a layer."""
    assert section.failures == ()
    total = sum(c.ours for c in section.comparisons if c.quantity == eyeriss.TOTAL)
    dram = sum(c.ours for c in section.comparisons if c.quantity == eyeriss.DRAM)
    assert abs(total / 115.3 - 1) <= 0.06
    assert abs(dram / 15.4 - 1) <= 0.05
    assert max(abs(e) for e in errors(section, eyeriss.DRAM).values()) <= 0.15
    assert max(abs(e) for e in errors(section, eyeriss.POWER).values()) <= 0.15


def test_coding_and_gating_matter(section: Section) -> None:
    """Without zeros the DRAM traffic of the layers would be 30 % too high, and the energy of their work too."""
    dense = [eyeriss.figures(evaluate(published(row), ARCH), ARCH, Zeros()) for row, _ in LAYERS.values()]
    assert sum(f.dram_mb for f in dense) / 15.4 > 1.3
    ours = [c.ours for c in section.comparisons if c.quantity == eyeriss.DRAM]
    assert all(f.dram_mb >= mb for f, mb in zip(dense, ours, strict=True))
    for (row, _), zeros, whole in zip(LAYERS.values(), eyeriss._shares(LAYERS).values(), dense, strict=True):
        assert eyeriss.figures(evaluate(published(row), ARCH, zeros=zeros), ARCH, zeros).work_mj < whole.work_mj


def test_clock_power_is_the_fit() -> None:
    """The shipped constant is the fit to the five layers, to a milliwatt; leaving a layer out stays within 15 %."""
    rows = []
    for (row, chip), zeros in zip(LAYERS.values(), eyeriss._shares(LAYERS).values(), strict=True):
        rows.append((eyeriss.figures(evaluate(published(row), ARCH, zeros=zeros), ARCH, zeros), chip))
    shipped_mw = ARCH.array.clock_fj_per_cycle * ARCH.clock_hz / 1e12
    assert eyeriss.clock_mw(rows) == pytest.approx(shipped_mw, abs=1.0)
    assert max(abs(e) for e in eyeriss.left_out(rows)) <= 0.15


def test_clock_fit_of_made_up_powers() -> None:
    """Powers made with 100 mW give 100 mW back."""
    figures = [eyeriss.Figures(1, ms, ms, 1, mj, mj) for ms, mj in ((10.0, 1.0), (20.0, 3.0), (5.0, 0.2))]
    chips = [Measured(1, f.work_mj / f.total_ms * 1e3 + 100, 1, 1, 0, 1, 1) for f in figures]
    rows = list(zip(figures, chips, strict=True))
    assert eyeriss.clock_mw(rows) == pytest.approx(100)
    assert eyeriss.left_out(rows) == pytest.approx([0, 0, 0])


def test_counts_of_a_small_pass_equal_the_walk() -> None:
    """The published structure on a layer small enough to walk."""
    row = Row(11, 9, 3, 9, 6, 8, 1, 1, 8, 2, 5, 2, 1, 2, 2)
    mapping = published(row, images=2)
    assert count(mapping, ARCH, rules_of(ARCH)) == walk(mapping, ARCH, rules_of(ARCH))


@pytest.mark.parametrize(("name", "channels"), [("CONV2-1", 1), ("CONV4-1", 4), ("CONV5-1", 8)])
def test_vgg_channel_tiling_and_latency_of_one_layer(name: str, channels: int) -> None:
    """Channels in a pass (q r) follow from the GLB megabytes; latency then lands within 10 %."""
    shape, chip = eyeriss_vgg.layers()[name]
    tiling = eyeriss_vgg.inferred(shape, chip.glb_mb, ARCH)
    assert tiling.q * tiling.r == channels
    mapping = eyeriss_vgg.mapping_of(shape, tiling)
    assert active_pes(mapping) == chip.active_pes
    assert eyeriss.processing_ms(build_stream(mapping, ARCH).stream, ARCH) == pytest.approx(chip.processing_ms, rel=0.1)


@pytest.mark.slow
def test_vgg() -> None:
    """Total within 5 %, every layer within 10 %, powers within 15 %."""
    section = eyeriss_vgg.compare()
    assert section.failures == ()
    total = sum(c.ours for c in section.comparisons if c.quantity == eyeriss.PROCESSING)
    assert abs(total / 3755.2 - 1) <= 0.05
