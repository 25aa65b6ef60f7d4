"""Loop nests read back from the text that `accelsim show mapping` prints (`accelsim.mapping.text.nest_text`).

The loops make the mapping; indentation does not count. A memory's line and the line of the pass may state their
figures, which are then checked against the loops, or leave them out, in a nest written or changed by hand::

    DRAM: Inputs, Weights, Outputs
    for P in 14
      GLB: resident Weights
      array pass
      for Q in 112
        parallel C in 3 (rows), M in 8 (cols)
          mac

The command's whole output has a line with the layer's name before its nests, a blank line between the nests of one
layer, and `NO_NEST` for a layer without.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NoReturn

from accelsim.arch import Accelerator
from accelsim.arch.choices import formed
from accelsim.errors import InputError, nearest
from accelsim.mapping import Loop, TileLevel
from accelsim.mapping import Mapping as Nest
from accelsim.mapping.legality import uses
from accelsim.mapping.shares import Share
from accelsim.mapping.text import KINDS, NO_NEST, PAST, level_line, normal, pass_line
from accelsim.mapping.types import Kind
from accelsim.problem import DIMS, Problem

LOOP = re.compile(r"for (?P<dim>\S+) in (?P<trips>\d{1,18})(?P<pe> in each PE)?")
SPATIAL = re.compile(r"(?P<dim>\S+) in (?P<trips>\d{1,18}) \((?P<kind>rows|cols|diagonal|band)\)")
PASS = re.compile(r"(?P<unit>array|vector unit) pass( \((?P<inside>.*)\))?")
HELD = re.compile(r"resident (\S+?)(?=,| |$)")
PART = re.compile(r"(\S+) (\d{1,18}) of ([A-Z][a-z]+)")
STAYING = r"(resident \S+|\S+ \d+ of [A-Z][a-z]+)"
BARE = re.compile(rf"\s*({STAYING}(, {STAYING})*)?\s*(; passed by: .*)?")
OPS = ("mac", "max", "avg", "lp")
KIND_OF: dict[str, Kind] = {text[2:-1]: kind for kind, text in KINDS.items() if text}


@dataclass(frozen=True)
class Line:
    """A line of a text: its number from 1, what stands on it, and the text's name, for messages."""

    number: int
    text: str
    source: str

    def wrong(self, expected: str) -> NoReturn:
        """Refuse the line."""
        found = f"{self.text!r}" if self.text else "the end of the nest"
        raise InputError(f"{self.source}:{self.number}: {found}, expected {expected}")


@dataclass(frozen=True)
class NestLines:
    """One nest as it stands: its memory lines with the loops below each, the line of the pass, and what is inside."""

    levels: tuple[tuple[Line, tuple[Loop, ...]], ...]
    unit: Line
    stream: tuple[Loop, ...]
    spatial: tuple[Loop, ...]
    pe: tuple[Loop, ...]
    op: Line


def _loop(line: Line, dim: str, trips: str, kind: str = "") -> Loop:
    if dim not in DIMS:
        line.wrong(f"a loop over a dim of {' '.join(DIMS)}, not {dim!r}")
    if int(trips) < 1:
        line.wrong(f"a loop of at least 1 trip, not {trips}")
    return Loop(dim, int(trips), KIND_OF.get(kind, "temporal"))


class _Reader:
    """Walks over the lines of a text."""

    def __init__(self, text: str, source: str) -> None:
        self._lines = [Line(n, line.strip(), source) for n, line in enumerate(text.splitlines(), 1)]
        self._end = Line(len(self._lines) + 1, "", source)
        self._at = 0

    def look(self) -> Line:
        return self._lines[self._at] if self._at < len(self._lines) else self._end

    def take(self) -> Line:
        line = self.look()
        self._at += 1
        return line

    def skip_blank(self) -> bool:
        """Go to the next line with text; False at the end."""
        while self._at < len(self._lines) and not self.look().text:
            self._at += 1
        return self._at < len(self._lines)

    def loops(self, inside: bool) -> tuple[Loop, ...]:
        """The temporal loops from here on: outside the PEs, or `inside` them."""
        found = []
        while match := LOOP.fullmatch(self.look().text):
            if bool(match["pe"]) != inside:
                break
            found.append(_loop(self.take(), match["dim"], match["trips"]))
        return tuple(found)

    def spatial(self) -> tuple[Loop, ...]:
        if not self.look().text.startswith("parallel "):
            return ()
        line = self.take()
        found = []
        for part in line.text.removeprefix("parallel ").split(","):
            match = SPATIAL.fullmatch(part.strip())
            if match is None:
                line.wrong(f"loops such as 'C in 16 (rows)', (cols), (diagonal) or (band), not {part.strip()!r}")
            found.append(_loop(line, match["dim"], match["trips"], match["kind"]))
        return tuple(found)

    def nest(self) -> NestLines:
        if not self.look().text.startswith("DRAM:"):
            self.look().wrong("the first line of a nest, 'DRAM: Inputs, Weights, Outputs'")
        levels = []
        while not PASS.fullmatch(self.look().text):
            if ":" not in self.look().text:
                self.look().wrong("a loop 'for P in 4', a memory 'GLB: ...' or the pass 'array pass (...)'")
            levels.append((self.take(), self.loops(inside=False)))
        unit = self.take()
        stream, spatial, pe = self.loops(inside=False), self.spatial(), self.loops(inside=True)
        if self.look().text not in OPS:
            what = "'for C in 4 in each PE'"
            if not pe:
                what = f"'parallel C in 16 (rows)', {what}" if not spatial else what
                what = f"a loop 'for Q in 7', {what}" if not spatial else f"a loop {what}"
            self.look().wrong(f"{what} or the operation, {', '.join(OPS)}")
        return NestLines(tuple(levels), unit, stream, spatial, pe, self.take())


def read_nests(text: str, source: str = "nest") -> dict[str, tuple[NestLines, ...]]:
    """The nests of a text by layer, in its order; those before the first name have the name `*`.

    Raises:
        InputError: `source:line: 'text', expected ...`.
    """
    reader = _Reader(text, source)
    found: dict[str, tuple[NestLines, ...]] = {}
    name = "*"
    while reader.skip_blank():
        if reader.look().text.startswith("DRAM:"):
            found[name] = (*found.get(name, ()), reader.nest())
            continue
        header = reader.take()
        name = header.text
        if name in found:
            header.wrong("every layer once; this one stands above")
        found[name] = ()
        if reader.look().text == NO_NEST:
            reader.take()
        elif not reader.look().text.startswith("DRAM:"):
            hint = f"a nest of layer {name!r} ('DRAM: ...') or {NO_NEST!r}"
            (reader.look() if reader.look().text else header).wrong(hint)
    return found


def _level(line: Line, arch: Accelerator) -> tuple[str, str]:
    """Memory and rest of a memory's line."""
    names = ["DRAM", *(memory.name for memory in arch.memories)]
    for name in names:
        if line.text.startswith(name + ":"):
            return name, line.text[len(name) + 1 :]
    given = line.text.partition(":")[0]
    line.wrong(f"a memory of {arch.name}, not {given!r}; {nearest(given, names)}")


def _residents(levels: Sequence[tuple[Line, str]], problem: Problem) -> frozenset[str]:
    found = set()
    for line, rest in levels:
        for operand in HELD.findall(rest):
            if operand not in (o.name for o in problem.operands):
                line.wrong(f"an operand, not {operand!r}; {nearest(operand, [o.name for o in problem.operands])}")
            found.add(operand)
    return frozenset(found)


def _shares(levels: Sequence[tuple[Line, str]], problem: Problem) -> tuple[Share, ...]:
    found = []
    for line, rest in levels:
        for dim, count, operand in PART.findall(rest):
            if operand not in (o.name for o in problem.operands):
                line.wrong(f"an operand, not {operand!r}; {nearest(operand, [o.name for o in problem.operands])}")
            if dim not in DIMS:
                line.wrong(f"a dim, not {dim!r}; {nearest(dim, DIMS)}")
            found.append(Share(operand, dim, int(count)))
    return tuple(sorted(found))


def _bypass(levels: Sequence[tuple[Line, str, str]], problem: Problem) -> frozenset[tuple[str, str]]:
    found = set()
    for line, name, rest in levels:
        for operand in rest.partition(PAST)[2].split(", ") if PAST in rest else ():
            if operand not in (o.name for o in problem.operands):
                line.wrong(f"an operand, not {operand!r}; {nearest(operand, [o.name for o in problem.operands])}")
            found.add((name, operand))
    return frozenset(found)


def _check_pass(nest: NestLines, problem: Problem, arch: Accelerator) -> None:
    """The nest is of this kind of work and this dataflow."""
    if nest.op.text != problem.op:
        nest.op.wrong(f"the operation of this layer, {problem.op!r}")
    match = PASS.fullmatch(nest.unit.text)
    assert match is not None
    unit = "array" if problem.op == "mac" else "vector unit"
    if match["unit"] != unit:
        nest.unit.wrong(f"'{unit} pass', which does the work of this layer")
    stated = (match["inside"] or "").split(",")[0]
    if unit == "array" and stated and stated != arch.array.dataflow:
        nest.unit.wrong(f"the dataflow of {arch.name}, {arch.array.dataflow!r}")


def _check_figures(nest: NestLines, mapping: Nest, arch: Accelerator) -> None:
    """What the lines say is what the loops give, where they say anything, and no memory in use is without a line."""

    def same(line: Line, given: str, stated: bool) -> None:
        if stated and line.text != given:
            name = line.text.partition(":")[0] if ":" in line.text else line.text.partition(" (")[0]
            line.wrong(f"{given!r} from these loops on {arch.name}; leave all but {name!r} out if you changed them")

    read = [(line, *_level(line, arch)) for line, _ in nest.levels]
    for memory in arch.memories:
        if memory.name not in (name for _, name, _ in read) and uses(mapping, arch, memory):
            nest.unit.wrong(f"a line '{memory.name}:' above it, with the loops of {memory.name} below that line")
    for line, name, rest in read:
        same(line, level_line(mapping, arch, name), not BARE.fullmatch(rest))
    same(nest.unit, pass_line(mapping, arch), "(" in nest.unit.text)


def mapping_of(nest: NestLines, problem: Problem, arch: Accelerator) -> Nest:
    """The mapping that a nest states, in its normal form; whether it fits is `accelsim.mapping.legality`'s to say.

    Raises:
        InputError: `source:line: ...`: a memory that the machine lacks, other work, loops that do not cover the
            problem, figures that are not those of the loops.
    """
    _check_pass(nest, problem, arch)
    read = [(line, *_level(line, arch)) for line, _ in nest.levels]
    order = ["DRAM", *(memory.name for memory in arch.memories)]
    for (_, before, _), (line, name, _) in pairwise(read):
        if order.index(name) <= order.index(before):
            line.wrong(f"memories outer to inner, each once: {name} does not come after {before} on {arch.name}")
    lines = [(line, rest) for line, name, rest in read if name != "DRAM"]
    resident, partly = _residents(lines, problem), _shares(lines, problem)
    levels = tuple(TileLevel(name, loops) for (_, name, _), (_, loops) in zip(read, nest.levels, strict=True))
    first = nest.levels[0][0]
    bypass = _bypass(read, problem)
    try:
        arch = formed(arch, bypass)
        inside = nest.stream, nest.spatial, nest.pe
        mapping = normal(Nest(problem, arch.array.dataflow, levels, *inside, resident, bypass, partly), arch)
    except InputError as error:
        raise InputError(f"{first.source}:{first.number}: nest of this line: {error}") from None
    _check_figures(nest, mapping, arch)
    return mapping


def parse_nest(text: str, problem: Problem, arch: Accelerator, source: str = "nest") -> Nest:
    """The mapping of a problem from the text of one nest: `parse_nest(nest_text(m, a), m.problem, a) == normal(m, a)`.

    Raises:
        InputError: `source:line: 'text', expected ...`.
    """
    nests = [nest for found in read_nests(text, source).values() for nest in found]
    if len(nests) != 1:
        raise InputError(f"{source}: {len(nests)} nests, expected one")
    return mapping_of(nests[0], problem, arch)


Work = tuple[Accelerator, Sequence[Problem]]
"""A layer's problems and the machine as the layer sees it (`plan.Plan.arch`)."""


def parse_nests(text: str, work_of: Mapping[str, Work], source: str = "nests") -> dict[str, tuple[Nest, ...]]:
    """The mappings of all layers of a text; `work_of` gives a layer's machine and problems.

    Raises:
        InputError: `source:line: 'text', expected ...`; a layer that is not in `work_of`, or other numbers of nests.
    """
    found = {}
    for name, nests in read_nests(text, source).items():
        if name not in work_of:
            raise InputError(f"{source}: no layer {name!r}; {nearest(name, work_of)}")
        arch, problems = work_of[name]
        if len(nests) != len(problems):
            raise InputError(f"{source}: layer {name!r} has {len(nests)} nests, expected {len(problems)}")
        found[name] = tuple(mapping_of(nest, p, arch) for nest, p in zip(nests, problems, strict=True))
    return found
