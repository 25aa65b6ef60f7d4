"""MAC by MAC: any mapping of a small problem, every stream step, every PE, words in per-PE dictionaries.

Slow and plain. It checks on random nests what `tiled` does with NumPy inside a pass: a PE multiplies only words that
were delivered to it and that it still holds, and the words delivered are counted as they cross.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import product
from math import prod

import numpy as np

from accelsim.arch import Accelerator
from accelsim.errors import CheckFailed
from accelsim.execute.buffers import (
    Array,
    Box,
    Buffer,
    Dram,
    Moves,
    PartlyHere,
    PsumBuffer,
    PsumStore,
    Ranges,
    source_of,
    staying_of,
    stored_indices,
)
from accelsim.mapping import Mapping, Point, Rules, points
from accelsim.mapping.legality import tile_words
from accelsim.problem import Operand
from accelsim.walk import steps

Words = dict[tuple[int, ...], float]


class _Machine:
    """Memories as buffers, PEs as dictionaries."""

    def __init__(self, mapping: Mapping, arch: Accelerator, rules: Rules, inputs: Array, weights: Array) -> None:
        self.mapping, self.rules, self.moves = mapping, rules, Moves()
        problem = mapping.problem
        self.chains = {o.name: points(mapping, arch, o) for o in problem.operands}
        self.buffers: dict[str, list[tuple[Point, Buffer]]] = {}
        for name, tensor in (("Inputs", inputs), ("Weights", weights)):
            parent: Dram | PartlyHere | Buffer = source_of(tensor, problem.operand(name), mapping.share(name))
            self.buffers[name] = []
            for point in self.chains[name][:-1]:
                size = point.whole_words or tile_words(problem.operand(name), mapping.tile_extents(point.position))
                link = (name, point.parent, point.memory)
                parent = Buffer(parent, link, self.moves, size, rules.halo_reuse, point.whole_words)
                if point.parent == "DRAM" and name in mapping.resident:
                    whole = {d: (0, bound) for d, bound in problem.bounds}
                    parent.preload(stored_indices(problem.operand(name), whole))
                self.buffers[name].append((point, parent))
        missing = prod(b for d, b in problem.bounds if d not in problem.output.dims)
        self.result = PsumStore([axis.size for axis in problem.output.axes], missing)
        self.psums: list[tuple[Point, PsumBuffer]] = []
        store: PsumStore | PsumBuffer = self.result
        for point in self.chains["Outputs"][:-1]:
            size = tile_words(problem.output, mapping.tile_extents(point.position))
            staying = staying_of(mapping, problem.output, point.parent)
            store = PsumBuffer(store, ("Outputs", point.parent, point.memory), self.moves, size, staying=staying)
            self.psums.append((point, store))
        self.places = list(product(*(range(digit.trips) for digit in mapping.digits)))
        self.held: dict[tuple[str, tuple[int, ...]], Words] = {}

    def ranges(self, start: dict[str, int], position: int) -> Ranges:
        found = {}
        for dim, bound in self.mapping.problem.bounds:
            step = self.mapping.tile_step(dim, position)
            low = start[dim] // step * step
            found[dim] = (low, min(step, bound - low))
        return found

    def pe_ranges(self, start: dict[str, int], place: tuple[int, ...]) -> Ranges | None:
        """What one PE works on in a stream step, None if it idles."""
        here = dict(start)
        for digit, index in zip(self.mapping.digits, place, strict=True):
            here[digit.dim] += index * digit.step
        found = {}
        for dim, bound in self.mapping.problem.bounds:
            length = min(self.mapping.pe_extent[dim], bound - here[dim])
            if length < 1:
                return None
            found[dim] = (here[dim], length)
        return found

    def fill(self, start: dict[str, int]) -> None:
        """Bring every memory's tile."""
        for name, chain in self.buffers.items():
            for point, buffer in chain:
                buffer.fill(stored_indices(self.mapping.problem.operand(name), self.ranges(start, point.position)))
        boxes = [self.box(self.ranges(start, point.position)) for point, _ in self.psums]
        for box, (_, psums) in reversed(list(zip(boxes, self.psums, strict=True))):
            if box != psums.box:
                psums.flush()
        for box, (_, psums) in zip(boxes, self.psums, strict=True):
            psums.hold(box)

    def box(self, ranges: Ranges) -> Box:
        return tuple(ranges[axis.dims[0]] for axis in self.mapping.problem.output.axes)

    def group(self, point: Point, place: tuple[int, ...]) -> tuple[int, ...]:
        """The wire of a PE: where it lies along axes whose wires do not join PEs."""
        return self.mapping.wire(place, point.shared)

    def deliver(self, operand: Operand, mine: dict[tuple[int, ...], Ranges | None]) -> None:
        """Send every PE the words of its tile that it does not hold."""
        point = self.chains[operand.name][-1]
        source = self.buffers[operand.name][-1][1]
        sent: dict[tuple[int, ...], set[tuple[int, ...]]] = defaultdict(set)
        carried: dict[tuple[int, ...], set[tuple[int, ...]]] = {}
        alone = bool(self.mapping.bands) and "col" in point.shared
        for place, ranges in mine.items():
            wanted: Words = {}
            if ranges is not None:
                indices = stored_indices(operand, ranges)
                block = source.take(indices)
                spots = product(*(range(i.size) for i in indices))
                wanted = {tuple(int(i[k]) for i, k in zip(indices, at, strict=True)): block[at] for at in spots}
            old = self.held.get((operand.name, place), {}) if point.retained else {}
            fresh = set(wanted) - set(old)
            wire = self.group(point, place)
            if alone and ranges is not None and carried.setdefault(wire, set(wanted)) != set(wanted):
                raise CheckFailed(f"row {wire} of a band would carry {carried[wire]} and {set(wanted)} at once")
            sent[wire] |= fresh
            self.held[operand.name, place] = {w: wanted[w] if w in fresh else old[w] for w in wanted}
        words = sum(len(part) for part in sent.values())
        if point.whole_words:
            words = point.whole_words if words else 0
        self.moves.add(self.moves.reads, (operand.name, point.parent, "PE"), words)

    def visit(self, mine: dict[tuple[int, ...], Ranges | None]) -> None:
        """Bring the psums that the PEs do not hold: reloaded if visited before; counted once per reduction group."""
        output = self.mapping.problem.output
        point = self.chains["Outputs"][-1]
        link = ("Outputs", point.parent, "PE")
        store = self.psums[-1][1]
        arriving: dict[tuple[int, ...], set[tuple[int, ...]]] = defaultdict(set)
        for place, ranges in mine.items():
            wanted = set() if ranges is None else self.coordinates(output, ranges)
            old = set(self.held.get(("Outputs", place), {})) if point.retained else set()
            arriving[self.group(point, place)] |= wanted - old
            self.held["Outputs", place] = dict.fromkeys(wanted, 0.0)
        for group in arriving.values():
            for word in group:
                at = store.window(tuple((i, 1) for i in word))
                seen = bool(store.visited[at].item())
                self.moves.add(self.moves.reads, link, int(seen or self.rules.psum_first_visit == "read"))
                self.moves.add(self.moves.psum_writes, link, 1)
                store.visited[at] = True

    def coordinates(self, operand: Operand, ranges: Ranges) -> set[tuple[int, ...]]:
        return {tuple(int(v) for v in at) for at in product(*stored_indices(operand, ranges))}

    def multiply(self, place: tuple[int, ...], ranges: Ranges) -> None:
        """Every MAC of one PE in one stream step."""
        problem, store = self.mapping.problem, self.psums[-1][1]
        dims = list(ranges)
        inputs, weights, output = problem.operand("Inputs"), problem.operand("Weights"), problem.output
        for values in product(*(range(low, low + length) for low, length in ranges.values())):
            point = dict(zip(dims, values, strict=True))
            x_at, w_at, y_at = (_index(o, point) for o in (inputs, weights, output))
            padding = any(not 0 <= i < axis.size for i, axis in zip(x_at, inputs.axes, strict=True))
            if w_at not in self.held["Weights", place] or y_at not in self.held["Outputs", place]:
                raise CheckFailed(f"PE {place} lacks the weight {w_at} or the psum {y_at}")
            if not padding and x_at not in self.held["Inputs", place]:
                raise CheckFailed(f"PE {place} lacks the input {x_at}")
            at = store.window(tuple((i, 1) for i in y_at))
            if not padding:
                store.values[at] += self.held["Inputs", place][x_at] * self.held["Weights", place][w_at]
            store.missing[at] -= 1


def _index(operand: Operand, point: dict[str, int]) -> tuple[int, ...]:
    return tuple(axis.offset + sum(c * point[d] for d, c in axis.terms) for axis in operand.axes)


def run_stepwise(
    mapping: Mapping, arch: Accelerator, rules: Rules, inputs: Array, weights: Array
) -> tuple[Array, Moves]:
    """Accumulators in the order of the output axes, and the words moved over every link."""
    machine = _Machine(mapping, arch, rules, inputs, weights)
    problem = mapping.problem
    for start in steps(mapping, mapping.position("PE")):
        machine.fill(start)
        mine = {place: machine.pe_ranges(start, place) for place in machine.places}
        for operand in problem.reads:
            machine.deliver(operand, mine)
        machine.visit(mine)
        for place, ranges in mine.items():
            if ranges is not None:
                machine.multiply(place, ranges)
    for _, psums in reversed(machine.psums):
        psums.flush()
    link = ("Outputs", machine.chains["Outputs"][-1].parent, "PE")
    done = int((machine.result.missing == 0).sum())
    machine.moves.add(machine.moves.psum_writes, link, -done)
    machine.moves.add(machine.moves.final_writes, link, done)
    values: Array = np.asarray(machine.result.values)
    return values, machine.moves
