"""Timeloop's files: architectures with their energies, problems, mappings, constraints, and counted cases."""

from accelsim.formats.timeloop.arch import read_arch
from accelsim.formats.timeloop.cases import CountedCase, read_cases
from accelsim.formats.timeloop.files import Setup, load_setup, machine_from, mapping_text, read_mapping, without_energy

__all__ = [
    "CountedCase",
    "Setup",
    "load_setup",
    "machine_from",
    "mapping_text",
    "read_arch",
    "read_cases",
    "read_mapping",
    "without_energy",
]
