"""The README's Python blocks run, and its commands are the ones CI runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


def blocks(root: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (root / "README.md").read_text(), re.S)


def test_python_blocks_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = blocks(root, "python")
    assert len(found) == 3
    for code in found:
        exec(compile(code, "README.md", "exec"), {})
    assert "266200" in capsys.readouterr().out


def test_commands_are_one_line_each(root: Path) -> None:
    run, check = blocks(root, "bash")
    assert run.count("\n") == check.count("\n") == 1
    assert run.rstrip().endswith("accelsim run --arch eyeriss.yaml --model mobilenet_v2")
    assert "-c tests/constraints.txt" in check
    assert "make check" in check
    script = (root / ".ci" / "run").read_text()
    assert "test-command" in script
    assert "README.md" in script
