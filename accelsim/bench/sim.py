"""What simulation costs: tile steps by engine, and whole networks after their mapping is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from accelsim.arch import Accelerator, Arbitration
from accelsim.formats.mapping_cache import MappingCache
from accelsim.graph import optimise
from accelsim.lookup import list_archs, load_arch, load_model
from accelsim.mapping import Loop, Mapping, TileLevel
from accelsim.pipeline import Run, chosen_plans, run
from accelsim.plan import KeptCache, Options, simulated_again
from accelsim.problem import gemm_problem
from accelsim.schedule import timetable
from accelsim.sim import oracle, recurrence
from accelsim.sim.build import build_stream
from accelsim.sim.drafts import Drafts
from accelsim.sim.simulate import simulate
from accelsim.sim.stream import Outcome, Stream

NETWORKS = ("mobilenet_v2", "resnet50")
TILES = (10, 32, 100, 316, 1000)  # tile steps are their squares
MANY = (*TILES, 3162, 10_000, 31_623, 100_000, 316_228)
CASE = "matrix product in tiles"
ORDERS: tuple[Arbitration, Arbitration] = ("program_order", "round_robin")
COMMANDS = "edge_os_32x32_lpddr4"
ORACLE = 10_000  # tile steps that SimPy is given at most
ZIGZAG = {"resnet18": "layer by layer ZigZag 3.9.1: 2,882,984 cycles, 2,010,421 words", "mobilenet_v2": ""}
"""Conv and fc layers of ResNet-18 on its machine, as measured beside this project in November 2026."""


@dataclass(frozen=True)
class SimRow:
    """One measured case.

    Attributes:
        case, engine: what. tiles: steps between tiles of DRAM, 0 where that is not asked. makespan: simulated cycles.
        cpu_s: CPU seconds, of building the stream and running it. note: the rest, in words.
    """

    case: str
    engine: str
    tiles: int
    makespan: int
    cpu_s: float
    note: str = ""


def _spent(work: Callable[[], SimRow]) -> SimRow:
    begin = time.process_time()
    row = work()
    return replace(row, cpu_s=time.process_time() - begin)


def tiled_gemm(arch: Accelerator, side: int) -> Mapping:
    """A matrix product of side x side output tiles of the array's size, each a segment of its own."""
    rows, cols = arch.array.rows, arch.array.cols
    problem = gemm_problem(rows=rows * side, cols=cols * side, reduction=64)
    levels = (TileLevel("DRAM", (Loop("N", side), Loop("M", side))), TileLevel(arch.memories[0].name, ()))
    return Mapping(problem, "os", levels, (Loop("C", 64),), (Loop("N", rows, "row"), Loop("M", cols, "col")))


def tile_steps(side: int, engine: recurrence.Engine | None, rule: Arbitration = "program_order") -> SimRow:
    """A layer of side^2 tile steps; engine None is SimPy."""
    arch = load_arch("edge_os_32x32")[0]
    arch = replace(arch, dram=replace(arch.dram, arbitration=rule))
    mapping = tiled_gemm(arch, side)

    def timed(stream: Stream) -> Outcome:
        if engine is None:
            return oracle.run(stream, arch.dram, arch.clock_hz)
        return recurrence.run(stream, arch.dram, arch.clock_hz, engine)

    def work() -> SimRow:
        outcome = timed(build_stream(mapping, arch).stream)
        name = engine or ("simpy" if rule == "program_order" else "simpy, arbitrated")
        return SimRow(CASE, name, side * side, outcome.makespan, 0)

    return _spent(work)


def tile_classes(side: int, rule: Arbitration = "program_order", machine: str = "edge_os_32x32") -> SimRow:
    """A layer of side^2 tile steps by the engine that visits each class of them."""
    arch = load_arch(machine)[0]
    arch = replace(arch, dram=replace(arch.dram, arbitration=rule))
    mapping = tiled_gemm(arch, side)

    def work() -> SimRow:
        found = simulate(mapping, arch, engine="periods")
        name = found.engine if rule == "program_order" else f"{found.engine}, arbitrated"
        name = name if arch.dram.timing is None else f"{found.engine}, DRAM by commands"
        return SimRow(CASE, name, found.segments, found.outcome.makespan, 0)

    return _spent(work)


def network(model: str, name: str) -> SimRow:
    """A network simulated end to end, its mappings known: counts, streams, energies, the network's stream."""
    arch = load_arch(name)[0]
    runs: list[Run] = []
    run(arch, load_model(model)[0], cache=KeptCache(MappingCache()), on_run=runs.append)

    def work() -> SimRow:
        drafts = Drafts()  # equal layers are listed once, as in a run
        again = tuple(simulated_again(plan, plan.arch, drafts) for plan in runs[0].plans)
        table = timetable(again, arch, runs[0].schedule)
        segments = sum(part.ran.segments for plan in again for part in plan.parts)
        engine = "compiled" if table.network is not None else "layer by layer"
        engine += f", {sum(part.ran.engine == 'periods' for plan in again for part in plan.parts)} items by periods"
        return SimRow(f"{model} on {name}", engine, segments, table.end, 0)

    return _spent(work)


def array_work(model: str) -> SimRow:
    """Conv and fc layers of a network on `tpu_like`, activations on chip, no vector work on either side, mapped for
    energy x time."""
    machine = load_arch("tpu_like")[0]
    arch = replace(machine, vector=replace(machine.vector, lanes=1 << 20))  # the vector unit never holds the array up

    def work() -> SimRow:
        found = chosen_plans(optimise(load_model(model)[0]), arch, Options("edp"), {})
        plans = tuple(replace(plan, parts=tuple(part for part in plan.parts if part.on_array)) for plan in found)
        table = timetable(plans, arch, "network")
        segments = sum(part.ran.segments for plan in plans for part in plan.parts)
        bits = sum(b for p in plans for part in p.parts for _, b in (*part.outcome.read_bits, *part.outcome.write_bits))
        note = "; ".join(filter(None, (f"{-(-bits // 64):,} DRAM words of 64 bit, search included", ZIGZAG[model])))
        return SimRow(f"{model}, array work alone on tpu_like", "compiled", segments, table.end, 0, note)

    return _spent(work)


def cases(networks: bool = True) -> Iterator[SimRow]:
    """All rows, as they are measured."""
    tile_steps(TILES[0], "compiled")
    tile_steps(TILES[0], "events", "round_robin")
    for side in TILES:
        yield tile_steps(side, "compiled")
        if side * side <= ORACLE:
            yield tile_steps(side, "python")
            yield tile_steps(side, None)
            yield tile_steps(side, None, "round_robin")
        yield tile_steps(side, "events", "round_robin")
    for rule in ORDERS:
        tile_classes(TILES[0], rule)
        for side in MANY:
            yield tile_classes(side, rule)
    tile_classes(TILES[0], machine=COMMANDS)
    for side in TILES:
        yield tile_classes(side, machine=COMMANDS)
    for model in ZIGZAG:
        yield array_work(model)
    for model in NETWORKS if networks else ():
        for name in list_archs():
            yield network(model, name)


def figures(rows: list[SimRow], name: str) -> dict[str, bytes]:
    """CPU seconds against tile steps, by engine, as `NAME.png` and `NAME.svg`; none without such rows."""
    from accelsim.plot.sweep import Cell, draw
    from accelsim.space.spec import Plot

    cells = [Cell(r.tiles, r.cpu_s, r.engine) for r in rows if r.case == CASE]
    title = "CPU seconds of simulating a layer against its tile steps, compiled, one core"
    plot = Plot(name=name, kind="lines", x="tile steps", y="CPU s", by="engine", log="xy", title=title)
    return draw(plot, cells) if cells else {}


def markdown(rows: list[SimRow], figure: str = "") -> str:
    """The rows as a report; `figure` is the name of its picture."""
    lines = [
        "# Benchmarks: the simulator", "",
        "Written by `accelsim bench sim --out FILE.md`. CPU seconds of one core after "
        "compilation: streams are built from mappings and run. Engines: `compiled` and `python` sweep over the stream, "
        "`events` is the event loop (round robin between queues of operands), "
        "`periods` visits each class of tile steps and jumps over whole periods, `simpy` is the oracle that all equal "
        "to the cycle. Tile steps are segments between tiles of DRAM.", "",
        *([f"![CPU seconds against tile steps, by engine]({figure})", ""] if figure else []),
        "| case | engine | tile steps | cycles | CPU s | |", "|---|---|---:|---:|---:|---|",
    ]  # fmt: skip
    for r in rows:
        tiles = f"{r.tiles:,}" if r.tiles else ""
        lines.append(f"| {r.case} | {r.engine} | {tiles} | {r.makespan:,} | {r.cpu_s:.3g} | {r.note} |")
    return "\n".join(lines) + "\n"
