"""Energy and area against CACTI 7 (points left out one by one, and points that no fit saw) and published tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import replace

from accelsim.arch import Accelerator
from accelsim.energy import area, components, presets, sram
from accelsim.energy.sram_fit import Point, errors, fit, leave_one_out, points_of, summary
from accelsim.energy.sram_tables import TABLES
from accelsim.errors import InputError
from accelsim.lookup import load_arch
from accelsim.store import reference_text, user_text
from accelsim.validate.types import Comparison, Section, Statistic

MEDIAN, P95 = 0.10, 0.25
"""Bounds on errors of single points; asked of read and write energy, kept by all five figures."""
SOURCE = (
    "CACTI 7 (HewlettPackard/cacti@1ffd8df, type ram, 1 read-write port, 1 bank, itrs-hp, ED^2): 76 points, and 119 "
    "more from the sources in hwcomponents-cacti 1.0.40, which give the 76 to the last digit; Accelergy ERT of "
    "Timeloop's Eyeriss example; Chen et al., ISCA 2016 and JSSC 2017; Horowitz, ISSCC 2014; Jouppi et al., ISCA 2017"
)
NODES = (65, 45, 32, 22)
Select = Callable[[Point], bool]


def _inside(p: Point) -> bool:
    return p.node_nm in NODES


GROUPS: dict[str, Select] = {
    "between sizes": lambda p: _inside(p) and p.word_bytes in sram.WIDTHS and p.size_bytes <= 2**20,
    "32-bit words": lambda p: _inside(p) and p.word_bytes == 4,
    "28 and 40 nm": lambda p: p.node_nm in (28, 40),
    "2 and 4 MiB": lambda p: _inside(p) and p.size_bytes > 2**20,
    "128-bit words": lambda p: p.word_bytes == 16,
    "256-bit words": lambda p: p.word_bytes == 32,
    "512-bit words": lambda p: p.word_bytes == 64,
    "90 nm": lambda p: p.node_nm == 90,
}
INTERPOLATED = ("between sizes", "32-bit words", "28 and 40 nm")
"""Groups inside the fitted points in every direction: judged. The others are extrapolations, shown."""


def _name(p: Point) -> str:
    return f"{p.node_nm:g} nm, {p.word_bytes * 8:g} bit, {p.size_bytes / 1024:g} KiB"


def _kind(p: Point) -> str:
    return f"{p.node_nm:g} nm, {p.word_bytes * 8:g} bit"


def _rows(points: Iterable[Point], found: dict[str, list[float]], note: str) -> list[Comparison]:
    return [
        Comparison(
            _name(p), f"{quantity} energy", sram.UNITS[quantity], p.figure(quantity) * (1 + error), p.figure(quantity),
            kind=_kind(p), note=note,
        )
        for quantity in ("read", "write")
        for p, error in zip(points, found[quantity], strict=True)
    ]  # fmt: skip


def _pair(name: str, values: list[float], bound: bool) -> list[Statistic]:
    median, p95 = summary(values)
    return [
        Statistic(f"{name}, median", median, bound=MEDIAN if bound else None),
        Statistic(f"{name}, 95th percentile", p95, bound=P95 if bound else None),
    ]


def _left_out(points: tuple[Point, ...], found: dict[str, list[float]]) -> list[Statistic]:
    """Leave-one-out errors of every figure, and of reads and writes by node and width."""
    stats = []
    for quantity in sram.QUANTITIES:
        stats += _pair(f"{quantity}, left out", found[quantity], True)
    for quantity in ("read", "write"):
        for kind in dict.fromkeys(map(_kind, points)):
            chosen = [e for p, e in zip(points, found[quantity], strict=True) if _kind(p) == kind]
            stats += _pair(f"{quantity}, left out, {kind}", chosen, False)
    return stats


def _held_out(fitted: tuple[Point, ...], held: tuple[Point, ...]) -> list[Statistic]:
    """Errors of the fit on points that it never saw: reads and writes by what is new, the rest in two lots."""
    stats = []
    for group, select in GROUPS.items():
        chosen = tuple(p for p in held if select(p))
        found = errors(fitted, chosen)
        for quantity in ("read", "write"):
            stats += _pair(f"{quantity}, unseen, {group} ({len(chosen)})", found[quantity], group in INTERPOLATED)
    inside = tuple(p for p in held if any(GROUPS[group](p) for group in INTERPOLATED))
    outside = tuple(p for p in held if p not in inside)
    for quantity in sram.QUANTITIES[2:]:
        stats += _pair(f"{quantity}, unseen, inside ({len(inside)})", errors(fitted, inside)[quantity], True)
        stats += _pair(f"{quantity}, unseen, beyond ({len(outside)})", errors(fitted, outside)[quantity], False)
    return stats


def _timeloop() -> list[Comparison]:
    """Timeloop's Eyeriss example: 128 KiB of 64 bit, spads of 16 bit, an 8-bit MAC at 32 nm."""
    note = "32 nm by the flattened architecture and log beside the ERT"
    kib = 128 * 8192
    rows = [
        ("GLB read", "pJ", sram.predict("read", kib, 64, 32), 18.183829),
        ("GLB write", "pJ", sram.predict("write", kib, 64, 32), 14.137929),
        ("GLB area", "mm2", sram.predict("area", kib, 64, 32), 0.217363),
        ("MAC 8 x 8 + 16", "pJ", components.mac(8, 8, 16, 32).value / 1000, 0.207692),
    ]
    for name, words, read, write in (("ifmap", 12, 0.202442, 0.176713), ("weights", 192, 1.976602, 1.881657),
                                     ("psum", 16, 0.2513, 0.2191)):  # fmt: skip
        ours = [f.value * 16 / 1000 for f in components.register_file(words, 16, 32)]
        rows += [(f"{name} spad read", "pJ", ours[0], read), (f"{name} spad write", "pJ", ours[1], write)]
    return [Comparison(f"Timeloop {item}", "shown", unit, ours, ref, note=note) for item, unit, ours, ref in rows]


def _published() -> list[Comparison]:
    """Single figures of tables that nobody here made."""
    read = [(8, 10.0, "read in PMC8934428"), (32, 20.0, "recalled"), (1024, 100.0, "recalled")]
    rows = [
        Comparison(f"Horowitz {kib} KB cache, 64 bit", "shown", "pJ", sram.predict("read", kib * 8192, 64, 45), ref,
                   note=f"45 nm; a cache reads tags too; {note}")
        for kib, ref, note in read
    ]  # fmt: skip
    glb = sram.predict("read", 108 * 8192, 16, 65)
    rows.append(Comparison("nn_dataflow 108 KB buffer, 16 bit", "shown", "pJ", glb, 15.0, note="fitted to the chip"))
    mac = components.mac(16, 16, 16, 65).value / 1000
    rows.append(Comparison("nn_dataflow 16-bit MAC", "shown", "pJ", mac, 2.0, note="fitted to the chip"))
    wide = components.multiply_pj(32, 32) + components.add_pj(32)
    rows.append(Comparison("Aladdin int32 MAC", "shown", "pJ", wide, 12.89, note="40 nm against 45 nm, not scaled"))
    for size, per_byte in area.SPAD_UM2_PER_BYTE[-3:]:
        ours = sram.predict("area", size * 8, 16, 65) * 1e6 / size
        rows.append(Comparison(f"Eyeriss storage area, {size} B", "shown", "um2/B", ours, per_byte,
                               note="65 nm; the fit against ISCA 2016's table"))  # fmt: skip
    return rows


def _machines() -> list[Comparison]:
    """The 65 nm preset against Eyeriss' normalised hierarchy, areas of two chips."""
    eyeriss, _ = load_arch("eyeriss")
    ours = presets.apply(eyeriss, "65nm")
    mac, word = ours.array.mac_fj, ours.precision.input_bits
    glb = ours.memory("GLB")
    spads = [s.read_fj_per_bit for s in ours.array.spads]
    rows = [
        ("spad (mean of three)", sum(spads) / len(spads), 1), ("hop", ours.array.hop_fj_per_bit, 2),
        ("buffer", glb.read_fj_per_bit, 6), ("DRAM", ours.dram.read_fj_per_bit, 200),
    ]  # fmt: skip
    found = [
        Comparison(f"65nm preset, {name} over MAC", "shown", "", value * word / mac, ref, note="Eyeriss, ISCA 2016")
        for name, value, ref in rows
    ]
    chip = "JSSC 2017: 3.5 x 3.5 mm core, two thirds of it storage, spads 2.5 times the buffer"
    found += _areas(
        eyeriss, {"spads": (("spads",), 12.25 * 2 / 3 * 5 / 7), "GLB": (("GLB",), 12.25 * 2 / 3 * 2 / 7)}, chip
    )
    tpu, _ = load_arch("tpu_v1")
    die = "ISCA 2017: share of the die, 331 mm2 at most (recalled)"
    found += _areas(
        tpu, {"compute": (("array", "spads"), 331 * 0.30), "buffers": (("UB", "FIFO", "ACC"), 331 * 0.37)}, die
    )
    return found


def _areas(arch: Accelerator, parts: dict[str, tuple[tuple[str, ...], float]], note: str) -> list[Comparison]:
    ours = area.area(arch)
    return [
        Comparison(f"{arch.name} area, {name}", "shown", "mm2", sum(ours[p].value for p in of), reference, note=note)
        for name, (of, reference) in parts.items()
    ]


def _ports() -> list[Statistic]:
    """Error of our growth with ports against CACTI's, over two to four ports; shown."""
    rows = list(csv.DictReader(io.StringIO(reference_text("cacti_ports.csv"))))
    columns = {"read": "read_nJ", "write": "write_nJ", "leakage": "leak_mW", "access": "access_ns", "area": "area_mm2"}
    place = ("tech_nm", "word_bytes", "size_bytes")
    single = {tuple(r[c] for c in place): r for r in rows if _port_count(r) == 1}
    found = []
    for quantity, column in columns.items():
        off = []
        for r in rows:
            grown = float(r[column]) / float(single[tuple(r[c] for c in place)][column])
            if _port_count(r) > 1:
                off.append(sram.port_factor(quantity, _port_count(r)) / grown - 1)
        found += _pair(f"{quantity}, growth with ports", off, False)
    return found


def _port_count(row: dict[str, str]) -> int:
    return sum(int(row[name]) for name in ("rw_ports", "read_ports", "write_ports"))


NOTES = (
    "Left out: every point is predicted by a fit to the 75 others. Errors are relative; CACTI searches a new split of "
    "the array at each size, so that it jumps (45 nm, 16 bit reads fall from 64 to 128 KiB).",
    "How reads combine the two fitted word widths was chosen once with the unseen points at hand, and the kriging "
    "lengths by leave-one-out error; the values of the unseen points entered no fit.",
    "CACTI's leakage at 90 nm is a fifth of what scaling from 65 nm gives; leakage outside 22 to 65 nm is an order of "
    "magnitude, and presets take a tenth of CACTI's high-performance cells (assumed).",
    "New points for `--rows`: CACTI's sample cache.cfg with type ram, associativity 1, block size and bus width of one "
    "word, the size and the node; it keeps ECC bits (an eighth more columns) and 360 K, as all points here do.",
    "Shown rows carry no band: public absolute figures disagree by up to 4 x (10 x for DRAM), which is why every "
    "energy has a range.",
)


def compare() -> Section:
    """Leave-one-out and unseen-point errors of the SRAM fit; the rest of the model beside published figures."""
    points = points_of(reference_text("cacti_sram.csv"), "cacti_sram.csv")
    held = points_of(reference_text("cacti_held_out.csv"), "cacti_held_out.csv")
    found = leave_one_out(points)
    return Section(
        "energy",
        "Energy and area",
        SOURCE,
        (*_rows(points, found, ""), *_timeloop(), *_published(), *_machines()),
        (_regenerated(points), *_left_out(points, found), *_held_out(points, held), *_ports()),
        NOTES,
        plot="read energy",
    )


def _regenerated(points: tuple[Point, ...]) -> Statistic:
    """Largest relative difference between the committed tables and a fresh fit (the last of four digits may turn)."""
    fresh = fit(points)
    worst = max(
        abs(a / b - 1)
        for quantity, rows in TABLES.items()
        for key, row in rows.items()
        for a, b in zip(row, fresh[quantity][key], strict=True)
    )
    return Statistic("committed tables against a fresh fit, largest difference", worst, bound=2e-3)


def compare_rows(name: str) -> Section:
    """The committed fit on CACTI points of a user's CSV file, judged by the same bounds on reads and writes.

    Raises:
        InputError: the file cannot be read or holds no points.
    """
    points = points_of(user_text(name, "CACTI points"), name, least=1)
    ours = points_of(reference_text("cacti_sram.csv"), "cacti_sram.csv")
    try:
        found = errors(ours, points)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    stats = []
    for quantity in sram.QUANTITIES:
        stats += _pair(f"{quantity}, {len(points)} rows", found[quantity], quantity in ("read", "write"))
    rows = tuple(replace(row, note="") for row in _rows(points, found, ""))
    return Section(
        "energy", f"SRAM fit on {name}", f"{name}; fit to 76 CACTI 7 points", rows, tuple(stats), (), "read energy"
    )
