"""Does the TPU v1 model land where the paper did? Jouppi et al., ISCA 2017."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelsim.lookup import load_arch
from accelsim.mapper.search import map_problem
from accelsim.problem import gemm_problem
from accelsim.timing import PassShape, pass_time

TPU = load_arch("tpu_v1")[0]


@pytest.mark.parametrize(("side", "tiles"), [(256, 9), (512, 4)])
def test_600_by_600_takes_whole_tiles(side: int, tiles: int) -> None:
    """Section 7: a 600 x 600 matrix takes nine steps on 256 x 256 and four on 512 x 512, padding included."""
    array = replace(TPU.array, rows=side, cols=side)
    memories = tuple(replace(m, capacity_bits=4 * m.capacity_bits) for m in TPU.memories)
    arch = replace(TPU, array=array, memories=memories)
    counts = map_problem(gemm_problem(rows=96, cols=600, reduction=600), arch).counts
    weights = next(c for c in counts if c.operand == "Weights" and c.parent == "DRAM")
    assert weights.reads == tiles * side * side


def test_weight_memory_binds_a_600_by_600_product() -> None:
    """Section 7: 18 microseconds for nine tiles, from the first weight fetched to the last pass, within 5 %.

    Loading the activations before and storing the results after are left out: on the chip they come over PCIe.
    """
    found = map_problem(gemm_problem(rows=96, cols=600, reduction=600), TPU)
    transfers = zip(found.simulated.stream.transfers, found.outcome.transfer_spans, strict=True)
    first = min(start for transfer, (start, _) in transfers if transfer.operand == "Weights")
    seconds = (found.outcome.ends[-1] - first) / TPU.clock_hz
    assert seconds > 9 * 65536 / 34e9
    assert seconds == pytest.approx(18e-6, rel=0.05)


def test_peak_and_weight_shift() -> None:
    """Section 2: 92 TOPS peak; a tile shifts in within 256 cycles; B rows take B pipelined cycles."""
    assert 2 * TPU.array.pes * TPU.clock_hz == pytest.approx(92e12, rel=0.005)
    time = pass_time(TPU.array, PassShape(256, 256, 200, stationary_words=65536))
    assert (time.load, time.stream) == (256, 200)
