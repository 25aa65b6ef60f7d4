"""A sweep on a Dask cluster: chunks of at least a second of work; workers may come, go and die.

A Dask thread hands its chunk to a worker process of its own (`LocalPool`), so a point that hangs or crashes is dealt
with where it runs, by the same rules as on one machine. Lost chunks are sent again by Dask; after too many losses
their points are tried one by one. The caller alone writes the store.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from math import ceil
from typing import Any

from accelsim.errors import InputError
from accelsim.sweeps.extras import need
from accelsim.sweeps.pool import LocalPool
from accelsim.sweeps.work import Answer, Task

CHUNK_S = 1.0  # least work sent at once
LARGEST = 256  # points of a chunk at most
AHEAD = 2  # chunks per thread on their way
CONNECT_S = 10


@cache
def _pool(thread: int, timeout_s: float | None) -> LocalPool:
    """The worker process behind a Dask thread; it ends with the Dask worker."""
    return LocalPool(1, timeout_s)


def run_chunk(tasks: list[Task], timeout_s: float | None) -> list[Answer]:
    """Answers of a chunk, on a Dask worker."""
    return list(_pool(threading.get_ident(), timeout_s).run(tasks))


class DaskCluster:
    """A scheduler at an address such as `tcp://10.0.0.1:8786`.

    Raises:
        InputError: `dask[distributed]` is missing, or nothing answers at the address.
    """

    def __init__(self, address: str, timeout_s: float | None = None) -> None:
        self.address, self.timeout_s = address, timeout_s
        self._distributed = need("distributed", "cluster")
        self._size = 1
        try:
            self._client = self._distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(
                f"no Dask scheduler at {address!r}: {error}; expected tcp://HOST:PORT of a running `dask scheduler`"
            ) from None

    def __enter__(self) -> DaskCluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def _threads(self) -> int:
        return max(1, sum(int(threads) for threads in self._client.nthreads().values()))

    def _send(self, tasks: list[Task], flying: dict[Any, list[Task]]) -> Any:
        future = self._client.submit(run_chunk, tasks, self.timeout_s, pure=False)
        flying[future] = tasks
        return future

    def run(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        """Answers in the order in which they come; every task gets exactly one."""
        source, alone = iter(tasks), deque[Task]()
        flying: dict[Any, list[Task]] = {}
        done: Any = self._distributed.as_completed(loop=self._client.loop)
        while True:
            while len(flying) < AHEAD * self._threads():
                chunk = [alone.popleft()] if alone else list(islice(source, self._size))
                if not chunk:
                    break
                done.add(self._send(chunk, flying))
            if not flying:
                return
            future = next(done)
            chunk = flying.pop(future)
            if future.status == "finished":
                answers: list[Answer] = future.result()
                self._adapt(answers)
                yield from answers
            elif len(chunk) > 1:
                alone.extend(chunk)
            else:
                yield Answer(chunk[0].key, error=f"lost by the cluster: {' '.join(str(future.exception()).split())}")

    def _adapt(self, answers: list[Answer]) -> None:
        """Size chunks by the seconds that points take."""
        mean = sum(answer.seconds for answer in answers) / len(answers)
        self._size = min(LARGEST, max(1, ceil(CHUNK_S / max(mean, 1e-3))))
