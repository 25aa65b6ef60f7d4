"""Compiled: the orders of a slot's loops that are tried, one after another."""

from __future__ import annotations

from accelsim.jit import compiled
from accelsim.mapper.exact.record import NDIM, Array, Record


@compiled
def _permitted(r: Record, k: int, line: Array, n: int) -> bool:
    """Does a constraint allow this order: `before[k, a, b]` asks a to stand outside b, `last[k]` for the innermost."""
    for i in range(n):
        for j in range(i):
            if r.before[k, line[i], line[j]]:
                return False
    return n == 0 or r.last[k] < 0 or line[n - 1] == r.last[k]


@compiled
def _canonical(r: Record, line: Array, n: int) -> bool:
    """Loops over dims that every operand needs stand outside: when one goes on, no tile has anything of the next."""
    inside = 0
    for i in range(1, n):
        inside += r.group[line[i]] == 3 and r.group[line[i - 1]] != 3
    return inside == 0


@compiled
def _next(line: Array, n: int) -> bool:
    """The next permutation in place; False after the last."""
    i = n - 2
    while i >= 0 and line[i] > line[i + 1]:
        i -= 1
    if i < 0:
        return False
    j = n - 1
    while line[j] < line[i]:
        j -= 1
    line[i], line[j] = line[j], line[i]
    low, high = i + 1, n - 1
    while low < high:
        line[low], line[high] = line[high], line[low]
        low += 1
        high -= 1
    return True


@compiled
def _leaving(r: Record, dims: Array, n: int, choice: int, line: Array) -> bool:
    """An order that leaves operand `choice` in place innermost, if the slot has such loops (3: if it has none).

    Among these the one over a dim whose band is uneven comes first: inside others it would send PEs idle every time.
    """
    at, present, any_group = 0, False, False
    for turn in range(4):
        for i in range(n):
            g = r.group[dims[i]]
            place = 0 if g == 3 else 1 if g != choice else 2 if dims[i] == r.uneven else 3
            if place == turn:
                line[at] = dims[i]
                at += 1
            present = present or place >= 2
            any_group = any_group or g < 3
    return present if choice < 3 else not any_group


@compiled
def next_order(r: Record, k: int) -> bool:
    """Put the next order of slot k's loops in place; False after the last.

    A wider search tries all permutations: orders that count alike need not take the same time.
    """
    n, line, dims = r.loops[k], r.line[k], r.dims[k]
    some = r.exact_order[k] == 0 and (r.wide == 0 or r.uneven < NDIM)
    while r.turn[k] >= 0:
        if some:
            good = _leaving(r, dims, n, r.turn[k], line)
            r.turn[k] = r.turn[k] + 1 if r.turn[k] < 3 else -1
            if good:
                _place(r, k, line, n)
                return True
            continue
        good = _permitted(r, k, line, n) if r.exact_order[k] == 2 else r.wide == 1 or _canonical(r, line, n)
        if good:
            _place(r, k, line, n)
        if not _next(line, n):
            r.turn[k] = -1
        if good:
            return True
    return False


@compiled
def _place(r: Record, k: int, line: Array, n: int) -> None:
    for i in range(n):
        r.order[k, i] = line[i]
    r.length[k] = n
