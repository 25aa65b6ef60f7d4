"""What every key of `report.json` means; `*` stands for any one key, `[]` for the entries of a list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Path = tuple[str, ...]

_TRAFFIC = "bits {} at this level for this operand; levels are `DRAM`, the memories, `PE` (spads) and `array` (wires)"
_SHARED: dict[str, str] = {
    "macs": "MACs of the layer's definition",
    "issued_macs": "MACs given to the array; more where borders or inserted zeros are computed",
    "params": "parameters, each counted once in the network",
    "cycles": "cycles: of the whole run, or from the end of all that a layer waits for to its own end",
    "compute_cycles": "cycles in which PEs or lanes do useful work; with the stalls they add up to `cycles`",
    "utilization": "MACs / (PEs x cycles)",
    "energy_pj": "pJ",
    "energy_fj": "fJ, exact",
    "energy_low_pj": "pJ, low end of what public figures allow",
    "energy_high_pj": "pJ, high end of it",
    "energy_ranges.*.[]": "pJ, low and high of a component",
    "energy_by_component_pj.*": "pJ of `DRAM`, a memory, `spad`, `array` (wires), `MAC`, `vector`, `leakage`",
    "stall_cycles.*": "cycles by cause: `array_fill_drain`, `onchip_port`, `dram_read_*`, `dram_write_*`, ...",
    "traffic.*.*.read_bits": _TRAFFIC.format("read"),
    "traffic.*.*.write_bits": _TRAFFIC.format("written"),
}  # fmt: skip
_TOP: dict[str, str] = {
    "schema": "version of this contract: fields may be added, none removed",
    "accelsim": "version that wrote the file",
    "model": "network",
    "arch": "machine", "batch": "images at once",
    "clock_hz": "Hz",
    "pes": "PEs of the array",
    "dataflow": "`ws`, `os`, `is` or `rs`",
    "precision_bits.*": "bits of a word of weights, inputs, psums, outputs",
    "area_mm2.*": "mm2 by component, `total`, `low`, `high`",
    "machine.dram": "kind of DRAM",
    "machine.dram_bits_per_s": "bit/s of its channel",
    "machine.memories.[].name": "an on-chip memory, outermost first",
    "machine.memories.[].capacity_bits": "bits",
    "machine.memories.[].read_bits_per_cycle": "bits per cycle of the read port",
    "machine.memories.[].write_bits_per_cycle": "bits per cycle of the write port",
    "machine.memories.[].read_fj_per_bit": "fJ per bit read",
    "machine.memories.[].write_fj_per_bit": "fJ per bit written",
    "machine.memories.[].holds.*": "tiles of the operand held at once (2: double buffered)",
    "machine.array_kind": "`systolic`, `spatial`, `mesh` or `row_stationary`",
    "machine.rows": "PE rows",
    "machine.cols": "PE columns",
    "machine.spad_words.*": "words of a PE's scratchpad or register",
    "machine.vector_lanes": "operations per cycle of the vector unit",
    "machine.early_exit": "results leave each row as soon as they are done",
    "machine.whole_weight_tiles": "unused rows are loaded too",
    "options.arbitration": "`first_come` or `round_robin`, if the DRAM channel arbitrates between queues of operands",
    "options.*": "what was asked for",
    "options.dram.*": "setting of a DRAM by commands",
    "area_mm2": "null where the machine states no node",
    "options.counting.*": "counting rule",
    "schedule.name": "`network` or `layerwise`",
    "schedule.overlap": "whether layers overlap in time",
    "schedule.side_by_side.[]": "layer that begins before the one before it has ended, on the other unit",
    "schedule.tensors_on_chip.[]": "layer whose results stay on chip",
    "schedule.tensors_partly_on_chip.[]": "layer of whose results the first part stays on chip",
    "schedule.engine": "engine that timed the network's stream",
    "schedule.engines.*": "work items that this engine timed alone: `python`, `compiled`, `events`, `periods`",
    "schedule.layerwise.*": "the same run layer by layer: cycles, pJ, bits",
    "sources.*": "SHA-256 of a file that the run read",
    "energy_model.model": "where energies come from",
    "energy_model.node_nm": "nm",
    "energy_model.ranges.[].component": "component",
    "energy_model.ranges.[].shared": "figures with this name vary together",
    "energy_model.ranges.[].low_permille": "low end, thousandths of the value",
    "energy_model.ranges.[].high_permille": "high end",
    "energy_model.ranges.[].source": "where value and range come from",
    "verification.checked": "whether `accelsim verify` ran",
    "verification.command": "the command that proves the run",
    "what_if.twice_of.*.cycles": "cycles of the run with twice of a resource",
    "what_if.layers.[].name": "layer",
    "what_if.layers.[].cycles": "cycles as it is",
    "what_if.layers.[].bound": "the resource of which twice as much saves most",
    "what_if.layers.[].cycles_with_twice_of.*": "cycles with twice of it",
}  # fmt: skip
_LAYER: dict[str, str] = {
    "name": "layer",
    "op": "operator",
    "unit": "`array`, `vector` or `view` (nothing moves)",
    "start_cycle": "cycle of the run",
    "end_cycle": "cycle of the run",
    "active_pes": "PEs that the mapping uses",
    "vector_ops": "operations of the vector unit",
    "mapping": "loop nest as text; null without one",
    "output_shape.[]": "N, C, H, W or as the operator says",
    "folded.[]": "layers that run inside this one",
    "dram.*": "commands of a DRAM by commands: bursts, hits, misses, conflicts, refreshes, clocks, bits",
    "note": "why it costs what it costs",
    "energy_parts_fj.*.*": "fJ by component and operand, exact",
    "inputs.[]": "layers it reads",
    "held_bits.*.*": "most bits that a memory holds, by operand",
    "links.*.*.down_bits": "bits towards the array over a link",
    "links.*.*.up_bits": "bits towards DRAM over a link",
    "busy_cycles.*": "cycles for which a resource works",
    "formula.[]": "its formulas with its own numbers",
    "nests.[].op": "`mac`, `max` or `avg`",
    "nests.[].dataflow": "dataflow",
    "nests.[].active_pes": "PEs used",
    "nests.[].bounds.*": "trip count of a dim",
    "nests.[].operands.*.role": "`input`, `weight` or `output`",
    "nests.[].operands.*.axes": "index expressions and their sizes",
    "nests.[].resident.[]": "operand that is on chip before or stays after",
    "nests.[].partly.[]": "operand of which the first indices of a dim do: `OPERAND DIM COUNT`",
    "nests.[].bypass.[]": "`MEMORY: OPERAND` that passes by, though the memory may hold it",
    "nests.[].levels.[].memory": "memory",
    "nests.[].levels.[].loops.[]": "temporal loop, outer to inner: dim and trips",
    "nests.[].levels.[].tiles.[].operand": "operand held here",
    "nests.[].levels.[].tiles.[].words": "words of a tile",
    "nests.[].levels.[].tiles.[].word_bits": "bits of a word",
    "nests.[].levels.[].tiles.[].depth": "tiles at once",
    "nests.[].levels.[].tiles.[].resident": "whether it is on chip before or stays after",
    "nests.[].stream.[]": "loop of stream steps",
    "nests.[].spatial.[]": "loop over the array: dim, trips, axis",
    "nests.[].pe.[]": "loop inside a PE",
}  # fmt: skip


def keys() -> dict[str, str]:
    """Every key with its meaning and unit."""
    totals = {f"totals.{key}": text for key, text in _SHARED.items()}
    totals |= {
        "totals.seconds": "cycles / clock", "totals.dram_read_bits": "bits read from DRAM",
        "totals.dram_write_bits": "bits written to it",
    }  # fmt: skip
    return _TOP | totals | {f"layers.[].{key}": text for key, text in {**_LAYER, **_SHARED}.items()}


def paths_of(report: Any, path: Path = ()) -> Iterator[Path]:
    """Paths of all values of a report, lists as `[]`."""
    if isinstance(report, dict):
        for key, value in report.items():
            yield from paths_of(value, (*path, key))
    elif isinstance(report, list):
        for value in report:
            yield from paths_of(value, (*path, "[]"))
    else:
        yield path


def meaning(path: Path) -> str | None:
    """The key that a path is an instance of; None if there is none."""
    for key in keys():
        parts = key.split(".")
        if len(parts) == len(path) and all(a in ("*", b) for a, b in zip(parts, path, strict=True)):
            return key
    return None
