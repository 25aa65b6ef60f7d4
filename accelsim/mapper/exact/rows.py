"""Compiled: what the buses of a row-stationary array do in a pass (`timing.row_stationary`), never more than that.

The first step of a pass brings a window of inputs, but for what the last step before it left in the PEs; every other
step brings what slides in. Left out: what PEs lose that are idle at the edge of a spread dim, and what comes anew in a
first window of which anything may still be there.
"""

from __future__ import annotations

from accelsim.jit import compiled
from accelsim.mapper.exact.record import INPUT_BUS, OUTPUT_BUS, WEIGHT_BUS, Record
from accelsim.mapper.exact.windows import cell_at


@compiled
def slides(r: Record, p: int, w: int, place1: int, place2: int) -> int:
    """Words of a window axis that come after the first step of a pass, its tile at these places."""
    k, d1, d2, total = r.slots - 1, r.windows[w, 0], r.windows[w, 1], 0
    s1, s2, by1, by2 = place1 * r.ext[k, d1], place2 * r.ext[k, d2], int(d1 == r.forced), int(d2 == r.forced)
    for step in range(1, r.folds[r.forced] if by1 + by2 > 0 else 1):
        b1, b2 = s1 + step * by1 * r.extent[d1], s2 + step * by2 * r.extent[d2]
        o1, o2 = b1 - by1 * r.extent[d1], b2 - by2 * r.extent[d2]
        words, kept = cell_at(r, p, w, r.extent[d1], r.extent[d2], b1, b2, o1, o2, True)
        total += words - kept
    return total


@compiled
def may_stay(r: Record, p: int) -> bool:
    """May inputs of the last step of a pass still be of use in the first one of the next?"""
    k = r.slots - 1
    for i in range(r.actives):
        d = r.active[i]
        if r.kinds[p, d] == 1 and r.left[k, d] > 1:
            return False
    for w in range(r.sliding):
        d1, d2 = r.windows[w, 0], r.windows[w, 1]
        other, last = d2 if d1 == r.forced else d1, r.folds[r.forced] - 1
        if (d1 == r.forced or d2 == r.forced) and r.spans[k, other] == 1:
            o1, o2 = (last * r.extent[d1], 0) if d1 == r.forced else (0, last * r.extent[d2])
            return bool(cell_at(r, p, w, r.extent[d1], r.extent[d2], 0, 0, o1, o2, True)[1] > 0)
    return True


@compiled
def psums_move(r: Record) -> bool:
    """Do the results that PEs work on change from step to step of a pass?"""
    for i in range(r.actives):
        d = r.active[i]
        if r.group[d] != 2 and r.left[r.slots - 1, d] > 1:
            return True
    return False


@compiled
def _windows(r: Record) -> int:
    """Steps of a pass at which a whole window begins: its images, if every one has several steps."""
    k, steps = r.slots - 1, 1
    if r.forced < 0 or r.left[k, r.forced] == 1:
        return 1
    for i in range(r.actives):
        d = r.active[i]
        steps *= r.left[k, d] if d != r.forced else 1
    return steps


@compiled
def _late(r: Record, steps: int, macs: int, first: int, rest: int) -> int:
    """Cycles by which inputs hold steps up: they come at one rate within a window, so its ends say it."""
    windows, bus, late = _windows(r), r.machine[INPUT_BUS], 0
    whole = min(first, (first + rest) // windows)
    slid, each = first + rest - windows * whole if whole == first else 0, steps // windows
    for window in range(windows):
        for i in range(2):
            step = window * each + i * (each - 1)
            before = window * whole + (step - window) * slid // max(1, steps - windows)
            late = max(late, -(-before // bus) - step * macs)
    return late


@compiled
def row_times(
    r: Record, steps: int, macs: int, edge: int, kept: int, first: int, rest: int, psums: int
) -> tuple[int, int, int]:
    """(load, stream, drain) of a pass: weights `kept` and inputs that come before its `first` step, and the `rest`;
    psums, those of a first step at its `edge`, and what a PE does in a step."""
    bus = r.machine[OUTPUT_BUS]
    load = -(-kept // r.machine[WEIGHT_BUS]) + -(-first // r.machine[INPUT_BUS]) + -(-edge // bus)
    late = max(0, -(-((steps - 1) * psums) // (steps * bus)) - (steps - 1) * macs)
    late = max(late, _late(r, steps, macs, first, rest))
    left = psums - (steps - 1) * psums // steps
    return load, steps * macs + late, -(-left // bus)
