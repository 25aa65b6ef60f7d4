"""Certificates: the boxes that prove a bound, written down and checked.

A certificate lists, family by family, which parts of boxes are cut further (`open`) and which are not, with the least
bound of the latter. The checker builds every part again from the problem and the machine, so none can be missing,
bounds each one itself, and compares: parts that are not cut must cost at least what is claimed.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from accelsim.certify.bound import Bound, Boxes, below, least_value
from accelsim.certify.boxes import BATCH, Space
from accelsim.certify.space import Bools, Objective, Question
from accelsim.energy import array_traffic, energy_fj
from accelsim.errors import CheckFailed, InputError
from accelsim.mapping import Mapping, rules_of
from accelsim.mapping.legality import problems_with
from accelsim.timing.sums import latency_bound
from accelsim.traffic import count, stored_words

MOST = 6_000_000
"""Boxes of a certificate at most."""


@dataclass(frozen=True)
class Family:
    """Parts of one batch of boxes.

    Attributes:
        stage: which cut. boxes: how many parts. open: a bit each, packed, compressed, as base64.
        bound: least objective among the parts that are not open; None if no mapping in them fits.
    """

    stage: int
    boxes: int
    open: str
    bound: int | None


@dataclass(frozen=True)
class Claim:
    """What is claimed of a question, and the boxes that prove it.

    Attributes:
        mapping: the incumbent, which costs `cost` (`energy_fj`, B of `cycles`).
        bound: no mapping of the space costs less; `cost` if the incumbent is optimal.
    """

    question: Question
    mapping: Mapping
    energy_fj: int
    cycles: int
    cost: int
    bound: int
    families: tuple[Family, ...]

    @property
    def boxes(self) -> int:
        """Boxes in all."""
        return sum(family.boxes for family in self.families)


def objective_of(objective: Objective, energy: int, cycles: int) -> int:
    """Energy in fJ, B in cycles, or their product."""
    return energy if objective == "energy" else cycles if objective == "latency" else energy * cycles


def costs(q: Question, mapping: Mapping) -> tuple[int, int]:
    """(energy in fJ, B in cycles) of a mapping, from its counts."""
    counts, macs = count(mapping, q.arch, rules_of(q.arch)), q.problem.macs
    ops = q.post_ops * stored_words(q.problem.output, mapping)
    energy = sum(energy_fj(array_traffic(counts, q.arch, macs), q.arch, macs, ops).values())
    return energy, latency_bound(mapping, q.arch, counts, q.post_ops)


def pack(flags: Bools) -> str:
    """Flags as text."""
    return base64.b64encode(zlib.compress(np.packbits(flags).tobytes(), 9)).decode("ascii")


def unpack(text: str, number: int) -> Bools:
    """Flags from text.

    Raises:
        InputError: it is not what `pack` writes of so many flags.
    """
    try:
        raw = zlib.decompress(base64.b64decode(text, validate=True))
    except (binascii.Error, zlib.error, ValueError):
        raise InputError("not packed flags (base64 of zlib of bits)") from None
    if len(raw) != -(-number // 8):
        raise InputError(f"{len(raw)} bytes of flags, expected {-(-number // 8)} for {number} boxes")
    flags = np.unpackbits(np.frombuffer(raw, np.uint8), count=number).astype(np.bool_)
    if pack(flags) != text:
        raise InputError("flags packed in another way than ours")
    return flags


def _batches(space: Space, boxes: Boxes, stage: int) -> Iterator[Boxes]:
    """Boxes in pieces whose parts at a stage make a family."""
    ends = np.cumsum(space.parts(boxes, stage))
    start = 0
    while start < len(boxes):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + BATCH, side="right")))
        yield boxes.take(slice(start, stop))
        start = stop


class _Writer:
    """Cuts every box that may hold something below the bound, until too many are there."""

    def __init__(self, space: Space, bound: int, most: int) -> None:
        self.space, self.bound, self.left, self.families = space, bound, most, list[Family]()
        self.least: int | None = None

    def add(self, stage: int, parts: list[tuple[Boxes, Bound]]) -> Boxes | None:
        """Write a family down; its open boxes."""
        objective, kept, flags, lows = self.space.q.objective, [], [], []
        last = stage == len(self.space.stages) - 1
        for boxes, bound in parts:
            goes_on = below(objective, bound, self.bound)
            if last or self.left <= 0:
                goes_on[:] = False
            flags.append(goes_on)
            kept.append(boxes.take(goes_on))
            closed = Bound(bound.energy[~goes_on], bound.cycles[~goes_on], bound.empty[~goes_on])
            low = least_value(objective, closed)
            lows += [] if low is None else [low]
        number = sum(len(f) for f in flags)
        self.left -= number
        self.families.append(Family(stage, number, pack(np.concatenate(flags)), min(lows, default=None)))
        self.least = min([*lows, *([] if self.least is None else [self.least])], default=None)
        return _together(kept)

    def descend(self, boxes: Boxes | None, stage: int) -> None:
        """Cut boxes at a stage, and what stays open at all others."""
        if boxes is None:
            return
        for batch in _batches(self.space, boxes, stage):
            parts = list(self.space.cut(batch, stage))
            if parts:
                self.descend(self.add(stage, parts), stage + 1)


def _together(parts: list[Boxes]) -> Boxes | None:
    some = [p for p in parts if len(p)]
    if not some:
        return None
    names = ("core", "fold", "tile", "order", "arrived", "again", "waiting")
    return Boxes(*(np.concatenate([getattr(p, name) for p in some]) for name in names))


def certify(q: Question, mapping: Mapping, bound: int | None = None, most: int = MOST) -> Claim:
    """The claim that no mapping costs less than `bound` (default: than this one), with its boxes.

    Where more than `most` boxes would be needed, the claimed bound is what those prove.

    Raises:
        CheckFailed: a mapping of the space costs less than the bound asked for.
        InputError: a box has too many parts, or the problem is of a kind that the space is not stated for.
    """
    energy, cycles = costs(q, mapping)
    cost = objective_of(q.objective, energy, cycles)
    space = Space(q)
    writer = _Writer(space, cost if bound is None else bound, most)
    writer.descend(writer.add(0, [space.whole()]), 1)
    proven = min(writer.bound, cost if writer.least is None else writer.least)
    if proven < writer.bound and writer.left > 0:
        raise CheckFailed(f"the boxes prove a bound of {proven} only, {writer.bound} was asked for")
    return Claim(q, mapping, energy, cycles, cost, proven, tuple(writer.families))


def check(claim: Claim) -> None:
    """Confirm a claim.

    Raises:
        CheckFailed: what does not hold, and where.
    """
    _check_incumbent(claim)
    _Reader(claim).run()


def _check_incumbent(claim: Claim) -> None:
    q, mapping = claim.question, claim.mapping
    if mapping.problem != q.problem or mapping.resident or mapping.partly:
        raise CheckFailed("the incumbent is a mapping of another problem")
    wrong = problems_with(mapping, q.arch) + q.limit.reasons(mapping)
    if wrong:
        raise CheckFailed("the incumbent is not legal: " + "; ".join(wrong))
    found = costs(q, mapping)
    stated = (claim.energy_fj, claim.cycles)
    if found != stated:
        raise CheckFailed(f"the incumbent takes (fJ, cycles) {found}, not {stated}")
    if objective_of(q.objective, *found) != claim.cost:
        raise CheckFailed(f"the incumbent costs {objective_of(q.objective, *found)}, not {claim.cost}")
    if claim.bound > claim.cost:
        raise CheckFailed(f"the claimed bound {claim.bound} is above the incumbent's cost {claim.cost}")


class _Reader:
    """Goes through the families in the order in which they were written."""

    def __init__(self, claim: Claim) -> None:
        self.claim, self.space, self.at = claim, Space(claim.question), 0

    def _take(self, stage: int, parts: list[tuple[Boxes, Bound]]) -> Boxes | None:
        objective, number = self.claim.question.objective, sum(len(boxes) for boxes, _ in parts)
        if self.at == len(self.claim.families):
            raise CheckFailed(f"{number} boxes ({self.space.stages[stage]}) are missing at the end")
        family, name = self.claim.families[self.at], f"family {self.at} ({self.space.stages[stage]})"
        if (family.stage, family.boxes) != (stage, number):
            there = f"{family.boxes} boxes of stage {family.stage}"
            raise CheckFailed(f"{name}: the space has {number} boxes of stage {stage} here, the file {there}")
        flags = unpack(family.open, number)
        if flags.any() and stage == len(self.space.stages) - 1:
            raise CheckFailed(f"{name}: a mapping is marked as to be cut")
        kept, lows, start = [], list[int](), 0
        for boxes, bound in parts:
            goes_on = flags[start : start + len(boxes)]
            start += len(boxes)
            low = least_value(objective, Bound(bound.energy[~goes_on], bound.cycles[~goes_on], bound.empty[~goes_on]))
            lows += [] if low is None else [low]
            kept.append(boxes.take(goes_on))
        least = min(lows, default=None)
        if least != family.bound:
            raise CheckFailed(f"{name}: the bound of its closed boxes is {least}, not {family.bound}")
        if least is not None and least < self.claim.bound:
            raise CheckFailed(f"{name}: a box is closed at {least}, below the claimed bound {self.claim.bound}")
        self.at += 1
        return _together(kept)

    def _descend(self, boxes: Boxes | None, stage: int) -> None:
        if boxes is None:
            return
        for batch in _batches(self.space, boxes, stage):
            parts = list(self.space.cut(batch, stage))
            if parts:
                self._descend(self._take(stage, parts), stage + 1)

    def run(self) -> None:
        """Everything from the cores on, and nothing beyond."""
        self._descend(self._take(0, [self.space.whole()]), 1)
        extra = len(self.claim.families) - self.at
        if extra:
            raise CheckFailed(f"{extra} families of boxes stand behind the last one of the space")
