"""Do the closed forms count what a walk over every step counts? Exactly, on random nests."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.mapping import Rules
from accelsim.traffic import count
from accelsim.walk import walk
from tests.agreement.machines import machine, nests


@pytest.mark.parametrize("dataflow", ["ws", "os", "is", "rs"])
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
