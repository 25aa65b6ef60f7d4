"""Which inputs of which operators must be constants, and which are weights."""

from __future__ import annotations

from collections.abc import Callable

from accelsim.formats.onnx_in.context import Context

Importer = Callable[[Context], None]

REDUCES = (
    "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
    "ReduceLogSum", "ReduceLogSumExp",
)  # fmt: skip

# shapes, axes, sizes and other numbers that fix what a layer is
CONSTANT_INPUTS: dict[str, tuple[int, ...]] = {
    "Reshape": (1,), "Slice": (1, 2, 3, 4), "Pad": (1, 2, 3), "Expand": (1,), "Tile": (1,), "Resize": (1, 2, 3),
    "Upsample": (1,), "Squeeze": (1,), "Unsqueeze": (1,), "Split": (1,), "Clip": (1, 2), "Dropout": (1, 2),
    "NonMaxSuppression": (2, 3, 4), "ConstantOfShape": (0,), "Range": (0, 1, 2), "TopK": (1,), "OneHot": (1, 2),
    "CumSum": (1,), "Trilu": (1,), "CenterCropPad": (1,), "RNN": (4,), "LSTM": (4,), "GRU": (4,), "If": (0,),
    "Gather": (1,), "Compress": (1,), **dict.fromkeys(REDUCES, (1,)),
}  # fmt: skip

# trained tensors; a file may list them as inputs without values
WEIGHT_INPUTS: dict[str, tuple[int, ...]] = {
    "Conv": (1, 2), "ConvTranspose": (1, 2), "DeformConv": (1, 3), "BatchNormalization": (1, 2, 3, 4),
    "LayerNormalization": (1, 2), "RMSNormalization": (1,), "GroupNormalization": (1, 2),
    "InstanceNormalization": (1, 2), "PRelu": (1,), "RNN": (1, 2, 3), "LSTM": (1, 2, 3, 7), "GRU": (1, 2, 3),
}  # fmt: skip
