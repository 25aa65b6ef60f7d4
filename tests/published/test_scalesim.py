"""SCALE-Sim 3.0.0: every figure of its three reports, digit by digit.

`accelsim/validate/data/scalesim_oracle.csv` was printed by the package (scalesim 3.0.0 from PyPI, numpy 2.3.5, Python
3.11): for each row a `scale_config` in CALC mode with the row's array, SRAMs and dataflow, a `topologies` with the one
layer, `single_layer_sim.run()`, and `str` of its compute, bandwidth and detail report items. The reports in `scalesim/`
were written by `scalesim(save_disk_space=True, ...)` from `small.cfg` and `conv.csv` or `gemm.csv` there, with the
layout file left out.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim.compat import simulate_layers
from accelsim.formats.scalesim import read_cfg, read_topology, report_files, rows_of
from accelsim.timing.scalesim import ScaleDataflow, ScaleMachine
from accelsim.validate.scalesim import oracle, topology

HERE = Path(__file__).parent / "scalesim"


def test_the_oracles_table() -> None:
    shown, compared, differ = oracle()
    assert (compared, differ) == (54 * 30, 0)
    assert all(row.holds for row in shown)
    evicted = [row for row in shown if row.quantity == "DRAM IFMAP Reads" and row.reference > 500]
    assert len(evicted) > 30


@pytest.mark.parametrize("kind", ["conv", "gemm"])
def test_reports_byte_for_byte(kind: str) -> None:
    machine = read_cfg((HERE / "small.cfg").read_text(), "small.cfg").machine
    rows = rows_of(read_topology((HERE / f"{kind}.csv").read_text(), f"{kind}.csv", kind == "gemm"))
    written = report_files(simulate_layers([layer for layers in rows.values() for layer in layers], machine))
    for name, text in written.items():
        assert text == (HERE / kind / name).read_text(), name


@pytest.mark.parametrize(
    ("network", "size", "dataflow", "cycles"),
    [
        ("alexnet", 32, "os", 850_960),
        ("alexnet", 32, "ws", 1_136_239),
        ("alexnet", 32, "is", 1_158_205),
        ("alexnet", 256, "ws", 73_747),
        ("resnet18", 32, "os", 1_718_353),
    ],
)
def test_bundled_topologies(network: str, size: int, dataflow: ScaleDataflow, cycles: int) -> None:
    machine = ScaleMachine(size, size, 6144, 6144, 2048, dataflow)
    assert sum(result.cycles for result in simulate_layers(topology(network), machine)) == cycles
