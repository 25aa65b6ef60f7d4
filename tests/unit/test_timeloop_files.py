"""Are Timeloop's files read as meant, and wrong ones refused with their place?"""

from __future__ import annotations

import copy
import json
from fractions import Fraction
from typing import Any

import pytest

from accelsim.errors import InputError
from accelsim.formats.timeloop import load_setup, machine_from, mapping_text, read_cases, read_mapping
from accelsim.formats.timeloop.fields import Node, factors_of, order_of
from accelsim.formats.timeloop.problem import read_problem
from accelsim.formats.yaml_text import parse
from accelsim.mapper.timeloop import Constraint, search
from accelsim.mapping import Loop
from accelsim.problem import Problem
from accelsim.store import reference_text
from accelsim.validate.timeloop import eyeriss_like

ARCH = reference_text("timeloop/arch.yaml")
CONSTRAINTS = reference_text("timeloop/constraints.yaml")
PROBLEM = reference_text("timeloop/problem.yaml")
CASES = json.loads(reference_text("timeloop/eyeriss_like_65nm.json"))


def problem_of(text: str) -> Problem:
    document = parse(text, "p.yaml", "a problem")
    return read_problem(Node(document, "p.yaml", (), document))[0]


def test_the_machine_of_the_exercises() -> None:
    machine, constraints = eyeriss_like()
    sizes = {level.name: level.words for level in machine.levels}
    assert sizes["shared_glb"] == 131072
    assert [sizes[f"{name}_spad"] for name in ("ifmap", "weights", "psum")] == [24, 384, 16]
    blocks = [level.block_words for level in machine.levels]
    assert blocks == [8, 8, 1, 1, 2, 2, 1]
    assert [(lv.cols, lv.rows) for lv in machine.levels if lv.cols * lv.rows > 1] == [(14, 1), (1, 12)]
    assert [level.keeps for level in machine.levels[1:4]] == [("Inputs", "Outputs"), (), ()]
    assert machine.levels[1].read_words_per_cycle == Fraction(16)
    assert (machine.levels[4].read_zj, machine.compute_zj) == (503_599_000, 1_408_830_000)
    assert machine.levels[6].leak_zj == 1_257_040
    assert Constraint("DRAM", "temporal", outer=("N",)) in constraints
    weights = next(c for c in constraints if c.level == "weights_spad")
    assert (weights.inner, dict(weights.fixed)["M"]) == (("R", "C"), 1)


def test_pairs_of_output_and_filter_dims() -> None:
    """A 3 x 1 kernel over P = 5, Q = 7 with stride 2 along the width: P goes with R, Q with S."""
    text = PROBLEM.replace("R: 11, S: 11", "R: 3, S: 1").replace("P: 55, Q: 55", "P: 5, Q: 7")
    text = text.replace("Wstride: 4, Hstride: 4", "Wstride: 2, Hstride: 1").replace("Wdilation: 1, ", "Wdilation: 3, ")
    inputs = problem_of(text).operand("Inputs")
    assert [axis.terms for axis in inputs.axes[2:]] == [(("R", 3), ("P", 2)), (("S", 1), ("Q", 1))]
    assert [axis.size for axis in inputs.axes] == [1, 3, 1 + 2 * 4 + 3 * 2, 7]


def test_a_shape_may_pair_them_otherwise() -> None:
    text = PROBLEM.replace("[R, Wdilation], [P, Wstride]", "[S, Wdilation], [P, Wstride]")
    text = text.replace("[S, Hdilation], [Q, Hstride]", "[R, Hdilation], [Q, Hstride]")
    assert problem_of(text).operand("Inputs").axes[2].dims == ("S", "P")


def test_plain_instances_and_groups() -> None:
    bounds = "C: 1, M: 2, R: 3, S: 3, N: 1, P: 4, Q: 5"
    plain = problem_of(f"problem: {{{bounds}, Hstride: 2}}")
    assert plain.operand("Inputs").axes[3].terms == (("Q", 2), ("S", 1))
    grouped = problem_of(f"{bounds.replace(', ', chr(10))}\nG: 8")
    assert grouped.bound["G"] == 8
    assert all("G" in operand.dims for operand in grouped.operands)
    named = problem_of(f"problem: {{shape: cnn-layer, instance: {{{bounds}}}}}")
    assert named.macs == 2 * 9 * 20


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("P: 55", "P: 0", r"p.yaml:\d+:\d+: problem.instance.P: 0, expected a whole number of at least 1"),
        ("P: 55", "PP: 55", r"problem.instance.PP: unknown key 'PP'; did you mean 'P'"),
        ("P: 55, ", "", r"problem.instance: no 'P'; expected the keys C, M, R"),
        ("Wstride: 4", "Wstride: four", r"Wstride: 'four', expected a whole number"),
        ("[[[C]], [[M]]", "[[[C]], [[K]]", r"'K'.*expected a dim of C M"),
        ("dimensions: [C,", "dimensions: [K, C,", r"dim 'K', expected dims of N G M C"),
        ("name: Weights", "name: Filters", r"'Filters'; valid names: Inputs, Outputs, Weights"),
        ("name: Weights", "name: Inputs", r"data spaces Inputs, Inputs, Outputs, expected"),
        ("read-write: True", "read-write: False", r"Outputs read-write is False, expected Outputs alone"),
        ("shape:", "shap:", r"unknown key 'shap'; did you mean 'shape'"),
        ("[S, Hdilation], [Q, Hstride]", "[S, Hdilation], [P, Hstride]", r"a dim may index only one axis"),
    ],
)
def test_wrong_problems(old: str, new: str, message: str) -> None:
    assert old in PROBLEM
    with pytest.raises(InputError, match=message):
        problem_of(PROBLEM.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("depth: 16384, ", "", r"a.yaml:\d+:\d+: .*shared_glb has no size: expected attributes depth"),
        ("depth: 16384", "dept: 16384", r"unknown key 'dept'; did you mean 'depth'"),
        ("class: intmac", "class: intmca", r"class 'intmca'; did you mean 'intmac'"),
        ("PE[0..167]", "PE[0..160]", r"161 instances with meshX 14 below 14 with 14, expected multiples"),
        ("PE[0..167]", "PE[0..", r"'PE\[0\.\.', expected a name such as PE"),
        ("read_bandwidth: 16", "read_bandwidth: 0", r"read_bandwidth: 0, expected a number above 0"),
        ("read_bandwidth: 16", "shared_bandwidth: 16", r"shared bandwidth is not modelled"),
        ("system.chip.shared_glb", "system.chip.glb", r"a.yaml: no component 'shared_glb'"),
        ("architecture:", "architektur:", r"no 'architecture'; found architektur, ERT"),
        ("datawidth: 16,", "datawidth: 16, cluster-size: 2,", r"clusters are not modelled"),
    ],
)
def test_wrong_architectures(old: str, new: str, message: str) -> None:
    assert old in ARCH
    with pytest.raises(InputError, match=message):
        machine_from(ARCH.replace(old, new, 1), "a.yaml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("target: weights_spad, type: temporal", "target: weight_spad, type: temporal", r"did you mean 'weights_spad'"),
        ("factors: N=1 P=1", "factors: N=0 P=1", r"N: 0 trips, expected at least 1 in a constraint"),
        ("factors: N=1 P=1", "factors: N=1 X=1", r"factor 'X=1': dim 'X'"),
        ("permutation: RC", "permutation: RCR", r"permutation 'RCR': R stands twice"),
        ("keep: [Weights], bypass", "keep: [Weights, Inputs], bypass", r"weights_spad keeps and bypasses Inputs"),
        ("keep: [Weights], bypass", "keep: [Weight], bypass", r"'Weight'; did you mean 'Weights'"),
        ("type: dataspace", "type: datspace", r"'datspace'; did you mean 'dataspace'"),
        ("architecture_constraints", "constraint", r"none of architecture_constraints, mapspace_constraints"),
    ],
)
def test_wrong_constraints(old: str, new: str, message: str) -> None:
    assert old in CONSTRAINTS
    with pytest.raises(InputError, match=message):
        machine_from(ARCH, "a.yaml", CONSTRAINTS.replace(old, new, 1), "c.yaml")


NODES = """
architecture:
  version: 0.4
  nodes:
    - !Container {name: system}
    - !Component {name: DRAM, class: DRAM, attributes: {width: 64, datawidth: 8}}
    - !Component
      name: shared_glb
      class: smartbuffer_SRAM
      attributes: {depth: 16384, width: 64, datawidth: 8, read_bandwidth: 16, write_bandwidth: 16}
      constraints: {dataspace: {keep: [Inputs, Outputs], bypass: [Weights]}}
    - !Container
      name: PE_column
      spatial: {meshX: 14}
      constraints: {spatial: {factors: "N=1 C=1 P=1 R=1 S=1"}}
    - !Container
      name: PE
      spatial: {meshY: 12}
      constraints: {spatial: {factors: "N=1 P=1 Q=1 R=1"}}
    - !Component
      {name: ifmap_spad, class: smartbuffer_RF, attributes: {depth: 12, width: 16, datawidth: 8},
       constraints: {dataspace: {keep: [Inputs], bypass: [Weights, Outputs]}, temporal: {permutation: "*N"}}}
    - !Component {name: mac, class: intmac}
"""


def test_trees_of_nodes() -> None:
    machine, constraints = machine_from(NODES, "nodes.yaml")
    names = ["DRAM", "shared_glb", "inter_PE_column_spatial", "inter_PE_spatial", "ifmap_spad"]
    assert [level.name for level in machine.levels] == names
    assert [(lv.cols, lv.rows) for lv in machine.levels] == [(1, 1), (1, 1), (14, 1), (1, 12), (1, 1)]
    assert [lv.keeps for lv in machine.levels[1:]] == [("Inputs", "Outputs"), (), (), ("Inputs",)]
    assert [(c.level, c.kind) for c in constraints] == [
        ("inter_PE_column_spatial", "spatial"),
        ("inter_PE_spatial", "spatial"),
        ("ifmap_spad", "temporal"),
    ]
    with pytest.raises(InputError, match=r"tag !Parallel, expected !Component or !Container"):
        machine_from(NODES.replace("!Container {name: system}", "!Parallel {name: system}"), "nodes.yaml")


def test_mappings_survive_writing_and_reading() -> None:
    machine, constraints = eyeriss_like()
    setup = load_setup(machine, constraints, PROBLEM, "p.yaml")
    found = search(setup.problem, machine, constraints)
    text = mapping_text(found.mapping, machine, setup.shape.dims)
    bare, _ = machine_from(ARCH, "a.yaml")
    again, kept = read_mapping(text, "m.yaml", load_setup(bare, (), PROBLEM, "p.yaml"))
    assert again == found.mapping
    assert kept.levels == machine.levels
    assert mapping_text(again, kept, setup.shape.dims) == text


MAPPING = """
mapping:
  - {target: DRAM, type: temporal, factors: M0 Q=5 P55 C3 S11 R11, permutation: MQ}
  - {target: inter_PE_spatial, type: spatial, factors: M4, split: 0}
  - {target: inter_PE_column_spatial, type: spatial, factors: Q11, permutation: Q, split: 1}
"""


def read(text: str) -> Any:
    machine, constraints = eyeriss_like()
    return read_mapping(text, "m.yaml", load_setup(machine, constraints, PROBLEM, "p.yaml"))[0]


def test_factors_of_zero_and_orders_left_out() -> None:
    """M0 is what is left; dims that a permutation leaves out are outermost."""
    loops = [(loop.dim, loop.trips) for loop in read(MAPPING).levels[0].temporal]
    assert loops[-2:] == [("Q", 5), ("M", 24)]
    assert read(MAPPING.replace("Q11", "Q0")).levels[2].spatial == (Loop("Q", 11, "col"),)
    assert sorted(loops) == [("C", 3), ("M", 24), ("P", 55), ("Q", 5), ("R", 11), ("S", 11)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Q11", "Q10", r"m.yaml:2:1: mapping: factors of Q multiply to 50, the problem has Q = 55"),
        ("M4", "M0", r"M0 twice: only one level takes what the others leave"),
        ("M4", "M5", r"factors of M multiply to 5, the problem has M = 96"),
        ("M4", "M4 M2", r"factor 'M2': M is given twice"),
        ("M4", "M", r"factor 'M', expected a dim and a number such as C4"),
        ("M4", "M<=4", r"M<=: a mapping states factors exactly"),
        ("split: 0", "split: 9", r"split: 9, expected at most 7"),
        ("permutation: MQ", "permutation: MX", r"permutation 'MX': dim 'X'"),
        ("target: DRAM", "target: DRAN", r"target 'DRAN'; did you mean 'DRAM'"),
        ("inter_PE_column_spatial", "inter_PE_spatial", r"a second spatial directive for inter_PE_spatial"),
        ("type: temporal", "type: temporal, split: 1", r"a split belongs to spatial loops"),
        ("mapping:", "mappings:", r"no 'mapping'"),
    ],
)
def test_wrong_mappings(old: str, new: str, message: str) -> None:
    assert old in MAPPING
    with pytest.raises(InputError, match=message):
        read(MAPPING.replace(old, new, 1))


def test_words_of_factors_and_orders() -> None:
    assert factors_of(Node("C = 4, M<=2 R0", "f"), "CMR") == (("C", "=", 4), ("M", "<=", 2), ("R", "=", 0))
    assert factors_of(Node(["C=4"], "f"), "C") == (("C", "=", 4),)
    assert order_of(Node(["C", "M"], "f"), "CM") == order_of(Node("CM", "f"), "CM") == ("C", "M")


def changed(path: list[Any], value: Any) -> str:
    case = copy.deepcopy(CASES[0])
    node = case
    for key in path[:-1]:
        node = node[key]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return json.dumps([CASES[1], case])


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["problem", "P"], 0, r"x.json: case 2 \(alex1\): problem.P: 0, expected a whole number of at least 1"),
        (["problem", "P"], None, r"case 2 \(alex1\): problem: no 'P'"),
        (["problem", "Z"], 1, r"case 2 \(alex1\): problem.Z: unknown key 'Z'"),
        (["mapping", 0, "factors"], "M3", r"case 2 \(alex1\): mapping: factors of M multiply to 144"),
        (["mapping", 0, "target"], "psum", r"mapping\[0\].target: target 'psum'; did you mean 'psum_spad'"),
        (["mapping", 5, "factors"], "M12 S2", r"factors of S multiply to 22"),
        (["levels", "DRAM", "Inputs", "reads"], -1, r"levels.DRAM.Inputs.reads: -1, expected a whole number"),
        (["levels", "DRAM", "Inputs", "read"], 1, r"unknown key 'read'; did you mean 'reads'"),
        (["levels", "DRM"], {}, r"levels.DRM: unknown key 'DRM'; did you mean 'DRAM'"),
        (["cycles"], "many", r"case 2 \(alex1\): cycles: 'many', expected a whole number"),
        (["energy_uj"], None, r"case 2 \(alex1\): no 'energy_uj'; expected the keys layer, problem"),
        (["layer"], 7, r"case 2: layer: 7, expected a text"),
    ],
)
def test_wrong_cases(path: list[Any], value: Any, message: str) -> None:
    machine, _ = eyeriss_like()
    with pytest.raises(InputError, match=message):
        read_cases(changed(path, value), "x.json", machine)


@pytest.mark.parametrize(
    ("text", "message"),
    [("[", "not JSON"), ("{}", "expected a list of one or more cases"), ("[3]", r"case 1: 3, expected a mapping")],
)
def test_files_that_hold_no_cases(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_cases(text, "x.json", eyeriss_like()[0])
