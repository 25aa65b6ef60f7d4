"""Proof of a run: the tiled executor against the reference, layer by layer, values and words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.arch import Accelerator
from accelsim.errors import CheckFailed
from accelsim.execute.quantise import QTensor, exact, output_stage
from accelsim.execute.reference import NodeRun, bias_on_grid, run_node
from accelsim.execute.tiled import TiledRun, run_tiled
from accelsim.execute.vector import run_chunks, run_pool
from accelsim.execute.weights import Parameters, random_inputs, random_weights
from accelsim.graph import LayerGraph, optimise
from accelsim.mapping import LinkCount, rules_of
from accelsim.pipeline import Cache, Options, Plan, plan_layer
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


def _array(
    plan: Plan, arch: Accelerator, x: QTensor, parameters: Parameters, run: NodeRun
) -> tuple[QTensor, TiledRun, NDArray[np.bool_]]:
    """Run an array layer tiled and finish its sums; also where the sums differ from the reference's."""
    mapped, node = plan.mapped, plan.node
    assert mapped is not None and parameters.weight is not None and run.finish is not None
    problem = mapped.mapping.problem
    shape = [axis.size for axis in problem.operand("Inputs").axes]
    filters = parameters.weight.values.reshape([axis.size for axis in problem.operand("Weights").axes])
    tiled = run_tiled(mapped.mapping, arch, rules_of(arch), x.values.reshape(shape), filters)
    sums = tiled.accumulators.reshape(node.shape)
    exact(sums, node.name)
    bias = bias_on_grid(parameters, x.exponent + parameters.weight.exponent, len(node.shape))
    output = QTensor(output_stage(sums, bias, run.finish), run.finish.exponent)
    return output, tiled, sums != run.sums


def _moved(counts: tuple[LinkCount, ...]) -> int:
    return sum(c.reads + c.psum_writes + c.final_writes for c in counts)


def prove_layer(
    plan: Plan, arch: Accelerator, tensors: list[QTensor], parameters: Parameters | None, run: NodeRun
) -> tuple[QTensor, LayerProof]:
    """Run one layer tiled; its output and how it compares with the reference."""
    node, mapped = plan.node, plan.mapped
    wrong: list[str] = []
    passes = words = 0
    apart: NDArray[np.bool_] = np.zeros(node.shape, bool)
    if plan.item is None:
        output = QTensor(tensors[0].values.reshape(node.shape), tensors[0].exponent)
    elif isinstance(plan.item, Problem) and plan.item.op == "mac":
        assert mapped is not None and parameters is not None
        output, tiled, apart = _array(plan, arch, tensors[0], parameters, run)
        wrong, passes, words = tiled.agrees_with(mapped.counts), tiled.passes, _moved(mapped.counts)
    elif mapped is not None:
        values, moves = run_pool(node, mapped.mapping, arch, rules_of(arch), tensors[0], run.output.exponent)
        output = QTensor(values, run.output.exponent)
        for c in mapped.counts:
            link = (c.operand, c.parent, c.child)
            moved = moves.reads.get(link, 0), moves.final_writes.get(link, 0)
            if moved != (c.reads, c.final_writes):
                wrong.append(f"{c.operand} {c.parent}->{c.child}: moved {moved}, counted {(c.reads, c.final_writes)}")
        passes, words = mapped.simulated.passes, _moved(mapped.counts)
    else:
        assert plan.job is not None and plan.stream is not None
        values, read, written = run_chunks(node, plan.job, arch, tensors, run.output.exponent, parameters)
        output = QTensor(values, run.output.exponent)
        if (read, written) != (plan.job.in_words, plan.job.out_words):
            wrong.append(f"moved {(read, written)}, counted {(plan.job.in_words, plan.job.out_words)}")
        passes, words = len(plan.stream.segments), read + written
    if output.exponent != run.output.exponent:
        raise CheckFailed(f"{node.name}: exponent {output.exponent}, the reference has {run.output.exponent}")
    differ = int((apart | (output.values != run.output.values)).sum())
    proof = LayerProof(
        node.name, node.op, output.values.size, differ, tuple(wrong), passes, words, run.acc_bits,
        arch.precision.psum_bits,
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
    work = optimise(graph) if chosen.fold else graph
    weights = random_weights(work, arch.precision, seed)
    inputs = random_inputs(work, arch.precision, seed)
    shared: Cache = {} if cache is None else cache
    values, expected = dict(inputs), dict(inputs)
    proofs = []
    last = {source: i for i, node in enumerate(work.layers) for source in node.inputs}
    for number, node in enumerate(work.layers):
        plan = plan_layer(node, arch, chosen, shared)
        tensors = [values[source] for source in node.inputs]
        parameters = weights.get(node.weight_key)
        run = run_node(node, [expected[source] for source in node.inputs], parameters, arch.precision)
        values[node.name], proof = prove_layer(plan, arch, tensors, parameters, run)
        expected[node.name] = run.output
        proofs.append(proof)
        if on_layer is not None:
            on_layer(proof)
        for source in set(node.inputs):
            if last[source] == number:
                del values[source], expected[source]
    return Proof(graph.name if model is None else model, arch.name, graph.batch, seed, tuple(proofs))
