"""Work of the vector unit cut into chunks of rows that fit the memory it works from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from accelsim.arch import Accelerator
from accelsim.errors import MappingError
from accelsim.mapping.points import vector_memory

PIPELINE_CHUNKS = 16
LEAST_CHUNK_BITS = 8 * 4096


@dataclass(frozen=True)
class VectorJob:
    """What the vector unit does: words read once (all inputs together), parameters, words written, operations.

    `rows` independent pieces may be processed apart.

    Attributes:
        kept_words: of `in_words`, those that every piece needs: loaded first and kept (scales, offsets, regions).
        here_words, kept_here: of the other and of these, those that are on chip before the work begins.
        staying: of `out_words`, those that stay on chip.
        reads: words read on chip if that is not `in_words` (a gather reads words more than once).
    """

    op: str
    in_words: int
    param_words: int
    out_words: int
    ops: int
    rows: int
    kept_words: int = 0
    reads: int | None = None
    here_words: int = 0
    kept_here: int = 0
    staying: int = 0

    @property
    def loaded_words(self) -> int:
        """Words that come from DRAM piece by piece."""
        return self.in_words - self.kept_words - self.here_words

    @property
    def kept_loaded(self) -> int:
        """Words that come from DRAM first and are kept."""
        return self.kept_words - self.kept_here

    @property
    def stored_words(self) -> int:
        """Words that go to DRAM."""
        return self.out_words - self.staying


def chunk_count(job: VectorJob, arch: Accelerator, least: int = 1) -> int:
    """Into how many chunks the work is cut: as many as the memory forces, and enough to overlap DMA with work.

    Args:
        least: chunks at least, if there are so many rows.

    Raises:
        MappingError: not even one row fits.
    """
    memory = vector_memory(arch)
    depth = {h.operand: h.depth for h in memory.holds}
    precision = arch.precision
    tensors = depth["Inputs"] * job.loaded_words * precision.input_bits
    tensors += depth["Outputs"] * job.stored_words * precision.output_bits
    kept = job.param_words * precision.weight_bits + job.kept_loaded * precision.input_bits
    room = memory.capacity_bits - kept
    forced = -(-tensors // room) if room > 0 else job.rows + 1
    if forced > job.rows or -(-tensors // job.rows) > room:
        raise MappingError(
            f"{memory.name} holds {memory.capacity_bits // 8} B but one row of {job.op} needs "
            f"{-(-tensors // job.rows) // 8} B and what all rows share {kept // 8} B"
        )
    wanted = min(PIPELINE_CHUNKS, tensors // LEAST_CHUNK_BITS)
    chunks = min(job.rows, max(least, forced, wanted))
    while chunks < job.rows and -(-job.rows // chunks) * (-(-tensors // job.rows)) > room:
        chunks += 1
    return chunks


def chunk_bounds(job: VectorJob, chunks: int, words: int) -> list[int]:
    """Words up to the end of every chunk, beginning with 0."""
    ends = [job.rows * k // chunks for k in range(chunks + 1)]
    return [words * end // job.rows for end in ends]


def chunk_room(job: VectorJob, arch: Accelerator, least: int = 1) -> list[tuple[str, int, int]]:
    """(operand, bits of the largest piece, pieces at once) that the work keeps in its memory, in `least` chunks."""
    chunks, precision = chunk_count(job, arch, least), arch.precision
    depth = {h.operand: h.depth for h in vector_memory(arch).holds}

    def largest(words: int) -> int:
        ends = chunk_bounds(job, chunks, words)
        return max(b - a for a, b in pairwise(ends))

    kept = job.param_words * precision.weight_bits + job.kept_loaded * precision.input_bits
    return [
        ("Inputs", largest(job.loaded_words) * precision.input_bits, depth["Inputs"]),
        ("Outputs", largest(job.stored_words) * precision.output_bits, depth["Outputs"]),
        ("Weights", kept, 1),
    ]
