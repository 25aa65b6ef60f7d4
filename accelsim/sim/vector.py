"""Streams of the vector unit for work that is not a window: chunks of rows in, operations, chunks out."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.arch import Accelerator
from accelsim.errors import MappingError
from accelsim.mapping.points import vector_memory
from accelsim.sim.stream import Breakdown, Segment, Stream, Transfer, channel_order

PIPELINE_CHUNKS = 16
LEAST_CHUNK_BITS = 8 * 4096


@dataclass(frozen=True)
class VectorJob:
    """What the vector unit does: words read once (all inputs together), parameters, words written, operations.

    `rows` independent pieces may be processed apart.
    """

    op: str
    in_words: int
    param_words: int
    out_words: int
    ops: int
    rows: int


def chunk_count(job: VectorJob, arch: Accelerator) -> int:
    """Into how many chunks the work is cut: as many as the memory forces, and enough to overlap DMA with work.

    Raises:
        MappingError: not even one row fits.
    """
    memory = vector_memory(arch)
    depth = {h.operand: h.depth for h in memory.holds}
    precision = arch.precision
    tensors = depth["Inputs"] * job.in_words * precision.input_bits
    tensors += depth["Outputs"] * job.out_words * precision.output_bits
    room = memory.capacity_bits - job.param_words * precision.weight_bits
    least = -(-tensors // room) if room > 0 else job.rows + 1
    if least > job.rows or -(-tensors // job.rows) > room:
        raise MappingError(
            f"{memory.name} holds {memory.capacity_bits // 8} B but one row of {job.op} needs "
            f"{-(-tensors // job.rows) // 8} B and its parameters {job.param_words * precision.weight_bits // 8} B"
        )
    wanted = min(PIPELINE_CHUNKS, tensors // LEAST_CHUNK_BITS)
    chunks = min(job.rows, max(1, least, wanted))
    while chunks < job.rows and -(-job.rows // chunks) * (-(-tensors // job.rows)) > room:
        chunks += 1
    return chunks


def chunk_bounds(job: VectorJob, chunks: int, words: int) -> list[int]:
    """Words up to the end of every chunk, beginning with 0."""
    ends = [job.rows * k // chunks for k in range(chunks + 1)]
    return [words * end // job.rows for end in ends]


def vector_stream(job: VectorJob, arch: Accelerator) -> Stream:
    """The stream of a job: per chunk a load, a segment and a store, parameters first."""
    memory = vector_memory(arch)
    precision = arch.precision
    chunks = chunk_count(job, arch)
    depth = {h.operand: h.depth for h in memory.holds}
    ins, outs, ops = (chunk_bounds(job, chunks, w) for w in (job.in_words, job.out_words, job.ops))
    segments, transfers, ideal = [], [], 0
    if job.param_words:
        transfers.append(Transfer("load", "Weights", job.param_words * precision.weight_bits, -1, 0))
    for k in range(chunks):
        bits_in = (ins[k + 1] - ins[k]) * precision.input_bits
        bits_out = (outs[k + 1] - outs[k]) * precision.output_bits
        work = -(-(ops[k + 1] - ops[k]) // arch.vector.lanes)
        port = max(-(-bits_in // memory.read_bits_per_cycle), -(-bits_out // memory.write_bits_per_cycle))
        segments.append(Segment(0, 0, max(work, port), 0))
        ideal += work
        if bits_in:
            transfers.append(Transfer("load", "Inputs", bits_in, max(-1, k - depth["Inputs"]), k))
        if bits_out:
            transfers.append(Transfer("store", "Outputs", bits_out, k, min(chunks, k + depth["Outputs"])))
    busy = sum(s.stream for s in segments)
    return Stream(tuple(segments), channel_order(transfers), False, Breakdown(ideal, busy - ideal))
