"""A pool of worker processes that survives its workers: one that dies or hangs is replaced, its point is judged."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import Path

from accelsim.errors import AccelsimError
from accelsim.sweeps.work import Answer, Task

AHEAD = 2  # tasks a worker has at once, so that it never waits for the parent
CHOICE = 32  # tasks per worker from which the next are chosen
TRIES = 2  # workers that a point may take down before it counts as failed
STARTS = 3  # workers in a row that may end before their first sign of life
TICK_S = 0.2


class PoolFailed(AccelsimError):
    """Workers do not start."""

    exit_code = 70


@dataclass
class _Worker:
    """A process, the line to it, and what it was given: the first task is the one it is at; kin of the last given."""

    process: subprocess.Popen[bytes]
    line: Connection
    ready: bool = False
    tasks: deque[Task] = field(default_factory=deque)
    since: float = 0.0
    kin: int | None = None


class LocalPool:
    """Worker processes on this machine.

    Attributes:
        workers: how many. timeout_s: how long a point may take, None for any time.
    """

    def __init__(self, workers: int, timeout_s: float | None = None) -> None:
        self.workers, self.timeout_s = workers, timeout_s
        self._pool: list[_Worker] = []
        self._waiting: deque[Task] = deque()
        self._source: Iterator[Task] = iter(())
        self._deaths: dict[str, int] = {}
        self._stillborn = 0

    def __enter__(self) -> LocalPool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._pool:
            self._end(worker)
        self._pool.clear()

    @property
    def processes(self) -> list[int]:
        """Ids of the workers."""
        return [worker.process.pid for worker in self._pool]

    def run(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        """Answers in the order in which they come; every task gets exactly one."""
        self._source = iter(tasks)
        while self._draw(self.workers * CHOICE) or any(worker.tasks for worker in self._pool):
            self._fill()
            yield from self._listen()
            yield from self._overdue()

    def _draw(self, wanted: int) -> int:
        """Take tasks from the caller until so many wait; how many do."""
        self._waiting.extend(islice(self._source, max(0, wanted - len(self._waiting))))
        return len(self._waiting)

    def _start(self) -> _Worker:
        mine, theirs = socket.socketpair()
        theirs.set_inheritable(True)
        package = str(Path(__file__).resolve().parents[2])
        paths = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        command = [sys.executable, "-m", "accelsim.sweeps.worker", str(theirs.fileno()), str(os.getpid())]
        process = subprocess.Popen(
            command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}, start_new_session=True,
        )  # fmt: skip
        theirs.close()
        return _Worker(process, Connection(mine.detach()), since=time.monotonic())

    def _fill(self) -> None:
        """Start missing workers and give each something to do."""
        wanted = min(self.workers, len(self._waiting) + sum(1 for worker in self._pool if worker.tasks))
        while len(self._pool) < wanted:
            self._pool.append(self._start())
        for depth in range(1, AHEAD + 1):
            for worker in self._pool:
                if worker.ready and len(worker.tasks) < depth and self._waiting:
                    self._give(worker, self._choose(worker))

    def _choose(self, worker: _Worker) -> Task:
        place = choice(self._waiting, worker.kin, {other.kin for other in self._pool if other is not worker})
        task = self._waiting[place]
        del self._waiting[place]
        return task

    def _give(self, worker: _Worker, task: Task) -> None:
        if not worker.tasks:
            worker.since = time.monotonic()
        worker.tasks.append(task)
        worker.kin = task.kin
        with suppress(OSError):  # a dead worker is seen by `_listen`
            worker.line.send(task)

    def _listen(self) -> Iterator[Answer]:
        lines = {worker.line: worker for worker in self._pool}
        for line in wait(list(lines), timeout=TICK_S):
            assert isinstance(line, Connection)
            worker = lines[line]
            try:
                answer = line.recv()
            except (EOFError, OSError):
                yield from self._died(worker)
                continue
            worker.since = time.monotonic()
            if answer is None:
                worker.ready, self._stillborn = True, 0
                continue
            worker.tasks.popleft()
            yield answer

    def _died(self, worker: _Worker) -> Iterator[Answer]:
        """Replace a worker; the point it was at is tried once more, those behind it are given to others."""
        self._pool.remove(worker)
        code = self._end(worker)
        if not worker.ready:
            self._stillborn += 1
            if self._stillborn >= STARTS:
                raise PoolFailed(f"{STARTS} workers in a row ended before they were ready ({_ended(code)})")
        if not worker.tasks:
            return
        task = worker.tasks.popleft()
        self._waiting.extendleft(reversed(worker.tasks))
        self._deaths[task.key] = self._deaths.get(task.key, 0) + 1
        if self._deaths[task.key] < TRIES:
            self._waiting.appendleft(task)
        else:
            yield Answer(task.key, error=f"its worker {_ended(code)}, {TRIES} times")

    def _overdue(self) -> Iterator[Answer]:
        """Points that take too long: the worker is ended, the point has failed."""
        if self.timeout_s is None:
            return
        now = time.monotonic()
        for worker in [w for w in self._pool if w.ready and w.tasks and now - w.since > self.timeout_s]:
            self._pool.remove(worker)
            self._end(worker)
            task = worker.tasks.popleft()
            self._waiting.extendleft(reversed(worker.tasks))
            yield Answer(task.key, error=f"no answer within {self.timeout_s:g} s (timeout)")

    def _end(self, worker: _Worker) -> int:
        """Kill a worker, if it still runs, and return how it ended."""
        with suppress(OSError):
            worker.line.close()
        with suppress(OSError):
            os.killpg(worker.process.pid, signal.SIGKILL)
        return worker.process.wait()


def choice(waiting: Iterable[Task], last: int | None, others: Container[int | None]) -> int:
    """Place of the task that a worker gets next: kin of its `last` one, else kin of no other worker's, else the first.

    Raises:
        ValueError: nothing waits.
    """
    ranks = [0 if task.kin == last else 1 if task.kin not in others else 2 for task in waiting]
    return min(range(len(ranks)), key=lambda place: ranks[place])


def _ended(code: int) -> str:
    """How a process ended, in words.

    >>> _ended(-9), _ended(1)
    ('was ended by SIGKILL', 'ended with code 1')
    """
    if code < 0:
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
        return f"was ended by signal {-code}"
    return f"ended with code {code}"
