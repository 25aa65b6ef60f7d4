"""From a model and its cores to the arrays of the compiled search, and back from a search state to a mapping."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np

from accelsim.arch import Accelerator
from accelsim.errors import MappingError
from accelsim.mapper.exact.floors import fill_tables
from accelsim.mapper.exact.model import OPERAND_NUMBER, TILES, Model, StoragePoint, Window, output_words
from accelsim.mapper.exact.record import MARKS, NDIM, POINTS, SLOTS, Array, Record, new_record
from accelsim.mapper.exact.space import Cores, alike
from accelsim.mapping import Loop, Mapping, TileLevel
from accelsim.mapping.bands import TAPS
from accelsim.mapping.constraint import ANYTHING, Constraint, Rule
from accelsim.mapping.types import Kind
from accelsim.problem import DIMS
from accelsim.timing.sums import numbers_of

KINDS = {"systolic": 0, "spatial": 1, "mesh": 2, "row_stationary": 3}
FLOWS = {"ws": 0, "is": 1, "os": 2, "rs": 3}
MIRROR = {"P": "Q", "Q": "P", "R": "S", "S": "R"}
GOALS = {"energy": 0, "latency": 1, "edp": 2, "pareto": 3}


def _ints(values: object) -> Array:
    return np.array(values, dtype=np.int64)


def _holds(model: Model) -> Array:
    arch, precision, rows = model.arch, model.arch.precision, []
    names = [memory.name for memory in arch.memories]
    points = [p for p in model.points if not p.each]
    for number, point in enumerate(points):
        if point.array or (point.parent == "DRAM" and point.operand in model.resident - {"Outputs"}):
            continue
        memory, inner = arch.memory(point.child), points[number + 1]
        hold = memory.hold(point.operand)
        assert hold is not None
        bits = precision.read_bits(point.operand)
        kind = 2 if memory.psum_only else int(inner.retained)
        rows.append([
            names.index(memory.name), OPERAND_NUMBER[point.operand], point.bound, hold.depth, bits, point.whole,
            precision.psum_bits, inner.bound, kind,
        ])  # fmt: skip
    return _ints(rows).reshape(-1, 9)


def _outer(model: Model) -> Array:
    rows = []
    for point in model.points:
        hold = None if point.array else model.arch.memory(point.child).hold(point.operand)
        bits = 0 if model.stays(point.operand) else model.arch.precision.read_bits(point.operand)
        from_dram = point.parent == "DRAM" and not point.each
        rows.append([int(from_dram), hold.depth if hold else 1, bits * max(1, point.whole)])
    return _ints(rows)


def _parents(model: Model) -> list[int]:
    names = [memory.name for memory in model.arch.memories]
    return [names.index(point.parent) if point.parent != "DRAM" else -1 for point in model.points]


def _index(points: tuple[StoragePoint, ...], operand: str | None) -> int:
    found = [i for i, p in enumerate(points) if p.operand == operand and p.array and not p.each]
    return found[0] if found else -1


def _machine(model: Model) -> Array:
    """What `latency` asks of the array."""
    arch, precision, array = model.arch, model.arch.precision, model.arch.array
    final_bits = arch.final_bits(arch.chain("Outputs")[-1].name)
    buses = [array.bus(o) for o in ("Weights", "Inputs", "Outputs")] if array.kind == "row_stationary" else [1, 1, 1]
    kept = array.preloaded
    at = _index(model.points, kept)
    return _ints([
        KINDS[array.kind], FLOWS[array.dataflow], array.rows, int(array.early_exit), int(array.whole_weight_tiles),
        *buses, precision.psum_bits, final_bits, precision.read_bits(kept or "Weights"),
        model.points[at].whole if at >= 0 else 0, int("row" in array.reduce), int("col" in array.reduce),
    ])  # fmt: skip


def _uncoded(arch: Accelerator) -> bool:
    """Does DRAM keep maps without zeros as they are?"""
    widths = arch.precision.input_bits, arch.precision.output_bits
    return arch.dram.coding is None or all(arch.dram.coding.leaves(width) for width in widths)


def classes(table: Array) -> Array:
    """A number for every row of small counts, the same for equal rows."""
    numbers, span = np.zeros(len(table), np.int64), 1
    for column in table.T:
        values = np.flatnonzero(np.bincount(column))
        if values.size < 2:
            continue
        if span * values.size >= 1 << 62:
            numbers = np.unique(numbers, return_inverse=True)[1].reshape(-1)
            span = len(table)
        place = np.zeros(values[-1] + 1, np.int64)
        place[values] = np.arange(values.size)
        numbers, span = numbers * values.size + place[column], span * values.size
    found: Array = np.unique(numbers, return_inverse=True)[1].reshape(-1)
    return found


def _window_keys(model: Model, cores: Cores) -> Array:
    found = np.zeros((cores.size, len(model.windows)), np.int64)
    for w, window in enumerate(model.windows):
        dims = [window.first, window.second]
        parts = (cores.row, cores.col, cores.pe, cores.band)
        found[:, w] = classes(np.concatenate([part[:, dims] for part in parts], axis=1))
    return found


def _allowed(model: Model, whole: frozenset[str]) -> Array:
    """Which dims may have loops in each slot; operands that stay `whole` are not cut outside their outermost memory."""
    table = _ints([[int(d in slot.dims) for d in DIMS] for slot in model.slots])
    for operand in model.problem.operands:
        if operand.name in whole:
            bound = next(p.bound for p in model.points if p.operand == operand.name)
            for i, dim in enumerate(DIMS):
                if dim in operand.dims:
                    table[:bound, i] = 0
    if model.arch.array.dataflow == "rs":
        table[:-1, DIMS.index("Q")] = 0
    return table


def _exact_orders(model: Model) -> Array:
    """Slots whose loop orders all matter: outside a point at which windows of the input slide, and everywhere in `rs`,
    whose PEs lose what they hold while they are idle at the edge of a spread dim."""
    if model.arch.array.dataflow == "rs":
        return np.ones(len(model.slots), np.int64)
    depth = max(p.bound for p in model.points if p.operand == "Inputs" and p.retained and not p.each)
    return _ints([int(bool(model.windows) and k < depth) for k in range(len(model.slots))])


def _orders(model: Model, limit: Constraint, exact: Array) -> tuple[Array, Array]:
    """Constraints on loop orders as pairs of dims and innermost dims; a slot that has any tries all permutations."""
    slots = len(model.slots)
    before, last = np.zeros((slots, NDIM, NDIM), np.int64), np.full(slots, -1, np.int64)
    for k, slot in enumerate(model.slots[:-1]):
        rule = limit.rule(slot.memory)
        line = rule.order if rule.loops is None else tuple(loop.dim for loop in rule.loops)
        for i, one in enumerate(line):
            if one in line[i + 1 :]:
                raise MappingError(f"{slot.memory}: two loops over {one}; the searched space has one per dim and place")
            for two in line[i + 1 :]:
                before[k, DIMS.index(one), DIMS.index(two)] = 1
        if rule.innermost:
            last[k] = DIMS.index(rule.innermost)
        if line or rule.innermost:
            exact[k] = 2
    return before, last


def _trips_ok(model: Model, limit: Constraint) -> Array:
    most = max(model.problem.bound.values())
    if limit == ANYTHING:
        return np.ones((1, 1, 1), np.int64)
    table = np.zeros((len(model.slots), NDIM, most + 1), np.int64)
    for k, slot in enumerate(model.slots):
        for i, dim in enumerate(DIMS):
            for trips in range(1, model.problem.bound[dim] + 1):
                table[k, i, trips] = limit.factor_ok(slot.memory, dim, trips)
    return table


def _forced(model: Model) -> int:
    """The dim that lies whole in every stream (`rs`: Q), or -1."""
    return DIMS.index("Q") if model.arch.array.dataflow == "rs" else -1


def _stream_order(model: Model, limit: Constraint) -> Array:
    """Dims of a stream, outer to inner, by the dim whose band is uneven: that comes early. Their order changes nothing
    else, but where a PE slides over inputs (`rs`)."""
    dims, found = model.slots[-1].dims, np.full((NDIM + 1, NDIM), -1, np.int64)
    rule = limit.rule("stream") if model.arch.array.dataflow != "rs" else Rule("stream")
    for d, early in enumerate((*DIMS, "")):
        line = rule.arranged(dims, early)
        found[d, : len(line)] = [DIMS.index(dim) for dim in line]
    return found


@dataclass(frozen=True)
class Task:
    """A search ready to run: the record, and per core its factors, known arrivals and window keys."""

    model: Model
    record: Record
    cores: Array
    tables: Array
    keys: Array
    trips_ok: Array
    limit: Constraint


def _put(record: Record, name: str, values: object) -> None:
    """Write values into the first places of a field."""
    array = _ints(values)
    record[name][tuple(slice(size) for size in array.shape)] = array


def _counts_words(kinds: Array) -> Array:
    return _ints([not (row == TILES).any() for row in kinds])


def _fill(record: Record, model: Model) -> None:
    """Everything that does not depend on the objective or a constraint."""
    arch, bound, points, kinds = model.arch, model.problem.bound, model.points, model.kinds
    sizes = {"slots": len(model.slots), "points": len(points), "sliding": len(model.windows),
             "memories": len(arch.memories), "resources": model.base.size, "halo": int(arch.halo_reuse),
             "piece": arch.dram.piece_bits if arch.dram.timing is None else 0}  # fmt: skip
    for name, value in sizes.items():
        record[name] = value
    holds = _holds(model)
    record["held"] = len(holds)
    rows = {
        "bounds": [bound[d] for d in DIMS], "group": model.groups,
        "operand": [OPERAND_NUMBER[p.operand] for p in points],
        "parent": _parents(model), "boundary": [p.bound for p in points], "kinds": kinds,
        "in_words": _counts_words(kinds), "holds": holds,
        "inside": [[p.array, p.each, "row" in p.shared, "col" in p.shared] for p in points],
        "outer": _outer(model), "coefficients": model.coefficients, "base": model.base,
        "capacity": [memory.capacity_bits for memory in arch.memories],
        "ports": [[m.read_bits_per_cycle, m.write_bits_per_cycle] for m in arch.memories],
        "roles": [_index(points, arch.array.preloaded), _index(points, "Outputs"), _index(points, "Inputs")],
    }  # fmt: skip
    for name, values in rows.items():
        _put(record, name, values)
    if model.windows:
        _put(record, "windows", [_window_row(w) for w in model.windows])
    _fill_lists(record, model)


def _window_row(w: Window) -> list[int]:
    common = gcd(w.stride, w.dilation)
    return [w.first, w.second, w.stride, w.dilation, w.size, w.offset, w.stride // common, w.dilation // common]


def _fill_lists(record: Record, model: Model) -> None:
    """The dims, and the points of every border, that the search goes through."""
    active = [d for d, dim in enumerate(DIMS) if model.problem.bound[dim] > 1]
    record["actives"] = len(active)
    _put(record, "active", active)
    sliding = {d for w in model.windows for d in (w.first, w.second)}
    for operand in range(3):
        dims = [d for d in active if model.groups[d] != operand and (operand != 0 or d not in sliding)]
        record["tile_count"][operand] = len(dims)
        record["tile_dims"][operand, : len(dims)] = dims
    for border in range(len(model.slots) + 1):
        places = [i for i, p in enumerate(model.points) if p.bound == border]
        record["at_count"][border] = len(places)
        record["at_border"][border, : len(places)] = places


def task_of(
    model: Model, cores: Cores, objective: str, post_ops: int = 0, limit: Constraint = ANYTHING,
    imperfect: bool = False, whole: frozenset[str] = frozenset(), most: int = 1 << 62,
) -> Task:  # fmt: skip
    """The arrays of a search; at most `most` complete evaluations.

    Raises:
        MappingError: the machine or the problem is larger than the search's tables.
    """
    points = model.points
    if len(points) > POINTS or len(model.slots) > SLOTS - 1 or any(w.size >= MARKS for w in model.windows):
        raise MappingError(f"{model.arch.name}: more memories or a longer axis than the exact mapper has room for")
    record = new_record()
    _fill(record, model)
    exact = _exact_orders(model)
    before, last = _orders(model, limit, exact)
    numbers = numbers_of(model.arch, post_ops, output_words(model.problem))
    allowed = _allowed(model, whole)
    later = np.zeros((len(allowed) + 1, NDIM), np.int64)
    later[:-1] = np.maximum.accumulate(allowed[::-1])[::-1]
    rows = {
        "numbers": numbers, "machine": _machine(model), "exact_order": exact, "before": before, "last": last,
        "stream_order": _stream_order(model, limit), "allowed": allowed, "later": later,
        "mirror": [DIMS.index(MIRROR.get(dim, dim)) for dim in DIMS],
    }  # fmt: skip
    for name, values in rows.items():
        _put(record, name, values)
    huge = np.iinfo(np.int64).max
    scalars = {
        "goal": GOALS[objective], "imperfect": int(imperfect), "forced": _forced(model), "most": most, "best": huge,
        "limit": huge, "hope": huge, "limited": int(limit != ANYTHING),
        "mirrored": int(limit == ANYTHING and model.arch.array.dataflow != "rs" and alike(model.problem)),
        "close": 1 << 40, "best_core": -1, "replays": int(_uncoded(model.arch) and not model.partly),
    }  # fmt: skip
    for name, value in scalars.items():
        record[name] = value
    record["ext"][:], record["left"][:], record["spans"][:], record["rest"][:], record["trips"][:] = 1, 1, 1, 1, 1
    factors = _factors(cores)
    tables, keys = np.zeros((cores.size, 3, len(points)), np.int64), _window_keys(model, cores)
    fill_tables(record, factors, tables, keys, _ints([p.retained for p in points]))
    return Task(model, record, factors, tables, keys, _trips_ok(model, limit), limit)


def _factors(cores: Cores) -> Array:
    """Factors along rows, columns (those of a band among them), the diagonal, in a PE, over all, and in a band: (cores,
    6, 10)."""
    outs = _ints([d in TAPS for d in DIMS]) == 1
    row = cores.row * np.where(outs, 1, cores.band)
    col = cores.col * np.where(outs, cores.band, 1)
    return np.stack([row, col, cores.diagonal, cores.pe, cores.extent, cores.band], axis=1)


def mapping_of(task: Task, core: int, ext: Array, order: Array, length: Array) -> Mapping:
    """The mapping that a node of the search stands for."""
    model = task.model
    problem = model.problem
    loops: list[tuple[Loop, ...]] = []
    for k in range(len(model.slots)):
        mine = []
        for i in range(int(length[k])):
            d = int(order[k, i])
            outer = problem.bound[DIMS[d]] if k == 0 else int(ext[k, d])
            mine.append(Loop(DIMS[d], -(-outer // int(ext[k + 1, d]))))
        loops.append(tuple(mine))
    by_memory = {slot.memory: loops[k] for k, slot in enumerate(model.slots)}
    levels = [TileLevel("DRAM", by_memory["DRAM"])]
    levels += [TileLevel(memory.name, by_memory.get(memory.name, ())) for memory in model.arch.memories]
    factors = task.cores[core]

    def spread(row: int, kind: Kind) -> list[Loop]:
        alone = [d for d in range(NDIM) if kind not in ("row", "col") or factors[5, d] == 1]
        return [Loop(DIMS[d], int(factors[row, d]), kind) for d in alone if factors[row, d] > 1]

    spatial = (*spread(2, "diagonal"), *spread(0, "row"), *spread(1, "col"), *spread(5, "band"))
    return Mapping(
        problem, model.arch.array.dataflow, tuple(levels), by_memory["stream"], _as_asked(spatial, task.limit.spatial),
        _as_asked(tuple(spread(3, "temporal")), task.limit.rule("pe").loops), model.resident, model.arch.bypassed,
        model.partly,
    )  # fmt: skip


def _as_asked(loops: tuple[Loop, ...], asked: tuple[Loop, ...] | None) -> tuple[Loop, ...]:
    """Loops that run at once, in the order that is asked for, if it nests the loops over each dim in the same way."""
    if asked is None or sorted(asked, key=repr) != sorted(loops, key=repr):
        return loops
    nested = all([x for x in asked if x.dim == d] == [x for x in loops if x.dim == d] for d in DIMS)
    return asked if nested else loops


def smallest_mapping(task: Task, core: int) -> Mapping:
    """The mapping with the least tiles: every loop in DRAM's place, but for those that only the stream may have."""
    slots, allowed = len(task.model.slots), task.record["allowed"]
    ext, order = np.ones((slots + 1, NDIM), np.int64), np.zeros((slots, NDIM), np.int64)
    length = np.zeros(slots, np.int64)
    bounds, inside = task.record["bounds"], task.cores[core, 4]
    ext[0], ext[1:] = bounds, inside
    for d in range(NDIM):
        if bounds[d] > inside[d]:
            place = next((k for k in range(slots) if allowed[k, d]), 0)
            ext[1 : place + 1, d] = -(-bounds[d] // inside[d]) * inside[d]
            order[place, length[place]] = d
            length[place] += 1
    return mapping_of(task, core, ext, order, length)
