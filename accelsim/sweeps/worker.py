"""A worker process of a sweep: tasks come in over a socket, answers go out; it ends when its parent is gone.

Started as `python -m accelsim.sweeps.worker FD`, so that a sweep called from a script, a notebook or a test needs no
guard around its main module.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from multiprocessing.connection import Connection

WATCH_S = 0.5


def _leave_with(parent: int) -> None:
    """End this process once its parent is another one, even in the middle of a point."""
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os._exit(1)


def main(descriptor: int, parent: int) -> None:
    """Answer tasks until the parent hangs up."""
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    connection: Connection = Connection(descriptor)
    from accelsim.sweeps.work import Runner, timed

    runner = Runner()
    try:
        connection.send(None)
        while True:
            task = connection.recv()
            connection.send(timed(runner, task))
    except (EOFError, OSError):
        return


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
