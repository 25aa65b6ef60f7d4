"""Mappings on disk: what counts as the same search, and files that are not whole."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from accelsim import atlas
from accelsim.formats.mapping_cache import MappingCache, key_of
from accelsim.lookup import load_arch
from accelsim.mapper.exact.search import Found, Request
from accelsim.mapper.search import map_problem
from accelsim.mapping.constraint import ANYTHING, Constraint, Factor, Rule
from accelsim.problem import conv_problem, gemm_problem

ARCH = load_arch("edge_os_32x32")[0]
PROBLEM = conv_problem(batch=1, groups=1, out_channels=8, in_channels=4, out_size=(6, 5), kernel=(3, 3), in_size=(8, 7))
REQUEST = Request(PROBLEM, ARCH, "edp", 2)


def test_a_second_search_is_a_look_up_with_the_same_result(tmp_path: Path) -> None:
    cache = MappingCache(tmp_path)
    fresh = map_problem(PROBLEM, ARCH, "edp", 2, library=cache)
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert [p.suffix for p in files] == [".json"]
    again = map_problem(PROBLEM, ARCH, "edp", 2, library=cache)
    assert again.mapping == fresh.mapping
    assert (again.counts, again.outcome, again.energy_fj) == (fresh.counts, fresh.outcome, fresh.energy_fj)
    assert again.search == fresh.search
    cache.clear()
    assert cache.get(REQUEST) is None


def test_a_known_layer_is_told_of_without_a_search_or_a_simulation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine with forms, too: what is kept says which of them the mapping is for."""
    small = load_arch("tpu_v4i")[0]
    small = replace(small, array=replace(small.array, rows=8, cols=8))
    task = atlas.Task("fc", gemm_problem(rows=40, cols=24, reduction=30), 1, ANYTHING)
    fresh = [atlas.map_task(task, arch, "edp", library=MappingCache(tmp_path)) for arch in (ARCH, small)]
    assert fresh[0] == atlas.map_task(task, ARCH, "edp")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr(atlas, "map_problem", never)
    again = [atlas.map_task(task, arch, "edp", library=MappingCache(tmp_path)) for arch in (ARCH, small)]
    assert again == fresh


CHANGES: list[Callable[[Request], Request]] = [
    lambda r: replace(r, objective="energy"),
    lambda r: replace(r, post_ops=3),
    lambda r: replace(r, imperfect=True),
    lambda r: replace(r, max_evaluations=7),
    lambda r: replace(r, whole=frozenset({"Weights"})),
    lambda r: replace(r, resident=frozenset({"Weights"})),
    lambda r: replace(r, limit=Constraint((Rule("row", (("P", Factor(high=2)),)),))),
    lambda r: replace(r, problem=gemm_problem(rows=2, cols=3, reduction=4)),
    lambda r: replace(r, problem=replace(PROBLEM, op="max")),
    lambda r: replace(r, arch=replace(ARCH, clock_hz=ARCH.clock_hz + 1)),
    lambda r: replace(r, arch=replace(ARCH, dram=replace(ARCH.dram, latency_cycles=1))),
    lambda r: replace(r, arch=replace(ARCH, memories=(replace(ARCH.memories[0], capacity_bits=8),))),
    lambda r: replace(r, arch=replace(ARCH, array=replace(ARCH.array, rows=31))),
]


def test_every_change_is_another_key() -> None:
    keys = [key_of(REQUEST), *(key_of(change(REQUEST)) for change in CHANGES)]
    assert len(set(keys)) == len(keys)
    assert key_of(Request(replace(PROBLEM), replace(ARCH), "edp", 2)) == keys[0]
    both = [frozenset({"Weights", "Inputs"}), frozenset({"Inputs", "Weights"})]
    assert key_of(replace(REQUEST, whole=both[0])) == key_of(replace(REQUEST, whole=both[1]))


def kept(folder: Path) -> tuple[MappingCache, Path]:
    cache = MappingCache(folder)
    mapped = map_problem(PROBLEM, ARCH, "edp", 2)
    assert mapped.search is not None
    cache.put(REQUEST, mapped.mapping, mapped.search)
    (file,) = (p for p in folder.rglob("*") if p.is_file())
    return cache, file


def test_a_file_that_is_not_whole_counts_as_absent(tmp_path: Path) -> None:
    cache, file = kept(tmp_path)
    text = file.read_text()
    assert cache.get(REQUEST) is not None
    for end in range(len(text)):
        file.write_text(text[:end])
        assert cache.get(REQUEST) is None
    for wrong in ("[]", "{}", '{"digest": "0", "data": {}}', text.replace('"cost": ', '"cost": 1'), "\udcff"):
        file.write_bytes(wrong.encode("utf-8", "surrogateescape"))
        assert cache.get(REQUEST) is None
    file.write_text(text)
    assert cache.get(REQUEST) is not None


def test_a_folder_that_cannot_be_written_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = MappingCache(tmp_path / "file" / "below")
    assert not cache.writable
    mapped = map_problem(PROBLEM, ARCH, "edp", 2, library=cache)
    assert mapped.search is not None
    assert cache.get(REQUEST) is None


WRITER = """
    import sys
    from accelsim.formats.mapping_cache import MappingCache
    from tests.unit.test_mapping_cache import FOUND, MAPPING, REQUEST
    cache = MappingCache(sys.argv[1])
    print("ready", flush=True)
    while True:
        cache.put(REQUEST, MAPPING, FOUND)
"""


@pytest.mark.slow
def test_writers_side_by_side_and_killed_leave_whole_files(tmp_path: Path) -> None:
    program = textwrap.dedent(WRITER)
    root = str(Path(__file__).resolve().parents[2])
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, cwd=root)
        for _ in range(2)
    ]
    cache = MappingCache(tmp_path)
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
    seen = sum(cache.get(REQUEST) is not None for _ in range(300))
    for writer in writers:
        writer.kill()
        writer.communicate()
    assert seen > 0
    assert cache.get(REQUEST) == (MAPPING, FOUND)


MAPPING = map_problem(PROBLEM, ARCH, "edp", 2).mapping
FOUND = Found((), 1, 2, 2, 2, 3, 4, 5)
