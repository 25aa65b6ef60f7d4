"""Bands: which PEs they use, what is legal, text and YAML both ways, pictures, and what the mapper lays out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

import accelsim
from accelsim.anatomy import nest_of, pe_work
from accelsim.arch import Accelerator
from accelsim.errors import CheckFailed, InputError, MappingError
from accelsim.execute.stepwise import run_stepwise
from accelsim.execute.tiled import run_tiled
from accelsim.formats.mapping_yaml import parse_constraints, parse_mapping, write_mapping
from accelsim.formats.nest_text import parse_nest
from accelsim.formats.outputs import to_json
from accelsim.formats.report_json import parse_report
from accelsim.lookup import load_arch
from accelsim.mapper.exact.run import Search
from accelsim.mapper.exact.search import Request
from accelsim.mapper.exact.space import bands_of, cores_of
from accelsim.mapper.search import evaluate, map_problem
from accelsim.mapping import Digit, Loop, Mapping, Rules, TileLevel
from accelsim.mapping.bands import Band, window
from accelsim.mapping.constraint import Constraint, Factor, Rule
from accelsim.mapping.legality import active_pes, check, problems_with
from accelsim.mapping.text import nest_text
from accelsim.problem import DIMS, Problem, conv_problem
from accelsim.traffic import count
from accelsim.walk import walk
from tests.agreement.machines import machine
from tests.agreement.test_executors import tensors, words


def depthwise(out: tuple[int, int], kernel: tuple[int, int] = (1, 3), **changes: Any) -> Problem:
    """A depthwise convolution whose input is as large as its windows need."""
    stride, dilation = changes.get("stride", (1, 1)), changes.get("dilation", (1, 1))
    sides = zip(out, stride, kernel, dilation, strict=True)
    size = tuple((o - 1) * s + (k - 1) * d + 1 for o, s, k, d in sides)
    fields = {"batch": 1, "groups": 2, "out_channels": 1, "in_channels": 1, "in_size": size, **changes}
    return conv_problem(out_size=out, kernel=kernel, **fields)


def banded(problem: Problem, *bands: Loop, stream: tuple[Loop, ...] = (), pe: tuple[Loop, ...] = ()) -> Mapping:
    """A mapping with these loops of bands; what is left goes over the loops of DRAM."""
    inside = [*bands, *stream, *pe]
    left = {d: -(-b // int(np.prod([x.trips for x in inside if x.dim == d]))) for d, b in problem.bounds}
    outer = tuple(Loop(d, n) for d, n in left.items() if n > 1)
    return Mapping(problem, "ws", (TileLevel("DRAM", outer), TileLevel("GLB", ())), stream, tuple(bands), pe)


Q3, S3 = Loop("Q", 3, "band"), Loop("S", 3, "band")
FIVE = depthwise((1, 5))


@pytest.mark.parametrize(
    ("outs", "taps", "stride", "dilation", "rows"),
    [(30, 3, 1, 1, 32), (3, 3, 2, 1, 7), (3, 3, 1, 2, 7), (2, 2, 3, 1, 5), (4, 2, 1, 5, 9), (3, 2, 2, 2, 7)],
)
def test_rows_of_a_band_reach_from_its_first_input_to_its_last(
    outs: int, taps: int, stride: int, dilation: int, rows: int
) -> None:
    assert Band("Q", outs, "S", taps, stride, dilation).rows == rows
    problem = depthwise((1, outs), (1, taps), stride=(1, stride), dilation=(1, dilation))
    mapping = banded(problem, Loop("Q", outs, "band"), Loop("S", taps, "band"))
    assert mapping.occupied() == (rows, outs)
    assert active_pes(mapping) == outs * taps
    work = pe_work(mapping, rows, outs)
    assert ((work > 0).sum(), work.sum()) == (outs * taps, problem.macs)
    for q, s in product(range(outs), range(taps)):
        assert work[q * stride + s * dilation, q] == problem.bound["G"]


def test_the_picture_of_the_array_is_that_of_the_docs() -> None:
    work = pe_work(banded(depthwise((1, 3), stride=(1, 2)), Q3, S3), 8, 4)
    assert work.tolist() == [
        [2, 0, 0, 0], [2, 0, 0, 0], [2, 2, 0, 0], [0, 2, 0, 0], [0, 2, 2, 0], [0, 0, 2, 0], [0, 0, 2, 0], [0, 0, 0, 0]
    ]  # fmt: skip


def test_bands_multiply_with_each_other_and_with_groups_on_the_diagonal() -> None:
    problem = depthwise((2, 3), (2, 2), groups=3)
    loops = (Loop("G", 2, "diagonal"), Loop("P", 2, "band"), Loop("Q", 3, "band"), Loop("R", 2, "band"),
             Loop("S", 2, "band"))  # fmt: skip
    mapping = banded(problem, *loops)
    assert [(b.out, b.rows) for b in mapping.bands] == [("P", 3), ("Q", 4)]
    assert mapping.occupied() == (2 * 3 * 4, 2 * 2 * 3)
    assert active_pes(mapping) == 2 * 4 * 6
    work = pe_work(mapping, 24, 12)
    assert ((work > 0).sum(), work.sum()) == (48, problem.macs)
    where = {mapping.wires(place) for place in product(*(range(d.trips) for d in mapping.digits))}
    assert len(where) == 48


def test_words_go_along_rows_and_psums_down_columns() -> None:
    """Five output columns of three taps, three at a time: words and copies by hand."""
    problem = depthwise((1, 5), groups=1)
    mapping = banded(problem, Q3, S3, stream=(Loop("Q", 2),))
    counts = {(c.operand, c.child): c for c in count(mapping, machine("cast", 6, 3), Rules())}
    inputs, weights, outputs = (counts[name, "PE"] for name in ("Inputs", "Weights", "Outputs"))
    assert (inputs.reads, inputs.deliveries) == (5 + 4, 9 + 6)  # a word per row, one per PE that takes it
    assert (weights.reads, weights.deliveries) == (9, 9)  # a copy in each of three columns
    assert (outputs.final_writes, outputs.psum_writes, outputs.sends) == (5, 0, 15)
    again = {**dict(problem.bounds), "N": 2}
    twice = replace(problem, bounds=tuple(again.items()))
    more = replace(mapping, problem=twice, stream=(Loop("N", 2), Loop("Q", 2)))
    less = replace(mapping, problem=twice, stream=(Loop("Q", 2), Loop("N", 2)))
    for nest, reads in ((more, 12), (less, 9)):  # the third column idles in the last step, and loses what it holds
        found = {(c.operand, c.child): c.reads for c in count(nest, machine("cast", 6, 3), Rules())}
        assert found["Weights", "PE"] == reads


def test_a_band_that_brought_words_once_per_tap_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    mapping, arch = banded(FIVE, Q3, S3, stream=(Loop("Q", 2),)), machine("cast", 6, 3)
    x, w = tensors(FIVE)
    run = run_tiled(mapping, arch, Rules(), x, w)
    assert run.agrees_with(count(mapping, arch, Rules())) == []
    assert words(run_stepwise(mapping, arch, Rules(), x, w)[1], count(mapping, arch, Rules()))
    monkeypatch.setattr(Digit, "joined", lambda self, shared: set(self.axes) <= set(shared))
    fresh = replace(mapping)
    assert count(fresh, arch, Rules()) != walk(fresh, arch, Rules())
    assert [line.split(":")[0] for line in run.agrees_with(count(fresh, arch, Rules()))] == ["Inputs GLB->PE"]
    assert not words(run_stepwise(fresh, arch, Rules(), x, w)[1], count(fresh, arch, Rules()))


def test_a_row_carries_one_word_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a tap in the wrong row, its row would have to carry two words."""
    mapping, arch = banded(FIVE, Q3, S3, stream=(Loop("Q", 2),)), machine("cast", 6, 3)
    x, w = tensors(FIVE)
    monkeypatch.setattr(Band, "row", lambda self, out, tap: out + 2 * tap)
    with pytest.raises(CheckFailed, match="of a band would carry"):
        run_stepwise(replace(mapping), arch, Rules(), x, w)
    wrong = replace(mapping)
    wrong.__dict__["bands"] = (Band("Q", 3, "S", 3, 1, 2),)
    with pytest.raises(CheckFailed, match="a row of a band would carry two words at once"):
        run_tiled(wrong, arch, Rules(), x, w)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: banded(FIVE, Q3), "Q 3 band: a band is two loops of more than one trip, over output planes"),
        (lambda: banded(FIVE, S3), "S 3 band: a band is two loops"),
        (lambda: banded(FIVE, Q3, Loop("S", 1, "band")), "Q 3 band: a band is two loops"),
        (lambda: banded(depthwise((2, 5), (3, 3)), Q3, Loop("R", 3, "band")), "Q 3 band, R 3 band: a band is two"),
        (lambda: banded(FIVE, Loop("G", 2, "band"), S3), "G 2 band, S 3 band: a band is two loops"),
        (lambda: banded(FIVE, Q3, S3, Loop("Q", 2, "band")), "Q 3 band, S 3 band, Q 2 band: a band is two loops"),
        (lambda: banded(FIVE, Q3, S3, Loop("Q", 2, "diagonal")), "Q lies in a band; expected no other loop over it"),
        (lambda: banded(FIVE, Q3, Loop("S", 2, "band"), pe=(Loop("S", 2),)), "S lies in a band; expected no other"),
    ],
)  # fmt: skip
def test_what_is_no_band(make: Callable[[], Mapping], message: str) -> None:
    with pytest.raises(MappingError, match=message):
        make()


def test_dims_that_meet_in_no_input_axis_are_no_band() -> None:
    inputs = FIVE.operand("Inputs")
    axes = tuple(replace(a, terms=a.terms[:1]) if "Q" in a.dims else a for a in inputs.axes)
    apart = replace(FIVE, operands=(replace(inputs, axes=axes), *FIVE.operands[1:]))
    assert window(FIVE, "Q") == (1, 1) and window(apart, "Q") is None
    with pytest.raises(MappingError, match="no axis of the inputs is over Q and S"):
        banded(apart, Q3, S3)


def test_one_trip_is_no_loop_of_a_band() -> None:
    mapping = banded(FIVE, Loop("Q", 1, "band"), Loop("S", 3, "row"), stream=(Loop("Q", 5),))
    assert (mapping.bands, mapping.occupied()) == ((), (3, 1))
    assert pe_work(mapping, 4, 2).tolist() == [[10, 0], [10, 0], [10, 0], [0, 0]]
    assert problems_with(mapping, machine("cast")) == []


def other(**changes: Any) -> Accelerator:
    arch = machine("cast", 6, 3)
    return replace(arch, array=replace(arch.array, **changes))


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        (other(kind="systolic"), "a band needs a weight-stationary array of kind spatial .*is systolic"),
        (other(share_inputs=()), "a band needs a weight-stationary array .* broadcasts inputs along rows only"),
        (other(share_inputs=("row", "col")), "a band needs"),
        (other(share_weights=("col",)), "a band needs"),
        (other(reduce=()), "a band needs"),
        (other(whole_weight_tiles=True), "a band needs"),
        (other(dataflow="os"), "a band needs .*is spatial .os"),
        (other(rows=4), "spatial loops span 5 x 3 PEs of 4 x 3"),
        (other(cols=2), "spatial loops span 5 x 3 PEs of 6 x 2"),
    ],
)  # fmt: skip
def test_machines_that_have_no_bands(arch: Accelerator, message: str) -> None:
    mapping = banded(FIVE, Q3, S3, stream=(Loop("Q", 2),))
    check(mapping, machine("cast", 6, 3))
    with pytest.raises(MappingError, match=message):
        check(mapping, arch)
    assert message.startswith("spatial") or bands_of(FIVE, arch) == [()]


TEXT = """\
DRAM: Inputs, Weights, Outputs
for G in 2
  GLB: Inputs 1 x 7 B, Weights 2 x 3 B, Outputs 2 x 5 B = 23 of 134217728 B
  array pass (ws, 9 of 18 PEs active)
  for Q in 2
    parallel Q in 3 (band), S in 3 (band)
      mac"""


def test_text_and_yaml_both_ways() -> None:
    arch, mapping = machine("cast", 6, 3), banded(FIVE, Q3, S3, stream=(Loop("Q", 2),))
    assert nest_text(mapping, arch) == TEXT
    assert parse_nest(TEXT, FIVE, arch) == mapping
    text = write_mapping(mapping)
    assert "spatial: [Q 3 band, S 3 band]" in text
    assert parse_mapping(text, FIVE, arch, "m.yaml") == mapping
    assert parse_constraints(text, "m.yaml", arch) == {"*": Constraint.exactly(mapping)}
    assert "Q 3 band" in nest_of(mapping, arch).as_dict()["spatial"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("spatial: [Q 3 bnd, S 3 band]", r"spatial\[0\]: 'Q 3 bnd', expected a loop such as .*'Q 4 band'; did"),
        ("spatial: [Q 5 band, S 3 band]", "spatial: loops over at least 7 rows, but small_cast has 6"),
        ("spatial: [Q 4 band, S 3 band, C 2 row]", "spatial: loops over at least 12 rows"),
        ("spatial: {band: {Q: 4}, col: {M: 2}}", "spatial: loops over at least 8 cols, but small_cast has 3"),
        ("spatial: {bands: {Q: 4}}", "spatial.bands: unknown key; did you mean 'band'"),
    ],
)  # fmt: skip
def test_errors_name_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_constraints(text, "c.yaml", machine("cast", 6, 3))


def test_a_mapping_that_asks_for_half_a_band_is_an_error_of_its_file() -> None:
    text = "levels: {DRAM: [G 2, S 3]}\nstream: [Q 2]\nspatial: [Q 3 band]\n"
    with pytest.raises(InputError, match=r"m.yaml:1:1: Q 3 band: a band is two loops"):
        parse_mapping(text, FIVE, machine("cast", 6, 3), "m.yaml")


def test_a_depthwise_layer_uses_more_than_the_diagonal() -> None:
    """The best of a 3 x 3 layer: 4 x 3 windows at once, 108 of 1,024 PEs, where the diagonal has 32."""
    problem = conv_problem(
        batch=1,
        groups=32,
        out_channels=1,
        in_channels=1,
        out_size=(28, 28),
        kernel=(3, 3),
        in_size=(28, 28),
        pad=(1, 1),
    )
    arch = load_arch("tpu_like")[0]
    assert arch.array.bands
    found = map_problem(problem, arch, "latency", resident=frozenset({"Inputs", "Outputs"}))
    assert problems_with(found.mapping, arch) == []
    assert {(b.out, b.outs, b.taps) for b in found.mapping.bands} == {("Q", 4, 3), ("P", 3, 3)}
    assert (active_pes(found.mapping), found.mapping.occupied()) == (108, (30, 12))
    assert found.simulated.breakdown.compute == 32 * 7 * 10
    none = Constraint((Rule("band", only=True),))
    without = map_problem(problem, arch, "latency", resident=frozenset({"Inputs", "Outputs"}), limit=none)
    assert without.mapping.bands == () and active_pes(without.mapping) <= 32
    assert found.simulated.breakdown.compute * 3 < without.simulated.breakdown.compute


def test_a_report_keeps_bands_and_says_what_they_are() -> None:
    found = accelsim.run("tpu_like", "mobilenet_v2:size=32,width=0.25")
    text = to_json(found.as_dict())
    again = parse_report(text, "report.json")
    nests = [(layer, nest.mapping) for layer in again.results for nest in layer.anatomy.nests if nest.mapping.bands]
    assert len(nests) > 10
    assert [layer.anatomy for layer in again.results] == [layer.anatomy for layer in found.results]
    for layer, mapping in nests:
        band = mapping.bands[0]
        assert f"{band.outs} windows over {band.out} share {band.rows} input words in a band" in layer.note


def test_bands_of_the_space() -> None:
    problem, arch = depthwise((7, 7), (3, 3)), machine("cast", 9, 9)
    found = bands_of(problem, arch)
    assert found[0] == () and len(found) == len(set(found))
    for bands in found:
        assert np.prod([b.rows for b in bands]) <= 9 and np.prod([b.outs for b in bands]) <= 9
        assert sum(7 % b.outs > 0 for b in bands) <= 1
    assert {(b.outs, b.taps) for bands in found for b in bands} == {(a, n) for a in (2, 3, 4, 7) for n in (2, 3)}
    assert all(bands[0].out == "Q" for bands in found if bands)
    alike = Constraint((Rule("pe", only=True),))
    assert {bands[0].out for bands in bands_of(problem, arch, alike) if bands} == {"P", "Q"}
    full = conv_problem(
        batch=1, groups=1, out_channels=9, in_channels=9, out_size=(7, 7), kernel=(3, 3), in_size=(9, 9)
    )
    assert bands_of(full, arch) == [()]


def test_cores_keep_taps_of_a_band_off_the_rows() -> None:
    found = cores_of(depthwise((4, 7), (3, 3)), machine("cast", 18, 9))
    inside = found.band > 1
    assert inside.any() and not (inside & ((found.row > 1) | (found.col > 1) | (found.diagonal > 1))).any()
    beside = found.row[inside.any(axis=1)]
    assert beside[:, DIMS.index("R")].max() == 3


@pytest.mark.parametrize(
    ("limit", "wanted"),
    [
        (Constraint((Rule("band", (("Q", Factor(4, 4)),)),)), {"Q": 4, "S": 3}),
        (Constraint((Rule("band", (("S", Factor(2, 2)),)),)), {"S": 2}),
        (Constraint((Rule("band", only=True),)), {}),
        (Constraint((Rule("row", (("S", Factor(3, 3)),)),)), {}),
        (Constraint(spatial=(Loop("S", 3, "band"), Loop("Q", 2, "band"))), {"Q": 2, "S": 3}),
    ],
)  # fmt: skip
def test_constraints_place_bands(limit: Constraint, wanted: dict[str, int]) -> None:
    problem, arch = depthwise((1, 8)), machine("cast", 6, 4)
    found = Search(Request(problem, arch, "latency", limit=limit)).run().best[0].mapping
    assert limit.allows(found)
    mine = {loop.dim: loop.trips for loop in found.spatial if loop.kind == "band"}
    assert wanted.items() <= mine.items() and bool(mine) == bool(wanted)


def test_what_the_space_has_not_is_an_error() -> None:
    both = Constraint(spatial=(*(Loop(d, 2, "band") for d in "PQRS"),))
    problem = depthwise((3, 5), (2, 2))
    with pytest.raises(MappingError, match="no spatial and PE loops on small_cast satisfy the constraint"):
        Search(Request(problem, machine("cast", 12, 6), limit=both))
    mapping = banded(problem, *both.spatial or ())
    assert evaluate(mapping, machine("cast", 12, 6)).counts == walk(mapping, machine("cast", 12, 6), Rules())


@pytest.mark.parametrize("order", [("N", "Q"), ("Q", "N"), ()])
def test_an_uneven_band_has_the_outermost_loop_of_a_stream_unless_asked_otherwise(order: tuple[str, ...]) -> None:
    problem = depthwise((1, 7), (1, 2), batch=3)
    limit = Constraint((
        Rule("band", (("Q", Factor(3, 3)),)), Rule("stream", (("Q", Factor(3, 3)), ("N", Factor(3, 3))), order=order),
    ))  # fmt: skip
    found = Search(Request(problem, machine("cast", 4, 3), limit=limit)).run()
    stream = [loop.dim for loop in found.best[0].mapping.stream]
    assert stream == list(order or ("Q", "N"))
