"""A mapping as text: the loop nest with what each level holds, tile bytes against capacity.

`accelsim.formats.nest_text` reads it back, so the text leaves out nothing but loops of one trip and memories that hold
nothing and have no loops (`normal`).
"""

from __future__ import annotations

from dataclasses import replace

from accelsim.arch import Accelerator
from accelsim.errors import MappingError
from accelsim.mapping.legality import active_pes, uses
from accelsim.mapping.points import points
from accelsim.mapping.types import Kind, Loop, Mapping, TileLevel

NO_NEST = "runs on the vector unit in chunks, or moves nothing"
"""What stands in place of a nest for a layer without one."""
KINDS: dict[Kind, str] = {
    "temporal": "", "row": " (rows)", "col": " (cols)", "diagonal": " (diagonal)", "band": " (band)",
}  # fmt: skip
EMPTY = "holds nothing"
PAST = "; passed by: "
"""Before the operands that pass by a memory which may hold them."""


def _useful(loops: tuple[Loop, ...]) -> tuple[Loop, ...]:
    return tuple(loop for loop in loops if loop.trips > 1)


def normal(mapping: Mapping, arch: Accelerator) -> Mapping:
    """The mapping without loops of one trip and with a level for every memory of the machine, in the machine's order.

    Two mappings are the same nest if their normal forms are equal.

    Raises:
        MappingError: a level is not a memory of the machine, or appears twice, or out of the machine's order.
    """
    names = ["DRAM", *(memory.name for memory in arch.memories)]
    given = [level.memory for level in mapping.levels]
    if given != [name for name in names if name in given]:
        raise MappingError(
            f"levels {', '.join(given)}: expected levels of {arch.name} in its order, {', '.join(names)}"
        )
    loops = {level.memory: _useful(level.loops) for level in mapping.levels}
    return replace(
        mapping,
        levels=tuple(TileLevel(name, loops.get(name, ())) for name in names),
        stream=_useful(mapping.stream),
        spatial=_useful(mapping.spatial),
        pe=_useful(mapping.pe),
    )


def amount(bits: int) -> str:
    """Bytes to the last bit, without an exponent.

    >>> amount(8 * 1_548_800), amount(12)
    ('1548800', '1.5')
    """
    return f"{bits // 8}{f'{bits % 8 / 8:g}'[1:]}"


def _words(loops: tuple[Loop, ...]) -> list[str]:
    return [f"for {loop.dim} in {loop.trips}{KINDS[loop.kind]}" for loop in _useful(loops)]


def _outermost(mapping: Mapping, arch: Accelerator, operand: str) -> str:
    """The outermost memory that keeps an operand."""
    return points(mapping, arch, mapping.problem.operand(operand))[0].memory


def level_line(mapping: Mapping, arch: Accelerator, name: str) -> str:
    """What a memory holds while the loops below its line run; a memory that holds nothing says so.

    An operand that has a region of its own beside the tiles is `resident` in its outermost memory; of one that has it
    in part, the share is there, `C 48 of Inputs`.
    """
    if name == "DRAM":
        return f"DRAM: {', '.join(operand.name for operand in mapping.problem.operands)}"
    memory = arch.memory(name)
    used = uses(mapping, arch, memory)
    here = {operand for operand in mapping.resident if _outermost(mapping, arch, operand) == name}
    held = [f"resident {operand}" for operand in sorted(here - {use.operand for use in used})]
    held += [f"{s} of {s.operand}" for s in mapping.partly if _outermost(mapping, arch, s.operand) == name]
    for use in used:
        resident = "resident " if use.operand in here else ""
        held.append(f"{resident}{use.operand} {use.depth} x {amount(use.tile_words * use.word_bits)} B")
    past = sorted(operand for at, operand in mapping.bypass if at == name)
    by = f"{PAST}{', '.join(past)}" if past else ""
    if not held:
        return f"{name}: {EMPTY}{by}"
    return f"{name}: {', '.join(held)} = {amount(sum(u.bits for u in used))} of {memory.capacity_bits // 8} B{by}"


def pass_line(mapping: Mapping, arch: Accelerator) -> str:
    """The unit that runs the loops below, with the dataflow and the PEs that have work."""
    if mapping.problem.op == "mac":
        return f"array pass ({mapping.dataflow}, {active_pes(mapping)} of {arch.array.pes} PEs active)"
    return f"vector unit pass ({arch.vector.lanes} lanes)"


def nest_text(mapping: Mapping, arch: Accelerator) -> str:
    """The nest, outer to inner. A memory's line says which tiles it holds while the loops below it run."""
    lines: list[str] = []
    depth = 0

    def add(text: str) -> None:
        lines.append("  " * depth + text)

    for level in mapping.levels:
        line = level_line(mapping, arch, level.memory)
        loops = _words(level.loops)
        if loops or not line.endswith(EMPTY):
            add(line)
        for text in loops:
            add(text)
            depth += 1
    add(pass_line(mapping, arch))
    for text in _words(mapping.stream):
        add(text)
        depth += 1
    spatial = _words(mapping.spatial)
    if spatial:
        add("parallel " + ", ".join(text.removeprefix("for ") for text in spatial))
        depth += 1
    for text in _words(mapping.pe):
        add(text + " in each PE")
        depth += 1
    add(mapping.problem.op)
    return "\n".join(lines)
