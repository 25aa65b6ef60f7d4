"""The ofmap SRAM: half of it is drained to DRAM in lines whenever it is full, the rest at the end.

A drain writes an unfinished line padded out. If that line is not the last of a drain, SCALE-Sim counts the padding as
written words, so its DRAM writes exceed the results of a layer that fills the SRAM more than once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from accelsim.timing.scalesim.types import Span


def drain(words: int, kilobytes: int, line: int, last_cycle: int, cycle_of: Callable[[int], int]) -> Span:
    """First and last DRAM write and the words that are counted.

    Args:
        words: results written into the SRAM. line: words written to DRAM in a cycle. last_cycle: of the array.
        cycle_of: cycle in which the n-th result (from 1) enters the SRAM.
    """
    half = 1024 * kilobytes // 2
    most = -(-half // line)
    lines: deque[list[int]] = deque()  # [whole lines, words of the unfinished line after them]
    pending, seen, written, start, end = half + 1, 0, 0, last_cycle, last_cycle
    while seen + pending <= words:
        seen += pending
        lines.append(list(divmod(pending, line)))
        now = cycle_of(seen)
        pending, count = _drain_once(lines, most, line)
        start = now if seen == half + 1 else start
        end = now + count - 1
        written += pending
    lines.append(list(divmod(words - seen, line)))
    final = 0
    while any(whole or part for whole, part in lines):
        counted, count = _drain_once(lines, most, line)
        written += counted
        final += count
    return Span(start, max(end, last_cycle + final - 1), written)


def _drain_once(lines: deque[list[int]], most: int, line: int) -> tuple[int, int]:
    """(words counted, lines) of one drain of at most `most` lines; only padding of its last line is not counted."""
    left, last = most, line
    while left and lines:
        head = lines[0]
        if head[0]:
            taken = min(left, head[0])
            head[0] -= taken
            left -= taken
            last = line
        if left and not head[0]:
            if head[1]:
                left -= 1
                last = head[1]
            lines.popleft()
        elif not head[0] and not head[1]:
            lines.popleft()
    count = most - left
    return count * line - (line - last), count
