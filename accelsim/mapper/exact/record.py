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

# places in `machine`, `roles`, `passes`, and columns of `outer`
KIND, FLOW, ROWS, EARLY_EXIT, WHOLE_TILES, WEIGHT_BUS, INPUT_BUS, OUTPUT_BUS = range(8)
WIDE_BITS, FINAL_WIDTH, KEPT_WIDTH, WHOLE_WORDS = range(8, 12)
KEPT, OUTPUTS, INPUTS = range(3)
PASSES, PASS_ROWS, PASS_COLS, PSUM_STEPS, STEPS, FINAL_STEPS = range(6)
FROM_DRAM, DEPTH, WORD_BITS = range(3)

_FIELDS: dict[str, tuple[int, ...]] = {
    # sizes in use
    "slots": (), "points": (), "sliding": (), "held": (), "memories": (), "resources": (),
    # the problem
    "bounds": (NDIM,), "group": (NDIM,),
    "windows": (WINDOWS, 6),  # first, second dim, stride, dilation, size, offset
    # the places
    "allowed": (SLOTS, NDIM), "exact_order": (SLOTS,), "before": (SLOTS, NDIM, NDIM), "last": (SLOTS,),
    "stream_order": (NDIM,), "limited": (), "forced": (),
    # storage points
    "operand": (POINTS,), "boundary": (POINTS,), "inside": (POINTS, 4),  # array, each, shared along rows, columns
    "kinds": (POINTS, NDIM), "outer": (POINTS, 3),
    "in_words": (POINTS,),  # 1 if it counts words, 0 if whole tiles
    # cost
    "coefficients": (RESOURCES, POINTS), "base": (RESOURCES,), "numbers": (9,), "machine": (12,),
    "ports": (MEMORIES, 2), "roles": (3,),
    # capacity: memory, operand, boundary, depth, bits, whole words, psum bits, inner boundary, retained inside
    "holds": (HOLDS, 9), "capacity": (MEMORIES,),
    "halo": (), "imperfect": (), "goal": (), "piece": (),
    # the core at hand
    "core": (), "row": (NDIM,), "col": (NDIM,), "diagonal": (NDIM,), "pe": (NDIM,), "extent": (NDIM,),
    "fixed": (POINTS,), "least": (POINTS,), "words": (POINTS,), "window_key": (WINDOWS,),
    "core_passes": (6,),  # as `passes`, the least of the core
    # the node at hand
    "ext": (SLOTS + 1, NDIM), "left": (SLOTS + 1, NDIM), "order": (SLOTS, NDIM), "length": (SLOTS,),
    "arrived": (POINTS,), "entered": (POINTS,), "low": (POINTS,), "use": (RESOURCES,),
    "sums": (19 + 2 * MEMORIES,), "passes": (6,), "cur": (NDIM,), "digits": (6,), "share": (2,),
    "totals": (NDIM + WINDOWS,), "kept_words": (NDIM + WINDOWS,),  # of every unit while its loops stand still
    "again": (POINTS,), "times": (3,),  # by point, by operand: of the trips at hand
    # where the descent stands in each slot: boxes of the pool, the order being tried, the slot's loops
    "cursor": (SLOTS,), "end": (SLOTS,), "turn": (SLOTS,), "line": (SLOTS, NDIM), "dims": (SLOTS, NDIM),
    "loops": (SLOTS,),
    # progress
    "nodes": (), "evaluated": (), "most": (), "stopped": (), "kept_count": (),
    "best": (2,), "limit": (2,), "best_pair": (2,), "wide": (),
    "kept": (KEEP, 5), "kept_ext": (KEEP, SLOTS + 1, NDIM), "kept_order": (KEEP, SLOTS, NDIM),
    "kept_length": (KEEP, SLOTS), "kept_core": (KEEP,),
    "best_ext": (SLOTS + 1, NDIM), "best_order": (SLOTS, NDIM), "best_length": (SLOTS,), "best_core": (),
    # the front so far, least energy first: energy, cycles, core
    "front_count": (), "front": (FRONT, 3), "front_ext": (FRONT, SLOTS + 1, NDIM), "front_order": (FRONT, SLOTS, NDIM),
    "front_length": (FRONT, SLOTS),
    # sums over window tiles that are known, and marks for index sets
    "keys": (TABLE, 3), "values": (TABLE, 2), "union": (MARKS,), "fresh": (MARKS,), "was": (MARKS,), "stamp": (),
}  # fmt: skip
LAYOUT = np.dtype([(name, np.int64, shape) for name, shape in _FIELDS.items()])


def new_record() -> Record:
    """A record of zeros with empty tables."""
    record = np.zeros(1, LAYOUT)[0]
    record["keys"][:] = -1
    return record
