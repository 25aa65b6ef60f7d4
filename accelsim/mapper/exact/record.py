"""The one argument of all compiled functions: a record with fields of fixed size, so that they compile once and soon.

A numpy record is passed by address; a tuple of arrays would be passed piece by piece and take minutes to compile.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Record = Any
Array = Any

NDIM = 10
SLOTS, POINTS, WINDOWS, HOLDS, MEMORIES = 9, 24, 3, 16, 7
RESOURCES = 2 + 2 * MEMORIES
KEEP = 48  # mappings remembered for simulation
FRONT = 1024  # mappings of a Pareto front at most
TABLE = 1 << 15  # entries of the table of window sums
MARKS = 1 << 16  # longest window axis
DEEP, RUNS = 24, 48  # loops of a mapping that is replayed, and runs of passes remembered of each
PLACE = 31  # `x & PLACE` is x for a dim, border or point: the compiler sees that no place is counted from the end

# places in `machine`, `roles`, `passes`, and columns of `outer`
KIND, FLOW, ROWS, EARLY_EXIT, WHOLE_TILES, WEIGHT_BUS, INPUT_BUS, OUTPUT_BUS = range(8)
WIDE_BITS, FINAL_WIDTH, KEPT_WIDTH, WHOLE_WORDS, JOINED_ROWS, JOINED_COLS = range(8, 14)
KEPT, OUTPUTS, INPUTS = range(3)
PASSES, PASS_ROWS, PASS_COLS, PSUM_STEPS, STEPS, FINAL_STEPS, LONGEST = range(7)
FROM_DRAM, DEPTH, WORD_BITS = range(3)

_FIELDS: dict[str, tuple[int, ...]] = {
    # sizes in use
    "slots": (), "points": (), "sliding": (), "held": (), "memories": (), "resources": (),
    # the problem
    "bounds": (NDIM,), "group": (NDIM,),
    "windows": (WINDOWS, 8),  # first, second dim, stride, dilation, size, offset, the two steps of equal indices
    "active": (NDIM,), "actives": (),  # dims longer than 1
    "tile_dims": (3, NDIM), "tile_count": (3,),  # those that an operand depends on, windows apart
    # the places
    "allowed": (SLOTS, NDIM), "exact_order": (SLOTS,), "before": (SLOTS, NDIM, NDIM), "last": (SLOTS,),
    "later": (SLOTS + 1, NDIM),  # may a slot inside a border have loops over a dim?
    "stream_order": (NDIM + 1, NDIM),  # by the dim whose band is uneven, the last if none is
    "limited": (), "forced": (),
    # storage points
    "operand": (POINTS,), "boundary": (POINTS,), "inside": (POINTS, 4),  # array, each, shared along rows, columns
    "kinds": (POINTS, NDIM), "outer": (POINTS, 3),
    "parent": (POINTS,),  # memory that fills it, -1: DRAM
    "in_words": (POINTS,),  # 1 if it counts words, 0 if whole tiles
    "at_border": (SLOTS + 1, POINTS), "at_count": (SLOTS + 1,),  # points by boundary
    # cost
    "coefficients": (RESOURCES, POINTS), "base": (RESOURCES,), "numbers": (10,), "machine": (14,),
    "ports": (MEMORIES, 2), "roles": (3,),
    # capacity: memory, operand, boundary, depth, bits, whole words, psum bits, inner boundary, retained inside
    "holds": (HOLDS, 9), "capacity": (MEMORIES,), "used": (MEMORIES,),
    "halo": (), "imperfect": (), "goal": (), "piece": (),
    # the core at hand
    "core": (), "row": (NDIM,), "col": (NDIM,), "diagonal": (NDIM,), "pe": (NDIM,), "extent": (NDIM,),
    "band": (NDIM,),  # factors in a band; its taps are in `row`, too, its outputs in `col`
    "uneven": (),  # the dim whose band leaves PEs idle in its last fold, or NDIM
    "fixed": (POINTS,), "least": (POINTS,), "words": (POINTS,), "window_key": (WINDOWS,),
    "core_passes": (7,),  # as `passes`, the least of the core
    "drain": (2,),  # cycles in which any pass of it drains at least; with `os`, where results stay, where they leave
    # of its folds: how many, words of the last, steps; rows and columns of a pass and of the last one
    "folds": (NDIM,), "edge": (NDIM,), "steps": (NDIM,),
    "high": (NDIM,), "broad": (NDIM,), "edge_rows": (NDIM,), "edge_cols": (NDIM,),
    # by sharing (rows: 2, columns: 1): PEs that do not share, those with work in the last fold, and those that keep it
    "far": (4, NDIM), "far_edge": (4, NDIM), "far_still": (4, NDIM),
    # the node at hand
    "ext": (SLOTS + 1, NDIM), "left": (SLOTS + 1, NDIM), "order": (SLOTS, NDIM), "length": (SLOTS,),
    # by border (outside slot k: k): spans of a dim there, where the last begins, its words; trips by slot
    "spans": (SLOTS + 1, NDIM), "start": (SLOTS + 1, NDIM), "rest": (SLOTS + 1, NDIM), "trips": (SLOTS, NDIM),
    # by border and operand: trips of loops that move nothing of it, outside its last loop that does, and since then
    "repeats": (SLOTS + 1, 3), "pending": (SLOTS + 1, 3),
    "floor": (SLOTS + 1,),  # cycles below those of every mapping inside the border
    "arrived": (POINTS,), "entered": (POINTS,), "low": (POINTS,), "use": (RESOURCES,), "first": (POINTS,),
    "sums": (29,), "passes": (7,), "cur": (NDIM,), "digits": (6,), "share": (2,),
    "level": (NDIM,), "moving": (NDIM + WINDOWS,),  # border that each dim has come to, units with loops outside
    "totals": (NDIM + WINDOWS,), "kept_words": (NDIM + WINDOWS,),  # of every unit while its loops stand still
    # by operand: its point that DRAM fills, bits loaded in all and at first, visits of its tiles, the last of them that
    # may load nothing, cycles of the last tile; cycles of the first results and of all stores; a tile's words and folds
    "fed_point": (3,), "fed_bits": (3,), "fed_first": (3,), "fed_visits": (3,), "fed_late": (3,), "fed_work": (3,),
    "fed_begin": (), "fed_stored": (), "part": (NDIM,), "part_folds": (NDIM,),
    "part_known": (), "part_work": (),  # cycles of that tile, its results not finished in it (0) or finished (1); or -1
    "fed_shift": (),  # cycles of a load of a systolic array between two passes
    "fed_tile": (3,),  # words (or whole tiles) of a load or store of the operand at most
    "firm": (POINTS,), "swept": (POINTS,), "gain": (3,),  # as `low`, with all lemmas; of a core's PEs; by operand
    # least arrivals of a slot in any order, if the last loop moves the operand, if not; how often it comes in then
    "low_moved": (POINTS,), "low_kept": (POINTS,), "times_moved": (3,), "times_kept": (3,), "present": (3,),
    # where the descent stands in each slot: boxes of the pool, the order being tried, the slot's loops
    "cursor": (SLOTS,), "end": (SLOTS,), "turn": (SLOTS,), "line": (SLOTS, NDIM), "dims": (SLOTS, NDIM),
    "loops": (SLOTS,), "pick": (SLOTS, NDIM), "numbered": (NDIM,),  # number of an option, of divisors
    # progress
    "nodes": (), "evaluated": (), "most": (), "stopped": (), "kept_count": (),
    "best": (2,), "limit": (2,), "best_pair": (2,), "wide": (), "hope": (2,), "close": (),
    # may a mapping be replayed (not where operands stay in part); does a wider search follow what it finds; the least
    # that it has listed but not kept
    "replays": (), "follows": (), "left_out": (2,),
    "mirror": (NDIM,), "mirrored": (),  # the dim that a dim changes names with; may they?
    "kept": (KEEP, 6), "kept_ext": (KEEP, SLOTS + 1, NDIM), "kept_order": (KEEP, SLOTS, NDIM),
    "kept_length": (KEEP, SLOTS), "kept_core": (KEEP,),
    "best_ext": (SLOTS + 1, NDIM), "best_order": (SLOTS, NDIM), "best_length": (SLOTS,), "best_core": (),
    # the front so far, least energy first: energy, cycles, core
    "front_count": (), "front": (FRONT, 3), "front_ext": (FRONT, SLOTS + 1, NDIM), "front_order": (FRONT, SLOTS, NDIM),
    "front_length": (FRONT, SLOTS),
    # a replay: its loops (`passes`), how many; what its passes move, how many rows of that, words that are known, masks
    # of loops, bits that a pass reads and writes; parts at hand, and known, by loop, how many, keys of those at hand
    "nest": (DEEP, 3), "nested": (), "plan": (POINTS, 8), "planned": (), "moved": (POINTS,), "masks": (3, NDIM),
    "bits": (2, MEMORIES), "parts": (DEEP, 5), "runs": (DEEP, RUNS, 6), "run_count": (DEEP,), "run_key": (DEEP,),
    "trip": (DEEP,),
    "bus": (4,),  # `rs`: weights, inputs of the first step, those of all others, and psums of a pass
    # of a window axis: words of all steps of a pass (`rs`: of the first, and those that the others bring) by where its
    # two dims stand (`passes`), and for what they are known
    "area": (WINDOWS, 3, 3), "slides": (WINDOWS, 3, 3), "area_of": (WINDOWS, 3),
    # sums over window tiles that are known, and marks for index sets
    "known": (TABLE, 4), "union": (MARKS,), "fresh": (MARKS,), "was": (MARKS,), "stamp": (),
}  # fmt: skip
LAYOUT = np.dtype([(name, np.int64, shape) for name, shape in _FIELDS.items()])


def new_record() -> Record:
    """A record of zeros with empty tables."""
    record = np.zeros(1, LAYOUT)[0]
    record["known"][:], record["area_of"][:] = -1, -1
    return record
