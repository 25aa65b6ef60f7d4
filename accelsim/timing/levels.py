"""Cycles of a nest over storage levels: steps in time, stretched where a level's bandwidth is too small."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil

from accelsim.arch import StorageLevel
from accelsim.traffic.levels import LevelCount


def level_cycles(level: StorageLevel, counts: Iterable[LevelCount], iterations: int) -> int:
    """Cycles that one instance of a level needs: as many as the nest has steps, or words over words per cycle.

    Transfers are spread evenly and overlap with everything else (no fill, no drain, no burst).
    """
    mine = [count for count in counts if count.level == level.name]
    need = [Fraction(iterations)]
    if level.read_words_per_cycle is not None:
        need.append(sum(count.reads for count in mine) / level.read_words_per_cycle)
    if level.write_words_per_cycle is not None:
        need.append(sum(count.fills + count.updates for count in mine) / level.write_words_per_cycle)
    return ceil(max(need))
