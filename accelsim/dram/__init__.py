"""The command-level DRAM: presets, address mapping, one channel's controller, energy by command."""

from accelsim.dram.address import AddressMap
from accelsim.dram.channel import Channel, Command
from accelsim.dram.memory import DetailedMemory, short
from accelsim.dram.presets import PRESETS, preset
from accelsim.dram.use import DramUse

__all__ = ["PRESETS", "AddressMap", "Channel", "Command", "DetailedMemory", "DramUse", "preset", "short"]
