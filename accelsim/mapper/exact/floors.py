"""Compiled: the least that arrives at every storage point when not all loops are known.

A point inside loops that are not known receives at least what a point around them would, since a smaller tile holds
nothing that the tile around it does not; every word at least once; and every word again with every sweep of loops that
do not move its operand around loops that do. Costs grow with arrivals, so these give lower bounds.
"""

from __future__ import annotations

from accelsim.jit import compiled
from accelsim.mapper.exact.borders import set_core
from accelsim.mapper.exact.kernel import order_free, spend_energy
from accelsim.mapper.exact.record import NDIM, Array, Record
from accelsim.mapper.exact.rooms import tile_size
from accelsim.mapper.exact.windows import needed, renewed


@compiled
def behind_stream(r: Record, p: int, words: int) -> int:
    """Least arrivals at the PEs when a stream that must be there (`rs`: over Q) moves the operand in every pass.

    Loops that the operand does not depend on all lie outside that stream, so each of their trips brings it in again.
    """
    op = r.operand[p]
    if r.inside[p, 0] == 0 or op == 1 or r.forced < 0 or r.bounds[r.forced] <= r.extent[r.forced]:
        return words
    return swept(r, p, words)


@compiled
def fill_tables(r: Record, cores: Array, tables: Array, keys: Array, retained: Array) -> None:
    """Per core and point: arrivals that no loop changes (-1 if loops do), the least there can be, its words once."""
    for number in range(cores.shape[0]):
        set_core(r, number, cores, tables, keys)
        for p in range(r.points):
            least = 1
            for d in range(NDIM):
                if r.kinds[p, d] == 1:
                    least *= r.bounds[d]
                elif r.kinds[p, d] == 3:
                    least *= -(-r.bounds[d] // r.extent[d])
            if r.operand[p] == 0:
                for w in range(r.sliding):
                    least *= needed(r, w)
            tables[number, 0, p] = -1 if retained[p] else order_free(r, p)
            tables[number, 2, p] = least
            tables[number, 1, p] = max(least, behind_stream(r, p, least))


@compiled
def _streamed_again(r: Record, words: int) -> int:
    """Least words of the inputs that one more sweep of the stream that must be there brings, of `words` in all."""
    for w in range(r.sliding):
        d1, d2 = r.windows[w, 0], r.windows[w, 1]
        if d1 != r.forced and d2 != r.forced:
            continue
        t1, t2 = min(r.extent[d1], r.bounds[d1]), min(r.extent[d2], r.bounds[d2])
        other = d2 if d1 == r.forced else d1
        least = every = max(1, needed(r, w))
        for k in range(1, -(-r.bounds[other] // r.extent[other]) + 1):
            span = min(k * r.extent[other], r.bounds[other])
            o1, o2 = (r.bounds[d1], span) if d1 == r.forced else (span, r.bounds[d2])
            least = min(least, renewed(r, w, t1, t2, o1, o2))
        again: int = words // every * least
        return again
    return words


@compiled
def swept(r: Record, p: int, words: int) -> int:
    """Least arrivals at the PEs if a loop that moves the operand lies inside all loops that do not."""
    op, times = r.operand[p], 1
    for d in range(NDIM):
        if r.group[d] == op:
            times *= -(-r.bounds[d] // r.extent[d])
    if op == 0 and r.forced >= 0 and r.bounds[r.forced] > r.extent[r.forced]:
        return words + (times - 1) * _streamed_again(r, words)
    if op == 0:
        for w in range(r.sliding):
            d1, d2 = r.windows[w, 0], r.windows[w, 1]
            if r.bounds[d1] > r.extent[d1] or r.bounds[d2] > r.extent[d2]:
                times = 1
    return times * words


@compiled
def _again(r: Record, p: int, bound: int) -> int:
    """Least words of the inputs that one more sweep through the loops of the first `bound` slots brings.

    A loop that does not move the inputs goes round outside loops that do. From its second trip on each block of those
    brings all its words but the ones that its first tile shares with its last. If the block moves window axis a, these
    are at least (words of a in the block - what both tiles share of a) x words of the other axes, and the blocks
    together need every word: the sum is least for some axis and some span of it that loops can sweep.
    """
    least: int = r.words[p]
    child = r.ext[bound]
    for w in range(r.sliding):
        d1, d2 = r.windows[w, 0], r.windows[w, 1]
        t1, t2 = min(child[d1], r.bounds[d1]), min(child[d2], r.bounds[d2])
        rest = r.words[p] // max(1, needed(r, w))
        for i in range(bound + 1):
            o1 = min(r.ext[i, d1], r.bounds[d1])
            if i > 0 and r.ext[i, d1] == r.ext[i - 1, d1]:
                continue
            for j in range(bound + 1):
                o2 = min(r.ext[j, d2], r.bounds[d2])
                if (o1 != t1 or o2 != t2) and (j == 0 or r.ext[j, d2] != r.ext[j - 1, d2]):
                    least = min(least, rest * renewed(r, w, t1, t2, o1, o2))
    return least


@compiled
def set_reloads(r: Record, k: int) -> None:
    """How often the loops outside border k + 1 bring a whole operand in again (perfect trips): `r.repeats` there."""
    for op in range(3):
        r.repeats[k + 1, op], r.pending[k + 1, op] = r.repeats[k, op], r.pending[k, op]
    for i in range(r.length[k]):
        d = r.order[k, i]
        for op in range(3):
            if r.group[d] == op:
                r.pending[k + 1, op] *= r.trips[k, d]
            else:
                r.repeats[k + 1, op] *= r.pending[k + 1, op]
                r.pending[k + 1, op] = 1


@compiled
def lower(r: Record, bound: int) -> None:
    """Least arrivals given the loops of the first `bound` slots, whose points are exact, into `r.low`."""
    top0 = top1 = top2 = 0
    for p in range(r.points):
        if r.fixed[p] >= 0:
            r.low[p] = r.fixed[p]
        elif r.boundary[p] <= bound:
            value = r.low[p] = r.arrived[p]
            if r.inside[p, 1] == 0 and r.in_words[p]:
                if r.operand[p] == 0 and r.halo == 1:
                    top0 = max(top0, value)
                elif r.operand[p] == 1:
                    top1 = max(top1, value)
                elif r.operand[p] == 2:
                    top2 = max(top2, value)
        else:
            r.low[p] = r.least[p]
            if r.operand[p] != 0 and (bound == 1 or r.imperfect == 0):
                r.low[p] = max(r.low[p], r.words[p] * r.repeats[bound, r.operand[p]])
    for p in range(r.points):
        if r.boundary[p] > bound and r.fixed[p] < 0 and r.in_words[p]:
            top = top0 if r.operand[p] == 0 else top1 if r.operand[p] == 1 else top2
            r.low[p] = max(r.low[p], top)


@compiled
def guess(r: Record, k: int, n: int) -> None:
    """Least arrivals when the n loops of slot k have trips but no order, its points are not counted yet.

    `r.low_moved`: if a loop that does not move the operand is innermost, all of its loops go round inside one of those
    in turn. `r.low_kept`: if its own loops are innermost (those that do not move it). `r.present` marks operands that
    have such loops.
    """
    for op in range(3):
        own, present, others = 1, 0, 0
        for i in range(n):
            if r.group[r.dims[k, i]] == op:
                own *= r.trips[k, r.dims[k, i]]
                present = 1
            else:
                others = 1
        r.present[op] = present
        outside = r.repeats[k, op] * r.pending[k, op]
        r.times_moved[op] = outside * own if n > 0 else r.repeats[k, op]
        r.times_kept[op] = outside if others else r.repeats[k, op]
    counts = k == 0 or r.imperfect == 0
    for p in range(r.points):
        op = r.operand[p]
        if r.fixed[p] >= 0 or r.boundary[p] <= k:
            r.low_moved[p] = r.low_kept[p] = r.fixed[p] if r.fixed[p] >= 0 else r.arrived[p]
            continue
        r.low_moved[p] = r.low_kept[p] = r.least[p]
        if not counts or r.times_moved[op] <= 1:
            continue
        again = _again(r, p, k + 1) if op == 0 else r.words[p]
        r.low_moved[p] = max(r.least[p], r.words[p] + (r.times_moved[op] - 1) * again)
        r.low_kept[p] = max(r.least[p], r.words[p] + (r.times_kept[op] - 1) * again)


@compiled
def set_swept(r: Record) -> None:
    """What arrives at the PEs of the core at hand if the last loop moves the operand, into `r.swept` (0: not known)."""
    for p in range(r.points):
        r.swept[p] = 0
        if r.fixed[p] < 0 and r.inside[p, 0] == 1 and r.in_words[p] == 1 and r.imperfect == 0:
            r.swept[p] = swept(r, p, r.words[p])


@compiled
def _moved_inside(r: Record, p: int, border: int) -> bool:
    """Must a loop inside a border move a point's tile?

    So it must if a dim has folds left that no slot inside the tile may take, or if a memory from there to the point has
    no room for all that the border has inside. Then every loop outside the border that does not move the operand goes
    round outside one that does, and brings all of it in again.
    """
    op = r.operand[p]
    if r.imperfect == 1 or (op == 0 and r.sliding > 0):
        return False
    for i in range(r.actives):
        d = r.active[i]
        if r.group[d] != op and r.left[border, d] > 1 and r.later[r.boundary[p], d] == 0:
            return True
    for h in range(r.held):
        if r.holds[h, 1] == op and border < r.holds[h, 2] <= r.boundary[p] and r.holds[h, 5] == 0:
            words = tile_size(r, op, r.ext[border])
            if r.holds[h, 3] * words * r.holds[h, 4] > r.capacity[r.holds[h, 0]]:
                return True
    return False


@compiled
def make_firm(r: Record, border: int, choice: int) -> None:
    """Into `r.firm` the least arrivals inside a border by all lemmas, from `r.low`.

    `choice` as in `guess`, or -1: the order of the loops outside the border is known.
    """
    for p in range(r.points):
        r.firm[p] = r.low[p]
        if r.fixed[p] >= 0 or r.boundary[p] <= border:
            continue
        op = r.operand[p]
        more = r.low_moved[p] if choice >= 0 else r.words[p] * r.repeats[border, op] * r.pending[border, op]
        if more > r.low[p] and _moved_inside(r, p, border):
            r.firm[p] = more


@compiled
def firm_energy(r: Record, border: int) -> int:
    """Energy below that of every mapping inside a border, of the arrivals `r.firm`.

    The last loop of all leaves one operand at most in place; the others enter the PEs as often as they are swept. Where
    loops are left inside the border the last one is among them.
    """
    total = spend_energy(r, r.firm)
    r.gain[:] = 0
    for p in range(r.points):
        if r.swept[p] > r.firm[p]:
            r.gain[r.operand[p]] += r.coefficients[0, p] * (r.swept[p] - r.firm[p])
    inside, best = False, 0
    for i in range(r.actives):
        d = r.active[i]
        if r.left[border, d] > 1:
            inside = True
            if r.group[d] < 3:
                best = max(best, r.gain[r.group[d]])
    if not inside:
        best = max(r.gain[0], r.gain[1], r.gain[2])
    found: int = total + r.gain[0] + r.gain[1] + r.gain[2] - best
    return found
