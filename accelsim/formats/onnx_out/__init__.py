"""ONNX out: a network as a valid ONNX model, one exporter per operator."""

from accelsim.formats.onnx_out.model import OPSET, to_bytes, to_onnx

__all__ = ["OPSET", "to_bytes", "to_onnx"]
