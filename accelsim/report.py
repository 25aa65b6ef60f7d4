"""What a run leaves behind, as frozen data: layers, totals, provenance. Energies are integer femtojoules inside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from accelsim.anatomy import Anatomy, Blocks
from accelsim.energy import EnergyParts, LevelTraffic, merge
from accelsim.energy.figures import Range, merged, span_aj
from accelsim.energy.ratio import Ratio, ratio
from accelsim.timing.scalesim import ScaleRun, run_columns

if TYPE_CHECKING:
    import pandas as pd

FJ_PER_PJ = 1000
AJ_PER_PJ = 1_000_000


@dataclass(frozen=True)
class LayerResult:
    """One layer of a report.

    Attributes:
        macs: conventional MACs; issued_macs: what the array was given (padding included).
        compute_cycles: cycles in which PEs or vector lanes do useful work; the rest of `cycles` is in `stall_cycles`.
        active_pes: PEs with work in a full pass, 0 off the array.
        vector_ops: lane operations, fused ones included.
        traffic: bits by level and operand.
        energy_fj: energy by component; leakage over its cycles after the end of all layers before it.
        mapping: the loop nest as text, None off the array. note: why it costs what it costs.
        problem_key: equal for layers that were mapped together.
        dram: row hits, misses and conflicts, activations, bursts, refreshes, share of peak; None without commands.
        scalesim: with `timing: scalesim`, what SCALE-Sim reports; `cycles` are then its own, and `causal_cycles` ours.
            `scalesim_columns` stands for it in a report that was read back.
        energy_parts_fj: `energy_fj` by operand, what has none under `none`. anatomy: what views need of its inside.
    """

    name: str
    op: str
    unit: str
    macs: int
    issued_macs: int
    params: int
    cycles: int
    start_cycle: int
    end_cycle: int
    compute_cycles: int
    active_pes: int
    utilization: float
    vector_ops: int
    traffic: LevelTraffic
    energy_fj: dict[str, int]
    stall_cycles: dict[str, int]
    mapping: str | None
    output_shape: tuple[int, ...]
    folded: tuple[str, ...] = ()
    note: str = ""
    dram: dict[str, int | float] | None = None
    energy_ranges: dict[str, Range] = field(default_factory=dict)
    scalesim: ScaleRun | None = None
    causal_cycles: int | None = None
    energy_parts_fj: EnergyParts = field(default_factory=dict)
    anatomy: Anatomy = field(default_factory=Anatomy)
    scalesim_columns: dict[str, int | float | None] | None = None

    @property
    def total_energy_fj(self) -> int:
        """Energy of the layer."""
        return sum(self.energy_fj.values())

    @property
    def energy_span_aj(self) -> tuple[int, int]:
        """(low, high) of the energy in attojoules."""
        return span_aj(self.energy_fj, self.energy_ranges)

    def dram_bits(self) -> tuple[int, int]:
        """(read, written) DRAM bits."""
        row = self.traffic.get("DRAM", {})
        return sum(f.read_bits for f in row.values()), sum(f.write_bits for f in row.values())

    def as_dict(self) -> dict[str, Any]:
        """The layer as in `report.json`."""
        return {
            "name": self.name,
            "op": self.op,
            "unit": self.unit,
            "macs": self.macs,
            "issued_macs": self.issued_macs,
            "params": self.params,
            "cycles": self.cycles,
            "start_cycle": self.start_cycle,
            "end_cycle": self.end_cycle,
            "compute_cycles": self.compute_cycles,
            "active_pes": self.active_pes,
            "utilization": self.utilization,
            "vector_ops": self.vector_ops,
            "energy_pj": self.total_energy_fj / FJ_PER_PJ,
            "energy_fj": self.total_energy_fj,
            **span_dict(self.energy_fj, self.energy_ranges),
            "traffic": traffic_dict(self.traffic),
            "energy_by_component_pj": picojoules(self.energy_fj),
            "stall_cycles": dict(sorted(self.stall_cycles.items())),
            "mapping": self.mapping,
            "output_shape": list(self.output_shape),
            "folded": list(self.folded),
            "note": self.note,
            **({} if self.dram is None else {"dram": self.dram}),
            "energy_parts_fj": {c: dict(sorted(row.items())) for c, row in sorted(self.energy_parts_fj.items())},
            **self.anatomy.as_dict(),
            **self._compatible(),
        }

    def _compatible(self) -> dict[str, Any]:
        if self.causal_cycles is None:
            return {}
        columns = self.scalesim_columns if self.scalesim is None else run_columns(self.scalesim)
        return {"causal_cycles": self.causal_cycles, "scalesim": columns}


def picojoules(energy_fj: dict[str, int]) -> dict[str, float]:
    """Femtojoules by component as picojoules, for a report."""
    return {name: value / FJ_PER_PJ for name, value in sorted(energy_fj.items())}


def span_dict(energy_fj: dict[str, int], bounds: dict[str, Range]) -> dict[str, Any]:
    """Low and high of a breakdown as in `report.json`: in total and by component, exact."""
    low, high = span_aj(energy_fj, bounds)
    by_component = {
        name: [end / AJ_PER_PJ for end in span_aj({name: value}, bounds)] for name, value in sorted(energy_fj.items())
    }
    return {"energy_low_pj": low / AJ_PER_PJ, "energy_high_pj": high / AJ_PER_PJ, "energy_ranges": by_component}


def traffic_dict(table: LevelTraffic) -> dict[str, dict[str, dict[str, int]]]:
    """A traffic table as in `report.json`."""
    return {
        level: {op: {"read_bits": f.read_bits, "write_bits": f.write_bits} for op, f in sorted(row.items())}
        for level, row in table.items()
    }


def add_up(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Sums by key."""
    total: dict[str, int] = {}
    for part in parts:
        for key, value in part.items():
            total[key] = total.get(key, 0) + value
    return total


@dataclass(frozen=True)
class Totals:
    """Sums over the layers; cycles are the makespan (less than their sum where layers run side by side)."""

    macs: int
    issued_macs: int
    params: int
    cycles: int
    seconds: float
    energy_fj: dict[str, int]
    utilization: float
    traffic: LevelTraffic
    stall_cycles: dict[str, int]
    compute_cycles: int
    energy_ranges: dict[str, Range] = field(default_factory=dict)

    @property
    def total_energy_fj(self) -> int:
        """Energy of the run."""
        return sum(self.energy_fj.values())

    @property
    def energy_span_aj(self) -> tuple[int, int]:
        """(low, high) of the energy in attojoules."""
        return span_aj(self.energy_fj, self.energy_ranges)

    def as_dict(self) -> dict[str, Any]:
        """The totals as in `report.json`."""
        dram = self.traffic.get("DRAM", {})
        return {
            "macs": self.macs,
            "issued_macs": self.issued_macs,
            "params": self.params,
            "cycles": self.cycles,
            "compute_cycles": self.compute_cycles,
            "seconds": self.seconds,
            "energy_pj": self.total_energy_fj / FJ_PER_PJ,
            "energy_fj": self.total_energy_fj,
            **span_dict(self.energy_fj, self.energy_ranges),
            "utilization": self.utilization,
            "dram_read_bits": sum(f.read_bits for f in dram.values()),
            "dram_write_bits": sum(f.write_bits for f in dram.values()),
            "energy_by_component_pj": picojoules(self.energy_fj),
            "stall_cycles": dict(sorted(self.stall_cycles.items())),
            "traffic": traffic_dict(self.traffic),
        }


def totals_of(layers: Iterable[LayerResult], params: int, clock_hz: int, pes: int) -> Totals:
    """Totals of layers in order of time; `params` counts shared weights once."""
    rows = list(layers)
    cycles = max(1, max((r.end_cycle for r in rows), default=1))
    issued = sum(r.issued_macs for r in rows)
    return Totals(
        macs=sum(r.macs for r in rows),
        issued_macs=issued,
        params=params,
        cycles=cycles,
        seconds=cycles / clock_hz,
        energy_fj=add_up(r.energy_fj for r in rows),
        utilization=min(1.0, issued / (pes * cycles)),
        traffic=merge(r.traffic for r in rows),
        stall_cycles=add_up(r.stall_cycles for r in rows),
        compute_cycles=sum(r.compute_cycles for r in rows),
        energy_ranges=merged(r.energy_ranges for r in rows),
    )


def energy_ratio(a: Totals, b: Totals) -> Ratio:
    """Energy of run a over run b with the range that survives the uncertainty they share."""
    return ratio(a.energy_fj, a.energy_ranges, b.energy_fj, b.energy_ranges)


@dataclass(frozen=True)
class Machine:
    """The figures of the machine that tables and plots need; `blocks` are its parts."""

    name: str
    pes: int
    clock_hz: int
    dram_bits_per_s: int
    precision: dict[str, int]
    dataflow: str
    blocks: Blocks


@dataclass(frozen=True)
class RunReport:
    """A run: what was asked, what it costs by layer and in total, and where the inputs came from."""

    version: str
    model: str
    machine: Machine
    batch: int
    options: dict[str, Any]
    sources: dict[str, str]
    totals: Totals
    results: tuple[LayerResult, ...]
    verification: dict[str, Any] = field(default_factory=dict)
    energy_model: dict[str, Any] = field(default_factory=dict)
    area_mm2: dict[str, Any] | None = None
    schedule: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The report as in `report.json` (schema 1)."""
        return {
            "schema": 1,
            "accelsim": self.version,
            "model": self.model,
            "arch": self.machine.name,
            "batch": self.batch,
            "clock_hz": self.machine.clock_hz,
            "pes": self.machine.pes,
            "dataflow": self.machine.dataflow,
            "precision_bits": self.machine.precision,
            "machine": self.machine.blocks.as_dict(),
            "options": self.options,
            "schedule": self.schedule,
            "sources": dict(sorted(self.sources.items())),
            "energy_model": self.energy_model,
            "area_mm2": self.area_mm2,
            "totals": {**self.totals.as_dict(), **self._causal()},
            "layers": [layer.as_dict() for layer in self.results],
            "verification": self.verification,
        }

    def _causal(self) -> dict[str, int]:
        cycles = [layer.causal_cycles for layer in self.results if layer.causal_cycles is not None]
        return {"causal_cycles": sum(cycles)} if cycles else {}

    @property
    def layers(self) -> pd.DataFrame:
        """One row per layer: cost, traffic, energy by component, stalls by cause (columns carry their units)."""
        import pandas as pd

        return pd.DataFrame([layer_row(layer) for layer in self.results]).fillna(0)


def layer_row(layer: LayerResult) -> dict[str, Any]:
    """A layer as one flat row, units in the column names."""
    reads, writes = layer.dram_bits()
    row: dict[str, Any] = {
        "name": layer.name,
        "op": layer.op,
        "unit": layer.unit,
        "output_shape": "x".join(str(n) for n in layer.output_shape),
        "macs": layer.macs,
        "issued_macs": layer.issued_macs,
        "params": layer.params,
        "cycles": layer.cycles,
        "start_cycle": layer.start_cycle,
        "end_cycle": layer.end_cycle,
        "compute_cycles": layer.compute_cycles,
        "utilization": layer.utilization,
        "active_pes": layer.active_pes,
        "vector_ops": layer.vector_ops,
        "energy_pj": layer.total_energy_fj / FJ_PER_PJ,
        "energy_low_pj": layer.energy_span_aj[0] / AJ_PER_PJ,
        "energy_high_pj": layer.energy_span_aj[1] / AJ_PER_PJ,
        "dram_read_bits": reads,
        "dram_write_bits": writes,
    }
    if layer.causal_cycles is not None:
        row["causal_cycles"] = layer.causal_cycles
    row.update({f"energy_{k.replace(' ', '_')}_pj": v / FJ_PER_PJ for k, v in sorted(layer.energy_fj.items())})
    row.update({f"stall_{k}_cycles": v for k, v in sorted(layer.stall_cycles.items())})
    row.update({f"dram_{name}": value for name, value in (layer.dram or {}).items()})
    for level, operands in layer.traffic.items():
        for operand, flow in sorted(operands.items()):
            row[f"{level}_{operand}_read_bits"] = flow.read_bits
            row[f"{level}_{operand}_write_bits"] = flow.write_bits
    return row
