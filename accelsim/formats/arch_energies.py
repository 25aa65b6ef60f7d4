"""Which energies a machine's file states, and which it must."""

from __future__ import annotations

from typing import Any, NoReturn

from accelsim.arch import OPERANDS
from accelsim.energy.presets import PRESETS
from accelsim.errors import InputError, nearest
from accelsim.formats.yaml_text import Path

PRESET_NAMES = {name: name for name in PRESETS}
BOTH = (("read_energy", "read"), ("write_energy", "write"))


def no_file(name: str) -> NoReturn:
    """Refuse the name of a file where none can be read."""
    raise InputError(f"no energy preset {name!r}; {nearest(name, PRESETS)}")


def _places(document: Any) -> dict[str, tuple[Path, bool]]:
    """By energy: where the file states it, and whether every machine must."""
    found: dict[str, tuple[Path, bool]] = {}
    dram = document.get("dram")
    by_commands = isinstance(dram, dict) and dram.get("timing") is not None
    for key, name in BOTH:
        found[f"DRAM.{name}"] = (("dram", key), not by_commands)
        for operand in OPERANDS:
            found[f"spad.{operand}.{name}"] = (("array", "spads", operand, key), True)
    memories = document.get("memories")
    for i, memory in enumerate(memories if isinstance(memories, list) else []):
        label = memory.get("name", i) if isinstance(memory, dict) else i
        for key, name in BOTH:
            found[f"{label}.{name}"] = (("memories", i, key), True)
        found[f"{label}.leakage"] = (("memories", i, "leakage"), False)
    return {
        **found,
        "DRAM.background": (("dram", "background_power"), False),
        "array.hop": (("array", "hop_energy"), True),
        "array.leakage": (("array", "leakage"), False),
        "array.clock": (("array", "clock_power"), False),
        "MAC": (("array", "mac_energy"), True),
        "vector": (("vector", "op_energy"), True),
    }


def _parent(document: Any, path: Path) -> Any:
    node = document
    for key in path[:-1]:
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError):
            return None
    return node


def stated_energies(document: Any) -> frozenset[str]:
    """The energies that the file states itself."""
    return frozenset(
        name
        for name, (path, _) in _places(document).items()
        if isinstance(parent := _parent(document, path), dict) and path[-1] in parent
    )


def missing_energies(document: Any) -> list[tuple[Path, str]]:
    """Energies that a file without `energy` should state, where the part that they belong to exists."""
    if document.get("energy") is not None:
        return []
    return [
        (path, "missing; every machine states it, or names a preset or file under `energy`")
        for path, must in _places(document).values()
        if must and isinstance(parent := _parent(document, path), dict) and path[-1] not in parent
    ]


def required_energies() -> dict[str, Any]:
    """The JSON Schema of the energies that a file without `energy` states."""
    both = {"required": [key for key, _ in BOTH]}
    array = {
        "required": ["mac_energy", "hop_energy"],
        "properties": {"spads": {"properties": dict.fromkeys(OPERANDS, both)}},
    }
    vector = {"required": ["op_energy"]}
    dram = {"if": {"not": {"required": ["timing"]}}, "then": both}
    return {"properties": {"dram": dram, "memories": {"items": both}, "array": array, "vector": vector}}
