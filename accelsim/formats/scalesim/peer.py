"""SCALE-Sim itself, run by the interpreter that it is installed in, on files that are written here."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import tempfile
from pathlib import Path

from accelsim.errors import InputError
from accelsim.formats.scalesim.cfg import ScaleConfig, to_accelerator, write_cfg
from accelsim.formats.scalesim.topology import Row, write_topology
from accelsim.timing.scalesim import ScaleLayer, ScaleMachine

PROGRAM = """
from scalesim.scale_sim import scalesim
scalesim(save_disk_space=True, verbose=False, config="machine.cfg", topology="topology.csv", layout="layout.csv",
         input_type_gemm=False).run_scale(top_path="out")
"""  # without the traces that its command always writes
LAYOUT = ", ".join(["1"] * 19)  # of a layer: the file must be there, and is not used


def run_scalesim(python: str, machine: ScaleMachine, layers: tuple[ScaleLayer, ...]) -> tuple[int, float]:
    """Cycles and CPU seconds of SCALE-Sim as installed beside `python`.

    Raises:
        InputError: there is no such interpreter, or SCALE-Sim does not run to its end.
    """
    rows = tuple(Row(number, layer) for number, layer in enumerate(layers, 1))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "machine.cfg").write_text(write_cfg(to_accelerator(ScaleConfig("", machine), "peer")))
        (folder / "topology.csv").write_text(write_topology(rows))
        (folder / "layout.csv").write_text("layer,\n" + "".join(f"{row.layer.name}, {LAYOUT},\n" for row in rows))
        before = sum(os.times()[2:4])  # of children that have ended
        try:
            done = subprocess.run([python, "-c", PROGRAM], cwd=folder, capture_output=True, text=True, check=False)
        except OSError as error:
            raise InputError(
                f"{python}: {error.strerror}; expected a Python in which scalesim 3.0.0 is installed"
            ) from None
        spent = sum(os.times()[2:4]) - before
        reports = sorted(folder.glob("out/**/COMPUTE_REPORT.csv"))
        if done.returncode or not reports:
            last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
            raise InputError(f"scalesim by {python} ended with {done.returncode}: {last}")
        table = csv.reader(io.StringIO(reports[0].read_text()))
        titles = [cell.strip() for cell in next(table)]
        place = titles.index("Total Cycles")
        cycles = sum(int(float(row[place])) for row in table if len(row) > place)
    return cycles, spent
