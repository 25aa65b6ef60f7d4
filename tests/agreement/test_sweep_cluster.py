"""A sweep on a Dask cluster: a scheduler and two workers on loopback, one of which is killed in the middle of one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from accelsim.errors import InputError
from accelsim.sweeps import cluster
from tests.unit.sweep_cases import alive, finished, start, until, write_sweep

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def dask(log: Path, *words: str) -> Iterator[Path]:
    """A `dask` command and its log; it has ended afterwards."""
    with log.open("wb") as file, ended(
        subprocess.Popen(
            [sys.executable, "-m", "dask", *words], stdout=file, stderr=subprocess.STDOUT, cwd=log.parent,
            start_new_session=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    ):  # fmt: skip
        yield log


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_all_points_arrive_although_a_worker_is_killed(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, [":size=2", ":act='wait'", ":act='fail'", *(f":size={n}" for n in range(3, 9))])
    with ExitStack() as stack:
        log = stack.enter_context(
            dask(tmp_path / "scheduler.log", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        )
        until(lambda: "Scheduler at:" in log.read_text(), "the scheduler")
        address = re.findall(r"Scheduler at:\s*(tcp://\S+)", log.read_text())[0]
        options = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1")
        for k in range(2):
            stack.enter_context(dask(tmp_path / f"worker{k}.log", "worker", address, *options))
        out = tmp_path / "out"
        process = stack.enter_context(start("sweep", sweep, "--out", out, "--dask", address, "--json", "-"))
        mark = tmp_path / "pid-wait"
        until(lambda: mark.exists() and mark.read_text() != "", "the waiting point")
        inner = int(mark.read_text())
        parent = int(Path(f"/proc/{inner}/stat").read_text().rsplit(")", 1)[1].split()[1])
        assert b"worker" in Path(f"/proc/{parent}/cmdline").read_bytes()
        os.kill(parent, signal.SIGKILL)
        until(lambda: not alive(inner), "the end of what the killed worker ran")
        (tmp_path / "go").touch()
        text, errors = process.communicate()
        assert process.returncode == 1, errors
        summary = json.loads(text)
        assert (summary["status"]["done"], summary["ran"], finished(out)) == (8, 9, 9)
        assert [row["number"] for row in summary["failed"]] == [2]


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nowhere"])
def test_no_scheduler_is_an_error(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 1)
    with pytest.raises(InputError, match=f"no Dask scheduler at '{address}'"):
        cluster.DaskCluster(address)
