"""Small sweeps for tests: a network of vector work that can be told to wait, fail, hang or end its process."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NETWORK = '''
"""A network for tests of sweeps; what `act` says happens in worker processes only."""

import os
import signal
import sys
import time
from pathlib import Path

from accelsim.graph import Network

HERE = Path(__file__).parent


def build(batch: int = 1, act: str = "", size: int = 4):
    if Path(sys.argv[0]).name == "worker.py":
        if act == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if act == "fail" and not (HERE / "mended").exists():
            raise ValueError("told to fail")
        if act in ("hang", "wait"):
            (HERE / f"pid-{act}").write_text(str(os.getpid()))
        while act == "hang" or (act == "wait" and not (HERE / "go").exists()):
            time.sleep(0.01)
    net = Network("tiny", batch=batch)
    return net.build(net.relu(net.input(3, size, size)))
'''
PATIENCE_S = 30.0


def write_sweep(folder: Path, models: list[str], rest: str = "") -> Path:
    """A sweep over forms of the network, by file."""
    (folder / "tiny.py").write_text(NETWORK)
    listed = "".join(f'\n    - "tiny.py{model}"' for model in models)
    path = folder / "s.yaml"
    path.write_text(f"name: s\nbase: {{arch: edge_os_32x32, model: tiny.py}}\ngrid:\n  model:{listed}\n{rest}")
    return path


def command(*words: object) -> list[str]:
    """A command line of accelsim with this interpreter."""
    return [sys.executable, "-m", "accelsim", *map(str, words)]


@contextmanager
def start(*words: object) -> Iterator[subprocess.Popen[str]]:
    """Start accelsim in a session of its own; it has ended afterwards.

    It heeds Ctrl-C although the tests may run in the background of a shell, where that signal is ignored.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(true: Callable[[], bool], what: str) -> None:
    """Wait for an observable state."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE_S:g} s for {what}")
        time.sleep(0.01)


def finished(folder: Path) -> int:
    """Answers in a store that another process writes; 0 before there is one."""
    path = folder / "sweep.sqlite"
    if not path.exists():
        return 0
    database = sqlite3.connect(path, timeout=10)
    try:
        return int(database.execute("SELECT count(*) FROM results").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        database.close()


def alive(pid: int) -> bool:
    """Whether a process runs (one that has ended and waits for its parent does not)."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat")
        return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
