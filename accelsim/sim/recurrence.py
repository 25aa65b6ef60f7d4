"""The fast engine: one pass over segments and transfers in order, with times as running maxima.

Because the channel serves transfers in program order and a transfer waits only for segments before the ones that need
it, every time is the maximum of times already known: the stream's event times follow in one sweep without a queue.
"""

from __future__ import annotations

from collections import defaultdict

from accelsim.arch import Dram
from accelsim.sim.port import open_port
from accelsim.sim.stream import Outcome, Stream, Transfer


def _sums(transfers: tuple[Transfer, ...], kind: str) -> tuple[tuple[str, int], ...]:
    found: dict[str, int] = defaultdict(int)
    for transfer in transfers:
        if transfer.kind == kind:
            found[transfer.operand] += transfer.bits
    return tuple(sorted(found.items()))


class _Channel:
    """Serves transfers in order as the ends of segments become known."""

    def __init__(self, stream: Stream, dram: Dram, clock_hz: int) -> None:
        self.transfers = stream.transfers
        self.spans: list[tuple[int, int]] = []
        self.free = 0
        self.busy = 0
        self.latest_data = 0
        self._latency = dram.latency_cycles
        self.port = open_port(dram, clock_hz)
        self.waits: list[list[tuple[int, int, Transfer]]] = [[] for _ in range(len(stream.segments) + 1)]

    def advance(self, segment: int, end: int) -> None:
        """Serve every transfer that becomes ready with the end of `segment`."""
        index = len(self.spans)
        while index < len(self.transfers) and self.transfers[index].ready <= segment:
            transfer = self.transfers[index]
            start = max(self.free, end)
            self.free, left = self.port.serve(start, transfer)
            self.busy += self.free - start
            self.spans.append((start, self.free))
            arrival = left + self._latency
            self.latest_data = max(self.latest_data, arrival)
            done = arrival if transfer.kind == "load" else left
            self.waits[transfer.needed_by].append((done, index, transfer))
            index += 1


def _latest(waits: list[tuple[int, int, Transfer]], base: int) -> tuple[int, str]:
    """Time at which all of `waits` are over, and the cause if that is after `base`."""
    time, cause = base, ""
    for done, _, transfer in waits:
        if done > time:
            time, cause = done, transfer.cause
    return time, cause


def run(stream: Stream, dram: Dram, clock_hz: int) -> Outcome:
    """Times of every segment and transfer of a stream, by the semantic of `sim.semantics`."""
    channel = _Channel(stream, dram, clock_hz)
    channel.advance(-1, 0)
    stalls: dict[str, int] = defaultdict(int)
    starts, ends = [], []
    loader = slot = end = 0
    for number, segment in enumerate(stream.segments):
        waits = channel.waits[number]
        load_start, cause = _latest([w for w in waits if w[2].gates_load], loader)
        planned = max(loader + segment.load, slot)
        after_load = max(load_start + segment.load, slot)
        if after_load > planned:
            stalls[cause] += after_load - planned
        begin, cause = _latest([w for w in waits if not w[2].gates_load], after_load)
        if begin > after_load:
            stalls[cause] += begin - after_load
        last = begin + segment.body
        end = max(end, last + segment.stream + segment.drain)
        starts.append(load_start)
        ends.append(end)
        loader = last if stream.overlap else end
        slot = last + segment.stream if stream.overlap else end
        channel.advance(number, end)
    makespan = max(end, channel.latest_data)
    if makespan > end:
        stalls["final_drain"] += makespan - end
    return Outcome(
        makespan, tuple(starts), tuple(ends), tuple(channel.spans), tuple(sorted(stalls.items())), channel.busy,
        _sums(stream.transfers, "load"), _sums(stream.transfers, "store"), channel.port.finish(makespan),
    )  # fmt: skip
