"""Accelergy's energy reference tables (`ERT.yaml`, `ERT_summary.yaml`): pJ per action, brought to our names.

An ERT names components as its author did and does not say how many bits an action moves. A `map` says both; without
one, names are matched by the words in them and an access is taken to be as wide as our port (DRAM: 64 bit), which the
source of each figure repeats as assumed. Of several entries of one action (data patterns) the dearest counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from accelsim.arch import Accelerator
from accelsim.energy.components import Figure
from accelsim.energy.table import EnergyTable, Row, default_span
from accelsim.errors import InputError, nearest
from accelsim.formats.yaml_text import Path, parse, place, refuse

DRAM_BITS = 64
"""Bits of a DRAM access where no map says so (Timeloop's examples are 64 bit wide)."""
COMPUTE = ("compute", "mac_random", "mac", "multiply", "compute_random")
"""What ERTs call the action of a MAC."""
OUTSIDE = ("dram", "main_memory", "mainmemory", "backing_storage", "off_chip")
STORES = ("spad", "reg", "rf", "latch", "scratchpad")
WORDS_OF = {
    "spad.Inputs": ("ifmap", "input", "iact", "activation_in"),
    "spad.Weights": ("weight", "filter", "wght", "kernel"),
    "spad.Outputs": ("psum", "output", "ofmap", "accum", "oact"),
}
BUFFERS = ("glb", "global", "shared", "buffer", "sram", "storage")


@dataclass(frozen=True)
class ErtRow:
    """One component of an ERT: its name, instances, energy in pJ by action, clock period behind `leak` in s."""

    name: str
    leaf: str
    instances: int
    actions: tuple[tuple[str, float], ...]
    cycle_s: float
    place: str

    def pj(self, names: tuple[str, ...]) -> float | None:
        """The energy of the first of these actions that the component has."""
        table = dict(self.actions)
        return next((table[name] for name in names if name in table), None)


@dataclass(frozen=True)
class Ert:
    """An ERT and the file it came from."""

    source: str
    rows: tuple[ErtRow, ...]


@dataclass(frozen=True)
class MapEntry:
    """A table of the ERT for one of our parts, the bits of an access if stated, and where that is written."""

    table: str
    bits: int | None
    place: str


def _leaf(name: str) -> tuple[str, int]:
    """(last part of a dotted name without its index, instances).

    >>> _leaf("system.PE.weights_spad[1..168]")
    ('weights_spad', 168)
    """
    count = 1
    for low, high in re.findall(r"\[(\d+)\.\.(\d+)\]", name):
        count *= int(high) - int(low) + 1
    return re.sub(r"\[[^\]]*\]", "", name).rsplit(".", 1)[-1], count


def _number(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0
    return float(value) if good else None


def _row(table: Any, path: Path, wrong: list[tuple[Path, str]], where: str) -> ErtRow | None:
    if not isinstance(table, dict) or not isinstance(table.get("name"), str):
        wrong.append((path, "expected a component with a name"))
        return None
    actions: dict[str, float] = {}
    cycle = 1e-9
    given = table.get("actions")
    if not isinstance(given, list) or not given:
        wrong.append((path, f"{table['name']}: expected a list of actions"))
        return None
    for i, action in enumerate(given):
        energy = _number(action.get("energy")) if isinstance(action, dict) else None
        if energy is None or not isinstance(action.get("name"), str):
            wrong.append(((*path, "actions", i), "expected an action with a name and an energy in pJ, at least 0"))
            continue
        actions[action["name"]] = max(energy, actions.get(action["name"], 0.0))
        arguments = action.get("arguments")
        if isinstance(arguments, dict):
            cycle = _number(arguments.get("global_cycle_seconds")) or cycle
    leaf, count = _leaf(table["name"])
    return ErtRow(str(table["name"]), leaf, count, tuple(actions.items()), cycle, where)


def read_ert(text: str, source: str) -> Ert:
    """An ERT from YAML.

    Raises:
        InputError: not an ERT, a component without actions, an energy that is no number, with line and column.
    """
    document = parse(text, source, "an Accelergy ERT")
    top = next((key for key in ("ERT", "ERT_summary") if key in document), None)
    if top is None:
        raise InputError(f"{source}:1:1: expected ERT or ERT_summary; found {', '.join(map(str, document))}")
    body = document[top]
    inner = next((k for k in ("tables", "table_summary") if isinstance(body, dict) and k in body), None)
    if inner is None or not isinstance(body[inner], list) or not body[inner]:
        refuse(document, source, [((top,), "expected a list `tables` or `table_summary`")])
    wrong: list[tuple[Path, str]] = []
    rows = []
    for i, table in enumerate(body[inner]):
        line, column = place(document, (top, str(inner), i))
        rows.append(_row(table, (top, str(inner), i), wrong, f"{source}:{line}:{column}"))
    refuse(document, source, wrong)
    return Ert(source, tuple(row for row in rows if row is not None))


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _has(leaf: str, words: tuple[str, ...]) -> bool:
    return any(_plain(word) in _plain(leaf) for word in words)


def _candidates(part: str, ert: Ert, arch: Accelerator) -> list[ErtRow]:
    """Components whose name speaks for one of our parts, surest rule first."""
    exact = [row for row in ert.rows if _plain(row.leaf) == _plain(part.removeprefix("spad."))]
    if exact:
        return exact
    if part == "DRAM":
        return [row for row in ert.rows if _has(row.leaf, OUTSIDE)]
    if part == "MAC":
        return [row for row in ert.rows if _has(row.leaf, ("mac",)) and row.pj(COMPUTE) is not None]
    if part in WORDS_OF:
        named = [row for row in ert.rows if _has(row.leaf, WORDS_OF[part])]
        return [row for row in named if _has(row.leaf, STORES)] or named
    holding = [row for row in ert.rows if _plain(part) in _plain(row.leaf)]
    if holding or len(arch.memories) > 1:
        return holding
    buffers = [row for row in ert.rows if _has(row.leaf, BUFFERS) and not _has(row.leaf, (*STORES, *OUTSIDE))]
    return [row for row in buffers if row.pj(("read",)) is not None]


def _choose(part: str, ert: Ert, arch: Accelerator, entries: Mapping[str, MapEntry]) -> ErtRow:
    """The component of one of our parts."""
    leaves = [row.leaf for row in ert.rows]
    if part in entries:
        entry = entries[part]
        found = [row for row in ert.rows if entry.table in (row.name, row.leaf)]
        if len(found) == 1:
            return found[0]
        what = "is the name of several components" if found else "is not in the ERT"
        raise InputError(f"{entry.place}: {entry.table!r} {what}; {nearest(entry.table, leaves)}")
    found = _candidates(part, ert, arch)
    if len(found) == 1:
        return found[0]
    what = f"could be {' or '.join(row.leaf for row in found)}" if found else f"is none of {', '.join(leaves)}"
    raise InputError(
        f"{ert.source}: {part} {what}; say which with a file of `ert:` and `map: {{{part}: {{table: ...}}}}`"
    )


def _figure(key: str, pj: float, bits: int, unit: str, row: ErtRow, note: str) -> Row:
    (low, high), why = default_span(key)
    value = 1000 * pj / bits if unit == "fJ/bit" else pj if unit == "mW" else 1000 * pj
    text = f"ERT {row.leaf}, {pj:g} {unit if unit == 'mW' else 'pJ'}{note}; {why}"
    return Row(key, Figure(value, value * low, value * high, unit, text), row.place)


def _access(part: str, row: ErtRow, widths: tuple[int, int], note: str) -> list[Row]:
    """Read and write of a store; an ERT without writes (a wire, a ROM) is refused."""
    found = []
    for action, names, bits in (("read", ("read",), widths[0]), ("write", ("write", "update"), widths[1])):
        pj = row.pj(names)
        if pj is None:
            raise InputError(f"{row.place}: {row.leaf}: no {action}; it has {', '.join(n for n, _ in row.actions)}")
        found.append(_figure(f"{part}.{action}", pj, bits, "fJ/bit", row, f" for {bits} bit{note}"))
    return found


def _leak_mw(row: ErtRow, instances: int) -> float:
    """Leakage: pJ a cycle over the period that the ERT was made for (1 ns if it does not say)."""
    return (row.pj(("leak",)) or 0.0) * 1e-12 / row.cycle_s * 1e3 * instances


def from_ert(
    ert: Ert, arch: Accelerator, entries: Mapping[str, MapEntry] | None = None, node_nm: int | None = None
) -> EnergyTable:
    """The energies of a machine from an ERT; hops and vector operations, which ERTs lack, stay as the machine has them.

    Raises:
        InputError: a part without a component or with several, an entry of the map that fits nothing.
    """
    mapped = entries or {}
    parts = ["DRAM", *(m.name for m in arch.memories), *(f"spad.{s.operand}" for s in arch.array.spads), "MAC"]
    for part, entry in mapped.items():
        if part not in parts:
            raise InputError(f"{entry.place}: {arch.name} has no part {part!r}; {nearest(part, parts)}")
    chosen = {part: _choose(part, ert, arch, mapped) for part in parts}
    rows: list[Row] = []
    for part, row in chosen.items():
        stated = mapped[part].bits if part in mapped else None
        note = "" if stated else ", width assumed"
        if part == "MAC":
            pj = row.pj(COMPUTE)
            if pj is None:
                raise InputError(f"{row.place}: {row.leaf}: none of the actions {', '.join(COMPUTE)}")
            rows.append(_figure("MAC", pj, 1, "fJ", row, ""))
            continue
        rows += _access(part, row, (stated, stated) if stated else _widths(part, arch), note)
        if part in (m.name for m in arch.memories):
            rows.append(_figure(f"{part}.leakage", _leak_mw(row, row.instances), 1, "mW", row, ""))
    inner = {row.name: row for part, row in chosen.items() if part == "MAC" or part.startswith("spad.")}
    total = sum(_leak_mw(row, arch.array.pes) for row in inner.values())
    rows.append(_figure("array.leakage", total, 1, "mW", chosen["MAC"], " with the spads"))
    return EnergyTable(ert.source, tuple(rows), node_nm)


def _widths(part: str, arch: Accelerator) -> tuple[int, int]:
    """Bits of a read and of a write where no map says so."""
    if part == "DRAM":
        return DRAM_BITS, DRAM_BITS
    if part.startswith("spad."):
        operand = part.removeprefix("spad.")
        bits = arch.precision.psum_bits if operand == "Outputs" else arch.precision.read_bits(operand)
        return bits, bits
    memory = arch.memory(part)
    return memory.read_bits_per_cycle, memory.write_bits_per_cycle
