"""The walk: visits every step of a mapping and counts moved words with explicit sets of coordinates.

This is the truth that the closed forms of `traffic` must equal. It shares nothing with them but the problem, the
mapping and the rules: tiles are enumerated coordinate by coordinate from the loop nest of `problem`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

from accelsim.arch import Accelerator
from accelsim.mapping import LinkCount, Mapping, Point, Rules, points
from accelsim.problem import Axis, Operand

Coordinates = frozenset[tuple[int, ...]]
Tile = dict[str, range]


def steps(mapping: Mapping, position: int) -> Iterator[dict[str, int]]:
    """Start of every dim at each step of the first `position` temporal loops, in program order."""
    loops = mapping.temporal[:position]
    bound = mapping.problem.bound

    def descend(depth: int, start: dict[str, int]) -> Iterator[dict[str, int]]:
        if depth == len(loops):
            yield dict(start)
            return
        loop = loops[depth]
        for index in range(loop.trips):
            here = start[loop.dim] + index * loop.step
            if here < bound[loop.dim]:
                yield from descend(depth + 1, {**start, loop.dim: here})

    yield from descend(0, dict.fromkeys(bound, 0))


def axis_indices(axis: Axis, tile: Tile) -> list[int]:
    """Stored indices that a tile touches along an axis, by enumeration."""
    found = set()
    for values in product(*(tile[dim] for dim in axis.dims)):
        index = axis.offset + sum(coef * v for (_, coef), v in zip(axis.terms, values, strict=True))
        if 0 <= index < axis.size:
            found.add(index)
    return sorted(found)


def coordinates(operand: Operand, tile: Tile) -> Coordinates:
    """All stored coordinates of an operand that a tile touches."""
    if any(len(tile[dim]) == 0 for dim in tile):
        return frozenset()
    return frozenset(product(*(axis_indices(axis, tile) for axis in operand.axes)))


def _memory_tile(mapping: Mapping, position: int, start: dict[str, int]) -> Tile:
    bound = mapping.problem.bound
    return {d: range(s, min(s + mapping.tile_step(d, position), bound[d])) for d, s in start.items()}


def _pe_tiles(mapping: Mapping, start: dict[str, int]) -> dict[tuple[int, ...], Tile]:
    """Tile of every PE, keyed by its spatial indices, in one stream step."""
    bound = mapping.problem.bound
    tiles = {}
    for indices in product(*(range(digit.trips) for digit in mapping.digits)):
        here = dict(start)
        for digit, index in zip(mapping.digits, indices, strict=True):
            here[digit.dim] += index * digit.step
        tile = {d: range(s, max(s, min(s + mapping.pe_extent[d], bound[d]))) for d, s in here.items()}
        tiles[indices] = tile
    return tiles


@dataclass
class _Tally:
    visits: int = 0
    arrivals: int = 0
    reloads: int = 0
    seen: set[tuple[int, ...]] = field(default_factory=set)


def _walk_memory(mapping: Mapping, operand: Operand, point: Point, rules: Rules) -> _Tally:
    tally = _Tally()
    held: Coordinates = frozenset()
    if point.parent == "DRAM" and operand.role != "output" and operand.name in mapping.resident:
        return tally
    seen = operand if operand.role == "output" else mapping.crossing(operand, point.parent)
    for start in steps(mapping, point.position):
        tile = coordinates(seen, _memory_tile(mapping, point.position, start))
        fresh = tile - held if rules.halo_reuse or tile == held else tile
        held = tile
        tally.visits += point.whole_words if fresh and point.whole_words else len(fresh)
        tally.reloads += len(fresh & tally.seen)
        tally.seen |= fresh
    tally.arrivals = tally.visits
    return tally


def _walk_array(mapping: Mapping, operand: Operand, point: Point, read_first: bool) -> _Tally:
    tally = _Tally()
    held: dict[tuple[int, ...], Coordinates] = {}
    for start in steps(mapping, point.position):
        groups: dict[tuple[int, ...], set[tuple[int, ...]]] = {}
        for key, tile in _pe_tiles(mapping, start).items():
            mine = coordinates(operand, tile)
            fresh = mine - held.get(key, frozenset()) if point.retained else mine
            held[key] = mine
            tally.arrivals += 0 if point.whole_words else len(fresh)
            groups.setdefault(mapping.wire(key, point.shared), set()).update(fresh)
        if point.whole_words:
            moved = point.whole_words if any(groups.values()) else 0
            tally.visits += moved
            tally.arrivals += moved
            continue
        for words in groups.values():
            tally.visits += len(words)
            tally.reloads += len(words if read_first else words & tally.seen)
            tally.seen |= words
    return tally


def _staying(mapping: Mapping, operand: Operand, words: set[tuple[int, ...]]) -> int:
    """Of these results, how many stay on chip."""
    share = mapping.share(operand.name)
    if share is None:
        return len(words) if operand.name in mapping.resident else 0
    place = next(n for n, axis in enumerate(operand.axes) if share.dim in axis.dims)
    return sum(word[place] < share.count for word in words)


def walk_operand(mapping: Mapping, arch: Accelerator, operand: Operand, rules: Rules) -> tuple[LinkCount, ...]:
    """Counts of every link of one operand, outer to inner."""
    found = []
    for point in points(mapping, arch, operand):
        if point.memory == "PE":
            read_first = rules.psum_first_visit == "read" and mapping.problem.op == "mac"
            tally = _walk_array(mapping, operand, point, read_first)
        else:
            tally = _walk_memory(mapping, operand, point, rules)
        if operand.role == "output":
            final = len(tally.seen)
            staying = _staying(mapping, operand, tally.seen) if point.parent == "DRAM" else 0
            found.append(
                LinkCount(
                    operand.name, point.parent, point.memory, tally.reloads, tally.reloads,
                    tally.arrivals - staying, tally.visits - final, final - staying,
                )
            )  # fmt: skip
        else:
            found.append(LinkCount(operand.name, point.parent, point.memory, tally.visits, tally.arrivals))
    return tuple(found)


def walk(mapping: Mapping, arch: Accelerator, rules: Rules) -> tuple[LinkCount, ...]:
    """Counts of every link of every operand of a mapping, by visiting every step."""
    return tuple(count for op in mapping.problem.operands for count in walk_operand(mapping, arch, op, rules))
