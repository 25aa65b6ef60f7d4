"""A mapping as text: the loop nest with what each level holds, tile bytes against capacity."""

from __future__ import annotations

from accelsim.arch import Accelerator
from accelsim.mapping.legality import active_pes, uses
from accelsim.mapping.types import Loop, Mapping


def _words(loops: tuple[Loop, ...]) -> list[str]:
    kinds = {"temporal": "", "row": " (rows)", "col": " (cols)", "diagonal": " (diagonal)"}
    return [f"for {loop.dim} in {loop.trips}{kinds[loop.kind]}" for loop in loops if loop.trips > 1]


def _resident(mapping: Mapping, arch: Accelerator, memory: str, operand: str) -> str:
    return "resident " if operand in mapping.resident and arch.chain(operand)[0].name == memory else ""


def nest_text(mapping: Mapping, arch: Accelerator) -> str:
    """The nest, outer to inner. A memory's line says which tiles it holds while the loops below it run."""
    lines: list[str] = []
    depth = 0

    def add(text: str) -> None:
        lines.append("  " * depth + text)

    for level in mapping.levels:
        if level.memory == "DRAM":
            add(f"DRAM: {', '.join(o.name for o in mapping.problem.operands)}")
        else:
            memory = arch.memory(level.memory)
            used = uses(mapping, arch, memory)
            if not used:
                continue
            held = ", ".join(
                f"{_resident(mapping, arch, memory.name, u.operand)}{u.operand} {u.depth} x "
                f"{u.tile_words * u.word_bits / 8:g} B"
                for u in used
            )
            total = sum(u.bits for u in used)
            add(f"{memory.name}: {held} = {total / 8:g} of {memory.capacity_bits // 8} B")
        for text in _words(level.loops):
            add(text)
            depth += 1
    if mapping.problem.op == "mac":
        add(f"array pass ({mapping.dataflow}, {active_pes(mapping)} of {arch.array.pes} PEs active)")
    else:
        add(f"vector unit pass ({arch.vector.lanes} lanes)")
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
