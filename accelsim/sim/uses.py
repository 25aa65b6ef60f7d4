"""What a DRAM by commands did for each layer of a network's one stream.

Bursts, and what their banks held, belong to the layer whose transfer they are. Refreshes, and the clocks with a row
open or without, belong to nobody: they are shared by the cycles that each layer adds to the makespan (`Slot.fresh`), as
leakage is. All shares are whole numbers and add up to what the whole stream did.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np

from accelsim.dram import DramUse
from accelsim.sim.network import Network
from accelsim.sim.stream import BITS, KIND, KINDS, Outcome


def shared(whole: int, cycles: Sequence[int]) -> list[int]:
    """A number cut in proportion to these cycles, rounded so that the parts add up to it.

    >>> shared(10, [1, 0, 2])
    [3, 0, 7]
    """
    total = max(1, sum(cycles))
    ends = [0, *(whole * end // total for end in accumulate(cycles))]
    return [end - begin for begin, end in pairwise(ends)]


def layer_uses(network: Network, outcome: Outcome, parts: Sequence[int], fresh: Sequence[int]) -> list[DramUse | None]:
    """The share of every layer, None for those without work; none at all under the simple DRAM.

    Args:
        parts: work items of each layer. fresh: cycles that it adds to the makespan.
    """
    whole = outcome.dram
    if whole is None:
        return [None] * len(parts)
    layer = np.repeat(np.arange(len(parts)), parts)[network.owner]
    read = network.stream.moves[:, KIND] == KINDS.index("load")
    counts = np.zeros((len(parts), 6), np.int64)
    bursts = outcome.opened.sum(axis=1)
    columns = (bursts * read, bursts * ~read, *outcome.opened.T, network.stream.moves[:, BITS])
    np.add.at(counts, layer, np.stack(columns, axis=1))
    every = max(1, whole.reads + whole.writes)
    clocks, bits = whole.data_clocks // every, whole.burst_bits // every  # of a burst
    idle = shared(whole.clocks - whole.active_clocks, fresh)
    active, refreshes = shared(whole.active_clocks, fresh), shared(whole.refreshes, fresh)
    return [
        DramUse(
            clocks=active[k] + idle[k], reads=reads, writes=writes, hits=hits, misses=misses, conflicts=conflicts,
            refreshes=refreshes[k], active_clocks=active[k], data_clocks=(reads + writes) * clocks, bits=moved,
            burst_bits=(reads + writes) * bits,
        ) if parts[k] else None
        for k, (reads, writes, hits, misses, conflicts, moved) in enumerate(counts.tolist())
    ]  # fmt: skip
