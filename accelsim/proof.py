"""Proof of a run: the tiled executor against the reference, layer by layer, values and words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.arch import Accelerator
from accelsim.arch.dataflows import with_dataflow
from accelsim.errors import CheckFailed
from accelsim.execute.chunks import run_chunks, run_gather
from accelsim.execute.floating import lively_tensors
from accelsim.execute.layouts import array_operands, place_sums
from accelsim.execute.quantise import QTensor, exact, output_stage
from accelsim.execute.reference import NodeRun, bias_on_grid, run_node
from accelsim.execute.tiled import run_tiled
from accelsim.execute.vector import run_pool
from accelsim.execute.weights import Parameters, random_inputs, random_weights
from accelsim.graph import LayerGraph, optimise
from accelsim.layers import Gather, Transpose
from accelsim.mapping import LinkCount, rules_of
from accelsim.pipeline import chosen_plans
from accelsim.plan import Cache, Options, Part, Plan
from accelsim.problem import Problem


@dataclass(frozen=True)
class LayerProof:
    """What was found for one layer.

    Attributes:
        wrong_values: outputs that differ from the reference, in their sums before the bias (array layers, where an
            activation could hide it) or in the finished words. wrong_words: links whose words differ, as text.
        acc_bits: bits that the largest sum needs; psum_bits: bits the machine has.
    """

    name: str
    op: str
    values: int
    wrong_values: int
    wrong_words: tuple[str, ...]
    passes: int
    words: int
    acc_bits: int
    psum_bits: int

    @property
    def exact(self) -> bool:
        """True if every value and every word count is equal."""
        return self.wrong_values == 0 and not self.wrong_words

    def as_dict(self) -> dict[str, Any]:
        """The proof of a layer as JSON."""
        return {
            "name": self.name,
            "op": self.op,
            "exact": self.exact,
            "values": self.values,
            "wrong_values": self.wrong_values,
            "wrong_words": list(self.wrong_words),
            "passes": self.passes,
            "words_moved": self.words,
            "accumulator_bits": self.acc_bits,
            "psum_bits": self.psum_bits,
        }


@dataclass(frozen=True)
class Proof:
    """Proofs of all layers of a network on a machine."""

    model: str
    arch: str
    batch: int
    seed: int
    layers: tuple[LayerProof, ...]

    @property
    def exact(self) -> bool:
        """True if every layer is exact."""
        return all(layer.exact for layer in self.layers)

    def as_dict(self) -> dict[str, Any]:
        """The proof as JSON."""
        return {
            "checked": True,
            "exact": self.exact,
            "model": self.model,
            "arch": self.arch,
            "batch": self.batch,
            "seed": self.seed,
            "layers": [layer.as_dict() for layer in self.layers],
        }


@dataclass
class _Tally:
    """What the parts of a layer did."""

    wrong: list[str] = field(default_factory=list)
    passes: int = 0
    words: int = 0
    apart: NDArray[np.bool_] | None = None


def _moved(counts: tuple[LinkCount, ...]) -> int:
    return sum(c.reads + c.psum_writes + c.final_writes for c in counts)


def _array(
    plan: Plan, arch: Accelerator, tensors: list[QTensor], parameters: Parameters | None, run: NodeRun, tally: _Tally
) -> QTensor:
    """Run an array layer tiled, item by item, and finish its sums; also note where they differ from the reference's."""
    node = plan.node
    assert run.finish is not None
    weight = None if parameters is None or parameters.weight is None else parameters.weight.values
    sums = np.zeros(node.shape)
    samples: NDArray[np.float64] | None = None
    for number, part in enumerate(plan.parts):
        if part.on_array and part.mapped is not None and isinstance(part.item, Problem):
            reals = [t.values for t in tensors]
            x, w = array_operands(node, number, part.item, reals, weight, samples)
            tiled = run_tiled(part.mapped.mapping, part.mapped.arch, rules_of(arch), x, w)
            place_sums(node, number, part.item, tiled.accumulators, sums)
            tally.wrong += tiled.agrees_with(part.mapped.counts)
            tally.passes += tiled.passes
            tally.words += _moved(part.mapped.counts)
        elif isinstance(part.item, Gather):
            samples = _gather(plan, part, arch, tensors, run, tally)
        else:
            assert part.job is not None
            tally.words += part.job.in_words + part.job.param_words + part.job.out_words
    exact(sums, node.name)
    bias = bias_on_grid(node, parameters, run.finish.acc_exponent)
    tally.apart = sums != run.sums
    return QTensor(output_stage(sums, bias, run.finish), run.finish.exponent)


def _gather(
    plan: Plan, part: Part, arch: Accelerator, tensors: list[QTensor], run: NodeRun, tally: _Tally
) -> NDArray[np.float64]:
    """Run data-dependent work; its words on the reference's grid."""
    item, expected = part.item, run.output if run.samples is None else run.samples
    assert isinstance(item, Gather)
    bits = arch.precision.output_bits if run.samples is None else arch.precision.input_bits
    values, brought, reads = run_gather(plan.node, item, tensors, expected.exponent, bits, expected.values.shape)
    tally.words += brought + reads + values.size
    if brought != item.in_words + item.position_words:
        tally.wrong.append(f"brought {brought} words, counted {item.in_words + item.position_words}")
    assert plan.node.layer is not None
    stated = next(i for i in plan.node.layer.lower(plan.node.input_shapes) if isinstance(i, Gather))
    if not stated.least_reads <= reads <= stated.most_reads:
        tally.wrong.append(f"read {reads} words, outside {stated.least_reads} to {stated.most_reads}")
    if run.samples is not None and not np.array_equal(values, expected.values):
        tally.wrong.append(f"{int((values != expected.values).sum())} samples differ from the reference")
    return values


def _vector(
    plan: Plan, arch: Accelerator, tensors: list[QTensor], parameters: Parameters | None, run: NodeRun, tally: _Tally
) -> QTensor:
    """Run a layer of the vector unit: a pool by tiles, a gather by planes, other work by chunks."""
    node, part, exponent = plan.node, plan.parts[0], run.output.exponent
    if part.mapped is not None:
        values, moves = run_pool(node, part.mapped.mapping, arch, rules_of(arch), tensors[0], exponent)
        for c in part.mapped.counts:
            link = (c.operand, c.parent, c.child)
            moved = moves.reads.get(link, 0), moves.final_writes.get(link, 0)
            if moved != (c.reads, c.final_writes):
                tally.wrong.append(
                    f"{c.operand} {c.parent}->{c.child}: moved {moved}, counted {(c.reads, c.final_writes)}"
                )
        tally.passes, tally.words = part.mapped.simulated.passes, _moved(part.mapped.counts)
    elif isinstance(part.item, Gather):
        values = _gather(plan, part, arch, tensors, run, tally)
    else:
        assert part.job is not None
        job = part.job
        values, read, written = run_chunks(node, job, arch, tensors, exponent, parameters, plan.here)
        if (read, written) != (job.loaded_words + job.kept_loaded, job.out_words):
            tally.wrong.append(
                f"moved {(read, written)}, counted {(job.loaded_words + job.kept_loaded, job.out_words)}"
            )
        tally.passes, tally.words = part.ran.segments, read + written
    return QTensor(values, exponent)


def _view(plan: Plan, tensors: list[QTensor], run: NodeRun) -> QTensor:
    """A view: the words of the input in its shape (a parameter: its own words)."""
    if not tensors:
        return run.output
    source = tensors[0].values
    if isinstance(plan.node.layer, Transpose):
        source = source.transpose(plan.node.layer.perm)
    return QTensor(source.reshape(plan.node.shape), tensors[0].exponent)


def prove_layer(
    plan: Plan, arch: Accelerator, tensors: list[QTensor], parameters: Parameters | None, run: NodeRun
) -> tuple[QTensor, LayerProof]:
    """Run one layer tiled; its output and how it compares with the reference."""
    node, tally = plan.node, _Tally()
    if not plan.parts:
        output = _view(plan, tensors, run)
    elif any(part.on_array for part in plan.parts):
        output = _array(plan, arch, tensors, parameters, run, tally)
    else:
        output = _vector(plan, arch, tensors, parameters, run, tally)
    if output.exponent != run.output.exponent:
        raise CheckFailed(f"{node.name}: exponent {output.exponent}, the reference has {run.output.exponent}")
    apart = output.values != run.output.values
    if tally.apart is not None:
        apart = apart | tally.apart
    proof = LayerProof(
        node.name, node.op, output.values.size, int(apart.sum()), tuple(tally.wrong), tally.passes, tally.words,
        run.acc_bits, arch.precision.psum_bits,
    )  # fmt: skip
    return output, proof


def verify(
    arch: Accelerator,
    graph: LayerGraph,
    options: Options | None = None,
    *,
    model: str | None = None,
    seed: int = 0,
    cache: Cache | None = None,
    on_layer: Callable[[LayerProof], None] | None = None,
) -> Proof:
    """Run a whole network tiled, outputs of one layer feeding the next, and compare every layer with the reference.

    Raises:
        CheckFailed: the random data would prove nothing (too many zeros or saturated words), or a buffer overflows.
    """
    chosen = Options() if options is None else options
    arch = with_dataflow(arch, chosen.dataflow)
    work = optimise(graph) if chosen.fold else graph
    weights = random_weights(work, arch.precision, seed, lively_tensors(work, seed))
    inputs = random_inputs(work, arch.precision, seed)
    shared: Cache = {} if cache is None else cache
    values, expected = dict(inputs), dict(inputs)
    proofs = []
    last = {source: i for i, node in enumerate(work.layers) for source in node.inputs}
    plans = chosen_plans(work, arch, chosen, shared)
    for number, (node, plan) in enumerate(zip(work.layers, plans, strict=True)):
        tensors = [values[source] for source in node.inputs]
        parameters = weights.get(node.weight_key)
        run = run_node(node, [expected[source] for source in node.inputs], parameters, arch.precision)
        values[node.name], proof = prove_layer(plan, plan.arch, tensors, parameters, run)
        expected[node.name] = run.output
        proofs.append(proof)
        if on_layer is not None:
            on_layer(proof)
        for source in set(node.inputs):
            if last[source] == number:
                del values[source], expected[source]
    return Proof(graph.name if model is None else model, arch.name, graph.batch, seed, tuple(proofs))
