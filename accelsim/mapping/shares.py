"""Operands of which only a part stays on chip: the first indices of one dim; the others cross the DRAM link.

A tensor that is too large to stay between layers keeps its first words (`residency`). To the layers that make and read
it those are the first indices of their operand's outermost dim. The DRAM link then sees a smaller operand: the axis
begins `count` later, and what lies before is no more there than padding is. Nothing else changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from accelsim.errors import MappingError
from accelsim.problem import Operand, Problem


@dataclass(frozen=True, order=True)
class Share:
    """Of Inputs or Outputs, the words at the first `count` indices of `dim` stay in their outermost memory."""

    operand: str
    dim: str
    count: int

    def __str__(self) -> str:
        return f"{self.dim} {self.count}"

    def axis(self, operand: Operand) -> int:
        """Which axis of the operand the dim indexes."""
        return next(place for place, axis in enumerate(operand.axes) if axis.dims == (self.dim,))

    def crossing(self, operand: Operand) -> Operand:
        """The operand as the DRAM link sees it: without the words that stay."""
        place = self.axis(operand)
        axis = operand.axes[place]
        less = replace(axis, size=axis.size - self.count, offset=axis.offset - self.count)
        return replace(operand, axes=(*operand.axes[:place], less, *operand.axes[place + 1 :]))

    def kept_words(self, operand: Operand) -> int:
        """Words that stay."""
        return operand.words - self.crossing(operand).words


def _plain(operand: Operand, dim: str, problem: Problem) -> bool:
    """Is a dim alone on an axis, word by word?"""
    bound = problem.bound[dim]
    return any(axis.terms == ((dim, 1),) and (axis.size, axis.offset) == (bound, 0) for axis in operand.axes)


def check_shares(shares: tuple[Share, ...], problem: Problem, resident: frozenset[str]) -> None:
    """Shares belong to different operands that are not resident whole, and cut a plain dim of theirs in two.

    Raises:
        MappingError: one does not.
    """
    if len({share.operand for share in shares}) < len(shares):
        raise MappingError("an operand can stay on chip in part by one dim only")
    for share in shares:
        operand = next((o for o in problem.operands if o.name == share.operand), None)
        if operand is None or operand.role == "weight" or share.operand in resident:
            raise MappingError(f"{share.operand} cannot stay on chip in part: expected Inputs or Outputs, not resident")
        if not _plain(operand, share.dim, problem):
            raise MappingError(f"{share.operand} cannot stay in part by {share.dim}: expected a dim that is an axis")
        if not 0 < share.count < problem.bound[share.dim]:
            raise MappingError(
                f"{share.count} of {share.dim} of {share.operand} stay: expected 1 to {problem.bound[share.dim] - 1}"
            )


def share_of(problem: Problem, name: str, words: int) -> Share | None:
    """The share that is the first so many words of an operand in storage order; None if no dim cuts there."""
    operand = problem.operand(name)
    for place, axis in enumerate(operand.axes):
        if axis.size == 1:
            continue
        each = prod(inner.size for inner in operand.axes[place + 1 :])
        if len(axis.dims) != 1 or not _plain(operand, axis.dims[0], problem) or words % each:
            return None
        count = words // each
        return Share(name, axis.dims[0], count) if 0 < count < axis.size else None
    return None
