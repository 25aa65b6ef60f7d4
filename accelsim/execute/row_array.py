"""A word-by-word model of one row-stationary pass: buses, queues and every PE's MACs, values included.

PE (i, j) of filter row i and output row j keeps filter row i of p filters and q channels and the window of ifmap row
`j * stride + i`, and does one MAC a cycle. Words travel over one bus per operand; those for later steps wait in queues.
The witness of `timing.row_stationary`: nothing here is a formula of cycles.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.execute.pe_array import RegisterRun

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Buses:
    """Words a cycle to or from the array; finished psums leave on a port as wide as the one psums come in on."""

    filters: int
    ifmap: int
    psums: int


def _inputs_of(image: Ints, column: int, width: int, stride: int) -> Ints:
    """Words that a step brings: the whole first window of an image (q, rows, width), then one slide."""
    begin = column * stride
    found: Ints = (
        image[:, :, begin : begin + width] if column == 0 else image[:, :, begin + width - stride : begin + width]
    )
    return found


def _mac_steps(window: Ints, filters: Ints, rows: int, stride: int) -> Ints:
    """All PEs' MACs of a step, one tap of one channel of one filter a cycle: psums (p, R, e) of every PE."""
    count, channels, tall, width = filters.shape
    sums = np.zeros((count, tall, rows), np.int64)
    for f in range(count):
        for channel in range(channels):
            for tap in range(width):
                for i in range(tall):
                    for j in range(rows):
                        sums[f, i, j] += filters[f, channel, i, tap] * window[channel, j * stride + i, tap]
    return sums


def row_stationary(
    filters: Ints, ifmaps: Ints, psums: Ints, buses: Buses, stride: int = 1
) -> RegisterRun:  # fmt: skip
    """Run a pass: `filters` (p, q, R, S), `ifmaps` (n, q, (e - 1) stride + R, W), `psums` (n, p, e, F) to add to."""
    count, channels, _, width = filters.shape
    images, _, rows, columns = psums.shape
    macs = count * channels * width
    steps = [(image, column) for image in range(images) for column in range(columns)]
    need = [_inputs_of(ifmaps[image], column, width, stride).size for image, column in steps]
    per_step = count * rows
    cycle = -(-filters.size // buses.filters) + -(-need[0] // buses.ifmap) + -(-per_step // buses.psums)
    incoming, arrived_inputs, arrived_psums = sum(need), need[0], per_step
    out: deque[int] = deque()
    values = np.zeros_like(psums)
    window = np.zeros((channels, ifmaps.shape[2], width), np.int64)
    position = busy = sent = 0
    while sent < per_step * len(steps):
        cycle += 1
        if position < len(steps) and busy == 0:
            ready = arrived_inputs >= sum(need[: position + 1]) and arrived_psums >= per_step * (position + 1)
            busy = macs if ready else 0
        for _ in range(min(buses.psums, len(out))):
            out.popleft()
            sent += 1
        arrived_inputs = min(incoming, arrived_inputs + buses.ifmap)
        arrived_psums = min(per_step * len(steps), arrived_psums + buses.psums)
        if busy:
            busy -= 1
            if busy == 0:
                image, column = steps[position]
                entering = _inputs_of(ifmaps[image], column, width, stride)
                window = np.concatenate([window, entering], axis=2)[:, :, -width:]
                found = _mac_steps(window, filters, rows, stride).sum(axis=1)
                values[image, :, :, column] = found + psums[image, :, :, column]
                out.extend([1] * per_step)
                position += 1
    return RegisterRun(values, cycle)
