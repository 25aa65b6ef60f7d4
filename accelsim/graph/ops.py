"""One builder method per operator: thin, with the defaults that networks use."""

from __future__ import annotations

from accelsim.errors import InputError
from accelsim.graph.builder import Builder, Handle
from accelsim.layers import (
    CONVS,
    ELU,
    GELU,
    NMS,
    Add,
    Affine,
    AvgPool,
    BatchNorm2d,
    Binary,
    ChannelShuffle,
    Clip,
    Concat,
    Conv2d,
    ConvTranspose,
    DeformConv2d,
    DepthToSpace,
    Dropout,
    Expand,
    Flatten,
    GlobalPool,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    LayerNorm,
    LeakyReLU,
    Linear,
    LocalResponseNorm,
    MatMul,
    MaxPool2d,
    Pad,
    PadMode,
    PReLU,
    PSRoIPool,
    Reduce,
    ReLU,
    ReLU6,
    Reshape,
    Resize,
    RoIAlign,
    RoIPool,
    Shift,
    Sigmoid,
    SiLU,
    Slice,
    Softmax,
    StochasticDepth,
    Take,
    Tanh,
    TemporalShift,
    Transpose,
    Unary,
    same_pads,
)

Pair = int | tuple[int, ...]
Name = str | None


def _each(value: Pair, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else value


def _pads(pad: Pair, rank: int) -> tuple[int, ...]:
    """(befores..., afters...) from one number, one per dim, or all."""
    sizes = _each(pad, rank)
    if len(sizes) == rank:
        return sizes * 2
    if len(sizes) == 2 * rank:
        return sizes
    raise InputError(f"pad {pad}: expected one number, {rank} (one per dim) or {2 * rank} (befores..., afters...)")


class Ops(Builder):
    """The operators."""

    def conv(
        self, x: Handle, channels: int, kernel: Pair, *, stride: Pair = 1, pad: Pair | str = 0, dilation: Pair = 1,
        groups: int = 1, bias: bool = True, name: Name = None, share: str = "",
    ) -> Handle:  # fmt: skip
        """A convolution to `channels` output channels, 1-D to 3-D as the input is; `pad` also `same` (TensorFlow's and
        ONNX's SAME_UPPER) or `same_lower`."""
        rank = len(x.shape) - 2
        kind = CONVS.get(rank, Conv2d)
        rank = kind.rank
        sizes = _each(kernel, rank), _each(stride, rank), _each(dilation, rank)
        if isinstance(pad, str):
            if pad not in ("same", "same_lower"):
                raise InputError(f"pad {pad!r}, expected numbers, 'same' or 'same_lower'")
            both = [same_pads(n, k, s, d, pad == "same_lower") for n, k, s, d in zip(x.shape[2:], *sizes, strict=True)]
            pads = tuple(a for a, _ in both) + tuple(b for _, b in both)
        else:
            pads = _pads(pad, rank)
        layer = kind(channels, sizes[0], sizes[1], pads, sizes[2], groups, bias)
        return self.add_layer(layer, x, stem="conv", name=name, share=share)

    def conv_transpose(
        self, x: Handle, channels: int, kernel: Pair, *, stride: Pair = 1, pad: Pair = 0, output_padding: Pair = 0,
        dilation: Pair = 1, groups: int = 1, bias: bool = True, name: Name = None,
    ) -> Handle:  # fmt: skip
        """A transposed convolution."""
        rank = len(x.shape) - 2
        layer = ConvTranspose(
            channels, _each(kernel, rank), _each(stride, rank), _pads(pad, rank), _each(output_padding, rank),
            _each(dilation, rank), groups, bias,
        )  # fmt: skip
        return self.add_layer(layer, x, stem="deconv", name=name)

    def deform_conv(
        self, x: Handle, offsets: Handle, channels: int, kernel: Pair, *, mask: Handle | None = None, stride: Pair = 1,
        pad: Pair = 0, dilation: Pair = 1, groups: int = 1, offset_groups: int = 1, bias: bool = True,
        name: Name = None,
    ) -> Handle:  # fmt: skip
        """A deformable convolution of `x` at `offsets`; with a `mask` version 2."""
        conv = Conv2d(
            channels, _each(kernel, 2), _each(stride, 2), _pads(pad, 2), _each(dilation, 2), groups, bias
        )  # fmt: skip
        layer = DeformConv2d(conv, offset_groups, mask is not None)
        inputs = (x, offsets) if mask is None else (x, offsets, mask)
        return self.add_layer(layer, *inputs, stem="deform", name=name)

    def linear(self, x: Handle, features: int, *, bias: bool = True, name: Name = None, share: str = "") -> Handle:
        """A fully connected layer over the last dim."""
        return self.add_layer(Linear(features, bias), x, stem="fc", name=name, share=share)

    def matmul(self, a: Handle, b: Handle, *, name: Name = None) -> Handle:
        """A product of two activations."""
        return self.add_layer(MatMul(), a, b, stem="matmul", name=name)

    def batch_norm(self, x: Handle, *, eps: float = 1e-5, name: Name = None) -> Handle:
        """Batch normalisation at inference."""
        return self.add_layer(BatchNorm2d(eps), x, stem="bn", name=name)

    def layer_norm(self, x: Handle, *, axis: int = -1, eps: float = 1e-6, name: Name = None) -> Handle:
        """Layer normalisation over the dims from `axis` on."""
        return self.add_layer(LayerNorm(axis, eps), x, stem="ln", name=name)

    def group_norm(self, x: Handle, groups: int, *, eps: float = 1e-5, name: Name = None) -> Handle:
        """Group normalisation; `groups = C` is instance normalisation."""
        return self.add_layer(GroupNorm(groups, eps), x, stem="gn", name=name)

    def local_response_norm(self, x: Handle, size: int = 5, *, name: Name = None) -> Handle:
        """Local response normalisation across channels."""
        return self.add_layer(LocalResponseNorm(size), x, stem="lrn", name=name)

    def relu(self, x: Handle, *, name: Name = None) -> Handle:
        """max(x, 0)."""
        return self.add_layer(ReLU(), x, stem="relu", name=name)

    def relu6(self, x: Handle, *, name: Name = None) -> Handle:
        """min(max(x, 0), 6)."""
        return self.add_layer(ReLU6(), x, stem="relu", name=name)

    def clip(self, x: Handle, low: float, high: float, *, name: Name = None) -> Handle:
        """min(max(x, low), high)."""
        return self.add_layer(Clip(low, high), x, stem="clip", name=name)

    def leaky_relu(self, x: Handle, alpha: float = 0.01, *, name: Name = None) -> Handle:
        """x or alpha x."""
        return self.add_layer(LeakyReLU(alpha), x, stem="relu", name=name)

    def prelu(self, x: Handle, *, shared: bool = False, name: Name = None) -> Handle:
        """ReLU with one trained slope per channel, or one for all."""
        slope = (1,) if shared else (x.channels, *(1,) * (len(x.shape) - 2))
        return self.add_layer(PReLU(slope), x, stem="prelu", name=name)

    def elu(self, x: Handle, alpha: float = 1.0, *, name: Name = None) -> Handle:
        """x or alpha (exp(x) - 1)."""
        return self.add_layer(ELU(alpha), x, stem="elu", name=name)

    def gelu(self, x: Handle, *, tanh: bool = False, name: Name = None) -> Handle:
        """GELU, exact or in its tanh form."""
        return self.add_layer(GELU(tanh), x, stem="gelu", name=name)

    def silu(self, x: Handle, *, name: Name = None) -> Handle:
        """x sigmoid(x)."""
        return self.add_layer(SiLU(), x, stem="silu", name=name)

    def hard_sigmoid(self, x: Handle, *, name: Name = None) -> Handle:
        """clip(x / 6 + 1/2, 0, 1)."""
        return self.add_layer(HardSigmoid(1 / 6, 0.5), x, stem="hsigmoid", name=name)

    def hard_swish(self, x: Handle, *, name: Name = None) -> Handle:
        """x clip(x / 6 + 1/2, 0, 1)."""
        return self.add_layer(HardSwish(), x, stem="hswish", name=name)

    def tanh(self, x: Handle, *, name: Name = None) -> Handle:
        """tanh(x)."""
        return self.add_layer(Tanh(), x, stem="tanh", name=name)

    def sigmoid(self, x: Handle, *, name: Name = None) -> Handle:
        """1 / (1 + exp(-x))."""
        return self.add_layer(Sigmoid(), x, stem="sigmoid", name=name)

    def softmax(self, x: Handle, *, axis: int = -1, log: bool = False, name: Name = None) -> Handle:
        """Softmax over one dim, or its logarithm."""
        return self.add_layer(Softmax(axis, log), x, stem="softmax", name=name)

    def scale(self, x: Handle, factor: float = 1.0, shift: float = 0.0, *, name: Name = None) -> Handle:
        """factor x + shift, both constants."""
        return self.add_layer(Affine(factor, shift), x, stem="scale", name=name)

    def unary(self, x: Handle, function: str, *, name: Name = None) -> Handle:
        """A function of one element by name (`layers.UNARY`)."""
        return self.add_layer(Unary(function), x, stem=function, name=name)

    def max_pool(
        self, x: Handle, kernel: Pair, *, stride: Pair | None = None, pad: Pair = 0, ceil_mode: bool = False,
        name: Name = None,
    ) -> Handle:  # fmt: skip
        """Max pooling; the stride defaults to the kernel."""
        rank = len(x.shape) - 2
        layer = MaxPool2d(_each(kernel, rank), _each(stride or kernel, rank), _pads(pad, rank), ceil_mode)
        return self.add_layer(layer, x, stem="pool", name=name)

    def avg_pool(
        self, x: Handle, kernel: Pair, *, stride: Pair | None = None, pad: Pair = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, name: Name = None,
    ) -> Handle:  # fmt: skip
        """Average pooling; the stride defaults to the kernel."""
        rank = len(x.shape) - 2
        layer = AvgPool(
            _each(kernel, rank), _each(stride or kernel, rank), _pads(pad, rank), ceil_mode,
            count_include_pad=count_include_pad,
        )  # fmt: skip
        return self.add_layer(layer, x, stem="pool", name=name)

    def global_avg_pool(self, x: Handle, *, name: Name = None) -> Handle:
        """Mean over all positions, (N, C, 1, 1)."""
        return self.add_layer(GlobalPool("avg"), x, stem="pool", name=name)

    def global_max_pool(self, x: Handle, *, name: Name = None) -> Handle:
        """Maximum over all positions, (N, C, 1, 1)."""
        return self.add_layer(GlobalPool("max"), x, stem="pool", name=name)

    def add(self, *inputs: Handle, name: Name = None) -> Handle:
        """Elementwise sum."""
        return self.add_layer(Add(), *inputs, stem="add", name=name)

    def binary(self, function: str, *inputs: Handle, name: Name = None) -> Handle:
        """A function of two tensors by name (`layers.BINARY`)."""
        return self.add_layer(Binary(function), *inputs, stem=function, name=name)

    def mul(self, *inputs: Handle, name: Name = None) -> Handle:
        """Elementwise product."""
        return self.binary("mul", *inputs, name=name)

    def reduce(
        self, x: Handle, kind: str, axes: tuple[int, ...] | None = None, *, keepdims: bool = True, name: Name = None
    ) -> Handle:
        """A reduction by name (`layers.REDUCTIONS`)."""
        return self.add_layer(Reduce(kind, axes, keepdims), x, stem=kind, name=name)

    def concat(self, *inputs: Handle, axis: int = 1, name: Name = None) -> Handle:
        """Tensors side by side."""
        return self.add_layer(Concat(axis), *inputs, stem="concat", name=name)

    def slice(
        self, x: Handle, axis: int, start: int, stop: int, *, squeeze: bool = False, step: int = 1, name: Name = None
    ) -> Handle:
        """Part of a tensor along one axis."""
        return self.add_layer(Slice(axis, start, stop, squeeze, step), x, stem="slice", name=name)

    def split(self, x: Handle, sizes: tuple[int, ...], *, axis: int = 1) -> list[Handle]:
        """A tensor cut along one axis, in order."""
        if sum(sizes) != x.shape[axis]:
            raise InputError(f"split {sizes}: the sizes add up to {sum(sizes)}, the axis has {x.shape[axis]}")
        ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
        return [self.slice(x, axis, end - size, end) for size, end in zip(sizes, ends, strict=True)]

    def take(self, x: Handle, indices: tuple[int, ...], *, axis: int = 0, name: Name = None) -> Handle:
        """The given indices along an axis."""
        return self.add_layer(Take(axis, indices, (len(indices),)), x, stem="gather", name=name)

    def pad(self, x: Handle, *pads: int, mode: PadMode = "constant", value: float = 0.0, name: Name = None) -> Handle:
        """Borders: befores of every dim, then afters."""
        return self.add_layer(Pad(pads, mode, value), x, stem="pad", name=name)

    def flatten(self, x: Handle, *, axis: int = 1, name: Name = None) -> Handle:
        """(N, rest); a view."""
        return self.add_layer(Flatten(axis), x, stem="flatten", name=name)

    def reshape(self, x: Handle, *shape: int, name: Name = None) -> Handle:
        """The same words in the same order as another shape (-1: what is left over); a view."""
        return self.add_layer(Reshape(shape), x, stem="reshape", name=name)

    def transpose(self, x: Handle, *perm: int, name: Name = None) -> Handle:
        """Dims in another order."""
        return self.add_layer(Transpose(perm), x, stem="transpose", name=name)

    def expand(self, x: Handle, *shape: int, name: Name = None) -> Handle:
        """Dims of size 1 repeated."""
        return self.add_layer(Expand(shape), x, stem="expand", name=name)

    def channel_shuffle(self, x: Handle, groups: int, *, name: Name = None) -> Handle:
        """Channels of all groups interleaved."""
        return self.add_layer(ChannelShuffle(groups), x, stem="shuffle", name=name)

    def shift(self, x: Handle, kernel: int = 3, *, name: Name = None) -> Handle:
        """Channel groups moved by one position each way."""
        return self.add_layer(Shift(kernel), x, stem="shift", name=name)

    def temporal_shift(self, x: Handle, frames: int, fold: int = 8, *, name: Name = None) -> Handle:
        """Channels moved between the frames of a clip."""
        return self.add_layer(TemporalShift(frames, fold), x, stem="tshift", name=name)

    def depth_to_space(self, x: Handle, block: int, *, mode: str = "DCR", name: Name = None) -> Handle:
        """Channels to positions."""
        return self.add_layer(DepthToSpace(block, mode), x, stem="d2s", name=name)

    def upsample(self, x: Handle, rows: int, cols: int, *, mode: str = "nearest", name: Name = None) -> Handle:
        """(N, C, H, W) to (N, C, rows, cols): `nearest` (asymmetric, rounded down) or `linear` (half pixel), PyTorch's
        rules."""
        shape = (*x.shape[:2], rows, cols)
        if mode == "nearest":
            layer = Resize(shape, coordinates="asymmetric", nearest="floor")
        else:
            layer = Resize(shape, mode=mode)
        return self.add_layer(layer, x, stem="resize", name=name)

    def dropout(self, x: Handle, rate: float = 0.5, *, name: Name = None) -> Handle:
        """The identity at inference."""
        return self.add_layer(Dropout(rate), x, stem="dropout", name=name)

    def stochastic_depth(self, x: Handle, rate: float = 0.2, *, name: Name = None) -> Handle:
        """The identity at inference."""
        return self.add_layer(StochasticDepth(rate), x, stem="depth", name=name)

    def roi_pool(self, x: Handle, regions: Handle, size: int, scale: float, *, name: Name = None) -> Handle:
        """Largest word of `size x size` bins per region."""
        return self.add_layer(RoIPool((size, size), scale), x, regions, stem="roi", name=name)

    def ps_roi_pool(self, x: Handle, regions: Handle, size: int, scale: float, *, name: Name = None) -> Handle:
        """Position-sensitive means of `size x size` bins per region."""
        return self.add_layer(PSRoIPool((size, size), scale), x, regions, stem="psroi", name=name)

    def roi_align(
        self, x: Handle, regions: Handle, size: int, scale: float, *, ratio: int = 2, name: Name = None
    ) -> Handle:
        """Bilinear samples of `size x size` bins per region."""
        return self.add_layer(RoIAlign((size, size), scale, ratio), x, regions, stem="roi", name=name)

    def nms(
        self, boxes: Handle, scores: Handle, most: int, *, threshold: float = 0.5, least: float = 0.0, name: Name = None
    ) -> Handle:
        """(image, class, box) of the boxes (N, B, 4) that survive by their scores (N, K, B)."""
        return self.add_layer(NMS(most, threshold, least), boxes, scores, stem="nms", name=name)
