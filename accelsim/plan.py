"""How one layer runs: its work items, each mapped onto the array or cut into chunks for the vector unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from accelsim.arch import Accelerator
from accelsim.arch.choices import formed
from accelsim.arch.encoding import DENSE, Zeros
from accelsim.errors import BudgetExceeded, InputError, MappingError, nearest
from accelsim.execute.gathers import GATHERS
from accelsim.graph import LayerGraph, Node
from accelsim.layers import (
    ConvTranspose,
    DeformConv2d,
    Gather,
    Move,
    PSRoIPool,
    RoIAlign,
    RoIPool,
    VectorWork,
    WorkItem,
)
from accelsim.mapper.search import OBJECTIVES, Library, Mapped, Objective, evaluate, map_problem
from accelsim.mapping.chunks import VectorJob
from accelsim.mapping.shares import Share, share_of
from accelsim.problem import Problem
from accelsim.sim.drafts import Drafts
from accelsim.sim.simulate import Listed, Simulation, listed
from accelsim.sim.stream import Stream, Summary
from accelsim.sim.timetable import SCHEDULES
from accelsim.sim.vector import vector_stream

Cache = dict[tuple[Any, ...], Mapped]
Progress = Callable[[str], None]


class KeptCache(dict[tuple[Any, ...], Mapped]):
    """A cache of mappings that also asks and tells a library, which outlives the process.

    Attributes:
        drafts: what mappings come to before they are timed; may be shared between machines.
    """

    def __init__(self, library: Library, drafts: Drafts | None = None) -> None:
        super().__init__()
        self.library, self.drafts = library, Drafts() if drafts is None else drafts


@dataclass(frozen=True)
class Options:
    """What a run may vary besides machine, network and batch.

    Attributes:
        objective: what the mapper minimises: `edp`, `energy` or `latency`.
        fold: run the graph passes (batch norm folding, activation fusion).
        resident_weights: weights that several layers share stay on chip between them if they fit.
        schedule: `network` (activations stay on chip while they fit, layers overlap) or `layerwise` (neither).
        zeros: shares of zero words of named array layers; what the machine saves on them is counted.
        dataflow: `ws`, `os`, `is` or `rs` in place of the machine's (`arch.dataflows`).
    """

    objective: Objective = "edp"
    fold: bool = True
    resident_weights: bool = True
    zeros: tuple[tuple[str, Zeros], ...] = ()
    schedule: str = SCHEDULES[0]
    dataflow: str = ""

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise InputError(f"objective {self.objective!r}; {nearest(str(self.objective), OBJECTIVES)}")
        if self.schedule not in SCHEDULES:
            raise InputError(f"schedule {self.schedule!r}; {nearest(str(self.schedule), SCHEDULES)}")


@dataclass(frozen=True)
class Part:
    """One work item and how it ran alone: the mapping of array or pooling work, or the chunked job of vector work."""

    item: WorkItem
    ran: Simulation | Listed
    mapped: Mapped | None = None
    post_ops: int = 0
    job: VectorJob | None = None
    zeros: Zeros = DENSE

    @property
    def outcome(self) -> Summary:
        """What running it alone came to."""
        return self.ran.outcome

    @property
    def stream(self) -> Stream:
        """All of its segments and transfers; made now if the engine had no need of them."""
        return self.ran.stream

    def machine(self, arch: Accelerator) -> Accelerator:
        """The machine in the form that its mapping is for; `arch` if it has none."""
        return arch if self.mapped is None else formed(arch, self.mapped.mapping.bypass)

    @property
    def on_array(self) -> bool:
        """True if the PE array does it."""
        return isinstance(self.item, Problem) and self.item.op == "mac"


@dataclass(frozen=True)
class Plan:
    """How a layer runs: parts one after another; none for a view that moves nothing.

    Attributes:
        arch: the machine as the layer sees it: less capacity while weights of other layers stay on chip.
        kept: what its own weights do: `` (nothing), `loaded` (brought in and kept) or `resident` (still there).
        here: words of each of its inputs that are on chip already, the first ones of a tensor. staying: words of its
            results that stay there.
        beside: bits of every memory that are left to it and the layer before while both run.
    """

    node: Node
    parts: tuple[Part, ...]
    arch: Accelerator
    kept: str = ""
    here: tuple[int, ...] = ()
    staying: int = 0
    beside: tuple[int, ...] = ()

    @property
    def stays(self) -> bool:
        """Do all of its results stay on chip?"""
        return self.staying == prod(self.node.shape)

    @property
    def in_part(self) -> bool:
        """Does a part of its results stay on chip?"""
        return self.staying > 0 and not self.stays

    @property
    def makespan(self) -> int:
        """Cycles of all parts."""
        return sum(part.outcome.makespan for part in self.parts)


def post_ops(node: Node) -> int:
    """Vector operations on every finished word of an array layer: requantise, bias, activation."""
    return 1 + int(node.has_bias) + _lane_ops(node)


def _lane_ops(node: Node) -> int:
    return int(getattr(node.activation, "lane_ops", 1)) if node.activation is not None else 0


def vector_job(node: Node, item: VectorWork | Move | Gather, here: tuple[int, ...] = (), staying: int = 0) -> VectorJob:
    """What the vector unit does for elementwise work, a move or a gather, a fused activation included.

    `here` says how many words of each input are on chip already, `staying` how many of the results stay there.
    """
    extra = _lane_ops(node) * item.out_words
    if isinstance(item, Gather):
        words = item.in_words + item.position_words
        return VectorJob(
            item.op, words, 0, item.out_words, item.ops + extra, item.rows, item.position_words, item.most_reads
        )  # fmt: skip
    on_chip = [min(words, there) for words, there in zip(item.in_words, here, strict=False)]
    if isinstance(item, Move):
        job = VectorJob(item.op, sum(item.in_words), 0, item.out_words, extra, item.out_words)
        return replace(job, here_words=sum(on_chip), staying=staying)
    job = VectorJob(
        item.op, sum(item.in_words), item.param_words, item.out_words, item.ops + extra, item.rows, item.kept_words
    )  # fmt: skip
    inputs = zip(item.in_words, on_chip, strict=False)
    shared = sum(there for words, there in inputs if item.kept_words and words < item.out_words)
    return replace(job, here_words=sum(on_chip) - shared, kept_here=shared, staying=staying)


def lower(node: Node, arch: Accelerator, reads: int | None = None) -> tuple[WorkItem, ...]:
    """The work items of a layer on a machine; `reads` are measured on-chip reads of a gather."""
    assert node.layer is not None
    if isinstance(node.layer, ConvTranspose) and arch.transposed_conv == "zero_insertion":
        return node.layer.lower_zero_insertion(node.input_shapes)
    items = node.layer.lower(node.input_shapes)
    if reads is None:
        return items
    return tuple(
        replace(item, least_reads=reads, most_reads=reads) if isinstance(item, Gather) else item for item in items
    )


def measured_reads(node: Node, graph: LayerGraph) -> int | None:
    """On-chip reads of a sampling layer whose offsets or regions are known (given values of an input or a constant).

    Counted by sampling one channel (one per offset group or bin); all channels read alike.
    """
    layer = node.layer
    if not isinstance(layer, DeformConv2d | RoIPool | PSRoIPool | RoIAlign):
        return None
    source = graph.node(node.inputs[1])
    given = graph.values.get(source.weight_key or source.name, {}).get("value")
    if given is None:
        return None
    groups = layer.offset_groups if isinstance(layer, DeformConv2d) else 1
    few = prod(layer.out_size) if isinstance(layer, PSRoIPool) else groups
    n, c, *sizes = node.input_shapes[0]
    tensors = [np.zeros((n, few, *sizes)), np.asarray(given, float).reshape(source.shape)]
    tensors += [np.zeros(shape) for shape in node.input_shapes[2:]]
    rule = next(rule for kind, rule in GATHERS.items() if isinstance(layer, kind))
    return int(rule(layer, tensors)[1]) * (c // few)


@dataclass(frozen=True)
class Seat:
    """How a layer finds the chip: the machine as it sees it, what its weights do, and where its tensors are."""

    arch: Accelerator
    kept: str = ""
    here: tuple[int, ...] = ()
    staying: int = 0
    beside: tuple[int, ...] = ()

    def on_chip(self, node: Node, item: Problem) -> tuple[frozenset[str], tuple[Share, ...]]:
        """Operands of a problem that are or stay on chip whole, and the shares of others."""
        named = ["Inputs", "Weights"] if item.op == "mac" else ["Inputs"]
        words = [(name, there, prod(shape)) for name, there, shape in
                 zip(named, self.here, node.input_shapes, strict=False)]  # fmt: skip
        words.append(("Outputs", self.staying, prod(node.shape)))
        whole = {name for name, there, all_words in words if there == all_words}
        parts = [share_of(item, name, there) for name, there, all_words in words if 0 < there < all_words]
        if self.kept == "resident":
            whole.add("Weights")
        return frozenset(whole), tuple(sorted(share for share in parts if share is not None))


def _plan_part(node: Node, item: WorkItem, seat: Seat, options: Options, cache: Cache) -> Part:
    arch = seat.arch
    library, drafts = (cache.library, cache.drafts) if isinstance(cache, KeptCache) else (None, None)
    if isinstance(item, Problem):
        extra = post_ops(node) if item.op == "mac" else 0
        zeros = dict(options.zeros).get(node.name, DENSE) if item.op == "mac" else DENSE
        whole, (resident, partly) = frozenset({"Weights"} if seat.kept == "loaded" else ()), seat.on_chip(node, item)
        key = (item, arch, options.objective, extra, whole, resident, zeros, partly)
        if key not in cache:
            cache[key] = map_problem(
                item, arch, options.objective, extra, whole, resident, zeros, library=library, drafts=drafts,
                partly=partly,
            )  # fmt: skip
        return _mapped_part(item, cache[key], extra, zeros)
    return _vector_part(item, vector_job(node, item, seat.here, seat.staying), arch, drafts)


def _mapped_part(item: WorkItem, mapped: Mapped, extra: int, zeros: Zeros) -> Part:
    return Part(item, mapped.simulated, mapped, extra, zeros=zeros)


def _vector_part(item: WorkItem, job: VectorJob, arch: Accelerator, drafts: Drafts | None, least: int = 1) -> Part:
    stream = vector_stream(job, arch, None if drafts is None else drafts.limits, least)
    return Part(item, listed(stream, arch), job=job)


def part_again(part: Part, arch: Accelerator, drafts: Drafts | None = None, least: int = 1) -> Part:
    """A work item on another machine that it fits, mapped as before; vector work in `least` chunks if rows allow.

    Raises:
        BudgetExceeded: the other machine takes more than the limits of `drafts`.
    """
    if part.mapped is not None:
        mapped = evaluate(part.mapped.mapping, arch, part.post_ops, drafts, part.zeros)
        return _mapped_part(part.item, mapped, part.post_ops, part.zeros)
    assert part.job is not None
    return _vector_part(part.item, part.job, arch, drafts, least)


def simulated_again(plan: Plan, arch: Accelerator, drafts: Drafts | None = None) -> Plan:
    """A layer's plan on another machine that it fits (`plan.arch` with other speeds), mapped as before.

    Raises:
        BudgetExceeded: the other machine takes more than the limits of `drafts`.
    """
    return replace(plan, arch=arch, parts=tuple(part_again(part, arch, drafts) for part in plan.parts))


def plan_seated(node: Node, seat: Seat, options: Options, cache: Cache, reads: int | None) -> Plan:
    """Lower and map one layer as it finds the chip; equal work is mapped once per cache.

    Raises:
        MappingError: it does not fit; the message names the layer and the machine.
    """
    arch = seat.arch
    try:
        parts = tuple(_plan_part(node, item, seat, options, cache) for item in lower(node, arch, reads))
        return Plan(node, parts, arch, seat.kept, seat.here, seat.staying, seat.beside)
    except BudgetExceeded as error:
        raise BudgetExceeded(f"layer {node.name} ({node.op}, output {node.shape}): {error}") from None
    except MappingError as error:
        raise MappingError(
            f"layer {node.name} ({node.op}, output {node.shape}) does not fit {arch.name}: {error}"
        ) from None


def plan_layer(node: Node, arch: Accelerator, options: Options, cache: Cache) -> Plan:
    """One layer on an empty machine: everything comes from DRAM and goes there.

    Raises:
        MappingError: it does not fit; the message names the layer and the machine.
    """
    return plan_seated(node, Seat(arch), options, cache, None)
