"""The DRAM controller against clocks worked out by hand, its bounds, and energies from published currents."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace

from accelsim.arch.dram import DramDevice, DramTiming, Rail
from accelsim.dram.energy import activate_zj, burst_zj
from accelsim.dram.figures import one_bank, other_row, stream
from accelsim.dram.presets import DDR3_1600, PRESETS
from accelsim.store import reference_text
from accelsim.validate.types import Comparison, Section, Statistic

STREAMING = 0.90
Request = tuple[int, int, bool, int]  # row, bursts, write, arrival


def _requests(case: str, device: DramDevice) -> list[Request]:
    due = device.trefi
    cases: dict[str, list[Request]] = {
        "read": [(0, 1, False, 0)],
        "write": [(0, 1, True, 0)],
        "16 reads of one row": [(0, 16, False, 0)],
        "16 writes of one row": [(0, 16, True, 0)],
        "read after read of another row": [(0, 1, False, 0), (1, 1, False, 0)],
        "read after write of another row": [(0, 1, True, 0), (1, 1, False, 0)],
        "write then read of one row": [(0, 1, True, 0), (0, 1, False, 0)],
        "read then write of one row": [(0, 1, False, 0), (0, 1, True, 0)],
        "read at a refresh": [(0, 1, False, due)],
        "read at a refresh with a row open": [(0, 1, False, 0), (0, 1, False, due)],
        "9 reads of rows of one bank": [(k, 1, False, 0) for k in range(9)],
    }
    return cases[case]


def clocks(case: str, device: DramDevice) -> int:
    """End of the last data of a case on an idle channel."""
    channel, end = one_bank(device, refresh=True), 0
    for row, bursts, write, arrival in _requests(case, device):
        first = row * other_row(device)
        end = channel.serve(first, first + bursts, write, arrival)[1]
    return end


def _rows(name: str) -> list[dict[str, str]]:
    lines = (line for line in reference_text(name).splitlines() if not line.startswith("#"))
    return list(csv.DictReader(lines))


def _sequences() -> list[Comparison]:
    return [
        Comparison(
            row["preset"], row["case"], "clocks", clocks(row["case"], PRESETS[row["preset"]]), int(row["clocks"]), 0,
            kind=row["preset"], note=row["derivation"],
        )
        for row in _rows("dram_sequences.csv")
    ]  # fmt: skip


def published_device(row: dict[str, str]) -> DramDevice:
    """The part of a row of `dram_energy.csv`, with what energies depend on."""

    def thousandths(name: str) -> int:
        return round(float(row[name]) * 1000)

    rail = Rail(
        vdd_mv=thousandths("vdd"), idd0_ua=thousandths("idd0"), idd2n_ua=thousandths("idd2n"),
        idd3n_ua=thousandths("idd3n"), idd4r_ua=thousandths("idd4r"), idd4w_ua=thousandths("idd4w"), idd5_ua=0,
    )  # fmt: skip
    bits = int(row["bl"]) * int(row["bus_width"])
    return replace(
        DDR3_1600, name=row["config"], tck_ps=round(float(row["tck_ns"]) * 1000), tras=int(row["tras"]),
        trp=int(row["trp"]), burst_clocks=int(row["bl"]) // 2, burst_bits=bits, row_bits=16 * bits,
        devices=int(row["devices"]), rails=(rail,),
    )  # fmt: skip


def _energies() -> list[Comparison]:
    found = []
    for row in _rows("dram_energy.csv"):
        device = published_device(row)
        figures: list[tuple[str, str, float, Callable[[float], float]]] = [
            ("read_pj_per_bit", "pJ/bit", burst_zj(device, False) / device.burst_bits / 1e9, lambda x: round(x, 2)),
            ("write_pj_per_bit", "pJ/bit", burst_zj(device, True) / device.burst_bits / 1e9, lambda x: round(x, 2)),
            ("act_pre_nj", "nJ", activate_zj(device) / 1e12, lambda x: round(x, 3)),
        ]
        for key, unit, ours, rounded in figures:
            quantity = (
                key.removesuffix("_nj").replace("_pj_per_bit", " energy").replace("act_pre", "activate, precharge")
            )
            found.append(
                Comparison(row["config"], quantity, unit, rounded(ours), float(row[key]), 0.0005, kind="energy")
            )
    return found


def compare() -> Section:
    """Hand-derived sequences to the clock, streaming bounds of every preset and policy, published energies."""
    statistics = []
    for name, device in PRESETS.items():
        for page in ("open", "closed"):
            timing = DramTiming(
                device, device.channels, "open" if page == "open" else "closed", command_energy=bool(device.rails)
            )
            for kind, write in (("reads", False), ("writes", True)):
                share = stream(timing, write)[0]
                title = f"{name}, {page} page, streaming {kind}: share of peak"
                statistics.append(Statistic(title, share, bound=STREAMING, sense="at least"))
    return Section(
        key="dram",
        title="DRAM by commands",
        source="clocks worked out by hand from the parts' parameters (data/dram_sequences.csv); currents of DRAMsim3 "
        "2981759 and energies worked out from them elsewhere (data/dram_energy.csv)",
        comparisons=(*_sequences(), *_energies()),
        statistics=tuple(statistics),
        notes=(
            "Streaming loses refresh (tRFC/tREFI: 3.3 % DDR3-1600 to 7.2 % LPDDR4-3200) and reopening rows after it.",
            "Nine reads of rows of one bank take 8 tRC and one read: a random row miss costs tRC.",
            "Energies are core currents only: no drivers, termination, PHY or controller.",
        ),
    )
