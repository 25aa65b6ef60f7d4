"""Laws that every result obeys; a run that breaks one stops with the law's name and the figures."""

from __future__ import annotations

from collections.abc import Sequence

from accelsim.arch import Accelerator
from accelsim.dram import DramUse
from accelsim.errors import CheckFailed
from accelsim.mapper.search import Mapped
from accelsim.mapping import LinkCount, Mapping
from accelsim.problem import Operand
from accelsim.report import LayerResult, Totals, add_up, totals_of
from accelsim.sim.stream import Summary
from accelsim.timing.scalesim import ScaleRun
from accelsim.traffic import stored_words
from accelsim.traffic.bits import link_bits


def _law(holds: bool, layer: str, law: str, figures: str) -> None:
    if not holds:
        raise CheckFailed(f"{layer}: law broken: {law}: {figures}")


def _crossing_words(mapping: Mapping, operand: Operand, parent: str) -> int:
    """Words of an operand that the problem touches and that the link from `parent` sees."""
    if parent == "DRAM" and operand.name in mapping.resident:
        return 0
    return stored_words(mapping.crossing(operand, parent), mapping)


def check_counts(name: str, mapped: Mapped, arch: Accelerator) -> None:
    """Passes carried the counted words, link by link; only wires that join PEs multiply words on the way."""
    counted = {(c.operand, c.parent, c.child): (c.reads, c.psum_writes, c.final_writes) for c in mapped.counts}
    carried = mapped.simulated.carried
    _law(carried == counted, name, "simulated words == counted words", f"{carried} != {counted}")
    for count in mapped.counts:
        array = arch.array
        shared = count.child == "PE" and bool(array.shared(count.operand)) and count.operand != "Outputs"
        most = array.pes * count.reads if shared else count.reads
        fan_out = count.reads <= count.deliveries <= most
        _law(
            fan_out,
            name,
            "words sent x fan-out == words received",
            f"{count}, fan-out 1 to {most // max(1, count.reads)}",
        )
        if count.operand == "Outputs":
            final = _crossing_words(mapped.mapping, mapped.mapping.problem.output, count.parent)
            _law(
                count.final_writes == final, name, "every result is written once per link", f"{count}, {final} results"
            )
            _law(count.sends >= count.psum_writes + final, name, "psums sent >= psums written", str(count))


def check_compulsory(name: str, mapped: Mapped) -> None:
    """DRAM traffic is at least one visit to every stored word that the problem touches and that is not on chip."""
    for operand in mapped.mapping.problem.operands:
        need = _crossing_words(mapped.mapping, operand, "DRAM")
        moved = sum(_moved(c) for c in mapped.counts if c.operand == operand.name and c.parent == "DRAM")
        _law(moved >= need, name, f"DRAM words of {operand.name} >= compulsory", f"{moved} < {need}")


def _moved(count: LinkCount) -> int:
    return count.final_writes + count.psum_writes if count.operand == "Outputs" else count.reads


def check_time(
    name: str, layer: LayerResult, outcomes: Sequence[Summary], arch: Accelerator, own_channel: bool
) -> None:
    """Cycles are at least what the PEs and the vector unit need, and the DRAM channel if it serves this layer alone
    meanwhile; their parts add up."""
    cycles = layer.cycles
    _law(
        cycles * arch.array.pes >= layer.issued_macs,
        name,
        "cycles >= MACs / PEs",
        f"{cycles}, {layer.issued_macs} MACs",
    )
    _law(cycles * arch.vector.lanes >= layer.vector_ops, name, "cycles >= vector operations / lanes", str(cycles))
    reads, writes = layer.dram_bits()
    dram = arch.dram
    need = (reads + writes) * arch.clock_hz
    _law(
        not own_channel or cycles * dram.bandwidth_bits_per_s >= need,
        name,
        "cycles >= DRAM bits / bandwidth",
        f"{cycles}, {reads + writes} bits",
    )
    moved = (
        sum(b for outcome in outcomes for _, b in outcome.read_bits),
        sum(b for outcome in outcomes for _, b in outcome.write_bits),
    )
    _law(moved == (reads, writes), name, "transfers carry the DRAM traffic", f"{moved} != {(reads, writes)}")
    busy = sum(outcome.channel_busy for outcome in outcomes)
    _law(not own_channel or busy <= cycles, name, "the DRAM channel is busy at most all the time", f"{busy}")
    parts = layer.compute_cycles + sum(layer.stall_cycles.values())
    _law(parts == cycles, name, "compute and stalls add up to the cycles", f"{parts} != {cycles}")


def check_channel(layers: Sequence[LayerResult], outcome: Summary, arch: Accelerator) -> None:
    """The one stream of a network ends with its last layer, carries the traffic of all, and fits the channel."""
    end = max((layer.end_cycle for layer in layers), default=0)
    _law(outcome.makespan == end, "network", "the last layer ends with the stream", f"{outcome.makespan} != {end}")
    reads, writes = (sum(bits) for bits in zip(*(layer.dram_bits() for layer in layers), strict=True))
    moved = sum(b for _, b in outcome.read_bits), sum(b for _, b in outcome.write_bits)
    _law(moved == (reads, writes), "network", "transfers carry the DRAM traffic", f"{moved} != {(reads, writes)}")
    need = (reads + writes) * arch.clock_hz
    fits = end * arch.dram.bandwidth_bits_per_s >= need and outcome.channel_busy <= end
    _law(fits, "network", "cycles >= DRAM bits / bandwidth", f"{end} cycles, {reads + writes} bits")


def check_dram(name: str, use: DramUse, arch: Accelerator) -> None:
    """Commands of a DRAM fit the traffic, the time and each other."""
    timing = arch.dram.timing
    assert timing is not None
    d, bursts, clocks = timing.device, use.reads + use.writes, use.clocks // timing.channels
    found = use.hits + use.misses + use.conflicts
    _law(found == bursts, name, "every burst is a hit, a miss or a conflict", f"{found} != {bursts}")
    _law(
        use.bits <= bursts * d.burst_bits, name, "bursts carry what was asked for", f"{use.bits} bits, {bursts} bursts"
    )
    due = timing.channels * (clocks // d.trefi) if timing.refresh else 0
    _law(use.refreshes == due, name, "a refresh every tREFI", f"{use.refreshes} != {due}")
    most = max(use.data_clocks, use.active_clocks)
    _law(most <= use.clocks, name, "data and open rows fit the time", f"{most} > {use.clocks}")
    acts = 4 * timing.channels * (clocks // d.tfaw + 1)
    _law(use.activations <= acts, name, "at most four activates in tFAW", f"{use.activations} > {acts}")


def check_uses(uses: Sequence[DramUse], whole: DramUse) -> None:
    """What a DRAM by commands did for the layers of one stream adds up to what it did."""
    found = sum(uses, DramUse())
    _law(found == whole, "network", "commands of the layers add up", f"{found} != {whole}")


def check_ports(name: str, mapped: Mapped, arch: Accelerator, cycles: int) -> None:
    """Cycles are at least the bits over the bandwidth of each on-chip port towards the array."""
    for memory in arch.memories:
        moved = [link_bits(arch, count) for count in mapped.counts if count.parent == memory.name]
        reads, writes = sum(down for down, _ in moved), sum(up for _, up in moved)
        _law(
            cycles * memory.read_bits_per_cycle >= reads, name, f"cycles >= bits / {memory.name} read port", str(cycles)
        )
        _law(
            cycles * memory.write_bits_per_cycle >= writes,
            name,
            f"cycles >= bits / {memory.name} write port",
            str(cycles),
        )


def check_side_by_side(layers: Sequence[LayerResult]) -> None:
    """Ports, vector lanes and the array are busy at most all the time while two layers run side by side."""
    before: LayerResult | None = None
    for layer in layers:
        if layer.cycles and before is not None and layer.start_cycle < before.end_cycle:
            cycles = max(layer.end_cycle, before.end_cycle) - min(layer.start_cycle, before.start_cycle)
            busy = add_up(found.anatomy.busy_cycles for found in (before, layer))
            for resource, used in busy.items():
                fits = used <= cycles or resource == "DRAM channel"
                _law(fits, layer.name, f"{resource} serves both layers side by side", f"{used} > {cycles}")
        before = layer if layer.cycles else before


def check_totals(layers: tuple[LayerResult, ...], totals: Totals, clock_hz: int, pes: int) -> None:
    """Totals are the sums of the parts, exactly, and a layer overlaps its neighbour at most."""
    again = totals_of(layers, sum(layer.params for layer in layers), clock_hz, pes)
    _law(again == totals, "totals", "totals == sum of the layers", f"{again} != {totals}")
    end, last = 0, 0  # of all layers but the last one, and of all
    for layer in layers:
        start = layer.start_cycle
        _law(start >= end, layer.name, "at most two layers run at a time", f"{start} < {end}")
        _law(layer.end_cycle - start == layer.cycles, layer.name, "cycles == end - start", str(layer.cycles))
        if layer.cycles:
            end, last = last, max(last, layer.end_cycle)


def check_scalesim(name: str, run: ScaleRun, pes: int) -> None:
    """What holds of SCALE-Sim's figures.

    A run reports the number of its last cycle from 0, so the laws of time hold with one cycle more, and not against
    DRAM or ports, for which it never waits.
    """
    for result, _ in run.runs:
        macs = result.folds.used_rows * result.folds.used_cols * result.folds.stream
        cycles = result.cycles + 1
        _law(cycles * pes >= macs, name, "SCALE-Sim cycles + 1 >= MACs / PEs", f"{cycles}, {macs} MACs")
        _law(
            0 < result.mapping_efficiency <= 100.001,
            name,
            "mapping efficiency <= 100 %",
            f"{result.mapping_efficiency}",
        )
        _law(
            result.compute_util <= 1.000001 * result.mapping_efficiency,
            name,
            "compute <= mapping",
            f"{result.compute_util}",
        )
        for sram, dram in ((result.ifmap_sram, result.ifmap_dram), (result.filter_sram, result.filter_dram)):
            _law(dram.words <= sram.words, name, "DRAM reads <= SRAM reads", f"{dram.words} > {sram.words}")
