"""Is what a machine leaves to the mapper read, refused and put together right?"""

from __future__ import annotations

import pytest

from accelsim.arch.choices import formed, forms, optional
from accelsim.errors import InputError
from accelsim.formats.arch_yaml import load_accelerator
from accelsim.formats.mapping_yaml import parse_constraints
from accelsim.lookup import find_arch, load_arch

V4I = load_arch("tpu_v4i")[0]


def test_machines_without_choices_have_one_form() -> None:
    arch = load_arch("tpu_v1")[0]
    assert optional(arch) == () and forms(arch) == (arch,)
    assert formed(arch, frozenset()) is arch
    with pytest.raises(InputError, match="tpu_v1: Weights cannot pass by FIFO"):
        formed(arch, frozenset({("FIFO", "Weights")}))


def test_forms_are_all_sets_of_what_may_pass_by_the_plain_one_first() -> None:
    assert optional(V4I) == (("CMEM", "Inputs"), ("CMEM", "Weights"))
    found = forms(V4I)
    assert len(found) == 4 and found[0].bypassed == frozenset()
    assert len({form.bypassed for form in found}) == 4
    past = next(form for form in found if form.bypassed == {("CMEM", "Weights")})
    assert [m.name for m in past.chain("Weights")] == ["VMEM"]
    assert [m.name for m in past.chain("Inputs")] == ["CMEM", "VMEM"]
    assert formed(V4I, past.bypassed) == past and formed(past, past.bypassed) is past


def test_what_lives_in_a_memory_does_not_pass_by_it() -> None:
    found = forms(V4I, frozenset({"Inputs"}))
    assert len(found) == 2 and not any(("CMEM", "Inputs") in form.bypassed for form in found)


def test_no_form_leaves_an_operand_without_memory() -> None:
    text = find_arch("tpu_v4i").text.replace("Weights: {depth: 2}  ", "Weights: {depth: 2, bypass: true}  ")
    both = load_accelerator(text, "m.yaml")
    assert len(optional(both)) == 3
    assert not any({("CMEM", "Weights"), ("VMEM", "Weights")} <= form.bypassed for form in forms(both))
    with pytest.raises(InputError, match="no memory is left for Weights"):
        formed(both, frozenset({("CMEM", "Weights"), ("VMEM", "Weights")}))


def test_a_memory_that_is_alone_with_an_operand_cannot_be_passed_by() -> None:
    text = find_arch("edge_tpu").text.replace("Weights: {depth: 2} ", "Weights: {depth: 2, bypass: true} ")
    with pytest.raises(InputError, match=r"m.yaml:\d+:\d+: memories.*bypass: no other memory holds Weights"):
        load_accelerator(text, "m.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bypass: {CMEM: [Psums]}", "bypass.CMEM"),
        ("bypass: {VMEM: [Weights]}", "Weights cannot pass by VMEM of tpu_v4i"),
        ("bypass: {CMEN: [Weights]}", "did you mean 'CMEM: Weights'"),
    ],
)
def test_wrong_constraints_say_where(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_constraints(text, "m.yaml", V4I)


def test_a_constraint_may_leave_it_free_or_forbid_it() -> None:
    assert parse_constraints("levels: {DRAM: {P: 1}}", "m.yaml", V4I)["*"].bypass is None
    assert parse_constraints("bypass: {}", "m.yaml", V4I)["*"].bypass == frozenset()
    full = "levels: {DRAM: [M 2]}\nstream: []\nspatial: []\npe: []\n"
    assert parse_constraints(full, "m.yaml", V4I)["*"].bypass == frozenset()
