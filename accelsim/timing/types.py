"""What the time of one array pass depends on, and what it is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PassShape:
    """One array pass.

    Attributes:
        rows, cols: PEs spanned by the pass' spatial loops.
        steps: stream steps.
        pe_macs: MACs of one PE in one stream step.
        stationary_words: words loaded into the array before the pass (0 if they are already there).
        first_input_words, input_words: words of the first stream step and of the pass, `row_stationary`.
        windows: stream steps that begin with a whole new input window (images of a pass), `row_stationary`.
        psum_words: psums written by the pass; psum_step_words: by one stream step.
        psum_in: psums of earlier passes are shifted back into the array (output stationary).
        psum_out: the pass' psums leave the array at its end.
    """

    rows: int
    cols: int
    steps: int
    pe_macs: int = 1
    stationary_words: int = 0
    first_input_words: int = 0
    input_words: int = 0
    psum_words: int = 0
    psum_step_words: int = 0
    psum_in: bool = False
    psum_out: bool = True
    windows: int = 1


@dataclass(frozen=True)
class PassTime:
    """Cycles of one pass: `load` of stationary words, `stream` in which the input edge is busy, `drain` after it.

    `ideal` is the part of `stream` in which PEs do useful work; the rest of the pass is overhead.
    """

    load: int
    stream: int
    drain: int
    ideal: int

    @property
    def total(self) -> int:
        """Cycles from the first stationary word to the last result, nothing overlapped."""
        return self.load + self.stream + self.drain
