"""Energy of counts over storage levels: instances x accesses rounded up to whole blocks, plus leakage."""

from __future__ import annotations

from accelsim.arch import StorageMachine
from accelsim.traffic.levels import LevelCount


def access_zj(count: LevelCount, machine: StorageMachine) -> int:
    """Energy of one operand's accesses at a level over all instances, in zJ; each count is rounded up on its own."""
    level = machine.levels[machine.index(count.level)]

    def accesses(words: int) -> int:
        return -(-words // level.block_words)

    written = accesses(count.fills) + accesses(count.updates)
    return count.instances * (accesses(count.reads) * level.read_zj + written * level.write_zj)


def leak_zj(machine: StorageMachine, instances: tuple[int, ...], cycles: int) -> int:
    """Leakage of the instances in use (by level, outer to inner) over the whole run, in zJ."""
    return cycles * sum(used * level.leak_zj for used, level in zip(instances, machine.levels, strict=True))
