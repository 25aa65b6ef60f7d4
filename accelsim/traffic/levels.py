"""Counts of a nest over storage levels: tile, partition, reads, fills and updates of every kept tile.

Rules observed on Timeloop (HEAD of 2025-03-31), see `TIMELOOP`; two of them are of this file. Instances whose new words
are equal share one read of the parent, and instances that add to the same results one write: per spatial level the
words are multiplied by the number of different offsets, rows times columns where loops lie on two levels. And a level
that does not keep an operand passes the words of the next kept tile inside on, unfiltered.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product
from math import prod

from accelsim.arch import StorageMachine
from accelsim.mapping import LevelNest, Placed, Rules, check_nest
from accelsim.problem import DIMS, Operand
from accelsim.traffic.states import Received, Shift, received, tile_words


@dataclass(frozen=True)
class LevelCount:
    """Words of one operand at one level, per instance.

    Attributes:
        tile: words held. partition: words of the operand that an instance ever holds, if instances share evenly.
        instances: instances in use.
        reads: words read, for the level inside and (`links`) for neighbours.
        fills: words written that come from outside or from neighbours. updates: results written from inside.
    """

    level: str
    operand: str
    tile: int
    partition: int
    instances: int
    reads: int
    fills: int
    updates: int


@dataclass(frozen=True)
class _Split:
    """The loops over the instances inside one level, and where each instance lies."""

    loops: tuple[Placed, ...]

    def offsets(self, operand: Operand) -> dict[tuple[int, int], Shift]:
        """Index offset of the operand by (column, row) of the instance; the innermost loop of an axis is fastest."""
        found: dict[tuple[int, int], Shift] = {}
        for indices in product(*(range(loop.trips) for loop in self.loops)):
            at = {"col": 0, "row": 0}
            start = dict.fromkeys(DIMS, 0)
            for loop, index in zip(self.loops, indices, strict=True):
                at[loop.kind] = at[loop.kind] * loop.trips + index
                start[loop.dim] += index * loop.step
            shift = tuple(sum(coef * start[dim] for dim, coef in axis.terms) for axis in operand.axes)
            found[at["col"], at["row"]] = shift
        return found


def _projections(split: _Split, operand: Operand) -> int:
    return len(set(split.offsets(operand).values()))


def _served(split: _Split, operand: Operand, shift: Shift) -> tuple[int, int]:
    """(instances that a neighbour `shift` away serves, different offsets of those left)."""
    offsets = split.offsets(operand)
    left, linked = set(), 0
    for (col, row), mine in offsets.items():
        wanted = tuple(a + b for a, b in zip(mine, shift, strict=True))
        near = ((col - 1, row), (col + 1, row), (col, row - 1), (col, row + 1))
        if any(offsets.get(at) == wanted for at in near):
            linked += 1
        else:
            left.add(mine)
    return linked, len(left)


@dataclass(frozen=True)
class _Flow:
    """Words into all instances of a kept tile below one instance of its parent.

    Attributes:
        sent: words the parent reads. own: words one instance gets from it. links: words one instance gets from
            neighbours and gives them, on average.
    """

    sent: int
    own: int
    links: int = 0


def _flow(operand: Operand, nest: LevelNest, parent: int, child: int, got: Received) -> _Flow:
    """From the words of one instance to those of its parent, through the spatial loops between them."""
    levels = [n for n in range(parent, child) if any(lp.level == n and lp.kind != "temporal" for lp in nest.loops)]
    splits = [_Split(tuple(lp for lp in nest.loops if lp.level == n and lp.kind != "temporal")) for n in levels]
    if not splits:
        return _Flow(got.words, got.words)
    nearest, instances = splits[-1], prod(lp.trips for lp in splits[-1].loops)
    sent, own, linked = got.words * _projections(nearest, operand), got.words * instances, 0
    for shift, words in got.linked:
        served, left = _served(nearest, operand, shift)
        if served:
            sent -= words * (_projections(nearest, operand) - left)
            own -= words * served
            linked += words * served
    outside = prod(_projections(split, operand) for split in splits[:-1])
    links = linked // nest.instances(child)
    return _Flow(sent * outside, own // instances, links)


def _partition(operand: Operand, nest: LevelNest, level: int) -> int:
    """Words of the whole operand over the boxes that the loops over instances outside a level span."""
    extent = dict.fromkeys(DIMS, 1)

    def words() -> int:
        return prod(axis.span({dim: extent[dim] for dim in axis.dims}) for axis in operand.axes)

    above, below = 1, 1
    for loop in reversed(nest.loops):
        split = loop.kind != "temporal" and loop.level < level
        above *= words() if split else 1
        extent[loop.dim] *= loop.trips
        below *= words() if split else 1
    return words() * above // below


def _operand_counts(operand: Operand, nest: LevelNest, machine: StorageMachine, rules: Rules) -> list[LevelCount]:
    kept = machine.kept(operand.name)
    flows = [
        _flow(operand, nest, parent, child, received(operand, nest, child, rules)) for parent, child in pairwise(kept)
    ]
    flows.append(_flow(operand, nest, kept[-1], len(machine.levels), Received(nest.iterations)))
    found = []
    for number, level in enumerate(kept):
        inward = flows[number]
        outward = flows[number - 1] if number else _Flow(0, 0)
        tile, part = tile_words(operand, nest, level, rules), _partition(operand, nest, level)
        reads, fills, updates = inward.sent, outward.own + outward.links, 0
        if operand.role == "output":
            updates, reads = reads, reads - part
            fills -= part if number else 0
        reads += outward.links
        name = machine.levels[level].name
        found.append(LevelCount(name, operand.name, tile, part, nest.instances(level), reads, fills, updates))
    return found


def level_counts(nest: LevelNest, machine: StorageMachine, rules: Rules) -> tuple[LevelCount, ...]:
    """Counts of every kept tile of every operand, outer to inner.

    Raises:
        MappingError: the nest is not one of this machine.
        InputError: exact tiles of a problem with padding.
    """
    check_nest(nest, machine)
    return tuple(c for op in nest.problem.operands for c in _operand_counts(op, nest, machine, rules))
