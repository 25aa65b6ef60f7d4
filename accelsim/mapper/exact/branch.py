"""Compiled: best-first descent through the slots, DRAM's first, with bounds before and after the order is known."""

from __future__ import annotations

import numpy as np

from accelsim.jit import compiled
from accelsim.mapper.exact.incumbent import PARETO, below, product, record
from accelsim.mapper.exact.kernel import exact_points, fits, guess, lower, set_core, spend, swept
from accelsim.mapper.exact.latency import bound_of, set_passes
from accelsim.mapper.exact.record import NDIM, Array, Record
from accelsim.timing.bound import cost_below

CLEARLY = 1.000001  # a ratio of two rounded products above which their order is certain


@compiled
def _options(r: Record, k: int, d: int, trips_ok: Array, out: Array) -> int:
    """Folds of a dim that may stay inside slot k (all that its later places can take), into `out`; their number."""
    left, later = r.left[k, d], False
    for slot in range(k + 1, r.slots):
        if r.allowed[slot, d]:
            later = True
    if not r.allowed[k, d]:
        out[0] = left
        return 1 if later or left == 1 else 0
    count = 0
    for inside in range(left, 0, -1):
        if not later and inside > 1:
            continue
        if (k > 0 or r.imperfect == 0) and left % inside:
            continue
        if r.limited and not trips_ok[k, d, -(-left // inside)]:
            continue
        out[count] = inside
        count += 1
    return count


@compiled
def _permitted(r: Record, k: int, line: Array, n: int) -> bool:
    """Does a constraint allow this order: `before[k, a, b]` asks a to stand outside b, `last[k]` for the innermost."""
    for i in range(n):
        for j in range(i):
            if r.before[k, line[i], line[j]]:
                return False
    return n == 0 or r.last[k] < 0 or line[n - 1] == r.last[k]


@compiled
def _canonical(r: Record, line: Array, n: int) -> bool:
    """Loops over dims that every operand needs stand outside: when one goes on, no tile has anything of the next."""
    inside = 0
    for i in range(1, n):
        inside += r.group[line[i]] == 3 and r.group[line[i - 1]] != 3
    return inside == 0


@compiled
def _next(line: Array, n: int) -> bool:
    """The next permutation in place; False after the last."""
    i = n - 2
    while i >= 0 and line[i] > line[i + 1]:
        i -= 1
    if i < 0:
        return False
    j = n - 1
    while line[j] < line[i]:
        j -= 1
    line[i], line[j] = line[j], line[i]
    low, high = i + 1, n - 1
    while low < high:
        line[low], line[high] = line[high], line[low]
        low += 1
        high -= 1
    return True


@compiled
def _leaving(r: Record, dims: Array, n: int, choice: int, line: Array) -> bool:
    """An order that leaves operand `choice` in place innermost, if the slot has such loops (3: if it has none)."""
    at, present, any_group = 0, False, False
    for turn in range(3):
        for i in range(n):
            g = r.group[dims[i]]
            place = 0 if g == 3 else 2 if g == choice else 1
            if place == turn:
                line[at] = dims[i]
                at += 1
            present = present or place == 2
            any_group = any_group or g < 3
    return present if choice < 3 else not any_group


@compiled
def _order_free(r: Record, k: int, dims: Array, n: int, line: Array) -> tuple[int, int]:
    """(energy, cycles) below every order of slot k and all slots inside: the best operand to leave in place."""
    best_e = best_b = -1
    r.length[k] = n
    r.again[:] = -1
    for choice in range(4):
        if not _leaving(r, dims, n, choice, line):
            continue
        for i in range(n):
            r.order[k, i] = line[i]
        guess(r, k)
        spend(r, r.low)
        energy, cycles = r.use[0], bound_of(r, r.low, False)
        if r.goal == PARETO and best_e >= 0 and not below(r, energy, cycles):
            continue
        a, b = product(r, energy, cycles)
        c, d = product(r, best_e, best_b)
        dead = r.goal == PARETO and best_e >= 0 and not below(r, best_e, best_b)
        if best_e < 0 or dead or cost_below(a, b, c, d):
            best_e, best_b = energy, cycles
    return best_e, best_b


@compiled
def evaluate(r: Record) -> tuple[bool, int, int]:
    """(fits, energy, B) of the mapping at hand; arrivals inside the last slot are counted here."""
    exact_points(r, r.slots)
    r.evaluated += 1
    if not fits(r, r.slots, True):
        return False, 0, 0
    spend(r, r.arrived)
    return True, r.use[0], bound_of(r, r.arrived, True)


@compiled
def _finish(r: Record, trips_ok: Array) -> None:
    """The stream takes what is left; evaluate."""
    k, n = r.slots - 1, 0
    for d in range(NDIM):
        if r.limited and not trips_ok[k, d, r.left[k, d]]:
            return
        if r.left[k, d] > 1 and not r.allowed[k, d]:
            return
        r.ext[k + 1, d] = r.extent[d]
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
def _set(r: Record, k: int, options: Array, count: Array, code: int, dims: Array) -> int:
    """Give slot k the trips of vector `code`; its loops go into `dims`; their number."""
    n = 0
    for d in range(NDIM):
        inside = options[d, code % count[d]]
        code //= count[d]
        r.left[k + 1, d] = inside
        r.ext[k + 1, d] = r.extent[d] * inside
        if r.left[k, d] > inside:
            dims[n] = d
            n += 1
    return n


@compiled
def _survivors(r: Record, k: int, options: Array, count: Array, pool: Array, top: int) -> tuple[Array, int]:
    """Vectors of trips of slot k that may hold something better, best bound first, on the pool from `top` on."""
    total, found = 1, top
    dims, line = r.dims[k], r.line[k]
    for d in range(NDIM):
        total *= count[d]
    for code in range(total):
        n = _set(r, k, options, count, code, dims)
        if not fits(r, k + 1, False):
            continue
        r.nodes += 1
        if r.nodes + r.evaluated >= r.most:
            r.stopped = 1
            break
        energy, cycles = _order_free(r, k, dims, n, line)
        if not below(r, energy, cycles):
            continue
        if found == pool.shape[1]:
            pool = np.concatenate((pool, np.empty(pool.shape)), axis=1)
        a, b = product(r, energy, cycles)
        pool[0, found], pool[1, found] = code, float(a) * float(b)
        found += 1
    if found > top:
        sequence = np.argsort(pool[1, top:found], kind="mergesort")
        pool[:, top:found] = pool[:, top:found][:, sequence]
    return pool, found


@compiled
def _next_order(r: Record, k: int) -> bool:
    """Put the next order of slot k's loops in place; False after the last."""
    n, line, dims = r.loops[k], r.line[k], r.dims[k]
    while r.turn[k] >= 0:
        if r.exact_order[k] == 0:
            good = _leaving(r, dims, n, r.turn[k], line)
            r.turn[k] = r.turn[k] + 1 if r.turn[k] < 3 else -1
            if good:
                _place(r, k, line, n)
                return True
            continue
        good = _canonical(r, line, n) if r.exact_order[k] == 1 else _permitted(r, k, line, n)
        if good:
            _place(r, k, line, n)
        if not _next(line, n):
            r.turn[k] = -1
        if good:
            return True
    return False


@compiled
def _place(r: Record, k: int, line: Array, n: int) -> None:
    for i in range(n):
        r.order[k, i] = line[i]
    r.length[k] = n


@compiled
def _step(r: Record, k: int, options: Array, count: Array, pool: Array) -> bool:
    """Go to the next box of slot k (trips and order) that may hold something better; False after the last."""
    while True:
        while _next_order(r, k):
            r.nodes += 1
            if r.nodes + r.evaluated >= r.most:
                r.stopped = 1
                return False
            exact_points(r, k + 1)
            lower(r, k + 1)
            spend(r, r.low)
            energy = r.use[0]
            if below(r, energy, bound_of(r, r.low, False)):
                return True
        if r.cursor[k] == r.end[k]:
            return False
        code, bound = int(pool[0, r.cursor[k]]), pool[1, r.cursor[k]]
        if r.goal != PARETO and bound > float(r.limit[0]) * float(r.limit[1]) * CLEARLY:
            r.cursor[k] = r.end[k]  # sorted: the others are worse
            return False
        r.cursor[k] += 1
        r.loops[k] = _set(r, k, options, count, code, r.dims[k])
        r.turn[k] = -1
        sure = r.goal != PARETO and bound * CLEARLY < float(r.limit[0]) * float(r.limit[1])
        if not sure:
            energy, cycles = _order_free(r, k, r.dims[k], r.loops[k], r.line[k])
            sure = below(r, energy, cycles)
        if sure:
            r.turn[k] = 0
            r.line[k] = r.dims[k]


@compiled
def search_core(r: Record, trips_ok: Array) -> None:
    """Everything in the core at hand, slot by slot, depth first."""
    set_passes(r)
    most = 1
    for d in range(NDIM):
        most = max(most, r.left[0, d])
    options, count = np.empty((r.slots, NDIM, most), np.int64), np.empty((r.slots, NDIM), np.int64)
    pool, k, entered, last = np.empty((2, 256)), 0, False, r.slots - 1
    while k >= 0:
        if not entered:
            if k == last:
                _finish(r, trips_ok)
                k, entered = k - 1, True
                continue
            top = r.end[k - 1] if k else 0
            for d in range(NDIM):
                count[k, d] = _options(r, k, d, trips_ok, options[k, d])
            pool, found = _survivors(r, k, options[k], count[k], pool, top)
            r.cursor[k], r.end[k], r.turn[k] = top, found, -1
        entered = not _step(r, k, options[k], count[k], pool)
        if r.stopped:
            return
        k = k - 1 if entered else k + 1


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
            spend(r, r.low)
            energy, cycles = r.use[0], bound_of(r, r.low, False)
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
    for at in range(len(order)):
        number = order[at]
        if not below(r, bounds[number, 0], bounds[number, 1]):
            continue
        set_core(r, number, cores, tables, keys)
        search_core(r, trips_ok)
        if r.stopped:
            return at
    return len(order)


@compiled
def evaluate_again(r: Record, times: int) -> int:
    """Evaluate the mapping at hand completely so many times, for benchmarks; the sum of its bounds."""
    total = 0
    for _ in range(times):
        for bound in range(1, r.slots):
            exact_points(r, bound)
        _, energy, cycles = evaluate(r)
        total += cycles + energy % 2
    return total
