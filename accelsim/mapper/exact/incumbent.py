"""Compiled: what has been found so far, and whether a bound promises something better."""

from __future__ import annotations

from accelsim.jit import compiled
from accelsim.mapper.exact.ends import SPATIAL
from accelsim.mapper.exact.latency import promise
from accelsim.mapper.exact.record import FRONT, KEEP, KIND, Array, Record
from accelsim.mapper.exact.replay import replay, take_up
from accelsim.mapper.objective import NEAR_PPM
from accelsim.timing.bound import cost_below

ENERGY, LATENCY, PARETO = 0, 1, 3  # goals: cycles, or energy, are not asked for; both at once
MILLION = 1_000_000
CLEARLY = 1.000001  # a ratio of two rounded products above which their order is certain


@compiled
def product(r: Record, energy: int, cycles: int) -> tuple[int, int]:
    """The objective as a product of two numbers."""
    return (1 if r.goal == 1 else energy), (1 if r.goal == 0 else cycles)


@compiled
def below(r: Record, energy: int, cycles: int) -> bool:
    """May something that costs this be of use: less than the incumbent, or than the goal of a wider search?"""
    if r.goal == PARETO:
        at = _front_place(r, energy)
        return at == 0 or r.front[at - 1, 1] > cycles
    a, b = product(r, energy, cycles)
    return cost_below(a, b, r.limit[0], r.limit[1])


@compiled
def hope(r: Record) -> float:
    """The objective from which on mappings are of no use: neither better nor close to the most promising one so far.

    What a mapping promises is no less than what it costs (`record`). Of those that may promise more than the best costs
    only what costs at most `close` ppm more is looked at; a wider search is told what is of use.
    """
    if r.goal == ENERGY or r.wide == 1:
        return float(r.limit[0]) * float(r.limit[1])
    most = float(r.limit[0]) * float(r.limit[1]) * (MILLION + float(r.close)) / MILLION
    return min(float(r.hope[0]) * float(r.hope[1]) * CLEARLY, most)


@compiled
def hopeless(r: Record, energy: int, cycles: int) -> bool:
    """Is all that costs at least this of no use?"""
    if r.goal == PARETO or r.goal == ENERGY or r.wide == 1:
        return not below(r, energy, cycles)
    a, b = product(r, energy, cycles)
    return float(a) * float(b) > hope(r)


@compiled
def note(r: Record) -> None:
    """Remember the least that a mapping has promised, after `record`."""
    for i in range(r.kept_count):
        if r.kept[i, 4] == r.evaluated and cost_below(r.kept[i, 0], r.kept[i, 1], r.hope[0], r.hope[1]):
            r.hope[0], r.hope[1] = r.kept[i, 0], r.kept[i, 1]


@compiled
def _front_place(r: Record, energy: int) -> int:
    """How many points of the front take at most this energy; the last of them is the fastest of those."""
    low, high = 0, r.front_count
    while low < high:
        middle = (low + high) // 2
        if r.front[middle, 0] <= energy:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _move_point(r: Record, to: int, at: int) -> None:
    r.front[to], r.front_ext[to], r.front_order[to] = r.front[at], r.front_ext[at], r.front_order[at]
    r.front_length[to] = r.front_length[at]


@compiled
def _add_point(r: Record, energy: int, cycles: int) -> None:
    """Put the mapping at hand on the front, if no point of it is as good, and take off what it is better than."""
    if not below(r, energy, cycles):
        return
    at = _front_place(r, energy - 1)
    end = at
    while end < r.front_count and r.front[end, 1] >= cycles:
        end += 1
    if end == at:
        if r.front_count == FRONT:
            r.stopped = 2
            return
        for i in range(r.front_count, at, -1):
            _move_point(r, i, i - 1)
        r.front_count += 1
    else:
        for i in range(end, r.front_count):
            _move_point(r, at + 1 + i - end, i)
        r.front_count -= end - at - 1
    r.front[at, 0], r.front[at, 1], r.front[at, 2] = energy, cycles, r.core
    r.front_ext[at], r.front_order[at], r.front_length[at] = r.ext, r.order, r.length


@compiled
def record(r: Record, energy: int, cycles: int) -> None:
    """The incumbent is the first of the best; the mappings that promise the least when simulated are kept."""
    if r.goal == PARETO:
        _add_point(r, energy, cycles)
        return
    a, b = product(r, energy, cycles)
    if cost_below(a, b, r.best[0], r.best[1]):
        r.best[0], r.best[1] = a, b
        r.best_ext[:], r.best_order[:], r.best_length[:] = r.ext, r.order, r.length
        r.best_core = r.core
        r.best_pair[0], r.best_pair[1] = energy, cycles
        if r.wide == 0:
            r.limit[0], r.limit[1] = a, b
    c, d = product(r, energy, promise(r, cycles))
    for i in range(r.kept_count):
        same = r.kept[i, 0] == c and r.kept[i, 1] == d and r.kept[i, 3] == cycles
        if same and (r.goal == LATENCY or r.kept[i, 2] == energy):
            return
    _keep(r, c, d, energy, cycles, cycles)


@compiled
def _keep(r: Record, c: int, d: int, energy: int, cycles: int, least: int) -> None:
    """Keep the mapping at hand, which promises c x d, in place of the one that promises most if there is no room."""
    at = r.kept_count
    if at == KEEP:
        worst = 0
        for i in range(1, KEEP):
            if not cost_below(r.kept[i, 0], r.kept[i, 1], r.kept[worst, 0], r.kept[worst, 1]):
                worst = i
        if not cost_below(c, d, r.kept[worst, 0], r.kept[worst, 1]):
            _leave_out(r, c, d)
            return
        _leave_out(r, r.kept[worst, 0], r.kept[worst, 1])
        at = worst
    else:
        r.kept_count += 1
    r.kept[at, 0], r.kept[at, 1], r.kept[at, 2], r.kept[at, 3] = c, d, energy, cycles
    r.kept[at, 4], r.kept[at, 5] = r.evaluated, least
    r.kept_ext[at], r.kept_order[at], r.kept_length[at] = r.ext, r.order, r.length
    r.kept_core[at] = r.core


@compiled
def _leave_out(r: Record, a: int, b: int) -> None:
    """A mapping that costs no less than a x b is not kept."""
    if cost_below(a, b, r.left_out[0], r.left_out[1]):
        r.left_out[0], r.left_out[1] = a, b


@compiled
def record_near(r: Record, energy: int, cycles: int) -> None:
    """In a wider search the mappings are kept that cost least when they are replayed, as far as that is of use.

    If the search `follows` what it finds, no more is of use than what is better than a replay by `NEAR_PPM`.
    """
    least = max(cycles, replay(r))
    if not below(r, energy, least):
        return
    a, b = product(r, energy, least)
    _keep(r, a, b, energy, cycles, least)
    goal = b - b * NEAR_PPM // MILLION
    if r.follows == 1 and cost_below(a, goal, r.limit[0], r.limit[1]):
        r.limit[0], r.limit[1] = a, goal


@compiled
def rank_again(r: Record, cores: Array, tables: Array, keys: Array) -> None:
    """What the mappings kept come to when they are replayed: at least that, and about that on arrays whose passes are
    known well (`passes`)."""
    for i in range(r.kept_count):
        ext, order, length = r.kept_ext[i], r.kept_order[i], r.kept_length[i]
        take_up(r, r.kept_core[i], ext, order, length, cores, tables, keys)
        found = replay(r)
        if found == 0:
            continue
        r.kept[i, 5] = max(r.kept[i, 3], found)
        a, b = product(r, r.kept[i, 2], r.kept[i, 5])
        if r.machine[KIND] <= SPATIAL or cost_below(r.kept[i, 0], r.kept[i, 1], a, b):
            r.kept[i, 0], r.kept[i, 1] = a, b
