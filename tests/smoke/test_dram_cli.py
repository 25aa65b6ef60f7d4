"""`accelsim dram` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.smoke.test_cli import accelsim


def test_parts_as_text_and_json(tmp_path: Path) -> None:
    text = accelsim("dram", "--preset", "DDR4-3200", cwd=tmp_path)
    assert (text.returncode, text.stderr) == (0, "")
    assert "22-22-22-52" in text.stdout and "source: DRAMsim3 DDR4_8Gb_x8_3200" in text.stdout
    parts = json.loads(accelsim("dram", "--json", "-", cwd=tmp_path).stdout)["presets"]
    assert [p["name"] for p in parts] == [
        "DDR3-1600", "DDR4-2400", "DDR4-3200", "LPDDR4-3200", "LPDDR5-6400", "HBM2",
    ]  # fmt: skip
    for part in parts:
        assert part["streaming_share"] >= 0.9
        assert 0 < part["row_hit_ns"] < part["row_miss_ns"] < part["row_conflict_ns"]
        assert (part["streaming_pj_per_bit"] is None) == (part["name"] == "LPDDR5-6400")


def test_wrong_part(tmp_path: Path) -> None:
    wrong = accelsim("dram", "-p", "DDR5-3200", cwd=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: no DRAM preset 'DDR5-3200'; did you mean 'DDR4-3200'")
