"""Energy by command from the data sheet's currents (Micron TN-41-01, "Calculating Memory System Power for DDR3").

Per device and rail, with t in clocks of tCK and V x I x t summed over rails:

    activate and precharge   V (IDD0 tRC - IDD3N tRAS - IDD2N tRP)
    read burst               V (IDD4R - IDD3N) burst          write burst: IDD4W
    refresh                  V (IDD5 - IDD3N) tRFC
    background               V IDD3N while a row is open or a refresh is under way, V IDD2N otherwise

Core currents only: no output drivers, termination, PHY or controller; no power-down. Currents are in microamperes,
voltages in millivolts, times in picoseconds, so that products are whole zeptojoules; femtojoules are rounded once.
"""

from __future__ import annotations

from accelsim.arch.dram import DramDevice, DramTiming
from accelsim.dram.use import DramUse

ZJ_PER_FJ = 10**6
READ_WRITE, ACTIVATION, REFRESH, BACKGROUND = "DRAM", "DRAM activation", "DRAM refresh", "DRAM background"


def activate_zj(device: DramDevice) -> int:
    """Opening and closing one row of a channel."""
    charge = (
        rail.vdd_mv * (rail.idd0_ua * device.trc - rail.idd3n_ua * device.tras - rail.idd2n_ua * device.trp)
        for rail in device.rails
    )
    return device.devices * device.tck_ps * sum(charge)


def burst_zj(device: DramDevice, write: bool) -> int:
    """One burst of a channel."""
    charge = (r.vdd_mv * ((r.idd4w_ua if write else r.idd4r_ua) - r.idd3n_ua) for r in device.rails)
    return device.devices * device.tck_ps * device.burst_clocks * sum(charge)


def refresh_zj(device: DramDevice) -> int:
    """One all-bank refresh of a channel."""
    return device.devices * device.tck_ps * device.trfc * sum(r.vdd_mv * (r.idd5_ua - r.idd3n_ua) for r in device.rails)


def background_zj(device: DramDevice, active: bool) -> int:
    """One clock of a channel."""
    charge = (r.vdd_mv * (r.idd3n_ua if active else r.idd2n_ua) for r in device.rails)
    return device.devices * device.tck_ps * sum(charge)


def _fj(zeptojoules: int) -> int:
    return (zeptojoules + ZJ_PER_FJ // 2) // ZJ_PER_FJ


def energy_per_bit_fj(device: DramDevice, write: bool) -> int:
    """A streamed bit, its share of opening the row included: what estimates use."""
    return _fj(burst_zj(device, write) // device.burst_bits + activate_zj(device) // device.row_bits)


def command_energy_fj(timing: DramTiming, use: DramUse) -> dict[str, int]:
    """Femtojoules of a stream by component."""
    device = timing.device
    idle = use.clocks - use.active_clocks
    return {
        READ_WRITE: _fj(use.reads * burst_zj(device, False) + use.writes * burst_zj(device, True)),
        ACTIVATION: _fj(use.activations * activate_zj(device)),
        REFRESH: _fj(use.refreshes * refresh_zj(device)),
        BACKGROUND: _fj(use.active_clocks * background_zj(device, True) + idle * background_zj(device, False)),
    }
