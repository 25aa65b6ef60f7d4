"""What a machine leaves to the mapper beside loops: operands that may pass by a memory that can hold them.

A machine without such choices has one form, itself. One with choices has a form per set of operands that pass by; each
form is an ordinary machine, and a mapping says which of them it is for (`Mapping.bypass`).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from accelsim.arch.types import OPERANDS, Accelerator, MemoryLevel
from accelsim.errors import InputError, nearest

Bypass = frozenset[tuple[str, str]]
"""(memory, operand) pairs: operands that pass by a memory."""
NONE: Bypass = frozenset()


def optional(arch: Accelerator) -> tuple[tuple[str, str], ...]:
    """The pairs that may pass by, in the machine's order."""
    return tuple((memory.name, hold.operand) for memory in arch.memories for hold in memory.holds if hold.optional)


def formed(arch: Accelerator, bypass: Bypass) -> Accelerator:
    """The machine when these operands pass by these memories, and no others do. Work of the vector unit still finds
    them there.

    Raises:
        InputError: a pair that the machine does not allow, or that leaves an operand without a memory.
    """
    if arch.bypassed == bypass and not any(hold.optional for memory in arch.memories for hold in memory.holds):
        return arch
    allowed = {f"{memory}: {operand}": (memory, operand) for memory, operand in optional(arch)}
    for pair in sorted(bypass):
        if pair not in allowed.values():
            name = f"{pair[0]}: {pair[1]}"
            raise InputError(f"{arch.name}: {pair[1]} cannot pass by {pair[0]}; {nearest(name, allowed)}")
    found = replace(arch, memories=tuple(_formed(memory, bypass) for memory in arch.memories), bypassed=bypass)
    for operand in OPERANDS:
        if not found.chain(operand):
            raise InputError(f"{arch.name}: no memory is left for {operand}")
    return found


def _formed(memory: MemoryLevel, bypass: Bypass) -> MemoryLevel:
    holds = tuple(
        replace(hold, optional=False, at="vector" if (memory.name, hold.operand) in bypass else hold.at)
        for hold in memory.holds
    )
    return replace(memory, holds=holds)


def forms(arch: Accelerator, fixed: frozenset[str] = frozenset()) -> tuple[Accelerator, ...]:
    """Every form of the machine, the one in which nothing passes by first. `fixed` operands stay in the outermost
    memory that can hold them, where they are whole or have a region of their own."""
    pairs = optional(arch)
    homes = {(arch.chain(operand)[0].name, operand) for operand in fixed}
    sets = [frozenset(chosen) for count in range(len(pairs) + 1) for chosen in combinations(pairs, count)]
    left = [chosen for chosen in sets if not chosen & homes and _all_kept(arch, chosen)]
    return tuple(formed(arch, chosen) for chosen in left)


def _all_kept(arch: Accelerator, bypass: Bypass) -> bool:
    """Does every operand still have a memory?"""
    return all(any((m.name, operand) not in bypass for m in arch.chain(operand)) for operand in OPERANDS)
