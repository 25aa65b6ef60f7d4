"""Do the words that the passes carry add up to the closed-form traffic? Exactly, on random nests."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.mapping import LinkCount, Rules
from accelsim.sim.flows import link_flows
from accelsim.traffic import Factors, count
from tests.agreement.machines import machine, nests


@pytest.mark.parametrize("dataflow", ["ws", "os", "is", "rs"])
@pytest.mark.parametrize("first_visit", ["write", "read"])
@pytest.mark.parametrize("halo_reuse", [True, False])
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_passes_carry_the_traffic(dataflow: str, first_visit: str, halo_reuse: bool, data: st.DataObject) -> None:
    mapping = data.draw(nests(dataflow))
    rules = Rules(halo_reuse, first_visit)
    arch = machine(dataflow)
    _, flows = link_flows(mapping, arch, rules, Factors())

    def key(c: LinkCount) -> tuple[object, ...]:
        return (c.operand, c.parent, c.child, c.reads, c.psum_writes, c.final_writes)

    carried = [
        (f.operand.name, f.point.parent, f.point.memory, int(f.down.sum()), int(f.up_psum.sum()), int(f.up_final.sum()))
        for f in flows
    ]
    assert carried == [key(c) for c in count(mapping, arch, rules)]
    assert all(int(f.down.min()) >= 0 and int(f.up_psum.min()) >= 0 for f in flows)
