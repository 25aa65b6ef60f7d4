"""Bits over a link, from its counts and the machine's word widths."""

from __future__ import annotations

from accelsim.arch import Accelerator
from accelsim.mapping import LinkCount


def link_bits(arch: Accelerator, count: LinkCount) -> tuple[int, int]:
    """Bits read from and written to the parent over a link, for a whole problem.

    Partial sums have psum width; finished words too where the parent is an accumulator.
    """
    precision = arch.precision
    if count.operand != "Outputs":
        return count.reads * precision.read_bits(count.operand), 0
    final = arch.final_bits(count.parent)
    return count.reads * precision.psum_bits, count.psum_writes * precision.psum_bits + count.final_writes * final
