"""What machines share before anything is timed is what each would find alone, and no more is kept than allowed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.arch import Accelerator
from accelsim.arch.encoding import DENSE, Zeros
from accelsim.lookup import list_archs, load_arch
from accelsim.mapper.evaluate import evaluate
from accelsim.mapper.search import map_problem
from accelsim.mapping import Mapping, rules_of
from accelsim.problem import Problem, conv_problem, gemm_problem
from accelsim.sim.build import build_stream
from accelsim.sim.drafts import Drafts, Shelf, structure
from accelsim.sim.nest import segment_nest
from accelsim.traffic import count
from tests.agreement.machines import machine, nests

CONV = conv_problem(
    batch=1, groups=1, out_channels=32, in_channels=16, out_size=(14, 14), kernel=(3, 3), in_size=(14, 14), pad=(1, 1)
)
FC = gemm_problem(rows=1, cols=200, reduction=300)


def faster(arch: Accelerator, times: int) -> Accelerator:
    """Other capacities, energies and (if it is simple) another DRAM; the same structure."""
    dram = replace(arch.dram, read_fj_per_bit=times, write_fj_per_bit=3)
    if dram.timing is None:
        dram = replace(dram, bandwidth_bits_per_s=times * dram.bandwidth_bits_per_s, latency_cycles=times)
    memories = tuple(
        replace(m, capacity_bits=times * m.capacity_bits, read_fj_per_bit=times + 1, leakage_fj_per_cycle=times)
        for m in arch.memories
    )
    array = replace(arch.array, mac_fj=times, leakage_fj_per_cycle=2 * times)
    return replace(arch, name="faster", dram=dram, memories=memories, array=array)


def check_same_drafts(mapping: Mapping, arch: Accelerator, zeros: Zeros) -> None:
    lean = structure(arch)
    assert count(mapping, lean, rules_of(lean)) == count(mapping, arch, rules_of(arch))
    one, two = (build_stream(mapping, m, post_ops=2, zeros=zeros) for m in (arch, lean))
    assert (one.stream, one.carried, one.passes) == (two.stream, two.carried, two.passes)
    few, same = segment_nest(mapping, arch, 2), segment_nest(mapping, lean, 2)
    assert (few is None) == (same is None)
    if few is not None and same is not None:
        assert (few.bits(), few.carried, few.breakdown, few.work.tolist()) == (
            same.bits(), same.carried, same.breakdown, same.work.tolist(),
        )  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(data=st.data(), dataflow=st.sampled_from(["ws", "os", "is", "rs"]))
def test_drafts_do_not_read_what_structure_leaves_out(data: st.DataObject, dataflow: str) -> None:
    check_same_drafts(data.draw(nests(dataflow)), machine(dataflow), DENSE)


@pytest.mark.parametrize("name", list_archs())
def test_shared_drafts_change_no_result(name: str) -> None:
    """Whichever machine comes first: the second one is as it would be alone."""
    arch = load_arch(name)[0]
    drafts = Drafts()
    problems: list[Problem] = [CONV, FC]
    for problem in problems:
        mapping = map_problem(problem, arch, drafts=drafts).mapping
        check_same_drafts(mapping, arch, DENSE)
        for other in (arch, faster(arch, 3)):
            shared, alone = evaluate(mapping, other, 2, drafts), evaluate(mapping, other, 2)
            assert shared.counts == alone.counts
            assert (shared.outcome, shared.energy_fj) == (alone.outcome, alone.energy_fj)
            assert shared.simulated.stream == alone.simulated.stream


def test_drafts_tell_machines_of_other_structure_apart() -> None:
    arch = load_arch("edge_os_32x32")[0]
    mapping, drafts = map_problem(CONV, arch).mapping, Drafts()
    base = evaluate(mapping, arch, 2, drafts)
    wide = replace(arch, precision=replace(arch.precision, weight_bits=16))
    lanes = replace(arch, vector=replace(arch.vector, lanes=1))
    for other in (wide, lanes):
        found = evaluate(mapping, other, 2, drafts)
        assert found.outcome == evaluate(mapping, other, 2).outcome != base.outcome
    assert evaluate(mapping, arch, 9, drafts).outcome == evaluate(mapping, arch, 9).outcome


def test_a_shelf_keeps_the_latest_that_fit() -> None:
    made: list[int] = []

    def make(size: int) -> int:
        made.append(size)
        return size

    shelf: Shelf[int] = Shelf(lambda size: size, most=10)
    for size in (4, 5, 4, 3):  # 3 pushes out 5, which was not asked for again
        assert shelf.get((size,), lambda size=size: make(size)) == size
    assert (made, shelf.bytes) == ([4, 5, 3], 7)
    assert shelf.get((4,), lambda: make(4)) == 4 and made == [4, 5, 3]
    assert shelf.get((5,), lambda: make(5)) == 5 and made == [4, 5, 3, 5]
    assert shelf.get((99,), lambda: make(99)) == 99 and shelf.bytes == 0  # larger than the shelf: not kept
