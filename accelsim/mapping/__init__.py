"""Mappings: loop nests on machines, their storage points, legality."""

from accelsim.mapping.nest import LevelLoops, LevelNest, Placed, check_nest
from accelsim.mapping.points import TIMELOOP, Point, Rules, points, rules_of
from accelsim.mapping.types import Digit, LinkCount, Loop, Mapping, Step, TileLevel

__all__ = [
    "TIMELOOP",
    "Digit",
    "LevelLoops",
    "LevelNest",
    "LinkCount",
    "Loop",
    "Mapping",
    "Placed",
    "Point",
    "Rules",
    "Step",
    "TileLevel",
    "check_nest",
    "points",
    "rules_of",
]
