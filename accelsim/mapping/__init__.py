"""Mappings: loop nests on machines, their storage points, legality and dataflow templates."""

from accelsim.mapping.points import Point, Rules, points, rules_of
from accelsim.mapping.types import Digit, LinkCount, Loop, Mapping, Step, TileLevel

__all__ = ["Digit", "LinkCount", "Loop", "Mapping", "Point", "Rules", "Step", "TileLevel", "points", "rules_of"]
