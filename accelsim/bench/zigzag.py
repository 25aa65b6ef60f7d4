"""ZigZag at the same layers on the same machine in the same run, by the interpreter that it is installed in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from accelsim import atlas
from accelsim.arch import Accelerator
from accelsim.bench.mapper import warm_up
from accelsim.errors import CheckFailed
from accelsim.execute.floating import all_tensors
from accelsim.formats.onnx_out import to_bytes, to_onnx
from accelsim.formats.zigzag import SPREADS, ZigzagLayer, ZigzagRun, best_of, dram_port_bits, run_zigzag
from accelsim.graph import LayerGraph
from accelsim.lookup import load_arch, load_model
from accelsim.mapper.objective import Objective
from accelsim.mapper.search import Mapped, map_problem
from accelsim.traffic.bits import link_bits

MACHINE = "tpu_like"
NETWORKS = ("resnet18", "mobilenet_v2")
GOALS: tuple[Objective, ...] = ("latency", "energy")
LOOPS = 4  # prime factors that ZigZag permutes, its `lpf_limit`; its default 6 finds no less energy on ResNet-18


@dataclass(frozen=True)
class Pair:
    """A layer (`times` of them in the network), or all, mapped by both.

    Attributes:
        cycles, energy_pj, dram_words: ours, simulated. their_*: ZigZag's. A word is as wide as the DRAM port.
        tool: ZigZag and its version.
        cpu_s, their_cpu_s: of all layers together; ours are searched once where they are equal, theirs one by one.
        below: layers of which ZigZag claims fewer cycles than their own words take the DRAM port.
    """

    network: str
    objective: str
    layer: str
    times: int
    cycles: int
    their_cycles: int
    energy_pj: float
    their_energy_pj: float
    dram_words: int
    their_dram_words: int
    below: int
    tool: str
    cpu_s: float = 0.0
    their_cpu_s: float = 0.0


def _dram_words(mapped: Mapped, arch: Accelerator) -> int:
    bits = sum(sum(link_bits(arch, count)) for count in mapped.counts if count.parent == "DRAM")
    return -(-bits // dram_port_bits(arch))


def _checked(run: ZigzagRun, tasks: list[atlas.Task], network: str) -> dict[str, ZigzagLayer]:
    """Its layers by name, if they are ours."""
    layers = {layer.name: layer for layer in run.layers}
    for task in tasks:
        macs = layers[task.name].macs if task.name in layers else 0
        if macs != task.problem.macs:
            raise CheckFailed(f"{network} {task.name}: {task.problem.macs} MACs, ZigZag has {macs}")
    if len(run.layers) != sum(task.times for task in tasks):
        raise CheckFailed(f"{network}: {sum(task.times for task in tasks)} layers, ZigZag has {len(run.layers)}")
    return layers


def _total(rows: list[Pair], run: ZigzagRun, cpu_s: float) -> Pair:
    """All layers of a network: ours times their number, ZigZag's one by one."""
    first, theirs = rows[0], run.layers
    return Pair(
        first.network, first.objective, "all", len(theirs),
        sum(row.cycles * row.times for row in rows), sum(layer.cycles for layer in theirs),
        sum(row.energy_pj * row.times for row in rows), sum(layer.energy_pj for layer in theirs),
        sum(row.dram_words * row.times for row in rows), sum(layer.dram_words for layer in theirs),
        sum(layer.below_port for layer in theirs), first.tool, cpu_s, run.cpu_s,
    )  # fmt: skip


def onnx_of(graph: LayerGraph) -> bytes:
    """The network as a file, with its own weights or those of seed 0."""
    return to_bytes(to_onnx(graph, all_tensors(graph, 0)), graph.name)


def beside(python: str, network: str, objective: Objective) -> Iterator[Pair]:
    """Every distinct layer of a network on `MACHINE`, then all together; array work alone.

    ZigZag runs twice, with the spatial loops it finds and with those of its `tpu_like`; each layer takes the better.

    Raises:
        InputError: ZigZag does not run there. CheckFailed: its layers are not ours.
    """
    arch, graph = load_arch(MACHINE)[0], load_model(network, 1)[0]
    tasks = atlas.tasks_of(graph, arch, vector_work=False)
    model = onnx_of(graph)
    runs = [run_zigzag(python, arch, model, objective, spread, LOOPS) for spread in SPREADS]
    run = best_of(runs, objective)
    layers = _checked(run, tasks, network)
    warm_up()
    begin = time.process_time()
    mapped = [map_problem(task.problem, arch, objective) for task in tasks]
    spent = time.process_time() - begin
    rows = []
    for task, mine in zip(tasks, mapped, strict=True):
        theirs = layers[task.name]
        rows.append(Pair(
            network, objective, task.name, task.times, mine.outcome.makespan, theirs.cycles, mine.energy_fj / 1000,
            theirs.energy_pj, _dram_words(mine, arch), theirs.dram_words, task.times * theirs.below_port,
            f"ZigZag {run.version}",
        ))  # fmt: skip
        yield rows[-1]
    yield _total(rows, run, spent)


def cases(python: str) -> Iterator[Pair]:
    """All rows, as they are measured."""
    for network in NETWORKS:
        for objective in GOALS:
            yield from beside(python, network, objective)


COLUMNS = ("network", "objective", "layer", "cycles", "ZigZag", "energy uJ", "ZigZag", "DRAM words", "ZigZag", "CPU s",
           "ZigZag", "below its port time")  # fmt: skip


def cells(row: Pair) -> list[str]:
    """A row as text, under `COLUMNS`."""
    whole = row.layer == "all"
    layer = f"{row.times} layers" if whole else f"{row.layer} x {row.times}" if row.times > 1 else row.layer
    cpu = [f"{row.cpu_s:.2f}", f"{row.their_cpu_s:.1f}"] if whole else ["", ""]
    below = str(row.below) if whole else "yes" if row.below else ""
    return [
        row.network, row.objective, layer, f"{row.cycles:,}", f"{row.their_cycles:,}", f"{row.energy_pj / 1e6:,.1f}",
        f"{row.their_energy_pj / 1e6:,.1f}", f"{row.dram_words:,}", f"{row.their_dram_words:,}", *cpu, below,
    ]  # fmt: skip


def markdown(rows: list[Pair]) -> str:
    """The rows as a report."""
    lines = [
        "# Benchmarks: ZigZag beside the mapper", "",
        f"Written by `accelsim bench mapper --zigzag PYTHON --out FILE.md`: {rows[0].tool} "
        f"(`lpf_limit` {LOOPS}; in each layer the better of the spatial loops it finds and those of its `tpu_like`) on "
        f"our `{MACHINE}` written as its machine file, and the same networks as ONNX. Convolutions and fully connected "
        "layers one by one, array work alone; our cycles are simulated. A DRAM word is as wide as the DRAM port, so no "
        "layer takes fewer cycles than it moves words; one that claims it is marked. CPU seconds of one core, without "
        "imports and compilation: ZigZag's of both searches of every layer, ours of every distinct layer.", "",
        "| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS),
    ]  # fmt: skip
    return "\n".join([*lines, *("| " + " | ".join(cells(row)) + " |" for row in rows)]) + "\n"
