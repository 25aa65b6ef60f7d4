"""A cheap estimate that ranks candidates before the exact model decides: tile size times reloads, no borders."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.arch import Accelerator
from accelsim.mapper.space import Candidate
from accelsim.mapping.legality import tile_words
from accelsim.mapping.templates import Core
from accelsim.problem import DIMS, Operand, Problem
from accelsim.timing import PassShape, pass_time

Pairs = tuple[tuple[str, int], ...]


def visits(operand: Operand, loops: Pairs) -> int:
    """How often a tile is brought in: the trips of all loops up to the innermost one that moves it."""
    count = product = 1
    for dim, trips in loops:
        product *= trips
        if dim in operand.dims:
            count = product
    return count


@dataclass
class Estimator:
    """Ranks candidates of one problem on one machine; remembers tile sizes and pass times."""

    problem: Problem
    arch: Accelerator

    def __post_init__(self) -> None:
        self._words: dict[tuple[str, tuple[int, ...]], int] = {}
        self._times: dict[Core, int] = {}
        self._extents: dict[Core, dict[str, int]] = {}
        self._reductions = set(self.problem.reduction_dims)
        self._dims = {o.name: tuple(d for d in DIMS if d in o.dims) for o in self.problem.operands}
        self._homes = {o.name: self.arch.chain(o.name)[0] for o in self.problem.operands}
        self._holds = [
            (m, [(h, self.problem.operand(h.operand)) for h in m.holds if h.operand in self._dims])
            for m in self.arch.memories
        ]

    def words(self, operand: Operand, extents: dict[str, int]) -> int:
        """Words of a tile."""
        key = (operand.name, tuple([extents[d] for d in self._dims[operand.name]]))
        if key not in self._words:
            self._words[key] = tile_words(operand, extents)
        return self._words[key]

    def extents(self, core: Core) -> dict[str, int]:
        """Extents of a pass."""
        if core not in self._extents:
            self._extents[core] = {d: min(core.extent(d), self.problem.bound[d]) for d in DIMS}
        return self._extents[core]

    def pass_cycles(self, core: Core) -> int:
        """Cycles of an interior pass, ports included."""
        if core not in self._times:
            self._times[core] = _pass_cycles(self, core)
        return self._times[core]

    def core_score(self, core: Core) -> int:
        """Energy x time of a core with perfect reuse at DRAM: what no choice of tiles around it can improve."""
        extents = self.extents(core)
        loops = tuple((d, -(-b // extents[d])) for d, b in self.problem.bounds if b > extents[d])
        passes = 1
        for _, trips in loops:
            passes *= trips
        energy = self.problem.macs * self.arch.array.mac_fj
        for operand in self.problem.operands:
            memory = self._homes[operand.name]
            bits = self.arch.precision.read_bits(operand.name)
            best = tuple(pair for pair in loops if pair[0] in operand.dims)
            energy += self.words(operand, extents) * visits(operand, best) * bits * memory.read_fj_per_bit
            energy += operand.words * bits * self.arch.dram.read_fj_per_bit
        return energy * passes * self.pass_cycles(core)

    def score(self, candidate: Candidate) -> tuple[int, int] | None:
        """Estimated (energy, cycles), or None if the tiles do not fit."""
        core, arch, bound = candidate.core, self.arch, self.problem.bound
        tile = dict(self.extents(core))
        passes = 1
        for dim, trips in candidate.inner:
            tile[dim] = min(bound[dim], tile[dim] * trips)
            passes *= trips
        for _, trips in candidate.outer:
            passes *= trips
        if not self._fits(candidate, tile):
            return None
        dram_fj, dram_bits, chip_fj = self._cost(candidate, tile)
        cycles = max(passes * self.pass_cycles(core), -(-dram_bits * arch.clock_hz // arch.dram.bandwidth_bits_per_s))
        return dram_fj + chip_fj, cycles

    def _fits(self, candidate: Candidate, tile: dict[str, int]) -> bool:
        precision = self.arch.precision
        streamed = () if "Outputs" in self.arch.array.stationary else candidate.inner
        partial = any(d in self._reductions for d, _ in (*candidate.outer, *streamed))
        inside = self.extents(candidate.core)
        for memory, holds in self._holds:
            used = 0
            for hold, operand in holds:
                words = self.words(operand, inside if hold.at == "pass" or memory.psum_only else tile)
                bits = precision.read_bits(hold.operand)
                if hold.operand == "Outputs" and (partial or memory.psum_only):
                    bits = max(bits, precision.psum_bits)
                if operand.role == "weight" and self.arch.array.whole_weight_tiles and hold.at == "pass":
                    words = self.arch.array.pes
                used += hold.depth * words * bits
            if used > memory.capacity_bits:
                return False
        return True

    def _cost(self, candidate: Candidate, tile: dict[str, int]) -> tuple[int, int, int]:
        """(DRAM energy, DRAM bits, on-chip energy) estimated from visits."""
        arch, precision, core = self.arch, self.arch.precision, candidate.core
        inside = self.extents(core)
        every = (*candidate.outer, *candidate.inner)
        dram_fj = dram_bits = chip_fj = 0
        for operand in self.problem.operands:
            memory = self._homes[operand.name]
            hold = memory.hold(operand.name)
            by_pass = hold is not None and hold.at == "pass"
            loops = every if by_pass else candidate.outer
            moved = self.words(operand, inside if by_pass else tile) * visits(operand, loops)
            fed = self.words(operand, inside) * visits(operand, every)
            if operand.role == "output":
                spilled = max(0, moved - operand.words) * precision.psum_bits
                bits = operand.words * precision.output_bits + 2 * spilled
                chip = (2 * fed - operand.words) * precision.psum_bits
            else:
                bits = moved * precision.read_bits(operand.name)
                chip = fed * precision.read_bits(operand.name)
            dram_bits += bits
            dram_fj += bits * arch.dram.read_fj_per_bit
            chip_fj += chip * memory.read_fj_per_bit + bits * memory.write_fj_per_bit
        return dram_fj, dram_bits, chip_fj


def _pass_cycles(estimator: Estimator, core: Core) -> int:
    arch, problem = estimator.arch, estimator.problem
    extents = estimator.extents(core)
    spatial = {"row": 1, "col": 1}
    for loop in core.spatial:
        for axis in ("row", "col") if loop.kind == "diagonal" else (loop.kind,):
            spatial[axis] *= loop.trips
    steps = 1
    for loop in core.stream:
        steps *= loop.trips
    macs = 1
    for loop in core.pe:
        macs *= loop.trips
    inputs = estimator.words(problem.operand("Inputs"), extents)
    outputs = estimator.words(problem.output, extents)
    weights = estimator.words(problem.operand("Weights"), extents)
    shape = PassShape(
        spatial["row"], spatial["col"], steps, macs, weights if arch.array.dataflow != "os" else 0,
        inputs // max(1, steps), inputs, outputs, outputs // max(1, steps),
    )  # fmt: skip
    time = pass_time(arch.array, shape)
    stream = time.stream
    for memory in arch.memories:
        if memory.hold("Outputs") and arch.chain("Outputs")[-1].name == memory.name:
            bits = outputs * arch.precision.psum_bits
            stream = max(stream, -(-bits // memory.write_bits_per_cycle))
    if arch.array.weight_double_buffer:
        return max(stream, time.load)
    return time.load + stream + time.drain
