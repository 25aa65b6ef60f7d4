"""What the exact mapper costs and finds: evaluations per second, named layers, whole networks, ZigZag's machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from accelsim import atlas
from accelsim.arch import Accelerator
from accelsim.formats.mapping_cache import MappingCache
from accelsim.lookup import list_archs, load_arch, load_model
from accelsim.mapper.search import Objective, map_problem
from accelsim.problem import Problem, conv_problem, gemm_problem
from accelsim.sim.drafts import Drafts

CONV = conv_problem(
    batch=1, groups=1, out_channels=64, in_channels=64, out_size=(56, 56), kernel=(3, 3), in_size=(56, 56), pad=(1, 1)
)
MATMUL = gemm_problem(rows=1024, cols=1024, reduction=1024)
REPEATS = 200_000
NETWORKS = ("resnet18", "mobilenet_v2", "resnet50")
ZIGZAG = {
    ("resnet18", "latency"): "2,882,984 cycles (automatic map, 241 CPU s)",
    ("resnet18", "energy"): "1.871e9 pJ (bundled map)",
    ("mobilenet_v2", "latency"): "2,138,095 cycles, below its own port time of 2,176,227",
}
"""ZigZag 3.9.1 on its machine `tpu_like`, layer by layer, as measured beside this project in November 2026."""


@dataclass(frozen=True)
class Row:
    """One measured case.

    Attributes:
        case, machine, objective: what. cpu_s: CPU seconds after compilation, search and simulation.
        cycles, energy_pj: simulated. gap: above the least known, the largest of its layers. note: the rest, in words.
    """

    case: str
    machine: str
    objective: str
    cpu_s: float
    cycles: int = 0
    energy_pj: float = 0.0
    gap: float = 0.0
    note: str = ""


def _timed(work: Callable[[], Row]) -> Row:
    begin = time.process_time()
    row = work()
    return replace(row, cpu_s=time.process_time() - begin)


def warm_up() -> None:
    """Compile everything once, the DRAM's commands too."""
    map_problem(gemm_problem(rows=4, cols=4, reduction=4), load_arch("edge_tpu")[0])
    map_problem(CONV, load_arch("edge_os_32x32_lpddr4")[0])


def evaluations(name: str) -> Row:
    """Complete evaluations of one mapping of the 3 x 3 convolution, per CPU second."""
    from accelsim.mapper.exact.branch import evaluate_again
    from accelsim.mapper.exact.cores import enter_core
    from accelsim.mapper.exact.run import Search
    from accelsim.mapper.exact.search import Request

    search = Search(Request(CONV, load_arch(name)[0], max_evaluations=3000))
    search.run()
    task, record = search.task, search.task.record
    enter_core(record, int(record["kept_core"][0]), task.cores, task.tables, task.keys)
    record["ext"], record["order"], record["length"] = (
        record["kept_ext"][0], record["kept_order"][0], record["kept_length"][0],
    )  # fmt: skip
    evaluate_again(record, 1)
    begin = time.process_time()
    evaluate_again(record, REPEATS)
    spent = time.process_time() - begin
    note = f"{REPEATS / spent:,.0f} complete evaluations per CPU second"
    return Row("evaluation of a 3 x 3 convolution", name, "edp", spent, note=note)


def layer(case: str, problem: Problem, name: str, objective: Objective) -> Row:
    """One layer, searched and simulated."""
    arch = load_arch(name)[0]

    def work() -> Row:
        mapped = map_problem(problem, arch, objective)
        assert mapped.search is not None
        note = "bound proven" if mapped.search.proven else "cut short"
        cycles, energy = mapped.outcome.makespan, mapped.energy_fj / 1000
        return Row(case, name, objective, 0, cycles, energy, mapped.gap(objective) or 0.0, note)

    return _timed(work)


def network(
    model: str, arch: Accelerator, objective: Objective, vector_work: bool = True, library: MappingCache | None = None
) -> Row:
    """All distinct array layers of a network, sums over all layers. An empty `library` is filled."""
    tasks = atlas.tasks_of(load_model(model, 1)[0], arch, vector_work=vector_work)

    def work() -> Row:
        drafts = Drafts()
        entries = [atlas.map_task(task, arch, objective, library=library, drafts=drafts) for task in tasks]
        cycles, energy = sum(e.cycles * e.times for e in entries), sum(e.energy_fj * e.times for e in entries)
        proven, wide = sum(e.proven for e in entries), sum(e.gap > 0.01 for e in entries)
        note = f"{proven} of {len(entries)} proven, {wide} with a gap above 1 %"
        case = model if vector_work else f"{model}, array work alone"
        return Row(case, arch.name, objective, 0, cycles, energy / 1000, max(e.gap for e in entries), note)

    return _timed(work)


def second_runs(model: str, caches: Path) -> Row:
    """`accelsim map` on every machine when its mappings are known: the most that any of these processes takes."""

    def spent(name: str) -> float:
        before = sum(os.times()[2:4])  # of children that have ended
        command = [sys.executable, "-m", "accelsim", "map", "--arch", name, "--model", model, "--json", "-"]
        subprocess.run(
            command, env={**os.environ, "XDG_CACHE_HOME": str(caches)}, stdout=subprocess.DEVNULL, check=True
        )  # fmt: skip
        return sum(os.times()[2:4]) - before

    times = {name: spent(name) for name in list_archs()}
    slowest = max(times, key=lambda name: times[name])
    note = f"the slowest of {len(times)} machines; the whole process, interpreter and imports included"
    return Row(f"{model}, second run", slowest, "edp", times[slowest], note=note)


def cases(networks: bool = True) -> Iterator[Row]:
    """All rows, as they are measured."""
    warm_up()
    for name in ("tpu_like", "eyeriss", "edge_os_32x32"):
        yield evaluations(name)
    for name in ("eyeriss", "tpu_like", "tpu_v1"):
        yield layer("conv 64x64x56x56 3x3", CONV, name, "edp")
    for name in ("eyeriss", "simba", "tpu_like", "tpu_v1"):
        yield layer("matmul 1024^3", MATMUL, name, "energy")
    tpu_like = load_arch("tpu_like")[0]
    for (model, objective), theirs in ZIGZAG.items():
        row = network(model, tpu_like, "latency" if objective == "latency" else "energy", vector_work=False)
        yield replace(row, note=f"{row.note}; ZigZag {theirs}")
    for model in NETWORKS if networks else ():
        with TemporaryDirectory() as caches:
            library = MappingCache(Path(caches) / "accelsim" / "mappings")
            for name in list_archs():
                yield network(model, load_arch(name)[0], "edp", library=library)
            yield second_runs(model, Path(caches))


def markdown(rows: list[Row]) -> str:
    """The rows as a report."""
    lines = [
        "# Benchmarks: the mapper", "",
        "Written by `accelsim bench mapper --out reports/benchmarks.md`. CPU seconds of one core after compilation, "
        "with an empty mapping cache; search and simulation together. A second run is `accelsim map` with that cache. "
        "A gap is simulated cost over the least that any mapping is known to come to when it is simulated.", "",
        "| case | machine | objective | CPU s | cycles | energy uJ | largest gap | |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        figures = (
            [f"{row.cycles:,}", f"{row.energy_pj / 1e6:,.1f}", f"{100 * row.gap:.2f} %"] if row.cycles else [""] * 3
        )
        lines.append(
            "| " + " | ".join([row.case, row.machine, row.objective, f"{row.cpu_s:.2f}", *figures, row.note]) + " |"
        )
    return "\n".join(lines) + "\n"
