"""The mapper's benchmark: what a row says and how it is printed; compiled code has a folder by its state."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from accelsim import jit
from accelsim.bench import mapper
from accelsim.cli import app
from accelsim.errors import InputError
from accelsim.formats.mapping_cache import MappingCache
from accelsim.lookup import load_arch
from accelsim.problem import gemm_problem


def test_a_network_row_sums_its_layers() -> None:
    arch = load_arch("edge_tpu")[0]
    row = mapper.network("mlp", arch, "latency")
    plain = mapper.network("mlp", arch, "latency", vector_work=False)
    assert (row.case, row.machine, row.note) == ("mlp", "edge_tpu", row.note)
    assert row.note.startswith("3 of 3 proven")
    assert plain.case == "mlp, array work alone"
    assert 0 < plain.energy_pj < row.energy_pj


def test_rows_of_a_layer_and_of_evaluations() -> None:
    row = mapper.layer("small", gemm_problem(rows=8, cols=8, reduction=8), "tpu_like", "energy")
    assert row.cycles > 0 and row.gap >= 0 and row.note == "bound proven"
    rate = mapper.evaluations("edge_os_32x32")
    assert rate.note.endswith("complete evaluations per CPU second")
    text = mapper.markdown([row, rate])
    assert "| small | tpu_like | energy |" in text
    assert text.count("\n| ") == 3


def test_a_second_run_is_one_process_with_a_full_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapper, "list_archs", lambda: ["edge_tpu", "edge_os_32x32"])
    library = MappingCache(tmp_path / "accelsim" / "mappings")
    for name in mapper.list_archs():
        mapper.network("mlp", load_arch(name)[0], "edp", library=library)
    files = set(tmp_path.rglob("*"))
    row = mapper.second_runs("mlp", tmp_path)
    assert set(tmp_path.rglob("*")) == files, "nothing was searched, simulated or compiled"
    assert row.case == "mlp, second run" and row.machine in mapper.list_archs() and row.cpu_s > 0
    assert row.note.startswith("the slowest of 2 machines")


def test_an_unknown_bench_is_refused() -> None:
    result = CliRunner().invoke(app, ["bench", "maper"])
    assert isinstance(result.exception, InputError)
    assert "bench 'maper'; did you mean 'mapper'" in str(result.exception)


def test_compiled_code_lies_where_it_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = Path(jit.cache_folder())
    assert folder.parent == tmp_path / "accelsim" / "numba"
    assert folder.name == jit.package_state(*jit.COMPILED) != jit.package_state("mapper")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert str(tmp_path) not in jit.cache_folder()
