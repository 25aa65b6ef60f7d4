"""accelsim: simulate DNN accelerators, map networks onto them, and prove the numbers.

>>> import accelsim
>>> report = accelsim.run("edge_os_32x32", "mlp")
>>> report.totals.macs, len(report.layers)
(266200, 3)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accelsim.api import load, map_layer, run, sweep, verify
    from accelsim.plot.bound import Report

__version__ = "0.1.0"
__all__ = ["Report", "__version__", "load", "map_layer", "run", "sweep", "verify"]


def __getattr__(name: str) -> Any:
    if name == "Report":
        from accelsim.plot.bound import Report

        return Report
    if name in ("load", "map_layer", "run", "sweep", "verify"):
        from accelsim import api

        return getattr(api, name)
    raise AttributeError(f"module 'accelsim' has no attribute {name!r}")
