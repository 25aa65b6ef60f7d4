"""ONNX in: a model file or proto as a LayerGraph; constants folded, chains recognised, names kept."""

from accelsim.formats.onnx_in.model import from_onnx, supported
from accelsim.formats.onnx_in.reader import parse_model, read_model

__all__ = ["from_onnx", "parse_model", "read_model", "supported"]
