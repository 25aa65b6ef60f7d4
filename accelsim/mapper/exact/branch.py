"""Compiled: best-first descent through the slots, DRAM's first, with bounds before and after the order is known."""

from __future__ import annotations

import numpy as np

from accelsim.jit import compiled
from accelsim.mapper.exact.borders import set_border
from accelsim.mapper.exact.floors import firm_energy, guess, lower, make_firm, set_reloads
from accelsim.mapper.exact.incumbent import (
    CLEARLY,
    ENERGY,
    PARETO,
    below,
    hope,
    hopeless,
    note,
    product,
    record,
    record_near,
)
from accelsim.mapper.exact.kernel import exact_points, first_tiles, spend, spend_energy
from accelsim.mapper.exact.latency import bound_of
from accelsim.mapper.exact.mirror import mapping_again
from accelsim.mapper.exact.orders import next_order
from accelsim.mapper.exact.record import NDIM, Array, Record
from accelsim.mapper.exact.rooms import fits
from accelsim.mapper.exact.trips import next_trips, options_of, set_trips


@compiled
def take(r: Record, choice: int) -> bool:
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
        if not take(r, choice):
            continue
        make_firm(r, k + 1, choice)
        energy = firm_energy(r, k + 1)
        if hopeless(r, energy, r.floor[k]):
            continue
        if r.goal != ENERGY and not known:
            first_tiles(r, k + 1)
            known = True
        cycles = cycles_of(r, r.firm, k + 1)
        if not hopeless(r, energy, cycles):
            a, b = product(r, energy, cycles)
            best = min(best, float(a) * float(b))
    return best


@compiled
def _rank(r: Record) -> float:
    """What boxes are sorted by, after `_order_free`: their objective if only arrivals were known; inf: of no use."""
    best, good = np.inf, False
    for choice in range(4):
        if take(r, choice):
            energy, cycles = spend_energy(r, r.low), cycles_of(r, r.low, 0)
            better = below(r, energy, cycles)
            good = good or better
            if r.goal != PARETO or better:
                a, b = product(r, energy, cycles)
                best = min(best, float(a) * float(b))
    return best if good else np.inf


@compiled
def cycles_of(r: Record, arrived: Array, border: int) -> int:
    """B of the least arrivals inside a border, if cycles are asked for."""
    if r.goal == ENERGY:
        return 0
    spend(r, arrived)
    return bound_of(r, arrived, border)


@compiled
def _promising(r: Record, k: int) -> bool:
    """May something inside border k + 1 be of use, with the order of the loops outside?"""
    exact_points(r, k + 1)
    set_reloads(r, k)
    lower(r, k + 1)
    make_firm(r, k + 1, -1)
    energy = firm_energy(r, k + 1)
    if hopeless(r, energy, r.floor[k]):
        return False
    cycles = r.floor[k + 1] = cycles_of(r, r.firm, k + 1)
    if hopeless(r, energy, cycles):
        return False
    a, b = product(r, energy, cycles)
    if r.goal == PARETO or r.wide == 1 or float(a) * float(b) * CLEARLY < float(r.limit[0]) * float(r.limit[1]):
        return True
    return below(r, spend_energy(r, r.low), cycles_of(r, r.low, 0))


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
        d = r.stream_order[r.uneven, i]
        if d >= 0 and r.left[k, d] > 1:
            r.order[k, n] = d
            n += 1
    r.length[k] = n
    if r.wide == 1 and mapping_again(r):
        return
    good, energy, cycles = evaluate(r)
    if good and r.wide == 1:
        record_near(r, energy, cycles)
    elif good:
        record(r, energy, cycles)
        note(r)


@compiled
def _survivors(r: Record, k: int, options: Array, count: Array, pool: Array, top: int) -> tuple[Array, int]:
    """Vectors of trips of slot k that may hold something better, best bound first, on the pool from `top` on."""
    total, found = 1, top
    for i in range(NDIM):
        total *= count[i]
    for code in range(total):
        n = set_trips(r, k, options, count, code) if code == 0 else next_trips(r, k, options, count)
        if not fits(r, k + 1, False):
            continue
        r.nodes += 1
        if r.nodes + r.evaluated >= r.most:
            r.stopped = 1
            break
        bound = _order_free(r, k, n)
        rank = _rank(r) if bound < np.inf else np.inf
        if rank == np.inf:
            continue
        if found == pool.shape[1]:
            pool = np.concatenate((pool, np.empty(pool.shape)), axis=1)
        pool[0, found], pool[1, found], pool[2, found] = code, rank, bound
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
            if _promising(r, k):
                return True
        if r.cursor[k] == r.end[k]:
            return False
        code, rank, bound = int(pool[0, r.cursor[k]]), pool[1, r.cursor[k]], pool[2, r.cursor[k]]
        limit = float(r.limit[0]) * float(r.limit[1])
        if r.goal != PARETO and rank > limit * CLEARLY:
            r.cursor[k] = r.end[k]  # sorted: the others are worse
            return False
        r.cursor[k] += 1
        if r.goal != PARETO and bound > hope(r) * CLEARLY:
            continue
        r.loops[k] = set_trips(r, k, options, count, code)
        r.turn[k] = -1
        sure = r.goal != PARETO and bound * CLEARLY < limit
        if sure or (_order_free(r, k, r.loops[k]) < np.inf and _rank(r) < np.inf):
            r.turn[k] = 0
            r.line[k] = r.dims[k]


@compiled
def search_core(r: Record, trips_ok: Array, options: Array, numbers: Array, pool: Array) -> Array:
    """Everything in the core at hand, slot by slot, depth first; the pool of boxes, which may have grown.

    `options` has room for the trips of each slot and dim, `numbers` holds the divisors of the folds of each dim.
    """
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
                count[k, d] = options_of(r, k, d, trips_ok, numbers[d], r.numbered[d], options[k, d])
            pool, found = _survivors(r, k, options[k], count[k], pool, top)
            r.cursor[k], r.end[k], r.turn[k] = top, found, -1
        entered = not _step(r, k, options[k], count[k], pool)
        if r.stopped:
            break
        k = k - 1 if entered else k + 1
    return pool


@compiled
def evaluate_again(r: Record, times: int) -> int:
    """Evaluate the mapping in `r.ext` and `r.order` completely so many times, for benchmarks; the sum of its bounds."""
    total, inside = 0, np.empty((r.slots + 1, NDIM), np.int64)
    for bound in range(r.slots + 1):
        for d in range(NDIM):
            inside[bound, d] = r.ext[bound, d] // r.extent[d]
    for _ in range(times):
        for bound in range(1, r.slots + 1):
            for i in range(r.actives):
                set_border(r, bound, r.active[i], inside[bound, r.active[i]])
        for bound in range(1, r.slots):
            exact_points(r, bound)
        _, energy, cycles = evaluate(r)
        total += cycles + energy % 2
    return total
