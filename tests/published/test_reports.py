"""Is the committed validation report what `accelsim validate` writes?"""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from accelsim.cli import app


@pytest.mark.slow
def test_validation_report_is_what_the_command_writes(tmp_path: Path) -> None:
    """Every section, every plot, the same bytes; and every band holds."""
    result = CliRunner().invoke(app, ["validate", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output[-2000:]
    committed = Path(__file__).resolve().parents[2] / "reports"
    names = ["validation.md", *(f"validation/{path.name}" for path in (tmp_path / "validation").iterdir())]
    assert len(names) > 5
    for name in names:
        assert (committed / name).read_bytes() == (tmp_path / name).read_bytes(), name
