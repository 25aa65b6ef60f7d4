"""Files with energies that the tests of energies share."""

from __future__ import annotations

import json
from pathlib import Path

from ruamel.yaml import YAML

TABLE = """\
name: mine
node: 28 nm
source: synthesis
energies:
  MAC: {value: 310 fJ, low: 250 fJ, high: 400 fJ, source: gate level}
  memory.read: {value: 90 fJ/bit}
  GLB.read: {value: 80 fJ/bit}
  spad.write: {value: 7 fJ/bit}
  GLB.leakage: {value: 0.5 mW}
"""


def shorter(root: Path, energy: str, name: str = "eyeriss") -> str:
    """A shipped machine without any energy of its own, but with an `energy` key."""
    document = YAML(typ="safe").load((root / "arch_configs" / f"{name}.yaml").read_text())
    for part in (document["dram"], *document["memories"], *document["array"]["spads"].values()):
        for key in ("read_energy", "write_energy"):
            del part[key]
    del document["node"]
    document["array"].pop("clock_power", None)
    del document["array"]["mac_energy"], document["array"]["hop_energy"], document["vector"]["op_energy"]
    if energy:
        document["energy"] = energy
    return json.dumps(document)


def written(tmp_path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def lines_of(result: object) -> str:
    return str(getattr(result, "output", ""))


# --- the `energy` key ---
