"""Does the TPU v1 model land where the paper did? Jouppi et al., ISCA 2017."""

from __future__ import annotations

import pytest

from accelsim.lookup import load_arch
from accelsim.timing import PassShape, pass_time
from accelsim.validate import tpu
from accelsim.validate.types import Comparison, Section

TPU = load_arch("tpu_v1")[0]


@pytest.fixture(scope="module")
def section() -> Section:
    return tpu.compare()


def rows(section: Section, quantity: str) -> dict[str, Comparison]:
    return {c.item: c for c in section.comparisons if c.quantity == quantity}


@pytest.mark.parametrize(("side", "tiles"), [(256, 9), (512, 4)])
def test_600_by_600_takes_whole_tiles(side: int, tiles: int) -> None:
    """Section 7: a 600 x 600 matrix takes nine steps on 256 x 256 and four on 512 x 512, padding included."""
    found, _ = tpu.square_product(TPU, side)
    weights = next(c for c in found.counts if c.operand == "Weights" and c.parent == "DRAM")
    assert weights.reads == tiles * side * side


def test_weight_memory_binds_a_600_by_600_product(section: Section) -> None:
    """Section 7: nine steps of 2 us make 18 us, four of 8 us make 32 us, within 5 %."""
    found = rows(section, "weight steps")
    assert found["600 x 600 on 256 x 256"].ours == pytest.approx(18, rel=0.05)
    assert found["600 x 600 on 512 x 512"].ours == pytest.approx(32, rel=0.05)
    assert all(row.ours >= found[item].ours for item, row in rows(section, "until the last result").items())


@pytest.mark.parametrize(("app", "tops"), [("MLP0", 12.3), ("MLP1", 9.7), ("LSTM0", 3.7), ("CNN0", 86.0)])
def test_applications_land_within_the_papers_own_model_error(section: Section, app: str, tops: float) -> None:
    """Table 7: the paper's model is up to 11 % from its counters."""
    assert rows(section, "TOPS")[app].ours == pytest.approx(tops, rel=0.11)


def test_busy_shares_of_weight_bound_applications(section: Section) -> None:
    """Table 3, array active cycles of the applications that wait for weights, within 11 %."""
    waiting = rows(section, "weight stall and non-matrix")
    assert waiting["MLP0"].ours == pytest.approx(53.9 + 17.5, rel=0.11)
    assert waiting["MLP1"].ours == pytest.approx(44.2 + 31.9, rel=0.11)
    assert waiting["LSTM0"].ours == pytest.approx(58.1 + 17.9, rel=0.11)
    found = rows(section, tpu.ACTIVE)
    assert found["MLP0"].ours == pytest.approx(12.7, rel=0.11)
    assert found["MLP1"].ours == pytest.approx(10.6, rel=0.11)
    assert found["LSTM0"].ours == pytest.approx(8.2, rel=0.11)


def test_lstm1_and_cnn1_are_explained_with_numbers(section: Section) -> None:
    assert section.failures == ()
    for app in ("LSTM1", "CNN1"):
        assert any(note.startswith(f"{app}: the roofline allows") for note in section.notes)


def test_shapes_keep_weights_and_used_share() -> None:
    for app in tpu.apps():
        reduction, cols = tpu.matrix_of(app.weights / app.matrix_layers, app.useful / app.active, 256)
        assert reduction * cols == pytest.approx(app.weights / app.matrix_layers, rel=0.05)
        assert tpu.used_share(reduction, cols, 256) == pytest.approx(app.useful / app.active, abs=0.06)


def test_cycles_of_an_application_add_up() -> None:
    for app in tpu.apps()[:3]:
        time, _ = tpu.time_of(app, TPU)
        assert time.active + time.shift + time.stall + time.vector + time.ends == time.cycles
        assert min(time.active, time.shift, time.stall, time.vector, time.ends) >= 0


def test_peak_and_weight_shift() -> None:
    """Section 2: 92 TOPS peak; a tile shifts in within 256 cycles; B rows take B pipelined cycles."""
    assert 2 * TPU.array.pes * TPU.clock_hz == pytest.approx(92e12, rel=0.005)
    time = pass_time(TPU.array, PassShape(256, 256, 200, stationary_words=65536))
    assert (time.load, time.stream) == (256, 200)
