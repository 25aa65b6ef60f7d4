"""What bounds a run, in words and numbers: causes of time in plain English, the class each belongs to, a paragraph."""

from __future__ import annotations

from collections.abc import Mapping

from accelsim.report import LayerResult, RunReport, add_up
from accelsim.units import fmt_bytes, fmt_energy, fmt_si

CAUSES = {
    "compute": "useful work of PEs and vector lanes",
    "onchip_port": "spent at on-chip ports and buses",
    "array_fill_drain": "spent filling and draining the array (weight loading, skew, results shifting out)",
    "final_drain": "spent waiting for the last results to reach DRAM",
    "other_unit": "spent waiting for what the array or the vector unit, whichever is the other one, still makes",
}
CLASSES = ("compute", "DRAM bandwidth", "on-chip ports", "fill and drain", "waiting", "nothing")


def cause_text(name: str) -> str:
    """A cause of time as the end of a sentence about cycles.

    >>> cause_text("dram_read_inputs")
    'spent waiting for DRAM, reading Inputs'
    """
    if name in CAUSES:
        return CAUSES[name]
    for prefix, verb in (("dram_read_", "reading"), ("dram_write_", "writing")):
        if name.startswith(prefix):
            return f"spent waiting for DRAM, {verb} {name.removeprefix(prefix).capitalize()}"
    return f"spent on {name.replace('_', ' ')}"


def class_of(cause: str) -> str:
    """What a cause of time counts as: `compute`, `DRAM bandwidth`, `on-chip ports`, `fill and drain` or `waiting`."""
    if cause == "compute":
        return "compute"
    if cause.startswith("dram_") or cause == "final_drain":
        return "DRAM bandwidth"
    return {"onchip_port": "on-chip ports", "array_fill_drain": "fill and drain"}.get(cause, "waiting")


def times(compute_cycles: int, stall_cycles: Mapping[str, int]) -> dict[str, int]:
    """Cycles by cause, useful work included."""
    return {"compute": compute_cycles, **stall_cycles}


def by_class(causes: Mapping[str, int]) -> dict[str, int]:
    """Cycles by class."""
    return add_up({class_of(cause): cycles} for cause, cycles in causes.items())


def bound_of(layer: LayerResult) -> str:
    """The class that takes most of a layer's cycles, `nothing` for a view."""
    found = by_class(times(layer.compute_cycles, layer.stall_cycles))
    if not sum(found.values()):
        return "nothing"
    return max(found, key=lambda name: (found[name], -CLASSES.index(name)))


def own_cycles(layer: LayerResult) -> int:
    """The cycles that causes and busy resources refer to: those of the causal run."""
    return layer.cycles if layer.causal_cycles is None else layer.causal_cycles


def share(part: float, whole: float) -> str:
    """A share in percent."""
    return f"{100 * part / whole:.1f} %" if whole else "0.0 %"


def paragraph(report: RunReport) -> str:
    """What bounds the network, in plain words with numbers."""
    totals, machine = report.totals, report.machine
    if not totals.total_energy_fj and not any(layer.cycles for layer in report.results):
        return "Nothing to do: every layer is a view of the same words in the same order, and nothing moves."
    causes = times(totals.compute_cycles, totals.stall_cycles)
    classes = by_class(causes)
    spent = sum(causes.values())
    worst, cycles = max(classes.items(), key=lambda pair: pair[1])
    layers = [layer for layer in report.results if bound_of(layer) == worst]
    slow = max(report.results, key=lambda layer: layer.cycles)
    reads = sum(f.read_bits + f.write_bits for f in totals.traffic.get("DRAM", {}).values())
    needed = reads * machine.clock_hz / machine.dram_bits_per_s
    part, energy = max(totals.energy_fj.items(), key=lambda pair: pair[1])
    hungry = max(report.results, key=lambda layer: layer.total_energy_fj)
    cause = max((name for name in causes if class_of(name) == worst), key=lambda name: causes[name])
    meaning = {
        "compute": "the PEs and vector lanes themselves are the limit; only more of them, or fewer operations, help",
        "DRAM bandwidth": "the machine waits for off-chip memory; more bandwidth, larger tiles or fewer bits help",
        "on-chip ports": "operands do not get from the on-chip memories to the PEs fast enough; wider ports help",
        "fill and drain": "short passes leave the array filling and draining; a smaller array or longer passes help",
        "waiting": "work waits for other work; a different order helps",
    }[worst]
    return (
        f"The network is bound by {worst}: {share(cycles, spent)} of the cycles, and the largest share of "
        f"{len(layers)} of {len(report.results)} layers. In words: {meaning}. The largest single cause is time "
        f"{cause_text(cause).removeprefix('spent ')} ({share(causes[cause], spent)}). {report.model} needs at least "
        f"{fmt_si(totals.issued_macs / (machine.pes * machine.clock_hz), 's')} at the peak of {machine.pes:,} PEs and "
        f"{fmt_si(needed / machine.clock_hz, 's')} for {fmt_bytes(reads)} of DRAM traffic at peak bandwidth; it takes "
        f"{fmt_si(totals.seconds, 's')}, with PEs busy for {share(totals.utilization, 1)} of it. The slowest layer is "
        f"{slow.name} ({share(slow.cycles, totals.cycles)}): {slow.note}. Of {fmt_energy(totals.total_energy_fj)}, "
        f"{share(energy, totals.total_energy_fj)} goes to {part}; the hungriest layer is {hungry.name} "
        f"({share(hungry.total_energy_fj, totals.total_energy_fj)})."
    )
