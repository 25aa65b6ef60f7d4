"""What a layer lowers to besides a `Problem`: vector work and pure data movement."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.errors import InputError
from accelsim.problem import Problem


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
    """

    op: str
    in_words: tuple[int, ...]
    out_words: int
    ops: int
    param_words: int = 0
    rows: int = 1

    def __post_init__(self) -> None:
        if min(self.in_words, default=0) < 1 or self.out_words < 1 or self.ops < 1 or self.rows < 1:
            raise InputError(f"vector work {self.op}: words, operations and rows must be at least 1")
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
        if min(self.in_words, default=0) < 1 or self.out_words < 1:
            raise InputError(f"move {self.op}: words must be at least 1")


WorkItem = Problem | VectorWork | Move
