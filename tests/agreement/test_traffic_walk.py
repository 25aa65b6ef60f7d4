"""Do the closed forms count what a walk over every step counts? Exactly, on random nests."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.mapper.search import map_problem
from accelsim.mapping import Rules
from accelsim.problem import pool_problem
from accelsim.traffic import count
from accelsim.walk import walk
from tests.agreement.machines import machine, nests


@pytest.mark.parametrize("dataflow", ["ws", "os", "is", "rs", "tree", "cast"])
@pytest.mark.parametrize("first_visit", ["write", "read"])
@pytest.mark.parametrize("halo_reuse", [True, False])
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_closed_form_equals_walk(dataflow: str, first_visit: str, halo_reuse: bool, data: st.DataObject) -> None:
    mapping = data.draw(nests(dataflow))
    rules = Rules(halo_reuse, first_visit)
    arch = machine(dataflow)
    assert count(mapping, arch, rules) == walk(mapping, arch, rules)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_whole_weight_tiles_are_counted_alike(data: st.DataObject) -> None:
    mapping = data.draw(nests("ws"))
    arch = machine("ws")
    padded = replace(arch, array=replace(arch.array, whole_weight_tiles=True))
    counts = count(mapping, padded, Rules())
    assert counts == walk(mapping, padded, Rules())
    weights = [c for c in counts if c.operand == "Weights"]
    assert all(c.reads % arch.array.pes == 0 and c.reads > 0 for c in weights)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_pooling_windows_are_counted_alike(data: st.DataObject) -> None:
    """Windows streamed word by word, in one and two dims, with padding, dilation and gaps, tiled by a small buffer."""
    small = st.integers(1, 3)
    rank = data.draw(st.integers(1, 2))
    kernel, stride, dilation = (tuple(data.draw(small) for _ in range(rank)) for _ in range(3))
    pad = tuple(data.draw(st.integers(0, k - 1)) for k in kernel)
    out = tuple(data.draw(st.integers(1, 5)) for _ in range(rank))
    spans = [(o - 1) * s + (k - 1) * d + 1 for o, s, k, d in zip(out, stride, kernel, dilation, strict=True)]
    size = tuple(max(1, span - 2 * p) for span, p in zip(spans, pad, strict=True))
    problem = pool_problem(
        "max", batch=data.draw(small), channels=data.draw(small), out_size=out, kernel=kernel, in_size=size,
        stride=stride, dilation=dilation, pad=pad,
    )  # fmt: skip
    arch = machine("os")
    least = 8 * 2 * (1 + kernel[0] * (kernel[1] if rank == 2 else 1)) * max(size) * max(size)
    tight = replace(arch, memories=(replace(arch.memories[0], capacity_bits=2 * least),))
    mapping = map_problem(problem, tight).mapping
    for halo in (True, False):
        assert count(mapping, tight, Rules(halo)) == walk(mapping, tight, Rules(halo))
