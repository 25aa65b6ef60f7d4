"""A mapping simulated by the engine that suits it: all of its passes, or a nest whose cost is flat in their number."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from accelsim.arch import Accelerator
from accelsim.arch.encoding import DENSE, Zeros
from accelsim.errors import InputError
from accelsim.mapping import Mapping
from accelsim.sim import recurrence
from accelsim.sim.build import Simulated, Visits
from accelsim.sim.drafts import Drafts
from accelsim.sim.stream import Breakdown, Ints, Outcome, Stream, Summary

Engine = Literal["periods", "compiled", "python", "events"]
FEW = 256  # passes that are simulated one by one in any case
GAIN = 3  # a nest pays if its passes are so many times those it picks


@dataclass(frozen=True, eq=False)
class Simulation:
    """What simulating a mapping found. Its stream is made when something asks for it.

    Attributes:
        outcome: sums over the whole run. engine: that found them.
        segments, passes: how many there are. carried, breakdown: as in `Simulated` and `Stream`.
        drafts: where its stream may be known from before.
    """

    mapping: Mapping
    arch: Accelerator
    post_ops: int
    zeros: Zeros
    outcome: Summary
    engine: Engine
    segments: int
    passes: int
    carried: dict[tuple[str, str, str], tuple[int, int, int]]
    breakdown: Breakdown
    drafts: Drafts = field(repr=False)

    @cached_property
    def _built(self) -> Simulated:
        return self.drafts.stream(self.mapping, self.arch, self.post_ops, self.zeros)

    @property
    def stream(self) -> Stream:
        """All segments and transfers."""
        return self._built.stream

    @property
    def visits(self) -> tuple[Visits, ...]:
        """How long tiles stay in the memories that DRAM fills."""
        return self._built.visits

    @property
    def finished(self) -> Ints:
        """Words of the results that are finished once each segment has ended."""
        return self._built.finished

    @cached_property
    def replay(self) -> Outcome:
        """Every start and end, by the engine that visits all segments."""
        return recurrence.run(self.stream, self.arch.dram, self.arch.clock_hz)


@dataclass(frozen=True, eq=False)
class Listed:
    """A stream that was listed and run whole; it answers what a `Simulation` answers."""

    stream: Stream
    replay: Outcome
    engine: Engine

    @property
    def outcome(self) -> Summary:
        """Sums over the whole run."""
        return self.replay.summary

    @property
    def segments(self) -> int:
        """How many there are."""
        return len(self.stream.work)

    @property
    def breakdown(self) -> Breakdown:
        """Where its own cycles go."""
        return self.stream.breakdown


def listed(stream: Stream, arch: Accelerator, engine: recurrence.Engine | None = None) -> Listed:
    """Run a stream; the engine that suits it if none is named."""
    chosen = engine or recurrence.engine_for(stream, arch.dram, arch.clock_hz)
    return Listed(stream, recurrence.run(stream, arch.dram, arch.clock_hz, chosen), chosen)


def simulate(
    mapping: Mapping, arch: Accelerator, post_ops: int = 0, zeros: Zeros = DENSE, drafts: Drafts | None = None,
    engine: Engine | None = None,
) -> Simulation:  # fmt: skip
    """Time a mapping on a machine; the vector unit does `post_ops` operations on every finished word.

    Streams and nests known to `drafts` are not made again.

    Raises:
        BudgetExceeded: more events or memory than `drafts` allow.
        InputError: an engine is asked for where it does not apply.
    """
    known = Drafts() if drafts is None else drafts
    if engine == "periods" or (engine is None and mapping.passes > FEW):
        most = mapping.passes if engine else mapping.passes // GAIN
        found = known.nest(mapping, arch, post_ops, most)
        if found is not None:
            from accelsim.sim import commands, periods, queues

            ordered = periods if arch.dram.timing is None else commands
            nested = ordered if arch.dram.arbitration == "program_order" else queues
            outcome, _ = nested.run(found, arch.dram, arch.clock_hz, known.limits)
            return Simulation(
                mapping, arch, post_ops, zeros, outcome, "periods", found.segments, found.passes, found.carried,
                found.breakdown, known,
            )  # fmt: skip
        if engine is not None:
            raise InputError("engine 'periods' needs loops that split every dim evenly and an uncoded DRAM")
    built = known.stream(mapping, arch, post_ops, zeros)
    ran = listed(built.stream, arch, engine)
    made = Simulation(
        mapping, arch, post_ops, zeros, ran.outcome, ran.engine, ran.segments, built.passes, built.carried,
        ran.breakdown, known,
    )  # fmt: skip
    made.__dict__.update(_built=built, replay=ran.replay)  # values of the cached properties: known already
    return made
