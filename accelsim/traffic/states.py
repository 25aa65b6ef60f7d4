"""Words that arrive in one tile of a nest over storage levels, step by step along the loops outside it.

A step that advances a loop sends the loops inside it back to their first index. The tile moves by the same distance
each time, so its new part is one `AxisNest.cell`, and only the number of such steps remains to be counted. Two things
depend on what happened before: the reset at a change of stride and transfers between neighbours. Both are carried as
the state of a recursion over the loops, remembered by state, so that the cost grows with the square of the loops.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from accelsim.errors import InputError
from accelsim.mapping import LevelNest, Placed, Rules
from accelsim.problem import Operand
from accelsim.traffic.factors import AxisNest, Cell, new_words

Shift = tuple[int, ...]
State = tuple[Shift, Shift | None]
"""The stored translation (all 0: none), and the last transfer: `()` a whole tile, a translation, None nothing."""


@dataclass(frozen=True)
class Received:
    """Words that entered one instance: `full` in transfers of any origin, and by translation of the transfer before
    which `linked` words were the same as those of a neighbour that lies this far."""

    words: int
    linked: tuple[tuple[Shift, int], ...] = ()


def level_axes(operand: Operand, nest: LevelNest, level: int, rules: Rules) -> list[AxisNest]:
    """One `AxisNest` per axis of the operand for the tile at a level.

    Raises:
        InputError: exact tiles of a problem with padding, whose steps are not all alike.
    """
    inside, bound = nest.extents(level), nest.problem.bound
    found = []
    for axis in operand.axes:
        if rules.tile == "exact" and (axis.offset or axis.span({d: bound[d] for d in axis.dims}) > axis.size):
            raise InputError(f"{operand.name}: exact tiles over storage levels need a problem without padding")
        size = tuple(inside[d] for d in axis.dims)
        zero = ((0,),) * len(axis.dims)
        bounds = tuple(bound[d] for d in axis.dims)
        found.append(AxisNest(axis, axis.dims, bounds, size, size, zero, zero, True, box=rules.tile == "box"))
    return found


class _Walk:
    """Steps of the temporal loops outside one tile."""

    def __init__(self, operand: Operand, nest: LevelNest, level: int, rules: Rules) -> None:
        self.loops = [loop for loop in nest.loops if loop.kind == "temporal" and loop.level < level]
        self.axes = level_axes(operand, nest, level, rules)
        self.rules = rules
        self.tile = prod(axis.cell((0,) * len(axis.dims), None)[0] for axis in self.axes)
        self.steps = [self._advance(i) for i in range(len(self.loops))]
        self.still: Shift = (0,) * len(self.axes)
        self.memo: dict[tuple[int, State], tuple[int, dict[Shift, int], State]] = {}

    def _advance(self, i: int) -> tuple[Shift, int]:
        """(translation, new words) when loop i goes on and all loops inside it begin again."""
        shift, cells = [], []
        for nest in self.axes:
            now, before = [], []
            for dim in nest.dims:
                now.append(self.loops[i].step if self.loops[i].dim == dim else 0)
                inner = [loop for loop in self.loops[i + 1 :] if loop.dim == dim]
                before.append(sum(self._last(loop) * loop.step for loop in inner))
            assert nest.axis is not None
            moves = zip(nest.axis.terms, now, before, strict=True)
            shift.append(sum(coef * (new - old) for (_, coef), new, old in moves))
            cells.append(nest.cell(tuple(now), tuple(before)))
        return tuple(shift), new_words(cells)

    def _last(self, loop: Placed) -> int:
        return 1 if self.rules.steps == "two" else loop.trips - 1

    def enter(self, i: int, state: State) -> tuple[int, dict[Shift, int], State]:
        """(words, words a neighbour had just received by its distance, state) of one advance of loop i."""
        stored, before = state
        shift, fresh = self.steps[i]
        if shift == self.still and fresh == 0:
            return 0, {}, (stored, None)
        now: Shift = shift
        if self.rules.stride_change == "reset" and stored not in (self.still, shift):
            fresh, stored = self.tile, self.still
        else:
            stored = shift
        if fresh == self.tile:
            now = ()
        linked = {shift: fresh} if self.rules.links and before == now else {}
        return fresh, linked, (stored, now)

    def run(self, i: int, state: State) -> tuple[int, dict[Shift, int], State]:
        """All steps of the loops from i inwards, after the tile at their first indices has come."""
        if i == len(self.loops):
            return 0, {}, state
        found = self.memo.get((i, state))
        if found is None:
            found = self.memo[i, state] = self._run(i, state)
        return found

    def _run(self, i: int, state: State) -> tuple[int, dict[Shift, int], State]:
        words, linked, state_now = self.run(i + 1, state)
        total, links = words, dict(linked)
        for times in self._steps(self.loops[i].trips - 1):
            fresh, near, entered = self.enter(i, state_now)
            words, linked, state_now = self.run(i + 1, entered)
            total += times * (fresh + words)
            for part in (near, linked):
                for shift, count in part.items():
                    links[shift] = links.get(shift, 0) + times * count
        return total, links, state_now

    def _steps(self, more: int) -> list[int]:
        """How often each advance of a loop counts: one stands for all unless they differ by what came before."""
        differ = self.rules.steps == "all" and (self.rules.stride_change == "reset" or self.rules.links)
        return [1] * more if differ else [more]


def received(operand: Operand, nest: LevelNest, level: int, rules: Rules) -> Received:
    """Words that one instance of the tile at a level receives over the whole nest."""
    walk = _Walk(operand, nest, level, rules)
    words, linked, _ = walk.run(0, (walk.still, ()))
    return Received(walk.tile + words, tuple(sorted(linked.items())))


def tile_words(operand: Operand, nest: LevelNest, level: int, rules: Rules) -> int:
    """Words of the tile at a level."""
    cells: list[Cell] = [a.cell((0,) * len(a.dims), None) for a in level_axes(operand, nest, level, rules)]
    return prod(total for total, _ in cells)
