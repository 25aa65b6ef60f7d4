"""`energy`: what an action of a machine costs, how sure that is, area; ratios of two runs; the SRAM fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accelsim.cli.shared import Json, app, print_json, print_table, say, wants_json
from accelsim.errors import InputError

if TYPE_CHECKING:
    from accelsim.arch import Accelerator
    from accelsim.energy.ratio import Ratio

NO_FILES = ("", "")


@app.command()
def energy(
    arch: Annotated[str, typer.Option("--arch", "-a", help="Machine: a name of `accelsim archs` or a YAML file.")] = "",
    preset: Annotated[
        str, typer.Option("--preset", "--energy", metavar="PRESET|FILE", help="Energies in place of the machine's.")
    ] = "",
    ratio: Annotated[
        tuple[str, str], typer.Option("--ratio", metavar="A.json B.json", help="Energy of report A over report B.")
    ] = NO_FILES,
    fit: Annotated[
        str, typer.Option("--fit", metavar="POINTS.csv", help="Fit the SRAM tables to points (`-`: ours), print them.")
    ] = "",
    json: Json = "",
) -> None:
    """Energy per action with range and source, normalised to a MAC, and area; a ratio of two runs; the SRAM fit."""
    as_json = wants_json(json)
    if [bool(arch), any(ratio), bool(fit)].count(True) != 1:
        raise InputError("give one of --arch, --ratio and --fit")
    if preset and not arch:
        raise InputError(f"--preset {preset!r} needs --arch")
    if any(ratio):
        _ratio(ratio[0], ratio[1], as_json)
    elif fit:
        _fit(fit, as_json)
    else:
        _table(arch, preset, as_json)


def _table(arch: str, preset: str, as_json: bool) -> None:
    from accelsim.energy.area import area
    from accelsim.energy.dram import dram, type_of
    from accelsim.lookup import load_arch

    machine, _ = load_arch(arch, preset)
    rows = _rows(machine)
    found = {} if machine.node_nm is None else area(machine)
    if as_json:
        parts = {name: {"mm2": f.value, "low": f.low, "high": f.high, "source": f.source} for name, f in found.items()}
        print_json(
            {"arch": machine.name, "model": machine.energy_model or "machine file", "node_nm": machine.node_nm,
             "energies": rows, "area_mm2": parts or None}
        )  # fmt: skip
        return
    columns = [
        ("energy", False), ("value", True), ("low", True), ("high", True), ("unit", False), ("of a MAC", True),
        ("why", False),
    ]  # fmt: skip
    lines = [
        [
            r["energy"], f"{r['value']:,}", f"{r['low']:,.4g}", f"{r['high']:,.4g}", r["unit"],
            "" if r["per_mac"] is None else f"{r['per_mac']:.3g}", r["source"],
        ]
        for r in rows
    ]  # fmt: skip
    print_table(
        f"{machine.name}: energy per action, {machine.energy_model or 'as the machine states it'}", columns, lines
    )
    say("of a MAC: a word of the machine's width (psums at psum width) over one MAC")
    if type_of(machine.dram.kind) is not None:
        row = dram(machine.dram.kind).activation
        say(f"opening a DRAM row: {row.value:.3g} nJ ({row.low:.3g} to {row.high:.3g}), not in DRAM.read; {row.source}")
    if not found:
        say("area: the machine states no node (`node: 65 nm`)")
        return
    columns = [("part", False), ("mm2", True), ("low", True), ("high", True), ("why", False)]
    lines = [[n, f"{f.value:.4g}", f"{f.low:.4g}", f"{f.high:.4g}", f.source] for n, f in found.items()]
    print_table(f"{machine.name}: area at {machine.node_nm} nm", columns, lines)


def _rows(machine: Accelerator) -> list[dict[str, Any]]:
    """Each energy with its range, its unit and what a word costs in MACs."""
    from accelsim.energy.figures import energies, sources

    value, found = energies(machine), []
    for s in sources(machine):
        kind = s.key.rsplit(".", 1)[-1]
        each = kind in ("MAC", "vector")
        idle = kind in ("leakage", "background")
        bits = machine.precision.psum_bits if s.key.startswith("spad.Outputs") else machine.precision.input_bits
        cost = value[s.key] * (1 if each else bits)
        found.append(
            {
                "energy": s.key,
                "value": value[s.key],
                "low": value[s.key] * s.low_permille / 1000,
                "high": value[s.key] * s.high_permille / 1000,
                "unit": "fJ" if each else "fJ/cycle" if idle else "fJ/bit",
                "per_mac": None if idle or not value["MAC"] else cost / value["MAC"],
                "source": s.source,
            }
        )
    return found


def _ratio(first: str, second: str, as_json: bool) -> None:
    from accelsim.energy.ratio import ratio
    from accelsim.formats.reports import read_energy

    a, b = read_energy(first), read_energy(second)
    found = ratio(*a, *b)
    if as_json:
        print_json({"a": Path(first).name, "b": Path(second).name, **_as_dict(found)})
        return
    values = {name: float(value) for name, value in _as_dict(found).items()}
    say(
        f"energy of {Path(first).name} over {Path(second).name}: {values['ratio']:.4g} "
        f"({values['low']:.4g} to {values['high']:.4g} with shared uncertainty, "
        f"{values['independent_low']:.4g} to {values['independent_high']:.4g} if it were independent)"
    )


def _as_dict(found: Ratio) -> dict[str, float]:
    return {
        "ratio": float(found.value), "low": float(found.low), "high": float(found.high),
        "independent_low": float(found.naive_low), "independent_high": float(found.naive_high),
    }  # fmt: skip


def _fit(points: str, as_json: bool) -> None:
    from accelsim.energy.sram_fit import as_source, fit, leave_one_out, points_of, summary
    from accelsim.store import reference_text, user_text

    if points == "-":
        text, name = reference_text("cacti_sram.csv"), "cacti_sram.csv"
    else:
        text, name = user_text(points, "CACTI points"), Path(points).name
    given = points_of(text, name)
    errors = {quantity: summary(values) for quantity, values in leave_one_out(given).items()}
    if as_json:
        rows = {q: {"median": m, "p95": p} for q, (m, p) in errors.items()}
        tables = {
            q: [{"node_nm": n, "word_bytes": w, "values": list(v)} for (n, w), v in t.items()]
            for q, t in fit(given).items()
        }
        print_json({"points": len(given), "leave_one_out": rows, "tables": tables})
        return
    say(as_source(fit(given)))
    for quantity, (median, p95) in errors.items():
        say(f"# {quantity}: leave-one-out error {median:.1%} median, {p95:.1%} at the 95th percentile")
