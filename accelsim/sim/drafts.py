"""What a mapping asks of a machine before anything is timed: words, streams, nests, remembered between uses.

None of it reads capacities, energies, or the speed of a simple DRAM, so machines that differ in these share it: points
of a sweep, or a layer that finds less room beside tensors that stay on chip.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

from accelsim.arch import Accelerator
from accelsim.arch.encoding import Zeros
from accelsim.mapping import LinkCount, Mapping, rules_of
from accelsim.sim.build import Simulated, build_stream
from accelsim.sim.limits import Limits
from accelsim.sim.nest import SegmentNest, segment_nest
from accelsim.traffic import Factors, count

SHELF_BYTES = 48 << 20  # of streams kept; as much for nests, and for words
MOST_SUMS = 200_000  # sums of axis cells kept, about 300 B each
WITHOUT_LIST = "loops that split every dim evenly and an uncoded DRAM need no list"
FEW_BYTES = 2_000  # words of one mapping, roughly

Key = tuple[object, ...]
Made = TypeVar("Made")


class Shelf(Generic[Made]):
    """What was made for keys, as long as all of it takes no more than `most` bytes; the oldest goes first."""

    def __init__(self, size: Callable[[Made], int], most: int = SHELF_BYTES) -> None:
        self.size, self.most, self.bytes = size, most, 0
        self._kept: OrderedDict[Key, Made] = OrderedDict()

    def get(self, key: Key, make: Callable[[], Made]) -> Made:
        """What was made for the key, or is made now."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        made = self._kept[key] = make()
        self.bytes += self.size(made)
        while self.bytes > self.most:
            self.bytes -= self.size(self._kept.popitem(last=False)[1])
        return made


def structure(arch: Accelerator) -> Accelerator:
    """The machine without what no draft depends on: names, capacities, energies, the speed of a simple DRAM."""
    dram = replace(arch.dram, kind="", read_fj_per_bit=0, write_fj_per_bit=0, background_fj_per_cycle=0,
                   arbitration="program_order")  # fmt: skip
    if dram.timing is None:
        dram = replace(dram, bandwidth_bits_per_s=1, latency_cycles=0)
    memories = tuple(
        replace(m, capacity_bits=0, read_fj_per_bit=0, write_fj_per_bit=0, leakage_fj_per_cycle=0, ports=1)
        for m in arch.memories
    )
    spads = tuple(replace(spad, read_fj_per_bit=0, write_fj_per_bit=0) for spad in arch.array.spads)
    array = replace(
        arch.array, spads=spads, mac_fj=0, hop_fj_per_bit=0, leakage_fj_per_cycle=0, clock_fj_per_cycle=0
    )  # fmt: skip
    return replace(
        arch, name="", description="", node_nm=None, energy_model="", energy_sources=(), dram=dram, memories=memories,
        array=array, vector=replace(arch.vector, op_fj=0),
    )  # fmt: skip


class Drafts:
    """Drafts made so far, within bounds of memory.

    Attributes:
        limits: what listing and visiting a stream may take.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = Limits() if limits is None else limits
        self._factors = Factors()
        self._words: Shelf[tuple[LinkCount, ...]] = Shelf(lambda found: FEW_BYTES)
        self._streams: Shelf[Simulated] = Shelf(lambda found: found.nbytes)
        self._nests: Shelf[SegmentNest | None] = Shelf(lambda found: FEW_BYTES if found is None else found.nbytes)
        self._lean: tuple[Accelerator, Accelerator] | None = None

    @property
    def factors(self) -> Factors:
        """Sums of axis cells; begun anew when there are too many."""
        if self._factors.size > MOST_SUMS:
            self._factors = Factors()
        return self._factors

    def words(self, mapping: Mapping, arch: Accelerator) -> tuple[LinkCount, ...]:
        """Words of every link (`traffic.count`)."""
        lean = self._structure(arch)
        return self._words.get((mapping, lean), lambda: count(mapping, lean, rules_of(lean), self.factors))

    def stream(self, mapping: Mapping, arch: Accelerator, post_ops: int, zeros: Zeros) -> Simulated:
        """All segments and transfers (`sim.build.build_stream`).

        Raises:
            BudgetExceeded: there are too many passes to list.
        """
        self.limits.check("array passes", mapping.passes, WITHOUT_LIST)
        lean = self._structure(arch)
        return self._streams.get(
            (mapping, lean, post_ops, zeros),
            lambda: build_stream(mapping, lean, post_ops=post_ops, zeros=zeros, factors=self.factors),
        )

    def nest(self, mapping: Mapping, arch: Accelerator, post_ops: int, most: int) -> SegmentNest | None:
        """The nest of segments, if it has one (`sim.nest.segment_nest`)."""
        lean = self._structure(arch)
        return self._nests.get(
            (mapping, lean, post_ops, most),
            lambda: segment_nest(mapping, lean, post_ops, factors=self.factors, most=most),
        )

    def _structure(self, arch: Accelerator) -> Accelerator:
        if self._lean is None or self._lean[0] is not arch:
            self._lean = arch, structure(arch)
        return self._lean[1]
