"""The shipped sweeps: their files bind, the committed tables hold their points, and small ones come out the same."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from accelsim.formats.mapping_cache import MappingCache
from accelsim.sweeps.binding import Binder
from accelsim.sweeps.door import read_sweep
from accelsim.sweeps.draw import draw
from accelsim.sweeps.work import Runner

SMALL = {"array_shape": ["mlp", "lstm"], "glb_size": ["shufflenet_v2"], "dataflow": ["mlp"]}


@pytest.mark.parametrize("name", SMALL)
def test_tables_hold_the_points_of_their_sweeps(root: Path, name: str) -> None:
    folder = root / "reports" / "sweeps"
    spec, table = read_sweep(str(folder / f"{name}.yaml")), pd.read_csv(folder / f"{name}.csv")
    points = list(draw(spec))
    assert table["point"].tolist() == list(range(len(points))) and set(table["status"]) == {"done"}
    for key in points[0][1]:
        assert table[key].tolist() == [params[key] for _, params in points]
    assert all((folder / f"{plot.name}.{kind}").is_file() for plot in spec.plots for kind in ("png", "svg"))


@pytest.mark.parametrize("name", SMALL)
def test_small_points_come_out_the_same(root: Path, tmp_path: Path, name: str) -> None:
    """`accelsim sweep` writes the tables anew (15 CPU minutes, reports/sweeps/README.md)."""
    folder = root / "reports" / "sweeps"
    spec, table = read_sweep(str(folder / f"{name}.yaml")), pd.read_csv(folder / f"{name}.csv")
    points = list(draw(spec))
    binder, runner = Binder(spec, "v"), Runner(MappingCache(tmp_path))
    for model in SMALL[name]:
        number, params = next(point for point in points if point[1]["model"] == model)
        setting = binder.bind(params).setting
        assert setting is not None
        totals = runner.report(setting).totals
        assert (totals.cycles, totals.total_energy_fj) == (table["cycles"][number], table["energy_fj"][number])
