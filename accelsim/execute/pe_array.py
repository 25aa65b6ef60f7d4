"""Register models of systolic passes: every PE, every cycle, values included. The witness of `timing.systolic`.

All registers update together at the end of a cycle. A returned cycle count is the number of cycles from the first
word that enters the array to the last result that leaves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class RegisterRun:
    """Results (in the shape of the product) and cycles."""

    values: Ints
    cycles: int


def output_stationary(left: Ints, top: Ints, psums: Ints | None = None) -> RegisterRun:
    """A pass of an output-stationary array: `left` (r, T) times `top` (T, c), results shifted out to the north.

    `psums` (r, c), if given, are shifted in from the south first, one row a cycle.
    """
    rows, cols = left.shape[0], top.shape[1]
    acc = np.zeros((rows, cols), np.int64)
    cycle = 0
    if psums is not None:
        for index in range(rows):
            acc[:-1] = acc[1:].copy()
            acc[-1] = psums[index]
            cycle += 1
    for moving_right, moving_down in output_steps(left, top):
        acc += moving_right * moving_down
        cycle += 1
    out = np.zeros((rows, cols), np.int64)
    for index in range(rows):
        out[index] = acc[0]
        acc[:-1] = acc[1:].copy()
        cycle += 1
    return RegisterRun(out, cycle)


def output_steps(left: Ints, top: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Cycle by cycle, the words moving right (r, c) and down (r, c) through an output-stationary array; 0: none."""
    (rows, depth), cols = left.shape, top.shape[1]
    moving_right = np.zeros((rows, cols), np.int64)
    moving_down = np.zeros((rows, cols), np.int64)
    for tick in range(depth + rows + cols - 2):
        enter_left = [left[i, tick - i] if 0 <= tick - i < depth else 0 for i in range(rows)]
        enter_top = [top[tick - j, j] if 0 <= tick - j < depth else 0 for j in range(cols)]
        moving_right = np.column_stack([np.array(enter_left), moving_right[:, :-1]])
        moving_down = np.vstack([np.array(enter_top), moving_down[:-1]])
        yield moving_right, moving_down


def stationary_steps(stream: Ints, stationary: Ints) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Cycle by cycle, one pass of a stationary r x c array that just holds it: words still being loaded (r, c), words
    in use (r, c), words of the stream moving right (r, c); 0: none."""
    rows, cols = stationary.shape
    array = _StationaryArray(rows, cols)
    passes, height = [(stream, stationary)], [rows]
    loads, starts = _schedule(rows, passes, height, False)
    for cycle in range(starts[0] + stream.shape[0] + rows + cols - 2):
        array.tick(*_signals(array, passes, height, loads, starts, cycle))
        yield array.shadow, array.active, array.inputs


class _StationaryArray:
    """R x C PEs with an active and a shadow weight each; inputs move right, psums move down."""

    def __init__(self, rows: int, cols: int) -> None:
        self.rows, self.cols = rows, cols
        self.active = np.zeros((rows, cols), np.int64)
        self.shadow = np.zeros((rows, cols), np.int64)
        self.inputs = np.zeros((rows, cols), np.int64)
        self.psums = np.zeros((rows, cols), np.int64)

    def tick(self, entering: Ints, shift: NDArray[np.bool_], words: Ints, swap: NDArray[np.bool_]) -> Ints:
        """One cycle: inputs `entering` (R,), shadow registers in `shift` take their upper neighbour's word (row 0:
        `words` (C,)), PEs in `swap` switch to their shadow weight. Returns the psums that PEs pass down (R, C)."""
        self.active = np.where(swap, self.shadow, self.active)
        above = np.vstack([words, self.shadow[:-1]])
        self.shadow = np.where(shift, above, self.shadow)
        self.inputs = np.column_stack([entering, self.inputs[:, :-1]])
        arriving = np.vstack([np.zeros((1, self.cols), np.int64), self.psums[:-1]])
        self.psums = arriving + self.active * self.inputs
        return self.psums


def stationary_sequence(
    rows: int, cols: int, passes: list[tuple[Ints, Ints]], double_buffer: bool, whole: bool = False,
    early_exit: bool = False,
) -> tuple[list[Ints], int]:  # fmt: skip
    """Passes of a weight- or input-stationary R x C array, each `(stream (T, r), stationary (r, c))`.

    Without `double_buffer` a pass begins when the one before has drained. With it, the next stationary words shift
    into shadow registers right behind the wavefront, and each PE swaps as the first word of its pass arrives.
    `whole` loads all R rows; with `early_exit` psums are taken below the last used row, not below row R. Returns the
    products (T, c) and the cycles.
    """
    height = [rows if whole else stationary.shape[0] for _, stationary in passes]
    loads, starts = _schedule(rows, passes, height, double_buffer)
    last = max(
        start + stream.shape[0] + rows + stationary.shape[1] - 2
        for start, (stream, stationary) in zip(starts, passes, strict=True)
    )
    array = _StationaryArray(rows, cols)
    results = [np.zeros((s.shape[0], w.shape[1]), np.int64) for s, w in passes]
    finish = 0
    for cycle in range(last):
        leaving = array.tick(*_signals(array, passes, height, loads, starts, cycle))
        for number, (stream, stationary) in enumerate(passes):
            exit_row = stationary.shape[0] if early_exit else rows
            for col in range(stationary.shape[1]):
                step = cycle - starts[number] - col - exit_row + 1
                if 0 <= step < stream.shape[0]:
                    results[number][step, col] = leaving[exit_row - 1, col]
                    finish = cycle + 1
    return results, finish


def _schedule(
    rows: int, passes: list[tuple[Ints, Ints]], height: list[int], double_buffer: bool
) -> tuple[list[int], list[int]]:
    """Load and stream start of every pass: as early as the registers allow."""
    loads, starts = [0], [height[0]]
    for number in range(1, len(passes)):
        stream, stationary = passes[number - 1]
        drained = starts[-1] + stream.shape[0] + rows + stationary.shape[1] - 2
        load = starts[-1] if double_buffer else drained
        free = starts[-1] + stream.shape[0] if double_buffer else drained
        loads.append(load)
        starts.append(max(load + height[number], free))
    return loads, starts


def _signals(
    array: _StationaryArray, passes: list[tuple[Ints, Ints]], height: list[int], loads: list[int], starts: list[int],
    cycle: int,
) -> tuple[Ints, NDArray[np.bool_], Ints, NDArray[np.bool_]]:  # fmt: skip
    """What enters the array in a cycle."""
    entering = np.zeros(array.rows, np.int64)
    words = np.zeros(array.cols, np.int64)
    shift = np.zeros((array.rows, array.cols), bool)
    swap = np.zeros((array.rows, array.cols), bool)
    row, col = np.indices((array.rows, array.cols))
    for (stream, stationary), tall, load, start in zip(passes, height, loads, starts, strict=True):
        swap |= cycle == start + row + col
        shift |= (cycle >= load + col + row) & (cycle < load + col + tall) & (row < tall)
        for j in range(stationary.shape[1]):
            word = tall - 1 - (cycle - load - j)
            if 0 <= word < tall and word < stationary.shape[0]:
                words[j] = stationary[word, j]
        for i in range(stream.shape[1]):
            step = cycle - start - i
            if 0 <= step < stream.shape[0]:
                entering[i] = stream[step, i]
    return entering, shift, words, swap
