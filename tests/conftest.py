"""Shared settings: hypothesis without deadlines, the same examples every time, golden files, a plain environment.

`pytest --hypothesis-profile explore` draws new examples instead.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest
from hypothesis import settings

matplotlib.use("Agg")
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCELSIM_PATH", raising=False)


@pytest.fixture
def root() -> Path:
    return Path(__file__).resolve().parent.parent
