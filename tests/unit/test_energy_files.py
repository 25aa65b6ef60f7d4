"""Energies from files: presets in machine files, tables of our own, Accelergy ERTs."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from accelsim.energy import presets
from accelsim.energy.figures import energies, ranges, sources
from accelsim.energy.table import apply
from accelsim.errors import InputError
from accelsim.formats.arch_yaml import arch_json_schema
from accelsim.formats.energy_yaml import load_energy
from accelsim.lookup import load_arch
from tests.unit.energy_cases import TABLE, shorter, written

# Energies of workspace/example_designs/eyeriss_like/ref_outputs (Accelergy-Project/timeloop-accelergy-exercises)
ERT = {
    "DRAM[1..1]": {"write": 512.0, "read": 512.0, "update": 512.0, "leak": 0.0},
    "shared_glb[1..1]": {"write": 14.137929, "read": 18.183829, "leak": 0.005652, "update": 14.137929},
    "ifmap_spad[1..168]": {"write": 0.176713, "read": 0.202442, "leak": 0.000101},
    "weights_spad[1..168]": {"write": 1.881657, "read": 1.976602, "leak": 0.001592},
    "psum_spad[1..168]": {"write": 0.2191, "read": 0.2513, "leak": 0.000134},
    "mac[1..168]": {"compute": 0.207692, "leak": 0.002374},
}


def ert_text(summary: bool = False, drop: str = "", extra: dict[str, dict[str, float]] | None = None) -> str:
    top, inner = ("ERT_summary", "table_summary") if summary else ("ERT", "tables")
    lines = [f"{top}:", "    version: '0.4'", f"    {inner}:"]
    for name, actions in {**ERT, **(extra or {})}.items():
        if drop and name.startswith(drop):
            continue
        lines += [f"      - name: system_top_level.{name}", "        actions:"]
        for action, energy in actions.items():
            lines += [f"          - name: {action}", f"            energy: {energy}"]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_a_preset_fills_a_file_without_energies(root: Path, tmp_path: Path, preset: str) -> None:
    folder = written(tmp_path, {"m.yaml": shorter(root, preset)})
    arch, found = load_arch(str(folder / "m.yaml"))
    wanted = presets.apply(load_arch("eyeriss")[0], preset)
    assert energies(arch) == energies(wanted)
    assert arch.energy_model == preset
    assert arch.node_nm == presets.NODES.get(preset)
    assert found.uses == ()


def test_what_a_file_states_stays(root: Path, tmp_path: Path) -> None:
    document = json.loads(shorter(root, "45nm"))
    document["array"]["mac_energy"] = "777 fJ"
    document["dram"]["background_power"] = "0 mW"
    folder = written(tmp_path, {"m.yaml": json.dumps(document)})
    arch, _ = load_arch(str(folder / "m.yaml"))
    assert arch.array.mac_fj == 777
    assert energies(arch)["GLB.read"] == energies(presets.apply(load_arch("eyeriss")[0], "45nm"))["GLB.read"]
    origin = {s.key: s.source for s in sources(arch)}
    assert origin["MAC"].startswith("machine file")
    assert origin["GLB.read"].startswith("fit to CACTI 7")


def test_shipped_machines_keep_their_own_energies() -> None:
    arch, _ = load_arch("eyeriss")
    assert energies(arch)["GLB.read"] == 937
    assert arch.energy_model == ""
    assert arch.node_nm == 65
    assert load_arch("eyeriss", "65nm")[0].memory("GLB").read_fj_per_bit == 669


def test_missing_energies_are_named_with_their_line(root: Path, tmp_path: Path) -> None:
    text = (root / "arch_configs" / "eyeriss.yaml").read_text()
    for key in ("mac_energy", "hop_energy"):
        text = "\n".join(line for line in text.splitlines() if not line.strip().startswith(key)) + "\n"
    folder = written(tmp_path, {"m.yaml": text.replace("rows: 12", "rows: zwolf")})
    number = text.splitlines().index("array:") + 1
    with pytest.raises(InputError) as caught:
        load_arch(str(folder / "m.yaml"))
    message = str(caught.value)
    assert f"m.yaml:{number}:1: array.mac_energy: missing; every machine states it, or names a preset" in message
    assert "array.hop_energy: missing" in message
    assert "array.rows" in message


def test_the_schema_asks_for_energies_unless_a_model_gives_them(root: Path) -> None:
    schema = arch_json_schema()
    jsonschema.validate(json.loads(shorter(root, "28nm")), schema)
    with pytest.raises(jsonschema.ValidationError, match="_energy' is a required property"):
        jsonschema.validate(json.loads(shorter(root, "")), schema)


@pytest.mark.parametrize(
    ("energy", "message"),
    [
        ("28 nm", r"m\.yaml:1:\d+: energy: no energy preset or file '28 nm'; did you mean '28nm'"),
        ("none.yaml", r"energy: no energy preset or file 'none\.yaml'; no such file"),
    ],
)
def test_unknown_models_are_refused(root: Path, tmp_path: Path, energy: str, message: str) -> None:
    folder = written(tmp_path, {"m.yaml": shorter(root, energy)})
    with pytest.raises(InputError, match=message):
        load_arch(str(folder / "m.yaml"))


def test_a_kind_of_dram_without_figures_is_refused(root: Path, tmp_path: Path) -> None:
    folder = written(tmp_path, {"m.yaml": shorter(root, "28nm").replace("off-chip link", "rope")})
    with pytest.raises(InputError, match="energy: no public energy for DRAM of kind 'rope'"):
        load_arch(str(folder / "m.yaml"))


def test_a_node_without_data_is_refused(root: Path, tmp_path: Path) -> None:
    document = {**json.loads(shorter(root, "28nm")), "node": "50 nm"}
    folder = written(tmp_path, {"m.yaml": json.dumps(document)})
    with pytest.raises(InputError, match=r"node: no scaling data for 50 nm, and none is interpolated; nearest 45 nm"):
        load_arch(str(folder / "m.yaml"))


def test_a_preset_of_another_node_than_the_machines_is_refused(root: Path, tmp_path: Path) -> None:
    document = {**json.loads(shorter(root, "28nm")), "node": "65 nm"}
    folder = written(tmp_path, {"m.yaml": json.dumps(document)})
    with pytest.raises(InputError, match="energy: 28nm is for 28 nm, the machine's node is 65 nm"):
        load_arch(str(folder / "m.yaml"))


# --- tables of our own ---


def test_a_table_replaces_what_it_names(tmp_path: Path) -> None:
    folder = written(tmp_path, {"mine.yaml": TABLE})
    before, _ = load_arch("eyeriss")
    after, found = load_arch("eyeriss", str(folder / "mine.yaml"))
    value = energies(after)
    assert (value["MAC"], value["GLB.read"], value["GLB.write"]) == (310, 80, 937)
    assert value["spad.Weights.write"] == 7
    assert value["GLB.leakage"] == 2500
    assert value["DRAM.read"] == energies(before)["DRAM.read"]
    assert (after.energy_model, after.node_nm) == ("mine", 28)
    mac = ranges(after)["MAC"]
    assert (mac.low_permille, mac.high_permille, mac.source) == (806, 1291, "gate level")
    assert [f.shown for f in found.uses] == ["mine.yaml"]


def test_broad_names_reach_every_memory(tmp_path: Path) -> None:
    folder = written(tmp_path, {"mine.yaml": TABLE.replace("GLB", "UB")})
    value = energies(load_arch("tpu_v1", str(folder / "mine.yaml"))[0])
    assert (value["UB.read"], value["FIFO.read"], value["ACC.read"]) == (80, 90, 90)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("MAC: {value: 310 fJ", "MAC: {value: 310 fJ/bit", r"t\.yaml:5:3: energies\.MAC: '310 fJ/bit' has unit"),
        ("low: 250", "low: 350", r"t\.yaml:5:3: energies\.MAC: 310 fJ is outside its own range 350 to 400"),
        ("low: 250", "lwo: 250", r"t\.yaml:5:24: energies\.MAC\.lwo: unknown key; did you mean 'low'"),
        ("name: mine", "nome: mine", r"t\.yaml:1:1: nome: unknown key; did you mean 'node' or 'name'"),
        ("source: synthesis\n", "", r"t\.yaml:1:1: source: missing"),
        ("node: 28 nm", "node: 29 nm", r"t\.yaml:2:1: node: no scaling data for 29 nm"),
        ("{value: 90 fJ/bit}", "{}", r"energies\.memory\.read\.value: missing"),
        ("{value: 90 fJ/bit}", "{value: 90}", r"energies\.memory\.read\.value: 90: input should be a valid string"),
        ("GLB.read", "GLP.read", r"t\.yaml:7:3: GLP\.read: eyeriss has no such energy; did you mean 'GLB\.read'"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    folder = written(tmp_path, {"t.yaml": TABLE.replace(old, new)})
    with pytest.raises(InputError, match=message):
        load_arch("eyeriss", str(folder / "t.yaml"))


# --- Accelergy ERTs ---


@pytest.mark.parametrize("summary", [False, True])
def test_an_ert_by_its_names(tmp_path: Path, summary: bool) -> None:
    folder = written(tmp_path, {"x.ERT.yaml": ert_text(summary)})
    arch, _ = load_arch("eyeriss", str(folder / "x.ERT.yaml"))
    value = energies(arch)
    assert value["DRAM.read"] == 8000
    assert value["GLB.read"] == round(18183.829 / 144)
    assert value["GLB.write"] == round(14137.929 / 64)
    assert value["spad.Inputs.read"] == round(202.442 / 16)
    assert value["spad.Weights.write"] == round(1881.657 / 16)
    assert value["spad.Outputs.read"] == round(251.3 / 16)
    assert value["MAC"] == 208
    assert value["GLB.leakage"] == round(0.005652 * 1e12 / 200e6)
    per_pe = 0.000101 + 0.001592 + 0.000134 + 0.002374
    assert value["array.leakage"] == pytest.approx(168 * per_pe * 1e12 / 200e6, abs=1)
    assert value["array.hop"] == 250
    origin = {s.key: s.source for s in sources(arch)}
    assert "18.1838 pJ for 144 bit, width assumed" in origin["GLB.read"]


def test_an_ert_with_a_map(root: Path, tmp_path: Path) -> None:
    """The map says how wide an access is; the machine file names the table beside it."""
    table = (
        "ert: x.ERT.yaml\nnode: 32 nm\nmap:\n  GLB: {table: shared_glb, bits: 64}\n  DRAM: {table: DRAM, bits: 64}\n"
    )
    document = json.loads(shorter(root, "mine.yaml"))
    document["array"]["hop_energy"], document["vector"]["op_energy"] = "250 fJ/bit", "2 pJ"
    folder = written(tmp_path, {"m.yaml": json.dumps(document), "mine.yaml": table, "x.ERT.yaml": ert_text()})
    arch, found = load_arch(str(folder / "m.yaml"))
    assert energies(arch)["GLB.read"] == round(18183.829 / 64)
    assert [f.shown for f in found.uses] == ["mine.yaml", "x.ERT.yaml"]
    assert "width assumed" not in {s.key: s.source for s in sources(arch)}["GLB.read"]


def test_an_ert_reads_back_what_it_was_written_from() -> None:
    """An ERT made from a machine's own energies gives them back."""
    arch, _ = load_arch("eyeriss")
    value = energies(arch)
    rows = {
        "DRAM": (64, "DRAM"), "GLB": (144, "GLB"), "ifmap_spad": (16, "spad.Inputs"),
        "weights_spad": (16, "spad.Weights"), "psum_spad": (16, "spad.Outputs"),
    }  # fmt: skip
    lines = ["ERT:", "    tables:"]
    for name, (bits, key) in rows.items():
        wide = {"read": bits, "write": 64 if name == "GLB" else bits}
        lines += [f"      - name: {name}", "        actions:"]
        for action in ("read", "write"):
            pj = value[f"{key}.{action}"] * wide[action] / 1000
            lines.append(f"          - {{name: {action}, energy: {pj}}}")
    lines += ["      - name: mac", "        actions:", f"          - {{name: compute, energy: {value['MAC'] / 1000}}}"]
    model = load_energy("\n".join(lines), "own.yaml", lambda name: name)
    assert callable(model)
    found = {key: round(figure.value) for key, figure in model(arch).figures(arch).items() if figure.unit != "mW"}
    assert found == {key: value[key] for key in found}
    assert len(found) == 11


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ert_text(drop="psum"), r"spad\.Outputs is none of DRAM, shared_glb, .*; say which with a file of `ert:`"),
        (ert_text(extra={"ofmap_spad": {"read": 1, "write": 1}}), r"spad\.Outputs could be psum_spad or ofmap_spad"),
        (ert_text(drop="mac"), "MAC is none of DRAM"),
        (ert_text(drop="shared", extra={"glb": {"read": 1}}), r"x\.yaml:44:9: glb: no write; it has read"),
        ("ERT: {version: 1}\n", r"x\.yaml:1:1: ERT: expected a list `tables` or `table_summary`"),
        ("ERT:\n  tables:\n    - {name: a}\n", r"x\.yaml:3:\d+: ERT\.tables\[0\]: a: expected a list of actions"),
        (
            "ERT:\n  tables:\n    - name: a\n      actions: [{name: read, energy: -1}]\n",
            r"ERT\.tables\[0\]\.actions\[0\]: expected an action with a name and an energy in pJ",
        ),
        ("- 1\n", r"x\.yaml:1:1: expected the keys of an energy table"),
        ("a: [\n", r"x\.yaml:\d+:\d+: "),
    ],
)
def test_wrong_erts_are_refused(tmp_path: Path, text: str, message: str) -> None:
    folder = written(tmp_path, {"x.yaml": text})
    with pytest.raises(InputError, match=message):
        load_arch("eyeriss", str(folder / "x.yaml"))


@pytest.mark.parametrize(
    ("mapped", "message"),
    [
        ("GLP: {table: shared_glb}", r"m\.yaml:3:3: eyeriss has no part 'GLP'; did you mean 'GLB'"),
        ("GLB: {table: share_glb}", r"m\.yaml:3:3: 'share_glb' is not in the ERT; did you mean 'shared_glb'"),
        ("GLB: {table: shared_glb, bits: 0}", r"map\.GLB\.bits: 0 is not a whole number of at least 1"),
        ("GLB: {tabel: shared_glb}", r"map\.GLB\.tabel: unknown key; did you mean 'table'"),
    ],
)
def test_wrong_maps_are_refused(tmp_path: Path, mapped: str, message: str) -> None:
    folder = written(tmp_path, {"m.yaml": f"ert: x.yaml\nmap:\n  {mapped}\n", "x.yaml": ert_text()})
    with pytest.raises(InputError, match=message):
        load_arch("eyeriss", str(folder / "m.yaml"))


def _damaged(document: object) -> list[object]:
    """The document with each part in turn replaced by something of another type, or left out."""
    found: list[object] = [None, 3, "x", [], {}, True]
    if isinstance(document, dict):
        for key, value in document.items():
            found += [{**document, key: worse} for worse in _damaged(value)]
            found.append({k: v for k, v in document.items() if k != key})
    if isinstance(document, list):
        found += [[worse, *document[1:]] for worse in _damaged(document[0])]
    return found


@pytest.mark.parametrize("text", [TABLE, ert_text(), "ert: x.yaml\nmap:\n  GLB: {table: shared_glb, bits: 64}\n"])
def test_damaged_files_are_refused_or_read_never_a_crash(text: str) -> None:
    arch, _ = load_arch("eyeriss")
    refused = 0
    for document in _damaged(YAML(typ="safe").load(text)):
        try:
            apply(arch, load_energy(json.dumps(document), "d.yaml", lambda _: ert_text()))
        except InputError as error:
            assert "d.yaml" in str(error) or "DRAM" in str(error)
            refused += 1
    assert refused > 20


def test_a_map_without_its_ert_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path, {"m.yaml": "ert: none.yaml\n"})
    with pytest.raises(InputError, match=r"m\.yaml:1:1: ert: cannot read none\.yaml"):
        load_arch("eyeriss", str(folder / "m.yaml"))


# --- reports and commands ---
