"""Nests for which one term of the latency bound B tells the makespan, to a cycle or nearly so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelsim.arch import Accelerator
from accelsim.lookup import load_arch
from accelsim.mapping import Loop, Mapping, TileLevel, rules_of
from accelsim.mapping.legality import problems_with
from accelsim.problem import Problem, conv_problem
from accelsim.sim.simulate import simulate
from accelsim.timing.sums import latency_bound
from accelsim.traffic import count


def pointwise(channels: int, out_channels: int, size: int) -> Problem:
    """A 1 x 1 convolution of one image."""
    return conv_problem(
        batch=1, groups=1, out_channels=out_channels, in_channels=channels, out_size=(size, size), kernel=(1, 1),
        in_size=(size, size),
    )  # fmt: skip


def nest(
    problem: Problem, arch: Accelerator, stream: tuple[int, int], rows: int, cols: int, **levels: tuple[Loop, ...]
) -> Mapping:
    """Weights stationary: input channels over rows, output channels over columns, P and Q stream."""
    names = ("DRAM", *(memory.name for memory in arch.memories))
    spatial = (Loop("C", rows, "row"), Loop("M", cols, "col"))
    streamed = tuple(Loop(dim, trips) for dim, trips in zip("PQ", stream, strict=True))
    return Mapping(problem, "ws", tuple(TileLevel(n, levels.get(n, ())) for n in names), streamed, spatial)


def gap(mapping: Mapping, arch: Accelerator, ops: int) -> int:
    """Cycles of the makespan above B."""
    assert problems_with(mapping, arch) == []
    bound = latency_bound(mapping, arch, count(mapping, arch, rules_of(arch)), ops)
    return simulate(mapping, arch, ops).outcome.makespan - bound


def test_what_follows_the_last_load_is_counted() -> None:
    """Weights come last; then they shift in, are used, and results drain and are stored."""
    arch = load_arch("tpu_v1")[0]
    mapping = nest(pointwise(256, 512, 7), arch, (7, 7), 256, 256, DRAM=(Loop("M", 2),))
    assert gap(mapping, arch, 2) == 0


def test_what_goes_before_the_first_store_is_counted() -> None:
    """All loads are over early; two stores wait for the drain of the first results."""
    arch = load_arch("tpu_v1")[0]
    mapping = nest(pointwise(128, 256, 14), arch, (7, 7), 128, 256, DRAM=(Loop("P", 2),), UB=(Loop("Q", 2),))
    assert gap(mapping, arch, 2) == 0


def test_the_room_of_the_last_results_is_counted() -> None:
    """Results are stored while the next tile is loaded; the last tile waits for the room of the one before."""
    arch = load_arch("nvdla_small")[0]
    mapping = nest(pointwise(576, 160, 7), arch, (7, 7), 8, 8, DRAM=(Loop("M", 20),), CACC=(Loop("C", 72),))
    assert gap(mapping, arch, 2) <= 100


def test_psums_that_move_between_memories_are_counted() -> None:
    """Every eighth pass takes four times as long: its psums leave for a narrow port, and come back."""
    arch = load_arch("gemmini_16x16")[0]
    mapping = nest(
        pointwise(1024, 256, 14), arch, (14, 14), 16, 16,
        DRAM=(Loop("M", 2), Loop("C", 8)), SP=(Loop("M", 8),), ACC=(Loop("C", 8),),
    )  # fmt: skip
    assert gap(mapping, arch, 3) < 1000


@pytest.mark.parametrize("bandwidth", [40, 80, 160, 320, 640])
def test_loads_and_uses_in_turn_are_counted(bandwidth: int) -> None:
    """Inputs and weights of a tile are loaded when the tile two before is done, then used: within a tile's use."""
    arch = load_arch("edge_tpu")[0]
    arch = replace(arch, dram=replace(arch.dram, bandwidth_bits_per_s=bandwidth * arch.clock_hz))
    mapping = nest(pointwise(2048, 64, 14), arch, (14, 14), 64, 64, DRAM=(Loop("C", 32),))
    assert 0 <= gap(mapping, arch, 0) <= 2 * 14 * 14
