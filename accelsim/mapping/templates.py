"""Dataflow templates: what is spread over the array, held in PEs and streamed in one pass.

A `Core` fixes the inside of a mapping (one array pass); the mapper chooses the loops around it. Templates by name:

* `ws`: rows C S R T, columns M; Weights stay, N O P Q stream, psums leave every step (TPU v1, ISCA 2017).
* `is`: rows C S R T, columns Q P N O; Inputs stay, M streams.
* `os`: rows Q P N O, columns M; Outputs stay, C T R S stream.
* `rs`: rows of filters and ifmaps stay in spads (Eyeriss, ISCA 2016): PEs hold q channels x p filters of one filter
  row; R is spread over rows, e output rows over columns (folded over rows if they do not fit), r channel groups and t
  filter groups over what is left; a pass slides over Q for n images.

Groups without enough channels (depthwise) lie on the array's diagonal in systolic dataflows, since forwarded operands
cannot differ along their wire; in `rs` they are spread over rows, columns and spads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

from accelsim.arch import Accelerator, PEArray
from accelsim.mapping.types import Kind, Loop
from accelsim.problem import Problem


@dataclass(frozen=True)
class Core:
    """The inside of a mapping: stream, spatial and PE loops of one pass."""

    stream: tuple[Loop, ...]
    spatial: tuple[Loop, ...]
    pe: tuple[Loop, ...]

    def extent(self, dim: str) -> int:
        """Extent of a dim in one pass."""
        return prod(loop.trips for loop in (*self.stream, *self.spatial, *self.pe) if loop.dim == dim)


def _loops(trips: dict[str, int], order: str, kind: Kind = "temporal") -> tuple[Loop, ...]:
    return tuple(Loop(dim, trips[dim], kind) for dim in order if trips.get(dim, 1) > 1)


def _fill(problem: Problem, order: str, room: int) -> dict[str, int]:
    """Spread dims over `room` positions, in order, each as far as it goes, evened out over its folds."""
    found = {}
    for dim in order:
        most = min(problem.bound[dim], room)
        folds = -(-problem.bound[dim] // most)
        found[dim] = -(-problem.bound[dim] // folds)
        room //= found[dim]
    return found


def _diagonal(problem: Problem, rows: int, cols: int, array: PEArray) -> int:
    return max(1, min(problem.bound["G"], array.rows // rows, array.cols // cols))


def _systolic(
    problem: Problem, array: PEArray, row_orders: list[str], col_orders: list[str], stream: str
) -> Iterator[Core]:
    seen = set()
    for row_order in row_orders:
        for col_order in col_orders:
            down = _fill(problem, row_order, array.rows)
            across = _fill(problem, col_order, array.cols)
            diagonal = _diagonal(problem, prod(down.values()), prod(across.values()), array)
            spatial = _loops({"G": diagonal}, "G", "diagonal")
            spatial += _loops(down, row_order, "row") + _loops(across, col_order, "col")
            used = {**down, **across}
            trips = {dim: -(-problem.bound[dim] // used.get(dim, 1)) for dim in stream}
            core = Core(_loops(trips, stream), spatial, ())
            if core not in seen:
                seen.add(core)
                yield core


def output_stationary(problem: Problem, arch: Accelerator) -> Iterator[Core]:
    """Cores of `os`: a pass accumulates the whole reduction, or as much as the mapper lets stream."""
    for core in _systolic(problem, arch.array, ["QPNO", "PQNO", "NQPO"], ["M"], "CTRS"):
        yield core
        trips = {loop.dim: loop.trips for loop in core.stream}
        for part in (4, 16, 64):
            if trips.get("C", 1) >= 2 * part:
                yield Core(_loops({**trips, "C": -(-trips["C"] // part)}, "CTRS"), core.spatial, ())


def _stream_cuts(problem: Problem, core: Core) -> Iterator[Core]:
    """Shorter streams over N O P Q, for small psum buffers: one dim cut, or one output row at a time and that cut."""
    trips = {loop.dim: loop.trips for loop in core.stream}
    row = {"Q": trips.get("Q", 1)}
    seen = set()
    for cut in (1, 2, 4, 8, 16, 32, 64):
        cuts = [(trips, dim) for dim in "NOPQ"] + [(row, "Q")]
        for whole, dim in cuts:
            if whole.get(dim, 1) >= cut:
                shorter = {**whole, dim: -(-whole[dim] // cut)} if dim in whole else whole
                key = tuple(sorted(shorter.items()))
                if key not in seen:
                    seen.add(key)
                    yield Core(_loops(shorter, "NOPQ"), core.spatial, ())


def weight_stationary(problem: Problem, arch: Accelerator) -> Iterator[Core]:
    """Cores of `ws`."""
    for core in _systolic(problem, arch.array, ["CSRT", "SRCT"], ["M"], "NOPQ"):
        yield from _stream_cuts(problem, core)


def input_stationary(problem: Problem, arch: Accelerator) -> Iterator[Core]:
    """Cores of `is`, with shorter streams over M for small psum buffers."""
    for core in _systolic(problem, arch.array, ["CSRT", "SRCT"], ["QPNO", "PQNO"], "M"):
        yield core
        trips = {loop.dim: loop.trips for loop in core.stream}
        for part in (2, 8, 32):
            if trips.get("M", 1) >= 2 * part:
                yield Core(_loops({"M": -(-trips["M"] // part)}, "M"), core.spatial, ())


def _choices(bound: int, most: int) -> list[int]:
    """Even splits of a bound into tiles of at most `most`: the largest few, and 1."""
    most = max(1, min(bound, most))
    least = -(-bound // most)
    sizes = {-(-bound // folds) for folds in (least, least + 1, 2 * least, 4 * least)}
    return sorted((s for s in sizes | {1} if s <= most), reverse=True)


def row_stationary(problem: Problem, arch: Accelerator) -> Iterator[Core]:
    """Cores of `rs`, with the published parameters e, p, q, r, t and n = 1 or all images (m is the mapper's)."""
    array, bound = arch.array, problem.bound
    words = {op: array.spad(op).words for op in ("Inputs", "Weights", "Outputs")}
    width = min(bound["S"], words["Inputs"])
    tall = min(bound["R"], array.rows)
    sets = array.rows // tall
    seen = set()
    for q in _choices(bound["C"], words["Inputs"] // width):
        for p in _choices(bound["M"], min(words["Outputs"], words["Weights"] // (q * width))):
            spare = min(words["Inputs"] // (q * width), words["Outputs"] // p, words["Weights"] // (p * q * width))
            for g in _choices(bound["G"], spare)[:2] if p == bound["M"] and q == bound["C"] else [1]:
                for spatial in _rs_spatial(problem, array, tall, sets, p, q, g):
                    pe = _loops({"G": g, "C": q, "S": width, "M": p}, "GCSM")
                    apart = all(loop.dim != "N" for loop in spatial)
                    for images in dict.fromkeys((bound["N"] if apart else 1, 1)):
                        core = Core(_loops({"N": images, "Q": bound["Q"]}, "NQ"), spatial, pe)
                        if core not in seen:
                            seen.add(core)
                            yield core


def _rs_spatial(
    problem: Problem, array: PEArray, tall: int, sets: int, p: int, q: int, g: int
) -> Iterator[tuple[Loop, ...]]:
    """Ways to spread R, e output rows, r channel groups, t filter groups and groups over the array."""
    bound = problem.bound
    left = {"C": -(-bound["C"] // q), "M": -(-bound["M"] // p), "G": -(-bound["G"] // g), "N": bound["N"]}
    for e in _choices(bound["P"], array.cols):
        fold_p = -(-bound["P"] // e)
        beside = array.cols // e
        for across in ({"M": min(left["M"], beside)}, {"G": min(left["G"], beside)}, {"N": min(left["N"], beside)}):
            if prod(across.values()) == 1 and "G" in across:
                continue
            over = {d: -(-n // across.get(d, 1)) for d, n in left.items()}
            for first in ("C", "M", "P", "G"):
                for second in ("M", "C", "P"):
                    room, down = sets, {}
                    for dim in dict.fromkeys((first, second)):
                        limit = fold_p if dim == "P" else over[dim]
                        down[dim] = min(limit, room)
                        room //= down[dim]
                    rows = _loops({**down, "R": tall}, "GMPCR", "row")
                    yield rows + _loops({"P": e, **across}, "GMNP", "col")


Template = Callable[[Problem, Accelerator], Iterator[Core]]
TEMPLATES: dict[str, Template] = {
    "ws": weight_stationary,
    "os": output_stationary,
    "is": input_stationary,
    "rs": row_stationary,
}


def cores(problem: Problem, arch: Accelerator) -> list[Core]:
    """Every core of the machine's dataflow for a problem."""
    return list(TEMPLATES[arch.array.dataflow](problem, arch))


def plain_core(problem: Problem) -> Core:
    """One element at a time in stream order, reduction innermost: the vector unit's pooling."""
    return Core(_loops({d: problem.bound[d] for d in "RS"}, "RS"), (), ())
