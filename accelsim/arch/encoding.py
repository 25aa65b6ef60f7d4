"""Zeros: what a machine saves where words are zero, off chip by run-length coding and in a PE by gating."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.errors import InputError

MILLION = 1_000_000


@dataclass(frozen=True)
class Zeros:
    """Shares of zero words among a layer's inputs and outputs, in parts per million (so that sums stay integers)."""

    inputs_ppm: int = 0
    outputs_ppm: int = 0

    def __post_init__(self) -> None:
        for name, value in (("inputs", self.inputs_ppm), ("outputs", self.outputs_ppm)):
            if not 0 <= value <= MILLION:
                raise InputError(f"share of zero {name} {value / MILLION:g}, expected 0 to 1")

    def of(self, operand: str) -> int:
        """Zero words of an operand, ppm; weights are dense."""
        return {"Inputs": self.inputs_ppm, "Outputs": self.outputs_ppm}.get(operand, 0)

    def live(self, words: int) -> int:
        """Of `words` inputs, those that are not zero."""
        return words - words * self.inputs_ppm // MILLION


DENSE = Zeros()


@dataclass(frozen=True)
class RunLength:
    """Run-length coding of feature maps in DRAM: every word that is not zero takes a run of zeros and a level.

    `pairs` of (run, level) share a line of `line_bits`: Eyeriss packs three 5-bit runs and 16-bit levels into 64 bits
    (JSSC 2017, section V-D). A map that coding would lengthen is stored as it is; runs longer than a run field can say
    are left out, lines are not rounded up.
    """

    pairs: int
    line_bits: int

    def bits(self, words: int, width: int, zeros_ppm: int) -> int:
        """Bits of the first `words` words of a map, `width` bits each, a share of them zero."""
        coded = -(-words * (MILLION - zeros_ppm) * self.line_bits // (self.pairs * MILLION))
        return min(words * width, coded)

    def leaves(self, width: int) -> bool:
        """Is a map of such words without zeros stored as it is, however long?"""
        return self.line_bits >= self.pairs * width


def stored_bits(coding: RunLength | None, words: int, width: int, zeros_ppm: int) -> int:
    """Bits that `words` words of a map take in DRAM."""
    return words * width if coding is None else coding.bits(words, width, zeros_ppm)
