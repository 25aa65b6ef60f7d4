"""Scaling between nodes and supply voltages: Stillmaker and Baas, Integration 58 (2017), tables of fitted polynomials.

Delay is ``d3 V^3 + d2 V^2 + d1 V + d0``, energy ``e2 V^2 + e1 V + e0``, power ``p2 V^2 + p1 V + p0``; a figure moves
from one node and voltage to another by the ratio of the two polynomials, area by a table. Coefficients as in
wromaszkan/nodeScale@0676b74; its energy and area columns agree with hwcomponents' techscaling (the 180 nm row was not
checked against the paper). From 45 nm down there are high-performance (`HP`) and low-power (`LP`) rows.
"""

from __future__ import annotations

from typing import Literal

from accelsim.errors import InputError, nearest

Kind = Literal["energy", "delay", "power", "area"]
Process = Literal["HP", "LP"]
Row = tuple[float, ...]

# d3, d2, d1, d0, e2, e1, e0, p2, p1, p0
COEFFICIENTS: dict[str, Row] = {
    "180": (0, 97.09, -356.7, 406.5, 0, 24.64, -17.98, 0, 101000, -79720),
    "130": (-76.65, 334.9, -493.4, 275.8, 7.171, -6.709, 2.904, 27020, -15450, 5630),
    "90": (-60.34, 262.5, -384.2, 210.9, 4.762, -4.781, 2.092, 17320, -11230, 4328),
    "65": (-53.3, 230.4, -333.9, 178.6, 3.755, -4.398, 1.975, 12890, -10510, 4362),
    "HP45": (-501.6, 1567, -1619, 566.1, 1.018, -0.3107, 0.1539, 5462, -1760, 522.4),
    "HP32": (-1047, 2982, -2797, 873.5, 0.8367, -0.4341, 0.1701, 4001, -1733, 533.6),
    "HP20": (0, 34.63, -66.37, 41.15, 0.373, -0.1582, 0.04104, 2922, -1286, 299.9),
    "HP16": (0, 24.8, -47.52, 28.87, 0.2958, -0.1241, 0.03024, 2133, -882.6, 197.7),
    "HP14": (-40.66, 109.2, -100.6, 35.92, 0.2363, -0.09675, 0.02239, 1675, -711, 159),
    "HP10": (-34.95, 93.65, -85.99, 30.4, 0.2068, -0.09311, 0.02375, 1456, -621.6, 143.8),
    "HP7": (-28.58, 76.6, -70.26, 24.69, 0.1776, -0.09097, 0.02447, 1179, -515.7, 123.4),
    "LP45": (-285.7, 1239, -1795, 898.8, 1.103, -0.362, 0.2767, 6297, -3009, 1124),
    "LP32": (-325.9, 1374, -1922, 913.2, 0.9559, -0.7823, 0.471, 4557, -3037, 1323),
    "LP20": (-160.5, 514.1, -558.6, 217.5, 0.2632, -0.14, 0.06841, 2096, -962.4, 287.1),
    "LP16": (-114.6, 366.7, -397.4, 153.6, 0.2139, -0.1187, 0.05639, 1609, -715.5, 205.7),
    "LP14": (-85.37, 271.6, -292.2, 111.4, 0.1556, -0.06472, 0.03066, 1259, -554.1, 152.3),
    "LP10": (-71.76, 228.6, -246.3, 93.91, 0.1261, -0.0518, 0.02769, 1046, -422.7, 118.9),
    "LP7": (-61.79, 196.1, -210.3, 79.55, 0.09365, -0.03409, 0.02043, 815.2, -307.3, 87.54),
}
NODES = ("180", "130", "90", "65", "45", "32", "20", "16", "14", "10", "7")
AREA_FROM: dict[str, tuple[float, ...]] = {
    "180": (1, 0.34, 0.15, 0.08, 0.053, 0.025, 0.011, 0.01, 0.0093, 0.0055, 0.0032),
    "130": (2.9, 1, 0.44, 0.23, 0.16, 0.072, 0.033, 0.03, 0.027, 0.016, 0.0092),
    "90": (6.6, 2.3, 1, 0.53, 0.35, 0.16, 0.075, 0.067, 0.061, 0.036, 0.021),
    "65": (12, 4.3, 1.9, 1, 0.66, 0.31, 0.14, 0.13, 0.12, 0.068, 0.039),
    "45": (19, 6.4, 2.8, 1.5, 1, 0.46, 0.21, 0.19, 0.17, 0.1, 0.059),
    "32": (40, 14, 6.1, 3.3, 2.2, 1, 0.46, 0.41, 0.38, 0.22, 0.13),
    "20": (88, 30, 13, 7.1, 4.7, 2.2, 1, 0.89, 0.82, 0.48, 0.28),
    "16": (99, 34, 15, 7.9, 5.3, 2.4, 1.1, 1, 0.91, 0.54, 0.31),
    "14": (110, 37, 16, 8.7, 5.8, 2.7, 1.2, 1.1, 1, 0.59, 0.34),
    "10": (180, 63, 28, 15, 9.8, 4.5, 2.1, 1.9, 1.7, 1, 0.58),
    "7": (320, 110, 48, 25, 17, 7.8, 3.6, 3.2, 2.9, 1.7, 1),
}
"""Area at a node of `NODES` over area at the row's node, as printed (two digits, so chains agree within rounding)."""
NOMINAL_V = {
    "180": 1.8, "130": 1.3, "90": 1.2, "65": 1.1, "45": 1.0, "32": 0.9, "20": 0.9, "16": 0.85, "14": 0.8, "10": 0.75,
    "7": 0.7,
}  # fmt: skip
"""Supply of the PTM models behind the fits (recalled)."""
VOLTAGE_SPAN = (0.7, 1.2)
"""Voltages taken, as a share of nominal (assumed: the polynomials turn upwards or negative far from it)."""
SPANS = {"delay": (0, 4), "energy": (4, 7), "power": (7, 10)}


def node_name(node_nm: float) -> str:
    """The name of a node of the paper.

    Raises:
        InputError: the paper does not have it; the nearest that it has is named.
    """
    name = f"{node_nm:g}"
    if name not in NODES:
        close = min(NODES, key=lambda n: abs(int(n) - node_nm))
        raise InputError(
            f"no scaling data for {name} nm, and none is interpolated; nearest {close} nm of {', '.join(NODES)}"
        )
    return name


def _polynomial(kind: str, node: str, volts: float, process: Process) -> float:
    nominal = NOMINAL_V[node]
    low, high = (share * nominal for share in VOLTAGE_SPAN)
    if not low <= volts <= high:
        raise InputError(f"{volts:g} V at {node} nm, expected {low:.3g} to {high:.3g} V (nominal {nominal:g} V)")
    row = COEFFICIENTS[node if node in COEFFICIENTS else f"{process}{node}"]
    value = 0.0
    for index in range(*SPANS[kind]):
        value = value * volts + row[index]
    return value


def factor(
    kind: str,
    source: str,
    target: str,
    *,
    source_v: float | None = None,
    target_v: float | None = None,
    process: Process = "HP",
) -> float:
    """What a figure at `source` is multiplied with at `target`; voltages default to the nominal ones.

    >>> factor("energy", "45", "45")
    1.0
    >>> round(factor("energy", "45", "65"), 3)
    1.952

    Raises:
        InputError: an unknown kind or node, a voltage far from nominal, voltages for area.
    """
    if kind not in ("area", *SPANS):
        raise InputError(f"scaling of {kind!r}; {nearest(kind, ('area', *SPANS))}")
    for node in (source, target):
        if node not in NODES:
            raise InputError(f"node {node!r}; {nearest(node, NODES)}")
    if kind == "area":
        if source_v is not None or target_v is not None:
            raise InputError("area does not depend on the supply voltage; give none")
        return AREA_FROM[source][NODES.index(target)]
    before = _polynomial(kind, source, NOMINAL_V[source] if source_v is None else source_v, process)
    after = _polynomial(kind, target, NOMINAL_V[target] if target_v is None else target_v, process)
    return after / before
