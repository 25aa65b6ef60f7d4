"""A mapping as a nest of segments: what a stream says, in tables whose size does not grow with the tile count.

Visits of an operand's tiles are numbered by the loops down to the innermost one that changes the tile, so the segments
at which visits begin and end have closed forms; what a visit moves and what a segment takes are looked up by classes of
loop indices (`sim.picked`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from accelsim.arch import Accelerator
from accelsim.dram import short
from accelsim.mapping import Mapping, Rules, rules_of
from accelsim.sim.build import link_bits, pass_times
from accelsim.sim.flows import LinkFlow, flows_of
from accelsim.sim.layout import Regions
from accelsim.sim.passes import Ints
from accelsim.sim.picked import Nest, pick
from accelsim.sim.stream import OPERANDS, Breakdown
from accelsim.traffic import Factors

MOST_PICKED = 200_000  # picked passes: more would cost as much as all of most nests


@dataclass(frozen=True, eq=False)
class Fed:
    """An operand's tiles in the memory that DRAM fills.

    Attributes:
        operand: its number in `OPERANDS`. depth: tiles at once. gates: whether loads wait for it. loops: how many of
            the loops number its visits. loads, stores: bits of a visit, by picked indices of these loops.
        output: they are results. soon: as in `Transfer`.
        region: where its tiles lie in a DRAM by commands.
    """

    operand: int
    depth: int
    gates: bool
    loops: int
    loads: Ints
    stores: Ints
    output: bool
    soon: bool
    region: Region | None

    @property
    def cuts(self) -> tuple[bool, bool]:
        """Are its loads cut into pieces, and its stores? As in `sim.build`."""
        spare = self.depth > 1
        return spare and not self.output, spare and self.output and not self.loads.any()


@dataclass(frozen=True, eq=False)
class Region:
    """An operand's tiles one behind another, in the order of their first visits (`sim.layout`).

    A tile is found loop by loop: the loops that change it, outer to inner, number the tiles in that order.

    Attributes:
        base: address of the first one. bits: of all.
        steps: for each loop that numbers visits, by picked indices of those that change the tile down to this one:
            where the tiles of an index begin within those of the loops further out, and the bits of all tiles of one
            index; None for a loop that does not change the tile.
    """

    base: int
    bits: int
    steps: tuple[tuple[Ints, Ints] | None, ...]


def _region(nest: Nest, fed: Fed, dims: frozenset[str], regions: Regions) -> Region:
    """Where an operand's tiles lie; `dims` are those that its words depend on."""
    ranges = nest.ranges[: fed.loops]
    room = np.maximum(fed.loads, fed.stores).reshape([len(r.picked) for r in ranges])
    still = tuple(place for place, r in enumerate(ranges) if r.dim not in dims)
    room = room.max(axis=still)
    steps: list[tuple[Ints, Ints] | None] = []
    for r in reversed(ranges):
        if r.dim not in dims:
            steps.append(None)
            continue
        together = np.cumsum(room * np.array(r.times, np.int64), axis=-1)
        begins = np.concatenate([np.zeros_like(together[..., :1]), together[..., :-1]], axis=-1)
        steps.append((begins.reshape(-1), room.reshape(-1)))
        room = together[..., -1]
    bits = int(room)
    return Region(regions.take(bits), bits, tuple(reversed(steps)))


@dataclass(frozen=True, eq=False)
class SegmentNest:
    """Segments of a mapping.

    Attributes:
        nest: loops and picked passes. loops: how many of the loops number the segments.
        work: (picked, 4) load, body, stream, drain by picked indices of these loops.
        overlap: as in `work_table`. passes: of the whole mapping. carried: words by link, as in `Simulated`.
    """

    nest: Nest
    loops: int
    work: Ints
    fed: tuple[Fed, ...]
    overlap: bool
    breakdown: Breakdown
    passes: int
    carried: dict[tuple[str, str, str], tuple[int, int, int]]

    @property
    def nbytes(self) -> int:
        """Memory of its tables, those of the picked passes included."""
        passes = self.nest.passes
        columns = len(passes.number) * 3 + 2 * len(self.nest.ranges)
        return passes.count * columns * 8 + self.work.nbytes + sum(f.loads.nbytes + f.stores.nbytes for f in self.fed)

    @property
    def segments(self) -> int:
        """All segments."""
        return prod(r.trips for r in self.nest.ranges[: self.loops])

    def bits(self) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]:
        """Bits loaded and stored by operand, over all visits."""
        found = []
        for kind in ("loads", "stores"):
            rows = []
            for fed in sorted(self.fed, key=lambda f: f.operand):
                times = np.ones(1, np.int64)
                for r in self.nest.ranges[: fed.loops]:
                    times = np.multiply.outer(times, np.array(r.times, np.int64)).reshape(-1)
                table: Ints = getattr(fed, kind)
                if table.any():
                    rows.append((OPERANDS[fed.operand], int((table * times).sum())))
            found.append(tuple(rows))
        return found[0], found[1]


def _repeated(part: list[Ints], times: int, overlap: bool) -> list[Ints]:
    """A run of so many equal parts."""
    load, body, stream, drain, left = part
    gap = np.maximum(stream, load) if overlap else stream + drain + load
    return [load, times * body + (times - 1) * gap, stream, drain, (times - 1) * (body + gap) + left]


def _chained(one: list[Ints], two: list[Ints], overlap: bool) -> list[Ints]:
    """One part after another."""
    gap = np.maximum(one[2], two[0]) if overlap else one[2] + one[3] + two[0]
    begin = one[1] + gap
    return [one[0], begin + two[1], two[2], two[3], np.maximum(one[4], begin + two[4])]


def _merged(nest: Nest, columns: list[Ints], loops: int, overlap: bool) -> Ints:
    """The table of segments: passes of the loops further in merge. A part is load, body (first stream start to last),
    stream and drain of its last pass, and the end of all drains after its first stream start."""
    load, stream, drain = (column.reshape(nest.shape) for column in columns)
    part = [load, stream * 0, stream, drain, stream + drain]
    for r in reversed(nest.ranges[loops:]):
        pieces = [_repeated([p[..., i] for p in part], n, overlap) for i, n in enumerate(r.times)]
        total = pieces[0]
        for piece in pieces[1:]:
            total = _chained(total, piece, overlap)
        part = total
    first, body, last, _, ends = (p.reshape(-1) for p in part)
    found: Ints = np.stack([first, body, last, ends - body - last], axis=1)
    return found


def _fed(nest: Nest, flow: LinkFlow, arch: Accelerator, loops: int, overlap: bool, regions: Regions) -> Fed:
    hold = arch.memory(flow.point.memory).hold(flow.operand.name)
    inner = prod(nest.shape[loops:])
    down, up = (bits.reshape(-1, inner) for bits in link_bits(arch, flow))
    gates = not overlap or flow.operand.name == arch.array.preloaded
    number = OPERANDS.index(flow.operand.name)
    found = Fed(
        number, 1 if hold is None else hold.depth, gates, loops, down[:, 0].copy(), up[:, -1].copy(),
        flow.operand.role == "output", overlap and flow.operand.role != "output", None,
    )  # fmt: skip
    if arch.dram.timing is None:
        return found
    return replace(found, region=_region(nest, found, frozenset(flow.operand.dims), regions))


def _changing(nest: Nest, flow: LinkFlow) -> int:
    """Loops down to the innermost one at which the operand's tile changes."""
    for loops in range(len(nest.shape), 0, -1):
        inner = prod(nest.shape[loops:])
        if flow.changed.reshape(-1, nest.shape[loops - 1], inner)[:, 1, 0].any():
            return loops
    return 0


def segment_nest(
    mapping: Mapping, arch: Accelerator, post_ops: int = 0, rules: Rules | None = None,
    factors: Factors | None = None, most: int = MOST_PICKED,
) -> SegmentNest | None:  # fmt: skip
    """The segments of a mapping; None where the closed forms do not hold: loops that do not split a dim evenly, coded
    feature maps, outputs more than double buffered, a DRAM by commands with clocks in an odd ratio to the machine's,
    more than `most` picked passes."""
    timing = arch.dram.timing
    if arch.dram.coding is not None or (timing is not None and not short(timing, arch.clock_hz)):
        return None
    nest = pick(mapping, min(most, MOST_PICKED))
    if nest is None:
        return None
    flows = flows_of(
        nest.passes, arch, rules_of(arch) if rules is None else rules, Factors() if factors is None else factors
    )
    times = pass_times(nest.passes, flows, arch, post_ops)
    weights = nest.times
    brought = [flow for flow in flows if flow.point.parent == "DRAM"]
    changing = [_changing(nest, flow) for flow in brought]
    regions = Regions(arch.dram)
    fed = tuple(_fed(nest, f, arch, n, times.overlap, regions) for f, n in zip(brought, changing, strict=True))
    if any(f.operand == OPERANDS.index("Outputs") and f.depth > 2 for f in fed):
        return None
    loops = max(changing)
    work = _merged(nest, [times.load, times.stream, times.drain], loops, times.overlap)
    carried = {
        (f.operand.name, f.point.parent, f.point.memory): (
            int((f.down * weights).sum()), int((f.up_psum * weights).sum()), int((f.up_final * weights).sum()),
        )
        for f in flows
    }  # fmt: skip
    ideal = int((times.ideal * weights).sum())
    breakdown = Breakdown(ideal, int((times.stream * weights).sum()) - ideal)
    return SegmentNest(nest, loops, work, fed, times.overlap, breakdown, nest.count, carried)
