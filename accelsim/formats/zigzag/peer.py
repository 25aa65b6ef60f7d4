"""ZigZag itself, run by the interpreter that it is installed in, on files that are written here."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from accelsim.arch import Accelerator
from accelsim.errors import InputError
from accelsim.formats.zigzag.hardware import Spread, write_hardware, write_mapping

# it imports six and does not ask for it
INSTALL = "a Python with ZigZag (python -m venv zz && zz/bin/pip install zigzag-dse==3.9.1 six)"
PROGRAM = """
import importlib.metadata, json, sys, time
import onnx
from zigzag.api import get_hardware_performance_zigzag as search
model = onnx.shape_inference.infer_shapes(onnx.load("network.onnx"))
begin = time.process_time()
_, _, found = search(model, "machine.yaml", "mapping.yaml", opt=sys.argv[1], lpf_limit=int(sys.argv[2]),
                     dump_folder="out", loma_show_progress_bar=False)
spent = time.process_time() - begin
def layer(cost):
    words = [sum(levels[-1].data.values()) for levels in cost.memory_word_access.values()]
    return {"name": cost.layer.name, "macs": int(cost.layer.total_mac_count), "cycles": int(cost.latency_total2),
            "energy_pj": float(cost.energy_total), "dram_words": int(sum(words))}
version = importlib.metadata.version("zigzag-dse")
print(json.dumps({"version": version, "cpu_s": spent, "layers": [layer(cost) for cost, _ in found[0][1]]}))
"""  # words: every operand's at the outermost level, in all four directions


@dataclass(frozen=True)
class ZigzagLayer:
    """A layer as ZigZag maps it; `dram_words` are as wide as the DRAM port, so that each takes it for a cycle."""

    name: str
    macs: int
    cycles: int
    energy_pj: float
    dram_words: int

    @property
    def below_port(self) -> bool:
        """True if it claims fewer cycles than its words take the DRAM port."""
        return self.cycles < self.dram_words


@dataclass(frozen=True)
class ZigzagRun:
    """All layers that ZigZag maps, in the network's order, its CPU seconds without imports, and its version."""

    layers: tuple[ZigzagLayer, ...]
    cpu_s: float
    version: str


def parse_run(text: str) -> ZigzagRun:
    """A run from the last line that the program inside ZigZag's interpreter prints.

    Raises:
        ValueError, KeyError, TypeError: another line.
    """
    found = json.loads((text.strip() or "nothing").splitlines()[-1])
    return ZigzagRun(
        tuple(ZigzagLayer(**layer) for layer in found["layers"]), float(found["cpu_s"]), str(found["version"])
    )


def best_of(runs: list[ZigzagRun], objective: str) -> ZigzagRun:
    """The better of several runs, layer by layer; the CPU seconds of all."""

    def cost(layer: ZigzagLayer) -> float:
        return {"latency": layer.cycles, "energy": layer.energy_pj}.get(objective, layer.cycles * layer.energy_pj)

    layers = zip(*(run.layers for run in runs), strict=True)
    return ZigzagRun(tuple(min(same, key=cost) for same in layers), sum(run.cpu_s for run in runs), runs[0].version)


def run_zigzag(python: str, arch: Accelerator, model: bytes, objective: str, spread: Spread, loops: int) -> ZigzagRun:
    """ZigZag as installed beside `python` on an ONNX model.

    Args:
        objective: `latency`, `energy` or `edp`. spread: see `write_mapping`. loops: its `lpf_limit`, prime factors that
            a search permutes.

    Raises:
        InputError: there is no such interpreter, ZigZag is not installed there, or it does not run to its end.
    """
    goal = "EDP" if objective == "edp" else objective
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "machine.yaml").write_text(write_hardware(arch))
        (folder / "mapping.yaml").write_text(write_mapping(arch, spread))
        (folder / "network.onnx").write_bytes(model)
        command = [python, "-c", PROGRAM, goal, str(loops)]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        except OSError as error:
            raise InputError(f"{python}: {error.strerror}; expected {INSTALL}") from None
    last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
    if done.returncode:
        raise InputError(f"zigzag by {python} ended with {done.returncode}: {last}; expected {INSTALL}")
    try:
        return parse_run(done.stdout)
    except (ValueError, KeyError, TypeError):
        raise InputError(f"zigzag by {python} printed no result: {last}; expected {INSTALL}") from None
