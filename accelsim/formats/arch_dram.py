"""The `dram` key of a machine's YAML: the simple model's figures, or a part by name and how it is used."""

from __future__ import annotations

from accelsim import units
from accelsim.arch import Dram, DramTiming
from accelsim.arch.encoding import RunLength
from accelsim.dram.energy import energy_per_bit_fj
from accelsim.dram.presets import preset
from accelsim.errors import InputError
from accelsim.formats.arch_schema import DramModel, DramTimingModel

Path = tuple[int | str, ...]


def timing_of(model: DramTimingModel, command_energy: bool) -> DramTiming:
    """The detailed DRAM that a `timing` key describes.

    Raises:
        InputError: no such preset, or channels, mapping or interleaving do not fit it.
    """
    device = preset(model.preset)
    width = 1
    if model.interleave is not None:
        width, rest = divmod(units.bits(model.interleave), device.burst_bits)
        if rest:
            raise InputError(f"interleave {model.interleave!r} is not whole bursts of {device.burst_bits // 8} B")
    return DramTiming(
        device=device,
        channels=device.channels if model.channels is None else model.channels,
        page=model.page,
        mapping=tuple(part.strip() for part in model.mapping.split(":")),
        interleave_bursts=width,
        refresh=model.refresh,
        queue=model.queue,
        command_energy=command_energy,
    )


def dram_errors(model: DramModel) -> list[tuple[Path, str]]:
    """What is missing, stated twice or does not fit."""
    found: list[tuple[Path, str]] = []
    per_bit = {"read_energy": model.read_energy, "write_energy": model.write_energy}
    if model.timing is None:
        if model.bandwidth is None:
            found.append((("dram", "bandwidth"), "missing; every machine without dram.timing states it"))
        return found
    if model.arbitration != "program_order":
        message = f"{model.arbitration!r} beside dram.timing, which serves transfers in program order; leave one out"
        found.append((("dram", "arbitration"), message))
    if model.bandwidth is not None:
        found.append((("dram", "bandwidth"), "stated beside dram.timing, which it follows from; leave one out"))
    stated = [key for key, value in per_bit.items() if value is not None]
    if len(stated) == 1:
        found.append((("dram", stated[0]), "stated alone; state both energies per bit, or none to use the currents"))
    if model.background_power is not None and not stated:
        found.append(
            (("dram", "background_power"), "stated, but follows from the currents; state energies per bit too")
        )
    try:
        timing_of(model.timing, command_energy=not stated)
    except InputError as error:
        key = next((k for k in ("preset", "channels", "mapping", "interleave") if k in str(error).split("'")[0]), "")
        found.append((("dram", "timing", key) if key else ("dram", "timing"), str(error)))
    return found


def dram_of(model: DramModel, clock: int) -> Dram:
    """The DRAM of a checked machine."""
    coding = RunLength(model.coding.pairs, units.bits(model.coding.line)) if model.coding else None
    background = units.femtojoules_per_cycle(model.background_power or "0 mW", clock)
    latency = units.cycles(model.latency, clock)
    read, write = (units.femtojoules_per_bit(e or "0 fJ/bit") for e in (model.read_energy, model.write_energy))
    if model.timing is None:
        width = units.bits_per_second(model.bandwidth)
        piece, rule = units.bits(model.piece), model.arbitration
        return Dram(model.kind, width, latency, read, write, background, coding, piece_bits=piece, arbitration=rule)
    timing = timing_of(model.timing, command_energy=model.read_energy is None)
    if timing.command_energy:
        read, write = (energy_per_bit_fj(timing.device, store) for store in (False, True))
    return Dram(model.kind, timing.peak_bits_per_s, latency, read, write, background, coding, timing)
