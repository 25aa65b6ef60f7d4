"""`report.json` read back: the same report, or an error that names file and key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import accelsim
from accelsim.errors import InputError
from accelsim.formats.outputs import to_json
from accelsim.formats.report_json import parse_report, read_report
from accelsim.report import RunReport

SMALL = "mobilenet_v2:size=32,width=0.25"


@pytest.fixture(scope="module")
def report() -> RunReport:
    return accelsim.run("edge_os_32x32", SMALL)


@pytest.mark.parametrize(
    ("arch", "model"),
    [
        ("edge_os_32x32", SMALL), ("eyeriss", SMALL), ("tpu_v1", "lstm:steps=2"), ("edge_os_32x32_lpddr4", "mlp"),
        ("scalesim_default", "mlp"),
    ],
)  # fmt: skip
def test_what_was_written_is_read(arch: str, model: str, root: Path) -> None:
    found = accelsim.run(arch, model)
    text = to_json(found.as_dict())
    again = parse_report(text, "report.json")
    assert to_json(again.as_dict()) == text
    assert [layer.energy_fj for layer in again.results] == [layer.energy_fj for layer in found.results]
    assert [layer.anatomy for layer in again.results] == [layer.anatomy for layer in found.results]
    jsonschema.validate(json.loads(text), json.loads((root / "tests/golden/report.schema.json").read_text()))


def test_a_folder_is_as_good_as_its_file(report: RunReport, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(to_json(report.as_dict()))
    assert read_report(str(tmp_path)).as_dict() == read_report(str(tmp_path / "report.json")).as_dict()


def _set(*path: str | int, to: Any) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = to

    return change


def _drop(*path: str | int) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        del data[path[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("schema", to=2), r"r\.json: schema: 2, expected 1"),
        (_drop("machine"), r"r\.json: machine is missing; expected a report\.json of `accelsim run` of this version"),
        (_drop("layers", 0, "nests"), r"layers\[0\]\.nests is missing"),
        (_set("layers", to=[]), r"layers: \[\], expected at least one layer"),
        (_set("layers", to={}), r"layers: \{\}, expected a list"),
        (_set("layers", 1, to=7), r"layers\[1\]: 7, expected an object"),
        (_set("layers", 0, "cycles", to=-1), r"layers\[0\]\.cycles: -1, expected a whole number of at least 0"),
        (_set("layers", 0, "cycles", to=1), r"layers\[0\]\.cycles: 1, expected \d+, end_cycle - start_cycle"),
        (_set("layers", 0, "cycles", to=True), r"layers\[0\]\.cycles: true, expected a whole number"),
        (_set("layers", 0, "name", to=3), r"layers\[0\]\.name: 3, expected text"),
        (_set("layers", 1, "name", to="stem.conv1"), r"layers\[1\]\.name: .*expected a name that no other layer has"),
        (_set("layers", 0, "unit", to="gpu"), r'layers\[0\]\.unit: "gpu", expected array or vector or view'),
        (_set("layers", 0, "energy_fj", to=5), r"layers\[0\]\.energy_fj: 5, expected \d+, the sum of energy_parts_fj"),
        (_set("layers", 0, "energy_by_component_pj", "MAC", to=1.0), r"expected the sums of energy_parts_fj, in pJ"),
        (_set("layers", 0, "utilization", to="x"), r'utilization: "x", expected a number of at least 0'),
        (_set("layers", 0, "nests", 0, "dataflow", to="xx"), r'dataflow: "xx", expected ws or os or is or rs'),
        (_set("layers", 0, "nests", 0, "spatial", to=["M 4 up"]), r"spatial\[0\]: .*expected a loop such as 'M 16"),
        (_set("layers", 0, "nests", 0, "stream", to=[]), r"r\.json: layers\[0\]\.nests\[0\]: loops over . cover"),
        (_set("layers", 0, "nests", 0, "operands", "Inputs", "axes", to="N"), r"axes: .* expected axes such as"),
        (_set("layers", 0, "nests", 0, "levels", 1, "tiles", 0, "resident", to=0), r"resident: 0, expected true or"),
        (_set("totals", "energy_fj", to=1), r"totals\.energy_fj: 1, expected \d+, the sum over the layers"),
        (_set("totals", "macs", to=1), r"totals\.macs: 1, expected \d+, the sum over the layers"),
        (_set("pes", to=7), r"pes: 7, expected 32 x 32 PEs as in machine"),
        (_set("dataflow", to=None), r"dataflow: null, expected ws"),
        (_set("energy_model", "ranges", 0, "low_permille", to=1.5), r"ranges\[0\]\.low_permille: 1\.5"),
    ],
)  # fmt: skip
def test_a_wrong_file_names_file_and_key(report: RunReport, change: Callable[[Any], None], message: str) -> None:
    data = json.loads(to_json(report.as_dict()))
    change(data)
    with pytest.raises(InputError, match=message):
        parse_report(json.dumps(data), "r.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"r\.json:1:2: not JSON"),
        ("[]", r"r\.json: the whole file: \[\], expected an object"),
        ("null", r"the whole file: null"),
        ("[" * 100_000, r"r\.json: not a report\.json: nested too deeply"),
    ],
)
def test_what_is_no_report(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_report(text, "r.json")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the report '.*report\.json': No such file"):
        read_report(str(tmp_path))
    (tmp_path / "report.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="it is not UTF-8 text"):
        read_report(str(tmp_path))
