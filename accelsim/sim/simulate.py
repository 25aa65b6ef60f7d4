"""A mapping simulated by the engine that suits it: all of its passes, or a nest whose cost is flat in their number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from accelsim.arch import Accelerator
from accelsim.arch.encoding import DENSE, Zeros
from accelsim.errors import InputError, MappingError
from accelsim.mapping import Mapping, rules_of
from accelsim.sim import recurrence
from accelsim.sim.build import Simulated, Visits, build_stream
from accelsim.sim.nest import segment_nest
from accelsim.sim.stream import Breakdown, Outcome, Stream, Summary
from accelsim.traffic import Factors

Engine = Literal["periods", "compiled", "python"]
FEW = 256  # passes that are simulated one by one in any case
GAIN = 3  # a nest pays if its passes are so many times those it picks
MOST_PASSES = 20_000_000  # passes enumerated at most: they take about 400 B each


@dataclass(frozen=True, eq=False)
class Simulation:
    """What simulating a mapping found. Its stream is made when something asks for it.

    Attributes:
        outcome: sums over the whole run. engine: that found them.
        segments, passes: how many there are. carried, breakdown: as in `Simulated` and `Stream`.
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

    @cached_property
    def _built(self) -> Simulated:
        return _enumerated(self.mapping, self.arch, self.post_ops, self.zeros)

    @property
    def stream(self) -> Stream:
        """All segments and transfers."""
        return self._built.stream

    @property
    def visits(self) -> tuple[Visits, ...]:
        """How long tiles stay in the memories that DRAM fills."""
        return self._built.visits

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
    chosen = engine or recurrence.engine_for(stream, arch.dram)
    return Listed(stream, recurrence.run(stream, arch.dram, arch.clock_hz, chosen), chosen)


def _enumerated(
    mapping: Mapping, arch: Accelerator, post_ops: int, zeros: Zeros, factors: Factors | None = None
) -> Simulated:
    passes = mapping.passes
    if passes > MOST_PASSES:
        raise MappingError(
            f"the mapping has {passes:,} passes; at most {MOST_PASSES:,} are simulated one by one, and the engine that "
            "need not do so wants loops that split every dim evenly and a DRAM that is neither by commands nor coded"
        )
    return build_stream(mapping, arch, post_ops=post_ops, zeros=zeros, factors=factors)


def simulate(
    mapping: Mapping, arch: Accelerator, post_ops: int = 0, zeros: Zeros = DENSE, factors: Factors | None = None,
    engine: Engine | None = None,
) -> Simulation:  # fmt: skip
    """Time a mapping on a machine; the vector unit does `post_ops` operations on every finished word.

    Raises:
        MappingError: too many passes for the engine that visits all.
        InputError: `periods` is asked for where it does not apply.
    """
    if engine == "periods" or (engine is None and mapping.passes > FEW):
        most = mapping.passes if engine else mapping.passes // GAIN
        found = segment_nest(mapping, arch, post_ops, rules_of(arch), factors, most)
        if found is not None:
            from accelsim.sim import periods

            outcome, _ = periods.run(found, arch.dram, arch.clock_hz)
            return Simulation(
                mapping, arch, post_ops, zeros, outcome, "periods", found.segments, found.passes, found.carried,
                found.breakdown,
            )  # fmt: skip
        if engine is not None:
            raise InputError("engine 'periods' needs loops that split every dim evenly and a simple, uncoded DRAM")
    built = _enumerated(mapping, arch, post_ops, zeros, factors)
    ran = listed(built.stream, arch, engine if engine == "python" or engine == "compiled" else None)
    made = Simulation(
        mapping,
        arch,
        post_ops,
        zeros,
        ran.outcome,
        ran.engine,
        ran.segments,
        built.passes,
        built.carried,
        ran.breakdown,
    )
    made.__dict__.update(_built=built, replay=ran.replay)  # values of the cached properties: known already
    return made
