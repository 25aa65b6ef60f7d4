"""Does the DRAM keep the clocks worked out by hand, its bounds, and the energies of published currents?"""

from __future__ import annotations

import pytest

from accelsim.dram import PRESETS
from accelsim.validate import dram
from accelsim.validate.types import Section


@pytest.fixture(scope="module")
def section() -> Section:
    return dram.compare()


def worked_out(text: str) -> int:
    """The value of `a + b x c + ...`."""
    total = 0
    for term in text.split(" + "):
        times, _, value = term.rpartition(" x ")
        total += int(times or 1) * int(value)
    return total


def test_everything_holds(section: Section) -> None:
    assert section.failures == ()
    sequences = [row for row in section.comparisons if row.unit == "clocks"]
    assert len(sequences) == 11 * len(PRESETS) and {row.item for row in sequences} == set(PRESETS)
    assert all(row.band == 0 and worked_out(row.note) == row.reference for row in sequences)
    assert len([row for row in section.comparisons if row.kind == "energy"]) == 3 * 8
    assert len(section.statistics) == 4 * len(PRESETS)
    assert all(s.bound == 0.9 and s.value < 1 for s in section.statistics)


def test_a_wrong_clock_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accelsim.dram.channel.READ_TO_WRITE_GAP", 3)
    late = [row.item for row in dram.compare().comparisons if not row.holds]
    assert late == list(PRESETS)
