"""SCALE-Sim's machine files (INI), versions 1 to 3, as machines of ours and back."""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from accelsim.arch import PIECE_BITS, Accelerator, Dram, Hold, MemoryLevel, PEArray, Precision, Spad, VectorUnit
from accelsim.arch.dataflows import WIRES
from accelsim.errors import InputError, nearest
from accelsim.timing.scalesim import ScaleDataflow, ScaleMachine, scale_machine

PRESETS = "architecture_presets"
# version 1 spells the sizes without their unit, which is the same
SIZES = {
    "ifmap": ("IfmapSramSzkB", "IfmapSramSz"),
    "filter": ("FilterSramSzkB", "FilterSramSz"),
    "ofmap": ("OfmapSramSzkB", "OfmapSramSz"),
}
DATAFLOWS = ("os", "ws", "is")
DEFAULT_WORDS = 10  # words a cycle: what CALC mode of scalesim 3.0.0 assumes of the DRAM before the first demand
CLOCK_HZ = 10**9  # assumed: SCALE-Sim counts cycles and has no clock


@dataclass(frozen=True)
class ScaleConfig:
    """What a .cfg says that is used here.

    Attributes:
        bandwidth_words: DRAM words a cycle of `Bandwidth`, None if the file has none.
        mode: `CALC` or `USER`, empty in version 1.
    """

    run_name: str
    machine: ScaleMachine
    bandwidth_words: int | None = None
    mode: str = ""


class _File:
    """A parsed file that names line, key and value in its complaints."""

    def __init__(self, text: str, source: str) -> None:
        self.text, self.source = text.removeprefix("\ufeff"), source
        self.parser = configparser.ConfigParser(interpolation=None)
        try:
            self.parser.read_string(self.text)
        except configparser.MissingSectionHeaderError as error:
            raise InputError(
                f"{source}:{error.lineno}: {error.line.strip()!r} stands before any section; expected [general] or "
                f"[{PRESETS}]"
            ) from None
        except (configparser.DuplicateOptionError, configparser.DuplicateSectionError) as error:
            what = getattr(error, "option", error.section)
            raise InputError(f"{source}:{error.lineno}: {what!r} is given twice; expected it once") from None
        except configparser.ParsingError as error:
            line, given = error.errors[0]
            raise InputError(f"{source}:{line}: {given}, expected `key: value` or `[section]`") from None

    def line(self, key: str) -> int:
        """Line of a key, 1 if it is not there."""
        pattern = re.compile(rf"\s*{re.escape(key)}\s*[:=]", re.IGNORECASE)
        return next((n for n, line in enumerate(self.text.splitlines(), 1) if pattern.match(line)), 1)

    def get(self, section: str, *keys: str) -> tuple[str, str] | None:
        """(key, value) of the first of several spellings."""
        for key in keys:
            if self.parser.has_option(section, key):
                return key, self.parser.get(section, key).strip().strip('"').strip()
        return None

    def wrong(self, key: str, value: str, expected: str) -> InputError:
        return InputError(f"{self.source}:{self.line(key)}: {key} {value!r}, expected {expected}")

    def number(self, *keys: str, read: Callable[[str], int] = int) -> int:
        """A whole number of at least 1 in the presets."""
        found = self.get(PRESETS, *keys)
        if found is None:
            given = nearest(keys[0].lower(), self.parser.options(PRESETS))
            raise InputError(f"{self.source}: [{PRESETS}] has no {keys[0]}, a whole number; {given}")
        key, text = found
        try:
            value = read(text)
        except ValueError:
            value = 0
        if value < 1:
            raise self.wrong(key, text, "a whole number of at least 1")
        return value


def read_cfg(text: str, source: str) -> ScaleConfig:
    """A machine file of version 1, 2 or 3; sections and keys that do not change its figures are not asked for.

    Raises:
        InputError: file, line, key, value and what was expected; also for an unknown dataflow (SCALE-Sim warns and runs
            `os`), and for sparsity or custom layouts, which are not modelled.
    """
    file = _File(text, source)
    if not file.parser.has_section(PRESETS):
        raise InputError(f"{source}: no section [{PRESETS}]; {nearest(PRESETS, file.parser.sections())}")
    rows, cols = file.number("ArrayHeight"), file.number("ArrayWidth")
    ifmap, filters, ofmap = (file.number(*SIZES[name]) for name in ("ifmap", "filter", "ofmap"))
    found = file.get(PRESETS, "Dataflow")
    if found is None:
        raise InputError(f"{source}: [{PRESETS}] has no Dataflow, one of {', '.join(DATAFLOWS)}")
    if found[1] not in DATAFLOWS:
        raise file.wrong("Dataflow", found[1], f"one of {', '.join(DATAFLOWS)}")
    _refuse(file)
    name = file.get("general", "run_name")
    mode = file.get("run_presets", "InterfaceBandwidth")
    if mode is not None and mode[1] not in ("CALC", "USER"):
        raise file.wrong("InterfaceBandwidth", mode[1], "CALC or USER")
    words = None
    if file.get(PRESETS, "Bandwidth") is not None:
        words = file.number("Bandwidth", read=lambda text: min(int(part) for part in text.split(",")))
    dataflow = cast(ScaleDataflow, found[1])
    machine = ScaleMachine(rows, cols, ifmap, filters, ofmap, dataflow)
    return ScaleConfig("" if name is None else name[1], machine, words, "" if mode is None else mode[1])


def _refuse(file: _File) -> None:
    """Switches whose effect is not modelled."""
    switches = [("sparsity", "SparsitySupport"), ("run_presets", "UseRamulatorTrace")]
    switches += [
        (section, key) for section in ("layout", PRESETS) for key in ("IfmapCustomLayout", "FilterCustomLayout")
    ]
    for section, key in switches:
        found = file.get(section, key)
        if found is not None and found[1].lower() not in ("false", "no", "0", "off", ""):
            raise file.wrong(key, found[1], "False: it is not modelled here")


def to_accelerator(config: ScaleConfig, name: str) -> Accelerator:
    """The machine with `timing: scalesim`: three double-buffered SRAMs, one-byte words.

    What SCALE-Sim does not say is assumed, as on the shipped machine `edge_os_32x32`: clock, psum width, ports as wide
    as the array takes words, DRAM latency, every energy, and a vector unit that works from the ofmap SRAM.
    """
    machine = config.machine
    words = config.bandwidth_words or DEFAULT_WORDS
    said = f"{words} words a cycle" if config.bandwidth_words else f"{words} words a cycle (assumed)"
    mode = " Its USER mode is not reproduced: SCALE-Sim's figures here are those of CALC mode." * (
        config.mode == "USER"
    )
    described = (
        f"SCALE-Sim machine {config.run_name or name}: {machine.rows} x {machine.cols} {machine.dataflow}, DRAM of "
        f"{said}; 1 GHz, 32-bit psums and all energies are assumed.{mode}"
    )
    inputs, weights, psums = WIRES[machine.dataflow]
    held = {name: _depth(machine, name) for name in ("ws", "is")}
    register = 2  # fJ/bit, assumed: pipeline register
    return Accelerator(
        name=re.sub(r"[^A-Za-z0-9_.-]", "_", name).lstrip("_.-") or "scalesim",
        description=described,
        clock_hz=CLOCK_HZ,
        precision=Precision(8, 8, 32, 8),
        dram=Dram("SCALE-Sim", 8 * words * CLOCK_HZ, 100, 8000, 8000, piece_bits=PIECE_BITS),
        memories=(
            _sram("IFMAP", machine.ifmap_kb, (Hold("Inputs", held["is"]),), max(machine.rows, machine.cols) * 8),
            _sram("FILTER", machine.filter_kb, (Hold("Weights", held["ws"]),), max(machine.rows, machine.cols) * 8),
            _sram("OFMAP", machine.ofmap_kb, (Hold("Inputs", 2, "vector"), Hold("Outputs", 2)), machine.cols * 32),
        ),
        array=PEArray(
            kind="systolic", dataflow=machine.dataflow, rows=machine.rows, cols=machine.cols,
            spads=tuple(Spad(operand, 1, register, register) for operand in ("Inputs", "Weights", "Outputs")),
            share_inputs=inputs, share_weights=weights, reduce=psums, mac_fj=100, hop_fj_per_bit=5,
        ),
        vector=VectorUnit(machine.cols, 100),
        timing="scalesim",
    )  # fmt: skip


def _depth(machine: ScaleMachine, dataflow: str) -> int:
    """Tiles held of an operand: 2 as SCALE-Sim has it, 1 if it stays in the array and its SRAM has no room for two."""
    kilobytes = machine.filter_kb if dataflow == "ws" else machine.ifmap_kb
    stays = machine.dataflow == dataflow
    return 1 if stays and 2 * machine.rows * machine.cols > 1024 * kilobytes else 2


def _sram(name: str, kilobytes: int, holds: tuple[Hold, ...], port_bits: int) -> MemoryLevel:
    """An SRAM; energies of 64 KiB, assumed for any size (CACTI 7, 22 nm, 64 KiB array: 134 and 92 fJ/bit)."""
    return MemoryLevel(name, 8192 * kilobytes, holds, port_bits, port_bits, 134, 92)


def write_cfg(arch: Accelerator) -> str:
    """The machine as a version 3 file (CALC mode) that SCALE-Sim 3.0.0 reads.

    Raises:
        InputError: SCALE-Sim has no such machine; the message says what is in the way.
    """
    machine = scale_machine(arch)
    words = max(1, arch.dram.bandwidth_bits_per_s // (arch.clock_hz * arch.precision.input_bits))
    off = "IfmapCustomLayout: False\nIfmapSRAMBankBandwidth: 10\nIfmapSRAMBankNum: 10\nIfmapSRAMBankPort: 2\n"
    return (
        f"[general]\nrun_name = {arch.name}\n\n"
        f"[{PRESETS}]\n"
        f"ArrayHeight: {machine.rows}\nArrayWidth: {machine.cols}\n"
        f"IfmapSramSzkB: {machine.ifmap_kb}\nFilterSramSzkB: {machine.filter_kb}\nOfmapSramSzkB: {machine.ofmap_kb}\n"
        "IfmapOffset: 0\nFilterOffset: 10000000\nOfmapOffset: 20000000\n"
        f"Bandwidth: {words}\nDataflow: {machine.dataflow}\nReadRequestBuffer: 32\nWriteRequestBuffer: 32\n\n"
        f"[layout]\n{off}{off.replace('Ifmap', 'Filter')}\n"
        "[sparsity]\nSparsitySupport: false\n\n"
        "[run_presets]\nInterfaceBandwidth: CALC\nUseRamulatorTrace: False\n"
    )
