"""SCALE-Sim's demand matrices built and walked literally, word by word: the independent reading of its rules."""

from __future__ import annotations

from collections.abc import Iterator

from accelsim.timing.scalesim import ScaleLayer, ScaleMachine, folds_of

Demand = Iterator[tuple[int, int, int]]  # cycle, column, word


def input_word(layer: ScaleLayer, pixel: int, tap: int) -> int | None:
    """Address of the input word that a tap of a pixel reads, None past the border."""
    row, col = divmod(pixel, layer.out_cols)
    down, rest = divmod(tap, layer.filter_width * layer.channels)
    across, channel = divmod(rest, layer.channels)
    y, x = row * layer.stride_rows + down, col * layer.stride_cols + across
    return (y * layer.width + x) * layer.channels + channel if y < layer.height and x < layer.width else None


def folds(layer: ScaleLayer, machine: ScaleMachine) -> Iterator[tuple[int, list[int], list[int]]]:
    """(first cycle, things on the rows, things on the columns) of every fold: row chunks inside column chunks."""
    shape = folds_of(layer, machine)
    start = 0
    for right in range(0, shape.used_cols, machine.cols):
        for down in range(0, shape.used_rows, machine.rows):
            rows = list(range(down, min(down + machine.rows, shape.used_rows)))
            cols = list(range(right, min(right + machine.cols, shape.used_cols)))
            yield start, rows, cols
            start += shape.cycles


def demands(layer: ScaleLayer, machine: ScaleMachine) -> tuple[list[tuple[int, int]], ...]:
    """(cycle, word) of every ifmap, filter and ofmap word, in the order in which they are walked."""
    found: tuple[list[tuple[int, int, int]], ...] = ([], [], [])
    n, k, m = layer.filters, layer.taps, layer.pixels
    last = machine.rows - 1
    for start, rows, cols in folds(layer, machine):
        if machine.dataflow == "os":
            for t in range(k):
                found[0].extend(_read(start + t + i, i, input_word(layer, p, t)) for i, p in enumerate(rows))
                found[1].extend((start + t + j, j, t * n + f) for j, f in enumerate(cols))
            for i, p in enumerate(rows):
                at = start + k - 1 + last - i
                found[2].extend((at + j, j, p * n + f) for j, f in enumerate(cols))
            continue
        ws = machine.dataflow == "ws"
        for i, tap in enumerate(rows):
            for j, other in enumerate(cols):
                word = tap * n + other if ws else input_word(layer, other, tap)
                found[1 if ws else 0].append(_read(start + last - i, j, word))
            for t in range(m if ws else n):
                word = input_word(layer, t, tap) if ws else tap * n + t
                found[0 if ws else 1].append(_read(start + machine.rows + t + i, i, word))
        for t in range(m if ws else n):
            words = [t * n + c if ws else c * n + t for c in cols]
            found[2].extend((start + 2 * machine.rows - 1 + t + j, j, word) for j, word in enumerate(words))
    walked = (sorted((c, col, w) for c, col, w in part if w >= 0) for part in found)
    return tuple([(cycle, word) for cycle, _, word in part] for part in walked)


def _read(cycle: int, column: int, word: int | None) -> tuple[int, int, int]:
    return cycle, column, -1 if word is None else word


def misses(demand: list[tuple[int, int]], limit: int) -> tuple[int, int | None]:
    """(words read from DRAM, cycle in which the window was thrown away last)."""
    held: set[int] = set()
    count, last = 0, None
    for cycle, word in demand:
        if word not in held:
            held.add(word)
            count += 1
            if len(held) == limit:
                held, last = set(), cycle
    return count, last


def drained(cycles: list[int], kilobytes: int, line: int, last: int) -> tuple[int, int, int]:
    """(first DRAM write, last, words counted) of results that arrive in the given cycles."""
    size = 1024 * kilobytes
    free, done, busy = size, 0, 0
    lines: list[int] = []
    written: list[int] = []
    count = pending = 0

    def flush() -> None:
        nonlocal pending
        if pending:
            lines.append(pending)
            pending = 0

    def empty(now: int) -> int:
        nonlocal done, count, free
        part = lines[done : done + -(-(size // 2) // line)]
        moved = len(part) * line - (line - part[-1])
        written.extend(range(now, now + len(part)))
        count, free, done = count + moved, free + moved, done + len(part)
        return now + len(part) - 1

    for cycle in cycles:
        pending, free = pending + 1, free - 1
        if pending == line:
            flush()
        if cycle >= busy and free < size // 2:
            flush()
            busy = empty(cycle)
    flush()
    while done < len(lines):
        last = empty(last) + 1
    return min(written), max(written), count
