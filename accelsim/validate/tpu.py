"""TPU v1: tiles of a 600 x 600 product, and the six applications of the paper as aggregates (ISCA 2017).

Layer shapes are not published. Each application becomes `matrix_layers` equal products whose weights, and whose used
share of the padded weight tiles (useful over active MACs of table 3), are the paper's. Rows are the batch, times
output positions in convolutions (operations per weight byte). Activations stay in the unified buffer: only weights
travel over the weight memory's port.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from accelsim.arch import Accelerator
from accelsim.layers.elementwise import Sigmoid, Tanh
from accelsim.lookup import load_arch
from accelsim.mapper.search import Mapped, map_problem
from accelsim.problem import gemm_problem
from accelsim.sim import recurrence
from accelsim.sim.stream import OPERAND, OPERANDS, Outcome, Stream
from accelsim.validate.tables import table
from accelsim.validate.types import Comparison, Section, Statistic, mean_absolute_error

SOURCE = "Jouppi et al., ISCA 2017, tables 1 and 3 and section 7"
PAPER_ERROR = 0.11  # table 7: the paper's own model is 5.4 to 11.2 % from the counters
EXPLAINED = ("LSTM1", "CNN1")
TOPS, ACTIVE = "TOPS", "array active"


@dataclass(frozen=True)
class App:
    """An application of table 1 with its counters of table 3 (shares of cycles in percent)."""

    name: str
    matrix_layers: int
    vector_layers: int
    weights: float
    rows: int
    half_speed: bool
    tops: float
    active: float
    useful: float
    weight_stall: float
    weight_shift: float
    non_matrix: float


def apps() -> list[App]:
    """The six applications."""
    return [
        App(
            line["app"], int(line["matrix_layers"]), int(line["vector_layers"]), 1e6 * float(line["weights_m"]),
            int(line["rows"]), line["half_speed"] == "1", float(line["tops"]), float(line["active_pct"]),
            float(line["useful_pct"]), float(line["weight_stall_pct"]), float(line["weight_shift_pct"]),
            float(line["non_matrix_pct"]),
        )
        for line in table("tpu_v1.csv")
    ]  # fmt: skip


def used_share(reduction: int, cols: int, side: int) -> float:
    """Share of the padded weight tiles that holds weights."""
    return reduction * cols / (side * ceil(reduction / side) * side * ceil(cols / side))


def matrix_of(weights: float, used: float, side: int) -> tuple[int, int]:
    """(reduction, columns) of a product with about `weights` weights (5 %) and the given used share of its tiles; the
    squarest of equals."""
    found: list[tuple[float, int, int, int]] = []
    for reduction in range(64, 8193, 8):
        cols = max(8, round(weights / reduction / 8) * 8)
        if abs(reduction * cols / weights - 1) <= 0.05:
            off = round(abs(used_share(reduction, cols, side) - used), 2)
            found.append((off, abs(reduction - cols), reduction, cols))
    _, _, reduction, cols = min(found)
    return reduction, cols


def weights_only(stream: Stream) -> Stream:
    """The stream of a layer whose activations are in the unified buffer before and after."""
    return replace(stream, moves=stream.moves[stream.moves[:, OPERAND] == OPERANDS.index("Weights")])


@dataclass(frozen=True)
class AppTime:
    """Cycles of an application: in all, with the array busy, shifting weights in, waiting for them, on the vector
    unit, and at the ends of layers (the array filling and draining)."""

    cycles: int
    active: int
    shift: int
    stall: int
    vector: int
    ends: int


def _exposed_shift(stream: Stream, outcome: Outcome) -> int:
    """Cycles in which the array waits for nothing but the shift of its next tile."""
    free = total = 0
    for segment, start in zip(stream.segments, outcome.starts, strict=True):
        begin = max(start + segment.load, free)
        total += min(segment.load, begin - free)
        free = begin + segment.body + segment.stream
    return total


def time_of(app: App, arch: Accelerator) -> tuple[AppTime, int]:
    """(cycles, operations) of an application, layer after layer."""
    reduction, cols = matrix_of(app.weights / app.matrix_layers, app.useful / app.active, arch.array.rows)
    rows = app.rows * (2 if app.half_speed else 1)
    found = map_problem(gemm_problem(rows=rows, cols=cols, reduction=reduction), arch, "latency")
    stream = weights_only(found.simulated.stream)
    outcome = recurrence.run(stream, arch.dram, arch.clock_hz)
    layers = app.matrix_layers
    active, shift = found.simulated.stream.breakdown.compute * layers, _exposed_shift(stream, outcome) * layers
    stall = dict(outcome.stalls).get("dram_read_weights", 0) * layers
    lane_ops = (Sigmoid().lane_ops + Tanh().lane_ops) / 2
    vector = round(app.vector_layers * app.rows * cols * lane_ops / arch.vector.lanes)
    busy = outcome.makespan * layers
    stall = min(stall, busy - active - shift)
    time = AppTime(busy + vector, active, shift, stall, vector, busy - active - shift - stall)
    return time, 2 * app.rows * cols * reduction * layers


def _tops(time: AppTime, operations: int, arch: Accelerator) -> float:
    return operations * arch.clock_hz / time.cycles / 1e12


def _app_rows(app: App, arch: Accelerator) -> list[Comparison]:
    time, operations = time_of(app, arch)
    judged = app.name not in EXPLAINED
    weights = app.weight_stall > 0 and judged
    note = "explained below" if not judged else ""
    ours = {name: 100 * value / time.cycles for name, value in vars(time).items()}
    return [
        Comparison(app.name, TOPS, "TOPS", _tops(time, operations, arch), app.tops, PAPER_ERROR if judged else None,
                   note=note),
        Comparison(app.name, ACTIVE, "% of cycles", ours["active"], app.active, PAPER_ERROR if weights else None,
                   note=note if weights or not judged else "table 3 has 78.2 % active beside 86.0 of 92 TOPS"),
        Comparison(app.name, "weight stall and non-matrix", "% of cycles",
                   ours["stall"] + ours["vector"] + ours["ends"], app.weight_stall + app.non_matrix,
                   PAPER_ERROR if weights else None, note=note),
        Comparison(app.name, "weight shift", "% of cycles", ours["shift"], app.weight_shift, note=note),
    ]  # fmt: skip


def _tile_rows(arch: Accelerator) -> list[Comparison]:
    rows = []
    for side, tiles, micros in ((256, 9, 18.0), (512, 4, 32.0)):
        found, machine = square_product(arch, side)
        weights = next(c for c in found.counts if c.operand == "Weights" and c.parent == "DRAM")
        outcome = recurrence.run(weights_only(found.simulated.stream), machine.dram, machine.clock_hz)
        item = f"600 x 600 on {side} x {side}"
        rows += [
            Comparison(item, "weight tiles", "tiles", weights.reads / side**2, tiles, 0),
            Comparison(item, "weight steps", "us", outcome.channel_busy / machine.clock_hz * 1e6, micros, 0.05),
            Comparison(
                item,
                "until the last result",
                "us",
                outcome.ends[-1] / machine.clock_hz * 1e6,
                micros,
                note="the paper counts steps of 2 and 8 us, not the ends",
            ),
        ]
    return rows


def square_product(arch: Accelerator, side: int) -> tuple[Mapped, Accelerator]:
    """A 600 x 600 product of 96 rows on an array of side x side, buffers and ports scaled with it."""
    scale = side // arch.array.rows
    memories = tuple(
        replace(
            m,
            capacity_bits=m.capacity_bits * scale**2,
            read_bits_per_cycle=m.read_bits_per_cycle * scale,
            write_bits_per_cycle=m.write_bits_per_cycle * scale,
        )
        for m in arch.memories
    )
    machine = replace(arch, array=replace(arch.array, rows=side, cols=side), memories=memories)
    return map_problem(gemm_problem(rows=96, cols=600, reduction=600), machine, "latency"), machine


def compare() -> Section:
    """TPU v1 against the paper."""
    arch = load_arch("tpu_v1")[0]
    found = apps()
    rows = _tile_rows(arch) + [row for app in found for row in _app_rows(app, arch)]
    judged = [row for row in rows if row.quantity == TOPS and row.band is not None]
    statistics = (
        Statistic("mean absolute error of TOPS, the four judged", 100 * mean_absolute_error(judged), "%", 11.0,
                  reached="the paper's own model 8 %"),
    )  # fmt: skip
    notes = (*NOTES, *(_explain(app, arch) for app in found if app.name in EXPLAINED))
    return Section("tpu_v1", "TPU v1", SOURCE, tuple(rows), statistics, notes, TOPS)


def _explain(app: App, arch: Accelerator) -> str:
    """Where an application loses against its roofline, in numbers."""
    peak = 2 * arch.array.pes * arch.clock_hz / 1e12
    stream = 2 * app.rows * arch.dram.bandwidth_bits_per_s / 8 / 1e12
    used = app.useful / app.active
    time, operations = time_of(app, arch)
    counters = app.useful / 100 * peak / (2 if app.half_speed else 1)
    half = " at half speed" if app.half_speed else ""
    return (
        f"{app.name}: the roofline allows {min(peak, stream):.1f} TOPS. Only {100 * used:.0f} % of its active MACs are "
        f"useful (small or shallow matrices in {arch.array.rows} x {arch.array.cols} tiles), which leaves "
        f"{min(peak * used, stream * used):.1f}; with the ends of {app.matrix_layers} equal layers and "
        f"{app.vector_layers} vector layers we get {_tops(time, operations, arch):.1f}. The chip's counters show "
        f"{app.useful:.1f} % useful{half} = {counters:.1f} TOPS, its table {app.tops}: "
        f"{100 - app.active - app.weight_stall - app.weight_shift - app.non_matrix:.1f} % other, "
        f"{app.weight_stall + app.weight_shift:.0f} % of the cycles around weights and {app.non_matrix:.0f} % without "
        "matrix work. What is left needs the layers' shapes: layers smaller than the average pay more ends, larger "
        "ones fragment less, and equal layers cannot show either."
    )


NOTES = (
    "The weight memory streams 34 GB/s less refresh (350 ns of every 7.8 us, DDR3 of 8 Gbit): nine tiles take 18.2 us "
    "and four of 512 x 512 take 32.3 us, as in section 7.",
    "Half speed: LSTMs use 16-bit activations (two cycles a row); only so do the counters of table 3 agree with its "
    "TOPS.",
    "Weight shift is 256 cycles a tile here; its shares in table 3 say that a tile takes 1,610 to 1,910 cycles in all, "
    "the TOPS row of that table 1,410 to 1,590: both cannot be met (the paper notes that they differ).",
    "A layer's first tile is fetched when the layer begins: weights are not prefetched across layers here.",
)
