"""Does a mapping fit a machine? Capacity with depths, scratchpads, array size and wires."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.arch import Accelerator, MemoryLevel
from accelsim.errors import MappingError
from accelsim.mapping.points import points
from accelsim.mapping.types import Mapping
from accelsim.problem import Operand


@dataclass(frozen=True)
class TileUse:
    """Space one operand takes in one memory: `depth` tiles of `tile_words` words of `word_bits`."""

    operand: str
    tile_words: int
    word_bits: int
    depth: int

    @property
    def bits(self) -> int:
        """Capacity taken, in bits."""
        return self.tile_words * self.word_bits * self.depth


def tile_words(operand: Operand, extents: dict[str, int]) -> int:
    """Most words a tile of these extents can hold: per axis the index set away from borders, at most the axis."""
    words = 1
    for axis in operand.axes:
        span = 1
        if len(axis.terms) == 1:
            span = extents[axis.dims[0]]
        elif axis.terms:
            free = type(axis)(axis.terms, 1 + sum(c * (extents[d] - 1) for d, c in axis.terms), 0)
            span = free.mask({d: (0, extents[d]) for d in axis.dims}).bit_count()
        words *= min(span, axis.size)
    return words


def uses(mapping: Mapping, arch: Accelerator, memory: MemoryLevel) -> tuple[TileUse, ...]:
    """Space the tiles of every operand take in a memory; a resident operand is not kept by tiles there."""
    found = []
    for operand in mapping.problem.operands:
        chain = points(mapping, arch, operand)
        for index, point in enumerate(chain):
            hold = memory.hold(operand.name)
            if point.memory != memory.name or hold is None:
                continue
            if index == 0 and operand.role != "output" and operand.name in mapping.resident:
                continue
            words = point.whole_words or tile_words(operand, mapping.tile_extents(point.position))
            if operand.role == "output":
                inner = chain[index + 1]
                bits = _output_width(mapping, arch, memory, inner.position, inner.retained)
            else:
                bits = arch.precision.read_bits(operand.name)
            found.append(TileUse(operand.name, words, bits, hold.depth))
    return tuple(found)


def _output_width(mapping: Mapping, arch: Accelerator, memory: MemoryLevel, inner: int, retained: bool) -> int:
    """Psum width if an unfinished word can ever be stored here: an inner tile leaves before its reduction ends."""
    reductions = set(mapping.problem.reduction_dims)
    loops = mapping.temporal[:inner]
    while retained and loops and loops[-1].dim in reductions:
        loops = loops[:-1]
    partial = any(loop.dim in reductions for loop in loops)
    width = arch.precision.output_bits
    return max(width, arch.precision.psum_bits) if partial or memory.psum_only else width


def _residency(mapping: Mapping, arch: Accelerator) -> list[str]:
    """A resident operand needs a memory that can keep it whole."""
    wrong = []
    for operand in mapping.problem.operands:
        if mapping.stays(operand.name):
            point = points(mapping, arch, operand)[0]
            if point.memory == "PE" or not arch.memory(point.memory).keeps(operand.name):
                wrong.append(f"{operand.name} cannot be resident: no memory keeps it whole")
    return wrong


def problems_with(mapping: Mapping, arch: Accelerator) -> list[str]:
    """Every reason why the mapping does not fit the machine; empty if it is legal."""
    if mapping.problem.op != "mac":
        return _capacity(mapping, arch)
    return (
        _residency(mapping, arch)
        + _array(mapping, arch)
        + _wires(mapping, arch)
        + _spads(mapping, arch)
        + _capacity(mapping, arch)
    )


def check(mapping: Mapping, arch: Accelerator) -> None:
    """Raise `MappingError` with every reason if the mapping does not fit the machine."""
    reasons = problems_with(mapping, arch)
    if reasons:
        raise MappingError("; ".join(reasons))


def _array(mapping: Mapping, arch: Accelerator) -> list[str]:
    rows, cols = mapping.occupied()
    found = []
    if rows > arch.array.rows or cols > arch.array.cols:
        found.append(f"spatial loops span {rows} x {cols} PEs of {arch.array.rows} x {arch.array.cols}")
    if mapping.dataflow != arch.array.dataflow:
        found.append(f"dataflow {mapping.dataflow} on an array wired for {arch.array.dataflow}")
    return found


def _wires(mapping: Mapping, arch: Accelerator) -> list[str]:
    found = []
    reductions = set(mapping.problem.reduction_dims)
    for loop in mapping.spatial:
        if loop.kind == "band":
            continue
        axes = ("row", "col") if loop.kind == "diagonal" else (loop.kind,)
        if loop.dim in reductions and not set(axes) <= set(arch.array.reduce):
            found.append(f"{loop.dim} is spread over {'/'.join(axes)} but no wire sums psums there")
        if arch.array.kind == "row_stationary" or loop.kind == "diagonal" or loop.trips == 1:
            continue
        for operand in mapping.problem.operands:
            if loop.kind in arch.array.alike(operand.name) and loop.dim in operand.dims:
                found.append(f"{operand.name} is forwarded along {loop.kind} and cannot differ over {loop.dim} there")
    if mapping.bands and not arch.array.bands:
        found.append(
            f"a band needs a weight-stationary array of kind spatial that broadcasts inputs along rows only and sums "
            f"psums down columns only; that of {arch.name} is {arch.array.kind} ({arch.array.dataflow})"
        )
    return found


def _spads(mapping: Mapping, arch: Accelerator) -> list[str]:
    found = []
    for operand in mapping.problem.operands:
        words = tile_words(operand, mapping.pe_extent)
        spad = arch.array.spad(operand.name)
        if words > spad.words:
            found.append(f"{operand.name} needs {words} words in the spad of each PE, which holds {spad.words}")
    return found


def _capacity(mapping: Mapping, arch: Accelerator) -> list[str]:
    found = []
    for memory in arch.memories:
        used = uses(mapping, arch, memory)
        need = sum(use.bits for use in used)
        if need > memory.capacity_bits:
            parts = ", ".join(f"{u.operand} {u.depth} x {u.tile_words} words of {u.word_bits} bit" for u in used)
            found.append(
                f"{memory.name} holds {memory.capacity_bits // 8} B but the tiles need {need // 8} B ({parts})"
            )
    return found


def active_pes(mapping: Mapping) -> int:
    """PEs with work in a full tile: spatial positions inside the extent of the pass (remainders idle)."""
    extents = mapping.tile_extents(mapping.position("stream"))
    active = 1
    for dim, extent in extents.items():
        apart, _ = mapping.split_offsets(dim, ())
        active *= sum(1 for offset in apart if offset < extent)
    return active
