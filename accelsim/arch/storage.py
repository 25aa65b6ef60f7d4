"""A machine as a chain of storage levels, any number of them, each keeping some operands (Timeloop's view).

Energies are integer zeptojoules (1 pJ = 10^9 zJ), so that sums and products of the search are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from accelsim.arch.types import OPERANDS
from accelsim.errors import InputError, nearest

ZJ_PER_PJ = 10**9


@dataclass(frozen=True)
class StorageLevel:
    """One level of the chain; one instance of it feeds up to `cols` x `rows` instances of the next level inside.

    Attributes:
        keeps: operands with a tile here; the others pass through.
        words: capacity for the sum of all kept tiles, None if unbounded.
        block_words: words of one access; counts are rounded up to whole accesses.
        read_words_per_cycle, write_words_per_cycle: per instance, None if unbounded.
        read_zj, write_zj: energy of one access (reads; fills and updates). leak_zj: per instance and cycle.
    """

    name: str
    keeps: tuple[str, ...]
    words: int | None = None
    block_words: int = 1
    read_words_per_cycle: Fraction | None = None
    write_words_per_cycle: Fraction | None = None
    read_zj: int = 0
    write_zj: int = 0
    leak_zj: int = 0
    cols: int = 1
    rows: int = 1

    def __post_init__(self) -> None:
        for operand in self.keeps:
            if operand not in OPERANDS:
                raise InputError(f"{self.name}: keeps {operand!r}; {nearest(operand, OPERANDS)}")
        least = {"words": self.words, "block_words": self.block_words, "cols": self.cols, "rows": self.rows}
        for key, value in least.items():
            if value is not None and value < 1:
                raise InputError(f"{self.name}: {key} {value}, expected at least 1")
        for key, rate in (("read", self.read_words_per_cycle), ("write", self.write_words_per_cycle)):
            if rate is not None and rate <= 0:
                raise InputError(f"{self.name}: {key} bandwidth {rate} words per cycle, expected more than 0")


@dataclass(frozen=True)
class StorageMachine:
    """Storage levels outer to inner, ending at the arithmetic; the outermost keeps every operand.

    Attributes:
        compute: name of the arithmetic. compute_zj: energy of one MAC.
    """

    name: str
    levels: tuple[StorageLevel, ...]
    compute: str = "mac"
    compute_zj: int = 0

    def __post_init__(self) -> None:
        names = [level.name for level in self.levels]
        if not names or len(set(names)) != len(names):
            raise InputError(f"{self.name}: levels {', '.join(names) or 'none'}, expected one or more different names")
        if set(self.levels[0].keeps) != set(OPERANDS):
            raise InputError(f"{self.name}: {names[0]} is outermost and must keep {', '.join(OPERANDS)}")

    def index(self, name: str) -> int:
        """Position of a level, 0 outermost."""
        names = [level.name for level in self.levels]
        if name not in names:
            raise InputError(f"{self.name} has no level {name!r}; {nearest(name, names)}")
        return names.index(name)

    def kept(self, operand: str) -> tuple[int, ...]:
        """Positions of the levels that keep an operand, outer to inner."""
        return tuple(i for i, level in enumerate(self.levels) if operand in level.keeps)
