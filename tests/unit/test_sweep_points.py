"""Points bound to machines and networks: what a key sets, derived values, budgets, hashes, shared mappings."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import accelsim
from accelsim.errors import InputError
from accelsim.formats import arch_paths
from accelsim.formats.mapping_cache import MappingCache
from accelsim.formats.sweep_yaml import load_sweep
from accelsim.formats.yaml_text import parse
from accelsim.lookup import load_arch
from accelsim.mapper.search import map_problem
from accelsim.problem import gemm_problem
from accelsim.sweeps.binding import Binder, Bound
from accelsim.sweeps.draw import Shard, draw, probes
from accelsim.sweeps.figures import dig
from accelsim.sweeps.mappings import SweepMappings, reduced
from accelsim.sweeps.pool import choice
from accelsim.sweeps.work import Runner, Setting, Task

HEAD = "name: s\nbase: {arch: edge_os_32x32, model: mlp}\n"
APART = HEAD.replace("mlp}", "mlp, schedule: layerwise}")


def bound(text: str, number: int = 0, head: str = HEAD) -> Bound:
    spec = load_sweep(head + text, "s.yaml")
    binder = Binder(spec, "v")
    return binder.bind(list(draw(spec))[number][1])


def setting(text: str, number: int = 0, head: str = HEAD) -> Setting:
    found = bound(text, number, head).setting
    assert found is not None
    return found


def test_dotted_paths_and_short_forms_reach_the_machine() -> None:
    text = "grid: {rows: [8], memories.SRAM.capacity: [64 KiB], dram.bandwidth: [1 GB/s], array.leakage: [1 mW]}"
    machine = setting(text).machines[0]
    assert (machine.array.rows, machine.memories[0].capacity_bits) == (8, 64 * 8192)
    assert (machine.dram.bandwidth_bits_per_s, machine.array.leakage_fj_per_cycle) == (8 * 10**9, 2000)


def test_network_batch_precision_objective_energy_and_machine_are_parameters() -> None:
    text = "grid: {model: [mlp], batch: [3], precision: [4 bit], objective: [latency], energy: [28nm], arch: [eyeriss]}"
    found = setting(text)
    machine = found.machines[0]
    assert (found.batch, found.objective, machine.name, machine.energy_model) == (3, "latency", "eyeriss", "28nm")
    p = machine.precision
    assert (p.weight_bits, p.input_bits, p.output_bits, p.psum_bits) == (4, 4, 4, 16)


def test_a_point_is_a_run_under_its_schedule(tmp_path: Path) -> None:
    runner = Runner(MappingCache(tmp_path))
    settings = [setting("grid: {schedule: [network, layerwise]}", number) for number in range(2)]
    assert settings[0].key("v") != settings[1].key("v") and setting("") == settings[0]
    for found in settings:
        alone = accelsim.run("edge_os_32x32", "mlp", schedule=found.schedule)
        assert runner.report(found).totals == alone.totals


def test_derived_values_follow_what_they_read_whatever_their_order() -> None:
    text = "grid: {rows: [12]}\nderived: {vector.lanes: array.cols, glb: 4 * rows KiB, array.cols: scale * 2, "
    text += "scale: rows // 4}"
    found = bound(text)
    assert found.setting is not None
    machine = found.setting.machines[0]
    assert (machine.memories[0].capacity_bits, machine.array.cols, machine.vector.lanes) == (48 * 8192, 6, 6)
    assert found.params == {"rows": 12, "glb": "48 KiB", "scale": 3, "array.cols": 6, "vector.lanes": 6}


def test_variants_set_several_keys_and_lists() -> None:
    text = (
        "variants: {flow: {os: {}, ws: {dataflow: ws, array.wires.share_weights: [], array.wires.reduce_psums: [row]}}}"
    )
    assert setting(text, 0).machines[0].array.dataflow == "os"
    array = setting(text, 1).machines[0].array
    assert (array.dataflow, array.share_weights, array.reduce) == ("ws", (), ("row",))


def test_best_of_takes_the_best_machine_for_each_layer(tmp_path: Path) -> None:
    text = (
        "grid: {model: ['mlp:inputs=64,hidden1=48,hidden2=16']}\n"
        "variants: {shape: {a: {rows: 4, cols: 64}, b: {rows: 64, cols: 4}, free: {best_of: [a, b]}}}"
    )
    runner = Runner(MappingCache(tmp_path))
    reports = [runner.report(setting(text, number, APART)) for number in range(3)]
    layers = [[layer.cycles * layer.total_energy_fj for layer in report.results] for report in reports]
    assert layers[2] == [min(pair) for pair in zip(*layers[:2], strict=True)]
    assert reports[2].totals.cycles == sum(layer.cycles for layer in reports[2].results)


def test_the_best_of_machines_is_taken_layer_by_layer() -> None:
    text = "variants: {shape: {a: {rows: 4, cols: 64}, b: {rows: 64, cols: 4}, free: {best_of: [a, b]}}}"
    with pytest.raises(InputError, match="base: schedule: 'network', expected 'layerwise' with best_of"):
        setting(text, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "grid: {array.row: [8]}",
            r"s.yaml:3:8: grid: array.row: no key 'array.row' in a .*; did you mean 'array.rows'",
        ),
        ("grid: {modle: [mlp]}", r"grid: modle: no key 'modle' in a machine; did you mean 'model'"),
        ("grid: {array.rows: [8, 0]}", r"s.yaml:3:8: grid: array.rows: 0 is not a whole number of at least 1 \(at"),
        ("grid: {rows: [8.5]}", r"grid: rows: array.rows: 8.5 is not a whole number"),
        ("grid: {SRAM: [64 KB]}", r"grid: SRAM: memories.SRAM.capacity: '64 KB' has unit 'KB'.*did you mean 'KiB'"),
        ("grid: {array.dataflow: [xs]}", r"array.dataflow: 'xs', expected 'ws', 'os', 'is' or 'rs'"),
        ("grid: {array.dataflow: [rs]}", r"grid: array.dataflow: 'rs' does not run on a systolic array"),
        ("grid: {array: [8]}", r"array is a group, not a value \(8\); it has kind, dataflow, rows"),
        ("grid: {rows: [8], array.rows: [4]}", r"array.rows is set by rows and by array.rows"),
        ("grid: {model: [mpl]}", r"s.yaml:3:8: grid: model: no model 'mpl'; did you mean 'mlp'"),
        ("grid: {arch: [eyeris]}", r"arch: no machine 'eyeris'; did you mean 'eyeriss'"),
        ("grid: {schedule: [layer]}", r"grid: schedule: 'layer'; .*'layerwise'"),
        ("grid: {batch: [0]}", r"grid: batch: batch 0, expected a whole number of at least 1"),
        ("grid: {batch: ['1']}", r"grid: batch: '1', expected a whole number"),
        ("grid: {objective: [speed]}", r"grid: objective: 'speed'; valid names: edp, energy, latency"),
        ("grid: {energy: [27nm]}", r"no energy preset or file '27nm'; did you mean"),
        ("derived: {glb: glb + 1 KiB}", r"derived: glb: glb is computed from itself"),
        ("derived: {glb: 4 * rowz KiB}", r"no value 'rowz'; did you mean 'rows"),
        ("derived: {glb: 4 * rows}", r"memories.SRAM.capacity: 128 has no unit"),
        ("constraints: [rows + cols]", r"s.yaml: constraints: .*expected a comparison"),
        ("grid: {node: [0 nm]}", r"grid: node: '0 nm' is not positive"),
        ("variants: {v: {a: {rowz: 1}}}", r"variants: v: no key 'rowz'"),
        ("variants: {v: {a: {batch: [1, 2]}}}", r"batch: a list, expected one value"),
        (
            "variants: {v: {a: {rows: 4}, b: {}, c: {best_of: [a, b]}}}",
            r"best_of: the machines differ in clock",
        ),
    ],
)
def test_a_wrong_point_is_an_error_at_the_key_that_sets_it(text: str, message: str) -> None:
    spec = load_sweep(HEAD + text, "s.yaml")
    with pytest.raises(InputError, match=message):
        [Binder(spec, "v").bind(params) for _, params in draw(spec)]


def test_the_base_is_beside_the_sweep_or_has_a_name(tmp_path: Path, root: Path) -> None:
    (tmp_path / "mine.yaml").write_text((root / "arch_configs/edge_os_32x32.yaml").read_text())
    spec = load_sweep("name: s\nbase: {arch: mine.yaml, model: mlp}", "s.yaml", str(tmp_path))
    assert Binder(spec, "v").bind({}).setting is not None
    with pytest.raises(InputError, match=r"s.yaml:2:8: base: arch: no machine 'mine.yaml'"):
        Binder(replace(spec, folder=""), "v")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("constraints: [rows + cols <= 60]", r"constraint: rows \+ cols <= 60"),
        ("budgets: {area: 0.5 mm2}", "area .* mm2, budget 0.5 mm2"),
        ("budgets: {bandwidth: 10 GB/s}", "bandwidth 25.6 GB/s, budget 10 GB/s"),
    ],
)
def test_what_is_known_before_a_run_excludes_a_point(text: str, reason: str) -> None:
    found = bound(text)
    assert found.setting is None and not found.key
    assert re.fullmatch(reason, found.excluded)


def test_an_area_budget_needs_a_node() -> None:
    head = "name: s\nbase: {arch: scalesim_default, model: mlp}\n"
    with pytest.raises(InputError, match=r"budgets: .*area needs a technology node"):
        bound("budgets: {area: 1 mm2}", head=head)


def test_hashes_are_of_content() -> None:
    same = {bound(t).key for t in ("grid: {rows: [32]}", "grid: {array.rows: [32]}", "derived: {rows: 64 // 2}", "")}
    assert len(same) == 1
    others = ["grid: {rows: [16]}", "grid: {batch: [2]}", "grid: {objective: [energy]}", "effort: quick",
              "keep_layers: true", "grid: {model: ['mlp:classes=11']}", "figures: [totals.cycles]"]  # fmt: skip
    assert len(same | {bound(text).key for text in others}) == 1 + len(others)
    spec = load_sweep(HEAD, "s.yaml")
    assert Binder(spec, "w").bind({}).key not in same


def test_shards_part_the_points_and_keep_their_numbers() -> None:
    spec = load_sweep(HEAD + "grid: {rows: [1, 2, 3, 4, 5], cols: [1, 2]}", "s.yaml")
    parts = [list(draw(spec, Shard(index, 3))) for index in range(3)]
    assert sorted((point for part in parts for point in part), key=lambda point: point[0]) == list(draw(spec))
    assert [Shard(index, 3).size(10) for index in range(3)] == [len(part) for part in parts] == [4, 3, 3]
    with pytest.raises(InputError, match="shard 3 of 3, expected an index from 0 to 2"):
        Shard(3, 3)


def test_samples_are_those_of_their_seed() -> None:
    text = HEAD + "grid: {rows: {from: 4, to: 64}, cols: [8, 16]}\nsearch: {mode: %s, points: 9, seed: %d}"
    for mode in ("random", "latin_hypercube"):
        one, same, other = (list(draw(load_sweep(text % (mode, seed), "s.yaml"))) for seed in (1, 1, 2))
        assert one == same != other
        assert all(4 <= int(point["rows"]) <= 64 for _, point in one)


def test_every_value_is_tried_before_a_large_sweep() -> None:
    spec = load_sweep(HEAD + "grid: {rows: [1, 2, 3], cols: [4, 5]}\nsearch: {mode: random}", "s.yaml")
    tried = list(probes(spec))
    assert {p["rows"] for p in tried} == {1, 2, 3} and {p["cols"] for p in tried} == {4, 5}


def test_paths_of_optional_and_nested_keys(root: Path) -> None:
    text = (root / "arch_configs/edge_os_32x32.yaml").read_text()
    document = arch_paths.plain(parse(text, "x", "y"))
    assert arch_paths.resolve(document, "memories[0].holds.Inputs.depth") == ("memories", 0, "holds", "Inputs", "depth")
    assert arch_paths.resolve(document, "dram.timing.preset") == ("dram", "timing", "preset")
    assert arch_paths.resolve(document, "sram") == arch_paths.resolve(document, "glb") == ("memories", 0, "capacity")
    arch_paths.put(document, ("dram", "timing", "preset"), "x")
    assert arch_paths.get(document, ("dram", "timing", "preset")) == "x"
    with pytest.raises(InputError, match=r"did you mean 'memories.SRAM.capacity'"):
        arch_paths.resolve(document, "memories.L2.capacity")


def test_what_no_mapping_depends_on_is_not_in_its_key(tmp_path: Path) -> None:
    machine, _ = load_arch("edge_os_32x32")
    twin = replace(
        machine, name="other", node_nm=65, dram=replace(machine.dram, background_fj_per_cycle=10**6),
        memories=tuple(replace(m, leakage_fj_per_cycle=9) for m in machine.memories),
        array=replace(machine.array, clock_fj_per_cycle=10**6, leakage_fj_per_cycle=77),
    )  # fmt: skip
    assert reduced(twin) == reduced(machine) != reduced(replace(machine, clock_hz=10**9))
    problem = gemm_problem(rows=16, cols=24, reduction=40)
    library = SweepMappings(MappingCache(tmp_path))
    first = map_problem(problem, machine, library=library)
    again = map_problem(problem, twin, library=library)
    assert (library.searched, library.found) == (1, 1)
    fresh = map_problem(problem, twin)
    assert again.mapping == fresh.mapping == first.mapping and again.energy_fj == fresh.energy_fj
    assert SweepMappings(MappingCache(tmp_path)).found == 0


def test_quick_effort_is_within_what_it_says_and_kept_apart(tmp_path: Path) -> None:
    runner = Runner(MappingCache(tmp_path))
    full = runner.report(setting("effort: full", head=APART))
    quick = runner.report(setting("effort: quick", head=APART))
    assert runner.mappings("quick").searched == 3
    assert quick.totals.total_energy_fj <= 1.02 * full.totals.total_energy_fj
    assert quick.totals.cycles <= 1.02 * full.totals.cycles


def test_answers_hold_figures_or_errors(tmp_path: Path) -> None:
    runner = Runner(MappingCache(tmp_path))
    one = setting(
        "grid: {model: ['mlp:inputs=8,hidden1=8,hidden2=8']}\n"
        "figures: ['layers[0].cycles', totals.traffic.DRAM.Inputs.read_bits]"
    )
    found = runner.answer(Task("k", one)).figures
    assert found["totals"]["energy_pj"] == found["figures"]["totals.energy_pj"]
    assert "traffic" not in found["totals"] and found["figures"]["totals.traffic.DRAM.Inputs.read_bits"] > 0
    assert found["edp"] == pytest.approx(found["totals"]["energy_pj"] * found["totals"]["seconds"])
    assert found["power_w"] == pytest.approx(found["totals"]["energy_pj"] * 1e-12 / found["totals"]["seconds"])
    wrong = replace(one, figures=("totals.stall_cycles.nothing",))
    assert "no figure 'totals.stall_cycles.nothing'" in runner.answer(Task("k", wrong)).error
    tiny = setting("grid: {glb: [1 B]}")
    assert "does not fit edge_os_32x32" in runner.answer(Task("k", tiny)).error


def test_figures_by_path() -> None:
    data = {
        "totals": {"a": {"b": 3}, "c": True},
        "layers": [{"name": "stem.conv1", "cycles": 7}, {"name": "x", "cycles": 8}],
    }
    assert dig(data, "totals.a.b") == 3
    assert dig(data, "layers[stem.conv1].cycles") == 7 == dig(data, "layers[0].cycles")
    for path, message in (
        ("totals.a", "is not a number; it has b"), ("totals.c", "is not a number"), ("totals.d", "no 'd' in totals"),
        ("layers[y].cycles", "no 'y' in layers"), ("totals.a.b.c", "totals.a.b is a single value"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            dig(data, path)


def test_points_that_differ_in_capacity_bandwidth_or_energy_are_kin() -> None:
    text = "grid: {glb: [64 KiB, 1 MiB], dram.bandwidth: [1 GB/s, 2 GB/s], rows: [8, 16], array.leakage: [1 mW, 2 mW]}"
    found = [setting(text, number) for number in range(16)]
    assert {(s.kin, s.machines[0].array.rows) for s in found} == {(s.kin, s.machines[0].array.rows) for s in found[::7]}
    assert len({s.kin for s in found}) == 2
    assert setting("grid: {model: [lstm]}").kin != setting("grid: {model: [mlp]}").kin


def test_a_worker_gets_kin_of_its_last_task_first_and_leaves_those_of_others() -> None:
    waiting = [Task(f"{place}", setting("grid: {rows: [8]}"), kin) for place, kin in enumerate((8, 9, 7, 8, 7))]
    order = []
    while waiting:
        order.append(waiting.pop(choice(waiting, 7, {8, None})).key)
    assert order == ["2", "4", "1", "0", "3"]
