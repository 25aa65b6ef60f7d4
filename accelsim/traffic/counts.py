"""Closed-form words per link, operand and direction of a mapping (the reading "count").

For a storage point inside the first j temporal loops, the words that arrive are the first tile plus, for every
loop i < j, the sum over all steps at which loop i advances (loops outside it anywhere, loops inside it going from
their last to their first index) of the new part of the tile. Each of those sums is a difference of two products of
per-axis factors (`factors`). A loop that does not change the tile contributes zero, which is the rule "a tile stays
across the innermost contiguous irrelevant loops" of Timeloop (Parashar et al., ISPASS 2019) and nn_dataflow.
"""

from __future__ import annotations

from math import prod

from accelsim.arch import Accelerator
from accelsim.errors import InputError
from accelsim.mapping import LinkCount, Mapping, Point, Rules, points
from accelsim.problem import Operand
from accelsim.traffic.factors import Advance, AxisNest, Factors, axis_nests, new_words


def _arrivals(mapping: Mapping, nests: list[AxisNest], position: int, retained: bool, factors: Factors) -> int:
    """Words that enter the storage point described by `nests` over the whole problem."""
    loops = mapping.temporal[:position]

    def outer(nest: AxisNest, depth: int) -> tuple[int, ...]:
        return tuple(min(mapping.tile_step(d, depth), b) for d, b in zip(nest.dims, nest.bounds, strict=True))

    if not retained:
        return prod(factors.total(nest, nest.child)[0] for nest in nests)
    words = prod(nest.cell((0,) * len(nest.dims), None)[0] for nest in nests)
    for i, loop in enumerate(loops):
        cells = []
        for nest in nests:
            advance: Advance = None
            if loop.dim in nest.dims:
                advance = (loop.dim, min(mapping.tile_step(loop.dim, i), mapping.problem.bound[loop.dim]))
            cells.append(factors.total(nest, outer(nest, i + 1), advance))
        words += new_words(cells)
    return words


def arrivals_at(mapping: Mapping, operand: Operand, point: Point, position: int, factors: Factors) -> int:
    """Words that enter the PEs (reads shared by wires count once) at the advances of the first `position` loops."""
    nests = axis_nests(mapping, operand, point.position, point.shared, True)
    return _arrivals(mapping, nests, position, point.retained, factors)


def stored_words(operand: Operand, mapping: Mapping) -> int:
    """Words of the operand that the problem touches at all (compulsory traffic)."""
    full = {dim: (0, bound) for dim, bound in mapping.problem.bounds}
    return prod(axis.mask(full).bit_count() for axis in operand.axes)


def count_point(mapping: Mapping, operand: Operand, point: Point, rules: Rules, factors: Factors) -> LinkCount:
    """Words over the link into one storage point."""
    at_array = point.memory == "PE"
    shared = point.shared if at_array else None
    reuse = at_array or rules.halo_reuse
    whole = point.whole_words > 0
    crossing = mapping.crossing(operand, point.parent)
    seen = operand if operand.role == "output" else crossing
    nests = axis_nests(mapping, seen, point.position, shared, reuse, whole)
    visits = _arrivals(mapping, nests, point.position, point.retained, factors) * max(1, point.whole_words)
    if at_array and not whole:
        each = axis_nests(mapping, operand, point.position, (), True)
        arrivals = _arrivals(mapping, each, point.position, point.retained, factors)
    else:
        arrivals = visits
    link = operand.name, point.parent, point.memory
    if operand.role != "output":
        return read_link(*link, visits, arrivals, mapping.resident)
    read_first = rules.psum_first_visit == "read" and mapping.problem.op == "mac"
    final = stored_words(operand, mapping)
    stored = 0 if operand.name in mapping.resident else stored_words(crossing, mapping)
    return output_link(point.parent, point.memory, visits, arrivals, final, stored, read_first)


def read_link(operand: str, parent: str, child: str, visits: int, arrivals: int, resident: frozenset[str]) -> LinkCount:
    """Words over a link of Inputs or Weights, of which `visits` are read and `arrivals` delivered."""
    if parent == "DRAM" and operand in resident:
        visits = arrivals = 0
    return LinkCount(operand, parent, child, visits, arrivals)


def output_link(
    parent: str, child: str, visits: int, arrivals: int, final: int, stored: int, read_first: bool
) -> LinkCount:
    """Words over a link of Outputs: `visits` at the parent, `final` of them finished, `arrivals` sent by the child.

    A psum is read back on every visit but its first; between array and memory on that one too if `read_first`. To DRAM
    go the `stored` of the finished words; the others stay where they are.
    """
    reloads = visits if read_first and child == "PE" else visits - final
    staying = final - stored if parent == "DRAM" else 0
    return LinkCount("Outputs", parent, child, reloads, reloads, arrivals - staying, visits - final, final - staying)


def count(mapping: Mapping, arch: Accelerator, rules: Rules, factors: Factors | None = None) -> tuple[LinkCount, ...]:
    """Words of every link of every operand, in closed form; `factors` may be shared between mappings of a problem.

    Raises:
        InputError: the rules are those of counts over storage levels.
    """
    if (rules.tile, rules.steps, rules.stride_change, rules.links) != ("exact", "all", "keep", False):
        raise InputError("counting by boxes, two steps, resets or links needs a nest of storage levels")
    memo = Factors() if factors is None else factors
    return tuple(
        count_point(mapping, operand, point, rules, memo)
        for operand in mapping.problem.operands
        for point in points(mapping, arch, operand)
    )
