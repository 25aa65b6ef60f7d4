"""A user's table of energies: figures by name, for one machine or for any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from accelsim.arch import Accelerator
from accelsim.energy import presets
from accelsim.energy.components import MAC_SPAN, RF_SPAN, SRAM_SPAN, WIRE_SPAN, Figure, Span
from accelsim.energy.figures import DRAM_SPAN, STATED_LEAK_SPAN, component_of, energies, with_figures
from accelsim.errors import InputError, nearest

ANY_MEMORY = ("memory.read", "memory.write", "memory.leakage")
ANY_SPAD = ("spad.read", "spad.write")


@dataclass(frozen=True)
class Row:
    """One line: a name of `accelsim.energy.figures`, or of every memory or spad; `place` is file, line and column."""

    key: str
    figure: Figure
    place: str


@dataclass(frozen=True)
class EnergyTable:
    """Figures from a file; `node_nm` if it says for which node they hold."""

    name: str
    rows: tuple[Row, ...]
    node_nm: int | None = None

    def figures(self, arch: Accelerator) -> dict[str, Figure]:
        """The figures of a machine's energies; one of `GLB.read` goes before one of `memory.read`.

        Raises:
            InputError: a name that the machine does not have, with the file and line.
        """
        known = energies(arch)
        broad: dict[str, Figure] = {}
        exact: dict[str, Figure] = {}
        for row in self.rows:
            if row.key in ANY_MEMORY:
                broad |= {f"{m.name}.{row.key.split('.')[1]}": row.figure for m in arch.memories}
            elif row.key in ANY_SPAD:
                broad |= {f"spad.{s.operand}.{row.key.split('.')[1]}": row.figure for s in arch.array.spads}
            elif row.key in known:
                exact[row.key] = row.figure
            else:
                hint = nearest(row.key, (*known, *ANY_MEMORY, *ANY_SPAD))
                raise InputError(f"{row.place}: {row.key}: {arch.name} has no such energy; {hint}")
        return {**broad, **exact}


def default_span(key: str) -> tuple[Span, str]:
    """The range of an energy that comes without one: that of its kind."""
    component = component_of(key)
    if component in ("leakage", "DRAM background"):
        return STATED_LEAK_SPAN, "range assumed"
    spans = {"DRAM": DRAM_SPAN, "array": WIRE_SPAN, "spad": RF_SPAN, "MAC": MAC_SPAN, "vector": MAC_SPAN}
    return spans.get(component, SRAM_SPAN), "range of its kind, assumed"


Model = str | EnergyTable | Callable[[Accelerator], EnergyTable]
"""A preset by name, a table, or a table that is made for a machine (an import that matches names)."""


def model_figures(arch: Accelerator, model: Model) -> tuple[str, dict[str, Figure], int | None]:
    """(name, figures, node) of a model for a machine."""
    if isinstance(model, str):
        return model, presets.figures(arch, model), presets.NODES.get(model)
    table = model if isinstance(model, EnergyTable) else model(arch)
    return table.name, table.figures(arch), table.node_nm


def apply(arch: Accelerator, model: Model, keep: frozenset[str] = frozenset()) -> Accelerator:
    """The machine with the energies of a model, except those in `keep`, and with the node that the model has."""
    name, figures, node = model_figures(arch, model)
    wanted = {key: figure for key, figure in figures.items() if key not in keep}
    kept = tuple(s for s in arch.energy_sources if s.key not in wanted)
    return with_figures(replace(arch, node_nm=node or arch.node_nm, energy_sources=kept), wanted, name)
