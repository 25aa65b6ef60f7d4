"""Streams of the vector unit for work that is not a window: chunks of rows in, operations, chunks out."""

from __future__ import annotations

from accelsim.arch import Accelerator
from accelsim.mapping.chunks import VectorJob, chunk_bounds, chunk_count
from accelsim.mapping.points import vector_memory
from accelsim.sim.layout import Regions
from accelsim.sim.limits import Limits
from accelsim.sim.stream import Breakdown, Segment, Stream, Transfer, stream_of


def vector_stream(job: VectorJob, arch: Accelerator, limits: Limits | None = None, least: int = 1) -> Stream:
    """The stream of a job: per chunk a load, a segment and a store, parameters first; `least` chunks if rows allow.

    Raises:
        BudgetExceeded: more chunks than the limits allow.
    """
    memory = vector_memory(arch)
    precision = arch.precision
    chunks = chunk_count(job, arch, least)
    (Limits() if limits is None else limits).check("chunks of vector work", chunks, "a larger memory makes them fewer")
    depth = {h.operand: h.depth for h in memory.holds}
    reads = job.in_words if job.reads is None else job.reads
    sums = job.loaded_words, job.out_words, job.stored_words, job.ops, reads
    ins, outs, going, ops, seen = (chunk_bounds(job, chunks, words) for words in sums)
    segments, transfers, ideal = [], [], 0
    regions = Regions(arch.dram)
    sizes = (
        job.param_words * precision.weight_bits, job.in_words * precision.input_bits,
        job.out_words * precision.output_bits,
    )  # fmt: skip
    weights, inputs, outputs = (regions.take(bits) for bits in sizes)
    kept = job.kept_loaded * precision.input_bits
    if job.param_words:
        transfers.append(Transfer("load", "Weights", sizes[0], -1, 0, address=weights))
    if kept:
        transfers.append(Transfer("load", "Inputs", kept, -1, 0, address=inputs))
    for k in range(chunks):
        bits_in = (ins[k + 1] - ins[k]) * precision.input_bits
        bits_out = (outs[k + 1] - outs[k]) * precision.output_bits
        work = -(-(ops[k + 1] - ops[k]) // arch.vector.lanes)
        bits_seen = (seen[k + 1] - seen[k]) * precision.input_bits
        port = max(-(-bits_seen // memory.read_bits_per_cycle), -(-bits_out // memory.write_bits_per_cycle))
        segments.append(Segment(0, 0, max(work, port), 0))
        ideal += work
        if bits_in:
            place = inputs + kept + ins[k] * precision.input_bits
            transfers.append(Transfer("load", "Inputs", bits_in, max(-1, k - depth["Inputs"]), k, address=place))
        bits_going = (going[k + 1] - going[k]) * precision.output_bits
        if bits_going:
            wanted, place = min(chunks, k + depth["Outputs"]), outputs + going[k] * precision.output_bits
            transfers.append(Transfer("store", "Outputs", bits_going, k, wanted, address=place))
    busy = sum(s.stream for s in segments)
    return stream_of(segments, transfers, Breakdown(ideal, busy - ideal))
