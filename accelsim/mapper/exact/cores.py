"""Compiled: all cores, with bounds of whole cores before the descent into each.

The tiles of memories know nothing of how PEs share them. So the least energy of what arrives at memories, whatever the
trips of DRAM's slot, is the same for all cores of one extent; it is found once and added to what a core's PEs take.
"""

from __future__ import annotations

import numpy as np

from accelsim.jit import compiled
from accelsim.mapper.exact.borders import set_core, set_shares
from accelsim.mapper.exact.branch import cycles_of, search_core, take
from accelsim.mapper.exact.floors import guess, make_firm, set_swept, swept
from accelsim.mapper.exact.incumbent import PARETO, below, hopeless, product
from accelsim.mapper.exact.kernel import spend_energy
from accelsim.mapper.exact.latency import set_passes
from accelsim.mapper.exact.mirror import core_again
from accelsim.mapper.exact.record import NDIM, Array, Record
from accelsim.mapper.exact.rooms import fits
from accelsim.mapper.exact.trips import divisors_of, next_trips, options_of, set_trips
from accelsim.timing.bound import cost_below

NOTHING = 1 << 62  # no tile fits


@compiled
def enter_core(r: Record, number: int, cores: Array, tables: Array, keys: Array) -> None:
    """Take up a core with all that the descent asks of it."""
    set_core(r, number, cores, tables, keys)
    for i in range(r.actives):
        set_shares(r, r.active[i])
    set_passes(r)
    set_swept(r)
    r.repeats[0], r.pending[0] = 1, 1


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
def _gains(r: Record, stays: int) -> bool:
    """Does less arrive at the PEs of the core at hand if this operand may stay in them?"""
    for p in range(r.points):
        moves = r.fixed[p] < 0 and r.inside[p, 0] == 1 and r.operand[p] == stays and r.in_words[p] == 1
        if moves and r.imperfect == 0 and swept(r, p, r.words[p]) > r.least[p]:
            return True
    return False


@compiled
def core_bounds(r: Record, cores: Array, tables: Array, keys: Array, out: Array) -> None:
    """(energy, cycles) below those of every mapping of each core: (cores, 2)."""
    for number in range(cores.shape[0]):
        set_core(r, number, cores, tables, keys)
        set_passes(r)
        out[number, 0] = -1
        for stays in range(3):
            if not _gains(r, stays) and (stays < 2 or out[number, 0] >= 0):
                continue  # no less arrives than if another stays
            _core_arrivals(r, stays)
            energy, cycles = spend_energy(r, r.low), cycles_of(r, r.low, 0)
            a, b = product(r, energy, cycles)
            c, d = product(r, max(0, out[number, 0]), out[number, 1])
            if r.goal == PARETO and out[number, 0] >= 0:
                out[number, 0], out[number, 1] = min(energy, out[number, 0]), min(cycles, out[number, 1])
            elif out[number, 0] < 0 or cost_below(a, b, c, d):
                out[number, 0], out[number, 1] = energy, cycles


@compiled
def _outside(r: Record, arrived: Array) -> int:
    """Energy of what arrives at memories."""
    total = 0
    for p in range(r.points):
        if r.inside[p, 0] == 0:
            total += r.coefficients[0, p] * arrived[p]
    return total


@compiled
def least_outside(r: Record, options: Array, count: Array) -> int:
    """Least energy of what arrives at memories with any trips of DRAM's slot that fit, and any operand left in place.

    It is the same for all cores of one extent, since tiles of memories know nothing of how PEs share them.
    """
    total, least = 1, NOTHING
    for d in range(NDIM):
        total *= count[d]
    for code in range(total):
        n = set_trips(r, 0, options, count, code) if code == 0 else next_trips(r, 0, options, count)
        if not fits(r, 1, False):
            continue
        guess(r, 0, n)
        for choice in range(4):
            if take(r, choice):
                make_firm(r, 1, choice)
                least = min(least, _outside(r, r.firm))
    return least


@compiled
def core_floor(r: Record, stays: int, least: int) -> tuple[int, int]:
    """(energy, B) below those of every mapping of the core at hand whose last loop leaves at most operand `stays`.

    Its memories take `least` energy or more.
    """
    _core_arrivals(r, stays)
    energy = spend_energy(r, r.low) + max(0, least - _outside(r, r.low))
    return energy, cycles_of(r, r.low, 0)


@compiled
def _core_of_use(r: Record, least: int) -> bool:
    """May the core at hand be of use, if its memories take at least so much? Its least B goes into `r.floor`."""
    good = False
    for stays in range(3):
        energy, cycles = core_floor(r, stays, least)
        r.floor[0] = cycles if stays == 0 else min(r.floor[0], cycles)
        good = good or not hopeless(r, energy, cycles)
    return good


@compiled
def search_cores(
    r: Record, cores: Array, tables: Array, keys: Array, trips_ok: Array, order: Array, bounds: Array, classes: Array
) -> int:
    """Search the cores that may hold something better, in the given order; how many were done when it stopped.

    `classes`: a number for each core, the same for those of the same extent.
    """
    most = max(r.bounds)
    options, numbers = np.empty((r.slots, NDIM, most), np.int64), np.empty((NDIM, most), np.int64)
    pool, count, known = np.empty((3, 256)), np.empty(NDIM, np.int64), np.full(len(order), -1, np.int64)
    r.numbered[:] = 0
    for at in range(len(order)):
        number = order[at]
        if not below(r, bounds[number, 0], bounds[number, 1]):
            continue
        enter_core(r, number, cores, tables, keys)
        if r.wide == 1 and core_again(r):
            continue
        divisors_of(r, numbers, r.numbered)
        if known[classes[number]] < 0:
            for d in range(NDIM):
                count[d] = options_of(r, 0, d, trips_ok, numbers[d], r.numbered[d], options[0, d])
            known[classes[number]] = least_outside(r, options[0], count)
        if known[classes[number]] == NOTHING or not _core_of_use(r, known[classes[number]]):
            continue
        pool = search_core(r, trips_ok, options, numbers, pool)
        if r.stopped:
            return at
    return len(order)
