"""SCALE-Sim 3.0.0, bit for bit, without walking its demand matrices."""

from accelsim.timing.scalesim.model import folds_of, simulate
from accelsim.timing.scalesim.types import Folds, ScaleDataflow, ScaleLayer, ScaleMachine, ScaleResult, Span, gemm_layer

__all__ = [
    "Folds",
    "ScaleDataflow",
    "ScaleLayer",
    "ScaleMachine",
    "ScaleResult",
    "Span",
    "folds_of",
    "gemm_layer",
    "simulate",
]
