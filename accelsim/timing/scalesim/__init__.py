"""SCALE-Sim 3.0.0, bit for bit, without walking its demand matrices."""

from accelsim.timing.scalesim.columns import (
    BANDWIDTH_COLUMNS,
    COMPUTE_COLUMNS,
    DETAIL_COLUMNS,
    bandwidth_row,
    compute_row,
    detail_row,
    run_columns,
)
from accelsim.timing.scalesim.convert import scale_layers, scale_machine
from accelsim.timing.scalesim.model import folds_of, simulate
from accelsim.timing.scalesim.types import (
    Folds,
    ScaleDataflow,
    ScaleLayer,
    ScaleMachine,
    ScaleResult,
    ScaleRun,
    Span,
    gemm_layer,
)

__all__ = [
    "BANDWIDTH_COLUMNS",
    "COMPUTE_COLUMNS",
    "DETAIL_COLUMNS",
    "Folds",
    "ScaleDataflow",
    "ScaleLayer",
    "ScaleMachine",
    "ScaleResult",
    "ScaleRun",
    "Span",
    "bandwidth_row",
    "compute_row",
    "detail_row",
    "folds_of",
    "gemm_layer",
    "run_columns",
    "scale_layers",
    "scale_machine",
    "simulate",
]
