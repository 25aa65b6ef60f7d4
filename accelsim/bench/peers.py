"""Other simulators at the same work in the same run, each by the interpreter that it is installed in."""

from __future__ import annotations

import time
from collections.abc import Iterator

from accelsim.bench.sim import SimRow
from accelsim.errors import CheckFailed
from accelsim.formats.scalesim.peer import run_scalesim
from accelsim.timing.scalesim import ScaleLayer, ScaleMachine, simulate

MACHINE = ScaleMachine(256, 256, 6144, 6144, 2048, "ws")
REPEATS = 50  # ours is too short for the clock


def scalesim(python: str, network: str, layers: tuple[ScaleLayer, ...]) -> Iterator[SimRow]:
    """A network on a 256 x 256 weight-stationary array: SCALE-Sim, and our columns of it.

    Raises:
        InputError: it does not run there. CheckFailed: cycles differ.
    """
    case = f"{network} on {MACHINE.rows}x{MACHINE.cols} {MACHINE.dataflow}, SCALE-Sim's timing"
    begin = time.process_time()
    for _ in range(REPEATS):
        ours = sum(simulate(layer, MACHINE).cycles for layer in layers)
    spent = (time.process_time() - begin) / REPEATS
    theirs, cpu_s = run_scalesim(python, MACHINE, layers)
    if ours != theirs:
        raise CheckFailed(f"{case}: {ours} cycles, SCALE-Sim has {theirs}")
    yield SimRow(case, "SCALE-Sim", 0, theirs, cpu_s)
    yield SimRow(case, "columns", 0, ours, spent, f"{cpu_s / spent:,.0f} times fewer CPU seconds")
