"""SRAM energy, leakage, access time and area by capacity, word, node and ports: a table of 11 capacities by 4 nodes.

The table is a fit (`sram_fit`) to 76 runs of CACTI 7 (HewlettPackard/cacti@1ffd8df; type ram, one read-write port, one
bank, itrs-hp cells, 360 K, ECC on, ED^2). Reading it, on logarithms throughout:

* capacity: linear between octaves of 1 KiB to 1 MiB after isotonic regression, so that more bytes never cost less;
  beyond, the mean slope of the three outermost octaves goes on;
* word, from the values at 16 and 64 bit: writes are affine in bits (each bit drives its own column), reads the
  geometric mean of affine and power law, the rest a power law; below 16 bit a 16-bit access is paid; a port wider than
  512 bit is several banks side by side that share the capacity;
* node: linear between 22 and 65 nm; beyond, Stillmaker-Baas factors from the nearer end, for the nodes of that paper;
* ports beyond the first: factors measured with CACTI (`PORT_SLOPE`).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, exp, log, log2

from accelsim.energy import scaling
from accelsim.energy.sram_tables import TABLES
from accelsim.errors import InputError, nearest

SramTables = dict[str, dict[tuple[int, int], tuple[float, ...]]]
QUANTITIES = ("read", "write", "leakage", "access", "area")
UNITS = {"read": "pJ", "write": "pJ", "leakage": "mW", "access": "ns", "area": "mm2"}
NODES = (22, 32, 45, 65)
WIDTHS = (2, 8)
CAPACITIES = tuple(2**k for k in range(10, 21))
OUTER = 3
"""Octaves over which the slope beyond the table is taken."""
BANK_BITS = 512
"""Widest word of one bank, the widest that was compared with CACTI."""
PORT_SLOPE = {"read": 0.27, "write": 0.29, "leakage": 0.22, "access": 0.27, "area": 0.43}
"""Growth per port beyond the first: medians over eight arrays of 8 to 512 KiB with two to four ports (reads spread from
0.2 less to 1.6 more); both sides of a cell grow by a port's wires, so area goes by the square. CACTI 7 runs,
`validate/data/cacti_ports.csv`."""
Row = tuple[float, ...]


def isotonic(values: Sequence[float]) -> Row:
    """The non-decreasing sequence nearest to `values` in the sum of squares (pool adjacent violators).

    >>> isotonic([1, 3, 2, 4])
    (1.0, 2.5, 2.5, 4.0)
    """
    pools: list[tuple[float, int]] = []
    for value in values:
        mean, count = float(value), 1
        while pools and pools[-1][0] > mean:
            before, size = pools.pop()
            mean, count = (before * size + mean * count) / (size + count), size + count
        pools.append((mean, count))
    return tuple(mean for mean, count in pools for _ in range(count))


def _at_word(quantity: str, narrow: float, wide: float, word_bytes: float) -> float:
    """Logarithm of the value at a word, from those at 2 and 8 bytes."""
    wide, word = max(narrow, wide), max(word_bytes, float(WIDTHS[0]))
    power = log(narrow) + (log(wide) - log(narrow)) * log(word / WIDTHS[0]) / log(WIDTHS[1] / WIDTHS[0])
    affine = log(narrow + (wide - narrow) * (word - WIDTHS[0]) / (WIDTHS[1] - WIDTHS[0]))
    if quantity == "write":
        return affine
    return (affine + power) / 2 if quantity == "read" else power


def _at_capacity(row: Row, octave: float) -> float:
    """A row of logarithms read at log2 of a capacity in bytes."""
    first, last = log2(CAPACITIES[0]), log2(CAPACITIES[-1])
    if octave <= first:
        return row[0] - (first - octave) * (row[OUTER] - row[0]) / OUTER
    if octave >= last:
        return row[-1] + (octave - last) * (row[-1] - row[-1 - OUTER]) / OUTER
    k = int(octave - first)
    part = octave - first - k
    return row[k] * (1 - part) + row[min(k + 1, len(row) - 1)] * part


def _at_node(quantity: str, node: int, word_bytes: float, octave: float, tables: SramTables) -> float:
    narrow, wide = (tables[quantity][node, word] for word in WIDTHS)
    row = [_at_word(quantity, a, b, word_bytes) for a, b in zip(narrow, wide, strict=True)]
    return _at_capacity(isotonic(row), octave)


def _beyond(quantity: str, node_nm: float) -> tuple[float, float]:
    """(node inside the table, factor from there) of a node outside it."""
    if NODES[0] <= node_nm <= NODES[-1]:
        return node_nm, 1.0
    name = scaling.node_name(node_nm)
    inside, source = (NODES[0], "20") if node_nm < NODES[0] else (NODES[-1], "65")
    kind = {"read": "energy", "write": "energy", "leakage": "energy", "access": "delay", "area": "area"}[quantity]
    return inside, scaling.factor(kind, source, name)


def port_factor(quantity: str, ports: int) -> float:
    """Growth of a figure from one port to several."""
    return float((1 + PORT_SLOPE[quantity] * (ports - 1)) ** (2 if quantity == "area" else 1))


def predict(
    quantity: str,
    capacity_bits: float,
    word_bits: float,
    node_nm: float,
    tables: SramTables = TABLES,
    ports: int = 1,
) -> float:
    """One figure of an SRAM: `read`, `write` pJ an access, `leakage` mW, `access` ns, `area` mm2.

    Leakage is that of high-performance cells at 360 K; below 22 nm it scales as energy does (assumed).

    Raises:
        InputError: an unknown quantity, a size that is not positive, a node outside 22 to 65 nm that Stillmaker and
            Baas do not have.
    """
    if quantity not in QUANTITIES:
        raise InputError(f"SRAM figure {quantity!r}; {nearest(quantity, QUANTITIES)}")
    if not (capacity_bits > 0 and word_bits > 0 and ports >= 1):
        raise InputError(
            f"an SRAM of {capacity_bits} bit, {word_bits} bit words, {ports} ports; expected positive figures"
        )
    banks = ceil(word_bits / BANK_BITS)
    word_bytes, octave = word_bits / banks / 8, log2(capacity_bits / banks / 8)
    inside, factor = _beyond(quantity, node_nm)
    above = next(n for n in NODES if n >= inside)
    below = max(n for n in NODES if n <= inside)
    value = _at_node(quantity, below, word_bytes, octave, tables)
    if above != below:
        share = log(inside / below) / log(above / below)
        value = value * (1 - share) + _at_node(quantity, above, word_bytes, octave, tables) * share
    return exp(value) * factor * port_factor(quantity, ports) * (1 if quantity == "access" else banks)
