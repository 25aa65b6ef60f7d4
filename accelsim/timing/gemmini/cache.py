"""The shared L2 cache in expectation: pieces of data, random replacement, sets.

SiFive's inclusive cache picks its victim with an LFSR, whatever the ways hold (Directory.scala: victimLFSR). A line
then survives n insertions into its set with probability `(1 - 1 / ways) ** n`, so the resident share of a piece of
data follows from how much came in since it was touched; no line is followed on its own. A piece whose rows lie at a
power-of-two pitch sits in a few sets only: it wears these out, and is worn out by what comes into them.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field

from accelsim.timing.gemmini.machine import Machine

SWEEPS, CLOSE = 40, 1e-3


@dataclass(frozen=True)
class Piece:
    """Lines that are always touched together.

    Attributes:
        key: what they hold.
        lines: how many.
        sets: how many sets they can be in.
        activations: DRAM rows opened if all of them are fetched.
        dirty: whether they are written.
    """

    key: Hashable
    lines: float
    sets: int
    activations: float
    dirty: bool = False


@dataclass(frozen=True)
class Fetched:
    """What a touch costs: lines from DRAM, DRAM rows opened for them, written lines pushed out."""

    misses: float = 0.0
    activations: float = 0.0
    evictions: float = 0.0

    def __add__(self, other: Fetched) -> Fetched:
        return Fetched(
            self.misses + other.misses, self.activations + other.activations, self.evictions + other.evictions
        )


def sets_of(run: int, pitch: int, machine: Machine) -> int:
    """Sets that rows of `run` lines, `pitch` bytes apart, can be in; all of them unless the pitch is whole lines."""
    if pitch % machine.line_bytes:
        return machine.cache_sets
    apart = math.gcd(pitch // machine.line_bytes, machine.cache_sets)
    return min(machine.cache_sets, machine.cache_sets // apart * min(run, apart))


@dataclass
class Cache:
    """State of the cache while a layer runs; wear is minus the logarithm of the chance to survive.

    Attributes:
        wear: of a line in an average set.
        narrow_wear: further wear of the sets that a piece of so many sets uses.
        held: piece to (lines, wear, narrow wear) when last touched.
        dirty_lines: expected number of written lines.
    """

    machine: Machine
    wear: float = 0.0
    narrow_wear: dict[int, float] = field(default_factory=dict)
    held: dict[Hashable, tuple[float, float, float]] = field(default_factory=dict)
    dirty_lines: float = 0.0

    def touch(self, piece: Piece) -> Fetched:
        """Use a piece: what of it is missing comes in and pushes others out."""
        machine = self.machine
        narrow = self.narrow_wear.get(piece.sets, 0.0) if piece.sets < machine.cache_sets else 0.0
        share = 0.0
        if piece.key in self.held:
            lines, wear, own = self.held[piece.key]
            share = min(1.0, lines / piece.lines) * math.exp(wear - self.wear + own - narrow)
        misses, inserted, kept = self._sweep(piece, share)
        evictions = misses * self.dirty_lines / (machine.cache_sets * machine.cache_ways)
        self.dirty_lines += (misses if piece.dirty else 0.0) - evictions
        if piece.sets < machine.cache_sets:
            narrow += inserted
            self.narrow_wear[piece.sets] = narrow
            part = piece.sets / machine.cache_sets
            self.wear -= math.log1p(part * math.expm1(-inserted))
        else:
            self.wear += inserted
        self.held[piece.key] = (piece.lines * kept, self.wear, narrow)
        return Fetched(misses, piece.activations * misses / piece.lines, evictions)

    def _sweep(self, piece: Piece, share: float) -> tuple[float, float, float]:
        """Misses of one pass over a piece of which `share` is there, the wear they bring, the part then kept.

        Lines that come in early in the pass push out some that the pass has not reached yet: with wear w over the
        pass, a line is still there when reached with probability `(1 - exp(-w)) / w`. The misses are the least
        solution of `m = lines (1 - share kept(m))`.
        """
        per_miss = -math.log1p(-1 / self.machine.cache_ways) / piece.sets
        misses = piece.lines * (1 - share)
        for _ in range(SWEEPS):
            inserted = per_miss * misses
            kept = -math.expm1(-inserted) / inserted if inserted > 0 else 1.0
            found = piece.lines * (1 - share * kept)
            if found - misses < CLOSE * piece.lines:
                break
            misses = found
        return misses, inserted, kept
