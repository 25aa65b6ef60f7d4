"""What a layer lowers to besides a `Problem`: vector work, gathers and pure data movement."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.errors import InputError
from accelsim.problem import Problem


def _check(kind: str, op: str, in_words: tuple[int, ...], **least_one: int) -> None:
    if any(words < 1 for words in in_words) or any(value < 1 for value in least_one.values()):
        raise InputError(f"{kind} {op}: words, operations and rows must be at least 1")


@dataclass(frozen=True)
class VectorWork:
    """Work of the vector unit that is not a window: elementwise, normalisation, softmax.

    Attributes:
        op: operator name, for the report.
        in_words: words of each input tensor, read once.
        param_words: parameter words read once (scales, biases).
        out_words: words written once.
        ops: lane operations in total.
        rows: independent pieces; one piece must fit on chip (a softmax row; for elementwise work, every word).
        kept_words: of `in_words`, those that every piece needs (a broadcast tensor), kept on chip.
    """

    op: str
    in_words: tuple[int, ...]
    out_words: int
    ops: int
    param_words: int = 0
    rows: int = 1
    kept_words: int = 0

    def __post_init__(self) -> None:
        _check("vector work", self.op, self.in_words, out=self.out_words, ops=self.ops, rows=self.rows)
        if self.out_words % self.rows:
            raise InputError(
                f"vector work {self.op}: {self.out_words} output words do not divide into {self.rows} rows"
            )


@dataclass(frozen=True)
class Move:
    """Data movement without arithmetic (concat, slice, shuffle): each input word is read, each output word written."""

    op: str
    in_words: tuple[int, ...]
    out_words: int

    def __post_init__(self) -> None:
        _check("move", self.op, self.in_words, out=self.out_words)


@dataclass(frozen=True)
class Gather:
    """Data-dependent reads with interpolation or selection (deformable sampling, RoI operators).

    DRAM reads are each input's words once per visit of the chip; reads of the on-chip memory depend on the data:
    between `least_reads` and `most_reads`. Time and energy take `most_reads`.

    Attributes:
        in_words: words of the sampled tensor. position_words: words of offsets, masks or regions.
        ops: lane operations. rows: planes (or regions) that may be sampled apart.
    """

    op: str
    in_words: int
    position_words: int
    out_words: int
    least_reads: int
    most_reads: int
    ops: int
    rows: int = 1

    def __post_init__(self) -> None:
        _check("gather", self.op, (self.in_words,), out=self.out_words, ops=self.ops, rows=self.rows)
        if not 0 <= self.least_reads <= self.most_reads:
            raise InputError(f"gather {self.op}: bounds {self.least_reads} to {self.most_reads} are not in order")


WorkItem = Problem | VectorWork | Move | Gather
