"""Machine files: shipped ones load, wrong ones are refused with every error at once."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from accelsim.errors import InputError
from accelsim.formats.arch_yaml import arch_json_schema, load_accelerator
from accelsim.lookup import list_archs


def text_of(root: Path, name: str = "eyeriss") -> str:
    return (root / "arch_configs" / f"{name}.yaml").read_text(encoding="utf-8")


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_eyeriss_has_the_published_figures(root: Path) -> None:
    arch = load_accelerator(text_of(root), "eyeriss.yaml")
    assert (arch.array.rows, arch.array.cols, arch.clock_hz) == (12, 14, 200_000_000)
    assert arch.memory("GLB").capacity_bits == 108 * 1024 * 8
    assert [(h.operand, h.depth, h.at) for h in arch.memory("GLB").holds] == [
        ("Inputs", 1, "tile"),
        ("Weights", 2, "pass"),
        ("Outputs", 1, "tile"),
    ]
    assert [arch.array.spad(o).words for o in ("Inputs", "Weights", "Outputs")] == [12, 224, 24]
    assert arch.psum_first_visit == "read"


def test_tpu_has_the_published_figures(root: Path) -> None:
    arch = load_accelerator(text_of(root, "tpu_v1"), "tpu_v1.yaml")
    assert arch.array.pes == 65536
    assert arch.array.whole_weight_tiles
    assert arch.dram.bandwidth_bits_per_s == 8 * 32_470_000_000
    assert [m.capacity_bits // 8 for m in arch.memories] == [24 * 2**20, 256 * 2**10, 4 * 2**20]


def unsourced(text: str) -> list[int]:
    """Lines with a number but no comment, neither on the line nor on the key it stands under."""
    found: list[int] = []
    parents: list[tuple[int, bool]] = []
    prose = False
    for number, line in enumerate(text.splitlines(), 1):
        prose = line.startswith("description:") or (prose and line.startswith(" "))
        if prose:
            continue
        key, colon, value = line.split("#")[0].partition(":")
        indent = len(key) - len(key.lstrip())
        if not colon or key.strip() in ("name", "- name", "description", "kind"):
            continue
        parents = [p for p in parents if p[0] < indent]
        sourced = "#" in line or any(commented for _, commented in parents)
        if any(c.isdigit() for c in value) and not sourced:
            found.append(number)
        if not value.strip():
            parents.append((indent, "#" in line))
    return found


@pytest.mark.parametrize("name", sorted(list_archs()))
def test_shipped_files_fit_their_schema_and_state_sources(root: Path, name: str) -> None:
    text = text_of(root, name)
    jsonschema.validate(YAML(typ="safe").load(text), arch_json_schema())
    assert unsourced(text) == []
    assert load_accelerator(text, f"{name}.yaml").description.count(" ") > 15
    bare = text.replace("  rows: ", "  rows: 1 \n  rows: ", 1)
    assert len(unsourced(bare)) == 1


def test_all_shipped_machines_are_listed() -> None:
    assert set(list_archs()) == {
        "edge_os_32x32", "edge_os_32x32_lpddr4", "edge_tpu", "eyeriss", "eyeriss_v2", "gemmini_16x16", "nvdla_full",
        "nvdla_small", "scalesim_default", "scalesim_eyeriss", "scalesim_google", "scalesim_tpu_v4", "shidiannao",
        "simba", "tpu_like", "tpu_v1", "tpu_v4i",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ("rows: 12", "row: 12", "array.row", "unknown key; did you mean 'rows'"),
        ("capacity: 108 KiB", "capacity: 108 KB/s", r"memories\[0\].capacity", "which is not a unit here"),
        ("clock: 200 MHz", "clock: 200", "clock", "200 has no unit; expected a frequency such as '200 MHz'"),
        ("clock: 200 MHz", "clock: -200 MHz", "clock", "not positive"),
        ("clock: 200 MHz", "clock: 0 MHz", "clock", "not positive"),
        ("clock: 200 MHz", "clock: .nan", "clock", "has no unit"),
        ("clock: 200 MHz", "clock: nan MHz", "clock", "not finite"),
        ("rows: 12", "rows: 0", "array.rows", "0 is not a whole number of at least 1"),
        ("rows: 12", "rows: 1.5", "array.rows", "1.5 is not a whole number"),
        ("rows: 12", "rows: .nan", "array.rows", "nan is not a whole number"),
        ("cols: 14", "cols: many", "array.cols", "'many' is not a whole number"),
        ("dataflow: rs", "dataflow: rx", "array.dataflow", "'rx', expected 'ws', 'os', 'is' or 'rs'"),
        ("dataflow: rs", "dataflow: ws", "array.dataflow", "does not run on a row_stationary array"),
        ("- name: GLB", "- name: DRAM", r"memories\[0\].name", "'DRAM' is taken"),
        (
            "psum_first_visit: read",
            "psum_first_visit: maybe",
            "counting.psum_first_visit",
            "expected 'write' or 'read'",
        ),
    ],
)
def test_one_error_is_placed_and_explained(root: Path, old: str, new: str, key: str, message: str) -> None:
    text = text_of(root).replace(old, new, 1)
    with pytest.raises(InputError, match=rf"my.yaml:\d+:\d+: {key}: .*{message}") as caught:
        load_accelerator(text, "my.yaml")
    assert any(line.startswith(f"my.yaml:{line_of(text, new)}:") for line in str(caught.value).splitlines())


def test_all_errors_come_at_once_in_file_order(root: Path) -> None:
    text = text_of(root).replace("clock: 200 MHz", "clock: fast").replace("cols: 14", "columns: 14")
    text = text.replace("lanes: 16", "lanes: -1")
    with pytest.raises(InputError) as caught:
        load_accelerator(text, "my.yaml")
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["clock", "array.cols", "array.columns", "vector.lanes"]


def test_missing_operand_is_named(root: Path) -> None:
    text = text_of(root).replace("      Weights: {depth: 2, at: pass}", "")
    with pytest.raises(InputError, match="memories: no memory holds Weights"):
        load_accelerator(text, "my.yaml")


def test_buses_belong_to_row_stationary_arrays(root: Path) -> None:
    text = text_of(root).replace("kind: row_stationary", "kind: systolic").replace("dataflow: rs", "dataflow: ws")
    with pytest.raises(InputError, match="a systolic array has no buses"):
        load_accelerator(text, "my.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the keys of a machine.*found nothing"),
        ("- 1", "found CommentedSeq"),
        ("name: [", r"my.yaml:\d+:\d+:"),
        ("name: a\nname: b\n", "duplicate key"),
        ("\tname: x", r"my.yaml:1:1"),
    ],
)
def test_files_that_are_not_machines(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_accelerator(text, "my.yaml")
