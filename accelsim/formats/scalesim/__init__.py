"""SCALE-Sim's files: machines (.cfg), topologies (.csv) and its three reports."""

from accelsim.formats.scalesim.cfg import ScaleConfig, read_cfg, to_accelerator, write_cfg
from accelsim.formats.scalesim.reports import report_files
from accelsim.formats.scalesim.topology import Row, graph_of, read_topology, rows_of, topology_of, write_topology

__all__ = [
    "Row",
    "ScaleConfig",
    "graph_of",
    "read_cfg",
    "read_topology",
    "report_files",
    "rows_of",
    "to_accelerator",
    "topology_of",
    "write_cfg",
    "write_topology",
]
