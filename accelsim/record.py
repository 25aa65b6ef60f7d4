"""The inside of a planned layer for its report: nests, what memories hold, bits over links, busy resources."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from accelsim.anatomy import UNFINISHED, Anatomy, nest_of
from accelsim.arch import Accelerator
from accelsim.energy import LevelTraffic, array_links, merge, vector_links
from accelsim.mapping.chunks import VectorJob, chunk_bounds, chunk_count
from accelsim.mapping.legality import uses
from accelsim.mapping.points import vector_memory
from accelsim.plan import Part, Plan

Held = dict[str, dict[str, int]]


def _links(part: Part, arch: Accelerator, traffic: LevelTraffic) -> LevelTraffic:
    if part.on_array and part.mapped is not None:
        return array_links(part.mapped.counts, part.machine(arch), part.zeros)
    return vector_links(traffic, vector_memory(arch).name)


def _chunk_held(job: VectorJob, arch: Accelerator) -> Held:
    """The most a job of the vector unit keeps: the largest chunks, as often as the memory buffers them."""
    memory, precision = vector_memory(arch), arch.precision
    chunks = chunk_count(job, arch)
    depth = {hold.operand: min(hold.depth, chunks) for hold in memory.holds}

    def largest(words: int) -> int:
        ends = chunk_bounds(job, chunks, words)
        return max(b - a for a, b in pairwise(ends))

    inputs = job.kept_words + depth["Inputs"] * largest(job.in_words - job.kept_words)
    row = {
        "Inputs": inputs * precision.input_bits,
        "Weights": job.param_words * precision.weight_bits,
        "Outputs": depth["Outputs"] * largest(job.out_words) * precision.output_bits,
    }
    return {memory.name: {operand: bits for operand, bits in row.items() if bits}}


def _most(tables: Iterable[Held]) -> Held:
    """Per memory the holdings of the part that holds most there."""
    found: Held = {}
    for table in tables:
        for memory, row in table.items():
            if sum(row.values()) > sum(found.get(memory, {}).values()):
                found[memory] = row
    return found


def held_bits(plan: Plan, arch: Accelerator) -> Held:
    """The most that each memory of the machine holds while a layer runs, by operand.

    Tiles count at their full depth, which is what the mapper reserves; parts run one after another.
    """
    tables: list[Held] = []
    for part in plan.parts:
        if part.job is not None:
            tables.append(_chunk_held(part.job, plan.arch))
        elif part.mapped is not None:
            mapping = part.mapped.mapping
            rows = {m.name: uses(mapping, part.mapped.arch, m) for m in part.mapped.arch.memories}
            tables.append({name: {use.operand: use.bits for use in row} for name, row in rows.items() if row})
    found = _most(tables)
    for own, seen in zip(arch.memories, plan.arch.memories, strict=True):
        taken = own.capacity_bits - seen.capacity_bits
        if taken:
            found[own.name] = {**found.get(own.name, {}), UNFINISHED: taken}
    return found


def _busy(plan: Plan, arch: Accelerator, links: LevelTraffic, vector_ops: int) -> dict[str, int]:
    """Cycles for which each resource works on the layer: at most its own cycles, on chip; its DRAM transfers may
    also go on while other layers run."""
    found = {"DRAM channel": sum(part.outcome.channel_busy for part in plan.parts)}
    for memory in arch.memories:
        flows = [flow for name, row in links.items() if name.startswith(f"{memory.name} > ") for flow in row.values()]
        found[f"{memory.name} read port"] = -(-sum(f.read_bits for f in flows) // memory.read_bits_per_cycle)
        found[f"{memory.name} write port"] = -(-sum(f.write_bits for f in flows) // memory.write_bits_per_cycle)
    found["array"] = sum(part.ran.breakdown.compute for part in plan.parts if part.on_array)
    found["vector unit"] = -(-vector_ops // arch.vector.lanes)
    return found


def anatomy_of(plan: Plan, arch: Accelerator, traffic: Iterable[LevelTraffic], vector_ops: int) -> Anatomy:
    """The inside of a layer; `traffic` is that of its parts, in order."""
    links = merge(_links(part, arch, table) for part, table in zip(plan.parts, traffic, strict=True))
    nests = tuple(nest_of(part.mapped.mapping, part.mapped.arch) for part in plan.parts if part.mapped is not None)
    busy = _busy(plan, arch, links, vector_ops) if plan.parts else {}
    return Anatomy(plan.node.inputs, nests, held_bits(plan, arch), links, busy)
