"""Cycles of a tiled layer on Gemmini: what every tile moves and computes, then the queues."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from accelsim.timing.gemmini.cache import Cache, Fetched
from accelsim.timing.gemmini.machine import GEMMINI, Machine
from accelsim.timing.gemmini.mesh import streamed_rows, tile_cycles
from accelsim.timing.gemmini.pipeline import Step, run
from accelsim.timing.gemmini.tiles import Extents, TiledLayer, tiles
from accelsim.timing.gemmini.traffic import Moves, inputs, outputs, stored_rows, weights, zeroed_rows


@dataclass(frozen=True)
class Work:
    """Counts of one tile, before any time is put on them.

    Attributes:
        size: of the tile.
        beats: on the bus, of (inputs, weights, outputs).
        fetched: the same three at the cache.
        zeroed: accumulator rows written with zeros.
    """

    size: Extents
    beats: tuple[int, int, int]
    fetched: tuple[Fetched, Fetched, Fetched]
    zeroed: int


def work(layer: TiledLayer, machine: Machine = GEMMINI) -> list[Work]:
    """Counts of every tile in the order they run; the cache starts empty."""
    cache = Cache(machine)
    found = []
    for tile in tiles(layer):
        moved = (inputs(layer, tile, machine), weights(layer, tile, machine), outputs(layer, tile, machine))
        fetched = [_fetch(cache, moves) for moves in moved]
        beats = (moved[0].beats, moved[1].beats, moved[2].beats)
        zeroed = zeroed_rows(layer, tile, machine)
        found.append(Work(tile.size, beats, (fetched[0], fetched[1], fetched[2]), zeroed))
    return found


def _fetch(cache: Cache, moves: Moves) -> Fetched:
    total = Fetched()
    for piece in moves.pieces:
        total += cache.touch(piece)
    return total


@lru_cache(maxsize=4096)
def _mesh(size: Extents, machine: Machine) -> tuple[int, int, bool]:
    """Cycles, blocks of output channels, whether the sums fill more than half of the accumulator."""
    spills = stored_rows(size, machine) > machine.accumulator_rows // 2
    return tile_cycles(size, machine), -(-size.K // machine.dim), spills


def _dram_cycles(fetched: Fetched, machine: Machine) -> int:
    """Lines in and out one after the other; a row opened for new data, and for every line pushed out.

    Victims are random, so no two of them share a row; `write_overlap` says how much of that is hidden.
    """
    lines = (fetched.misses + fetched.evictions) * machine.line_cycles
    return math.ceil(
        lines + (fetched.activations + fetched.evictions / machine.write_overlap) * machine.activate_cycles
    )


def step(tile: Work, machine: Machine, cached: bool = True) -> Step:
    """Times of one tile; inputs are loaded before weights, each as fast as its bus and the DRAM channel allow.

    Lines that the loads push out are written back with the stores. Without `cached`, memory answers at once.
    """
    compute, blocks, spills = _mesh(tile.size, machine)
    ins, wts, outs = tile.beats
    if not cached:
        return Step(ins + wts + tile.zeroed, compute, outs, 0, 0, blocks, spills)
    fetched_in, fetched_weights, fetched_out = tile.fetched
    reads = [_dram_cycles(Fetched(f.misses, f.activations), machine) for f in (fetched_in, fetched_weights)]
    pushed = fetched_in.evictions + fetched_weights.evictions
    writes = _dram_cycles(fetched_out + Fetched(evictions=pushed), machine) if outs else 0
    load = max(ins, reads[0]) + max(wts, reads[1]) + tile.zeroed
    return Step(load, compute, max(outs, writes), sum(reads), writes, blocks, spills)


def steps(found: Iterable[Work], machine: Machine = GEMMINI, cached: bool = True) -> list[Step]:
    """Times of every tile."""
    return [step(tile, machine, cached) for tile in found]


def cycles_of(found: Sequence[Work], machine: Machine = GEMMINI) -> int:
    """Cycles from the first command to the last byte written."""
    timed = steps(found, machine)
    return run(timed, machine.issue_cycles, machine.latency_cycles) + machine.latency_cycles


def cycles(layer: TiledLayer, machine: Machine = GEMMINI) -> int:
    """Cycles of a layer."""
    return cycles_of(work(layer, machine), machine)


def hard_bound(found: Iterable[Work], machine: Machine = GEMMINI) -> int:
    """Cycles that no Gemmini of these widths can be below.

    `max(rows into the mesh, beats read, beats written)`: a row a cycle, a beat a cycle in each direction.
    """
    rows = read = written = 0
    for tile in found:
        rows += streamed_rows(tile.size, machine)
        read += tile.beats[0] + tile.beats[1]
        written += tile.beats[2]
    return max(rows, read, written)


def without_parts(found: Sequence[Work], machine: Machine = GEMMINI) -> dict[str, int]:
    """The same layer with cache, DRAM and more left out, simplest first."""
    bus = steps(found, machine, cached=False)
    times = (machine.issue_cycles, machine.latency_cycles)
    one_by_one = sum(s.load + s.compute + s.store for s in bus)
    return {
        "mesh only": sum(s.compute for s in bus),
        "mesh, then bus, one after the other": one_by_one,
        "mesh and bus overlapped": run(bus, *times),
    }
