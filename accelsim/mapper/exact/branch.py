"""Compiled: best-first descent through the slots, DRAM's first, with bounds before and after the order is known."""

from __future__ import annotations

import numpy as np

from accelsim.jit import compiled
from accelsim.mapper.exact.borders import set_border, set_core
from accelsim.mapper.exact.floors import guess, lower, set_reloads, swept
from accelsim.mapper.exact.incumbent import PARETO, below, product, record
from accelsim.mapper.exact.kernel import exact_points, first_tiles, spend, spend_energy
from accelsim.mapper.exact.latency import bound_of, set_passes
from accelsim.mapper.exact.orders import next_order
from accelsim.mapper.exact.record import NDIM, Array, Record
from accelsim.mapper.exact.rooms import fits
from accelsim.timing.bound import cost_below

CLEARLY = 1.000001  # a ratio of two rounded products above which their order is certain
ENERGY = 0  # goal: cycles are not asked for


@compiled
def _divisors(r: Record, out: Array, count: Array) -> None:
    """Divisors of the folds of every dim, descending, into `out`; how many into `count`."""
    for d in range(NDIM):
        if count[d] > 0 and out[d, 0] == r.folds[d]:
            continue
        count[d] = 0
        for inside in range(r.folds[d], 0, -1):
            if r.folds[d] % inside == 0:
                out[d, count[d]] = inside
                count[d] += 1


@compiled
def _options(r: Record, k: int, d: int, trips_ok: Array, known: Array, n: int, out: Array) -> int:
    """Folds of a dim that may stay inside slot k (all that its later places can take), into `out`; their number.

    `known`: the n divisors of the dim's folds; with imperfect trips others are tried, too.
    """
    left, later = r.left[k, d], False
    for slot in range(k + 1, r.slots):
        if r.allowed[slot, d]:
            later = True
    if not r.allowed[k, d]:
        out[0] = left
        return 1 if later or left == 1 else 0
    count = 0
    for i in range(left if r.imperfect else n):
        inside = left - i if r.imperfect else known[i]
        if inside > left or (not later and inside > 1):
            continue
        if (k > 0 or r.imperfect == 0) and left % inside:
            continue
        if r.limited and not trips_ok[k, d, -(-left // inside)]:
            continue
        out[count] = inside
        count += 1
    return count


@compiled
def _take(r: Record, choice: int) -> bool:
    """Least arrivals if operand `choice` stays in place at the last (3: none does) into `r.low`; can it be so?"""
    present = r.present[0] + r.present[1] + r.present[2]
    if (choice < 3 and r.present[choice] == 0) or (choice == 3 and present > 0):
        return False
    for p in range(r.points):
        r.low[p] = r.low_kept[p] if r.operand[p] == choice else r.low_moved[p]
    return True


@compiled
def _order_free(r: Record, k: int, n: int) -> float:
    """An objective below every order of slot k and all slots inside, whichever operand stays in place; inf: of no use.

    The n loops of the slot are in `r.dims`; the tiles of border k + 1 are known, what arrives there is not.
    """
    best = np.inf
    guess(r, k, n)
    known = False
    for choice in range(4):
        if not _take(r, choice):
            continue
        energy = spend_energy(r, r.low)
        if not below(r, energy, r.floor[k]):
            continue
        if r.goal != ENERGY and not known:
            first_tiles(r, k + 1)
            known = True
        cycles = _cycles(r, k + 1)
        if below(r, energy, cycles):
            a, b = product(r, energy, cycles)
            best = min(best, float(a) * float(b))
    return best


@compiled
def _rank(r: Record) -> float:
    """What boxes are sorted by, after `_order_free`: their objective if nothing but arrivals were known of them."""
    best = np.inf
    for choice in range(4):
        if _take(r, choice):
            energy, cycles = spend_energy(r, r.low), _cycles(r, 0)
            if r.goal != PARETO or below(r, energy, cycles):
                a, b = product(r, energy, cycles)
                best = min(best, float(a) * float(b))
    return best


@compiled
def _cycles(r: Record, border: int) -> int:
    """B of the least arrivals at hand, if cycles are asked for."""
    if r.goal == ENERGY:
        return 0
    spend(r, r.low)
    return bound_of(r, r.low, border)


@compiled
def evaluate(r: Record) -> tuple[bool, int, int]:
    """(fits, energy, B) of the mapping at hand; arrivals inside the last slot are counted here."""
    exact_points(r, r.slots)
    r.evaluated += 1
    if not fits(r, r.slots, True):
        return False, 0, 0
    spend(r, r.arrived)
    return True, r.use[0], bound_of(r, r.arrived, r.slots)


@compiled
def _finish(r: Record, trips_ok: Array) -> None:
    """The stream takes what is left; evaluate."""
    k, n = r.slots - 1, 0
    for d in range(NDIM):
        if r.limited and not trips_ok[k, d, r.left[k, d]]:
            return
        if r.left[k, d] > 1 and not r.allowed[k, d]:
            return
    for i in range(r.actives):
        set_border(r, k + 1, r.active[i], 1)
    for i in range(NDIM):
        d = r.stream_order[i]
        if d >= 0 and r.left[k, d] > 1:
            r.order[k, n] = d
            n += 1
    r.length[k] = n
    good, energy, cycles = evaluate(r)
    if good:
        record(r, energy, cycles)


@compiled
def _set(r: Record, k: int, options: Array, count: Array, code: int) -> int:
    """Give slot k the trips of vector `code`; its loops go into `r.dims`; their number."""
    for i in range(r.actives):
        d = r.active[i]
        r.pick[k, d] = code % count[d]
        set_border(r, k + 1, d, options[d, r.pick[k, d]])
        code //= count[d]
    return _loops(r, k)


@compiled
def _set_next(r: Record, k: int, options: Array, count: Array) -> int:
    """Give slot k the next vector of trips; its loops go into `r.dims`; their number."""
    for i in range(r.actives):
        d = r.active[i]
        r.pick[k, d] = r.pick[k, d] + 1 if r.pick[k, d] + 1 < count[d] else 0
        set_border(r, k + 1, d, options[d, r.pick[k, d]])
        if r.pick[k, d] > 0:
            break
    return _loops(r, k)


@compiled
def _loops(r: Record, k: int) -> int:
    """The dims that have a loop in slot k go into `r.dims`; their number."""
    n = 0
    for i in range(r.actives):
        d = r.active[i]
        if r.trips[k, d] > 1:
            r.dims[k, n] = d
            n += 1
    return n


@compiled
def _survivors(r: Record, k: int, options: Array, count: Array, pool: Array, top: int) -> tuple[Array, int]:
    """Vectors of trips of slot k that may hold something better, best bound first, on the pool from `top` on."""
    total, found = 1, top
    for i in range(NDIM):
        total *= count[i]
    for code in range(total):
        n = _set(r, k, options, count, code) if code == 0 else _set_next(r, k, options, count)
        if not fits(r, k + 1, False):
            continue
        r.nodes += 1
        if r.nodes + r.evaluated >= r.most:
            r.stopped = 1
            break
        bound = _order_free(r, k, n)
        if bound == np.inf:
            continue
        if found == pool.shape[1]:
            pool = np.concatenate((pool, np.empty(pool.shape)), axis=1)
        pool[0, found], pool[1, found], pool[2, found] = code, bound if r.goal == ENERGY else _rank(r), bound
        found += 1
    if found > top:
        sequence = np.argsort(pool[1, top:found], kind="mergesort")
        pool[:, top:found] = pool[:, top:found][:, sequence]
    return pool, found


@compiled
def _step(r: Record, k: int, options: Array, count: Array, pool: Array) -> bool:
    """Go to the next box of slot k (trips and order) that may hold something better; False after the last."""
    while True:
        while next_order(r, k):
            r.nodes += 1
            if r.nodes + r.evaluated >= r.most:
                r.stopped = 1
                return False
            exact_points(r, k + 1)
            set_reloads(r, k)
            lower(r, k + 1)
            energy = spend_energy(r, r.low)
            if not below(r, energy, r.floor[k]):
                continue
            r.floor[k + 1] = _cycles(r, k + 1)
            if below(r, energy, r.floor[k + 1]):
                return True
        if r.cursor[k] == r.end[k]:
            return False
        code, rank, bound = int(pool[0, r.cursor[k]]), pool[1, r.cursor[k]], pool[2, r.cursor[k]]
        limit = float(r.limit[0]) * float(r.limit[1])
        if r.goal != PARETO and rank > limit * CLEARLY:
            r.cursor[k] = r.end[k]  # sorted: the others are worse
            return False
        r.cursor[k] += 1
        if r.goal != PARETO and bound > limit * CLEARLY:
            continue
        r.loops[k] = _set(r, k, options, count, code)
        r.turn[k] = -1
        sure = r.goal != PARETO and bound * CLEARLY < limit
        if sure or _order_free(r, k, r.loops[k]) < np.inf:
            r.turn[k] = 0
            r.line[k] = r.dims[k]


@compiled
def search_core(r: Record, trips_ok: Array, options: Array, numbers: Array, pool: Array) -> Array:
    """Everything in the core at hand, slot by slot, depth first; the pool of boxes, which may have grown.

    `options` has room for the trips of each slot and dim, `numbers` holds the divisors of the folds of each dim.
    """
    set_passes(r)
    _divisors(r, numbers, r.numbered)
    r.repeats[0], r.pending[0], r.floor[0] = 1, 1, 0
    count = np.empty((r.slots, NDIM), np.int64)
    k, entered, last = 0, False, r.slots - 1
    while k >= 0:
        if not entered:
            if k == last:
                _finish(r, trips_ok)
                k, entered = k - 1, True
                continue
            top = r.end[k - 1] if k else 0
            for d in range(NDIM):
                count[k, d] = _options(r, k, d, trips_ok, numbers[d], r.numbered[d], options[k, d])
            pool, found = _survivors(r, k, options[k], count[k], pool, top)
            r.cursor[k], r.end[k], r.turn[k] = top, found, -1
        entered = not _step(r, k, options[k], count[k], pool)
        if r.stopped:
            break
        k = k - 1 if entered else k + 1
    return pool


@compiled
def _core_arrivals(r: Record, stays: int) -> None:
    """Least arrivals of a core whose innermost loop leaves at most operand `stays` in the PEs, into `r.low`.

    The innermost loop of an uneven tile at the edge may have one trip only, so nothing is said of those.
    """
    for p in range(r.points):
        r.low[p] = max(r.fixed[p], r.least[p])
        moves = r.fixed[p] < 0 and r.inside[p, 0] == 1 and r.operand[p] != stays and r.in_words[p] == 1
        if moves and r.imperfect == 0:
            r.low[p] = max(r.low[p], swept(r, p, r.words[p]))


@compiled
def core_bounds(r: Record, cores: Array, tables: Array, keys: Array, out: Array) -> None:
    """(energy, cycles) below those of every mapping of each core: (cores, 2)."""
    for number in range(cores.shape[0]):
        set_core(r, number, cores, tables, keys)
        set_passes(r)
        out[number, 0] = -1
        for stays in range(3):
            _core_arrivals(r, stays)
            energy, cycles = spend_energy(r, r.low), _cycles(r, 0)
            a, b = product(r, energy, cycles)
            c, d = product(r, max(0, out[number, 0]), out[number, 1])
            if r.goal == PARETO and out[number, 0] >= 0:
                out[number, 0], out[number, 1] = min(energy, out[number, 0]), min(cycles, out[number, 1])
            elif out[number, 0] < 0 or cost_below(a, b, c, d):
                out[number, 0], out[number, 1] = energy, cycles


@compiled
def search_cores(
    r: Record, cores: Array, tables: Array, keys: Array, trips_ok: Array, order: Array, bounds: Array
) -> int:
    """Search the cores that may hold something better, in the given order; how many were done when it stopped."""
    most = max(r.bounds)
    options, numbers = np.empty((r.slots, NDIM, most), np.int64), np.empty((NDIM, most), np.int64)
    pool = np.empty((3, 256))
    r.numbered[:] = 0
    for at in range(len(order)):
        number = order[at]
        if not below(r, bounds[number, 0], bounds[number, 1]):
            continue
        set_core(r, number, cores, tables, keys)
        pool = search_core(r, trips_ok, options, numbers, pool)
        if r.stopped:
            return at
    return len(order)


@compiled
def evaluate_again(r: Record, times: int) -> int:
    """Evaluate the mapping in `r.ext` and `r.order` completely so many times, for benchmarks; the sum of its bounds."""
    total = 0
    for _ in range(times):
        for bound in range(1, r.slots + 1):
            for i in range(r.actives):
                d = r.active[i]
                set_border(r, bound, d, r.ext[bound, d] // r.extent[d])
        for bound in range(1, r.slots):
            exact_points(r, bound)
        _, energy, cycles = evaluate(r)
        total += cycles + energy % 2
    return total
