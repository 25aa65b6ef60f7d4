"""The system level: layers as SimPy processes that wait for their predecessors and for the machine."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import simpy


@dataclass(frozen=True)
class Job:
    """A layer: its makespan on an idle machine and the layers it waits for (by position)."""

    name: str
    cycles: int
    after: tuple[int, ...]


def schedule(jobs: Sequence[Job]) -> list[tuple[int, int]]:
    """(start, end) of every job when one runs at a time, in the given order, each after its predecessors."""
    env = simpy.Environment()
    done = [env.event() for _ in jobs]
    spans: list[tuple[int, int]] = [(0, 0)] * len(jobs)
    machine = simpy.Resource(env, capacity=1)

    def layer(number: int, job: Job) -> Generator[simpy.Event, Any, None]:
        with machine.request() as turn:
            yield turn
            for before in job.after:
                yield done[before]
            start = int(env.now)
            yield env.timeout(job.cycles)
            spans[number] = (start, int(env.now))
        done[number].succeed()

    for number, job in enumerate(jobs):
        env.process(layer(number, job))
    env.run()
    return spans
