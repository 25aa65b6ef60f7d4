"""Our machines and problems as SCALE-Sim would be given them."""

from __future__ import annotations

from accelsim.arch import Accelerator
from accelsim.errors import InputError
from accelsim.problem import Problem
from accelsim.timing.scalesim.types import ScaleLayer, ScaleMachine, gemm_layer

ROLES = (("Inputs", "ifmap"), ("Weights", "filter"), ("Outputs", "ofmap"))


def scale_machine(arch: Accelerator) -> ScaleMachine:
    """The machine as SCALE-Sim sees it.

    Raises:
        InputError: it is no systolic array with one memory of whole 1024 words for each operand.
    """
    dataflow = arch.array.dataflow
    if arch.array.kind != "systolic" or dataflow == "rs":
        raise InputError(f"{arch.name}: SCALE-Sim has systolic arrays (os, ws, is), not {arch.array.kind} {dataflow}")
    sizes = []
    for operand, role in ROLES:
        chain = arch.chain(operand)
        users = [name for name, _ in ROLES if chain and chain[0] in arch.chain(name)]
        if len(chain) != 1 or len(users) != 1:
            found = ", ".join(memory.name for memory in chain) or "none"
            shared = f", which holds {' and '.join(users)}" if len(users) > 1 else ""
            raise InputError(f"{arch.name}: SCALE-Sim has one {role} SRAM for {operand} alone; here: {found}{shared}")
        words, rest = divmod(chain[0].capacity_bits, arch.precision.read_bits(operand))
        if rest or words % 1024:
            raise InputError(
                f"{arch.name}: {chain[0].name} holds {words} words of {operand}; SCALE-Sim counts in 1024 words"
            )
        sizes.append(words // 1024)
    ifmap, filters, ofmap = sizes
    return ScaleMachine(arch.array.rows, arch.array.cols, ifmap, filters, ofmap, dataflow)


def scale_layers(name: str, problem: Problem) -> tuple[ScaleLayer, int]:
    """The layer that SCALE-Sim is given for a problem, and how often it runs: per group, and per image of a batch.

    A window without dilation stays a convolution over the input rows and columns that it meets, borders included
    (SCALE-Sim has no padding: zeros count as words). A matrix product, dilation and depth become a product M x N x K,
    which SCALE-Sim reads as an input of M rows of K words.
    """
    bound = problem.bound
    inputs = problem.operand("Inputs").axes[-3:]
    dilation = [dict(axis.terms)[tap] for axis, tap in zip(inputs, "TRS", strict=True)]
    taps = bound["T"] * bound["R"] * bound["S"]
    if bound["O"] * bound["P"] * bound["Q"] * taps == 1:
        return gemm_layer(name, bound["N"], bound["M"], bound["C"]), bound["G"]
    spread = any(step > 1 and bound[tap] > 1 for step, tap in zip(dilation, "TRS", strict=True))
    if bound["O"] * bound["T"] > 1 or spread:
        pixels = bound["O"] * bound["P"] * bound["Q"]
        return gemm_layer(name, pixels, bound["M"], bound["C"] * taps), bound["G"] * bound["N"]
    sizes, strides = [], []
    for axis, out, tap in zip(inputs[1:], "PQ", "RS", strict=True):
        stride = dict(axis.terms)[out]
        whole = (bound[out] - 1) * stride + bound[tap]
        fits = axis.offset == 0 and bound[tap] <= axis.size and axis.size <= whole < axis.size + stride
        sizes.append(axis.size if fits else whole)
        strides.append(stride)
    (height, width), (down, across) = sizes, strides
    layer = ScaleLayer(name, height, width, bound["R"], bound["S"], bound["C"], bound["M"], down, across)
    return layer, bound["G"] * bound["N"]
