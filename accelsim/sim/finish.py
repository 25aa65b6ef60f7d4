"""When each word of a mapping's results is finished: the segment after which no pass touches it any more."""

from __future__ import annotations

import numpy as np

from accelsim.arch import Accelerator
from accelsim.mapping import Mapping, rules_of
from accelsim.problem import Axis, Operand
from accelsim.sim.build import home_flow, new_segments
from accelsim.sim.flows import link_flows
from accelsim.sim.passes import Ints
from accelsim.traffic import Factors


def _row_major(axis: Axis, bound: dict[str, int]) -> bool:
    """Does an axis hold its dims one inside another, without gaps?"""
    step = axis.size
    for dim, coef in axis.terms:
        if coef * bound[dim] != step:
            return False
        step = coef
    return axis.offset == 0 and step == 1


def storage_dims(output: Operand, bound: dict[str, int]) -> tuple[str, ...] | None:
    """The dims of the results, outer to inner as their words are stored; None if words do not follow dims."""
    if not all(_row_major(axis, bound) for axis in output.axes):
        return None
    return tuple(dim for axis in output.axes for dim in axis.dims)


def finish_segments(mapping: Mapping, arch: Accelerator, factors: Factors, stored: bool) -> Ints | None:
    """For each word of the results in storage order, the segment with which it is finished in the outermost memory or,
    `stored`, with which its tile there is finished and leaves for DRAM: (words,). None as in `storage_dims`."""
    bound = dict(mapping.problem.bound)
    dims = storage_dims(mapping.problem.output, bound)
    if dims is None:
        return None
    passes, flows = link_flows(mapping, arch, rules_of(arch), factors)
    outermost = next(flow for flow in flows if flow.operand.role == "output" and flow.point.parent == "DRAM")
    flow = outermost if stored else home_flow(flows)
    last = np.flatnonzero(flow.up_final)
    outside = min(flow.point.position, passes.position)
    steps = {dim: min(bound[dim], mapping.tile_step(dim, outside)) for dim in dims}
    tiles = [passes.of(dim, passes.tiles(dim, outside) // steps[dim])[last] for dim in dims]
    found: Ints = np.zeros([-(-bound[dim] // steps[dim]) for dim in dims], np.int64)
    segment = np.cumsum(new_segments(passes, flows, True)) - 1
    np.maximum.at(found, tuple(tiles), segment[last])
    for place, dim in enumerate(dims):
        words = np.minimum(steps[dim], bound[dim] - np.arange(0, bound[dim], steps[dim]))
        found = np.repeat(found, words, axis=place)
    return found.reshape(-1)
