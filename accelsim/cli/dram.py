"""`dram`: the parts that machines can name, with their timing, latencies, streaming efficiency and energy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from accelsim.cli.shared import Json, app, print_json, print_table, say, wants_json

if TYPE_CHECKING:
    from accelsim.arch import DramDevice

TIMES = ("cl", "cwl", "trcd", "trp", "trp_all", "tras", "trtp", "twr", "trfc", "trefi", "tccd_s", "tccd_l", "trrd_s",
         "trrd_l", "twtr_s", "twtr_l", "tfaw", "burst_clocks")  # fmt: skip


@app.command()
def dram(
    preset: Annotated[str, typer.Option("--preset", "-p", help="One part, with all its clocks (default: all).")] = "",
    json: Json = "",
) -> None:
    """List the DRAM parts of `dram.timing.preset`: timing, peak, latencies, streaming efficiency, energy per bit."""
    from accelsim.dram import PRESETS
    from accelsim.dram import preset as find

    as_json = wants_json(json)
    chosen = [find(preset)] if preset else list(PRESETS.values())
    found = [_figures(device) for device in chosen]
    if as_json:
        print_json({"presets": found})
        return
    _print_parts(found)
    if preset:
        rows = [[t, str(found[0]["clocks"][t]), f"{found[0]['ns'][t]:.4g}"] for t in TIMES]
        print_table(f"{preset}: times", [("parameter", False), ("clocks", True), ("ns", True)], rows)
        say(f"source: {chosen[0].source}")
    say(
        "latencies: arrival to last data of one burst; streaming: one long read, default mapping, refresh on; energies:"
    )
    say("core currents only, streaming with refresh and background, random one burst of every row without them")


def _figures(device: DramDevice) -> dict[str, Any]:
    """A part's figures; energies are None where no currents are known."""
    from accelsim.arch import DramTiming
    from accelsim.dram.figures import energy_per_bit_pj, latencies, stream

    wait = latencies(device)
    timing = DramTiming(device, device.channels, command_energy=bool(device.rails))
    energy = energy_per_bit_pj(device) if device.rails else (None, None)
    clocks = {name: getattr(device, name) for name in TIMES}
    ns = device.tck_ps / 1000
    return {
        "name": device.name,
        "source": device.source,
        "tck_ps": device.tck_ps,
        "clocks": clocks,
        "ns": {name: value * ns for name, value in clocks.items()},
        "channels": device.channels,
        "banks": [device.bank_groups, device.banks_per_group],
        "row_bytes": device.row_bits // 8,
        "burst_bytes": device.burst_bits // 8,
        "peak_bits_per_s": timing.peak_bits_per_s,
        "row_hit_ns": wait.hit * ns,
        "row_miss_ns": wait.miss * ns,
        "row_conflict_ns": wait.conflict * ns,
        "streaming_share": stream(timing)[0],
        "streaming_pj_per_bit": energy[0],
        "random_pj_per_bit": energy[1],
    }


def _print_parts(found: list[dict[str, Any]]) -> None:
    names = (
        "part", "CL-RCD-RP-RAS", "RFC/REFI", "banks", "row B", "channels", "GB/s", "hit ns", "miss ns", "conflict ns",
        "streaming", "pJ/bit stream", "pJ/bit random",
    )  # fmt: skip
    rows = []
    for part in found:
        c, groups = part["clocks"], part["banks"]
        waits = (part[f"row_{kind}_ns"] for kind in ("hit", "miss", "conflict"))
        energy = (part[f"{kind}_pj_per_bit"] for kind in ("streaming", "random"))
        rows.append([
            part["name"], f"{c['cl']}-{c['trcd']}-{c['trp']}-{c['tras']}", f"{c['trfc']}/{c['trefi']}",
            f"{groups[0]} x {groups[1]}", str(part["row_bytes"]), str(part["channels"]),
            f"{part['peak_bits_per_s'] / 8e9:.4g}", *(f"{wait:.4g}" for wait in waits),
            f"{part['streaming_share']:.1%}", *("-" if e is None else f"{e:.2f}" for e in energy),
        ])  # fmt: skip
    print_table("DRAM parts", [(name, name != "part") for name in names], rows)
