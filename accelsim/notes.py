"""Why a layer costs what it costs, in one line."""

from __future__ import annotations

from math import prod

from accelsim.arch import Accelerator
from accelsim.layers import Gather
from accelsim.mapping.legality import active_pes
from accelsim.plan import Part, Plan


def _why_array(part: Part, arch: Accelerator) -> list[str]:
    """What is spread over the array, and why not more."""
    assert part.mapped is not None
    mapping = part.mapped.mapping
    rows, cols = mapping.occupied()
    spread = ", ".join(f"{s.dim} {s.trips} {s.kind}" for s in mapping.spatial if s.trips > 1) or "nothing"
    found = [f"{spread} spread over {rows} x {cols}: {active_pes(mapping)} of {arch.array.pes} PEs active"]
    if arch.array.kind != "row_stationary" and mapping.problem.bound["G"] > 1:
        diagonal = any(s.kind == "diagonal" for s in mapping.spatial)
        place = "groups lie on the diagonal" if diagonal else "one group at a time fills its rows and columns"
        found.append(f"{place}, since operands forwarded along a wire cannot differ between groups")
    for band in mapping.bands:
        found.append(f"{band.outs} windows over {band.out} share {band.rows} input words in a band, PEs beside it idle")
    return found


def _gathered(item: Gather) -> str:
    """How many words a gather reads on chip, and how that is known."""
    if item.least_reads == item.most_reads:
        return f"samples read {item.most_reads:,} words on chip"
    return f"data-dependent reads: {item.least_reads:,} to {item.most_reads:,} words on chip, the most is charged"


def _placed(plan: Plan) -> list[str]:
    """Which tensors of the layer are on chip before or after it."""
    found = []
    sizes = [prod(shape) for shape in plan.node.input_shapes]
    whole = sum(words == size for words, size in zip(plan.here, sizes, strict=False))
    if whole:
        some = "inputs are" if whole == len(sizes) else f"{whole} of {len(sizes)} inputs are"
        found.append(f"{some} still on chip")
    for number, (words, size) in enumerate(zip(plan.here, sizes, strict=False), 1):
        if 0 < words < size:
            found.append(f"{100 * words / size:g} % of input {number} is still on chip")
    if plan.staying:
        some = "results" if plan.stays else f"{100 * plan.staying / prod(plan.node.shape):g} % of the results"
        found.append(f"{some} stay on chip")
    return found


def note_of(plan: Plan, arch: Accelerator, stalls: dict[str, int], compute: int, issued: int, beside: bool) -> str:
    """Why the layer costs what it costs, in one line; `beside`: it begins before the one before it has ended."""
    if not plan.parts:
        return "a view: the same words in the same order, nothing moves"
    parts = []
    if plan.kept:
        parts.append(
            "weights are loaded here and stay on chip" if plan.kept == "loaded" else "weights are still on chip"
        )
    parts += _placed(plan)
    if len(plan.parts) > 1:
        parts.append(f"{len(plan.parts)} work items one after another")
    largest = max((p for p in plan.parts if p.on_array), key=lambda p: p.outcome.makespan, default=None)
    if largest is not None:
        parts += _why_array(largest, arch)
    if largest is not None and issued != plan.node.macs:
        parts.append(f"{issued:,} MACs issued for {plan.node.macs:,}: borders or inserted zeros differ")
    for part in plan.parts:
        if isinstance(part.item, Gather):
            parts.append(_gathered(part.item))
    if beside:
        parts.append("begins side by side with the layer before")
    total = compute + sum(stalls.values())
    if total:
        worst, cycles = max([("compute", compute), *stalls.items()], key=lambda pair: pair[1])
        parts.append(f"{100 * cycles / total:.0f} % of the cycles: {worst.replace('_', ' ')}")
    return "; ".join(parts)
