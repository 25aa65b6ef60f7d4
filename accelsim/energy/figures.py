"""The energies of a machine by name, where each comes from, and the range of every component of a total.

Names: `DRAM.read`, `DRAM.write` (fJ/bit), `DRAM.background`; for each memory `GLB.read`, `GLB.write`, `GLB.leakage`;
for each operand `spad.Inputs.read`, `spad.Inputs.write`; `array.hop`, `array.leakage`, `array.clock`, `MAC`,
`vector`. Leakage, clock and background are fJ a cycle inside.

A range is kept in thousandths of the energy, so that a low or high total is a whole number of attojoules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import ceil, floor

from accelsim.arch import Accelerator, EnergySource
from accelsim.dram.energy import ACTIVATION, REFRESH
from accelsim.energy.components import MAC_SPAN, RF_SPAN, SRAM_SPAN, WIRE_SPAN, Figure, Span
from accelsim.energy.dram import TYPES, type_of
from accelsim.errors import InputError

STATED = "machine file"
DRAM_SPAN: Span = (0.5, 2.0)
"""Assumed, for kinds of DRAM without public figures."""
STATED_LEAK_SPAN: Span = (0.5, 2.0)
"""Assumed, for leakage and background that a machine states."""
ATTO = 1000
"""Attojoules in a femtojoule: fJ times thousandths."""


@dataclass(frozen=True)
class Range:
    """How far the energy of one component may lie from its value.

    Attributes:
        component: a name of the energy breakdown: `DRAM`, a memory, `array`, `spad`, `MAC`, `vector`, `leakage`,
            `DRAM background`.
        shared: components of the same name here are wrong by the same factor in every design (`SRAM`, `logic`, ...).
        low_permille, high_permille: the range in thousandths of the value.
    """

    component: str
    shared: str
    low_permille: int
    high_permille: int
    source: str

    def as_dict(self) -> dict[str, object]:
        """The range as JSON."""
        return {
            "component": self.component,
            "shared": self.shared,
            "low_permille": self.low_permille,
            "high_permille": self.high_permille,
            "source": self.source,
        }


def energies(arch: Accelerator) -> dict[str, int]:
    """All energies of a machine by name, as integers."""
    found = {
        "DRAM.read": arch.dram.read_fj_per_bit,
        "DRAM.write": arch.dram.write_fj_per_bit,
        "DRAM.background": arch.dram.background_fj_per_cycle,
    }
    for memory in arch.memories:
        found[f"{memory.name}.read"] = memory.read_fj_per_bit
        found[f"{memory.name}.write"] = memory.write_fj_per_bit
        found[f"{memory.name}.leakage"] = memory.leakage_fj_per_cycle
    for spad in arch.array.spads:
        found[f"spad.{spad.operand}.read"] = spad.read_fj_per_bit
        found[f"spad.{spad.operand}.write"] = spad.write_fj_per_bit
    found["array.hop"] = arch.array.hop_fj_per_bit
    found["array.leakage"] = arch.array.leakage_fj_per_cycle
    found["array.clock"] = arch.array.clock_fj_per_cycle
    found["MAC"] = arch.array.mac_fj
    found["vector"] = arch.vector.op_fj
    return found


def component_of(key: str) -> str:
    """The component of the energy breakdown that an energy goes into.

    >>> component_of("GLB.read"), component_of("GLB.leakage"), component_of("spad.Inputs.read")
    ('GLB', 'leakage', 'spad')
    """
    if key == "DRAM.background":
        return "DRAM background"
    if key == "array.clock":
        return "clock"
    return "leakage" if key.endswith(".leakage") else key.split(".")[0]


def shared_by(component: str, arch: Accelerator) -> str:
    """What a component's uncertainty is shared with."""
    fixed = {
        "array": "wires",
        "spad": "register files",
        "MAC": "logic",
        "vector": "logic",
        "leakage": "leakage",
        "clock": "clock",
    }
    if component in ("DRAM", "DRAM background"):
        return f"{component} {type_of(arch.dram.kind) or arch.dram.kind}"
    return fixed.get(component, "SRAM")


def _whole(value: float, key: str) -> int:
    """Whole femtojoules; what is not zero stays so."""
    if not 0 <= value < 1e15:
        raise InputError(f"{key}: {value:g} fJ is not an energy of one action")
    return max(1, round(value)) if value else 0


def in_femtojoules(figure: Figure, clock_hz: int) -> Figure:
    """A figure in fJ, fJ/bit or fJ a cycle, whatever energy or power unit it has."""
    if figure.unit == "mW":
        return figure.times(1e12 / clock_hz, "fJ/cycle")
    return figure if figure.unit.startswith("fJ") else figure.times(1000, figure.unit.replace("pJ", "fJ"))


def source_of(key: str, figure: Figure) -> EnergySource:
    """Provenance of an energy in fJ; the range in thousandths of the energy after rounding, widened to whole ones."""
    stored = _whole(figure.value, key)
    if stored == 0:
        return EnergySource(key, ATTO, ATTO, figure.source)
    low, high = (round(ATTO * bound / stored, 6) for bound in (figure.low, figure.high))
    return EnergySource(key, min(ATTO, floor(low)), max(ATTO, ceil(high)), figure.source)


def with_figures(arch: Accelerator, figures: Mapping[str, Figure], model: str = "") -> Accelerator:
    """The machine with these energies, rounded to whole femtojoules, their ranges and sources.

    Raises:
        InputError: a name the machine does not have.
    """
    known = energies(arch)
    for key in figures:
        if key not in known:
            raise InputError(f"{arch.name} has no energy {key!r}; it has {', '.join(known)}")
    scaled = {key: in_femtojoules(figure, arch.clock_hz) for key, figure in figures.items()}
    value = {**known, **{key: _whole(figure.value, key) for key, figure in scaled.items()}}
    origin = {s.key: s for s in arch.energy_sources} | {key: source_of(key, f) for key, f in scaled.items()}
    return replace(
        _with_values(arch, value),
        energy_model=model or arch.energy_model,
        energy_sources=tuple(origin[key] for key in known if key in origin),
    )


def _with_values(arch: Accelerator, value: Mapping[str, int]) -> Accelerator:
    """The machine with all energies of `energies` set."""

    def store(name: str) -> tuple[int, int]:
        return value[f"{name}.read"], value[f"{name}.write"]

    memories, spads = [], []
    for m in arch.memories:
        read, write = store(m.name)
        leak = value[f"{m.name}.leakage"]
        memories.append(replace(m, read_fj_per_bit=read, write_fj_per_bit=write, leakage_fj_per_cycle=leak))
    for s in arch.array.spads:
        read, write = store(f"spad.{s.operand}")
        spads.append(replace(s, read_fj_per_bit=read, write_fj_per_bit=write))
    read, write = store("DRAM")
    idle = value["DRAM.background"]
    array = replace(
        arch.array,
        spads=tuple(spads),
        hop_fj_per_bit=value["array.hop"],
        leakage_fj_per_cycle=value["array.leakage"],
        clock_fj_per_cycle=value["array.clock"],
        mac_fj=value["MAC"],
    )
    return replace(
        arch,
        dram=replace(arch.dram, read_fj_per_bit=read, write_fj_per_bit=write, background_fj_per_cycle=idle),
        memories=tuple(memories),
        array=array,
        vector=replace(arch.vector, op_fj=value["vector"]),
    )


def _stated_span(key: str, arch: Accelerator) -> tuple[Span, str]:
    """The range of an energy that a machine states itself, relative to it."""
    component = component_of(key)
    if key in ("DRAM.read", "DRAM.write"):
        name = type_of(arch.dram.kind)
        stated = energies(arch)[key] / 1000
        if name is None or stated == 0:
            return DRAM_SPAN, "assumed"
        _, low_read, low_write, high, *_ = TYPES[name]
        low = low_read if key == "DRAM.read" else low_write
        return (min(1.0, low / stated), max(1.0, high / stated)), f"public figures of {name}"
    if component in ("leakage", "clock", "DRAM background"):
        return STATED_LEAK_SPAN, "assumed"
    spans = {"array": (WIRE_SPAN, "assumed"), "spad": (RF_SPAN, "register files"), "MAC": (MAC_SPAN, "MACs")}
    span, what = spans.get("MAC" if component == "vector" else component, (SRAM_SPAN, "SRAM"))
    return span, what if what == "assumed" else f"as public figures of {what} lie from our model"


def sources(arch: Accelerator) -> tuple[EnergySource, ...]:
    """Provenance of every energy of a machine; stated ones get the range of their kind."""
    given = {s.key: s for s in arch.energy_sources}
    found = []
    for key, value in energies(arch).items():
        if key in given:
            found.append(given[key])
        else:
            (low, high), why = _stated_span(key, arch)
            figure = Figure(value, value * low, value * high, "fJ", f"{STATED}; range: {why}")
            found.append(source_of(key, figure))
    return tuple(found)


def ranges(arch: Accelerator) -> dict[str, Range]:
    """The range of each component of the energy breakdown.

    Reads and writes of a component mix differently in every run, so the widest of their ranges holds; leakage adds up
    the same way in every cycle, so its range is that of the sum.
    """
    value = energies(arch)
    parts: dict[str, list[EnergySource]] = {}
    for source in sources(arch):
        parts.setdefault(component_of(source.key), []).append(source)
    found = {}
    for component, items in parts.items():
        used = [s for s in items if value[s.key]] or items[:1]
        low, high = min(s.low_permille for s in used), max(s.high_permille for s in used)
        total = sum(value[s.key] for s in used)
        if component == "leakage" and total:
            low = sum(value[s.key] * s.low_permille for s in used) // total
            high = -(-sum(value[s.key] * s.high_permille for s in used) // total)
        why = " | ".join(dict.fromkeys(s.source for s in used))
        found[component] = Range(component, shared_by(component, arch), low, high, why)
    if arch.dram.timing is not None:
        found |= {name: replace(found["DRAM"], component=name) for name in (ACTIVATION, REFRESH)}
    return found


def span_aj(energy_fj: Mapping[str, int], bounds: Mapping[str, Range]) -> tuple[int, int]:
    """(low, high) of a breakdown in attojoules, exactly; a component without a range counts at its value."""
    low = sum(e * (bounds[c].low_permille if c in bounds else ATTO) for c, e in energy_fj.items())
    high = sum(e * (bounds[c].high_permille if c in bounds else ATTO) for c, e in energy_fj.items())
    return low, high


def merged(tables: Iterable[Mapping[str, Range]]) -> dict[str, Range]:
    """The ranges of several breakdowns of one machine."""
    found: dict[str, Range] = {}
    for table in tables:
        found |= table
    return found


def model_dict(arch: Accelerator) -> dict[str, object]:
    """The energy model of a machine as in `report.json`: what it is, its node, the range of every component."""
    return {
        "model": arch.energy_model or STATED,
        "node_nm": arch.node_nm,
        "ranges": [r.as_dict() for r in ranges(arch).values()],
    }
