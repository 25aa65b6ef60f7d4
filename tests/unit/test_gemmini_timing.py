"""Gemmini's parts one by one: tiles, mesh, DMA, cache, queues; each against a slower or hand-made witness."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import InputError
from accelsim.timing.gemmini.cache import Cache, Fetched, Piece, sets_of
from accelsim.timing.gemmini.dma import block_beats, request_beats, row_beats
from accelsim.timing.gemmini.machine import GEMMINI, Machine
from accelsim.timing.gemmini.mesh import block_cycles, operations, streamed_rows, tile_cycles, weight_blocks
from accelsim.timing.gemmini.model import Work, cycles, cycles_of, hard_bound, step, without_parts, work
from accelsim.timing.gemmini.pipeline import Step, run
from accelsim.timing.gemmini.tiles import Extents, TiledLayer, tiles
from accelsim.timing.gemmini.traffic import inputs, outputs, weights, window, zeroed_rows

SMALL = TiledLayer(Extents(C=32, K=32, P=8, Q=8, R=3, S=3), Extents(C=32, K=16, P=4, Q=8, R=3, S=3), ("K", "P"))


# Tiles


def test_tiles_run_in_the_order_of_the_outermost_level() -> None:
    found = list(tiles(SMALL))
    assert [(t.start.K, t.start.P) for t in found] == [(0, 0), (0, 4), (16, 0), (16, 4)]
    assert all(t.first and t.last for t in found)
    assert SMALL.count == len(found)


def test_only_the_last_of_the_sums_is_stored() -> None:
    layer = TiledLayer(Extents(C=32, K=16, P=4, Q=4), Extents(C=16, K=16, P=4, Q=4), ("C",))
    assert [(t.first, t.last) for t in tiles(layer)] == [(True, False), (False, True)]
    first, last = tiles(layer)
    assert outputs(layer, first, GEMMINI).beats == 0
    assert outputs(layer, last, GEMMINI).beats == 16
    assert zeroed_rows(layer, first, GEMMINI) == 16
    assert zeroed_rows(layer, last, GEMMINI) == 0


def test_an_even_kernel_gives_one_more_row_and_column_and_a_ragged_last_tile() -> None:
    layer = TiledLayer(Extents(C=16, K=16, P=8, Q=8, R=2, S=2), Extents(C=16, K=16, P=4, Q=8, R=2, S=2), ("P",))
    assert (layer.computed.P, layer.computed.Q) == (9, 9)
    assert sorted({(t.size.P, t.size.Q) for t in tiles(layer)}) == [(1, 1), (1, 8), (4, 1), (4, 8)]


def test_strides_keep_the_outputs_and_double_the_input() -> None:
    layer = TiledLayer(Extents(C=16, K=16, P=8, Q=8, R=3, S=3), Extents(C=16, K=16, P=8, Q=8, R=3, S=3), (), 2)
    assert (layer.computed.P, layer.input_width) == (8, 16)
    (tile,) = tiles(layer)
    frame = window(layer, tile)
    assert (frame.top, frame.bottom, frame.left, frame.right) == (0, 16, 0, 16)


def test_matrix_products_run_in_whole_blocks() -> None:
    layer = TiledLayer(Extents(C=40, K=20, P=40), Extents(C=20, K=8, P=24), ("K", "P", "C"))
    assert layer.is_matmul
    assert (layer.step.P, layer.step.K, layer.step.C) == (16, 16, 16)
    assert layer.count == 3 * 2 * 3
    assert zeroed_rows(layer, next(tiles(layer)), GEMMINI) == 0


def test_missing_dimensions_lie_around_the_given_ones() -> None:
    assert SMALL.loops == ("N", "Q", "S", "R", "C", "K", "P")


@pytest.mark.parametrize(
    ("sizes", "tile", "order", "stride", "message"),
    [
        (Extents(C=0), Extents(), (), 1, "C: size 0, tile 1; expected at least 1"),
        (Extents(), Extents(K=-1), (), 1, "K: size 1, tile -1"),
        (Extents(), Extents(), (), 0, "stride 0, expected at least 1"),
        (Extents(), Extents(), ("K", "K"), 1, "loop order K K: expected each of NCKPQRS at most once"),
        (Extents(), Extents(), ("M",), 1, "loop order M"),
        (Extents(N=2), Extents(), (), 1, "N = 2: a matrix product on Gemmini has no batch"),
        (Extents(P=2000, Q=2000), Extents(), (), 1, "4000000 tiles, expected at most 2000000"),
    ],
)
def test_bad_layers(sizes: Extents, tile: Extents, order: tuple[str, ...], stride: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TiledLayer(sizes, tile, order, stride)


def test_bad_machines() -> None:
    with pytest.raises(InputError, match="Gemmini dim: 0, expected at least 1"):
        Machine(dim=0)
    with pytest.raises(InputError, match="Gemmini cache_ways: 1, expected at least 2"):
        Machine(cache_ways=1)


# Mesh


@pytest.mark.parametrize(
    ("rows", "cycles_"),
    [
        ((16,), 16),  # a full block: the next weights are in by then
        ((4,), 16),  # 4 rows, but 16 rows of weights have to follow
        ((16, 4), 32),  # 16 + 4, and 12 more for the weights
        ((4, 4, 4, 4), 32),  # 16 + 12 = 28, but four operations are 8 cycles apart
        ((6, 6, 6), 28),  # 18 + 10
        ((2,) * 14, 112),  # operations bound
    ],
)
def test_cycles_of_a_weight_block(rows: tuple[int, ...], cycles_: int) -> None:
    assert block_cycles(rows, GEMMINI) == cycles_


def test_rows_of_outputs_are_cut_at_sixteen() -> None:
    assert operations(Extents(P=20, Q=2), 16) == (16, 4, 16, 4)
    size = Extents(C=40, K=17, P=20, Q=2, R=3, S=2)
    assert weight_blocks(size, 16) == 2 * 3 * 6
    assert streamed_rows(size, GEMMINI) == 36 * 40
    assert tile_cycles(size, GEMMINI) == 36 * (40 + 12)


# DMA


@pytest.mark.parametrize(
    ("offset", "count", "beats"),
    [(0, 64, 4), (0, 16, 1), (0, 1, 1), (0, 36, 4), (16, 64, 5), (32, 64, 4), (48, 64, 5), (15, 2, 2), (4, 12, 1)],
)
def test_beats_of_a_request(offset: int, count: int, beats: int) -> None:
    assert request_beats(offset, count, GEMMINI) == beats


@given(st.integers(0, 200), st.integers(1, 200), st.integers(1, 300), st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_blocks_are_rows_one_by_one(start: int, count: int, pitch: int, rows: int) -> None:
    assert block_beats(start, count, pitch, rows, GEMMINI) == sum(
        row_beats((start + i * pitch) % 64, count, GEMMINI) for i in range(rows)
    )


@given(st.integers(0, 63), st.integers(1, 64))
@settings(max_examples=60, deadline=None)
def test_a_request_carries_its_bytes(offset: int, count: int) -> None:
    beats = request_beats(offset, count, GEMMINI)
    assert -(-count // 16) <= beats <= 8


# Cache


class LiteralCache:
    """Lines in sets, a random way is thrown out: what `Cache` is the expectation of."""

    def __init__(self, machine: Machine, seed: int) -> None:
        self.machine, self.random = machine, random.Random(seed)
        self.ways: list[list[int]] = [[-1] * machine.cache_ways for _ in range(machine.cache_sets)]

    def touch(self, lines: range) -> int:
        misses = 0
        for line in lines:
            ways = self.ways[line % self.machine.cache_sets]
            if line not in ways:
                misses += 1
                ways[self.random.randrange(len(ways))] = line
        return misses


TINY = replace(GEMMINI, cache_sets=32, cache_ways=8)


@pytest.mark.parametrize("streamed", [16, 64, 128, 256, 512])
def test_misses_are_those_of_a_cache_with_random_victims(streamed: int) -> None:
    """A piece of 128 lines is used again and again, with other lines streaming past in between.

    At four lines to a set it matters that a line never pushes itself out, which the expectation leaves aside: it is
    up to a sixth above the literal cache where most lines stay.
    """
    rounds, seeds = 12, 12
    ours, cache = 0.0, Cache(TINY)
    for turn in range(rounds):
        ours += cache.touch(Piece("kept", 128, 32, 0)).misses
        cache.touch(Piece(("passing", turn), streamed, 32, 0))
    literal = 0
    for seed in range(seeds):
        witness = LiteralCache(TINY, seed)
        for turn in range(rounds):
            literal += witness.touch(range(128))
            witness.touch(range(10_000 + turn * streamed, 10_000 + (turn + 1) * streamed))
    assert literal / seeds * 0.97 <= ours <= literal / seeds * 1.18


def test_a_narrow_piece_wears_its_own_sets() -> None:
    """64 lines at a pitch of 8 lines share 4 of 32 sets: 16 to a set of 8 ways, though the cache holds 256."""
    narrow, wide = Cache(TINY), Cache(TINY)
    sets = sets_of(1, 8 * 64, TINY)
    assert sets == 4
    for _ in range(10):
        missed = narrow.touch(Piece("w", 64, sets, 0)).misses
        kept = wide.touch(Piece("w", 64, 32, 0)).misses
    witness = LiteralCache(TINY, 1)
    for _ in range(10):
        literal = witness.touch(range(0, 64 * 8, 8))
    assert kept < 10
    assert missed > 40
    assert missed == pytest.approx(literal, rel=0.25)


@pytest.mark.parametrize(
    ("run_", "pitch", "sets"),
    [(1, 64, 1024), (1, 512, 128), (2, 512, 256), (8, 512, 1024), (1, 720, 1024), (1, 65536, 1), (3, 65536, 3)],
)
def test_sets_of_a_pitch(run_: int, pitch: int, sets: int) -> None:
    assert sets_of(run_, pitch, GEMMINI) == sets
    if pitch % 64 == 0:
        assert len({(i * pitch // 64 + j) % 1024 for i in range(1024) for j in range(run_)}) == sets


def test_written_lines_come_out_again() -> None:
    cache = Cache(TINY)
    cache.touch(Piece("out", 64, 32, 0, dirty=True))
    assert 0 < cache.dirty_lines <= 64
    pushed = sum(cache.touch(Piece(i, 256, 32, 0)).evictions for i in range(12))
    assert pushed == pytest.approx(64, rel=0.02)
    assert cache.dirty_lines == pytest.approx(0, abs=1)


def test_nothing_else_in_between_is_a_hit_and_costs_nothing() -> None:
    cache = Cache(GEMMINI)
    first = cache.touch(Piece("a", 100, 1024, 3.0))
    again = cache.touch(Piece("a", 100, 1024, 3.0))
    assert (first.misses, first.activations) == (100, 3.0)
    assert again.misses < 2
    assert first + again == Fetched(100 + again.misses, 3.0 + again.activations, again.evictions + first.evictions)


# What a tile moves


def test_moves_of_a_tile_by_hand() -> None:
    (tile, *_) = tiles(SMALL)
    moved = inputs(SMALL, tile, GEMMINI)
    # 5 of 6 columns (one is padding), 8 of 10 rows; 32 bytes a pixel are 2 beats
    assert moved.beats == 5 * 8 * 2
    assert sum(piece.lines for piece in moved.pieces) == 5 * 8 * 32 / 64
    assert len(moved.pieces) == 2
    loaded = weights(SMALL, tile, GEMMINI)
    assert loaded.beats == 9 * 32
    assert loaded.pieces[0].lines == 9 * 32 * 32 / 64
    stored = outputs(SMALL, tile, GEMMINI)
    assert stored.beats == 4 * 8
    assert stored.pieces[0].dirty


def test_the_halo_of_a_tile_is_the_piece_of_its_neighbour() -> None:
    layer = replace(SMALL, order=("P",))
    left, right, *_ = tiles(layer)
    shared = {p.key for p in inputs(layer, left, GEMMINI).pieces} & {
        p.key for p in inputs(layer, right, GEMMINI).pieces
    }
    assert len(shared) == 2


# Queues


def test_one_tile_is_load_compute_store() -> None:
    assert run([Step(100, 70, 30)], 10, 5) == 10 + 100 + 5 + 70 + 30


def test_blocks_of_outputs_are_stored_while_the_next_are_computed() -> None:
    assert run([Step(100, 80, 40, blocks=4)], 0, 0) == 100 + 80 + 10
    assert run([Step(100, 80, 400, blocks=4)], 0, 0) == 100 + 20 + 400


@pytest.mark.parametrize(
    ("step_", "cycles_"),
    [
        (Step(100, 10, 10), 1000 + 20),  # load bound
        (Step(10, 100, 10), 10 + 1000 + 10),  # compute bound
        (Step(10, 10, 100), 20 + 1000),  # store bound
        (Step(100, 100, 0), 1100),
        (Step(60, 10, 60, 60, 60), 1200 + 10),  # one DRAM channel for both
        (Step(0, 100, 50, spills=True), 10 * 150),  # no second half to compute into
    ],
)
def test_ten_equal_tiles(step_: Step, cycles_: int) -> None:
    assert run([step_] * 10, 0, 0) == pytest.approx(cycles_, abs=60)
    assert run([step_] * 10, 0, 0, skip=False) == run([step_] * 10, 0, 0)


def test_the_host_is_a_bound() -> None:
    assert run([Step(1, 1, 1)] * 50, 300, 0) == 50 * 300 + 3


STEPS = st.builds(
    Step,
    load=st.integers(0, 50),
    compute=st.integers(0, 50),
    store=st.integers(0, 50),
    load_dram=st.integers(0, 60),
    store_dram=st.integers(0, 60),
    blocks=st.integers(1, 4),
    spills=st.booleans(),
)


@given(st.lists(st.tuples(STEPS, st.integers(1, 40)), max_size=6), st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=120, deadline=None)
def test_equal_tiles_are_skipped_exactly(runs: list[tuple[Step, int]], issue: int, latency: int) -> None:
    steps = [step_ for step_, count in runs for _ in range(count)]
    skipped = run(steps, issue, latency)
    assert skipped == run(steps, issue, latency, skip=False)
    assert skipped >= sum(s.compute for s in steps)
    assert skipped >= sum(s.load for s in steps)
    assert skipped >= sum(s.store for s in steps)


def test_no_tiles_take_no_time() -> None:
    assert run([], 10, 10) == 0


# The whole


def test_times_of_a_tile_by_hand() -> None:
    fetched = (Fetched(10, 1.0), Fetched(0, 0), Fetched(4, 1.0, 2.0))
    found = step(Work(Extents(K=32, P=4, Q=4), (100, 30, 32), fetched, 20), GEMMINI)
    assert found.load_dram == 10 * 8 + 42
    assert found.load == 122 + 30 + 20
    assert found.store_dram == math.ceil((4 + 2) * 8 + (1 + 2 / 2) * 42)
    assert found.store == found.store_dram
    assert (found.compute, found.blocks, found.spills) == (2 * 32, 2, False)
    bus = step(Work(Extents(K=32, P=4, Q=4), (100, 30, 32), fetched, 20), GEMMINI, cached=False)
    assert (bus.load, bus.store, bus.load_dram) == (150, 32, 0)


LAYERS = st.builds(
    lambda c, k, p, r, tc, tk, tp, stride: TiledLayer(
        Extents(C=c, K=k, P=p, Q=p, R=r, S=r), Extents(C=tc, K=tk, P=tp, Q=tp, R=r, S=r), ("K", "P", "C", "Q"), stride
    ),
    st.integers(1, 200),
    st.integers(1, 200),
    st.integers(2, 20),
    st.integers(1, 4),
    st.integers(16, 200),
    st.integers(16, 200),
    st.integers(4, 20),
    st.integers(1, 2),
)


@given(LAYERS)
@settings(max_examples=30, deadline=None)
def test_no_layer_is_below_its_bound_and_slower_parts_slow_it(layer: TiledLayer) -> None:
    found = work(layer)
    ours = cycles_of(found)
    assert ours == cycles(layer)
    assert ours >= hard_bound(found)
    assert cycles_of(found, replace(GEMMINI, op_cycles=20)) >= ours
    assert cycles_of(found, replace(GEMMINI, activate_cycles=90)) >= ours
    parts = without_parts(found)
    assert parts["mesh only"] <= parts["mesh and bus overlapped"] <= ours


def test_every_multiplication_is_streamed() -> None:
    rows = sum(streamed_rows(t.size, GEMMINI) for t in tiles(SMALL))
    assert rows * 256 == 32 * 32 * 64 * 9


def test_rows_of_memory_are_opened_once_for_all_runs_in_them() -> None:
    """4 of 8 columns of 32 channels: runs of 128 bytes 256 apart, 32 runs to an 8 KiB row."""
    (tile, *_) = tiles(SMALL)
    (out,) = outputs(SMALL, tile, GEMMINI).pieces
    assert out.activations == 8 * 256 / 8192
    wide = TiledLayer(Extents(C=16, K=256, P=64, Q=4), Extents(C=16, K=256, P=8, Q=4), ("P",))
    (tile, *_) = tiles(wide)
    (out,) = outputs(wide, tile, GEMMINI).pieces
    assert out.activations == 4 * 1.0
