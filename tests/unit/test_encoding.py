"""Do zeros save what they should, off chip and in the PEs, and do counts and transfers agree about it?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accelsim
from accelsim.arch.encoding import DENSE, MILLION, RunLength, Zeros, stored_bits
from accelsim.energy import array_traffic, live_macs
from accelsim.errors import InputError
from accelsim.formats.zeros import load_zeros, zeros_table
from accelsim.lookup import load_arch
from accelsim.mapping import rules_of
from accelsim.sim.build import build_stream
from accelsim.traffic import count
from tests.agreement.machines import machine, nests

RLC = RunLength(pairs=3, line_bits=64)
SHARES = st.integers(0, MILLION)


def test_three_words_in_a_line() -> None:
    """30 words, all but 3 zero: one line of three pairs."""
    assert RLC.bits(30, 16, 900_000) == 64
    assert RLC.bits(30, 16, MILLION) == 0
    assert RLC.bits(30, 16, 0) == 30 * 16
    assert stored_bits(None, 30, 16, 900_000) == 30 * 16


@given(words=st.integers(0, 10**9), zeros=SHARES, more=st.integers(0, 1000))
def test_coding_never_lengthens_and_grows_with_words(words: int, zeros: int, more: int) -> None:
    assert RLC.bits(words, 16, zeros) <= words * 16
    assert RLC.bits(words, 16, zeros) <= RLC.bits(words + more, 16, zeros)


@given(macs=st.integers(0, 10**12), zeros=SHARES)
def test_live_macs(macs: int, zeros: int) -> None:
    arch = machine("rs")
    gated = replace(arch, array=replace(arch.array, zero_gating=True))
    assert live_macs(arch, macs, Zeros(zeros)) == macs
    live = live_macs(gated, macs, Zeros(zeros))
    assert 0 <= live <= macs
    assert abs(live - macs * (1 - zeros / MILLION)) <= 1 + macs * 1e-12


@pytest.mark.parametrize("dataflow", ["ws", "os", "rs"])
@settings(deadline=None, max_examples=40)
@given(data=st.data(), inputs=SHARES, outputs=SHARES)
def test_transfers_carry_the_counted_coded_bits(dataflow: str, inputs: int, outputs: int, data: st.DataObject) -> None:
    """Coded bits of all transfers add up to the coded bits of all words, whatever the tiles."""
    mapping = data.draw(nests(dataflow))
    plain = machine(dataflow)
    arch = replace(plain, dram=replace(plain.dram, coding=RLC))
    zeros = Zeros(inputs, outputs)
    table = array_traffic(count(mapping, arch, rules_of(arch)), arch, mapping.problem.macs, zeros)["DRAM"]
    transfers = build_stream(mapping, arch, zeros=zeros).stream.transfers
    for operand, flow in table.items():
        mine = [t for t in transfers if t.operand == operand]
        assert sum(t.bits for t in mine if t.kind == "load") == flow.read_bits
        assert sum(t.bits for t in mine if t.kind == "store") == flow.write_bits
        assert all(t.bits >= 0 for t in mine)


def test_gated_pes_still_read_their_inputs() -> None:
    arch = load_arch("eyeriss")[0]
    table = array_traffic((), arch, 1000, Zeros(750_000))["PE"]
    assert table["Inputs"].read_bits == 16_000
    assert table["Weights"].read_bits == table["Outputs"].write_bits == 4_000
    assert array_traffic((), arch, 1000, DENSE)["PE"]["Weights"].read_bits == 16_000


def test_run_with_zero_shares(tmp_path: Path) -> None:
    """Coded maps and gated PEs cost less; MACs and time on the array stay."""
    path = tmp_path / "zeros.csv"
    path.write_text("layer,inputs,outputs\nconv2,0.9,0.9\n")
    model = tmp_path / "two.py"
    model.write_text(
        "from accelsim.graph import Network\n"
        "def build(batch=1):\n"
        "    net = Network('two', batch=batch)\n"
        "    x = net.conv(net.input(3, 16, 16), 8, kernel=3, name='conv1')\n"
        "    return net.build(net.conv(x, 8, kernel=3, name='conv2'))\n"
    )
    dense = accelsim.run("eyeriss", str(model))
    sparse = accelsim.run("eyeriss", str(model), zeros=str(path))
    assert sparse.options["zeros_ppm"] == {"conv2": [900_000, 900_000]}
    assert sparse.results[0] == dense.results[0]
    assert sparse.results[1].macs == dense.results[1].macs
    assert sum(sparse.results[1].dram_bits()) < sum(dense.results[1].dram_bits())
    assert sparse.results[1].energy_fj["MAC"] * 10 == pytest.approx(dense.results[1].energy_fj["MAC"], rel=1e-3)
    with pytest.raises(InputError, match=r"zero shares: no layer 'conv3' in two; did you mean"):
        path.write_text("layer,inputs,outputs\nconv3,0.9,0.9\n")
        accelsim.run("eyeriss", str(model), zeros=str(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"z.csv:1: columns nothing, expected layer,inputs,outputs"),
        ("layer,input,outputs\n", r"z.csv:1: columns layer,input,outputs, expected"),
        ("layer,inputs,outputs\na,0.5\n", r"z.csv:2: expected 3 columns"),
        ("layer,inputs,outputs\na,50,0\n", r"z.csv:2: inputs: '50', expected a share from 0 to 1"),
        ("layer,inputs,outputs\na,0,x\n", r"z.csv:2: outputs: 'x', expected a share"),
        ("layer,inputs,outputs\na,0,0\na,0,0\n", r"z.csv:3: layer 'a' stands here twice"),
    ],
)
def test_wrong_tables(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        zeros_table(text, "z.csv")


def test_missing_file_and_wrong_share() -> None:
    with pytest.raises(InputError, match=r"cannot read zero shares from nowhere.csv"):
        load_zeros("nowhere.csv")
    with pytest.raises(InputError, match=r"share of zero inputs 2, expected 0 to 1"):
        Zeros(2_000_000)


def test_dense_maps_are_left_alone_where_pairs_are_longer_than_words() -> None:
    for width in (8, 16, 21, 22, 32):
        unchanged = all(RLC.bits(words, width, 0) == words * width for words in range(1, 200))
        assert RLC.leaves(width) == unchanged
