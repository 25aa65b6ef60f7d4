"""Bus beats of the DMA: each row of a block is asked for on its own, in aligned requests of 16, 32 or 64 bytes."""

from __future__ import annotations

import math
from functools import lru_cache

from accelsim.timing.gemmini.machine import Machine


def request_beats(offset: int, count: int, machine: Machine) -> int:
    """Beats to read `count` bytes that start `offset` bytes into an aligned request.

    As StreamReaderCore picks them (ucb-bar/gemmini, DMA.scala): of the aligned powers of two between a beat and the
    largest request, the one that brings most bytes, the smaller on a tie; beats that are not needed still pass.
    """
    beats = 0
    while count > 0:
        most, best = 0, machine.beat_bytes
        size = machine.beat_bytes
        while size <= machine.request_bytes:
            useful = min(size - offset % size, count)
            if useful > most:
                most, best = useful, size
            size *= 2
        beats += best // machine.beat_bytes
        offset += most
        count -= most
    return beats


def row_beats(start: int, count: int, machine: Machine) -> int:
    """Beats of one row of `count` bytes from address `start`, split into moves of at most one largest request."""
    whole = range(0, count, machine.request_bytes)
    return sum(request_beats(start + at, min(machine.request_bytes, count - at), machine) for at in whole)


@lru_cache(maxsize=4096)
def block_beats(start: int, count: int, pitch: int, rows: int, machine: Machine) -> int:
    """Beats of `rows` rows of `count` bytes, `pitch` bytes apart; alignments repeat, so few rows are looked at."""
    period = machine.request_bytes // math.gcd(pitch, machine.request_bytes)
    beats = [row_beats((start + i * pitch) % machine.request_bytes, count, machine) for i in range(min(period, rows))]
    full, rest = divmod(rows, len(beats)) if beats else (0, 0)
    return full * sum(beats) + sum(beats[:rest])
